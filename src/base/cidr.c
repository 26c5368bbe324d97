/* Ranges of addresses: reading, writing, comparing. Everything is 128 bits, IPv4 in its mapped
 * form, so "10.0.0.0/8" is 104 bits of ::ffff:10.0.0.0. Bits of a range behind its prefix are kept
 * as they were written and never looked at. Pure: no memory, no state. The guard of addresses
 * (origin), limits of the configuration and the access log use it. */
#include "base/cidr.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>

/* ::ffff:0:0/96, the IPv4-mapped addresses (RFC 4291 2.5.5.2). */
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
	out->port = 0;
	return true;
}

/* A range of IPv6 with a port stands in brackets; one of IPv4 has one colon then. */
bool er_cidr_parse_service(er_slice text, er_cidr *out)
{
	size_t end = er_slice_find(text, text.n > 0 && text.p[0] == '[' ? ']' : ':');
	er_slice range = er_slice_head(text, end), rest = er_slice_from(text, end);
	uint64_t port;
	if (er_cidr_parse(text, out))
		return true;
	if (text.n > 0 && text.p[0] == '[') {
		range = er_slice_from(range, 1);
		rest = er_slice_from(rest, rest.n > 0);
	}
	bool v6 = er_slice_find(range, ':') < range.n;
	if (v6 != (text.n > 0 && text.p[0] == '[') || rest.n < 2 || rest.n > sizeof ":65535" - 1 || rest.p[0] != ':' ||
	    !er_slice_u64(er_slice_from(rest, 1), &port) || port == 0 || port > UINT16_MAX || !er_cidr_parse(range, out))
		return false;
	out->port = (uint16_t)port;
	return true;
}

/* The first or the second half of an address as a number whose high bits come first. */
static uint64_t half(const struct in6_addr *a, unsigned which)
{
	uint64_t w;
	memcpy(&w, a->s6_addr + 8 * which, 8);
	return be64toh(w);
}

bool er_cidr_has(const er_cidr *range, const struct in6_addr *addr)
{
	ER_ASSERT(range->bits <= 128);
	unsigned bits = range->bits;
	uint64_t high = half(&range->addr, 0) ^ half(addr, 0), low = half(&range->addr, 1) ^ half(addr, 1);
	if (bits <= 64)
		return bits == 0 || high >> (64 - bits) == 0;
	return high == 0 && low >> (128 - bits) == 0;
}

bool er_cidr_any(const er_cidr *ranges, size_t n, const struct in6_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (er_cidr_has(&ranges[i], addr))
			return true;
	return false;
}

bool er_cidr_within(const er_cidr *range, const er_cidr *outer)
{
	return range->bits >= outer->bits && (outer->port == 0 || outer->port == range->port) && er_cidr_has(outer, &range->addr);
}

er_slice er_cidr_text(const er_cidr *range, char text[ER_CIDR_TEXT])
{
	static const er_cidr v4 = {.addr = {.s6_addr = {[10] = 0xff, [11] = 0xff}}, .bits = 96};
	struct in6_addr a = range->addr;
	for (unsigned bit = range->bits; bit < 128; bit++)
		a.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	bool is_v4 = er_cidr_within(range, &v4), brackets = range->port != 0 && !is_v4;
	text[0] = '[';
	const char *ok = inet_ntop(is_v4 ? AF_INET : AF_INET6, a.s6_addr + (is_v4 ? 12 : 0), text + brackets, INET6_ADDRSTRLEN);
	static_assert(ER_CIDR_TEXT >= INET6_ADDRSTRLEN + sizeof "[/128]:65535" - 1, "the longest address, its prefix and port");
	ER_ASSERT(ok != NULL && (!is_v4 || range->bits >= 96));
	size_t n = er_slice_cstr(text).n;
	if (range->bits < 128)
		n += (size_t)snprintf(text + n, ER_CIDR_TEXT - n, "/%u", is_v4 ? range->bits - 96U : range->bits);
	if (range->port != 0)
		n += (size_t)snprintf(text + n, ER_CIDR_TEXT - n, "%s:%u", brackets ? "]" : "", range->port);
	ER_ASSERT(n < ER_CIDR_TEXT);
	return er_slice_of(text, n);
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

void er_cidr_to_sockaddr(const struct in6_addr *addr, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	if (IN6_IS_ADDR_V4MAPPED(addr)) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, addr->s6_addr + 12, 4);
	} else {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
		v6->sin6_family = AF_INET6;
		v6->sin6_addr = *addr;
	}
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
