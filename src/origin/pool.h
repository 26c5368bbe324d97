/* Inside this room: the pools of a thread's connections, one for each key (er_pool in fetch.h). */
#ifndef ER_ORIGIN_POOL_H
#define ER_ORIGIN_POOL_H

#include "origin/fetch.h"

/* The fetch is one of the pool of its wishes from now on, which is made when there is none. */
void er_pool_enter(er_fetch *f);
/* The fetch is over; the pool may be, too. */
void er_pool_leave(er_fetch *f);
/* No fetch of the pool is under way. p must not be used afterwards. */
void er_pool_close(er_pool *p);
/* See er_origin_forget. */
void er_pool_forget(er_origin *o, const void *owner);
/* Closes the pools that have had no fetch for so long, and idle connections of the others. */
void er_pool_sweep(er_origin *o, uint64_t now_ms, uint64_t idle_ms);

#endif
