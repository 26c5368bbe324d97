/* The control plane of one node: the API under /v1 as a handler, the picture of what every
 * environment runs for the gateway, automatic rollback, and the tail. It knows the store and the
 * loop it lives on; what only the gateway can do it asks of it by the table of functions below.
 *
 * One thread: the control thread, with its loop. Everything here is called on it, and calls back on
 * it.
 *
 * How a change becomes true: checked → (code: tried in a sandbox) → one transaction of the store →
 * ops.activate → answered. Deployments are applied in the order in which they came; changes that
 * come while an activation runs share the next one. A client that leaves early changes nothing of
 * that. If an activation fails, what it was for is taken back in the store, and the answer says
 * so. */
#ifndef ER_CONTROL_CONTROL_H
#define ER_CONTROL_CONTROL_H

#include "base/json_out.h"
#include "cache/index.h"
#include "control/prefetch.h"
#include "control/site.h"
#include "control/tail.h"
#include "control/where.h"
#include "http/exchange.h"
#include "isolate/routine.h"
#include "store/cron.h"
#include "store/sites.h"
#include "store/store.h"

#include <uv.h>

typedef struct er_control er_control;

/* How something asked of the gateway ended; err NULL: well. Exactly once, on the control thread,
 * now or later. */
typedef void er_control_done(void *done_ctx, const er_err *err);

/* Code that was tried in a sandbox of this node. Strings are borrowed for the call. */
typedef struct er_probe_result {
	bool loaded;        /* its top-level code ran to the end, and there is a handler */
	uint64_t cpu_us;    /* of the top-level code */
	uint64_t memory_kb; /* of the sandbox alone, once the code had run */
	/* not loaded: EXCEPTION, CPU, MEMORY, CRASH, ...; UNAVAILABLE: no sandbox could be had, the
	 * code is not to blame */
	er_err_kind why;
	er_slice error; /* "TypeError: ..." or a sentence */
	er_slice stack; /* mapped to the sources, a frame a line */
} er_probe_result;
typedef void er_control_probed(void *done_ctx, const er_probe_result *result);

/* Of one version since the environment's present deployment went live, summed over all threads. */
typedef struct er_version_counters {
	/* errors: the node answered for the routine (exception, limit, crash ...) */
	uint64_t requests, errors;
	uint64_t p99_us; /* of the wall time; 0: not known */
} er_version_counters;

/* How a run by the clock that was asked for went, and what it said, a line each. Borrowed. */
typedef void er_control_ran(void *done_ctx, const er_cron_run *run, er_slice console);

/* How much the gateway is to report by er_control_event. */
typedef enum er_tail_want {
	/* For the history alone: console lines, exceptions, kills and failed requests; other requests
	 * only up to ER_TAIL_IDLE_RATE a second. */
	ER_TAIL_WANT_HISTORY,
	ER_TAIL_WANT_ALL, /* somebody tails: everything its bounded queues hold */
} er_tail_want;
enum { ER_TAIL_IDLE_RATE = 200 };

typedef enum er_route_source { ER_ROUTE_FILE, ER_ROUTE_STORE, ER_ROUTE_NAME } er_route_source;
typedef struct er_route_found {
	bool matched;
	er_route_source source; /* NAME: no rule, but NAME.localhost */
	uint32_t position;      /* among the rules of its source, from 0 */
	er_slice pattern, routine;
} er_route_found;

/* A routine of node.jsonc: served in every environment, never changed by this API; it comes before
 * a stored one of the same name. */
typedef struct er_file_routine {
	er_slice name, version;
} er_file_routine;

