/* Inside this room: what a thread counts. Its connections are counted where they are opened and
 * closed, and its uv handles likewise. Everything that opens one calls these; nobody below is
 * called, and those above hear by two pointers in er_origin: `on_turn`, when there may be room for
 * a fetch that waits, and `all_closed`. */
#ifndef ER_ORIGIN_COUNT_H
#define ER_ORIGIN_COUNT_H

#include "origin/fetch.h"

/* A connection that is open, and one that has a place and will be opened. */
static inline unsigned er_count_of(const er_pool *p)
{
	return p->sockets + p->places;
}

/* The pool of the node itself, for its operator's origin; all others are routines'. */
static inline bool er_count_own(const er_pool *p)
{
	return p->key.owner == NULL;
}

/* A socket of the pool. The last one of a pool that is closed frees the pool. */
void er_count_opened(er_pool *p);
void er_count_closed(er_pool *p);
/* A place for a connection that f's hop is to open. */
void er_count_take_place(er_fetch *f);
/* The hop has a connection, which counts for itself, or needs none. Idempotent. */
void er_count_give_place(er_fetch *f);
/* A connection became idle or was closed: in the loop's next turn, fetches that wait go on. */
void er_count_freed(er_origin *o);
/* The pool has no fetch and is in no map any more: it is freed with its last socket, or now. */
void er_count_pool_closed(er_pool *p);

/* Every uv handle of the room, so that closing can tell when the last is closed. */
void er_count_handle_opened(er_origin *o);
/* The last one ends the er_origin: o is gone afterwards. */
void er_count_handle_closed(er_origin *o);

#endif
