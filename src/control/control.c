/* Control as an object. Making it reads what the environments run (world.c), begins to watch again
 * what was watched when the node ended, and starts a timer of one second: guards look, tails hear a
 * heartbeat, and once a minute expired KV entries are swept. Static files are swept on a thread of
 * the pool.
 *
 * Closing: everything that waits is answered with 503, in an order that leaves nothing pointing to
 * what is freed: jobs and activations first (they borrow calls), then the calls, the bulk answers,
 * guards, tails. Then the timer's handle closes, and control is freed by whichever is last, that or
 * a backup or a sweep that is under way. `closed` is called when it is gone.
 *
 * Pause and close are not the same: paused, it answers everything but changes. */
#include "control/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/download.h"
#include "control/internal.h"
#include "store/asset.h"

enum { TICK_MS = 1000, ASSETS_TICKS = 3600, SWEEP_TICKS = 60, SWEEP_MOST = 1000 };

/* ---- making and ending ---- */

static void handle_remote(void *self, er_exchange *x)
{
	er_call_handle(self, x, false);
}

static void handle_local(void *self, er_exchange *x)
{
	er_call_handle(self, x, true);
}

/* KV entries that have expired are invisible already; their space comes back here, a little at a
 * time. */
static void sweep(er_control *c)
{
	unsigned removed;
	er_err err = {0};
	if (++c->ticks % SWEEP_TICKS != 0 && !c->sweeps)
		return;
	c->sweeps = er_kv_sweep(c->o.store, SWEEP_MOST, &removed, &err) && removed == SWEEP_MOST;
	if (err.kind != ER_ERR_OK)
		er_log(ER_LOG_WARN, "control", "expired KV entries could not be removed: %s", err.text);
}

/* No handle and no thread of the pool knows it any more. */
static void end(er_control *c)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(c->closing && c->handles_closed && c->backup == NULL && c->sweeping == NULL);
	ER_ASSERT(er_list_empty(&c->calls) && er_list_empty(&c->exports) && er_list_empty(&c->jobs));
	void (*closed)(void *) = c->closed;
	void *ctx = c->closed_ctx;
	er_world_free(c->world);
	er_auth_free(c->auth);
	c->magic = 0;
	er_free(c);
	if (closed != NULL)
		closed(ctx);
}

/* It is closing, and its handles and the sweep are gone. */
static void end_if_over(er_control *c)
{
	if (c->closing && c->handles_closed && c->sweeping == NULL && !er_backup_await(c, end))
		end(c);
}

/* Files that no version names: a routine a second, at the start and once an hour. On a thread of
 * the pool, for a routine may have very many. */
typedef struct er_asset_sweeping {
	uv_work_t work;
	er_control *c;
	bool good, over;
	bool stop; /* atomic */
	er_err err;
} sweeping;

static void sweep_routine(uv_work_t *work)
{
	sweeping *w = work->data;
	unsigned removed;
	w->good = er_asset_sweep(w->c->o.store, ER_ASSET_GRACE_S, &w->stop, &removed, &w->over, &w->err);
}

static void on_swept(uv_work_t *work, int status)
{
	sweeping *w = work->data;
	er_control *c = w->c;
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(status == 0);
	if (!w->good)
		er_log(ER_LOG_WARN, "control", "static files that no version names could not be removed: %s", w->err.text);
	if (!w->good || (w->over && !w->stop))
		c->assets_ticks = ASSETS_TICKS;
	c->sweeping = NULL;
	er_free(w);
	end_if_over(c);
}

static void stop_sweeping(er_control *c)
{
	if (c->sweeping != NULL)
		__atomic_store_n(&c->sweeping->stop, true, __ATOMIC_RELAXED);
}

static void sweep_assets(er_control *c)
{
	if (c->paused || c->sweeping != NULL || (c->assets_ticks > 0 && --c->assets_ticks > 0))
		return;
	sweeping *w = c->sweeping = ER_NEW(sweeping);
	*w = (sweeping){.work.data = w, .c = c};
	uv_queue_work(c->o.loop, &w->work, sweep_routine, on_swept);
}

/* Once a second, if its owner says nothing else. */
static void on_tick(uv_timer_t *timer)
{
	er_control *c = timer->data;
	ER_CHECK(c, ER_CONTROL_MAGIC);
	uint64_t now = er_clock_mono_us();
	if (!c->paused)
		er_guards_tick(c->guards, now);
	er_hub_tick(c->hub, now);
	er_prefetches_tick(c->prefetches, now);
	er_api_content_tick(c, now);
	sweep(c);
	sweep_assets(c);
}

/* Deployments that were being watched when the node ended are watched on. */
static void resume_guards(er_control *c)
{
	size_t n;
	int64_t now_ms = (int64_t)(er_clock_wall_us() / 1000);
	er_world_routine *const *all = er_world_all(c->world, &n);
	for (size_t i = 0; i < n; i++)
		for (int e = 0; e < ER_ENV_COUNT_; e++) {
			const er_world_env *env = all[i]->env[e];
			if (env != NULL && env->row.guard.on && env->row.at_ms + (int64_t)env->row.guard.watch_s * 1000 > now_ms)
				er_guard_watch(c->guards, &env->row, NULL, NULL);
		}
}

