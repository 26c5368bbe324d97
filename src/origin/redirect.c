/* Pure: what an answer's status, its Location and the request's method say about the next
 * request. fetch.c asks when a head has come whole, and goes to the next hop by itself. */
#include "origin/redirect.h"

#include "base/mem.h"
#include "http/url.h"

bool er_redirect_is(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static er_redirect_step classic_step(int status, bool safe)
{
	ER_ASSERT(er_redirect_is(status));
	if (safe)
		return ER_REDIRECT_SAME;
	return status == 307 ? ER_REDIRECT_REFUSED : ER_REDIRECT_GET;
}

er_redirect_step er_redirect_step_of(int status, er_slice method, bool classic)
{
	ER_ASSERT(method.n > 0);
	bool safe = er_slice_eq(method, ER_LIT("GET")) || er_slice_eq(method, ER_LIT("HEAD"));
	if (!er_redirect_is(status))
		return ER_REDIRECT_NOT;
	if (classic)
		return classic_step(status, safe);
	bool post = er_slice_eq(method, ER_LIT("POST"));
	bool to_get = (post && (status == 301 || status == 302)) || (!safe && status == 303);
	return to_get ? ER_REDIRECT_GET : ER_REDIRECT_SAME;
}

void er_redirect_fields(er_fields *fields, bool body_dropped, bool other_origin)
{
	/* Fetch standard, "request-body-header name" and HTTP-redirect fetch. */
	static const er_slice body[] = {ER_LIT("content-encoding"), ER_LIT("content-language"), ER_LIT("content-location"),
	                                ER_LIT("content-type"), ER_LIT("content-length")};
	static const er_slice secret[] = {ER_LIT("authorization"), ER_LIT("cookie"), ER_LIT("proxy-authorization")};
	for (size_t i = 0; body_dropped && i < sizeof body / sizeof *body; i++)
		er_fields_del(fields, body[i]);
	for (size_t i = 0; other_origin && i < sizeof secret / sizeof *secret; i++)
		er_fields_del(fields, secret[i]);
}

bool er_redirect_resolve(er_slice from, er_slice location, er_arena *a, er_redirect_target *to, const char **why)
{
	er_url base, u;
	bool based = er_url_parse(&base, from, NULL);
	bool ok = based && er_url_parse(&u, location, &base);
	if (based)
		er_url_fini(&base);
	*why = "is not a URL";
	if (!ok)
		return false;
	er_slice scheme = er_url_get(&u, ER_URL_PROTOCOL);
	scheme.n -= scheme.n > 0; /* its colon */
	ok = er_slice_eq(scheme, ER_LIT("http")) || er_slice_eq(scheme, ER_LIT("https"));
	*why = "is neither http nor https";
	if (ok) {
		er_slice path = er_url_get(&u, ER_URL_PATHNAME), query = er_url_get(&u, ER_URL_SEARCH);
		*to = (er_redirect_target){.scheme = er_arena_copy(a, scheme),
		                           .authority = er_arena_copy(a, er_url_get(&u, ER_URL_HOST)),
		                           .target = er_arena_printf(a, "%.*s%.*s", ER_FMT(path), ER_FMT(query)),
		                           .user = er_url_get(&u, ER_URL_USERNAME).n + er_url_get(&u, ER_URL_PASSWORD).n > 0};
	}
	er_url_fini(&u);
	return ok;
}
