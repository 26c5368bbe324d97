/* A new key for the secrets: every one is opened with the present key and closed with the new one,
 * in one transaction of er_store_rotate_key.
 *
 * The order is what keeps them readable. First the new key is on the disk as KEY.next, then all
 * secrets, the new key's hash and the log row are committed, and only then KEY.next becomes KEY.
 * Whenever it ends, the database says by its hash which of the two files is the key (key.c). One
 * secret that does not open ends the rotation, and nothing has happened.
 *
 * The rotation is on the caller's stack, both keys in it, and is wiped at the end. Secrets are
 * taken one at a time, by the name behind the last one: a statement that is reading must not have
 * its rows written under it. Called on the control thread. */
#include "store/apply.h"

#include "base/clock.h"

typedef struct rotation {
	er_apply a;
	er_secret_key old, next;
	unsigned secrets;
	/* the secret that was done last; the next one is behind it */
	er_buf routine, name, site;
	int64_t env;
} rotation;

typedef struct one_secret {
	er_slice routine, name, sealed; /* in the arena; of a site's key there is no routine */
	er_env env;
} one_secret;

/* *found false: that was the last one. */
static bool next_secret(rotation *r, er_arena *arena, one_secret *out, bool *found)
{
	ER_ASSERT(er_db_in_transaction(r->a.db));
	er_query q =
	    er_query_of(r->a.db, "SELECT routine, env, name, value FROM setting WHERE (routine, env, name) > (?1, ?2, ?3) AND secret"
	                         " = 1 ORDER BY routine, env, name LIMIT 1");
	er_bind_text(&q, er_buf_slice(&r->routine));
	er_bind_int(&q, r->env);
	er_bind_text(&q, er_buf_slice(&r->name));
	*found = er_query_row(&q);
	if (*found)
		*out = (one_secret){.routine = er_col_copy(&q, 0, arena),
		                    .env = er_col_int(&q, 1) == ER_ENV_STAGING ? ER_ENV_STAGING : ER_ENV_PRODUCTION,
		                    .name = er_col_copy(&q, 2, arena),
		                    .sealed = er_col_copy(&q, 3, arena)};
	return er_query_end(&q, r->a.err);
}

/* The same of the keys that sites have. */
static bool next_site(rotation *r, er_arena *arena, one_secret *out, bool *found)
{
	er_query q = er_query_of(r->a.db, "SELECT name, key FROM site WHERE name > ?1 AND key IS NOT NULL ORDER BY name LIMIT 1");
	er_bind_text(&q, er_buf_slice(&r->site));
	*found = er_query_row(&q);
	if (*found)
		*out = (one_secret){.name = er_col_copy(&q, 0, arena), .sealed = er_col_copy(&q, 1, arena)};
	return er_query_end(&q, r->a.err);
}

static bool write_secret(rotation *r, const one_secret *o, er_slice sealed)
{
	if (o->routine.n == 0) {
		er_query q = er_query_of(r->a.db, "UPDATE site SET key = ?2 WHERE name = ?1");
		er_bind_text(&q, o->name);
		er_bind_blob(&q, sealed);
		return er_query_run(&q, r->a.err);
	}
	er_query q = er_query_of(r->a.db, "UPDATE setting SET value = ?4 WHERE routine = ?1 AND env = ?2 AND name = ?3");
	er_bind_text(&q, o->routine);
	er_bind_int(&q, o->env);
	er_bind_text(&q, o->name);
	er_bind_blob(&q, sealed);
	return er_query_run(&q, r->a.err);
}

static bool cannot_open(rotation *r, const one_secret *o)
{
	if (o->routine.n == 0)
		return er_fail(r->a.err, ER_ERR_CONFLICT,
		               "the key of the site %.*s cannot be decrypted: it was changed outside of er; set the site again (er site "
		               "add) or remove it first",
		               ER_FMT(o->name));
	return er_fail(r->a.err, ER_ERR_CONFLICT,
	               "the secret %.*s of \"%.*s\" (%s) cannot be decrypted: it was changed outside of er; set it again (er "
	               "secret put) or remove it first",
	               ER_FMT(o->name), ER_FMT(o->routine), er_env_name(o->env));
}

/* Opens it with the old key, closes it with the new one. The text is in memory for as long as that
 * takes. */
