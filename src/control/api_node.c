/* The API's family of the node itself: who it is, status, the change log, backup, rotation of the
 * key, reload, upgrade. Also what several families write.
 *
 * A backup is copied by a thread of the pool (er_backup, one at a time), since it takes as long as
 * the data is big. If control closes meanwhile, its call is answered without it (er_backup_forget),
 * and the end of the copy ends the object. Reload and upgrade are the gateway's: it is asked by a
 * function of er_control_ops and answers exactly once. */
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"

enum { AUDIT_MAX = 1000, PATH_MOST = 4000, WENT_BACK_READ = 16 };

void er_out_split(er_out *out, const char *key, const er_split *split)
{
	if (split == NULL) {
		er_out_json(out, key, (er_slice){0});
		return;
	}
	ER_ASSERT(split->version[0] != 0 && split->percent >= 1 && split->percent <= 100);
	er_out_open(out, key, '[');
	for (int i = 0; i < ER_STORE_SPLIT && split->version[i] != 0; i++) {
		er_out_open(out, NULL, '{');
		er_out_u64(out, "version", split->version[i]);
		er_out_u64(out, "percent", i == 0 ? split->percent : 100 - split->percent);
		er_out_close(out, '}');
	}
	er_out_close(out, ']');
}

void er_out_guard(er_out *out, const char *key, const er_guard *guard)
{
	if (!guard->on)
		return;
	er_out_open(out, key, '{');
	er_out_u64(out, "error_percent", guard->error_percent);
	er_out_u64(out, "p99_percent", guard->p99_percent);
	er_out_u64(out, "least_requests", guard->least_requests);
	er_out_u64(out, "watch_s", guard->watch_s);
	er_out_close(out, '}');
}

