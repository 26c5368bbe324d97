/* Reading node.jsonc. er_config_load reads the file and er_config_read its text: the text becomes a
 * tree of values (base/jsonc.h), and the tree fills a new er_config.
 *
 * Each object of the file has a table of its keys, and each key a function that reads its value
 * (er_config_object). A function either stores the value in the configuration, or has
 * er_config_wrong say what is wrong, with the place in the file, and gives false; false goes up to
 * the top, and the half-filled configuration is freed. So the first mistake is the one that is
 * told.
 *
 * The reader (er_config_reader) lives on the stack of er_config_read. Tree and paths lie in its
 * arena, so what the configuration keeps is copied out of them. The keys may come in any order;
 * what depends on others (routines on their limits, routes on their routines) is only checked for
 * its type at its place and read when all else is there (read_in_order). config_routine.c has the
 * part about routines. The control thread reads, at the start and at each reload. */
#include "gateway/config_read.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "net/listen.h"
#include "gateway/standard.h"
#include "origin/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20, MAX_KEYS = 64, MAX_STAGING_HOSTS = 64 };

/* ---- saying where ---- */

/* "file:line:column: field: text"; `field` may be empty. */
static bool wrong_at(er_config_reader *r, size_t at, er_slice field, const char *text)
{
	er_text_pos pos = er_text_where(r->text, at);
	if (field.n > 0)
		return er_fail(r->err, ER_ERR_INVALID, "%s:%u:%u: %.*s: %s", r->shown, pos.line, pos.column,
		               ER_FMT(er_slice_head(field, 64)), text);
	return er_fail(r->err, ER_ERR_INVALID, "%s:%u:%u: %s", r->shown, pos.line, pos.column, text);
}

bool er_config_wrong(er_config_reader *r, const er_json *v, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return wrong_at(r, v->at, v->key, text);
}

/* ---- values ---- */

static bool expected(er_config_reader *r, const er_json *v, const char *what)
{
	return er_config_wrong(r, v, "%s is expected, not %s", what, er_json_type_name(v->type));
}

bool er_config_string(er_config_reader *r, const er_json *v, char **out)
{
	if (v->type != ER_JSON_STRING)
		return expected(r, v, "a string");
	if (v->text.n == 0 || memchr(v->text.p, 0, v->text.n) != NULL)
		return er_config_wrong(r, v, "a string with at least one character (and no NUL) is expected");
	er_free(*out);
	*out = er_strdup_slice(v->text);
	return true;
}

bool er_config_number(er_config_reader *r, const er_json *v, uint32_t least, uint32_t most, uint32_t unit, uint32_t *out)
{
	ER_ASSERT(least <= most && unit > 0 && most <= UINT32_MAX / unit);
	if (v->type != ER_JSON_NUMBER)
		return expected(r, v, "a number");
	if (!(v->number >= least && v->number <= most) || v->number != floor(v->number))
		return er_config_wrong(r, v, "a whole number from %u to %u is expected, not %.*s", least, most,
		                       ER_FMT(er_slice_head(v->text, 30)));
	*out = (uint32_t)v->number * unit;
	return true;
}

/* A key that is in no table: the closest known one is offered, else all of them are named. */
static bool unknown(er_config_reader *r, const er_json *m, const er_slice *names, size_t n)
{
	char text[400] = "there is no such setting here; known are";
	er_slice near = er_nearest(m->key, names, n);
	int at = (int)er_slice_cstr(text).n;
	if (near.n > 0)
		snprintf(text, sizeof text, "there is no such setting here; did you mean \"%.*s\"?", ER_FMT(near));
	for (size_t i = 0; near.n == 0 && i < n && at < (int)sizeof text; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, "%s %.*s", i > 0 ? "," : "", ER_FMT(names[i]));
	return wrong_at(r, m->key_at, m->key, text);
}

