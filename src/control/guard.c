/* Automatic rollback. A deployment with a guard begins a watch when it goes live; once a second the
 * counters of every watch are compared (er_guards_tick).
 *
 * Of a split, the new version is compared with the other one as both run now; of a whole
 * deployment, with the last figures of what ran before. After a restart of the node these are gone:
 * then the comparison is with an error rate of nothing, and the p99 is not judged.
 *
 * A watch ends in one of four ways: it is worse than the guard allows (a job goes back, job.c), its
 * time is over (it passed), something else was deployed there (er_guard_forget, or look finds
 * another id), or control closes. There is at most one a routine and environment.
 *
 * While control is paused nobody looks: what would be decided could not be written. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"

#include <stdio.h>

/* One deployment that is watched, until it has passed, was left, or goes back. */
typedef struct watch {
	er_list link;
	char *routine;
	er_env env;
	uint64_t deployment;
	er_guard guard;
	er_split split;
	int candidate; /* index of the new version in the split */
	bool has_base; /* of a whole deployment: what ran before, all its versions together */
	er_version_counters base;
	uint64_t until_us;
} watch;

struct er_guards {
	er_control *control;
	er_guard_back *back;
	er_list watches;
};

er_guards *er_guards_new(er_control *c, er_guard_back *back)
{
	ER_ASSERT(c != NULL && back != NULL);
	er_guards *g = ER_NEW(er_guards);
	g->control = c;
	g->back = back;
	er_list_init(&g->watches);
	return g;
}

/* w->routine is NULL if it was taken out before. */
static void drop(watch *w)
{
	er_list_remove(&w->link);
	er_free(w->routine);
	er_free(w);
}

void er_guards_free(er_guards *g)
{
	if (g == NULL)
		return;
	while (!er_list_empty(&g->watches))
		drop(ER_CONTAINER(g->watches.next, watch, link));
	er_free(g);
}

static watch *find(const er_guards *g, er_slice routine, er_env env)
{
	ER_LIST_EACH(l, &g->watches)
	{
		watch *w = ER_CONTAINER(l, watch, link);
		if (w->env == env && er_slice_eq(er_slice_cstr(w->routine), routine))
			return w;
	}
	return NULL;
}

void er_guard_forget(er_guards *g, er_slice routine, er_env env)
{
	watch *w = find(g, routine, env);
	if (w != NULL)
		drop(w);
}

/* The version that did not run before; of two old or two new ones the higher number. */
static int candidate_of(const er_split *now, const er_split *before)
{
	bool old[ER_STORE_SPLIT] = {false};
	for (int i = 0; i < ER_STORE_SPLIT && before != NULL; i++)
		for (int k = 0; k < ER_STORE_SPLIT; k++)
			old[i] = old[i] || (before->version[k] != 0 && before->version[k] == now->version[i]);
	ER_ASSERT(now->version[0] != 0);
	if (now->version[1] == 0)
		return 0;
	if (old[0] != old[1])
		return old[0] ? 1 : 0;
	return now->version[1] > now->version[0];
}

void er_guard_watch(er_guards *g, const er_deployment_row *row, const er_split *before, const er_version_counters *counters)
{
	ER_ASSERT(row->guard.on && row->guard.watch_s > 0);
	er_guard_forget(g, row->routine, row->env);
	watch *w = ER_NEW(watch);
	int64_t age_ms = (int64_t)(er_clock_wall_us() / 1000) - row->at_ms, left_ms = (int64_t)row->guard.watch_s * 1000 - age_ms;
	*w = (watch){.routine = er_strdup_slice(row->routine),
	             .env = row->env,
	             .deployment = row->id,
	             .guard = row->guard,
	             .split = row->split,
	             .candidate = candidate_of(&row->split, before),
	             .has_base = before != NULL && counters != NULL,
	             .until_us = er_clock_mono_us() + (uint64_t)(left_ms > 0 ? left_ms : 0) * 1000};
	for (int i = 0; i < ER_STORE_SPLIT && w->has_base; i++) {
		w->base.requests += counters[i].requests;
		w->base.errors += counters[i].errors;
		if (counters[i].p99_us > w->base.p99_us)
			w->base.p99_us = counters[i].p99_us;
	}
	ER_ASSERT(w->candidate >= 0 && w->candidate < ER_STORE_SPLIT && w->split.version[w->candidate] != 0);
	er_list_push(&g->watches, &w->link);
}

