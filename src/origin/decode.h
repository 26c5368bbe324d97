/* An HTTP/1 answer of a server, taken apart as its bytes come. Both transports give what they read
 * to this decoder, so that both decide the same way. Bytes go in, notes on the fetch come out
 * (er_fetch_status, er_fetch_field, er_fetch_head, er_fetch_push, er_fetch_ended). It has no
 * descriptor and no clock, and it calls nobody.
 *
 * It is strict: a server that does not frame its answer exactly as RFC 9112 says is cut off,
 * because what follows on its connection would be the answer to somebody else's request. What a
 * server may send beside bodies (chunk lines, extensions, trailers, informational answers) is
 * bounded. */
#ifndef ER_ORIGIN_DECODE_H
#define ER_ORIGIN_DECODE_H

#include "origin/fetch.h"

typedef enum er_decode_state {
	ER_DECODE_STATUS, /* nothing, or only informational answers, has come */
	ER_DECODE_FIELDS,
	ER_DECODE_LENGTH, /* a body of a known length */
	ER_DECODE_CLOSE,  /* a body that ends with the connection */
	ER_DECODE_SIZE,   /* chunked: digits of a size */
	ER_DECODE_EXTENSION,
	ER_DECODE_SIZE_LF,
	ER_DECODE_DATA,
	ER_DECODE_DATA_CR,
	ER_DECODE_DATA_LF,
	ER_DECODE_TRAILERS,
	ER_DECODE_OVER,
	ER_DECODE_BROKEN, /* er_fetch_ended was noted */
} er_decode_state;

typedef struct er_decode {
	er_decode_state state;
	bool begun; /* a byte has come */
	bool http10, close, keep_alive, until_close;
	bool bodyless; /* over with its head, whatever its fields say */
	er_buf held;   /* a line that is not whole yet */
	uint64_t left; /* of the body, or of this chunk */
	unsigned digits;
	uint64_t taken, framing, chunks; /* bytes of body; bytes around it; how many */
} er_decode;

/* Makes the decoder ready for the next answer. It keeps its buffer. */
void er_decode_begin(er_decode *a);
void er_decode_fini(er_decode *a);
/* Takes from the front of *in, and stops behind the end of the answer: what is left then, nobody
 * asked for. `in` lies in `chunk`, if there is a chunk: large parts of the body are pieces of
 * it, not copies. */
er_decode_state er_decode_feed(er_decode *a, er_fetch *f, er_slice *in, er_chunk *chunk);
/* The connection has ended. OVER: so does the answer, or it was over before. Else BROKEN. */
er_decode_state er_decode_end(er_decode *a, er_fetch *f);
/* The answer is over, and by what its head said the connection may carry another request. */
bool er_decode_keeps(const er_decode *a);

#endif
