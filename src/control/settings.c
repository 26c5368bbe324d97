/* The settings of a version, read member by member (settings.h). One table says what there is
 * (raw_members); what is an object or a list of its own has a function below. The same reader
 * serves the API, the store's rows, er.jsonc and the routines of node.jsonc, so that a mistake is
 * told in the same words everywhere and a setting means the same.
 *
 * Reading over defaults and reading over other settings (er_settings_more) are one function: what
 * is not said stays. Pure. */
#include "control/settings.h"

#include "base/buf.h"
#include "base/json_tree.h"
#include "base/mem.h"
#include "channel/frame.h"
#include "control/members.h"
#include "http/pattern.h"
#include "model/cron.h"

#include <stdio.h>

enum { VALUES_MAX = 40000, MAIN_MAX = 2000, ROUTE_MAX = 2048, LIMITS_MAX = 32, BINDING_MAX = 64 };
#define UNSET UINT64_MAX

/* As they stand in JSON. */
typedef struct raw {
	er_slice name, main, profile, schema;
	const er_json *compat, *routes, *limits, *vars, *kv, *services, *crons, *assets;
	bool fallback;
} raw;

static const er_member raw_members[] = {
    ER_MEMBER(raw, "name", name, ER_MEMBER_STRING, false, 1, 63),
    ER_MEMBER(raw, "main", main, ER_MEMBER_STRING, false, 1, MAIN_MAX),
    ER_MEMBER(raw, "compat", compat, ER_MEMBER_OBJECT, false, 0, 0),
    ER_MEMBER(raw, "routes", routes, ER_MEMBER_ARRAY, false, 0, ER_SETTINGS_ROUTES),
    ER_MEMBER(raw, "limits", limits, ER_MEMBER_OBJECT, false, 0, 0),
    ER_MEMBER(raw, "vars", vars, ER_MEMBER_OBJECT, false, 0, 0),
    ER_MEMBER(raw, "profile", profile, ER_MEMBER_STRING, false, 1, 20),
    ER_MEMBER(raw, "fallback", fallback, ER_MEMBER_BOOL, false, 0, 0),
    ER_MEMBER(raw, "kv", kv, ER_MEMBER_ANY, false, 0, 0),
    ER_MEMBER(raw, "services", services, ER_MEMBER_ANY, false, 0, 0),
    ER_MEMBER(raw, "crons", crons, ER_MEMBER_ARRAY, false, 0, ER_SETTINGS_CRONS),
    ER_MEMBER(raw, "assets", assets, ER_MEMBER_ANY, false, 0, 0),
    ER_MEMBER(raw, "$schema", schema, ER_MEMBER_STRING, false, 0, MAIN_MAX),
};

bool er_settings_limits(const er_json *v, er_slice at, const er_limit *rows, size_t n, void *out, er_problem *problem)
{
	uint64_t given[LIMITS_MAX];
	er_member members[LIMITS_MAX] = {{.required = false}};
	ER_ASSERT(n <= LIMITS_MAX);
	for (size_t i = 0; i < n; i++) {
		given[i] = UNSET;
		members[i] = (er_member){.name = rows[i].name,
		                         .type = ER_MEMBER_WIDE,
		                         .offset = i * sizeof *given,
		                         .least = rows[i].least,
		                         .most = rows[i].most};
	}
	if (!er_members_read(v, at, members, n, given, problem))
		return false;
	for (size_t i = 0; i < n; i++)
		if (given[i] != UNSET)
			er_limit_set(&rows[i], out, given[i]);
	return true;
}

typedef struct compat_raw {
	bool env_last, classic, nodejs;
	er_slice redirect;
} compat_raw;

static bool read_limits(const er_json *v, er_slice at, er_limits *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("limits"));
	size_t n;
	const er_limit *rows = er_limits_rows(&n);
	return er_settings_limits(v, er_slice_cstr(path.text), rows, n, out, problem);
}

