/* A route's pattern: "host/path*", "*.host", "*.host/path*", "*". The star stands only at the front of the host (as "*.", or alone for any
 * host) and at the end of the path; without a path every path matches. Pure. */
#ifndef ER_CONTROL_PATTERN_H
#define ER_CONTROL_PATTERN_H

#include "base/err.h"
#include "base/slice.h"

typedef struct er_pattern {
	er_slice host; /* without "*."; as written; empty with any_host */
	er_slice path; /* prefix or whole; "/" if there is none */
	bool any_host, sub_hosts, path_prefix;
} er_pattern;

/* Slices point into `text`. False: *err says what cannot be there. */
ER_MUST_CHECK bool er_pattern_parse(er_slice text, er_pattern *out, er_err *err);
/* Everything that b matches, a matches as well: a rule b behind a would never be reached. */
bool er_pattern_covers(const er_pattern *a, const er_pattern *b);
/* `host` lower case without port, `path` without query. */
bool er_pattern_matches(const er_pattern *p, er_slice host, er_slice path);

#endif
