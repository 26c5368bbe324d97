/* A gateway thread: what it is made of, how a request goes down its chain, what the control thread
 * tells it, and how it ends.
 *
 * Life: er_worker_new (on the control thread: loop, servers, isolates, origin) → er_worker_run (the
 * thread turns the loop) → messages → STOP or HAND_OVER (drains, then closes servers, isolates,
 * origin, handles, in that order, each when the one before has closed) → the loop is empty, `ended`
 * is called as the last act → er_worker_free joins it. A worker that never ran is closed by turning
 * its loop in er_worker_free.
 *
 * Messages are a list under a lock and a wake-up of the loop; they are obeyed in their order, on
 * the thread. What the control thread reads without asking are counters and `pong`, all atomic
 * words.
 *
 * A request holds the snapshot of the configuration that it began under (served->hold); the
 * snapshot goes when it is not the current one and the last such request is over
 * (worker_config.c). */
#include "gateway/worker_internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sched.h"
#include "gateway/admit.h"
#include "gateway/own_host.h"
#include "gateway/prefetch.h"
#include "gateway/route.h"
#include "gateway/standard.h"
#include "gateway/timed.h"
#include "http/identity.h"
#include "http/target.h"

#include <signal.h>
#include <stdio.h>

enum { MAGIC = 0x574f524b, DRAIN_LOOK_MS = 20, PATIENCE_MS = 5000, MAX_THREADS = 256 };

typedef enum message_kind {
	LISTEN,
	UNLISTEN,
	CONFIGURE,
	TRY,
	PREFETCH,
	PREFETCH_STOP,
	TIMED,
	STOP,
	HAND_OVER,
	PING
} message_kind;

/* In the mailbox; the members that its kind needs are set. What it carries is the receiver's. */
struct er_worker_message {
	struct er_worker_message *next;
	message_kind kind;
	int fd;
	er_listen how; /* without its address */
	uint32_t number;
	er_prefetch *prefetch;
	er_timed *timed;
	uint64_t prefetch_number;
	er_config *config;
	er_routine *routine;
	er_isolate_started *done;
	void *ctx;
};
typedef struct er_worker_message message;

/* ---- the chain ---- */

static void refuse_target(er_exchange *x, const char *why)
{
	er_exchange_fail(x, 400, ER_ERR_INVALID, "path",
	                 "This request was refused: %s, which servers read in different ways. Send the path that is meant.", why);
	er_exchange_answer(x);
}

/* er dev: 421 Misdirected Request (RFC 9110 15.5.20). */
static void refuse_host(er_exchange *x)
{
	er_slice host = er_slice_head(er_host_of(x->req.authority), 100);
	er_exchange_fail(
	    x, 421, ER_ERR_INVALID, "host",
	    "er dev answers localhost, its own address and the hosts of the project's routes, so that no stranger's page "
	    "can reach it. If %.*s is yours: er dev --allow-host %.*s",
	    ER_FMT(host), ER_FMT(host));
	er_exchange_answer(x);
}

/* A client whose requests come over connections of others has its share all the same. */
static bool has_room(er_worker *w, er_served *served, const er_exchange *x)
{
	ER_ASSERT(!served->counted);
	if (!served->shared || w->o.gate == NULL)
		return true;
	served->counted = er_gate_begin(w->o.gate, &x->peer.address);
	return served->counted;
}

static void refuse_share(er_exchange *x)
{
	er_exchange_fail(x, 429, ER_ERR_UNAVAILABLE, "per-address",
	                 "Too many requests of this address are under way (limits.perAddress). Send this one again later.");
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("retry-after"), ER_LIT("1"));
	er_exchange_answer(x);
}

