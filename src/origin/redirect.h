/* Redirects as the product's contract has them: which answers are one, and what the next request is. Pure.
 *
 * 301, 302, 303, 308: GET without a body (HEAD stays HEAD). 307: only for GET and HEAD, since a body that streamed cannot be sent again. */
#ifndef ER_ORIGIN_REDIRECT_H
#define ER_ORIGIN_REDIRECT_H

#include "base/slice.h"
#include "http/fields.h"

typedef enum er_redirect_step {
	ER_REDIRECT_NOT,     /* an answer like any other */
	ER_REDIRECT_SAME,    /* the same method, no body */
	ER_REDIRECT_GET,     /* GET, no body */
	ER_REDIRECT_REFUSED, /* cannot be followed with this method */
} er_redirect_step;

er_redirect_step er_redirect_step_of(int status, er_slice method);

/* Takes off what must not follow: what described the body, if `body_dropped`; credentials, if the next hop is another origin. */
void er_redirect_fields(er_fields *fields, bool body_dropped, bool other_origin);

#endif
