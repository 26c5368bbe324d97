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

enum { MAGIC = 0x574f524b, LOG_BYTES = 64 * 1024, LOG_MS = 200, DRAIN_LOOK_MS = 20, WARM_MS = 1000, MAX_THREADS = 256 };

/* A configuration as this thread uses it. It lives until it is not the current one and the last exchange that began under it is over. */
typedef struct snapshot {
	er_config *config;
	unsigned uses;
	bool current;
	er_routine_metrics **metrics; /* by the deployment's index; made when it is asked for */
} snapshot;

/* Where clients of one environment come in. */
typedef struct door {
	er_worker *worker;
	er_env env;
	er_handler handler;
	er_server *server;
} door;

/* A configuration on its way in: instances that it needs are started first. They may be told of when it is in force already. */
typedef struct change {
	er_worker *worker;
	er_config *config; /* NULL: in force */
	unsigned waiting;  /* for so many instances, and one for its maker */
} change;

typedef enum message_kind { LISTEN, UNLISTEN, CONFIGURE, TRY, STOP } message_kind;

typedef struct message {
	struct message *next;
	message_kind kind;
	int fd;
	er_env env;
	er_config *config;
	er_routine *routine;
	er_isolate_started *done;
	void *ctx;
} message;

struct er_worker {
	uint32_t magic;
	er_worker_options o;
	uv_loop_t loop;
	uv_async_t async;
	uv_timer_t log_timer, drain_timer, warm_timer;
	pthread_t thread;
	bool runs, loop_open;
	door doors[ER_ENV_COUNT_];
	unsigned open_servers;
	er_origin *origin;
	er_isolate_host *isolate;
	er_server_stats stats;
	er_handler standard;
	snapshot *current;
	change *change; /* not in force yet */
	er_metrics metrics;
	er_buf log;
	uint64_t log_lines;
	uint64_t tail_second; /* of the loop's time */
	unsigned tail_left;   /* events of ordinary requests that it may still have */
	bool stopping, closing;
	uint64_t drain_until_ms;
	/* the mailbox */
	pthread_mutex_t lock;
	message *first, **last;
	er_isolate_stats last_isolate; /* what the control thread reads once it has told us to stop */
};

/* ---- configuration ---- */

static void release(er_worker *w, snapshot *s)
{
	if (s->current || s->uses > 0)
		return;
	w->o.let_go(w->o.ctx, s->config);
	er_free(s->metrics);
	er_free(s);
}

/* A version that the present configuration serves. */
static bool lives(void *ctx, const er_routine *r)
{
	const er_config *c = ((er_worker *)ctx)->current->config;
	/* One of node.jsonc serves every environment. */
	const er_deployment *d = er_config_find(c, (er_env)r->environment, r->name);
	return d != NULL && (d->version[0] == r || d->version[1] == r);
}

static void use_config(er_worker *w, er_config *config)
{
	snapshot *s = ER_NEW(snapshot), *old = w->current;
	*s = (snapshot){.config = er_config_ref(config), .current = true};
	s->metrics = er_zalloc(config->n_deployments * sizeof *s->metrics);
	w->current = s;
	if (old == NULL)
		return;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_server_limit(w->doors[e].server, &config->limits);
	er_isolate_retire(w->isolate, lives, w);
	old->current = false;
	release(w, old);
}

/* The configuration comes into force now: from here on no request finds the old one. */
static void finish_change(er_worker *w)
{
	change *ch = w->change;
	er_config *config = ch->config;
	w->change = NULL;
	ch->config = NULL;
	uv_timer_stop(&w->warm_timer);
	use_config(w, config);
	er_config_unref(config); /* never the last reference: the node has one */
	w->o.configured(w->o.ctx);
}

static void one_less(change *ch)
{
	if (--ch->waiting > 0)
		return;
	if (ch->config != NULL)
		finish_change(ch->worker);
	er_free(ch);
}

