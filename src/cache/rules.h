/* What the operator of a site says about caching beside what its origin says: what of a request is
 * in the key, what of an answer is not looked at, for how long answers are good, and what is not
 * stored at all. Immutable, counted (atomic), read by every thread. NULL is no rules, everywhere.
 *
 * What is left out of the key is not sent to the origin either with a question whose answer is
 * stored: nobody can have an answer stored for others that was chosen by something the key does not
 * have. */
#ifndef ER_CACHE_RULES_H
#define ER_CACHE_RULES_H

#include "base/arena.h"
#include "base/err.h"
#include "cache/coded.h"
#include "http/freshness.h"
#include "http/fields.h"

enum { ER_RULES_NAMES = 64, ER_RULES_TTLS = 64, ER_RULES_PARTS = 4096 };

/* Which parameters of the query are in the key. */
typedef enum er_rules_query {
	ER_RULES_QUERY_ALL,
	ER_RULES_QUERY_NONE,
	ER_RULES_QUERY_ONLY,   /* those that are named */
	ER_RULES_QUERY_EXCEPT, /* all but those */
} er_rules_query;

/* Names; one that ends with "*" stands for all that begin so. */
typedef struct er_rules_names {
	er_slice v[ER_RULES_NAMES];
	size_t n;
} er_rules_names;

/* Answers with such a status to such a path are good for so long, whatever lifetime the origin
 * says; not those that it keeps from a shared cache. */
typedef struct er_rules_ttl {
	er_slice path; /* exact, or with "*" at its end */
	int status_least, status_most;
	int64_t seconds;
} er_rules_ttl;

typedef struct er_cache_rules {
	uint32_t magic, refs;
	er_arena arena;
	er_rules_query query;
	er_rules_names query_names;
	bool sort_query; /* the order of parameters is no difference */
	/* further parts of the key: fields, cookies, and the class of the device */
	er_rules_names headers, cookies;
	bool device;
	er_rules_ttl ttl[ER_RULES_TTLS];
	size_t n_ttl;
	er_rules_names ignore;         /* fields of answers that are not looked at, in lower case */
	er_rules_names bypass_cookies; /* with one of them the cache is passed by */
	er_rules_names bypass_paths;
	int64_t while_revalidate, if_error; /* if the origin says nothing of it; 0: not */
	uint8_t no_coding;                  /* in which nothing is compressed: bits by er_coding */
} er_cache_rules;

/* Copies all but count and arena. One reference. */
er_cache_rules *er_cache_rules_new(const er_cache_rules *like);
er_cache_rules *er_cache_rules_ref(er_cache_rules *r);
void er_cache_rules_unref(er_cache_rules *r);

/* ---- requests ---- */

/* The request has nothing to do with the store. */
bool er_rules_bypass(const er_cache_rules *r, er_slice target, const er_fields *request);
/* Path and query as they are in the key, and as they go to the origin. `target` itself if nothing
 * changes; else in the arena. */
er_slice er_rules_target(const er_cache_rules *r, er_arena *a, er_slice target);
bool er_rules_have_parts(const er_cache_rules *r);
/* The further parts of the key, in the arena; empty: none. False: they are longer than
 * ER_RULES_PARTS. */
ER_MUST_CHECK bool er_rules_parts(const er_cache_rules *r, er_arena *a, const er_fields *request, er_slice *out);
/* "mobile", "tablet", "desktop" or "bot". */
er_slice er_rules_device(const er_fields *request);

/* ---- answers ---- */

/* What the answer says to this cache, with what is ignored taken off and the operator's lifetime
 * put in. `response` itself if nothing changes; else in the arena. */
const er_fields *er_rules_said(const er_cache_rules *r, er_arena *a, er_slice target, int status, const er_fields *response);
/* Has an answer say that it is good for so long from now on; what else it says of its use stays
 * said. */
void er_rules_put_lifetime(er_fields *said, er_arena *a, int64_t seconds);
/* Windows that the origin says nothing of. */
void er_rules_stale(const er_cache_rules *r, er_freshness *fresh);
/* Coded forms of answers that may be made and sent: bits by er_coding. Without a word of the
 * operator's all of them. */
unsigned er_rules_codings(const er_cache_rules *r);
/* The field is not stored, and not given to clients. */
bool er_rules_hides(const er_cache_rules *r, er_slice name);

#endif
