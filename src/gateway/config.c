#include "gateway/config.h"

#include "base/mem.h"
#include "gateway/route.h"

#include <limits.h>
#include <unistd.h>

/* ---- the snapshot ---- */

er_config *er_config_new(void)
{
	er_config *c = ER_NEW(er_config);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	c->refs = 1;
	c->threads = cores < 1 ? 1 : cores > 256 ? 256 : (unsigned)cores;
	c->min_level = ER_LEVEL_FULL;
	c->pool = 4;
	c->pool_hardened = 0;
	c->max_instances = 1000;
	c->limits = (er_gateway_limits){.request_line = 8 * 1024,
	                                .field = 8 * 1024,
	                                .header = 32 * 1024,
	                                .fields = 100,
	                                .header_ms = 10000,
	                                .min_body_rate = 240,
	                                .keep_alive_ms = 60000,
	                                .requests = 1000,
	                                .per_address = 256,
	                                .connections = 16384,
	                                .drain_ms = 30000,
	                                .upgrade_ms = 60000};
	c->routine_max = (er_limits){.cpu_us = 1000 * 1000,
	                             .load_cpu_us = 1000 * 1000,
	                             .memory_kb = 512 * 1024,
	                             .response_ms = 600 * 1000,
	                             .subrequests = 1000,
	                             .timers = 10000,
	                             .code_n = 4 * 1024 * 1024,
	                             .idle_s = 86400};
	return c;
}