static void handle_gateway(void *self, er_exchange *x)
{
	const er_worker_door *from = self;
	er_worker *w = from->worker;
	er_worker_snapshot *s = w->current;
	er_served *served = er_served_of(x);
	ER_CHECK(w, MAGIC);
	ER_ASSERT(s != NULL && s->current && served != NULL && served->hold == NULL);
	served->hold = s;
	s->uses++;
	er_identity_arrive(x, s->config->trusted, s->config->n_trusted);
	if (s->config->dev && s->config->client.ss_family != 0)
		x->peer.address = s->config->client;
	if (!has_room(w, served, x)) {
		refuse_share(x);
		return;
	}
	if (er_identity_loops(&x->req.fields) > ER_LOOP_MAX) {
		er_exchange_fail(x, 508, ER_ERR_INVALID, "loop", "This request has been through this node more than %d times.",
		                 ER_LOOP_MAX);
		er_exchange_answer(x);
		return;
	}
	if (s->config->dev && !er_own_host(er_host_of(x->req.authority), er_slice_cstr(s->config->own_hosts))) {
		refuse_host(x);
		return;
	}
	if (x->req.target.n == 1 && x->req.target.p[0] == '*') {
		er_standard_options(x);
		return;
	}
	const char *why;
	er_slice target;
	if (!er_target_normal(&x->arena, x->req.target, &target, &why)) {
		refuse_target(x, why);
		return;
	}
	/* From here on there is one spelling: for rules, the routine, the origin and the logs. */
	x->req.target = target;
	x->chain = &from->chain;
	(void)er_worker_is_time(s->config, x);
	er_exchange_pass(x, er_chain_at(x->chain, ER_AT_ROUTINE));
}

static void handle_routine(void *self, er_exchange *x)
{
	const er_worker_door *from = self;
	er_worker *w = from->worker;
	er_slice path = er_slice_head(x->req.target, er_slice_find(x->req.target, '?'));
	er_found found;
	if (x->req.routine.n > 0) {
		er_worker_ask_named(self, x);
		return;
	}
	if (!er_config_route(w->current->config, from->env, er_host_of(x->req.authority), path, &found)) {
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_ROUTINE));
		return;
	}
	er_routine *r = er_deployment_choose(found.deployment, &x->peer.address);
	ER_ASSERT(r != NULL && found.index < w->current->config->n_deployments);
	er_served *served = er_served_of(x);
	if (served != NULL) {
		served->deployment = found.deployment;
		served->index = found.index;
		served->routine = r;
	}
	er_worker_run_routine(self, x, &found, r);
}

/* False: it has its answer. */
static bool is_admitted(const er_worker_door *d, er_exchange *x)
{
	const er_cache_wishes *wishes = x->wishes.cache;
	if (wishes == NULL || wishes->admitted)
		return true;
	if (!er_admit(d->worker->current->config, d->env, x))
		return false;
	x->wishes.pool = er_worker_guest_of(d->worker, wishes->owner);
	return true;
}

/* What a routine has fetched from elsewhere and wishes to keep is stored as of the site of its
 * request: a purge of that takes it along. */
static void ask_cache_apart(er_worker_door *d, er_exchange *x)
{
	const er_config *config = d->worker->current->config;
	const er_site *home = er_config_site(config, er_host_of(x->wishes.cache->home));
	if (config->cache_mb == 0) {
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_CACHE));
		return;
	}
	er_cache_place *place = &d->apart;
	*place = (er_cache_place){.cache = d->worker->cache, .chain = &d->chain, .scope = (uint8_t)d->env};
	if (home != NULL) {
		place->site = home->hash;
		place->stats = er_metrics_site(&d->worker->metrics, home->name);
	}
	er_handler cache = er_cache_handler(place);
	er_exchange_pass(x, &cache);
}

/* Without a site there is nothing to store. */
static void handle_cache(void *self, er_exchange *x)
{
	er_worker_door *d = self;
	if (!is_admitted(d, x))
		return;
	if (x->req.upgrade) { /* what follows is nobody's to store */
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_CACHE));
		return;
	}
	if (x->wishes.cache != NULL && x->wishes.cache->foreign) {
		ask_cache_apart(d, x);
		return;
	}
	const er_config *config = d->worker->current->config;
	const er_site *site = config->cache_mb > 0 ? er_config_site(config, er_host_of(x->req.authority)) : NULL;
	if (site == NULL || !site->cache) {
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_CACHE));
		return;
	}
	if (d->cache.stats == NULL || d->cache.site != site->hash)
		d->cache.stats = er_metrics_site(&d->worker->metrics, site->name);
	d->cache.origin = site->known_as;
	d->cache.site = site->hash;
	d->cache.rules = site->rules;
	er_handler cache = er_cache_handler(&d->cache);
	er_exchange_pass(x, &cache);
}

