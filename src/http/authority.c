#include "http/authority.h"

#include "base/mem.h"

#include <arpa/inet.h>

/* A host of letters, digits, "-", "_" and ".", or an IPv6 address in brackets. RFC 3986 allows more in a reg-name, no name in use has it, and
 * a cache key or a route must not hold it. */
static bool host_ok(er_slice host)
{
	if (host.n == 0)
		return false;
	if (host.p[0] == '[') {
		char text[INET6_ADDRSTRLEN];
		struct in6_addr addr;
		if (host.p[host.n - 1] != ']' || host.n < 4 || host.n - 2 >= sizeof text)
			return false;
		er_copy(text, host.p + 1, host.n - 2);
		text[host.n - 2] = '\0';
		return memchr(text, '\0', host.n - 2) == NULL && inet_pton(AF_INET6, text, &addr) == 1;
	}
	if (host.n > 255)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		uint8_t c = er_lower(host.p[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
			return false;
	}
	return true;
}

bool er_authority_read(er_slice text, er_slice scheme, er_slice *out)
{
	size_t host_n = text.n;
	while (host_n > 0 && text.p[host_n - 1] >= '0' && text.p[host_n - 1] <= '9')
		host_n--;
	if (host_n > 0 && text.p[host_n - 1] == ':')
		host_n--;
	else
		host_n = text.n;
	er_slice host = er_slice_head(text, host_n);
	if (!host_ok(host))
		return false;
	uint64_t port = 0;
	if (text.n > host_n + 1 && (!er_slice_u64(er_slice_from(text, host_n + 1), &port) || port > 65535))
		return false;
	uint8_t *p = (uint8_t *)(uintptr_t)host.p;
	for (size_t i = 0; i < host.n; i++)
		p[i] = er_lower(p[i]);
	bool https = er_slice_eq(scheme, ER_LIT("https"));
	bool own = text.n <= host_n + 1 || port == (https ? 443U : 80U);
	*out = own ? host : text;
	return true;
}
