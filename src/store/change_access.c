/* The changes that make and end access: tokens of the control API, and namespaces of the KV. Called
 * by apply.c, within its transaction.
 *
 * A token is written once and never changed: who wants another role or other routines for it makes
 * another token. Its text comes with the change and is not kept; the row has a salt and the hash of
 * both (see insert_token). The lists that confine it are rows of their own and go with it.
 *
 * A namespace is a name and a number. The rows of the KV carry the number alone, so that deleting a
 * namespace is one row here, in whatever time; its values cannot be reached from that moment, and
 * er_kv_sweep removes them later. */
#include "store/apply.h"

enum { TOKEN_LEAST = 32, TOKEN_MOST = 256, TOKEN_ROUTINES_MAX = 1000, TOKEN_HOSTS_MAX = 1000, TOKEN_KV_MAX = 1000 };

/* Bounds of what a token may carry; whether its routines are there does not matter. */
static bool token_check(er_apply *a, const er_change *c)
{
	if (!er_name_check("token", c->name, a->err))
		return false;
	if ((unsigned)c->role >= ER_ROLE_COUNT_)
		return er_fail(a->err, ER_ERR_INVALID, "a token's role is read, deploy or admin");
	if (c->n_routines > TOKEN_ROUTINES_MAX)
		return er_fail(a->err, ER_ERR_TOO_LARGE, "a token is confined to at most %d routines", TOKEN_ROUTINES_MAX);
	for (size_t i = 0; i < c->n_routines; i++)
		if (!er_name_check("routine", c->routines[i], a->err))
			return false;
	if (c->n_hosts > TOKEN_HOSTS_MAX)
		return er_fail(a->err, ER_ERR_TOO_LARGE, "a token is granted at most %d hosts", TOKEN_HOSTS_MAX);
	for (size_t i = 0; i < c->n_hosts; i++)
		if (c->hosts[i].n == 0 || c->hosts[i].n > ER_STORE_HOST_MAX)
			return er_fail(a->err, ER_ERR_INVALID, "a host has 1 to %d bytes", ER_STORE_HOST_MAX);
	if (c->n_kv > TOKEN_KV_MAX)
		return er_fail(a->err, ER_ERR_TOO_LARGE, "a token is granted at most %d KV namespaces", TOKEN_KV_MAX);
	for (size_t i = 0; i < c->n_kv; i++) {
		bool writes;
		if (!er_name_check("KV namespace", er_kv_grant_name(c->kv[i], &writes), a->err))
			return false;
	}
	return (c->value.n >= TOKEN_LEAST && c->value.n <= TOKEN_MOST) ||
	       er_fail(a->err, ER_ERR_INVALID, "a token has %d to %d characters", TOKEN_LEAST, TOKEN_MOST);
}

/* A token is 256 random bits, so there is nothing to guess that a slow hash would make expensive; a
 * salted SHA-256 costs a microsecond a request and gives somebody who reads the database no token.
 * (For passwords that people choose this would be wrong.) */
static bool insert_token(er_apply *a, const er_change *c, bool *new)
{
	uint8_t salt[ER_TOKEN_SALT];
	er_hash hash;
	er_random(salt, sizeof salt);
	er_sha256(er_slice_of(salt, sizeof salt), c->value, &hash);
	er_query q = er_query_of(a->db, "INSERT INTO token(name, role, salt, hash, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
	                                " ON CONFLICT DO NOTHING");
	er_bind_text(&q, c->name);
	er_bind_text(&q, er_slice_cstr(er_role_name(c->role)));
	er_bind_blob(&q, er_slice_of(salt, sizeof salt));
	er_bind_blob(&q, er_slice_of(hash.b, ER_SHA256));
	er_bind_text(&q, c->actor);
	er_bind_int(&q, a->now_ms);
	bool good = er_query_run(&q, a->err);
	*new = good &&er_db_changes(a->db) == 1;
	return good;
}

/* A list that names the same twice is that list with the name once. */
static bool insert_list(er_apply *a, const char *sql, er_slice token, const er_slice *v, size_t n)
{
	ER_ASSERT(n == 0 || v != NULL);
	for (size_t i = 0; i < n; i++) {
		er_query q = er_query_of(a->db, sql);
		er_bind_text(&q, token);
		er_bind_text(&q, v[i]);
		if (!er_query_run(&q, a->err))
			return false;
	}
	return true;
}

