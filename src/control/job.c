#include "control/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/pattern.h"

#include <stdio.h>

enum { JOB_MAGIC = 0x4a4f4221 };

static void pump(er_control *c);

er_job *er_job_new(er_control *c, er_call *call, er_slice routine, er_env env)
{
	er_job *job = ER_NEW(er_job);
	*job = (er_job){.magic = JOB_MAGIC, .control = c, .call = call, .env = env};
	er_arena_init(&job->own);
	er_list_init(&job->link);
	job->arena = call != NULL ? call->arena : &job->own;
	job->routine = er_arena_copy(job->arena, routine);
	if (call != NULL)
		call->job = job;
	return job;
}

static void free_job(er_job *job)
{
	ER_CHECK(job, JOB_MAGIC);
	if (!er_list_empty(&job->link)) {
		er_list_remove(&job->link);
		job->control->n_jobs--;
	}
	if (job->call != NULL)
		job->call->job = NULL;
	er_arena_fini(&job->own);
	job->magic = 0;
	er_free(job);
}

void er_job_refuse(er_job *job)
{
	er_call *call = job->call;
	er_problem problem = job->problem;
	if (call == NULL)
		er_log(ER_LOG_WARN, "control", "%.*s in %s: %s", ER_FMT(job->routine), er_env_name(job->env), problem.message);
	free_job(job);
	if (call == NULL)
		return;
	call->problem = problem;
	er_call_refuse(call);
}

/* ---- trying it ---- */

static bool judge(er_job *job, const er_probe_result *r)
{
	if (r->loaded)
		return true;
	er_slice error = er_slice_head(r->error, 600);
	if (r->why == ER_ERR_UNAVAILABLE)
		return er_refuse(&job->problem, ER_PROBLEM_UNAVAILABLE, "the code could not be tried in a sandbox: %.*s", ER_FMT(error));
	er_refuse_field(&job->problem, ER_LIT("code"), "a script whose top-level code runs to its end within the limits",
	                "the code does not start: %.*s", ER_FMT(error));
	snprintf(job->problem.extra, sizeof job->problem.extra, "%.*s", ER_FMT(er_slice_head(r->stack, ER_PROBLEM_TEXT - 1)));
	return false;
}

static void on_probed(void *ctx, const er_probe_result *result)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	er_control *c = job->control;
	if (c->closing)
		return;
	c->probes--;
	job->state = ER_JOB_READY;
	job->cpu_us = result->cpu_us;
	job->memory_kb = result->memory_kb;
	if (!judge(job, result))
		er_job_refuse(job);
	pump(c);
}

/* The variables that it will see in the environment it is for. */
static bool env_of(er_job *job, er_piece *out)
{
	er_piece stored = {0};
	er_err err = {0};
	bool known = er_world_find(job->control->world, job->routine) != NULL;
	if (known && !er_store_env(job->control->o.store, job->routine, job->env, &stored, &err))
		return er_refuse_err(&job->problem, &err);
	*out = er_settings_env(job->settings.vars, er_piece_slice(stored));
	er_piece_drop(&stored);
	return true;
}

static void probe(er_job *job)
{
	er_control *c = job->control;
	er_piece env;
	if (!env_of(job, &env)) {
		er_job_refuse(job);
		return;
	}
	er_routine like = {.name = job->routine,
	                   .version = ER_LIT("new"),
	                   .source_url = ER_LIT("routine.js"),
	                   .code = er_piece_copy(job->data.code),
	                   .source_map = job->data.source_map.n > 0 ? er_piece_copy(job->data.source_map) : (er_piece){0},
	                   .env_json = er_piece_slice(env),
	                   .limits = job->settings.limits,
	                   .compat = job->settings.compat,
	                   .profile = job->settings.profile,
	                   .fallback = job->settings.fallback};
	er_routine *r = er_routine_new(&like);
	er_piece_drop(&env);
	c->probes++;
	job->state = ER_JOB_PROBING;
	c->o.ops->probe(c->o.ops_ctx, r, on_probed, job);
}

/* ---- what it changes ---- */