/* What the gateway does for control. All are called on the control thread; none may be NULL. */
typedef struct er_control_ops {
	/* The store's picture changed: make a new configuration of er_control_snapshot, give it to all
	 * threads, then call done; with an error the old one must still be in force. Never called again
	 * before done. */
	void (*activate)(void *ctx, er_control_done *done, void *done_ctx);
	/* Loads r in a real sandbox without serving it. Takes the reference. Several may run at once;
	 * the gateway bounds how many. */
	void (*probe)(void *ctx, er_routine *r, er_control_probed *done, void *done_ctx);
	/* out[i] for split.version[i] of the environment's present deployment; zeros for what never
	 * ran. */
	void (*counters)(void *ctx, er_slice routine, er_env env, er_version_counters out[ER_STORE_SPLIT]);
	/* Appends the node's own state, as members: threads, level, engine, pool, connections,
	 * uptime_s ... */
	void (*status)(void *ctx, er_out *out);
	/* node.jsonc is read again. */
	void (*reload)(void *ctx, er_control_done *done, void *done_ctx);
	/* The binary on disk takes over. done is called when it has, or cannot. */
	void (*upgrade)(void *ctx, er_control_done *done, void *done_ctx);
	/* Which rule takes this host (lower case, without port) and path (without query) there. Slices
	 * live in a. */
	void (*route_test)(void *ctx, er_arena *a, er_env env, er_slice host, er_slice path, er_route_found *out);
	/* What node.jsonc says, in its order; arrays in a. Its rules come before those of the store. */
	size_t (*file_routes)(void *ctx, er_arena *a, er_env env, er_route_rule **out);
	size_t (*file_routines)(void *ctx, er_arena *a, er_file_routine **out);
	void (*tail)(void *ctx, er_tail_want want);
	/* Appends the sites in force as elements (of that name, if one is given); returns how many.
	 * `whole`: also what their settings send to servers (er_site_shown). */
	size_t (*sites)(void *ctx, er_slice name, bool whole, er_out *out);
	/* A site of node.jsonc has the name (*what empty), or another site, *by, has the host *what. In
	 * a. */
	bool (*site_taken)(void *ctx, er_arena *a, const er_site_settings *s, er_slice *by, er_slice *what);
	/* A target (path and query) as the cache's keys of that host have it. In a, or `target`. */
	er_slice (*cache_target)(void *ctx, er_arena *a, er_slice host, er_slice target);
	/* Appends what the cache has and did, as members. */
	void (*cache)(void *ctx, er_out *out);
	/* Appends which site has a URL, what its servers do, and what the cache has of it, as members;
	 * nothing: no site has its host. */
	void (*explain)(void *ctx, er_arena *a, er_env env, const er_where *where, er_out *out);
	/* Whose site a host is (lower case, without port); false: nobody's. */
	bool (*prefetch_site)(void *ctx, er_slice host, uint64_t *site);
	/* Asks the cache for a URL. `ask` is copied; `done` comes once and later, unless the node ends.
	 * Returns a number of it, for prefetch_stop. */
	uint64_t (*prefetch)(void *ctx, const er_prefetch_ask *ask, er_prefetch_done *done, void *done_ctx);
	/* It is given up: `done` comes soon, with STOPPED if nothing else was faster. */
	void (*prefetch_stop)(void *ctx, uint64_t number);
	/* Appends what runs by the clock, as elements (of that routine, if one is given). */
	void (*crons)(void *ctx, er_slice routine, er_out *out);
	/* Runs what the routine does at that time, or at its first one, now. False: *err says why not.
	 * `done` comes once and later, unless the node ends. */
	bool (*cron_run)(void *ctx, er_slice routine, er_slice cron, er_control_ran *done, void *done_ctx, er_err *err);
} er_control_ops;

/* What the control plane needs of the node; borrowed for its life, but for what is said. */
typedef struct er_control_options {
	uv_loop_t *loop;
	er_store *store; /* must outlive it */
	const er_control_ops *ops;
	void *ops_ctx;
	er_limits routine_max; /* the node's maximum: versions that ask for more are refused */
	/* private ones that routines of the store may be allowed; borrowed until er_control_limits */
	const er_cidr *addresses;
	size_t n_addresses;
	er_index *cache;      /* which purges are for; must outlive it */
	size_t history_bytes; /* of all events kept for /v1/logs; 0: 16 MB */
	unsigned tick_ms;     /* how often guards look; 0: once a second */
} er_control_options;

