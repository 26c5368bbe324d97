/* What a node knows and must never forget: routines, immutable versions, deployments, routes,
 * variables, secrets, tokens, KV, and the one change log that all of it came from.
 *
 * The interface is the log. A change goes in whole (er_store_apply) and gets a sequence; the tables
 * that the readers below see are what the log adds up to, written in the same transaction. So a
 * node is where its sequence says, a second engine (NATS JetStream) can feed the same changes, and
 * an acknowledged change is on disk (SQLite, WAL, synchronous=FULL) before er_store_apply returns.
 *
 * Three databases in the data folder: control.db, kv.db (synchronous=NORMAL: the last moments
 * of KV may be lost by a power cut, never its consistency) and assets.db (static files,
 * asset.h). Code and source maps lie in control.db as blobs by SHA-256, each once. Secrets are
 * encrypted (AES-256-GCM) with a key from outside the database (DIR/key, mode 0600, or where
 * configuration says).
 *
 * Threads: er_store_apply and everything else belong to one thread, the control thread, but for the
 * functions marked "any thread". Blocking. */
#ifndef ER_STORE_STORE_H
#define ER_STORE_STORE_H

#include "base/arena.h"
#include "base/chunk.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"
#include "model/env.h"
#include "model/names.h"
#include "model/role.h"
#include "store/rows.h"

#include <time.h>

typedef struct er_store er_store;

enum {
	ER_STORE_SPLIT = 2,          /* versions a deployment may name */
	ER_SETTING_MAX = 64 << 10,   /* bytes of a variable's or secret's value */
	ER_SETTINGS_MAX = 256,       /* variables and secrets of a routine in one environment */
	ER_SETTINGS_BYTES = 1 << 20, /* of all their values */
	ER_VERSIONS_QUOTA = 100,     /* of one routine, by default */
	ER_ADDRESSES_MAX = 64,       /* ranges of private addresses that a routine may be allowed */
	ER_STORE_HOST_MAX = 255,     /* of a host that is granted to a token, with its "*." */
};

/* ---- opening ---- */

/* How much of the past is kept; 0: all of it. What an environment runs, and where a rollback from
 * there leads to, stays in any case. */
typedef struct er_retention {
	uint32_t changes;     /* of the log, the newest */
	uint32_t deployments; /* of one routine, the newest */
} er_retention;

typedef struct er_store_options {
	const char *dir;         /* made if it is not there, mode 0700 */
	const char *key_file;    /* NULL: DIR/key, made at first use */
	unsigned versions_quota; /* 0: ER_VERSIONS_QUOTA */
	er_retention keep;
	/* Tests: called before every write, fsync and rename of ours and of SQLite's; false makes it
	 * fail. NULL in production. */
	bool (*fault)(void *ctx, const char *what);
	void *fault_ctx;
} er_store_options;

/* Opens, migrates (each step one transaction), checks. A folder in use by another node is refused;
 * see er_store_lock_fd. */
er_store *er_store_open(const er_store_options *options, er_err *err);
/* After every thread that reads from it has ended. NULL is fine. */
void er_store_close(er_store *s);
/* From the next change on; what is too much goes in its transaction, at most some thousand rows
 * with each. */
void er_store_keep(er_store *s, const er_retention *keep);
/* The lock on the folder: a new binary that takes over inherits this descriptor (its number in
 * ER_STORE_LOCK_FD) and opens the store while the old process still reads. It is close-on-exec
 * until then. -1: none. */
int er_store_lock_fd(const er_store *s);
/* 16 random bytes in hex, made with the folder. */
er_slice er_store_node_id(const er_store *s);
/* Of the last change; 0: none was ever made. */
uint64_t er_store_sequence(const er_store *s);

/* ---- changes ---- */

typedef enum er_change_kind {
	ER_CHANGE_ROUTINE_DELETE,
	ER_CHANGE_VERSION_ADD,
	ER_CHANGE_VERSION_DELETE,
	ER_CHANGE_DEPLOY,
	ER_CHANGE_ROUTES, /* all routes of one environment, in their order */
	ER_CHANGE_VAR_SET,
	ER_CHANGE_VAR_DELETE,
	ER_CHANGE_SECRET_SET,
	ER_CHANGE_SECRET_DELETE,
	ER_CHANGE_TOKEN_ADD,
	ER_CHANGE_TOKEN_DELETE,
	ER_CHANGE_NAMESPACE_ADD,
	ER_CHANGE_NAMESPACE_DELETE,
	ER_CHANGE_KEY_ROTATE, /* in the log only: er_store_rotate_key */
	ER_CHANGE_ADDRESS_ALLOW,
	ER_CHANGE_ADDRESS_DENY,
	ER_CHANGE_PURGE, /* of the cache */
	ER_CHANGE_SITE_SET,
	ER_CHANGE_SITE_DELETE,
	ER_CHANGE_KIND_COUNT_
} er_change_kind;
const char *er_change_name(er_change_kind k); /* "version-add", ... */

/* What a version is beside its code. `settings`: JSON object {main, compat, limits, profile,
 * fallback, routes, kv, assets} as er.jsonc says them (checked by the caller; canonical: written by
 * er_json_write). */