er_config *er_config_ref(er_config *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

static void free_slice(er_slice s)
{
	er_free((void *)(uintptr_t)s.p);
}

void er_config_unref(er_config *c)
{
	if (c == NULL || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < c->n_listen; i++)
		er_free(c->listen[i]);
	for (size_t i = 0; i < c->n_routes; i++) {
		free_slice(c->routes[i].pattern);
		free_slice(c->routes[i].host);
		free_slice(c->routes[i].path);
	}
	for (size_t i = 0; i < c->n_routines; i++)
		er_routine_unref(c->routines[i]);
	er_route_index_free(c->index);
	er_free(c->listen);
	er_free(c->routes);
	er_free(c->routines);
	er_free(c->admin);
	er_free(c->origin);
	er_free(c->access_log);
	er_free(c);
}

void er_config_add_listen(er_config *c, er_slice address)
{
	c->listen = er_realloc(c->listen, (c->n_listen + 1) * sizeof *c->listen);
	c->listen[c->n_listen++] = er_strdup_slice(address);
}

/* ---- routines ---- */

static er_routine *find_routine(const er_config *c, er_slice name)
{
	for (size_t i = 0; i < c->n_routines; i++)
		if (er_slice_eq(c->routines[i]->name, name))
			return c->routines[i];
	return NULL;
}

/* A label of a host name (RFC 1123), in lower case: NAME.localhost is its address. */
static bool name_ok(er_slice name)
{
	if (name.n == 0 || name.n > 63 || name.p[0] == '-' || name.p[name.n - 1] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t ch = name.p[i];
		if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-'))
			return false;
	}
	return true;
}

static bool within(const char *what, uint64_t asked, uint64_t most, const char *unit, er_slice name, er_err *err)
{
	if (asked <= most)
		return true;
	return er_fail(err, ER_ERR_INVALID, "routine %.*s: limits.%s is %llu%s, and this node allows at most %llu%s (routineLimits)",
	               ER_FMT(name), what, (unsigned long long)asked, unit, (unsigned long long)most, unit);
}

static bool limits_ok(const er_config *c, const er_routine *r, er_err *err)
{
	const er_limits *l = &r->limits, *m = &c->routine_max;
	if (r->code.n >= l->code_n)
		return er_fail(err, ER_ERR_CODE_SIZE,
		               "routine %.*s: its code has %zu bytes; it must have less than %u (limits.codeBytes)", ER_FMT(r->name),
		               r->code.n, l->code_n);
	return within("cpuMs", l->cpu_us / 1000, m->cpu_us / 1000, "", r->name, err) &&
	       within("loadCpuMs", l->load_cpu_us / 1000, m->load_cpu_us / 1000, "", r->name, err) &&
	       within("memoryMb", l->memory_kb / 1024, m->memory_kb / 1024, "", r->name, err) &&
	       within("responseMs", l->response_ms, m->response_ms, "", r->name, err) &&
	       within("subrequests", l->subrequests, m->subrequests, "", r->name, err) &&
	       within("timers", l->timers, m->timers, "", r->name, err) &&
	       within("codeBytes", l->code_n, m->code_n, "", r->name, err) &&
	       within("idleSeconds", l->idle_s, m->idle_s, "", r->name, err);
}

bool er_config_add_routine(er_config *c, er_routine *r, er_err *err)
{
	ER_ASSERT(c->index == NULL);
	bool ok = true;
	if (!name_ok(r->name))
		ok = er_fail(err, ER_ERR_INVALID,
		             "\"%.*s\" cannot be a routine's name: a-z, 0-9 and \"-\", at most 63, no \"-\" at either end",
		             ER_FMT(r->name));
	else if (find_routine(c, r->name) != NULL)
		ok = er_fail(err, ER_ERR_INVALID, "there are two routines of the name %.*s", ER_FMT(r->name));
	ok = ok && limits_ok(c, r, err);
	if (!ok) {
		er_routine_unref(r);
		return false;
	}
	r->index = (uint32_t)c->n_routines;
	c->routines = er_realloc(c->routines, (c->n_routines + 1) * sizeof *c->routines);
	c->routines[c->n_routines++] = r;
	return true;
}

/* ---- routes ---- */

static er_slice own(er_slice s)
{
	return er_slice_of(er_strdup_slice(s), s.n);
}

/* Takes a pattern apart. `host` and `path` point into `pattern`. */
static bool parse_pattern(er_slice pattern, er_route *out, er_err *err)
{
	size_t slash = er_slice_find(pattern, '/');
	er_slice host = er_slice_head(pattern, slash), path = er_slice_from(pattern, slash);
	*out = (er_route){.pattern = pattern};
	if (er_slice_eq(host, ER_LIT("*"))) {
		out->any_host = true;
		host = (er_slice){NULL, 0};
	} else if (er_slice_starts(host, ER_LIT("*."))) {
		out->sub_hosts = true;
		host = er_slice_from(host, 2);
	}
	if (!out->any_host && host.n == 0)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": a host is expected: host/path*, *.host or *", ER_FMT(pattern));
	for (size_t i = 0; i < host.n; i++) {
		uint8_t ch = er_lower(host.p[i]);
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_' || ch == '[' ||
		          ch == ']' || (ch == ':' && host.p[0] == '[');
		if (!ok)
			return er_fail(
			    err, ER_ERR_INVALID,
			    "route \"%.*s\": \"%c\" cannot be in a host; no scheme, no port, and \"*\" only at its front as \"*.\"",
			    ER_FMT(pattern), ch);
	}
	if (path.n == 0) {
		path = ER_LIT("/");
		out->path_prefix = true;
	} else if (path.p[path.n - 1] == '*') {
		out->path_prefix = true;
		path.n--;
	}
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '*' || path.p[i] == '?' || path.p[i] == '#' || path.p[i] <= ' ')
			return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": \"%c\" cannot be in a path; \"*\" only at its end",
			               ER_FMT(pattern), path.p[i] < ' ' ? ' ' : path.p[i]);
	out->host = host;
	out->path = path;
	return true;
}

bool er_config_add_route(er_config *c, er_slice pattern, er_slice routine_name, er_err *err)
{
	er_route route;
	ER_ASSERT(c->index == NULL);
	if (!parse_pattern(pattern, &route, err))
		return false;
	route.routine = find_routine(c, routine_name);
	if (route.routine == NULL)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": there is no routine %.*s", ER_FMT(pattern), ER_FMT(routine_name));
	route.pattern = own(pattern);
	route.path = own(route.path);
	route.host = own(route.host);
	uint8_t *host = (uint8_t *)(uintptr_t)route.host.p;
	for (size_t i = 0; i < route.host.n; i++)
		host[i] = er_lower(host[i]);
	c->routes = er_realloc(c->routes, (c->n_routes + 1) * sizeof *c->routes);
	c->routes[c->n_routes++] = route;
	return true;
}

void er_config_seal(er_config *c)
{
	if (c->index == NULL)
		c->index = er_route_index_new(c);
}

er_routine *er_config_route(const er_config *c, er_slice host, er_slice path)
{
	ER_ASSERT(c->index != NULL);
	er_routine *r = er_route_index_find(c->index, host, path);
	return r == NULL && c->dev && c->n_routines == 1 ? c->routines[0] : r;
}
