/* The standard process, for now: the operator's one origin, or a 404 that says how to get one. It
 * is the end of the chain for requests that no routine takes and for those that a routine hands on.
 * The origin's URL was checked when the configuration was read, and is taken apart again for each
 * request, which costs less than keeping the parts in step. Pure but for the exchange; the caller's
 * handler is worker.c's. */
#include "gateway/standard.h"

#include "base/cidr.h"
#include "base/mem.h"
#include "gateway/route.h"
#include "http/identity.h"
#include "http/url.h"

/* A host beyond ASCII is known under its punycode: *err names that. */
static bool writes_beyond_ascii(er_slice url, er_err *err)
{
	er_url parsed;
	if (er_slice_ascii(url) || !er_url_parse(&parsed, url, NULL))
		return false;
	er_fail(err, ER_ERR_INVALID, "\"%.*s\" is not an origin as it is written: its host is \"%.*s//%.*s\" on the wire, write that",
	        ER_FMT(er_slice_head(url, 200)), ER_FMT(er_url_get(&parsed, ER_URL_PROTOCOL)),
	        ER_FMT(er_url_get(&parsed, ER_URL_HOST)));
	er_url_fini(&parsed);
	return true;
}

bool er_standard_origin(er_slice url, er_slice *scheme, er_slice *authority, er_err *err)
{
	bool https = er_slice_starts(url, ER_LIT("https://"));
	er_slice rest = er_slice_from(url, https ? 8 : 7);
	if (rest.n > 0 && rest.p[rest.n - 1] == '/')
		rest.n--;
	bool ok = (https || er_slice_starts(url, ER_LIT("http://"))) && rest.n > 0;
	for (size_t i = 0; i < rest.n && ok; i++)
		ok = rest.p[i] > ' ' && rest.p[i] < 0x7f && er_slice_find(ER_LIT("/?#@\\\"'<>"), rest.p[i]) == 9;
	er_slice host = er_host_of(rest);
	uint64_t port;
	if (host.n < rest.n)
		ok = ok && host.n > 0 && er_slice_u64(er_slice_from(rest, host.n + 1), &port) && port > 0 && port < 65536;
	if (!ok && writes_beyond_ascii(url, err))
		return false;
	if (!ok)
		return er_fail(err, ER_ERR_INVALID,
		               "\"%.*s\" is not an origin: \"http://HOST[:PORT]\" or \"https://HOST[:PORT]\" is expected, without a path",
		               ER_FMT(url));
	ER_ASSERT(rest.n > 0 && rest.n < url.n);
	*scheme = https ? ER_LIT("https") : ER_LIT("http");
	*authority = rest;
	return true;
}

/* Named by an address, and not by a name that the origin itself may want to hear. */
static bool is_address(er_slice host)
{
	er_cidr ignored;
	if (host.n > 2 && host.p[0] == '[')
		return true;
	return er_slice_ieq(host, ER_LIT("localhost")) || er_cidr_parse(host, &ignored);
}

static void no_route(er_exchange *x)
{
	er_exchange_fail(
	    x, 404, ER_ERR_NO_ROUTE, NULL,
	    "No routine answers %.*s%.*s on this node, and it has no origin.\n"
	    "Add a route for this host and path to node.jsonc (\"routes\": [{\"pattern\": \"%.*s/*\", \"routine\": \"NAME\"}]), "
	    "open http://NAME.localhost, or set \"origin\".",
	    ER_FMT(er_slice_head(x->req.authority, 100)), ER_FMT(er_slice_head(x->req.target, 200)),
	    ER_FMT(er_slice_head(er_host_of(x->req.authority), 100)));
	er_exchange_answer(x);
}

void er_standard_handle(const er_config *c, er_exchange *x)
{
	er_slice scheme = {0}, authority = {0};
	ER_ASSERT(c != NULL && x->chain != NULL);
	if (c->origin == NULL || !er_standard_origin(er_slice_cstr(c->origin), &scheme, &authority, NULL)) {
		no_route(x);
		return;
	}
	/* A routine's own request for its host goes on in the name of the client that asked the
	 * routine. */
	er_identity_forward(&x->req.fields, &x->arena, x);
	er_slice host = er_host_of(authority);
	ER_ASSERT(host.n > 0 && host.n <= authority.n);
	x->wishes = (er_wishes){.redirect = ER_REDIRECT_MANUAL, .decompress = ER_DECOMPRESS_MANUAL, .trusted = true};
	if (is_address(host) && x->req.authority.n > 0) {
		const char *port = host.n < authority.n ? "" : er_slice_eq(scheme, ER_LIT("https")) ? ":443" : ":80";
		er_slice to = er_arena_printf(&x->arena, "%.*s%s", ER_FMT(authority), port);
		x->wishes.connect_to = er_arena_cstr(&x->arena, to);
	} else {
		x->req.authority = er_arena_copy(&x->arena, authority);
	}
	x->req.scheme = scheme;
	er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_STANDARD));
}