/* The settings' routes that the environment does not have yet are added behind its rules; nothing is taken away. */
static bool plan_routes(er_job *job)
{
	er_err err = {0};
	size_t n = 0;
	if (!er_store_routes(job->control->o.store, job->arena, job->env, &job->rules_before, &job->n_before, &err))
		return er_refuse_err(&job->problem, &err);
	er_route_rule *rules = er_arena_alloc(job->arena, (job->n_before + job->settings.n_routes + 1) * sizeof *rules);
	for (; n < job->n_before; n++)
		rules[n] = job->rules_before[n];
	for (size_t i = 0; job->with_routes && i < job->settings.n_routes; i++) {
		bool there = false;
		for (size_t k = 0; k < n && !there; k++)
			there = er_slice_ieq(rules[k].pattern, job->settings.routes[i]);
		if (!there)
			rules[n++] = (er_route_rule){.pattern = job->settings.routes[i], .routine = job->routine};
	}
	job->n_rules = n;
	job->rules = n > job->n_before ? rules : NULL;
	return true;
}

static bool has_rule(const er_route_rule *rules, size_t n, er_slice pattern, er_slice routine)
{
	for (size_t i = 0; i < n; i++)
		if (er_slice_ieq(rules[i].pattern, pattern) && er_slice_eq(rules[i].routine, routine))
			return true;
	return false;
}

bool er_job_may_route(er_job *job, const er_settings *s)
{
	er_route_rule *rules = NULL;
	size_t n = 0;
	er_err err = {0};
	if (job->call == NULL || job->call->actor.n_routines == 0)
		return true;
	if (!er_store_routes(job->control->o.store, job->arena, job->env, &rules, &n, &err))
		return er_refuse_err(&job->problem, &err);
	for (size_t i = 0; i < s->n_routes; i++) {
		er_pattern p;
		if (er_pattern_parse(s->routes[i], &p, NULL) && p.any_host && !has_rule(rules, n, s->routes[i], job->routine))
			return er_refuse(&job->problem, ER_PROBLEM_FORBIDDEN,
			                 "this token is confined to routines: it cannot add \"%.*s\", which takes every host",
			                 ER_FMT(er_slice_head(s->routes[i], 200)));
	}
	return true;
}

static er_change change_of(const er_job *job, er_change_kind kind)
{
	er_change ch = job->call != NULL ? er_call_change(job->call, kind) : (er_change){.kind = kind, .actor = ER_LIT("guard")};
	ch.routine = job->routine;
	ch.env = job->env;
	ch.version = job->data;
	ch.split = job->split;
	ch.guard = job->guard;
	ch.reason = job->reason;
	ch.rules = job->rules;
	ch.n_rules = job->n_rules;
	return ch;
}

/* What runs keeps its place and the rest of the clients. */
static void plan_split(er_job *job)
{
	if (job->canary > 0)
		job->split = (er_split){.version = {job->previous.version[0], ER_VERSION_ADDED}, .percent = 100 - job->canary};
	else
		job->split = (er_split){.version = {ER_VERSION_ADDED}, .percent = 100};
}

/* The version, its deployment and its routes are one transaction: a crash leaves all of them or none. */
static bool write_changes(er_job *job)
{
	er_control *c = job->control;
	er_change changes[3];
	size_t n = 0;
	const uint64_t before = er_store_sequence(c->o.store);
	if (job->adds)
		changes[n++] = change_of(job, ER_CHANGE_VERSION_ADD);
	if (job->deploys)
		changes[n++] = change_of(job, ER_CHANGE_DEPLOY);
	if (job->deploys && job->rules != NULL)
		changes[n++] = change_of(job, ER_CHANGE_ROUTES);
	if (!er_control_apply(c, changes, n, &job->applied, &job->problem))
		return false;
	job->unchanged = job->applied.sequence == before;
	for (int i = 0; i < ER_STORE_SPLIT; i++)
		if (job->split.version[i] == ER_VERSION_ADDED)
			job->split.version[i] = job->applied.version;
	return true;
}

static void look_before(er_job *job)
{
	const er_world_routine *r = er_world_find(job->control->world, job->routine);
	job->created = r == NULL;
	job->had_previous = r != NULL && r->env[job->env] != NULL;
	if (!job->had_previous)
		return;
	job->previous = r->env[job->env]->row.split;
	if (job->guard.on)
		job->control->o.ops->counters(job->control->o.ops_ctx, job->routine, job->env, job->before);
}

