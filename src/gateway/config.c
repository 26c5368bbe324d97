/* The configuration as an object. Life: made (er_config_new, er_config_copy) → filled (add_*:
 * routines, deployments, rules), all on one thread → sealed, from which moment nothing of it
 * changes and any number of threads read it → the last reference frees it, with its deployments'
 * references.
 *
 * Deployments are in one array, for both environments; an environment's tables know them by name
 * (index + 1, so that 0 is "none") and rules by index. The order of its rules is the order of
 * precedence. Every string and route of it lies in its own arena or is its own allocation, so
 * nothing of what it was made of is needed afterwards.
 *
 * er_config_route is asked for each request: environment, host, path → deployment. All that clients
 * send is only compared here. */
#include "gateway/config.h"

#include "base/map.h"
#include "base/mem.h"
#include "control/settings.h"
#include "http/target.h"

#include <limits.h>
#include <unistd.h>

enum { HOST_MAX = 256 };

/* ---- the snapshot ---- */

/* A tenth of the machine's memory, a gigabyte at most. */
static uint32_t cache_mb_default(void)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), mb = pages * (uint64_t)sysconf(_SC_PAGESIZE) / (1024 * 1024) / 10;
	return mb > 1024 ? 1024 : (uint32_t)mb;
}

er_config *er_config_new(void)
{
	er_config *c = ER_NEW(er_config);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	c->refs = 1;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		c->env[e].names = er_map_new();
	c->site_names = er_map_new();
	c->site_hosts = er_map_new();
	c->threads = cores < 1 ? 1 : cores > 256 ? 256 : (unsigned)cores;
	c->min_level = ER_LEVEL_FULL;
	c->pool = 4;
	c->pool_hardened = 0;
	c->max_instances = 1000;
	c->max_subrequests = 4096;
	c->limits = ER_GATEWAY_LIMITS_DEFAULT;
	c->cache_mb = cache_mb_default();
	c->keep = (er_retention){.changes = 10000, .deployments = 1000};
	c->routine_max = ER_LIMITS_NODE;
	return c;
}

er_config *er_config_ref(er_config *c)
{
	ER_ASSERT(__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED) > 1);
	return c;
}

static void free_strings(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		er_free(v[i]);
	er_free(v);
}

void er_config_unref(er_config *c)
{
	if (c == NULL)
		return;
	uint32_t left = __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL);
	ER_ASSERT(left != UINT32_MAX);
	if (left > 0)
		return;
	er_config_clear_listen(c);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_route_index_free(c->env[e].index);
		er_map_free(c->env[e].names);
		er_free(c->env[e].rules);
	}
	for (size_t i = 0; i < c->n_deployments; i++)
		er_deployment_unref(c->deployments[i]);
	er_sites_free(c->by_host);
	er_map_free(c->site_names);
	er_map_free(c->site_hosts);
	for (size_t i = 0; i < c->n_sites; i++)
		er_site_unref(c->sites[i]);
	er_free(c->sites);
	free_strings(c->staging_hosts, c->n_staging_hosts);
	er_free(c->addresses);
	er_free(c->trusted);
	er_free(c->deployments);
	er_free(c->admin);
	er_free(c->data);
	er_free(c->origin);
	for (size_t i = 0; i < c->n_cache_disks; i++)
		er_free(c->cache_disks[i].path);
	er_free(c->cache_disks);
	er_free(c->name_servers);
	er_free(c->access_log);
	er_free(c->own_hosts);
	er_geo_spec_free(&c->geo);
	er_arena_fini(&c->arena);
	er_free(c);
}

er_listen *er_config_add_listen(er_config *c, er_env env, er_slice address, const er_transport_kind *transport)
{
	c->listen = er_realloc(c->listen, (c->n_listen + 1) * sizeof *c->listen);
	er_listen *at = &c->listen[c->n_listen++];
	*at = (er_listen){.address = er_strdup_slice(address), .transport = transport, .env = env};
	return at;
}

void er_config_add_disk(er_config *c, er_slice path, uint32_t size_mb)
{
	ER_ASSERT(c->n_cache_disks < ER_CONFIG_DISKS);
	c->cache_disks = er_realloc(c->cache_disks, (c->n_cache_disks + 1) * sizeof *c->cache_disks);
	c->cache_disks[c->n_cache_disks++] = (er_config_disk){er_strdup_slice(path), size_mb};
}

void er_config_clear_listen(er_config *c)
{
	for (size_t i = 0; i < c->n_listen; i++)
		er_free(c->listen[i].address);
	er_free(c->listen);
	c->listen = NULL;
	c->n_listen = 0;
}

