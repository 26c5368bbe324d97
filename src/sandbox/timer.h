/* Timers of JavaScript: a binary heap by due time. Each belongs to a request (or to the background)
 * and goes when that goes. */
#ifndef ER_SANDBOX_TIMER_H
#define ER_SANDBOX_TIMER_H

#include "sandbox/held.h"

#include <stdint.h>
#include <stdbool.h>

struct er_request;

typedef struct er_timer {
	uint64_t due_ns;
	uint64_t seq; /* equal due times fire in the order they were set */
	uint64_t tid;
	uint64_t every_ns; /* 0: once */
	er_held held;
	uint32_t heap; /* place in the heap */
	uint32_t slot;
	bool counted; /* against the owner's limit */
} er_timer;

/* A heap by due time, and a table by number. `seq` counts timers, so that those of one instant go
 * in their order. */
typedef struct er_timers {
	er_timer **heap;
	uint32_t n, cap;
	er_timer **slots; /* tid's low bits find the timer */
	uint32_t *gens;
	uint32_t slots_n, free_slot_n;
	uint32_t *free_slots;
	uint64_t seq;
} er_timers;

/* Returns its number, or 0: the owner has too many. `ms` below 0: due at once, and allowed beyond
 * the owner's limit. */
uint64_t er_timer_set(struct er_request *owner, double ms, bool repeat);
void er_timer_clear(uint64_t tid);
/* When the next is due; UINT64_MAX: none. */
uint64_t er_timers_next_ns(void);
/* Takes the first timer that is due at `now` (and was set before `limit_seq`): re-arms or removes
 * it. False: none. */
bool er_timers_take(uint64_t now_ns, uint64_t limit_seq, uint64_t *tid, struct er_request **owner);

#endif
