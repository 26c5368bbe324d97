/* The clock that stands still: while JavaScript runs, the calendar time that the engine reads on
 * this thread does not advance (no timer for Spectre). It is done under the engine's feet: the
 * executable defines clock_gettime, gettimeofday and time, which the dynamic linker finds before
 * libc's. Other clocks and other threads are not touched. */
#ifndef ER_SANDBOX_FREEZE_H
#define ER_SANDBOX_FREEZE_H

#include <stdint.h>

/* From now on, on the calling thread. */
void er_freeze_start(void);
/* Reads the true calendar time; `mono_ns` is CLOCK_MONOTONIC now. */
void er_freeze_refresh(uint64_t mono_ns);
/* Sets the frozen time to the instant that was `mono_ns`. */
void er_freeze_at(uint64_t mono_ns);
/* The frozen time, ns since 1970. */
uint64_t er_freeze_now_ns(void);

#endif
