/* Inside this room: what a hop needs before it may leave. It needs the addresses of its server, and
 * a place among the connections of the node.
 *
 * A thread has as many connections to servers as er_origin_limit says, idle ones included. A
 * quarter is kept for the operator's own origin. Of the rest a pool (a routine) may have half of
 * what is free, so that no routine has all of it. A fetch that may not have one waits in its
 * pool's line; pools take turns, and the fetch's time for connecting runs meanwhile. Where a
 * fetch waits, an idle connection is closed to make room. */
#ifndef ER_ORIGIN_REACH_H
#define ER_ORIGIN_REACH_H

#include "base/turns.h"
#include "origin/resolve.h"

struct er_fetch;
struct er_pool;
struct er_origin;

enum {
	ER_REACH_DEFAULT = 4096, /* connections of a thread, unless er_origin_limit was called */
	ER_REACH_LEAST = 4,      /* of one pool, at least */
	ER_REACH_MOST = 1024,    /* at most */
	ER_REACH_LINE_MAX = 1024 /* fetches of one pool that wait for a connection */
};

typedef enum er_reach_state { ER_REACH_NOT, ER_REACH_NAME, ER_REACH_PLACE, ER_REACH_GONE } er_reach_state;

typedef struct er_reach {
	er_reach_state state;
	er_resolve name;
	er_list turn;            /* in the pool's line */
	er_addresses *addresses; /* a reference */
	bool place;              /* holds one for a connection that is not open yet */
	bool again;              /* libcurl had let the address go, and is given it once more */
} er_reach;

/* Begins f's hop with f->hop_kind, at once or when it may. The hop ends as one that
 * er_hop_kind.start began. */
void er_reach_begin(struct er_fetch *f);
/* Lets go of everything, because the hop is over, or the fetch is. Idempotent. */
void er_reach_end(struct er_fetch *f);
/* What the hop waits for, for the text of a time-out; NULL: the hop has begun. */
const char *er_reach_waits_for(const struct er_fetch *f);

/* Lines of fetches that wait take turns from now on, whenever er_count_freed says so. */
void er_reach_init(struct er_origin *o);

#endif
