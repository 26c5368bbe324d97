/* The small things that parser, hosts and setters of URLs share: percent-encoding by the sets of
 * the standard, and what a scheme is. Pure. */
#include "http/url_record.h"

#include "base/mem.h"

#define C0 ER_URL_SET_C0
#define FR ER_URL_SET_FRAGMENT
#define QU (ER_URL_SET_QUERY | ER_URL_SET_SPECIAL_QUERY)
#define PA (ER_URL_SET_PATH | ER_URL_SET_USERINFO)
#define US ER_URL_SET_USERINFO

static_assert((C0 | FR | QU | PA) <= UINT8_MAX, "a set is a bit of the table's bytes");
static_assert((C0 & FR) == 0 && ((C0 | FR) & QU) == 0 && ((C0 | FR | QU) & PA) == 0, "and no two sets share one");

/* Which sets encode a byte (URL Standard 1.3). */
static const uint8_t encoded[256] = {
    [0x00 ... 0x1f] = C0 | FR | QU | PA,
    [0x7f ... 0xff] = C0 | FR | QU | PA,
    [' '] = FR | QU | PA,
    ['"'] = FR | QU | PA,
    ['<'] = FR | QU | PA,
    ['>'] = FR | QU | PA,
    ['#'] = QU | PA,
    ['\''] = ER_URL_SET_SPECIAL_QUERY,
    ['`'] = FR | PA,
    ['?'] = PA,
    ['^'] = PA,
    ['{'] = PA,
    ['}'] = PA,
    ['/'] = US,
    [':'] = US,
    [';'] = US,
    ['='] = US,
    ['@'] = US,
    ['['] = US,
    ['\\'] = US,
    [']'] = US,
    ['|'] = US,
};

uint8_t *er_url_encode_to(uint8_t *to, er_slice in, uint8_t set)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = in.p[i];
		if (encoded[c] & set) {
			*to++ = '%';
			*to++ = (uint8_t)hex[c >> 4];
			c = (uint8_t)hex[c & 15];
		}
		*to++ = c;
	}
	return to;
}

size_t er_url_unencoded(er_slice in, uint8_t set)
{
	size_t n = 0;
	while (n < in.n && !(encoded[in.p[n]] & set))
		n++;
	return n;
}

er_slice er_url_encode(er_arena *a, er_slice in, uint8_t set)
{
	if (er_url_unencoded(in, set) == in.n)
		return in;
	ER_ASSERT(in.n <= SIZE_MAX / 3);
	uint8_t *out = er_arena_alloc(a, in.n * 3);
	return er_slice_of(out, (size_t)(er_url_encode_to(out, in, set) - out));
}

er_slice er_url_join(er_arena *a, er_slice first, er_slice second)
{
	uint8_t *out = er_arena_alloc(a, first.n + second.n);
	er_copy(out, first.p, first.n);
	er_copy(out + first.n, second.p, second.n);
	return er_slice_of(out, first.n + second.n);
}

int er_url_special_port(er_slice s)
{
	switch (s.n) {
	case 2:
		return er_slice_eq(s, ER_LIT("ws")) ? 80 : -1;
	case 3:
		return er_slice_eq(s, ER_LIT("wss")) ? 443 : er_slice_eq(s, ER_LIT("ftp")) ? 21 : -1;
	case 4:
		return er_slice_eq(s, ER_LIT("http")) ? 80 : er_slice_eq(s, ER_LIT("file")) ? 0 : -1;
	case 5:
		return er_slice_eq(s, ER_LIT("https")) ? 443 : -1;
	default:
		return -1;
	}
}