static const er_route *own_route(er_config *c, const er_route *route)
{
	er_route *own = er_arena_alloc(&c->arena, sizeof *own);
	(void)er_route_copy(own, route, er_arena_alloc(&c->arena, er_route_bytes(route)));
	return own;
}

/* Its route is the configuration's. */
static void push_rule(er_env_tables *s, const er_rule *rule)
{
	ER_ASSERT(s->n_rules <= s->cap_rules && s->index == NULL);
	if (s->n_rules == s->cap_rules) {
		s->cap_rules = s->cap_rules * 2 + 16;
		s->rules = er_realloc(s->rules, s->cap_rules * sizeof *s->rules);
	}
	s->rules[s->n_rules++] = *rule;
}

static void push_site(er_config *c, er_site *s)
{
	c->sites = er_realloc(c->sites, (c->n_sites + 1) * sizeof(er_site *));
	c->sites[c->n_sites++] = s;
	er_map_set(c->site_names, s->name, (void *)c->n_sites);
	for (size_t i = 0; i < s->n_hosts; i++)
		er_map_set(c->site_hosts, s->hosts[i].pattern, (void *)c->n_sites);
}

static char *again(const char *s)
{
	return s != NULL ? er_strdup_cstr(s) : NULL;
}

er_config *er_config_copy(const er_config *file)
{
	er_config *c = er_alloc(sizeof *c);
	*c = *file;
	c->refs = 1;
	c->sealed = false;
	er_arena_init(&c->arena);
	c->listen = NULL;
	c->n_listen = 0;
	for (size_t i = 0; i < file->n_listen; i++) {
		const er_listen *from = &file->listen[i];
		er_config_add_listen(c, from->env, er_slice_cstr(from->address), from->transport)->prefaced = from->prefaced;
	}
	c->staging_hosts = er_alloc(file->n_staging_hosts * sizeof *c->staging_hosts);
	for (size_t i = 0; i < file->n_staging_hosts; i++)
		c->staging_hosts[i] = er_strdup_cstr(file->staging_hosts[i]);
	c->addresses = er_alloc(file->n_addresses * sizeof *c->addresses);
	er_copy(c->addresses, file->addresses, file->n_addresses * sizeof *c->addresses);
	c->cache_disks = NULL;
	c->n_cache_disks = 0;
	for (size_t i = 0; i < file->n_cache_disks; i++)
		er_config_add_disk(c, er_slice_cstr(file->cache_disks[i].path), file->cache_disks[i].size_mb);
	c->trusted = er_alloc(file->n_trusted * sizeof *c->trusted);
	er_copy(c->trusted, file->trusted, file->n_trusted * sizeof *c->trusted);
	c->admin = again(file->admin);
	c->data = again(file->data);
	c->origin = again(file->origin);
	c->name_servers = again(file->name_servers);
	c->access_log = again(file->access_log);
	c->own_hosts = again(file->own_hosts);
	er_geo_spec_copy(&c->geo, &file->geo);
	c->by_host = NULL;
	c->sites = NULL;
	c->n_sites = 0;
	c->site_names = er_map_new();
	c->site_hosts = er_map_new();
	for (size_t i = 0; i < file->n_sites; i++)
		push_site(c, er_site_ref(file->sites[i]));
	c->deployments = NULL;
	c->n_deployments = c->cap_deployments = 0;
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		c->env[e] = (er_env_tables){.names = er_map_new()};
	for (size_t i = 0; i < file->n_deployments; i++)
		er_config_add_deployment(c, er_deployment_ref(file->deployments[i]));
	for (er_env e = 0; e < ER_ENV_COUNT_; e++)
		for (size_t i = 0; i < file->env[e].n_rules; i++) {
			er_rule rule = file->env[e].rules[i];
			rule.route = own_route(c, rule.route);
			push_rule(&c->env[e], &rule);
		}
	return c;
}

/* ---- routines ---- */

static bool limits_ok(const er_config *c, const er_routine *r, er_err *err)
{
	const er_limits *l = &r->limits, *m = &c->routine_max;
	if (r->code.n >= l->code_n)
		return er_fail(err, ER_ERR_CODE_SIZE,
		               "routine %.*s: its code has %zu bytes; it must have less than %u (limits.codeBytes)", ER_FMT(r->name),
		               r->code.n, l->code_n);
	const er_limit *above = er_limits_above(l, m);
	return above == NULL ||
	       er_fail(err, ER_ERR_INVALID, "routine %.*s: limits.%.*s is %llu, and this node allows at most %llu (routineLimits)",
	               ER_FMT(r->name), ER_FMT(above->name), (unsigned long long)er_limit_get(above, l),
	               (unsigned long long)er_limit_get(above, m));
}

