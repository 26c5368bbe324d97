/* An HTTP/1.1 server on one loop: its listeners, its connections, and the one handler that answers
 * their exchanges. A gateway thread is one of these, and so is the admin listener.
 *
 * Everything happens on the loop's thread; only the gate is shared. A connection has one exchange
 * at a time, used again for the next request when nobody else holds it. Pipelined requests are
 * answered one after the other, in order.
 *
 * Choices that RFC 9110 and 9112 leave open:
 *  - Expect: 100-continue is answered when the handler has begun and not yet answered.
 *  - A client that shuts down its side after a request still gets an answer that comes (or goes on
 *    coming) within HALF_CLOSE_MS; one that only looks like that, because it is gone, costs no more
 *    than that.
 *  - An upload that nobody reads is drained up to DRAIN_BYTES and DRAIN_MS after the answer; then
 *    the connection ends. */
#ifndef ER_GATEWAY_SERVER_H
#define ER_GATEWAY_SERVER_H

#include "base/cidr.h"
#include "gateway/config.h"
#include "gateway/gate.h"
#include "http/exchange.h"
#include "net/listener.h"

#include <uv.h>

typedef struct er_server er_server;

/* What the handlers of the chain note about a client's exchange, for `finished`. A member of the
 * connection. */
typedef struct er_served {
	const er_routine *routine;
	const struct er_deployment *deployment; /* that it is a version of */
	void *hold;                             /* the handler's own */
	uint32_t index;                         /* likewise */
	/* the connection counts for no address: the handler may count the request */
	bool shared;
	bool counted; /* the handler's own: it has */
} er_served;

/* One finished exchange. */
typedef struct er_finished {
	er_exchange *x; /* x->req.method is empty if no request could be read */
	const er_served *served;
	int status;    /* 0: the client left before one was sent */
	uint64_t sent; /* body bytes */
	uint64_t wall_us;
	bool cut; /* the body broke off, or the client left */
} er_finished;

/* Written by the server's thread, read by any. */
typedef struct er_server_stats {
	uint64_t accepted, refused, prefaces_refused, connections, idle, bad_requests, timeouts, bytes_in, bytes_out;
} er_server_stats;

/* Borrowed members must outlive the server; `finished` is called on its thread. */
typedef struct er_server_options {
	uv_loop_t *loop;
	const er_handler *handler;
	er_gateway_limits limits;
	er_gate *gate;          /* or NULL: no caps */
	unsigned number;        /* of the thread; part of exchange ids */
	er_server_stats *stats; /* counted into; must outlive the server */
	uint64_t id_base;       /* random, the same for all threads */
	/* a host: the moves of its streams and of their sessions are logged; NULL: of none */
	const char *trace;
	bool secret; /* clients send keys and secrets: bytes are overwritten when they were read */
	void (*finished)(void *ctx, const er_finished *f);
	void *ctx;
} er_server_options;

/* The notes about an exchange that a client asked of a server and that is still served. NULL:
 * another's exchange, such as a routine's own question, or the client has its answer already. */
er_served *er_served_of(const er_exchange *x);

er_server *er_server_new(const er_server_options *options);
/* Takes a listening, non-blocking descriptor; what is accepted becomes a transport of this kind.
 * `prefaced`: each connection must begin with a header of the PROXY protocol, and is then the
 * client's that the header names. If any proxies are trusted, only these may come. */
ER_MUST_CHECK bool er_server_listen(er_server *s, int fd, const er_transport_kind *kind, bool prefaced, er_err *err);
/* Proxies: connections of which they are the peer count for no address. Borrowed until the next
 * call. */
void er_server_trust(er_server *s, const er_cidr *trusted, size_t n);
/* Stops listening on that descriptor: what waits to be accepted is taken first. */
void er_server_unlisten(er_server *s, int fd);
/* For connections that come from now on (and for time-outs of all). */
void er_server_limit(er_server *s, const er_gateway_limits *limits);
/* Closes all listeners and, after `patience_ms`, idle connections; the others end after
 * their answer. With patience a client that is about to send its next request still gets an
 * answer, and learns by it that the connection ends. 0: connections that were used already
 * are closed at once. */
void er_server_drain(er_server *s, uint32_t patience_ms);
/* Cuts all connections. `closed` when the last handle is closed; the server is freed. */
void er_server_close(er_server *s, void (*closed)(void *ctx), void *ctx);

#endif
