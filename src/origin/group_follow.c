/* What is followed: a GET or HEAD that is answered with 301, 302, 303, 307 or 308. What goes to the
 * client although the site follows: a redirect that only changes the scheme of the client's URL
 * (nobody but the client can), one from TLS to http:// of another host, one that sets a cookie (the
 * cookie is the client's), and one that leads to nothing over HTTP.
 *
 * The answer at the end of the way is stored under the key of its beginning. So whatever the
 * redirects vary on, it varies on; if one of them must not be stored, it is not; and it is fresh no
 * longer than any of them (group_life.h). */
#include "origin/group_follow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/authority.h"
#include "http/identity.h"
#include "origin/redirect.h"

#include <stdio.h>

er_follow_way er_follow_begin(const er_exchange *x)
{
	return (er_follow_way){.scheme = x->req.scheme, .authority = x->req.authority, .target = x->req.target};
}

/* ---- whose host it is ---- */

static er_slice port_of(er_slice scheme, er_slice authority)
{
	er_slice host = er_host_of(authority);
	if (host.n < authority.n)
		return er_slice_from(authority, host.n + 1);
	return er_slice_eq(scheme, ER_LIT("https")) ? ER_LIT("443") : ER_LIT("80");
}

/* By its host; another port is another server, but a URL without one may have lost it on its way
 * through the origin. */
static bool is_server(const er_upstream *s, const er_redirect_target *to)
{
	er_slice host = er_host_of(to->authority);
	return er_slice_ieq(er_host_of(s->authority), host) &&
	       (host.n == to->authority.n || er_slice_eq(port_of(s->scheme, s->authority), port_of(to->scheme, to->authority)));
}

static bool is_of_site(const er_group *g, const er_exchange *x, er_slice host)
{
	if (er_slice_eq(host, er_host_of(x->req.authority)))
		return true;
	const er_pattern it = {.host = host, .path = ER_LIT("/"), .bare = true};
	for (size_t i = 0; i < g->n_hosts; i++)
		if (!g->hosts[i].any_host && er_pattern_host_covers(&g->hosts[i], &it))
			return true;
	return false;
}

/* True for the group; *said: a host of the site, which is what Host may say from now on. */
static bool is_own(const er_group *g, const er_exchange *x, const er_redirect_target *to, bool *said)
{
	er_slice host = er_host_of(to->authority);
	*said = is_of_site(g, x, host);
	if (*said || (g->spec.host_name.n > 0 && er_slice_eq(host, g->spec.host_name)) ||
	    (g->spec.sni.n > 0 && er_slice_eq(host, g->spec.sni)))
		return true;
	for (size_t i = 0; i < g->n; i++)
		if (is_server(&g->servers[i], to))
			return true;
	return false;
}

/* ---- what an answer says ---- */

static bool says(er_slice list, er_slice directive)
{
	for (er_slice one; er_slice_split(&list, ',', &one);) {
		one = er_slice_trim(one);
		if (er_slice_ieq(er_slice_trim(er_slice_head(one, er_slice_find(one, '='))), directive))
			return true;
	}
	return false;
}

static bool is_cache_control(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("cache-control")) || er_slice_ieq(name, ER_LIT("cdn-cache-control"));
}

static void vary_on(er_follow_way *way, er_slice names, er_arena *a)
{
	if (way->vary.n + names.n > ER_FOLLOW_VARY_MAX)
		way->unstored = true;
	else
		way->vary = er_arena_printf(a, "%.*s%s%.*s", ER_FMT(way->vary), way->vary.n > 0 ? ", " : "", ER_FMT(names));
}

static void note_storing(er_follow_way *way, const er_fields *fields, er_arena *a)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		const er_field *it = &fields->v[i];
		if (is_cache_control(it->name))
			way->unstored = way->unstored || says(it->value, ER_LIT("no-store")) || says(it->value, ER_LIT("private")) ||
			                says(it->value, ER_LIT("no-cache"));
		else if (er_slice_ieq(it->name, ER_LIT("vary")))
			vary_on(way, it->value, a);
	}
}

static bool resolve(const er_follow_way *way, er_slice location, er_arena *a, er_redirect_target *to)
{
	const char *why;
	er_slice here = er_arena_printf(a, "%.*s://%.*s%.*s", ER_FMT(way->scheme), ER_FMT(way->authority), ER_FMT(way->target));
	return er_redirect_resolve(here, location, a, to, &why);
}

/* The client is told, although its URL leads somewhere that could be asked. */
static bool is_clients(const er_exchange *x, const er_exchange *now, const er_follow_way *way, er_slice asked_over,
                       const er_redirect_target *to, bool own)
{
	bool other_scheme = er_slice_eq(to->authority, x->req.authority) && !er_slice_eq(to->scheme, x->req.scheme);
	if (other_scheme && er_slice_eq(to->target, way->target) && !way->foreign)
		return true;
	if (!way->foreign && er_fields_get(&now->res.fields, ER_LIT("set-cookie")) != NULL)
		return true;
	return !own && er_slice_eq(asked_over, ER_LIT("https")) && er_slice_eq(to->scheme, ER_LIT("http"));
}

