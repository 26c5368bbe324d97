/* The trusted half of a routine: instances of routine versions, each in a sandbox process of its
 * own; the warm pool; limits and supervision. For the rest of the node it is a handler: an
 * exchange goes in, an answer comes out. Each gateway thread has one er_isolate_host; nothing in
 * it is shared. */
#ifndef ER_ISOLATE_ISOLATE_H
#define ER_ISOLATE_ISOLATE_H

#include "base/pulse.h"
#include "channel/frame.h"
#include "http/exchange.h"
#include "isolate/routine.h"
#include "origin/origin.h"

#include <uv.h>

typedef struct er_isolate_host er_isolate_host;

/* What a routine says and what befalls it. Called on the gateway thread; each function may be
 * NULL. `x` is NULL for top-level code. `x` may have been answered already: then only its peer
 * and the words that name its request are good. */
typedef struct er_isolate_events {
	void (*console)(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text);
	/* `stack` is already source-mapped. fatal: the request failed with it. */
	void (*exception)(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice message, er_slice stack,
	                  bool fatal);
	/* An instance ended for a reason: CPU, MEMORY, CRASH, TIMEOUT, PROTOCOL. used/limit in the
	 * limit's unit (us, KB, ms). `budget` says whose limit of CPU it was (ER_BUDGET_TABLE);
	 * NULL: another limit. `asked`: of MEMORY, the KB that it was refused at once while it had far
	 * less than the limit; else 0. */
	void (*killed)(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit, uint64_t asked,
	               const char *budget);
	/* Not NULL: sandboxes are started for debugging (`er dev --inspect` alone). One is about to get
	 * its code; takes the node's end of its socket (channel/inspect.h), over which it must be told
	 * that the code may run. */
	void (*inspect)(void *ctx, const er_routine *r, int fd);
	/* No sandbox can be started any more, and none runs: once. */
	void (*spawner_gone)(void *ctx);
	void *ctx;
} er_isolate_events;

typedef struct er_isolate_config {
	unsigned pool;            /* warm sandboxes of the standard profile kept ready by this thread */
	unsigned pool_hardened;   /* likewise of the hardened one */
	unsigned max_instances;   /* of this thread; the one idle longest makes room */
	unsigned max_subrequests; /* under way on this thread; one routine gets a quarter at most */
	er_level min_level;       /* sandboxes that reach less are refused */
	bool show_errors;         /* clients see what a routine threw (er dev) */
	er_pulse *pulse;          /* of the process, borrowed; NULL: none */
	er_isolate_events events;
	/* What is known of where the client of x is, as lines "name\nvalue\n" of the info block
	 * (channel/frame.h); good until the next call. NULL: nothing of anybody. */
	er_slice (*place)(void *ctx, const er_exchange *x);
	void *place_ctx;
} er_isolate_config;

/* Counters of one thread. That thread writes them; the control thread reads them without a lock,
 * so each word is right by itself only. */
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

/* `spawner`: this thread's socket to the spawner. `origin`: is told when a routine is gone,
 * whose connections it keeps. */
er_isolate_host *er_isolate_host_new(uv_loop_t *loop, int spawner, er_origin *origin, const er_isolate_config *config,
                                     er_err *err);
/* Ends every sandbox of this thread at once. `done` is called when all handles are closed and
 * the host is freed. */
void er_isolate_host_close(er_isolate_host *h, void (*done)(void *ctx), void *ctx);
/* The handler that runs this routine for an exchange of a chain (x->chain), at ER_AT_ROUTINE:
 * what the routine leaves to the rest of the chain goes to the handler behind that place. To be
 * used at once: it is good until the host has its next turn. */
const er_handler *er_isolate_handler(er_isolate_host *h, er_routine *r);
/* The node ends, and so do the WebSockets of routines, those too that are still to come: their
 * clients hear 1001. */
void er_isolate_end_sockets(er_isolate_host *h);
/* Versions for which `lives` says false finish what they have and end; their WebSockets end at once
 * (1001). `lives` is asked once for each version that has run here lately. */
void er_isolate_retire(er_isolate_host *h, bool (*lives)(void *ctx, const er_routine *r), void *ctx);
/* Every version that has an instance which takes requests. The callback must not start or end
 * any. */
void er_isolate_running(er_isolate_host *h, void (*each)(void *ctx, er_routine *r), void *ctx);

/* How a start without a request went. Slices are good during the callback. */
typedef struct er_isolate_start {
	bool loaded;        /* its top-level code ran to the end, and there is a handler */
	er_err_kind why;    /* not loaded: EXCEPTION, CPU, MEMORY, CRASH, TIMEOUT, UNAVAILABLE ... */
	uint64_t cpu_us;    /* of the top-level code */
	uint64_t memory_kb; /* of the whole sandbox after it, not shared with others */
	er_slice error;     /* "TypeError: ...", or a sentence */
	er_slice stack;     /* mapped to the sources, a frame a line */
	er_slice console;   /* what it printed, a line each */
} er_isolate_start;
typedef void er_isolate_started(void *ctx, const er_isolate_start *start);

/* Makes an instance before the first request comes, if there is none here. `done` is called
 * once, perhaps at once: the instance has loaded, or will not. */
void er_isolate_warm(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx);
/* Loads the routine in a sandbox that never gets a request, and ends the sandbox. What the
 * routine prints and throws goes into the result, not to the events. */
void er_isolate_try(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx);
/* Something of a request is still running, if only what the routine left to waitUntil. */
bool er_isolate_busy(const er_isolate_host *h);
const er_isolate_stats *er_isolate_host_stats(const er_isolate_host *h);

#endif
