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
 * holds: so none of them sweeps as long as both have the folder open (er_dir_alone), and a value is
 * taken only if all of it is there.
 *
 * What is loose takes room of its namespace, which has a bound (kv_write.c): `waste` says whose it
 * was and how much of it is there. */
#include "base/clock.h"
#include "store/files.h"
#include "store/room.h"

/* ---- holds ---- */

static struct er_kv_hold *find_hold(er_kv_holds *h, int64_t parts)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->all[i].parts == parts)
			return &h->all[i];
	return NULL;
}

static bool is_swept(const er_kv_holds *h, int64_t parts)
{
	for (size_t i = 0; i < h->n_swept; i++)
		if (h->swept[i] == parts)
			return true;
	return false;
}

bool er_kv_hold(er_store *s, int64_t parts)
{
	er_kv_holds *h = &s->kv_holds;
	ER_ASSERT(parts > 0);
	pthread_mutex_lock(&h->lock);
	struct er_kv_hold *it = find_hold(h, parts);
	bool ok = !is_swept(h, parts);
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

bool er_kv_parts_leave(er_db *db, int64_t ns, int64_t parts, uint64_t bytes, er_err *err)
{
	er_query q = er_query_of(db, "INSERT INTO loose VALUES (?1)");
	er_bind_int(&q, parts);
	if (!er_query_run(&q, err))
		return false;
	q = er_query_of(db, "INSERT INTO waste VALUES (?1, ?2, ?3)");
	er_bind_int(&q, parts);
	er_bind_int(&q, ns);
	er_bind_int(&q, (int64_t)bytes);
	return er_query_run(&q, err);
}

bool er_kv_parts_new(er_db *db, int64_t ns, int64_t *parts, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db));
	er_query q = er_query_of(db, "UPDATE clock SET parts = parts + 1 RETURNING parts");
	*parts = 0;
	while (er_query_row(&q))
		*parts = er_col_int(&q, 0);
	return er_query_end(&q, err) && er_kv_parts_leave(db, ns, *parts, 0, err);
}

bool er_kv_parts_add(er_db *db, int64_t parts, unsigned n, er_slice bytes, er_err *err)
{
	ER_ASSERT(er_db_in_transaction(db) && bytes.n > 0 && bytes.n <= ER_KV_PART);
	er_query q = er_query_of(db, "INSERT INTO part VALUES (?1, ?2, ?3)");
	er_bind_int(&q, parts);
	er_bind_int(&q, n);
	er_bind_blob(&q, bytes);
	if (!er_query_run(&q, err))
		return false;
	q = er_query_of(db, "UPDATE waste SET bytes = bytes + ?2 WHERE parts = ?1");
	er_bind_int(&q, parts);
	er_bind_int(&q, (int64_t)bytes.n);
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

bool er_kv_waste(er_db *db, int64_t ns, uint64_t *bytes, er_err *err)
{
	er_query q = er_query_of(db, "SELECT bytes FROM waste_tally WHERE ns = ?1");
	er_bind_int(&q, ns);
	*bytes = er_query_row(&q) ? (uint64_t)er_col_int(&q, 0) : 0;
	return er_query_end(&q, err);
}

/* The first that nobody holds; nobody takes hold of it from now on. 0: there is none, or enough. */
static bool claim(er_store *s, int64_t ns, int64_t *parts, er_err *err)
{
	er_kv_holds *h = &s->kv_holds;
	er_query q = er_query_of(s->kv, ns > 0 ? "SELECT parts FROM waste WHERE ns = ?1 ORDER BY parts"
	                                       : "SELECT parts FROM loose ORDER BY parts");
	if (ns > 0)
		er_bind_int(&q, ns);
	*parts = 0;
	while (h->n_swept < ER_KV_SWEPT && *parts == 0 && er_query_row(&q)) {
		int64_t it = er_col_int(&q, 0);
		pthread_mutex_lock(&h->lock);
		if (find_hold(h, it) == NULL && !is_swept(h, it))
			*parts = h->swept[h->n_swept++] = it;
		pthread_mutex_unlock(&h->lock);
	}
	return er_query_end(&q, err);
}

static bool remove_parts(er_db *db, int64_t parts, unsigned most, unsigned *removed, er_err *err)
{
	int64_t bytes = 0;
	er_query q = er_query_of(db, "DELETE FROM part WHERE parts = ?1 AND n IN (SELECT n FROM part WHERE parts = ?1 LIMIT ?2)"
	                             " RETURNING length(bytes)");
	er_bind_int(&q, parts);
	er_bind_int(&q, most);
	for (*removed = 0; er_query_row(&q); ++*removed)
		bytes += er_col_int(&q, 0);
	if (!er_query_end(&q, err))
		return false;
	if (*removed == most) {
		q = er_query_of(db, "UPDATE waste SET bytes = max(bytes - ?2, 0) WHERE parts = ?1");
		er_bind_int(&q, parts);
		er_bind_int(&q, bytes);
		return er_query_run(&q, err);
	}
	q = er_query_of(db, "DELETE FROM loose WHERE parts = ?1");
	er_bind_int(&q, parts);
	return er_query_run(&q, err);
}

static bool sweep(er_store *s, int64_t ns, unsigned most, unsigned *removed, er_err *err)
{
	for (int64_t parts; *removed < most;) {
		unsigned n = 0;
		if (!claim(s, ns, &parts, err))
			return false;
		if (parts == 0)
			return true;
		if (!remove_parts(s->kv, parts, most - *removed, &n, err))
			return false;
		*removed += n;
	}
	return true;
}

bool er_kv_remove_waste(er_store *s, int64_t ns, unsigned most, unsigned *removed, er_err *err)
{
	ER_ASSERT(most > 0 && !er_db_in_transaction(s->kv));
	*removed = 0;
	if (er_clock_mono_us() < s->shared_until_us || !er_dir_alone(s->use_fd))
		return true;
	bool good = er_db_begin(s->kv, err);
	if (good) {
		good = sweep(s, ns, most, removed, err);
		if (!good)
			er_db_rollback(s->kv);
		else
			good = er_db_commit(s->kv, err);
	}
	pthread_mutex_lock(&s->kv_holds.lock);
	s->kv_holds.n_swept = 0;
	pthread_mutex_unlock(&s->kv_holds.lock);
	er_dir_share(s->use_fd);
	if (!good)
		*removed = 0;
	return good;
}

bool er_kv_sweep_parts(er_store *s, unsigned most, unsigned *removed, er_err *err)
{
	ER_CHECK(s, ER_STORE_MAGIC);
	pthread_mutex_lock(&s->kv_lock);
	bool good = er_kv_remove_waste(s, 0, most, removed, err);
	pthread_mutex_unlock(&s->kv_lock);
	return good;
}
