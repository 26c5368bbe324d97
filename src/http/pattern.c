/* Patterns of routes: read, and brought into their one spelling. Pure: what is made lies in the
 * caller's arena.
 *
 * Host and path of a pattern go through the parsers that a request goes through, so that both mean
 * the same in whatever spelling they were written. A pattern that is in its one spelling already
 * points into its own text, which is how is_normal knows it without comparing. */
#include "http/pattern.h"

#include "base/mem.h"
#include "http/target.h"
#include "http/url_host.h"

enum { HOST_MAX = 253, TEXT_MAX = 2048, SHOWN = 200 };

static bool host_byte(uint8_t c, bool bracket)
{
	uint8_t l = er_lower(c);
	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c >= 0x80 || c == '[' ||
	       c == ']' || (c == ':' && bracket);
}

/* What the URL parser would take and a host of a request cannot have, is told here in words of its
 * own. */
static bool check_bytes(er_slice text, er_slice host, er_err *err)
{
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i];
		if (host_byte(c, host.p[0] == '['))
			continue;
		return er_fail(err, ER_ERR_INVALID,
		               "route \"%.*s\": %s cannot be in a host; no scheme, no port, and \"*\" only at its front as \"*.\"",
		               ER_FMT(er_slice_head(text, SHOWN)),
		               c == ':'   ? "a colon"
		               : c == '*' ? "this star"
		                          : "one of its characters");
	}
	return true;
}

/* Labels between dots, none of them empty. */
static bool labels_ok(er_slice host)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] == '.' && (i == 0 || i + 1 == host.n || host.p[i - 1] == '.'))
			return false;
	return host.n > 0 && host.n <= HOST_MAX;
}

/* Small letters, digits, "-", "_" and ".". */
static bool is_plain(er_slice host)
{
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] != er_lower(host.p[i]) || host.p[i] >= 0x80 || host.p[i] == '[' || host.p[i] == ']')
			return false;
	return true;
}

static er_slice without_last_dot(er_slice host)
{
	return host.n > 1 && host.p[host.n - 1] == '.' ? er_slice_head(host, host.n - 1) : host;
}

static bool is_address(er_slice host)
{
	er_slice last = host;
	for (size_t dot; (dot = er_slice_find(last, '.')) < last.n;)
		last = er_slice_from(last, dot + 1);
	bool digits = last.n > 0;
	for (size_t i = 0; i < last.n; i++)
		digits = digits && last.p[i] >= '0' && last.p[i] <= '9';
	return digits || (host.n > 0 && host.p[0] == '[');
}

/* As a request for that host has it. */
static bool normal_host(er_arena *a, er_slice text, er_slice host, er_slice *out, er_err *err)
{
	*out = without_last_dot(host);
	if (out->n == 0 || host.n > TEXT_MAX)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": a host is expected: host/path*, *.host or *",
		               ER_FMT(er_slice_head(text, SHOWN)));
	if (!check_bytes(text, *out, err))
		return false;
	if (is_plain(*out) && labels_ok(*out) && er_url_host_plain(*out))
		return true;
	if (!er_url_host_parse(a, *out, false, out))
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": this is neither a host name nor an address",
		               ER_FMT(er_slice_head(text, SHOWN)));
	*out = without_last_dot(*out);
	return (out->n > 0 && out->p[0] == '[') || labels_ok(*out) ||
	       er_fail(err, ER_ERR_INVALID, "route \"%.*s\": the host has an empty label, or more than %d bytes",
	               ER_FMT(er_slice_head(text, SHOWN)), HOST_MAX);
}

/* "*", "*.HOST" or HOST, in its one spelling. */
static bool parse_host(er_arena *a, er_slice text, er_slice host, er_pattern *out, er_err *err)
{
	if (er_slice_eq(host, ER_LIT("*"))) {
		out->any_host = true;
		return true;
	}
	if (er_slice_starts(host, ER_LIT("*."))) {
		out->sub_hosts = true;
		host = er_slice_from(host, 2);
	}
	if (!normal_host(a, text, host, &out->host, err))
		return false;
	if (out->sub_hosts && is_address(out->host))
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": an address has no sub-hosts", ER_FMT(er_slice_head(text, SHOWN)));
	return true;
}

bool er_pattern_parse(er_arena *a, er_slice text, er_pattern *out, er_err *err)
{
	ER_ASSERT(a != NULL && out != NULL);
	size_t slash = er_slice_find(text, '/');
	er_slice path = er_slice_from(text, slash);
	*out = (er_pattern){.bare = path.n == 0};
	if (text.n > TEXT_MAX)
		return er_fail(err, ER_ERR_INVALID, "a route has at most %d bytes", TEXT_MAX);
	if (!parse_host(a, text, er_slice_head(text, slash), out, err))
		return false;
	ER_ASSERT(out->any_host == (out->host.n == 0));
	if (path.n == 0) {
		path = ER_LIT("/");
		out->path_prefix = true;
	} else if (path.p[path.n - 1] == '*') {
		out->path_prefix = true;
		path.n--;
	}
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '*' || path.p[i] == '?' || path.p[i] == '#' || path.p[i] <= ' ')
			return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": %s cannot be in a path; \"*\" only at its end",
			               ER_FMT(er_slice_head(text, SHOWN)),
			               path.p[i] == '*'   ? "this star"
			               : path.p[i] == '?' ? "a query"
			               : path.p[i] == '#' ? "a fragment"
			                                  : "a space or a control character");
	/* The star is off: what is left is a prefix or a whole path. */
	out->path = er_target_pattern(a, path, out->path_prefix);
	return true;
}

/* The parser had to change nothing: what it found lies in the text. */
static bool is_normal(er_slice text, const er_pattern *p)
{
	size_t slash = er_slice_find(text, '/'), star = p->sub_hosts ? 2 : 0;
	bool host = p->any_host || (p->host.p == text.p + star && p->host.n + star == slash);
	return host && (p->bare || p->path.p == text.p + slash);
}

bool er_pattern_normal(er_arena *a, er_slice text, er_slice *out, er_err *err)
{
	er_pattern p;
	if (!er_pattern_parse(a, text, &p, err))
		return false;
	if (is_normal(text, &p)) {
		*out = text;
		return true;
	}
	er_slice host = p.any_host ? ER_LIT("*") : p.host, path = p.bare ? (er_slice){0} : p.path;
	*out = er_arena_printf(a, "%s%.*s%.*s%s", p.sub_hosts ? "*." : "", ER_FMT(host), ER_FMT(path),
	                       p.path_prefix && !p.bare ? "*" : "");
	return true;
}

bool er_pattern_same(er_arena *a, er_slice one, er_slice other)
{
	if (er_slice_eq(one, other))
		return true;
	return er_pattern_normal(a, one, &one, NULL) && er_pattern_normal(a, other, &other, NULL) && er_slice_eq(one, other);
}
