/* RFC 4648 4. With padding it is how bytes that are no text travel in JSON; without, JavaScript's
 * atob stands on it. */
#ifndef ER_BASE_BASE64_H
#define ER_BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"

/* 0 to 63; -1: this is no digit. */
static inline int er_base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}
/* Characters that n bytes take, with padding. */
static inline size_t er_base64_length(size_t n)
{
	return (n + 2) / 3 * 4;
}
/* Writes them to `to`, which has room for them and does not overlap `bytes`. */
void er_base64_write(er_slice bytes, uint8_t *to);
/* The bytes of digits alone, n * 3 / 4 of them: no padding, no white space. `to` may be where the
 * digits are. Bits beyond the last byte do not count. False: there is another character, or one
 * digit too many; `to` holds anything then. */
bool er_base64_read(er_slice digits, uint8_t *to);
/* Strict: no white space, full padding, no stray bits. False: not base64. */
bool er_base64_decode(er_arena *a, er_slice text, er_slice *out);
void er_base64_encode(er_buf *b, er_slice bytes);

#endif
