#include "gateway/worker.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sched.h"
#include "gateway/route.h"
#include "gateway/standard.h"
#include "http/identity.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { MAGIC = 0x574f524b, LOG_BYTES = 64 * 1024, LOG_MS = 200, DRAIN_LOOK_MS = 20 };

/* A configuration as this thread uses it. It lives until it is not the current one and the last exchange that began under it is over. */
typedef struct snapshot {
	er_config *config;
	unsigned uses;
	bool current;
	er_routine_metrics **metrics; /* by routine index */
} snapshot;

typedef enum message_kind { LISTEN, UNLISTEN, CONFIGURE, STOP } message_kind;

typedef struct message {
	struct message *next;
	message_kind kind;
	int fd;
	er_config *config;
} message;

struct er_worker {
	uint32_t magic;
	er_worker_options o;
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t log_timer, drain_timer;
	pthread_t thread;
	bool runs, loop_open;
	er_server *server;
	er_origin *origin;
	er_isolate_host *isolate;
	er_server_stats stats;
	er_handler gateway, standard;
	snapshot *current;
	er_metrics metrics;
	er_buf log;
	uint64_t log_lines;
	bool stopping, closing;
	uint64_t drain_until_ms;
	/* the mailbox */
	pthread_mutex_t lock;
	message *first, **last;
	er_isolate_stats last_isolate; /* what the control thread reads once it has told us to stop */
};

/* ---- configuration ---- */

static void release(snapshot *s)
{
	if (s->current || s->uses > 0)
		return;
	er_config_unref(s->config);
	er_free(s->metrics);
	er_free(s);
}

static void use_config(er_worker *w, er_config *config)
{
	snapshot *s = ER_NEW(snapshot), *old = w->current;
	*s = (snapshot){.config = er_config_ref(config), .current = true};
	s->metrics = er_alloc(config->n_routines * sizeof *s->metrics + 1);
	for (size_t i = 0; i < config->n_routines; i++)
		s->metrics[i] = er_metrics_of(&w->metrics, config->routines[i]->name);
	w->current = s;
	if (old == NULL)
		return;
	er_server_limit(w->server, &config->limits);
	er_isolate_retire(w->isolate, config->routines, config->n_routines);
	old->current = false;
	release(old);
}

/* ---- the chain ---- */

static void answer_options(er_exchange *x)
{
	x->res = (er_response){.status = 204};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	er_exchange_answer(x);
}

static void handle_gateway(void *self, er_exchange *x)
{
	er_worker *w = self;
	snapshot *s = w->current;
	er_served *served = x->user;
	served->hold = s;
	s->uses++;
	er_identity_strip(&x->req.fields);
	if (er_identity_loops(&x->req.fields) > ER_LOOP_MAX) {
		er_exchange_fail(x, 508, ER_ERR_INVALID, "loop", "This request has been through this node more than %d times.",
		                 ER_LOOP_MAX);
		er_exchange_answer(x);
		return;
	}
	er_slice target = x->req.target;
	if (target.n == 1 && target.p[0] == '*') {
		answer_options(x);
		return;
	}
	er_routine *r = er_config_route(s->config, er_host_of(x->req.authority), er_slice_head(target, er_slice_find(target, '?')));
	served->routine = r;
	if (r != NULL)
		er_isolate_handle(w->isolate, r, x);
	else
		er_exchange_start(x, &w->standard);
}

static void handle_standard(void *self, er_exchange *x)
{
	er_worker *w = self;
	er_standard_answer(w->origin, w->current->config, x);
}

/* ---- afterwards ---- */

static void submit_log(er_worker *w)
{
	er_access_log_submit(w->o.log, &w->log, w->log_lines);
	w->log_lines = 0;
}

static void on_log_timer(uv_timer_t *timer)
{
	submit_log(timer->data);
}

static void log_access(er_worker *w, const er_finished *f)
{
	if (er_buf_len(&w->log) == 0 && !w->closing) {
		uv_timer_start(&w->log_timer, on_log_timer, LOG_MS, 0);
		uv_unref((uv_handle_t *)&w->log_timer);
	}
	er_access_log_record(&w->log, f);
	w->log_lines++;
	if (er_buf_len(&w->log) >= LOG_BYTES)
		submit_log(w);
}

