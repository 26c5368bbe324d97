/* Reading a site (site.h). One table of members for each object; what a member means beyond its
 * type is a function. "origin" may be short (a URL) or long (an object of servers and how they are
 * asked). Pure. */
#include "control/site.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "control/members.h"
#include "http/identity.h"
#include "http/pattern.h"

#include <stdio.h>

enum {
	VALUES_MAX = 10000,
	URL_MAX = 2048,
	WEIGHT_MAX = 1000,
	MS_MAX = 600000,
	FIELD_NAME_MAX = 128,
	FIELD_VALUE_MAX = 4096,
	HOST_TEXT_MAX = 255,
	FOLLOW_DEFAULT = 5,
};

bool er_site_name_ok(er_slice name)
{
	bool ok = name.n > 0 && name.n <= ER_SITE_NAME;
	for (size_t i = 0; ok && i < name.n; i++) {
		uint8_t c = name.p[i];
		bool inside = i > 0 && i + 1 < name.n;
		ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inside && (c == '-' || c == '.'));
	}
	return ok;
}

/* ---- servers ---- */

typedef struct server_raw {
	er_slice url;
	uint32_t weight;
	bool backup;
} server_raw;

static bool one_server(er_arena *a, const er_json *v, er_slice at, er_group_spec *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(server_raw, "url", url, ER_MEMBER_STRING, true, 1, URL_MAX),
	                                    ER_MEMBER(server_raw, "weight", weight, ER_MEMBER_NUMBER, false, 1, WEIGHT_MAX),
	                                    ER_MEMBER(server_raw, "backup", backup, ER_MEMBER_BOOL, false, 0, 0)};
	server_raw raw = {.weight = 1};
	er_err err = {0};
	er_path path = er_path_member(at, ER_LIT("url"));
	if (v->type == ER_JSON_STRING) {
		raw.url = v->text;
		(void)snprintf(path.text, sizeof path.text, "%.*s", ER_FMT(er_slice_head(at, sizeof path.text - 1)));
	} else if (!ER_MEMBERS_READ(v, at, members, &raw, problem)) {
		return false;
	}
	er_slice url = er_arena_copy(a, raw.url);
	er_upstream_spec *s = &out->servers[out->n];
	*s = (er_upstream_spec){.weight = raw.weight, .backup = raw.backup};
	if (!er_group_server_url(url, &s->scheme, &s->authority, &err)) {
		er_refuse_field(problem, er_slice_cstr(path.text), "http://HOST[:PORT] or https://HOST[:PORT]", "\"%s\": %s", path.text,
		                err.text);
		return er_refuse_at(problem, v->type == ER_JSON_STRING ? v : er_json_get(v, ER_LIT("url")));
	}
	out->n++;
	return true;
}

static bool read_servers(er_arena *a, const er_json *list, er_slice at, er_group_spec *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("servers"));
	size_t i = 0;
	bool primary = false;
	for (const er_json *m = list->first; m != NULL; m = m->next, i++) {
		er_path element = er_path_element(er_slice_cstr(path.text), i);
		if (!one_server(a, m, er_slice_cstr(element.text), out, problem))
			return false;
		primary = primary || !out->servers[i].backup;
	}
	return primary || er_members_refuse(problem, &path, list, "at least one server that is not a backup");
}

/* ---- how they are asked ---- */

static bool read_fields(er_arena *a, const er_json *v, er_slice at, er_group_spec *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("headers"));
	for (const er_json *m = v->first; m != NULL; m = m->next) {
		er_path here = er_path_member(er_slice_cstr(path.text), m->key);
		if (out->n_fields == ER_GROUP_FIELDS)
			return er_members_refuse(problem, &path, v, "at most 32 fields");
		if (m->key.n > FIELD_NAME_MAX || !er_field_name_ok(m->key) || er_identity_not_to_ask(m->key) ||
		    er_slice_ieq(m->key, ER_LIT("host")))
			return er_members_refuse(problem, &here, m, "a field that is not the node's own to write (Host is said by \"host\")");
		if (m->type != ER_JSON_STRING || m->text.n > FIELD_VALUE_MAX || !er_field_value_ok(m->text))
			return er_members_refuse(problem, &here, m, "the value of a field, as a string");
		out->fields[out->n_fields++] = (er_field){er_arena_lower(a, m->key), er_arena_copy(a, m->text)};
	}
	return true;
}

