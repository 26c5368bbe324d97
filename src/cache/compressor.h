/* Makes coded forms of stored responses (content.h), each once, on threads of its own that have
 * less of the processor than those of the gateway. One a node.
 *
 * Nobody waits for a form: whoever wants one has the body as it is meanwhile. What waits is
 * bounded, in number, in bytes, and in what one site may have of it; what does not fit is not made,
 * and is wanted again by a later request. */
#ifndef ER_CACHE_COMPRESSOR_H
#define ER_CACHE_COMPRESSOR_H

#include "cache/disk.h"
#include "cache/index.h"

typedef struct er_compressor er_compressor;

/* Both live longer; `disk` may be NULL. At most so many threads, which begin when they are first
 * needed. */
er_compressor *er_compressor_new(er_index *index, er_disk *disk, unsigned threads);
/* Nobody wants a form any more. What is not made is not. NULL is fine. */
void er_compressor_free(er_compressor *c);
/* Has a form made, if the response may have one, its body is whole and kept, and nobody makes one.
 * From any thread. NULL: there is no compressor. */
void er_compressor_want(er_compressor *c, er_stored *s, er_coding coding);
/* The same of a content that is no stored response's. `site` is who has a part of the queue.
 * `done` is told once, on a thread of the compressor or on one that ends it: `made` says whether
 * there is a form more. False: none will be made, and `done` is not told. */
ER_MUST_CHECK bool er_compressor_want_of(er_compressor *c, er_content *from, er_coding coding, uint64_t site,
                                         void (*done)(void *ctx, bool made), void *ctx);
/* Nothing waits and nothing is being made; for tests. */
bool er_compressor_idle(er_compressor *c);

/* Counters since the start, and what waits now. */
typedef struct er_compressor_stats {
	uint64_t made[ER_CODINGS];
	uint64_t worthless;           /* not kept: hardly shorter than the body */
	uint64_t skipped;             /* not made: too much waited */
	uint64_t bytes_in, bytes_out; /* of those that were made */
	uint64_t waiting;             /* or being made */
} er_compressor_stats;
er_compressor_stats er_compressor_statistics(er_compressor *c);

#endif
