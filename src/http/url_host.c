/* The host parser (URL Standard 3.5), from the text between "//" and ":" or "/" to the one
 * spelling.
 *
 *    "[...]"           IPv6: eight pieces, "::", a dotted tail; written as RFC 5952 does
 *    opaque            a scheme that is not special: forbidden code points refused, the rest encoded
 *    everything else   percent-decoded, then to ASCII by IDNA; if its last label is a number, IPv4
 *
 * The order matters: decoding and IDNA can make digits and dots out of other characters, so whether
 * a host is an address is asked last; asking earlier is how guards of addresses are fooled. Results
 * lie in the caller's arena or in the input. Pure, but for ICU's tables. Callers: the URL parser
 * and setters, and http/authority.c. */
#include "http/url_host.h"

#include "base/cidr.h"
#include "base/mem.h"
#include "http/url_record.h"

#include <stdio.h>
#include <unicode/uidna.h>
#include <unicode/utf8.h>

enum { FORBIDDEN_HOST = 1, FORBIDDEN_DOMAIN = 2, BOTH = 3 };

/* URL Standard 3.1, forbidden host and forbidden domain code points. */
static const uint8_t forbidden[256] = {
    [0x00] = BOTH,
    [0x01 ... 0x08] = FORBIDDEN_DOMAIN,
    ['\t'] = BOTH,
    ['\n'] = BOTH,
    [0x0b] = FORBIDDEN_DOMAIN,
    [0x0c] = FORBIDDEN_DOMAIN,
    ['\r'] = BOTH,
    [0x0e ... 0x1f] = FORBIDDEN_DOMAIN,
    [' '] = BOTH,
    ['#'] = BOTH,
    ['/'] = BOTH,
    [':'] = BOTH,
    ['<'] = BOTH,
    ['>'] = BOTH,
    ['?'] = BOTH,
    ['@'] = BOTH,
    ['['] = BOTH,
    ['\\'] = BOTH,
    [']'] = BOTH,
    ['^'] = BOTH,
    ['|'] = BOTH,
    ['%'] = FORBIDDEN_DOMAIN,
    [0x7f] = FORBIDDEN_DOMAIN,
};

static bool holds(er_slice s, uint8_t which)
{
	for (size_t i = 0; i < s.n; i++)
		if (forbidden[s.p[i]] & which)
			return true;
	return false;
}

static er_slice percent_decode(er_arena *a, er_slice in)
{
	if (er_slice_find(in, '%') == in.n)
		return in;
	uint8_t *out = er_arena_alloc(a, in.n);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = in.p[i];
		if (c == '%' && in.n - i > 2 && er_hex_digit(in.p[i + 1]) >= 0 && er_hex_digit(in.p[i + 2]) >= 0) {
			c = (uint8_t)(er_hex_digit(in.p[i + 1]) * 16 + er_hex_digit(in.p[i + 2]));
			i += 2;
		}
		out[n++] = c;
	}
	return er_slice_of(out, n);
}

/* ---- IPv4 (URL Standard 3.5) ---- */

/* Decimal, octal after "0", hexadecimal after "0x"; sums beyond 2^32 stay there. False: not a
 * number. */
static bool ipv4_number(er_slice s, uint64_t *out)
{
	unsigned base = 10;
	if (s.n == 0)
		return false;
	if (s.n >= 2 && s.p[0] == '0' && er_lower(s.p[1]) == 'x') {
		base = 16;
		s = er_slice_from(s, 2);
	} else if (s.n >= 2 && s.p[0] == '0') {
		base = 8;
		s = er_slice_from(s, 1);
	}
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		int digit = er_hex_digit(s.p[i]);
		if (digit < 0 || (unsigned)digit >= base)
			return false;
		v = v * base + (unsigned)digit;
		if (v > UINT32_MAX)
			v = (uint64_t)UINT32_MAX + 1;
	}
	*out = v;
	return true;
}