bool er_config_add_routine(er_config *c, er_routine *r, er_err *err)
{
	ER_ASSERT(!c->sealed);
	bool ok = true;
	/* A label of a host name (RFC 1123), in lower case: NAME.localhost is its address. */
	if (!er_name_ok(r->name))
		ok = er_fail(err, ER_ERR_INVALID,
		             "\"%.*s\" cannot be a routine's name: a-z, 0-9 and \"-\", at most 63, no \"-\" at either end",
		             ER_FMT(r->name));
	else if (er_config_find(c, ER_ENV_PRODUCTION, r->name) != NULL)
		ok = er_fail(err, ER_ERR_INVALID, "there are two routines of the name %.*s", ER_FMT(r->name));
	er_limits_lower_defaults(&r->limits, &c->routine_max);
	ok = ok && limits_ok(c, r, err);
	for (er_env e = 0; ok && e < ER_ENV_COUNT_; e++) {
		er_deployment d = {.env = e, .version = {er_routine_ref(r)}, .percent = 100};
		er_config_add_deployment(c, er_deployment_new(&d));
	}
	c->n_file += ok;
	er_routine_unref(r);
	return ok;
}

void er_config_add_files(er_config *c, er_slice routine, er_assets *files)
{
	ER_ASSERT(!c->sealed);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_deployment *d = er_config_find(c, e, routine);
		ER_ASSERT(d != NULL && d->id == 0 && d->assets[0] == NULL);
		d->assets[0] = er_assets_ref(files);
	}
}

void er_config_add_deployment(er_config *c, er_deployment *d)
{
	ER_ASSERT(!c->sealed && (unsigned)d->env < ER_ENV_COUNT_ && c->n_deployments <= c->cap_deployments);
	if (c->n_deployments == c->cap_deployments) {
		c->cap_deployments = c->cap_deployments * 2 + 16;
		c->deployments = er_realloc(c->deployments, c->cap_deployments * sizeof(er_deployment *));
	}
	c->deployments[c->n_deployments++] = d;
	void *was = er_map_set(c->env[d->env].names, d->name, (void *)c->n_deployments);
	ER_ASSERT(was == NULL);
}

/* Its index + 1; 0: there is none. */
static uintptr_t index_of(const er_config *c, er_env env, er_slice name)
{
	return (uintptr_t)er_map_get(c->env[env].names, name);
}

er_deployment *er_config_find(const er_config *c, er_env env, er_slice name)
{
	uintptr_t i = index_of(c, env, name);
	ER_ASSERT(i <= c->n_deployments);
	return i != 0 ? c->deployments[i - 1] : NULL;
}

/* ---- rules ---- */

bool er_config_add_route(er_config *c, er_slice pattern, er_slice routine_name, er_err *err)
{
	er_route route;
	ER_ASSERT(!c->sealed);
	if (!er_route_parse(&c->arena, pattern, &route, err))
		return false;
	if (er_config_find(c, ER_ENV_PRODUCTION, routine_name) == NULL)
		return er_fail(err, ER_ERR_INVALID, "route \"%.*s\": there is no routine %.*s", ER_FMT(pattern), ER_FMT(routine_name));
	const er_route *own = own_route(c, &route);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		er_rule rule = {
		    .route = own, .target = (uint32_t)index_of(c, e, routine_name) - 1, .position = (uint32_t)c->env[e].n_rules};
		push_rule(&c->env[e], &rule);
	}
	return true;
}

bool er_config_add_rule(er_config *c, er_env env, er_slice pattern, er_slice routine_name, uint32_t position)
{
	er_route route;
	uintptr_t target = index_of(c, env, routine_name);
	ER_ASSERT(!c->sealed && (unsigned)env < ER_ENV_COUNT_);
	if (target == 0 || !er_route_parse(&c->arena, pattern, &route, NULL))
		return false;
	er_rule rule = {.route = own_route(c, &route), .target = (uint32_t)target - 1, .position = position, .stored = true};
	push_rule(&c->env[env], &rule);
	return true;
}

void er_config_add_own_rules(er_config *c, const er_deployment *d)
{
	er_env_tables *s = &c->env[d->env];
	uintptr_t target = index_of(c, d->env, d->name);
	ER_ASSERT(!c->sealed && target != 0);
	for (size_t i = 0; i < d->n_own; i++) {
		er_rule rule = {.route = &d->own[i], .target = (uint32_t)target - 1, .position = (uint32_t)s->n_rules, .stored = true};
		push_rule(s, &rule);
	}
}

