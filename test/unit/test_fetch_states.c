/* The tables of a fetch's states, and how two of them are tied together. */
#include "origin/fetch_states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_walk.h"

static bool has(er_fetch_part part, unsigned state, unsigned event)
{
	return er_states_has(er_fetch_parts[part], (uint8_t)state, (uint8_t)event);
}

static void each_event_in_each_state_is_an_edge_or_ends_the_process(void **state)
{
	(void)state;
	for (unsigned part = 0; part < FETCH_PARTS_N; part++)
		assert_each_event_is_an_edge_or_ends_the_process(er_fetch_parts[part]);
}

static void a_fetch_can_be_cancelled_or_fail_until_it_is_over_and_nothing_happens_after_that(void **state)
{
	(void)state;
	for (unsigned s = 0; s < FETCH_STATES_N; s++) {
		assert_int_equal(has(FETCH_SELF, s, FETCH_ON_CANCEL), s != FETCH_OVER);
		assert_int_equal(has(FETCH_SELF, s, FETCH_ON_FAIL), s != FETCH_OVER);
	}
	for (unsigned e = 0; e < FETCH_EVENTS_N; e++)
		assert_false(has(FETCH_SELF, FETCH_OVER, e));
}

static void a_hop_that_has_ended_hears_nothing_but_of_the_next_one(void **state)
{
	(void)state;
	for (unsigned s = HOP_WHOLE; s < HOP_STATES_N; s++)
		for (unsigned e = 0; e < HOP_EVENTS_N; e++)
			assert_int_equal(has(FETCH_HOP, s, e), e == HOP_ON_NEXT && s != HOP_FAILED);
	/* An answer that has begun is asked for by no other transport. */
	for (unsigned s = 0; s < HOP_STATES_N; s++)
		assert_int_equal(has(FETCH_HOP, s, HOP_ON_AGAIN), s == HOP_UNSENT || s == HOP_SENT);
}

static void nothing_is_decided_about_an_answer_without_a_head(void **state)
{
	(void)state;
	for (unsigned self = 0; self < FETCH_STATES_N; self++)
		for (unsigned hop = 0; hop < HOP_STATES_N; hop++) {
			bool headless = hop == HOP_UNSENT || hop == HOP_SENT || hop == HOP_FAILED;
			bool undecided = self == FETCH_ASKING || self == FETCH_OVER;
			bool fits = undecided || (!headless && !(self == FETCH_DECIDED && hop == HOP_CUT));
			assert_int_equal(er_fetch_states_fit((er_fetch_state)self, (er_hop_state)hop), fits);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_event_in_each_state_is_an_edge_or_ends_the_process),
	    cmocka_unit_test(a_fetch_can_be_cancelled_or_fail_until_it_is_over_and_nothing_happens_after_that),
	    cmocka_unit_test(a_hop_that_has_ended_hears_nothing_but_of_the_next_one),
	    cmocka_unit_test(nothing_is_decided_about_an_answer_without_a_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
