/* Bytes as hexadecimal digits, two each. Small letters are written, either case is read. */
#ifndef ER_BASE_HEX_H
#define ER_BASE_HEX_H

#include "base/slice.h"

/* Writes 2 * bytes.n characters, without a NUL; returns them. */
static inline er_slice er_hex_text(er_slice bytes, uint8_t *to)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.n; i++) {
		to[2 * i] = (uint8_t)digits[bytes.p[i] >> 4];
		to[2 * i + 1] = (uint8_t)digits[bytes.p[i] & 15];
	}
	return er_slice_of(to, 2 * bytes.n);
}

/* The same as a string: 2 * bytes.n characters and a NUL. */
static inline void er_hex(er_slice bytes, char *to)
{
	to[er_hex_text(bytes, (uint8_t *)to).n] = '\0';
}

/* hex.n / 2 bytes; false: another character is among them, or their number is odd. */
static inline bool er_unhex(er_slice hex, uint8_t *to)
{
	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		int high = er_hex_digit(hex.p[i]), low = er_hex_digit(hex.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		*to++ = (uint8_t)(high << 4 | low);
	}
	return hex.n % 2 == 0;
}

#endif
