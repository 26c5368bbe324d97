/* A route's pattern: "host/path*", "*.host", "*.host/path*", "*". The star stands only at the front
 * of the host (as "*.", or alone for any host) and at the end of the path; without a path every
 * path matches.
 *
 * A pattern is read by the same parsers as the host and the path of a request (http/url_host.h,
 * http/target.h), so that it means the same in whatever spelling it was written: a name with
 * letters beyond ASCII is its punycode. Pure. */
#ifndef ER_CONTROL_PATTERN_H
#define ER_CONTROL_PATTERN_H

#include "base/arena.h"
#include "base/err.h"

typedef struct er_pattern {
	/* without "*."; empty with any_host; as requests have it, without a dot at its end */
	er_slice host;
	er_slice path; /* prefix or whole; "/" if there is none; as er_target_pattern makes it */
	bool any_host, sub_hosts, path_prefix;
	bool bare; /* no path was written */
} er_pattern;

/* Slices point into `text`, or lie in the arena where the spelling had to be changed. False: *err
 * says what cannot be there. */
ER_MUST_CHECK bool er_pattern_parse(er_arena *a, er_slice text, er_pattern *out, er_err *err);
/* The pattern in its one spelling: `text` itself if it is in that. False: as er_pattern_parse. */
ER_MUST_CHECK bool er_pattern_normal(er_arena *a, er_slice text, er_slice *out, er_err *err);
/* Both are patterns, and the same one. */
bool er_pattern_same(er_arena *a, er_slice one, er_slice other);
/* Everything that b matches, a matches as well: a rule b behind a would never be reached. */
bool er_pattern_covers(const er_pattern *a, const er_pattern *b);
/* There is a host that both take. */
bool er_pattern_hosts_meet(const er_pattern *a, const er_pattern *b);
/* There is a host and a path that both take. */
bool er_pattern_meet(const er_pattern *a, const er_pattern *b);
/* Every host that b takes, a takes as well. */
bool er_pattern_host_covers(const er_pattern *a, const er_pattern *b);

#endif
