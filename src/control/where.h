/* Where a URL points, read as the gateway reads a request for it. */
#ifndef ER_CONTROL_WHERE_H
#define ER_CONTROL_WHERE_H

#include "base/arena.h"
#include "base/err.h"

typedef struct er_where {
	er_slice scheme;    /* "http" or "https" */
	er_slice authority; /* in the one spelling of requests */
	er_slice path;
	er_slice query;      /* with its "?", or empty */
	bool said_scheme;    /* it was written; else http is assumed */
	const char *refused; /* why the gateway would refuse the request, or NULL */
} er_where;

/* `text`: a URL of http or https, or one without a scheme ("shop.example/cart"). False: it is no
 * URL. Everything lives in the arena, or is `text`'s. */
ER_MUST_CHECK bool er_where_read(er_arena *a, er_slice text, er_where *out);

#endif
