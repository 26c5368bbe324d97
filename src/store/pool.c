#include "store/pool.h"

#include "base/mem.h"

void er_pool_init(er_pool *p, const char *path, const char *vfs)
{
	*p = (er_pool){.path = path, .vfs = vfs};
	pthread_mutex_init(&p->lock, NULL);
}

void er_pool_fini(er_pool *p)
{
	for (unsigned i = 0; i < p->n; i++)
		er_db_close(p->idle[i]);
	p->n = 0;
	pthread_mutex_destroy(&p->lock);
}

er_db *er_pool_take(er_pool *p, er_err *err)
{
	er_db *db = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->n > 0)
		db = p->idle[--p->n];
	pthread_mutex_unlock(&p->lock);
	return db != NULL ? db : er_db_open_reader(p->path, p->vfs, err);
}

void er_pool_give(er_pool *p, er_db *db)
{
	pthread_mutex_lock(&p->lock);
	if (p->n < ER_POOL_KEPT) {
		p->idle[p->n++] = db;
		db = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	er_db_close(db);
}
