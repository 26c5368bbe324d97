/* One transaction of changes. er_store_apply begins it, gives every change to the function of its
 * kind (the table below), and commits; the first one that refuses ends it, and nothing of the list
 * has happened.
 *
 * The life of an er_apply is that one call: it is on the stack of er_store_apply (or of
 * er_store_rotate_key, which is a transaction of its own kind), and the functions of the change_*.c
 * files get it with the change. A function of a kind checks what it is given, writes its tables,
 * and ends with er_apply_log, which takes the next sequence. A change that changes nothing (a
 * variable that has that value) returns true without a log row.
 *
 * Order: what memory knows (s->sequence, the names of the KV) is set after the commit and never
 * before, so that memory is at no time ahead of the disk. Called on the control thread alone. */
#include "store/apply.h"

#include "base/clock.h"

static er_apply_fn *const kinds[ER_CHANGE_KIND_COUNT_] = {
    [ER_CHANGE_ROUTINE_DELETE] = er_apply_routine_delete,
    [ER_CHANGE_VERSION_ADD] = er_apply_version_add,
    [ER_CHANGE_VERSION_DELETE] = er_apply_version_delete,
    [ER_CHANGE_DEPLOY] = er_apply_deploy,
    [ER_CHANGE_ROUTES] = er_apply_routes,
    [ER_CHANGE_VAR_SET] = er_apply_var_set,
    [ER_CHANGE_VAR_DELETE] = er_apply_setting_delete,
    [ER_CHANGE_SECRET_SET] = er_apply_secret_set,
    [ER_CHANGE_SECRET_DELETE] = er_apply_setting_delete,
    [ER_CHANGE_TOKEN_ADD] = er_apply_token_add,
    [ER_CHANGE_TOKEN_DELETE] = er_apply_token_delete,
    [ER_CHANGE_NAMESPACE_ADD] = er_apply_namespace_add,
    [ER_CHANGE_NAMESPACE_DELETE] = er_apply_namespace_delete,
    [ER_CHANGE_KEY_ROTATE] = er_apply_key_rotate,
    [ER_CHANGE_ADDRESS_ALLOW] = er_apply_address_allow,
    [ER_CHANGE_ADDRESS_DENY] = er_apply_address_deny,
    [ER_CHANGE_PURGE] = er_apply_purge,
    [ER_CHANGE_SITE_SET] = er_apply_site_set,
    [ER_CHANGE_SITE_DELETE] = er_apply_site_delete,
};

/* Texts that every kind of change has are checked here; what belongs to a kind, its own function
 * checks. */
static bool apply_one(er_apply *a, const er_change *c)
{
	if ((unsigned)c->kind >= ER_CHANGE_KIND_COUNT_ || (unsigned)c->env >= ER_ENV_COUNT_)
		return er_fail(a->err, ER_ERR_INVALID, "no such kind of change, or no such environment");
	return er_text_check("name of who does this", c->actor, ER_STORE_TEXT_MAX, a->err) &&
	       er_text_check("address of who does this", c->source, ER_STORE_TEXT_MAX, a->err) &&
	       er_text_check("routine's name", c->routine, ER_STORE_TEXT_MAX, a->err) && kinds[c->kind](a, c);
}

/* The names of the KV are read within the transaction: *names is what they are once it is
 * committed. */
static bool apply_all(er_apply *a, const er_change *changes, size_t n, er_namespaces *names)
{
	uint64_t before;
	if (!er_sequence_read(a, &before))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!apply_one(a, &changes[i]))
			return false;
	return er_sequence_write(a, before) && (!a->namespaces || er_namespaces_read(a->db, names, a->err));
}

/* Gives space back to the file system when much of the file is empty. It is a convenience: if it
 * fails, the next one does it. */
static void shrink(er_db *db)
{
	ER_ASSERT(!er_db_in_transaction(db));
	er_query q = er_query_of(db, "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count");
	bool much = er_query_row(&q) && er_col_int(&q, 0) > 1024 && er_col_int(&q, 0) > er_col_int(&q, 1) / 4;
	if (er_query_end(&q, NULL) && much)
		(void)!er_db_exec(db, "PRAGMA incremental_vacuum(16384)", NULL);
}

bool er_store_apply(er_store *s, const er_change *changes, size_t n, er_applied *out, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT((n == 0 || changes != NULL) && !er_db_in_transaction(s->control));
	er_namespaces names = {0};
	er_apply a = {.s = s, .db = s->control, .err = err, .now_ms = (int64_t)(er_clock_wall_us() / 1000)};
	if (!er_db_begin(a.db, err))
		return false;
	bool good = apply_all(&a, changes, n, &names);
	if (!good)
		er_db_rollback(a.db);
	else
		good = er_db_commit(a.db, err);
	ER_ASSERT(!er_db_in_transaction(s->control));
	/* From here on it is on the disk: memory follows, and nothing below may fail the call. */
	if (good) {
		s->sequence = a.out.sequence;
		if (a.namespaces)
			er_namespaces_swap(s, &names); /* names has the old ones now, which are freed below */
		if (a.freed)
			shrink(a.db);
		if (out != NULL)
			*out = a.out;
	}
	er_namespaces_fini(&names);
	return good;
}
