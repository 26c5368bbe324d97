/* Cache-Control (RFC 9111 5.2) and CDN-Cache-Control (RFC 9213) as a cache reads them. Pure. */
#ifndef ER_HTTP_DIRECTIVES_H
#define ER_HTTP_DIRECTIVES_H

#include "http/fields.h"

enum {
	ER_CACHE_ABSENT = -1,
	ER_CACHE_SECONDS_MAX = 0x7fffffff, /* RFC 9111 1.2.2: what is larger counts as this */
};

/* What a message says. Directives with an argument in seconds are ER_CACHE_ABSENT without one. */
typedef struct er_cache_directives {
	bool no_store;
	/* also with a list of fields, which is the stricter reading (RFC 9111 5.2.2.4) */
	bool no_cache;
	bool private_; /* likewise (5.2.2.7) */
	bool public_;
	bool must_revalidate;
	bool proxy_revalidate;
	bool must_understand;
	bool only_if_cached;
	bool no_transform;
	int64_t max_age; /* an argument that is no number counts as 0: stale */
	int64_t s_maxage;
	int64_t stale_while_revalidate;
	int64_t stale_if_error;
} er_cache_directives;

/* Reads all lines of Cache-Control. Of a directive that stands there twice the first counts. */
er_cache_directives er_cache_control(const er_fields *fields);
/* Reads CDN-Cache-Control, a dictionary of structured fields (RFC 8941). False: there is none, or
 * it is malformed, and must be ignored as a whole. */
bool er_cache_control_targeted(const er_fields *fields, er_cache_directives *out);

#endif
