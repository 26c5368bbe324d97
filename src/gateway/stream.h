/* A stream carries one exchange at a time between a session and a handler: it is the exchange's
 * asker, the source of its upload and the sink of its answer. A stream has no idea of the
 * session's protocol and none of what the handler does. HTTP/1 has one stream a session, used
 * again for each request.
 *
 * Who calls: the session calls everything below; the handler and the readers of bodies call back
 * into stream.c, which notes what has happened in the two states and tells the session
 * (er_session_kind's `answered` and `act`). Everything runs on the thread of the loop.
 *
 * The order of calls for one exchange:
 *   in:   er_stream_exchange, er_stream_head, (er_stream_upload ...) er_stream_upload_end
 *   out:  er_stream_start behind the head; `answered`; (er_stream_next ...) or er_stream_all;
 *         er_stream_over */
#ifndef ER_GATEWAY_STREAM_H
#define ER_GATEWAY_STREAM_H

#include "gateway/server.h"
#include "gateway/stream_states.h"

struct er_session;

/* A member of its session. */
typedef struct er_stream {
	uint32_t magic;
	er_asker asker;
	struct er_session *session;
	er_exchange *x; /* NULL: none yet. The asker's reference. */
	er_served served;
	er_state state, in;
	/* the request's body */
	er_body *upload;    /* the source's reference; there is one exactly in READ and FULL */
	uint64_t discarded; /* bytes of it that nobody has read */
	/* silence that the upload may still have: earned by bytes (er_stream_slow) */
	int64_t patience_ms;
	/* the answer's body */
	er_body *down; /* borrowed from x->res; NULL: none, or all of it was taken */
	/* bytes that were promised and not taken yet; UINT64_MAX: nothing was promised */
	uint64_t left;
	uint64_t sent;        /* bytes that the transport has taken */
	er_protocol protocol; /* of the request; NONE before its head */
} er_stream;

/* In the session's memory; the session stays where it is until er_stream_fini. */
void er_stream_init(er_stream *st, struct er_session *s);
/* Lets go of everything without a word to anybody. After er_stream_gone, or when no
 * exchange is open. */
void er_stream_fini(er_stream *st);

/* ---- the request ---- */

/* The exchange into which the session reads the next request's head. The stream's. */
er_exchange *er_stream_exchange(er_stream *st);
/* The head is there. `length` of the body as the message says it, ER_BODY_UNKNOWN, or 0
 * without one. */
void er_stream_head(er_stream *st, bool has_body, int64_t length);
/* The handler gets it. It may answer, and the session may end, before this returns. */
void er_stream_start(er_stream *st);
/* Bytes of the body; they are copied, or thrown away when nobody reads. May end the session. */
void er_stream_upload(er_stream *st, er_slice bytes);
/* A field that follows the body. Dropped if it may not be one, or if nobody reads the body. */
void er_stream_trailer(er_stream *st, er_slice name, er_slice value);
/* The whole request is there. */
void er_stream_upload_end(er_stream *st);
/* Nobody is to read the rest: a reader that there still is finds the body cut. */
void er_stream_upload_drop(er_stream *st);
/* The stream can take bytes of a body, or the head of a request. */
static inline bool er_stream_complete(const er_stream *st)
{
	return st->in.now == UPLOAD_COMPLETE;
}
/* The reader is behind: give no bytes until `act` says that it has moved. */
static inline bool er_stream_upload_full(const er_stream *st)
{
	return st->in.now == UPLOAD_FULL;
}
/* Somebody may still read it; else its bytes are thrown away. */
static inline bool er_stream_upload_wanted(const er_stream *st)
{
	return st->upload != NULL;
}
/* `ms` have passed in which the stream would have read. True: the upload is slower than the
 * limits allow. */
ER_MUST_CHECK bool er_stream_slow(er_stream *st, unsigned ms);

/* ---- where the exchange is ---- */

/* the head of a request is there, or more */
static inline bool er_stream_asked(const er_stream *st)
{
	return st->state.now != STREAM_EMPTY;
}
/* a handler has it, or the answer is on its way */
static inline bool er_stream_open(const er_stream *st)
{
	return st->state.now >= STREAM_OPEN;
}
/* The answer's head is there, and the handler has done its part. */
static inline bool er_stream_answered(const er_stream *st)
{
	return st->state.now >= STREAM_ANSWERED;
}
static inline bool er_stream_sent(const er_stream *st) /* nothing more of the answer comes */
{
	return st->state.now >= STREAM_SENT;
}

/* ---- the answer ---- */

/* Refuses what was read with an answer of the stream's own, which is in st->x->res afterwards; a
 * handler that has the exchange is cancelled. Not after an answer. */
void er_stream_refuse(er_stream *st, int status, er_err_kind kind, const char *why);
/* The session takes the answer's body by er_stream_next. `promised`: whether the head has said
 * the length. */
void er_stream_send(er_stream *st, bool promised);
/* The answer is 101, and the whole request is in: what the session reads from now on is the upload
 * of the stream, as that of a body, until er_stream_upload_end. */
void er_stream_switch(er_stream *st);
/* The session has taken the whole answer with its head: `n` bytes of body. */
void er_stream_all(er_stream *st, uint64_t n);
/* PIECE: *out is the caller's. END and ERROR: said once; the stream is SENT or BROKEN. With END the
 * fields that follow the body, if any, are er_body_trailers(st->x->res.body). */
er_body_status er_stream_next(er_stream *st, er_piece *out);

/* ---- the end ---- */

/* The answer is out. Reports the exchange and lets go of it. The upload may still be on
 * its way in. */
void er_stream_over(er_stream *st);
/* Ready for the next request: the rest of the upload was read, or there was none. */
void er_stream_again(er_stream *st);
/* The peer is gone: cancels, and reports. */
void er_stream_gone(er_stream *st, er_err_kind why);

#endif
