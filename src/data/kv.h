/* The key-value store for routines: the handler of ER_DATA_KV, and the threads behind it.
 *
 * What is asked (x->req): the target is "NAMESPACE/KEY", the key byte by byte.
 *
 *   GET      200 with the value as body, and the fields `expiration` (Unix time) and `metadata`
 *            (JSON in ASCII), if it has these; 404: there is no such key
 *   PUT      the body is the value; fields `expiration` or `expiration-ttl`, `metadata` (JSON).
 *            200: it is on the disk
 *   DELETE   200, or 404 if there was none
 *   LIST     "NAMESPACE/PREFIX"; fields `limit`, `cursor`. 200 with
 *            {"keys":[{"name","expiration","metadata"}],"list_complete","cursor"}
 *   MANY     "NAMESPACE/"; the body is a JSON array of keys. 200; the body has for each of them, in
 *            their order: u32 0 or 1 (it is there), u32 bytes of metadata, u64 bytes of value,
 *            little-endian, then metadata and value
 *
 * A version opens the namespaces of x->data.namespaces and no others. */
#ifndef ER_DATA_KV_H
#define ER_DATA_KV_H

#include "base/err.h"
#include "data/kv_stats.h"
#include "http/chain.h"
#include "store/store.h"

#include <uv.h>

enum {
	ER_KV_LIST_MOST = 1000,
	ER_KV_MANY = 100,            /* keys of one MANY */
	ER_KV_MANY_BYTES = 25 << 20, /* of its values */
	ER_KV_THREADS = 4,           /* that read */
};

typedef struct er_kv_work er_kv_work;   /* of a node */
typedef struct er_kv_place er_kv_place; /* of a gateway thread */

/* Before anybody else uses the store: the threads hear of all writes (er_kv_watch). They start when
 * they are first needed. `hot_bytes`: for values in memory. */
er_kv_work *er_kv_work_new(er_store *store, uint64_t hot_bytes);
/* When all places have closed, and before the store does. NULL is fine. */
void er_kv_work_free(er_kv_work *w);

/* `counts`: what its questions are counted in, and lives longer; NULL: nothing. */
er_kv_place *er_kv_place_new(uv_loop_t *loop, er_kv_work *w, er_kv_counts *counts);
er_handler er_kv_place_handler(er_kv_place *p);
/* When no exchange is in its hands any more. `closed` when the last job has come back. */
void er_kv_place_close(er_kv_place *p, void (*closed)(void *ctx), void *ctx);

#endif
