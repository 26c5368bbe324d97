/* A URL that the control plane wants to be in the cache (control/prefetch.h), on its way: made on
 * the control thread, given to a gateway thread, which asks, and given back, always. */
#ifndef ER_GATEWAY_PREFETCH_H
#define ER_GATEWAY_PREFETCH_H

#include "control/prefetch.h"
#include "http/exchange.h"

typedef struct er_worker er_worker;
struct er_worker_snapshot;

typedef struct er_prefetch {
	er_list link; /* the thread's, while it asks; then the node's, on its way back */
	uint64_t number;
	er_arena arena;
	er_prefetch_ask ask; /* in the arena */
	er_prefetch_result result;
	er_buf body; /* if it is wanted */
	/* on the thread, as its last act with it; result is complete */
	void (*back)(void *node, struct er_prefetch *p);
	void *node;
	/* the control plane's */
	er_prefetch_done *done;
	void *done_ctx;

	/* of the thread that asks */
	er_worker *worker;
	struct er_worker_snapshot *hold; /* the configuration that it began under */
	er_asker asker;
	er_exchange *x; /* until it is answered; own reference */
	er_body *down;  /* that it reads; own reference */
} er_prefetch;

/* ---- from the control thread ---- */
/* Asks; `back` comes on the worker's thread, also if it is stopping. */
void er_worker_prefetch(er_worker *w, er_prefetch *p);
/* Gives it up, if it has it. */
void er_worker_prefetch_stop(er_worker *w, uint64_t number);

#endif