/* ---- sites ---- */

static bool site_is_free(const er_config *c, const er_site *s, er_err *err)
{
	if (er_map_get(c->site_names, s->name) != NULL)
		return er_fail(err, ER_ERR_INVALID, "there are two sites of the name %.*s", ER_FMT(s->name));
	for (size_t i = 0; i < s->n_hosts; i++) {
		uintptr_t other = (uintptr_t)er_map_get(c->site_hosts, s->hosts[i].pattern);
		if (other != 0)
			return er_fail(err, ER_ERR_INVALID, "site %.*s: the host %.*s is the site %.*s's already", ER_FMT(s->name),
			               ER_FMT(s->hosts[i].pattern), ER_FMT(c->sites[other - 1]->name));
	}
	return true;
}

bool er_config_add_site(er_config *c, er_site *s, er_err *err)
{
	ER_ASSERT(!c->sealed);
	if (!site_is_free(c, s, err)) {
		er_site_unref(s);
		return false;
	}
	push_site(c, s);
	return true;
}

/* What no site has is the one origin's. */
static void seal_sites(er_config *c)
{
	er_site *rest = c->origin != NULL ? er_site_default(er_slice_cstr(c->origin)) : NULL;
	er_site **list = er_alloc((c->n_sites + 1) * sizeof(er_site *));
	for (size_t i = 0; i < c->n_sites; i++)
		list[i] = c->sites[i];
	list[c->n_sites] = rest;
	c->by_host = er_sites_new(list, c->n_sites + (rest != NULL));
	er_free(list);
	er_site_unref(rest);
}

void er_config_seal(er_config *c)
{
	if (!c->sealed)
		seal_sites(c);
	for (er_env e = 0; !c->sealed && e < ER_ENV_COUNT_; e++) {
		er_env_tables *s = &c->env[e];
		s->cap_rules = s->n_rules;
		s->rules = er_realloc(s->rules, s->n_rules * sizeof *s->rules);
		ER_ASSERT(s->index == NULL);
		s->index = er_route_index_new(s->rules, s->n_rules);
	}
	c->sealed = true;
}

/* ---- the next one ---- */

static bool same_bindings(const er_data_binding *a, size_t n_a, const er_data_binding *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!er_slice_eq(a[i].name, b[i].name) || !er_slice_eq(a[i].target, b[i].target))
			return false;
	return true;
}

static bool same_piece(er_piece a, er_piece b)
{
	return er_slice_eq(er_piece_slice(a), er_piece_slice(b));
}

/* Both of node.jsonc. */
static bool same_routine(const er_routine *a, const er_routine *b)
{
	return er_slice_eq(a->name, b->name) && er_slice_eq(a->version, b->version) && er_slice_eq(a->source_url, b->source_url) &&
	       er_slice_eq(a->env_json, b->env_json) && same_piece(a->code, b->code) && same_piece(a->source_map, b->source_map) &&
	       memcmp(&a->limits, &b->limits, sizeof a->limits) == 0 && a->compat == b->compat && a->profile == b->profile &&
	       a->fallback == b->fallback && er_slice_eq(a->crons, b->crons) && a->files == b->files &&
	       same_bindings(a->kv, a->n_kv, b->kv, b->n_kv) &&
	       same_bindings(a->services, a->n_services, b->services, b->n_services) && a->n_allow == b->n_allow &&
	       (a->n_allow == 0 || memcmp(a->allow, b->allow, a->n_allow * sizeof *a->allow) == 0);
}

static bool same_addresses(const er_config *a, const er_config *b)
{
	return a->n_addresses == b->n_addresses &&
	       (a->n_addresses == 0 || memcmp(a->addresses, b->addresses, a->n_addresses * sizeof *a->addresses) == 0);
}

/* A site that nothing changed of stays the object that it is, with what it knows of its servers. */
static void keep_site(er_config *c, size_t i, const er_config *before)
{
	er_site *now = c->sites[i];
	uintptr_t was = (uintptr_t)er_map_get(before->site_names, now->name);
	er_site *old = was != 0 ? before->sites[was - 1] : NULL;
	if (old == NULL || old == now || old->stored != now->stored || !er_slice_eq(old->settings, now->settings) ||
	    (now->guards && !same_addresses(c, before)))
		return;
	c->sites[i] = er_site_ref(old);
	er_site_unref(now);
}

void er_config_keep_sites(er_config *c, const er_config *before)
{
	ER_ASSERT(!c->sealed);
	for (size_t i = 0; i < c->n_sites; i++)
		keep_site(c, i, before);
}

