/* The short way. Most URLs of http: and https: are written as the parser would write them: seeing
 * that, and where their parts are, takes one look at each byte and no memory. It must never say yes
 * where the parser would change a byte or refuse: then JavaScript and the node would mean different
 * things by the same text. Where it is in doubt it says no, and the parser decides. The tests hold
 * the two together. */
#include "base/mem.h"
#include "http/url_host.h"
#include "http/url_record.h"

static bool digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

static bool lower(uint8_t c)
{
	return (uint8_t)(c - 'a') < 26;
}

static size_t host_length(er_slice in)
{
	size_t n = 0;
	while (n < in.n && (lower(in.p[n]) || digit(in.p[n]) || in.p[n] == '.' || in.p[n] == '-' || in.p[n] == '_'))
		n++;
	return n;
}

/* Four numbers of a byte each, as an address is serialized. */
static bool ipv4_plain(er_slice host)
{
	er_slice part;
	int parts = 0;
	for (; er_slice_split(&host, '.', &part); parts++) {
		uint64_t v;
		if (!er_slice_u64(part, &v) || v > 255 || (part.n > 1 && part.p[0] == '0'))
			return false;
	}
	return parts == 4;
}

bool er_url_host_plain(er_slice host)
{
	const uint8_t *dot = host.n > 0 ? memrchr(host.p, '.', host.n) : NULL;
	er_slice last = dot != NULL ? er_slice_from(host, (size_t)(dot - host.p) + 1) : host;
	if (last.n == 0)
		return false;
	/* A last label that a letter begins is no number in any of the old spellings. */
	return lower(last.p[0]) || (ipv4_plain(host) && host.p[host.n - 1] != '.');
}

/* `in` begins with the ":" of a port. How long that is; 0 for one that the parser would change or
 * refuse. */
static size_t port_length(er_slice in, bool https, uint32_t *port)
{
	ER_ASSERT(in.n > 0 && in.p[0] == ':');
	size_t n = 1;
	while (n < in.n && digit(in.p[n]))
		n++;
	uint64_t v;
	if (n == 1 || n > 6 || in.p[1] == '0' || !er_slice_u64(er_slice_of(in.p + 1, n - 1), &v) || v > 65535 ||
	    v == (https ? 443 : 80))
		return 0;
	*port = (uint32_t)v;
	return n;
}

/* No segment may begin with what could be a dot: it might be "." or "..". A "\" is a "/". */
static bool path_plain(er_slice path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '\\' || (path.p[i] == '/' && i + 1 < path.n && (path.p[i + 1] == '.' || path.p[i + 1] == '%')))
			return false;
	return path.n > 0 && path.p[0] == '/';
}

/* What follows the "?" or "#" at *at, if that is what is there: *start is its place. */
static void take_after(er_slice in, uint8_t mark, uint8_t set, uint32_t *start, size_t *at)
{
	if (*at == in.n || in.p[*at] != mark)
		return;
	ER_ASSERT(*at < in.n && *start == ER_URL_ABSENT);
	*start = (uint32_t)*at;
	*at += 1 + er_url_unencoded(er_slice_from(in, *at + 1), set);
}

bool er_url_plain(er_url *u, er_slice in)
{
	bool https = er_slice_starts(in, ER_LIT("https://"));
	if ((!https && !er_slice_starts(in, ER_LIT("http://"))) || in.n > ER_URL_INPUT_MAX)
		return false;
	uint32_t scheme = https ? 6 : 5; /* with the ":" */
	*u = (er_url){.protocol_end = scheme,
	              .username_end = scheme + 2,
	              .host_start = scheme + 2,
	              .port = ER_URL_ABSENT,
	              .search_start = ER_URL_ABSENT,
	              .hash_start = ER_URL_ABSENT};
	er_slice rest = er_slice_from(in, u->host_start), host = er_slice_head(rest, host_length(rest));
	if (!er_url_host_plain(host))
		return false;
	size_t at = u->host_start + host.n;
	u->host_end = (uint32_t)at;
	if (at < in.n && in.p[at] == ':') {
		size_t n = port_length(er_slice_from(in, at), https, &u->port);
		if (n == 0)
			return false;
		at += n;
	}
	u->pathname_start = (uint32_t)at;
	rest = er_slice_from(in, at);
	er_slice path = er_slice_head(rest, er_url_unencoded(rest, ER_URL_SET_PATH));
	if (!path_plain(path))
		return false;
	at += path.n;
	take_after(in, '?', ER_URL_SET_SPECIAL_QUERY, &u->search_start, &at);
	take_after(in, '#', ER_URL_SET_FRAGMENT, &u->hash_start, &at);
	ER_ASSERT(at <= in.n && u->host_end <= u->pathname_start);
	return at == in.n;
}
