/* The last events of each routine, as many as memory is given for: the oldest of all goes first,
 * and no routine has more than ER_RING_EVENTS, so that a chatty one does not push the others out at
 * once. */
#ifndef ER_CONTROL_TAIL_RING_H
#define ER_CONTROL_TAIL_RING_H

#include "base/list.h"
#include "control/tail.h"

enum { ER_RING_EVENTS = 2000 };

typedef struct er_ring er_ring;

typedef struct er_ring_record {
	er_list all;  /* of every routine, oldest first */
	er_list mine; /* of this routine */
	size_t size;
	struct er_ring_routine *owner;
	er_tail_event event; /* slices point behind this struct */
} er_ring_record;

er_ring *er_ring_new(size_t most_bytes);
void er_ring_free(er_ring *r);
/* Copies the event; the oldest ones go if there is no room. */
void er_ring_add(er_ring *r, const er_tail_event *e);
/* Newest first: NULL begins; NULL ends. `routine` empty: all. */
const er_ring_record *er_ring_before(const er_ring *r, er_slice routine, const er_ring_record *at);

#endif
