/* The changes of variables and secrets, of a routine in one environment. Called by apply.c, within
 * its transaction.
 *
 * Both are one table, so that a name is one or the other. A variable's value is JSON, in the one
 * spelling of er_json_write, and goes into the log. A secret's is text, encrypted with the node's
 * key and bound to its place (er_secret_about): a row that is copied to another name does not open.
 * The log has the secret's name and nothing else of it. Setting a secret always writes: whether it
 * is the same cannot be told without opening it, and the log shall not tell. */
#include "store/apply.h"

#include "base/jsonc.h"

typedef struct old_setting {
	bool there, secret, same;
} old_setting;

/* `same` is asked of a variable alone; a secret is sealed with a new nonce every time. */
static bool read_old(er_apply *a, const er_change *c, er_slice value, old_setting *old)
{
	er_query q = er_query_of(a->db, "SELECT secret, value = ?4 FROM setting WHERE routine = ?1 AND env = ?2 AND name = ?3");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	er_bind_text(&q, c->name);
	er_bind_blob(&q, value);
	*old = (old_setting){.there = er_query_row(&q)};
	if (old->there) {
		old->secret = er_col_int(&q, 0) != 0;
		old->same = er_col_int(&q, 1) != 0;
	}
	return er_query_end(&q, a->err);
}

/* `value`: the JSON of a variable, or what er_seal made of a secret. */
static bool write_setting(er_apply *a, const er_change *c, bool secret, er_slice value)
{
	ER_ASSERT(value.n > (secret ? ER_SEAL_MORE - 1 : 0));
	er_query q = er_query_of(a->db, "INSERT OR REPLACE INTO setting(routine, env, name, secret, value, at_ms, actor)"
	                                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	er_bind_text(&q, c->name);
	er_bind_int(&q, secret);
	er_bind_blob(&q, value);
	er_bind_int(&q, a->now_ms);
	er_bind_text(&q, c->actor);
	return er_query_run(&q, a->err);
}

static bool common_check(er_apply *a, const er_change *c)
{
	if (!er_setting_name_check(c->name, a->err) || !er_apply_known(a, c->routine))
		return false;
	return c->value.n <= ER_SETTING_MAX || er_fail(a->err, ER_ERR_TOO_LARGE, "the value of %.*s has %zu bytes, %d is the most",
	                                               ER_FMT(c->name), c->value.n, ER_SETTING_MAX);
}

/* Of all others, with this one: `env` is built in memory whenever an instance starts. */
static bool room_for_it(er_apply *a, const er_change *c)
{
	er_query q = er_query_of(
	    a->db, "SELECT count(*), coalesce(sum(length(value)), 0) FROM setting WHERE routine = ?1 AND env = ?2 AND name <> ?3");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	er_bind_text(&q, c->name);
	bool row = er_query_row(&q);
	int64_t n = row ? er_col_int(&q, 0) : 0, bytes = row ? er_col_int(&q, 1) : 0;
	if (!er_query_end(&q, a->err))
		return false;
	if (n >= ER_SETTINGS_MAX)
		return er_fail(a->err, ER_ERR_TOO_LARGE, "\"%.*s\" has %lld variables and secrets in %s, the most: remove some first",
		               ER_FMT(c->routine), (long long)n, er_env_name(c->env));
	return bytes + (int64_t)c->value.n <= ER_SETTINGS_BYTES ||
	       er_fail(a->err, ER_ERR_TOO_LARGE,
	               "the variables and secrets of \"%.*s\" in %s would have more than %d KB together: remove some first",
	               ER_FMT(c->routine), er_env_name(c->env), ER_SETTINGS_BYTES >> 10);
}

/* `value`: of a variable that is set; else empty. */
static bool log_setting(er_apply *a, const er_change *c, er_slice value)
{
	/* nothing of a secret gets into the log */
	ER_ASSERT(value.n == 0 || c->kind == ER_CHANGE_VAR_SET);
	er_out data = er_log_begin();
	er_log_env(&data, c->env);
	er_out_str(&data, "name", c->name);
	if (value.n > 0)
		er_out_json(&data, "value", value);
	return er_apply_log(a, c, &data);
}

static bool set_var(er_apply *a, const er_change *c, er_slice json)
{
	old_setting old;
	if (!read_old(a, c, json, &old))
		return false;
	if (old.there && old.secret)
		return er_fail(a->err, ER_ERR_INVALID, "%.*s is a secret: remove it first (er secret rm), or choose another name",
		               ER_FMT(c->name));
	if (old.there && old.same)
		return true;
	return room_for_it(a, c) && write_setting(a, c, false, json) && log_setting(a, c, json);
}

/* Kept as plain JSON, however it was written: it becomes part of the text of `env`. */
bool er_apply_var_set(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_VAR_SET);
	if (!common_check(a, c))
		return false;
	er_arena arena;
	er_buf json;
	er_err why = {0};
	size_t at;
	er_arena_init(&arena);
	er_buf_init(&json);
	const er_json *v = er_jsonc_parse(&arena, c->value, &at, &why);
	bool good = v != NULL || er_fail(a->err, ER_ERR_INVALID, "the value of %.*s is no JSON: %s (text stands in quotes)",
	                                 ER_FMT(c->name), why.text);
	if (good) {
		er_json_write(&json, v);
		good = set_var(a, c, er_buf_slice(&json));
	}
	er_buf_fini(&json);
	er_arena_fini(&arena);
	return good;
}

