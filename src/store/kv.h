/* The key-value store of a node (kv.db): bytes by key, in namespaces. The names of namespaces are
 * changes of the store (ER_CHANGE_NAMESPACE_ADD); keys and values are not in its log.
 *
 * Any thread. Blocking. A function that returns false has filled *err: NO_ROUTE (no such
 * namespace), INVALID or TOO_LARGE (what was given), IO. */
#ifndef ER_STORE_KV_H
#define ER_STORE_KV_H

#include "store/store.h"

enum {
	ER_KV_KEY_MAX = 512,       /* bytes */
	ER_KV_VALUE_MAX = 2 << 20, /* bytes */
	ER_KV_METADATA_MAX = 1024, /* bytes */
};

typedef struct er_kv_entry {
	er_slice key, value, metadata; /* in the arena; metadata: JSON text or empty */
	int64_t expires_s;             /* Unix time, 0: never */
	uint64_t sequence;             /* last writer wins by it */
} er_kv_entry;
/* True with *found false: not there, or expired. */
ER_MUST_CHECK bool er_kv_get(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err);
/* All entries in one transaction: all or none. An entry whose sequence is 0 gets the next one; one
 * that comes with a sequence loses against a higher one. */
ER_MUST_CHECK bool er_kv_put(er_store *s, er_slice ns, const er_kv_entry *entries, size_t n, er_err *err);
/* *existed false: it was not there, or had expired. */
ER_MUST_CHECK bool er_kv_delete(er_store *s, er_slice ns, er_slice key, bool *existed, er_err *err);
/* At most `most` keys that begin with `prefix`, in their order (memcmp), behind `after` (empty:
 * from the first), without values. *more: there are further ones. */
ER_MUST_CHECK bool er_kv_list(er_store *s, er_arena *a, er_slice ns, er_slice prefix, er_slice after, unsigned most,
                              er_kv_entry **out, size_t *n, bool *more, er_err *err);

typedef struct er_kv_namespace_row {
	er_slice name;
	uint64_t keys, bytes;
} er_kv_namespace_row;
/* All namespaces by name, with the number of keys and the bytes of keys and values, expired ones
 * among them until they are swept. */
ER_MUST_CHECK bool er_kv_namespaces(er_store *s, er_arena *a, er_kv_namespace_row **out, size_t *n, er_err *err);
/* Removes rows that have expired and those of namespaces that are gone, about `most` at the most;
 * call it from time to time. */
ER_MUST_CHECK bool er_kv_sweep(er_store *s, unsigned most, unsigned *removed, er_err *err);

#endif
