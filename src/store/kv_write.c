/* Writing to the KV: one connection, s->kv, and s->kv_lock around it, so that writers of this
 * process wait for each other here and not in SQLite, which would have them sleep and try again.
 *
 * er_kv_put writes all of its entries or none. er_kv_write takes the operations of many askers into
 * one transaction, so that they share one sync of the disk: one that cannot be done leaves nothing,
 * and the others go on. An operation of several statements is wrapped in a savepoint for that.
 *
 * Every write has a sequence, which only grows (`clock`). Of two writers of one key the higher one
 * wins: that is what lets entries of another node come in any order. kv.db is synced with every
 * commit.
 *
 * A limit of a namespace holds for what it has. Long values that were replaced, and those that are
 * not finished, take room on the disk beside that, until the sweep has been there; they have a
 * bound of their own (room_on_disk). Who writes near that bound removes twice as much as he
 * writes, before he writes: so nobody gets more room by writing faster than the sweep is. */
#include "base/buf.h"
#include "base/clock.h"
#include "store/room.h"

enum {
	TOLD_ONE_BY_ONE = 200,
	MAKE_ROOM = 1000,   /* expired entries that one put removes at most */
	SWEEP_AT_ONCE = 64, /* parts */
};

/* ---- limits ---- */

void er_kv_limit(er_store *s, uint64_t namespace_bytes)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	__atomic_store_n(&s->kv_most, namespace_bytes, __ATOMIC_RELAXED);
}

static uint64_t value_n(const er_kv_entry *e)
{
	return e->parts > 0 ? e->size : e->value.n;
}

