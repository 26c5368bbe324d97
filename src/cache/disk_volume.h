/* One file of the disk store: a ring of segments that is written by one thread, one record behind
 * the other, and read by a few. Where its oldest segment was, the next one is written; what was
 * used meanwhile is copied there.
 *
 * Any thread may ask, none waits for the disk. A volume opens its file by itself, which takes as
 * long as it takes; before that, and after the file has failed, it holds nothing and takes
 * nothing. */
#ifndef ER_CACHE_DISK_VOLUME_H
#define ER_CACHE_DISK_VOLUME_H

#include "cache/disk_file.h"
#include "cache/disk_head.h"
#include "cache/port.h"

#include "base/states.h"

#define ER_VOLUME_STATES(X, P) \
	X(P, OPENING, "opening", "its thread opens the file and reads what is in it") \
	X(P, SERVING, "serving", "it is read and written") \
	X(P, READ_ONLY, "read-only", "it is read, and another process may write to the file") \
	X(P, ENDED, "ended", "it was never opened, and will not be") \
	X(P, FAILED, "failed", "the file is out of service")

#define ER_VOLUME_EVENTS(X, P) \
	X(P, OPENED, "opened", "all that is in the file is known") \
	X(P, END, "end", "its owner wants no more to be written") \
	X(P, FAIL, "fail", "the file cannot be opened, read or written")

ER_STATES_TYPES(er_volume, VOLUME, ER_VOLUME_STATES, ER_VOLUME_EVENTS);
extern const er_states er_volume_states;

typedef struct er_volume er_volume;

typedef struct er_volume_options {
	const er_disk_io *io;
	const char *path; /* copied */
	uint64_t bytes;   /* of the file, about */
	/* the least mean size of what is stored that the index has room for all of; 0: 2 KiB */
	uint32_t record_bytes;
	uint64_t queue_bytes; /* that may wait to be written; 0: 64 MiB */
	bool begins_empty;    /* whatever is in the file, if it is a cache file */
} er_volume_options;

enum { ER_VOLUME_LEAST = 64 << 20, ER_VOLUME_READERS = 4 };

er_volume *er_volume_new(const er_volume_options *o);
/* What waits to be written is written, and the file is another process's from then on; it may still
 * be read. Does not wait. Once or more often. */
void er_volume_end(er_volume *v);
/* Nobody asks any more. Ends it, and waits until it has ended. */
void er_volume_free(er_volume *v);
er_volume_state er_volume_now(er_volume *v);
bool er_volume_failed(const er_volume *v);
/* There is something to be had from it. */
bool er_volume_serves(const er_volume *v);
/* It takes what is to be stored. */
bool er_volume_writes(er_volume *v);
/* ---- of a volume that serves ---- */
er_disk_hash er_volume_hash(const er_volume *v, er_slice key);
er_disk_hash er_volume_hash_part(const er_volume *v, er_disk_hash key, uint64_t id, uint64_t n);
er_disk_hash er_volume_hash_variant(const er_volume *v, er_disk_hash key, const er_disk_fork *fork, const er_variant *mine);
/* Something may be there. */
bool er_volume_has(const er_volume *v, er_disk_hash hash);
/* The same; counts as a use. */
bool er_volume_use(er_volume *v, er_disk_hash hash);
/* What is under the hash is of no use: it is not found any more until the next start. */
void er_volume_forget(er_volume *v, er_disk_hash hash);

/* ---- writing ---- */
/* Is a response of this key, which nobody has asked for again yet, worth a place? As long as there
 * is room it is; from then on if the key has a place already, or was refused one not long ago. */
bool er_volume_wants(er_volume *v, er_slice key);
/* It has not got a place: nobody has asked for it again for as long as it was there. */
void er_volume_refuse(er_volume *v, er_slice key);
/* Writes the response, whose content is whole, in place of what the key had. False: the disk cannot
 * follow, and what the key had is dropped. */
ER_MUST_CHECK bool er_volume_put(er_volume *v, er_stored *s);
/* An id for the parts of one body, for er_volume_put_part. */
uint64_t er_volume_next_id(er_volume *v);
/* Writes the n-th part of a body; all but the last have ER_DISK_PART bytes. The piece stays the
 * caller's. False: the disk cannot follow. */
ER_MUST_CHECK bool er_volume_put_part(er_volume *v, er_disk_hash key, uint64_t id, uint64_t n, er_piece piece);
/* Writes the head of a response whose parts were all put. */
ER_MUST_CHECK bool er_volume_put_head(er_volume *v, er_stored *s, uint64_t id, uint64_t length);
/* Drops all variants of the key; also what waits to be written, and also after a restart. `told`
 * (NULL: nobody waits) is done when that is in the file. */
void er_volume_drop(er_volume *v, er_slice key, uint64_t hash, er_latch *told);

/* Nothing waits to be written, and all that was written is found. */
bool er_volume_idle(er_volume *v);

/* ---- reading ---- */
typedef struct er_disk_read er_disk_read;
/* Reads what is under the hash. NULL: nothing is there, or it would take too long because of those
 * that wait already; `must`: it is read however long that takes. If it is not er_disk_read_done at
 * once, `wait` hears of it. Its owner lets go of it with er_disk_read_over. */
er_disk_read *er_volume_read(er_volume *v, er_disk_hash hash, bool must, er_wait *wait);
bool er_disk_read_done(er_disk_read *r);
/* Reads the part of a body under the hash, on a thread that may wait for the disk. An empty piece:
 * it is not there. The piece is the caller's. */
er_piece er_volume_read_part(er_volume *v, er_disk_hash hash);
/* Of one that is done: what was read; 0: nothing. */
er_disk_kind er_disk_read_kind(const er_disk_read *r);
/* Of one that is done: what was read, of that kind, or an empty piece. The piece is the
 * caller's. */
er_piece er_disk_read_take(er_disk_read *r, er_disk_kind kind, uint64_t *number);
/* `wait` hears nothing any more. */
void er_disk_read_over(er_disk_read *r, er_wait *wait);

/* Counters since the start, and what there is now. */
typedef struct er_volume_stats {
	uint64_t bytes, records, index_bytes;
	uint64_t waiting; /* responses and drops that are not in the file yet */
	uint64_t written_bytes, read_bytes, reads;
	uint64_t skipped; /* not stored: the disk could not follow */
	uint64_t refused; /* not read: too many waited */
	uint64_t damaged; /* records that were not what was written */
	uint64_t errors;  /* of the disk */
	uint64_t segments_reclaimed, reinserted;
	uint64_t number; /* the highest of its heads (er_stored) */
} er_volume_stats;
er_volume_stats er_volume_statistics(er_volume *v);

#endif
