/* A job: one deployment on its way. deploy.c makes it from its request, the guard makes one without
 * a request; er_job_submit puts it in the line, and from then on this file owns it, and the call
 * with it.
 *
 *   WAITS ─► PROBING ─► READY ─► (applied) ─► APPLIED ─► answered and freed
 *
 * WAITS: it has code to try, and ER_PROBES_MAX are being tried. PROBING: the gateway has it in a
 * sandbox and calls on_probed once. READY: tried, or there is nothing to try; it is applied when no
 * job of its routine stands before it; a version without code is ready at once. Applied: one
 * transaction of the store. APPLIED: it is out of the line and waits for its activation, if it
 * deploys anything. Whatever fails ends it with
 * job->problem as the answer (er_job_refuse).
 *
 * pump does what can be done, step by step, until nothing can: a step may call back at once and end
 * in pump again, so a step takes one job, acts, and looks at the line anew. Jobs of one routine are
 * applied in the order in which they came, however long the trial of each takes; different routines
 * do not wait for each other.
 *
 * Everything a job makes lies in its call's arena, or in its own if it has no call. */
#include "control/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/pattern.h"

#include <stdio.h>

enum { JOB_MAGIC = 0x4a4f4221 };

static void pump(er_control *c);

er_job *er_job_new(er_control *c, er_call *call, er_slice routine, er_env env)
{
	er_job *job = ER_NEW(er_job);
	ER_ASSERT(routine.n > 0 && (unsigned)env < ER_ENV_COUNT_);
	*job = (er_job){.magic = JOB_MAGIC, .control = c, .call = call, .env = env};
	er_arena_init(&job->own);
	er_list_init(&job->link);
	job->arena = call != NULL ? call->arena : &job->own;
	job->routine = er_arena_copy(job->arena, routine);
	return job;
}

/* From wherever it is: the line, an activation that is over, or nowhere yet. */
static void free_job(er_job *job)
{
	ER_CHECK(job, JOB_MAGIC);
	if (!er_list_empty(&job->link)) {
		er_list_remove(&job->link);
		ER_ASSERT(job->control->n_jobs > 0);
		job->control->n_jobs--;
	}
	er_arena_fini(&job->own);
	job->magic = 0;
	er_free(job);
}

void er_job_refuse(er_job *job)
{
	er_call *call = job->call;
	er_problem problem = job->problem;
	ER_ASSERT(problem.code != ER_PROBLEM_NONE);
	if (call == NULL)
		er_log(ER_LOG_WARN, "control", "%.*s in %s: %s", ER_FMT(job->routine), er_env_name(job->env), problem.message);
	free_job(job);
	if (call == NULL)
		return;
	call->problem = problem;
	er_call_refuse(call);
}

/* ---- trying it ---- */

/* What the trial says about the code; a sandbox that could not be had says nothing about it. False:
 * job->problem. */
static bool judge(er_job *job, const er_probe_result *r)
{
	if (r->loaded)
		return true;
	er_slice error = er_slice_head(r->error, 600);
	if (r->why == ER_ERR_UNAVAILABLE)
		return er_refuse(&job->problem, ER_PROBLEM_UNAVAILABLE, "the code could not be tried in a sandbox: %.*s", ER_FMT(error));
	er_refuse_field(&job->problem, ER_LIT("code"), "a script whose top-level code runs to its end within the limits",
	                "the code does not start: %.*s", ER_FMT(error));
	snprintf(job->problem.stack, sizeof job->problem.stack, "%.*s", ER_FMT(er_slice_head(r->stack, ER_PROBLEM_TEXT - 1)));
	return false;
}

/* The trial is over. The job may be refused and freed here; then the line moves on. */
static void on_probed(void *ctx, const er_probe_result *result)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	er_control *c = job->control;
	ER_ASSERT(c->closing || (job->state == ER_JOB_PROBING && c->probes > 0));
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

/* As the routine would run in its environment, but for its name of a version. The gateway gets the
 * reference. */
static void probe(er_job *job)
{
	er_control *c = job->control;
	er_piece env;
	ER_ASSERT(job->state == ER_JOB_WAITS && job->adds && c->probes < ER_PROBES_MAX);
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
	                   .fallback = job->settings.fallback,
	                   .files = job->data.assets_files > 0};
	er_routine *r = er_routine_new(&like);
	er_piece_drop(&env);
	c->probes++;
	job->state = ER_JOB_PROBING;
	c->o.ops->probe(c->o.ops_ctx, r, on_probed, job);
}