/* Keys and values are bytes; metadata is JSON text, which the caller has read. */
static bool entry_check(const er_kv_entry *e, er_err *err)
{
	if (e->key.n == 0 || e->key.n > ER_KV_KEY_MAX)
		return er_fail(err, e->key.n ? ER_ERR_TOO_LARGE : ER_ERR_INVALID, "a key has 1 to %d bytes, not %zu", ER_KV_KEY_MAX,
		               e->key.n);
	if (value_n(e) > ER_KV_VALUE_MAX)
		return er_fail(err, ER_ERR_TOO_LARGE, "the value of \"%.*s\" has %llu bytes, %d (25 MB) is the most",
		               ER_FMT(er_slice_head(e->key, 80)), (unsigned long long)value_n(e), ER_KV_VALUE_MAX);
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

static bool number_of(er_query *q, uint64_t *out, er_err *err)
{
	*out = er_query_row(q) ? (uint64_t)er_col_int(q, 0) : 0;
	return er_query_end(q, err);
}

/* Bytes that count against the limit: a key takes some also if it and its value are short. */
static bool bytes_of(er_store *s, int64_t ns, uint64_t *out, er_err *err)
{
	er_query q = er_query_of(s->kv, "SELECT bytes + keys * ?2 FROM tally WHERE ns = ?1");
	er_bind_int(&q, ns);
	er_bind_int(&q, ER_KV_KEY_BYTES);
	return number_of(&q, out, err);
}

/* What has expired and was not swept yet takes no room from what is written. */
static bool make_room(er_store *s, int64_t ns, er_err *err)
{
	er_query q = er_query_of(s->kv, "DELETE FROM kv WHERE id IN (SELECT id FROM kv WHERE ns = ?1 AND expires_s > 0"
	                                " AND expires_s <= ?2 LIMIT ?3)");
	er_bind_int(&q, ns);
	er_bind_int(&q, er_clock_wall_s());
	er_bind_int(&q, MAKE_ROOM);
	return er_query_run(&q, err);
}

/* What the key has now is not counted twice. */
static bool fits(er_store *s, er_slice name, int64_t ns, const er_kv_entry *e, er_err *err)
{
	uint64_t most = __atomic_load_n(&s->kv_most, __ATOMIC_RELAXED), bytes, before;
	if (most == 0)
		return true;
	if (!bytes_of(s, ns, &bytes, err))
		return false;
	uint64_t more = e->key.n + value_n(e) + ER_KV_KEY_BYTES;
	if (bytes + more <= most)
		return true;
	if (!make_room(s, ns, err) || !bytes_of(s, ns, &bytes, err))
		return false;
	if (bytes + more <= most)
		return true;
	er_query q = er_query_of(s->kv, "SELECT length(key) + length(value) + size + ?3 FROM kv WHERE ns = ?1 AND key = ?2");
	er_bind_int(&q, ns);
	er_bind_blob(&q, e->key);
	er_bind_int(&q, ER_KV_KEY_BYTES);
	if (!number_of(&q, &before, err))
		return false;
	if (bytes + more <= most + before || more <= before)
		return true;
	return er_fail(err, ER_ERR_TOO_LARGE,
	               "the KV namespace %.*s is full: its keys and values may have %llu MB (limits.kvNamespaceMb of node.jsonc)",
	               ER_FMT(name), (unsigned long long)(most >> 20));
}

/* ---- room on the disk ---- */

/* A namespace may have as much again as its limit, and one value, of what nobody sees. */
static bool within_disk(er_store *s, int64_t ns, uint64_t more, bool *fits, er_err *err)
{
	uint64_t most = __atomic_load_n(&s->kv_most, __ATOMIC_RELAXED), bytes, waste;
	*fits = true;
	if (most == 0)
		return true;
	if (!bytes_of(s, ns, &bytes, err) || !er_kv_waste(s->kv, ns, &waste, err))
		return false;
	*fits = bytes + waste + more <= 2 * most + ER_KV_VALUE_MAX;
	return true;
}

static bool room_on_disk(er_store *s, er_slice name, int64_t ns, uint64_t more, er_err *err)
{
	bool good;
	if (!within_disk(s, ns, more, &good, err))
		return false;
	return good || er_fail(err, ER_ERR_UNAVAILABLE,
	                       "the KV namespace %.*s has too many long values that were replaced or are not finished yet: try again "
	                       "later",
	                       ER_FMT(name));
}

/* Before a transaction that writes so many bytes of long values. What goes wrong here goes wrong
 * there as well. */
static void make_room_on_disk(er_store *s, int64_t ns, uint64_t more)
{
	er_err err = {0};
	unsigned left = 2 * (unsigned)(more / ER_KV_PART) + SWEEP_AT_ONCE, removed;
	for (bool fits; within_disk(s, ns, more, &fits, &err) && !fits && left > 0; left -= removed)
		if (!er_kv_remove_waste(s, ns, left < SWEEP_AT_ONCE ? left : SWEEP_AT_ONCE, &removed, &err) || removed == 0)
			return;
}

/* ---- one entry ---- */

/* An entry that comes with a sequence (from another node) loses against one with a higher sequence;
 * one without is the newest by definition. */
static bool put_row(er_db *db, int64_t ns, const er_kv_entry *e, uint64_t *sequence, er_err *err)
{
	uint64_t mine = e->sequence ? e->sequence : *sequence + 1;
	ER_ASSERT(er_db_in_transaction(db));
	if (mine > *sequence)
		*sequence = mine;
	er_query q = er_query_of(
	    db, "INSERT INTO kv(ns, key, expires_s, sequence, metadata, value, parts, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
	        " ON CONFLICT (ns, key) DO UPDATE SET expires_s = excluded.expires_s, sequence = excluded.sequence,"
	        " metadata = excluded.metadata, value = excluded.value, parts = excluded.parts, size = excluded.size"
	        " WHERE excluded.sequence > kv.sequence");
	er_bind_int(&q, ns);
	er_bind_blob(&q, e->key);
	er_bind_int(&q, e->expires_s);
	er_bind_int(&q, (int64_t)mine);
	er_bind_text(&q, e->metadata);
	er_bind_blob(&q, e->parts > 0 ? (er_slice){0} : e->value);
	er_bind_int(&q, e->parts);
	er_bind_int(&q, e->parts > 0 ? (int64_t)e->size : 0);
	if (!er_query_run(&q, err))
		return false;
	/* An older one: its parts are nobody's. */
	return e->parts == 0 || er_db_changes(db) > 0 || er_kv_parts_leave(db, ns, e->parts, e->size, err);
}

/* A long value that came whole goes into parts. */
static bool put_long(er_store *s, er_slice name, int64_t ns, const er_kv_entry *e, uint64_t *sequence, er_err *err)
{
	er_db *db = s->kv;
	er_kv_entry in = *e;
	if (in.parts == 0) {
		in.size = e->value.n;
		if (!room_on_disk(s, name, ns, in.size, err) || !er_kv_parts_new(db, ns, &in.parts, err))
			return false;
		er_slice rest = e->value;
		for (unsigned i = 0; rest.n > 0; i++) {
			er_slice part = er_slice_head(rest, ER_KV_PART);
			if (!er_kv_parts_add(db, in.parts, i, part, err))
				return false;
			rest = er_slice_from(rest, part.n);
		}
	}
	return er_kv_parts_take(db, in.parts, in.size, err) && put_row(db, ns, &in, sequence, err);
}

/* Nothing of it is left if it fails. */
static bool put(er_store *s, er_slice name, int64_t ns, const er_kv_entry *e, uint64_t *sequence, er_err *err)
{
	if (!fits(s, name, ns, e, err))
		return false;
	if (value_n(e) <= ER_KV_PART && e->parts == 0)
		return put_row(s->kv, ns, e, sequence, err);
	if (!er_db_exec(s->kv, "SAVEPOINT one", err))
		return false;
	if (put_long(s, name, ns, e, sequence, err))
		return er_db_exec(s->kv, "RELEASE one", err);
	if (er_db_in_transaction(s->kv) && !er_db_exec(s->kv, "ROLLBACK TO one; RELEASE one", NULL))
		er_db_rollback(s->kv);
	return false;
}

/* An expired entry goes as well, and did not exist. */
static bool delete (er_db *db, int64_t ns, er_slice key, bool *existed, er_err *err)
{
	*existed = false;
	er_query q = er_query_of(db, "DELETE FROM kv WHERE ns = ?1 AND key = ?2 RETURNING expires_s");
	er_bind_int(&q, ns);
	er_bind_blob(&q, key);
	while (er_query_row(&q))
		*existed = er_col_int(&q, 0) == 0 || er_col_int(&q, 0) > er_clock_wall_s();
	return er_query_end(&q, err);
}

/* ---- who wants to know ---- */

void er_kv_watch(er_store *s, er_kv_changed *changed, void *ctx)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	s->kv_changed = changed;
	s->kv_changed_ctx = ctx;
}

