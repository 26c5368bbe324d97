/* A volume's life, and what other threads ask of it.
 *
 * er_volume_new starts the threads; er_volume_end has the writer finish and let go of the file, and
 * er_volume_free waits for that and for the readers. Between, threads with a loop put jobs into the
 * queue, ask the index, and read (disk_reads.c); none of that waits for the disk.
 *
 * What was dropped stays dropped: a drop clears the index and marks what waits or is pending, all
 * under the lock, so nothing that was put before it is found after it; and it leaves a record, so
 * that a restart knows it, too. The queue of these records has a bound, and a disk may be slow.
 * A drop that finds no room there is in the index alone, and the writer makes its record later out
 * of what the file has and the index has not (er_ring_note_gone). */
#include "cache/disk_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>
#include <sys/random.h>

enum { RECORD_BYTES = 2 * 1024, QUEUE_BYTES = 64 << 20, JOBS_MOST = 1 << 16, JOB_COST = 512, HEAD_COST = 8 * 1024 };

/* ---- life ---- */

/* Signals are the main thread's. */
static bool start_threads(er_volume *v)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	v->writer_runs = pthread_create(&v->writer, NULL, er_disk_writer, v) == 0;
	while (v->writer_runs && v->n_readers < ER_VOLUME_READERS &&
	       pthread_create(&v->readers[v->n_readers], NULL, er_disk_reader, v) == 0)
		v->n_readers++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return v->n_readers > 0;
}

er_volume *er_volume_new(const er_volume_options *o)
{
	ER_ASSERT(o->bytes >= ER_VOLUME_LEAST && o->io != NULL);
	er_volume *v = ER_NEW(er_volume);
	*v = (er_volume){.magic = ER_VOLUME_MAGIC,
	                 .io = o->io,
	                 .path = er_strdup_cstr(o->path),
	                 .wanted_bytes = o->bytes,
	                 .queue_most = o->queue_bytes > 0 ? o->queue_bytes : QUEUE_BYTES,
	                 .record_bytes = o->record_bytes > 0 ? o->record_bytes : RECORD_BYTES,
	                 .begins_empty = o->begins_empty,
	                 .fd = -1};
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->to_write, NULL);
	pthread_cond_init(&v->to_read, NULL);
	pthread_cond_init(&v->replaced, NULL);
	er_list_init(&v->jobs);
	er_list_init(&v->drops);
	er_list_init(&v->reads);
	(void)!getrandom(&v->next_id, sizeof v->next_id, 0);
	if (!start_threads(v))
		er_volume_fail(v, "its threads cannot be started", 0);
	return v;
}

void er_volume_end(er_volume *v)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	pthread_mutex_lock(&v->lock);
	v->ending_us = v->ending ? v->ending_us : er_clock_mono_us();
	v->ending = true;
	pthread_cond_signal(&v->to_write);
	pthread_mutex_unlock(&v->lock);
}

void er_volume_free(er_volume *v)
{
	if (v == NULL)
		return;
	er_volume_end(v);
	if (v->writer_runs)
		pthread_join(v->writer, NULL);
	pthread_mutex_lock(&v->lock);
	v->leaving = true;
	pthread_cond_broadcast(&v->to_read);
	pthread_mutex_unlock(&v->lock);
	for (unsigned i = 0; i < v->n_readers; i++)
		pthread_join(v->readers[i], NULL);
	ER_ASSERT(er_list_empty(&v->reads));
	er_list_take(&v->jobs, &v->drops);
	for (er_list *l; (l = er_list_pop(&v->jobs)) != NULL;)
		er_disk_job_free(ER_CONTAINER(l, er_disk_job, link));
	if (v->fd >= 0)
		v->io->close(v->io->self, v->fd);
	er_ring_fini(v);
	er_buf_fini(&v->payload);
	er_buf_fini(&v->to_tell);
	er_free(v->room);
	er_disk_index_free(v->index);
	er_disk_checked_free(v->checked);
	er_free(v->pending);
	er_free(v->slots);
	er_free(v->path);
	pthread_cond_destroy(&v->replaced);
	pthread_cond_destroy(&v->to_read);
	pthread_cond_destroy(&v->to_write);
	pthread_mutex_destroy(&v->lock);
	v->magic = 0;
	er_free(v);
}

/* Under the lock. */
static bool writes(const er_volume *v)
{
	return !v->ending && (v->state.now == VOLUME_OPENING || v->state.now == VOLUME_SERVING);
}

