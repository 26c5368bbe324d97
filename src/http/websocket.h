/* The opening handshake of WebSocket over HTTP/1 (RFC 6455 4): what of it concerns one connection.
 * Each connection has a key of its own: a client's is answered by the session, and the origin's
 * transport makes one for the server that it asks. What both ends agree on (protocol, extensions)
 * travels in the fields. Pure. */
#ifndef ER_HTTP_WEBSOCKET_H
#define ER_HTTP_WEBSOCKET_H

#include "http/fields.h"

enum { ER_WEBSOCKET_KEY = 24, ER_WEBSOCKET_ACCEPT = 28, ER_WEBSOCKET_NONCE = 16 };

#define ER_WEBSOCKET_VERSION "13"

/* The fields of a request that asks for a switch (4.2.1). NULL: they are well-formed; else why
 * not, and *status is that of the refusal. */
const char *er_websocket_malformed(const er_fields *request, int *status);
/* Sec-WebSocket-Accept for that key (4.2.2). */
void er_websocket_accept(er_slice key, uint8_t accept[ER_WEBSOCKET_ACCEPT]);
/* The head of a 101 accepts a handshake with that key (4.1, "the client MUST validate"). NULL: it
 * does; else what is wrong with it. */
const char *er_websocket_refused(const er_fields *answer, er_slice key);

#endif
