/* A debugger's session, translated: the client (Chrome, VS Code) speaks the Chrome DevTools
 * protocol, the engine in the sandbox WebKit's inspector protocol. Pure: messages in, messages out;
 * no descriptor, no clock, no thread.
 *
 * The session outlives sandboxes. What the client has set (breakpoints, pausing at exceptions) is
 * kept here, and said again to each sandbox that comes (er_cdp_began) before its code runs. There
 * may be no sandbox: then commands that need one fail with a sentence.
 *
 * What both sides say is not trusted: a message that is no JSON is dropped, and so is one that is
 * about nothing known. A session keeps at most so many breakpoints, scripts and open questions. */
#ifndef ER_CLI_CDP_H
#define ER_CLI_CDP_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct er_cdp er_cdp;

/* Where messages go. The text is good during the call. */
typedef struct er_cdp_ports {
	void (*to_client)(void *ctx, er_slice json);
	void (*to_engine)(void *ctx, er_slice json);
	/* The client no longer holds back a sandbox that waits for it
	 * (Runtime.runIfWaitingForDebugger). */
	void (*go)(void *ctx);
	void *ctx;
} er_cdp_ports;

er_cdp *er_cdp_new(const er_cdp_ports *ports);
void er_cdp_free(er_cdp *c);
/* A new sandbox, in place of the one before, if any: it is told all that the client has set.
 * `url`: what its script is called; `map`: the URL of its source map, or empty. */
void er_cdp_began(er_cdp *c, er_slice url, er_slice map);
/* The sandbox is gone. */
void er_cdp_ended(er_cdp *c);
/* A message of the client, and one of the engine. */
void er_cdp_client(er_cdp *c, er_slice json);
void er_cdp_engine(er_cdp *c, er_slice json);
/* Where a frame stands in the sandbox's script, from 1. */
typedef struct er_cdp_place {
	er_slice name;
	uint32_t line, column;
} er_cdp_place;
/* The node reports an exception that nobody caught: its first line, its stack in the sources, and
 * those of its frames whose place in the script is known. */
void er_cdp_exception(er_cdp *c, er_slice text, er_slice stack, const er_cdp_place *places, size_t n, double time_ms);

#endif
