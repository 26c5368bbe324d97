/* Inside the disk store: a volume as its files share it.
 *
 *   disk_volume.c   life, and what is asked by other threads
 *   disk_reads.c    the readers
 *   disk_writer.c   the writer's thread: makes records of what waits
 *   disk_ring.c     segments: records go in at one end, and the oldest segment makes room
 *   disk_start.c    opens the file and finds what is in it
 *   disk_record.c   what all of these need: one record, one segment's list, failing
 *
 * What has no lock named beside it is the writer's alone. */
#ifndef ER_CACHE_DISK_INSIDE_H
#define ER_CACHE_DISK_INSIDE_H

#include "cache/disk_checked.h"
#include "cache/disk_index.h"
#include "cache/disk_volume.h"

#include <pthread.h>

enum { ER_VOLUME_MAGIC = 0x564f4c55, ER_DISK_GROUPS = 1024 };

/* What the writer is to do. */
typedef enum er_disk_work { ER_WORK_PUT, ER_WORK_PART, ER_WORK_DROP } er_disk_work;

typedef struct er_disk_job {
	er_list link;
	er_disk_work work;
	size_t cost;      /* bytes of the queue */
	uint64_t hash;    /* er_index_hash of the key; PUT, DROP */
	er_stored *s;     /* PUT: own reference */
	uint64_t id;      /* PUT: of parts that are written already, or 0; PART */
	uint64_t length;  /* PUT with an id: of the body */
	er_disk_hash key; /* PART; DROP without a text */
	uint64_t n;       /* PART: which */
	er_piece piece;   /* PART: own */
	er_slice text;    /* DROP, while nobody knows the file's secret: the key; own */
	er_latch *told;   /* DROP: who waits for it; NULL: nobody */
	bool dropped;     /* PUT: its key was dropped since (lock) */
} er_disk_job;

/* A record that is not in the file yet, or not all of it: nobody finds it before. */
typedef struct er_disk_pending {
	er_disk_hash hash;
	uint64_t at; /* in units, from the file's beginning */
	uint32_t units;
	uint8_t uses;
	bool dead; /* dropped meanwhile */
} er_disk_pending;

typedef struct er_disk_slot {
	/* of the segment in it; 0: none. Atomic: readers ask whether what they have read is of it */
	uint64_t sequence;
} er_disk_slot;

/* The end at which is written. */
typedef struct er_disk_ring {
	bool open;
	uint32_t slot;
	uint64_t sequence; /* of the open segment, or of the last one */
	uint32_t at;       /* in the segment: where the next record begins */
	uint32_t written;  /* so much of it is in the file; the rest is in `buf` */
	uint64_t number;   /* the highest of its heads */
	er_buf buf;
	er_disk_line *lines;
	uint32_t n_lines, cap_lines;
	/* what the slot had before: all that begins before `cleared` is written over, or may be */
	uint32_t cleared; /* in the segment */
	er_disk_line *old;
	uint32_t n_old, old_at; /* the first that is there yet */
	uint64_t debt;          /* bytes that were kept, and not paid for by what went since */
} er_disk_ring;

struct er_volume {
	uint32_t magic;
	const er_disk_io *io;
	char *path;
	uint64_t wanted_bytes, queue_most;
	uint32_t record_bytes;
	bool begins_empty;
	/* written before `serves` is, and never again */
	er_disk_index *index;     /* atomic in itself; NULL: the file was never open */
	er_disk_checked *checked; /* likewise */
	int fd;                   /* -1: not open */
	er_disk_label label;
	uint32_t n_slots;
	bool serves, failed; /* atomic */
	bool shared;         /* atomic: another process may write to the file */
	bool wrapped;        /* atomic: there is no segment left that was never written */
	uint64_t next_id;    /* atomic */

	pthread_mutex_t lock; /* what follows up to the next comment */
	pthread_cond_t to_write, to_read, replaced;
	er_state state;
	bool ending, leaving; /* no more writes; and no more reads */
	uint64_t ending_us;   /* since when: monotonic */
	er_list jobs, drops;  /* DROP is in the second, which comes first */
	er_disk_job *doing;   /* taken out of the list; counts as queued until it is done */
	uint64_t queued_bytes, queued;
	/* A drop found no room in the queue, so the file does not know of it. While it opens: more than
	 * 0, and it begins empty. From then on: so many slots are to be looked through yet for what the
	 * index has not */
	uint32_t unnoted;
	uint32_t puts[ER_DISK_GROUPS]; /* PUTs that are queued, by the hash of their key */
	er_list reads;
	unsigned n_reads; /* in the list */
	/* what was kept of the oldest segment is being written, maybe over what was there, and its
	 * entries do not say so yet */
	bool replaces;
	er_disk_pending *pending;
	uint32_t n_pending, cap_pending;
	uint64_t read_us; /* how long a read took, lately */

