/* Where clients are: the databases that the operator names, and their renewal while threads look
 * into them.
 *
 * er_geo is shared by all threads. One thread at a time, which may block, has it look whether a
 * file is another one (er_geo_renew). A thread that serves has a view of its own, which finds what
 * is in force without a lock, and remembers what it has found for the addresses that come most. */
#ifndef ER_GEO_GEO_H
#define ER_GEO_GEO_H

#include "base/err.h"
#include "base/slice.h"

#include <sys/socket.h>

enum { ER_GEO_DATABASES = 8 };

/* What the operator says. All zero: nothing is known of any address. */
typedef struct er_geo_spec {
	char *paths[ER_GEO_DATABASES]; /* what the first of them does not say the next one may */
	size_t n;
	char *language; /* of the local names: "en", "zh-CN"; NULL: "en" */
	char *colo;     /* what routines read as request.cf.colo; NULL: nothing */
	/* er dev: lines of er_geo_place_parse, which hold for every address; or NULL */
	char *pretended;
} er_geo_spec;

void er_geo_spec_copy(er_geo_spec *to, const er_geo_spec *from);
void er_geo_spec_free(er_geo_spec *s);

typedef struct er_geo er_geo;

er_geo *er_geo_new(void);
/* No view is left. */
void er_geo_free(er_geo *g);
/* From the next er_geo_renew on. A copy is taken. Any thread. */
void er_geo_want(er_geo *g, const er_geo_spec *spec);
/* Reads what is named and has not been read, or has changed since, and puts it in force for all
 * views. A file that cannot be read leaves what was read of it before, and a line in the log, one
 * for each state of the file. Blocks; not twice at the same time. */
void er_geo_renew(er_geo *g);

/* One database, as it is in force. */
typedef struct er_geo_state {
	er_slice path, type; /* type empty: nothing of it is in force */
	uint64_t built_s;    /* when it was made, Unix time; 0: not known */
	uint64_t bytes;      /* of memory */
	er_slice fault;      /* why the file as it is now is not in force; empty: it is */
} er_geo_state;
/* Calls `each` for every database that is named, under a lock: the slices are good for the call.
 * Any thread. */
void er_geo_states(er_geo *g, void (*each)(void *ctx, const er_geo_state *state), void *ctx);
/* Files that could not be taken so far. */
uint64_t er_geo_failures(er_geo *g);

/* ---- looking; one thread ---- */
typedef struct er_geo_view er_geo_view;
er_geo_view *er_geo_view_new(er_geo *g);
void er_geo_view_free(er_geo_view *v);
/* "name\nvalue\n" for each field (geo/place.h) that is known of the address; a mapped IPv4 address
 * is an IPv4 address. Good until the next look of this view. */
er_slice er_geo_look(er_geo_view *v, const struct sockaddr *address);

#endif
