/* Space of the KV that nobody needs any more is given back a little at a time: rows that have
 * expired, and those of namespaces that were deleted. Both are invisible already. */
#include "base/buf.h"
#include "base/clock.h"
#include "store/room.h"

static bool sweep_expired(er_db *db, unsigned most, unsigned *removed, er_err *err)
{
	er_query q =
	    er_query_of(db, "DELETE FROM kv WHERE id IN (SELECT id FROM kv WHERE expires_s > 0 AND expires_s <= ?1 LIMIT ?2)");
	er_bind_int(&q, er_clock_wall_s());
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