bool er_config_known(er_config_reader *r, const er_json *v, const er_slice *names, size_t n)
{
	for (const er_json *m = v->first; m != NULL; m = m->next) {
		size_t i = 0;
		while (i < n && !er_slice_eq(m->key, names[i]))
			i++;
		if (i == n)
			return unknown(r, m, names, n);
	}
	return true;
}

static bool unknown_key(er_config_reader *r, const er_json *m, const er_config_key *keys, size_t n)
{
	er_slice names[MAX_KEYS] = {{0}};
	ER_ASSERT(n <= MAX_KEYS);
	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	return unknown(r, m, names, n);
}

bool er_config_object(er_config_reader *r, const er_json *v, const er_config_key *keys, size_t n, void *into)
{
	if (v->type != ER_JSON_OBJECT)
		return expected(r, v, "an object");
	ER_ASSERT(n <= MAX_KEYS);
	void *outer = r->into;
	bool ok = true;
	for (const er_json *m = v->first; m != NULL && ok; m = m->next) {
		const er_config_key *hit = NULL;
		for (size_t i = 0; i < n; i++)
			if (er_slice_eq(m->key, keys[i].name))
				hit = &keys[i];
		if (hit == NULL) {
			ok = unknown_key(r, m, keys, n);
			break;
		}
		r->into = into;
		ok = hit->read(r, m);
	}
	r->into = outer;
	return ok;
}

const char *er_config_path(er_config_reader *r, er_slice path)
{
	if (path.n > 0 && path.p[0] == '/')
		return er_arena_cstr(&r->arena, path);
	return er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%.*s%.*s", ER_FMT(r->folder), ER_FMT(path)));
}

bool er_config_file(er_config_reader *r, const char *path, size_t most, er_slice *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	bool ok = fd >= 0 && fstat(fd, &st) == 0;
	if (ok && !S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		ok = false;
	}
	if (ok && (uint64_t)st.st_size > most) {
		errno = EFBIG;
		ok = false;
	}
	if (ok) {
		uint8_t *p = er_arena_alloc(&r->arena, (size_t)st.st_size + 1);
		size_t n = 0;
		ssize_t got;
		while (n < (size_t)st.st_size && (got = read(fd, p + n, (size_t)st.st_size - n)) > 0)
			n += (size_t)got;
		ER_ASSERT(n <= (size_t)st.st_size && n <= most);
		*out = er_slice_of(p, n);
	}
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return ok;
}

/* ---- the node's own settings ---- */

static bool read_listen_address(er_config_reader *r, const er_json *v)
{
	struct sockaddr_storage sa;
	er_err err = {0};
	if (v->type != ER_JSON_STRING)
		return expected(r, v, "an address as a string");
	if (!er_listen_parse(v->text, &sa, &err))
		return er_config_wrong(r, v, "%s", err.text);
	r->address = v->text;
	return true;
}

static bool read_listen_transport(er_config_reader *r, const er_json *v)
{
	r->transport = v->type == ER_JSON_STRING ? er_transport_find(v->text) : NULL;
	return r->transport != NULL || er_config_wrong(r, v, "a transport is expected: %s", er_transport_names());
}

/* "ADDRESS", or {"address": ADDRESS, "transport": KIND}. */
static bool one_listen(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("address"), read_listen_address}, {ER_LIT("transport"), read_listen_transport}};
	r->address = (er_slice){0};
	r->transport = &er_transport_tcp;
	bool object = v->type == ER_JSON_OBJECT;
	if (object ? !er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL) : !read_listen_address(r, v))
		return false;
	if (r->address.n == 0)
		return er_config_wrong(r, v, "\"address\" is missing");
	ER_ASSERT(r->transport != NULL && (unsigned)r->env < ER_ENV_COUNT_);
	er_config_add_listen(r->config, r->env, r->address, r->transport);
	return true;
}

