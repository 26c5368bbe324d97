/* By whose word an answer is judged beside its own: the rules of its site, and what the routine
 * wishes that asked for it. Pure. Neither judges in another way than is always judged: what the
 * answer says to this cache is rewritten, and then read as every answer is. */
#ifndef ER_CACHE_LAW_H
#define ER_CACHE_LAW_H

#include "cache/rules.h"
#include "http/exchange.h"
#include "http/freshness.h"
#include "http/wishes.h"

typedef struct er_cache_law {
	const er_cache_rules *rules;   /* NULL: none */
	const er_cache_wishes *wishes; /* NULL: none */
	er_slice target;               /* path and query that rules are matched with */
} er_cache_law;

/* What the answer says to this cache: `response` itself if nothing changes; else in the arena.
 *
 * A lifetime that a routine wishes goes over the site's and over what the origin says of storing,
 * but for an answer that sets a cookie for one client. `everything` gives an answer that says
 * nothing of its lifetime the usual one of its status. `law` may be NULL. */
const er_fields *er_law_said(const er_cache_law *law, er_arena *a, int status, const er_fields *response);

typedef struct er_law_times {
	int64_t asked, came; /* seconds since 1970 */
} er_law_times;

/* Redirects were followed to an answer of that status: each is judged as an answer is, and what is
 * stored of their end is fresh no longer than all of them are. One that may not be stored, or that
 * varies, lets nothing be stored. A lifetime that the routine wishes of the last answer holds for
 * the way there, too, but for redirects whose status has a lifetime of its own. `request`: its
 * fields. */
er_cache_refusal er_law_bound(const er_cache_law *law, er_arena *a, er_slice method, const er_fields *request, int status,
                              const er_followed *followed, er_law_times times, er_freshness *fresh);

#endif
