/* Most URLs of http: and https: are written as the parser would write them: seeing that, and where their parts are, takes one look at each byte. */
#include "http/url.h"

enum { HOST = 1, PATH = 2, QUERY = 4, FRAGMENT = 8, DIGIT = 16, LOWER = 32, INPUT_MAX = 64 * 1024 };

#define ALL (PATH | QUERY | FRAGMENT)

/* Of the percent-encode sets (URL Standard 1.3) what is in none; the query's also without "'". A "\" is a "/" in a path. */
static const uint8_t kind[256] = {
    ['!'] = ALL,
    ['#'] = 0,
    ['$'] = ALL,
    ['%'] = ALL,
    ['&'] = ALL,
    ['\''] = PATH | FRAGMENT,
    ['('] = ALL,
    [')'] = ALL,
    ['*'] = ALL,
    ['+'] = ALL,
    [','] = ALL,
    ['-'] = ALL | HOST,
    ['.'] = ALL | HOST,
    ['/'] = ALL,
    ['0' ... '9'] = ALL | HOST | DIGIT,
    [':'] = ALL,
    [';'] = ALL,
    ['='] = ALL,
    ['?'] = QUERY | FRAGMENT,
    ['@'] = ALL,
    ['A' ... 'Z'] = ALL,
    ['['] = ALL,
    ['\\'] = QUERY | FRAGMENT,
    [']'] = ALL,
    ['^'] = QUERY | FRAGMENT,
    ['_'] = ALL | HOST,
    ['`'] = QUERY,
    ['a' ... 'z'] = ALL | HOST | LOWER,
    ['{'] = QUERY | FRAGMENT,
    ['|'] = ALL,
    ['}'] = QUERY | FRAGMENT,
    ['~'] = ALL,
};

static size_t run(er_slice in, size_t at, uint8_t of)
{
	while (at < in.n && (kind[in.p[at]] & of))
		at++;
	return at;
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

static bool host_plain(er_slice host)
{
	const uint8_t *dot = host.n > 0 ? memrchr(host.p, '.', host.n) : NULL;
	er_slice last = dot != NULL ? er_slice_from(host, (size_t)(dot - host.p) + 1) : host;
	if (last.n == 0)
		return false;
	/* A last label that a letter begins is no number in any of the old spellings. */
	return (kind[last.p[0]] & LOWER) != 0 || (ipv4_plain(host) && host.p[host.n - 1] != '.');
}

/* The port that follows the ":" at `at`: the place after it, 0 for one that the parser would change or refuse. */
static size_t port_plain(er_slice in, size_t at, bool https, uint32_t *port)
{
	size_t end = run(in, at + 1, DIGIT);
	uint64_t v;
	if (end == at + 1 || end > at + 6 || in.p[at + 1] == '0' || !er_slice_u64(er_slice_of(in.p + at + 1, end - at - 1), &v) ||
	    v > 65535 || v == (https ? 443 : 80))
		return 0;
	*port = (uint32_t)v;
	return end;
}

/* No segment may begin with what could be a dot: it might be "." or "..". */
static size_t path_plain(er_slice in, size_t at)
{
	for (;;) {
		if (at + 1 < in.n && (in.p[at + 1] == '.' || in.p[at + 1] == '%'))
			return 0;
		at++;
		while (at < in.n && in.p[at] != '/' && (kind[in.p[at]] & PATH))
			at++;
		if (at == in.n || in.p[at] != '/')
			return at;
	}
}

bool er_url_plain(er_url *u, er_slice in)
{
	bool https = er_slice_starts(in, ER_LIT("https://"));
	if ((!https && !er_slice_starts(in, ER_LIT("http://"))) || in.n > INPUT_MAX)
		return false;
	uint32_t scheme = https ? 6 : 5;
	*u = (er_url){.protocol_end = scheme,
	              .username_end = scheme + 2,
	              .host_start = scheme + 2,
	              .port = ER_URL_ABSENT,
	              .search_start = ER_URL_ABSENT,
	              .hash_start = ER_URL_ABSENT};
	size_t at = run(in, u->host_start, HOST);
	u->host_end = (uint32_t)at;
	if (!host_plain(er_slice_of(in.p + u->host_start, at - u->host_start)))
		return false;
	if (at < in.n && in.p[at] == ':')
		at = port_plain(in, at, https, &u->port);
	if (at == 0 || at >= in.n || in.p[at] != '/')
		return false;
	u->pathname_start = (uint32_t)at;
	at = path_plain(in, at);
	if (at == 0)
		return false;
	if (at < in.n && in.p[at] == '?') {
		u->search_start = (uint32_t)at;
		at = run(in, at + 1, QUERY);
	}
	if (at < in.n && in.p[at] == '#') {
		u->hash_start = (uint32_t)at;
		at = run(in, at + 1, FRAGMENT);
	}
	return at == in.n;
}
