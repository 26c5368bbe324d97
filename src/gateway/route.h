/* Which rule answers a host and path. The first that matches wins; rules for one host are found by a hash, however many there are; rules for
 * sub-hosts (*.host) likewise, one lookup a label; only rules for any host are walked.
 *
 * Pure and immutable: made once from a list of rules, which must outlive it. Any thread. */
#ifndef ER_GATEWAY_ROUTE_H
#define ER_GATEWAY_ROUTE_H

#include "base/err.h"
#include "base/slice.h"

/* "host/path*", "*.host", "*.host/path*", "*". */
typedef struct er_route {
	er_slice pattern; /* as written */
	er_slice host;    /* lower case, without "*."; empty with any_host */
	er_slice path;    /* prefix or whole; "/" if the pattern has none */
	bool any_host, sub_hosts, path_prefix;
	bool stored;       /* of the store, not of node.jsonc */
	uint32_t position; /* among those */
	uint32_t target;   /* index of a deployment in its configuration */
} er_route;

/* Takes a pattern apart; host and path point into it, and the host is not in lower case yet. */
ER_MUST_CHECK bool er_route_parse(er_slice pattern, er_route *out, er_err *err);
/* What er_route_copy needs. */
size_t er_route_bytes(const er_route *r);
/* A rule with strings of its own, at `at` and behind, the host in lower case; the first byte behind them. */
uint8_t *er_route_copy(er_route *to, const er_route *from, uint8_t *at);

typedef struct er_route_index er_route_index;

er_route_index *er_route_index_new(const er_route *rules, size_t n);
void er_route_index_free(er_route_index *ix);
/* `host` lower case without port, `path` without query. NULL: none. */
const er_route *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path);

/* "example.com:8080" and "[::1]:80" without the port. */
static inline er_slice er_host_of(er_slice authority)
{
	for (size_t i = authority.n; i-- > 0 && authority.p[i] != ']';)
		if (authority.p[i] == ':')
			return er_slice_head(authority, i);
	return authority;
}

#endif
