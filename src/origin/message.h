/* Inside this room: the rules of requests and responses, which have no state of their own. What
 * they write lies in the exchange's arena. */
#ifndef ER_ORIGIN_MESSAGE_H
#define ER_ORIGIN_MESSAGE_H

#include "origin/fetch.h"

/* Fills f's hop from x->req. False: the request cannot be sent, and *why says why. */
bool er_message_request(er_fetch *f, const char **why);
/* The head of f's hop as HTTP/1.1 says it, in the place of what is in `out`. */
void er_message_write(const er_fetch *f, er_buf *out);
/* "host" and "host:port" in their canonical form and nothing else (no user, no path). */
bool er_message_authority_ok(er_slice scheme, er_slice authority);
/* How the body of an HTTP/1 answer ends, by its fields (RFC 9112 6.3). Whether there is a body
 * at all, status and method say. */
typedef enum er_framing { ER_FRAMING_BROKEN, ER_FRAMING_LENGTH, ER_FRAMING_CHUNKED, ER_FRAMING_CLOSE } er_framing;
/* BROKEN: er_fetch_ended was noted, with a sentence that says what is wrong. */
er_framing er_message_framing(er_fetch *f, bool http10, uint64_t *length);
/* Makes f->res fit to hand on: framing and hop-by-hop fields off, Content-Length checked,
 * content coding decided. On success *length is that of the body as it will be delivered, and
 * *gzip says whether gzip is to be undone. */
bool er_message_response(er_fetch *f, int64_t *length, bool *gzip, const char **why);

#endif
