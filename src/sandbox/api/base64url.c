#include "sandbox/api/base64url.h"

#include "base/base64.h"
#include "base/mem.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static_assert(sizeof DIGITS == 64 + 1, "six bits a character");

/* The last two digits are others than those of base64. */
static int digit(uint8_t c)
{
	int d = er_base64_digit(c);
	return d < 62 && d >= 0 ? d : c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool er_base64url_decode(er_slice text, uint8_t *out, size_t *n)
{
	uint32_t bits = 0;
	unsigned have = 0;
	*n = 0;
	if (text.n % 4 == 1)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		int d = digit(text.p[i]);
		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[(*n)++] = (uint8_t)(bits >> have);
		}
	}
	ER_ASSERT(have < 6 && *n == text.n * 6 / 8 && *n <= er_base64url_room(text.n));
	return (bits & ((1U << have) - 1)) == 0;
}

size_t er_base64url_encode(er_slice bytes, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;
	for (size_t i = 0; i < bytes.n; i++) {
		bits = bits << 8 | bytes.p[i];
		for (have += 8; have >= 6;) {
			have -= 6;
			out[n++] = DIGITS[bits >> have & 63];
		}
	}
	if (have > 0)
		out[n++] = DIGITS[bits << (6 - have) & 63];
	ER_ASSERT(n == er_base64url_length(bytes.n));
	return n;
}