bool er_apply_secret_set(er_apply *a, const er_change *c)
{
	uint8_t key[ER_SEAL_KEY];
	old_setting old;
	ER_ASSERT(c->kind == ER_CHANGE_SECRET_SET);
	if (!common_check(a, c) || !er_text_check("value of a secret", c->value, ER_SETTING_MAX, a->err) ||
	    !read_old(a, c, (er_slice){0}, &old))
		return false;
	if (old.there && !old.secret)
		return er_fail(a->err, ER_ERR_INVALID, "%.*s is a variable: remove it first (er env rm), or choose another name",
		               ER_FMT(c->name));
	if (!room_for_it(a, c) || !er_key_get(a->s, a->db, true, key, a->err))
		return false;
	size_t n, about_n;
	char *about = er_secret_about(c->routine, c->env, c->name, &about_n);
	uint8_t *sealed = er_alloc(n = c->value.n + ER_SEAL_MORE);
	/* The key is in this function's memory for as long as it takes. */
	er_seal(key, er_slice_of(about, about_n), c->value, sealed);
	er_wipe(key, sizeof key);
	bool good = write_setting(a, c, true, er_slice_of(sealed, n)) && log_setting(a, c, (er_slice){0});
	er_free(sealed);
	er_free(about);
	return good;
}

bool er_apply_setting_delete(er_apply *a, const er_change *c)
{
	bool secret = c->kind == ER_CHANGE_SECRET_DELETE;
	ER_ASSERT(secret || c->kind == ER_CHANGE_VAR_DELETE);
	/* `secret` is part of the question: removing a variable never removes a secret of that name. */
	if (!er_apply_known(a, c->routine))
		return false;
	er_query q = er_query_of(a->db, "DELETE FROM setting WHERE routine = ?1 AND env = ?2 AND name = ?3 AND secret = ?4");
	er_bind_text(&q, c->routine);
	er_bind_int(&q, c->env);
	er_bind_text(&q, c->name);
	er_bind_int(&q, secret);
	if (!er_query_run(&q, a->err))
		return false;
	if (er_db_changes(a->db) == 0)
		return er_fail(a->err, ER_ERR_NO_ROUTE, "\"%.*s\" has no %s %.*s in %s", ER_FMT(c->routine),
		               secret ? "secret" : "variable", ER_FMT(er_slice_head(c->name, 80)), er_env_name(c->env));
	return log_setting(a, c, (er_slice){0});
}
