/* Reading the header of the PROXY protocol. A header is taken whole or not at all: whoever has only
 * a part of it calls again with more from the front on. Strict: what this file does not understand
 * wholly is refused, for an address that is guessed is worse than none. Called by net/preface.c;
 * keeps nothing. */
#include "net/proxy.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 51234 443" CR LF ---- */

static const er_slice line_begin = ER_LIT("PROXY ");

/* Decimal, as short as it can be. */
static bool is_port(er_slice text, uint16_t *out)
{
	uint64_t port;
	if (text.n == 0 || text.n > 5 || (text.n > 1 && text.p[0] == '0') || !er_slice_u64(text, &port) || port > 65535)
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool is_address(int family, er_slice text, void *out)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.n >= sizeof copy || er_slice_find(text, '\0') < text.n)
		return false;
	er_copy(copy, text.p, text.n);
	copy[text.n] = '\0';
	return inet_pton(family, copy, out) == 1;
}

static void set_v4(struct sockaddr_storage *sa, const uint8_t address[4], uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)sa;
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	er_copy(&v4->sin_addr, address, 4);
}

static void set_v6(struct sockaddr_storage *sa, const uint8_t address[16], uint16_t port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)sa;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	er_copy(&v6->sin6_addr, address, 16);
}

/* What stands between "PROXY " and CR LF. */
static bool read_words(er_slice line, er_proxy_header *out)
{
	er_slice word[5], rest = line;
	uint8_t address[16], other[16];
	uint16_t port, other_port;
	if (er_slice_eq(line, ER_LIT("UNKNOWN")) || er_slice_starts(line, ER_LIT("UNKNOWN ")))
		return true;
	for (size_t i = 0; i < 5; i++)
		if (!er_slice_split(&rest, ' ', &word[i]))
			return false;
	bool six = er_slice_eq(word[0], ER_LIT("TCP6"));
	int family = six ? AF_INET6 : AF_INET;
	if (rest.n > 0 || (!six && !er_slice_eq(word[0], ER_LIT("TCP4"))) || !is_address(family, word[1], address) ||
	    !is_address(family, word[2], other) || !is_port(word[3], &port) || !is_port(word[4], &other_port))
		return false;
	if (six)
		set_v6(&out->client, address, port);
	else
		set_v4(&out->client, address, port);
	return true;
}

static int read_line(er_slice bytes, er_proxy_header *out)
{
	er_slice within = er_slice_head(bytes, ER_PROXY_LINE_MAX);
	size_t end = er_slice_find(within, '\n');
	if (end == within.n)
		return within.n < ER_PROXY_LINE_MAX ? 0 : -1;
	if (end < line_begin.n + 1 || within.p[end - 1] != '\r')
		return -1;
	er_slice line = er_slice_of(within.p + line_begin.n, end - 1 - line_begin.n);
	/* A space at the end, or a NUL or CR within, is in no word. */
	if (er_slice_find(line, '\r') < line.n || (line.n > 0 && line.p[line.n - 1] == ' ') || !read_words(line, out))
		return -1;
	return (int)end + 1;
}

/* ---- version 2: signature, command, family, length; addresses; records ---- */

static const er_slice signature = ER_LIT("\r\n\r\n\0\r\nQUIT\n");

enum {
	FIXED = 16,     /* bytes before the addresses */
	VERSION = 0x20, /* and the command in the lower half */
	LOCAL = 0,      /* the front's own connection */
	PROXY = 1,      /* another's */
	UNSPEC = 0x00,  /* family and kind of socket */
	TCP4 = 0x11,    /* two addresses of 4 bytes, two ports */
	TCP6 = 0x21,    /* two of 16 */
	TCP4_BYTES = 12,
	TCP6_BYTES = 36,
	RECORD = 3,    /* type and length before a record's value */
	CRC32C = 0x03, /* a record's type */
};

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* Castagnoli's polynomial (RFC 3720 B.4), bit by bit: a header is short, and most have none. */
static uint32_t crc32c_add(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	return crc;
}

/* Of the whole header, in which the checksum's own four bytes at `at` are zero. */
static bool sum_holds(er_slice header, size_t at)
{
	ER_ASSERT(at + 4 <= header.n);
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < header.n; i++)
		crc = crc32c_add(crc, i >= at && i < at + 4 ? 0 : header.p[i]);
	return ~crc == be32(header.p + at);
}

/* The records behind the addresses must fill the header. The checksum, if there is one, must hold;
 * what the others say is not looked at. */
static bool records_hold(er_slice header, size_t at)
{
	bool summed = false;
	while (at < header.n) {
		if (header.n - at < RECORD)
			return false;
		size_t n = be16(header.p + at + 1);
		if (header.n - at - RECORD < n)
			return false;
		if (header.p[at] == CRC32C) {
			if (summed || n != 4 || !sum_holds(header, at + RECORD))
				return false;
			summed = true;
		}
		at += RECORD + n;
	}
	return true;
}

/* The addresses and all behind them. */
static bool read_proxied(er_slice header, er_proxy_header *out)
{
	const uint8_t *p = header.p + FIXED;
	size_t n = header.n - FIXED;
	switch (header.p[13]) {
	case UNSPEC:
		return records_hold(header, FIXED);
	case TCP4:
		if (n < TCP4_BYTES || !records_hold(header, FIXED + TCP4_BYTES))
			return false;
		set_v4(&out->client, p, (uint16_t)be16(p + 8));
		return true;
	case TCP6:
		if (n < TCP6_BYTES || !records_hold(header, FIXED + TCP6_BYTES))
			return false;
		set_v6(&out->client, p, (uint16_t)be16(p + 32));
		return true;
	default: /* datagrams and local sockets do not come over TCP */
		return false;
	}
}

static int read_binary(er_slice bytes, er_proxy_header *out)
{
	if (bytes.n > 12 && bytes.p[12] != (VERSION | LOCAL) && bytes.p[12] != (VERSION | PROXY))
		return -1;
	if (bytes.n < FIXED)
		return 0;
	size_t whole = FIXED + be16(bytes.p + 14);
	if (whole > ER_PROXY_MAX)
		return -1;
	if (bytes.n < whole)
		return 0;
	er_slice header = er_slice_head(bytes, whole);
	/* What stands in a header of LOCAL is to be skipped, whatever it is. */
	if (bytes.p[12] == (VERSION | PROXY) && !read_proxied(header, out))
		return -1;
	return (int)whole;
}

/* ---- either ---- */

/* As far as there are bytes. */
static bool begins(er_slice bytes, er_slice with)
{
	return er_slice_eq(er_slice_head(bytes, with.n), er_slice_head(with, bytes.n));
}

int er_proxy_read(er_slice bytes, er_proxy_header *out)
{
	*out = (er_proxy_header){0};
	if (bytes.n == 0)
		return 0;
	int n = begins(bytes, line_begin)  ? bytes.n < line_begin.n ? 0 : read_line(bytes, out)
	         : begins(bytes, signature) ? bytes.n < signature.n ? 0 : read_binary(bytes, out)
	                                    : -1;
	ER_ASSERT(n <= ER_PROXY_MAX && (n <= 0 || (size_t)n <= bytes.n) && (n != 0 || bytes.n < ER_PROXY_MAX));
	return n;
}
