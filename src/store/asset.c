/* A file is a row and its parts, so that a range of it costs no more than the parts that it lies
 * in. One connection writes, under a lock; readers have connections of their own.
 *
 * A file is put before the version that names it, and nothing holds the two together but time: a
 * file that was put or asked for lately is not swept. The sweep reads which files versions name
 * after it has listed the old ones, and removes those that are still old; a deployment asks for its
 * files, which makes them young, before it is written. So whichever comes first, a version that is
 * there has its files. Only the removal is in the writer's transactions, some files in each. */
#include "store/asset.h"

#include "base/clock.h"
#include "base/map.h"
#include "store/room.h"

enum { PART = 128 << 10, PARTS = 256, YOUNG_S = 300, AT_ONCE = 200, BYTES_AT_ONCE = 32 << 20 };
_Static_assert(ER_ASSET_MAX / PART < PARTS, "the number of a part is its file's, and this");

/* ---- asking ---- */

typedef struct row {
	int64_t id, at_s, after;
	uint64_t bytes;
	bool there;
} row;

/* Whose files are asked for: of those that have had the name, who has it now. */
typedef struct owner {
	er_slice routine;
	int64_t after; /* numbering.ended */
} owner;

static bool owner_of(er_store *s, er_slice routine, owner *out, er_err *err)
{
	er_db *db = er_pool_take(&s->readers, err);
	if (db == NULL)
		return false;
	er_query q = er_query_of(db, "SELECT ended FROM numbering WHERE routine = ?1");
	er_bind_text(&q, routine);
	*out = (owner){.routine = routine, .after = er_query_row(&q) ? er_col_int(&q, 0) : 0};
	bool good = er_query_end(&q, err);
	er_pool_give(&s->readers, db);
	return good;
}

static bool find(er_db *db, er_slice routine, const er_hash *hash, row *out, er_err *err)
{
	er_query q = er_query_of(db, "SELECT id, at_s, bytes, after FROM asset WHERE routine = ?1 AND hash = ?2");
	er_bind_text(&q, routine);
	er_bind_blob(&q, er_hash_slice(hash));
	*out = (row){.there = er_query_row(&q)};
	if (out->there) {
		out->id = er_col_int(&q, 0);
		out->at_s = er_col_int(&q, 1);
		out->bytes = (uint64_t)er_col_int(&q, 2);
		out->after = er_col_int(&q, 3);
	}
	return er_query_end(&q, err);
}

/* One that is young stays so, and costs no writing. */
static bool touch(er_db *db, const row *r, er_err *err)
{
	if (er_clock_wall_s() - r->at_s < YOUNG_S)
		return true;
	er_query q = er_query_of(db, "UPDATE asset SET at_s = ?2 WHERE id = ?1");
	er_bind_int(&q, r->id);
	er_bind_int(&q, er_clock_wall_s());
	return er_query_run(&q, err);
}

static bool ask_all(er_db *db, const owner *o, const er_hash *hashes, const uint32_t *lengths, size_t n, bool *missing,
                    er_err *err)
{
	for (size_t i = 0; i < n; i++) {
		row r;
		if (!find(db, o->routine, &hashes[i], &r, err))
			return false;
		bool there = r.there && r.after == o->after;
		if (there && !touch(db, &r, err))
			return false;
		missing[i] = !there || (lengths != NULL && r.bytes != lengths[i]);
	}
	return true;
}

/* Ends a transaction of the writer, whose lock is held. */
static bool end(er_store *s, bool good, er_err *err)
{
	if (good)
		good = er_db_commit(s->assets, err);
	else
		er_db_rollback(s->assets);
	pthread_mutex_unlock(&s->asset_lock);
	return good;
}

static bool begin(er_store *s, er_err *err)
{
	pthread_mutex_lock(&s->asset_lock);
	if (er_db_begin(s->assets, err))
		return true;
	pthread_mutex_unlock(&s->asset_lock);
	return false;
}

bool er_asset_missing(er_store *s, er_slice routine, const er_hash *hashes, const uint32_t *lengths, size_t n, bool *missing,
                      er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	owner o;
	return owner_of(s, routine, &o, err) && begin(s, err) &&
	       end(s, ask_all(s->assets, &o, hashes, lengths, n, missing, err), err);
}

static bool tally_of(er_db *db, er_slice routine, er_asset_tally *out, er_err *err)
{
	er_query q = er_query_of(db, "SELECT files, bytes FROM asset_tally WHERE routine = ?1");
	er_bind_text(&q, routine);
	*out = (er_asset_tally){0};
	if (er_query_row(&q))
		*out = (er_asset_tally){(uint64_t)er_col_int(&q, 0), (uint64_t)er_col_int(&q, 1)};
	return er_query_end(&q, err);
}

