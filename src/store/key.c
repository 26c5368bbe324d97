/* The key of the secrets lives outside the database, so that a copy of the database alone tells no
 * secret. A hash of it stands in the database: a wrong key is recognized as such, and a lost one is
 * not replaced by a new one that opens nothing.
 *
 * A rotation writes KEY.next, re-encrypts in one transaction, which puts the new key's hash into
 * the database, and then renames KEY.next to KEY. So whenever it ends, the file that the hash
 * belongs to is there under one of the two names. KEY.next is never deleted: who finds it unused
 * uses it for the next rotation. */
#include "store/files.h"
#include "store/room.h"

#include "base/log.h"

#include <sys/stat.h>

static const char CHECK_PREFIX[] = "er store key check 1:";

static void check_of(er_secret_key *k)
{
	er_sha256(er_slice_of(CHECK_PREFIX, sizeof CHECK_PREFIX - 1), er_slice_of(k->bytes, ER_SEAL_KEY), &k->check);
}

static bool fits(const er_secret_key *k, const er_hash *check)
{
	return k->there && er_hash_eq_secret(&k->check, check);
}

/* ---- what the database says ---- */

typedef struct stored_check {
	bool there;
	bool matters; /* there are secrets that another key would lose */
	er_hash hash;
} stored_check;

/* Which key the secrets of this picture of the database belong to. */
static bool read_check(er_db *db, stored_check *out, er_err *err)
{
	er_query q = er_query_of(db, "SELECT key_check FROM node");
	*out = (stored_check){.there = er_query_row(&q) && er_col_bytes(&q, 0).n == ER_SHA256};
	if (out->there)
		er_copy(out->hash.b, er_col_bytes(&q, 0).p, ER_SHA256);
	return er_query_end(&q, err);
}

/* Asked apart: it is needed only where a key is missing or another one. */
static bool read_matters(er_db *db, stored_check *c, er_err *err)
{
	bool secrets;
	er_query q = er_query_of(db, "SELECT 1 WHERE EXISTS (SELECT 1 FROM setting WHERE secret = 1) OR"
	                             " EXISTS (SELECT 1 FROM site WHERE key IS NOT NULL)");
	if (!er_query_any(&q, &secrets, err))
		return false;
	c->matters = c->there && secrets;
	return true;
}

/* ---- the files ---- */

static char *next_path(const er_store *s)
{
	return er_printf("%s.next", s->key_path);
}

/* k->there false: there is no such file. False: there is one, and it is no key. */
static bool read_file(const char *path, er_secret_key *k, er_err *err)
{
	_Static_assert(sizeof k->bytes == ER_SEAL_KEY, "the digits of a file are one key");
	uint8_t text[2 * ER_SEAL_KEY + 2]; /* a newline, and one more to see what is too long */
	size_t n;
	bool good = er_file_read_private(path, text, sizeof text, &n, &k->there, err);
	if (good && k->there) {
		if (n > 0 && text[n - 1] == '\n')
			n--;
		good = n == (size_t)2 * ER_SEAL_KEY && er_unhex(er_slice_of(text, n), k->bytes);
		if (good)
			check_of(k);
		else
			(void)er_fail(err, ER_ERR_INVALID, "%s is no key: 64 hexadecimal digits expected; put the right file there", path);
	}
	er_wipe(text, sizeof text);
	return good;
}

/* Another process may have made it meanwhile: then its key stays, and is read back by the
 * caller. */
static bool make_file(er_store *s, const char *path, er_err *err)
{
	uint8_t key[ER_SEAL_KEY];
	char text[2 * ER_SEAL_KEY + 2];
	bool made;
	er_random(key, sizeof key);
	er_hex(er_slice_of(key, sizeof key), text);
	ER_ASSERT(text[(size_t)2 * ER_SEAL_KEY] == '\0');
	text[(size_t)2 * ER_SEAL_KEY] = '\n';
	bool good = er_file_make(&s->fault, path, er_slice_of(text, sizeof text - 1), &made, err);
	er_wipe(key, sizeof key);
	er_wipe(text, sizeof text);
	return good;
}

