/* WebSocket messages (RFC 6455 5 to 8): a decoder of what comes on one socket, and the heads of
 * frames that go out. A pure codec: no descriptor, no clock, no randomness.
 *
 * Bytes go in as they come; whole messages and control frames come out, unmasked, their UTF-8
 * checked. What breaks the rules of the RFC is BROKEN, with the code to close with. The decoder
 * keeps the bytes of one message that has not come whole, never more than `most`, and nothing
 * between two messages. The two functions of ws_deflate.c undo and make compressed messages
 * (RFC 7692). */
#ifndef ER_HTTP_WS_H
#define ER_HTTP_WS_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum er_ws_opcode {
	ER_WS_CONTINUATION = 0,
	ER_WS_TEXT = 1,
	ER_WS_BINARY = 2,
	ER_WS_CLOSE = 8,
	ER_WS_PING = 9,
	ER_WS_PONG = 10,
} er_ws_opcode;

/* Status codes (7.4.1) that are said here. */
enum {
	ER_WS_NORMAL = 1000,
	ER_WS_GOING_AWAY = 1001,
	ER_WS_PROTOCOL = 1002,
	ER_WS_NO_STATUS = 1005, /* never on the wire: a Close without a code */
	ER_WS_ABNORMAL = 1006,  /* likewise: no Close came */
	ER_WS_NOT_UTF8 = 1007,
	ER_WS_TOO_BIG = 1009,
};

enum { ER_WS_CONTROL_MAX = 125, ER_WS_HEAD_MAX = 14 };

typedef enum er_ws_event {
	ER_WS_MORE,    /* all input is used */
	ER_WS_MESSAGE, /* `opcode` TEXT or BINARY, `payload` */
	ER_WS_CONTROL, /* `opcode` PING or PONG, `payload` */
	ER_WS_CLOSED,  /* the peer's Close: `code`, `payload` is the reason. Nothing follows it. */
	ER_WS_BROKEN,  /* `code`, `why`. Again at every call. */
} er_ws_event;

/* What an event says; the slice is good until the next call. */
typedef struct er_ws_said {
	er_ws_opcode opcode;
	er_slice payload;
	uint16_t code;
	const char *why;
} er_ws_said;

/* All zero but for the first three is a fresh one. */
typedef struct er_ws {
	bool client;   /* this end is the client: what comes is not masked, what goes is */
	bool deflate;  /* permessage-deflate was agreed on */
	uint64_t most; /* bytes of a message */

	uint8_t head[ER_WS_HEAD_MAX], head_n; /* of a frame, as far as it has come */
	bool in_payload;
	bool fin, control;
	uint8_t opcode; /* of this frame */
	uint8_t mask[4];
	uint64_t left, at; /* bytes of its payload: still to come; before them */

	uint8_t kind; /* of the message under way; 0: none */
	bool compressed;
	bool told; /* what the buffers hold was told */
	er_buf message, plain;
	uint8_t small[ER_WS_CONTROL_MAX]; /* payload of a control frame */
	uint8_t small_n;
	uint8_t need, low, high; /* UTF-8: bytes that a character still needs; bounds of the next */
	uint16_t broken;         /* the code; 0: it is not */
	const char *why;
} er_ws;

void er_ws_fini(er_ws *w);
/* Takes from the front of *in. */
er_ws_event er_ws_next(er_ws *w, er_slice *in, er_ws_said *said);
/* Between two messages, and between two frames. */
bool er_ws_idle(const er_ws *w);

/* A code that may be sent, and may come (7.4.2). */
bool er_ws_code_ok(unsigned code);

/* Writes the head of a whole frame of n payload bytes; returns how many bytes it has. `mask`: of a
 * client, whose payload is then er_ws_mask'ed; NULL: a server's. */
size_t er_ws_head(uint8_t to[ER_WS_HEAD_MAX], er_ws_opcode opcode, bool compressed, uint64_t n, const uint8_t *mask);
/* Masks, or takes the mask off: n bytes, of which the first is byte `at` of its frame. `to` may be
 * `from`. */
void er_ws_mask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t mask[4], uint64_t at);

/* ---- permessage-deflate (RFC 7692), without context from message to message ---- */

/* One state of zlib for each direction serves all sockets of a process: a socket keeps nothing
 * between two messages. One thread. */
typedef enum er_ws_inflated { ER_WS_INFLATED, ER_WS_INFLATED_TOO_LARGE, ER_WS_INFLATED_BAD } er_ws_inflated;
/* Appends what `in` stands for, at most `most` bytes. */
er_ws_inflated er_ws_inflate(er_slice in, uint64_t most, er_buf *out);
/* Appends the compressed form. `bits`: of the window, 9 to 15. False: no memory. */
bool er_ws_deflate(er_slice in, int bits, er_buf *out);

/* What a server makes of a client's Sec-WebSocket-Extensions: appends its answer, and returns the
 * bits of its window. 0: nothing of the offer can be taken. */
int er_ws_accept_offer(er_slice offer, er_buf *answer);
/* The offer of a client; and what it thinks of the server's answer. False: the answer is none to
 * that offer. *deflate: compression was agreed on. */
#define ER_WS_OFFER "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
bool er_ws_read_answer(er_slice answer, bool *deflate);
/* By an answer that both ends know: bits of the window for what this end sends; 0: no
 * compression. */
int er_ws_agreed(er_slice answer, bool client);

#endif