bool er_asset_count(er_store *s, er_slice routine, er_asset_tally *out, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	*out = (er_asset_tally){0};
	er_db *db = er_pool_take(&s->asset_readers, err);
	if (db == NULL)
		return false;
	bool good = tally_of(db, routine, out, err);
	er_pool_give(&s->asset_readers, db);
	return good;
}

/* ---- putting ---- */

static bool asset_ok(const er_asset *a, er_err *err)
{
	er_hash is;
	char hex[2 * ER_SHA256 + 1];
	er_hex(er_hash_slice(&a->hash), hex);
	if (a->bytes.n > ER_ASSET_MAX)
		return er_fail(err, ER_ERR_TOO_LARGE, "the file %s has %zu bytes; %d MB is the most", hex, a->bytes.n,
		               ER_ASSET_MAX >> 20);
	er_sha256(a->bytes, (er_slice){0}, &is);
	return memcmp(is.b, a->hash.b, ER_SHA256) == 0 ||
	       er_fail(err, ER_ERR_INVALID, "the bytes that were sent as the file %s have another hash: send them again", hex);
}

static bool put_parts(er_db *db, int64_t id, er_slice bytes, er_err *err)
{
	for (int64_t i = 0; bytes.n > 0; i++) {
		er_slice part = er_slice_head(bytes, PART);
		ER_ASSERT(i < PARTS);
		er_query q = er_query_of(db, "INSERT OR REPLACE INTO part(id, bytes) VALUES (?1, ?2)");
		er_bind_int(&q, id * PARTS + i);
		er_bind_blob(&q, part);
		if (!er_query_run(&q, err))
			return false;
		bytes = er_slice_from(bytes, part.n);
	}
	return true;
}

/* What an earlier routine of the name has left is this one's now: it has shown the bytes. */
static bool inherit(er_db *db, const owner *o, const row *r, er_err *err)
{
	er_query q = er_query_of(db, "UPDATE asset SET at_s = ?2, after = ?3 WHERE id = ?1");
	er_bind_int(&q, r->id);
	er_bind_int(&q, er_clock_wall_s());
	er_bind_int(&q, o->after);
	return er_query_run(&q, err);
}

static bool put_one(er_db *db, const owner *o, const er_asset *a, er_err *err)
{
	row r;
	if (!find(db, o->routine, &a->hash, &r, err))
		return false;
	if (r.there)
		return r.after == o->after ? touch(db, &r, err) : inherit(db, o, &r, err);
	er_query q = er_query_of(db, "INSERT INTO asset(routine, hash, bytes, at_s, after) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id");
	er_bind_text(&q, o->routine);
	er_bind_blob(&q, er_hash_slice(&a->hash));
	er_bind_int(&q, (int64_t)a->bytes.n);
	er_bind_int(&q, er_clock_wall_s());
	er_bind_int(&q, o->after);
	int64_t id = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	return er_query_run(&q, err) && put_parts(db, id, a->bytes, err);
}

static bool within_quota(er_db *db, er_slice routine, er_err *err)
{
	static const char remedy[] = "in all its versions: remove old ones with `er versions prune`; their files go an hour later";
	er_asset_tally t;
	if (!tally_of(db, routine, &t, err))
		return false;
	if (t.bytes > ER_ASSETS_QUOTA)
		return er_fail(err, ER_ERR_TOO_LARGE, "the files of \"%.*s\" would have more than %d GB %s", ER_FMT(routine),
		               (int)(ER_ASSETS_QUOTA >> 30), remedy);
	return t.files <= ER_ASSETS_QUOTA_FILES || er_fail(err, ER_ERR_TOO_LARGE, "\"%.*s\" would have more than %d files %s",
	                                                   ER_FMT(routine), ER_ASSETS_QUOTA_FILES, remedy);
}

static bool put_all(er_db *db, const owner *o, const er_asset *assets, size_t n, er_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!put_one(db, o, &assets[i], err))
			return false;
	return within_quota(db, o->routine, err);
}