static bool rename_next(er_store *s, er_err *err)
{
	char *next = next_path(s);
	bool good = er_file_replace(&s->fault, next, s->key_path, err);
	er_free(next);
	return good;
}

/* A rotation was committed and its process ended before it gave the new key its name. */
static bool take_next(er_store *s, const er_hash *check, er_secret_key *k)
{
	er_secret_key next = {0};
	er_err err = {0};
	char *path = next_path(s);
	bool it_is = read_file(path, &next, &err) && fits(&next, check);
	er_free(path);
	if (it_is) {
		*k = next;
		if (!rename_next(s, &err)) /* It is as good where it is. */
			er_log(ER_LOG_WARN, "store", "the new key of the secrets stays in %s.next for now: %s", s->key_path, err.text);
	}
	er_wipe(&next, sizeof next);
	return it_is;
}

/* The key that belongs to what the database says. k->there false: there is none, and none is
 * missed. */
static bool load(er_store *s, const stored_check *stored, er_secret_key *k, er_err *err)
{
	er_err why = {0};
	bool readable = read_file(s->key_path, k, &why);
	if (stored->matters && !(readable && fits(k, &stored->hash)) && take_next(s, &stored->hash, k))
		return true;
	if (!readable) {
		*err = why;
		return false;
	}
	if (!k->there && stored->matters)
		return er_fail(
		    err, ER_ERR_INVALID,
		    "the key of the secrets, %s, is not there: put it back (a backup does not contain it), or remove every secret "
		    "(er secret rm) and every site with a key (er site rm) and set them again",
		    s->key_path);
	return !stored->matters || fits(k, &stored->hash) ||
	       er_fail(err, ER_ERR_INVALID,
	               "the key in %s is not the one that the secrets were encrypted with: put the right key there, or remove every "
	               "secret (er secret rm) and every site with a key (er site rm) and set them again",
	               s->key_path);
}

/* ---- who asks for it ---- */

/* Readers that began before a rotation still need the key before. With keys.lock held. */
static void remember(er_store *s, const er_secret_key *k)
{
	ER_ASSERT(k->there);
	if (s->keys.now.there && !fits(&s->keys.now, &k->check))
		s->keys.before = s->keys.now;
	s->keys.now = *k;
}

/* From the disk: this process does not know the key of that picture. */
static bool load_and_remember(er_store *s, er_db *db, stored_check *stored, bool make, er_err *err)
{
	er_secret_key k = {0};
	bool good = read_matters(db, stored, err) && load(s, stored, &k, err);
	if (good && !k.there && !make)
		good = er_fail(err, ER_ERR_INTERNAL, "there are secrets and there is no key");
	if (good && !k.there)
		good = make_file(s, s->key_path, err) && read_file(s->key_path, &k, err);
	if (good)
		remember(s, &k);
	er_wipe(&k, sizeof k);
	return good;
}

/* Which key it is says the picture of the database that the caller reads: that may be one from
 * before a rotation, or from after one by the process that takes over. */
static bool choose(er_store *s, er_db *db, bool make, uint8_t out[ER_SEAL_KEY], er_err *err)
{
	stored_check stored;
	const er_secret_key *k = &s->keys.now;
	if (!read_check(db, &stored, err))
		return false;
	if (stored.there && fits(&s->keys.before, &stored.hash))
		k = &s->keys.before;
	else if (!(stored.there && fits(&s->keys.now, &stored.hash)) && !load_and_remember(s, db, &stored, make, err))
		return false;
	er_copy(out, k->bytes, ER_SEAL_KEY);
	return true;
}

