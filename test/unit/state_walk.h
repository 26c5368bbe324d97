/* Walks a table of states: each event in each state is an edge that leads where the table says, or
 * ends the process. */
#ifndef TEST_STATE_WALK_H
#define TEST_STATE_WALK_H

#include "base/states.h"

#include "dies.h"

typedef struct attempt {
	const er_states *t;
	uint8_t state, event;
} attempt;

static inline void state_walk_move(void *ctx)
{
	const attempt *a = ctx;
	er_state s = {.now = a->state};
	er_states_move(a->t, &s, a->event, 1);
}

static inline void assert_each_event_is_an_edge_or_ends_the_process(const er_states *t)
{
	assert_true(er_states_sound(t));
	for (uint8_t s = 0; s < t->n_states; s++)
		for (uint8_t e = 0; e < t->n_events; e++) {
			attempt a = {t, s, e};
			uint8_t next = t->next[(size_t)s * t->n_events + e];
			assert_int_equal(er_states_has(t, s, e), next != 0);
			if (dies(state_walk_move, &a) != (next == 0))
				fail_msg("%s: %s in %s", t->name, t->events[e], t->states[s]);
			if (next == 0)
				continue;
			er_state one = {.now = s};
			er_states_move(t, &one, e, 1);
			assert_int_equal(one.now, next - 1);
		}
}

#endif
