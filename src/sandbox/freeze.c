/* The clock that stands still. clock_gettime, gettimeofday and time of the whole program are these;
 * on the JavaScript thread (frozen_here, thread-local) calendar time is one word, which a turn sets
 * at its beginning, everywhere else and for every other clock the C library answers. The true
 * function is looked up at the first call, which may come from the dynamic linker itself, before
 * main. The word is written and read on one thread only. Calendar time is kept as monotonic time
 * and an offset, read at each rest, so that setting the frozen time costs no system call. */
#include "sandbox/freeze.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int clock_gettime_fn(clockid_t, struct timespec *);

static clock_gettime_fn *real;
static _Thread_local bool frozen_here;
static uint64_t frozen_ns;
static uint64_t offset_ns; /* calendar minus monotonic */

static int resolve(clockid_t id, struct timespec *ts)
{
	/* dlsym may ask for the time itself. */
	static bool resolving;
	if (resolving)
		return (int)syscall(SYS_clock_gettime, id, ts);
	resolving = true;
	real = (clock_gettime_fn *)dlsym(RTLD_NEXT, "clock_gettime");
	resolving = false;
	return real != NULL ? real(id, ts) : (int)syscall(SYS_clock_gettime, id, ts);
}

static int true_time(clockid_t id, struct timespec *ts)
{
	return __builtin_expect(real != NULL, 1) ? real(id, ts) : resolve(id, ts);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if ((id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI) && frozen_here) {
		ts->tv_sec = (time_t)(frozen_ns / 1000000000U);
		ts->tv_nsec = (long)(frozen_ns % 1000000000U);
		return 0;
	}
	return true_time(id, ts);
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	(void)tz;
	struct timespec ts;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return (time_t)-1;
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

void er_freeze_refresh(uint64_t mono_ns)
{
	struct timespec ts;
	true_time(CLOCK_REALTIME, &ts);
	offset_ns = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec - mono_ns;
	frozen_ns = mono_ns + offset_ns;
}

void er_freeze_at(uint64_t mono_ns)
{
	frozen_ns = mono_ns + offset_ns;
}

uint64_t er_freeze_now_ns(void)
{
	return frozen_ns;
}

void er_freeze_start(void)
{
	struct timespec ts;
	ER_ASSERT(!frozen_here);
	true_time(CLOCK_MONOTONIC, &ts);
	er_freeze_refresh((uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec);
	frozen_here = true;
}
