/* Asks a server of an origin group, and another one if that fails and the request may be sent
 * again. */
#ifndef ER_ORIGIN_GROUP_ASK_H
#define ER_ORIGIN_GROUP_ASK_H

#include "http/exchange.h"
#include "origin/group.h"

/* Answers x from the group. `origin`: er_origin_handler of this thread. A request is sent again if
 * its method is idempotent (RFC 9110 9.2.2), it has no body, and the server could not be reached,
 * broke off before its head, took too long, or said 502, 503 or 504. What the last one said is the
 * answer. */
void er_group_ask(er_group *g, er_exchange *x, const er_handler *origin);

/* Makes x a request to this server of the group, whatever host it was for: scheme, authority, Host,
 * the group's fields, and the wishes. */
void er_group_aim(const er_group *g, size_t server, er_exchange *x);
/* er_group_blame, with what the answer of a request that failed says. */
void er_group_blame_answer(er_group *g, size_t server, const er_exchange *x);

#endif
