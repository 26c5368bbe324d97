/* A gateway thread: a loop, a server, the isolates, the way to origin. Nothing of it is shared but the gate, the access log and the
 * configuration; the control thread talks to it by messages.
 *
 * The chain: gateway (route) -> routine -> standard process (origin). */
#ifndef ER_GATEWAY_WORKER_H
#define ER_GATEWAY_WORKER_H

#include "base/pulse.h"
#include "gateway/access_log.h"
#include "gateway/metrics.h"
#include "gateway/node.h"

typedef struct er_worker er_worker;

typedef struct er_worker_options {
	unsigned number;
	er_config *config; /* a reference is taken */
	int spawner;       /* this thread's socket to it */
	er_pulse *pulse;
	er_gate *gate;
	er_access_log *log;
	uint64_t id_base;
	const er_cidr *own; /* the node's addresses; must outlive the worker */
	size_t n_own;
	er_node_events events;
	void (*ended)(void *ctx); /* on the worker's thread, as its last act */
	void *ctx;
} er_worker_options;

/* Everything but the thread. */
er_worker *er_worker_new(const er_worker_options *options, er_err *err);
ER_MUST_CHECK bool er_worker_run(er_worker *w, er_err *err);

/* ---- messages; from the control thread ---- */
/* Takes a listening descriptor. */
void er_worker_listen(er_worker *w, int fd);
void er_worker_unlisten(er_worker *w, int fd);
void er_worker_configure(er_worker *w, er_config *config);
/* Finishes what runs, for at most limits.drain_ms, then ends. Again: ends at once. */
void er_worker_stop(er_worker *w);

/* After `ended`: joins the thread and frees. A worker that never ran is closed first. */
void er_worker_free(er_worker *w);
/* `stopping`: er_worker_stop was called. Pointers are good until er_worker_free. */
er_metrics_view er_worker_view(const er_worker *w, bool stopping);

#endif
