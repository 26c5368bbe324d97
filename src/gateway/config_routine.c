/* A routine of node.jsonc: a built script with its source map, or a project folder (er.jsonc, dist/NAME.js). What er.jsonc says holds unless
 * node.jsonc says it too. */
#include "gateway/config_read.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MAX_CODE = 16 * 1024 * 1024, MAX_MAP = 64 * 1024 * 1024, MAX_PROJECT = 1 << 20, MAX_ROUTES = 1000, MAX_ALLOW = 256 };

typedef struct spec {
	er_slice name, main;
	er_slice env;
	const er_json *routes;
	er_limits limits;
	uint32_t compat;
	enum er_profile profile;
	bool fallback;
	er_cidr *allow;
	size_t n_allow;
} spec;

/* ---- limits ---- */

#define X(name, least, most, unit, member) \
	static bool read_##name(er_config_reader *r, const er_json *v) \
	{ \
		return er_config_number(r, v, least, most, unit, &((er_limits *)r->into)->member); \
	}
ER_LIMITS_TABLE(X)
#undef X

bool er_config_read_limits(er_config_reader *r, const er_json *v, er_limits *out)
{
#define X(name, least, most, unit, member) {ER_LIT(#name), read_##name},
	static const er_config_key keys[] = {ER_LIMITS_TABLE(X)};
#undef X
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, out);
}

/* ---- members ---- */

static bool text_of(er_config_reader *r, const er_json *v, er_slice *out)
{
	if (v->type != ER_JSON_STRING || v->text.n == 0)
		return er_config_wrong(r, v, "a string is expected");
	*out = v->text;
	return true;
}

static bool read_name(er_config_reader *r, const er_json *v)
{
	return text_of(r, v, &((spec *)r->into)->name);
}

static bool read_main(er_config_reader *r, const er_json *v)
{
	if (v->type == ER_JSON_STRING && (v->text.n > 2000 || memchr(v->text.p, 0, v->text.n) != NULL))
		return er_config_wrong(r, v, "this is no path");
	return text_of(r, v, &((spec *)r->into)->main);
}

static bool read_routes(er_config_reader *r, const er_json *v)
{
	size_t n = 0;
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "an array of \"host/path*\" is expected, not %s", er_json_type_name(v->type));
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (m->type != ER_JSON_STRING)
			return er_config_wrong(r, m, "a string is expected: \"host/path*\"");
		else if (++n > MAX_ROUTES)
			return er_config_wrong(r, v, "more than %d routes", MAX_ROUTES);
	((spec *)r->into)->routes = v;
	return true;
}

static bool read_limits(er_config_reader *r, const er_json *v)
{
	return er_config_read_limits(r, v, &((spec *)r->into)->limits);
}

static bool read_vars(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_OBJECT)
		return er_config_wrong(r, v, "an object is expected, not %s", er_json_type_name(v->type));
	er_buf b;
	er_buf_init(&b);
	er_json_write(&b, v);
	((spec *)r->into)->env = er_arena_copy(&r->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return ((spec *)r->into)->env.n <= 32 * 1024 || er_config_wrong(r, v, "more than 32 KB of variables");
}

static bool read_profile(er_config_reader *r, const er_json *v)
{
	bool hardened = er_slice_eq(v->text, ER_LIT("hardened"));
	if (v->type != ER_JSON_STRING || (!hardened && !er_slice_eq(v->text, ER_LIT("standard"))))
		return er_config_wrong(r, v, "\"standard\" or \"hardened\" is expected");
	((spec *)r->into)->profile = hardened ? ER_PROFILE_HARDENED : ER_PROFILE_STANDARD;
	return true;
}

static bool read_fallback(er_config_reader *r, const er_json *v)
{
	return er_config_bool(r, v, &((spec *)r->into)->fallback);
}

static bool read_env_last(er_config_reader *r, const er_json *v)
{
	bool on;
	uint32_t *compat = r->into;
	if (!er_config_bool(r, v, &on))
		return false;
	*compat = on ? *compat | ER_COMPAT_ENV_LAST : *compat & ~(uint32_t)ER_COMPAT_ENV_LAST;
	return true;
}

