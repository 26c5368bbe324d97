#include "base/cidr.h"

#include "base/mem.h"

#include <arpa/inet.h>

static void map_v4(const struct in_addr *v4, struct in6_addr *out)
{
	*out = (struct in6_addr){0};
	out->s6_addr[10] = out->s6_addr[11] = 0xff;
	memcpy(out->s6_addr + 12, v4, 4);
}

bool er_cidr_parse(er_slice text, er_cidr *out)
{
	char host[INET6_ADDRSTRLEN + 1];
	size_t slash = er_slice_find(text, '/');
	if (slash >= sizeof host || er_slice_find(er_slice_head(text, slash), '\0') < slash)
		return false;
	er_copy(host, text.p, slash);
	host[slash] = '\0';
	struct in_addr v4;
	bool is_v4 = inet_pton(AF_INET, host, &v4) == 1;
	if (is_v4)
		map_v4(&v4, &out->addr);
	else if (inet_pton(AF_INET6, host, &out->addr) != 1)
		return false;
	uint64_t bits = is_v4 ? 32 : 128;
	if (slash < text.n && (!er_slice_u64(er_slice_from(text, slash + 1), &bits) || bits > (is_v4 ? 32U : 128U)))
		return false;
	out->bits = (uint8_t)(is_v4 ? bits + 96 : bits);
	return true;
}

bool er_cidr_has(const er_cidr *range, const struct in6_addr *addr)
{
	unsigned whole = range->bits / 8, rest = range->bits % 8;
	if (memcmp(range->addr.s6_addr, addr->s6_addr, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));
	return (range->addr.s6_addr[whole] & mask) == (addr->s6_addr[whole] & mask);
}

bool er_cidr_of_sockaddr(const struct sockaddr *sa, struct in6_addr *out)
{
	if (sa->sa_family == AF_INET) {
		map_v4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, out);
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		*out = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		return true;
	}
	return false;
}

er_slice er_ipv4_text(const uint8_t bytes[4], char text[15])
{
	char *to = text;
	for (int i = 0; i < 4; i++) {
		unsigned n = bytes[i];
		if (n >= 100)
			*to++ = (char)('0' + n / 100);
		if (n >= 10)
			*to++ = (char)('0' + n / 10 % 10);
		*to++ = (char)('0' + n % 10);
		if (i < 3)
			*to++ = '.';
	}
	return er_slice_of(text, (size_t)(to - text));
}