static er_slice last_label(er_slice s)
{
	size_t at = s.n;
	while (at > 0 && s.p[at - 1] != '.')
		at--;
	return er_slice_from(s, at);
}

static er_slice without_last_dot(er_slice s)
{
	return s.n > 0 && s.p[s.n - 1] == '.' ? er_slice_head(s, s.n - 1) : s;
}

static bool ends_in_number(er_slice host)
{
	er_slice last = last_label(without_last_dot(host));
	uint64_t v;
	bool digits = last.n > 0;
	for (size_t i = 0; i < last.n && digits; i++)
		digits = last.p[i] >= '0' && last.p[i] <= '9';
	return digits || ipv4_number(last, &v);
}

/* One to four numbers, of which the last fills the bytes that are left: 127.1 is 127.0.0.1. */
static bool ipv4_parse(er_arena *a, er_slice host, er_slice *out)
{
	host = without_last_dot(host);
	uint64_t parts[4], address = 0;
	size_t n = 0;
	for (;;) {
		size_t dot = er_slice_find(host, '.');
		if (n == 4 || !ipv4_number(er_slice_head(host, dot), &parts[n]))
			return false;
		n++;
		if (dot == host.n)
			break;
		host = er_slice_from(host, dot + 1);
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (parts[i] > 255)
			return false;
		address |= parts[i] << (8 * (3 - i));
	}
	if (parts[n - 1] >= (uint64_t)1 << (8 * (5 - n)))
		return false;
	address |= parts[n - 1];
	ER_ASSERT(n >= 1 && n <= 4 && address <= UINT32_MAX);
	const uint8_t bytes[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
	char text[15];
	*out = er_arena_copy(a, er_ipv4_text(bytes, text));
	return true;
}

/* ---- IPv6 (URL Standard 3.5) ---- */

/* The dotted tail of an IPv6 address: four decimal numbers without leading zeros. */
static bool ipv6_dotted(er_slice in, uint16_t *pieces)
{
	for (int i = 0; i < 4; i++) {
		size_t n = i < 3 ? er_slice_find(in, '.') : in.n;
		if (n == 0 || n > 3 || (i < 3 && n == in.n))
			return false;
		unsigned v = 0;
		for (size_t k = 0; k < n; k++) {
			if (in.p[k] < '0' || in.p[k] > '9' || (k == 1 && v == 0))
				return false;
			v = v * 10 + (unsigned)(in.p[k] - '0');
		}
		if (v > 255)
			return false;
		pieces[i / 2] = (uint16_t)((unsigned)pieces[i / 2] << 8 | v);
		in = er_slice_from(in, n + 1);
	}
	return true;
}

/* Moves the pieces behind "::" to the end. */
static void ipv6_expand(uint16_t *pieces, int n, int compress)
{
	ER_ASSERT(compress >= 0 && compress <= n && n < 8);
	int tail = n - compress;
	for (int i = 0; i < tail; i++) {
		pieces[7 - i] = pieces[n - 1 - i];
		if (n - 1 - i != 7 - i)
			pieces[n - 1 - i] = 0;
	}
}

/* Eight pieces of 16 bits; `compress` is where "::" stood, and -1 if it has not come. */
static bool ipv6_pieces(er_slice in, uint16_t pieces[8])
{
	int n = 0, compress = -1;
	if (in.n > 0 && in.p[0] == ':') {
		if (in.n < 2 || in.p[1] != ':')
			return false;
		in = er_slice_from(in, 2);
		compress = 0;
	}
	while (in.n > 0) {
		if (n == 8)
			return false;
		ER_ASSERT(n >= 0 && n < 8);
		if (in.p[0] == ':') {
			if (compress >= 0)
				return false;
			compress = n;
			in = er_slice_from(in, 1);
			continue;
		}
		unsigned v = 0;
		size_t digits = 0;
		for (; digits < 4 && digits < in.n && er_hex_digit(in.p[digits]) >= 0; digits++)
			v = v * 16 + (unsigned)er_hex_digit(in.p[digits]);
		if (digits < in.n && in.p[digits] == '.') {
			if (digits == 0 || n > 6 || !ipv6_dotted(in, pieces + n))
				return false;
			n += 2;
			break;
		}
		pieces[n++] = (uint16_t)v;
		if (digits == in.n)
			break;
		if (digits == 0 || in.p[digits] != ':' || digits + 1 == in.n)
			return false;
		in = er_slice_from(in, digits + 1);
	}
	if (compress < 0)
		return n == 8;
	if (n == 8)
		return false;
	ipv6_expand(pieces, n, compress);
	return true;
}

/* The first longest run of zeros of two pieces or more, as RFC 5952 writes it. */
static int ipv6_zeros(const uint16_t pieces[8], int *length)
{
	int at = -1;
	*length = 1;
	for (int i = 0; i < 8; i++) {
		int n = 0;
		while (i + n < 8 && pieces[i + n] == 0)
			n++;
		if (n > *length) {
			at = i;
			*length = n;
		}
		i += n;
	}
	return at;
}

/* Written in the canonical form (RFC 5952): the longest run of zeros as "::". */
static bool ipv6_parse(er_arena *a, er_slice in, er_slice *out)
{
	uint16_t pieces[8] = {0};
	if (!ipv6_pieces(in, pieces))
		return false;
	int length, zeros = ipv6_zeros(pieces, &length);
	char *text = er_arena_alloc(a, 48);
	size_t n = 0;
	text[n++] = '[';
	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			text[n++] = ':';
			if (i == 0)
				text[n++] = ':';
			i += length - 1;
			continue;
		}
		n += (size_t)snprintf(text + n, 48 - n, i < 7 ? "%x:" : "%x", pieces[i]);
	}
	ER_ASSERT(n < 48);
	text[n++] = ']';
	*out = er_slice_of(text, n);
	return true;
}

