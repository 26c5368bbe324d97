/* The trusted half of a routine: per gateway thread, instances of routine versions, each in a sandbox process of its own; the warm pool;
 * limits and supervision. To the rest of the node it is a handler: an exchange goes in, an answer comes out.
 *
 * One er_isolate_host a gateway thread; nothing in it is shared. */
#ifndef ER_ISOLATE_ISOLATE_H
#define ER_ISOLATE_ISOLATE_H

#include "base/pulse.h"
#include "channel/frame.h"
#include "http/exchange.h"
#include "isolate/routine.h"
#include "origin/origin.h"

#include <uv.h>

typedef struct er_isolate_host er_isolate_host;

/* What a routine says and what befalls it. Called on the gateway thread. `x` is NULL for top-level code. All may be NULL. */
typedef struct er_isolate_events {
	void (*console)(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text);
	/* `stack` is already source-mapped. fatal: the request failed with it. */
	void (*exception)(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice message, er_slice stack,
	                  bool fatal);
	/* An instance ended for a reason: CPU, MEMORY, CRASH, TIMEOUT, PROTOCOL. used/limit in the limit's unit (us, KB, ms). */
	void (*killed)(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit);
	void *ctx;
} er_isolate_events;

typedef struct er_isolate_config {
	unsigned pool;          /* warm sandboxes of the standard profile kept ready by this thread */
	unsigned pool_hardened; /* likewise of the hardened one */
	unsigned max_instances; /* of this thread; the one idle longest makes room */
	er_level min_level;     /* sandboxes that reach less are refused */
	bool show_errors;       /* clients see what a routine threw (er dev) */
	er_pulse *pulse;        /* of the process, borrowed; NULL: none */
	er_isolate_events events;
} er_isolate_config;

/* Counters of one thread; written by it, read by the control thread without a lock (each word by itself is right). */
typedef struct er_isolate_stats {
	uint64_t pool_ready, instances, cold_starts, spawned, spawn_failures, suspended;
	uint64_t kills[ER_ERR_COUNT_];
	er_level level;  /* reached by the last sandbox */
	char engine[64]; /* good once `level` is set */
} er_isolate_stats;

/* By the one thread that writes. */
static inline void er_stat_add(uint64_t *word, int64_t n)
{
	__atomic_store_n(word, *word + (uint64_t)n, __ATOMIC_RELAXED);
}

/* `spawner`: this thread's socket to the spawner. `origin`: for subrequests. `standard`: the standard CDN process, for fetch(event.request) and for PASS. */
er_isolate_host *er_isolate_host_new(uv_loop_t *loop, int spawner, er_origin *origin, const er_handler *standard,
                                     const er_isolate_config *config, er_err *err);
/* Ends every sandbox of this thread and waits for nobody: `done` is called when all handles are closed and the host is freed. */
void er_isolate_host_close(er_isolate_host *h, void (*done)(void *ctx), void *ctx);
/* The handler: runs the routine for the exchange. */
void er_isolate_handle(er_isolate_host *h, er_routine *r, er_exchange *x);
/* Versions that are not in `live` any more finish what they have and end. */
void er_isolate_retire(er_isolate_host *h, er_routine *const *live, size_t n);
/* Something of a request is still running, if only what it left to waitUntil. */
bool er_isolate_busy(const er_isolate_host *h);
const er_isolate_stats *er_isolate_host_stats(const er_isolate_host *h);

#endif