static void on_warm(void *ctx, const er_isolate_start *start)
{
	(void)start; /* one that fails will say so to its first request, as it would have anyway */
	one_less(ctx);
}

static void on_warm_timer(uv_timer_t *timer)
{
	er_worker *w = timer->data;
	if (w->change != NULL)
		finish_change(w);
}

typedef struct successors {
	const er_config *config;
	er_routine **v;
	size_t n, cap;
} successors;

/* A version that runs here and is replaced: whoever takes its place must be ready first. */
static void find_successors(void *ctx, er_routine *r)
{
	successors *s = ctx;
	const er_deployment *d = er_config_find(s->config, (er_env)r->environment, r->name);
	for (unsigned i = 0; d != NULL && i < ER_STORE_SPLIT; i++) {
		if (d->version[i] == NULL || d->version[i] == r)
			continue;
		if (s->n == s->cap) {
			s->cap = s->cap * 2 + 8;
			s->v = er_realloc(s->v, s->cap * sizeof(er_routine *));
		}
		s->v[s->n++] = d->version[i];
	}
}

static void begin_change(er_worker *w, er_config *config)
{
	ER_ASSERT(w->change == NULL);
	change *ch = w->change = ER_NEW(change);
	*ch = (change){.worker = w, .config = er_config_ref(config), .waiting = 1};
	successors s = {.config = config};
	if (!config->dev)
		er_isolate_running(w->isolate, find_successors, &s);
	if (s.n > 0) {
		uv_timer_start(&w->warm_timer, on_warm_timer, WARM_MS, 0);
		uv_unref((uv_handle_t *)&w->warm_timer);
	}
	ch->waiting += (unsigned)s.n;
	for (size_t i = 0; i < s.n; i++)
		er_isolate_warm(w->isolate, s.v[i], on_warm, ch);
	er_free(s.v);
	one_less(ch);
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
	const door *from = self;
	er_worker *w = from->worker;
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
	er_found found;
	if (!er_config_route(s->config, from->env, er_host_of(x->req.authority), er_slice_head(target, er_slice_find(target, '?')),
	                     &found)) {
		er_exchange_start(x, &w->standard);
		return;
	}
	er_routine *r = er_deployment_choose(found.deployment, &x->client);
	served->deployment = found.deployment;
	served->index = found.index;
	served->routine = r;
	er_isolate_handle(w->isolate, r, x);
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

static er_routine_metrics *metrics_of(er_worker *w, snapshot *s, const er_served *served)
{
	const er_deployment *d = served->deployment;
	if (d == NULL)
		return &w->metrics.nothing[ER_ENV_PRODUCTION];
	er_routine_metrics **m = &s->metrics[served->index];
	if (*m == NULL)
		*m = er_metrics_of(&w->metrics, d->env, d->name);
	return *m;
}

/* For the history failures are told always, ordinary requests at a bounded rate. */
static bool tail_takes(er_worker *w, er_tail_level level, const er_finished *f)
{
	if (level == ER_TAIL_ALL || f->status >= 500 || f->x->res.error != ER_ERR_OK || f->x->facts.failed != ER_ERR_OK)
		return true;
	uint64_t second = uv_now(&w->loop) / 1000;
	if (second != w->tail_second) {
		w->tail_second = second;
		w->tail_left = (ER_TAIL_IDLE_RATE + w->o.of - 1) / w->o.of;
	}
	if (w->tail_left == 0)
		return false;
	w->tail_left--;
	return true;
}

static void tell_tail(er_worker *w, const er_finished *f)
{
	er_tail_level level = er_tail_wants(w->o.tail);
	if (level == ER_TAIL_OFF || f->served->routine == NULL || !tail_takes(w, level, f))
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_request(&e, f, address);
	er_tail_put(w->o.tail, &e);
}

static void on_finished(void *ctx, const er_finished *f)
{
	er_worker *w = ctx;
	snapshot *s = f->served->hold;
	const er_routine *r = f->served->routine;
	er_metrics_finished(metrics_of(w, s, f->served), f);
	if ((s != NULL ? s : w->current)->config->access_log != NULL)
		log_access(w, f);
	tell_tail(w, f);
	if (w->o.events.access != NULL) {
		er_access_record rec = {
		    .x = f->x, .routine = r, .status = f->status, .sent = f->sent, .wall_us = f->wall_us, .cut = f->cut};
		w->o.events.access(w->o.events.ctx, &rec);
	}
	if (s != NULL) {
		s->uses--;
		release(w, s);
	}
}

static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	if (ev->console != NULL)
		ev->console(ev->ctx, r, x, level, text);
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_routine(&e, ER_TAIL_CONSOLE, r, x, address);
	e.level = level;
	e.text = text;
	er_tail_put(w->o.tail, &e);
}

