/* How many may be in: the connections of the whole node, and what one client address has (an IPv6
 * client is its /64). An address has the connections that are its own, and the requests under way
 * that others make for it: a connection that serves many clients is nobody's. Shared by all gateway
 * threads; touched when a connection comes and when it goes, and by requests only on connections
 * that are nobody's. */
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
/* A connection comes. `client`: whose it is; NULL: nobody's. False: this address has its share
 * already; nothing was counted. */
bool er_gate_enter(er_gate *g, const struct sockaddr_storage *client);
/* The connection is over; the same address as it came in with, or has got by er_gate_begin. */
void er_gate_leave(er_gate *g, const struct sockaddr_storage *client);
/* One more of this client, on a connection that was nobody's: a request, or the connection itself
 * once it is known whose it is. False: this address has its share already. */
bool er_gate_begin(er_gate *g, const struct sockaddr_storage *client);
void er_gate_end(er_gate *g, const struct sockaddr_storage *client);

#endif
