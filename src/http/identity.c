/* Who asks: fields that name the client, the way, and this node. Four moments call it.
 *
 *    a request comes in          er_identity_arrive, er_identity_loops (gateway)
 *    an answer comes in          er_identity_strip (origin)
 *    a routine asks              er_identity_inherit (isolate/sub.c)
 *    a request leaves the node   er_identity_forward (gateway and isolate, before the origin)
 *
 * Trust: there is one list of what a client may not say of itself and of its request (claims). All
 * of it is dropped when a request comes in, after a trusted proxy's word was read. So an
 * X-Forwarded-For that a client's exchange has later is the node's own; a routine cannot set one
 * (er_identity_not_to_ask). Via and CDN-Loop are only ever added to, so that a loop through several
 * nodes is counted whoever is in it. Pure; values live in arenas. */
#include "http/identity.h"

#include "http/authority.h"
#include "http/forwarded.h"

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

/* Fields that say who asks, by whatever front; behind X-Forwarded- and er- stands anything. And
 * fields by which frameworks take a request for one of another URL or host: a rule on a path would
 * be passed by them, and the cache would store the answer under the URL of the request line. */
#define CLAIMS(X) \
	X("forwarded") \
	X("x-forwarded") \
	X("x-real-ip") \
	X("x-client-ip") \
	X("true-client-ip") \
	X("cf-connecting-ip") \
	X("cf-connecting-ipv6") \
	X("fastly-client-ip") \
	X("x-cluster-client-ip") \
	X("x-original-url") \
	X("x-original-uri") \
	X("x-rewrite-url") \
	X("x-original-host") \
	X("x-host") \
	X("x-http-host-override")
#define CLAIMED_PREFIXES(X) \
	X("x-forwarded-") \
	X("er-")
/* By these frameworks take a request for one of another method. A POST may say so, as clients
 * behind old proxies do; whose answer may be everybody's, a GET's or HEAD's, may not. */
#define OVERRIDES(X) \
	X("x-http-method-override") \
	X("x-http-method") \
	X("x-method-override")
/* What the node frames by, and what it writes into requests. A server that reads "_" as "-", as CGI
 * does, would find two of them. */
#define WRITTEN(X) \
	X("keep-alive") \
	X("transfer-encoding") \
	X("proxy-connection") \
	X("proxy-authenticate") \
	X("proxy-authorization") \
	X("content-length") \
	X("accept-encoding") \
	X("cdn-loop") \
	X("if-none-match") \
	X("if-modified-since")

/* `known` is in lower case and has no "_". */
static bool reads_as(er_slice name, er_slice known)
{
	for (size_t i = 0; i < known.n; i++)
		if ((name.p[i] == '_' ? '-' : er_lower(name.p[i])) != known.p[i])
			return false;
	return true;
}

static inline bool one_of(er_slice name, const er_slice *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name.n == list[i].n && reads_as(name, list[i]))
			return true;
	return false;
}

#define X(text) ER_LIT(text),
static const er_slice claims[] = {CLAIMS(X)};
static const er_slice prefixes[] = {CLAIMED_PREFIXES(X)};
static const er_slice overrides[] = {OVERRIDES(X)};
static const er_slice written[] = {WRITTEN(X)};
#undef X

/* First letters and lengths of a list's names, as bits. This is asked of every field of every
 * request, and most have other ones. */
#define LETTER(text) | 1U << ((text)[0] - 'a')
#define LENGTH(text) | 1U << (sizeof(text) - 1)

static bool has_prefix(er_slice name)
{
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (name.n > prefixes[i].n && reads_as(name, prefixes[i]))
			return true;
	return false;
}

bool er_identity_claimed(er_slice name)
{
	if (name.n == 0)
		return false;
	unsigned letter = (unsigned)er_lower(name.p[0]) - 'a';
	uint32_t first = letter < 26 ? 1U << letter : 0, length = name.n < 32 ? 1U << name.n : 0;
	if ((first & (0 CLAIMED_PREFIXES(LETTER))) != 0 && has_prefix(name))
		return true;
	if ((first & (0 CLAIMS(LETTER))) != 0 && (length & (0 CLAIMS(LENGTH))) != 0)
		if (one_of(name, claims, sizeof claims / sizeof *claims))
			return true;
	return (first & (0 WRITTEN(LETTER))) != 0 && (length & (0 WRITTEN(LENGTH))) != 0 && er_slice_find(name, '_') < name.n &&
	       one_of(name, written, sizeof written / sizeof *written);
}

