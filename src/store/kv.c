/* KV: bytes by key, in namespaces. Any thread.
 *
 * Reading: a name becomes the number of a namespace (kv_names.c, in memory), a connection is taken
 * from the pool for the call, and what is found is copied into the caller's arena. Readers of a WAL
 * database wait for nobody. Writing: one connection, s->kv, and s->kv_lock around it, so that
 * writers of this process wait for each other here and not in SQLite, which would have them sleep
 * and try again.
 *
 * An entry that has expired is not there for readers from that second on; er_kv_sweep, called from
 * time to time, only gives its space back, and that of namespaces which were deleted.
 *
 * Every write has a sequence, which only grows (`clock`). Of two writers of one key the higher one
 * wins: that is what lets entries of another node come in any order. kv.db is not synced with every
 * commit: a power cut may take the last moments, and leaves a state that there was. */
#include "base/buf.h"
#include "base/clock.h"
#include "store/kv.h"
#include "store/room.h"

static int64_t now_s(void)
{
	return (int64_t)(er_clock_wall_us() / 1000000);
}

/* ---- reading ---- */

/* One that has expired is not there, though its row may be. */
static bool get(er_db *db, er_arena *a, int64_t ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	er_query q = er_query_of(db, "SELECT expires_s, sequence, metadata, value FROM kv WHERE ns = ?1 AND key = ?2"
	                             " AND (expires_s = 0 OR expires_s > ?3)");
	er_bind_int(&q, ns);
	er_bind_blob(&q, key);
	er_bind_int(&q, now_s());
	*found = er_query_row(&q);
	if (*found)
		*out = (er_kv_entry){
		    .key = er_arena_copy(a, key),
		    .expires_s = er_col_int(&q, 0),
		    .sequence = (uint64_t)er_col_int(&q, 1),
		    .metadata = er_col_copy(&q, 2, a),
		    .value = er_col_copy(&q, 3, a),
		};
	return er_query_end(&q, err);
}

bool er_kv_get(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	int64_t id;
	*found = false;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	er_db *db = er_pool_take(&s->kv_readers, err);
	if (db == NULL)
		return false;
	bool good = get(db, a, id, key, out, found, err);
	er_pool_give(&s->kv_readers, db);
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
	er_bind_int(&q, now_s());
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

/* ---- writing ---- */

/* Keys and values are bytes; metadata is JSON text, which the caller has read. */
static bool entry_check(const er_kv_entry *e, er_err *err)
{
	if (e->key.n == 0 || e->key.n > ER_KV_KEY_MAX)
		return er_fail(err, e->key.n ? ER_ERR_TOO_LARGE : ER_ERR_INVALID, "a key has 1 to %d bytes, not %zu", ER_KV_KEY_MAX,
		               e->key.n);
	if (e->value.n > ER_KV_VALUE_MAX)
		return er_fail(err, ER_ERR_TOO_LARGE, "the value of \"%.*s\" has %zu bytes, %d is the most",
		               ER_FMT(er_slice_head(e->key, 80)), e->value.n, ER_KV_VALUE_MAX);
	if (e->expires_s < 0)
		return er_fail(err, ER_ERR_INVALID, "the expiry of \"%.*s\" lies before 1970", ER_FMT(er_slice_head(e->key, 80)));
	return er_text_check("metadata of a key", e->metadata, ER_KV_METADATA_MAX, err);
}

/* In the transaction that writes: another process may have moved it. */
static bool read_clock(er_db *db, uint64_t *sequence, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db));
	er_query q = er_query_of(db, "SELECT sequence FROM clock");
	*sequence = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_end(&q, err);
}

static bool write_clock(er_db *db, uint64_t sequence, er_err *err)
{
	er_query q = er_query_of(db, "UPDATE clock SET sequence = ?1");
	er_bind_int(&q, (int64_t)sequence);
	return er_query_run(&q, err);
}

/* An entry that comes with a sequence (from another node) loses against one with a higher sequence;
 * one without is the newest by definition. */
static bool put(er_db *db, int64_t ns, const er_kv_entry *e, uint64_t *sequence, er_err *err)
{
	uint64_t mine = e->sequence ? e->sequence : *sequence + 1;
	ER_ASSERT(er_db_in_transaction(db));
	if (mine > *sequence)
		*sequence = mine;
	er_query q =
	    er_query_of(db, "INSERT INTO kv(ns, key, expires_s, sequence, metadata, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
	                    " ON CONFLICT (ns, key) DO UPDATE SET expires_s = excluded.expires_s, sequence = excluded.sequence,"
	                    " metadata = excluded.metadata, value = excluded.value WHERE excluded.sequence > kv.sequence");
	er_bind_int(&q, ns);
	er_bind_blob(&q, e->key);
	er_bind_int(&q, e->expires_s);
	er_bind_int(&q, (int64_t)mine);
	er_bind_text(&q, e->metadata);
	er_bind_blob(&q, e->value);
	return er_query_run(&q, err);
}

