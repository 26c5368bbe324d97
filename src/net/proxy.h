/* The header of the PROXY protocol, by which a front says whose connection it hands on: version 1,
 * a line of text, and version 2, binary. As haproxy.org's proxy-protocol.txt describes it. Pure. */
#ifndef ER_NET_PROXY_H
#define ER_NET_PROXY_H

#include "base/slice.h"

#include <sys/socket.h>

enum {
	ER_PROXY_LINE_MAX = 107, /* version 1, with CR and LF */
	ER_PROXY_MAX = 4096      /* version 2, with everything that follows the addresses */
};

typedef struct er_proxy_header {
	/* Of the client. Family 0: the header names nobody (LOCAL, UNKNOWN, UNSPEC), so the connection
	 * is the front's own. */
	struct sockaddr_storage client;
} er_proxy_header;

/* > 0: so many bytes are the header. 0: more must come; all of `bytes` belong to it. -1: this is no
 * header that may be believed. At most ER_PROXY_MAX bytes are ever a header, or wait for more. */
int er_proxy_read(er_slice bytes, er_proxy_header *out);

#endif