static bool apply(er_job *job)
{
	look_before(job);
	if (job->canary > 0 && !job->had_previous)
		return er_refuse_field(&job->problem, ER_LIT("percent"), "absent at a first deployment",
		                       "nothing runs in %s yet, so there is nothing to split with: deploy without \"percent\" first",
		                       er_env_name(job->env));
	if (job->prepare != NULL && !job->prepare(job))
		return false;
	if (job->deploys && job->adds && (!er_job_may_route(job, &job->settings) || !plan_routes(job)))
		return false;
	if (job->deploys && job->adds)
		plan_split(job);
	if (!write_changes(job))
		return false;
	if (job->adds) {
		er_warn_env(&job->warnings, job->control, job->arena, job->routine, job->env, job->data.code, &job->settings);
		er_warn_kv(&job->warnings, job->control, job->arena, &job->settings);
	}
	if (job->adds && job->deploys)
		er_warn_routes(&job->warnings, job->control, job->arena, job->routine, job->env, &job->settings,
		               job->rules != NULL ? job->rules : job->rules_before, job->rules != NULL ? job->n_rules : job->n_before);
	return true;
}

/* ---- taking it back ---- */

static void undo(void *ctx)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	er_control *c = job->control;
	const er_world_routine *r = er_world_find(c->world, job->routine);
	er_applied applied;
	er_problem problem = {0};
	er_change changes[2];
	size_t n = 0;
	/* Somebody has deployed something else since: that stays. */
	if (r == NULL || r->env[job->env] == NULL || !er_split_same(&r->env[job->env]->row.split, &job->split))
		return;
	if (job->had_previous) {
		changes[n] = change_of(job, ER_CHANGE_DEPLOY);
		changes[n].split = job->previous;
		changes[n].guard = (er_guard){0};
		changes[n++].reason = ER_LIT("activation failed");
	} else if (job->created) {
		changes[n++] = change_of(job, ER_CHANGE_ROUTINE_DELETE);
	}
	if (job->rules != NULL) {
		changes[n] = change_of(job, ER_CHANGE_ROUTES);
		changes[n].rules = job->rules_before;
		changes[n++].n_rules = job->n_before;
	}
	if (n > 0 && !er_control_apply(c, changes, n, &applied, &problem))
		er_log(ER_LOG_ERROR, "control", "the deployment of %.*s could not be taken back: %s", ER_FMT(job->routine),
		       problem.message);
}

/* ---- answering ---- */

static void write_answer(er_job *job)
{
	er_out *o = &job->call->out;
	const er_applied *ap = &job->applied;
	er_out_open(o, NULL, '{');
	er_out_str(o, "routine", job->routine);
	if (job->adds) {
		er_out_u64(o, "version", ap->version);
		er_out_bool(o, "existed", ap->existed);
		er_out_u64(o, "bytes", job->data.code.n);
		er_out_open(o, "probe", '{');
		er_out_u64(o, "cpu_us", job->cpu_us);
		er_out_u64(o, "memory_kb", job->memory_kb);
		er_out_close(o, '}');
	}
	er_out_u64(o, "sequence", ap->sequence);
	if (job->deploys) {
		er_out_u64(o, "deployment", ap->deployment);
		er_out_str(o, "environment", er_slice_cstr(er_env_name(job->env)));
		er_out_split(o, "versions", &job->split);
		er_out_split(o, "previous", job->had_previous ? &job->previous : NULL);
		er_out_tenth(o, "activation_ms", (double)(er_clock_mono_us() - job->applied_us) / 1000);
	}
	if (job->adds && job->deploys) {
		er_out_open(o, "routes_added", '[');
		for (size_t i = job->n_before; job->rules != NULL && i < job->n_rules; i++)
			er_out_str(o, NULL, job->rules[i].pattern);
		er_out_close(o, ']');
	}
	if (job->adds)
		er_warnings_write(&job->warnings, o);
	er_out_close(o, '}');
}

static void finish(er_job *job)
{
	er_call *call = job->call;
	bool created = job->adds && !job->deploys && !job->applied.existed;
	if (call != NULL)
		write_answer(job);
	free_job(job);
	if (call != NULL)
		er_call_answer(call, created ? 201 : 200);
}

