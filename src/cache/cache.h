/* The cache of a node as a handler (http/chain.h), at the place CACHE of a chain. It answers GET
 * and HEAD from the memory store, and from the disk if there is one, asks what is behind it in the
 * chain for what it has not got, and keeps what may be kept (RFC 9111). Requests for one key wait
 * for one question: a fill.
 *
 * One er_index a node, for all threads; one er_cache a thread; one er_cache_place a chain. */
#ifndef ER_CACHE_CACHE_H
#define ER_CACHE_CACHE_H

#include "cache/compressor.h"
#include "cache/disk.h"
#include "cache/index.h"
#include "cache/rules.h"
#include "http/exchange.h"

typedef struct er_cache er_cache;

/* Counters since the start, of a thread. Read by others as single words. */
typedef struct er_cache_stats {
	uint64_t hits; /* answered from the store, fresh */
	/* answered from the store although stale: in the background it is validated, or the
	 * origin fails */
	uint64_t stale;
	uint64_t validated;                    /* stale, and still good by the origin's word (304) */
	uint64_t misses;                       /* asked the origin, and might have been in the store */
	uint64_t passed;                       /* asked the origin, and never in the store */
	uint64_t collapsed;                    /* answered with what another request had asked for */
	uint64_t refused[ER_CACHE_REFUSALS_N]; /* not stored, by the reason */
	uint64_t fills;                        /* questions that are under way now, prefetches too */
} er_cache_stats;

er_cache *er_cache_new(uv_loop_t *loop, er_index *index);
/* It stores on the disk, too, which all threads share and which outlives it. Before the first
 * request. */
void er_cache_use_disk(er_cache *c, er_disk *disk);
/* What memory has no room for goes on to these files, if there are any: after the files of a disk
 * have changed, and of one that is used for the first time. */
void er_cache_join(er_index *index, er_disk *disk);
/* The node ends, or hands its files over: what memory has goes to the files as far as they follow
 * at once, and nothing is written after that (er_disk_end). */
void er_cache_leave(er_index *index, er_disk *disk);
/* It makes coded forms of what it stores, and sends them to who accepts them. Likewise. */
void er_cache_use_compressor(er_cache *c, er_compressor *compressor);
/* Ends the fills of this thread. All askers have ended before. `closed`: the cache is gone; the
 * loop may have a handle of it to let go of yet. */
void er_cache_close(er_cache *c, void (*closed)(void *ctx), void *ctx);
/* Of requests that no place counts elsewhere. */
const er_cache_stats *er_cache_statistics(const er_cache *c);
/* The same of what was asked to fill the cache (er_wishes.prefetch), which er_cache_statistics does
 * not count. */
const er_cache_stats *er_cache_prefetches(const er_cache *c);

/* The cache's place in one chain. `scope` parts the keys of one chain from another's: the
 * environment. Must live as long as the chain. */
typedef struct er_cache_place {
	er_cache *cache;
	const er_chain *chain;
	uint8_t scope;
	/* what the answers are of: the site, or an origin. Nothing of another one is found. May change
	 * between two requests. */
	er_slice origin;
	/* er_scopes_site: whose tags and purges the answers are of. May change likewise */
	er_cache_rules *rules; /* of the site, or NULL; borrowed. May change likewise */
	uint64_t site;
	/* where its requests are counted: the site's, of this thread, and as long as the cache; NULL:
	 * the cache's own (er_cache_statistics). May change likewise */
	er_cache_stats *stats;
} er_cache_place;

er_handler er_cache_handler(er_cache_place *place);

#endif
