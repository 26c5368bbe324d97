/* What gateway threads read of the store: code by its hash, and a routine's `env`. A connection is
 * taken from the pool of readers for the call and given back before it returns; what is returned is
 * a piece that the caller owns.
 *
 * Code is verified against its hash each time: SQLite's own check leaves the blobs out at the
 * start, since it would read all code that a node ever got.
 *
 * `env` is one JSON object, variables as they are and secrets decrypted. Wherever a secret's text
 * was on its way it is wiped: the buffer, the text, the key on the stack, and the piece itself when
 * it is dropped. */
#include "base/buf.h"
#include "store/room.h"

static bool read_blob(er_db *db, const er_hash *hash, er_piece *out, bool *found, er_err *err)
{
	er_query q = er_query_of(db, "SELECT bytes FROM blob WHERE hash = ?1");
	er_bind_blob(&q, er_slice_of(hash->b, ER_SHA256));
	*found = er_query_row(&q);
	if (*found)
		*out = er_piece_copy(er_col_bytes(&q, 0));
	/* A read that broke off may have given a piece already. */
	if (er_query_end(&q, err))
		return true;
	er_piece_drop(out);
	return false;
}

bool er_store_blob(er_store *s, const er_hash *hash, er_piece *out, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	*out = (er_piece){0};
	er_db *db = er_pool_take(&s->readers, err);
	if (db == NULL)
		return false;
	bool found;
	bool good = read_blob(db, hash, out, &found, err);
	er_pool_give(&s->readers, db);
	if (!good)
		return false;
	char hex[2 * ER_SHA256 + 1];
	er_hex(er_slice_of(hash->b, ER_SHA256), hex);
	if (!found)
		return er_fail(err, ER_ERR_NO_ROUTE, "the code %s is not stored here (any more)", hex);
	er_hash is;
	er_sha256(er_piece_slice(*out), (er_slice){0}, &is);
	if (er_hash_eq_secret(&is, hash))
		return true;
	er_piece_drop(out);
	return er_fail(err, ER_ERR_IO,
	               "%s is damaged (the code %s is not what was stored): restore it from a backup (er node restore)",
	               s->control_path, hex);
}

/* ---- env ---- */

/* One er_store_env: on its stack. */
typedef struct env_build {
	er_store *s;
	er_db *db;
	er_slice routine;
	er_env env;
	er_buf json;
	bool have_key; /* read with the first secret; most routines have none */
	uint8_t key[ER_SEAL_KEY];
} env_build;

/* Room for the worst case at once: a buffer that grows would leave copies of secrets behind in
 * freed memory. */
static bool reserve(env_build *b, er_err *err)
{
	er_query q = er_query_of(b->db, "SELECT coalesce(sum(iif(secret, 6, 1) * length(value) + length(name) + 16), 0) FROM setting"
	                                " WHERE routine = ?1 AND env = ?2");
	er_bind_text(&q, b->routine);
	er_bind_int(&q, b->env);
	size_t n = er_query_row(&q) ? (size_t)er_col_int(&q, 0) : 0;
	(void)er_buf_reserve(&b->json, n + 2);
	return er_query_end(&q, err);
}

/* Opens one secret and appends it as a JSON string. */
static bool put_secret(env_build *b, er_slice name, er_slice sealed, er_err *err)
{
	/* the key is that of the picture that this transaction sees */
	ER_ASSERT(er_db_in_transaction(b->db));
	if (!b->have_key && !er_key_get(b->s, b->db, false, b->key, err))
		return false;
	b->have_key = true;
	size_t n, text_n = sealed.n > ER_SEAL_MORE ? sealed.n - ER_SEAL_MORE : 0;
	char *about = er_secret_about(b->routine, b->env, name, &n);
	uint8_t *text = er_alloc(text_n);
	bool good = er_unseal(b->key, er_slice_of(about, n), sealed, text);
	if (good)
		er_buf_put_json(&b->json, er_slice_of(text, text_n));
	else
		(void)er_fail(
		    err, ER_ERR_IO,
		    "the secret %.*s of \"%.*s\" (%s) cannot be decrypted: it was changed outside of er; set it again (er secret put)",
		    ER_FMT(name), ER_FMT(b->routine), er_env_name(b->env));
	er_wipe(text, text_n);
	er_free(text);
	er_free(about);
	return good;
}

/* The object as JSON: variables as they are, secrets decrypted one by one. */
static bool put_settings(env_build *b, er_err *err)
{
	bool good = true;
	unsigned n = 0;
	ER_ASSERT(er_db_in_transaction(b->db));
	er_query q =
	    er_query_of(b->db, "SELECT name, secret, value FROM setting WHERE routine = ?1 AND env = ?2 ORDER BY secret, name");
	er_bind_text(&q, b->routine);
	er_bind_int(&q, b->env);
	er_buf_puts(&b->json, "{");
	while (good && er_query_row(&q)) {
		if (n++ > 0)
			er_buf_puts(&b->json, ",");
		er_buf_put_json(&b->json, er_col_bytes(&q, 0));
		er_buf_puts(&b->json, ":");
		if (er_col_int(&q, 1) != 0)
			good = put_secret(b, er_col_bytes(&q, 0), er_col_bytes(&q, 2), err);
		else
			er_buf_put(&b->json, er_col_bytes(&q, 2));
	}
	er_buf_puts(&b->json, "}");
	return er_query_end(&q, good ? err : NULL) && good;
}

/* One read transaction: between the two statements nothing changes. */
static bool build_env(env_build *b, er_piece *out, er_err *err)
{
	if (!er_db_begin_read(b->db, err))
		return false;
	bool good = reserve(b, err) && put_settings(b, err);
	er_db_rollback(b->db);
	if (good) {
		er_slice json = er_buf_slice(&b->json);
		er_chunk *chunk = er_chunk_new(json.n);
		ER_ASSERT(json.n >= 2); /* {} at least */
		chunk->wipe = true;
		er_copy(chunk->bytes, json.p, json.n);
		*out = er_piece_take(chunk, json.n);
	}
	if (b->json.p != NULL)
		er_wipe(b->json.p, b->json.end);
	return good;
}

bool er_store_env(er_store *s, er_slice routine, er_env env, er_piece *out, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	*out = (er_piece){0};
	env_build b = {.s = s, .routine = routine, .env = env};
	if ((b.db = er_pool_take(&s->readers, err)) == NULL)
		return false;
	er_buf_init(&b.json);
	bool good = build_env(&b, out, err);
	er_buf_fini(&b.json);
	er_wipe(b.key, sizeof b.key);
	er_pool_give(&s->readers, b.db);
	return good;
}
