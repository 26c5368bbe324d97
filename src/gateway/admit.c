/* Everything here is looked up anew for each question: configurations change under a routine that
 * runs. */
#include "gateway/admit.h"

#include "base/mem.h"
#include "http/authority.h"
#include "http/target.h"

#include <stdarg.h>
#include <stdio.h>

/* Who takes a URL: nobody's routine, this one, or another. */
typedef enum taker { NOBODY, MINE, ANOTHER } taker;

static taker taker_of(const er_config *config, er_env env, er_slice authority, er_slice target, er_slice owner)
{
	er_found found;
	er_slice path = er_slice_head(target, er_slice_find(target, '?'));
	if (!er_config_route(config, env, er_host_of(authority), path, &found))
		return NOBODY;
	return er_slice_eq(found.deployment->name, owner) ? MINE : ANOTHER;
}

/* A 403 that the routine sees, and no network error. */
static __attribute__((format(printf, 2, 3))) bool refuse(er_exchange *x, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	er_exchange_fail(x, 403, ER_ERR_NO_ROUTE, NULL, "%s", text);
	x->res.error = ER_ERR_OK;
	er_exchange_answer(x);
	return false;
}

static bool resolves(const er_config *config, er_env env, const er_site *site, er_exchange *x)
{
	er_cache_wishes *w = x->wishes.cache;
	const er_site *other = er_config_site(config, er_host_of(w->resolve));
	w->apart = true;
	if (other == NULL || other == site) {
		const char *port = er_host_of(w->resolve).n < w->resolve.n       ? ""
		                   : er_slice_eq(x->req.scheme, ER_LIT("https")) ? ":443"
		                                                                 : ":80";
		x->wishes.connect_to = er_arena_cstr(&x->arena, er_arena_printf(&x->arena, "%.*s%s", ER_FMT(w->resolve), port));
		return true;
	}
	w->resolve_site = true;
	if (taker_of(config, env, w->resolve, x->req.target, w->owner) != ANOTHER)
		return true;
	return refuse(x, "resolveOverride: another routine answers for %.*s, and is not passed by",
	              ER_FMT(er_slice_head(w->resolve, 200)));
}

bool er_admit(const er_config *config, er_env env, er_exchange *x)
{
	er_cache_wishes *w = x->wishes.cache;
	const char *why;
	ER_ASSERT(w != NULL && !w->admitted && w->owner.n > 0);
	w->admitted = true;
	if (w->foreign) {
		w->apart = true;
		return true;
	}
	const er_site *site = er_config_site(config, er_host_of(x->req.authority));
	bool home = er_slice_ieq(x->req.authority, w->home);
	if (site == NULL && !home)
		return refuse(x, "cdnProxy: this node does not serve the host %.*s", ER_FMT(er_slice_head(x->req.authority, 200)));
	if ((!home || w->resolve.n > 0) && !er_target_normal(&x->arena, x->req.target, &x->req.target, &why))
		return refuse(x, "cdnProxy: %s, which servers read in different ways", why);
	taker who = taker_of(config, env, x->req.authority, x->req.target, w->owner);
	if (who == ANOTHER && !home)
		return refuse(x, "cdnProxy: another routine answers for %.*s, and is not passed by",
		              ER_FMT(er_slice_head(x->req.authority, 200)));
	bool wishes = w->has_ttl || w->n_by_status > 0 || w->everything || w->tags.n > 0;
	bool ground = who == MINE || (who == NOBODY && site == er_config_site(config, er_host_of(w->home)));
	w->apart = w->key.n > 0 || (wishes && !ground);
	return w->resolve.n == 0 || resolves(config, env, site, x);
}
