/* Base64 of RFC 4648 4. The decoder is strict, so that a text has one meaning and bytes have one
 * text: what is exported comes back the same. */
#include "base/base64.h"

#include "base/mem.h"

bool er_base64_decode(er_arena *a, er_slice text, er_slice *out)
{
	size_t pad = 0, n = 0;
	if (text.n % 4 != 0)
		return false;
	/* Four digits are three bytes, so pad characters make the last group one or two bytes long. */
	while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
		pad++;
	uint8_t *to = er_arena_alloc(a, text.n / 4 * 3 + 1);
	uint32_t bits = 0;
	for (size_t i = 0; i < text.n - pad; i++) {
		int v = er_base64_digit(text.p[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0)
			to[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* What hangs over the last byte must be nothing, or two texts would mean the same bytes. */
	if ((pad == 1 && (bits & 3) != 0) || (pad == 2 && (bits & 15) != 0))
		return false;
	ER_ASSERT(n + pad == text.n / 4 * 3);
	*out = er_slice_of(to, n);
	return true;
}

void er_base64_encode(er_buf *b, er_slice bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t left = bytes.n - i;
		uint32_t v =
		    (uint32_t)bytes.p[i] << 16 | (left > 1 ? (uint32_t)bytes.p[i + 1] << 8 : 0) | (left > 2 ? bytes.p[i + 2] : 0);
		uint8_t *to = er_buf_reserve(b, 4);
		to[0] = (uint8_t)digits[v >> 18];
		to[1] = (uint8_t)digits[v >> 12 & 63];
		to[2] = left > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
		to[3] = left > 2 ? (uint8_t)digits[v & 63] : '=';
		er_buf_wrote(b, 4);
	}
}
