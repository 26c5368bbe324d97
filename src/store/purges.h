/* Purges of the cache in the store: what must not come back by a crash. One is made by the change
 * ER_CHANGE_PURGE (store.h). */
#ifndef ER_STORE_PURGES_H
#define ER_STORE_PURGES_H

#include "store/store.h"

enum { ER_STORE_PURGE_MAX = 8192 /* bytes of what a purge names */ };

/* Of one scope. */
typedef struct er_purge_row {
	er_slice scope, site, value;
	uint64_t hard, soft; /* the highest numbers; 0: none */
} er_purge_row;
/* The oldest first. */
ER_MUST_CHECK bool er_store_purges(er_store *s, er_arena *a, er_purge_row **out, size_t *n, er_err *err);
/* Nothing that the cache has is matched by a purge of up to this number. No change of the log. */
ER_MUST_CHECK bool er_store_purges_forget(er_store *s, uint64_t upto, er_err *err);

#endif