/* ---- domains ---- */

/* *upper: there are capitals. */
static bool ascii_only(er_slice s, bool *upper)
{
	uint8_t all = 0;
	for (size_t i = 0; i < s.n; i++) {
		all |= s.p[i];
		*upper = *upper || (s.p[i] >= 'A' && s.p[i] <= 'Z');
	}
	return all < 0x80;
}

/* UTS #46 changed some mappings in Unicode 15.1 and 16, for code points that are older; ICU 72
 * (Debian 12) has not heard of it. Doing these first makes no difference to an ICU that has. `to`
 * 0: the code point is ignored. */
static const struct remap {
	uint32_t first, last, to;
} remaps[] = {
    {0x04C0, 0x04C0, 0x04CF},   {0x10A0, 0x10C5, 0x2D00},   {0x115F, 0x1160, 0},         {0x17B4, 0x17B5, 0},
    {0x180E, 0x180E, 0},        {0x1E9E, 0x1E9E, 0x00DF},   {0x206A, 0x206F, 0},         {0x2132, 0x2132, 0x214E},
    {0x2183, 0x2183, 0x2184},   {0x3164, 0x3164, 0},        {0xFFA0, 0xFFA0, 0},         {0x1D173, 0x1D17A, 0},
    {0x2F868, 0x2F868, 0x36FC}, {0x2F874, 0x2F874, 0x5F53}, {0x2F91F, 0x2F91F, 0x243AB}, {0x2F95F, 0x2F95F, 0x7AEE},
    {0x2F9BF, 0x2F9BF, 0x45D7},
};

/* Where the code point goes, U_SENTINEL to leave it out. */
static UChar32 remap(UChar32 c)
{
	for (size_t i = 0; i < sizeof remaps / sizeof *remaps; i++) {
		const struct remap *it = &remaps[i];
		if ((uint32_t)c < it->first)
			break;
		if ((uint32_t)c <= it->last)
			return it->to == 0 ? U_SENTINEL : (UChar32)(it->to + ((uint32_t)c - it->first));
	}
	return c;
}

