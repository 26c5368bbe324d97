/* A queue of jobs, and threads that take one after the other. A job holds its content, and the
 * response that it is of, until it is done. The thread that has made a form gives it to the
 * content, and then has the index count it and the disk keep it, or tells whoever wanted it. */
#include "cache/compressor.h"

#include "base/mem.h"
#include "cache/coded.h"
#include "cache/compress.h"
#include "cache/fill.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	MAGIC = 0x434d5052,
	THREADS_MOST = 8,
	JOBS_MOST = 256,
	BYTES_MOST = 64 * 1024 * 1024,
	SITE_PART = 2,  /* a site has at most this part of the jobs */
	SITES = 1024,   /* counts of jobs by site; two sites of one count share that part */
	GAIN_PART = 20, /* a form is shorter by this part at least */
	PIECE = 128 * 1024,
	NICE = 10,
};

typedef struct job {
	er_list link;
	er_content *content; /* own reference */
	er_coding coding;
	uint64_t bytes, site;
	er_stored *s; /* whose content it is: own reference; or NULL, and then */
	void (*done)(void *ctx, bool made);
	void *ctx;
} job;

struct er_compressor {
	uint32_t magic;
	er_index *index;
	er_disk *disk;
	unsigned threads_most;
	bool stop; /* atomic, and written under the lock */

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t to_do;
	er_list jobs; /* oldest first */
	unsigned at_work;
	/* written under the lock, and read without it by hits that find no room: atomic */
	unsigned n_jobs;
	uint64_t bytes; /* of jobs that wait or are at work */
	uint16_t of_site[SITES];
	pthread_t threads[THREADS_MOST];
	unsigned n_threads;
	er_compressor_stats stats; /* but for what follows */
	uint64_t skipped;          /* atomic */
};

/* `made`: for whoever is told. */
static void free_job(job *j, bool made)
{
	if (j->s != NULL)
		er_stored_unref(j->s);
	else
		j->done(j->ctx, made);
	er_content_unref(j->content);
	er_free(j);
}

/* ---- on the threads ---- */

static er_content *content_of(er_slice bytes)
{
	er_content *form = er_content_new();
	while (bytes.n > 0) {
		size_t n = bytes.n < PIECE ? bytes.n : PIECE;
		er_content_write(form, er_piece_copy(er_slice_head(bytes, n)));
		bytes = er_slice_from(bytes, n);
	}
	er_content_end(form, ER_ERR_OK);
	return form;
}

static void count(er_compressor *c, const job *j, er_form_end how, uint64_t out)
{
	pthread_mutex_lock(&c->lock);
	if (how == ER_FORM_MADE) {
		c->stats.made[j->coding]++;
		c->stats.bytes_in += j->bytes;
		c->stats.bytes_out += out;
	} else if (how == ER_FORM_WORTHLESS) {
		c->stats.worthless++;
	}
	pthread_mutex_unlock(&c->lock);
}

/* True: there is a form more. */
static bool make(er_compressor *c, const job *j)
{
	er_content *from = j->content, *form = NULL;
	er_buf out = {0};
	er_form_end how = er_compress(j->coding, from, (size_t)(j->bytes - j->bytes / GAIN_PART), &c->stop, &out);
	if (how == ER_FORM_MADE)
		form = content_of(er_buf_slice(&out));
	count(c, j, how, er_buf_len(&out));
	er_buf_fini(&out);
	er_content_form_end(from, j->coding, how, form);
	if (form != NULL && j->s != NULL)
		er_keep_form(c->index, c->disk, j->s, j->coding);
	er_content_unref(form);
	return how == ER_FORM_MADE;
}

static uint16_t *count_of(er_compressor *c, const job *j)
{
	return &c->of_site[j->site % SITES];
}

/* Under the lock. */
static void add_job(er_compressor *c, job *j)
{
	er_list_push(&c->jobs, &j->link);
	__atomic_store_n(&c->n_jobs, c->n_jobs + 1, __ATOMIC_RELAXED);
	__atomic_store_n(count_of(c, j), *count_of(c, j) + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + j->bytes, __ATOMIC_RELAXED);
}

/* It waits no more; its bytes count until it is done. Under the lock, and so is the next one. */
static void take_off(er_compressor *c, job *j)
{
	er_list_remove(&j->link);
	__atomic_store_n(&c->n_jobs, c->n_jobs - 1, __ATOMIC_RELAXED);
	__atomic_store_n(count_of(c, j), *count_of(c, j) - 1, __ATOMIC_RELAXED);
}

static void give_back(er_compressor *c, uint64_t bytes)
{
	ER_ASSERT(c->bytes >= bytes);
	__atomic_store_n(&c->bytes, c->bytes - bytes, __ATOMIC_RELAXED);
}

/* The lock is held before and after. */
static void do_first(er_compressor *c)
{
	job *j = ER_CONTAINER(c->jobs.next, job, link);
	uint64_t bytes = j->bytes;
	take_off(c, j);
	c->at_work++;
	pthread_mutex_unlock(&c->lock);
	free_job(j, make(c, j));
	pthread_mutex_lock(&c->lock);
	ER_ASSERT(c->at_work > 0);
	give_back(c, bytes);
	c->at_work--;
}

