/* The readers of a volume, and what they read.
 *
 * A read has two owners, its asker and the reader that has it in hand; the last one frees it. It is
 * in v->reads until a reader takes it, and done for good afterwards. What the kernel has in memory
 * is read by the asker itself, which is the usual case of what was written or read lately.
 *
 * How many may wait is measured in time: a disk that is slow gets a short queue, since whoever
 * waits would get the answer sooner from the origin. */
#include "cache/disk_inside.h"

#include "base/clock.h"
#include "base/mem.h"

enum { MAGIC = 0x44524541, WAITING_MOST = 1024, PATIENCE_US = 2000 * 1000, TRIES = 3 };

struct er_disk_read {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_volume *v;
	er_list link; /* v->reads */
	er_disk_hash hash;
	/* under v->lock until it is done, and the asker's afterwards */
	er_list waiting;
	bool done;
	er_piece payload;
	er_disk_record record;
};

static void unref(er_disk_read *r)
{
	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	ER_ASSERT(er_list_empty(&r->waiting));
	er_piece_drop(&r->payload);
	r->magic = 0;
	er_free(r);
}

/* A record that was read may be one that the ring has written over meanwhile, and has elsewhere:
 * its entry says so as soon as that is written. Not on a thread with a loop. */
static void wait_for_ring(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	while (v->replaces)
		pthread_cond_wait(&v->replaced, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

/* What is under the hash. The entry may be that of another hash, or its record may be overwritten
 * while it is read: then it is looked up anew. */
static er_piece read_hash(er_volume *v, er_disk_hash hash, bool now, er_disk_record *out)
{
	for (unsigned i = 0; i < TRIES; i++) {
		er_disk_entry e = er_disk_index_get(v->index, hash);
		if (e == 0)
			break;
		er_piece piece = er_disk_record_read(v, er_disk_entry_at(v->index, e), er_disk_entry_units(e), now, out);
		if (piece.chunk != NULL && er_disk_hash_eq(out->hash, hash)) {
			(void)er_disk_index_use(v->index, hash);
			return piece;
		}
		bool another = piece.chunk != NULL;
		er_piece_drop(&piece);
		if (now)
			break;
		wait_for_ring(v);
		if (er_disk_entry_at(v->index, er_disk_index_get(v->index, hash)) != er_disk_entry_at(v->index, e))
			continue;
		if (another)
			break;
		ER_DISK_COUNT(v, damaged, 1);
		(void)er_disk_index_drop_at(v->index, hash, er_disk_entry_at(v->index, e));
	}
	return (er_piece){0};
}

/* Whoever asks next has its answer soon enough. One may always ask, else nobody would see that the
 * disk is quick again. Under the lock. */
static bool is_quick(const er_volume *v)
{
	return v->n_reads == 0 || (v->n_reads < WAITING_MOST && v->read_us * (v->n_reads / ER_VOLUME_READERS + 1) < PATIENCE_US);
}

er_disk_read *er_volume_read(er_volume *v, er_disk_hash hash, bool must, er_wait *wait)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	if (!er_volume_serves(v) || er_disk_index_get(v->index, hash) == 0)
		return NULL;
	er_disk_read *r = ER_NEW(er_disk_read);
	*r = (er_disk_read){.magic = MAGIC, .refs = 1, .v = v, .hash = hash};
	er_list_init(&r->link);
	er_list_init(&r->waiting);
	ER_DISK_COUNT(v, reads, 1);
	r->payload = read_hash(v, hash, true, &r->record);
	r->done = r->payload.chunk != NULL;
	if (r->done)
		return r;
	pthread_mutex_lock(&v->lock);
	bool takes = v->state.now != VOLUME_FAILED && (must || is_quick(v));
	if (takes) {
		r->refs = 2;
		er_list_push(&v->reads, &r->link);
		v->n_reads++;
		er_wait_list(wait, &r->waiting);
		pthread_cond_signal(&v->to_read);
	}
	pthread_mutex_unlock(&v->lock);
	if (takes)
		return r;
	ER_DISK_COUNT(v, refused, 1);
	unref(r);
	return NULL;
}

er_piece er_volume_read_part(er_volume *v, er_disk_hash hash)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	er_disk_record record;
	if (!er_volume_serves(v))
		return (er_piece){0};
	ER_DISK_COUNT(v, reads, 1);
	er_piece piece = read_hash(v, hash, false, &record);
	if (piece.chunk != NULL && record.kind != ER_DISK_PART_OF)
		er_piece_drop(&piece);
	return piece;
}

bool er_disk_read_done(er_disk_read *r)
{
	ER_CHECK(r, MAGIC);
	pthread_mutex_lock(&r->v->lock);
	bool done = r->done;
	pthread_mutex_unlock(&r->v->lock);
	return done;
}

er_disk_kind er_disk_read_kind(const er_disk_read *r)
{
	ER_CHECK(r, MAGIC);
	return r->payload.chunk != NULL ? (er_disk_kind)r->record.kind : (er_disk_kind)0;
}

er_piece er_disk_read_take(er_disk_read *r, er_disk_kind kind, uint64_t *number)
{
	ER_CHECK(r, MAGIC);
	ER_ASSERT(er_disk_read_done(r));
	er_piece piece = r->payload;
	r->payload = (er_piece){0};
	if (piece.chunk != NULL && r->record.kind == kind) {
		if (number != NULL)
			*number = r->record.number;
		return piece;
	}
	er_piece_drop(&piece);
	return piece;
}

void er_disk_read_over(er_disk_read *r, er_wait *wait)
{
	if (r == NULL)
		return;
	ER_CHECK(r, MAGIC);
	er_wait_cancel(wait, &r->v->lock);
	unref(r);
}

/* ---- the threads ---- */

static void finish(er_volume *v, er_disk_read *r, er_piece payload, const er_disk_record *record)
{
	pthread_mutex_lock(&v->lock);
	r->payload = payload;
	r->record = *record;
	r->done = true;
	er_wait_post_all(&r->waiting);
	pthread_mutex_unlock(&v->lock);
	unref(r);
}

/* Its asker has gone. */
static bool unwanted(const er_disk_read *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_ACQUIRE) == 1;
}

static void read_one(er_volume *v, er_disk_read *r)
{
	er_disk_record record = {0};
	er_piece payload = {0};
	if (!unwanted(r) && er_volume_serves(v)) {
		uint64_t began = er_clock_mono_us();
		payload = read_hash(v, r->hash, false, &record);
		uint64_t took = er_clock_mono_us() - began;
		pthread_mutex_lock(&v->lock);
		v->read_us = (v->read_us * 7 + took) / 8;
		pthread_mutex_unlock(&v->lock);
	}
	finish(v, r, payload, &record);
}

void *er_disk_reader(void *volume)
{
	er_volume *v = volume;
	ER_CHECK(v, ER_VOLUME_MAGIC);
	pthread_setname_np(pthread_self(), "er-disk-reader");
	pthread_mutex_lock(&v->lock);
	for (;;) {
		er_list *l = er_list_pop(&v->reads);
		if (l != NULL) {
			v->n_reads--;
			pthread_mutex_unlock(&v->lock);
			read_one(v, ER_CONTAINER(l, er_disk_read, link));
			pthread_mutex_lock(&v->lock);
		} else if (v->leaving) {
			break;
		} else {
			pthread_cond_wait(&v->to_read, &v->lock);
		}
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}
