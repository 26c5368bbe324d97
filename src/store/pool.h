/* Reading connections for any thread: one is taken, used by one thread, given back. Readers of a
 * WAL database wait for nobody, so a long write holds up none of them. */
#ifndef ER_STORE_POOL_H
#define ER_STORE_POOL_H

#include "store/db.h"

#include <pthread.h>

enum { ER_POOL_KEPT = 4 };

/* Caller's memory. `path` and `vfs` must outlive it. */
typedef struct er_pool {
	pthread_mutex_t lock;
	const char *path, *vfs;
	er_db *idle[ER_POOL_KEPT];
	unsigned n;
} er_pool;

void er_pool_init(er_pool *p, const char *path, const char *vfs);
void er_pool_fini(er_pool *p);
er_db *er_pool_take(er_pool *p, er_err *err);
/* Gives a connection back, which the next reader gets; too many are closed. */
void er_pool_give(er_pool *p, er_db *db);

#endif
