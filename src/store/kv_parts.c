/* Long values of the KV, which lie in parts (table `part`) under a number.
 *
 * The life of a value in parts: er_kv_parts_new gives it a number and notes it as loose, parts are
 * added, each with a commit of its own, and er_kv_parts_take makes it the value of a key. It is
 * loose again when its key is deleted or gets another value (triggers, schema.c). What is loose and
 * held by nobody is removed by the sweep. A process that ends in the middle of a value leaves it
 * loose.
 *
 * Holds: whoever reads or writes parts holds their number, in this process's memory. The sweep asks
 * there before it removes anything, and marks what it removes, so that nobody takes hold of that
 * any more. During a take-over two processes write the same database and do not know each other's
 * holds: so a store that took over a moment ago does not sweep parts, and a value is taken only if
 * all of it is there. */
#include "base/clock.h"
#include "store/room.h"

/* ---- holds ---- */

static struct er_kv_hold *find_hold(er_kv_holds *h, int64_t parts)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->all[i].parts == parts)
			return &h->all[i];
	return NULL;
}

bool er_kv_hold(er_store *s, int64_t parts)
{
	er_kv_holds *h = &s->kv_holds;
	ER_ASSERT(parts > 0);
	pthread_mutex_lock(&h->lock);
	struct er_kv_hold *it = find_hold(h, parts);
	bool ok = h->swept != parts;
	if (it != NULL) {
		it->n++;
	} else if (ok) {
		if (h->n == h->cap) {
			h->cap = h->cap * 2 + 16;
			h->all = er_realloc(h->all, h->cap * sizeof *h->all);
		}
		h->all[h->n++] = (struct er_kv_hold){.parts = parts, .n = 1};
	}
	pthread_mutex_unlock(&h->lock);
	ER_ASSERT(ok || it == NULL);
	return ok;
}

void er_kv_let_go(er_store *s, int64_t parts)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_kv_holds *h = &s->kv_holds;
	pthread_mutex_lock(&h->lock);
	struct er_kv_hold *it = find_hold(h, parts);
	ER_ASSERT(it != NULL && it->n > 0);
	if (--it->n == 0)
		*it = h->all[--h->n];
	pthread_mutex_unlock(&h->lock);
}

/* ---- reading ---- */

bool er_kv_part(er_store *s, int64_t parts, unsigned i, er_piece *out, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	er_db *db = er_pool_take(&s->kv_readers, err);
	if (db == NULL)
		return false;
	er_query q = er_query_of(db, "SELECT bytes FROM part WHERE parts = ?1 AND n = ?2");
	er_bind_int(&q, parts);
	er_bind_int(&q, i);
	bool there = er_query_row(&q);
	if (there)
		*out = er_piece_copy(er_col_bytes(&q, 0));
	bool good = er_query_end(&q, err);
	er_pool_give(&s->kv_readers, db);
	if (good && there)
		return true;
	if (there)
		er_piece_drop(out);
	return !good ? false : er_fail(err, ER_ERR_IO, "the value was removed while it was read");
}

/* ---- writing ---- */

bool er_kv_parts_leave(er_db *db, int64_t parts, er_err *err)
{
	er_query q = er_query_of(db, "INSERT INTO loose VALUES (?1)");
	er_bind_int(&q, parts);
	return er_query_run(&q, err);
}

bool er_kv_parts_new(er_db *db, int64_t *parts, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db));
	er_query q = er_query_of(db, "UPDATE clock SET parts = parts + 1 RETURNING parts");
	*parts = 0;
	while (er_query_row(&q))
		*parts = er_col_int(&q, 0);
	return er_query_end(&q, err) && er_kv_parts_leave(db, *parts, err);
}

bool er_kv_parts_add(er_db *db, int64_t parts, unsigned n, er_slice bytes, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db) && bytes.n > 0 && bytes.n <= ER_KV_PART);
	er_query q = er_query_of(db, "INSERT INTO part VALUES (?1, ?2, ?3)");
	er_bind_int(&q, parts);
	er_bind_int(&q, n);
	er_bind_blob(&q, bytes);
	return er_query_run(&q, err);
}

bool er_kv_parts_take(er_db *db, int64_t parts, uint64_t size, er_err *err)
{
	uint64_t n = 0, bytes = 0;
	ER_ASSERT(er_db_in_transaction(db));
	er_query q = er_query_of(db, "SELECT count(*), sum(length(bytes)) FROM part WHERE parts = ?1");
	er_bind_int(&q, parts);
	if (er_query_row(&q)) {
		n = (uint64_t)er_col_int(&q, 0);
		bytes = (uint64_t)er_col_int(&q, 1);
	}
	if (!er_query_end(&q, err))
		return false;
	q = er_query_of(db, "DELETE FROM loose WHERE parts = ?1");
	er_bind_int(&q, parts);
	if (!er_query_run(&q, err))
		return false;
	if (er_db_changes(db) == 1 && bytes == size && n == (size + ER_KV_PART - 1) / ER_KV_PART)
		return true;
	return er_fail(err, ER_ERR_IO, "a part of the value is missing: put it again");
}

/* ---- sweeping ---- */

/* The first that nobody holds; nobody takes hold of it from now on. 0: there is none. */
static bool claim(er_store *s, int64_t *parts, er_err *err)
{
	er_kv_holds *h = &s->kv_holds;
	er_query q = er_query_of(s->kv, "SELECT parts FROM loose ORDER BY parts");
	*parts = 0;
	while (*parts == 0 && er_query_row(&q)) {
		int64_t it = er_col_int(&q, 0);
		pthread_mutex_lock(&h->lock);
		if (find_hold(h, it) == NULL)
			*parts = h->swept = it;
		pthread_mutex_unlock(&h->lock);
	}
	return er_query_end(&q, err);
}

static bool remove_parts(er_db *db, int64_t parts, unsigned most, unsigned *removed, er_err *err)
{
	er_query q = er_query_of(db, "DELETE FROM part WHERE parts = ?1 AND n IN (SELECT n FROM part WHERE parts = ?1 LIMIT ?2)");
	er_bind_int(&q, parts);
	er_bind_int(&q, most);
	if (!er_query_run(&q, err))
		return false;
	*removed = (unsigned)er_db_changes(db);
	if (*removed == most)
		return true;
	q = er_query_of(db, "DELETE FROM loose WHERE parts = ?1");
	er_bind_int(&q, parts);
	return er_query_run(&q, err);
}

bool er_kv_sweep_parts(er_store *s, unsigned most, unsigned *removed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	ER_ASSERT(most > 0);
	int64_t parts = 0;
	*removed = 0;
	if (er_clock_mono_us() < s->shared_until_us)
		return true;
	pthread_mutex_lock(&s->kv_lock);
	bool good = er_db_begin(s->kv, err);
	if (good) {
		good = claim(s, &parts, err) && (parts == 0 || remove_parts(s->kv, parts, most, removed, err));
		if (!good)
			er_db_rollback(s->kv);
		else
			good = er_db_commit(s->kv, err);
	}
	pthread_mutex_lock(&s->kv_holds.lock);
	s->kv_holds.swept = 0;
	pthread_mutex_unlock(&s->kv_holds.lock);
	pthread_mutex_unlock(&s->kv_lock);
	if (!good)
		*removed = 0;
	return good;
}
