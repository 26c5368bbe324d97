/* What all kinds of change have in common: their names, their row of the log, the sequence. The
 * files change_*.c, one kind each, stand on this; apply.c stands on them. */
#include "store/apply.h"

static const char *const names[] = {
    [ER_CHANGE_ROUTINE_DELETE] = "routine-delete",
    [ER_CHANGE_VERSION_ADD] = "version-add",
    [ER_CHANGE_VERSION_DELETE] = "version-delete",
    [ER_CHANGE_DEPLOY] = "deploy",
    [ER_CHANGE_ROUTES] = "routes",
    [ER_CHANGE_VAR_SET] = "var-set",
    [ER_CHANGE_VAR_DELETE] = "var-delete",
    [ER_CHANGE_SECRET_SET] = "secret-set",
    [ER_CHANGE_SECRET_DELETE] = "secret-delete",
    [ER_CHANGE_TOKEN_ADD] = "token-add",
    [ER_CHANGE_TOKEN_DELETE] = "token-delete",
    [ER_CHANGE_NAMESPACE_ADD] = "namespace-add",
    [ER_CHANGE_NAMESPACE_DELETE] = "namespace-delete",
    [ER_CHANGE_KEY_ROTATE] = "key-rotate",
    [ER_CHANGE_ADDRESS_ALLOW] = "address-allow",
    [ER_CHANGE_ADDRESS_DENY] = "address-deny",
    [ER_CHANGE_PURGE] = "purge",
    [ER_CHANGE_SITE_SET] = "site-set",
    [ER_CHANGE_SITE_DELETE] = "site-delete",
};
_Static_assert(sizeof names / sizeof *names == ER_CHANGE_KIND_COUNT_, "every kind of change has a name");

const char *er_change_name(er_change_kind k)
{
	ER_ASSERT((unsigned)k < ER_CHANGE_KIND_COUNT_);
	return names[k];
}

bool er_apply_log(er_apply *a, const er_change *c, er_out *data)
{
	er_out_close(data, '}');
	er_slice object = er_buf_slice(&data->b);
	ER_ASSERT(er_db_in_transaction(a->db));
	ER_ASSERT(object.n >= 2 && object.p[0] == '{' && object.p[object.n - 1] == '}');
	ER_ASSERT(a->out.sequence < INT64_MAX);
	er_query q = er_query_of(
	    a->db, "INSERT INTO log(sequence, at_ms, kind, actor, source, routine, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	er_bind_int(&q, (int64_t)++a->out.sequence);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, er_slice_cstr(er_change_name(c->kind)));
	er_bind_text(&q, c->actor);
	er_bind_text(&q, c->source);
	er_bind_text(&q, c->routine);
	er_bind_text(&q, object);
	bool good = er_query_run(&q, a->err);
	er_out_fini(data);
	return good;
}

bool er_routine_known(er_db *db, er_slice routine, er_err *err)
{
	bool found;
	er_query q = er_query_of(db, "SELECT 1 FROM routine WHERE name = ?1");
	er_bind_text(&q, routine);
	if (!er_query_any(&q, &found, err))
		return false;
	return found || er_fail(err, ER_ERR_NO_ROUTE, "there is no routine \"%.*s\" on this node yet: deploy it first (er deploy)",
	                        ER_FMT(er_slice_head(routine, 80)));
}

bool er_apply_known(er_apply *a, er_slice routine)
{
	return er_routine_known(a->db, routine, a->err);
}

bool er_apply_run_text(er_apply *a, const char *sql, er_slice text)
{
	ER_ASSERT(sql != NULL && er_db_in_transaction(a->db));
	er_query q = er_query_of(a->db, sql);
	er_bind_text(&q, text);
	return er_query_run(&q, a->err);
}

er_out er_log_begin(void)
{
	er_out data = {0};
	er_out_open(&data, NULL, '{');
	return data;
}

void er_log_env(er_out *data, er_env env)
{
	er_out_cstr(data, "environment", er_env_name(env));
}

/* Read under the write lock and not from memory: during a take-over there are two processes, and
 * the other one may have been the last to write. */
bool er_sequence_read(er_apply *a, uint64_t *before)
{
	ER_ASSERT(er_db_in_transaction(a->db));
	er_query q = er_query_of(a->db, "SELECT sequence FROM node");
	if (er_query_row(&q))
		a->out.sequence = (uint64_t)er_col_int(&q, 0);
	*before = a->out.sequence;
	return er_query_end(&q, a->err);
}

bool er_sequence_write(er_apply *a, uint64_t before)
{
	ER_ASSERT(er_db_in_transaction(a->db) && a->out.sequence >= before);
	if (a->out.sequence == before)
		return true;
	er_query q = er_query_of(a->db, "UPDATE node SET sequence = ?1");
	er_bind_int(&q, (int64_t)a->out.sequence);
	return er_query_run(&q, a->err) && er_trim_log(a, before);
}
