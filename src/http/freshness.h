/* How long a response may be used again, and how (RFC 9111 3 and 4.2, RFC 5861, RFC 9213). Pure:
 * times are arguments. Dates are seconds since 1970. */
#ifndef ER_HTTP_FRESHNESS_H
#define ER_HTTP_FRESHNESS_H

#include "http/fields.h"

/* Why a response is not stored, for Cache-Status and for people. */
#define ER_CACHE_REFUSALS(X) \
	X(OK, "stored", "") \
	X(METHOD, "method", "only answers to GET are stored") \
	X(REQUEST_NO_STORE, "request-no-store", "the request says Cache-Control: no-store") \
	X(NO_STORE, "no-store", "the response says no-store") \
	X(PRIVATE, "private", "the response says private: it is for one client") \
	X(AUTHORIZATION, "authorization", \
	  "the request has Authorization, and the response allows nobody else to have it (public, s-maxage or must-revalidate)") \
	X(SET_COOKIE, "set-cookie", "the response sets a cookie, and does not say public, s-maxage or CDN-Cache-Control") \
	X(VARY, "vary", "the response varies on everything, or on what the node itself writes into a request") \
	X(STATUS, "status", "a response with this status is stored only with an explicit lifetime") \
	X(REQUEST_BODY, "request-body", "the request has a body, and the response may be an answer to that") \
	X(REQUEST_QUERY, "request-query", \
	  "the request has parameters that are not in the key, and they may have chosen the response") \
	X(PARTIAL, "partial", "the response is an answer to a range or a condition of the request") \
	X(UNDERSTAND, "must-understand", "the response asks for a cache that knows its status") \
	X(NO_LIFETIME, "no-lifetime", "the response has neither a lifetime nor a validator") \
	X(TOO_LARGE, "too-large", "the response is larger than one object may be") \
	X(TAGS, "tags", "the response has more tags, or longer ones, than a purge by tag could find")

typedef enum er_cache_refusal {
#define X(name, token, text) ER_CACHE_##name,
	ER_CACHE_REFUSALS(X)
#undef X
	    ER_CACHE_REFUSALS_N
} er_cache_refusal;

/* As a token; as a sentence's part. */
const char *er_cache_refusal_name(er_cache_refusal r);
const char *er_cache_refusal_text(er_cache_refusal r);

/* What decides about a stored response. Lifetimes and windows are in seconds. */
typedef struct er_freshness {
	/* when the response came (RFC 9111 4.2.3, corrected_initial_age) */
	int64_t age;
	int64_t lifetime; /* 0: stale at once */
	bool heuristic;   /* the lifetime was estimated (4.2.2) */
	bool no_cache;    /* never used without a validation */
	/* never used stale: must-revalidate, proxy-revalidate, s-maxage, no-cache */
	bool strict;
	int64_t while_revalidate, if_error; /* stale this long at most; 0: not at all */
} er_freshness;

/* `asked` and `came`: when the request went out and the head of the response came, in seconds. */
er_freshness er_freshness_of(int status, const er_fields *response, int64_t asked, int64_t came);
/* Whether the response may be stored by a shared cache (RFC 9111 3). */
er_cache_refusal er_freshness_refusal(er_slice method, const er_fields *request, int status, const er_fields *response,
                                      const er_freshness *fresh);
/* Seconds since 1970 of this field; false: it is missing, malformed, or there are two. */
bool er_freshness_date(const er_fields *fields, er_slice name, int64_t now, int64_t *at);

typedef enum er_freshness_use {
	ER_USE_FRESH,    /* as it is */
	ER_USE_STALE,    /* as it is, while it is validated in the background */
	ER_USE_VALIDATE, /* only after a validation */
} er_freshness_use;

/* `age`: now, in seconds. */
er_freshness_use er_freshness_use_at(const er_freshness *f, int64_t age);
/* May the response be used at this age because the origin fails? */
bool er_freshness_on_error(const er_freshness *f, int64_t age);

#endif
