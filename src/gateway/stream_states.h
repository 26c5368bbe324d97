/* What a stream does, as two tables (base/states.h). The exchange's side and the upload's side move
 * by themselves: an answer may be out before the upload is in, and the other way round. */
#ifndef ER_GATEWAY_STREAM_STATES_H
#define ER_GATEWAY_STREAM_STATES_H

#include "base/states.h"

/* The order is that of an exchange's life: later states are greater. */
#define ER_STREAM_STATES(X, P) \
	X(P, EMPTY, "empty", "no request is there") \
	X(P, ASKED, "asked", "the head of a request is there, and no handler has it yet") \
	X(P, OPEN, "open", "a handler has it") \
	X(P, ANSWERED, "answered", "the head of the answer is there; its body is on its way") \
	X(P, SENT, "sent", "the session has all of the answer") \
	X(P, BROKEN, "broken", "no more of the answer comes: it broke off behind its head, or before it")

#define ER_STREAM_EVENTS(X, P) \
	X(P, HEAD, "head", "the session has read the head of a request") \
	X(P, START, "start", "the exchange goes to its handler") \
	X(P, ANSWER, "answer", "a handler has answered, or the stream itself refuses the request") \
	X(P, ALL, "all", "the session has taken the last of the answer") \
	X(P, BREAK, "break", "there is no answer, or its body has failed or is not what its head promised") \
	X(P, OVER, "over", "the exchange is over: reported, and let go") \
	X(P, GONE, "gone", "the peer is gone")

/* The upload: the request's body on its way in. */
#define ER_UPLOAD_STATES(X, P) \
	X(P, NONE, "none", "no request is being read") \
	X(P, READ, "read", "a reader has room for more") \
	X(P, FULL, "full", "the reader's window is full") \
	X(P, UNWANTED, "unwanted", "nobody reads it: what comes is counted and thrown away") \
	X(P, COMPLETE, "complete", "the whole request is there")

#define ER_UPLOAD_EVENTS(X, P) \
	X(P, BEGIN, "begin", "the head of a request with a body is there") \
	X(P, BARE, "bare", "the head of a request without a body is there") \
	X(P, FILL, "fill", "the reader's window is full now") \
	X(P, RESUME, "resume", "the reader has room again") \
	X(P, CANCEL, "cancel", "the reader, or the stream, wants no more of it") \
	X(P, END, "end", "the last byte is there, or none will be read any more") \
	X(P, SWITCH, "switch", "the answer is 101: bytes of another protocol follow the request") \
	X(P, NEXT, "next", "the stream is ready for the next request")

ER_STATES_TYPES(er_stream, STREAM, ER_STREAM_STATES, ER_STREAM_EVENTS);
ER_STATES_TYPES(er_upload, UPLOAD, ER_UPLOAD_STATES, ER_UPLOAD_EVENTS);

extern const er_states er_stream_states, er_upload_states;

#endif