static bool read_listen(er_config_reader *r, const er_json *v)
{
	if (v->type == ER_JSON_STRING || v->type == ER_JSON_OBJECT)
		return one_listen(r, v);
	if (v->type != ER_JSON_ARRAY)
		return expected(r, v, "an address, or an array of addresses,");
	if (v->first == NULL)
		return er_config_wrong(r, v, "at least one address is expected");
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (!one_listen(r, m))
			return false;
	return true;
}

/* "*.staging.example.com", or one host. */
static bool one_staging_host(er_config_reader *r, const er_json *v)
{
	er_config *c = r->config;
	er_route rule;
	er_err err = {0};
	if (v->type != ER_JSON_STRING)
		return expected(r, v, "a host as a string (\"*.staging.example.com\")");
	if (!er_route_parse(&r->arena, v->text, &rule, &err) || rule.part.any_host || !rule.part.bare)
		return er_config_wrong(r, v, "\"*.staging.example.com\" or a host is expected, without a path");
	c->staging_hosts = er_realloc(c->staging_hosts, (c->n_staging_hosts + 1) * sizeof *c->staging_hosts);
	c->staging_hosts[c->n_staging_hosts++] = er_printf("%s%.*s", rule.part.sub_hosts ? "*." : "", ER_FMT(rule.part.host));
	return true;
}

static bool read_staging_hosts(er_config_reader *r, const er_json *v)
{
	unsigned n = 0;
	if (v->type == ER_JSON_STRING)
		return one_staging_host(r, v);
	if (v->type != ER_JSON_ARRAY)
		return expected(r, v, "a host, or an array of hosts,");
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (++n > MAX_STAGING_HOSTS)
			return er_config_wrong(r, v, "more than %d hosts", MAX_STAGING_HOSTS);
		else if (!one_staging_host(r, m))
			return false;
	return true;
}

static bool read_staging(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("listen"), read_listen}, {ER_LIT("hosts"), read_staging_hosts}};
	r->env = ER_ENV_STAGING;
	bool ok = er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL);
	r->env = ER_ENV_PRODUCTION;
	return ok;
}

/* A path begins at the folder of the file, not where the process stands. */
static bool read_data(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_STRING || v->text.n == 0)
		return er_config_string(r, v, &r->config->data);
	er_free(r->config->data);
	r->config->data = er_strdup_cstr(er_config_path(r, v->text));
	return true;
}

static bool read_admin(er_config_reader *r, const er_json *v)
{
	struct sockaddr_storage sa;
	er_err err = {0};
	if (v->type == ER_JSON_STRING && !er_listen_parse(v->text, &sa, &err))
		return er_config_wrong(r, v, "%s", err.text);
	return er_config_string(r, v, &r->config->admin);
}

static bool read_threads(er_config_reader *r, const er_json *v)
{
	uint32_t n = 0;
	if (!er_config_number(r, v, 1, 256, 1, &n))
		return false;
	r->config->threads = n;
	return true;
}

static bool read_origin(er_config_reader *r, const er_json *v)
{
	er_slice scheme = {0}, authority = {0};
	er_err err = {0};
	if (v->type == ER_JSON_STRING && !er_standard_origin(v->text, &scheme, &authority, &err))
		return er_config_wrong(r, v, "%s", err.text);
	return er_config_string(r, v, &r->config->origin);
}

static bool one_name_server(er_config_reader *r, const er_json *v, er_buf *list)
{
	er_err err = {0};
	if (v->type != ER_JSON_STRING)
		return expected(r, v, "an address as a string");
	if (er_slice_find(v->text, ',') < v->text.n || !er_dns_servers_ok(v->text, &err))
		return er_config_wrong(
		    r, v, "an address of a name server is expected (\"192.0.2.53\", \"192.0.2.53:5353\", \"[2001:db8::53]:53\")");
	if (er_buf_len(list) > 0)
		er_buf_putc(list, ',');
	er_buf_put(list, v->text);
	return true;
}

