/* The tables of a session and of its stream: each event in each state is an edge that leads where
 * the table says, or ends the process. What the code makes of them is in test_conn.c. */
#include "gateway/h1_session_states.h"
#include "gateway/stream_states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_walk.h"

static void an_event_that_cannot_be_in_a_stream_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_stream_states);
}

static void an_event_that_cannot_be_in_an_upload_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_upload_states);
}

static void an_event_that_cannot_be_in_a_session_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_h1_session_states);
}

/* What the code compares by order (er_stream_open and the like) stands in that order. */
static void an_answered_exchange_is_also_one_that_is_open(void **state)
{
	(void)state;
	assert_true(STREAM_EMPTY < STREAM_ASKED && STREAM_ASKED < STREAM_OPEN && STREAM_OPEN < STREAM_ANSWERED);
	assert_true(STREAM_ANSWERED < STREAM_SENT && STREAM_SENT < STREAM_BROKEN);
	assert_true(H1_OPEN < H1_DRAIN && H1_DRAIN < H1_LAST && H1_LAST < H1_LINGER && H1_LINGER < H1_CLOSED);
	for (unsigned s = STREAM_ASKED; s < STREAM_STATES_N; s++)
		/* a peer may go at any moment */
		assert_true(er_states_has(&er_stream_states, (uint8_t)s, STREAM_ON_GONE));
	for (unsigned s = H1_OPEN; s < H1_CLOSED; s++)
		assert_true(er_states_has(&er_h1_session_states, (uint8_t)s, H1_ON_CLOSE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_event_that_cannot_be_in_a_stream_ends_the_process),
	    cmocka_unit_test(an_event_that_cannot_be_in_an_upload_ends_the_process),
	    cmocka_unit_test(an_event_that_cannot_be_in_a_session_ends_the_process),
	    cmocka_unit_test(an_answered_exchange_is_also_one_that_is_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
