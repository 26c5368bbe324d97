/* For whom a front asks: what a trusted proxy says of its client in Forwarded (RFC 7239) or
 * X-Forwarded-For and X-Forwarded-Proto.
 *
 * Each proxy writes at the right end of a list, so lists are read from there: an element is
 * believed as long as all to its right are trusted proxies. What stands further left may be
 * anybody's invention, and is not looked at. Pure. */
#ifndef ER_HTTP_FORWARDED_H
#define ER_HTTP_FORWARDED_H

#include "base/cidr.h"
#include "http/fields.h"

/* Elements of a list that are looked at, from the right. */
enum { ER_FORWARDED_MAX = 32 };

typedef struct er_forwarded {
	/* The way to the peer, from the peer's own neighbour on; the last one is the client. IPv4 is
	 * mapped, as in er_cidr. */
	struct in6_addr way[ER_FORWARDED_MAX];
	unsigned n;      /* 0: nobody can be believed but the peer itself */
	er_slice scheme; /* of the client's request, "http" or "https", a constant; empty: not said */
} er_forwarded;

/* What the fields of a request say whose peer is a trusted proxy. `trusted`: the proxies. An
 * element that is no address (malformed, "unknown", an obfuscated name) ends the way. If both
 * Forwarded and X-Forwarded-For are there and do not name the same client, neither is believed, and
 * the scheme is not said. */
void er_forwarded_read(const er_fields *fields, const er_cidr *trusted, size_t n_trusted, er_forwarded *out);

#endif
