/* The basic URL parser (URL Standard 4.4), not by the character but by the part: each state of the
 * standard that reads a part is a function, take_*, that takes the part off the front of the input
 * and goes on with what may follow it. So a call is a transition of the standard's machine, false
 * is its "return failure", and a URL is whole when the last one has returned.
 *
 *    take_url ─┬─ take_without_scheme ── take_relative ─┐
 *              ├─ take_file ── take_file_host ──────────┼─ take_path ── take_query ── take_fragment
 *              ├─ take_authority ── take_path_start ────┘                   │
 *              └─ take_opaque ──────────────────────────────────────────────┘
 *
 * What is read is noted in a record, whose slices lie in the input, in the base, or in an arena
 * that lives for this one parse; only a whole URL is written (url_record.c). Validation errors that
 * the standard only reports are ignored. The input is a stranger's: bounded in length, refused,
 * never asserted. The node parses the targets of subrequests with it, and the sandbox has it as the
 * URL class; so both mean the same by a URL. */
#include "http/url.h"

#include "base/mem.h"
#include "http/url_host.h"
#include "http/url_record.h"

/* ---- small things ---- */

static bool is_file(er_slice scheme)
{
	return er_url_special_port(scheme) == 0;
}

static bool alpha(uint8_t c)
{
	return (uint8_t)(er_lower(c) - 'a') < 26;
}

static bool newline(uint8_t c)
{
	return c == '\t' || c == '\n' || c == '\r';
}

er_slice er_url_drop_newlines(er_arena *a, er_slice in)
{
	size_t i = 0;
	while (i < in.n && !newline(in.p[i]))
		i++;
	if (i == in.n)
		return in;
	uint8_t *out = er_arena_alloc(a, in.n);
	size_t n = 0;
	for (i = 0; i < in.n; i++)
		if (!newline(in.p[i]))
			out[n++] = in.p[i];
	return er_slice_of(out, n);
}

static er_slice trim_c0(er_slice s)
{
	while (s.n > 0 && s.p[0] <= ' ')
		s = er_slice_from(s, 1);
	while (s.n > 0 && s.p[s.n - 1] <= ' ')
		s.n--;
	return s;
}

