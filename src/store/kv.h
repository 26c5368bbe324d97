/* The key-value store of a node (kv.db): bytes by key, in namespaces. The names of namespaces are
 * changes of the store (ER_CHANGE_NAMESPACE_ADD); keys and values are not in its log. What was
 * answered is on the disk.
 *
 * A value longer than ER_KV_PART lies in parts of so many bytes (the last one has less), so that it
 * comes and goes without ever being in memory whole. Whoever reads or writes the parts holds them:
 * they stay until er_kv_let_go, also if the key has another value by then.
 *
 * Any thread. Blocking. A function that returns false has filled *err: NO_ROUTE (no such
 * namespace), INVALID or TOO_LARGE (what was given), IO. */
#ifndef ER_STORE_KV_H
#define ER_STORE_KV_H

#include "base/chunk.h"
#include "store/store.h"

enum {
	ER_KV_KEY_MAX = 512,        /* bytes */
	ER_KV_VALUE_MAX = 25 << 20, /* bytes */
	ER_KV_METADATA_MAX = 1024,  /* bytes */
	ER_KV_PART = 64 << 10,      /* bytes */
	ER_KV_KEY_BYTES = 128,      /* what a key counts against its namespace's limit beside its own */
};

typedef struct er_kv_entry {
	er_slice key, value, metadata; /* in the arena; metadata: JSON text or empty */
	int64_t expires_s;             /* Unix time, 0: never */
	uint64_t sequence;             /* last writer wins by it */
	int64_t parts;                 /* number of a value in parts; 0: `value` is the value */
	uint64_t size;                 /* with `parts`: its bytes */
} er_kv_entry;
/* True with *found false: not there, or expired. */
ER_MUST_CHECK bool er_kv_get(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err);
/* The same, but a value in parts stays where it is: out->parts is its number, which the caller
 * holds. */
ER_MUST_CHECK bool er_kv_look(er_store *s, er_arena *a, er_slice ns, er_slice key, er_kv_entry *out, bool *found, er_err *err);
/* The i-th part of a value that the caller holds; *out owns a reference. */
ER_MUST_CHECK bool er_kv_part(er_store *s, int64_t parts, unsigned i, er_piece *out, er_err *err);
void er_kv_let_go(er_store *s, int64_t parts);
/* All entries in one transaction: all or none. An entry whose sequence is 0 gets the next one; one
 * that comes with a sequence loses against a higher one. */
ER_MUST_CHECK bool er_kv_put(er_store *s, er_slice ns, const er_kv_entry *entries, size_t n, er_err *err);
/* *existed false: it was not there, or had expired. */
ER_MUST_CHECK bool er_kv_delete(er_store *s, er_slice ns, er_slice key, bool *existed, er_err *err);

typedef enum er_kv_op_kind {
	ER_KV_OP_PUT,    /* entry; a value in parts, all of them written: with `parts`, `size` */
	ER_KV_OP_DELETE, /* entry.key */
	/* entry.value is part number `part` of a value. The first one has entry.parts 0, and gets the
	 * number, which the caller holds from then on */
	ER_KV_OP_PART,
} er_kv_op_kind;
typedef struct er_kv_op {
	er_kv_op_kind kind;
	er_slice ns;
	er_kv_entry entry;
	unsigned part;
	/* what came of it */
	bool existed; /* DELETE: as er_kv_delete */
	er_err err;   /* kind OK: it is on the disk */
} er_kv_op;
/* Many at once, in their order, with one commit; each of them fails or succeeds by itself. */
void er_kv_write(er_store *s, er_kv_op *const *ops, size_t n);

/* The bytes of keys and values that one namespace may have; 0: as many as come. */
void er_kv_limit(er_store *s, uint64_t namespace_bytes);
/* Called after each commit that wrote these keys, on the thread that wrote, before its caller
 * knows; with an empty key: of any. Set before any other thread uses the store. */
typedef void er_kv_changed(void *ctx, int64_t ns, er_slice key);
void er_kv_watch(er_store *s, er_kv_changed *changed, void *ctx);
/* A number that is another one once another process has written. */
ER_MUST_CHECK bool er_kv_foreign(er_store *s, int64_t *version, er_err *err);
/* The number of a namespace, by which er_kv_changed names it. Does not block. */
ER_MUST_CHECK bool er_kv_namespace(er_store *s, er_slice name, int64_t *id, er_err *err);

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
/* The same for about so many parts that no key has any more. */
ER_MUST_CHECK bool er_kv_sweep_parts(er_store *s, unsigned most, unsigned *removed, er_err *err);

#endif
