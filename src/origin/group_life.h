/* Inside this room: how long the answer behind redirects may be used again for the URL that they
 * began with. Whoever stores the answer stores the way with it, so it lives no longer than any of
 * the redirects may be used (RFC 9111 4.2). Pure: times are arguments, in seconds since 1970. */
#ifndef ER_ORIGIN_GROUP_LIFE_H
#define ER_ORIGIN_GROUP_LIFE_H

#include "http/fields.h"

/* Of all redirects so far. */
typedef struct er_way_life {
	bool bound;               /* some redirect says how long */
	bool strict;              /* it is not used stale (must-revalidate and its like) */
	int64_t until;            /* the first end of their lifetimes */
	int64_t while_revalidate; /* seconds; as long as all of them may be used stale */
} er_way_life;

/* One more redirect, asked for and answered then. */
void er_way_life_note(er_way_life *life, int status, const er_fields *redirect, int64_t asked, int64_t came);
/* Lets the answer that came now live no longer than the way to it. */
void er_way_life_answer(const er_way_life *life, int status, er_fields *response, er_arena *a, int64_t came);

#endif
