/* The admin listener on the control thread's loop: GET /health (JSON) and GET /metrics
 * (Prometheus), and the control API under /v1 if the node has a store. By TCP, which belongs on an
 * address that clients cannot reach, and by a Unix socket that only the node's own user can
 * open. */
#ifndef ER_GATEWAY_ADMIN_H
#define ER_GATEWAY_ADMIN_H

#include "base/json_out.h"
#include "gateway/inherit.h"
#include "gateway/metrics.h"

typedef struct er_admin er_admin;

/* Where the numbers come from: the node. Called on the control thread. */
typedef struct er_admin_source {
	/* Fills at most `cap` views; returns how many. */
	unsigned (*views)(void *ctx, er_metrics_view *out, unsigned cap);
	uint64_t (*log_dropped)(void *ctx);
	/* "ok", or what is wrong in a word. */
	const char *(*status)(void *ctx);
	size_t (*routines)(void *ctx);
	/* Append further metrics, and members of the state (each with a comma before it). */
	void (*more_metrics)(void *ctx, er_buf *out);
	void (*more_state)(void *ctx, er_out *out);
	void *ctx;
	er_level min_level;
	/* For /v1; NULL: there is no store. */
	const er_handler *remote, *local;
} er_admin_source;

/* The source must outlive it. */
er_admin *er_admin_new(uv_loop_t *loop, const er_admin_source *source);
/* Opens the socket, or takes it out of `from` (may be NULL); *port is the one it got. */
ER_MUST_CHECK bool er_admin_listen(er_admin *a, er_inherited *from, const char *address, unsigned *port, er_err *err);
/* A socket of mode 0600 at that path. What lies there from a node that is gone is replaced: the
 * caller knows that there is no other one. */
ER_MUST_CHECK bool er_admin_listen_local(er_admin *a, er_inherited *from, const char *path, er_err *err);
/* Takes connections from now on. */
ER_MUST_CHECK bool er_admin_begin(er_admin *a, er_err *err);
/* Adds its sockets to what a successor gets. */
void er_admin_endow(const er_admin *a, er_inherited *out);
/* A successor takes the connections from now on, and has the socket's file; what runs is
 * answered. */
void er_admin_retire(er_admin *a);
/* Also takes the socket's file away, unless somebody else has put one there meanwhile. */
void er_admin_close(er_admin *a, void (*closed)(void *ctx), void *ctx);
/* Appends the state of the node as a JSON object, as /health has it. *ok false: not all is well. */
void er_admin_state(const er_admin *a, er_out *out, bool *ok);

/* "This engine is ..." by its version and the distribution: whether its distributor still fixes
 * holes in it. */
const char *er_engine_support(void);

#endif
