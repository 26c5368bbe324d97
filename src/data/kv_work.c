/* The threads of the KV. Readers take jobs from `reads`, one after the other. One thread writes: it
 * takes all that waits in `writes`, up to a bound, as one transaction, so that many askers share
 * one sync of the disk; while the disk works, the next ones gather. It gives back the space of
 * values in parts that nobody has any more: when nothing waits, and between two batches as much as
 * was written, so that a writer who never rests leaves no more behind than one who does. And it
 * looks whether another process has written (during a take-over), since then nothing in memory is
 * known to be true.
 *
 * Threads start with the first job; the writer also when something was written by another way,
 * which may have left something to sweep. They end in er_kv_work_free, which no job may outlive. */
#include "data/kv_work.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum {
	MAGIC = 0x4b56574b,
	BATCH_OPS = 512,
	BATCH_BYTES = 16 << 20,
	/* at once, or as many as were written: a write that comes waits for no more */
	SWEEP_PARTS = 16,
	/* at the latest after that it is the sweep's turn, also if little was written */
	SHARE_MS = 100,
	IDLE_MS = 250,
	SWEEP_MS = 2000, /* between two looks for something to sweep, while nothing is written */
};

struct er_kv_work {
	uint32_t magic;
	er_store *store;
	er_hot *hot;
	pthread_mutex_t lock; /* what follows */
	pthread_cond_t to_read, to_write;
	er_list reads, writes;
	unsigned idle, n_readers;
	bool writes_on, stop;
	pthread_t readers[ER_KV_THREADS], writer;
};

/* ---- jobs ---- */

static void on_news(er_wait *wait)
{
	er_kv_job *j = ER_CONTAINER(wait, er_kv_job, wait);
	j->done(j);
}

er_kv_job *er_kv_job_new(er_kv_job_kind kind, er_port *port, void (*done)(er_kv_job *j), void *owner)
{
	er_kv_job *j = ER_NEW(er_kv_job);
	*j = (er_kv_job){.kind = kind, .done = done, .owner = owner};
	er_list_init(&j->link);
	er_wait_init(&j->wait, port, on_news);
	return j;
}

void er_kv_job_free(er_kv_job *j)
{
	er_hot_value_drop(&j->found);
	er_piece_drop(&j->piece);
	er_buf_fini(&j->bytes);
	er_arena_fini(&j->arena);
	er_free(j);
}

static void come_back(er_kv_job *j)
{
	er_wait_poke(&j->wait); /* the job is in no list that has a lock */
}

/* ---- reading ---- */

/* JSON that came in is UTF-8, and goes out in a field. */
static er_piece ascii(er_slice json)
{
	er_buf b = {0};
	if (json.n == 0)
		return (er_piece){0};
	er_buf_put_json_ascii(&b, json);
	er_piece piece = er_piece_copy(er_buf_slice(&b));
	er_buf_fini(&b);
	return piece;
}

static void look(er_kv_work *w, er_kv_job *j)
{
	er_kv_entry e = {0};
	bool found = false;
	uint64_t mark = er_hot_mark(w->hot, j->ns, j->key);
	if (!er_kv_look(w->store, &j->arena, j->name, j->key, &e, &found, &j->err))
		return;
	j->found = (er_hot_value){.found = found};
	if (found) {
		j->found.metadata = ascii(e.metadata);
		j->found.expires_s = e.expires_s;
		j->parts = e.parts;
		j->size = e.size;
		if (e.parts == 0)
			j->found.value = er_piece_copy(e.value);
	}
	if (j->parts == 0)
		er_hot_put(w->hot, j->ns, j->key, mark, &j->found);
}

static void list(er_kv_work *w, er_kv_job *j)
{
	er_kv_entry *rows;
	size_t n;
	bool more;
	er_out o = {0};
	if (!er_kv_list(w->store, &j->arena, j->name, j->key, j->after, j->most, &rows, &n, &more, &j->err))
		return;
	er_out_open(&o, NULL, '{');
	er_out_open(&o, "keys", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(&o, NULL, '{');
		er_out_str(&o, "name", rows[i].key);
		if (rows[i].expires_s > 0)
			er_out_u64(&o, "expiration", (uint64_t)rows[i].expires_s);
		if (rows[i].metadata.n > 0)
			er_out_json(&o, "metadata", rows[i].metadata);
		er_out_close(&o, '}');
	}
	er_out_close(&o, ']');
	more = more && n > 0;
	er_out_bool(&o, "list_complete", !more);
	if (more)
		er_out_hex(&o, "cursor", rows[n - 1].key);
	er_out_close(&o, '}');
	er_out_back(&o, &j->bytes);
}

