/* Waiting in a test that drives a loop by itself. Who includes it has a `turn(w)`, which does one
 * round of everything. */
#ifndef TEST_UNTIL_H
#define TEST_UNTIL_H

#include "base/clock.h"

#include <time.h>

enum { SPIN_MS = 60000, STEP_US = 300, SOME_TURNS = 20 };

/* Between two rounds: whoever else works gets time for it. */
static inline void turn_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_US * 1000}, NULL);
}

/* Turns until `cond` holds; fails the test when it does not come. */
#define UNTIL(w, cond) \
	do { \
		uint64_t until_ = er_clock_mono_us() + SPIN_MS * 1000ULL; \
		while (!(cond)) { \
			assert_true(er_clock_mono_us() < until_); \
			turn(w); \
		} \
	} while (0)

#define some_turns(w) \
	do { \
		for (int turn_ = 0; turn_ < SOME_TURNS; turn_++) \
			turn(w); \
	} while (0)

#endif