/* Per cent of requests that the node had to answer itself. */
static double rate(const er_version_counters *c)
{
	return c->requests > 0 ? 100.0 * (double)c->errors / (double)c->requests : 0;
}

/* False: it is worse than it may be; *why says so. */
static bool good(const watch *w, const er_version_counters *now, const er_version_counters *base, char *why, size_t cap)
{
	ER_ASSERT(w->guard.on && cap > 0);
	if (now->requests < w->guard.least_requests)
		return true;
	if (rate(now) > rate(base) + w->guard.error_percent) {
		snprintf(why, cap, "guard: error rate %.1f%% against %.1f%%", rate(now), rate(base));
		return false;
	}
	if (w->guard.p99_percent == 0 || base->p99_us == 0 || base->requests < w->guard.least_requests)
		return true;
	if ((double)now->p99_us <= (double)base->p99_us * (1 + w->guard.p99_percent / 100.0))
		return true;
	snprintf(why, cap, "guard: p99 %.1f ms against %.1f ms", (double)now->p99_us / 1000, (double)base->p99_us / 1000);
	return false;
}

/* To whoever tails. */
static void announce(er_guards *g, const watch *w, const char *text)
{
	const er_world_routine *r = er_world_find(g->control->world, er_slice_cstr(w->routine));
	if (r != NULL && r->env[w->env] != NULL)
		er_hub_deployed(g->control->hub, &r->env[w->env]->row, er_slice_cstr(text));
}

/* One watch, once. It may end here, and with it its memory: what is needed after drop is taken out
 * before. */
static void look(er_guards *g, watch *w, uint64_t now_us)
{
	er_control *c = g->control;
	er_version_counters counters[ER_STORE_SPLIT] = {0};
	const er_world_routine *r = er_world_find(c->world, er_slice_cstr(w->routine));
	char why[128];
	if (r == NULL || r->env[w->env] == NULL || r->env[w->env]->row.id != w->deployment) {
		drop(w);
		return;
	}
	c->o.ops->counters(c->o.ops_ctx, r->name, w->env, counters);
	const er_version_counters none = {0};
	const er_version_counters *base = w->split.version[1] != 0 ? &counters[!w->candidate] : w->has_base ? &w->base : &none;
	if (!good(w, &counters[w->candidate], base, why, sizeof why)) {
		er_log(ER_LOG_WARN, "control", "%s in %s: version %u goes back (%s)", w->routine, er_env_name(w->env),
		       w->split.version[w->candidate], why);
		announce(g, w, why);
		char *routine = w->routine;
		w->routine = NULL;
		er_env env = w->env;
		uint64_t deployment = w->deployment;
		drop(w);
		g->back(c, er_slice_cstr(routine), env, deployment, why);
		er_free(routine);
		return;
	}
	if (now_us < w->until_us)
		return;
	er_log(ER_LOG_INFO, "control", "%s in %s: version %u has passed its guard (%llu requests, %.1f%% errors)", w->routine,
	       er_env_name(w->env), w->split.version[w->candidate], (unsigned long long)counters[w->candidate].requests,
	       rate(&counters[w->candidate]));
	announce(g, w, "guard: passed");
	drop(w);
}

void er_guards_tick(er_guards *g, uint64_t now_us)
{
	size_t n = 0; /* those that are there now: one that a look begins has its turn in a second */
	for (const er_list *l = g->watches.next; l != &g->watches; l = l->next)
		n++;
	/* Going back may end watches, and begin some: no place in the list is held across a look. */
	for (; n > 0 && !er_list_empty(&g->watches); n--) {
		er_list *l = g->watches.next;
		er_list_remove(l);
		er_list_push(&g->watches, l);
		look(g, ER_CONTAINER(l, watch, link), now_us);
	}
}

const char *er_guard_state(const er_guards *g, const er_deployment_row *row)
{
	ER_ASSERT((unsigned)row->env < ER_ENV_COUNT_);
	const watch *w = find(g, row->routine, row->env);
	if (w != NULL && w->deployment == row->id)
		return "watching";
	if (row->cause == ER_CAUSE_GUARD)
		return "went-back";
	return row->guard.on ? "passed" : "";
}