/* In every transaction that stores a secret: the one that made the key may have failed after it. */
static bool write_check(er_db *db, const uint8_t key[ER_SEAL_KEY], er_err *err)
{
	er_secret_key k = {.there = true};
	/* the check and the secret that it is for are on the disk together */
	ER_ASSERT(er_db_in_transaction(db));
	er_copy(k.bytes, key, ER_SEAL_KEY);
	check_of(&k);
	er_query q = er_query_of(db, "UPDATE node SET key_check = ?1 WHERE key_check IS NULL OR (key_check <> ?1 AND NOT EXISTS "
	                             "(SELECT 1 FROM setting WHERE secret = 1) AND NOT EXISTS (SELECT 1 FROM site WHERE key IS NOT "
	                             "NULL))");
	er_bind_blob(&q, er_slice_of(k.check.b, ER_SHA256));
	bool good = er_query_run(&q, err);
	er_wipe(&k, sizeof k);
	return good;
}

bool er_key_get(er_store *s, er_db *db, bool make, uint8_t out[ER_SEAL_KEY], er_err *err)
{
	ER_ASSERT(!make || er_db_in_transaction(db));
	pthread_mutex_lock(&s->keys.lock);
	bool good = choose(s, db, make, out, err);
	pthread_mutex_unlock(&s->keys.lock);
	return good && (!make || write_check(db, out, err));
}

/* ---- a new one ---- */

bool er_key_settle(er_store *s, er_db *db, er_secret_key *now, er_err *err)
{
	ER_ASSERT(now != NULL);
	stored_check stored;
	er_secret_key named = {0};
	struct stat st;
	if (!read_check(db, &stored, err) || !read_matters(db, &stored, err) || !load(s, &stored, now, err))
		return false;
	/* A rename would replace the link, and the file that it points to would keep the old key. */
	if (lstat(s->key_path, &st) == 0 && !S_ISREG(st.st_mode))
		return er_fail(err, ER_ERR_INVALID, "%s is a link: a new key would take its place; put the key itself there first",
		               s->key_path);
	bool good = read_file(s->key_path, &named, err);
	if (good && now->there && !fits(&named, &now->check))
		good = er_fail(err, ER_ERR_IO, "the key of the rotation before is still in %s.next: rename it to %s first", s->key_path,
		               s->key_path);
	er_wipe(&named, sizeof named);
	return good;
}

bool er_key_next(er_store *s, er_secret_key *next, er_err *err)
{
	ER_ASSERT(next != NULL);
	char *path = next_path(s);
	bool good = read_file(path, next, err);
	if (good && !next->there)
		good = make_file(s, path, err) && read_file(path, next, err);
	er_free(path);
	return good && (next->there || er_fail(err, ER_ERR_IO, "%s.next cannot be found again", s->key_path));
}

void er_key_adopt(er_store *s, const er_secret_key *old, const er_secret_key *next)
{
	ER_ASSERT(next->there && !er_db_in_transaction(s->control));
	er_err err = {0};
	if (old->there)
		remember(s, old);
	remember(s, next);
	if (!rename_next(s, &err))
		er_log(ER_LOG_WARN, "store", "the new key of the secrets stays in %s.next for now: %s", s->key_path, err.text);
}

void er_key_heal(er_store *s)
{
	er_secret_key k = {0};
	er_err err = {0};
	char *next = next_path(s);
	if (er_path_exists(next))
		(void)!er_key_settle(s, s->control, &k, &err);
	er_wipe(&k, sizeof k);
	er_free(next);
}

char *er_secret_about(er_slice routine, er_env env, er_slice name, size_t *n)
{
	/* Names have no spaces, so two places never look the same. */
	char *about = er_printf("er secret 1 %.*s %s %.*s", ER_FMT(routine), er_env_name(env), ER_FMT(name));
	*n = er_slice_cstr(about).n;
	return about;
}

char *er_site_key_about(er_slice site, size_t *n)
{
	/* No secret has a place of three words. */
	char *about = er_printf("er secret 1 site %.*s", ER_FMT(site));
	*n = er_slice_cstr(about).n;
	return about;
}
