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

void er_standard_handle(const er_config *c, er_exchange *x)
{
	ER_ASSERT(c != NULL && x->chain != NULL);
	const er_site *site = er_config_site(c, er_host_of(x->req.authority));
	if (site == NULL) {
		no_route(x);
		return;
	}
	/* A routine's own request for its host goes on in the name of the client that asked the
	 * routine. */
	er_identity_forward(&x->req.fields, &x->arena, x);
	er_group_ask(site->group, x, er_chain_behind(x->chain, ER_AT_STANDARD));
}
