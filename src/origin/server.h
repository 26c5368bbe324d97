/* Inside this room: the server of a hop. Where it is said to be, and which of the addresses that
 * its name has (er_fetch.reach.addresses) is known to answer. */
#ifndef ER_ORIGIN_SERVER_H
#define ER_ORIGIN_SERVER_H

#include "origin/fetch.h"

/* "host:port" that f's hop connects to. The slice lies in f's wishes or its authority. */
er_slice er_server_host(const er_fetch *f, uint16_t *port);
/* Of the addresses that f has, this one answered. `sa` may be NULL, and f without addresses. */
void er_server_prove(er_fetch *f, const struct sockaddr *sa);
/* The address that had answered before does not answer now. */
void er_server_disprove(er_fetch *f);
/* One address can be connected to without trying others: it is the only one, or answered not long
 * ago. f has addresses. */
bool er_server_proven(const er_fetch *f);

#endif
