/* What node.jsonc says of the node itself: its settings, and the routes and routines of the file in
 * their order. Each object is read by a table of its members; what a member means beyond its type
 * is a function below. */
#include "gateway/config_read.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/level.h"
#include "net/listen.h"
#include "origin/dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	MAX_FILE = 1 << 20,
	MAX_STAGING_HOSTS = 64,
	MAX_TEXT = 4096,
	MAX_ITEMS = 100000,
	MAX_SITES = 10000,
	KEEP_MOST = 1000000000,
	CACHE_MB_MOST = 1 << 20
};

#define READ(r, v, at, members, into) er_config_members(r, v, at, members, sizeof(members) / sizeof *(members), into)

/* The object's members as they stand in the file. */
typedef struct root {
	const er_json *listen, *staging, *history, *cache, *sandbox, *limits, *routine_limits, *addresses, *trusted, *resolver, *geo,
	    *log, *routines, *routes, *sites;
	er_slice admin, data, origin, access_log, schema;
	uint32_t threads;
} root;

/* No setting is a text with a NUL in it. */
static bool plain(er_config_reader *r, const er_json *object, er_slice key, er_slice text)
{
	return text.n == 0 || memchr(text.p, 0, text.n) == NULL ||
	       er_config_wrong(r, er_json_get(object, key), "a string without a NUL is expected");
}

static void set(char **to, const char *text)
{
	er_free(*to);
	*to = er_strdup_cstr(text);
}

/* ---- where clients come to ---- */

static bool listen_address(er_config_reader *r, const er_json *v)
{
	struct sockaddr_storage sa;
	er_err err = {0};
	if (v->type != ER_JSON_STRING)
		return er_config_wrong(r, v, "an address as a string is expected, not %s", er_json_type_name(v->type));
	return er_listen_parse(v->text, &sa, &err) || er_config_wrong(r, v, "%s", err.text);
}

typedef struct listen_raw {
	const er_json *address, *transport;
	bool prefaced;
} listen_raw;

/* "ADDRESS", or {"address": ADDRESS, "transport": KIND, "proxyProtocol": true}. */
static bool one_listen(er_config_reader *r, const er_json *v, er_env env)
{
	static const er_member members[] = {ER_MEMBER(listen_raw, "address", address, ER_MEMBER_ANY, true, 0, 0),
	                                    ER_MEMBER(listen_raw, "transport", transport, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(listen_raw, "proxyProtocol", prefaced, ER_MEMBER_BOOL, false, 0, 0)};
	listen_raw raw = {.address = v};
	const er_transport_kind *kind = &er_transport_tcp;
	if (v->type == ER_JSON_OBJECT && !READ(r, v, ER_LIT("listen"), members, &raw))
		return false;
	if (!listen_address(r, raw.address))
		return false;
	if (raw.transport != NULL) {
		kind = raw.transport->type == ER_JSON_STRING ? er_transport_find(raw.transport->text) : NULL;
		if (kind == NULL)
			return er_config_wrong(r, raw.transport, "a transport is expected: %s", er_transport_names());
	}
	er_config_add_listen(r->config, env, raw.address->text, kind)->prefaced = raw.prefaced;
	return true;
}

static bool take_listen(er_config_reader *r, const er_json *v, er_env env)
{
	if (v->type == ER_JSON_STRING || v->type == ER_JSON_OBJECT)
		return one_listen(r, v, env);
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "an address, or an array of addresses, is expected, not %s", er_json_type_name(v->type));
	if (v->first == NULL)
		return er_config_wrong(r, v, "at least one address is expected");
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (!one_listen(r, m, env))
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
		return er_config_wrong(r, v, "a host as a string (\"*.staging.example.com\") is expected, not %s",
		                       er_json_type_name(v->type));
	if (!er_route_parse(&r->arena, v->text, &rule, &err) || rule.part.any_host || !rule.part.bare)
		return er_config_wrong(r, v, "\"*.staging.example.com\" or a host is expected, without a path");
	c->staging_hosts = er_realloc(c->staging_hosts, (c->n_staging_hosts + 1) * sizeof *c->staging_hosts);
	c->staging_hosts[c->n_staging_hosts++] = er_printf("%s%.*s", rule.part.sub_hosts ? "*." : "", ER_FMT(rule.part.host));
	return true;
}

