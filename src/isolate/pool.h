/* Inside the isolate room: the warm pool of a thread (pool.c). */
#ifndef ER_ISOLATE_POOL_H
#define ER_ISOLATE_POOL_H

#include "isolate/host.h"

/* Starts as many boxes as the pool and those who wait need. */
void er_pool_fill(er_isolate_host *h);
/* A warm box, or NULL. */
er_box *er_pool_box_take(er_isolate_host *h, enum er_profile p);
/* Boxes that are starting leave the background when somebody waits for them who is no suspect. */
void er_pool_hurry(er_isolate_host *h, enum er_profile p);
/* The box is locked down, and goes into the pool. */
void er_pool_box_ready(er_box *box);
/* The box ended before it held code. True: that repeats, and those who wait are to be told instead
 * of waiting for ever. */
bool er_pool_box_lost(er_box *box, const char *why);

#endif
