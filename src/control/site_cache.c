/* Reading what a site says of the cache: "cache", which is true, false, or an object of rules
 * (cache/rules.h). Pure. */
#include "control/site.h"

#include "base/mem.h"
#include "control/members.h"
#include "http/target.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 256, PATH_MAX_BYTES = 2048, SECONDS_MAX = 0x7fffffff };

/* What one element of a list of names may be. */
typedef bool name_ok(er_arena *a, er_slice text, er_slice *out);

/* A star stands at the end alone. */
static bool plain(er_slice text, er_slice not )
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] >= 0x7f || er_slice_find(not, text.p[i]) < not .n ||
		    (text.p[i] == '*' && i + 1 < text.n))
			return false;
	return text.n > 0;
}

static bool parameter_ok(er_arena *a, er_slice text, er_slice *out)
{
	*out = er_arena_copy(a, text);
	return plain(text, ER_LIT("&=#?"));
}

static bool cookie_ok(er_arena *a, er_slice text, er_slice *out)
{
	*out = er_arena_copy(a, text);
	return plain(text, ER_LIT("=;,\""));
}

static bool field_ok(er_arena *a, er_slice text, er_slice *out)
{
	*out = er_arena_lower(a, text);
	return er_field_name_ok(text) && !er_slice_ieq(text, ER_LIT("host"));
}

/* In the spelling of requests. */
static bool path_ok(er_arena *a, er_slice text, er_slice *out)
{
	if (!plain(text, ER_LIT("?#")) || text.p[0] != '/')
		return false;
	bool star = text.p[text.n - 1] == '*';
	er_slice path = er_target_pattern(a, er_slice_head(text, text.n - star), star);
	*out = er_arena_printf(a, "%.*s%s", ER_FMT(path), star ? "*" : "");
	return true;
}

static bool read_names(er_arena *a, const er_json *v, er_slice at, const char *name, name_ok *ok, const char *expected,
                       er_rules_names *out, er_problem *problem)
{
	er_path path = er_path_member(at, er_slice_cstr(name));
	size_t i = 0;
	for (const er_json *m = v != NULL ? v->first : NULL; m != NULL; m = m->next, i++) {
		er_path element = er_path_element(er_slice_cstr(path.text), i);
		if (m->type != ER_JSON_STRING || m->text.n > PATH_MAX_BYTES || !ok(a, m->text, &out->v[out->n]))
			return er_members_refuse(problem, &element, m, expected);
		out->n++;
	}
	return true;
}

/* ---- the query ---- */

typedef struct query_raw {
	const er_json *only, *except;
} query_raw;

static bool read_query(er_arena *a, const er_json *v, er_slice at, er_cache_rules *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(query_raw, "only", only, ER_MEMBER_ARRAY, false, 1, ER_RULES_NAMES),
	                                    ER_MEMBER(query_raw, "except", except, ER_MEMBER_ARRAY, false, 1, ER_RULES_NAMES)};
	static const char expected[] = "\"all\", \"none\", {\"only\": [...]} or {\"except\": [...]}";
	er_path path = er_path_member(at, ER_LIT("query"));
	query_raw raw = {0};
	if (v->type == ER_JSON_STRING) {
		out->query = er_slice_eq(v->text, ER_LIT("none")) ? ER_RULES_QUERY_NONE : ER_RULES_QUERY_ALL;
		return out->query == ER_RULES_QUERY_NONE || er_slice_eq(v->text, ER_LIT("all")) ||
		       er_members_refuse(problem, &path, v, expected);
	}
	if (v->type != ER_JSON_OBJECT)
		return er_members_refuse(problem, &path, v, expected);
	if (!ER_MEMBERS_READ(v, er_slice_cstr(path.text), members, &raw, problem))
		return false;
	if ((raw.only != NULL) == (raw.except != NULL))
		return er_members_refuse(problem, &path, v, expected);
	out->query = raw.only != NULL ? ER_RULES_QUERY_ONLY : ER_RULES_QUERY_EXCEPT;
	return read_names(a, raw.only != NULL ? raw.only : raw.except, er_slice_cstr(path.text), raw.only != NULL ? "only" : "except",
	                  parameter_ok, "the name of a parameter, or its beginning and \"*\"", &out->query_names, problem);
}

/* ---- lifetimes ---- */

typedef struct ttl_raw {
	er_slice path;
	const er_json *status;
	uint32_t seconds;
} ttl_raw;

/* 200, or [200, 299]. */
static bool read_status(const er_json *v, er_slice at, er_rules_ttl *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("status"));
	const er_json *least = v, *most = v;
	if (v->type == ER_JSON_ARRAY) {
		least = v->first;
		most = least != NULL ? least->next : NULL;
	}
	bool ok = least != NULL && most != NULL && (least == most || most->next == NULL) && least->type == ER_JSON_NUMBER &&
	          most->type == ER_JSON_NUMBER && least->number >= 200 && most->number <= 599 && least->number <= most->number;
	if (!ok)
		return er_members_refuse(problem, &path, v, "a status, or two as [200, 299]");
	out->status_least = (int)least->number;
	out->status_most = (int)most->number;
	return true;
}

static bool read_ttl(er_arena *a, const er_json *v, er_slice at, er_rules_ttl *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(ttl_raw, "path", path, ER_MEMBER_STRING, false, 1, PATH_MAX_BYTES),
	                                    ER_MEMBER(ttl_raw, "status", status, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(ttl_raw, "seconds", seconds, ER_MEMBER_NUMBER, true, 0, SECONDS_MAX)};
	ttl_raw raw = {.path = ER_LIT("/*")};
	if (!ER_MEMBERS_READ(v, at, members, &raw, problem))
		return false;
	er_path path = er_path_member(at, ER_LIT("path"));
	*out = (er_rules_ttl){.status_least = 200, .status_most = 299, .seconds = raw.seconds};
	if (!path_ok(a, raw.path, &out->path))
		return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("path")), "a path, or its beginning and \"*\"");
	return raw.status == NULL || read_status(raw.status, at, out, problem);
}