static void handle_standard(void *self, er_exchange *x)
{
	const er_worker_door *d = self;
	if (is_admitted(d, x)) /* the cache may be off */
		er_standard_handle(d->worker->current->config, x);
}

/* Before clients come: the server of this door starts exchanges with the gateway's handler, which
 * lets them into the chain. */
static void make_chain(er_worker_door *d)
{
	er_worker *w = d->worker;
	d->handler = (er_handler){.name = "gateway", .handle = handle_gateway, .self = d};
	er_chain_add(&d->chain, ER_AT_ROUTINE, (er_handler){.name = "routine", .handle = handle_routine, .self = d});
	if (w->cache != NULL) {
		d->cache = (er_cache_place){.cache = w->cache, .chain = &d->chain, .scope = (uint8_t)d->env};
		er_chain_add(&d->chain, ER_AT_CACHE, (er_handler){.name = "cache", .handle = handle_cache, .self = d});
		er_worker_serve_own(d);
	}
	er_chain_add(&d->chain, ER_AT_STANDARD, (er_handler){.name = "standard", .handle = handle_standard, .self = d});
	er_chain_add(&d->chain, ER_AT_ORIGIN, *er_origin_handler(w->origin));
	if (w->kv != NULL)
		er_data_serve(&d->data, ER_DATA_KV, er_kv_place_handler(w->kv));
	er_worker_serve_files(d);
	er_chain_add(&d->chain, ER_AT_DATA, er_data_handler(&d->data));
}

/* ---- ending ---- */

static void on_origin_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	/* the order of the end: servers, isolates, origin */
	ER_ASSERT(w->isolate == NULL && w->open_servers == 0);
	w->origin = NULL;
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->log_timer, NULL);
	uv_close((uv_handle_t *)&w->drain_timer, NULL);
	uv_close((uv_handle_t *)&w->warm_timer, NULL);
	er_port_close(w->port);
	er_delay_end(&w->delay);
}

static void on_health_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	w->health = NULL;
	er_origin_close(w->origin, on_origin_closed, w);
}

static void on_assets_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	w->assets = NULL;
	if (w->health != NULL)
		er_health_close(w->health, on_health_closed, w);
	else
		er_origin_close(w->origin, on_origin_closed, w);
}

static void on_cache_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	w->cache = NULL;
	if (w->assets != NULL)
		er_assets_host_close(w->assets, on_assets_closed, w);
	else
		on_assets_closed(w);
}

static void on_kv_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	w->kv = NULL;
	if (w->cache != NULL)
		er_cache_close(w->cache, on_cache_closed, w);
	else
		on_cache_closed(w);
}

static void on_isolate_closed(void *ctx)
{
	er_worker *w = ctx;
	ER_CHECK(w, MAGIC);
	ER_ASSERT(w->open_servers == 0);
	w->isolate = NULL;
	if (w->kv != NULL)
		er_kv_place_close(w->kv, on_kv_closed, w);
	else
		on_kv_closed(w);
}

static void on_server_closed(void *ctx)
{
	er_worker_door *of = ctx;
	er_worker *w = of->worker;
	ER_CHECK(w, MAGIC);
	ER_ASSERT(w->open_servers > 0 && w->open_servers <= ER_ENV_COUNT_);
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
	/* what was left to waitUntil has the same time to end */
	bool busy = er_isolate_busy(w->isolate);
	if ((left > 0 || busy) && uv_now(&w->loop) < w->drain_until_ms)
		return;
	if (left == 0 && busy)
		er_log(ER_LOG_WARN, "gateway", "what routines left to waitUntil was not over after limits.drainMs and is cut");
	if (left > 0)
		er_log(ER_LOG_WARN, "gateway", "%llu connections were still open after limits.drainMs and are cut",
		       (unsigned long long)left);
	close_all(w);
}

/* The control thread may be reading already: words by themselves, and the level last, which says
 * that the engine's name is good. */
static void keep_stats(er_worker *w)
{
	const er_isolate_stats *now = er_isolate_host_stats(w->isolate);
	er_isolate_stats *to = &w->last_isolate;
	const uint64_t *from_words = &now->pool_ready;
	uint64_t *to_words = &to->pool_ready;
	static_assert(offsetof(er_isolate_stats, level) % sizeof(uint64_t) == 0, "words, then the level");
	for (size_t i = 0; i < offsetof(er_isolate_stats, level) / sizeof *to_words; i++)
		__atomic_store_n(&to_words[i], from_words[i], __ATOMIC_RELAXED);
	memcpy(to->engine, now->engine, sizeof to->engine);
	__atomic_store_n(&to->level, now->level, __ATOMIC_RELEASE);
}

