/* The key of the secrets lives outside the database, so that a copy of the database alone tells no secret. A hash of it stands in the database:
 * a wrong key is recognized as such, and a lost one is not replaced by a new one that opens nothing. */
#include "store/files.h"
#include "store/room.h"

static const char CHECK_PREFIX[] = "er store key check 1:";

static void check_of(const uint8_t key[ER_SEAL_KEY], er_hash *out)
{
	er_sha256(er_slice_of(CHECK_PREFIX, sizeof CHECK_PREFIX - 1), er_slice_of(key, ER_SEAL_KEY), out);
}

/* *known false: there is no secret that another key would lose. */
static bool read_check(er_db *db, er_hash *out, bool *known, er_err *err)
{
	er_query q = er_query_of(
	    db, "SELECT key_check FROM node WHERE key_check IS NOT NULL AND EXISTS (SELECT 1 FROM setting WHERE secret = 1)");
	*known = er_query_row(&q) && er_col_bytes(&q, 0).n == ER_SHA256;
	if (*known)
		er_copy(out->b, er_col_bytes(&q, 0).p, ER_SHA256);
	return er_query_end(&q, err);
}

static bool read_file(er_store *s, uint8_t key[ER_SEAL_KEY], bool *found, er_err *err)
{
	uint8_t text[2 * ER_SEAL_KEY + 2]; /* a newline, and one more to see what is too long */
	size_t n;
	bool good = er_file_read_private(s->key_path, text, sizeof text, &n, found, err);
	if (good && *found) {
		if (n > 0 && text[n - 1] == '\n')
			n--;
		good = n == (size_t)2 * ER_SEAL_KEY && er_unhex(er_slice_of(text, n), key);
		if (!good)
			(void)er_fail(err, ER_ERR_INVALID, "%s is no key: 64 hexadecimal digits expected; put the right file there",
			              s->key_path);
	}
	er_wipe(text, sizeof text);
	return good;
}

static bool make_file(er_store *s, er_err *err)
{
	uint8_t key[ER_SEAL_KEY];
	char text[2 * ER_SEAL_KEY + 2];
	bool made;
	er_random(key, sizeof key);
	er_hex(er_slice_of(key, sizeof key), text);
	text[(size_t)2 * ER_SEAL_KEY] = '\n';
	bool good = er_file_make(&s->fault, s->key_path, er_slice_of(text, sizeof text - 1), &made, err);
	er_wipe(key, sizeof key);
	er_wipe(text, sizeof text);
	return good;
}

static bool load(er_store *s, er_db *db, bool make, er_err *err)
{
	er_hash stored, mine;
	bool known, found;
	if (!read_check(db, &stored, &known, err) || !read_file(s, s->key.bytes, &found, err))
		return false;
	if (!found && known)
		return er_fail(
		    err, ER_ERR_INVALID,
		    "the key of the secrets, %s, is not there: put it back (a backup does not contain it), or remove every secret "
		    "(er secret rm) and set them again",
		    s->key_path);
	if (!found && !make)
		return er_fail(err, ER_ERR_INTERNAL, "there are secrets and there is no key");
	if (!found && (!make_file(s, err) || !read_file(s, s->key.bytes, &found, err)))
		return false;
	check_of(s->key.bytes, &mine);
	if (known && !er_hash_eq_secret(&mine, &stored))
		return er_fail(
		    err, ER_ERR_INVALID,
		    "the key in %s is not the one that the secrets were encrypted with: put the right key there, or remove every "
		    "secret (er secret rm) and set them again",
		    s->key_path);
	s->key.loaded = true;
	return true;
}

/* In every transaction that stores a secret: the one that made the key may have failed after it. */
static bool write_check(er_db *db, const uint8_t key[ER_SEAL_KEY], er_err *err)
{
	er_hash check;
	check_of(key, &check);
	er_query q = er_query_of(db, "UPDATE node SET key_check = ?1 WHERE key_check IS NULL OR (key_check <> ?1 AND NOT EXISTS "
	                             "(SELECT 1 FROM setting WHERE secret = 1))");
	er_bind_blob(&q, er_slice_of(check.b, ER_SHA256));
	return er_query_run(&q, err);
}

bool er_key_get(er_store *s, er_db *db, bool make, uint8_t out[ER_SEAL_KEY], er_err *err)
{
	pthread_mutex_lock(&s->key.lock);
	bool good = s->key.loaded || load(s, db, make, err);
	if (good)
		er_copy(out, s->key.bytes, ER_SEAL_KEY);
	pthread_mutex_unlock(&s->key.lock);
	return good && (!make || write_check(db, out, err));
}

char *er_secret_about(er_slice routine, er_env env, er_slice name, size_t *n)
{
	/* Names have no spaces, so two places never look the same. */
	char *about = er_printf("er secret 1 %.*s %s %.*s", ER_FMT(routine), er_env_name(env), ER_FMT(name));
	*n = er_slice_cstr(about).n;
	return about;
}
