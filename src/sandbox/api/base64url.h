/* base64url without padding (RFC 4648 5, RFC 7515 2), as the members of a JWK have it. */
#ifndef ER_SANDBOX_API_BASE64URL_H
#define ER_SANDBOX_API_BASE64URL_H

#include "base/slice.h"

/* Bytes that a text of n characters has at most, and characters that n bytes take. */
static inline size_t er_base64url_room(size_t n)
{
	return n / 4 * 3 + 3;
}
static inline size_t er_base64url_length(size_t n)
{
	return n / 3 * 4 + (n % 3 != 0 ? n % 3 + 1 : 0);
}
/* Strict: no padding, no white space, no bits left over. `out` has er_base64url_room(text.n) bytes.
 * False: it is none. */
bool er_base64url_decode(er_slice text, uint8_t *out, size_t *n);
/* Writes er_base64url_length(bytes.n) characters, and returns that. */
size_t er_base64url_encode(er_slice bytes, char *out);

#endif