er_control *er_control_new(const er_control_options *options, er_err *err)
{
	ER_ASSERT(options->loop != NULL && options->store != NULL && options->ops != NULL);
	er_world *world = er_world_new(options->store, err);
	if (world == NULL)
		return NULL;
	er_control *c = ER_NEW(er_control);
	*c = (er_control){.magic = ER_CONTROL_MAGIC, .o = *options, .world = world};
	c->remote = (er_handler){.name = "control", .handle = handle_remote, .self = c};
	c->local = (er_handler){.name = "control", .handle = handle_local, .self = c};
	er_list_init(&c->calls);
	er_list_init(&c->exports);
	er_list_init(&c->downloads);
	er_list_init(&c->jobs);
	er_rounds_init(&c->activations);
	c->auth = er_auth_new();
	c->hub = er_hub_new(c);
	c->guards = er_guards_new(c, er_deploy_back);
	c->prefetches = er_prefetches_new(c);
	uv_timer_init(options->loop, &c->tick);
	c->tick.data = c;
	uint64_t every = options->tick_ms > 0 ? options->tick_ms : TICK_MS;
	uv_timer_start(&c->tick, on_tick, every, every);
	resume_guards(c);
	return c;
}

static void on_tick_closed(uv_handle_t *handle)
{
	er_control *c = handle->data;
	c->handles_closed = true;
	end_if_over(c);
}

void er_control_close(er_control *c, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(!c->closing);
	c->closing = true;
	c->closed = closed;
	c->closed_ctx = ctx;
	stop_sweeping(c);
	er_jobs_drop(c);
	er_backup_forget(c);
	while (!er_list_empty(&c->calls)) {
		er_call *call = ER_CONTAINER(c->calls.next, er_call, link);
		er_call_abandon(call);
	}
	ER_ASSERT(c->n_jobs == 0 && er_list_empty(&c->activations.waiting) && er_list_empty(&c->activations.served));
	er_exports_drop(c);
	er_downloads_drop(c);
	er_guards_free(c->guards);
	er_prefetches_free(c->prefetches);
	er_hub_free(c->hub);
	uv_close((uv_handle_t *)&c->tick, on_tick_closed);
}

void er_control_pause(er_control *c, bool on)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	c->paused = on;
	if (on)
		stop_sweeping(c);
}

bool er_control_changes(const er_control *c)
{
	return !c->paused && !c->closing;
}

bool er_control_quiet(const er_control *c)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	return er_list_empty(&c->jobs) && er_rounds_idle(&c->activations) && c->sweeping == NULL;
}

void er_control_limits(er_control *c, const er_limits *routine_max, const er_cidr *addresses, size_t n_addresses)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(n_addresses == 0 || addresses != NULL);
	c->o.routine_max = *routine_max;
	c->o.addresses = addresses;
	c->o.n_addresses = n_addresses;
}

const er_handler *er_control_remote(er_control *c)
{
	return &c->remote;
}

const er_handler *er_control_local(er_control *c)
{
	return &c->local;
}

/* ---- what the gateway runs ---- */

/* Settings are copied: the world's own go when the routine changes, and the gateway keeps the
 * snapshot's arena longer. */
static void take_env(er_arena *a, er_slice name, er_env e, const er_world_env *env, er_snapshot_routine *out)
{
	*out = (er_snapshot_routine){.name = name,
	                             .env = e,
	                             .deployment = env->row.id,
	                             .revision = env->revision,
	                             .env_revision = env->env_revision,
	                             .percent = env->row.split.percent,
	                             .n = env->row.split.version[1] != 0 ? 2 : 1};
	ER_ASSERT(out->n <= ER_STORE_SPLIT && out->deployment != 0);
	for (uint32_t i = 0; i < out->n; i++) {
		out->version[i] = env->version[i];
		out->version[i].settings = er_arena_copy(a, env->version[i].settings);
	}
}

void er_control_stored_on_disk(er_control *c, bool on)
{
	if (c != NULL)
		c->on_disk = on;
}

bool er_control_snapshot(er_control *c, er_arena *a, er_snapshot *out, er_err *err)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	size_t n;
	er_world_routine *const *all = er_world_all(c->world, &n);
	*out = (er_snapshot){.sequence = er_store_sequence(c->o.store)};
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		if (!er_store_routes(c->o.store, a, e, &out->routes[e], &out->n_routes[e], err))
			return false;
	if (!er_store_sites(c->o.store, a, &out->sites, &out->n_sites, err))
		return false;
	out->routines = er_arena_alloc(a, (n * ER_ENV_COUNT_ + 1) * sizeof *out->routines);
	for (size_t i = 0; i < n; i++) {
		er_slice name = er_arena_copy(a, all[i]->name);
		er_slice allow = er_arena_copy(a, er_slice_of(all[i]->allow, all[i]->n_allow * sizeof *all[i]->allow));
		for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
			if (all[i]->env[e] == NULL)
				continue;
			er_snapshot_routine *r = &out->routines[out->n_routines++];
			take_env(a, name, e, all[i]->env[e], r);
			r->born = all[i]->born;
			r->allow = (const er_cidr *)(const void *)allow.p;
			r->n_allow = all[i]->n_allow;
		}
	}
	ER_ASSERT(out->n_routines <= n * ER_ENV_COUNT_);
	return true;
}

/* ---- the tail ---- */

void er_control_event(er_control *c, const er_tail_event *event)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	if (!c->closing)
		er_hub_event(c->hub, event);
}

void er_control_event_lost(er_control *c, uint64_t n)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	if (!c->closing)
		er_hub_lost(c->hub, n);
}
