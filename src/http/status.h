/* Which statuses a response may have inside the node (RFC 9110 15).
 *
 * 101 is the answer to an exchange that asked for a switch (er_request.upgrade), and to no other:
 * it gives two bodies, one for each direction (er_response.up). */
#ifndef ER_HTTP_STATUS_H
#define ER_HTTP_STATUS_H

#include <stdbool.h>

/* An answer. */
static inline bool er_status_final(int status)
{
	return status >= 200 && status <= 599;
}
/* The answer that ends the request and response, and begins the stream of bytes both ways. */
static inline bool er_status_switches(int status)
{
	return status == 101;
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
