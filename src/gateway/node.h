/* A running node: the spawner, N gateway threads, the admin listener; with a data folder also the
 * store and the control plane. `er node` and `er dev` are both this.
 *
 * What it serves is what node.jsonc says and, behind that, what the store says. Each change of
 * either is one new configuration, given to all threads; it is in force when all have said so.
 * Changes that come meanwhile share the next one.
 *
 * Owned by one control thread, whose loop it uses for the admin listener and signals are the
 * caller's business. */
#ifndef ER_GATEWAY_NODE_H
#define ER_GATEWAY_NODE_H

#include "gateway/config.h"
#include "isolate/isolate.h"

#include <uv.h>

typedef struct er_node er_node;

/* One finished exchange, for the access log and for `er dev`'s line per request. */
typedef struct er_access_record {
	const er_exchange *x;
	const er_routine *routine; /* or NULL */
	int status;                /* 0: the client left before one was sent */
	uint64_t sent;             /* body bytes */
	uint64_t wall_us;
	bool cut; /* the body broke off */
} er_access_record;

/* Called on gateway threads, several at once: must be thread-safe. All may be NULL. */
typedef struct er_node_events {
	er_isolate_events isolate;
	void (*access)(void *ctx, const er_access_record *rec);
	void *ctx;
} er_node_events;

struct er_inherited; /* gateway/inherit.h */

/* How something asked of the node ended; err NULL: well. */
typedef void er_node_done(void *ctx, const er_err *err);

/* Before er_node_new, while the process has one thread: forks the spawner. `sandbox_path` NULL: as
 * er_spawner_find_program says. */
typedef struct er_node_options {
	er_config *config; /* a reference is taken */
	/* Reads node.jsonc again, when the control API asks for it; and what its request to upgrade
	 * does. NULL: it cannot. */
	er_config *(*load)(void *ctx, er_err *err);
	void (*upgrade)(void *ctx, er_node_done *done, void *done_ctx);
	/* No routine can run on it any more (the spawner ended): it should be stopped, and fail, so
	 * that its supervisor starts another. Once; or NULL. */
	void (*broken)(void *ctx);
	void *ctx;
	er_node_events events;
	const char *sandbox_path;
	er_level want_level; /* 0: full */
	bool attack_hooks;   /* tests only */
	/* a host: the moves of its streams and sessions are logged; or NULL. Borrowed. */
	const char *trace;
	/* Sockets from a predecessor or from systemd are taken out of it instead of being opened; or
	 * NULL. Borrowed for the call. */
	struct er_inherited *inherited;
	/* Everything is ready, and nobody was accepted yet: the last moment to say no. Or NULL. */
	bool (*before_accept)(void *ctx, er_err *err);
} er_node_options;

/* Binds, starts threads, waits until a first sandbox of each thread has said READY with at least
 * the configured level. */
er_node *er_node_new(uv_loop_t *loop, const er_node_options *options, er_err *err);
/* Swaps routines, routes and limits without dropping a connection. Listen addresses may change too:
 * new ones open before old ones close. Unchanged routines keep their instances. `threads`,
 * `sandbox`, `admin` and `data` stay as they were; a changed one is logged. On failure everything
 * stays as it was. The caller keeps its reference, and must not change the configuration any more.
 * `done` (may be NULL) when it is in force, unless this returns false. */
ER_MUST_CHECK bool er_node_reload(er_node *n, er_config *config, er_node_done *done, void *ctx, er_err *err);
/* node.jsonc was read again, and is in force or was refused; a successor did not take over. For
 * /metrics and /health. er_node_reload says it itself when it is in force. */
void er_node_reloaded(er_node *n, bool ok);
void er_node_upgrade_failed(er_node *n);
/* Opens the access log anew, after it was renamed. */
ER_MUST_CHECK bool er_node_reopen_log(er_node *n, er_err *err);
/* `done` is called on the loop; only then er_node_free. */
/* Graceful: stops accepting, lets what runs finish (limits.drain_ms), ends the sandboxes, then
 * calls done. A second call is immediate. */
void er_node_stop(er_node *n, void (*done)(void *ctx), void *ctx);
/* The same, but another process holds the sockets as well and serves (er_node_endow,
 * gateway/upgrade.h): idle clients get a little time to come with a next request and hear that
 * their connection ends. */
void er_node_hand_over(er_node *n, void (*done)(void *ctx), void *ctx);
void er_node_free(er_node *n);
/* While a successor starts: the control API changes nothing. */
void er_node_pause(er_node *n, bool on);
/* Paused: no change is on its way any more. */
bool er_node_quiet(const er_node *n);
/* Adds what a successor needs to go on without a gap. */
void er_node_endow(const er_node *n, struct er_inherited *out);
/* False: a thread has not answered the last call's question yet, and *late is its number. True: all
 * have; they are asked again. */
bool er_node_ping(er_node *n, unsigned *late);
/* Port that listen address i really has (for port 0). */
unsigned er_node_port(const er_node *n, size_t i);
/* Of the admin listener; 0: there is none. */
unsigned er_node_admin_port(const er_node *n);
/* Path of the admin socket; NULL: there is none. */
const char *er_node_admin_path(const er_node *n);
/* What it serves now; for looking at, until the loop goes on. */
const er_config *er_node_config(const er_node *n);
/* Name and version of the engine and the level that sandboxes reach; empty and NONE while no
 * sandbox was ready yet. */
void er_node_engine(const er_node *n, char *out, size_t cap, er_level *level);

#endif
