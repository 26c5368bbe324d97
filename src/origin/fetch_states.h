/* What a fetch does, as four small tables (base/states.h). fetch_states.c says why there are
 * four. */
#ifndef ER_ORIGIN_FETCH_STATES_H
#define ER_ORIGIN_FETCH_STATES_H

#include "base/states.h"

/* ---- the fetch: what was decided, and what the asker has been told ---- */

#define ER_FETCH_STATES(X, P) \
	X(P, ASKING, "asking", "a server is asked, and nothing is decided about its answer") \
	X(P, LEAVING, "leaving", "another hop follows, and the rest of this answer is thrown away") \
	X(P, DECIDED, "decided", "the answer will be handed on, and its head is fit for that") \
	X(P, ANSWERED, "answered", "the asker has the head, and the body flows to the reader") \
	X(P, OVER, "over", "nobody outside is called any more; references keep the memory")

#define ER_FETCH_EVENTS(X, P) \
	X(P, REDIRECT, "redirect", "the head is a redirect or a first 421, and the next hop is known") \
	X(P, NEXT, "next hop", "enough of the redirect's body was thrown away, or all of it") \
	X(P, DECIDE, "decide", "the head is a final one and fit to be handed on") \
	X(P, ANSWER, "answer", "the asker is told") \
	X(P, COMPLETE, "complete", "the reader was given the whole body") \
	X(P, FAIL, "fail", "the asker is told of an error, or the reader that the body broke off") \
	X(P, CANCEL, "cancel", "the asker or the reader wants no more")

/* ---- the hop: what the transport has noted about the answer to it ---- */

#define ER_HOP_STATES(X, P) \
	X(P, UNSENT, "unsent", "no connection has carried the request yet") \
	X(P, SENT, "sent", "a connection carries the request; the final head has not come whole") \
	X(P, BODY, "body", "the final head has come whole, and the body comes") \
	X(P, WHOLE, "whole", "the message is complete") \
	X(P, CUT, "cut", "the message broke off behind its head") \
	X(P, FAILED, "failed", "there is no answer: it broke off before its head was whole, or was refused")

#define ER_HOP_EVENTS(X, P) \
	X(P, CONNECTED, "connected", "the request is about to go out on a connection") \
	X(P, HEAD, "head", "the blank line behind a final head has come") \
	X(P, END, "end", "the message has ended as its framing says") \
	X(P, BREAK, "break", "the transport, a rule or the upload gave up; end_kind and end_text say why") \
	X(P, AGAIN, "again", "nothing has come, and another transport asks the same once more") \
	X(P, NEXT, "next hop", "the fetch goes on to another server or target")

/* ---- the flow: who waits for whom between transport and reader ---- */

#define ER_FLOW_STATES(X, P) \
	X(P, FREE, "free", "nobody waits") \
	X(P, FULL, "full", "the reader has no room") \
	X(P, HELD, "held", "the transport holds something back until it is resumed") \
	X(P, FULL_HELD, "full and held", "both")

#define ER_FLOW_EVENTS(X, P) \
	X(P, FULL, "full", "a write to the reader's body said that there is no room behind it") \
	X(P, ROOM, "room", "the reader has room again") \
	X(P, HOLD, "hold", "the transport was told that the fetch is full") \
	X(P, RESUME, "resume", "the transport is told to go on") \
	X(P, NEXT, "next hop", "the transport of the last hop is gone, and what it held with it")

/* ---- the upload ---- */

#define ER_FETCH_UPLOAD_STATES(X, P) \
	X(P, NONE, "none", "there is no upload, or no more") \
	X(P, SENDING, "sending", "this hop sends it") \
	X(P, REPEATS, "repeats", "this hop is being left, and the next one sends it again")

#define ER_FETCH_UPLOAD_EVENTS(X, P) \
	X(P, BODY, "body", "the request has a body") \
	X(P, REPEAT, "repeat", "the next hop has the same method and body") \
	X(P, REWIND, "rewind", "the next hop begins to send it, from its first byte") \
	X(P, DROP, "drop", "no hop needs it any more")

ER_STATES_TYPES(er_fetch, FETCH, ER_FETCH_STATES, ER_FETCH_EVENTS);
ER_STATES_TYPES(er_hop, HOP, ER_HOP_STATES, ER_HOP_EVENTS);
ER_STATES_TYPES(er_flow, FLOW, ER_FLOW_STATES, ER_FLOW_EVENTS);
ER_STATES_TYPES(er_fetch_upload, FETCH_UPLOAD, ER_FETCH_UPLOAD_STATES, ER_FETCH_UPLOAD_EVENTS);

/* The four parts of a fetch that have a state of their own, and the table of each. */
typedef enum er_fetch_part { FETCH_SELF, FETCH_HOP, FETCH_FLOW, FETCH_UPLOAD, FETCH_PARTS_N } er_fetch_part;
extern const er_states *const er_fetch_parts[FETCH_PARTS_N];

/* Whether a fetch in state `self` may have a hop in state `hop`. */
bool er_fetch_states_fit(er_fetch_state self, er_hop_state hop);

#endif