bool er_asset_put(er_store *s, er_slice routine, const er_asset *assets, size_t n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	if (!er_name_check("routine", routine, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!asset_ok(&assets[i], err))
			return false;
	owner o;
	return owner_of(s, routine, &o, err) && begin(s, err) && end(s, put_all(s->assets, &o, assets, n, err), err);
}

/* ---- reading ---- */

static bool damaged(const er_store *s, const er_hash *hash, er_err *err)
{
	char hex[2 * ER_SHA256 + 1];
	er_hex(er_hash_slice(hash), hex);
	return er_fail(err, ER_ERR_IO,
	               "%s is damaged (the file %s is not what was stored): restore it from a backup (er node restore)",
	               s->assets_path, hex);
}

/* Bytes [from, from + n) out of the parts that have them. *got: how many there were. */
static bool copy_parts(er_db *db, int64_t id, uint64_t from, uint8_t *to, size_t n, size_t *got, er_err *err)
{
	int64_t first = (int64_t)(from / PART), last = n > 0 ? (int64_t)((from + n - 1) / PART) : first;
	uint64_t skip = from % PART;
	er_query q = er_query_of(db, "SELECT bytes FROM part WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
	er_bind_int(&q, id * PARTS + first);
	er_bind_int(&q, id * PARTS + last);
	*got = 0;
	while (*got < n && er_query_row(&q)) {
		er_slice part = er_slice_head(er_slice_from(er_col_bytes(&q, 0), (size_t)skip), n - *got);
		er_copy(to + *got, part.p, part.n);
		*got += part.n;
		skip = 0;
	}
	return er_query_end(&q, err);
}

static bool read_bytes(er_store *s, er_db *db, er_slice routine, const er_hash *hash, uint64_t length, uint64_t from, uint8_t *to,
                       size_t n, er_err *err)
{
	row r;
	size_t got = 0;
	er_hash is;
	if (!find(db, routine, hash, &r, err))
		return false;
	if (!r.there)
		return er_fail(err, ER_ERR_NO_ROUTE, "a file of \"%.*s\" is not stored here (any more)", ER_FMT(routine));
	if (!copy_parts(db, r.id, from, to, n, &got, err))
		return false;
	if (got < n || r.bytes != length)
		return damaged(s, hash, err);
	if (from > 0 || n < length)
		return true;
	er_sha256(er_slice_of(to, n), (er_slice){0}, &is);
	return memcmp(is.b, hash->b, ER_SHA256) == 0 || damaged(s, hash, err);
}

bool er_asset_read(er_store *s, er_slice routine, const er_hash *hash, uint64_t length, uint64_t from, uint8_t *to, size_t n,
                   er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT(from <= length && n <= length - from);
	er_db *db = er_pool_take(&s->asset_readers, err);
	if (db == NULL)
		return false;
	bool good = er_db_begin_read(db, err);
	if (good) {
		good = read_bytes(s, db, routine, hash, length, from, to, n, err);
		er_db_rollback(db);
	}
	er_pool_give(&s->asset_readers, db);
	return good;
}

/* ---- sweeping ---- */

/* The hash that every line of a manifest begins with. */
static void take_lines(er_map *live, er_slice text)
{
	er_slice line;
	er_hash hash;
	while (er_slice_split(&text, '\n', &line))
		if (er_hash_parse(er_slice_head(line, er_slice_find(line, ' ')), &hash))
			(void)er_map_set(live, er_hash_slice(&hash), live);
}

/* What versions of the routine name, as they are on the disk now. */
static bool named(er_store *s, er_slice routine, er_map *live, er_err *err)
{
	er_db *db = er_pool_take(&s->readers, err);
	if (db == NULL)
		return false;
	er_query q = er_query_of(db, "SELECT DISTINCT b.hash, b.bytes FROM version v JOIN blob b ON b.hash = v.assets"
	                             " WHERE v.routine = ?1 AND v.assets IS NOT NULL");
	er_bind_text(&q, routine);
	while (er_query_row(&q))
		take_lines(live, er_col_bytes(&q, 1));
	bool good = er_query_end(&q, err);
	er_pool_give(&s->readers, db);
	return good;
}

typedef struct old {
	int64_t id;
	er_hash hash;
	uint64_t bytes;
} old;

typedef struct sweep {
	er_slice routine;
	owner owner;
	int64_t before_s;
	er_buf list; /* of `old`; without those that versions name, once they are known */
} sweep;

/* Files that are old enough, or of an earlier routine of the name. */
static bool list_old(er_store *s, sweep *w, er_err *err)
{
	er_db *db = er_pool_take(&s->asset_readers, err);
	if (db == NULL)
		return false;
	er_query q = er_query_of(db, "SELECT id, hash, bytes FROM asset WHERE routine = ?1 AND (at_s < ?2 OR after <> ?3)");
	er_bind_text(&q, w->routine);
	er_bind_int(&q, w->before_s);
	er_bind_int(&q, w->owner.after);
	while (er_query_row(&q)) {
		old it = {.id = er_col_int(&q, 0), .bytes = (uint64_t)er_col_int(&q, 2)};
		er_slice hash = er_col_bytes(&q, 1);
		ER_ASSERT(hash.n == sizeof it.hash.b);
		er_copy(it.hash.b, hash.p, hash.n);
		er_buf_put(&w->list, er_slice_of(&it, sizeof it));
	}
	bool good = er_query_end(&q, err);
	er_pool_give(&s->asset_readers, db);
	return good;
}

static const old *list_of(const sweep *w, size_t *n)
{
	er_slice bytes = er_buf_slice(&w->list);
	*n = bytes.n / sizeof(old);
	return (const old *)(const void *)bytes.p;
}

static bool take_out_named(er_store *s, sweep *w, er_err *err)
{
	size_t n;
	const old *v = list_of(w, &n);
	if (n == 0)
		return true;
	er_map *live = er_map_new();
	er_buf rest = {0};
	bool good = named(s, w->routine, live, err);
	for (size_t i = 0; good && i < n; i++)
		if (er_map_get(live, er_hash_slice(&v[i].hash)) == NULL)
			er_buf_put(&rest, er_slice_of(&v[i], sizeof v[i]));
	er_map_free(live);
	er_buf_fini(&w->list);
	w->list = rest;
	return good;
}

/* Unless it was put or asked for meanwhile. *gone: it is removed. */
static bool remove_one(er_db *db, const sweep *w, int64_t id, bool *gone, er_err *err)
{
	er_query q = er_query_of(db, "DELETE FROM asset WHERE id = ?1 AND (at_s < ?2 OR after <> ?3) RETURNING id");
	er_bind_int(&q, id);
	er_bind_int(&q, w->before_s);
	er_bind_int(&q, w->owner.after);
	*gone = er_query_row(&q);
	if (!er_query_run(&q, err))
		return false;
	if (!*gone)
		return true;
	er_query parts = er_query_of(db, "DELETE FROM part WHERE id BETWEEN ?1 AND ?2");
	er_bind_int(&parts, id * PARTS);
	er_bind_int(&parts, id * PARTS + PARTS - 1);
	return er_query_run(&parts, err);
}

static bool is_stopped(const bool *stop)
{
	return stop != NULL && __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* Some files in one transaction; *at: behind them. */
static bool remove_some(er_store *s, const sweep *w, size_t *at, unsigned *removed, er_err *err)
{
	size_t n;
	uint64_t bytes = 0;
	unsigned gone_n = 0;
	const old *v = list_of(w, &n);
	if (!begin(s, err))
		return false;
	bool good = true;
	for (size_t first = *at; good && *at < n && *at - first < AT_ONCE && bytes < BYTES_AT_ONCE; ++*at) {
		bool gone = false;
		good = remove_one(s->assets, w, v[*at].id, &gone, err);
		bytes += v[*at].bytes;
		gone_n += gone;
	}
	good = end(s, good, err);
	*removed += good ? gone_n : 0;
	return good;
}

static bool sweep_routine(er_store *s, er_slice routine, int64_t before_s, const bool *stop, unsigned *removed, er_err *err)
{
	sweep w = {.routine = routine, .before_s = before_s};
	size_t n = 0;
	bool good = owner_of(s, routine, &w.owner, err) && list_old(s, &w, err) && take_out_named(s, &w, err);
	(void)list_of(&w, &n);
	for (size_t at = 0; good && at < n && !is_stopped(stop);)
		good = remove_some(s, &w, &at, removed, err);
	er_buf_fini(&w.list);
	return good;
}

/* The first routine behind the one that was swept last; *over: there is none. */
static bool next_routine(er_store *s, char *name, size_t cap, bool *over, er_err *err)
{
	er_db *db = er_pool_take(&s->asset_readers, err);
	if (db == NULL)
		return false;
	er_query q = er_query_of(db, "SELECT routine FROM asset_tally WHERE routine > ?1 ORDER BY routine LIMIT 1");
	er_bind_text(&q, er_slice_cstr(s->swept));
	*over = !er_query_row(&q) || er_col_bytes(&q, 0).n >= cap;
	name[0] = '\0';
	if (!*over) {
		er_copy(name, er_col_bytes(&q, 0).p, er_col_bytes(&q, 0).n);
		name[er_col_bytes(&q, 0).n] = '\0';
	}
	bool good = er_query_end(&q, err);
	er_pool_give(&s->asset_readers, db);
	return good;
}

bool er_asset_sweep(er_store *s, unsigned grace_s, const bool *stop, unsigned *removed, bool *over, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	char name[ER_NAME_MAX + 1];
	*removed = 0;
	*over = true;
	if (pthread_mutex_trylock(&s->sweep_lock) != 0)
		return true;
	bool good = next_routine(s, name, sizeof name, over, err) &&
	            (*over || sweep_routine(s, er_slice_cstr(name), er_clock_wall_s() - (int64_t)grace_s, stop, removed, err));
	if (good && !is_stopped(stop))
		er_copy(s->swept, name, sizeof name);
	pthread_mutex_unlock(&s->sweep_lock);
	return good;
}
