/* Reading host[:port]. The port is cut off from the right (a name has no ":", an IPv6 address ends
 * with "]"), the host is made lower case in place, and then either it is plain, as nearly all are,
 * and stays where it is, or the URL parser's host parser says what it is, so that an address in any
 * of its old spellings ("0x7f.1") becomes the one spelling that routes, cache keys and the guard
 * compare. Strict: what is not clearly a host is refused (RFC 9112 3.2). Pure. Callers: the HTTP/1
 * codec, and whoever takes a Host from configuration or from a routine. */
#include "http/authority.h"

#include "base/mem.h"
#include "http/url_host.h"

/* Letters, digits, "-", "_" and ".", no label empty but the root's, in lower case. RFC 3986 allows
 * more in a reg-name, no name in use has it, and a cache key or a route must not hold it. */
static bool name_ok(er_slice host)
{
	/* 255: the most that a name may have in the DNS (RFC 1035 2.3.4). */
	if (host.n == 0 || host.n > 255 || host.p[0] == '.')
		return false;
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = host.p[i];
		if (c == '.' && host.p[i - 1] == '.')
			return false;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
			return false;
	}
	return true;
}

/* In lower case and canonical form. The bytes are changed where they lie. */
static bool read_host(er_arena *a, er_slice host, er_slice *out)
{
	ER_ASSERT(host.p != NULL || host.n == 0);
	uint8_t *p = (uint8_t *)(uintptr_t)host.p; /* the caller's own bytes, as the header demands */
	for (size_t i = 0; i < host.n; i++)
		p[i] = er_lower(p[i]);
	*out = host;
	bool address = host.n > 0 && host.p[0] == '[';
	if (!address && !name_ok(host))
		return false;
	if (!address && er_url_host_plain(host))
		return true;
	if (!er_url_host_parse(a, host, false, out))
		return false;
	/* No other text for the same. */
	if (er_slice_eq(*out, host))
		*out = host;
	return true;
}

bool er_authority_read(er_arena *a, er_slice text, er_slice scheme, er_slice *out)
{
	size_t host_n = text.n;
	while (host_n > 0 && text.p[host_n - 1] >= '0' && text.p[host_n - 1] <= '9')
		host_n--;
	if (host_n > 0 && text.p[host_n - 1] == ':')
		host_n--;
	else
		host_n = text.n;
	er_slice host, digits = er_slice_from(text, host_n + 1);
	if (!read_host(a, er_slice_head(text, host_n), &host))
		return false;
	uint64_t port = 0;
	if (digits.n > 0 && (!er_slice_u64(digits, &port) || port > 65535))
		return false;
	ER_ASSERT(host.n > 0 && port <= UINT16_MAX);
	bool https = er_slice_eq(scheme, ER_LIT("https"));
	bool own = digits.n == 0 || port == (https ? 443U : 80U);
	bool as_it_is = host.p == text.p && host.n == host_n && (digits.n < 2 || digits.p[0] != '0');
	if (own)
		*out = host;
	else
		*out = as_it_is ? text : er_arena_printf(a, "%.*s:%u", ER_FMT(host), (unsigned)port);
	return true;
}