static bool read_name_servers(er_config_reader *r, const er_json *v)
{
	er_buf list = {0};
	unsigned n = 0;
	bool ok = true;
	if (v->type != ER_JSON_ARRAY)
		return expected(r, v, "an array of addresses");
	for (const er_json *m = v->first; m != NULL && ok; m = m->next, n++)
		ok = one_name_server(r, m, &list);
	if (ok && (n == 0 || n > ER_DNS_SERVERS_MAX))
		ok = er_config_wrong(r, v, "one to %d name servers are expected", ER_DNS_SERVERS_MAX);
	if (ok) {
		er_free(r->config->name_servers);
		r->config->name_servers = er_strdup_slice(er_buf_slice(&list));
	}
	er_buf_fini(&list);
	return ok;
}

static bool read_resolver(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("servers"), read_name_servers}};
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL);
}

static bool read_access_log(er_config_reader *r, const er_json *v)
{
	if (v->type == ER_JSON_STRING && v->text.n > 0 && !er_slice_eq(v->text, ER_LIT("-"))) {
		er_free(r->config->access_log);
		r->config->access_log = er_strdup_cstr(er_config_path(r, v->text));
		return true;
	}
	return er_config_string(r, v, &r->config->access_log);
}

static bool read_log(er_config_reader *r, const er_json *v)
{
	bool json = er_slice_eq(v->text, ER_LIT("json"));
	if (v->type != ER_JSON_STRING || (!json && !er_slice_eq(v->text, ER_LIT("text"))))
		return er_config_wrong(r, v, "\"text\" or \"json\" is expected");
	r->config->log_json = json;
	return true;
}

/* ---- sandbox ---- */

static bool read_min_level(er_config_reader *r, const er_json *v)
{
	for (er_level l = ER_LEVEL_SECCOMP_ONLY; l <= ER_LEVEL_FULL; l++)
		if (v->type == ER_JSON_STRING && er_slice_eq(v->text, er_slice_cstr(er_level_name(l)))) {
			r->config->min_level = l;
			return true;
		}
	return er_config_wrong(r, v, "\"full\", \"no-userns\" or \"seccomp-only\" is expected");
}

static bool read_count(er_config_reader *r, const er_json *v, uint32_t least, uint32_t most, unsigned *out)
{
	uint32_t n = 0;
	if (!er_config_number(r, v, least, most, 1, &n))
		return false;
	*out = n;
	return true;
}

static bool read_pool(er_config_reader *r, const er_json *v)
{
	return read_count(r, v, 0, 1000, &r->config->pool);
}

static bool read_pool_hardened(er_config_reader *r, const er_json *v)
{
	return read_count(r, v, 0, 1000, &r->config->pool_hardened);
}

static bool read_max_instances(er_config_reader *r, const er_json *v)
{
	return read_count(r, v, 1, 100000, &r->config->max_instances);
}

static bool read_max_subrequests(er_config_reader *r, const er_json *v)
{
	return read_count(r, v, 4, 1000000, &r->config->max_subrequests);
}

static bool read_sandbox(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("minLevel"), read_min_level},
	                                     {ER_LIT("pool"), read_pool},
	                                     {ER_LIT("poolHardened"), read_pool_hardened},
	                                     {ER_LIT("maxInstances"), read_max_instances},
	                                     {ER_LIT("maxSubrequests"), read_max_subrequests}};
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL);
}

/* ---- limits of the gateway: name, least, most, member ---- */

#define LIMITS(X) \
	X(requestLine, 64, 65536, request_line) \
	X(field, 64, 65536, field) \
	X(header, 256, 262144, header) \
	X(fields, 1, 1000, fields) \
	X(headerMs, 100, 600000, header_ms) \
	X(minBodyRate, 0, 1000000000, min_body_rate) \
	X(keepAliveMs, 100, 3600000, keep_alive_ms) \
	X(requests, 0, 1000000000, requests) \
	X(perAddress, 0, 1000000, per_address) \
	X(connections, 0, 10000000, connections) \
	X(originConnections, 16, 10000000, origin_connections) \
	X(drainMs, 0, 3600000, drain_ms) \
	X(upgradeMs, 100, 3600000, upgrade_ms)
