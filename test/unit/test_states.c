/* State tables, and the helper for "callbacks take notes, one function acts". */
#include "base/act.h"
#include "base/states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "state_walk.h"

enum { SHUT, OPEN, LOCKED, STATES_N };
enum { PUSH, PULL, TURN, EVENTS_N };

static const char *const states[] = {"shut", "open", "locked"};
static const char *const events[] = {"push", "pull", "turn"};
static const uint8_t next[STATES_N][EVENTS_N] = {
    [SHUT] = {[PUSH] = ER_TO(OPEN), [TURN] = ER_TO(LOCKED)},
    [OPEN] = {[PULL] = ER_TO(SHUT)},
    [LOCKED] = {[TURN] = ER_TO(SHUT)},
};
static const er_states door = {"door", states, events, STATES_N, EVENTS_N, &next[0][0]};

static void every_event_is_an_edge_or_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&door);
}

static void a_table_with_a_mistake_is_found(void **state)
{
	(void)state;
	assert_true(er_states_sound(&door));
	static const uint8_t unreached[STATES_N][EVENTS_N] = {[SHUT] = {[PUSH] = ER_TO(OPEN)}, [LOCKED] = {[TURN] = ER_TO(SHUT)}};
	static const uint8_t nowhere[STATES_N][EVENTS_N] = {
	    [SHUT] = {[PUSH] = ER_TO(OPEN), [TURN] = ER_TO(LOCKED)}, [OPEN] = {[PUSH] = ER_TO(STATES_N)}};
	static const char *const nameless[] = {"shut", NULL, "locked"};
	er_states t = door;
	t.next = &unreached[0][0];
	assert_false(er_states_sound(&t));
	t.next = &nowhere[0][0];
	assert_false(er_states_sound(&t));
	t = door;
	t.states = nameless;
	assert_false(er_states_sound(&t));
	t = door;
	t.n_states = 0;
	assert_false(er_states_sound(&t));
}

static unsigned traced;

static void tracer(const er_states *t, uint64_t id, uint8_t from, uint8_t event, uint8_t to)
{
	assert_ptr_equal(t, &door);
	assert_int_equal(id, 42);
	assert_int_equal(from, SHUT);
	assert_int_equal(event, TURN);
	assert_int_equal(to, LOCKED);
	traced++;
}

static void only_traced_objects_are_traced(void **state)
{
	(void)state;
	er_states_trace_to(tracer);
	er_state quiet = {0}, loud = {.traced = true};
	er_states_move(&door, &quiet, TURN, 41);
	assert_int_equal(traced, 0);
	er_states_move(&door, &loud, TURN, 42);
	assert_int_equal(traced, 1);
	assert_true(loud.traced);
	er_states_trace_to(NULL);
}

/* ---- notes, then acts ---- */

typedef struct thing {
	er_act act;
	unsigned notes, rounds, depth, deepest;
	bool ends;
} thing;

static void thing_act(thing *t);

static void thing_note(thing *t)
{
	t->notes++;
	thing_act(t);
}

static void thing_act(thing *t)
{
	if (!er_act_begin(&t->act))
		return;
	t->depth++;
	t->deepest = t->depth > t->deepest ? t->depth : t->deepest;
	do {
		t->rounds++;
		if (t->ends) {
			er_act_end(&t->act);
			t->depth--;
			return;
		}
		if (t->rounds < 5)
			thing_note(t); /* as a callback would, in the middle of the work */
	} while (er_act_again(&t->act));
	er_act_end(&t->act);
	t->depth--;
}

static void a_note_in_the_middle_of_the_work_gives_one_round_more_and_no_recursion(void **state)
{
	(void)state;
	thing t = {0};
	thing_note(&t);
	assert_int_equal(t.notes, 5);
	assert_int_equal(t.rounds, 5);
	assert_int_equal(t.deepest, 1);
	assert_false(t.act.acting);
	thing_note(&t);
	assert_int_equal(t.rounds, 6);
	t.ends = true;
	thing_note(&t);
	assert_int_equal(t.rounds, 7);
	assert_false(t.act.acting);
	/* Guarded, nothing is done, and nothing is left to do afterwards. */
	assert_true(er_act_guard(&t.act));
	assert_false(er_act_guard(&t.act));
	thing_note(&t);
	er_act_end(&t.act);
	assert_int_equal(t.rounds, 7);
	assert_false(t.act.noted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_event_is_an_edge_or_ends_the_process),
	    cmocka_unit_test(a_table_with_a_mistake_is_found),
	    cmocka_unit_test(only_traced_objects_are_traced),
	    cmocka_unit_test(a_note_in_the_middle_of_the_work_gives_one_round_more_and_no_recursion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
