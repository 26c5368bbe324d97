/* Who asks: fields that name the client, the way, and this node. Three moments call it.
 *
 *    a request or an answer comes in   er_identity_strip, er_identity_loops (gateway, origin, isolate)
 *    a routine asks                    er_identity_inherit (isolate/sub.c)
 *    a request leaves the node         er_identity_forward (gateway and isolate, before the origin)
 *
 * Trust: whatever a client says of itself in X-Forwarded-* is replaced, Via and CDN-Loop are only
 * ever added to, so that a loop through several nodes is counted whoever is in it. Pure; values
 * live in arenas. */
#include "http/identity.h"

#include "base/cidr.h"

#include <arpa/inet.h>

#define PSEUDONYM "edgeroutine"

bool er_identity_own(er_slice name)
{
	return name.n > 3 && name.p[2] == '-' && er_slice_ieq(er_slice_head(name, 3), ER_LIT("er-"));
}

bool er_identity_not_to_ask(er_slice name)
{
	return er_field_hop_by_hop(name) || er_slice_ieq(name, ER_LIT("via")) || er_slice_ieq(name, ER_LIT("cdn-loop")) ||
	       er_slice_ieq(name, ER_LIT("expect")) || (name.n > 12 && er_slice_ieq(er_slice_head(name, 12), ER_LIT("x-forwarded-")));
}

bool er_identity_not_to_answer(er_slice name)
{
	return er_field_hop_by_hop(name) || er_identity_own(name);
}

void er_identity_strip(er_fields *fields)
{
	ER_ASSERT(fields->n <= fields->cap);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		if (!er_identity_own(fields->v[i].name))
			fields->v[kept++] = fields->v[i];
	fields->n = kept;
}

/* RFC 8586 2: cdn-info = cdn-id *( OWS ";" OWS parameter ). */
static bool is_ours(er_slice info)
{
	info = er_slice_trim(er_slice_head(info, er_slice_find(info, ';')));
	return er_slice_ieq(info, ER_LIT(PSEUDONYM));
}

unsigned er_identity_loops(const er_fields *fields)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (fields->v[i].name.n != 8 || !er_slice_ieq(fields->v[i].name, ER_LIT("cdn-loop")))
			continue;
		er_slice rest = fields->v[i].value;
		for (er_slice part; er_slice_split(&rest, ',', &part);)
			n += is_ours(part);
	}
	return n;
}

er_slice er_address_text(const struct sockaddr_storage *client, char text[ER_ADDRESS_TEXT])
{
	static_assert(ER_ADDRESS_TEXT >= INET6_ADDRSTRLEN && ER_ADDRESS_TEXT >= 15,
	              "room for either family, for inet_ntop with its NUL");
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)client;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)client;
	if (client->ss_family == AF_INET)
		return er_ipv4_text((const uint8_t *)&v4->sin_addr, text);
	if (client->ss_family != AF_INET6)
		return (er_slice){0};
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return er_ipv4_text(v6->sin6_addr.s6_addr + 12, text);
	if (inet_ntop(AF_INET6, &v6->sin6_addr, text, ER_ADDRESS_TEXT) == NULL)
		return (er_slice){0};
	return er_slice_cstr(text);
}

/* All values of `name` as one list, and `ours` at its end. */
static er_slice append_to_list(const er_fields *from, er_arena *a, er_slice name, er_slice ours)
{
	er_slice list = {0};
	for (uint32_t i = 0; i < from->n; i++) {
		if (!er_slice_ieq(from->v[i].name, name))
			continue;
		er_slice value = from->v[i].value;
		list = list.n == 0 ? er_arena_copy(a, value) : er_arena_printf(a, "%.*s, %.*s", ER_FMT(list), ER_FMT(value));
	}
	return list.n == 0 ? ours : er_arena_printf(a, "%.*s, %.*s", ER_FMT(list), ER_FMT(ours));
}

void er_identity_forward(er_fields *out, er_arena *a, const er_exchange *from)
{
	const er_request *req = &from->req;
	/* Both lists first: `out` may be the very fields that they are read from. */
	er_slice via = append_to_list(&req->fields, a, ER_LIT("via"), ER_LIT("1.1 " PSEUDONYM));
	er_slice loop = append_to_list(&req->fields, a, ER_LIT("cdn-loop"), ER_LIT(PSEUDONYM));
	char text[ER_ADDRESS_TEXT];
	er_slice client = er_address_text(&from->peer.address, text);
	if (client.n > 0)
		er_fields_set(out, a, ER_LIT("x-forwarded-for"), er_arena_copy(a, client));
	else
		er_fields_del(out, ER_LIT("x-forwarded-for"));
	er_fields_set(out, a, ER_LIT("x-forwarded-proto"), er_arena_copy(a, req->scheme));
	er_fields_set(out, a, ER_LIT("x-forwarded-host"), er_arena_copy(a, req->authority));
	er_fields_set(out, a, ER_LIT("via"), via);
	er_fields_set(out, a, ER_LIT("cdn-loop"), loop);
}

void er_identity_inherit(er_exchange *x, const er_exchange *parent)
{
	ER_ASSERT(x != parent);
	const er_slice names[] = {ER_LIT("via"), ER_LIT("cdn-loop")};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		er_fields_del(&x->req.fields, names[i]);
		for (uint32_t k = 0; k < parent->req.fields.n; k++) {
			const er_field *it = &parent->req.fields.v[k];
			if (er_slice_ieq(it->name, names[i]))
				er_fields_add(&x->req.fields, &x->arena, names[i], er_arena_copy(&x->arena, it->value));
		}
	}
}
