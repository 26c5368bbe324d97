/* A routine's own caches (cache, caches.default, caches.open), at ER_AT_DATA of a chain: a handler
 * of the kind ER_DATA_CACHE (http/data.h) over the store of all. What is in them lies in memory and
 * on disk as every stored response does, with its variants, ranges, conditions, tags and purges,
 * under keys that begin with the routine's name and number (er_key_apart): no request of a client,
 * and no other routine, ever finds it, nor does the next routine of that name.
 *
 * Target: the store's name (letters, digits, "-", "_", "."), a line feed, and an http or https
 * URL.
 *
 *   GET     what is stored, and fresh, as a client would get it: 200, 206, 304 ...; a miss is 404
 *           with the field er-miss, which no stored response can have. Fields: of the request
 *   PUT     stores a response, whose body is the question's. Fields: er-status, er-reason, the
 *           response's, and of the request that it answers those named er-ask-NAME; er-kept is kept
 *           for the routine. With er-absent only if there is none in memory that is found by these
 *           fields. 201; 204 with er-unstored if it says of itself that it may not be stored, or is
 *           not fresh; 409 with er-there
 *   DELETE  all variants of the URL, if there is one for these fields: 200; else a miss
 *   LIST    what of the store is in memory, as JSON: [{"url", "fields": {name: value}}], in the
 *           order in which it came, ER_OWN_LISTED at most. The URL says nothing
 *
 * A response is found by others when its last byte has come, and not before: what breaks off was
 * never there. Failures: 413 (larger than one object may be), 507 (the routine's quota,
 * owners.h). */
#ifndef ER_CACHE_OWN_H
#define ER_CACHE_OWN_H

#include "cache/cache.h"
#include "http/data.h"

enum { ER_OWN_LISTED = 1000, ER_OWN_STORE_MAX = 80 };

typedef struct er_own_place {
	/* cache, chain, scope; `site` and `stats` may change between two requests, the rest is not
	 * used */
	er_cache_place place;
} er_own_place;

er_handler er_own_handler(er_own_place *place);

#endif
