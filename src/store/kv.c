/* KV: bytes by key, in namespaces. Any thread. Reading here; kv_write.c writes, kv_parts.c has the
 * long values, kv_sweep.c gives space back.
 *
 * Reading: a name becomes the number of a namespace (kv_names.c, in memory), a connection is taken
 * from the pool for the call, and what is found is copied into the caller's arena. Readers of a WAL
 * database wait for nobody.
 *
 * An entry that has expired is not there for readers from that second on; er_kv_sweep, called from
 * time to time, only gives its space back, and that of namespaces which were deleted.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "store/kv.h"
#include "store/room.h"

enum { LOOKS = 8 };

/* ---- reading ---- */

/* One that has expired is not there, though its row may be. */
static bool get(er_db *db, er_arena *a, int64_t ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	er_query q = er_query_of(db, "SELECT expires_s, sequence, metadata, value, parts, size FROM kv WHERE ns = ?1 AND key = ?2"
	                             " AND (expires_s = 0 OR expires_s > ?3)");
	er_bind_int(&q, ns);
	er_bind_blob(&q, key);
	er_bind_int(&q, er_clock_wall_s());
	*found = er_query_row(&q);
	if (*found)
		*out = (er_kv_entry){
		    .key = er_arena_copy(a, key),
		    .expires_s = er_col_int(&q, 0),
		    .sequence = (uint64_t)er_col_int(&q, 1),
		    .metadata = er_col_copy(&q, 2, a),
		    .value = er_col_copy(&q, 3, a),
		    .parts = er_col_int(&q, 4),
		    .size = (uint64_t)er_col_int(&q, 5),
		};
	return er_query_end(&q, err);
}

/* A value in parts is held before it is believed: it may have been replaced and removed since its
 * row was read. Then the row is another one by now. */
static bool look(er_store *s, er_db *db, er_arena *a, int64_t ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	for (unsigned tries = 0; tries < LOOKS; tries++) {
		bool there = false;
		if (!get(db, a, ns, key, out, found, err))
			return false;
		if (!*found || out->parts == 0)
			return true;
		if (!er_kv_hold(s, out->parts))
			continue;
		er_query q = er_query_of(db, "SELECT 1 FROM part WHERE parts = ?1 AND n = 0");
		er_bind_int(&q, out->parts);
		bool good = er_query_any(&q, &there, err);
		if (good && there)
			return true;
		er_kv_let_go(s, out->parts);
		if (!good)
			return false;
	}
	return er_fail(err, ER_ERR_IO, "the value of \"%.*s\" is replaced faster than it can be read",
	               ER_FMT(er_slice_head(key, 80)));
}

bool er_kv_look(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	int64_t id;
	*found = false;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	er_db *db = er_pool_take(&s->kv_readers, err);
	if (db == NULL)
		return false;
	bool good = look(s, db, a, id, key, out, found, err);
	er_pool_give(&s->kv_readers, db);
	return good;
}

/* All of a value in parts, in the arena. */
static bool join(er_store *s, er_arena *a, er_kv_entry *e, er_err *err)
{
	uint8_t *to = er_arena_alloc(a, e->size);
	e->value = er_slice_of(to, e->size);
	for (unsigned i = 0; to < e->value.p + e->value.n; i++) {
		er_piece piece;
		if (!er_kv_part(s, e->parts, i, &piece, err))
			return false;
		bool fits = piece.n > 0 && piece.n <= (size_t)(e->value.p + e->value.n - to);
		if (fits)
			er_copy(to, piece.p, piece.n);
		to += piece.n;
		er_piece_drop(&piece);
		if (!fits)
			return er_fail(err, ER_ERR_IO, "the value of \"%.*s\" is damaged", ER_FMT(er_slice_head(e->key, 80)));
	}
	return true;
}

bool er_kv_get(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	if (!er_kv_look(s, a, ns, key, out, found, err))
		return false;
	if (!*found || out->parts == 0)
		return true;
	bool good = join(s, a, out, err);
	er_kv_let_go(s, out->parts);
	*found = good;
	out->parts = 0;
	return good;
}

