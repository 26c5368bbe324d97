/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): a hash for tables whose
 * keys strangers choose. Pure but for the making of a key. */
#include "base/siphash.h"

#include <string.h>
#include <sys/random.h>

er_siphash_key er_siphash_key_new(void)
{
	er_siphash_key key = {0};
	(void)!getrandom(&key, sizeof key, 0);
	return key;
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND \
	do { \
		v0 += v1; \
		v1 = ROTL(v1, 13); \
		v1 ^= v0; \
		v0 = ROTL(v0, 32); \
		v2 += v3; \
		v3 = ROTL(v3, 16); \
		v3 ^= v2; \
		v0 += v3; \
		v3 = ROTL(v3, 21); \
		v3 ^= v0; \
		v2 += v1; \
		v1 = ROTL(v1, 17); \
		v1 ^= v2; \
		v2 = ROTL(v2, 32); \
	} while (0)

uint64_t er_siphash(const er_siphash_key *secret, er_slice key)
{
	uint64_t v0 = secret->k0 ^ 0x736f6d6570736575ULL, v1 = secret->k1 ^ 0x646f72616e646f6dULL;
	uint64_t v2 = secret->k0 ^ 0x6c7967656e657261ULL, v3 = secret->k1 ^ 0x7465646279746573ULL;
	uint64_t last = (uint64_t)key.n << 56;
	size_t i = 0;
	for (; i + 8 <= key.n; i += 8) {
		uint64_t word;
		memcpy(&word, key.p + i, 8);
		v3 ^= word;
		SIPROUND;
		v0 ^= word;
	}
	for (size_t shift = 0; i < key.n; i++, shift += 8)
		last |= (uint64_t)key.p[i] << shift;
	v3 ^= last;
	SIPROUND;
	v0 ^= last;
	v2 ^= 0xff;
	SIPROUND;
	SIPROUND;
	SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}
