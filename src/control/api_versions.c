/* The API's family of routines, their versions, and what they have run. Lists of routines come from
 * the world, in memory; versions and history from the store. A page ends with "next", which is the
 * last name, version or deployment of it, so that a list that grows meanwhile is neither skipped
 * nor told twice. Uploads and deployments are in deploy.c. */
#include "base/mem.h"
#include "control/download.h"

enum { PAGE = 100, PAGE_MAX = 1000, HISTORY_READ = 1000 };

/* ---- routines ---- */

/* The members of an object that is open. */
static void write_routine(er_out *o, const er_world_routine *r)
{
	er_out_str(o, "name", r->name);
	er_out_str(o, "source", ER_LIT("store"));
	er_out_u64(o, "versions", r->n_versions);
	er_out_u64(o, "newest", r->newest);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_out_split(o, er_env_name(e), r->env[e] != NULL ? &r->env[e]->row.split : NULL);
}

void er_api_routines(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_out *o = &call->out;
	er_slice cursor, last = {0};
	uint64_t limit = PAGE, written = 0;
	size_t n;
	if (!er_call_query(call, ER_LIT("cursor"), &cursor) || !er_call_query_number(call, ER_LIT("limit"), 1, PAGE_MAX, &limit)) {
		er_call_refuse(call);
		return;
	}
	er_world_routine *const *all = er_world_all(call->control->world, &n);
	size_t i = cursor.p != NULL ? er_world_after(call->control->world, cursor) : 0;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	/* Those of node.jsonc are few, and come with the first page. */
	if (cursor.p == NULL)
		er_out_file_routines(call, false);
	for (; i < n && written < limit; i++) {
		if (!er_actor_has(&call->actor, all[i]->name))
			continue;
		er_out_open(o, NULL, '{');
		write_routine(o, all[i]);
		er_out_close(o, '}');
		last = all[i]->name;
		written++;
	}
	er_out_close(o, ']');
	if (i < n && last.n > 0)
		er_out_str(o, "next", last);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* The routine of the path; NULL: refused and gone. */
static const er_world_routine *routine_of(er_call *call)
{
	ER_ASSERT(call->routine.n > 0);
	const er_world_routine *r = er_world_find(call->control->world, call->routine);
	if (r == NULL) {
		er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "there is no routine \"%.*s\"", ER_FMT(call->routine));
		er_call_refuse(call);
	}
	return r;
}

/* All its versions, newest first. False: refused and gone. */
static bool versions_of(er_call *call, er_version_row **rows, size_t *n)
{
	er_err err = {0};
	if (routine_of(call) == NULL)
		return false;
	if (er_store_versions(call->control->o.store, call->arena, call->routine, rows, n, &err))
		return true;
	(void)er_refuse_err(&call->problem, &err);
	er_call_refuse(call);
	return false;
}