/* Of a GET or HEAD. */
static bool claimed_by_reader(er_slice name)
{
	return er_identity_claimed(name) ||
	       (name.n > 0 && er_lower(name.p[0]) == 'x' && name.n < 32 && (1U << name.n & (0 OVERRIDES(LENGTH))) != 0 &&
	        one_of(name, overrides, sizeof overrides / sizeof *overrides));
}

static inline void drop(er_fields *fields, bool (*unwanted)(er_slice name))
{
	ER_ASSERT(fields->n <= fields->cap);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		if (!unwanted(fields->v[i].name))
			fields->v[kept++] = fields->v[i];
	fields->n = kept;
}

void er_identity_strip(er_fields *fields)
{
	drop(fields, er_identity_own);
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

/* The client and the proxies between, as X-Forwarded-For has them: the peer comes last. */
static er_slice way_text(er_arena *a, const er_forwarded *said, const struct sockaddr_storage *peer)
{
	char text[ER_ADDRESS_TEXT];
	struct sockaddr_storage sa;
	er_slice way = {0};
	for (unsigned i = said->n; i-- > 0;) {
		er_cidr_to_sockaddr(&said->way[i], &sa);
		er_slice one = er_address_text(&sa, text);
		way = er_arena_printf(a, "%.*s%.*s, ", ER_FMT(way), ER_FMT(one));
	}
	return er_arena_printf(a, "%.*s%.*s", ER_FMT(way), ER_FMT(er_address_text(peer, text)));
}

/* What a trusted proxy said becomes what the exchange says. */
static void believe(er_exchange *x, const er_forwarded *said)
{
	ER_ASSERT(said->n <= ER_FORWARDED_MAX);
	if (said->n > 0) {
		er_fields_add(&x->req.fields, &x->arena, ER_LIT("x-forwarded-for"), way_text(&x->arena, said, &x->peer.address));
		er_cidr_to_sockaddr(&said->way[said->n - 1], &x->peer.address);
	}
	if (said->scheme.n == 0 || er_slice_eq(said->scheme, x->req.scheme))
		return;
	x->req.scheme = said->scheme;
	/* The port that goes without saying is another one. */
	er_slice authority = er_arena_copy(&x->arena, x->req.authority);
	(void)!er_authority_read(&x->arena, authority, x->req.scheme, &x->req.authority);
}

void er_identity_arrive(er_exchange *x, const er_cidr *trusted, size_t n_trusted)
{
	struct in6_addr peer;
	er_forwarded said;
	bool believed = n_trusted > 0 && er_cidr_of_sockaddr((const struct sockaddr *)(const void *)&x->peer.address, &peer) &&
	                er_cidr_any(trusted, n_trusted, &peer);
	if (believed)
		er_forwarded_read(&x->req.fields, trusted, n_trusted, &said);
	bool reader = er_slice_eq(x->req.method, ER_LIT("GET")) || er_slice_eq(x->req.method, ER_LIT("HEAD"));
	drop(&x->req.fields, reader ? claimed_by_reader : er_identity_claimed);
	if (believed)
		believe(x, &said);
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
	const er_slice *way = er_fields_get(&req->fields, ER_LIT("x-forwarded-for"));
	er_slice client = way != NULL ? *way : er_address_text(&from->peer.address, text);
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
	const er_slice names[] = {ER_LIT("via"), ER_LIT("cdn-loop"), ER_LIT("x-forwarded-for")};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		er_fields_del(&x->req.fields, names[i]);
		for (uint32_t k = 0; k < parent->req.fields.n; k++) {
			const er_field *it = &parent->req.fields.v[k];
			if (er_slice_ieq(it->name, names[i]))
				er_fields_add(&x->req.fields, &x->arena, names[i], er_arena_copy(&x->arena, it->value));
		}
	}
}