static bool read_ttls(er_arena *a, const er_json *list, er_slice at, er_cache_rules *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("ttl"));
	size_t i = 0;
	for (const er_json *m = list->first; m != NULL; m = m->next, i++) {
		er_path element = er_path_element(er_slice_cstr(path.text), i);
		if (!read_ttl(a, m, er_slice_cstr(element.text), &out->ttl[out->n_ttl], problem))
			return false;
		out->n_ttl++;
	}
	return true;
}

/* ---- compression ---- */

/* true, false, or the codings. */
static bool read_compress(const er_json *v, er_slice at, er_cache_rules *out, er_problem *problem)
{
	static const char expected[] = "true, false, or a list of \"br\", \"zstd\" and \"gzip\"";
	er_path path = er_path_member(at, ER_LIT("compress"));
	size_t i = 0;
	if (v->type != ER_JSON_BOOL && (v->type != ER_JSON_ARRAY || v->first == NULL))
		return er_members_refuse(problem, &path, v, expected);
	out->no_coding = v->type == ER_JSON_BOOL && v->boolean ? 0 : ER_CODED_ALL;
	for (const er_json *m = v->type == ER_JSON_ARRAY ? v->first : NULL; m != NULL; m = m->next, i++) {
		er_path element = er_path_element(er_slice_cstr(path.text), i);
		er_coding c = m->type == ER_JSON_STRING ? er_coding_of(m->text) : ER_CODINGS;
		if (c == ER_CODINGS || !er_slice_eq(er_coding_name(c), m->text))
			return er_members_refuse(problem, &element, m, "\"br\", \"zstd\" or \"gzip\"");
		out->no_coding &= (uint8_t) ~(1u << c);
	}
	return true;
}

/* ---- the whole ---- */

typedef struct raw {
	const er_json *query, *headers, *cookies, *ttl, *ignore, *bypass_cookies, *bypass_paths, *compress;
	bool sort, device;
	uint32_t while_revalidate, if_error;
} raw;

#define NAMES(json, member) ER_MEMBER(raw, json, member, ER_MEMBER_ARRAY, false, 0, ER_RULES_NAMES)

bool er_site_read_cache(er_arena *a, const er_json *v, er_slice at, er_site_settings *out, er_problem *problem)
{
	static const er_member members[] = {
	    ER_MEMBER(raw, "query", query, ER_MEMBER_ANY, false, 0, 0),
	    ER_MEMBER(raw, "sortQuery", sort, ER_MEMBER_BOOL, false, 0, 0),
	    NAMES("headers", headers),
	    NAMES("cookies", cookies),
	    ER_MEMBER(raw, "device", device, ER_MEMBER_BOOL, false, 0, 0),
	    ER_MEMBER(raw, "ttl", ttl, ER_MEMBER_ARRAY, false, 0, ER_RULES_TTLS),
	    NAMES("ignore", ignore),
	    NAMES("bypassCookies", bypass_cookies),
	    NAMES("bypassPaths", bypass_paths),
	    ER_MEMBER(raw, "compress", compress, ER_MEMBER_ANY, false, 0, 0),
	    ER_MEMBER(raw, "staleWhileRevalidate", while_revalidate, ER_MEMBER_NUMBER, false, 0, SECONDS_MAX),
	    ER_MEMBER(raw, "staleIfError", if_error, ER_MEMBER_NUMBER, false, 0, SECONDS_MAX)};
	er_path path = er_path_member(at, ER_LIT("cache"));
	out->cache = true;
	if (v->type == ER_JSON_BOOL) {
		out->cache = v->boolean;
		return true;
	}
	if (v->type != ER_JSON_OBJECT)
		return er_members_refuse(problem, &path, v, "true, false, or an object of rules");
	raw r = {0};
	er_slice here = er_slice_cstr(path.text);
	er_cache_rules *rules = out->rules = er_arena_alloc(a, sizeof *rules);
	*rules = (er_cache_rules){0};
	if (!ER_MEMBERS_READ(v, here, members, &r, problem))
		return false;
	rules->sort_query = r.sort;
	rules->device = r.device;
	rules->while_revalidate = r.while_revalidate;
	rules->if_error = r.if_error;
	return (r.query == NULL || read_query(a, r.query, here, rules, problem)) &&
	       (r.compress == NULL || read_compress(r.compress, here, rules, problem)) &&
	       (r.ttl == NULL || read_ttls(a, r.ttl, here, rules, problem)) &&
	       read_names(a, r.headers, here, "headers", field_ok, "the name of a field", &rules->headers, problem) &&
	       read_names(a, r.cookies, here, "cookies", cookie_ok, "the name of a cookie", &rules->cookies, problem) &&
	       read_names(a, r.ignore, here, "ignore", field_ok, "the name of a field", &rules->ignore, problem) &&
	       read_names(a, r.bypass_cookies, here, "bypassCookies", cookie_ok, "the name of a cookie, or its beginning and \"*\"",
	                  &rules->bypass_cookies, problem) &&
	       read_names(a, r.bypass_paths, here, "bypassPaths", path_ok, "a path, or its beginning and \"*\"", &rules->bypass_paths,
	                  problem);
}