static void tell(er_store *s, int64_t ns, er_slice key)
{
	if (s->kv_changed != NULL)
		s->kv_changed(s->kv_changed_ctx, ns, key);
}

bool er_kv_foreign(er_store *s, int64_t *version, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	pthread_mutex_lock(&s->kv_lock);
	er_query q = er_query_of(s->kv, "PRAGMA data_version");
	*version = er_query_row(&q) ? er_col_int(&q, 0) : 0;
	bool good = er_query_end(&q, err);
	pthread_mutex_unlock(&s->kv_lock);
	return good;
}

/* ---- transactions ---- */

/* The clock is written once, behind the entries: nothing of the transaction is seen before its
 * end. */
static bool put_all(er_store *s, er_slice name, int64_t ns, const er_kv_entry *entries, size_t n, er_err *err)
{
	uint64_t sequence;
	if (!er_db_begin(s->kv, err))
		return false;
	bool good = read_clock(s->kv, &sequence, err);
	for (size_t i = 0; good && i < n; i++)
		good = put(s, name, ns, &entries[i], &sequence, err);
	if (good && write_clock(s->kv, sequence, err))
		return er_db_commit(s->kv, err);
	er_db_rollback(s->kv);
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
	uint64_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += entries[i].parts == 0 && entries[i].value.n > ER_KV_PART ? entries[i].value.n : 0;
	pthread_mutex_lock(&s->kv_lock);
	ER_ASSERT(!er_db_in_transaction(s->kv));
	if (bytes > 0)
		make_room_on_disk(s, id, bytes);
	bool good = put_all(s, ns, id, entries, n, err);
	pthread_mutex_unlock(&s->kv_lock);
	if (good && n > TOLD_ONE_BY_ONE)
		tell(s, id, (er_slice){0});
	for (size_t i = 0; good && n <= TOLD_ONE_BY_ONE && i < n; i++)
		tell(s, id, entries[i].key);
	return good;
}

bool er_kv_delete(er_store *s, er_slice ns, er_slice key, bool *existed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	int64_t id;
	*existed = false;
	if (!er_namespace_find(s, ns, &id, err))
		return false;
	pthread_mutex_lock(&s->kv_lock);
	bool good = delete (s->kv, id, key, existed, err);
	pthread_mutex_unlock(&s->kv_lock);
	*existed = *existed && good;
	if (good)
		tell(s, id, key);
	return good;
}

