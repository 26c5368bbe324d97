/* Inside the isolate room: what a routine wishes of the cache, as a FETCH says it (channel/frame.h,
 * FETCH_WISHES): lines in pairs, a word and its value, which may stand there more than once only if
 * that is said:
 *
 *   key TEXT · ttl SECONDS · status LEAST-MOST=SECONDS (several) · tag TAG (several) · everything 1
 *   · resolve HOST[:PORT]
 *
 * SECONDS may be -1: not stored. */
#ifndef ER_ISOLATE_WISH_H
#define ER_ISOLATE_WISH_H

#include "base/arena.h"
#include "base/err.h"
#include "http/wishes.h"

/* `text` is a private copy of what a sandbox sent, which the wishes point into. `scheme`: of the
 * question. False: it is not well formed, or beyond a bound; *why says which, as a sentence. */
ER_MUST_CHECK bool er_wish_read(er_slice text, er_slice scheme, er_arena *a, er_cache_wishes *out, const char **why);
/* They ask for an answer that is stored, not for one server in place of another alone. */
bool er_wish_stores(const er_cache_wishes *w);

#endif