/* Also makes U+FFFD of what is not UTF-8. */
static er_slice remap_all(er_arena *a, er_slice in)
{
	ER_ASSERT(in.n <= ER_URL_INPUT_MAX); /* lengths are ICU's int32_t from here on */
	/* Three bytes for one: U+FFFD in place of a byte that is not UTF-8, and no mapping makes a code
	 * point of fewer bytes longer than that. */
	uint8_t *out = er_arena_alloc(a, in.n * 3);
	int32_t n = 0, at = 0;
	while (at < (int32_t)in.n) {
		UChar32 c;
		U8_NEXT_OR_FFFD(in.p, at, (int32_t)in.n, c);
		c = remap(c);
		if (c != U_SENTINEL)
			U8_APPEND_UNSAFE(out, n, (uint32_t)c);
	}
	ER_ASSERT(n >= 0 && (size_t)n <= in.n * 3);
	return er_slice_of(out, (size_t)n);
}

/* UTS #46 with CheckHyphens=false, CheckBidi=true, CheckJoiners=true, UseSTD3ASCIIRules=false,
 * Transitional_Processing=false, VerifyDnsLength=false: ICU always looks at hyphens and lengths, so
 * those of its verdicts are put aside. */
static bool idna(er_arena *a, er_slice domain, er_slice *out)
{
	enum {
		WANTED = UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
		ASIDE = UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG | UIDNA_ERROR_DOMAIN_NAME_TOO_LONG |
		        UIDNA_ERROR_LEADING_HYPHEN | UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4,
	};
	UErrorCode err = U_ZERO_ERROR;
	UIDNA *uts46 = uidna_openUTS46(WANTED, &err);
	if (U_FAILURE(err))
		return false;
	UIDNAInfo info = UIDNA_INFO_INITIALIZER;
	int32_t cap = (int32_t)domain.n * 4 + 64;
	char *text = er_arena_alloc(a, (size_t)cap);
	int32_t n = uidna_nameToASCII_UTF8(uts46, (const char *)domain.p, (int32_t)domain.n, text, cap, &info, &err);
	if (err == U_BUFFER_OVERFLOW_ERROR) {
		err = U_ZERO_ERROR;
		info = (UIDNAInfo)UIDNA_INFO_INITIALIZER;
		cap = n;
		text = er_arena_alloc(a, (size_t)cap);
		n = uidna_nameToASCII_UTF8(uts46, (const char *)domain.p, (int32_t)domain.n, text, cap, &info, &err);
	}
	uidna_close(uts46);
	if (U_FAILURE(err) || (info.errors & ~(uint32_t)ASIDE) != 0)
		return false;
	ER_ASSERT(n >= 0 && n <= cap);
	*out = er_slice_of(text, (size_t)n);
	return true;
}

bool er_url_domain_ascii(er_arena *a, er_slice domain, er_slice *out)
{
	bool upper = false;
	/* The standard leaves an ASCII domain as it is, whatever its "xn--" labels hold. */
	if (ascii_only(domain, &upper))
		*out = upper ? er_arena_lower(a, domain) : domain;
	else if (!idna(a, remap_all(a, domain), out))
		return false;
	return out->n > 0 && !holds(*out, FORBIDDEN_DOMAIN);
}

bool er_url_host_parse(er_arena *a, er_slice in, bool opaque, er_slice *out)
{
	if (in.n > 0 && in.p[0] == '[')
		return in.p[in.n - 1] == ']' && ipv6_parse(a, er_slice_of(in.p + 1, in.n - 2), out);
	if (opaque) {
		if (holds(in, FORBIDDEN_HOST))
			return false;
		*out = er_url_encode(a, in, ER_URL_SET_C0);
		return true;
	}
	if (!er_url_domain_ascii(a, percent_decode(a, in), out))
		return false;
	return !ends_in_number(*out) || ipv4_parse(a, *out, out);
}