/* The number of a new value is held from the moment it is there. */
static bool add_part(er_store *s, int64_t ns, er_kv_op *op)
{
	er_kv_entry *e = &op->entry;
	bool first = e->parts == 0;
	if (!room_on_disk(s, op->ns, ns, e->value.n, &op->err))
		return false;
	if (first && !er_kv_parts_new(s->kv, ns, &e->parts, &op->err)) {
		e->parts = 0;
		return false;
	}
	if (first && !er_kv_hold(s, e->parts)) /* a new number is not being removed */
		return false;
	if (er_kv_parts_add(s->kv, e->parts, op->part, e->value, &op->err))
		return true;
	if (first) {
		er_kv_let_go(s, e->parts);
		e->parts = 0;
	}
	return false;
}

static bool run(er_store *s, er_kv_op *op, uint64_t *sequence)
{
	int64_t ns;
	op->err = (er_err){0};
	if (!er_namespace_find(s, op->ns, &ns, &op->err))
		return false;
	switch (op->kind) {
	case ER_KV_OP_PUT:
		return entry_check(&op->entry, &op->err) && put(s, op->ns, ns, &op->entry, sequence, &op->err);
	case ER_KV_OP_DELETE:
		return delete (s->kv, ns, op->entry.key, &op->existed, &op->err);
	case ER_KV_OP_PART:
		return add_part(s, ns, op);
	default:
		ER_ASSERT(false && "an operation that there is not");
		return false;
	}
}

/* Nothing of any of them is there. */
static void fail_all(er_store *s, er_kv_op *const *ops, size_t n, const er_err *err)
{
	for (size_t i = 0; i < n; i++) {
		er_kv_op *op = ops[i];
		if (op->err.kind != ER_ERR_OK)
			continue;
		op->err = *err;
		if (op->kind == ER_KV_OP_PART && op->part == 0) {
			er_kv_let_go(s, op->entry.parts);
			op->entry.parts = 0;
		}
	}
}

/* With the lock. */
static void write_all(er_store *s, er_kv_op *const *ops, size_t n)
{
	uint64_t sequence = 0;
	er_err err = {0};
	size_t done = 0;
	bool good = er_db_begin(s->kv, &err) && read_clock(s->kv, &sequence, &err);
	for (; good && done < n; done++) {
		bool ok = run(s, ops[done], &sequence);
		ER_ASSERT(ok == (ops[done]->err.kind == ER_ERR_OK));
		/* A disk that is full, or fails, ends the transaction for all. */
		if (!er_db_in_transaction(s->kv)) {
			good = false;
			err = ops[done++]->err;
			break;
		}
	}
	good = good && write_clock(s->kv, sequence, &err) && er_db_commit(s->kv, &err);
	if (good)
		return;
	er_db_rollback(s->kv);
	fail_all(s, ops, done, &err);
	for (; done < n; done++)
		ops[done]->err = err;
}

static uint64_t long_bytes(const er_kv_op *op)
{
	bool is = op->kind == ER_KV_OP_PART || (op->kind == ER_KV_OP_PUT && op->entry.value.n > ER_KV_PART);
	return is ? op->entry.value.n : 0;
}

/* For all of them together in each of their namespaces, which is enough. */
static void make_room_for_all(er_store *s, er_kv_op *const *ops, size_t n)
{
	uint64_t bytes = 0;
	int64_t done = 0;
	for (size_t i = 0; i < n; i++)
		bytes += long_bytes(ops[i]);
	for (size_t i = 0; bytes > 0 && i < n; i++) {
		int64_t ns;
		er_err err = {0};
		if (long_bytes(ops[i]) == 0 || !er_namespace_find(s, ops[i]->ns, &ns, &err) || ns == done)
			continue;
		make_room_on_disk(s, ns, bytes);
		done = ns;
	}
}

void er_kv_write(er_store *s, er_kv_op *const *ops, size_t n)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	pthread_mutex_lock(&s->kv_lock);
	ER_ASSERT(!er_db_in_transaction(s->kv));
	make_room_for_all(s, ops, n);
	write_all(s, ops, n);
	pthread_mutex_unlock(&s->kv_lock);
	for (size_t i = 0; i < n; i++) {
		const er_kv_op *op = ops[i];
		int64_t ns;
		er_err err = {0};
		if (op->err.kind == ER_ERR_OK && op->kind != ER_KV_OP_PART && er_namespace_find(s, op->ns, &ns, &err))
			tell(s, ns, op->entry.key);
	}
}