/* *out has what was said before; a switch that is not named stays. */
static bool read_compat(const er_json *v, er_slice at, uint32_t *out, er_problem *problem)
{
	compat_raw given = {
	    .env_last = *out & ER_COMPAT_ENV_LAST, .classic = *out & ER_COMPAT_CLASSIC, .nodejs = *out & ER_COMPAT_NODEJS};
	static const er_member members[] = {ER_MEMBER(compat_raw, "envLast", env_last, ER_MEMBER_BOOL, false, 0, 0),
	                                    ER_MEMBER(compat_raw, "classic", classic, ER_MEMBER_BOOL, false, 0, 0),
	                                    ER_MEMBER(compat_raw, "nodejs", nodejs, ER_MEMBER_BOOL, false, 0, 0),
	                                    ER_MEMBER(compat_raw, "redirect", redirect, ER_MEMBER_STRING, false, 1, 20)};
	er_path path = er_path_member(at, ER_LIT("compat"));
	if (!ER_MEMBERS_READ(v, er_slice_cstr(path.text), members, &given, problem))
		return false;
	/* The first generation gave redirects to the code unless it was told to follow them. */
	bool before = (*out & ER_COMPAT_REDIRECT_MANUAL) || (given.classic && !(*out & ER_COMPAT_CLASSIC));
	bool manual = given.redirect.p != NULL ? er_slice_eq(given.redirect, ER_LIT("manual")) : before;
	if (given.redirect.p != NULL && !manual && !er_slice_eq(given.redirect, ER_LIT("follow"))) {
		path = er_path_member(er_slice_cstr(path.text), ER_LIT("redirect"));
		return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("redirect")), "\"follow\" or \"manual\"");
	}
	*out = (given.env_last ? ER_COMPAT_ENV_LAST : 0) | (manual ? ER_COMPAT_REDIRECT_MANUAL : 0) |
	       (given.classic ? ER_COMPAT_CLASSIC : 0) | (given.nodejs ? ER_COMPAT_NODEJS : 0);
	return true;
}

/* The i-th of an array that has it: for the place of a mistake. */
static const er_json *element(const er_json *array, size_t i)
{
	const er_json *e = array->first;
	while (i-- > 0) {
		ER_ASSERT(e != NULL);
		e = e->next;
	}
	return e;
}

/* The texts of an array of strings, which er_members_strings has checked. */
static size_t slices_of(er_arena *a, const er_json *array, er_slice **out)
{
	size_t n = 0, i = 0;
	for (const er_json *e = array->first; e != NULL; e = e->next)
		n++;
	*out = er_arena_alloc(a, (n + 1) * sizeof **out);
	for (const er_json *e = array->first; e != NULL; e = e->next)
		(*out)[i++] = e->text;
	ER_ASSERT(i == n);
	return n;
}

/* Each in its one spelling, which is what the store compares. */
static bool read_routes(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("routes"));
	if (!er_members_strings(v, er_slice_cstr(path.text), 1, ROUTE_MAX, problem))
		return false;
	out->n_routes = slices_of(a, v, &out->routes);
	for (size_t i = 0; i < out->n_routes; i++) {
		er_err err = {0};
		if (er_pattern_normal(a, out->routes[i], &out->routes[i], &err))
			continue;
		path = er_path_element(er_slice_cstr(path.text), i);
		er_refuse_field(problem, er_slice_cstr(path.text), "host/path*, *.host/path* or *", "%s", err.text);
		return er_refuse_at(problem, element(v, i));
	}
	return true;
}

/* A member of env that code can write as env.NAME. */
static bool binding_ok(er_slice name)
{
	bool ok = name.n > 0 && name.n <= BINDING_MAX && !(name.p[0] >= '0' && name.p[0] <= '9');
	for (size_t i = 0; ok && i < name.n; i++) {
		uint8_t c = name.p[i];
		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
	}
	return ok;
}

/* What a list of bindings is of, for sentences. */
typedef struct kind {
	er_slice member;     /* "kv" */
	const char *one;     /* "a namespace" */
	const char *all;     /* what is expected */
	const char *at_most; /* the same of how many */
} kind;

/* One target; `named`: its key is the member of env. */
static bool read_binding(const er_json *e, const er_path *path, const kind *k, bool named, er_data_binding *out,
                         er_problem *problem)
{
	char expected[80];
	(void)snprintf(expected, sizeof expected, "the name of %s: a to z, 0 to 9 and -", k->one);
	if (e->type != ER_JSON_STRING)
		return er_members_refuse(problem, path, e, expected);
	if (named && !binding_ok(e->key)) {
		er_refuse_field(problem, er_slice_cstr(path->text), "a name of letters, digits and _, at most 64",
		                "\"%s\": a member of env has letters, digits and _, at most 64, and no digit in front", path->text);
		return er_refuse_at(problem, e);
	}
	if (!er_name_ok(e->text)) {
		er_refuse_field(problem, er_slice_cstr(path->text), expected,
		                "\"%s\": the name of %s has a to z, 0 to 9 and -, at most 63", path->text, k->one);
		return er_refuse_at(problem, e);
	}
	*out = (er_data_binding){.name = named ? e->key : e->text, .target = e->text};
	return true;
}