static er_routine_metrics *metrics_by_name(er_worker *w, const er_routine *r)
{
	return er_metrics_of(&w->metrics, (er_env)r->environment, r->name);
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice text, er_slice stack, bool fatal)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	er_metrics_count(&metrics_by_name(w, r)->exceptions);
	if (ev->exception != NULL)
		ev->exception(ev->ctx, r, x, name, text, stack, fatal);
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_routine(&e, ER_TAIL_EXCEPTION, r, x, address);
	e.name = name;
	e.text = text;
	e.stack = stack;
	e.fatal = fatal;
	er_tail_put(w->o.tail, &e);
}

/* The same sentence as in the node's log. */
static void tell_killed(er_worker *w, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT], text[120];
	const char *unit = why == ER_ERR_CPU ? " us" : why == ER_ERR_MEMORY ? " KB" : why == ER_ERR_TIMEOUT ? " ms" : "";
	snprintf(text, sizeof text, "an instance was ended (%s): used %llu%s, limit %llu%s", er_err_name(why),
	         (unsigned long long)used, unit, (unsigned long long)limit, unit);
	er_tail_of_routine(&e, ER_TAIL_KILL, r, x, address);
	e.error = why;
	e.text = er_slice_cstr(text);
	e.used = used;
	e.limit = limit;
	er_tail_put(w->o.tail, &e);
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	if (why < ER_ERR_COUNT_)
		er_metrics_count(&metrics_by_name(w, r)->kills[why]);
	if (ev->killed != NULL)
		ev->killed(ev->ctx, r, x, why, used, limit);
	tell_killed(w, r, x, why, used, limit);
}

/* ---- ending ---- */

static void on_origin_closed(void *ctx)
{
	er_worker *w = ctx;
	w->origin = NULL;
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->log_timer, NULL);
	uv_close((uv_handle_t *)&w->drain_timer, NULL);
	uv_close((uv_handle_t *)&w->warm_timer, NULL);
}

static void on_isolate_closed(void *ctx)
{
	er_worker *w = ctx;
	w->isolate = NULL;
	er_origin_close(w->origin, on_origin_closed, w);
}

static void on_server_closed(void *ctx)
{
	door *of = ctx;
	er_worker *w = of->worker;
	of->server = NULL;
	if (--w->open_servers > 0)
		return;
	er_isolate_host_close(w->isolate, on_isolate_closed, w);
}

static void close_all(er_worker *w)
{
	if (w->closing)
		return;
	w->closing = true;
	uv_timer_stop(&w->drain_timer);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_server_close(w->doors[e].server, on_server_closed, &w->doors[e]);
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
	if (w->change != NULL)
		finish_change(w);
	w->last_isolate = *er_isolate_host_stats(w->isolate);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_server_drain(w->doors[e].server);
	w->drain_until_ms = uv_now(&w->loop) + w->current->config->limits.drain_ms;
	uv_timer_start(&w->drain_timer, on_drain_timer, 0, DRAIN_LOOK_MS);
}

/* ---- messages ---- */

static void try_version(er_worker *w, const message *m)
{
	static const er_isolate_start no = {.why = ER_ERR_UNAVAILABLE, .error = ER_LIT("the node is stopping")};
	if (w->stopping)
		m->done(m->ctx, &no);
	else
		er_isolate_try(w->isolate, m->routine, m->done, m->ctx);
}