#define X(name, least, most, member) \
	static bool read_##name(er_config_reader *r, const er_json *v) \
	{ \
		return er_config_number(r, v, least, most, 1, &r->config->limits.member); \
	}
LIMITS(X)
#undef X

/* Bytes of one upload, which may be more than 32 bits say. */
static bool read_body(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_NUMBER || !er_slice_u64(v->text, &r->config->limits.body))
		return er_config_wrong(r, v, "a number of bytes is expected (0: no bound)");
	return true;
}

static bool read_gateway_limits(er_config_reader *r, const er_json *v)
{
#define X(name, least, most, member) {ER_LIT(#name), read_##name},
	static const er_config_key keys[] = {LIMITS(X){ER_LIT("body"), read_body}};
#undef X
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL);
}

static bool read_addresses(er_config_reader *r, const er_json *v)
{
	return er_config_read_ranges(r, v, &r->config->addresses, &r->config->n_addresses);
}

static bool read_routine_limits(er_config_reader *r, const er_json *v)
{
	return er_config_read_limits(r, v, &r->config->routine_max);
}

/* ---- how much of the past the store keeps ---- */

static bool read_changes(er_config_reader *r, const er_json *v)
{
	return er_config_number(r, v, 0, 1000000000, 1, &r->config->keep.changes);
}

static bool read_deployments(er_config_reader *r, const er_json *v)
{
	return er_config_number(r, v, 0, 1000000000, 1, &r->config->keep.deployments);
}

static bool read_history(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("changes"), read_changes}, {ER_LIT("deployments"), read_deployments}};
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, NULL);
}

/* ---- routines and routes ---- */

/* The type only: read_in_order reads what is in it. */
static bool read_routines(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_ARRAY)
		return expected(r, v, "an array of routines");
	return true;
}

/* A member of "routes" while its two members are read. */
typedef struct route_spec {
	er_slice pattern, routine;
} route_spec;

static bool read_slice(er_config_reader *r, const er_json *v, er_slice *out)
{
	if (v->type != ER_JSON_STRING || v->text.n == 0)
		return er_config_wrong(r, v, "a string is expected");
	*out = v->text;
	return true;
}

static bool read_pattern(er_config_reader *r, const er_json *v)
{
	return read_slice(r, v, &((route_spec *)r->into)->pattern);
}

static bool read_route_routine(er_config_reader *r, const er_json *v)
{
	return read_slice(r, v, &((route_spec *)r->into)->routine);
}

static bool one_route(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("pattern"), read_pattern}, {ER_LIT("routine"), read_route_routine}};
	route_spec spec = {0};
	er_err err = {0};
	if (!er_config_object(r, v, keys, sizeof keys / sizeof *keys, &spec))
		return false;
	if (spec.pattern.n == 0 || spec.routine.n == 0)
		return er_config_wrong(r, v, "a route needs \"pattern\" and \"routine\"");
	if (!er_config_add_route(r->config, spec.pattern, spec.routine, &err))
		return er_config_wrong(r, v, "%s", err.text);
	return true;
}

/* Likewise. */
static bool read_routes(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_ARRAY)
		return expected(r, v, "an array of {\"pattern\", \"routine\"}");
	return true;
}

/* Where an editor finds docs/schema/node.schema.json. */
static bool read_schema(er_config_reader *r, const er_json *v)
{
	return v->type == ER_JSON_STRING || expected(r, v, "a string");
}