/* ---- what it changes ---- */

/* The settings' routes that the environment does not have yet are added behind its rules; nothing
 * is taken away. */
static bool plan_routes(er_job *job)
{
	er_err err = {0};
	size_t n = 0;
	if (!er_store_routes(job->control->o.store, job->arena, job->env, &job->rules_before, &job->n_before, &err))
		return er_refuse_err(&job->problem, &err);
	er_route_rule *rules = er_arena_alloc(job->arena, (job->n_before + job->settings.n_routes + 1) * sizeof *rules);
	er_slice *spelled = er_arena_alloc(job->arena, (job->n_before + 1) * sizeof *spelled);
	for (; n < job->n_before; n++) {
		rules[n] = job->rules_before[n];
		spelled[n] = rules[n].pattern;
		(void)!er_pattern_normal(job->arena, spelled[n], &spelled[n], NULL);
	}
	for (size_t i = 0; job->with_routes && i < job->settings.n_routes; i++) {
		bool there = false;
		for (size_t k = 0; k < n && !there; k++)
			there = er_slice_eq(rules[k].pattern, job->settings.routes[i]) ||
			        (k < job->n_before && er_slice_eq(spelled[k], job->settings.routes[i]));
		if (!there)
			rules[n++] = (er_route_rule){.pattern = job->settings.routes[i], .routine = job->routine};
	}
	ER_ASSERT(n >= job->n_before && n <= job->n_before + job->settings.n_routes);
	job->n_rules = n;
	job->rules = n > job->n_before ? rules : NULL;
	return true;
}

/* The patterns that lead to the job's routine already, in their one spelling. */
static er_slice *own_patterns(er_job *job, const er_route_rule *rules, size_t n, size_t *n_own)
{
	er_slice *own = er_arena_alloc(job->arena, (n + 1) * sizeof *own);
	*n_own = 0;
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(rules[i].routine, job->routine) && er_pattern_normal(job->arena, rules[i].pattern, &own[*n_own], NULL))
			++*n_own;
	return own;
}

static bool is_among(er_slice one, const er_slice *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(v[i], one))
			return true;
	return false;
}

/* The guard goes back in the name of the token that deployed what it watched, as far as that is
 * still there: its author could make the code fail at a time of their choice. */
static bool actor_of(er_job *job, er_actor *out)
{
	const er_world_routine *r = er_world_find(job->control->world, job->routine);
	er_token_row *rows = NULL;
	size_t n = 0;
	er_err err = {0};
	ER_ASSERT(job->call != NULL || job->cause == ER_CAUSE_GUARD);
	*out = job->call != NULL ? job->call->actor : (er_actor){0};
	if (job->call != NULL || r == NULL || r->env[job->env] == NULL)
		return true;
	if (!er_store_tokens(job->control->o.store, job->arena, &rows, &n, &err))
		return er_refuse_err(&job->problem, &err);
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(rows[i].name, r->env[job->env]->row.actor))
			*out = er_actor_of(&rows[i]);
	return true;
}

static bool names(const er_data_binding *v, size_t n, er_slice target)
{
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(v[i].target, target))
			return true;
	return false;
}

/* What the routine runs now, in any environment, opens this namespace, or calls this routine,
 * already: somebody who may has deployed that. */
static bool opens_already(er_job *job, er_slice target, bool service)
{
	const er_world_routine *r = er_world_find(job->control->world, job->routine);
	for (int e = 0; r != NULL && e < ER_ENV_COUNT_; e++)
		for (size_t v = 0; r->env[e] != NULL && v < ER_STORE_SPLIT && r->env[e]->row.split.version[v] != 0; v++) {
			er_settings s;
			er_problem ignored = {0};
			if (er_settings_parse(job->arena, r->env[e]->version[v].settings, &s, &ignored) &&
			    names(service ? s.services : s.kv, service ? s.n_services : s.n_kv, target))
				return true;
		}
	return false;
}

/* What a token that is confined to routines was not granted of the KV, it does not get by
 * what it deploys. Code that opens a namespace may write to it. Nor does its code call
 * routines of others. */
