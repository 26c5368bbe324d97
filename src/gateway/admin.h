/* The admin listener: GET /health (JSON) and GET /metrics (Prometheus), on the control thread's loop. It says nothing about requests, code or
 * variables; still, it belongs on an address that clients cannot reach. */
#ifndef ER_GATEWAY_ADMIN_H
#define ER_GATEWAY_ADMIN_H

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

/* Listens; *port is the one it got. The source must outlive it. */
er_admin *er_admin_new(uv_loop_t *loop, const char *address, const er_admin_source *source, unsigned *port, er_err *err);
void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx);

/* "This engine is ..." by its version and the distribution: whether its distributor still fixes holes in it. */
const char *er_engine_support(void);

#endif