/* The rules from `from` on come before the others. */
static void put_first(er_site *s, size_t from)
{
	ER_ASSERT(from <= s->n_rules);
	size_t n = s->n_rules, first = n - from;
	er_rule *sorted = er_alloc(n * sizeof *sorted);
	for (size_t i = 0; i < n; i++)
		sorted[i < from ? first + i : i - from] = s->rules[i];
	for (size_t i = 0; i < n; i++)
		sorted[i].position = (uint32_t)i & INT32_MAX;
	er_free(s->rules);
	s->rules = sorted;
	s->cap_rules = n;
}

/* Routines after everything that bounds them, and routes after the routines, wherever they stand in
 * the file. The order of "routes" comes before that of the routines' own. */
static bool read_in_order(er_config_reader *r, const er_json *root)
{
	const er_json *routines = er_json_get(root, ER_LIT("routines")), *routes = er_json_get(root, ER_LIT("routes"));
	for (const er_json *m = routines != NULL ? routines->first : NULL; m != NULL; m = m->next)
		if (!er_config_read_routine(r, m))
			return false;
	size_t theirs = r->config->site[0].n_rules;
	for (const er_json *m = routes != NULL ? routes->first : NULL; m != NULL; m = m->next)
		if (!one_route(r, m))
			return false;
	/* What was read so far is in every environment. */
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		ER_ASSERT(r->config->site[e].n_rules == r->config->site[0].n_rules);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		put_first(&r->config->site[e], theirs);
	return true;
}

/* The keys of the file. What stands in none of these tables is refused. */
static bool read_root(er_config_reader *r, const er_json *root)
{
	static const er_config_key keys[] = {{ER_LIT("listen"), read_listen},
	                                     {ER_LIT("staging"), read_staging},
	                                     {ER_LIT("admin"), read_admin},
	                                     {ER_LIT("data"), read_data},
	                                     {ER_LIT("history"), read_history},
	                                     {ER_LIT("threads"), read_threads},
	                                     {ER_LIT("origin"), read_origin},
	                                     {ER_LIT("sandbox"), read_sandbox},
	                                     {ER_LIT("limits"), read_gateway_limits},
	                                     {ER_LIT("routineLimits"), read_routine_limits},
	                                     {ER_LIT("routineAddresses"), read_addresses},
	                                     {ER_LIT("resolver"), read_resolver},
	                                     {ER_LIT("accessLog"), read_access_log},
	                                     {ER_LIT("log"), read_log},
	                                     {ER_LIT("routines"), read_routines},
	                                     {ER_LIT("routes"), read_routes},
	                                     {ER_LIT("$schema"), read_schema}};
	return er_config_object(r, root, keys, sizeof keys / sizeof *keys, NULL) && read_in_order(r, root);
}

er_config *er_config_read(er_slice text, const char *shown, er_slice folder, er_err *err)
{
	er_config_reader r = {.text = text, .shown = shown, .folder = folder, .config = er_config_new(), .err = err};
	er_err form = {0};
	size_t at = 0;
	er_arena_init(&r.arena);
	const er_json *root = er_jsonc_parse(&r.arena, text, &at, &form);
	bool ok = root != NULL ? read_root(&r, root) : wrong_at(&r, at, (er_slice){0}, form.text);
	er_arena_fini(&r.arena);
	if (ok)
		return r.config;
	er_config_unref(r.config);
	return NULL;
}

er_config *er_config_load(const char *path, er_err *err)
{
	er_config_reader r = {0};
	er_config *c = NULL;
	er_slice text, whole = er_slice_cstr(path);
	size_t folder = whole.n;
	while (folder > 0 && whole.p[folder - 1] != '/')
		folder--;
	er_arena_init(&r.arena);
	if (er_config_file(&r, path, MAX_FILE, &text))
		c = er_config_read(text, path, er_slice_head(whole, folder), err);
	else
		er_fail_errno(err, ER_ERR_IO, "cannot read %s", path);
	er_arena_fini(&r.arena);
	return c;
}
