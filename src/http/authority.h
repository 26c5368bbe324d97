/* The host that a request is for: Host, :authority, or that part of an absolute target. */
#ifndef ER_HTTP_AUTHORITY_H
#define ER_HTTP_AUTHORITY_H

#include "base/arena.h"

/* Checks host[:port] and makes it comparable, as the URL Standard serializes it: lower case,
 * written in place (`text` must be the caller's own bytes), an address in its one spelling, without
 * the scheme's own port (`scheme` empty: http). A name keeps the root's dot at its end. False: not
 * a host, or no port. */
bool er_authority_read(er_arena *a, er_slice text, er_slice scheme, er_slice *out);

/* "localhost", or what ends in it: this machine (RFC 6761 6.3). `host` is in lower case; the root's
 * dot may stand at its end. */
static inline bool er_host_local(er_slice host)
{
	const er_slice local = ER_LIT("localhost"), below = ER_LIT(".localhost");
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	return er_slice_eq(host, local) || er_slice_ends(host, below);
}

/* "example.com:8080" and "[::1]:80" without the port. */
static inline er_slice er_host_of(er_slice authority)
{
	for (size_t i = authority.n; i-- > 0 && authority.p[i] != ']';)
		if (authority.p[i] == ':')
			return er_slice_head(authority, i);
	return authority;
}

#endif