static bool may_open(er_job *job, const er_actor *actor, const er_settings *s)
{
	for (size_t i = 0; i < s->n_kv; i++) {
		er_slice ns = s->kv[i].target;
		if (er_actor_opens(actor, ns, true) || opens_already(job, ns, false))
			continue;
		return er_refuse_confined(
		    &job->problem,
		    "this token is confined to routines: it cannot deploy code that opens the KV namespace %.*s, "
		    "which %s and %.*s does not open yet; an administrator can grant it (er token add --kv %.*s), or "
		    "deploy that once",
		    ER_FMT(ns), er_actor_opens(actor, ns, false) ? "it may only read" : "was not granted to it", ER_FMT(job->routine),
		    ER_FMT(ns));
	}
	for (size_t i = 0; i < s->n_services; i++)
		if (!er_actor_has(actor, s->services[i].target) && !opens_already(job, s->services[i].target, true))
			return er_refuse_confined(&job->problem,
			                          "this token is confined to routines: it cannot deploy code that calls the routine %.*s, "
			                          "which is none of them and which %.*s does not call yet; another token has to deploy "
			                          "that once",
			                          ER_FMT(s->services[i].target), ER_FMT(job->routine));
	return true;
}

bool er_job_may_route(er_job *job, const er_settings *s)
{
	er_route_rule *rules = NULL;
	size_t n = 0;
	er_err err = {0};
	er_grant grant;
	er_actor actor;
	if (!actor_of(job, &actor))
		return false;
	if (actor.n_routines == 0)
		return true;
	if (!may_open(job, &actor, s))
		return false;
	if (!er_store_routes(job->control->o.store, job->arena, job->env, &rules, &n, &err))
		return er_refuse_err(&job->problem, &err);
	size_t n_own;
	const er_slice *own = own_patterns(job, rules, n, &n_own);
	er_grant_init(&grant, job->control, job->arena, &actor, job->env);
	bool ok = true;
	for (size_t i = 0; i < s->n_routes && ok; i++)
		ok = is_among(s->routes[i], own, n_own) || er_grant_allows(&grant, s->routes[i], &job->problem);
	er_grant_fini(&grant);
	return ok;
}

/* Every kind of change of this job has all of it: the store looks at what belongs to the kind. */
static er_change change_of(const er_job *job, er_change_kind kind)
{
	er_change ch = job->call != NULL ? er_call_change(job->call, kind) : (er_change){.kind = kind, .actor = ER_LIT("guard")};
	ch.routine = job->routine;
	ch.env = job->env;
	ch.version = job->data;
	ch.split = job->split;
	ch.guard = job->guard;
	ch.cause = job->cause;
	ch.reason = job->reason;
	ch.rules = job->rules;
	ch.n_rules = job->n_rules;
	return ch;
}

/* What runs keeps its place and the rest of the clients. */
static void plan_split(er_job *job)
{
	ER_ASSERT(job->adds && job->canary < 100 && (job->canary == 0 || job->previous.version[0] != 0));
	if (job->canary > 0)
		job->split = (er_split){.version = {job->previous.version[0], ER_VERSION_ADDED}, .percent = 100 - job->canary};
	else
		job->split = (er_split){.version = {ER_VERSION_ADDED}, .percent = 100};
}

/* The version, its deployment and its routes are one transaction: a crash leaves all of them or
 * none. */
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
	ER_ASSERT(n > 0 && n <= sizeof changes / sizeof *changes);
	if (!er_control_apply(c, changes, n, &job->applied, &job->problem))
		return false;
	job->unchanged = job->applied.sequence == before;
	for (int i = 0; i < ER_STORE_SPLIT; i++)
		if (job->split.version[i] == ER_VERSION_ADDED)
			job->split.version[i] = job->applied.version;
	return true;
}

/* What runs now, for the answer, for the guard, and to go back to if it cannot be put into
 * force. */
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

/* In one turn: what was looked at is still so when it is written. False: job->problem, and nothing
 * is written. */
static bool apply(er_job *job)
{
	ER_ASSERT(job->adds || job->deploys);
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
		er_warn_services(&job->warnings, job->control, job->arena, job->routine, job->env, &job->settings);
	}
	if (job->adds && job->deploys)
		er_warn_routes(&job->warnings, job->control, job->arena, job->routine, job->env, &job->settings,
		               job->rules != NULL ? job->rules : job->rules_before, job->rules != NULL ? job->n_rules : job->n_before);
	return true;
}

