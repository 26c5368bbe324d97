/* URLs: the first line is a base (or empty), the second the input, the third a value for the setter
 * that its first byte names. What is parsed must be parsed to the same again from its own href, and
 * its parts must make up the whole. */
#include "base/mem.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const er_url *u)
{
	er_slice href = er_url_href(u);
	for (size_t i = 0; i < href.n; i++)
		ER_ASSERT(href.p[i] >= ' ' && href.p[i] < 0x7f);
	er_url again;
	ER_ASSERT(er_url_parse(&again, href, NULL) || href.n > 64 * 1024);
	if (href.n > 64 * 1024)
		return;
	ER_ASSERT(er_slice_eq(er_url_href(&again), href));
	for (er_url_part part = ER_URL_HREF; part <= ER_URL_HASH; part++)
		if (part != ER_URL_PORT)
			ER_ASSERT(er_slice_eq(er_url_get(&again, part), er_url_get(u, part)));
	ER_ASSERT(again.port == u->port && again.opaque_path == u->opaque_path);
	er_url_fini(&again);
	er_buf origin;
	er_buf_init(&origin);
	er_url_origin(u, &origin);
	ER_ASSERT(er_buf_len(&origin) >= 4);
	er_buf_fini(&origin);
	size_t sum = er_url_get(u, ER_URL_PROTOCOL).n + er_url_get(u, ER_URL_USERNAME).n + er_url_get(u, ER_URL_PASSWORD).n +
	             er_url_get(u, ER_URL_HOST).n + er_url_get(u, ER_URL_PATHNAME).n + er_url_get(u, ER_URL_SEARCH).n +
	             er_url_get(u, ER_URL_HASH).n;
	/* "//", ":", "@", "/.", and a lone "?" or "#" are in no part */
	ER_ASSERT(href.n >= sum && href.n - sum <= 6);
}

/* The short way and the long one see the same. */
static void check_plain(er_slice input)
{
	er_url plain, u;
	if (!er_url_plain(&plain, input))
		return;
	ER_ASSERT(er_url_parse(&u, input, NULL));
	ER_ASSERT(er_slice_eq(er_url_href(&u), input));
	ER_ASSERT(plain.protocol_end == u.protocol_end && plain.username_end == u.username_end && plain.host_start == u.host_start);
	ER_ASSERT(plain.host_end == u.host_end && plain.port == u.port && plain.pathname_start == u.pathname_start);
	ER_ASSERT(plain.search_start == u.search_start && plain.hash_start == u.hash_start && !u.opaque_path);
	er_url_fini(&u);
}

static er_slice take_line(er_slice *rest)
{
	size_t at = er_slice_find(*rest, '\n');
	er_slice line = er_slice_head(*rest, at);
	*rest = er_slice_from(*rest, at + 1);
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice rest = er_slice_of(data, n);
	er_slice base_text = take_line(&rest), input = take_line(&rest);
	check_plain(input);
	er_url base, u;
	bool has_base = base_text.n > 0 && er_url_parse(&base, base_text, NULL);
	if (er_url_parse(&u, input, has_base ? &base : NULL)) {
		check(&u);
		while (rest.n > 1) {
			er_slice value = take_line(&rest);
			if (value.n == 0)
				continue;
			er_buf before;
			er_buf_init(&before);
			er_buf_put(&before, er_url_href(&u));
			if (!er_url_set(&u, (er_url_part)(value.p[0] % (ER_URL_HASH + 1)), er_slice_from(value, 1)))
				ER_ASSERT(er_slice_eq(er_buf_slice(&before), er_url_href(&u)));
			er_buf_fini(&before);
			check(&u);
		}
		er_url_fini(&u);
	}
	if (has_base)
		er_url_fini(&base);
	return 0;
}
