/* A session speaks one protocol on one transport. HTTP/1 is one (h1_session.c); HTTP/2 and HTTP/3
 * will be others. A session has streams (gateway/stream.h), each of which carries one exchange at a
 * time; it knows nothing of sockets and nothing of handlers.
 *
 * A new protocol is one file here with an er_session_kind, and the place in server.c that chooses
 * the kind for a transport.
 *
 * The server owns its sessions: it opens one for each transport that a listener brings, keeps the
 * lists in which sessions wait for time, and closes all of them at its end. */
#ifndef ER_GATEWAY_SESSION_H
#define ER_GATEWAY_SESSION_H

#include "base/list.h"
#include "gateway/stream.h"
#include "net/transport.h"

/* Which list of the server a session waits in. Each list but WATCH has one duration, so that it is
 * in order of time. */
typedef enum er_session_wait {
	ER_WAIT_NONE, /* the handlers' turn: their own limits apply */
	ER_WAIT_IDLE, /* between requests */
	ER_WAIT_HEAD, /* for the rest of a request's head */
	/* looked at every tick: an upload's rate, a stalled reader, a half-closed peer */
	ER_WAIT_WATCH,
	ER_WAIT_DRAIN,  /* for the rest of an upload that nobody reads */
	ER_WAIT_LINGER, /* all is sent and shut down; for the peer's end */
	ER_WAITS_N
} er_session_wait;

typedef struct er_session er_session;

typedef struct er_session_kind {
	/* Owns the transport from now on. */
	er_session *(*open)(struct er_server *s, er_transport *t);
	/* Of a stream: the head of the answer is in st->x->res. Inside of the handler's call. */
	void (*answered)(er_session *s, er_stream *st);
	/* Of a stream: an informational response, to be sent before the answer if the protocol has
	 * such. A note: ends nothing. */
	void (*inform)(er_session *s, er_stream *st, int status, const er_fields *fields);
	/* Of a stream: its upload or its answer has moved. Acts, or has a round more if it
	 * acts already. */
	void (*act)(er_session *s, er_stream *st);
	/* Its time in a list other than WATCH is over. */
	void (*expired)(er_session *s);
	/* A tick's look at a session of WATCH. */
	void (*watch)(er_session *s, uint64_t now_ms);
	/* No request is under way and nothing is left to write. */
	bool (*idle)(const er_session *s);
	/* The peer is gone, or must be: ends exchanges and session at once. */
	void (*gone)(er_session *s, er_err_kind why);
} er_session_kind;

/* The part of a session that the server knows; the first member of every kind's object. */
struct er_session {
	const er_session_kind *kind;
	struct er_server *server;
	er_transport *transport;
	er_list link, timed; /* of the server: all sessions, those that wait */
	er_session_wait wait;
	uint64_t since_ms; /* loop time when it began to wait */
	uint32_t requests; /* that were answered */
	/* The connection counts for its peer's address (gateway/gate.h). False: it serves many
	 * clients, and each of its requests counts for its own. */
	bool counted;
};

extern const er_session_kind er_h1_session_kind;

#endif