static void *work(void *compressor)
{
	er_compressor *c = compressor;
	ER_CHECK(c, MAGIC);
	pthread_setname_np(pthread_self(), "er-compress");
	(void)!setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		if (er_list_empty(&c->jobs))
			pthread_cond_wait(&c->to_do, &c->lock);
		else
			do_first(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- on others ---- */

/* If all that there are have work, and there may be more. Signals are the main thread's. Under the
 * lock. */
static void start_thread(er_compressor *c)
{
	sigset_t all, before;
	if (c->at_work + c->n_jobs <= c->n_threads || c->n_threads == c->threads_most)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&c->threads[c->n_threads], NULL, work, c) == 0)
		c->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Without the lock it is a guess: whoever adds a job asks again under it. */
static bool has_room(er_compressor *c, const job *j)
{
	return __atomic_load_n(&c->n_jobs, __ATOMIC_RELAXED) < JOBS_MOST &&
	       __atomic_load_n(count_of(c, j), __ATOMIC_RELAXED) < JOBS_MOST / SITE_PART &&
	       __atomic_load_n(&c->bytes, __ATOMIC_RELAXED) + j->bytes <= BYTES_MOST;
}

/* A copy of `like`, with references of its own. */
static bool enqueue(er_compressor *c, const job *like)
{
	pthread_mutex_lock(&c->lock);
	bool takes = !c->stop && has_room(c, like);
	if (takes) {
		job *j = ER_NEW(job);
		*j = *like;
		add_job(c, j);
		start_thread(c);
		takes = c->n_threads > 0;
		if (takes) {
			(void)er_content_ref(j->content);
			if (j->s != NULL)
				(void)er_stored_ref(j->s);
			pthread_cond_signal(&c->to_do);
		} else {
			take_off(c, j);
			give_back(c, j->bytes);
			er_free(j);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return takes;
}

static bool want(er_compressor *c, const job *j)
{
	ER_CHECK(c, MAGIC);
	if (!er_content_kept(j->content) || !er_coded_length_ok(j->bytes) || !er_content_form_none(j->content, j->coding))
		return false;
	/* A hit that finds the queue full takes no lock. */
	bool full = !has_room(c, j);
	if (!full && !er_content_form_begin(j->content, j->coding))
		return false;
	if (!full && enqueue(c, j))
		return true;
	if (!full)
		er_content_form_end(j->content, j->coding, ER_FORM_NOT_NOW, NULL);
	__atomic_add_fetch(&c->skipped, 1, __ATOMIC_RELAXED);
	return false;
}

void er_compressor_want(er_compressor *c, er_stored *s, er_coding coding)
{
	if (c == NULL || s->codable == ER_CODABLE_NOT)
		return;
	(void)want(
	    c,
	    &(job){.content = s->content, .coding = coding, .bytes = er_content_length(s->content), .site = s->scopes.site, .s = s});
}

bool er_compressor_want_of(er_compressor *c, er_content *from, er_coding coding, uint64_t site,
                           void (*done)(void *ctx, bool made), void *ctx)
{
	ER_ASSERT(done != NULL);
	return c != NULL &&
	       want(c,
	            &(job){
	                .content = from, .coding = coding, .bytes = er_content_length(from), .site = site, .done = done, .ctx = ctx});
}

/* ---- life ---- */

er_compressor *er_compressor_new(er_index *index, er_disk *disk, unsigned threads)
{
	ER_ASSERT(threads > 0);
	er_compressor *c = ER_NEW(er_compressor);
	*c = (er_compressor){
	    .magic = MAGIC, .index = index, .disk = disk, .threads_most = threads < THREADS_MOST ? threads : THREADS_MOST};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->to_do, NULL);
	er_list_init(&c->jobs);
	return c;
}

void er_compressor_free(er_compressor *c)
{
	if (c == NULL)
		return;
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&c->to_do);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_threads; i++)
		pthread_join(c->threads[i], NULL);
	for (er_list *l; (l = er_list_pop(&c->jobs)) != NULL;) {
		job *j = ER_CONTAINER(l, job, link);
		er_content_form_end(j->content, j->coding, ER_FORM_NOT_NOW, NULL);
		free_job(j, false);
	}
	pthread_cond_destroy(&c->to_do);
	pthread_mutex_destroy(&c->lock);
	c->magic = 0;
	er_free(c);
}

bool er_compressor_idle(er_compressor *c)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	bool idle = c->n_jobs == 0 && c->at_work == 0;
	pthread_mutex_unlock(&c->lock);
	return idle;
}

er_compressor_stats er_compressor_statistics(er_compressor *c)
{
	ER_CHECK(c, MAGIC);
	pthread_mutex_lock(&c->lock);
	er_compressor_stats s = c->stats;
	s.waiting = c->n_jobs + c->at_work;
	s.skipped = __atomic_load_n(&c->skipped, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&c->lock);
	return s;
}
