/* State machines as data: states, events and edges stand in a table, and one function moves. An
 * event that has no edge in the present state is a mistake of the program, never of a peer, and
 * ends it. The same table gives the names for logs, the trace of one object, and the walk of a
 * test.
 *
 *    #define DOOR_STATES(X, P) X(P, SHUT, "shut", "...") X(P, OPEN, "open", "...")
 *    #define DOOR_EVENTS(X, P) X(P, PUSH, "push", "...") X(P, PULL, "pull", "...")
 *    ER_STATES_TYPES(er_door, DOOR, DOOR_STATES, DOOR_EVENTS);
 *    static const uint8_t next[DOOR_STATES_N][DOOR_EVENTS_N] = {
 *            [DOOR_SHUT] = {[DOOR_ON_PUSH] = ER_TO(DOOR_OPEN)},
 *            [DOOR_OPEN] = {[DOOR_ON_PULL] = ER_TO(DOOR_SHUT)},
 *    };
 *    const er_states er_door_states = ER_STATES_TABLE("door", DOOR, DOOR_STATES, DOOR_EVENTS, next);
 *
 * Name, text and meaning of a state stand once, in the list; enums and texts are made from it. P is
 * the prefix of the enums' names, which the lists hand through. */
#ifndef ER_BASE_STATES_H
#define ER_BASE_STATES_H

#include "base/mem.h"

enum { ER_STATES_NO_EDGE = 0, ER_STATES_MAX = 64 };
static_assert(ER_STATES_MAX <= 64, "er_states_sound marks the states that it reached in 64 bits");
static_assert(ER_STATES_MAX + 1 <= UINT8_MAX, "ER_TO(state) is a byte, and 0 means that there is no edge");
/* An entry of the table: the edge leads to `state`. */
#define ER_TO(state) ((uint8_t)((state) + 1))

/* The enums er_door_state (DOOR_SHUT, ..., DOOR_STATES_N) and er_door_event (DOOR_ON_PUSH, ...,
 * DOOR_EVENTS_N). */
#define ER_STATES_TYPES(type, P, STATES, EVENTS) \
	typedef enum type##_state{STATES(ER_STATES_STATE_, P) P##_STATES_N} type##_state; \
	typedef enum type##_event{EVENTS(ER_STATES_EVENT_, P) P##_EVENTS_N} type##_event
/* The initializer of an er_states with static storage. */
#define ER_STATES_TABLE(kind, P, STATES, EVENTS, edges) \
	{ \
		kind, (const char *const[]){STATES(ER_STATES_TEXT_, P)}, (const char *const[]){EVENTS(ER_STATES_TEXT_, P)}, \
		    P##_STATES_N, P##_EVENTS_N, &(edges)[0][0] \
	}
#define ER_STATES_STATE_(P, name, text, meaning) P##_##name,
#define ER_STATES_EVENT_(P, name, text, meaning) P##_ON_##name,
#define ER_STATES_TEXT_(P, name, text, meaning) text,

typedef struct er_states {
	const char *name; /* of the kind of object */
	const char *const *states, *const *events;
	/* at most ER_STATES_MAX each; state 0 is the first one of every object */
	uint8_t n_states, n_events;
	const uint8_t *next; /* [state][event]: ER_TO(...), or ER_STATES_NO_EDGE */
} er_states;

/* One object's state. */
typedef struct er_state {
	uint8_t now;
	bool traced; /* its moves go to `er_states_trace` */
} er_state;

/* Called for each move of a traced object; `id` is what the object's owner calls it. Set once,
 * before any thread; NULL: moves are logged. */
typedef void er_states_tracer(const er_states *t, uint64_t id, uint8_t from, uint8_t event, uint8_t to);
void er_states_trace_to(er_states_tracer *tracer);

static inline bool er_states_has(const er_states *t, uint8_t state, uint8_t event)
{
	ER_ASSERT(state < t->n_states && event < t->n_events);
	return t->next[(size_t)state * t->n_events + event] != ER_STATES_NO_EDGE;
}

/* The two cases that are not quick: tells the tracer, or ends the process for want of an edge. */
void er_states_move_slowly(const er_states *t, const er_state *s, uint8_t event, uint8_t to, uint64_t id);

/* Moves along the edge of `event`, which must exist. */
static inline void er_states_move(const er_states *t, er_state *s, uint8_t event, uint64_t id)
{
	uint8_t to = t->next[(size_t)s->now * t->n_events + event];
	if (__builtin_expect(to == ER_STATES_NO_EDGE || s->traced, 0))
		er_states_move_slowly(t, s, event, to, id);
	s->now = (uint8_t)(to - 1);
}

/* The table is well made: it has names for all, every edge leads to a state, and every state can be
 * reached from state 0. */
bool er_states_sound(const er_states *t);

#endif
