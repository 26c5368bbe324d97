/* Whose token is this, and what may it do: asked with every request of the control API that comes
 * from elsewhere. Control thread.
 *
 * A token is found by hashing what was sent with the salt of each row, so the cost grows with the
 * number of tokens: a microsecond each. That is the price of a salt of its own a row, and of an
 * answer whose time says nothing (er_store_token_find). The changes are in change_access.c. */
#include "base/buf.h"
#include "store/room.h"

/* A name that this program does not know gives the least. */
static er_role role_of(er_slice name)
{
	er_role role;
	return er_role_parse(name, &role) ? role : ER_ROLE_READ;
}

/* One column of what belongs to a token. */
static bool read_list(er_store *s, er_arena *a, const char *sql, er_slice token, er_slice **out, size_t *n, er_err *err)
{
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, sql);
	er_bind_text(&q, token);
	while (er_query_row(&q)) {
		er_slice name = er_col_copy(&q, 0, a);
		er_buf_put(&rows, er_slice_of(&name, sizeof name));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	return er_query_end(&q, err);
}

static bool read_lists(er_store *s, er_arena *a, er_token_row *t, er_err *err)
{
	return read_list(s, a, "SELECT routine FROM token_routine WHERE token = ?1 ORDER BY routine", t->name, &t->routines,
	                 &t->n_routines, err) &&
	       read_list(s, a, "SELECT host FROM token_host WHERE token = ?1 ORDER BY host", t->name, &t->hosts, &t->n_hosts, err) &&
	       read_list(s, a, "SELECT opens FROM token_kv WHERE token = ?1 ORDER BY opens", t->name, &t->kv, &t->n_kv, err);
}

er_slice er_kv_grant_name(er_slice text, bool *writes)
{
	static const er_slice reads_only = ER_LIT(":ro");
	*writes = !er_slice_ends(text, reads_only);
	return *writes ? text : er_slice_head(text, text.n - reads_only.n);
}

static er_token_row row_of(const er_query *q, er_arena *a)
{
	return (er_token_row){
	    .name = er_col_copy(q, 0, a),
	    .role = role_of(er_col_bytes(q, 1)),
	    .actor = er_col_copy(q, 2, a),
	    .at_ms = er_col_int(q, 3),
	};
}

bool er_store_tokens(er_store *s, er_arena *a, er_token_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_buf rows;
	er_buf_init(&rows);
	er_query q = er_query_of(s->control, "SELECT name, role, actor, at_ms FROM token ORDER BY name");
	while (er_query_row(&q)) {
		er_token_row r = row_of(&q, a);
		er_buf_put(&rows, er_slice_of(&r, sizeof r));
	}
	*out = er_rows_take(&rows, a, sizeof **out, n);
	if (!er_query_end(&q, err))
		return false;
	for (size_t i = 0; i < *n; i++)
		if (!read_lists(s, a, &(*out)[i], err))
			return false;
	return true;
}

/* Every token is hashed and compared, also after a hit: how long it takes says nothing about how
 * near a guess was. */
bool er_store_token_find(er_store *s, er_arena *a, er_slice token, er_token_row *out, er_err *err)
{
	bool found = false;
	ER_CHECK(s, ER_STORE_MAGIC);
	if (err != NULL)
		err->kind = ER_ERR_OK;
	er_query q = er_query_of(s->control, "SELECT name, role, actor, at_ms, salt, hash FROM token");
	while (er_query_row(&q)) {
		er_hash mine, stored;
		er_slice hash = er_col_bytes(&q, 5);
		er_sha256(er_col_bytes(&q, 4), token, &mine);
		if (hash.n != ER_SHA256)
			continue;
		er_copy(stored.b, hash.p, ER_SHA256);
		if (er_hash_eq_secret(&mine, &stored)) {
			*out = row_of(&q, a);
			found = true;
		}
	}
	return er_query_end(&q, err) && found && read_lists(s, a, out, err);
}
