/* Which server a hop asks, and at which address: rules and notes, without a connection.
 *
 * The addresses of a name are shared by all fetches of the thread (resolve.c). The transports note
 * in them what they find out: libcurl tries several one after the other, and the one that answered
 * is tried first from then on, and for a while without libcurl. */
#include "origin/server.h"

#include "base/mem.h"

enum { PROVEN_MS = 30000 };

er_slice er_server_host(const er_fetch *f, uint16_t *port)
{
	er_slice at = f->wishes.connect_to != NULL ? er_slice_cstr(f->wishes.connect_to) : f->authority;
	size_t colon = at.n;
	while (colon > 0 && at.p[colon - 1] >= '0' && at.p[colon - 1] <= '9')
		colon--;
	uint64_t n = 0;
	bool said = colon > 0 && at.p[colon - 1] == ':' && er_slice_u64(er_slice_from(at, colon), &n);
	*port = said ? (uint16_t)n : er_slice_eq(f->scheme, ER_LIT("https")) ? 443 : 80;
	return said ? er_slice_head(at, colon - 1) : at;
}

bool er_server_proven(const er_fetch *f)
{
	const er_addresses *a = f->reach.addresses;
	ER_ASSERT(a != NULL && a->n > 0);
	return a->n == 1 || (a->proven_ms != 0 && uv_now(f->o->loop) - a->proven_ms < PROVEN_MS);
}

void er_server_prove(er_fetch *f, const struct sockaddr *sa)
{
	er_addresses *a = f->reach.addresses;
	struct in6_addr it, other;
	if (a == NULL || sa == NULL || !er_cidr_of_sockaddr(sa, &it))
		return;
	for (unsigned i = 0; i < a->n; i++)
		if (er_cidr_of_sockaddr(&a->v[i].sa, &other) && IN6_ARE_ADDR_EQUAL(&it, &other)) {
			a->first = i;
			a->proven_ms = uv_now(f->o->loop);
			return;
		}
}

void er_server_disprove(er_fetch *f)
{
	if (f->reach.addresses != NULL)
		f->reach.addresses->proven_ms = 0;
}