er_follow er_follow_next(const er_group *g, er_exchange *x, const er_exchange *now, er_slice scheme, er_follow_way *way,
                         const char **why)
{
	er_arena *a = &x->arena;
	bool safe = er_slice_eq(x->req.method, ER_LIT("GET")) || er_slice_eq(x->req.method, ER_LIT("HEAD"));
	const er_slice *location = er_fields_get(&now->res.fields, ER_LIT("location"));
	er_redirect_target to;
	bool said;
	if (g->spec.redirects == 0 || !safe || x->req.body != NULL || now->res.error != ER_ERR_OK || location == NULL ||
	    !er_redirect_is(now->res.status))
		return ER_FOLLOW_NO;
	if (location->n > ER_FOLLOW_URL_MAX || !resolve(way, *location, a, &to)) {
		if (way->hops == 0)
			return ER_FOLLOW_NO;
		*why = "to what is no URL of HTTP, or a URL of more than 8 KB";
		return ER_FOLLOW_BROKEN;
	}
	bool own = is_own(g, x, &to, &said);
	if (is_clients(x, now, way, scheme, &to, own))
		return ER_FOLLOW_NO;
	if (way->hops >= g->spec.redirects) {
		char text[40];
		int n = snprintf(text, sizeof text, "more than %u times", g->spec.redirects);
		*why = er_arena_cstr(a, er_slice_of(text, (size_t)n));
		return ER_FOLLOW_BROKEN;
	}
	note_storing(way, &now->res.fields, a);
	int64_t took = (int64_t)((er_clock_mono_us() - now->facts.started_us) / 1000000);
	er_way_life_note(&way->life, now->res.status, &now->res.fields, er_clock_wall_s() - took, er_clock_wall_s());
	way->hops++;
	way->foreign = !own;
	way->left = way->left || !own;
	way->target = to.target;
	/* The group's servers are asked for a host of the site, whatever they call themselves. */
	way->scheme = own ? x->req.scheme : to.scheme;
	way->authority = !own || said ? to.authority : x->req.authority;
	return ER_FOLLOW_ON;
}

/* ---- the next question ---- */

/* What the client or the site says to the site's servers alone. */
static bool is_secret(const er_group *g, er_slice name)
{
	for (size_t i = 0; i < g->spec.n_fields; i++)
		if (er_slice_ieq(name, g->spec.fields[i].name))
			return true;
	return er_identity_claimed(name);
}

static void drop_secrets(const er_group *g, er_fields *fields)
{
	uint32_t kept = 0;
	er_redirect_fields(fields, false, true);
	for (uint32_t i = 0; i < fields->n; i++)
		if (!is_secret(g, fields->v[i].name))
			fields->v[kept++] = fields->v[i];
	fields->n = kept;
}

void er_follow_ask(const er_group *g, const er_follow_way *way, er_exchange *now)
{
	er_arena *a = &now->arena;
	const er_group_spec *spec = &g->spec;
	ER_ASSERT(way->hops > 0 && now->req.body == NULL);
	now->req.authority = er_arena_copy(a, way->authority);
	now->req.target = er_arena_copy(a, way->target);
	now->req.host = (er_slice){0};
	if (way->left)
		er_redirect_fields(&now->req.fields, false, true);
	if (!way->foreign)
		return;
	drop_secrets(g, &now->req.fields);
	now->req.scheme = er_arena_copy(a, way->scheme);
	now->wishes = (er_wishes){.redirect = ER_REDIRECT_MANUAL,
	                          .decompress = ER_DECOMPRESS_MANUAL,
	                          .allow = spec->allow,
	                          .n_allow = spec->n_allow,
	                          .connect_ms = spec->connect_ms,
	                          .head_ms = spec->head_ms,
	                          .idle_ms = spec->idle_ms};
}

/* ---- the answer ---- */

void er_follow_answer(const er_follow_way *way, er_exchange *x)
{
	er_fields *fields = &x->res.fields;
	er_arena *a = &x->arena;
	er_redirect_target to;
	if (way->hops == 0)
		return;
	/* A cookie of another host is none of the site's. */
	if (way->foreign)
		er_fields_del(fields, ER_LIT("set-cookie"));
	/* As a client reads it, who knows its own URL alone. */
	const er_slice *location = er_fields_get(fields, ER_LIT("location"));
	if (location != NULL && resolve(way, *location, a, &to))
		er_fields_set(fields, a, ER_LIT("location"),
		              er_arena_printf(a, "%.*s://%.*s%.*s", ER_FMT(to.scheme), ER_FMT(to.authority), ER_FMT(to.target)));
	if (way->vary.n > 0)
		er_fields_add(fields, a, ER_LIT("vary"), way->vary);
	er_way_life_answer(&way->life, x->res.status, fields, a, er_clock_wall_s());
	if (!way->unstored)
		return;
	er_fields_del(fields, ER_LIT("cdn-cache-control"));
	er_fields_add(fields, a, ER_LIT("cache-control"), ER_LIT("no-store"));
}