/* ["sessions"]: env.sessions is the namespace sessions. {"SESSIONS": "sessions"}: env.SESSIONS
 * is. */
static bool read_bindings(er_arena *a, const er_json *v, er_slice at, const kind *k, er_data_binding **out, size_t *n_out,
                          er_problem *problem)
{
	er_path all = er_path_member(at, k->member);
	size_t n = 0;
	if (v->type != ER_JSON_ARRAY && v->type != ER_JSON_OBJECT)
		return er_members_refuse(problem, &all, v, k->all);
	bool named = v->type == ER_JSON_OBJECT;
	for (const er_json *e = v->first; e != NULL; e = e->next)
		n++;
	if (n > ER_SETTINGS_KV)
		return er_members_refuse(problem, &all, v, k->at_most);
	*out = er_arena_alloc(a, (n + 1) * sizeof **out);
	*n_out = 0;
	for (const er_json *e = v->first; e != NULL; e = e->next) {
		er_path path = named ? er_path_member(er_slice_cstr(all.text), er_slice_head(e->key, BINDING_MAX))
		                     : er_path_element(er_slice_cstr(all.text), *n_out);
		if (!read_binding(e, &path, k, named, &(*out)[(*n_out)++], problem))
			return false;
	}
	return true;
}

static bool read_kv(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	static const kind k = {.member = ER_LIT("kv"),
	                       .one = "a namespace",
	                       .all = "an array of namespaces, or an object {\"NAME\": \"namespace\"}",
	                       .at_most = "at most 100 namespaces"};
	return read_bindings(a, v, at, &k, &out->kv, &out->n_kv, problem);
}

static bool read_services(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	static const kind k = {.member = ER_LIT("services"),
	                       .one = "a routine",
	                       .all = "an array of routines, or an object {\"NAME\": \"routine\"}",
	                       .at_most = "at most 100 routines"};
	return read_bindings(a, v, at, &k, &out->services, &out->n_services, problem);
}

/* As they are written, one a line. A mistake is shown where it is in the expression. */
static bool read_crons(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	er_buf lines = {0};
	er_path path = er_path_member(at, ER_LIT("crons"));
	bool ok = er_members_strings(v, er_slice_cstr(path.text), 1, ER_CRON_TEXT, problem);
	size_t i = 0;
	for (const er_json *e = v->first; ok && e != NULL; e = e->next, i++) {
		er_cron cron;
		er_err err = {0};
		size_t wrong;
		if (i > 0)
			er_buf_putc(&lines, '\n');
		er_buf_put(&lines, e->text);
		if (er_cron_parse(e->text, &cron, &wrong, &err))
			continue;
		er_path one = er_path_element(er_slice_cstr(path.text), i);
		er_refuse_field(problem, er_slice_cstr(one.text), "five fields: minute hour day month weekday, as \"*/5 * * * *\"",
		                "\"%s\": %s", one.text, err.text);
		ok = er_refuse_at(problem, e);
		if (problem->end > problem->at + 1 + wrong) {
			problem->at += 1 + wrong;
			problem->end = problem->at + 1;
		}
	}
	out->crons = er_arena_copy(a, er_buf_slice(&lines));
	er_buf_fini(&lines);
	return ok;
}

typedef struct assets_raw {
	er_slice directory, html, not_found;
	const er_json *first;
} assets_raw;

static bool read_words(const er_json *v, const assets_raw *r, er_slice at, er_assets_settings *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("htmlHandling"));
	if (r->html.p != NULL) {
		while (out->html < ER_HTMLS_N && !er_slice_eq(r->html, er_assets_html_name(out->html)))
			out->html++;
		if (out->html == ER_HTMLS_N)
			return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("htmlHandling")),
			                         "\"auto-trailing-slash\", \"force-trailing-slash\", \"drop-trailing-slash\" or \"none\"");
	}
	path = er_path_member(at, ER_LIT("notFound"));
	if (r->not_found.p != NULL) {
		while (out->not_found < ER_NOT_FOUNDS_N && !er_slice_eq(r->not_found, er_assets_not_found_name(out->not_found)))
			out->not_found++;
		if (out->not_found == ER_NOT_FOUNDS_N)
			return er_members_refuse(problem, &path, er_json_get(v, ER_LIT("notFound")),
			                         "\"none\", \"404-page\" or \"single-page\"");
	}
	return true;
}

