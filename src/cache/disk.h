/* The disk half of the store: stored responses on several files, each a volume (disk_volume.h). A
 * key lies on one volume, which its hash and the volumes' names choose; a volume that fails leaves
 * its keys to the others.
 *
 * Any thread, and none waits for a disk. */
#ifndef ER_CACHE_DISK_H
#define ER_CACHE_DISK_H

#include "cache/disk_volume.h"

typedef struct er_disk er_disk;

enum { ER_DISK_VOLUMES = 16 };

/* `files`: copied. May be none. */
er_disk *er_disk_new(const er_volume_options *files, unsigned n);
/* From now on it has these files. A file of the same path and size stays; `again`: one that has
 * failed is opened anew. One of another size is opened anew with what is in it; one that is new
 * begins empty; one that is not named is let go of, which does not wait. False: there were too many
 * changes for one life, and nothing is changed. One thread. */
ER_MUST_CHECK bool er_disk_change(er_disk *d, const er_volume_options *files, unsigned n, bool again);
/* Of the file in use with that path; 0: there is none. */
uint64_t er_disk_bytes_of(const er_disk *d, const char *path);
unsigned er_disk_files_in_use(const er_disk *d);
/* What waits to be written is written, and the files are another process's. Does not wait. */
void er_disk_end(er_disk *d);
/* Nobody asks any more. Waits until all is written. NULL is fine. */
void er_disk_free(er_disk *d);

/* ---- storing ---- */
/* Is a response of this key, which nobody has asked for again yet, worth a place
 * (er_volume_wants)? */
bool er_disk_wants(er_disk *d, er_slice key);
/* It has not got a place (er_volume_refuse). */
void er_disk_refuse(er_disk *d, er_slice key);
/* Stores the response, whose content is whole, in place of what the key's variant had. What the
 * disk cannot follow is not stored. */
void er_disk_put(er_disk *d, er_stored *s);
/* Drops all variants of the key, now and after a restart. `hash`: er_index_hash. */
void er_disk_drop(er_disk *d, er_slice key, uint64_t hash);
/* The same; `told` is done when a kill cannot bring it back any more. */
void er_disk_drop_told(er_disk *d, er_slice key, uint64_t hash, er_latch *told);
/* An object may have so many bytes: a tenth of the smallest file. */
uint64_t er_disk_max_object(const er_disk *d);

/* Where the key belongs something can be stored now. */
bool er_disk_takes(const er_disk *d, er_slice key);

/* A body that is written while it comes, since it is too long for the memory. */
typedef struct er_disk_stream er_disk_stream;
/* NULL: no volume takes it. */
er_disk_stream *er_disk_stream_new(er_disk *d, er_slice key);
/* Takes the bytes; the piece stays the caller's. False: they were too many for the disk, and the
 * stream takes no more. */
ER_MUST_CHECK bool er_disk_stream_write(er_disk_stream *w, er_piece piece);
/* All bytes are there: stores the response. False: it is not stored. */
ER_MUST_CHECK bool er_disk_stream_end(er_disk_stream *w, er_stored *s);
/* Whatever became of it. NULL is fine. */
void er_disk_stream_free(er_disk_stream *w);

/* ---- finding ---- */

/* A question to the disk: a member of what asks, on its thread. */
typedef struct er_disk_find {
	er_wait wait;
	er_disk *disk;
	er_volume *volume;
	er_disk_read *read; /* NULL: nothing is asked */
	er_slice key;
	uint64_t hash;
	const er_fields *request;
	bool at_variant; /* the head of a variant is being read */
	er_disk_hash at; /* what is being read */
	/* What was found: the caller's reference, or NULL. The question is over. */
	void (*found)(struct er_disk_find *f, er_stored *s);
} er_disk_find;

/* Counts uses of what the disk has of the key, by those that had it from memory. False: it has
 * nothing. */
bool er_disk_used(er_disk *d, er_slice key, uint32_t uses);
/* Something may be there. A cheap question. */
bool er_disk_has(const er_disk *d, er_slice key);
/* Looks for the response that the request selects. `key` and `request` live until it is over. True:
 * f->found is called later. False: it is over, and *out (the caller's reference, or NULL) is what
 * there is. */
ER_MUST_CHECK bool er_disk_find_start(er_disk_find *f, er_disk *d, er_port *port, er_slice key, uint64_t hash,
                                      const er_fields *request, void (*found)(er_disk_find *f, er_stored *s), er_stored **out);
/* f->found is not called. Also of one that is over. */
void er_disk_find_stop(er_disk_find *f);

/* ---- of disk_find.c ---- */
/* Where the key belongs; NULL: nowhere. */
er_volume *er_disk_volume_of(const er_disk *d, er_slice key);
void er_disk_found(er_disk *d, bool found); /* counts */

/* ---- figures ---- */
typedef struct er_disk_stats {
	er_volume_stats all; /* sums; number: the highest */
	unsigned files, failed;
	uint64_t found, missed; /* questions */
} er_disk_stats;
er_disk_stats er_disk_statistics(er_disk *d);
/* One of the files in use. */
typedef struct er_disk_file {
	const char *path; /* of the disk */
	er_volume_state state;
	uint64_t bytes, records;
} er_disk_file;
/* Writes the files to `out`, in the configuration's order; returns how many. */
unsigned er_disk_list(er_disk *d, er_disk_file out[ER_DISK_VOLUMES]);
/* Every volume is open, or has failed. */
bool er_disk_ready(er_disk *d);
/* Nothing waits to be written. */
bool er_disk_idle(er_disk *d);

#endif