void er_api_root(er_call *call)
{
	uint64_t first;
	er_err err = {0};
	er_out *o = &call->out;
	ER_CHECK(call, ER_CALL_MAGIC);
	if (!er_store_log_first(call->control->o.store, &first, &err)) {
		(void)er_refuse_err(&call->problem, &err);
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_str(o, "service", ER_LIT("edgeroutine"));
	er_out_u64(o, "api", 1);
	er_out_str(o, "version", ER_LIT(ER_VERSION));
	er_out_str(o, "node", er_store_node_id(call->control->o.store));
	er_out_u64(o, "sequence", er_store_sequence(call->control->o.store));
	er_out_u64(o, "first_sequence", first);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

void er_api_whoami(er_call *call)
{
	ER_ASSERT(call->actor.name.n > 0 && (unsigned)call->actor.role < ER_ROLE_COUNT_);
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", call->actor.name);
	er_out_str(o, "role", er_slice_cstr(er_role_name(call->actor.role)));
	er_out_open(o, "routines", '[');
	for (size_t i = 0; i < call->actor.n_routines; i++)
		er_out_str(o, NULL, call->actor.routines[i]);
	er_out_close(o, ']');
	er_out_open(o, "hosts", '[');
	for (size_t i = 0; i < call->actor.n_hosts; i++)
		er_out_str(o, NULL, call->actor.hosts[i]);
	er_out_close(o, ']');
	er_out_open(o, "kv", '[');
	for (size_t i = 0; i < call->actor.n_kv; i++)
		er_out_str(o, NULL, call->actor.kv[i]);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* ---- status ---- */

/* What ran until the guard went back to what runs now. */
static void write_went_back(er_call *call, er_slice routine, const er_deployment_row *row)
{
	er_deployment_row *rows;
	size_t n;
	er_err err = {0};
	if (row->cause != ER_CAUSE_GUARD ||
	    !er_store_history(call->control->o.store, call->arena, routine, row->id, WENT_BACK_READ, &rows, &n, &err))
		return;
	for (size_t i = 0; i < n; i++)
		if (rows[i].env == row->env) {
			er_out_split(&call->out, "went_back_from", &rows[i].split);
			return;
		}
}

/* What it runs, with what its versions have done since it was deployed, summed over the threads by
 * the gateway. */
static void write_env(er_call *call, const er_world_routine *r, er_env e)
{
	ER_ASSERT(r->env[e] != NULL);
	er_control *c = call->control;
	er_out *o = &call->out;
	const er_deployment_row *row = &r->env[e]->row;
	er_version_counters counters[ER_STORE_SPLIT] = {0};
	c->o.ops->counters(c->o.ops_ctx, r->name, e, counters);
	er_out_open(o, er_env_name(e), '{');
	er_out_u64(o, "deployment", row->id);
	er_out_open(o, "versions", '[');
	for (int i = 0; i < ER_STORE_SPLIT && row->split.version[i] != 0; i++) {
		er_out_open(o, NULL, '{');
		er_out_u64(o, "version", row->split.version[i]);
		er_out_u64(o, "percent", i == 0 ? row->split.percent : 100 - row->split.percent);
		er_out_u64(o, "requests", counters[i].requests);
		er_out_u64(o, "errors", counters[i].errors);
		er_out_fixed(o, "p99_ms", (double)counters[i].p99_us / 1000, 1);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_time(o, "deployed", row->at_ms);
	er_out_str(o, "by", row->actor);
	er_out_str(o, "reason", row->reason);
	er_out_opt(o, "guard", er_slice_cstr(er_guard_state(c->guards, row)));
	write_went_back(call, r->name, row);
	er_out_close(o, '}');
}

void er_out_file_routines(er_call *call, bool versions)
{
	er_control *c = call->control;
	er_file_routine *files = NULL;
	size_t n = c->o.ops->file_routines(c->o.ops_ctx, call->arena, &files);
	for (size_t i = 0; i < n; i++) {
		if (!er_actor_has(&call->actor, files[i].name))
			continue;
		er_out_open(&call->out, NULL, '{');
		er_out_str(&call->out, "name", files[i].name);
		er_out_str(&call->out, "source", ER_LIT("file"));
		if (versions)
			er_out_opt(&call->out, "version", files[i].version);
		er_out_close(&call->out, '}');
	}
}

void er_api_status(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_control *c = call->control;
	er_out *o = &call->out;
	size_t n;
	er_world_routine *const *all = er_world_all(c->world, &n);
	er_out_open(o, NULL, '{');
	er_out_open(o, "node", '{');
	c->o.ops->status(c->o.ops_ctx, o);
	er_out_close(o, '}');
	er_out_u64(o, "sequence", er_store_sequence(c->o.store));
	er_out_open(o, "routines", '[');
	er_out_file_routines(call, true);
	for (size_t i = 0; i < n; i++) {
		if (!er_actor_has(&call->actor, all[i]->name))
			continue;
		er_out_open(o, NULL, '{');
		er_out_str(o, "name", all[i]->name);
		er_out_str(o, "source", ER_LIT("store"));
		er_out_open(o, "environments", '{');
		for (er_env e = 0; e < ER_ENV_COUNT_; e++)
			if (all[i]->env[e] != NULL)
				write_env(call, all[i], e);
		er_out_close(o, '}');
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* ---- the change log ---- */

#define FROM_THE_BEGINNING UINT64_MAX /* no "after": wherever that is now */

/* Who follows the log must not miss a change without being told: what was trimmed is no empty
 * page. */
static bool still_there(er_call *call, uint64_t after)
{
	uint64_t first;
	er_err err = {0};
	if (!er_store_log_first(call->control->o.store, &first, &err))
		return er_refuse_err(&call->problem, &err);
	if (after == FROM_THE_BEGINNING || after + 1 >= first)
		return true;
	(void)er_refuse(&call->problem, ER_PROBLEM_TRIMMED,
	                "the change log begins with %llu now: what came before was trimmed (history.changes of the node.jsonc). Who "
	                "follows it takes the whole state first, and goes on from there",
	                (unsigned long long)first);
	call->problem.first_sequence = first;
	return false;
}

/* One page of it. False: call->problem. */
static bool read_log(er_call *call, uint64_t limit, er_log_row **rows, size_t *n)
{
	er_err err = {0};
	uint64_t after = FROM_THE_BEGINNING;
	if (!er_call_query_number(call, ER_LIT("after"), 0, INT64_MAX, &after) || !still_there(call, after))
		return false;
	return er_store_log(call->control->o.store, call->arena, after == FROM_THE_BEGINNING ? 0 : after, (unsigned)limit, rows, n,
	                    &err) ||
	       er_refuse_err(&call->problem, &err);
}

void er_api_audit(er_call *call)
{
	uint64_t limit = 100;
	er_log_row *rows;
	size_t n;
	if (!er_call_query_number(call, ER_LIT("limit"), 1, AUDIT_MAX, &limit) || !read_log(call, limit, &rows, &n)) {
		er_call_refuse(call);
		return;
	}
	ER_ASSERT(n <= limit);
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(o, NULL, '{');
		er_out_u64(o, "sequence", rows[i].sequence);
		er_out_time(o, "at", rows[i].at_ms);
		er_out_str(o, "kind", er_slice_cstr(er_change_name(rows[i].kind)));
		er_out_str(o, "by", rows[i].actor);
		er_out_opt(o, "from", rows[i].source);
		er_out_opt(o, "routine", rows[i].routine);
		er_out_json(o, "data", rows[i].data);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	if (n == limit)
		er_out_u64(o, "next", rows[n - 1].sequence);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* ---- what takes a while ---- */

typedef struct er_backup {
	uv_work_t work;
	er_control *control;
	er_call *call;               /* NULL: the node is stopping */
	void (*over)(er_control *c); /* whom closing waits with; or NULL */
	char *dir;
	bool ok;
	er_err err;
} er_backup;

/* On a thread of the pool: nothing of control is touched here but the store, whose backup is for
 * any thread. */
static void copy_all(uv_work_t *work)
{
	er_backup *b = work->data;
	b->ok = er_store_backup(b->control->o.store, b->dir, &b->err);
}

/* Back on the control thread: its call is answered, or was answered without it. */
static void on_copied(uv_work_t *work, int status)
{
	er_backup *b = work->data;
	er_control *c = b->control;
	er_call *call = b->call;
	ER_ASSERT(c->backup == b);
	(void)status;
	c->backup = NULL;
	if (b->ok)
		er_log(ER_LOG_INFO, "control", "backup written to %s", b->dir);
	if (call != NULL && !b->ok) {
		(void)er_refuse_err(&call->problem, &b->err);
		er_call_refuse(call);
	} else if (call != NULL) {
		er_out_open(&call->out, NULL, '{');
		er_out_str(&call->out, "dir", er_slice_cstr(b->dir));
		er_out_u64(&call->out, "sequence", er_store_sequence(c->o.store));
		er_out_close(&call->out, '}');
		er_call_answer(call, 201);
	}
	void (*over)(er_control *) = b->over;
	er_free(b->dir);
	er_free(b);
	/* Closing waited for this alone. */
	if (over != NULL)
		over(c);
}

bool er_backup_await(er_control *c, void (*over)(er_control *c))
{
	if (c->backup != NULL)
		c->backup->over = over;
	return c->backup != NULL;
}

void er_backup_forget(er_control *c)
{
	/* The call is answered by er_call_abandon; the copy goes on, and nobody hears of it. */
	if (c->backup != NULL)
		c->backup->call = NULL;
}

typedef struct backup_body {
	er_slice dir;
} backup_body;

void er_api_backup(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(backup_body, "dir", dir, ER_MEMBER_STRING, true, 2, PATH_MOST)};
	backup_body body = {0};
	er_control *c = call->control;
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN && call->json != NULL);
	bool ok = er_call_members(call, members, &body);
	if (ok && (body.dir.p[0] != '/' || memchr(body.dir.p, 0, body.dir.n) != NULL))
		ok = er_refuse_field(&call->problem, ER_LIT("dir"), "an absolute path on the node that is not there yet",
		                     "\"dir\": an absolute path on the node is expected, of a folder that is not there yet");
	if (ok && c->backup != NULL)
		ok = er_refuse(&call->problem, ER_PROBLEM_CONFLICT, "a backup runs already: wait until it is over");
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_backup *b = ER_NEW(er_backup);
	*b = (er_backup){.control = c, .call = call, .dir = er_strdup_slice(body.dir)};
	b->work.data = b;
	c->backup = b;
	uv_queue_work(c->o.loop, &b->work, copy_all, on_copied);
}

void er_api_rotate_key(er_call *call)
{
	uint64_t sequence = 0;
	unsigned secrets = 0;
	er_err err = {0};
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN);
	er_change who = er_call_change(call, ER_CHANGE_KEY_ROTATE);
	bool ok = er_control_may_change(call->control, &call->problem);
	if (ok && !er_store_rotate_key(call->control->o.store, who.actor, who.source, &sequence, &secrets, &err)) {
		ok = er_refuse_err(&call->problem, &err);
		/* It is what lies there that is wrong, not what was asked. */
		if (err.kind == ER_ERR_INVALID)
			call->problem.code = ER_PROBLEM_CONFLICT;
	}
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_log(ER_LOG_INFO, "control", "the secrets (%u) have a new key, by %.*s", secrets, ER_FMT(who.actor));
	er_out_open(&call->out, NULL, '{');
	er_out_u64(&call->out, "sequence", sequence);
	er_out_u64(&call->out, "secrets", secrets);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* A reload or an upgrade has ended; the call waits for this, also if its client has left. */
static void on_node_did(void *ctx, const er_err *err)
{
	er_call *call = ctx;
	ER_CHECK(call, ER_CALL_MAGIC);
	if (err != NULL) {
		(void)er_refuse_err(&call->problem, err);
		er_call_refuse(call);
		return;
	}
	er_out_open(&call->out, NULL, '{');
	er_out_bool(&call->out, "done", true);
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

void er_api_reload(er_call *call)
{
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN);
	call->control->o.ops->reload(call->control->o.ops_ctx, on_node_did, call);
}

void er_api_upgrade(er_call *call)
{
	ER_ASSERT(call->actor.role == ER_ROLE_ADMIN);
	call->control->o.ops->upgrade(call->control->o.ops_ctx, on_node_did, call);
}
