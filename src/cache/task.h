/* Inside the cache room: a task is one exchange in the cache's hands, from `handle` until it is
 * answered or cancelled; and how answers are made. */
#ifndef ER_CACHE_TASK_H
#define ER_CACHE_TASK_H

#include "cache/cache.h"
#include "cache/fill.h"

struct er_cache {
	uint32_t magic;
	uv_loop_t *loop;
	er_index *index;
	er_disk *disk;             /* NULL: there is none */
	er_compressor *compressor; /* NULL: nothing is compressed */
	er_port *port;
	er_list fills;
	er_cache_stats stats, prefetches;
	/* Of fills, on this thread. The head of the fill that the task began is there; for ALONE and
	 * FAILED the response is in `from`. */
	void (*head)(er_task *t, er_exchange *from, er_cache_refusal why);
	void (*over)(er_cache *c); /* the last fill of a cache that closes is over: frees it */
	/* a fill waits for its readers, or for the disk: er_fill_watch from time to time */
	void (*watch)(er_cache *c);
	uv_timer_t *clock; /* for that; frees itself when it is closed */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* Fills of this thread: one more (1), or less (-1). */
static inline void er_cache_fills_add(er_cache *c, int n)
{
	ER_ASSERT(n > 0 || c->stats.fills > 0);
	__atomic_store_n(&c->stats.fills, c->stats.fills + (uint64_t)(int64_t)n, __ATOMIC_RELAXED);
}

/* Counts on the cache's thread, for readers on any. */
static inline void er_cache_count(uint64_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELAXED);
}

/* Where a request of these wishes is counted. */
static inline er_cache_stats *er_cache_stats_of(const er_cache_place *p, const er_wishes *w)
{
	return w->prefetch ? &p->cache->prefetches : p->stats != NULL ? p->stats : &p->cache->stats;
}

/* Why the origin is asked (RFC 9211 2.2). */
typedef enum er_cache_forward { FWD_NONE, FWD_METHOD, FWD_BYPASS, FWD_MISS, FWD_VARY, FWD_STALE, FWD_PARTIAL } er_cache_forward;

struct er_task {
	uint32_t magic;
	er_exchange *x; /* own reference */
	/* as it was for this request: `origin` is in x's arena, `rules` an own reference */
	er_cache_place place;
	er_slice key; /* in x's arena; empty: not a question for the store */
	uint64_t hash;
	er_wait wait;
	er_fill *fill; /* that it waits for: own reference */
	er_cache_forward forward;
	unsigned looks; /* how often it has looked */
	bool began;     /* `fill` is its own, on this thread */
	bool alone;     /* answers of its key are not for everybody, lately */
	bool refresh;   /* what is stored is not used before it was validated */
};

/* How a stored response is used, for Cache-Status. */
typedef struct er_cache_use {
	er_cache_forward forward; /* NONE: a hit */
	int status;               /* of the origin's answer; 0: none */
	bool stored, collapsed;
	bool from_disk;
	bool spared;              /* the origin fails, and what is stored is used instead */
	bool lost;                /* it may be stored, but was purged meanwhile, or found no room */
	er_cache_refusal refusal; /* why it was not stored; OK: it was, or nobody says */
} er_cache_use;

/* What of a stored response's representations is sent, if not a part of it. */
typedef struct er_answer_form {
	er_content *content; /* the coded one; NULL: the response as it came */
	er_coding coding;
	bool varies; /* another request might get another one, and Vary does not say so yet */
	/* by the date in its If-Range the client may mean another representation */
	bool no_range;
} er_answer_form;

/* Fills x->res from a stored response: whole, a part, or 304. False: its bytes are not there any
 * more, and nothing is done. */
ER_MUST_CHECK bool er_answer_stored(er_exchange *x, er_stored *s, const er_answer_form *form, er_port *port, uint64_t now_us,
                                    const er_cache_use *use);
/* The request is for a part of what is stored that is far from having come: whoever wants it is
 * better served by a question for that part, which the origin can answer. */
ER_MUST_CHECK bool er_answer_waits(const er_exchange *x, er_stored *s);
/* Fills x->res from the response of `from`, whose body is taken. */
void er_answer_alone(er_exchange *x, er_exchange *from, const er_cache_use *use);
/* Fills x->res with what the node says of an origin that fails. */
void er_answer_failed(er_exchange *x, int status, er_err_kind error, const char *text, const er_cache_use *use);
void er_answer_only_if_cached(er_exchange *x);
/* The question is of one of a routine's own caches (own.h): nobody behind the cache is asked. */
static inline bool er_answer_is_own(const er_exchange *x)
{
	return x->wishes.cache != NULL && x->wishes.cache->store.n > 0;
}
/* Of such a question: nothing is stored. */
void er_answer_miss(er_exchange *x);

#endif