typedef struct er_version_data {
	er_slice code, source_map; /* both may be empty; without code there are assets */
	/* the manifest of static files: lines that begin with the hash of a file (asset.h), which is
	 * there; or empty */
	er_slice assets;
	uint32_t assets_files;
	uint64_t assets_bytes;
	er_slice settings;
	er_slice description;
} er_version_data;

/* In the split of a DEPLOY: the version that the VERSION_ADD before it, in the same transaction,
 * became. */
#define ER_VERSION_ADDED UINT32_MAX

/* Which versions a deployment runs, and how the clients are shared between them. */
typedef struct er_split {
	uint32_t version[ER_STORE_SPLIT]; /* [1] 0: no split */
	uint32_t percent;                 /* of clients that get version[0]; 100 without a split */
} er_split;

/* Automatic rollback of a deployment: when the new version is worse than the one before by more
 * than this. */
typedef struct er_guard {
	bool on;
	/* its share of failed requests (5xx by the node: exception, limit, ...) may be this much more,
	 * percent points */
	uint32_t error_percent;
	uint32_t p99_percent;    /* its p99 may be this much more, per cent; 0: not looked at */
	uint32_t least_requests; /* before that nothing is judged */
	uint32_t watch_s;        /* after that the deployment has passed */
} er_guard;

/* Why an environment runs something else from now on. The last three restore what ran before: see
 * er_store_before. */
typedef enum er_cause {
	ER_CAUSE_DEPLOY,
	ER_CAUSE_PUBLISH,
	ER_CAUSE_ROLLBACK, /* by somebody */
	ER_CAUSE_GUARD,    /* automatic rollback */
	ER_CAUSE_UNDO,     /* the deployment before could not be put into force */
	ER_CAUSE_COUNT_
} er_cause;
const char *er_cause_name(er_cause c); /* "deploy", "publish", "rollback", "guard", "undo" */
typedef struct er_route_rule {
	er_slice pattern, routine;
} er_route_rule;

/* Purges of one kind of scope and site, from one value (included) to another (not included). */
typedef struct er_purge_range {
	er_slice scope, site, from, below;
} er_purge_range;

/* One change. Only the members of its kind are looked at. All slices are borrowed for the call. */
typedef struct er_change {
	er_change_kind kind;
	er_slice actor;  /* token's name, "socket", "file", "guard" */
	er_slice source; /* client address, or empty */
	er_slice routine;
	er_env env;
	er_version_data version; /* VERSION_ADD */
	uint32_t number;         /* VERSION_DELETE */
	er_split split;          /* DEPLOY */
	er_guard guard;
	er_cause cause;  /* DEPLOY */
	er_slice reason; /* DEPLOY: for people, "publish: for the sale" */
	const er_route_rule *rules;
	size_t n_rules;
	/* VAR, SECRET, TOKEN, NAMESPACE, SITE; ADDRESS: the range, as er_cidr_text spells it */
	er_slice name;
	/* VAR: JSON text; SECRET: bytes of text; TOKEN: the token itself, stored only as a salted
	 * hash */
	er_slice value;
	er_slice key;             /* SITE: of its certificate; stored encrypted, and not in the log */
	er_role role;             /* TOKEN */
	const er_slice *routines; /* TOKEN: those it is confined to; none: all */
	size_t n_routines;
	const er_slice *hosts; /* TOKEN: those it may lead to its routines; checked by the caller */
	size_t n_hosts;
	const er_slice *kv; /* TOKEN: namespaces that it may open, as er_kv_grant_name reads them */
	size_t n_kv;
	/* PURGE: `name` is the kind of scope, `value` what it names */
	er_slice site;
	bool soft;
	uint64_t purge_number;
	/* SITE: the kind of scope that is purged of the cache with it, of which its name is one, under
	 * purge_number; empty: nothing is */
	er_slice purge_scope;
	const er_purge_range *covers; /* PURGE: rows that go, if their numbers are not higher */
	size_t n_covers;
} er_change;

typedef struct er_applied {
	/* of the last change that this became; the old sequence if nothing had to change */
	uint64_t sequence;
	/* VERSION_ADD: its number; that of the same content if it is the newest already */
	uint32_t version;
	bool existed;        /* VERSION_ADD: the newest version was the same; nothing was added */
	uint64_t deployment; /* DEPLOY: its id */
} er_applied;

/* Applies n changes in one transaction: all or none, durable when it returns. VERSION_ADD followed
 * by DEPLOY with ER_VERSION_ADDED deploys what was just added, alone or as a share. Errors: INVALID
 * (with what is wrong), NO_ROUTE (no such routine, version ...), CONFLICT (a share for what turned
 * out to be the other version of the split), TOO_LARGE (quota; says `er versions prune`), IO (disk
 * full and the like; nothing was changed). */
ER_MUST_CHECK bool er_store_apply(er_store *s, const er_change *changes, size_t n, er_applied *out, er_err *err);

/* Makes a new key for the secrets and encrypts all of them with it, in one transaction. KEY is the
 * new key afterwards; the old one is replaced when that is on the disk, and secrets are readable
 * wherever it ends. CONFLICT: a secret cannot be decrypted (said which); nothing was changed. */