bool er_volume_writes(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	bool yes = writes(v);
	pthread_mutex_unlock(&v->lock);
	return yes;
}

/* ---- what there is ---- */

er_disk_hash er_volume_hash(const er_volume *v, er_slice key)
{
	ER_ASSERT(v->label.magic != 0);
	return er_disk_hash_of(&v->label.secret, key);
}

er_disk_hash er_volume_hash_part(const er_volume *v, er_disk_hash key, uint64_t id, uint64_t n)
{
	return er_disk_hash_part(&v->label.secret, key, id, n);
}

er_disk_hash er_volume_hash_variant(const er_volume *v, er_disk_hash key, const er_disk_fork *fork, const er_variant *mine)
{
	return er_disk_hash_variant(&v->label.secret, key, fork->branch, mine);
}

bool er_volume_has(const er_volume *v, er_disk_hash hash)
{
	return er_volume_serves(v) && er_disk_index_get(v->index, hash) != 0;
}

bool er_volume_use(er_volume *v, er_disk_hash hash)
{
	return er_volume_serves(v) && er_disk_index_use(v->index, hash);
}

void er_volume_forget(er_volume *v, er_disk_hash hash)
{
	er_disk_index_drop(v->index, hash);
}

bool er_volume_wants(er_volume *v, er_slice key)
{
	if (!er_volume_serves(v) || !__atomic_load_n(&v->wrapped, __ATOMIC_RELAXED))
		return true;
	er_disk_hash hash = er_volume_hash(v, key);
	return er_disk_index_get(v->index, hash) != 0 || er_disk_index_refused(v->index, hash);
}

void er_volume_refuse(er_volume *v, er_slice key)
{
	if (er_volume_serves(v))
		er_disk_index_refuse(v->index, er_volume_hash(v, key));
}

/* ---- what waits to be written ---- */

/* Under the lock. False: there is no room; what was dropped has as much again. */
static bool has_room(const er_volume *v, const er_disk_job *j)
{
	unsigned times = j->work == ER_WORK_DROP ? 2 : 1;
	return v->queued < JOBS_MOST / 2 * times && v->queued_bytes + j->cost <= v->queue_most * times;
}

/* Under the lock. False: the volume does not take the job. */
static bool push(er_volume *v, er_disk_job *own)
{
	own->cost += JOB_COST;
	if (!writes(v) || !has_room(v, own))
		return false;
	/* A drop is in front of what is to be written: somebody waits for it, and what it drops is not
	 * written any more. */
	er_list_push(own->work == ER_WORK_DROP ? &v->drops : &v->jobs, &own->link);
	v->queued++;
	v->queued_bytes += own->cost;
	if (own->work == ER_WORK_PUT)
		v->puts[own->hash % ER_DISK_GROUPS]++;
	pthread_cond_signal(&v->to_write);
	return true;
}

/* Takes the job. False: the volume does not. */
static bool enqueue(er_volume *v, er_disk_job j)
{
	er_disk_job *own = ER_NEW(er_disk_job);
	*own = j;
	pthread_mutex_lock(&v->lock);
	bool takes = push(v, own);
	pthread_mutex_unlock(&v->lock);
	if (takes)
		return true;
	ER_DISK_COUNT(v, skipped, 1);
	er_disk_job_free(own);
	return false;
}

static bool put(er_volume *v, er_stored *s, uint64_t id, uint64_t length, size_t cost)
{
	if (enqueue(v, (er_disk_job){
	                   .work = ER_WORK_PUT, .cost = cost, .hash = s->hash, .s = er_stored_ref(s), .id = id, .length = length}))
		return true;
	er_volume_drop(v, s->key, s->hash, NULL); /* what is there is older */
	return false;
}

bool er_volume_put(er_volume *v, er_stored *s)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	ER_ASSERT(er_content_whole(s->content));
	return put(v, s, 0, 0, er_stored_cost(s));
}

bool er_volume_put_part(er_volume *v, er_disk_hash key, uint64_t id, uint64_t n, er_piece piece)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	ER_ASSERT(piece.n > 0 && piece.n <= ER_DISK_PART && id != 0);
	return enqueue(
	    v, (er_disk_job){
	           .work = ER_WORK_PART, .cost = piece.n, .key = key, .id = id, .n = n, .piece = er_piece_sub(piece, 0, piece.n)});
}

