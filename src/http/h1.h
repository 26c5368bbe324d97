/* HTTP/1.1 messages on the server's side: requests in, responses out. A pure codec: no
 * descriptor, no clock.
 *
 * Parsing is llhttp with a stricter layer over it: what RFC 9112 lets a server refuse and
 * smuggling needs is refused here (space before the colon, obs-fold, bare CR and LF,
 * Transfer-Encoding in HTTP/1.0 or beside Content-Length or other than exactly one "chunked",
 * differing or malformed Content-Length, missing, double or malformed Host, CONNECT and TRACE,
 * control characters, limits). */
#ifndef ER_HTTP_H1_H
#define ER_HTTP_H1_H

#include "base/buf.h"
#include "http/exchange.h"

typedef struct er_h1 er_h1;

typedef struct er_h1_limits {
	uint32_t request_line, field, header, fields; /* bytes, bytes, bytes, count */
	uint64_t body;                                /* bytes of one upload; 0: no bound */
} er_h1_limits;

typedef enum er_h1_event {
	ER_H1_MORE, /* all input used; give more bytes */
	ER_H1_HEAD, /* x->req is filled but for body; er_h1_head_info says the rest */
	ER_H1_BODY, /* *bytes is a part of the upload, pointing into the input */
	/* the request is complete; what is left of the input belongs to the next one (call er_h1_next
	 * again with a fresh exchange) */
	ER_H1_END,
	ER_H1_ERROR, /* er_h1_error says status and why; answer it, close, read no further */
} er_h1_event;

typedef struct er_h1_head_info {
	int64_t content_length; /* -1: chunked; 0 with has_body false: none */
	bool has_body;
	bool keep_alive; /* by version and Connection */
	bool expect_continue;
	bool http10;
	bool trailers; /* the client takes trailers (TE: trailers, RFC 9110 10.1.4) */
	bool head;     /* method is HEAD: the response has no body bytes */
} er_h1_head_info;

er_h1 *er_h1_new(const er_h1_limits *limits);
void er_h1_free(er_h1 *p);
/* Goes on from where it stopped. Consumes from the front of *input. Everything that x->req points
 * to is copied into x->arena (fields without framing, hop-by-hop and Host; authority lower case,
 * from an absolute-form target if there is one; scheme left as the caller set it). */
er_h1_event er_h1_next(er_h1 *p, er_slice *input, er_exchange *x, er_slice *bytes);
const er_h1_head_info *er_h1_head_info_of(const er_h1 *p);
/* With ER_H1_END: takes the next field that followed the body off *rest, which begins as
 * er_h1_trailers gives it and lives until the next call of er_h1_next. False: there is none. */
er_slice er_h1_trailers(const er_h1 *p);
bool er_h1_trailer(er_slice *rest, er_slice *name, er_slice *value);
/* Between requests: not one byte of the next has come. */
bool er_h1_idle(const er_h1 *p);
int er_h1_error(const er_h1 *p, const char **why);

/* How the body of a response is framed. */
typedef enum er_h1_framing {
	ER_H1_NO_BODY,
	ER_H1_LENGTH,
	ER_H1_CHUNKED,
	ER_H1_UNTIL_CLOSE,
	ER_H1_SWITCHED, /* 101: no message follows, but bytes of another protocol, both ways */
} er_h1_framing;
/* Appends status line, fields and the blank line. Decides the framing from res->body's length, the
 * status (1xx, 204, 304 have none), the version and the method; writes Content-Length,
 * Transfer-Encoding and Connection itself and skips such fields in res->fields. `date`: an
 * IMF-fixdate (29 bytes, cached by the caller), for an answer whose fields have no Date. Fields
 * that are not valid are skipped. Behind 101 it says Upgrade: websocket. */
er_h1_framing er_h1_write_head(er_buf *out, const er_response *res, const er_h1_head_info *info, bool keep_alive, er_slice date);
/* Chunked coding: "1a2b\r\n" before n bytes (then the bytes, then "\r\n"), a slice of `text`; the
 * last chunk. */
enum { ER_H1_CHUNK_SIZE = 18 };
er_slice er_h1_chunk_size(size_t n, uint8_t text[ER_H1_CHUNK_SIZE]);
/* An informational response. */
void er_h1_write_informational(er_buf *out, int status, const er_fields *fields);
/* `trailers`: NULL, or fields that follow the body (er_body_trailers). */
void er_h1_write_last_chunk(er_buf *out, const er_fields *trailers);
/* RFC 9110 15; "" for unknown. */
const char *er_h1_reason(int status);

#endif