static void on_finished(void *ctx, const er_finished *f)
{
	er_worker *w = ctx;
	snapshot *s = f->served->hold;
	const er_routine *r = f->served->routine;
	er_metrics_finished(r != NULL ? s->metrics[r->index] : &w->metrics.nothing, f);
	if ((s != NULL ? s : w->current)->config->access_log != NULL)
		log_access(w, f);
	if (w->o.events.access != NULL) {
		er_access_record rec = {
		    .x = f->x, .routine = r, .status = f->status, .sent = f->sent, .wall_us = f->wall_us, .cut = f->cut};
		w->o.events.access(w->o.events.ctx, &rec);
	}
	if (s != NULL) {
		s->uses--;
		release(s);
	}
}

static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	er_worker *w = ctx;
	const er_isolate_events *e = &w->o.events.isolate;
	if (e->console != NULL)
		e->console(e->ctx, r, x, level, text);
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice text, er_slice stack, bool fatal)
{
	er_worker *w = ctx;
	const er_isolate_events *e = &w->o.events.isolate;
	er_metrics_count(&er_metrics_of(&w->metrics, r->name)->exceptions);
	if (e->exception != NULL)
		e->exception(e->ctx, r, x, name, text, stack, fatal);
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	er_worker *w = ctx;
	const er_isolate_events *e = &w->o.events.isolate;
	if (why < ER_ERR_COUNT_)
		er_metrics_count(&er_metrics_of(&w->metrics, r->name)->kills[why]);
	if (e->killed != NULL)
		e->killed(e->ctx, r, x, why, used, limit);
}

/* ---- ending ---- */

static void on_origin_closed(void *ctx)
{
	er_worker *w = ctx;
	w->origin = NULL;
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->log_timer, NULL);
	uv_close((uv_handle_t *)&w->drain_timer, NULL);
}

static void on_isolate_closed(void *ctx)
{
	er_worker *w = ctx;
	w->isolate = NULL;
	er_origin_close(w->origin, on_origin_closed, w);
}

static void on_server_closed(void *ctx)
{
	er_worker *w = ctx;
	w->server = NULL;
	er_isolate_host_close(w->isolate, on_isolate_closed, w);
}

static void close_all(er_worker *w)
{
	if (w->closing)
		return;
	w->closing = true;
	uv_timer_stop(&w->drain_timer);
	er_server_close(w->server, on_server_closed, w);
}

static void on_drain_timer(uv_timer_t *timer)
{
	er_worker *w = timer->data;
	uint64_t left = w->stats.connections;
	bool busy = er_isolate_busy(w->isolate); /* what was left to waitUntil has the same time to end */
	if ((left > 0 || busy) && uv_now(&w->loop) < w->drain_until_ms)
		return;
	if (left == 0 && busy)
		er_log(ER_LOG_WARN, "gateway", "what routines left to waitUntil was not over after limits.drainMs and is cut");
	if (left > 0)
		er_log(ER_LOG_WARN, "gateway", "%llu connections were still open after limits.drainMs and are cut",
		       (unsigned long long)left);
	close_all(w);
}

static void stop(er_worker *w)
{
	if (w->stopping) {
		close_all(w);
		return;
	}
	w->stopping = true;
	w->last_isolate = *er_isolate_host_stats(w->isolate);
	er_server_drain(w->server);
	w->drain_until_ms = uv_now(&w->loop) + w->current->config->limits.drain_ms;
	uv_timer_start(&w->drain_timer, on_drain_timer, 0, DRAIN_LOOK_MS);
}

/* ---- messages ---- */

static void obey(er_worker *w, message *m)
{
	er_err err = {0};
	switch (m->kind) {
	case LISTEN:
		if (!w->stopping && !er_server_listen(w->server, m->fd, &err))
			er_log(ER_LOG_ERROR, "gateway", "%s", err.text);
		break;
	case UNLISTEN:
		if (!w->stopping)
			er_server_unlisten(w->server, m->fd);
		break;
	case CONFIGURE:
		if (!w->stopping)
			use_config(w, m->config);
		er_config_unref(m->config);
		break;
	case STOP:
		stop(w);
		break;
	}
}

static void on_async(uv_async_t *async)
{
	er_worker *w = async->data;
	ER_CHECK(w, MAGIC);
	pthread_mutex_lock(&w->lock);
	message *m = w->first;
	w->first = NULL;
	w->last = &w->first;
	pthread_mutex_unlock(&w->lock);
	for (message *next; m != NULL; m = next) {
		next = m->next;
		obey(w, m);
		er_free(m);
	}
}

static void post(er_worker *w, message_kind kind, int fd, er_config *config)
{
	message *m = ER_NEW(message);
	*m = (message){.kind = kind, .fd = fd, .config = config};
	pthread_mutex_lock(&w->lock);
	*w->last = m;
	w->last = &m->next;
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
}