static void read_job(er_kv_work *w, er_kv_job *j)
{
	switch (j->kind) {
	case ER_KV_JOB_LOOK:
		look(w, j);
		break;
	case ER_KV_JOB_PART:
		(void)!er_kv_part(w->store, j->parts, j->part, &j->piece, &j->err);
		break;
	case ER_KV_JOB_LIST:
		list(w, j);
		break;
	case ER_KV_JOB_WRITE:
	default:
		ER_ASSERT(false && "not for a reader");
	}
	come_back(j);
}

static void *read_on(void *arg)
{
	er_kv_work *w = arg;
	pthread_setname_np(pthread_self(), "er-kv-read");
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		er_list *l = er_list_pop(&w->reads);
		if (l == NULL) {
			w->idle++;
			pthread_cond_wait(&w->to_read, &w->lock);
			w->idle--;
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		read_job(w, ER_CONTAINER(l, er_kv_job, link));
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- writing ---- */

/* With the lock. */
static size_t take_batch(er_kv_work *w, er_kv_job **jobs)
{
	size_t n = 0, bytes = 0;
	for (er_list *l; n < BATCH_OPS && bytes < BATCH_BYTES && (l = er_list_pop(&w->writes)) != NULL;) {
		jobs[n] = ER_CONTAINER(l, er_kv_job, link);
		bytes += jobs[n++]->op.entry.value.n;
	}
	return n;
}

static void write_batch(er_kv_work *w, er_kv_job *const *jobs, size_t n)
{
	er_kv_op *ops[BATCH_OPS];
	for (size_t i = 0; i < n; i++)
		ops[i] = &jobs[i]->op;
	er_kv_write(w->store, ops, n);
	for (size_t i = 0; i < n; i++)
		come_back(jobs[i]);
}

/* What the writer has done, and owes to the sweep. */
typedef struct duty {
	unsigned parts;            /* written since the last sweep */
	uint64_t busy_at, idle_at; /* the next one */
} duty;

/* Without the lock. True: there is more to sweep. */
static bool sweep(er_kv_work *w, duty *d)
{
	unsigned removed = 0;
	er_err err = {0};
	if (!er_kv_sweep_parts(w->store, d->parts > SWEEP_PARTS ? d->parts : SWEEP_PARTS, &removed, &err))
		er_log(ER_LOG_WARN, "kv", "values that were replaced could not be removed: %s", err.text);
	uint64_t now = er_clock_mono_us();
	*d = (duty){.busy_at = now + SHARE_MS * 1000, .idle_at = removed > 0 ? 0 : now + SWEEP_MS * 1000};
	return removed > 0;
}

static unsigned parts_of(er_kv_job *const *jobs, size_t n)
{
	unsigned parts = 0;
	for (size_t i = 0; i < n; i++)
		parts += jobs[i]->op.kind == ER_KV_OP_PART;
	return parts;
}

static void look_for_others(er_kv_work *w, int64_t *version)
{
	int64_t now = *version;
	er_err err = {0};
	if (er_hot_empty(w->hot))
		return;
	if (er_kv_foreign(w->store, &now, &err) && now == *version)
		return;
	*version = now;
	er_hot_changed(w->hot, 0, (er_slice){0});
}

/* With the lock. */
static void rest(er_kv_work *w)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += IDLE_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_cond_timedwait(&w->to_write, &w->lock, &until);
}

static void *write_on(void *arg)
{
	er_kv_work *w = arg;
	er_kv_job *jobs[BATCH_OPS];
	int64_t version = 0;
	duty d = {0};
	er_err err = {0};
	pthread_setname_np(pthread_self(), "er-kv-write");
	(void)!er_kv_foreign(w->store, &version, &err);
	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		size_t n = take_batch(w, jobs);
		pthread_mutex_unlock(&w->lock);
		bool more = false;
		if (n > 0) {
			d.parts += parts_of(jobs, n);
			d.idle_at = 0;
			write_batch(w, jobs, n);
		}
		if (n > 0 ? d.parts >= SWEEP_PARTS || er_clock_mono_us() >= d.busy_at : er_clock_mono_us() >= d.idle_at)
			more = sweep(w, &d);
		look_for_others(w, &version);
		pthread_mutex_lock(&w->lock);
		if (n == 0 && !more && !w->stop && er_list_empty(&w->writes))
			rest(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- life ---- */

static bool start(pthread_t *thread, void *(*run)(void *), er_kv_work *w)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool ok = pthread_create(thread, NULL, run, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

/* By whatever way: on the thread that wrote. */
static void on_changed(void *ctx, int64_t ns, er_slice key)
{
	er_kv_work *w = ctx;
	er_hot_changed(w->hot, ns, key);
	if (__atomic_load_n(&w->writes_on, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&w->lock);
	if (!w->writes_on && !w->stop)
		__atomic_store_n(&w->writes_on, start(&w->writer, write_on, w), __ATOMIC_RELAXED);
	pthread_mutex_unlock(&w->lock);
}

er_kv_work *er_kv_work_new(er_store *store, uint64_t hot_bytes)
{
	ER_ASSERT(store != NULL);
	er_kv_work *w = ER_NEW(er_kv_work);
	*w = (er_kv_work){.magic = MAGIC, .store = store, .hot = er_hot_new(hot_bytes)};
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->to_read, NULL);
	pthread_cond_init(&w->to_write, &clock);
	pthread_condattr_destroy(&clock);
	er_list_init(&w->reads);
	er_list_init(&w->writes);
	er_kv_watch(store, on_changed, w);
	return w;
}

void er_kv_work_free(er_kv_work *w)
{
	if (w == NULL)
		return;
	ER_CHECK(w, MAGIC);
	pthread_mutex_lock(&w->lock);
	ER_ASSERT(er_list_empty(&w->reads) && er_list_empty(&w->writes));
	w->stop = true;
	pthread_cond_broadcast(&w->to_read);
	pthread_cond_broadcast(&w->to_write);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_readers; i++)
		pthread_join(w->readers[i], NULL);
	if (w->writes_on)
		pthread_join(w->writer, NULL);
	er_kv_watch(w->store, NULL, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->to_read);
	pthread_cond_destroy(&w->to_write);
	er_hot_free(w->hot);
	w->magic = 0;
	er_free(w);
}

er_hot *er_kv_work_hot(er_kv_work *w)
{
	ER_CHECK(w, MAGIC);
	return w->hot;
}

er_store *er_kv_work_store(er_kv_work *w)
{
	ER_CHECK(w, MAGIC);
	return w->store;
}

/* With the lock. One more while jobs wait and nobody is idle. False: nobody is there for it. */
static bool staff(er_kv_work *w, bool writes)
{
	/* The writer also looks after what is in memory. */
	if (!w->writes_on)
		__atomic_store_n(&w->writes_on, start(&w->writer, write_on, w), __ATOMIC_RELAXED);
	if (writes || !w->writes_on)
		return w->writes_on;
	if (w->idle == 0 && w->n_readers < ER_KV_THREADS && start(&w->readers[w->n_readers], read_on, w))
		w->n_readers++;
	return w->n_readers > 0;
}

void er_kv_submit(er_kv_work *w, er_kv_job *j)
{
	ER_CHECK(w, MAGIC);
	bool writes = j->kind == ER_KV_JOB_WRITE;
	pthread_mutex_lock(&w->lock);
	ER_ASSERT(!w->stop);
	bool ok = staff(w, writes);
	if (ok) {
		er_list_push(writes ? &w->writes : &w->reads, &j->link);
		pthread_cond_signal(writes ? &w->to_write : &w->to_read);
	}
	pthread_mutex_unlock(&w->lock);
	if (ok)
		return;
	er_fail(writes ? &j->op.err : &j->err, ER_ERR_SYSTEM, "a thread for the key-value store cannot be started");
	come_back(j);
}
