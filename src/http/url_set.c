/* The setters of the URL class (URL Standard 6.1): each takes the URL apart, changes one part as
 * the basic parser would with a state override, and writes it anew.
 *
 * er_url_set is the only door. The parts are slices of the old href, and what is new lies in an
 * arena of the call; er_url_record_write then makes the new href, and the arena goes. A value that
 * a setter does not take leaves the URL as it was. href itself is a parse of its own. */
#include "base/mem.h"
#include "http/url_host.h"
#include "http/url_record.h"

typedef struct setter {
	er_arena *a;
	er_url_record r;
	bool special, file;
} setter;

static bool has_credentials(const er_url_record *r)
{
	return r->username.n > 0 || r->password.n > 0;
}

static bool cannot_have_credentials(const setter *s)
{
	return !s->r.has_host || s->r.host.n == 0 || s->file;
}

/* What stands before the first colon, if it is a scheme that this URL may have. */
static bool set_protocol(setter *s, er_slice value)
{
	er_slice with_colon = er_url_join(s->a, value, ER_LIT(":"));
	size_t n = er_url_scheme_length(with_colon);
	if (n == 0)
		return false;
	er_slice scheme = er_arena_lower(s->a, er_slice_head(value, n));
	int port = er_url_special_port(scheme);
	ER_ASSERT(scheme.n == n && scheme.n <= value.n);
	/* A URL never changes between special and not: its path and host were read by other rules. */
	if ((port >= 0) != s->special)
		return false;
	if (port == 0 && (has_credentials(&s->r) || s->r.port != ER_URL_ABSENT))
		return false;
	if (s->file && s->r.host.n == 0)
		return false;
	s->r.scheme = scheme;
	if (port > 0 && s->r.port == (uint32_t)port)
		s->r.port = ER_URL_ABSENT;
	return true;
}

/* The digits at the front of `value`; what follows them is ignored. */
static bool set_port(setter *s, er_slice value)
{
	uint32_t port = 0;
	size_t n = 0;
	for (; n < value.n && value.p[n] >= '0' && value.p[n] <= '9'; n++) {
		port = port * 10 + (uint32_t)(value.p[n] - '0');
		if (port > 65535)
			return false;
	}
	if (n == 0)
		return false;
	ER_ASSERT(port <= UINT16_MAX);
	s->r.port = (int)port == er_url_special_port(s->r.scheme) ? ER_URL_ABSENT : port;
	return true;
}

static bool set_file_host(setter *s, er_slice host)
{
	er_slice out = {0};
	if (host.n > 0 && !er_url_host_parse(s->a, host, false, &out))
		return false;
	s->r.host = er_slice_eq(out, ER_LIT("localhost")) ? (er_slice){0} : out;
	return true;
}

/* `hostname_only`: a port in the value makes it none. */
static bool set_host(setter *s, er_slice value, bool hostname_only)
{
	if (s->r.opaque)
		return false;
	er_slice text = er_slice_head(value, er_url_host_length(value, s->special));
	if (s->file)
		return set_file_host(s, text);
	size_t colon = er_url_host_colon(text);
	if (colon < text.n && (colon == 0 || hostname_only))
		return false;
	er_slice host = er_slice_head(text, colon), out = {0};
	if (host.n == 0 && (s->special || has_credentials(&s->r) || s->r.port != ER_URL_ABSENT))
		return false;
	if (host.n > 0 && !er_url_host_parse(s->a, host, !s->special, &out))
		return false;
	ER_ASSERT(!s->file);
	s->r.has_host = true;
	s->r.host = out;
	/* A bad port does not take the host back. */
	if (colon < text.n)
		(void)set_port(s, er_slice_from(text, colon + 1));
	return true;
}

/* An opaque path (mailto:) cannot be set. */
static bool set_pathname(setter *s, er_slice value)
{
	if (s->r.opaque)
		return false;
	bool slash = value.n > 0 && (value.p[0] == '/' || (s->special && value.p[0] == '\\'));
	s->r.path = (er_slice){0};
	/* Nothing but a host may be followed by no path at all. */
	if (value.n > 0 || s->special || !s->r.has_host)
		s->r.path = er_url_path_add(s->a, s->r.scheme, s->r.path, er_slice_from(value, slash));
	return true;
}

/* A leading "?" or "#" may be given with the value. */
static er_slice without(er_slice value, uint8_t c)
{
	return er_slice_from(value, value.n > 0 && value.p[0] == c);
}

static bool set_part(setter *s, er_url_part part, er_slice value, bool empty)
{
	er_url_record *r = &s->r;
	switch (part) {
	case ER_URL_PROTOCOL:
		return set_protocol(s, value);
	case ER_URL_USERNAME:
		r->username = er_url_encode(s->a, value, ER_URL_SET_USERINFO);
		return !cannot_have_credentials(s);
	case ER_URL_PASSWORD:
		r->password = er_url_encode(s->a, value, ER_URL_SET_USERINFO);
		return !cannot_have_credentials(s);
	case ER_URL_HOST:
		return set_host(s, value, false);
	case ER_URL_HOSTNAME:
		return set_host(s, value, true);
	case ER_URL_PORT:
		if (cannot_have_credentials(s))
			return false;
		if (!empty)
			return set_port(s, value);
		r->port = ER_URL_ABSENT;
		return true;
	case ER_URL_PATHNAME:
		return set_pathname(s, value);
	case ER_URL_SEARCH:
		r->has_query = !empty;
		r->query = er_url_encode(s->a, without(value, '?'), s->special ? ER_URL_SET_SPECIAL_QUERY : ER_URL_SET_QUERY);
		return true;
	case ER_URL_HASH:
		r->has_fragment = !empty;
		r->fragment = er_url_encode(s->a, without(value, '#'), ER_URL_SET_FRAGMENT);
		return true;
	case ER_URL_HREF:
		break;
	}
	return false;
}

static bool set_href(er_url *u, er_slice value)
{
	er_url fresh;
	if (!er_url_parse(&fresh, value, NULL))
		return false;
	er_url_fini(u);
	*u = fresh;
	return true;
}

bool er_url_set(er_url *u, er_url_part part, er_slice value)
{
	if (part == ER_URL_HREF)
		return set_href(u, value);
	if (value.n > ER_URL_INPUT_MAX)
		return false;
	er_arena a;
	er_arena_init(&a);
	ER_ASSERT(u->href.p != NULL && part != ER_URL_HREF);
	setter s = {.a = &a, .r = er_url_record_of(u)};
	s.special = er_url_special(s.r.scheme);
	s.file = er_url_special_port(s.r.scheme) == 0;
	/* Credentials are not parsed: what is dropped elsewhere is encoded in them. */
	bool raw = part == ER_URL_USERNAME || part == ER_URL_PASSWORD;
	bool ok = set_part(&s, part, raw ? value : er_url_drop_newlines(&a, value), value.n == 0);
	if (ok)
		er_url_record_write(u, &s.r);
	er_arena_fini(&a);
	return ok;
}
