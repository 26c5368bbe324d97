/* URL, as the WHATWG URL Standard has it (parser, serializer, setters; IDNA by ICU). Used by the
 * node for the targets of subrequests and by the sandbox for the JavaScript class.
 *
 * A parsed URL is its serialization (href) and the places of its parts in it:
 *
 *   https://user:pass@example.com:1234/foo/bar?baz#quux
 *         |     |    |          | ^^^^|       |   |
 *         |     |    |          | |   |       |   `----- hash_start
 *         |     |    |          | |   |       `--------- search_start
 *         |     |    |          | |   `----------------- pathname_start
 *         |     |    |          | `--------------------- port
 *         |     |    |          `----------------------- host_end
 *         |     |    `---------------------------------- host_start (at the "@" if there are credentials)
 *         |     `--------------------------------------- username_end
 *         `--------------------------------------------- protocol_end (after the ":")
 */
#ifndef ER_HTTP_URL_H
#define ER_HTTP_URL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define ER_URL_ABSENT UINT32_MAX

typedef struct er_url {
	er_buf href; /* owned; UTF-8, in fact ASCII */
	uint32_t protocol_end, username_end, host_start, host_end;
	uint32_t port; /* number, or ER_URL_ABSENT */
	uint32_t pathname_start;
	uint32_t search_start, hash_start; /* of "?" and "#", or ER_URL_ABSENT */
	bool opaque_path;
} er_url;

typedef enum er_url_part {
	ER_URL_HREF,
	ER_URL_PROTOCOL,
	ER_URL_USERNAME,
	ER_URL_PASSWORD,
	ER_URL_HOST,
	ER_URL_HOSTNAME,
	ER_URL_PORT,
	ER_URL_PATHNAME,
	ER_URL_SEARCH,
	ER_URL_HASH,
} er_url_part;

/* `input` is UTF-8 (lone surrogates already U+FFFD); `base` may be NULL. False: not a URL. Always
 * call er_url_fini after true. At most 64 KB of input. */
ER_MUST_CHECK bool er_url_parse(er_url *u, er_slice input, const er_url *base);
void er_url_fini(er_url *u);
/* The short way for most: true if `in` is an http: or https: URL that the parser would leave as it
 * is. *u then has its places in `in` and no href of its own (nothing to be freed). False says
 * nothing. */
ER_MUST_CHECK bool er_url_plain(er_url *u, er_slice in);
static inline er_slice er_url_href(const er_url *u)
{
	return er_buf_slice(&u->href);
}
/* What the getters of the URL class return (protocol with ":", search with "?" or empty, ...).
 * Borrowed from href. Not for ER_URL_PORT. */
er_slice er_url_get(const er_url *u, er_url_part part);
/* WHATWG setters. False: the value was refused and nothing changed. */
bool er_url_set(er_url *u, er_url_part part, er_slice value);
/* The origin's serialization, appended to *out: "https://example.com:1234" or "null". */
void er_url_origin(const er_url *u, er_buf *out);
bool er_url_domain_to_ascii(er_slice domain, er_buf *out);

#endif