/* ---- taking it back ---- */

/* The activation failed (activate.c): the store gets back what it had, by a deployment of its own.
 * A version that was added stays, and runs nowhere. */
static void undo(void *ctx)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	er_control *c = job->control;
	ER_ASSERT(job->state == ER_JOB_APPLIED && job->deploys);
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
		changes[n].cause = ER_CAUSE_UNDO;
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

/* What the trial of the code took, and what static files there are. */
static void write_parts(const er_job *job, er_out *o)
{
	if (job->data.code.n > 0) {
		er_out_open(o, "probe", '{');
		er_out_u64(o, "cpu_us", job->cpu_us);
		er_out_u64(o, "memory_kb", job->memory_kb);
		er_out_close(o, '}');
	}
	if (job->data.assets_files > 0) {
		er_out_open(o, "assets", '{');
		er_out_u64(o, "files", job->data.assets_files);
		er_out_u64(o, "bytes", job->data.assets_bytes);
		er_out_close(o, '}');
	}
}

/* The members that fit what was asked for: a version, a deployment, or both. */
static void write_answer(er_job *job)
{
	ER_ASSERT(job->call != NULL && er_buf_len(&job->call->out.b) == 0);
	er_out *o = &job->call->out;
	const er_applied *ap = &job->applied;
	er_out_open(o, NULL, '{');
	er_out_str(o, "routine", job->routine);
	if (job->adds) {
		er_out_u64(o, "version", ap->version);
		er_out_bool(o, "existed", ap->existed);
		er_out_u64(o, "bytes", job->data.code.n);
		write_parts(job, o);
	}
	er_out_u64(o, "sequence", ap->sequence);
	if (job->deploys) {
		er_out_u64(o, "deployment", ap->deployment);
		er_out_str(o, "environment", er_slice_cstr(er_env_name(job->env)));
		er_out_split(o, "versions", &job->split);
		er_out_split(o, "previous", job->had_previous ? &job->previous : NULL);
		er_out_fixed(o, "activation_ms", (double)(er_clock_mono_us() - job->applied_us) / 1000, 1);
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

/* The answer is written while the job is there, and sent when it is not: sending may end in the
 * gateway's code. */
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

/* It is in force: said to the log and to whoever tails, and the guard begins. */
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

/* In force, or taken back by now (activate.c calls undo before this). */
static void on_activated(void *ctx, const er_err *err)
{
	er_job *job = ctx;
	ER_CHECK(job, JOB_MAGIC);
	ER_ASSERT(job->state == ER_JOB_APPLIED);
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

static void drop(void *ctx)
{
	free_job(ctx);
}

void er_jobs_drop(er_control *c)
{
	while (!er_list_empty(&c->jobs))
		free_job(ER_CONTAINER(c->jobs.next, er_job, link));
	for (er_list *l; (l = er_rounds_drop(&c->activations)) != NULL;) {
		const er_activation *a = ER_CONTAINER(l, er_activation, link);
		/* The others are part of their calls, which are answered next. */
		if (a->drop != NULL)
			a->drop(a->ctx);
	}
}

/* ---- the line ---- */

/* Jobs of other routines are passed over. */
static bool is_first_of_its_routine(const er_job *job)
{
	for (const er_list *l = job->control->jobs.next; l != &job->link; l = l->next)
		if (er_slice_eq(ER_CONTAINER(l, er_job, link)->routine, job->routine))
			return false;
	return true;
}

/* Out of the line first: applying may end in pump, which must not find it again. */
static void go_on(er_job *job)
{
	er_control *c = job->control;
	ER_ASSERT(job->state == ER_JOB_READY && c->n_jobs > 0);
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
	job->activation = (er_activation){.undo = undo, .done = on_activated, .drop = drop, .ctx = job};
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
	ER_ASSERT(er_list_empty(&job->link) && (job->adds || job->deploys));
	if (!has_room(job)) {
		er_job_refuse(job);
		return;
	}
	if (!er_control_may_change(c, &job->problem)) {
		er_job_refuse(job);
		return;
	}
	job->state = job->adds && job->data.code.n > 0 ? ER_JOB_WAITS : ER_JOB_READY;
	er_list_push(&c->jobs, &job->link);
	c->n_jobs++;
	pump(c);
}