static bool take_staging_hosts(er_config_reader *r, const er_json *v)
{
	unsigned n = 0;
	if (v->type == ER_JSON_STRING)
		return one_staging_host(r, v);
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "a host, or an array of hosts, is expected, not %s", er_json_type_name(v->type));
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (++n > MAX_STAGING_HOSTS)
			return er_config_wrong(r, v, "more than %d hosts", MAX_STAGING_HOSTS);
		else if (!one_staging_host(r, m))
			return false;
	return true;
}

typedef struct staging_raw {
	const er_json *listen, *hosts;
} staging_raw;

static bool take_staging(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {ER_MEMBER(staging_raw, "listen", listen, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(staging_raw, "hosts", hosts, ER_MEMBER_ANY, false, 0, 0)};
	staging_raw raw = {0};
	return READ(r, v, ER_LIT("staging"), members, &raw) && (raw.listen == NULL || take_listen(r, raw.listen, ER_ENV_STAGING)) &&
	       (raw.hosts == NULL || take_staging_hosts(r, raw.hosts));
}

/* ---- servers ---- */

static bool one_name_server(er_config_reader *r, const er_json *v, er_buf *list)
{
	er_err err = {0};
	if (v->type != ER_JSON_STRING || er_slice_find(v->text, ',') < v->text.n || !er_dns_servers_ok(v->text, &err))
		return er_config_wrong(
		    r, v, "an address of a name server is expected (\"192.0.2.53\", \"192.0.2.53:5353\", \"[2001:db8::53]:53\")");
	if (er_buf_len(list) > 0)
		er_buf_putc(list, ',');
	er_buf_put(list, v->text);
	return true;
}

typedef struct resolver_raw {
	const er_json *servers;
} resolver_raw;

static bool take_resolver(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {
	    ER_MEMBER(resolver_raw, "servers", servers, ER_MEMBER_ARRAY, false, 1, ER_DNS_SERVERS_MAX)};
	resolver_raw raw = {0};
	er_buf list = {0};
	bool ok = READ(r, v, ER_LIT("resolver"), members, &raw);
	for (const er_json *m = ok && raw.servers != NULL ? raw.servers->first : NULL; m != NULL && ok; m = m->next)
		ok = one_name_server(r, m, &list);
	if (ok && raw.servers != NULL) {
		er_free(r->config->name_servers);
		r->config->name_servers = er_strdup_slice(er_buf_slice(&list));
	}
	er_buf_fini(&list);
	return ok;
}

/* ---- sandboxes, limits, history ---- */

typedef struct sandbox_raw {
	const er_json *min_level;
	uint32_t pool, pool_hardened, max_instances, max_subrequests;
} sandbox_raw;

static bool take_sandbox(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {
	    ER_MEMBER(sandbox_raw, "minLevel", min_level, ER_MEMBER_ANY, false, 0, 0),
	    ER_MEMBER(sandbox_raw, "pool", pool, ER_MEMBER_NUMBER, false, 0, 1000),
	    ER_MEMBER(sandbox_raw, "poolHardened", pool_hardened, ER_MEMBER_NUMBER, false, 0, 1000),
	    ER_MEMBER(sandbox_raw, "maxInstances", max_instances, ER_MEMBER_NUMBER, false, 1, 100000),
	    ER_MEMBER(sandbox_raw, "maxSubrequests", max_subrequests, ER_MEMBER_NUMBER, false, 4, 1000000)};
	er_config *c = r->config;
	sandbox_raw raw = {.pool = c->pool,
	                   .pool_hardened = c->pool_hardened,
	                   .max_instances = c->max_instances,
	                   .max_subrequests = c->max_subrequests};
	if (!READ(r, v, ER_LIT("sandbox"), members, &raw))
		return false;
	const er_json *level = raw.min_level;
	if (level != NULL && (level->type != ER_JSON_STRING || !er_level_parse(level->text, &c->min_level)))
		return er_config_wrong(r, level, "\"full\", \"no-userns\" or \"seccomp-only\" is expected");
	c->pool = raw.pool;
	c->pool_hardened = raw.pool_hardened;
	c->max_instances = raw.max_instances;
	c->max_subrequests = raw.max_subrequests;
	return true;
}

/* How much of the past the store keeps. */
static bool take_history(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {
	    ER_MEMBER(er_retention, "changes", changes, ER_MEMBER_NUMBER, false, 0, KEEP_MOST),
	    ER_MEMBER(er_retention, "deployments", deployments, ER_MEMBER_NUMBER, false, 0, KEEP_MOST)};
	return READ(r, v, ER_LIT("history"), members, &r->config->keep);
}

typedef struct disk_raw {
	er_slice path;
	uint32_t size_mb;
} disk_raw;

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool one_disk(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {
	    ER_MEMBER(disk_raw, "path", path, ER_MEMBER_STRING, true, 1, MAX_TEXT),
	    ER_MEMBER(disk_raw, "sizeMb", size_mb, ER_MEMBER_NUMBER, true, ER_CONFIG_DISK_MB_LEAST, ER_CONFIG_DISK_MB_MOST)};
	er_config *c = r->config;
	disk_raw raw = {0};
	if (!READ(r, v, ER_LIT("cache.disk"), members, &raw) || !plain(r, v, ER_LIT("path"), raw.path))
		return false;
	const char *path = er_config_path(r, raw.path);
	for (size_t i = 0; i < c->n_cache_disks; i++)
		if (er_slice_eq(er_slice_cstr(c->cache_disks[i].path), er_slice_cstr(path)))
			return er_config_wrong(r, er_json_get(v, ER_LIT("path")), "another path is expected: this file is named twice");
	if (is_folder(path))
		return er_config_wrong(r, er_json_get(v, ER_LIT("path")),
		                       "a file is expected, and this is a folder: name a file in it, as %s/cache", path);
	er_config_add_disk(c, er_slice_cstr(path), raw.size_mb);
	return true;
}

/* What is stored of the origin's answers. */
static bool take_cache(er_config_reader *r, const er_json *v)
{
	typedef struct cache_raw {
		const er_json *disk;
		uint32_t memory_mb;
	} cache_raw;
	static const er_member members[] = {ER_MEMBER(cache_raw, "memoryMb", memory_mb, ER_MEMBER_NUMBER, false, 0, CACHE_MB_MOST),
	                                    ER_MEMBER(cache_raw, "disk", disk, ER_MEMBER_ARRAY, false, 0, ER_CONFIG_DISKS)};
	er_config *c = r->config;
	cache_raw raw = {.memory_mb = c->cache_mb};
	if (!READ(r, v, ER_LIT("cache"), members, &raw))
		return false;
	c->cache_mb = raw.memory_mb;
	if (raw.disk == NULL)
		return true;
	c->cache_disks_said = true;
	for (const er_json *m = raw.disk->first; m != NULL; m = m->next)
		if (!one_disk(r, m))
			return false;
	return true;
}

static bool take_limits(er_config_reader *r, const root *raw)
{
	size_t n;
	const er_limit *rows = er_gateway_limits_rows(&n);
	if (raw->limits != NULL && !er_config_read_limits(r, raw->limits, rows, n, &r->config->limits))
		return false;
	rows = er_limits_rows(&n);
	return raw->routine_limits == NULL || er_config_read_limits(r, raw->routine_limits, rows, n, &r->config->routine_max);
}

/* ---- texts ---- */

static bool take_admin(er_config_reader *r, const er_json *v, er_slice text)
{
	struct sockaddr_storage sa;
	er_err err = {0};
	if (!er_listen_parse(text, &sa, &err))
		return er_config_wrong(r, er_json_get(v, ER_LIT("admin")), "%s", err.text);
	set(&r->config->admin, er_arena_cstr(&r->arena, text));
	return true;
}

static bool take_origin(er_config_reader *r, const er_json *v, er_slice text)
{
	er_slice scheme = {0}, authority = {0};
	er_err err = {0};
	if (!er_group_server_url(text, &scheme, &authority, &err))
		return er_config_wrong(r, er_json_get(v, ER_LIT("origin")), "%s", err.text);
	set(&r->config->origin, er_arena_cstr(&r->arena, text));
	return true;
}

static bool take_log(er_config_reader *r, const er_json *v)
{
	bool json = er_slice_eq(v->text, ER_LIT("json"));
	if (v->type != ER_JSON_STRING || (!json && !er_slice_eq(v->text, ER_LIT("text"))))
		return er_config_wrong(r, v, "\"text\" or \"json\" is expected");
	r->config->log_json = json;
	return true;
}

static bool take_texts(er_config_reader *r, const er_json *v, const root *raw)
{
	er_config *c = r->config;
	if (!plain(r, v, ER_LIT("admin"), raw->admin) || !plain(r, v, ER_LIT("data"), raw->data) ||
	    !plain(r, v, ER_LIT("origin"), raw->origin) || !plain(r, v, ER_LIT("accessLog"), raw->access_log))
		return false;
	if (raw->data.n > 0)
		set(&c->data, er_config_path(r, raw->data));
	if (er_slice_eq(raw->access_log, ER_LIT("-")))
		set(&c->access_log, "-");
	else if (raw->access_log.n > 0)
		set(&c->access_log, er_config_path(r, raw->access_log));
	return (raw->admin.n == 0 || take_admin(r, v, raw->admin)) && (raw->origin.n == 0 || take_origin(r, v, raw->origin)) &&
	       (raw->log == NULL || take_log(r, raw->log));
}

/* ---- routines and routes ---- */

typedef struct route_raw {
	er_slice pattern, routine;
} route_raw;

static bool one_route(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {ER_MEMBER(route_raw, "pattern", pattern, ER_MEMBER_STRING, true, 1, MAX_TEXT),
	                                    ER_MEMBER(route_raw, "routine", routine, ER_MEMBER_STRING, true, 1, MAX_TEXT)};
	route_raw raw = {0};
	er_err err = {0};
	if (!READ(r, v, ER_LIT("routes"), members, &raw))
		return false;
	return er_config_add_route(r->config, raw.pattern, raw.routine, &err) || er_config_wrong(r, v, "%s", err.text);
}

/* The rules from `from` on come before the others. */
static void put_first(er_env_tables *s, size_t from)
{
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
static bool take_routines(er_config_reader *r, const root *raw)
{
	for (const er_json *m = raw->routines != NULL ? raw->routines->first : NULL; m != NULL; m = m->next)
		if (!er_config_read_routine(r, m))
			return false;
	size_t theirs = r->config->env[0].n_rules;
	for (const er_json *m = raw->routes != NULL ? raw->routes->first : NULL; m != NULL; m = m->next)
		if (!one_route(r, m))
			return false;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		put_first(&r->config->env[e], theirs);
	return true;
}

/* ---- sites ---- */

/* er_site_file.read: beside node.jsonc. */
static bool read_beside(void *ctx, er_arena *a, er_slice path, er_slice *out, char *why, size_t n)
{
	er_config_reader *r = ctx;
	ER_ASSERT(a == &r->arena);
	if (er_config_file(r, er_config_path(r, path), ER_TLS_CA_MAX, out))
		return true;
	snprintf(why, n, "cannot be read: %s", errno == EFBIG ? "it has more than 64 KB" : strerror(errno));
	return false;
}

/* A node does not refuse its configuration because time has passed. */
static void warn_expired(const er_config_reader *r, const er_site_settings *settings)
{
	er_problem problem = {0};
	if (er_site_expired(settings, er_clock_wall_s(), &problem))
		er_log(ER_LOG_WARN, "gateway", "%s: site %.*s: %s", r->shown, ER_FMT(settings->name), problem.message);
}

static bool one_site(er_config_reader *r, const er_json *v)
{
	er_site_settings settings;
	er_problem problem = {0};
	er_err err = {0};
	er_buf text = {0};
	er_slice key;
	const er_site_file file = {.read = read_beside, .ctx = r};
	const er_json *whole = er_site_take_files(&r->arena, v, &file, &problem);
	if (whole == NULL || !er_site_read(&r->arena, whole, (er_slice){0}, &settings, &problem))
		return er_config_refused(r, &problem);
	warn_expired(r, &settings);
	/* What is shown. A key that changes changes its certificate, too: the same text is the same
	 * site. */
	er_json_write(&text, er_site_take_key(&r->arena, whole, &key));
	er_site *s = er_site_new(&settings, er_buf_slice(&text), false, r->config->addresses, r->config->n_addresses);
	er_buf_fini(&text);
	return er_config_add_site(r->config, s, &err) || er_config_wrong(r, v, "%s", err.text);
}

static bool take_sites(er_config_reader *r, const er_json *list)
{
	for (const er_json *m = list != NULL ? list->first : NULL; m != NULL; m = m->next)
		if (!one_site(r, m))
			return false;
	return true;
}

/* ---- the whole ---- */

static bool take_root(er_config_reader *r, const er_json *v)
{
	static const er_member members[] = {ER_MEMBER(root, "listen", listen, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(root, "staging", staging, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "admin", admin, ER_MEMBER_STRING, false, 1, MAX_TEXT),
	                                    ER_MEMBER(root, "data", data, ER_MEMBER_STRING, false, 1, MAX_TEXT),
	                                    ER_MEMBER(root, "history", history, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "threads", threads, ER_MEMBER_NUMBER, false, 1, 256),
	                                    ER_MEMBER(root, "origin", origin, ER_MEMBER_STRING, false, 1, MAX_TEXT),
	                                    ER_MEMBER(root, "cache", cache, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "sandbox", sandbox, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "limits", limits, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "routineLimits", routine_limits, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "routineAddresses", addresses, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(root, "trustedProxies", trusted, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(root, "resolver", resolver, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "geo", geo, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(root, "accessLog", access_log, ER_MEMBER_STRING, false, 1, MAX_TEXT),
	                                    ER_MEMBER(root, "log", log, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(root, "routines", routines, ER_MEMBER_ARRAY, false, 0, MAX_ITEMS),
	                                    ER_MEMBER(root, "routes", routes, ER_MEMBER_ARRAY, false, 0, MAX_ITEMS),
	                                    ER_MEMBER(root, "sites", sites, ER_MEMBER_ARRAY, false, 0, MAX_SITES),
	                                    /* where an editor finds docs/schema/node.schema.json */
	                                    ER_MEMBER(root, "$schema", schema, ER_MEMBER_STRING, false, 0, MAX_TEXT)};
	er_config *c = r->config;
	root raw = {.threads = c->threads};
	if (!READ(r, v, (er_slice){0}, members, &raw))
		return false;
	c->threads = raw.threads;
	return (raw.listen == NULL || take_listen(r, raw.listen, ER_ENV_PRODUCTION)) &&
	       (raw.staging == NULL || take_staging(r, raw.staging)) && take_texts(r, v, &raw) &&
	       (raw.history == NULL || take_history(r, raw.history)) && (raw.cache == NULL || take_cache(r, raw.cache)) &&
	       (raw.sandbox == NULL || take_sandbox(r, raw.sandbox)) && (raw.resolver == NULL || take_resolver(r, raw.resolver)) &&
	       (raw.geo == NULL || er_config_read_geo(r, raw.geo)) && take_limits(r, &raw) &&
	       (raw.addresses == NULL || er_config_read_ranges(r, raw.addresses, true, &c->addresses, &c->n_addresses)) &&
	       (raw.trusted == NULL || er_config_read_ranges(r, raw.trusted, false, &c->trusted, &c->n_trusted)) &&
	       take_routines(r, &raw) && take_sites(r, raw.sites);
}

er_config *er_config_read(er_slice text, const char *shown, er_slice folder, er_err *err)
{
	er_config_reader r = {.text = text, .shown = shown, .folder = folder, .config = er_config_new(), .err = err};
	er_err form = {0};
	size_t at = 0;
	er_arena_init(&r.arena);
	const er_json *v = er_jsonc_parse(&r.arena, text, &at, &form);
	bool ok = v != NULL ? take_root(&r, v) : er_config_wrong_at(&r, at, form.text);
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