ER_MUST_CHECK bool er_store_rotate_key(er_store *s, er_slice actor, er_slice source, uint64_t *sequence, unsigned *secrets,
                                       er_err *err);

/* ---- reading; results live in the arena ---- */

/* A deployment as the store has it. at_ms: since 1970, as in all rows. */
typedef struct er_deployment_row {
	uint64_t id, sequence;
	er_slice routine;
	er_env env;
	er_split split;
	er_guard guard;
	int64_t at_ms;
	er_slice actor, reason;
	er_cause cause;
} er_deployment_row;

typedef struct er_log_row {
	uint64_t sequence;
	int64_t at_ms;
	er_change_kind kind;
	er_slice actor, source, routine;
	er_slice data; /* JSON object; no secret's value, no token */
} er_log_row;

/* Each fills *out with an array in the arena and returns false with *err only for IO.
 * `after`/`most`: paging where it is given. An empty `routine` means all of them. */
ER_MUST_CHECK bool er_store_routines(er_store *s, er_arena *a, er_slice **out, size_t *n, er_err *err);
/* Newest first. */
ER_MUST_CHECK bool er_store_versions(er_store *s, er_arena *a, er_slice routine, er_version_row **out, size_t *n, er_err *err);
/* What every environment runs now: one row a routine and environment. */
ER_MUST_CHECK bool er_store_current(er_store *s, er_arena *a, er_slice routine, er_deployment_row **out, size_t *n, er_err *err);
/* Newest first. */
ER_MUST_CHECK bool er_store_history(er_store *s, er_arena *a, er_slice routine, uint64_t before, unsigned most,
                                    er_deployment_row **out, size_t *n, er_err *err);
/* What a rollback of the environment leads to: what ran before the present deployment, and was not
 * itself left by going back. */
ER_MUST_CHECK bool er_store_before(er_store *s, er_slice routine, er_env env, er_split *out, bool *found, er_err *err);
/* The same versions with the same shares. */
bool er_split_same(const er_split *a, const er_split *b);
/* In the order in which they are matched. */
ER_MUST_CHECK bool er_store_routes(er_store *s, er_arena *a, er_env env, er_route_rule **out, size_t *n, er_err *err);
/* Variables and secrets of one environment; of secrets only that they are there. */
ER_MUST_CHECK bool er_store_settings(er_store *s, er_arena *a, er_slice routine, er_env env, er_setting_row **out, size_t *n,
                                     er_err *err);
/* Ranges of private addresses that routines may reach, by routine. */
ER_MUST_CHECK bool er_store_addresses(er_store *s, er_arena *a, er_slice routine, er_address_row **out, size_t *n, er_err *err);
/* All of them, without the tokens themselves, which nobody has. */
/* A grant of the KV: "sessions", or "sessions:ro" to read alone. The name; *writes: it is the
 * former. */
er_slice er_kv_grant_name(er_slice text, bool *writes);
ER_MUST_CHECK bool er_store_tokens(er_store *s, er_arena *a, er_token_row **out, size_t *n, er_err *err);
/* Whose token is this? Constant time over the hash. False with err->kind OK: nobody's. */
ER_MUST_CHECK bool er_store_token_find(er_store *s, er_arena *a, er_slice token, er_token_row *out, er_err *err);
/* The first sequence that the log still has, or would get if it is empty. Who wants to follow it
 * from before that begins with a whole picture. */
ER_MUST_CHECK bool er_store_log_first(er_store *s, uint64_t *first, er_err *err);
/* Entries behind sequence `after`, oldest first. */
ER_MUST_CHECK bool er_store_log(er_store *s, er_arena *a, uint64_t after, unsigned most, er_log_row **out, size_t *n,
                                er_err *err);
/* Deletes versions of a routine that nothing points to, all but the newest `keep`; blobs that
 * nobody names go with them. *removed numbers. */
ER_MUST_CHECK bool er_store_prune(er_store *s, er_slice routine, unsigned keep, er_slice actor, er_slice source,
                                  unsigned *removed, er_err *err);

/* ---- any thread ---- */

/* A blob by its hash, as one piece (one reference; the caller drops it). Verified against the
 * hash. */
ER_MUST_CHECK bool er_store_blob(er_store *s, const er_hash *hash, er_piece *out, er_err *err);
/* The `env` object of a routine in an environment, as JSON text in one piece: its variables and its
 * secrets, decrypted. The piece is wiped when it is dropped. */
ER_MUST_CHECK bool er_store_env(er_store *s, er_slice routine, er_env env, er_piece *out, er_err *err);

/* ---- backup ---- */

/* A consistent copy of all databases and the node's id (not the key) into `dir`, which must not
 * exist; while the node runs. Any thread: it takes as long as the data is big, and deploys need not
 * wait for it. */
ER_MUST_CHECK bool er_store_backup(er_store *s, const char *dir, er_err *err);
/* Into an empty or missing data folder; the store must not be open. Checks integrity first. */
ER_MUST_CHECK bool er_store_restore(const char *backup, const char *dir, er_err *err);

#endif
