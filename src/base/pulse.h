/* A pulse: while somebody asks for it, every core is interrupted each quarter of a millisecond, so
 * that the kernel chooses anew who runs there.
 *
 * Why: the kernel lets what it has chosen run until the next thread wakes up on that core or until
 * its timer ticks, four milliseconds apart on most machines. One that computes (a routine in an
 * endless loop, a sandbox that starts) then holds up a gateway that is ready to run for that long,
 * whatever niceness and slices say. A thread of ours that wakes up on the core for a few
 * microseconds ends that.
 *
 * One a process; asked from any thread. Costs nothing while nobody asks, and about one per cent of
 * each core while somebody does. */
#ifndef ER_BASE_PULSE_H
#define ER_BASE_PULSE_H

#include "base/err.h"

#include <stdint.h>

enum { ER_PULSE_US = 250 };

typedef struct er_pulse er_pulse;

/* Starts one thread a core that this process may use. */
ER_MUST_CHECK er_pulse *er_pulse_new(er_err *err);
/* Ends and joins them. NULL is fine. */
void er_pulse_free(er_pulse *p);
/* For the next so many microseconds at least. NULL is fine. */
void er_pulse_ask(er_pulse *p, uint64_t us);

#endif