static bool read_redirect(er_config_reader *r, const er_json *v)
{
	bool manual = er_slice_eq(v->text, ER_LIT("manual"));
	uint32_t *compat = r->into;
	if (v->type != ER_JSON_STRING || (!manual && !er_slice_eq(v->text, ER_LIT("follow"))))
		return er_config_wrong(r, v, "\"follow\" or \"manual\" is expected");
	*compat = manual ? *compat | ER_COMPAT_REDIRECT_MANUAL : *compat & ~(uint32_t)ER_COMPAT_REDIRECT_MANUAL;
	return true;
}

static bool read_compat(er_config_reader *r, const er_json *v)
{
	static const er_config_key keys[] = {{ER_LIT("envLast"), read_env_last}, {ER_LIT("redirect"), read_redirect}};
	return er_config_object(r, v, keys, sizeof keys / sizeof *keys, &((spec *)r->into)->compat);
}

static bool read_allow(er_config_reader *r, const er_json *v)
{
	spec *s = r->into;
	size_t n = 0;
	if (v->type != ER_JSON_ARRAY)
		return er_config_wrong(r, v, "an array of addresses is expected (\"10.0.0.0/8\", \"::1\")");
	for (const er_json *m = v->first; m != NULL; m = m->next)
		n++;
	if (n > MAX_ALLOW)
		return er_config_wrong(r, v, "more than %d addresses", MAX_ALLOW);
	s->allow = er_arena_alloc(&r->arena, n * sizeof *s->allow);
	s->n_allow = 0;
	for (const er_json *m = v->first; m != NULL; m = m->next)
		if (m->type != ER_JSON_STRING || !er_cidr_parse(m->text, &s->allow[s->n_allow++]))
			return er_config_wrong(r, m, "an address or a range is expected (\"10.0.0.0/8\", \"::1\")");
	return true;
}

static const er_config_key routine_keys[] = {
    {ER_LIT("name"), read_name},         {ER_LIT("main"), read_main},     {ER_LIT("routes"), read_routes},
    {ER_LIT("limits"), read_limits},     {ER_LIT("vars"), read_vars},     {ER_LIT("profile"), read_profile},
    {ER_LIT("fallback"), read_fallback}, {ER_LIT("compat"), read_compat}, {ER_LIT("allowAddresses"), read_allow}};
enum { N_ROUTINE_KEYS = sizeof routine_keys / sizeof *routine_keys };

/* ---- projects ---- */

/* Its "routes" may be said for each environment; a routine of a file is the same in all of them and takes those of production. */
static bool read_of_project(er_config_reader *project, const er_config_key *key, const er_json *m)
{
	if (key->read == read_routes && m->type == ER_JSON_OBJECT)
		m = er_json_get(m, ER_LIT("production"));
	return m == NULL || key->read(project, m);
}

/* er.jsonc of the folder, for what it says about running. `main` there is the source's entry, which is none of the node's business; nor are a
 * project's allowed addresses: these are the operator's to give. */
static bool read_project(er_config_reader *r, const er_json *at, const char *folder, spec *s)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/er.jsonc", folder);
	er_config_reader project = *r;
	er_err err = {0};
	size_t err_at = 0;
	if (!er_config_file(r, path, MAX_PROJECT, &project.text))
		return er_config_wrong(r, at, "%s is a folder, and its er.jsonc cannot be read: %s", folder, strerror(errno));
	project.shown = er_arena_cstr(&r->arena, er_slice_cstr(path));
	const er_json *root = er_jsonc_parse(&r->arena, project.text, &err_at, &err);
	if (root == NULL) {
		er_text_pos pos = er_text_where(project.text, err_at);
		return er_fail(r->err, ER_ERR_INVALID, "%s:%u:%u: %s", path, pos.line, pos.column, err.text);
	}
	bool ok = true;
	project.into = s;
	for (const er_json *m = root->first; m != NULL && ok; m = m->next)
		for (size_t i = 0; i < N_ROUTINE_KEYS && ok; i++)
			if (er_slice_eq(m->key, routine_keys[i].name) && routine_keys[i].read != read_main &&
			    routine_keys[i].read != read_allow)
				ok = read_of_project(&project, &routine_keys[i], m);
	r->arena = project.arena;
	return ok;
}