/* true, false, or patterns of paths. */
static bool read_first(er_arena *a, const er_json *v, er_slice at, er_assets_settings *out, er_problem *problem)
{
	er_path path = er_path_member(at, ER_LIT("runRoutineFirst"));
	if (v->type == ER_JSON_BOOL) {
		out->routine_first = v->boolean;
		return true;
	}
	if (v->type != ER_JSON_ARRAY)
		return er_members_refuse(problem, &path, v, "true, false, or an array of paths");
	if (!er_members_strings(v, er_slice_cstr(path.text), 1, ER_ASSETS_PATH, problem))
		return false;
	out->n_patterns = slices_of(a, v, &out->patterns);
	if (out->n_patterns > ER_SETTINGS_PATTERNS)
		return er_members_refuse(problem, &path, v, "at most 100 paths");
	for (size_t i = 0; i < out->n_patterns; i++)
		if (!er_assets_pattern_ok(out->patterns[i])) {
			path = er_path_element(er_slice_cstr(path.text), i);
			return er_members_refuse(problem, &path, element(v, i), "\"/path\" or \"!/path\", with one * at most");
		}
	return true;
}

/* A folder alone, or an object. */
static bool read_assets(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	static const er_member members[] = {ER_MEMBER(assets_raw, "directory", directory, ER_MEMBER_STRING, true, 1, MAIN_MAX),
	                                    ER_MEMBER(assets_raw, "htmlHandling", html, ER_MEMBER_STRING, false, 1, 40),
	                                    ER_MEMBER(assets_raw, "notFound", not_found, ER_MEMBER_STRING, false, 1, 40),
	                                    ER_MEMBER(assets_raw, "runRoutineFirst", first, ER_MEMBER_ANY, false, 0, 0)};
	assets_raw r = {0};
	er_path path = er_path_member(at, ER_LIT("assets"));
	er_slice here = er_slice_cstr(path.text);
	out->has_assets = true;
	out->assets = (er_assets_settings){0};
	if (v->type == ER_JSON_STRING && v->text.n > 0 && v->text.n <= MAIN_MAX) {
		r.directory = v->text;
	} else {
		if (v->type != ER_JSON_OBJECT)
			return er_members_refuse(problem, &path, v, "a folder, or an object with \"directory\"");
		if (!ER_MEMBERS_READ(v, here, members, &r, problem) || !read_words(v, &r, here, &out->assets, problem) ||
		    (r.first != NULL && !read_first(a, r.first, here, &out->assets, problem)))
			return false;
	}
	out->assets.directory = r.directory;
	return memchr(r.directory.p, 0, r.directory.n) == NULL || er_members_refuse(problem, &path, v, "a path of a folder");
}

/* As plain JSON text: it becomes a part of the text of `env`. */
static bool read_vars(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	er_buf b = {0};
	er_path path = er_path_member(at, ER_LIT("vars"));
	er_json_write(&b, v);
	out->vars = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	if (out->vars.n <= ER_SETTINGS_VARS)
		return true;
	er_refuse_field(problem, er_slice_cstr(path.text), "at most 32 KB of JSON",
	                "\"%s\": more than 32 KB; put big data into the code or into KV", path.text);
	return er_refuse_at(problem, v);
}

static bool refuse_member(er_problem *problem, const er_json *v, er_slice at, er_slice name, const char *expected,
                          const char *sentence)
{
	er_path path = er_path_member(at, name);
	er_refuse_field(problem, er_slice_cstr(path.text), expected, "\"%s\": %s", path.text, sentence);
	return er_refuse_at(problem, er_json_get(v, name));
}

