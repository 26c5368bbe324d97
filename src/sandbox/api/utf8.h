/* UTF-8 to and from UTF-16, as the WHATWG Encoding Standard has it: a malformed sequence becomes
 * one U+FFFD for each maximal subpart. Pure: no engine, no memory of its own. */
#ifndef ER_SANDBOX_API_UTF8_H
#define ER_SANDBOX_API_UTF8_H

#include "base/slice.h"

/* A sequence cut by the end of a chunk. */
typedef struct er_utf8_state {
	uint32_t point;
	uint8_t need, seen;
	uint8_t lower, upper; /* what the next byte may be; 0, 0: 80..BF */
} er_utf8_state;

/* Only 01..7F. */
bool er_ascii_without_nul(er_slice s);
/* Only 00..7F. */
bool er_is_ascii(er_slice s);
/* Bytes of UTF-8 that characters of a byte each (Latin-1) take, and writes them all: n, as the
 * former has said. */
size_t er_latin1_utf8_length(er_slice s);
void er_latin1_to_utf8(er_slice s, size_t n, uint8_t *out);
/* Bytes that n units take; lone surrogates count as U+FFFD. */
size_t er_utf8_length(const uint16_t *p, size_t n);
/* Writes them all; returns how many bytes. */
size_t er_utf8_encode(const uint16_t *p, size_t n, uint8_t *out);
/* Writes as many whole characters as fit; *read is in units. */
size_t er_utf8_encode_into(const uint16_t *p, size_t n, uint8_t *out, size_t cap, size_t *read);
/* Decodes; `out` has room for s.n + 1 units (a unit more at the end of a stream cut short).
 * `flush`: nothing follows. False: fatal and malformed. */
bool er_utf8_decode(er_utf8_state *st, er_slice s, bool flush, bool fatal, uint16_t *out, size_t *n);

#endif
