/* A URL and its record. An er_url is one text and the places of its parts (url.h has the picture);
 * a record is the parts as slices, which is what parser and setters work on. er_url_record_of takes
 * apart without copying, er_url_record_write writes a record anew and replaces the URL, whose old
 * text goes; so a record does not outlive the next write to its URL. The getters are those of the
 * URL class (URL Standard 6.1). Pure but for the href, which the er_url owns. */
#include "http/url_record.h"

#include "base/mem.h"

static er_slice between(const er_url *u, size_t from, size_t to)
{
	ER_ASSERT(from <= to && to <= er_buf_len(&u->href));
	return er_slice_of(u->href.p + u->href.start + from, to - from);
}

static uint32_t path_end(const er_url *u)
{
	if (u->search_start != ER_URL_ABSENT)
		return u->search_start;
	return u->hash_start != ER_URL_ABSENT ? u->hash_start : (uint32_t)er_buf_len(&u->href);
}

static uint32_t search_end(const er_url *u)
{
	return u->hash_start != ER_URL_ABSENT ? u->hash_start : (uint32_t)er_buf_len(&u->href);
}

/* Of the host itself, after the "@". */
static uint32_t hostname_start(const er_url *u)
{
	bool at = u->host_start < er_buf_len(&u->href) && u->href.p[u->href.start + u->host_start] == '@';
	return u->host_start + (at && u->host_end > u->host_start);
}

er_url_record er_url_record_of(const er_url *u)
{
	er_url_record r = {.port = u->port, .opaque = u->opaque_path, .has_host = u->host_start != u->protocol_end};
	r.scheme = between(u, 0, u->protocol_end - 1);
	r.username = er_url_get(u, ER_URL_USERNAME);
	r.password = er_url_get(u, ER_URL_PASSWORD);
	r.host = er_url_get(u, ER_URL_HOSTNAME);
	r.path = er_url_get(u, ER_URL_PATHNAME);
	r.has_query = u->search_start != ER_URL_ABSENT;
	if (r.has_query)
		r.query = between(u, u->search_start + 1, search_end(u));
	r.has_fragment = u->hash_start != ER_URL_ABSENT;
	if (r.has_fragment)
		r.fragment = between(u, u->hash_start + 1, er_buf_len(&u->href));
	return r;
}

static uint32_t here(const er_url *u)
{
	return (uint32_t)er_buf_len(&u->href);
}

/* And notes where its parts lie in the href. */
static void write_authority(er_url *u, const er_url_record *r)
{
	er_buf_puts(&u->href, "//");
	er_buf_put(&u->href, r->username);
	u->username_end = here(u);
	if (r->password.n > 0) {
		er_buf_putc(&u->href, ':');
		er_buf_put(&u->href, r->password);
	}
	u->host_start = here(u);
	if (r->username.n > 0 || r->password.n > 0)
		er_buf_putc(&u->href, '@');
	er_buf_put(&u->href, r->host);
	u->host_end = here(u);
	if (r->port != ER_URL_ABSENT) {
		er_buf_putc(&u->href, ':');
		er_buf_put_u64(&u->href, r->port);
	}
}

void er_url_record_write(er_url *u, const er_url_record *r)
{
	ER_ASSERT(r->scheme.n > 0 && (r->port == ER_URL_ABSENT || r->port <= UINT16_MAX));
	ER_ASSERT(!r->opaque || !r->has_host);
	er_url out = {.port = r->port, .opaque_path = r->opaque, .search_start = ER_URL_ABSENT, .hash_start = ER_URL_ABSENT};
	size_t room = r->scheme.n + r->username.n + r->password.n + r->host.n + r->path.n + r->query.n + r->fragment.n + 16;
	er_buf_reserve(&out.href, room);
	er_buf_put(&out.href, r->scheme);
	er_buf_putc(&out.href, ':');
	out.protocol_end = out.username_end = out.host_start = out.host_end = here(&out);
	if (r->has_host)
		write_authority(&out, r);
	else if (!r->opaque && er_slice_starts(r->path, ER_LIT("//")))
		er_buf_puts(&out.href, "/."); /* or the path would be read as a host */
	out.pathname_start = here(&out);
	er_buf_put(&out.href, r->path);
	if (r->has_query) {
		out.search_start = here(&out);
		er_buf_putc(&out.href, '?');
		er_buf_put(&out.href, r->query);
	}
	if (r->has_fragment) {
		out.hash_start = here(&out);
		er_buf_putc(&out.href, '#');
		er_buf_put(&out.href, r->fragment);
	}
	ER_ASSERT(out.protocol_end <= out.username_end && out.username_end <= out.host_start && out.host_start <= out.host_end &&
	          out.host_end <= out.pathname_start);
	/* Last: the record's slices may point into the old href. */
	er_buf_fini(&u->href);
	*u = out;
}

void er_url_fini(er_url *u)
{
	er_buf_fini(&u->href);
}

er_slice er_url_get(const er_url *u, er_url_part part)
{
	bool has_host = u->host_start != u->protocol_end;
	switch (part) {
	case ER_URL_HREF:
		return er_url_href(u);
	case ER_URL_PROTOCOL:
		return between(u, 0, u->protocol_end);
	case ER_URL_USERNAME:
		return has_host ? between(u, u->protocol_end + 2, u->username_end) : (er_slice){0};
	case ER_URL_PASSWORD:
		return u->host_start > u->username_end ? between(u, u->username_end + 1, u->host_start) : (er_slice){0};
	case ER_URL_HOST:
		return has_host ? between(u, hostname_start(u), u->pathname_start) : (er_slice){0};
	case ER_URL_HOSTNAME:
		return between(u, hostname_start(u), u->host_end);
	case ER_URL_PATHNAME:
		return between(u, u->pathname_start, path_end(u));
	case ER_URL_SEARCH:
		if (u->search_start == ER_URL_ABSENT || search_end(u) - u->search_start == 1)
			return (er_slice){0};
		return between(u, u->search_start, search_end(u));
	case ER_URL_HASH:
		if (u->hash_start == ER_URL_ABSENT || here(u) - u->hash_start == 1)
			return (er_slice){0};
		return between(u, u->hash_start, here(u));
	case ER_URL_PORT:
		break;
	}
	return (er_slice){0};
}
