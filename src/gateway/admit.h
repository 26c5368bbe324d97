/* May a routine ask the standard process this question, and whose are the answers that are stored
 * of it? Asked for every question of a routine but its own request handed on to its own host
 * (er_wishes.cache). Pure but for the exchange.
 *
 * A routine may ask for every host that the node serves, as any client may, but not past the
 * routine of somebody else: that may be what guards the site. What it wishes of the store holds for
 * all only on its own ground: the site of its request, and what its own routes take. Everywhere
 * else, with a key of its own, and with an answer of another server than the site's, what is stored
 * is its own (apart). */
#ifndef ER_GATEWAY_ADMIT_H
#define ER_GATEWAY_ADMIT_H

#include "gateway/config.h"
#include "http/exchange.h"

/* Fills what is the gateway's of x->wishes.cache. False: x has an answer now, 403 and why. */
ER_MUST_CHECK bool er_admit(const er_config *config, er_env env, er_exchange *x);

#endif
