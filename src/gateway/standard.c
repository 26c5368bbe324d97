/* The standard process: the site that the request's host belongs to, and its origin group; or a 404
 * that says how to get one. It is the end of the chain for requests that no routine takes and for
 * those that a routine hands on. The caller's handler is worker.c's. */
#include "gateway/standard.h"

#include "base/mem.h"
#include "http/authority.h"
#include "http/identity.h"
#include "origin/group_ask.h"

static void no_route(er_exchange *x)
{
	er_exchange_fail(
	    x, 404, ER_ERR_NO_ROUTE, NULL,
	    "No routine answers %.*s%.*s on this node, and no site has this host.\n"
	    "Add a route for this host and path to node.jsonc (\"routes\": [{\"pattern\": \"%.*s/*\", \"routine\": \"NAME\"}]), "
	    "open http://NAME.localhost, or say where its answers come from: er site add, \"sites\" or \"origin\".",
	    ER_FMT(er_slice_head(x->req.authority, 100)), ER_FMT(er_slice_head(x->req.target, 200)),
	    ER_FMT(er_slice_head(er_host_of(x->req.authority), 100)));
	er_exchange_answer(x);
}

void er_standard_options(er_exchange *x)
{
	x->res = (er_response){.status = 204};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	er_exchange_answer(x);
}

/* RFC 9110 7.6.2: each that hands an OPTIONS on counts it down, and who gets 0 answers itself. What
 * is no number says nothing. False: it goes no further. */
static bool may_go_on(er_exchange *x)
{
	const er_slice name = ER_LIT("max-forwards");
	const er_slice *most = er_slice_eq(x->req.method, ER_LIT("OPTIONS")) ? er_fields_get(&x->req.fields, name) : NULL;
	uint64_t n;
	if (most == NULL || !er_slice_u64(*most, &n))
		return true;
	if (n == 0)
		return false;
	er_fields_set(&x->req.fields, &x->arena, name, er_arena_u64(&x->arena, n - 1));
	return true;
}

/* The server that a routine names in place of the site's: guarded as every other one is that it may
 * ask. */
static void ask_named(er_exchange *x)
{
	ER_ASSERT(x->wishes.connect_to != NULL && !x->wishes.trusted);
	x->wishes.redirect = ER_REDIRECT_MANUAL;
	x->wishes.decompress = ER_DECOMPRESS_MANUAL;
	er_identity_forward(&x->req.fields, &x->arena, x);
	er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_STANDARD));
}

void er_standard_handle(const er_config *c, er_exchange *x)
{
	ER_ASSERT(c != NULL && x->chain != NULL);
	/* What is put is never fetched. */
	if (x->wishes.cache != NULL && x->wishes.cache->store.n > 0) {
		er_exchange_fail(x, 504, ER_ERR_UNAVAILABLE, NULL, "a cache of a routine's own has no origin");
		er_exchange_answer(x);
		return;
	}
	const er_cache_wishes *w = x->wishes.cache;
	if (w != NULL && w->foreign) {
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_STANDARD));
		return;
	}
	if (w != NULL && w->resolve.n > 0 && !w->resolve_site) {
		ask_named(x);
		return;
	}
	const er_site *site = er_config_site(c, er_host_of(w != NULL && w->resolve_site ? w->resolve : x->req.authority));
	if (site == NULL) {
		no_route(x);
		return;
	}
	if (!may_go_on(x)) {
		er_standard_options(x);
		return;
	}
	/* A routine's own request for its host goes on in the name of the client that asked the
	 * routine. */
	er_identity_forward(&x->req.fields, &x->arena, x);
	er_group_ask(site->group, x, er_chain_behind(x->chain, ER_AT_STANDARD));
}
