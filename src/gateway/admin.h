/* The admin listener: GET /health (JSON) and GET /metrics (Prometheus), on the control thread's loop. It says nothing about requests, code or
 * variables; still, it belongs on an address that clients cannot reach. */
#ifndef ER_GATEWAY_ADMIN_H
#define ER_GATEWAY_ADMIN_H

#include "gateway/inherit.h"
#include "gateway/metrics.h"

typedef struct er_admin er_admin;

typedef struct er_admin_source {
	/* Fills at most `cap` views; returns how many. */
	unsigned (*views)(void *ctx, er_metrics_view *out, unsigned cap);
	uint64_t (*log_dropped)(void *ctx);
	/* "ok", or what is wrong in a word. */
	const char *(*status)(void *ctx);
	size_t (*routines)(void *ctx);
	void *ctx;
	er_level min_level;
} er_admin_source;

/* Opens its socket, or takes it out of `inherited` (may be NULL); *port is the one it got. The source must outlive it. */
er_admin *er_admin_new(uv_loop_t *loop, const char *address, er_inherited *inherited, const er_admin_source *source,
                       unsigned *port, er_err *err);
/* Takes connections from now on. */
ER_MUST_CHECK bool er_admin_begin(er_admin *a, er_err *err);
/* Adds its socket to what a successor gets. */
void er_admin_give(const er_admin *a, er_inherited *out);
/* A successor takes the connections from now on; what runs is answered. */
void er_admin_retire(er_admin *a);
void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx);

/* "This engine is ..." by its version and the distribution: whether its distributor still fixes holes in it. */
const char *er_engine_support(void);

#endif