	/* of the writer */
	er_disk_slot *slots; /* others look at it while the volume serves */
	er_disk_ring ring;
	er_buf payload; /* of the record that is being made */
	er_buf to_tell; /* er_latch *: of drops whose records are not in the file yet */
	uint8_t *room;  /* for the body and the coded forms of a head; NULL: never needed yet */
	pthread_t writer, readers[ER_VOLUME_READERS];
	unsigned n_readers;
	bool writer_runs;
	er_volume_stats stats; /* each counter atomic */
};

#define ER_DISK_COUNT(v, counter, n) ((void)__atomic_fetch_add(&(v)->stats.counter, (n), __ATOMIC_RELAXED))

static inline uint64_t er_disk_segment_at(const er_volume *v, uint32_t slot)
{
	return ER_DISK_BLOCK + (uint64_t)slot * v->label.segment_bytes;
}

/* Of the segment in the slot; 0: there is none. */
static inline uint64_t er_disk_sequence(const er_volume *v, uint32_t slot)
{
	return __atomic_load_n(&v->slots[slot].sequence, __ATOMIC_RELAXED);
}

/* ---- disk_record.c ---- */
/* The job, of a volume that has not failed, is queued no longer. Under the lock. */
void er_disk_job_done(er_volume *v, const er_disk_job *j);
/* The file is out of service. Whoever waits for it gets nothing. Any thread, no lock held. */
void er_volume_fail(er_volume *v, const char *what, int error);
void er_disk_job_free(er_disk_job *j);
/* The volume ends, and has taken its time for it. Under the lock. */
bool er_volume_is_late(const er_volume *v);
/* Reads the record at `at` (in units), of `units` at most, into a new chunk: the payload's piece,
 * or an empty one if it is not there or not whole. `now`: only what the kernel has in memory. */
er_piece er_disk_record_read(er_volume *v, uint64_t at, uint32_t units, bool now, er_disk_record *out);
/* What lies in the segment: by its seal, or by a walk. The lines are the caller's (er_free). False:
 * nothing can be said of it. */
ER_MUST_CHECK bool er_disk_survey(er_volume *v, uint32_t slot, er_disk_line **lines, uint32_t *n, uint64_t *number);

/* ---- disk_start.c ---- */
/* Opens the file and fills index and slots. False: it has failed, or is to end. */
ER_MUST_CHECK bool er_disk_start(er_volume *v);
/* Whatever is in the file is void from the next start on. False: the volume has failed. */
ER_MUST_CHECK bool er_disk_void(er_volume *v);
/* The file begins empty now. Nobody is served yet. Likewise. */
ER_MUST_CHECK bool er_disk_start_anew(er_volume *v);

/* ---- disk_ring.c ---- */
/* Appends a record. `dropped` (under the lock; may be NULL): it is dead from the beginning if that
 * says so. False: the volume has failed. */
ER_MUST_CHECK bool er_ring_append(er_volume *v, er_disk_kind kind, er_disk_hash hash, uint64_t number, er_slice payload,
                                  const bool *dropped);
/* What was appended is in the file, and is found. */
ER_MUST_CHECK bool er_ring_flush(er_volume *v);
/* The segment is full, or the volume ends. */
ER_MUST_CHECK bool er_ring_seal(er_volume *v);
/* Nothing is under the hash, and nothing that was appended comes there. */
void er_ring_forget(er_volume *v, er_disk_hash hash);
/* Whatever has a record in the slot, and is not in the index any more, has one that says so. */
ER_MUST_CHECK bool er_ring_note_gone(er_volume *v, uint32_t slot);
/* No record has a place any more; sequences go on. */
void er_ring_clear(er_volume *v);
void er_ring_fini(er_volume *v);

/* ---- the threads ---- */
void *er_disk_writer(void *volume);
void *er_disk_reader(void *volume);

#endif
