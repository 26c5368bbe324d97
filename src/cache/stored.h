/* A stored response: its head, which never changes, and its content. Read by every thread;
 * counted (atomic). */
#ifndef ER_CACHE_STORED_H
#define ER_CACHE_STORED_H

#include "cache/coded.h"
#include "cache/content.h"
#include "http/freshness.h"
#include "cache/law.h"
#include "cache/purge.h"
#include "cache/range.h"
#include "cache/vary.h"

typedef struct er_stored {
	uint32_t magic;
	uint32_t refs; /* atomic */
	er_arena arena;
	er_slice key; /* of index.h */
	uint64_t hash;
	er_variant variant;
	int status;
	er_range piece; /* of a 206 (pieces.h): which bytes it is, */
	uint64_t whole; /* of how many */
	er_slice reason;
	er_fields fields;
	er_freshness fresh;
	uint64_t came_us;    /* monotonic: when the freshness's age counted */
	int64_t came;        /* since 1970: when it came from the origin */
	int64_t promised;    /* length that the origin has said, or ER_BODY_UNKNOWN */
	er_content *content; /* own reference; shared with the response that this one has renewed */
	er_codable codable;  /* may it have coded forms */
	er_scopes scopes;    /* what purges it */
	uint64_t number;     /* of purge.h: when its request left */
	er_purge_look look;  /* at the purges, the last one */
	/* the index's, under its lock */
	struct er_stored *next_in_key;
	const struct er_stored *replaced_by; /* that has its place, as it took it; only compared */
	er_list queue;
	size_t cost;
	uint32_t hits; /* atomic; about */
	uint8_t used;  /* atomic: hits since it came or was looked at, at most 3 */
	bool in_main;
	bool listed;       /* in the index */
	bool evicted;      /* out of it, to make room */
	bool purged;       /* atomic: taken out by a purge */
	bool kept_on_disk; /* atomic: it is there, or need not be */
	uint8_t forms;     /* atomic: coded forms of its content that index and disk know of, by bits */
	/* of owners.c, under its lock; NULL: it is everybody's, or out of the index */
	struct er_owner *owner;
	er_list owned;
	size_t owned_cost;
	bool spared; /* it was used, and passed over once */
} er_stored;

/* Copies what it needs from the exchange's response and request. `said`: what the response says to
 * this cache (law.h), which it varies on. `rules`: of fields that are not kept, or NULL. NULL: it
 * varies on more than is kept. One reference. `content`: a reference is taken. */
er_stored *er_stored_new(er_slice key, uint64_t hash, const er_fields *request, int status, er_slice reason,
                         const er_fields *response, const er_fields *said, const er_freshness *fresh, er_content *content,
                         int64_t promised, const er_cache_rules *rules);
/* What `old` becomes by a 304 with these fields (RFC 9111 3.2, 4.3.4): its content, and the head of
 * both. `asked` and `came`: of the validation. */
er_stored *er_stored_renew(const er_stored *old, const er_fields *request, const er_fields *update, int64_t asked, int64_t came,
                           const er_cache_law *law);
/* Of the site, by a request that left at that number. Before anybody else has it. */
void er_stored_asked(er_stored *s, uint64_t site, uint64_t number);
/* A head that was read back: what it says as it is. `variant` has values; `fresh` says the age that
 * it has now. */
er_stored *er_stored_restore(er_slice key, uint64_t hash, int status, er_slice reason, const er_fields *fields,
                             const er_variant *variant, const er_freshness *fresh, er_content *content);
er_stored *er_stored_ref(er_stored *s);
void er_stored_unref(er_stored *s);
bool er_stored_purged(const er_stored *s);
/* In seconds, now. */
int64_t er_stored_age(const er_stored *s, uint64_t now_us);
/* The same for what may be done with it: a soft purge has made it stale, however young it is. */
int64_t er_stored_age_used(const er_stored *s, uint64_t now_us);
/* Bytes of memory: head, and content as far as it is there, or as it was promised. */
size_t er_stored_cost(const er_stored *s);

#endif