bool er_volume_put_head(er_volume *v, er_stored *s, uint64_t id, uint64_t length)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	ER_ASSERT(id != 0 && length > 0);
	return put(v, s, id, length, HEAD_COST + s->key.n); /* its content holds nothing */
}

/* Under the lock: nothing of the key that waits, is being written, or is pending, is found. True:
 * there was something. */
static bool mark_dropped(er_volume *v, uint64_t hash, er_disk_hash key)
{
	bool any = false;
	if (v->puts[hash % ER_DISK_GROUPS] > 0) /* the list may be long */
		ER_LIST_EACH(l, &v->jobs)
		{
			er_disk_job *j = ER_CONTAINER(l, er_disk_job, link);
			if (j->work == ER_WORK_PUT && j->hash == hash)
				any = j->dropped = true;
		}
	if (v->doing != NULL && v->doing->work == ER_WORK_PUT && v->doing->hash == hash)
		any = v->doing->dropped = true;
	for (uint32_t i = 0; i < v->n_pending; i++)
		if (er_disk_hash_eq(v->pending[i].hash, key))
			any = v->pending[i].dead = true;
	return any;
}

/* Under the lock: nothing of the key is found. True: there was something, or may have been. */
static bool unlist(er_volume *v, uint64_t hash, bool known, er_disk_hash where)
{
	bool any = mark_dropped(v, hash, where) || !known;
	if (known && er_disk_index_get(v->index, where) != 0) {
		er_disk_index_drop(v->index, where);
		any = true;
	}
	return any;
}

/* Under the lock. */
static void note_later(er_volume *v)
{
	bool first = v->unnoted == 0;
	v->unnoted = er_volume_serves(v) ? v->n_slots : 1;
	if (first)
		er_log(ER_LOG_WARN, "cache", "the cache file %s is too slow for what is to be dropped from it: %s", v->path,
		       er_volume_serves(v) ? "what is left of that is noted when it has time" : "it begins empty");
}

void er_volume_drop(er_volume *v, er_slice key, uint64_t hash, er_latch *told)
{
	ER_CHECK(v, ER_VOLUME_MAGIC);
	er_disk_job *own = NULL;
	pthread_mutex_lock(&v->lock);
	bool known = er_volume_serves(v); /* begins under the lock */
	er_disk_hash where = known ? er_volume_hash(v, key) : (er_disk_hash){0};
	if (unlist(v, hash, known, where) && writes(v)) {
		own = ER_NEW(er_disk_job);
		*own = (er_disk_job){.work = ER_WORK_DROP, .hash = hash, .key = where};
		own->told = told != NULL ? er_latch_hold(told) : NULL;
		if (!known) {
			own->text = er_slice_of(er_strdup_slice(key), key.n);
			own->cost = key.n;
		}
		if (push(v, own)) {
			own = NULL;
		} else {
			note_later(v);
			pthread_cond_signal(&v->to_write);
		}
	}
	pthread_mutex_unlock(&v->lock);
	if (own == NULL)
		return;
	ER_DISK_COUNT(v, skipped, 1);
	er_disk_job_free(own);
}

bool er_volume_idle(er_volume *v)
{
	pthread_mutex_lock(&v->lock);
	bool idle = v->queued == 0 && v->n_pending == 0 && v->unnoted == 0 && v->state.now != VOLUME_OPENING;
	pthread_mutex_unlock(&v->lock);
	return idle;
}

/* ---- figures ---- */

er_volume_stats er_volume_statistics(er_volume *v)
{
	const er_volume_stats *s = &v->stats;
	pthread_mutex_lock(&v->lock);
	uint64_t waiting = v->queued + v->n_pending;
	pthread_mutex_unlock(&v->lock);
#define READ(counter) .counter = __atomic_load_n(&s->counter, __ATOMIC_RELAXED)
	return (er_volume_stats){READ(bytes),
	                         .records = er_volume_serves(v) ? er_disk_index_count(v->index) : 0,
	                         .index_bytes = er_volume_serves(v) ? er_disk_index_bytes(v->index) : 0,
	                         .waiting = waiting,
	                         READ(written_bytes),
	                         READ(read_bytes),
	                         READ(reads),
	                         READ(skipped),
	                         READ(refused),
	                         READ(damaged),
	                         READ(errors),
	                         READ(segments_reclaimed),
	                         READ(reinserted),
	                         READ(number)};
#undef READ
}
