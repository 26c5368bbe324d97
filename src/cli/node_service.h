/* The node as a service of its machine: what the service manager gave it and hears of it (sockets,
 * readiness, watchdog), and its successor (upgrade). cli/node.c has the node itself, and tells this
 * what happens to it.
 *
 * One thread: the control thread, with its loop. */
#ifndef ER_CLI_NODE_SERVICE_H
#define ER_CLI_NODE_SERVICE_H

#include "gateway/inherit.h"
#include "gateway/node.h"

typedef struct er_service er_service;

/* How an upgrade ended; err NULL: another process serves. */
typedef void er_service_done(void *ctx, const er_err *err);

typedef struct er_service_node {
	uv_loop_t *loop;
	er_node *node;
	uint32_t upgrade_ms;            /* a successor must be ready in that time */
	void (*handed_over)(void *ctx); /* another process serves: end (er_node_hand_over) */
	void (*reload)(void *ctx);      /* a reload that came during an upgrade which failed */
	void *ctx;
} er_service_node;

/* First thing in the command. argv as this program should be started again, ended by NULL. NULL:
 * what it was given is wrong. */
er_service *er_service_new(char *const *argv, er_err *err);
void er_service_free(er_service *s);

/* For er_node_options. */
er_inherited *er_service_inherited(er_service *s);
bool er_service_before_accept(void *service, er_err *err);
/* The node could not be started: whoever waits for this process hears why. */
void er_service_refuse(er_service *s, const char *why);
/* The node serves. `status` is one line. */
void er_service_up(er_service *s, const er_service_node *node, const char *status);

/* False: not now, an upgrade runs; it will be done after that, here or by the successor. */
bool er_service_reloading(er_service *s);
void er_service_reloaded(er_service *s, const char *status);
/* The end begins: no successor any more. */
void er_service_stopping(er_service *s);
/* Everything of it on the loop is closed; call it when the node is over. */
void er_service_down(er_service *s);

/* Starts a successor. `done` (or NULL) is called exactly once, perhaps at once. */
void er_service_upgrade(er_service *s, er_service_done *done, void *ctx);

#endif
