/* How many may be in: the connections of the whole node, and of one client address (an IPv6 client
 * is its /64). Shared by all gateway threads; only touched when a connection comes and when it
 * goes. */
#ifndef ER_GATEWAY_GATE_H
#define ER_GATEWAY_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct er_gate er_gate;

/* One for all threads of the node, which must end before it is freed. */
er_gate *er_gate_new(void);
void er_gate_free(er_gate *g);
/* 0: no bound. May be called at any time. */
void er_gate_limit(er_gate *g, uint32_t connections, uint32_t per_address);
/* The node has room for one more; ask before accepting. */
bool er_gate_open(const er_gate *g);
/* False: this address has its share already; nothing was counted. */
bool er_gate_enter(er_gate *g, const struct sockaddr_storage *peer);
/* The connection is over; the same address as it came in with. */
void er_gate_leave(er_gate *g, const struct sockaddr_storage *peer);

#endif