/* ---- code ---- */

/* FNV-1a: a name for a version, not a proof. */
static uint64_t hash_of(er_slice s, uint64_t h)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3U;
	return h;
}

static bool read_code(er_config_reader *r, const er_json *at, const char *path, const spec *s, er_slice *code, er_slice *map)
{
	char map_path[4200];
	*map = (er_slice){0};
	if (!er_config_file(r, path, MAX_CODE, code)) {
		if (errno == EFBIG)
			return er_config_wrong(r, at, "%s has more than 16 MB; the limit for code is %u bytes", path, s->limits.code_n);
		return er_config_wrong(r, at, "cannot read %s: %s%s", path, strerror(errno),
		                       errno == ENOENT && s->main.n > 0 ? " (a project is built with: er build)" : "");
	}
	if (code->n >= s->limits.code_n)
		return er_config_wrong(r, at, "%s has %zu bytes; code must have less than %u bytes (limits.codeBytes)", path, code->n,
		                       s->limits.code_n);
	snprintf(map_path, sizeof map_path, "%s.map", path);
	if (!er_config_file(r, map_path, MAX_MAP, map))
		*map = (er_slice){0};
	return true;
}

static bool add(er_config_reader *r, const er_json *v, const spec *s, const char *path)
{
	er_slice code, map;
	if (!read_code(r, v, path, s, &code, &map))
		return false;
	char version[20];
	int n = snprintf(version, sizeof version, "%012llx", (unsigned long long)(hash_of(code, 0xcbf29ce484222325U) >> 16));
	const char *base = strrchr(path, '/');
	er_routine like = {.name = s->name,
	                   .version = er_slice_of(version, (size_t)n),
	                   .source_url = er_slice_cstr(base != NULL ? base + 1 : path),
	                   .code = er_piece_copy(code),
	                   .source_map = map.n > 0 ? er_piece_copy(map) : (er_piece){0},
	                   .env_json = s->env,
	                   .limits = s->limits,
	                   .compat = s->compat,
	                   .profile = s->profile,
	                   .fallback = s->fallback,
	                   .allow = s->allow,
	                   .n_allow = s->n_allow};
	er_err err = {0};
	if (!er_config_add_routine(r->config, er_routine_new(&like), &err))
		return er_config_wrong(r, v, "%s", err.text);
	for (const er_json *m = s->routes != NULL ? s->routes->first : NULL; m != NULL; m = m->next)
		if (!er_config_add_route(r->config, m->text, s->name, &err))
			return er_config_wrong(r, v, "%s", err.text);
	return true;
}

bool er_config_read_routine(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_OBJECT)
		return er_config_wrong(r, v, "a routine is an object: {\"name\": ..., \"main\": ...}");
	const er_json *main_at = er_json_get(v, ER_LIT("main"));
	spec s = {.limits = ER_LIMITS_DEFAULT, .env = ER_LIT("{}")};
	if (main_at == NULL)
		return er_config_wrong(r, v, "a routine needs \"main\": the path of a built script, or of a project's folder");
	r->into = &s;
	if (!read_main(r, main_at))
		return false;
	const char *path = er_config_path(r, s.main);
	struct stat st;
	bool project = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (project && !read_project(r, main_at, path, &s))
		return false;
	if (!er_config_object(r, v, routine_keys, N_ROUTINE_KEYS, &s))
		return false;
	if (s.name.n == 0)
		return er_config_wrong(r, v, "a routine needs \"name\"");
	if (project)
		path = er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%s/dist/%.*s.js", path, ER_FMT(s.name)));
	return add(r, project ? main_at : v, &s, path);
}