/* The first key that is wanted: after the cursor, and not before the prefix. */
static er_slice first_key(er_slice prefix, er_slice after, bool *inclusive)
{
	int order = prefix.n && after.n ? memcmp(prefix.p, after.p, prefix.n < after.n ? prefix.n : after.n) : 0;
	*inclusive = order > 0 || (order == 0 && prefix.n > after.n) || after.n == 0;
	return *inclusive ? prefix : after;
}

/* `most` rows, and one more to know whether there are more. The rows come in order, so the first
 * without the prefix ends them. */
static bool list(er_arena *a, er_slice prefix, unsigned most, er_query *q, er_buf *rows, bool *more, er_err *err)
{
	unsigned n = 0;
	while (er_query_row(q) && er_slice_starts(er_col_bytes(q, 0), prefix)) {
		if (n++ == most) {
			*more = true;
			break;
		}
		er_kv_entry e = {
		    .key = er_col_copy(q, 0, a),
		    .expires_s = er_col_int(q, 1),
		    .sequence = (uint64_t)er_col_int(q, 2),
		    .metadata = er_col_copy(q, 3, a),
		};
		er_buf_put(rows, er_slice_of(&e, sizeof e));
	}
	return er_query_end(q, err);
}

bool er_kv_list(er_store *s, er_arena *a, er_slice ns, er_slice prefix, er_slice after, unsigned most, er_kv_entry **out,
                size_t *n, bool *more, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	int64_t id;
	bool inclusive;
	er_buf rows;
	*more = false;
	*n = 0;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	er_db *db = er_pool_take(&s->kv_readers, err);
	if (db == NULL)
		return false;
	er_slice from = first_key(prefix, after, &inclusive);
#define LIST(comparison) \
	"SELECT key, expires_s, sequence, metadata FROM kv WHERE ns = ?1 AND key " comparison \
	" ?2 AND (expires_s = 0 OR expires_s > ?3)" \
	" ORDER BY key"
	er_query q = er_query_of(db, inclusive ? LIST(">=") : LIST(">"));
#undef LIST
	er_bind_int(&q, id);
	er_bind_blob(&q, from);
	er_bind_int(&q, er_clock_wall_s());
	er_buf_init(&rows);
	bool good = list(a, prefix, most, &q, &rows, more, err);
	*out = er_rows_take(&rows, a, sizeof **out, n);
	ER_ASSERT(*n <= most);
	er_pool_give(&s->kv_readers, db);
	return good;
}

/* Counted by triggers (schema.c): a namespace without rows has no tally. */
static bool tally(er_db *db, int64_t id, er_kv_namespace_row *row, er_err *err)
{
	er_query q = er_query_of(db, "SELECT keys, bytes FROM tally WHERE ns = ?1");
	er_bind_int(&q, id);
	if (er_query_row(&q)) {
		row->keys = (uint64_t)er_col_int(&q, 0);
		row->bytes = (uint64_t)er_col_int(&q, 1);
	}
	return er_query_end(&q, err);
}

bool er_kv_namespaces(er_store *s, er_arena *a, er_kv_namespace_row **out, size_t *n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	*n = 0;
	er_db *db = er_pool_take(&s->kv_readers, err);
	if (db == NULL)
		return false;
	er_namespaces names = er_namespaces_copy(s);
	er_kv_namespace_row *rows = er_arena_zalloc(a, names.n * sizeof *rows);
	bool good = true;
	for (size_t i = 0; good && i < names.n; i++) {
		rows[i].name = er_arena_copy(a, er_slice_cstr(names.all[i].name));
		good = tally(db, names.all[i].id, &rows[i], err);
	}
	*out = rows;
	*n = good ? names.n : 0;
	er_namespaces_fini(&names);
	er_pool_give(&s->kv_readers, db);
	return good;
}

bool er_kv_namespace(er_store *s, er_slice name, int64_t *id, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	return er_namespace_find(s, name, id, err);
}