/* Other static files of the same code: its instances stay. */
static void keep_routine(er_deployment *now, const er_deployment *old)
{
	er_routine_unref(now->version[0]);
	now->version[0] = er_routine_ref(old->version[0]);
	now->name = now->version[0]->name;
}

void er_config_keep(er_config *c, const er_config *before)
{
	ER_ASSERT(!c->sealed);
	for (size_t i = 0; i < c->n_deployments; i++) {
		er_deployment *now = c->deployments[i], *old = er_config_find(before, now->env, now->name);
		if (old == NULL || old == now || old->id != 0 || now->id != 0 || !same_routine(now->version[0], old->version[0]))
			continue;
		if (now->assets[0] != old->assets[0]) {
			keep_routine(now, old);
			continue;
		}
		c->deployments[i] = er_deployment_ref(old);
		er_deployment_unref(now);
	}
}

/* ---- finding ---- */

/* The host in staging, if this one says staging; `room` is for one that has to be put together. */
static bool staging_host(const er_config *c, er_slice host, char *room, er_slice *out)
{
	const er_slice local = ER_LIT(".staging.localhost"), plain = ER_LIT(".localhost");
	if (er_slice_ends(host, local) && host.n < HOST_MAX) {
		er_slice name = er_slice_head(host, host.n - local.n);
		er_copy(room, name.p, name.n);
		ER_ASSERT(name.n + plain.n < HOST_MAX);
		er_copy(room + name.n, plain.p, plain.n);
		*out = er_slice_of(room, name.n + plain.n);
		return true;
	}
	for (size_t i = 0; i < c->n_staging_hosts; i++) {
		er_slice pattern = er_slice_cstr(c->staging_hosts[i]);
		bool star = er_slice_starts(pattern, ER_LIT("*"));
		er_slice tail = er_slice_from(pattern, star);
		if (star ? host.n > tail.n && er_slice_ends(host, tail) : er_slice_eq(host, tail)) {
			*out = star ? er_slice_head(host, host.n - tail.n) : host;
			return true;
		}
	}
	return false;
}

const er_site *er_config_site(const er_config *c, er_slice host)
{
	char room[HOST_MAX];
	ER_ASSERT(c->sealed);
	(void)staging_host(c, host, room, &host);
	return er_sites_find(c->by_host, host);
}

/* The first rule that the path has in any of its readings: whoever stands behind may see the path
 * in each of them. */
static const er_rule *find_rule(const er_route_index *ix, er_slice host, er_slice path)
{
	er_buf room;
	er_slice readings[ER_TARGET_READINGS];
	const er_rule *best = er_route_index_find(ix, host, path);
	er_buf_init(&room);
	size_t n = er_target_readings(path, &room, readings);
	for (size_t i = 0; i < n; i++) {
		const er_rule *rule = er_route_index_find(ix, host, readings[i]);
		if (rule != NULL && (best == NULL || rule < best))
			best = rule;
	}
	er_buf_fini(&room);
	return best;
}

/* What an index gave: 0 for nothing, else one more than the deployment's place. */
static bool give(const er_config *c, uintptr_t found, er_found *out)
{
	if (found == 0)
		return false;
	ER_ASSERT(found <= c->n_deployments);
	out->index = (uint32_t)found - 1;
	out->deployment = c->deployments[out->index];
	return true;
}

bool er_config_named(const er_config *c, er_env env, er_slice name, er_found *out)
{
	ER_ASSERT(c->sealed && (unsigned)env < ER_ENV_COUNT_);
	*out = (er_found){.env = env};
	return give(c, index_of(c, env, name), out);
}

bool er_config_route(const er_config *c, er_env env, er_slice host, er_slice path, er_found *out)
{
	char room[HOST_MAX];
	ER_ASSERT(c->sealed && (unsigned)env < ER_ENV_COUNT_);
	/* The same host with the root's dot at its end. */
	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	if (staging_host(c, host, room, &host))
		env = ER_ENV_STAGING;
	*out = (er_found){.env = env};
	const er_slice local = ER_LIT(".localhost");
	uintptr_t found = 0;
	out->rule = find_rule(c->env[env].index, host, path);
	if (out->rule != NULL)
		found = (uintptr_t)out->rule->target + 1;
	else if (er_slice_ends(host, local))
		found = index_of(c, env, er_slice_head(host, host.n - local.n));
	if (found == 0 && c->dev && c->n_file > 0) /* the desk's own is the first one */
		found = index_of(c, env, c->deployments[0]->name);
	return give(c, found, out);
}