static void stop(er_worker *w, bool handed_over)
{
	uint32_t drain_ms = w->current->config->limits.drain_ms;
	if (w->stopping) {
		close_all(w);
		return;
	}
	ER_ASSERT(!w->closing);
	w->stopping = true;
	er_worker_finish_change(w);
	er_worker_fetch_none(w);
	keep_stats(w);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_server_drain(w->doors[e].server, !handed_over ? 0 : drain_ms / 2 < PATIENCE_MS ? drain_ms / 2 : PATIENCE_MS);
	er_isolate_end_sockets(w->isolate);
	w->drain_until_ms = uv_now(&w->loop) + drain_ms;
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
		if (!w->stopping && !er_server_listen(w->doors[m->how.env].server, m->fd, m->how.transport, m->how.prefaced, &err))
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
			er_worker_begin_change(w, m->config);
		break;
	case TRY:
		try_version(w, m);
		break;
	case PREFETCH:
		er_worker_fetch(w, m->prefetch);
		break;
	case PREFETCH_STOP:
		er_worker_fetch_stop(w, m->prefetch_number);
		break;
	case TIMED:
		er_worker_begin_timed(w, m->timed);
		break;
	case STOP:
	case HAND_OVER:
		stop(w, m->kind == HAND_OVER);
		break;
	case PING:
		__atomic_store_n(&w->pong, m->number, __ATOMIC_RELAXED);
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
	ER_CHECK(w, MAGIC);
	ER_ASSERT(what->kind <= PING);
	message *m = ER_NEW(message);
	*m = *what;
	pthread_mutex_lock(&w->lock);
	*w->last = m;
	w->last = &m->next;
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
}

void er_worker_listen(er_worker *w, int fd, const er_listen *how)
{
	message m = {.kind = LISTEN, .fd = fd, .how = *how};
	m.how.address = NULL;
	post(w, &m);
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

void er_worker_prefetch(er_worker *w, er_prefetch *p)
{
	post(w, &(message){.kind = PREFETCH, .prefetch = p});
}

void er_worker_prefetch_stop(er_worker *w, uint64_t number)
{
	post(w, &(message){.kind = PREFETCH_STOP, .prefetch_number = number});
}

void er_worker_timed(er_worker *w, er_timed *t)
{
	post(w, &(message){.kind = TIMED, .timed = t});
}

void er_worker_stop(er_worker *w)
{
	post(w, &(message){.kind = STOP});
}

void er_worker_hand_over(er_worker *w)
{
	post(w, &(message){.kind = HAND_OVER});
}

void er_worker_ping(er_worker *w, uint32_t number)
{
	post(w, &(message){.kind = PING, .number = number});
}

uint32_t er_worker_pong(const er_worker *w)
{
	return __atomic_load_n(&w->pong, __ATOMIC_RELAXED);
}

/* ---- life ---- */

static er_slice place_of(void *ctx, const er_exchange *x)
{
	er_worker *w = ctx;
	return er_geo_look(w->geo, (const struct sockaddr *)(const void *)&x->peer.address);
}

static bool make_parts(er_worker *w, er_err *err)
{
	const er_config *c = w->o.config;
	w->geo = er_geo_view_new(w->o.geo);
	w->origin = er_origin_new(&w->loop, w->o.own, w->o.n_own, err);
	if (w->origin == NULL)
		return false;
	er_worker_reach(w);
	if (w->o.number == 0)
		w->health = er_health_new(&w->loop, er_origin_handler(w->origin));
	er_worker_watch(w);
	if (w->o.kv != NULL)
		w->kv = er_kv_place_new(&w->loop, w->o.kv, &w->metrics.kv);
	if (w->o.cache != NULL)
		w->cache = er_cache_new(&w->loop, w->o.cache);
	if (w->cache != NULL && w->o.disk != NULL)
		er_cache_use_disk(w->cache, w->o.disk);
	if (w->cache != NULL && w->o.compressor != NULL)
		er_cache_use_compressor(w->cache, w->o.compressor);
	w->assets = er_assets_host_new(&w->loop, w->o.assets, w->o.compressor);
	er_isolate_config ic = {.pool = c->pool,
	                        .pool_hardened = c->pool_hardened,
	                        .max_instances = w->o.files.instances,
	                        .max_subrequests = c->max_subrequests,
	                        .min_level = c->min_level,
	                        .show_errors = c->dev,
	                        .pulse = w->o.pulse,
	                        .events = er_worker_isolate_events(w),
	                        .place = place_of,
	                        .place_ctx = w};
	w->isolate = er_isolate_host_new(&w->loop, w->o.spawner, w->origin, &ic, err);
	if (w->isolate == NULL)
		return false;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		make_chain(&w->doors[e]);
		er_server_options so = {.loop = &w->loop,
		                        .handler = &w->doors[e].handler,
		                        .limits = c->limits,
		                        .gate = w->o.gate,
		                        .number = w->o.number + e * MAX_THREADS,
		                        .stats = &w->stats,
		                        .id_base = w->o.id_base,
		                        .trace = w->o.trace,
		                        .finished = er_worker_finished,
		                        .ctx = w};
		w->doors[e].server = er_server_new(&so);
		er_server_trust(w->doors[e].server, c->trusted, c->n_trusted);
		w->open_servers++;
	}
	return true;
}

