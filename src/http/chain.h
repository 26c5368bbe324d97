/* Handlers and the chain that they make. A handler answers exchanges. The chain of an
 * environment is data: handlers at named places, in the order in which an exchange meets them. A
 * client's exchange begins at the first place. An exchange that a handler makes of its own
 * (er_exchange_child) enters at the place where its question belongs (er_exchange_enter). A
 * handler passes an exchange on to the handler behind its own place (er_exchange_pass).
 *
 * The maker of a chain owns it, and keeps it unchanged until the last exchange in it is over. */
#ifndef ER_HTTP_CHAIN_H
#define ER_HTTP_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct er_exchange er_exchange;

/* A handler answers exchanges. `self` is the handler's own. */
typedef struct er_handler {
	const char *name;
	/* Answers now or later, exactly once, unless cancelled first. Must not block. */
	void (*handle)(void *self, er_exchange *x);
	void *self;
} er_handler;

/* The places of a chain, in the order of the chain. A chain need not have all of them: an
 * exchange that enters at a place without a handler meets the handler of the next place that has
 * one. */
#define ER_PLACES(X) \
	X(ROUTINE, "finds the routine of a request, and gives it the exchange") \
	X(CACHE, "answers from what is stored, and stores what may be") \
	X(STANDARD, "the standard process: knows the environment's origin") \
	X(ORIGIN, "asks a server; addresses are guarded, unless the standard process trusts the origin") \
	/* behind all others: nobody passes on to it, and only questions for data enter here */ \
	X(DATA, "answers from data on the node that a routine asks for (http/data.h)")

typedef enum er_place {
#define X(name, meaning) ER_AT_##name,
	ER_PLACES(X)
#undef X
	    ER_PLACES_N
} er_place;

typedef struct er_link {
	er_place place;
	er_handler handler;
} er_link;

/* All zero is the empty chain. */
typedef struct er_chain {
	er_link links[ER_PLACES_N]; /* the first n, places rising */
	uint32_t n;
} er_chain;

/* Adds a handler behind all that the chain has: its place is behind theirs. */
void er_chain_add(er_chain *c, er_place place, er_handler handler);
/* Is there a handler at this very place? */
bool er_chain_has(const er_chain *c, er_place place);
/* The handler at this place, or at the next place that the chain has. There must be one. */
const er_handler *er_chain_at(const er_chain *c, er_place place);
/* The handler behind this place: where the one at `place` passes an exchange on to. There must
 * be one. */
const er_handler *er_chain_behind(const er_chain *c, er_place place);

#endif
