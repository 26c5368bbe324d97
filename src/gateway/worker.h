/* A gateway thread: a loop, a server for each environment's listeners, the isolates, the way to
 * origin. Nothing of it is shared but the gate, the access log, the tail and the configuration; the
 * control thread talks to it by messages.
 *
 * Each environment has a chain (http/chain.h), which exchanges enter behind the gateway: routine →
 * cache → standard process → origin. */
#ifndef ER_GATEWAY_WORKER_H
#define ER_GATEWAY_WORKER_H

#include "assets/assets.h"
#include "base/pulse.h"
#include "cache/cache.h"
#include "data/kv.h"
#include "gateway/access_log.h"
#include "gateway/files.h"
#include "gateway/metrics.h"
#include "gateway/node.h"
#include "gateway/tail.h"

typedef struct er_worker er_worker;

/* Copied; what it points to must outlive the worker. */
struct er_purged_by;

typedef struct er_worker_options {
	unsigned number, of; /* this one, and how many there are */
	er_config *config;   /* a reference is taken */
	int spawner;         /* this thread's socket to it */
	er_pulse *pulse;
	er_gate *gate;
	er_files files; /* at the start */
	er_access_log *log;
	er_tail *tail;             /* or NULL */
	er_index *cache;           /* of the node, must outlive the worker; NULL: nothing is stored */
	er_disk *disk;             /* the same; NULL: in memory alone */
	er_compressor *compressor; /* the same; NULL: nothing is compressed */
	er_assets_memory *assets;  /* the same: static files */
	er_kv_work *kv;            /* the same; NULL: there is no store */
	er_geo *geo;               /* the same: where clients are */
	uint64_t id_base;
	const char *trace;  /* as in er_node_options */
	const er_cidr *own; /* the node's addresses; must outlive the worker */
	size_t n_own;
	er_node_events events;
	/* All on the worker's thread. */
	/* from here on every request finds the configuration that was given last */
	void (*configured)(void *ctx);
	void (*let_go)(void *ctx,
	               /* takes the worker's reference: freeing a large one is not for a thread that
	                * serves */
	               er_config *config);
	void (*ended)(void *ctx);        /* its last act */
	void (*spawner_gone)(void *ctx); /* no routine can run here any more */
	/* a routine purges what `p` says; takes one reference (gateway/purged.h) */
	void (*purged)(void *ctx, struct er_purged_by *p);
	void *ctx;
} er_worker_options;

/* Everything but the thread. */
er_worker *er_worker_new(const er_worker_options *options, er_err *err);
/* Starts the thread. False: it is as before, and er_worker_free frees it. */
ER_MUST_CHECK bool er_worker_run(er_worker *w, er_err *err);

/* ---- messages; from the control thread ---- */
/* Takes a listening descriptor; the address of `how` is not looked at. */
void er_worker_listen(er_worker *w, int fd, const er_listen *how);
/* What waits in it to be accepted is still served. */
void er_worker_unlisten(er_worker *w, int fd);
/* Where a version runs now that the new configuration replaces, an instance of its successor is
 * started first; for at most WARM_MS. Not again before `configured`. */
void er_worker_configure(er_worker *w, er_config *config);
/* Tries a version (takes the reference); `done` on the worker's thread. */
void er_worker_try(er_worker *w, er_routine *r, er_isolate_started *done, void *ctx);
/* Finishes what runs, for at most limits.drain_ms, then ends. Again: ends at once. */
void er_worker_stop(er_worker *w);
/* Like er_worker_stop, but another process serves the same addresses from now on: idle clients get
 * time to come with a next request, be answered, and hear that the connection ends. */
void er_worker_hand_over(er_worker *w);
/* Asks whether the thread still turns; er_worker_pong is the highest number that it has answered. A
 * thread that has ended answers for ever. */
void er_worker_ping(er_worker *w, uint32_t number);
/* Any thread. */
uint32_t er_worker_pong(const er_worker *w);

/* After `ended`: joins the thread and frees. A worker that never ran is closed first. */
void er_worker_free(er_worker *w);
/* `stopping`: er_worker_stop was called. Pointers are good until er_worker_free. */
er_metrics_view er_worker_view(const er_worker *w, bool stopping);

#endif