static bool confine(er_apply *a, const er_change *c)
{
	return insert_list(a, "INSERT INTO token_routine(token, routine) VALUES (?1, ?2) ON CONFLICT DO NOTHING", c->name,
	                   c->routines, c->n_routines) &&
	       insert_list(a, "INSERT INTO token_host(token, host) VALUES (?1, ?2) ON CONFLICT DO NOTHING", c->name, c->hosts,
	                   c->n_hosts) &&
	       insert_list(a, "INSERT INTO token_kv(token, opens) VALUES (?1, ?2) ON CONFLICT DO NOTHING", c->name, c->kv, c->n_kv);
}

/* Nothing for an empty list, which means all. */
static void log_list(er_out *data, const char *key, const er_slice *v, size_t n)
{
	if (n == 0)
		return;
	er_out_open(data, key, '[');
	for (size_t i = 0; i < n; i++)
		er_out_str(data, NULL, v[i]);
	er_out_close(data, ']');
}

static er_out log_name(const er_change *c)
{
	er_out data = er_log_begin();
	er_out_str(&data, "name", c->name);
	return data;
}

bool er_apply_token_add(er_apply *a, const er_change *c)
{
	bool new;
	ER_ASSERT(c->kind == ER_CHANGE_TOKEN_ADD);
	if (!token_check(a, c) || !insert_token(a, c, &new))
		return false;
	if (!new)
		return er_fail(a->err, ER_ERR_INVALID, "there is a token \"%.*s\" already: remove it first, or choose another name",
		               ER_FMT(c->name));
	if (!confine(a, c))
		return false;
	er_out data = log_name(c);
	er_out_cstr(&data, "role", er_role_name(c->role));
	log_list(&data, "routines", c->routines, c->n_routines);
	log_list(&data, "hosts", c->hosts, c->n_hosts);
	log_list(&data, "kv", c->kv, c->n_kv);
	return er_apply_log(a, c, &data);
}

bool er_apply_token_delete(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_TOKEN_DELETE);
	/* The lists first: their rows point to the token's. */
	if (!er_apply_run_text(a, "DELETE FROM token_routine WHERE token = ?1", c->name) ||
	    !er_apply_run_text(a, "DELETE FROM token_host WHERE token = ?1", c->name) ||
	    !er_apply_run_text(a, "DELETE FROM token_kv WHERE token = ?1", c->name) ||
	    !er_apply_run_text(a, "DELETE FROM token WHERE name = ?1", c->name))
		return false;
	if (er_db_changes(a->db) == 0)
		return er_fail(a->err, ER_ERR_NO_ROUTE, "there is no token \"%.*s\"", ER_FMT(er_slice_head(c->name, 80)));
	er_out data = log_name(c);
	return er_apply_log(a, c, &data);
}

/* ---- namespaces ---- */

bool er_apply_namespace_add(er_apply *a, const er_change *c)
{
	/* The sequence that the log row below takes: no other namespace ever had it, nor will have
	 * it. */
	const uint64_t id = a->out.sequence + 1;
	ER_ASSERT(c->kind == ER_CHANGE_NAMESPACE_ADD);
	if (!er_name_check("namespace", c->name, a->err))
		return false;
	er_query q = er_query_of(a->db, "INSERT INTO namespace(name, id) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING");
	er_bind_text(&q, c->name);
	er_bind_int(&q, (int64_t)id);
	if (!er_query_run(&q, a->err))
		return false;
	if (er_db_changes(a->db) == 0) /* it is there: that is all that was asked for */
		return true;
	a->namespaces = true;
	er_out data = log_name(c);
	bool good = er_apply_log(a, c, &data);
	ER_ASSERT(a->out.sequence == id);
	return good;
}

/* Its values are gone with its id at once; er_kv_sweep gives their space back. */
bool er_apply_namespace_delete(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_NAMESPACE_DELETE);
	if (!er_apply_run_text(a, "DELETE FROM namespace WHERE name = ?1", c->name))
		return false;
	if (er_db_changes(a->db) == 0)
		return er_fail(a->err, ER_ERR_NO_ROUTE, "there is no KV namespace \"%.*s\"", ER_FMT(er_slice_head(c->name, 80)));
	a->namespaces = true;
	er_out data = log_name(c);
	return er_apply_log(a, c, &data);
}