/* What is not said stays as it is in *out. */
static bool read_texts(const er_json *v, const raw *r, er_slice at, er_settings *out, er_problem *problem)
{
	enum er_profile profile = out->profile;
	if (r->profile.p != NULL && !er_profile_parse(r->profile, &profile))
		return refuse_member(problem, v, at, ER_LIT("profile"), "\"standard\" or \"hardened\"",
		                     "\"standard\" or \"hardened\" is expected");
	if (r->name.p != NULL && !er_name_ok(r->name))
		return refuse_member(problem, v, at, ER_LIT("name"), "a to z, 0 to 9 and -, at most 63, no hyphen at either end",
		                     "a to z, 0 to 9 and - are expected, at most 63, no hyphen at either end");
	if (r->main.n > 0 && memchr(r->main.p, 0, r->main.n) != NULL)
		return refuse_member(problem, v, at, ER_LIT("main"), "a path", "this is no path");
	if (r->name.p != NULL)
		out->name = r->name;
	if (r->main.p != NULL)
		out->main = r->main;
	out->profile = profile;
	out->fallback = r->fallback;
	return true;
}

bool er_settings_more(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	ER_ASSERT(a != NULL && v != NULL && out != NULL);
	raw r = {.fallback = out->fallback};
	const er_slice addresses = ER_LIT("allowAddresses");
	if (er_json_get(v, addresses) != NULL)
		return refuse_member(
		    problem, v, at, addresses, "nothing here",
		    "private addresses are not the code's to allow; an administrator of the node does (er routine allow), and "
		    "at the desk er dev --allow");
	return er_members_read(v, at, raw_members, sizeof raw_members / sizeof *raw_members, &r, problem) &&
	       read_texts(v, &r, at, out, problem) && (r.compat == NULL || read_compat(r.compat, at, &out->compat, problem)) &&
	       (r.limits == NULL || read_limits(r.limits, at, &out->limits, problem)) &&
	       (r.routes == NULL || read_routes(a, r.routes, at, out, problem)) &&
	       (r.assets == NULL || read_assets(a, r.assets, at, out, problem)) &&
	       (r.kv == NULL || read_kv(a, r.kv, at, out, problem)) &&
	       (r.crons == NULL || read_crons(a, r.crons, at, out, problem)) &&
	       (r.services == NULL || read_services(a, r.services, at, out, problem)) &&
	       (r.vars == NULL || read_vars(a, r.vars, at, out, problem));
}

bool er_settings_read(er_arena *a, const er_json *v, er_slice at, er_settings *out, er_problem *problem)
{
	*out = ER_SETTINGS_DEFAULT;
	return v == NULL || er_settings_more(a, v, at, out, problem);
}

/* ---- files ---- */

typedef struct routes_raw {
	const er_json *of[ER_ENV_COUNT_];
} routes_raw;

bool er_settings_file(er_arena *a, const er_json *v, er_env env, er_settings *out, er_problem *problem)
{
	ER_ASSERT((unsigned)env < ER_ENV_COUNT_);
	static const er_member members[] = {
	    ER_MEMBER(routes_raw, "production", of[ER_ENV_PRODUCTION], ER_MEMBER_ARRAY, false, 0, ER_SETTINGS_ROUTES),
	    ER_MEMBER(routes_raw, "staging", of[ER_ENV_STAGING], ER_MEMBER_ARRAY, false, 0, ER_SETTINGS_ROUTES)};
	const er_json *routes = er_json_get(v, ER_LIT("routes"));
	routes_raw r = {0};
	if (routes == NULL || routes->type != ER_JSON_OBJECT)
		return er_settings_more(a, v, (er_slice){0}, out, problem);
	return er_members_read(routes, ER_LIT("routes"), members, 2, &r, problem) &&
	       er_settings_more(a, er_json_with(a, v, ER_LIT("routes"), NULL), (er_slice){0}, out, problem) &&
	       (r.of[env] == NULL || read_routes(a, r.of[env], (er_slice){0}, out, problem));
}

bool er_settings_parse(er_arena *a, er_slice json, er_settings *out, er_problem *problem)
{
	er_err err = {0};
	size_t at = 0;
	const er_json *v = er_json_parse(a, json, VALUES_MAX, &at, &err);
	if (v == NULL)
		return er_refuse(problem, ER_PROBLEM_INTERNAL, "stored settings are no JSON at byte %zu: %s", at, err.text);
	return er_settings_read(a, v, (er_slice){0}, out, problem);
}

/* A member that is written, and the members of its own, if it is an object of known ones. */
typedef struct known {
	er_slice name;
	const struct known *inside;
	size_t n_inside;
} known;