static void announce(er_job *job)
{
	er_control *c = job->control;
	const er_world_routine *r = er_world_find(c->world, job->routine);
	const er_world_env *env = r != NULL ? r->env[job->env] : NULL;
	/* The next one is on its way already. */
	if (env == NULL || env->row.id != job->applied.deployment)
		return;
	char versions[64];
	if (job->split.version[1] != 0)
		snprintf(versions, sizeof versions, "versions %u (%u%%) and %u (%u%%)", job->split.version[0], job->split.percent,
		         job->split.version[1], 100 - job->split.percent);
	else
		snprintf(versions, sizeof versions, "version %u", job->split.version[0]);
	er_slice text = er_arena_printf(job->arena, "%s runs %s now (%.*s)", er_env_name(job->env), versions, ER_FMT(job->reason));
	er_log(ER_LOG_INFO, "control", "%.*s: %.*s, by %.*s", ER_FMT(job->routine), ER_FMT(text), ER_FMT(env->row.actor));
	er_hub_deployed(c->hub, &env->row, text);
	/* What ran already, just so, is watched (or not) as before. */
	if (job->unchanged)
		return;
	if (job->guard.on)
		er_guard_watch(c->guards, &env->row, job->had_previous ? &job->previous : NULL, job->before);
	else
		er_guard_forget(c->guards, job->routine, job->env);
}

static void on_activated(void *ctx, const er_err *err)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	if (err == NULL) {
		announce(job);
		finish(job);
		return;
	}
	er_refuse(&job->problem, ER_PROBLEM_UNAVAILABLE, "the node could not put it into force: %s. %s%s%s", err->text,
	          job->had_previous || job->created ? "It was taken back: " : "", er_env_name(job->env),
	          job->had_previous ? " runs what it ran before"
	          : job->created    ? " runs nothing of this routine"
	                            : " has nothing to go back to");
	er_job_refuse(job);
}

/* ---- closing ---- */

void er_jobs_drop(er_control *c)
{
	while (!er_list_empty(&c->jobs))
		free_job(ER_CONTAINER(c->jobs.next, er_job, link));
	for (er_list *l; (l = er_list_pop(&c->waiting)) != NULL || (l = er_list_pop(&c->running)) != NULL;) {
		const er_activation *a = ER_CONTAINER(l, er_activation, link);
		/* The others are part of their calls. */
		if (a->done == on_activated)
			free_job(a->ctx);
	}
}

/* ---- the line ---- */

static bool is_first_of_its_routine(const er_job *job)
{
	for (const er_list *l = job->control->jobs.next; l != &job->link; l = l->next)
		if (er_slice_eq(ER_CONTAINER(l, er_job, link)->routine, job->routine))
			return false;
	return true;
}

static void go_on(er_job *job)
{
	er_control *c = job->control;
	er_list_remove(&job->link);
	c->n_jobs--;
	if (!apply(job)) {
		er_job_refuse(job);
		return;
	}
	job->state = ER_JOB_APPLIED;
	job->applied_us = er_clock_mono_us();
	if (!job->deploys) {
		finish(job);
		return;
	}
	job->activation = (er_activation){.undo = undo, .done = on_activated, .ctx = job};
	er_activate(c, &job->activation);
}

/* One step, if there is one to do; false: nothing can be done now. */
static bool step(er_control *c)
{
	for (er_list *l = c->jobs.next; l != &c->jobs; l = l->next) {
		er_job *job = ER_CONTAINER(l, er_job, link);
		if (job->state == ER_JOB_WAITS && c->probes < ER_PROBES_MAX) {
			probe(job);
			return true;
		}
		if (job->state == ER_JOB_READY && is_first_of_its_routine(job)) {
			go_on(job);
			return true;
		}
	}
	return false;
}

static void pump(er_control *c)
{
	/* A step may call back at once, and end here again. */
	while (!c->closing && step(c))
		;
}

/* Is there room for one more? The guard's own always has it. */
static bool has_room(er_job *job)
{
	unsigned same = 0;
	if (job->call == NULL)
		return true;
	ER_LIST_EACH(l, &job->control->jobs)
	{
		const er_call *other = ER_CONTAINER(l, er_job, link)->call;
		same += other != NULL && er_call_same_token(job->call, other);
	}
	if (job->control->n_jobs < ER_JOBS_MAX && same < ER_JOBS_SHARE)
		return true;
	return er_refuse(&job->problem, ER_PROBLEM_UNAVAILABLE, "%u deployments%s wait already: try again in a moment",
	                 same < ER_JOBS_SHARE ? job->control->n_jobs : same, same < ER_JOBS_SHARE ? "" : " of this token");
}

void er_job_submit(er_job *job)
{
	er_control *c = job->control;
	if (!has_room(job)) {
		er_job_refuse(job);
		return;
	}
	if (!er_control_may_change(c, &job->problem)) {
		er_job_refuse(job);
		return;
	}
	job->state = job->adds ? ER_JOB_WAITS : ER_JOB_READY;
	er_list_push(&c->jobs, &job->link);
	c->n_jobs++;
	pump(c);
}
