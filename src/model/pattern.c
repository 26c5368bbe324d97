/* The relations of patterns: `covers` is a relation of sets (every request of b is one of a);
 * `meet` says that there is a request of both. They are exact for hosts and for paths alone, and a
 * pattern is the product of its host and its path, so they are exact for patterns. */
#include "model/pattern.h"

#include "base/mem.h"

/* `host` is below `domain`: "a.example.com" below "example.com". */
static bool is_below(er_slice host, er_slice domain)
{
	ER_ASSERT(domain.n > 0);
	return host.n > domain.n && host.p[host.n - domain.n - 1] == '.' &&
	       er_slice_ieq(er_slice_from(host, host.n - domain.n), domain);
}

bool er_pattern_host_covers(const er_pattern *a, const er_pattern *b)
{
	if (a->any_host)
		return true;
	if (b->any_host)
		return false;
	if (!a->sub_hosts)
		return !b->sub_hosts && er_slice_ieq(a->host, b->host);
	return is_below(b->host, a->host) || (b->sub_hosts && er_slice_ieq(a->host, b->host));
}

bool er_pattern_covers(const er_pattern *a, const er_pattern *b)
{
	if (!er_pattern_host_covers(a, b))
		return false;
	return a->path_prefix ? er_slice_starts(b->path, a->path) : !b->path_prefix && er_slice_eq(a->path, b->path);
}

bool er_pattern_hosts_meet(const er_pattern *a, const er_pattern *b)
{
	return er_pattern_host_covers(a, b) || er_pattern_host_covers(b, a);
}

/* Of two prefixes the longer one decides; a whole path meets a prefix that it begins with. */
static bool paths_meet(const er_pattern *a, const er_pattern *b)
{
	if (a->path_prefix && er_slice_starts(b->path, a->path))
		return true;
	if (b->path_prefix && er_slice_starts(a->path, b->path))
		return true;
	return er_slice_eq(a->path, b->path);
}

bool er_pattern_meet(const er_pattern *a, const er_pattern *b)
{
	return er_pattern_hosts_meet(a, b) && paths_meet(a, b);
}
