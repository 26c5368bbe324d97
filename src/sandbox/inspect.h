/* Being debugged: the engine's own inspector, led over the one socket that a sandbox of `er dev
 * --inspect` has besides its rings (channel/inspect.h). Every other sandbox has neither the socket
 * nor the flag, and its engine cannot be inspected.
 *
 * While a debugger is there, turns have no limit of CPU time. While the code stands (at a
 * breakpoint, in the engine's nested loop), the process sleeps until the debugger says something;
 * the node is told, and counts no time meanwhile. */
#ifndef ER_SANDBOX_INSPECT_H
#define ER_SANDBOX_INSPECT_H

#include "base/err.h"

#include <stdbool.h>

typedef struct er_inspect {
	bool on;       /* this sandbox is for debugging */
	bool attached; /* a debugger is there */
	bool told;     /* the node knows that the code stands */
	bool go;       /* the code may run */
} er_inspect;

/* Before the engine's first context. */
ER_MUST_CHECK bool er_inspect_prepare(er_err *err);
/* The context is there, and nothing has run in it. */
void er_inspect_begin(void);
/* The prelude has run: the context can be inspected from here on. */
void er_inspect_start(void);
/* Sleeps until the code may run; the node is told that it does not yet. */
void er_inspect_wait(void);
/* Tells the node what is so now, if it is something else than before. Between turns. */
void er_inspect_tell(void);

#endif
