/* A routine of node.jsonc: a built script with its source map, or a project folder (er.jsonc,
 * dist/NAME.js). What er.jsonc says holds unless node.jsonc says it too.
 *
 * The settings of both files are those of a deployment (control/settings.h), so that one text says
 * what a limit or a route may be. A spec collects them on the stack; at the end er_routine_new
 * copies what it needs, and the configuration takes the routine. The script is read whole here and
 * stays in memory as long as the routine, unlike the code of stored versions. */
#include "gateway/config_read.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "control/settings.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { MAX_CODE = 16 * 1024 * 1024, MAX_MAP = 64 * 1024 * 1024, MAX_PROJECT = 1 << 20, MAX_PATH = 2000 };

/* What is known of the routine so far. */
typedef struct spec {
	er_settings settings;
	er_cidr *allow;
	size_t n_allow;
} spec;

/* ---- members ---- */

typedef struct raw {
	const er_json *name, *main, *routes, *limits, *vars, *profile, *fallback, *compat, *kv, *services, *crons, *allow;
} raw;

/* What a version may say, and the one thing that is the operator's alone to give. */
static bool read_members(er_config_reader *r, const er_json *v, spec *s)
{
	static const er_member members[] = {ER_MEMBER(raw, "name", name, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "main", main, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "routes", routes, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "limits", limits, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "vars", vars, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "profile", profile, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "fallback", fallback, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "compat", compat, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "kv", kv, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "services", services, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "crons", crons, ER_MEMBER_ANY, false, 0, 0),
	                                    ER_MEMBER(raw, "allowAddresses", allow, ER_MEMBER_ANY, false, 0, 0)};
	raw given = {0};
	er_problem problem = {0};
	if (!er_config_members(r, v, (er_slice){0}, members, sizeof members / sizeof *members, &given))
		return false;
	if (given.allow != NULL && !er_config_read_ranges(r, given.allow, true, &s->allow, &s->n_allow))
		return false;
	const er_json *settings = er_json_with(&r->arena, v, ER_LIT("allowAddresses"), NULL);
	return er_settings_more(&r->arena, settings, (er_slice){0}, &s->settings, &problem) || er_config_refused(r, &problem);
}

/* ---- projects ---- */

/* er.jsonc of the folder, for what it says about running: of routes for each environment those of
 * production, for a routine of a file is the same in all of them. `main` there is the source's
 * entry, which is none of the node's business. */
static bool read_project(er_config_reader *r, const er_json *at, const char *folder, spec *s)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/er.jsonc", folder);
	er_config_reader project = *r;
	er_err err = {0};
	er_problem problem = {0};
	size_t err_at = 0;
	if (!er_config_file(r, path, MAX_PROJECT, &project.text))
		return er_config_wrong(r, at, "%s is a folder, and its er.jsonc cannot be read: %s", folder, strerror(errno));
	project.shown = er_arena_cstr(&r->arena, er_slice_cstr(path));
	const er_json *root = er_jsonc_parse(&r->arena, project.text, &err_at, &err);
	if (root == NULL)
		return er_config_wrong_at(&project, err_at, err.text);
	er_slice main = s->settings.main;
	bool ok = er_settings_file(&r->arena, root, ER_ENV_PRODUCTION, &s->settings, &problem);
	s->settings.main = main;
	return ok || er_config_refused(&project, &problem);
}

/* ---- code ---- */

/* FNV-1a: a name for a version, not a proof. */
static uint64_t hash_of(er_slice s, uint64_t h)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3U;
	return h;
}

/* The script, and its source map if there is one beside it. */
static bool read_code(er_config_reader *r, const er_json *at, const char *path, const er_settings *s, er_slice *code,
                      er_slice *map)
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

/* Makes the routine and its routes. Its version is a hash of the code, so that a reload with the
 * same code keeps its instances. */
static bool add(er_config_reader *r, const er_json *v, const spec *s, const char *path)
{
	er_slice code, map;
	const er_settings *set = &s->settings;
	if (set->has_assets)
		return er_config_wrong(r, v, "static files (\"assets\" of its er.jsonc) are served of what is deployed: er deploy");
	if (!read_code(r, v, path, set, &code, &map))
		return false;
	ER_ASSERT(set->name.n > 0 && path != NULL);
	char version[20];
	int n = snprintf(version, sizeof version, "%012llx", (unsigned long long)(hash_of(code, 0xcbf29ce484222325U) >> 16));
	ER_ASSERT(n > 0 && (size_t)n < sizeof version);
	const char *base = strrchr(path, '/');
	er_routine like = {.name = set->name,
	                   .version = er_slice_of(version, (size_t)n),
	                   .source_url = er_slice_cstr(base != NULL ? base + 1 : path),
	                   .code = er_piece_copy(code),
	                   .source_map = map.n > 0 ? er_piece_copy(map) : (er_piece){0},
	                   .env_json = set->vars,
	                   .limits = set->limits,
	                   .compat = set->compat,
	                   .profile = set->profile,
	                   .fallback = set->fallback,
	                   .kv = set->kv,
	                   .n_kv = set->n_kv,
	                   .services = set->services,
	                   .n_services = set->n_services,
	                   .crons = set->crons,
	                   .allow = s->allow,
	                   .n_allow = s->n_allow};
	er_err err = {0};
	if (!er_config_add_routine(r->config, er_routine_new(&like), &err))
		return er_config_wrong(r, v, "%s", err.text);
	for (size_t i = 0; i < set->n_routes; i++)
		if (!er_config_add_route(r->config, set->routes[i], set->name, &err))
			return er_config_wrong(r, v, "%s", err.text);
	return true;
}

bool er_config_read_routine(er_config_reader *r, const er_json *v)
{
	if (v->type != ER_JSON_OBJECT)
		return er_config_wrong(r, v, "a routine is an object: {\"name\": ..., \"main\": ...}");
	const er_json *main_at = er_json_get(v, ER_LIT("main"));
	spec s = {.settings = ER_SETTINGS_DEFAULT};
	if (main_at == NULL)
		return er_config_wrong(r, v, "a routine needs \"main\": the path of a built script, or of a project's folder");
	if (main_at->type != ER_JSON_STRING || main_at->text.n == 0 || main_at->text.n > MAX_PATH ||
	    memchr(main_at->text.p, 0, main_at->text.n) != NULL)
		return er_config_wrong(r, main_at, "a path is expected");
	const char *path = er_config_path(r, main_at->text);
	struct stat st;
	bool project = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	bool ok = (!project || read_project(r, main_at, path, &s)) && read_members(r, v, &s);
	er_slice name = s.settings.name;
	if (ok && name.n == 0)
		ok = er_config_wrong(r, v, "a routine needs \"name\"");
	if (ok && project)
		path = er_arena_cstr(&r->arena, er_arena_printf(&r->arena, "%s/dist/%.*s.js", path, ER_FMT(name)));
	ok = ok && add(r, project ? main_at : v, &s, path);
	er_free(s.allow);
	return ok;
}