/* In the order of `keys`, whatever the order of the text was; members that are not among them are
 * left out. */
static void write_known(er_buf *b, const er_json *object, const known *keys, size_t n)
{
	bool some = false;
	er_buf_putc(b, '{');
	for (size_t i = 0; i < n; i++) {
		const er_json *m = er_json_get(object, keys[i].name);
		if (m == NULL)
			continue;
		if (some)
			er_buf_putc(b, ',');
		some = true;
		er_buf_put_json(b, keys[i].name);
		er_buf_putc(b, ':');
		if (keys[i].inside != NULL && m->type == ER_JSON_OBJECT)
			write_known(b, m, keys[i].inside, keys[i].n_inside);
		else
			er_json_write(b, m);
	}
	er_buf_putc(b, '}');
}

void er_settings_write(er_buf *b, const er_json *v)
{
	static const known compat[] = {
	    {.name = ER_LIT("envLast")}, {.name = ER_LIT("classic")}, {.name = ER_LIT("redirect")}, {.name = ER_LIT("nodejs")}};
#define X(json, normal, least, most, node, unit, member, meaning) {.name = ER_LIT(#json)},
	static const known limits[] = {ER_LIMITS_TABLE(X)};
#undef X
	static const known assets[] = {{.name = ER_LIT("directory")},
	                               {.name = ER_LIT("htmlHandling")},
	                               {.name = ER_LIT("notFound")},
	                               {.name = ER_LIT("runRoutineFirst")}};
	/* The store compares these bytes to see whether a version is the same: in another order every
	 * unchanged version would be a new one. */
	static const known all[] = {{.name = ER_LIT("main")},
	                            {.name = ER_LIT("compat"), .inside = compat, .n_inside = sizeof compat / sizeof *compat},
	                            {.name = ER_LIT("limits"), .inside = limits, .n_inside = sizeof limits / sizeof *limits},
	                            {.name = ER_LIT("vars")},
	                            {.name = ER_LIT("routes")},
	                            {.name = ER_LIT("profile")},
	                            {.name = ER_LIT("fallback")},
	                            {.name = ER_LIT("kv")},
	                            {.name = ER_LIT("assets"), .inside = assets, .n_inside = sizeof assets / sizeof *assets},
	                            {.name = ER_LIT("services")},
	                            {.name = ER_LIT("crons")}};
	write_known(b, v, all, sizeof all / sizeof *all);
}

bool er_settings_within(const er_settings *s, const er_limits *most, er_slice at, er_problem *problem)
{
	er_limits wished = s->limits;
	er_limits_lower_defaults(&wished, most);
	const er_limit *above = er_limits_above(&wished, most);
	if (above == NULL)
		return true;
	char expected[80];
	unsigned allowed = (unsigned)er_limit_get(above, most);
	er_path path = er_path_member(at, ER_LIT("limits"));
	path = er_path_member(er_slice_cstr(path.text), above->name);
	snprintf(expected, sizeof expected, "at most %u", allowed);
	return er_refuse_field(problem, er_slice_cstr(path.text), expected,
	                       "\"%s\" is %u, and this node allows at most %u (routineLimits of its node.jsonc)", path.text,
	                       (unsigned)er_limit_get(above, &wished), allowed);
}

/* The inside of a JSON object. */
static er_slice inside(er_slice object)
{
	while (object.n > 0 && object.p[0] != '{')
		object = er_slice_from(object, 1);
	while (object.n > 0 && object.p[object.n - 1] != '}')
		object.n--;
	return object.n >= 2 ? er_slice_trim(er_slice_of(object.p + 1, object.n - 2)) : (er_slice){0};
}

er_piece er_settings_env(er_slice vars, er_slice stored)
{
	er_slice first = inside(vars), second = inside(stored);
	size_t n = first.n + second.n + 3;
	er_chunk *chunk = er_chunk_new(n);
	chunk->wipe = true;
	uint8_t *to = chunk->bytes;
	*to++ = '{';
	er_copy(to, first.p, first.n);
	to += first.n;
	if (first.n > 0 && second.n > 0)
		*to++ = ',';
	er_copy(to, second.p, second.n);
	to += second.n;
	*to++ = '}';
	ER_ASSERT((size_t)(to - chunk->bytes) <= n);
	return er_piece_take(chunk, (size_t)(to - chunk->bytes));
}
