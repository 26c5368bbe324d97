/* WebSockets that this process ends: the two bodies of a 101, with the codec between them and
 * JavaScript. The node passes bytes on and knows nothing of frames: what a hostile peer sends is
 * taken apart here, where it can harm its own routine only, and the routine pays for it.
 *
 * A socket is known by the key of its bodies, as a body is: of a request whose answer was 101 (a
 * server's end), or of a subrequest that was answered so (a client's). It hangs on the request that
 * owns it, and ends with it.
 *
 * It asks the node for bytes by itself, keeps what is to go out while the node gives no credit, and
 * does what the protocol wants without JavaScript: it answers a Ping, answers a Close, and says the
 * end of its own body behind the last Close. */
#ifndef ER_SANDBOX_SOCKET_H
#define ER_SANDBOX_SOCKET_H

#include "base/idmap.h"
#include "channel/frame.h"
#include "http/ws.h"
#include "sandbox/held.h"

struct er_request;

enum { ER_SOCKET_WAITING_MAX = 16 * 1024 * 1024 /* bytes that wait for a peer to read */ };

typedef struct er_socket {
	er_held held;
	uint32_t id;
	bool sub;
	bool closing;    /* our Close is on its way */
	bool closed;     /* nothing that comes is looked at any more: the peer's Close, or a fault */
	int bits;        /* of the window for what goes out compressed; 0: nothing does */
	uint32_t credit; /* bytes that the node takes now */
	uint32_t owed;   /* bytes that have come and were not asked for again */
	uint16_t code;   /* of the end, for JavaScript */
	bool clean;
	er_buf reason;  /* of the end; or of a fault, what was wrong */
	er_buf waiting; /* whole frames, or the rest of one, without credit */
	/* what bufferedAmount says until its turn is over: the turn's start, what waited then, and
	 * what was sent since */
	uint64_t turn_ns, waited, sent;
	er_ws ws;
} er_socket;

typedef struct er_sockets {
	er_idmap by_id[2]; /* of requests, of subrequests */
} er_sockets;

/* `extensions`: what both ends have agreed on. The node has said 101, or was told so in a frame
 * before. NULL: there is one of that key already. */
er_socket *er_socket_open(uint32_t id, bool sub, bool client, uint64_t most, er_slice extensions, struct er_request *owner);
/* NULL: there is none (any more). */
er_socket *er_socket_find(uint32_t id, bool sub);
/* A message. False: nothing may be sent any more, or too much waits already; then it has failed. */
bool er_socket_send(er_socket *s, er_ws_opcode opcode, er_slice payload);
/* Bytes of messages that have not left: in the turn that sends them all that it has sent, behind it
 * what the node does not take yet (WebSockets 3.1, bufferedAmount). */
uint64_t er_socket_waiting(const er_socket *s);
/* Our Close, once. `code` 0: without one. */
void er_socket_close(er_socket *s, uint16_t code, er_slice reason);
/* Ends it without waiting for the peer. JavaScript hears nothing. */
void er_socket_end(er_socket *s);

/* Frames about its bodies. True: they were about a socket. Turns are begun and ended inside. */
bool er_socket_data(const er_frame *f, er_slice payload);
bool er_socket_credit(const er_frame *f);
/* The peer's bytes broke off. */
bool er_socket_lost(const er_frame *f);
/* Nobody reads ours any more. What the peer has said before may be on its way still, and the end of
 * that is the socket's end. */
bool er_socket_unheard(const er_frame *f);

#endif