/* Reads what the environments run from the store. NULL: *err. */
er_control *er_control_new(const er_control_options *options, er_err *err);
/* Ends tails, answers what waits with 503, and frees; `closed` when its handles are closed. What
 * ops still owes is not waited for: the gateway must not call its done any more. */
void er_control_close(er_control *c, void (*closed)(void *ctx), void *ctx);
/* While another process reads the store to take over from this one, or this one ends, nothing may
 * change in it: changes are refused (503, Retry-After: 1), and nothing is rolled back. What was
 * applied before still comes into force. */
void er_control_pause(er_control *c, bool on);
/* It takes changes: it is neither paused nor closing. */
bool er_control_changes(const er_control *c);
/* Nothing that was begun is still on its way: every change is answered. */
bool er_control_quiet(const er_control *c);
/* After a reload of node.jsonc. */
void er_control_limits(er_control *c, const er_limits *routine_max, const er_cidr *addresses, size_t n_addresses);

/* What the cache has may lie on a disk, and outlive this process. Before it serves.
 * NULL is fine. */
void er_control_stored_on_disk(er_control *c, bool on);

/* What a routine purges, and what came of it. */
typedef struct er_purged_list {
	const er_purge *v;
	size_t n;
	er_slice routine;
	er_err err; /* kind OK: it is on the disk, and in force */
} er_purged_list;
/* All of them with one sync of the disk. */
void er_control_purged(er_control *c, er_purged_list *lists, size_t n);

/* /v1 and all below it. `remote` wants a bearer token of every request; `local` takes every request
 * for the administrator's ("socket"): give it only to a listener that nobody else can reach (a Unix
 * socket of mode 0600). */
const er_handler *er_control_remote(er_control *c);
const er_handler *er_control_local(er_control *c);

/* ---- what the gateway runs ---- */

/* A version without its code. */
typedef struct er_snapshot_version {
	uint32_t number;
	er_hash code, source_map; /* for er_store_blob */
	er_hash assets;           /* the same: the manifest of its static files */
	uint32_t code_n, map_n;   /* bytes; 0: none */
	bool has_assets;
	er_slice settings; /* JSON, as checked: er_settings_parse */
} er_snapshot_version;

/* What one environment runs of one routine. */
typedef struct er_snapshot_routine {
	er_slice name;
	uint64_t born; /* of er_version_row */
	er_env env;
	uint64_t deployment; /* its id: part of the hash that makes a split sticky */
	/* The change log's sequence at the last change of this routine in this environment: deployment,
	 * variable or secret. The same number in two snapshots of one process: nothing changed, keep
	 * the object. */
	uint64_t revision;
	/* the same for variables and secrets alone: what a version is started with; 0: not changed by
	 * this process */
	uint64_t env_revision;
	/* private addresses that an administrator allowed it; whether the node does is not looked at */
	const er_cidr *allow;
	size_t n_allow;
	uint32_t percent; /* of clients that get version[0] */
	uint32_t n;       /* 1, or 2 with a split */
	er_snapshot_version version[ER_STORE_SPLIT];
} er_snapshot_routine;

typedef struct er_snapshot {
	uint64_t sequence;
	er_snapshot_routine *routines; /* by name, production before staging */
	size_t n_routines;
	/* in their order; may name routines that are gone or not deployed there */
	er_route_rule *routes[ER_ENV_COUNT_];
	size_t n_routes[ER_ENV_COUNT_];
	er_site_row *sites;
	size_t n_sites;
} er_snapshot;

/* What the store says now. Everything in *out lives in a. */
ER_MUST_CHECK bool er_control_snapshot(er_control *c, er_arena *a, er_snapshot *out, er_err *err);

/* ---- the tail ---- */

/* Secrets' values in its strings are replaced by ***. */
void er_control_event(er_control *c, const er_tail_event *event);
/* The gateway's queues had no room for n events: whoever tails is told. */
void er_control_event_lost(er_control *c, uint64_t n);

#endif
