/* How long the kernel lets this thread run before another one that waits gets its turn (EEVDF's
 * slice; sched_setattr(2), Linux 6.12 and newer, ignored by older ones). A short slice also lets a
 * thread that wakes up take the core from one that has run longer: routines that compute then do
 * not delay gateways and routines that answer. Needs no privilege; children inherit it. */
#ifndef ER_BASE_SCHED_H
#define ER_BASE_SCHED_H

#include <assert.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	ER_SLICE_US = 200,
	/* Niceness. A sandbox yields to the gateway, which serves everybody. Two steps are about a
	 * third less of the CPU: enough to decide a tie, too little to starve a routine beside a busy
	 * gateway. Its helper threads (the engine's compilers) yield to both. */
	ER_NICE_SANDBOX = 2,
	ER_NICE_HELPERS = 12,
};
static_assert(0 < ER_NICE_SANDBOX && ER_NICE_SANDBOX < ER_NICE_HELPERS && ER_NICE_HELPERS <= 19,
              "gateway before sandbox before helpers, and the kernel's scale ends at 19");

/* The calling thread. A kernel that does not know it changes nothing. */
void er_sched_slice(uint32_t us);
/* Every thread of a process (0: the calling thread only): in the background (SCHED_IDLE: whoever
 * wakes up takes the core from it at once, whatever its slice; needs no privilege), or ordinary
 * again with that niceness and slice, its first thread with one and the others with another (needs
 * CAP_SYS_NICE). Nothing happens for a process that is gone. */
void er_sched_background(pid_t pid);
void er_sched_foreground(pid_t pid, int nice, int helpers_nice, uint32_t slice_us);

#endif