er_worker *er_worker_new(const er_worker_options *options, er_err *err)
{
	er_worker *w = ER_NEW(er_worker);
	w->magic = MAGIC;
	ER_ASSERT(options->number < options->of && options->of <= MAX_THREADS && options->config->sealed);
	w->o = *options;
	w->last = &w->first;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		w->doors[e] = (er_worker_door){.worker = w, .env = e};
	pthread_mutex_init(&w->lock, NULL);
	er_metrics_init(&w->metrics);
	er_list_init(&w->unsettled);
	er_list_init(&w->prefetches);
	w->guests = er_map_new();
	uv_loop_init(&w->loop);
	uv_async_init(&w->loop, &w->async, on_async);
	uv_timer_init(&w->loop, &w->log_timer);
	uv_timer_init(&w->loop, &w->drain_timer);
	uv_timer_init(&w->loop, &w->warm_timer);
	w->port = er_port_new(&w->loop);
	w->async.data = w->log_timer.data = w->drain_timer.data = w->warm_timer.data = w;
	er_delay_start(&w->delay, &w->loop);
	w->loop_open = true;
	er_worker_use(w, options->config);
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
	er_mem_keep_here(true);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	er_worker_write_unsettled(w);
	er_worker_submit_log(w);
	er_exchange_trim();
	er_mem_keep_here(false);
	__atomic_store_n(&w->pong, UINT32_MAX, __ATOMIC_RELAXED);
	w->o.ended(w->o.ctx);
	return NULL;
}

bool er_worker_run(er_worker *w, er_err *err)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ER_ASSERT(!w->runs);
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
	else if (w->kv != NULL)
		er_kv_place_close(w->kv, on_kv_closed, w);
	else if (w->cache != NULL)
		er_cache_close(w->cache, on_cache_closed, w);
	else if (w->origin != NULL)
		on_cache_closed(w);
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
	ER_ASSERT(rc == 0 && w->origin == NULL && w->isolate == NULL && w->open_servers == 0);
	for (message *m = w->first, *next; m != NULL; m = next) {
		next = m->next;
		free_message(m);
	}
	er_config_unref(w->current->config);
	er_free(w->current->metrics);
	er_free(w->current);
	er_metrics_fini(&w->metrics);
	er_worker_free_guests(w);
	er_geo_view_free(w->geo);
	er_buf_fini(&w->log);
	pthread_mutex_destroy(&w->lock);
	w->magic = 0;
	er_free(w);
}

er_metrics_view er_worker_view(const er_worker *w, bool stopping)
{
	return (er_metrics_view){.metrics = &w->metrics,
	                         .server = &w->stats,
	                         .isolate = stopping ? &w->last_isolate : er_isolate_host_stats(w->isolate),
	                         .cache = stopping || w->cache == NULL ? NULL : er_cache_statistics(w->cache),
	                         .prefetches = stopping || w->cache == NULL ? NULL : er_cache_prefetches(w->cache),
	                         .delay = &w->delay.stats};
}
