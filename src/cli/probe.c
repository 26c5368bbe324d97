/* One routine, tried in a real sandbox (probe.h). A whole trusted half is made for it and ended
 * again: a spawner, a loop, an origin that is asked nothing, and a host with one instance.
 * er_isolate_try loads the routine as a node does before a deploy, and calls on_started once. Then
 * everything is closed in the order in which it depends on each other (host, origin, timer), and
 * the loop runs dry.
 *
 * To sample it, the instance is started as if for a request, since one that is only tried ends when
 * it has loaded; an inspector (inspect.h) without a door takes the samples.
 *
 * The spawner forks, so the process must have one thread when this is called. */
#include "cli/probe.h"

#include "cli/inspect.h"
#include "isolate/isolate.h"
#include "isolate/spawner.h"

#include <limits.h>

enum { ALIVE_MS = 60000 }; /* the trial's own time is up long before */

/* One trial, with a loop, an origin and a host of its own. */
typedef struct probe {
	er_arena *arena;
	er_probe *out;
	uv_loop_t loop;
	uv_timer_t alive; /* nothing else holds the loop */
	er_origin *origin;
	er_isolate_host *host;
	er_cpuprofile *profile; /* NULL: nobody samples */
	er_inspector *inspector;
	bool over;
} probe;

static void on_sampled(void *ctx)
{
	probe *p = ctx;
	p->over = true;
}

/* The strings are lent for the call, so they are copied. */
static void on_started(void *ctx, const er_isolate_start *s)
{
	probe *p = ctx;
	ER_ASSERT(!p->over);
	*p->out = (er_probe){.loaded = s->loaded,
	                     .cpu_us = s->cpu_us,
	                     .why = s->why,
	                     .error = er_arena_copy(p->arena, s->error),
	                     .stack = er_arena_copy(p->arena, s->stack),
	                     .console = er_arena_copy(p->arena, s->console)};
	if (p->profile != NULL)
		er_inspector_finish(p->inspector, on_sampled, p);
	else
		p->over = true;
}

static void on_inspect(void *ctx, const er_routine *r, int fd)
{
	const probe *p = ctx;
	(void)r;
	er_inspector_take(p->inspector, fd);
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void on_origin_closed(void *ctx)
{
	probe *p = ctx;
	uv_close((uv_handle_t *)&p->alive, NULL);
}

/* Host, origin, timer: each is closed when what used it is gone. */
static void on_host_closed(void *ctx)
{
	probe *p = ctx;
	er_origin_close(p->origin, on_origin_closed, p);
}

/* The loop of one trial, from the first handle to the last; returns when all of it is closed. */
static bool run(probe *p, int sock, er_routine *r, er_err *err)
{
	ER_ASSERT(r != NULL && !p->over);
	er_isolate_config config = {.max_instances = 1};
	if (p->profile != NULL) {
		config.events = (er_isolate_events){.inspect = on_inspect, .ctx = p};
		char *url = er_strdup_slice(r->source_url);
		p->inspector =
		    er_inspector_new(&(er_inspector_options){.loop = &p->loop, .url = url, .title = url, .profile = p->profile}, err);
		er_inspector_map(p->inspector, er_piece_slice(r->source_map));
		er_free(url);
	}
	uv_timer_init(&p->loop, &p->alive);
	uv_timer_start(&p->alive, on_alive, ALIVE_MS, ALIVE_MS);
	p->origin = er_origin_new(&p->loop, NULL, 0, err);
	if (p->origin != NULL)
		p->host = er_isolate_host_new(&p->loop, sock, p->origin, &config, err);
	bool ok = p->host != NULL;
	if (ok) {
		if (p->profile != NULL)
			er_isolate_warm(p->host, r, on_started, p);
		else
			er_isolate_try(p->host, r, on_started, p);
		/* The trial has limits of its own, so this ends. */
		while (!p->over)
			uv_run(&p->loop, UV_RUN_ONCE);
		p->out->level = __atomic_load_n(&er_isolate_host_stats(p->host)->level, __ATOMIC_RELAXED);
		er_isolate_host_close(p->host, on_host_closed, p);
	} else if (p->origin != NULL) {
		er_origin_close(p->origin, on_origin_closed, p);
	} else {
		uv_close((uv_handle_t *)&p->alive, NULL);
	}
	if (p->inspector != NULL)
		er_inspector_close(p->inspector);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	return ok;
}

static bool probed(er_arena *a, er_routine *r, er_probe *out, er_cpuprofile *profile, er_err *err)
{
	char path[PATH_MAX];
	ER_ASSERT(a != NULL && r != NULL && out != NULL);
	er_spawner sp = {0};
	*out = (er_probe){0};
	probe p = {.arena = a, .out = out, .profile = profile};
	if (!er_spawner_find_program(NULL, path, sizeof path, err) ||
	    !er_spawner_start(&sp, &(er_spawner_config){.sandbox_path = path, .n_sockets = 1, .want = ER_LEVEL_FULL}, err))
		return false;
	uv_loop_init(&p.loop);
	bool ok = run(&p, sp.sockets[0], r, err);
	int rc = uv_loop_close(&p.loop);
	ER_ASSERT(rc == 0);
	er_spawner_stop(&sp);
	if (ok && !out->loaded && out->why == ER_ERR_UNAVAILABLE)
		return er_fail(err, ER_ERR_UNAVAILABLE, "no sandbox could be started; what is said above tells why");
	return ok;
}

bool er_probe_run(er_arena *a, er_routine *r, er_probe *out, er_err *err)
{
	return probed(a, r, out, NULL, err);
}

bool er_probe_sample(er_arena *a, er_routine *r, er_cpuprofile *out)
{
	er_probe found;
	er_err err;
	return probed(a, r, &found, out, &err) && found.loaded;
}
