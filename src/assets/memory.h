/* The bytes of static files that were asked for, of all versions, in the reach of all threads and
 * within a number of bytes. What is small is held whole, with its coded forms; of what is longer
 * only its forms are. What was used lately stays (SIEVE, Zhang and others, NSDI 2024). */
#ifndef ER_ASSETS_MEMORY_H
#define ER_ASSETS_MEMORY_H

#include "base/hash.h"
#include "cache/content.h"

typedef struct er_assets_memory er_assets_memory;

er_assets_memory *er_assets_memory_new(uint64_t max_bytes);
/* NULL is fine. */
void er_assets_memory_free(er_assets_memory *m);
/* One reference, and a use of it; NULL: it is not there. Files are those of a routine: one must not
 * learn whether another has the same. */
er_content *er_assets_memory_get(er_assets_memory *m, er_slice routine, const er_hash *hash);
/* Puts it in, unless another thread was faster: what is there then, with one reference. Takes the
 * caller's reference. */
er_content *er_assets_memory_put(er_assets_memory *m, er_slice routine, const er_hash *hash, er_content *content);
/* It has a coded form more, or one less. */
void er_assets_memory_weigh(er_assets_memory *m, er_slice routine, const er_hash *hash);

typedef struct er_assets_memory_stats {
	uint64_t files, bytes, max_bytes, hits, misses, evicted;
} er_assets_memory_stats;
er_assets_memory_stats er_assets_memory_statistics(er_assets_memory *m);

#endif
