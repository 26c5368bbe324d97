/* The standard CDN process: what answers when no routine does, or when a routine hands its request
 * on. */
#ifndef ER_GATEWAY_STANDARD_H
#define ER_GATEWAY_STANDARD_H

#include "gateway/config.h"
#include "http/exchange.h"

/* Answers at ER_AT_STANDARD of x->chain: passes on to the origin group of the site that the host
 * belongs to, or says that there is none. */
void er_standard_handle(const er_config *c, er_exchange *x);
/* Answers an OPTIONS that is the node's own to answer: of "*", or with Max-Forwards: 0. */
void er_standard_options(er_exchange *x);

#endif
