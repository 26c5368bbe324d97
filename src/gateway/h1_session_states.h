/* What an HTTP/1 session does beyond its stream, as a table (base/states.h). */
#ifndef ER_GATEWAY_H1_SESSION_STATES_H
#define ER_GATEWAY_H1_SESSION_STATES_H

#include "base/states.h"

#define ER_H1_SESSION_STATES(X, P) \
	X(P, OPEN, "open", "requests are read and answered; where the present one is, its stream says") \
	X(P, SWITCHED, "switched", "another protocol is spoken both ways, which the session does not read") \
	X(P, DRAIN, "drain", "the answer is out; the rest of its upload is read, and then comes the next request") \
	X(P, LAST, "last", "what is written is the last; no more is read") \
	X(P, LINGER, "linger", "all is written and shut down; the peer's end is awaited") \
	X(P, CLOSED, "closed", "the transport is closed; the memory waits for the loop")

#define ER_H1_SESSION_EVENTS(X, P) \
	X(P, SWITCH, "switch", "the answer is 101") \
	X(P, UNREAD, "unread", "an answer is out before its upload is in") \
	X(P, READ, "read", "the rest of the upload is in") \
	X(P, NO_MORE, "no more", "the answer that is out was the last one") \
	X(P, SHUT, "shut", "the session shuts its side down") \
	X(P, CLOSE, "close", "the transport is closed")

ER_STATES_TYPES(er_h1_session, H1, ER_H1_SESSION_STATES, ER_H1_SESSION_EVENTS);

extern const er_states er_h1_session_states;

#endif