/* The clock is written once, behind the entries: nothing of the transaction is seen before its
 * end. */
static bool put_all(er_db *db, int64_t ns, const er_kv_entry *entries, size_t n, er_err *err)
{
	uint64_t sequence;
	if (!er_db_begin(db, err))
		return false;
	bool good = read_clock(db, &sequence, err);
	for (size_t i = 0; good && i < n; i++)
		good = put(db, ns, &entries[i], &sequence, err);
	if (good && write_clock(db, sequence, err))
		return er_db_commit(db, err);
	er_db_rollback(db);
	return false;
}

bool er_kv_put(er_store *s, er_slice ns, const er_kv_entry *entries, size_t n, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT(n == 0 || entries != NULL);
	int64_t id;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!entry_check(&entries[i], err))
			return false;
	pthread_mutex_lock(&s->kv_lock);
	ER_ASSERT(!er_db_in_transaction(s->kv));
	bool good = put_all(s->kv, id, entries, n, err);
	pthread_mutex_unlock(&s->kv_lock);
	return good;
}

/* An expired entry goes as well, and did not exist. */
bool er_kv_delete(er_store *s, er_slice ns, er_slice key, bool *existed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	int64_t id;
	*existed = false;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	pthread_mutex_lock(&s->kv_lock);
	er_query q = er_query_of(s->kv, "DELETE FROM kv WHERE ns = ?1 AND key = ?2 RETURNING expires_s");
	er_bind_int(&q, id);
	er_bind_blob(&q, key);
	while (er_query_row(&q))
		*existed = er_col_int(&q, 0) == 0 || er_col_int(&q, 0) > now_s();
	bool good = er_query_end(&q, err);
	pthread_mutex_unlock(&s->kv_lock);
	*existed = *existed && good;
	return good;
}

/* ---- sweeping ---- */

static bool sweep_expired(er_db *db, unsigned most, unsigned *removed, er_err *err)
{
	er_query q =
	    er_query_of(db, "DELETE FROM kv WHERE id IN (SELECT id FROM kv WHERE expires_s > 0 AND expires_s <= ?1 LIMIT ?2)");
	er_bind_int(&q, now_s());
	er_bind_int(&q, most);
	if (!er_query_run(&q, err))
		return false;
	*removed += (unsigned)er_db_changes(db);
	ER_ASSERT(*removed <= most);
	return true;
}

/* Its tally goes with its last row: then nothing is left that says it was there. */
static bool sweep_namespace(er_db *db, int64_t ns, unsigned most, unsigned *removed, er_err *err)
{
	ER_ASSERT(most > 0);
	er_query q = er_query_of(db, "DELETE FROM kv WHERE id IN (SELECT id FROM kv WHERE ns = ?1 LIMIT ?2)");
	er_bind_int(&q, ns);
	er_bind_int(&q, most);
	if (!er_query_run(&q, err))
		return false;
	*removed += (unsigned)er_db_changes(db);
	er_query t = er_query_of(db, "DELETE FROM tally WHERE ns = ?1 AND keys = 0");
	er_bind_int(&t, ns);
	return er_query_run(&t, err);
}

/* Rows first, then names: a namespace gets its name before it gets rows, so what is not in the
 * names was deleted. The names come from the database and not from memory, since during a take-over
 * another process may have added one. */
static bool sweep_deleted(er_store *s, unsigned most, unsigned *removed, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(s->kv));
	er_buf ids;
	er_namespaces names = {0};
	er_buf_init(&ids);
	er_query q = er_query_of(s->kv, "SELECT ns FROM tally");
	while (er_query_row(&q)) {
		int64_t id = er_col_int(&q, 0);
		er_buf_put(&ids, er_slice_of(&id, sizeof id));
	}
	bool good = er_query_end(&q, err);
	er_db *control = good ? er_pool_take(&s->readers, err) : NULL;
	good = control != NULL && er_namespaces_read(control, &names, err);
	for (size_t i = 0; good && i < er_buf_len(&ids) / sizeof(int64_t); i++) {
		int64_t id = ((const int64_t *)(const void *)ids.p)[i];
		bool lives = false;
		for (size_t k = 0; k < names.n; k++)
			lives = lives || names.all[k].id == id;
		if (!lives && *removed < most)
			good = sweep_namespace(s->kv, id, most - *removed, removed, err);
	}
	if (control != NULL)
		er_pool_give(&s->readers, control);
	er_namespaces_fini(&names);
	er_buf_fini(&ids);
	return good;
}

bool er_kv_sweep(er_store *s, unsigned most, unsigned *removed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	*removed = 0;
	pthread_mutex_lock(&s->kv_lock);
	bool good = er_db_begin(s->kv, err);
	if (good) {
		good = sweep_expired(s->kv, most, removed, err) && sweep_deleted(s, most, removed, err);
		if (!good)
			er_db_rollback(s->kv);
		else
			good = er_db_commit(s->kv, err);
	}
	pthread_mutex_unlock(&s->kv_lock);
	if (!good)
		*removed = 0;
	return good;
}
