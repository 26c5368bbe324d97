/* Clocks. All in microseconds unless the name says otherwise. */
#ifndef ER_BASE_CLOCK_H
#define ER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t er_clock_us_(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}
/* Never goes back; for durations and deadlines. */
static inline uint64_t er_clock_mono_us(void)
{
	return er_clock_us_(CLOCK_MONOTONIC);
}
/* Since 1970; for people and for HTTP dates. */
static inline uint64_t er_clock_wall_us(void)
{
	return er_clock_us_(CLOCK_REALTIME);
}
/* The same in whole seconds. */
static inline int64_t er_clock_wall_s(void)
{
	return (int64_t)(er_clock_wall_us() / 1000000U);
}

#endif
