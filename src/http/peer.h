/* Who is at the other end of a connection, as handlers may know it: it travels in each exchange
 * that came over the connection. A value without pointers, so that it may outlive the
 * connection. */
#ifndef ER_HTTP_PEER_H
#define ER_HTTP_PEER_H

#include "base/slice.h"

#include <sys/socket.h>

#define ER_PROTOCOLS(X) \
	X(NONE, "") \
	X(HTTP_1_0, "HTTP/1.0") \
	X(HTTP_1_1, "HTTP/1.1")

typedef enum er_protocol {
#define X(name, text) ER_PROTOCOL_##name,
	ER_PROTOCOLS(X)
#undef X
	    ER_PROTOCOLS_N
} er_protocol;

/* Facts of TLS, all zero over plain TCP. Reserved: no transport of the node speaks TLS to
 * clients yet. */
typedef struct er_peer_tls {
	uint16_t version, cipher; /* as on the wire: 0x0304 is TLS 1.3 */
} er_peer_tls;

/* All zero: nobody, as for work that goes on behind an answer. */
typedef struct er_peer {
	struct sockaddr_storage address; /* ss_family 0: unknown */
	er_protocol protocol;
	er_peer_tls tls;
} er_peer;

/* As the access log says it; empty for NONE. */
static inline er_slice er_protocol_name(er_protocol p)
{
	static const er_slice names[] = {
#define X(name, text) ER_LIT(text),
	    ER_PROTOCOLS(X)
#undef X
	};
	_Static_assert(sizeof names / sizeof *names == ER_PROTOCOLS_N, "a name for each");
	return p < ER_PROTOCOLS_N ? names[p] : names[0];
}

#endif
