/* What the files of this room share: the store's struct and the small helpers over queries. Not for
 * other rooms. */
#ifndef ER_STORE_ROOM_H
#define ER_STORE_ROOM_H

#include "base/buf.h"
#include "base/mem.h"
#include "store/crypt.h"
#include "store/db.h"
#include "store/fault.h"
#include "model/names.h"
#include "store/kv.h"
#include "store/pool.h"
#include "store/store.h"

enum {
	ER_STORE_MAGIC = 0x65727374,
	ER_BLOB_MAX = 64 << 20,            /* of code, of a source map */
	ER_STORE_SETTINGS_MAX = 256 << 10, /* of a version's settings */
	ER_STORE_TEXT_MAX = 4096,          /* of descriptions, reasons, actors */
	ER_TOKEN_SALT = 16,
	ER_KV_SWEPT = 32, /* long values that one sweep removes at most */
};

/* A namespace of the KV: name and id, as control.db has them. */
typedef struct er_namespace {
	char name[ER_NAME_MAX + 1];
	int64_t id;
} er_namespace;

typedef struct er_namespaces {
	er_namespace *all; /* by name */
	size_t n;
} er_namespaces;

/* Values in parts that somebody reads or writes, by their numbers. */
typedef struct er_kv_holds {
	pthread_mutex_t lock;
	struct er_kv_hold {
		int64_t parts;
		unsigned n;
	} * all;
	size_t n, cap;
	int64_t swept[ER_KV_SWEPT]; /* their parts are being removed */
	size_t n_swept;
} er_kv_holds;

/* A key of the secrets, and the hash by which the database knows it. */
typedef struct er_secret_key {
	bool there;
	uint8_t bytes[ER_SEAL_KEY];
	er_hash check;
} er_secret_key;

/* Read when it is first needed. */
typedef struct er_keys {
	pthread_mutex_t lock;
	er_secret_key now, before; /* before: the one that a rotation replaced */
} er_keys;

struct er_store {
	uint32_t magic;
	char *dir, *control_path, *kv_path, *assets_path, *key_path;
	/* er_store_lock_fd */
	int lock_fd;
	int use_fd; /* er_dir_use */
	/* versions of one routine */
	unsigned quota;
	er_retention keep;
	er_fault fault;
	er_fault_vfs *vfs;
	er_db *control; /* the control thread's */
	er_pool readers;
	er_keys keys;
	/* of the last entry of the log */
	uint64_t sequence;
	char node_id[33];

	er_pool kv_readers;
	/* over kv: writers one after the other, without asking SQLite to wait */
	pthread_mutex_t kv_lock;
	er_db *kv;
	er_pool asset_readers;
	pthread_mutex_t asset_lock; /* over assets: writers, as for kv */
	er_db *assets;
	pthread_mutex_t sweep_lock;  /* held by who sweeps, and by a backup */
	char swept[ER_NAME_MAX + 1]; /* the routine whose files were swept last */
	er_kv_changed *kv_changed;   /* NULL: nobody wants to know */
	void *kv_changed_ctx;
	uint64_t kv_most; /* of one namespace, in bytes; 0: no limit; atomic */
	/* until then a predecessor of before er_dir_use may use the databases, too; monotonic */
	uint64_t shared_until_us;
	er_kv_holds kv_holds;        /* values in parts that somebody reads or writes */
	pthread_rwlock_t names_lock; /* over names */
	er_namespaces names;
};

static inline const char *er_store_vfs(const er_store *s)
{
	return er_fault_vfs_name(s->vfs);
}

static inline er_slice er_col_copy(const er_query *q, int column, er_arena *a)
{
	return er_arena_copy(a, er_col_bytes(q, column));
}

/* NO_ROUTE if there is no such routine. */
ER_MUST_CHECK bool er_routine_known(er_db *db, er_slice routine, er_err *err);

/* history.c. A name that this program does not know is a deployment like any other. */
er_cause er_cause_of(er_slice name);

/* key.c. `db`: any connection to control.db, in the calling thread's hands; the key is that of the
 * picture which this sees. With `make`, a key that is needed for the first time is made and its
 * check written through `db`, in the transaction that is open. */
ER_MUST_CHECK bool er_key_get(er_store *s, er_db *db, bool make, uint8_t out[ER_SEAL_KEY], er_err *err);
/* For a rotation, which has the write lock of the database: the present key, from the disk and
 * under its name there. There is none if there are no secrets. */
ER_MUST_CHECK bool er_key_settle(er_store *s, er_db *db, er_secret_key *now, er_err *err);
/* The next one, which is on the disk. */
ER_MUST_CHECK bool er_key_next(er_store *s, er_secret_key *next, er_err *err);
/* What was encrypted with `next` is committed. With keys.lock held. */
void er_key_adopt(er_store *s, const er_secret_key *old, const er_secret_key *next);
/* At the start: after a rotation that ended before its last step the new key gets its name. What is
 * wrong otherwise shows when a key is needed. */
void er_key_heal(er_store *s);
/* What a secret's ciphertext is bound to; free with er_free. */
char *er_secret_about(er_slice routine, er_env env, er_slice name, size_t *n);
char *er_site_key_about(er_slice site, size_t *n); /* the same, of a site's key */

/* kv_parts.c */
/* False: it is being removed. */
ER_MUST_CHECK bool er_kv_hold(er_store *s, int64_t parts);
/* In a transaction of s->kv: a new value in parts of that namespace; the n-th part of one. */
ER_MUST_CHECK bool er_kv_parts_new(er_db *db, int64_t ns, int64_t *parts, er_err *err);
ER_MUST_CHECK bool er_kv_parts_add(er_db *db, int64_t parts, unsigned n, er_slice bytes, er_err *err);
/* It has all its parts and belongs to no key: a key may take it now. */
ER_MUST_CHECK bool er_kv_parts_take(er_db *db, int64_t parts, uint64_t size, er_err *err);
/* It belongs to nobody; so many bytes of it are there. */
ER_MUST_CHECK bool er_kv_parts_leave(er_db *db, int64_t ns, int64_t parts, uint64_t bytes, er_err *err);
/* Bytes of the namespace's values that no key has: replaced, deleted, or not finished. */
ER_MUST_CHECK bool er_kv_waste(er_db *db, int64_t ns, uint64_t *bytes, er_err *err);
/* With kv_lock, outside of a transaction: removes about `most` parts of such values, of that
 * namespace or (0) of any. */
ER_MUST_CHECK bool er_kv_remove_waste(er_store *s, int64_t ns, unsigned most, unsigned *removed, er_err *err);

/* kv_names.c */
ER_MUST_CHECK bool er_namespaces_read(er_db *db, er_namespaces *out, er_err *err);
void er_namespaces_swap(er_store *s, er_namespaces *with); /* *with gets the old ones */
void er_namespaces_fini(er_namespaces *n);
er_namespaces er_namespaces_copy(er_store *s);
/* NO_ROUTE if there is none of that name. */
ER_MUST_CHECK bool er_namespace_find(er_store *s, er_slice name, int64_t *id, er_err *err);

#endif
