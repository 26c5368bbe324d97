/* A SHA-256 (FIPS 180-4), by which code and files are named. */
#ifndef ER_BASE_HASH_H
#define ER_BASE_HASH_H

#include "base/slice.h"

enum { ER_SHA256 = 32 };

typedef struct er_hash {
	uint8_t b[ER_SHA256];
} er_hash;

static inline er_slice er_hash_slice(const er_hash *h)
{
	return er_slice_of(h->b, ER_SHA256);
}

/* 64 hexadecimal digits. */
static inline bool er_hash_parse(er_slice hex, er_hash *out)
{
	if (hex.n != 2 * (size_t)ER_SHA256)
		return false;
	for (size_t i = 0; i < ER_SHA256; i++) {
		int high = er_hex_digit(hex.p[2 * i]), low = er_hex_digit(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

#endif
