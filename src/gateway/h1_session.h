/* Inside the HTTP/1 session: what h1_session.c (requests in, time, the end) and h1_session_out.c
 * (answers out) share. */
#ifndef ER_GATEWAY_H1_SESSION_H
#define ER_GATEWAY_H1_SESSION_H

#include "base/act.h"
#include "base/buf.h"
#include "gateway/h1_session_states.h"
#include "gateway/server_internal.h"
#include "http/h1.h"

enum {
	HELD_BYTES = 64 * 1024, /* input of requests to come: above it no more is read */
	/* is copied behind the head; longer ones go out beside it, uncopied, in the same write */
	SMALL_BODY = 4 * 1024,
	CORK_BYTES = 32 * 1024, /* answers to pipelined requests that are held for one write */
	SEGMENTS = 16,          /* pieces of a body in one write */
	WRITE_BYTES = 256 * 1024,
	DRAIN_BYTES = 256 * 1024,
	HALF_CLOSE_MS = 1000,
	LINGER_BYTES = 64 * 1024 * 1024,
	BUFFER_KEPT = 16 * 1024,
	GATHER_SMALL = 1024,   /* parts of a chunked upload that are gathered */
	PASSED_ON = 16 * 1024, /* one piece of what another protocol brings */
	TURN_REQUESTS = 32,    /* of one session in one turn of the loop: the others wait meanwhile */
};

/* A piece of a body on its way out, with the framing before it. */
typedef struct segment {
	uint8_t prefix[20], prefix_n, prefix_sent;
	uint8_t suffix_n, suffix_sent; /* of CR LF */
	er_piece piece;                /* may be empty: the last chunk */
	/* the piece is the last chunk with its trailers, and no part of the body */
	bool trailers;
	size_t sent;
} segment;

/* One connection. It owns its stream, parser and buffers, and is freed when its transport is
 * gone. */
typedef struct er_h1_session {
	er_session base;
	uint32_t magic;
	er_state state;
	er_act act; /* h1_session.c, run */
	er_stream stream;

	/* requests in */
	er_h1 *h1;
	er_h1_head_info info; /* of the present request */
	er_buf in;            /* input that is not parsed yet */
	er_slice fresh;       /* the same, but still in the server's read buffer */

	/* Facts, each by itself. Of the transport: */
	bool peer_ended; /* the peer sends no more */
	bool blocked;    /* the transport takes no more */
	/* of the present answer: */
	bool invited; /* 100 Continue was sent */
	bool keep;    /* the session goes on after it */
	/* of the present turn of the loop: */
	bool more; /* requests are left for the next one */

	/* answers out */
	er_buf out;
	segment segments[SEGMENTS];
	unsigned n_segments;
	size_t queued; /* bytes in segments */
	er_h1_framing framing;
	uint64_t progress_ms; /* loop time when something was last written, or could first have been */
	uint64_t heard_ms;    /* once it has switched: loop time when something was last read */
} er_h1_session;

static inline bool er_h1_closed(const er_h1_session *c)
{
	return c->state.now == H1_CLOSED;
}

/* Bytes of another protocol go both ways. */
static inline bool er_h1_switched(const er_h1_session *c)
{
	return c->state.now == H1_SWITCHED;
}

/* h1_session_out.c */
void er_h1_session_put_head(er_h1_session *c);
/* Moves the answer on. `cork`: a small answer may wait for the next one. False: the transport
 * is broken. */
ER_MUST_CHECK bool er_h1_session_pump(er_h1_session *c, bool cork);
/* Throws away what was not sent yet: the peer is gone. */
void er_h1_session_drop_out(er_h1_session *c);
/* All that was queued has been taken by the transport. */
static inline bool er_h1_session_flushed(const er_h1_session *c)
{
	return er_buf_len(&c->out) == 0 && c->n_segments == 0;
}

#endif
