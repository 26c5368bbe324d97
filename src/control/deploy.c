/* Reading what is to be deployed: the bodies of POST versions, POST deploy, PUT environments/E,
 * POST publish and POST rollback. Each becomes a job (job.c), which from then on owns the call.
 *
 * What can be checked at once is checked here, and refused before the job exists. What depends on
 * what runs (which versions there are, what staging has, what ran before) is asked in job->prepare,
 * just before the job is applied: jobs that came earlier may still change it. */
#include "control/assets.h"
#include "control/job.h"

#include "base/mem.h"

#include <stdio.h>

enum { CODE_MAX = 16 << 20, DESCRIPTION_MAX = 1000, REASON_MAX = 200 };

/* ---- a guard ---- */

/* The defaults of a guard that says only that it is there. v NULL: none. */
static bool read_guard(er_call *call, const er_json *v, er_guard *out)
{
	static const er_member members[] = {
	    ER_MEMBER(er_guard, "error_percent", error_percent, ER_MEMBER_NUMBER, false, 0, 100),
	    ER_MEMBER(er_guard, "p99_percent", p99_percent, ER_MEMBER_NUMBER, false, 0, 100000),
	    ER_MEMBER(er_guard, "least_requests", least_requests, ER_MEMBER_NUMBER, false, 1, 1000000000),
	    ER_MEMBER(er_guard, "watch_s", watch_s, ER_MEMBER_NUMBER, false, 1, 86400)};
	*out = (er_guard){0};
	if (v == NULL)
		return true;
	*out = (er_guard){.on = true, .error_percent = 5, .least_requests = 50, .watch_s = 300};
	return ER_MEMBERS_READ(v, ER_LIT("guard"), members, out, &call->problem);
}

/* Why the job deploys; for people "deploy", or "deploy: " and what the caller said. */
static void take_cause(er_job *job, er_cause cause, er_slice said)
{
	ER_ASSERT((unsigned)cause < ER_CAUSE_COUNT_ && job->call != NULL);
	const char *what = er_cause_name(cause);
	job->deploys = true;
	job->cause = cause;
	job->reason = said.n > 0 ? er_arena_printf(job->arena, "%s: %.*s", what, ER_FMT(said)) : er_slice_cstr(what);
}

/* *out stays as it is if nothing is said. */
static bool environment_of(er_call *call, er_slice text, er_env *out)
{
	if (text.p == NULL || er_env_parse(text, out))
		return true;
	return er_refuse_field(&call->problem, ER_LIT("environment"), "production or staging",
	                       "\"environment\": production or staging is expected");
}

/* ---- code ---- */

/* The parts of a request that brings a version, as they were read from it. */
typedef struct upload {
	er_slice code, source_map, description, environment, reason;
	const er_json *settings, *guard, *assets;
	uint32_t percent;
	bool routes;
} upload;

#define VERSION_MEMBERS \
	ER_MEMBER(upload, "code", code, ER_MEMBER_STRING, false, 1, CODE_MAX), \
	    ER_MEMBER(upload, "source_map", source_map, ER_MEMBER_STRING, false, 0, ER_BODY_MAX), \
	    ER_MEMBER(upload, "settings", settings, ER_MEMBER_OBJECT, false, 0, 0), \
	    ER_MEMBER(upload, "assets", assets, ER_MEMBER_ARRAY, false, 1, ER_ASSETS_FILES), \
	    ER_MEMBER(upload, "description", description, ER_MEMBER_STRING, false, 0, DESCRIPTION_MAX)

static const er_member version_members[] = {VERSION_MEMBERS};
static const er_member deploy_members[] = {
    VERSION_MEMBERS,
    ER_MEMBER(upload, "environment", environment, ER_MEMBER_STRING, false, 1, 20),
    ER_MEMBER(upload, "percent", percent, ER_MEMBER_NUMBER, false, 1, 100),
    ER_MEMBER(upload, "guard", guard, ER_MEMBER_OBJECT, false, 0, 0),
    ER_MEMBER(upload, "routes", routes, ER_MEMBER_BOOL, false, 0, 0),
    ER_MEMBER(upload, "reason", reason, ER_MEMBER_STRING, false, 0, REASON_MAX),
};