void er_api_routine(er_call *call)
{
	er_version_row *rows;
	size_t n;
	er_out *o = &call->out;
	if (!versions_of(call, &rows, &n))
		return;
	/* Still there: nothing came between on this thread. */
	ER_ASSERT(er_world_find(call->control->world, call->routine) != NULL);
	er_out_open(o, NULL, '{');
	write_routine(o, er_world_find(call->control->world, call->routine));
	er_out_json(o, "settings", n > 0 ? rows[0].settings : (er_slice){0});
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

void er_api_routine_delete(er_call *call)
{
	ER_ASSERT(call->actor.role >= ER_ROLE_DEPLOY);
	er_change change = er_call_change(call, ER_CHANGE_ROUTINE_DELETE);
	if (routine_of(call) == NULL)
		return;
	if (!er_call_apply_one(call, &change))
		return;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		er_guard_forget(call->control->guards, call->routine, e);
	er_call_activate(call, 200);
}

/* ---- versions ---- */

/* The members of an object that is open. */
static void write_version(er_out *o, const er_version_row *row)
{
	ER_ASSERT(row->number > 0);
	er_out_u64(o, "version", row->number);
	er_out_str(o, "description", row->description);
	er_out_str(o, "by", row->actor);
	er_out_time(o, "at", row->at_ms);
	er_out_u64(o, "bytes", row->code_n);
	er_out_u64(o, "source_map_bytes", row->map_n);
	er_out_hex(o, "code_sha256", er_slice_of(row->code.b, ER_SHA256));
	if (row->assets_files > 0) {
		er_out_open(o, "assets", '{');
		er_out_u64(o, "files", row->assets_files);
		er_out_u64(o, "bytes", row->assets_bytes);
		er_out_close(o, '}');
	}
	er_out_open(o, "environments", '[');
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		if (row->deployed[e])
			er_out_str(o, NULL, er_slice_cstr(er_env_name(e)));
	er_out_close(o, ']');
}

void er_api_versions(er_call *call)
{
	er_version_row *rows;
	size_t n, i = 0;
	uint64_t before = UINT64_MAX, limit = PAGE, written = 0;
	er_out *o = &call->out;
	if (!er_call_query_number(call, ER_LIT("cursor"), 1, UINT32_MAX, &before) ||
	    !er_call_query_number(call, ER_LIT("limit"), 1, PAGE_MAX, &limit)) {
		er_call_refuse(call);
		return;
	}
	if (!versions_of(call, &rows, &n))
		return;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (; i < n && written < limit; i++) {
		if (rows[i].number >= before)
			continue;
		er_out_open(o, NULL, '{');
		write_version(o, &rows[i]);
		er_out_close(o, '}');
		written++;
	}
	er_out_close(o, ']');
	ER_ASSERT(written <= limit && i <= n);
	if (i < n && i > 0)
		er_out_u64(o, "next", rows[i - 1].number);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* The version of the path; NULL: refused and gone. */
static const er_version_row *version_of(er_call *call)
{
	ER_ASSERT(call->version > 0);
	er_version_row *rows;
	size_t n;
	if (!versions_of(call, &rows, &n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (rows[i].number == call->version)
			return &rows[i];
	er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "%.*s has no version %u", ER_FMT(call->routine), call->version);
	er_call_refuse(call);
	return NULL;
}

void er_api_version(er_call *call)
{
	const er_version_row *row = version_of(call);
	if (row == NULL)
		return;
	er_out_open(&call->out, NULL, '{');
	write_version(&call->out, row);
	er_out_json(&call->out, "settings", row->settings);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* Answers with the bytes and ends the call. */
static void give_blob(er_call *call, const er_hash *hash, er_slice type)
{
	er_piece piece;
	er_err err = {0};
	if (!er_store_blob(call->control->o.store, hash, &piece, &err)) {
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return;
	}
	er_call_piece(call, type, piece);
}

void er_api_version_code(er_call *call)
{
	const er_version_row *row = version_of(call);
	if (row != NULL)
		give_blob(call, &row->code, ER_LIT("text/javascript;charset=UTF-8"));
}

void er_api_version_map(er_call *call)
{
	const er_version_row *row = version_of(call);
	if (row != NULL && row->map_n == 0) {
		er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "version %u has no source map", row->number);
		er_call_refuse(call);
	} else if (row != NULL) {
		give_blob(call, &row->source_map, ER_LIT("application/json"));
	}
}

void er_api_version_delete(er_call *call)
{
	const er_version_row *row = version_of(call);
	if (row == NULL)
		return;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		if (row->deployed[e]) {
			er_refuse(&call->problem, ER_PROBLEM_CONFLICT, "version %u runs in %s: deploy another one there first", row->number,
			          er_env_name(e));
			er_call_refuse(call);
			return;
		}
	ER_ASSERT(row->number == call->version);
	er_change change = er_call_change(call, ER_CHANGE_VERSION_DELETE);
	change.number = row->number;
	if (!er_call_apply_one(call, &change))
		return;
	er_call_answer(call, 200);
}

typedef struct prune_body {
	uint32_t keep;
} prune_body;

void er_api_prune(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(prune_body, "keep", keep, ER_MEMBER_NUMBER, false, 1, 100000)};
	prune_body body = {.keep = 10};
	unsigned removed = 0;
	er_err err = {0};
	er_control *c = call->control;
	ER_ASSERT(call->actor.role >= ER_ROLE_DEPLOY && call->json != NULL);
	if (!er_call_members(call, members, &body) || !er_control_may_change(c, &call->problem)) {
		er_call_refuse(call);
		return;
	}
	if (routine_of(call) == NULL)
		return;
	if (!er_store_prune(c->o.store, call->routine, body.keep, call->actor.name, er_slice_cstr(call->source), &removed, &err) ||
	    !er_world_refresh(c->world, call->routine, &err)) {
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "removed", removed);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* ---- deployments ---- */

/* The members of an object that is open. */
static void write_deployment(er_call *call, const er_deployment_row *row)
{
	ER_ASSERT(row->id > 0 && (unsigned)row->env < ER_ENV_COUNT_);
	er_out *o = &call->out;
	er_out_u64(o, "deployment", row->id);
	er_out_str(o, "environment", er_slice_cstr(er_env_name(row->env)));
	er_out_split(o, "versions", &row->split);
	er_out_time(o, "at", row->at_ms);
	er_out_str(o, "by", row->actor);
	er_out_str(o, "reason", row->reason);
	er_out_u64(o, "sequence", row->sequence);
	er_out_guard(o, "guard", &row->guard);
}

void er_api_environment(er_call *call)
{
	ER_ASSERT((unsigned)call->env < ER_ENV_COUNT_);
	const er_world_routine *r = routine_of(call);
	if (r == NULL)
		return;
	if (r->env[call->env] == NULL) {
		er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "%s runs nothing of %.*s yet", er_env_name(call->env),
		          ER_FMT(call->routine));
		er_call_refuse(call);
		return;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_str(&call->out, "routine", r->name);
	write_deployment(call, &r->env[call->env]->row);
	er_out_opt(&call->out, "guard_state", er_slice_cstr(er_guard_state(call->control->guards, &r->env[call->env]->row)));
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

void er_api_deployments(er_call *call)
{
	er_deployment_row *rows;
	er_slice text;
	er_env env;
	uint64_t before = 0, limit = PAGE, written = 0;
	size_t n, i = 0;
	er_err err = {0};
	er_out *o = &call->out;
	if (!er_call_query(call, ER_LIT("environment"), &text) || !er_call_query_env(call, false, &env) ||
	    !er_call_query_number(call, ER_LIT("cursor"), 1, INT64_MAX, &before) ||
	    !er_call_query_number(call, ER_LIT("limit"), 1, PAGE_MAX, &limit)) {
		er_call_refuse(call);
		return;
	}
	if (routine_of(call) == NULL)
		return;
	if (!er_store_history(call->control->o.store, call->arena, call->routine, before, HISTORY_READ, &rows, &n, &err)) {
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (; i < n && written < limit; i++) {
		if (text.p != NULL && rows[i].env != env)
			continue;
		er_out_open(o, NULL, '{');
		write_deployment(call, &rows[i]);
		er_out_close(o, '}');
		written++;
	}
	er_out_close(o, ']');
	/* n == HISTORY_READ: there may be older ones that were not read. i is not 0 then, since limit
	 * is not. */
	if (i < n || n == HISTORY_READ)
		er_out_u64(o, "next", rows[i - 1].id);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}
