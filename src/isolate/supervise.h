/* Inside the isolate room: what the node does not leave to the sandbox. While a call is under
 * way, each tick looks at every busy instance: time, CPU, memory. While none is, the sweep does. */
#ifndef ER_ISOLATE_SUPERVISE_H
#define ER_ISOLATE_SUPERVISE_H

#include "isolate/instance.h"

enum {
	TICK_MS = 5,     /* while something runs */
	SWEEP_MS = 1000, /* always */
	/* an instance told to end, or a call told that its time is up, has this long to obey */
	CLOSE_MS = 2000,
	TRY_MS = 10000, /* for a start that no request waits for */
};

/* May kill the instance, which lives on until its process is gone. */
void er_supervise_tick(er_instance *in, uint64_t now_us);
/* The same for an idle instance. Ends one that was idle for too long; frees one that never had a
 * box. */
void er_supervise_sweep(er_instance *in, uint64_t now_us);
/* The process's CPU time, at most a tick too much. */
uint64_t er_supervise_cpu_now(const er_instance *in, uint64_t now_us);
/* The most memory that the instance was seen to use. 0 if that is far below its limit: one huge
 * allocation that was refused was never seen, and a small figure would mislead. */
uint64_t er_supervise_memory_kb(const er_instance *in);

#endif