/* A host without a port, in the one spelling of requests. */
static bool read_host(er_arena *a, er_slice text, er_slice *out)
{
	er_pattern p;
	if (!er_pattern_parse(a, text, &p, NULL) || p.any_host || p.sub_hosts || !p.bare)
		return false;
	*out = er_arena_copy(a, p.host);
	return true;
}

static bool read_host_mode(er_arena *a, const er_json *v, er_slice at, er_slice text, er_group_spec *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("host"));
	if (er_slice_eq(text, ER_LIT("client")))
		out->host = ER_GROUP_HOST_CLIENT;
	else if (er_slice_eq(text, ER_LIT("server")))
		out->host = ER_GROUP_HOST_SERVER;
	else if (read_host(a, text, &out->host_name))
		out->host = ER_GROUP_HOST_NAMED;
	else
		return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("host")), "\"client\", \"server\" or a host");
	return true;
}

static bool read_follow(const er_json *v, er_slice at, er_group_spec *out, er_problem *problem)
{
	uint64_t n = 0;
	if (v->type == ER_JSON_BOOL)
		n = v->boolean ? FOLLOW_DEFAULT : 0;
	else if (v->type != ER_JSON_NUMBER || !er_json_whole(v, &n) || n > ER_GROUP_REDIRECTS) {
		er_path path = er_path_member(at, ER_LIT("followRedirects"));
		return er_members_refuse(problem, &path, v, "true, false, or a whole number from 0 to 10");
	}
	out->redirects = (uint32_t)n;
	return true;
}

typedef struct health_raw {
	er_slice path;
	uint32_t every_ms, timeout_ms, healthy, unhealthy, status_least, status_most;
} health_raw;

static bool read_health(er_arena *a, const er_json *v, er_slice at, er_group_spec *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(health_raw, "path", path, ER_MEMBER_STRING, true, 1, URL_MAX),
	                                    ER_MEMBER(health_raw, "everyMs", every_ms, ER_MEMBER_NUMBER, false, 100, MS_MAX),
	                                    ER_MEMBER(health_raw, "timeoutMs", timeout_ms, ER_MEMBER_NUMBER, false, 10, MS_MAX),
	                                    ER_MEMBER(health_raw, "healthy", healthy, ER_MEMBER_NUMBER, false, 1, 100),
	                                    ER_MEMBER(health_raw, "unhealthy", unhealthy, ER_MEMBER_NUMBER, false, 1, 100),
	                                    ER_MEMBER(health_raw, "statusLeast", status_least, ER_MEMBER_NUMBER, false, 100, 599),
	                                    ER_MEMBER(health_raw, "statusMost", status_most, ER_MEMBER_NUMBER, false, 100, 599)};
	er_path path = er_path_member(at, ER_LIT("health"));
	health_raw raw = {.every_ms = 5000,
	                  .timeout_ms = out->timeout_ms,
	                  .healthy = out->healthy,
	                  .unhealthy = out->unhealthy,
	                  .status_least = out->status_least,
	                  .status_most = out->status_most};
	if (!ER_MEMBERS_READ(v, er_slice_cstr(path.text), members, &raw, problem))
		return false;
	bool plain = raw.path.p[0] == '/';
	for (size_t i = 0; i < raw.path.n && plain; i++)
		plain = raw.path.p[i] > ' ' && raw.path.p[i] < 0x7f && raw.path.p[i] != '#';
	if (!plain) {
		path = er_path_member(er_slice_cstr(path.text), ER_LIT("path"));
		return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("path")), "a path, as /health");
	}
	out->path = er_arena_copy(a, raw.path);
	out->every_ms = raw.every_ms;
	out->timeout_ms = raw.timeout_ms;
	out->healthy = raw.healthy;
	out->unhealthy = raw.unhealthy;
	out->status_least = raw.status_least;
	out->status_most = raw.status_most;
	return true;
}

