/* Active health checks: asks the servers of origin groups for a path from time to time, and tells
 * the groups how they did. One a node, on one thread's loop; the state of a group is
 * everybody's. */
#ifndef ER_ORIGIN_HEALTH_H
#define ER_ORIGIN_HEALTH_H

#include "http/exchange.h"
#include "origin/group.h"

#include <uv.h>

typedef struct er_health er_health;

/* `origin`: er_origin_handler of the same thread. */
er_health *er_health_new(uv_loop_t *loop, const er_handler *origin);
/* From now on these groups are checked, as far as they say so, and no others. Takes references. */
void er_health_watch(er_health *h, er_group *const *groups, size_t n);
/* Ends what is under way. `closed` when its timer has closed, and it is freed. */
void er_health_close(er_health *h, void (*closed)(void *ctx), void *ctx);

#endif
