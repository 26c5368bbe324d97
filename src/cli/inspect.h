/* The debugger's door of `er dev --inspect`: it listens on loopback, speaks the Chrome DevTools
 * protocol to one client at a time (Chrome, VS Code), and leads it to the sandbox that runs the
 * routine (cdp.h, inspect_wire.h).
 *
 *    GET /json/list, /json/version     what is there to debug, for everybody on this machine
 *    GET /ID with Upgrade: websocket   the session; ID is random, of this start
 *
 * A page of a stranger must not get in: the Host must be an address of loopback or localhost (DNS
 * rebinding), an Origin of http or https is refused, and the ID is in no answer that a page may
 * read. Everything is of the loop's thread but er_inspector_take. */
#ifndef ER_CLI_INSPECT_H
#define ER_CLI_INSPECT_H

#include "base/chunk.h"
#include "base/err.h"
#include "cli/cpuprofile.h"

#include <uv.h>

typedef struct er_inspector er_inspector;

typedef struct er_inspector_options {
	uv_loop_t *loop;
	unsigned port;     /* 0: any */
	bool wait;         /* code runs only once a client is there and lets it */
	const char *url;   /* what the script is called: "file:///home/.../routine.js"; copied */
	const char *title; /* copied */
	/* Not NULL: there is no door, and nobody attaches. What each sandbox does is sampled from its
	 * first statement on, and added up here. Borrowed, until all of it is closed. */
	er_cpuprofile *profile;
} er_inspector_options;

/* NULL: it cannot listen there. */
er_inspector *er_inspector_new(const er_inspector_options *o, er_err *err);
/* Freed when the loop has closed its handles. */
void er_inspector_close(er_inspector *ins);
unsigned er_inspector_port(const er_inspector *ins);
/* "127.0.0.1:9229/0c1d...", of the session. */
const char *er_inspector_address(const er_inspector *ins);
/* The source map of the code that runs from now on; NULL or empty: it has none. */
void er_inspector_map(er_inspector *ins, er_slice map);
/* Of one with a profile: no more samples are taken of the sandbox that is there. Calls `done` once,
 * when those up to now are here, there is no sandbox that could have any, or it has not answered in
 * time; perhaps at once. Who asks again before that takes the place of who asked first. */
void er_inspector_finish(er_inspector *ins, void (*done)(void *ctx), void *ctx);
/* Any thread. A sandbox is about to run the routine's code; takes the descriptor. It waits until it
 * is told to go on. */
void er_inspector_take(er_inspector *ins, int fd);
/* What the node reports of the routine. */
void er_inspector_exception(er_inspector *ins, er_slice text, er_slice stack);

#endif
