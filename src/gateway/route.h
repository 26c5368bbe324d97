/* Which rule answers a host and path. The first that matches wins; rules for one host are found by
 * a hash, however many there are; rules for sub-hosts (*.host) likewise, one lookup a label; only
 * rules for any host are walked.
 *
 * Pure and immutable: made once from a list of rules, which must outlive it. Any thread. */
#ifndef ER_GATEWAY_ROUTE_H
#define ER_GATEWAY_ROUTE_H

#include "http/pattern.h"
#include "http/authority.h"

/* A pattern with its parts. */
typedef struct er_route {
	er_slice pattern; /* as written */
	er_pattern part;  /* of it, in the one spelling of requests */
} er_route;

/* A route in its place. */
typedef struct er_rule {
	const er_route *route;
	uint32_t target;        /* index of a deployment in its configuration */
	uint32_t position : 31; /* among those of the file, or of the store */
	uint32_t stored : 1;
} er_rule;

/* Takes a pattern apart; the parts point into it, or lie in the arena. */
ER_MUST_CHECK bool er_route_parse(er_arena *a, er_slice pattern, er_route *out, er_err *err);
/* What er_route_copy needs. */
size_t er_route_bytes(const er_route *r);
/* A route with strings of its own, at `at` and behind; the first byte behind them. */
uint8_t *er_route_copy(er_route *to, const er_route *from, uint8_t *at);

typedef struct er_route_index er_route_index;

er_route_index *er_route_index_new(const er_rule *rules, size_t n);
void er_route_index_free(er_route_index *ix);
/* `host` lower case without port, `path` without query. NULL: none. */
const er_rule *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path);

#endif