void er_worker_listen(er_worker *w, int fd)
{
	post(w, LISTEN, fd, NULL);
}

void er_worker_unlisten(er_worker *w, int fd)
{
	post(w, UNLISTEN, fd, NULL);
}

void er_worker_configure(er_worker *w, er_config *config)
{
	post(w, CONFIGURE, -1, er_config_ref(config));
}

void er_worker_stop(er_worker *w)
{
	post(w, STOP, -1, NULL);
}

/* ---- life ---- */

static bool make_parts(er_worker *w, er_err *err)
{
	const er_config *c = w->o.config;
	w->origin = er_origin_new(&w->loop, w->o.own, w->o.n_own, err);
	if (w->origin == NULL)
		return false;
	er_isolate_config ic = {.pool = c->pool,
	                        .pool_hardened = c->pool_hardened,
	                        .max_instances = c->max_instances,
	                        .min_level = c->min_level,
	                        .show_errors = c->dev,
	                        .pulse = w->o.pulse,
	                        .events = {.console = on_console, .exception = on_exception, .killed = on_killed, .ctx = w}};
	w->isolate = er_isolate_host_new(&w->loop, w->o.spawner, w->origin, &w->standard, &ic, err);
	if (w->isolate == NULL)
		return false;
	er_server_options so = {.loop = &w->loop,
	                        .handler = &w->gateway,
	                        .limits = c->limits,
	                        .gate = w->o.gate,
	                        .number = w->o.number,
	                        .stats = &w->stats,
	                        .id_base = w->o.id_base,
	                        .finished = on_finished,
	                        .ctx = w};
	w->server = er_server_new(&so);
	return true;
}

er_worker *er_worker_new(const er_worker_options *options, er_err *err)
{
	er_worker *w = ER_NEW(er_worker);
	w->magic = MAGIC;
	w->o = *options;
	w->last = &w->first;
	w->standard = (er_handler){.name = "standard", .handle = handle_standard, .self = w};
	w->gateway = (er_handler){.name = "gateway", .handle = handle_gateway, .self = w, .next = &w->standard};
	pthread_mutex_init(&w->lock, NULL);
	er_metrics_init(&w->metrics);
	uv_loop_init(&w->loop);
	uv_async_init(&w->loop, &w->async, on_async);
	uv_timer_init(&w->loop, &w->log_timer);
	uv_timer_init(&w->loop, &w->drain_timer);
	w->async.data = w->log_timer.data = w->drain_timer.data = w;
	w->loop_open = true;
	use_config(w, options->config);
	w->o.config = w->current->config;
	if (make_parts(w, err))
		return w;
	er_worker_free(w);
	return NULL;
}

static void *run(void *arg)
{
	er_worker *w = arg;
	char name[16];
	snprintf(name, sizeof name, "er-gateway-%u", w->o.number % 1000);
	pthread_setname_np(pthread_self(), name);
	er_sched_slice(ER_SLICE_US);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	submit_log(w);
	w->o.ended(w->o.ctx);
	return NULL;
}

bool er_worker_run(er_worker *w, er_err *err)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	w->runs = pthread_create(&w->thread, NULL, run, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w->runs || er_fail(err, ER_ERR_SYSTEM, "cannot start a gateway thread");
}

/* Of a worker whose thread never ran: its loop is turned here until everything is closed. */
static void close_unrun(er_worker *w)
{
	if (w->server != NULL)
		close_all(w);
	else if (w->isolate != NULL)
		er_isolate_host_close(w->isolate, on_isolate_closed, w);
	else if (w->origin != NULL)
		er_origin_close(w->origin, on_origin_closed, w);
	else
		on_origin_closed(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

void er_worker_free(er_worker *w)
{
	if (w == NULL)
		return;
	ER_CHECK(w, MAGIC);
	if (w->runs)
		pthread_join(w->thread, NULL);
	else
		close_unrun(w);
	int rc = uv_loop_close(&w->loop);
	ER_ASSERT(rc == 0);
	for (message *m = w->first, *next; m != NULL; m = next) {
		next = m->next;
		er_config_unref(m->config);
		er_free(m);
	}
	w->current->current = false;
	w->current->uses = 0;
	release(w->current);
	er_metrics_fini(&w->metrics);
	er_buf_fini(&w->log);
	pthread_mutex_destroy(&w->lock);
	w->magic = 0;
	er_free(w);
}

er_metrics_view er_worker_view(const er_worker *w, bool stopping)
{
	return (er_metrics_view){
	    .metrics = &w->metrics, .server = &w->stats, .isolate = stopping ? &w->last_isolate : er_isolate_host_stats(w->isolate)};
}
