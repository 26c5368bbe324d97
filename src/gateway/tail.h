/* What happens on the gateway threads, on its way to the control thread: finished requests, console
 * lines, exceptions, kills, over one bounded queue. What finds no room is dropped and counted. How
 * much is wanted is one word that a thread looks at first: while it says nothing, an event costs no
 * more than that. */
#ifndef ER_GATEWAY_TAIL_H
#define ER_GATEWAY_TAIL_H

#include "control/tail.h"
#include "gateway/server.h"

typedef struct er_tail er_tail;

typedef enum er_tail_level {
	ER_TAIL_OFF,
	ER_TAIL_SOME, /* of finished requests only failed ones, and some of the others */
	ER_TAIL_ALL,
} er_tail_level;

/* Who gets the events: control, on the control thread. */
typedef struct er_tail_reader {
	void (*event)(void *ctx, const er_tail_event *event);
	void (*lost)(void *ctx, uint64_t n);
	void *ctx;
} er_tail_reader;

/* Events are read on the loop's thread. */
er_tail *er_tail_new(uv_loop_t *loop, const er_tail_reader *reader);
/* No thread writes any more. `closed` when its handle is. */
void er_tail_close(er_tail *t, void (*closed)(void *ctx), void *ctx);
void er_tail_set(er_tail *t, er_tail_level level);
static inline er_tail_level er_tail_wants(const er_tail *t)
{
	/* The first member, so that nobody else need know the rest. */
	return t == NULL ? ER_TAIL_OFF : (er_tail_level)__atomic_load_n((const uint32_t *)(const void *)t, __ATOMIC_RELAXED);
}
/* On the reader's thread: what is there is read now, as much as a turn reads. */
void er_tail_drain(er_tail *t);
/* Any thread. Fills in the time. */
void er_tail_put(er_tail *t, er_tail_event *event);

/* ---- making events ---- */
void er_tail_of_request(er_tail_event *e, const er_finished *f, char *address);
/* Of what a routine says and what befalls it; x may be NULL. */
void er_tail_of_routine(er_tail_event *e, er_tail_kind kind, const er_routine *r, const er_exchange *x, char *address);

#endif
