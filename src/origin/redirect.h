/* Redirects: which answers are redirects, and what the next request is. Pure.
 *
 * By the Fetch standard ("HTTP-redirect fetch"): a POST becomes GET over 301 and 302, everything
 * but HEAD becomes GET over 303, and all else keeps its method and its body. As the first
 * generation had redirects (`classic`): over 301, 302, 303 and 308 everything but HEAD becomes
 * GET; over 307 only GET and HEAD go on. */
#ifndef ER_ORIGIN_REDIRECT_H
#define ER_ORIGIN_REDIRECT_H

#include "base/arena.h"
#include "base/slice.h"
#include "http/fields.h"

typedef enum er_redirect_step {
	ER_REDIRECT_NOT,     /* an answer like any other */
	ER_REDIRECT_SAME,    /* the same method, and the same body if there is one */
	ER_REDIRECT_GET,     /* GET, no body */
	ER_REDIRECT_REFUSED, /* cannot be followed with this method */
} er_redirect_step;

/* 301, 302, 303, 307, 308. */
bool er_redirect_is(int status);
er_redirect_step er_redirect_step_of(int status, er_slice method, bool classic);

/* Takes off the fields that must not follow: those that described the body, if `body_dropped`;
 * credentials, if the next hop is another origin. */
void er_redirect_fields(er_fields *fields, bool body_dropped, bool other_origin);

typedef struct er_redirect_target {
	er_slice scheme, authority, target;
	bool user; /* the URL names a user or a password, which no request carries */
} er_redirect_target;

/* Where `location` leads from the URL `from`; the parts lie in `a`. False: nowhere that can be
 * asked, and *why is the end of a sentence that begins with "the server redirects to what". */
bool er_redirect_resolve(er_slice from, er_slice location, er_arena *a, er_redirect_target *to, const char **why);

#endif