/* Code, static files, or both; and the settings say how files are served. */
static bool check_parts(er_call *call, const upload *u, const er_settings *settings)
{
	if (u->code.n == 0 && u->assets == NULL)
		return er_refuse_field(&call->problem, ER_LIT("code"), "a string",
		                       "\"code\" is missing: a string is expected (a version has code, or static files: \"assets\")");
	if (settings->has_assets && u->assets == NULL)
		return er_refuse_field(&call->problem, ER_LIT("assets"), "an array of files",
		                       "\"settings.assets\" says how static files are served, and \"assets\" names none");
	return true;
}

/* Settings and size, within what the node allows. */
static bool check_code(er_call *call, const upload *u, er_settings *settings)
{
	const er_slice at = ER_LIT("settings");
	char expected[64];
	if (!er_settings_read(call->arena, u->settings, at, settings, &call->problem) ||
	    !er_settings_within(settings, &call->control->o.routine_max, at, &call->problem) || !check_parts(call, u, settings))
		return false;
	if (settings->name.n > 0 && !er_slice_eq(settings->name, call->routine))
		return er_refuse_field(&call->problem, ER_LIT("settings.name"), "the routine's name, as in the path",
		                       "\"settings.name\" is \"%.*s\", and the path says \"%.*s\"", ER_FMT(settings->name),
		                       ER_FMT(call->routine));
	if (u->code.n < settings->limits.code_n)
		return true;
	snprintf(expected, sizeof expected, "less than %u bytes", settings->limits.code_n);
	er_refuse_field(&call->problem, ER_LIT("code"), expected,
	                "the code has %zu bytes; it must have less than %u (limits.codeBytes, at most %u on this node)", u->code.n,
	                settings->limits.code_n, call->control->o.routine_max.code_n);
	call->problem.code = ER_PROBLEM_TOO_LARGE;
	return false;
}

/* A job that adds what the body holds. NULL: call->problem. */
static er_job *read_version(er_call *call, const upload *u)
{
	er_settings settings;
	er_version_data data = {.code = u->code, .source_map = u->source_map, .description = u->description};
	er_buf text = {0};
	if (!check_code(call, u, &settings) || (u->assets != NULL && !er_assets_take(call, u->assets, &data)))
		return NULL;
	er_job *job = er_job_new(call->control, call, call->routine, ER_ENV_PRODUCTION);
	if (u->settings != NULL)
		er_settings_write(&text, u->settings);
	else
		er_buf_puts(&text, "{}");
	job->adds = true;
	job->settings = settings;
	job->data = data;
	job->data.settings = er_arena_copy(call->arena, er_buf_slice(&text));
	er_buf_fini(&text);
	return job;
}

void er_deploy_version(er_call *call)
{
	ER_ASSERT(call->routine.n > 0 && call->json != NULL);
	upload u = {0};
	er_job *job = er_call_members(call, version_members, &u) ? read_version(call, &u) : NULL;
	if (job == NULL)
		er_call_refuse(call);
	else
		er_job_submit(job);
}

void er_deploy_new(er_call *call)
{
	ER_ASSERT(call->routine.n > 0 && call->json != NULL);
	upload u = {.routes = true};
	er_env env = ER_ENV_PRODUCTION;
	er_guard guard;
	er_job *job = NULL;
	if (er_call_members(call, deploy_members, &u) && environment_of(call, u.environment, &env) &&
	    read_guard(call, u.guard, &guard))
		job = read_version(call, &u);
	if (job == NULL) {
		er_call_refuse(call);
		return;
	}
	job->env = env;
	job->with_routes = u.routes;
	job->canary = u.percent < 100 ? u.percent : 0;
	job->guard = guard;
	take_cause(job, ER_CAUSE_DEPLOY, u.reason);
	call->env = env;
	er_job_submit(job);
}

/* ---- versions that are there ---- */

