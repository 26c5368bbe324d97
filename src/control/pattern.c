#include "control/pattern.h"

static bool parse_host(er_slice text, er_slice host, er_pattern *out, er_err *err)
{
	if (er_slice_eq(host, ER_LIT("*"))) {
		out->any_host = true;
		return true;
	}
	if (er_slice_starts(host, ER_LIT("*."))) {
		out->sub_hosts = true;
		host = er_slice_from(host, 2);
	}
	if (host.n == 0 || host.n > 253)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": a host is expected: host/path*, *.host or *",
		               ER_FMT(er_slice_head(text, 200)));
	for (size_t i = 0; i < host.n; i++) {
		uint8_t ch = er_lower(host.p[i]);
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_' || ch == '[' ||
		          ch == ']' || (ch == ':' && host.p[0] == '[');
		if (!ok)
			return er_fail(err, ER_ERR_INVALID,
			               "route \"%.*s\": %s cannot be in a host; no scheme, no port, and \"*\" only at its front as \"*.\"",
			               ER_FMT(er_slice_head(text, 200)),
			               ch == ':'   ? "a colon"
			               : ch == '*' ? "this star"
			                           : "one of its characters");
	}
	out->host = host;
	return true;
}

bool er_pattern_parse(er_slice text, er_pattern *out, er_err *err)
{
	size_t slash = er_slice_find(text, '/');
	er_slice path = er_slice_from(text, slash);
	*out = (er_pattern){0};
	if (text.n > 2048)
		return er_fail(err, ER_ERR_INVALID, "a route has at most 2048 bytes");
	if (!parse_host(text, er_slice_head(text, slash), out, err))
		return false;
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
			               ER_FMT(er_slice_head(text, 200)),
			               path.p[i] == '*'   ? "this star"
			               : path.p[i] == '?' ? "a query"
			               : path.p[i] == '#' ? "a fragment"
			                                  : "a space or a control character");
	out->path = path;
	return true;
}

/* `host` is below `domain`: "a.example.com" below "example.com". */
static bool is_below(er_slice host, er_slice domain)
{
	return host.n > domain.n && host.p[host.n - domain.n - 1] == '.' &&
	       er_slice_ieq(er_slice_from(host, host.n - domain.n), domain);
}

static bool host_covers(const er_pattern *a, const er_pattern *b)
{
	if (a->any_host)
		return true;
	if (b->any_host)
		return false;
	if (!a->sub_hosts)
		return !b->sub_hosts && er_slice_ieq(a->host, b->host);
	return is_below(b->host, a->host) || (b->sub_hosts && er_slice_ieq(a->host, b->host));
}

bool er_pattern_covers(const er_pattern *a, const er_pattern *b)
{
	if (!host_covers(a, b))
		return false;
	return a->path_prefix ? er_slice_starts(b->path, a->path) : !b->path_prefix && er_slice_eq(a->path, b->path);
}

bool er_pattern_matches(const er_pattern *p, er_slice host, er_slice path)
{
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	er_pattern exact = {.host = host, .path = path};
	return host_covers(p, &exact) && (p->path_prefix ? er_slice_starts(path, p->path) : er_slice_eq(path, p->path));
}
