/* A routine's project (project.h): where it is, and what its er.jsonc says. From the entry or the
 * folder that was named, er.jsonc is looked for upwards; without one the folder is the project,
 * with every default. The settings are read by the one reader (control/settings.h), once for each
 * environment, because the routes may differ; here they only get their place in the file.
 *
 * Paths are shown relative to the folder that the person stands in (`prefix`), and used absolute.
 * Everything is in the project's arena, also after a failure, since the diagnostic points into
 * it. */
#include "cli/project.h"

#include "base/jsonc.h"
#include "control/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROJECT_MAX = 256 * 1024 };

typedef struct loader {
	er_project *p;
	er_slice text;
	er_diag *diag;
} loader;

bool er_project_read(er_arena *a, const char *path, size_t max, er_slice *out, er_err *err)
{
	ER_ASSERT(path != NULL && out != NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot read %s", path);
	struct stat st;
	bool ok = false;
	if (fstat(fd, &st) != 0) {
		er_fail_errno(err, ER_ERR_IO, "cannot read %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		er_fail(err, ER_ERR_IO, "%s is no regular file", path);
	} else if ((uint64_t)st.st_size > max) {
		er_fail(err, ER_ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
	} else {
		size_t cap = (size_t)st.st_size, n = 0;
		uint8_t *bytes = er_arena_alloc(a, cap + 1);
		ssize_t got = 1;
		while (n < cap && (got = read(fd, bytes + n, cap - n)) > 0)
			n += (size_t)got;
		ok = got >= 0 || er_fail_errno(err, ER_ERR_IO, "cannot read %s", path);
		ER_ASSERT(n <= cap); /* a file that grows meanwhile is read as far as it was long */
		*out = er_slice_of(bytes, n);
	}
	close(fd);
	return ok;
}

/* A mistake at an offset of er.jsonc. */
static bool mistake(loader *l, size_t at, size_t end, er_slice text)
{
	ER_ASSERT(at <= end && l->p->file != NULL);
	er_text_pos pos = er_text_where(l->text, at);
	er_text_pos to = er_text_where(l->text, end);
	*l->diag = (er_diag){.path = er_slice_cstr(l->p->file),
	                     .line = pos.line,
	                     .column = pos.column,
	                     .length = to.line == pos.line && to.column > pos.column ? to.column - pos.column : 1,
	                     .text = text,
	                     .line_text = pos.line_text};
	return false;
}

/* A mistake without a place in a file. */
static bool nowhere(er_project *p, er_diag *diag, const char *path, er_slice text)
{
	*diag = (er_diag){.path = path ? er_arena_copy(&p->arena, er_slice_cstr(path)) : (er_slice){NULL, 0}, .text = text};
	return false;
}

/* The value as plain JSON; empty if it is not there. */
static er_slice json_of(loader *l, const er_json *v)
{
	er_buf b = {0};
	if (v == NULL)
		return (er_slice){0};
	er_json_write(&b, v);
	er_slice s = er_arena_copy(&l->p->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

/* The reader knows the place in the text; it becomes line and column here. */
static bool refused(loader *l, const er_problem *problem)
{
	return mistake(l, problem->at, problem->end, er_arena_copy(&l->p->arena, er_slice_cstr(problem->message)));
}

/* The only setting that is looked at where it stands: the source must be there. */
static bool take_main(loader *l, const er_json *v, er_slice main)
{
	er_project *p = l->p;
	if (v == NULL)
		return true;
	p->main = er_arena_cstr(&p->arena, main);
	char *path = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/%s", p->root, p->main));
	return access(main.p[0] == '/' ? p->main : path, R_OK) == 0 ||
	       mistake(l, v->at, v->end, er_arena_printf(&p->arena, "\"main\": %s", strerror(errno)));
}

/* Whether the folder is there shows when it is read. */
static void take_assets(loader *l, const er_json *v, const er_settings *s)
{
	er_project *p = l->p;
	if (!s->has_assets)
		return;
	bool absolute = s->assets.directory.p[0] == '/';
	p->assets = s->assets;
	p->assets_json = json_of(l, v);
	p->assets_folder = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s%s%.*s", absolute ? "" : p->root,
	                                                            absolute ? "" : "/", ER_FMT(s->assets.directory)));
}

/* What the file says, over the defaults. */
static bool take(loader *l, const er_json *v)
{
	er_project *p = l->p;
	er_settings s = ER_SETTINGS_DEFAULT;
	er_problem problem = {0};
	for (er_env e = ER_ENV_COUNT_; e-- > 0;) { /* production last: of what is the same in both */
		s = ER_SETTINGS_DEFAULT;
		if (!er_settings_file(&p->arena, v, e, &s, &problem))
			return refused(l, &problem);
		p->routes[e] = (struct er_project_routes){.v = s.routes, .n = s.n_routes};
	}
	p->name = s.name;
	p->compat = s.compat;
	p->limits = s.limits;
	p->vars = s.vars;
	p->profile = s.profile;
	p->fallback = s.fallback;
	p->kv = s.kv;
	p->n_kv = s.n_kv;
	p->services = s.services;
	p->n_services = s.n_services;
	p->crons = s.crons;
	p->compat_json = json_of(l, er_json_get(v, ER_LIT("compat")));
	p->kv_json = json_of(l, er_json_get(v, ER_LIT("kv")));
	p->services_json = json_of(l, er_json_get(v, ER_LIT("services")));
	p->crons_json = json_of(l, er_json_get(v, ER_LIT("crons")));
	p->limits_json = json_of(l, er_json_get(v, ER_LIT("limits")));
	take_assets(l, er_json_get(v, ER_LIT("assets")), &s);
	return take_main(l, er_json_get(v, ER_LIT("main")), s.main);
}

static bool read_file(er_project *p, er_diag *diag)
{
	ER_ASSERT(p->file != NULL && p->file_abs != NULL);
	loader l = {.p = p, .diag = diag};
	er_err err;
	size_t at;
	if (!er_project_read(&p->arena, p->file_abs, PROJECT_MAX, &l.text, &err))
		return nowhere(p, diag, p->file, er_arena_copy(&p->arena, er_slice_cstr(err.text)));
	const er_json *v = er_jsonc_parse(&p->arena, l.text, &at, &err);
	if (v == NULL)
		return mistake(&l, at, at + 1, er_arena_copy(&p->arena, er_slice_cstr(err.text)));
	if (v->type != ER_JSON_OBJECT)
		return mistake(&l, v->at, v->at + 1, ER_LIT("er.jsonc is one object: { \"name\": ..., \"main\": ... }"));
	return take(&l, v);
}

/* A name out of a path's last part: what is not allowed in a name becomes a hyphen. */
static er_slice name_of(er_arena *a, const char *path, bool strip_suffix)
{
	er_slice s = er_slice_cstr(path);
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '/') {
			s = er_slice_from(s, i);
			break;
		}
	if (strip_suffix)
		s = er_slice_head(s, er_slice_find(s, '.'));
	uint8_t *to = er_arena_alloc(a, 64);
	size_t n = 0;
	for (size_t i = 0; i < s.n && n < 63; i++) {
		uint8_t c = er_lower(s.p[i]);
		bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (ok || (n > 0 && to[n - 1] != '-'))
			to[n++] = ok ? c : '-';
	}
	while (n > 0 && to[n - 1] == '-')
		n--;
	ER_ASSERT(n < 64);
	return n ? er_slice_of(to, n) : ER_LIT("routine");
}

/* The folder, or one above it, that holds er.jsonc; NULL if none does. */
static char *find_root(er_arena *a, const char *folder)
{
	er_slice at = er_slice_cstr(folder);
	for (;;) {
		char *dir = er_arena_cstr(a, at.n ? at : ER_LIT("/"));
		char *file = er_arena_cstr(a, er_arena_printf(a, "%s/er.jsonc", dir));
		if (access(file, F_OK) == 0)
			return dir;
		if (at.n == 0)
			return NULL;
		while (at.n > 0 && at.p[at.n - 1] != '/')
			at.n--;
		/* And the slash, so that the next round is the folder above; nothing is left of the root,
		 * whose turn it is then. */
		if (at.n > 0)
			at.n--;
	}
}

/* The first of the usual names that is there; none is needed for static files. */
static bool default_main(er_project *p, er_diag *diag)
{
	ER_ASSERT(p->root != NULL && p->main == NULL);
	static const char *const names[] = {"src/index.ts", "src/index.js", "index.ts", "index.js"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/%s", p->root, names[i]));
		if (access(path, R_OK) == 0) {
			p->main = er_arena_cstr(&p->arena, er_slice_cstr(names[i]));
			return true;
		}
	}
	if (p->assets_folder != NULL)
		return true;
	if (p->file)
		return nowhere(p, diag, p->file,
		               ER_LIT("no \"main\", and none of src/index.ts, src/index.js, index.ts, index.js is there"));
	return nowhere(
	    p, diag, NULL,
	    ER_LIT(
	        "there is no er.jsonc here or in a folder above: `er init NAME` makes a project; or name a file: `er dev hello.js`"));
}

/* What makes a path relative to root one relative to the current folder. */
static er_slice prefix_of(er_arena *a, const char *root)
{
	char cwd[PATH_MAX];
	er_slice to = er_slice_cstr(root);
	if (getcwd(cwd, sizeof cwd) == NULL)
		return er_arena_printf(a, "%s/", root);
	er_slice from = er_slice_cstr(cwd);
	if (er_slice_eq(from, to))
		return (er_slice){NULL, 0};
	if (er_slice_starts(to, from) && (from.n == 1 || to.p[from.n] == '/'))
		return er_arena_printf(a, "%.*s/", ER_FMT(er_slice_from(to, from.n + (from.n > 1))));
	if (!er_slice_starts(from, to) || (to.n > 1 && from.p[to.n] != '/'))
		return er_arena_printf(a, "%s/", root);
	er_slice rest = er_slice_from(from, to.n + (to.n > 1)), part;
	er_buf up = {0};
	while (er_slice_split(&rest, '/', &part))
		er_buf_puts(&up, "../");
	er_slice s = er_arena_copy(a, er_buf_slice(&up));
	er_buf_fini(&up);
	return s;
}

bool er_project_load(er_project *p, const char *where, er_diag *diag)
{
	*p = (er_project){.limits = ER_LIMITS_DEFAULT, .vars = ER_LIT("{}")};
	er_arena_init(&p->arena);
	char real[PATH_MAX];
	struct stat st;
	if (realpath(where ? where : ".", real) == NULL || stat(real, &st) != 0)
		return nowhere(p, diag, where, er_arena_printf(&p->arena, "%s", strerror(errno)));
	bool is_file = !S_ISDIR(st.st_mode);
	er_slice folder = er_slice_cstr(real);
	if (is_file) {
		while (folder.n > 0 && folder.p[folder.n - 1] != '/')
			folder.n--;
		if (folder.n > 1)
			folder.n--;
	}
	char *dir = er_arena_cstr(&p->arena, folder);
	p->root = find_root(&p->arena, dir);
	if (p->root != NULL) {
		p->file_abs = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/er.jsonc", p->root));
		p->prefix = prefix_of(&p->arena, p->root);
		p->file = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%.*ser.jsonc", ER_FMT(p->prefix)));
		if (!read_file(p, diag))
			return false;
	} else {
		p->root = dir;
		p->prefix = prefix_of(&p->arena, p->root);
	}
	if (is_file) {
		er_slice rel = er_slice_from(er_slice_cstr(real), er_slice_cstr(p->root).n);
		p->main = er_arena_cstr(&p->arena, er_slice_from(rel, rel.n && rel.p[0] == '/'));
	} else if (p->main == NULL && !default_main(p, diag)) {
		return false;
	}
	if (p->name.n == 0)
		p->name = p->file ? name_of(&p->arena, p->root, false) : name_of(&p->arena, is_file ? real : p->root, is_file);
	return true;
}

/* Also after a failed er_project_load. */
void er_project_free(er_project *p)
{
	er_arena_fini(&p->arena);
}

er_routine *er_project_routine(const er_project *p, er_piece code, er_piece map, er_slice version, er_cidr *allow, size_t n_allow)
{
	ER_ASSERT(p->name.n > 0 && version.n > 0 && (n_allow == 0 || allow != NULL));
	return er_routine_new(&(er_routine){.name = p->name,
	                                    .home = ER_HOME_DESK,
	                                    .version = version,
	                                    .source_url = p->source_url.n > 0 ? p->source_url : ER_LIT("routine.js"),
	                                    .code = code,
	                                    .source_map = map,
	                                    .env_json = p->vars,
	                                    .limits = p->limits,
	                                    .compat = p->compat,
	                                    .profile = p->profile,
	                                    .fallback = p->fallback,
	                                    .files = p->assets_folder != NULL,
	                                    .kv = p->kv,
	                                    .n_kv = p->n_kv,
	                                    .services = p->services,
	                                    .n_services = p->n_services,
	                                    .crons = p->crons,
	                                    .allow = allow,
	                                    .n_allow = n_allow});
}
