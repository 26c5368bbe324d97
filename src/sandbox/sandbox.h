/* er-sandbox: the untrusted program. One process, one routine version, one JavaScript thread.
 *
 * `er_sb` is the one context struct of the program; every module keeps its part in it and touches
 * only that part.
 *
 *   main      start-up order
 *   engine    the only files that know JavaScriptCore
 *   loop      what runs when
 *   frames    what the node says
 *   out       what we say to the node
 *   turn      whose CPU it is
 *   request   what is being answered
 *   socket    WebSockets of these
 *   held      what ends with it
 *   timer     what is due
 *   death     how it ends
 *   crash     its last word
 */
#ifndef ER_SANDBOX_SANDBOX_H
#define ER_SANDBOX_SANDBOX_H

#include "base/buf.h"
#include "base/list.h"
#include "channel/frame.h"
#include "sandbox/held.h"
#include "sandbox/inspect.h"
#include "sandbox/lockdown.h"
#include "sandbox/out.h"
#include "sandbox/request.h"
#include "sandbox/socket.h"
#include "sandbox/timer.h"
#include "sandbox/turn.h"

/* The body of a subrequest's answer that came with its head: good in the turn in which it came.
 * fid 0: there is none, or JavaScript has it. `gone`: the node has let go of it. */
typedef struct er_came {
	uint32_t fid;
	bool gone;
	er_slice bytes;
} er_came;

typedef struct er_sandbox {
	er_channel ch;
	int wake_me;   /* eventfd: the node woke us */
	int wake_node; /* eventfd: we wake the node */
	er_lockdown lock;
	er_inspect inspect;
	er_load_limits limits;
	bool loaded;  /* top-level code has run and there is a handler */
	bool closing; /* no more requests; exit when the last is over */
	bool hung;    /* a request hears in this turn that nothing can wake it */

	er_buf code; /* CODE frames until the last has come */
	er_buf code_url, env;

	er_out out;
	er_turn turn;
	er_requests requests;
	er_came came;
	er_sockets sockets;
	er_timers timers;
	er_helds helds;
	uint64_t began_ns; /* CLOCK_MONOTONIC of the instance's beginning */
} er_sandbox;

extern er_sandbox er_sb;

/* Descriptors that the spawner leaves open. */
enum {
	ER_FD_CHANNEL = 3,
	ER_FD_WAKE_SANDBOX = 4,
	ER_FD_WAKE_NODE = 5,
	ER_FD_INSPECT = 8, /* of a sandbox that is debugged: the debugger's socket */
};

#endif
