/* Inside the memory store: an index as its files share it.
 *
 *   index.c        keys, variants, queues, eviction
 *   index_look.c   what people ask: what there is of a URL, and what is used most */
#ifndef ER_CACHE_INDEX_INSIDE_H
#define ER_CACHE_INDEX_INSIDE_H

#include "cache/ghost.h"
#include "cache/index.h"
#include "cache/owners.h"

enum { ER_INDEX_PURGED = 256 /* keys that were purged last, of a shard */ };

/* What a key has. */
typedef struct er_index_key {
	struct er_index_key *next; /* in its bucket */
	uint64_t hash;
	er_slice key; /* own */
	er_stored *variants;
	er_fill *fill;
	uint64_t alone_until_us; /* 0: is not */
	er_cache_refusal why_alone;
	er_list alone; /* shard->alone */
} er_index_key;

typedef struct er_index_shard {
	pthread_mutex_t lock;
	er_index_key **table;
	size_t buckets, n;
	er_list small, main; /* oldest first */
	uint64_t small_bytes, main_bytes, max_bytes;
	er_ghosts ghosts;
	uint64_t purged[ER_INDEX_PURGED]; /* hashes, by the number of the purge */
	er_list alone;
	size_t alone_bytes;
	uint64_t objects, evicted, stored, purges;
	er_stored *gone; /* by next_in_key: the index's references, which unlock lets go of */
	er_index *index;
} er_index_shard;

struct er_index {
	unsigned n;
	uint64_t max_object; /* atomic */
	er_purges *purges;
	er_owners *owners;
	er_index_evicted *evicted; /* atomic, and so is what follows; NULL: nobody hears of it */
	void *evicted_ctx;
	er_index_shard shards[];
};

er_index_shard *er_index_shard_of(er_index *ix, uint64_t hash);

/* ---- under the shard's lock ---- */
/* Where the key's entry is, or would be. */
er_index_key **er_index_place_of(er_index_shard *s, er_slice key, uint64_t hash);
/* A purge that was applied while it was on its way is seen here, or by whoever finds it. */
bool er_index_purged(const er_index *ix, er_stored *it);

/* ---- without a lock ---- */
typedef void er_index_visit(void *ctx, er_index *ix, er_index_shard *s, er_index_key *e);
/* Calls it with every entry, under its shard's lock, which is held for a stretch of the table. The
 * table may grow between two: what was visited then may be visited again, and nothing is left out.
 * It may end the entry. */
void er_index_walk(er_index *ix, er_index_visit *visit, void *ctx);

#endif
