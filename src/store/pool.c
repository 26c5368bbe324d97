/* Reading connections for any thread. One that is taken belongs to the thread that took it until it
 * gives it back; up to ER_POOL_KEPT wait here, with their statements prepared, and more are closed.
 * So a burst of readers costs connections, and idle ones cost little. The lock is held for a move
 * of a pointer and never while a connection is opened or closed. */
#include "store/pool.h"

#include "base/mem.h"

void er_pool_init(er_pool *p, const char *path, const char *vfs)
{
	ER_ASSERT(path != NULL);
	*p = (er_pool){.path = path, .vfs = vfs};
	pthread_mutex_init(&p->lock, NULL);
}

void er_pool_fini(er_pool *p)
{
	/* Those that are taken cannot be closed here: every thread has given its own back before the
	 * store is closed. */
	ER_ASSERT(p->n <= ER_POOL_KEPT);
	for (unsigned i = 0; i < p->n; i++)
		er_db_close(p->idle[i]);
	p->n = 0;
	pthread_mutex_destroy(&p->lock);
}

er_db *er_pool_take(er_pool *p, er_err *err)
{
	er_db *db = NULL;
	pthread_mutex_lock(&p->lock);
	ER_ASSERT(p->n <= ER_POOL_KEPT);
	if (p->n > 0)
		db = p->idle[--p->n];
	pthread_mutex_unlock(&p->lock);
	return db != NULL ? db : er_db_open_reader(p->path, p->vfs, err);
}

void er_pool_give(er_pool *p, er_db *db)
{
	/* One that is in a transaction would hold the log of the database for as long as it waits
	 * here. */
	ER_ASSERT(db != NULL && !er_db_in_transaction(db));
	pthread_mutex_lock(&p->lock);
	if (p->n < ER_POOL_KEPT) {
		p->idle[p->n++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	er_db_close(db);
}
