/* Names to addresses for one gateway thread: a cache, the lookups that are under way, and the
 * requests that wait for them. There is one er_resolver a thread; it asks by origin/dns.h.
 *
 * Bounds (resolve.c): lookups at a time; a share of them for each payer (a routine); requests
 * that wait in a payer's line, where payers take fair turns; entries of the cache. Routines
 * never keep the node's own payer waiting. Requests for one name share one lookup. */
#ifndef ER_ORIGIN_RESOLVE_H
#define ER_ORIGIN_RESOLVE_H

#include "base/turns.h"
#include "origin/dns.h"

typedef struct er_resolver er_resolver;

/* Immutable, but for `first` and `proven_ms`, which connecting finds out. */
typedef struct er_addresses {
	uint32_t refs;
	unsigned n;
	unsigned first;     /* the one that was connected to last */
	uint64_t proven_ms; /* the loop time of that; 0: none was, or it does not answer any more */
	er_address v[];
} er_addresses;

er_addresses *er_addresses_ref(er_addresses *a);
void er_addresses_unref(er_addresses *a);

/* The pool that lookups are counted for. Belongs to the caller. */
typedef struct er_resolve_payer {
	er_turns_line line;
	unsigned under_way;
	bool own; /* the node's */
} er_resolve_payer;

void er_resolve_payer_init(er_resolve_payer *p, bool own);
/* No request of this payer may wait any more. Its lookups go on, for the cache. */
void er_resolve_payer_fini(er_resolver *r, er_resolve_payer *p);

/* A request for addresses. Belongs to the caller; zeroed before the first use. */
typedef struct er_resolve {
	/* in the payer's line, in a lookup's list, or in the list of requests to be told */
	er_list link;
	er_resolve_payer *payer;
	bool waiting, in_line;
	er_slice name;
	void (*done)(struct er_resolve *q);
	/* when it is over: */
	er_addresses *found; /* the caller's reference; or NULL: */
	const char *text;    /* why not; static */
} er_resolve;

/* True: q is over already. False: q->done will be called from the loop, unless q is cancelled.
 * `host` is a name in a URL's form (an IPv6 address in brackets), and stays where it is until q
 * is over. An address is its own answer. "localhost" and names that end in it are answered
 * without asking anybody (RFC 6761). */
bool er_resolve_start(er_resolver *r, er_resolve *q, er_resolve_payer *payer, er_slice host, void (*done)(er_resolve *q));
/* Harmless when q is over. */
void er_resolve_cancel(er_resolver *r, er_resolve *q);
/* Is `host` an address, which needs no lookup? */
bool er_resolve_literal(er_slice host, er_address *out);

er_resolver *er_resolver_new(uv_loop_t *loop, const char *servers, er_err *err);
/* See er_dns_servers. */
void er_resolver_servers(er_resolver *r, const char *servers);
/* No request may wait any more. Calls `closed` when the last handle is closed. */
void er_resolver_close(er_resolver *r, void (*closed)(void *ctx), void *ctx);

typedef struct er_resolver_stats {
	uint64_t asked; /* lookups */
	unsigned under_way, waiting, cached;
} er_resolver_stats;
er_resolver_stats er_resolver_stat(const er_resolver *r);

#endif
