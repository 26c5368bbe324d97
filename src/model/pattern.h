/* A route's pattern: "host/path*", "*.host", "*.host/path*", "*". The star stands only at the front
 * of the host (as "*.", or alone for any host) and at the end of the path; without a path every
 * path matches. http/pattern.h reads one from its text. Pure, any thread. */
#ifndef ER_MODEL_PATTERN_H
#define ER_MODEL_PATTERN_H

#include "base/slice.h"

typedef struct er_pattern {
	/* without "*."; empty with any_host; as requests have it, without a dot at its end */
	er_slice host;
	er_slice path; /* prefix or whole; "/" if there is none; in the spelling of requests */
	bool any_host, sub_hosts, path_prefix;
	bool bare; /* no path was written */
} er_pattern;

/* Everything that b matches, a matches as well: a rule b behind a would never be reached. */
bool er_pattern_covers(const er_pattern *a, const er_pattern *b);
/* There is a host that both take. */
bool er_pattern_hosts_meet(const er_pattern *a, const er_pattern *b);
/* There is a host and a path that both take. */
bool er_pattern_meet(const er_pattern *a, const er_pattern *b);
/* Every host that b takes, a takes as well. */
bool er_pattern_host_covers(const er_pattern *a, const er_pattern *b);

#endif
