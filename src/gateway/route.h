/* Which rule answers a host and path. The first that matches wins; rules for one host are found by a hash, however many there are; rules for
 * sub-hosts (*.host) likewise, one lookup a label; only rules for any host are walked.
 *
 * Pure and immutable: made once from a list of rules, which must outlive it. Any thread. */
#ifndef ER_GATEWAY_ROUTE_H
#define ER_GATEWAY_ROUTE_H

#include "control/pattern.h"

/* A pattern with its parts. */
typedef struct er_route {
	er_slice pattern; /* as written */
	er_pattern part;  /* of it; the host in lower case */
} er_route;

/* A route in its place. */
typedef struct er_rule {
	const er_route *route;
	uint32_t target;        /* index of a deployment in its configuration */
	uint32_t position : 31; /* among those of the file, or of the store */
	uint32_t stored : 1;
} er_rule;

/* Takes a pattern apart; the parts point into it, and the host is not in lower case yet. */
ER_MUST_CHECK bool er_route_parse(er_slice pattern, er_route *out, er_err *err);
/* What er_route_copy needs. */
size_t er_route_bytes(const er_route *r);
/* A route with strings of its own, at `at` and behind, the host in lower case; the first byte behind them. */
uint8_t *er_route_copy(er_route *to, const er_route *from, uint8_t *at);

typedef struct er_route_index er_route_index;

er_route_index *er_route_index_new(const er_rule *rules, size_t n);
void er_route_index_free(er_route_index *ix);
/* `host` lower case without port, `path` without query. NULL: none. */
const er_rule *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path);

/* "example.com:8080" and "[::1]:80" without the port. */
static inline er_slice er_host_of(er_slice authority)
{
	for (size_t i = authority.n; i-- > 0 && authority.p[i] != ']';)
		if (authority.p[i] == ':')
			return er_slice_head(authority, i);
	return authority;
}

#endif
