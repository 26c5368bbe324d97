/* Which routine answers a host and path. First rule wins; rules for one host are found by a hash, however many there are; rules for
 * sub-hosts (*.host) likewise, one lookup a label; only rules for any host are walked. NAME.localhost comes after all rules.
 *
 * Pure and immutable: made once from a configuration's routes, which must outlive it. Any thread. */
#ifndef ER_GATEWAY_ROUTE_H
#define ER_GATEWAY_ROUTE_H

#include "gateway/config.h"

typedef struct er_route_index er_route_index;

er_route_index *er_route_index_new(const er_config *c);
void er_route_index_free(er_route_index *ix);
/* `host` lower case without port, `path` without query. NULL: none. */
er_routine *er_route_index_find(const er_route_index *ix, er_slice host, er_slice path);

/* "example.com:8080" and "[::1]:80" without the port. */
static inline er_slice er_host_of(er_slice authority)
{
	for (size_t i = authority.n; i-- > 0 && authority.p[i] != ']';)
		if (authority.p[i] == ':')
			return er_slice_head(authority, i);
	return authority;
}

#endif
