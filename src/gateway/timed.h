/* A run of a routine because it is time, on its way: made on the control thread (node_cron.c),
 * given to a gateway thread, which lets it enter the chain as any exchange (worker_timed.c), and
 * given back, always. */
#ifndef ER_GATEWAY_TIMED_H
#define ER_GATEWAY_TIMED_H

#include "control/control.h"
#include "http/exchange.h"
#include "model/env.h"

typedef struct er_worker er_worker;

typedef struct er_timed {
	er_list link;    /* the node's, until it is over */
	er_list back_to; /* the node's, on its way back */
	uint64_t number; /* the exchange's id */
	er_arena arena;
	er_slice routine, cron; /* in the arena */
	er_env env;
	int64_t at_ms; /* the time that is meant, since 1970 */

	/* how it went; on the thread, before `back` */
	int status; /* 0: it did not come to an answer */
	er_err_kind error;
	char text[512];
	uint64_t cpu_us, wall_us;

	/* on the thread, as its last act with it */
	void (*back)(void *node, struct er_timed *t);
	void *node;
	/* the control thread's own: who waits */
	int64_t run; /* number of its row; 0: none */
	void *entry;
	er_control_ran *done;
	void *done_ctx;
	er_buf console; /* of one that somebody waits for: a line each */

	/* of the thread that runs it */
	er_asker asker;
	er_exchange *x;
} er_timed;

/* From the control thread. */
void er_worker_timed(er_worker *w, er_timed *t);

#endif