typedef struct origin_raw {
	const er_json *servers, *headers, *health, *tls, *follow;
	er_slice host, sni;
	bool private;
	uint32_t retries, connect_ms, head_ms, idle_ms, failures, out_ms;
} origin_raw;

static bool read_long_origin(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(origin_raw, "servers", servers, ER_MEMBER_ARRAY, true, 1, ER_GROUP_SERVERS),
	                                    ER_MEMBER(origin_raw, "headers", headers, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(origin_raw, "health", health, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(origin_raw, "tls", tls, ER_MEMBER_OBJECT, false, 0, 0),
	                                    ER_MEMBER(origin_raw, "followRedirects", follow, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(origin_raw, "host", host, ER_MEMBER_STRING, false, 1, HOST_TEXT_MAX),
	                                    ER_MEMBER(origin_raw, "sni", sni, ER_MEMBER_STRING, false, 1, HOST_TEXT_MAX),
	                                    ER_MEMBER(origin_raw, "private", private, ER_MEMBER_BOOL, false, 0, 0),
	                                    ER_MEMBER(origin_raw, "retries", retries, ER_MEMBER_NUMBER, false, 0, ER_GROUP_RETRIES),
	                                    ER_MEMBER(origin_raw, "connectMs", connect_ms, ER_MEMBER_NUMBER, false, 10, MS_MAX),
	                                    ER_MEMBER(origin_raw, "headMs", head_ms, ER_MEMBER_NUMBER, false, 10, MS_MAX),
	                                    ER_MEMBER(origin_raw, "idleMs", idle_ms, ER_MEMBER_NUMBER, false, 10, MS_MAX),
	                                    ER_MEMBER(origin_raw, "failures", failures, ER_MEMBER_NUMBER, false, 0, 1000),
	                                    ER_MEMBER(origin_raw, "outMs", out_ms, ER_MEMBER_NUMBER, false, 100, MS_MAX)};
	er_group_spec *g = &out->origin;
	origin_raw raw = {.retries = UINT32_MAX, .failures = g->failures, .out_ms = g->out_ms};
	if (!ER_MEMBERS_READ(v, at, members, &raw, problem) || !read_servers(a, raw.servers, at, g, problem))
		return false;
	if ((raw.headers != NULL && !read_fields(a, raw.headers, at, g, problem)) ||
	    (raw.health != NULL && !read_health(a, raw.health, at, g, problem)) ||
	    (raw.tls != NULL && !er_site_read_tls(raw.tls, at, g, problem)) ||
	    (raw.follow != NULL && !read_follow(raw.follow, at, g, problem)) ||
	    (raw.host.n > 0 && !read_host_mode(a, v, at, raw.host, g, problem)))
		return false;
	er_path sni = er_path_member(at, ER_LIT("sni"));
	if (raw.sni.n > 0 && !read_host(a, raw.sni, &g->sni))
		return er_members_refuse(problem, &sni, er_json_get(v, ER_LIT("sni")), "a host");
	out->private = raw.private;
	/* To the same server again only for who says so. */
	g->retries = raw.retries != UINT32_MAX ? raw.retries : g->n > 1 ? g->retries : 0;
	g->connect_ms = raw.connect_ms;
	g->head_ms = raw.head_ms;
	g->idle_ms = raw.idle_ms;
	g->failures = raw.failures;
	g->out_ms = raw.out_ms;
	return true;
}

static bool read_origin(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("origin"));
	out->origin = er_group_defaults();
	if (v->type == ER_JSON_OBJECT)
		return read_long_origin(a, v, er_slice_cstr(path.text), out, problem);
	if (v->type != ER_JSON_STRING)
		return er_members_refuse(problem, &path, v, "a URL, or an object of \"servers\"");
	out->origin.retries = 0;
	return one_server(a, v, er_slice_cstr(path.text), &out->origin, problem);
}

/* ---- hosts ---- */

static bool one_host(er_arena *a, const er_json *v, const er_path *path, er_site_settings *out, er_problem *problem)
{
	er_pattern p;
	er_slice normal;
	if (v->type != ER_JSON_STRING || v->text.n > HOST_TEXT_MAX + 2 || !er_pattern_parse(a, v->text, &p, NULL) || !p.bare ||
	    !er_pattern_normal(a, v->text, &normal, NULL))
		return er_members_refuse(problem, path, v, "a host, \"*.\" and a host, or \"*\"");
	out->hosts[out->n_hosts++] = er_arena_copy(a, normal);
	return true;
}

static bool read_hosts(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("hosts"));
	size_t i = 0;
	out->hosts = er_arena_alloc(a, ER_SITE_HOSTS * sizeof *out->hosts);
	for (const er_json *m = v->first; m != NULL; m = m->next, i++) {
		er_path element = er_path_element(er_slice_cstr(path.text), i);
		if (!one_host(a, m, &element, out, problem))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

typedef struct raw {
	er_slice name;
	const er_json *hosts, *origin, *cache;
} raw;

bool er_site_read(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(raw, "name", name, ER_MEMBER_STRING, false, 1, ER_SITE_NAME),
	                                    ER_MEMBER(raw, "hosts", hosts, ER_MEMBER_ARRAY, true, 1, ER_SITE_HOSTS),
	                                    ER_MEMBER(raw, "origin", origin, ER_MEMBER_ANY, true, 0, 0),
	                                    ER_MEMBER(raw, "cache", cache, ER_MEMBER_ANY, false, 0, 0)};
	raw r = {0};
	*out = (er_site_settings){.cache = true};
	if (!ER_MEMBERS_READ(v, at, members, &r, problem) || !read_hosts(a, r.hosts, at, out, problem) ||
	    !read_origin(a, r.origin, at, out, problem))
		return false;
	if (r.cache != NULL && !er_site_read_cache(a, r.cache, at, out, problem))
		return false;
	out->name = r.name.n > 0 ? er_arena_copy(a, r.name) : out->hosts[0];
	er_path path = er_path_member(at, ER_LIT("name"));
	if (er_site_name_ok(out->name))
		return true;
	if (r.name.n == 0)
		return er_members_refuse(problem, &path, v, "a name, since the first host is none,");
	return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("name")), "lower case letters, digits, \"-\" and \".\"");
}

bool er_site_parse(er_arena *a, er_slice json, er_slice key, er_site_settings *out, er_problem *problem)
{
	er_err err = {0};
	size_t at = 0;
	const er_json *v = er_json_parse(a, json, VALUES_MAX, &at, &err);
	if (v == NULL)
		return er_refuse(problem, ER_PROBLEM_INVALID, "%s", err.text);
	return er_site_read(a, er_site_with_key(a, v, key), (er_slice){0}, out, problem);
}

er_slice er_site_shown(er_arena *a, er_slice settings)
{
	const er_json *site = er_json_made(a, settings), *null = er_json_made(a, ER_LIT("null"));
	const er_json *origin = er_json_member(site, "origin"), *fields = er_json_member(origin, "headers");
	if (fields == NULL || fields->type != ER_JSON_OBJECT)
		return settings;
	const er_json *hidden = fields;
	ER_JSON_MEMBERS(m, fields)
	hidden = er_json_with(a, hidden, m->key, null);
	er_buf b = {0};
	er_json_write(&b, er_json_with(a, site, ER_LIT("origin"), er_json_with(a, origin, ER_LIT("headers"), hidden)));
	er_slice shown = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return shown;
}
