/* Rounds: work that is done for all who wait, together, and one at a time. Who comes while a round
 * is under way waits for the next, which is for all that came meanwhile. So a thousand wishes cost
 * two rounds, and nobody is served by a round that began before the wish.
 *
 * The owner of the work has a function of this shape, which it calls whenever somebody joined and
 * whenever a round has ended:
 *
 *    while (er_rounds_begin(&o->rounds))
 *        ... does the work for all of o->rounds.served, now or later; then er_rounds_end ...
 *
 * and tells those of whom er_rounds_end says that they were served. They may join anew while they
 * are told, and the next round may begin then. Nothing is allocated; whoever waits has its link,
 * and leaves by er_list_remove. One thread. */
#ifndef ER_BASE_ROUNDS_H
#define ER_BASE_ROUNDS_H

#include "base/list.h"

typedef struct er_rounds {
	er_list waiting; /* for the next round, in the order in which they came */
	er_list served;  /* those whom the one under way is for */
	bool running;    /* a round is under way */
} er_rounds;

static inline void er_rounds_init(er_rounds *r)
{
	er_list_init(&r->waiting);
	er_list_init(&r->served);
	r->running = false;
}

static inline void er_rounds_join(er_rounds *r, er_list *item)
{
	er_list_push(&r->waiting, item);
}

/* True: a round begins, for all of r->served, and the caller does it, to er_rounds_end. False: one
 * is under way, or nobody waits. */
static inline bool er_rounds_begin(er_rounds *r)
{
	if (r->running || er_list_empty(&r->waiting))
		return false;
	ER_ASSERT(er_list_empty(&r->served));
	r->running = true;
	er_list_take(&r->served, &r->waiting);
	return true;
}

/* The round is over: whom it was for is in *told, which is made, and the next may begin. */
static inline void er_rounds_end(er_rounds *r, er_list *told)
{
	ER_ASSERT(r->running);
	er_list_init(told);
	er_list_take(told, &r->served);
	r->running = false;
}

/* Somebody of all, for an owner that ends: those who wait come first. NULL: there is nobody. A
 * round stays under way. */
static inline er_list *er_rounds_drop(er_rounds *r)
{
	er_list *item = er_list_pop(&r->waiting);
	return item != NULL ? item : er_list_pop(&r->served);
}

static inline bool er_rounds_idle(const er_rounds *r)
{
	return !r->running && er_list_empty(&r->waiting);
}

#endif
