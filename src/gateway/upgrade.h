/* Handing the node over to another process of the same (or a newer) program, without a moment in
 * which nobody listens.
 *
 *   old: starts the program again, as it was started itself, with its listening sockets and
 *        one end of a channel (ER_UPGRADE)
 *   new: reads its configuration, takes the sockets, starts its sandboxes and threads; says
 *        READY and waits
 *   old: says GO; from here on it changes nothing any more (its store, its configuration)
 *   new: takes connections; says ACCEPTING
 *   old: stops taking connections, finishes what it has, ends
 *
 * Both hold the same open sockets, so what waits in their queues is taken by one or the other.
 * Until ACCEPTING the old node serves; if the new one ends, says REFUSED, or is not ready in time,
 * it is killed and nothing has changed. If the old one dies meanwhile, the new one goes on. */
#ifndef ER_GATEWAY_UPGRADE_H
#define ER_GATEWAY_UPGRADE_H

#include "base/err.h"
#include "gateway/inherit.h"

#include <sys/types.h>
#include <uv.h>

/* How this process was started: what a successor is started with. */
typedef struct er_program er_program;

/* First thing in main, before the folder changes or argv is touched. argv ends with NULL. */
er_program *er_program_note(char *const *argv);
void er_program_free(er_program *p);

/* ---- the old node; on its loop ---- */

typedef struct er_upgrade er_upgrade;

typedef struct er_upgrade_options {
	uv_loop_t *loop;
	const er_program *program;
	er_inherited *give; /* what the successor gets, without the channel; taken */
	uint32_t timeout_ms;
	/* READY was said: does this moment suit? Asked again and again until it does, or the time is
	 * over. NULL: it always does. */
	bool (*quiet)(void *ctx);
	/* Exactly one of these, once: the new one serves; or it does not, and is gone. The upgrade is
	 * freed afterwards. */
	void (*accepting)(void *ctx, pid_t pid);
	void (*failed)(void *ctx, const er_err *err);
	void *ctx;
} er_upgrade_options;

/* Starts the new process. NULL: it could not be started. */
er_upgrade *er_upgrade_start(const er_upgrade_options *options, er_err *err);
/* Kills the new process; `failed` is called. */
void er_upgrade_cancel(er_upgrade *u, const char *why);

/* ---- the new node ---- */

/* Says READY and waits for GO. False: the old one stays. A channel that ended is as good as GO:
 * there is no old one any more. */
ER_MUST_CHECK bool er_upgrade_ready(int channel, er_err *err);
/* Says ACCEPTING. The other end closes the channel when it has stopped taking connections. */
void er_upgrade_accepting(int channel);
/* Says why this process will not take over, and closes the channel. */
void er_upgrade_refuse(int channel, const char *why);

#endif