size_t er_url_scheme_length(er_slice in)
{
	if (in.n == 0 || !alpha(in.p[0]))
		return 0;
	for (size_t i = 1; i < in.n; i++) {
		uint8_t c = in.p[i];
		if (c == ':')
			return i;
		if (!alpha(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
			return 0;
	}
	return 0;
}

/* "/", and "\" in special schemes. */
static bool slash_at(er_slice s, size_t at, bool special)
{
	return at < s.n && (s.p[at] == '/' || (special && s.p[at] == '\\'));
}

size_t er_url_host_length(er_slice in, bool special)
{
	size_t n = 0;
	while (n < in.n && in.p[n] != '?' && in.p[n] != '#' && !slash_at(in, n, special))
		n++;
	return n;
}

size_t er_url_host_colon(er_slice host)
{
	bool inside = false;
	for (size_t i = 0; i < host.n; i++) {
		if (host.p[i] == '[')
			inside = true;
		else if (host.p[i] == ']')
			inside = false;
		else if (host.p[i] == ':' && !inside)
			return i;
	}
	return host.n;
}

/* ---- paths ---- */

bool er_url_windows_drive(er_slice s)
{
	return s.n == 2 && alpha(s.p[0]) && (s.p[1] == ':' || s.p[1] == '|');
}

static bool starts_with_drive(er_slice s)
{
	return er_url_windows_drive(er_slice_head(s, 2)) &&
	       (s.n == 2 || s.p[2] == '/' || s.p[2] == '\\' || s.p[2] == '?' || s.p[2] == '#');
}

/* The path begins with "/C:" and that is a segment. */
static bool path_has_drive(er_slice path)
{
	return path.n >= 3 && alpha(path.p[1]) && path.p[2] == ':' && (path.n == 3 || path.p[3] == '/');
}

static size_t shorten(er_slice scheme, er_slice path)
{
	if (path.n == 3 && is_file(scheme) && path_has_drive(path))
		return path.n;
	while (path.n > 0 && path.p[path.n - 1] != '/')
		path.n--;
	return path.n > 0 ? path.n - 1 : 0;
}

/* How many dots a segment is, written "." or "%2e"; 0 for any other. */
static int dots(er_slice s)
{
	int n = 0;
	if (s.n > 6)
		return 0;
	while (s.n > 0 && n < 3) {
		if (s.p[0] == '.')
			s = er_slice_from(s, 1);
		else if (s.n >= 3 && er_slice_ieq(er_slice_head(s, 3), ER_LIT("%2e")))
			s = er_slice_from(s, 3);
		else
			return 0;
		n++;
	}
	return n <= 2 ? n : 0;
}

er_slice er_url_path_add(er_arena *a, er_slice scheme, er_slice path, er_slice in)
{
	bool special = er_url_special(scheme);
	/* Each byte encoded, and for an empty or last segment a "/" that is not in `in`. */
	const size_t room = path.n + in.n * 3 + 2;
	uint8_t *out = er_arena_alloc(a, room);
	er_copy(out, path.p, path.n);
	size_t n = path.n;
	for (;;) {
		size_t end = 0;
		while (end < in.n && !slash_at(in, end, special))
			end++;
		er_slice segment = er_slice_head(in, end);
		bool last = end == in.n;
		int dot = dots(segment);
		if (dot == 2)
			n = shorten(scheme, er_slice_of(out, n));
		if (dot == 0 || last)
			out[n++] = '/';
		if (dot == 0 && n == 1 && is_file(scheme) && er_url_windows_drive(segment)) {
			out[n++] = segment.p[0];
			out[n++] = ':';
		} else if (dot == 0) {
			n = (size_t)(er_url_encode_to(out + n, segment, ER_URL_SET_PATH) - out);
		}
		ER_ASSERT(n <= room);
		if (last)
			return er_slice_of(out, n);
		in = er_slice_from(in, end + 1);
	}
}

/* ---- the parser ---- */

typedef struct parser {
	er_arena *a;
	const er_url_record *base; /* or NULL */
	er_url_record r;
	bool special;
	er_slice in; /* what is still to be read */
} parser;

static void take_fragment(parser *p)
{
	if (p->in.n == 0)
		return;
	p->r.has_fragment = true;
	p->r.fragment = er_url_encode(p->a, er_slice_from(p->in, 1), ER_URL_SET_FRAGMENT);
}

/* The input is at "?", "#" or its end. */
static bool take_query(parser *p)
{
	if (p->in.n > 0 && p->in.p[0] == '?') {
		p->in = er_slice_from(p->in, 1);
		size_t n = er_slice_find(p->in, '#');
		p->r.has_query = true;
		p->r.query = er_url_encode(p->a, er_slice_head(p->in, n), p->special ? ER_URL_SET_SPECIAL_QUERY : ER_URL_SET_QUERY);
		p->in = er_slice_from(p->in, n);
	}
	take_fragment(p);
	return true;
}

static size_t path_length(er_slice in)
{
	size_t n = 0;
	while (n < in.n && in.p[n] != '?' && in.p[n] != '#')
		n++;
	return n;
}

/* "Path state": the slash before the first segment is already taken. */
static bool take_path(parser *p)
{
	size_t n = path_length(p->in);
	p->r.path = er_url_path_add(p->a, p->r.scheme, p->r.path, er_slice_head(p->in, n));
	p->in = er_slice_from(p->in, n);
	return take_query(p);
}

static bool take_path_start(parser *p)
{
	if (slash_at(p->in, 0, p->special)) {
		p->in = er_slice_from(p->in, 1);
		return take_path(p);
	}
	/* After an authority only "?", "#" or the end is left. */
	return p->special ? take_path(p) : take_query(p);
}

static bool take_opaque(parser *p)
{
	size_t n = path_length(p->in);
	er_slice path = er_slice_head(p->in, n);
	p->in = er_slice_from(p->in, n);
	p->r.opaque = true;
	p->r.path = er_url_encode(p->a, path, ER_URL_SET_C0);
	/* A space before "?" or "#" would be lost if those were removed again. */
	if (p->in.n > 0 && path.n > 0 && path.p[path.n - 1] == ' ')
		p->r.path = er_url_join(p->a, er_slice_head(p->r.path, p->r.path.n - 1), ER_LIT("%20"));
	return take_query(p);
}

static bool take_port(parser *p, er_slice digits)
{
	uint32_t port = 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		port = port * 10 + (uint32_t)(digits.p[i] - '0');
		if (port > 65535)
			return false;
	}
	if (digits.n > 0 && (int)port != er_url_special_port(p->r.scheme))
		p->r.port = port;
	return true;
}

/* The authority state and what follows it (URL Standard 4.4): credentials, host, port. */
static bool take_authority(parser *p)
{
	ER_ASSERT(!p->r.has_host);
	size_t n = er_url_host_length(p->in, p->special);
	er_slice authority = er_slice_head(p->in, n);
	p->in = er_slice_from(p->in, n);
	/* The last "@": those before it belong to the credentials, and are encoded there. */
	const uint8_t *at = n > 0 ? memrchr(authority.p, '@', n) : NULL;
	if (at != NULL) {
		er_slice user = er_slice_head(authority, (size_t)(at - authority.p));
		authority = er_slice_from(authority, user.n + 1);
		if (authority.n == 0)
			return false;
		size_t colon = er_slice_find(user, ':');
		p->r.username = er_url_encode(p->a, er_slice_head(user, colon), ER_URL_SET_USERINFO);
		p->r.password = er_url_encode(p->a, er_slice_from(user, colon + 1), ER_URL_SET_USERINFO);
	}
	size_t colon = er_url_host_colon(authority);
	if (colon == 0 && (authority.n > 0 || p->special))
		return false;
	p->r.has_host = true;
	if (colon > 0 && !er_url_host_parse(p->a, er_slice_head(authority, colon), !p->special, &p->r.host))
		return false;
	return take_port(p, er_slice_from(authority, colon + 1)) && take_path_start(p);
}

static bool take_authority_ignoring_slashes(parser *p)
{
	while (slash_at(p->in, 0, true))
		p->in = er_slice_from(p->in, 1);
	return take_authority(p);
}

static void inherit_authority(parser *p)
{
	ER_ASSERT(p->base != NULL && !p->r.has_host);
	p->r.username = p->base->username;
	p->r.password = p->base->password;
	p->r.has_host = p->base->has_host;
	p->r.host = p->base->host;
	p->r.port = p->base->port;
}

/* What follows when authority and path are the base's: nothing, a query, a fragment. */
static bool take_after_base_path(parser *p)
{
	ER_ASSERT(p->base != NULL && p->r.path.n == 0);
	p->r.path = p->base->path;
	if (p->in.n == 0 || p->in.p[0] == '#') {
		p->r.has_query = p->base->has_query;
		p->r.query = p->base->query;
	}
	return take_query(p);
}

/* The relative state: what the input does not say is the base's. */
static bool take_relative(parser *p)
{
	ER_ASSERT(p->base != NULL && !p->base->opaque);
	p->r.scheme = p->base->scheme;
	p->special = er_url_special(p->r.scheme);
	if (slash_at(p->in, 0, p->special)) {
		p->in = er_slice_from(p->in, 1);
		if (slash_at(p->in, 0, p->special)) {
			p->in = er_slice_from(p->in, 1);
			return p->special ? take_authority_ignoring_slashes(p) : take_authority(p);
		}
		inherit_authority(p);
		return take_path(p);
	}
	inherit_authority(p);
	if (p->in.n == 0 || p->in.p[0] == '?' || p->in.p[0] == '#')
		return take_after_base_path(p);
	p->r.path = er_slice_head(p->base->path, shorten(p->r.scheme, p->base->path));
	return take_path(p);
}

static bool take_file_host(parser *p)
{
	size_t n = er_url_host_length(p->in, true);
	er_slice host = er_slice_head(p->in, n);
	if (er_url_windows_drive(host))
		return take_path(p);
	p->in = er_slice_from(p->in, n);
	if (n > 0 && !er_url_host_parse(p->a, host, false, &p->r.host))
		return false;
	if (er_slice_eq(p->r.host, ER_LIT("localhost")))
		p->r.host = (er_slice){0};
	return take_path_start(p);
}

/* The file states: a drive letter is kept where the standard keeps it. */
static bool take_file(parser *p)
{
	const er_url_record *base = p->base != NULL && is_file(p->base->scheme) ? p->base : NULL;
	ER_ASSERT(p->r.path.n == 0);
	p->r.scheme = ER_LIT("file");
	p->special = true;
	p->r.has_host = true;
	if (slash_at(p->in, 0, true)) {
		p->in = er_slice_from(p->in, 1);
		if (slash_at(p->in, 0, true)) {
			p->in = er_slice_from(p->in, 1);
			return take_file_host(p);
		}
		if (base != NULL) {
			p->r.host = base->host;
			if (!starts_with_drive(p->in) && path_has_drive(base->path))
				p->r.path = er_slice_head(base->path, 3);
		}
		return take_path(p);
	}
	if (base == NULL)
		return take_path(p);
	p->r.host = base->host;
	if (p->in.n == 0 || p->in.p[0] == '?' || p->in.p[0] == '#')
		return take_after_base_path(p);
	if (!starts_with_drive(p->in))
		p->r.path = er_slice_head(base->path, shorten(p->r.scheme, base->path));
	return take_path(p);
}

static bool take_without_scheme(parser *p)
{
	if (p->base == NULL)
		return false;
	if (p->base->opaque) {
		if (p->in.n == 0 || p->in.p[0] != '#')
			return false;
		p->r = *p->base;
		p->r.has_fragment = false;
		take_fragment(p);
		return true;
	}
	return is_file(p->base->scheme) ? take_file(p) : take_relative(p);
}

/* The scheme states: the scheme decides which of the others comes next. */
static bool take_url(parser *p)
{
	size_t n = er_url_scheme_length(p->in);
	if (n == 0)
		return take_without_scheme(p);
	p->r.scheme = er_arena_lower(p->a, er_slice_head(p->in, n));
	p->special = er_url_special(p->r.scheme);
	p->in = er_slice_from(p->in, n + 1);
	if (is_file(p->r.scheme))
		return take_file(p);
	bool two = slash_at(p->in, 0, false) && slash_at(p->in, 1, false);
	if (p->special)
		return p->base != NULL && er_slice_eq(p->base->scheme, p->r.scheme) && !two ? take_relative(p)
		                                                                            : take_authority_ignoring_slashes(p);
	if (two) {
		p->in = er_slice_from(p->in, 2);
		return take_authority(p);
	}
	if (slash_at(p->in, 0, false)) {
		p->in = er_slice_from(p->in, 1);
		return take_path(p);
	}
	return take_opaque(p);
}

bool er_url_parse(er_url *u, er_slice input, const er_url *base)
{
	*u = (er_url){0};
	if (input.n > ER_URL_INPUT_MAX)
		return false;
	er_arena a;
	er_arena_init(&a);
	er_url_record b;
	parser p = {.a = &a, .r = {.port = ER_URL_ABSENT}, .in = er_url_drop_newlines(&a, trim_c0(input))};
	if (base != NULL) {
		b = er_url_record_of(base);
		p.base = &b;
	}
	bool ok = take_url(&p);
	if (ok)
		er_url_record_write(u, &p.r);
	er_arena_fini(&a);
	return ok;
}

/* ---- what is computed from a URL ---- */

/* A blob's origin is that of the URL in its path, where that is one of the web. */
static void blob_origin(const er_url *u, er_buf *out)
{
	er_url inner;
	if (!er_url_parse(&inner, er_url_get(u, ER_URL_PATHNAME), NULL)) {
		er_buf_puts(out, "null");
		return;
	}
	er_slice protocol = er_url_get(&inner, ER_URL_PROTOCOL);
	if (er_slice_eq(protocol, ER_LIT("http:")) || er_slice_eq(protocol, ER_LIT("https:")))
		er_url_origin(&inner, out);
	else
		er_buf_puts(out, "null");
	er_url_fini(&inner);
}

void er_url_origin(const er_url *u, er_buf *out)
{
	er_slice scheme = er_url_get(u, ER_URL_PROTOCOL);
	ER_ASSERT(scheme.n > 1 && scheme.p[scheme.n - 1] == ':');
	scheme.n--;
	if (er_slice_eq(scheme, ER_LIT("blob"))) {
		blob_origin(u, out);
	} else if (er_url_special_port(scheme) > 0) {
		er_buf_put(out, scheme);
		er_buf_puts(out, "://");
		er_buf_put(out, er_url_get(u, ER_URL_HOST));
	} else {
		er_buf_puts(out, "null");
	}
}

bool er_url_domain_to_ascii(er_slice domain, er_buf *out)
{
	er_arena a;
	er_slice ascii;
	er_arena_init(&a);
	bool ok = domain.n <= ER_URL_INPUT_MAX && er_url_domain_ascii(&a, domain, &ascii);
	if (ok)
		er_buf_put(out, ascii);
	er_arena_fini(&a);
	return ok;
}
