/* The memory store: stored responses by key, in all threads' reach, within a number of bytes.
 *
 * A key has an entry: its variants, newest first, and the fill that is under way for it, if any.
 * The index is cut into shards, each under a lock that is held for a look-up or a change, never
 * while anything is asked.
 *
 * Eviction is S3-FIFO (Yang and others, SOSP 2023): what is new goes through a small queue (a tenth
 * of the bytes), which only what was used meanwhile leaves for the main queue; what comes back soon
 * after it was evicted (ghost.h knows its hash) goes into main at once. A hit changes
 * nothing but a counter of two bits. */
#ifndef ER_CACHE_INDEX_H
#define ER_CACHE_INDEX_H

#include "cache/stored.h"

typedef struct er_index er_index;
typedef struct er_fill er_fill; /* fill.h */

enum { ER_INDEX_VARIANTS = 32 }; /* of one key; the oldest goes */

typedef struct er_index_stats {
	uint64_t objects, bytes, max_bytes, evicted, stored;
} er_index_stats;

/* `max_bytes` in all. One object may have `max_object` (er_index_max_object). */
er_index *er_index_new(uint64_t max_bytes);
/* What was purged; the index's own, and as long as it lives. */
er_purges *er_index_purge_table(const er_index *ix);
/* Whose things are (owners.h); the index's own likewise. */
struct er_owners *er_index_owners(const er_index *ix);
/* Looks at everything that is stored, or is on its way, a little at a time; then nothing is there
 * any more that a purge of before matches, and the table forgets those. Takes a while: some ten
 * million objects a second. On the thread that enters purges into the table (er_purges_add): one
 * that had its number before this and came in meanwhile would be forgotten, and what this has
 * passed already come back. */
void er_index_settle(er_index *ix);
/* Nothing refers to it any more. */
void er_index_free(er_index *ix);
uint64_t er_index_max_object(const er_index *ix);
/* From now on it may have so much; what is too much goes at once. The number of shards stays. */
void er_index_limit(er_index *ix, uint64_t max_bytes);
er_index_stats er_index_statistics(er_index *ix);
/* Another store is behind this one: from now on `evicted` is called with each response that made
 * room for others, when it is out: on the thread that needed the room, without a lock. `purges`:
 * er_index_purges when it went. May be said again, the same. */
typedef void er_index_evicted(void *ctx, er_index *ix, er_stored *s, uint64_t purges);
void er_index_on_evicted(er_index *ix, er_index_evicted *evicted, void *ctx);

uint64_t er_index_hash(er_slice key);

typedef struct er_index_found {
	/* the variant that the request selects, newest first; one reference; or NULL */
	er_stored *stored;
	er_fill *fill; /* what is on its way; one reference; or NULL */
	bool others;   /* there are variants, but not the one that the request selects */
	bool alone;    /* answers of this key were not for everybody, lately: do not wait for one */
} er_index_found;

/* Looks a request up. Counts as a use of what is found. `now_us`: monotonic. `a` is scratch. */
er_index_found er_index_find(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, er_arena *a, uint64_t now_us);
/* `fill` is under way for the key, which has none: false if another one was faster, or if the key
 * is remembered as `alone`. The index takes a reference. */
ER_MUST_CHECK bool er_index_begin(er_index *ix, er_slice key, uint64_t hash, er_fill *fill, uint64_t now_us);
/* The fill is over, in whatever way. `alone`: why what came was not for everybody, which is
 * remembered for some seconds; OK: it was. */
void er_index_over(er_index *ix, er_slice key, uint64_t hash, er_fill *fill, er_cache_refusal alone, uint64_t now_us);
/* Puts it in, in place of the variant that the same request selects (`old`, if it is still there).
 * False: the key was purged since `fill` began, or there is no room for it: it is not there. */
ER_MUST_CHECK bool er_index_put(er_index *ix, er_stored *s, const er_fill *fill);
/* The same of a response that was asked for without a fill of the index. `purges`: er_index_purges
 * when it was asked for. */
ER_MUST_CHECK bool er_index_put_late(er_index *ix, er_stored *s, uint64_t purges);
/* The same of a response that another store has, and keeps: where it would have to make room for
 * itself, it is in only if it comes twice, not long apart. `fill`: of the index; NULL: it was asked
 * for without one, when er_index_purges was `purges`. `must`: it is in at once. */
ER_MUST_CHECK bool er_index_put_found(er_index *ix, er_stored *s, const er_fill *fill, uint64_t purges, bool must);
/* Something is stored of the key. No use of it. */
bool er_index_has(er_index *ix, er_slice key, uint64_t hash);
/* How often keys beside this one, and this one, were purged. */
uint64_t er_index_purges(er_index *ix, uint64_t hash);
/* Was this key purged since er_index_purges said so? True also if that is too long ago to tell. */
bool er_index_purged_since(er_index *ix, uint64_t hash, uint64_t purges);
/* Its cost has changed: its content grows, or is complete. False: it is not in the
 * index any more. */
bool er_index_weigh(er_index *ix, er_stored *s);
/* Takes it out, if it is in. */
void er_index_drop(er_index *ix, er_stored *s);
/* Takes `it` out, if it is in, and puts back what it has replaced, unless that was purged. */
void er_index_put_back(er_index *ix, er_stored *old, er_stored *it);
/* All variants of the key, and what a fill under way brings (RFC 9111 4.4). */
void er_index_purge(er_index *ix, er_slice key, uint64_t hash);

/* A use of what was found otherwise than by er_index_find. */
void er_index_used(er_stored *s);

/* ---- what people ask ---- */

/* What there is of a key. */
typedef struct er_index_entry {
	er_stored *variants[ER_INDEX_VARIANTS]; /* newest first; one reference each */
	size_t n;
	bool under_way;         /* a fill */
	er_cache_refusal alone; /* why answers of the key were for one, lately; or OK */
} er_index_entry;
void er_index_explain(er_index *ix, er_slice key, uint64_t hash, uint64_t now_us, er_index_entry *out);
/* The same of all keys with this authority and target, for keys that have further parts. Looks at
 * everything; no more than fit. */
void er_index_explain_where(er_index *ix, er_slice where, er_index_entry *out);
/* Those with the most hits, the most first: one reference each. Looks at everything. */
size_t er_index_top(er_index *ix, er_stored **out, size_t most);

#endif