static void obey(er_worker *w, const message *m)
{
	er_err err = {0};
	switch (m->kind) {
	case LISTEN:
		if (!w->stopping && !er_server_listen(w->doors[m->env].server, m->fd, &err))
			er_log(ER_LOG_ERROR, "gateway", "%s", err.text);
		break;
	case UNLISTEN:
		for (er_env e = 0; !w->stopping && e < ER_ENV_COUNT_; e++)
			er_server_unlisten(w->doors[e].server, m->fd);
		break;
	case CONFIGURE:
		if (w->stopping)
			w->o.configured(w->o.ctx);
		else
			begin_change(w, m->config);
		break;
	case TRY:
		try_version(w, m);
		break;
	case STOP:
		stop(w);
		break;
	}
}

static void free_message(message *m)
{
	er_config_unref(m->config);
	er_routine_unref(m->routine);
	er_free(m);
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
		free_message(m);
	}
}

static void post(er_worker *w, const message *what)
{
	message *m = ER_NEW(message);
	*m = *what;
	pthread_mutex_lock(&w->lock);
	*w->last = m;
	w->last = &m->next;
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
}

void er_worker_listen(er_worker *w, int fd, er_env env)
{
	post(w, &(message){.kind = LISTEN, .fd = fd, .env = env});
}

void er_worker_unlisten(er_worker *w, int fd)
{
	post(w, &(message){.kind = UNLISTEN, .fd = fd});
}

void er_worker_configure(er_worker *w, er_config *config)
{
	post(w, &(message){.kind = CONFIGURE, .config = er_config_ref(config)});
}

void er_worker_try(er_worker *w, er_routine *r, er_isolate_started *done, void *ctx)
{
	post(w, &(message){.kind = TRY, .routine = r, .done = done, .ctx = ctx});
}

void er_worker_stop(er_worker *w)
{
	post(w, &(message){.kind = STOP});
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
	                        .events = {.console = on_console, .exception = on_exception, .killed = on_killed, .ctx = w}};
	w->isolate = er_isolate_host_new(&w->loop, w->o.spawner, w->origin, &w->standard, &ic, err);
	if (w->isolate == NULL)
		return false;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_server_options so = {.loop = &w->loop,
		                        .handler = &w->doors[e].handler,
		                        .limits = c->limits,
		                        .gate = w->o.gate,
		                        .number = w->o.number + e * MAX_THREADS,
		                        .stats = &w->stats,
		                        .id_base = w->o.id_base,
		                        .finished = on_finished,
		                        .ctx = w};
		w->doors[e].server = er_server_new(&so);
		w->open_servers++;
	}
	return true;
}

er_worker *er_worker_new(const er_worker_options *options, er_err *err)
{
	er_worker *w = ER_NEW(er_worker);
	w->magic = MAGIC;
	w->o = *options;
	w->last = &w->first;
	w->standard = (er_handler){.name = "standard", .handle = handle_standard, .self = w};
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		door *d = &w->doors[e];
		*d = (door){.worker = w, .env = e};
		d->handler = (er_handler){.name = "gateway", .handle = handle_gateway, .self = d, .next = &w->standard};
	}
	pthread_mutex_init(&w->lock, NULL);
	er_metrics_init(&w->metrics);
	uv_loop_init(&w->loop);
	uv_async_init(&w->loop, &w->async, on_async);
	uv_timer_init(&w->loop, &w->log_timer);
	uv_timer_init(&w->loop, &w->drain_timer);
	uv_timer_init(&w->loop, &w->warm_timer);
	w->async.data = w->log_timer.data = w->drain_timer.data = w->warm_timer.data = w;
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
	if (w->open_servers > 0)
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
		free_message(m);
	}
	er_config_unref(w->current->config);
	er_free(w->current->metrics);
	er_free(w->current);
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
