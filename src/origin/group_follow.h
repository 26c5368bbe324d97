/* Inside this room: redirects that a site's node follows for its clients (er_group_spec.redirects).
 * Pure but for the texts that it keeps.
 *
 * A redirect to a host of the site, or to one of the group's servers, is a further question to the
 * group. One to any other host is a guarded question to that host, which gets nothing that is the
 * site's: no credentials of the client, none of the group's own fields, no settings of TLS. */
#ifndef ER_ORIGIN_GROUP_FOLLOW_H
#define ER_ORIGIN_GROUP_FOLLOW_H

#include "http/exchange.h"
#include "origin/group.h"
#include "origin/group_life.h"

enum {
	ER_FOLLOW_URL_MAX = 8192,
	ER_FOLLOW_VARY_MAX = 4096,
	ER_FOLLOW_DRAIN_MAX = 64 * 1024 /* of a redirect's body, to keep its connection */
};

typedef enum er_follow {
	ER_FOLLOW_NO,     /* the answer is for whoever asked */
	ER_FOLLOW_ON,     /* the next question is the one that er_follow_way says */
	ER_FOLLOW_BROKEN, /* there is no answer, and *why says why: "more than 5 redirects" */
} er_follow;

/* How far a client's request has got. Its slices live in that request's arena. */
typedef struct er_follow_way {
	er_slice scheme, authority, target; /* of the last question, as clients would write it */
	bool foreign;                       /* its host is none of the site's */
	bool left;                          /* some host was foreign: credentials stay behind */
	bool unstored;                      /* a redirect said that it must not be stored */
	unsigned hops;
	er_slice vary;    /* what redirects vary on; empty: nothing */
	er_way_life life; /* how long redirects may be used */
} er_follow_way;

er_follow_way er_follow_begin(const er_exchange *x);
/* `now`, which was asked for x over `scheme`, has this answer. With ON, *way is the next one. */
er_follow er_follow_next(const er_group *g, er_exchange *x, const er_exchange *now, er_slice scheme, er_follow_way *way,
                         const char **why);
/* A question that is no first one, copied from x: its target, and what must not go there. A group's
 * server is aimed at afterwards (er_group_aim); a foreign host is aimed at here. */
void er_follow_ask(const er_group *g, const er_follow_way *way, er_exchange *now);
/* The answer that x has adopted is that of the whole way. */
void er_follow_answer(const er_follow_way *way, er_exchange *x);

#endif