static bool reseal(rotation *r, const one_secret *o)
{
	size_t about_n, n = o->sealed.n > ER_SEAL_MORE ? o->sealed.n - ER_SEAL_MORE : 0;
	char *about =
	    o->routine.n > 0 ? er_secret_about(o->routine, o->env, o->name, &about_n) : er_site_key_about(o->name, &about_n);
	uint8_t *plain = er_alloc(n), *sealed = er_alloc(n + ER_SEAL_MORE);
	bool good = er_unseal(r->old.bytes, er_slice_of(about, about_n), o->sealed, plain);
	if (good) {
		er_seal(r->next.bytes, er_slice_of(about, about_n), er_slice_of(plain, n), sealed);
		good = write_secret(r, o, er_slice_of(sealed, n + ER_SEAL_MORE));
	} else {
		(void)cannot_open(r, o);
	}
	er_wipe(plain, n);
	er_free(plain);
	er_free(sealed);
	er_free(about);
	return good;
}

static bool reseal_sites(rotation *r)
{
	bool found = true, good = true;
	while (good && found) {
		er_arena arena;
		one_secret o;
		er_arena_init(&arena);
		good = next_site(r, &arena, &o, &found) && (!found || reseal(r, &o));
		if (good && found) {
			er_buf_clear(&r->site);
			er_buf_put(&r->site, o.name);
			r->secrets++;
		}
		er_arena_fini(&arena);
	}
	return good;
}

/* An arena a secret: none of them stays in memory that grows. */
static bool reseal_all(rotation *r)
{
	bool found = true, good = true;
	while (good && found) {
		er_arena arena;
		one_secret o;
		er_arena_init(&arena);
		good = next_secret(r, &arena, &o, &found) && (!found || reseal(r, &o));
		if (good && found) {
			er_buf_clear(&r->routine);
			er_buf_put(&r->routine, o.routine);
			er_buf_clear(&r->name);
			er_buf_put(&r->name, o.name);
			r->env = o.env;
			r->secrets++;
		}
		er_arena_fini(&arena);
	}
	return good;
}

/* From the commit on, this says that the new key is the key. */
static bool write_check(rotation *r)
{
	ER_ASSERT(r->next.there);
	er_query q = er_query_of(r->a.db, "UPDATE node SET key_check = ?1");
	er_bind_blob(&q, er_slice_of(r->next.check.b, ER_SHA256));
	return er_query_run(&q, r->a.err);
}

static bool log_rotation(rotation *r, er_slice actor, er_slice source)
{
	er_change c = {.kind = ER_CHANGE_KEY_ROTATE, .actor = actor, .source = source};
	er_out data = er_log_begin();
	er_out_u64(&data, "secrets", r->secrets);
	return er_apply_log(&r->a, &c, &data);
}

/* Within the transaction, so that no other process is at the same. */
static bool rotate(rotation *r, er_slice actor, er_slice source)
{
	er_apply *a = &r->a;
	uint64_t before;
	if (!er_sequence_read(a, &before) || !er_key_settle(a->s, a->db, &r->old, a->err) || !er_key_next(a->s, &r->next, a->err))
		return false;
	return reseal_all(r) && reseal_sites(r) && write_check(r) && log_rotation(r, actor, source) && er_sequence_write(a, before);
}

/* A reader that sees the new secrets must find the new key. */
static bool commit(rotation *r)
{
	ER_ASSERT(r->next.there && er_db_in_transaction(r->a.db));
	er_store *s = r->a.s;
	pthread_mutex_lock(&s->keys.lock);
	bool good = er_db_commit(r->a.db, r->a.err);
	if (good)
		er_key_adopt(s, &r->old, &r->next);
	pthread_mutex_unlock(&s->keys.lock);
	return good;
}

bool er_store_rotate_key(er_store *s, er_slice actor, er_slice source, uint64_t *sequence, unsigned *secrets, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT(sequence != NULL && secrets != NULL);
	rotation r = {.a = {.s = s, .db = s->control, .err = err, .now_ms = (int64_t)(er_clock_wall_us() / 1000)}};
	if (!er_db_begin(r.a.db, err))
		return false;
	er_buf_init(&r.routine);
	er_buf_init(&r.name);
	er_buf_init(&r.site);
	bool good = rotate(&r, actor, source);
	if (good)
		good = commit(&r);
	else
		er_db_rollback(r.a.db);
	if (good) {
		*sequence = s->sequence = r.a.out.sequence;
		*secrets = r.secrets;
	}
	er_buf_fini(&r.routine);
	er_buf_fini(&r.name);
	er_buf_fini(&r.site);
	er_wipe(&r.old, sizeof r.old);
	er_wipe(&r.next, sizeof r.next);
	return good;
}

bool er_apply_key_rotate(er_apply *a, const er_change *c)
{
	ER_ASSERT(c->kind == ER_CHANGE_KEY_ROTATE);
	return er_fail(a->err, ER_ERR_INVALID, "the key is rotated by itself, not in a list of changes");
}
