/* RFC 4648 4, with padding: how bytes that are no text travel in JSON. */
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
/* Strict: no white space, full padding, no stray bits. False: not base64. */
bool er_base64_decode(er_arena *a, er_slice text, er_slice *out);
void er_base64_encode(er_buf *b, er_slice bytes);

#endif
