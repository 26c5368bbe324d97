#include "gateway/standard.h"

#include "base/cidr.h"
#include "gateway/route.h"
#include "http/identity.h"

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
	if (!ok)
		return er_fail(err, ER_ERR_INVALID,
		               "\"%.*s\" is not an origin: \"http://HOST[:PORT]\" or \"https://HOST[:PORT]\" is expected, without a path",
		               ER_FMT(url));
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

void er_standard_answer(er_origin *origin, const er_config *c, er_exchange *x)
{
	er_slice scheme = {0}, authority = {0};
	if (c->origin == NULL || !er_standard_origin(er_slice_cstr(c->origin), &scheme, &authority, NULL)) {
		no_route(x);
		return;
	}
	/* A routine's own request for its host goes on in the name of the client that asked the routine. */
	er_identity_forward(&x->req.fields, &x->arena, x);
	er_slice host = er_host_of(authority);
	er_fetch_options opt = {.redirect = ER_REDIRECT_MANUAL, .decompress = ER_DECOMPRESS_MANUAL, .trusted = true};
	if (is_address(host) && x->req.authority.n > 0) {
		const char *port = host.n < authority.n ? "" : er_slice_eq(scheme, ER_LIT("https")) ? ":443" : ":80";
		er_slice to = er_arena_printf(&x->arena, "%.*s%s", ER_FMT(authority), port);
		opt.connect_to = er_arena_cstr(&x->arena, to);
	} else {
		x->req.authority = er_arena_copy(&x->arena, authority);
	}
	x->req.scheme = scheme;
	er_origin_fetch(origin, x, &opt);
}
