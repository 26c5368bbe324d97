/* What the asker of an exchange wishes of the handlers that answer it: how the network is asked,
 * and how the cache is. Filled before the exchange starts, and again by a handler that passes it on
 * with wishes of its own. All zero: gzip is undone, a redirect fails, and addresses are guarded.
 * What it points to must outlive the exchange's answer. */
#ifndef ER_HTTP_WISHES_H
#define ER_HTTP_WISHES_H

#include "base/cidr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum er_redirect { ER_REDIRECT_FOLLOW, ER_REDIRECT_MANUAL, ER_REDIRECT_ERROR } er_redirect;
typedef enum er_decompress { ER_DECOMPRESS, ER_DECOMPRESS_FALLBACK_IDENTITY, ER_DECOMPRESS_MANUAL } er_decompress;

/* What answers of these statuses are good for. */
typedef struct er_wished_ttl {
	uint16_t least, most;
	int64_t seconds; /* below 0: not stored */
} er_wished_ttl;

enum { ER_WISHED_TTLS = 32, ER_WISHED_TAGS = 100, ER_WISHED_KEY_MAX = 4096, ER_WISHED_SECONDS_MAX = 0x7fffffff };

/* What a routine's question says of the cache beside its request. Whoever made the question filled
 * the first part from what the routine said; nothing of that is believed beyond its form. */
typedef struct er_cache_wishes {
	er_slice owner; /* name of the routine */
	/* tells it from others that have had this name: what those stored is none of its own; 0: there
	 * are no others */
	uint64_t born;
	er_slice home; /* authority of the request that the routine answers */
	/* the question is to a server that the node does not serve: the guarded origin */
	bool foreign;
	/* which of the routine's own caches is asked (cache/own.h), and nobody else; empty: none */
	er_slice store;
	er_slice key; /* in place of the URL; empty: the URL is the key */
	bool has_ttl, everything;
	int64_t ttl; /* seconds; below 0: not stored */
	er_wished_ttl by_status[ER_WISHED_TTLS];
	size_t n_by_status;
	er_slice tags;    /* as in Cache-Tag: comma between; ER_WISHED_TAGS at most */
	er_slice resolve; /* host[:port] that is asked in place of the URL's; empty: the URL's */

	/* the gateway's, before the cache is asked */
	bool admitted; /* what follows is filled, and the routine may ask this */
	/* what is stored is the routine's own: no client's request finds it, and no other routine's */
	bool apart;
	bool resolve_site; /* `resolve` is a host of a site of this node */
} er_cache_wishes;

typedef struct er_wishes {
	er_redirect redirect;
	er_decompress decompress;
	/* redirects that are followed at most; one more fails with ER_ERR_RESPONSE */
	unsigned max_hops;
	bool classic;     /* redirects and content codings as the first generation had them */
	bool replay;      /* the body is complete in whoever asks: it may be sent again */
	bool same_origin; /* a redirect to another origin than that of the question fails */
	bool trusted;     /* the operator's own origin: no guard of addresses and ports */
	/* connections are shared only between exchanges with the same key (the routine; NULL: the
	 * node's own) */
	const void *pool;
	/* whom to believe and who to be in TLS (origin/tls.h); NULL: the system's authorities, and
	 * nobody. Connections are shared only between exchanges with the same. */
	const struct er_tls *tls;
	const er_cidr *allow; /* ranges that are allowed beyond the guard */
	size_t n_allow;
	unsigned connect_ms; /* 0: 10 s */
	unsigned head_ms;    /* the same until the head of the answer is there; 0: as idle_ms */
	unsigned idle_ms;    /* nothing moved for this long: TIMEOUT; 0: 60 s */
	/* "host:port" to connect to instead of the URL's (the operator's origin), or NULL */
	const char *connect_to;
	/* of the cache: nobody waits for the response but that it is stored. Counted apart from
	 * what clients ask; nothing stale will do */
	bool prefetch;
	bool refresh; /* the same: what is stored is validated first, also if it is fresh */
	/* of a routine's question that is more than its own request, handed on; else NULL. In the arena
	 * of the exchange */
	er_cache_wishes *cache;
} er_wishes;

#endif