/* They exist, and this node still allows what they ask for. */
static bool check_split(er_job *job)
{
	ER_ASSERT(!job->adds && job->split.version[0] != 0);
	er_control *c = job->control;
	er_version_row *rows;
	size_t n;
	er_err err = {0};
	if (!er_store_versions(c->o.store, job->arena, job->routine, &rows, &n, &err))
		return er_refuse_err(&job->problem, &err);
	if (n == 0)
		return er_refuse(&job->problem, ER_PROBLEM_NOT_FOUND, "there is no routine \"%.*s\"", ER_FMT(job->routine));
	for (int s = 0; s < ER_STORE_SPLIT && job->split.version[s] != 0; s++) {
		const er_version_row *found = NULL;
		er_settings settings;
		for (size_t i = 0; i < n && found == NULL; i++)
			if (rows[i].number == job->split.version[s])
				found = &rows[i];
		if (found == NULL)
			return er_refuse(&job->problem, ER_PROBLEM_NOT_FOUND, "%.*s has no version %u; its newest is %u",
			                 ER_FMT(job->routine), job->split.version[s], er_world_find(c->world, job->routine)->newest);
		if (!er_settings_parse(job->arena, found->settings, &settings, &job->problem) ||
		    !er_settings_within(&settings, &c->o.routine_max, ER_LIT("settings"), &job->problem) ||
		    !er_job_may_route(job, &settings))
			return false;
	}
	return true;
}

typedef struct part {
	uint32_t version, percent;
} part;

static bool read_part(er_call *call, const er_json *v, size_t i, part *out)
{
	static const er_member members[] = {ER_MEMBER(part, "version", version, ER_MEMBER_NUMBER, true, 1, UINT32_MAX),
	                                    ER_MEMBER(part, "percent", percent, ER_MEMBER_NUMBER, true, 1, 100)};
	er_path path = er_path_element(ER_LIT("versions"), i);
	return er_members_read(v, er_slice_cstr(path.text), members, 2, out, &call->problem);
}

/* Two versions whose shares are all of the clients, or one. */
static bool read_split(er_call *call, const er_json *versions, er_split *out)
{
	part parts[ER_STORE_SPLIT] = {0};
	size_t n = 0;
	/* At most ER_STORE_SPLIT of them: er_members_read has counted. One alone has 100 %, and the
	 * part that is not there 0. */
	for (const er_json *v = versions->first; v != NULL; v = v->next, n++) {
		ER_ASSERT(n < ER_STORE_SPLIT);
		if (!read_part(call, v, n, &parts[n]))
			return false;
	}
	if (parts[0].percent + parts[1].percent != 100)
		return er_refuse_field(&call->problem, ER_LIT("versions"), "percents that add up to 100",
		                       "the percents add up to %u, not to 100", parts[0].percent + parts[1].percent);
	if (parts[0].version == parts[1].version)
		return er_refuse_field(&call->problem, ER_LIT("versions"), "two different versions", "version %u is there twice",
		                       parts[0].version);
	*out = (er_split){.version = {parts[0].version, parts[1].version}, .percent = parts[0].percent};
	return true;
}

typedef struct pointer {
	uint32_t version;
	const er_json *versions, *guard;
	er_slice reason, environment;
} pointer;

void er_deploy_set(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(pointer, "version", version, ER_MEMBER_NUMBER, false, 1, UINT32_MAX),
	                                    ER_MEMBER(pointer, "versions", versions, ER_MEMBER_ARRAY, false, 1, ER_STORE_SPLIT),
	                                    ER_MEMBER(pointer, "guard", guard, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(pointer, "reason", reason, ER_MEMBER_STRING, false, 0, REASON_MAX)};
	pointer p = {0};
	ER_ASSERT(call->routine.n > 0 && (unsigned)call->env < ER_ENV_COUNT_);
	er_guard guard;
	er_split split = {.percent = 100};
	bool ok = er_call_members(call, members, &p) && read_guard(call, p.guard, &guard);
	if (ok && (p.version == 0) == (p.versions == NULL))
		ok = er_refuse_field(&call->problem, ER_LIT("version"), "either \"version\" or \"versions\"",
		                     "either \"version\" (a number) or \"versions\" ([{\"version\", \"percent\"}, ...]) is expected");
	split.version[0] = p.version;
	if (ok && p.versions != NULL)
		ok = read_split(call, p.versions, &split);
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_job *job = er_job_new(call->control, call, call->routine, call->env);
	job->split = split;
	job->guard = guard;
	take_cause(job, ER_CAUSE_DEPLOY, p.reason);
	job->prepare = check_split;
	er_job_submit(job);
}

/* ---- what staging runs ---- */

