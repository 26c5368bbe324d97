/* Pure but for the arena. The parts are spelled in one way by the URL Standard's parser and then by
 * the two functions that the gateway has for requests, so what is found here is what a request
 * would find. */
#include "control/where.h"

#include "http/authority.h"
#include "http/target.h"
#include "http/url.h"

enum { TEXT_MOST = 60000 };

bool er_where_read(er_arena *a, er_slice text, er_where *out)
{
	er_url url;
	*out = (er_where){0};
	bool https = er_slice_ieq(er_slice_head(text, 8), ER_LIT("https://"));
	out->said_scheme = https || er_slice_ieq(er_slice_head(text, 7), ER_LIT("http://"));
	if (text.n == 0 || text.n > TEXT_MOST)
		return false;
	if (!out->said_scheme)
		text = er_arena_printf(a, "http://%.*s", ER_FMT(text));
	if (!er_url_parse(&url, text, NULL))
		return false;
	er_slice authority = er_arena_copy(a, er_url_get(&url, ER_URL_HOST));
	out->path = er_arena_copy(a, er_url_get(&url, ER_URL_PATHNAME));
	out->query = er_arena_copy(a, er_url_get(&url, ER_URL_SEARCH));
	er_url_fini(&url);
	out->scheme = https ? ER_LIT("https") : ER_LIT("http");
	out->authority = authority;
	if (!er_authority_read(a, authority, out->scheme, &out->authority))
		out->refused = "its host is not a host name";
	er_slice target = er_arena_printf(a, "%.*s%.*s", ER_FMT(out->path), ER_FMT(out->query));
	if (out->refused != NULL || !er_target_normal(a, target, &target, &out->refused))
		return true;
	size_t n = er_slice_find(target, '?');
	out->path = er_slice_head(target, n);
	out->query = er_slice_from(target, n);
	return true;
}
