/* Which statuses a response may have inside the node (RFC 9110 15).
 *
 * 101 is none of them. A switch of protocols gives the connection to something else than an
 * exchange: it will be a kind of stream of its own (gateway/stream.h), chosen by the session before
 * a handler has the request. Until there is one, no session offers a switch, nobody asks an origin
 * for one, and these two functions refuse what comes all the same, from an origin, a sandbox or a
 * handler. */
#ifndef ER_HTTP_STATUS_H
#define ER_HTTP_STATUS_H

#include <stdbool.h>

/* An answer. */
static inline bool er_status_final(int status)
{
	return status >= 200 && status <= 599;
}
/* An answer that has no body, whatever came with it (Fetch, "null body status"). */
static inline bool er_status_bodyless(int status)
{
	return status == 204 || status == 205 || status == 304;
}
/* Comes before the answer. 100 Continue concerns one connection, and is not handed on. */
static inline bool er_status_informational(int status)
{
	return status == 100 || (status > 101 && status < 200);
}
static inline bool er_status_handed_on(int status)
{
	return er_status_informational(status) && status != 100;
}

#endif
