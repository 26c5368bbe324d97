/* Which objects an eviction has put out of the small queue lately: S3-FIFO's ghost queue, as a
 * table of parts of their hashes. It remembers as many as it is told to, and forgets the oldest;
 * two objects of one hash are one. Zeros are an empty one, which takes no memory until there is
 * something to remember. Not for two threads at once. */
#ifndef ER_CACHE_GHOST_H
#define ER_CACHE_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct er_ghosts {
	uint64_t *v; /* own */
	size_t buckets;
	uint32_t clock; /* of the last one that was added */
} er_ghosts;

void er_ghosts_fini(er_ghosts *g);
/* `most`: so many are to be remembered. */
void er_ghosts_add(er_ghosts *g, uint64_t hash, size_t most);
/* Is it one of the last `most`? It is none any more then. */
bool er_ghosts_take(er_ghosts *g, uint64_t hash, size_t most);

#endif