/* What staging runs at the moment the job is applied, and not when it was asked for. */
static bool take_staging(er_job *job)
{
	ER_ASSERT(job->env == ER_ENV_PRODUCTION && job->split.version[0] == 0);
	const er_world_routine *r = er_world_find(job->control->world, job->routine);
	if (r == NULL)
		return er_refuse(&job->problem, ER_PROBLEM_NOT_FOUND, "there is no routine \"%.*s\"", ER_FMT(job->routine));
	if (r->env[ER_ENV_STAGING] == NULL)
		return er_refuse(&job->problem, ER_PROBLEM_CONFLICT, "staging runs nothing of %.*s yet: er deploy --env staging",
		                 ER_FMT(job->routine));
	job->split = r->env[ER_ENV_STAGING]->row.split;
	return check_split(job);
}

void er_deploy_publish(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(pointer, "guard", guard, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(pointer, "reason", reason, ER_MEMBER_STRING, false, 0, REASON_MAX)};
	pointer p = {0};
	er_guard guard;
	if (!er_call_members(call, members, &p) || !read_guard(call, p.guard, &guard)) {
		er_call_refuse(call);
		return;
	}
	er_job *job = er_job_new(call->control, call, call->routine, ER_ENV_PRODUCTION);
	job->guard = guard;
	take_cause(job, ER_CAUSE_PUBLISH, p.reason);
	job->prepare = take_staging;
	er_job_submit(job);
}

/* ---- going back ---- */

/* A version by its number, or what ran before. */
static bool take_earlier(er_job *job)
{
	ER_ASSERT(job->split.version[0] == 0);
	bool found = false;
	er_err err = {0};
	if (job->rollback_to != 0) {
		job->split = (er_split){.version = {job->rollback_to}, .percent = 100};
		return check_split(job);
	}
	if (er_world_find(job->control->world, job->routine) == NULL)
		return er_refuse(&job->problem, ER_PROBLEM_NOT_FOUND, "there is no routine \"%.*s\"", ER_FMT(job->routine));
	if (!er_store_before(job->control->o.store, job->routine, job->env, &job->split, &found, &err))
		return er_refuse_err(&job->problem, &err);
	if (!found)
		return er_refuse(&job->problem, ER_PROBLEM_CONFLICT,
		                 "%.*s has nothing in %s to go back to: what runs there is where its history begins; a rollback to a "
		                 "version by its number takes any that is there",
		                 ER_FMT(job->routine), er_env_name(job->env));
	if (check_split(job))
		return true;
	if (job->problem.code != ER_PROBLEM_NOT_FOUND)
		return false;
	return er_refuse(
	    &job->problem, ER_PROBLEM_CONFLICT,
	    "what %s ran of %.*s before is version %u, and that is deleted; a rollback to a version by its number takes any "
	    "that is there",
	    er_env_name(job->env), ER_FMT(job->routine), job->split.version[0]);
}

void er_deploy_rollback(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(pointer, "environment", environment, ER_MEMBER_STRING, false, 1, 20),
	                                    ER_MEMBER(pointer, "version", version, ER_MEMBER_NUMBER, false, 1, UINT32_MAX),
	                                    ER_MEMBER(pointer, "reason", reason, ER_MEMBER_STRING, false, 0, REASON_MAX)};
	pointer p = {0};
	er_env env = ER_ENV_PRODUCTION;
	if (!er_call_members(call, members, &p) || !environment_of(call, p.environment, &env)) {
		er_call_refuse(call);
		return;
	}
	er_job *job = er_job_new(call->control, call, call->routine, env);
	job->rollback_to = p.version;
	take_cause(job, ER_CAUSE_ROLLBACK, p.reason);
	job->prepare = take_earlier;
	er_job_submit(job);
}

/* Somebody may have deployed something else while the guard's job waited in the line: that is not
 * the guard's to undo. */
static bool take_guarded(er_job *job)
{
	ER_ASSERT(job->call == NULL && job->cause == ER_CAUSE_GUARD && job->guarded != 0);
	const er_world_routine *r = er_world_find(job->control->world, job->routine);
	if (r == NULL || r->env[job->env] == NULL || r->env[job->env]->row.id != job->guarded)
		return er_refuse(&job->problem, ER_PROBLEM_CONFLICT, "something else was deployed before the guard could go back");
	return take_earlier(job);
}

void er_deploy_back(er_control *c, er_slice routine, er_env env, uint64_t deployment, const char *reason)
{
	er_job *job = er_job_new(c, NULL, routine, env);
	job->deploys = true;
	job->guarded = deployment;
	job->cause = ER_CAUSE_GUARD;
	job->reason = er_arena_copy(job->arena, er_slice_cstr(reason));
	job->prepare = take_guarded;
	er_job_submit(job);
}
