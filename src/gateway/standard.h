/* The standard CDN process: what answers when no routine does, or when a routine hands its request
 * on. For now: the operator's origin. */
#ifndef ER_GATEWAY_STANDARD_H
#define ER_GATEWAY_STANDARD_H

#include "gateway/config.h"
#include "http/exchange.h"

/* "http://10.0.0.5:8080", "https://www.example.com"; no path. False: *err says what was expected.
 * Slices point into `url`. */
ER_MUST_CHECK bool er_standard_origin(er_slice url, er_slice *scheme, er_slice *authority, er_err *err);

/* Answers at ER_AT_STANDARD of x->chain: passes on to the operator's origin, or says that there is
 * none. An origin that is named by an address (or localhost) sees the client's Host; an origin with
 * a name of its own sees that name, and the client's in X-Forwarded-Host. */
void er_standard_handle(const er_config *c, er_exchange *x);

#endif
