/* One database of places in MaxMind's format, in memory: a private copy of its file, which nobody
 * can change or cut. Immutable and counted; any thread may look into it. */
#ifndef ER_GEO_DATABASE_H
#define ER_GEO_DATABASE_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/socket.h>
#include <time.h>

typedef struct er_geo_database er_geo_database;

/* The largest database that is sold has some 700 MB. */
enum { ER_GEO_FILE_MAX = 1024 * 1024 * 1024 };

/* What the file was when it was looked at: another value is another content. All zero: there was
 * none. */
typedef struct er_geo_file {
	uint64_t device, inode, bytes;
	struct timespec changed;
} er_geo_file;

/* Of the file at the path now. */
er_geo_file er_geo_file_of(const char *path);
bool er_geo_file_same(const er_geo_file *a, const er_geo_file *b);

/* Reads the file; blocks as long as that takes. NULL: *err says why, and what to do. */
er_geo_database *er_geo_database_open(const char *path, er_err *err);
er_geo_database *er_geo_database_ref(er_geo_database *d);
/* The last one gives the memory back, which takes a while. NULL is fine. */
void er_geo_database_unref(er_geo_database *d);

/* What it was made of. */
const er_geo_file *er_geo_database_file(const er_geo_database *d);
/* "GeoLite2-City". */
er_slice er_geo_database_type(const er_geo_database *d);
/* When it was made, Unix time; 0: it does not say. */
uint64_t er_geo_database_built(const er_geo_database *d);

/* Where its record of the address begins in its data (geo/record.h). False: it has none, or is
 * broken there. */
bool er_geo_database_find(const er_geo_database *d, const struct sockaddr *address, size_t *record);
er_slice er_geo_database_data(const er_geo_database *d);

#endif
