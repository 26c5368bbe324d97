/* The admin listener on the control thread's loop: GET /health (JSON) and GET /metrics (Prometheus), and the control API under /v1 if the node has a
 * store. By TCP, which belongs on an address that clients cannot reach, and by a Unix socket that only the node's own user can open. */
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
	/* For /v1; NULL: there is no store. */
	const er_handler *remote, *local;
} er_admin_source;

/* The source must outlive it. */
er_admin *er_admin_new(uv_loop_t *loop, const er_admin_source *source);
/* *port is the one it got. */
ER_MUST_CHECK bool er_admin_listen(er_admin *a, const char *address, unsigned *port, er_err *err);
/* A socket of mode 0600 at that path. What lies there from a node that is gone is replaced: the caller knows that there is no other one. */
ER_MUST_CHECK bool er_admin_listen_local(er_admin *a, const char *path, er_err *err);
/* Also takes the socket's file away, unless somebody else has put one there meanwhile. */
void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx);
/* Appends the state of the node as a JSON object, as /health has it. *ok false: not all is well. */
void er_admin_state(const er_admin *a, er_buf *out, bool *ok);

/* "This engine is ..." by its version and the distribution: whether its distributor still fixes holes in it. */
const char *er_engine_support(void);

#endif
