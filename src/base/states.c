/* The slow half of a move. A move that has an edge, of an object that nobody traces, is made in the
 * header. Here are the two others: no edge, which ends the program with what was asked of whom, and
 * a traced object, whose move is told. er_states_sound walks a table from state 0 and is what a
 * test asks of each table. */
#include "base/states.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>

static er_states_tracer *trace_to;

void er_states_trace_to(er_states_tracer *tracer)
{
	trace_to = tracer;
}

void er_states_move_slowly(const er_states *t, const er_state *s, uint8_t event, uint8_t to, uint64_t id)
{
	ER_ASSERT(s->now < t->n_states && event < t->n_events);
	ER_ASSERT(to <= t->n_states);
	if (to == ER_STATES_NO_EDGE) {
		char what[160];
		snprintf(what, sizeof what, "the %s %016" PRIx64 " has no edge for \"%s\" in state \"%s\"", t->name, id, t->events[event],
		         t->states[s->now]);
		er_panic(__FILE__, __LINE__, what);
	}
	uint8_t next = (uint8_t)(to - 1);
	if (trace_to != NULL)
		trace_to(t, id, s->now, event, next);
	else
		er_log(ER_LOG_INFO, "trace", "%s %016" PRIx64 ": %s, %s -> %s", t->name, id, t->events[event], t->states[s->now],
		       t->states[next]);
}

static bool named(const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (names[i] == NULL || names[i][0] == '\0')
			return false;
	return true;
}

bool er_states_sound(const er_states *t)
{
	if (t->n_states == 0 || t->n_states > ER_STATES_MAX || t->n_events == 0 || t->n_events > ER_STATES_MAX)
		return false;
	if (!named(t->states, t->n_states) || !named(t->events, t->n_events))
		return false;
	uint64_t reached = 1, seen = 0;
	while (reached != seen) { /* until a round finds no state more */
		seen = reached;
		for (unsigned s = 0; s < t->n_states; s++) {
			for (unsigned e = 0; e < t->n_events && (reached >> s & 1); e++) {
				uint8_t to = t->next[s * t->n_events + e];
				if (to > t->n_states)
					return false;
				if (to != ER_STATES_NO_EDGE)
					reached |= 1ULL << (to - 1);
			}
		}
	}
	return reached == (t->n_states == 64 ? UINT64_MAX : (1ULL << t->n_states) - 1);
}
