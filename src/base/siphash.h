/* A hash of byte strings that nobody can foresee who does not know its key. */
#ifndef ER_BASE_SIPHASH_H
#define ER_BASE_SIPHASH_H

#include "base/slice.h"

typedef struct er_siphash_key {
	uint64_t k0, k1;
} er_siphash_key;

/* A random one. */
er_siphash_key er_siphash_key_new(void);
uint64_t er_siphash(const er_siphash_key *secret, er_slice key);

#endif
