#include "cli/project.h"

#include "base/jsonc.h"
#include "base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROJECT_MAX = 256 * 1024, VARS_MAX = 32 * 1024, ROUTES_MAX = 100, KV_MAX = 100, FIELDS_MAX = 16 };

typedef struct loader {
	er_project *p;
	er_slice text;
	er_diag *diag;
} loader;

bool er_project_name_ok(er_slice name)
{
	if (name.n == 0 || name.n > 63 || name.p[0] == '-' || name.p[name.n - 1] == '-')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

bool er_project_read(er_arena *a, const char *path, size_t max, er_slice *out, er_err *err)
{
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
		*out = er_slice_of(bytes, n);
	}
	close(fd);
	return ok;
}

/* A mistake at an offset of er.jsonc. */
static bool mistake(loader *l, size_t at, size_t end, er_slice text)
{
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

static bool wrong(loader *l, const er_json *v, const char *expected)
{
	return mistake(
	    l, v->at, v->end,
	    er_arena_printf(&l->p->arena, "\"%.*s\": %s expected, not %s", ER_FMT(v->key), expected, er_json_type_name(v->type)));
}

static bool nowhere(er_project *p, er_diag *diag, const char *path, er_slice text)
{
	*diag = (er_diag){.path = path ? er_arena_copy(&p->arena, er_slice_cstr(path)) : (er_slice){NULL, 0}, .text = text};
	return false;
}

/* The value as plain JSON. */
static er_slice json_of(loader *l, const er_json *v)
{
	er_buf b = {0};
	er_json_write(&b, v);
	er_slice s = er_arena_copy(&l->p->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

typedef struct field {
	er_slice name;
	bool (*set)(loader *l, const er_json *v);
} field;

static bool unknown(loader *l, const er_json *m, const field *fields, size_t n)
{
	er_slice names[FIELDS_MAX];
	er_buf known = {0};
	ER_ASSERT(n <= FIELDS_MAX);
	for (size_t i = 0; i < n; i++) {
		names[i] = fields[i].name;
		er_buf_put_cstr(&known, i ? ", " : "");
		er_buf_put(&known, fields[i].name);
	}
	er_slice hint = er_nearest(m->key, names, n);
	er_slice text =
	    hint.n ? er_arena_printf(&l->p->arena, "unknown field \"%.*s\"; did you mean \"%.*s\"?", ER_FMT(m->key), ER_FMT(hint))
	           : er_arena_printf(&l->p->arena, "unknown field \"%.*s\"; known here: %.*s", ER_FMT(m->key),
	                             ER_FMT(er_buf_slice(&known)));
	er_buf_fini(&known);
	return mistake(l, m->key_at, m->key_at + m->key.n + 2, text);
}

/* Every member must be one of the fields; each is handed to its setter. */
static bool each(loader *l, const er_json *object, const field *fields, size_t n)
{
	for (const er_json *m = object->first; m; m = m->next) {
		size_t i = 0;
		while (i < n && !er_slice_eq(m->key, fields[i].name))
			i++;
		if (i < n) {
			if (!fields[i].set(l, m))
				return false;
			continue;
		}
		return unknown(l, m, fields, n);
	}
	return true;
}

/* Where an editor finds docs/schema/er.schema.json. */
static bool set_schema(loader *l, const er_json *v)
{
	return v->type == ER_JSON_STRING || wrong(l, v, "a string");
}

static bool set_name(loader *l, const er_json *v)
{
	if (v->type != ER_JSON_STRING)
		return wrong(l, v, "a string");
	if (!er_project_name_ok(v->text))
		return mistake(l, v->at, v->end,
		               ER_LIT("\"name\": a to z, 0 to 9 and - expected, at most 63, not beginning or ending with -"));
	l->p->name = v->text;
	return true;
}

static bool set_main(loader *l, const er_json *v)
{
	if (v->type != ER_JSON_STRING)
		return wrong(l, v, "a string");
	if (v->text.n == 0 || v->text.n >= PATH_MAX || memchr(v->text.p, 0, v->text.n))
		return mistake(l, v->at, v->end,
		               ER_LIT("\"main\": the path of the source file that the routine begins with is expected"));
	l->p->main = er_arena_cstr(&l->p->arena, v->text);
	char *path = er_arena_cstr(&l->p->arena, er_arena_printf(&l->p->arena, "%s/%s", l->p->root, l->p->main));
	if (access(v->text.p[0] == '/' ? l->p->main : path, R_OK) != 0)
		return mistake(l, v->at, v->end, er_arena_printf(&l->p->arena, "\"main\": %s", strerror(errno)));
	return true;
}

static bool set_compat_bit(loader *l, bool on, uint32_t bit)
{
	l->p->compat = on ? l->p->compat | bit : l->p->compat & ~bit;
	return true;
}

static bool set_env_last(loader *l, const er_json *v)
{
	return v->type == ER_JSON_BOOL ? set_compat_bit(l, v->boolean, ER_COMPAT_ENV_LAST) : wrong(l, v, "true or false");
}

static bool set_redirect(loader *l, const er_json *v)
{
	bool manual = er_slice_eq(v->text, ER_LIT("manual"));
	if (v->type != ER_JSON_STRING || !(manual || er_slice_eq(v->text, ER_LIT("follow"))))
		return mistake(l, v->at, v->end, ER_LIT("\"redirect\": \"follow\" or \"manual\" expected"));
	return set_compat_bit(l, manual, ER_COMPAT_REDIRECT_MANUAL);
}

static bool set_compat(loader *l, const er_json *v)
{
	static const field fields[] = {{ER_LIT("envLast"), set_env_last}, {ER_LIT("redirect"), set_redirect}};
	l->p->compat_json = json_of(l, v);
	return v->type == ER_JSON_OBJECT ? each(l, v, fields, sizeof fields / sizeof *fields) : wrong(l, v, "an object");
}

static bool route_ok(er_slice s)
{
	if (s.n == 0 || s.p[0] == '/' || memchr(s.p, ' ', s.n) || memmem(s.p, s.n, "://", 3))
		return false;
	size_t host = er_slice_find(s, '/');
	const uint8_t *star = s.n > 1 ? memchr(s.p + 1, '*', s.n - 1) : NULL;
	return star == NULL || (star == s.p + s.n - 1 && host < s.n);
}

static size_t children(const er_json *v)
{
	size_t n = 0;
	for (const er_json *m = v->first; m; m = m->next)
		n++;
	return n;
}

static bool read_routes(loader *l, const er_json *v, struct er_project_routes *out)
{
	if (v->type != ER_JSON_ARRAY)
		return wrong(l, v, "an array of \"host/path*\"");
	size_t n = children(v);
	if (n > ROUTES_MAX)
		return mistake(l, v->at, v->end, ER_LIT("\"routes\": more than 100"));
	*out = (struct er_project_routes){.v = er_arena_alloc(&l->p->arena, (n + 1) * sizeof *out->v)};
	for (const er_json *m = v->first; m; m = m->next) {
		if (m->type != ER_JSON_STRING || !route_ok(m->text))
			return mistake(l, m->at, m->end,
			               ER_LIT("a route is host/path: * only at the front of the host and at the end of the path, no scheme "
			                      "(\"*.example.com/api/*\")"));
		out->v[out->n++] = m->text;
	}
	return true;
}

static bool set_routes_production(loader *l, const er_json *v)
{
	return read_routes(l, v, &l->p->routes[0]);
}

static bool set_routes_staging(loader *l, const er_json *v)
{
	return read_routes(l, v, &l->p->routes[1]);
}

static bool set_routes(loader *l, const er_json *v)
{
	static const field fields[] = {{ER_LIT("production"), set_routes_production}, {ER_LIT("staging"), set_routes_staging}};
	if (v->type == ER_JSON_OBJECT)
		return each(l, v, fields, sizeof fields / sizeof *fields);
	if (!read_routes(l, v, &l->p->routes[0]))
		return false;
	l->p->routes[1] = l->p->routes[0];
	return true;
}

static bool set_kv(loader *l, const er_json *v)
{
	if (v->type != ER_JSON_ARRAY)
		return wrong(l, v, "an array of namespaces");
	size_t n = children(v);
	if (n > KV_MAX)
		return mistake(l, v->at, v->end, ER_LIT("\"kv\": more than 100"));
	l->p->kv = er_arena_alloc(&l->p->arena, (n + 1) * sizeof *l->p->kv);
	for (const er_json *m = v->first; m; m = m->next) {
		if (m->type != ER_JSON_STRING || !er_project_name_ok(m->text))
			return mistake(
			    l, m->at, m->end,
			    ER_LIT("\"kv\": a namespace is a name of a to z, 0 to 9 and -, at most 63, not beginning or ending with -"));
		l->p->kv[l->p->n_kv++] = m->text;
	}
	return true;
}

static bool number(loader *l, const er_json *v, double least, double most, double unit, uint32_t *out)
{
	if (v->type != ER_JSON_NUMBER)
		return wrong(l, v, "a number");
	if (!(v->number >= least && v->number <= most) || v->number != floor(v->number))
		return mistake(
		    l, v->at, v->end,
		    er_arena_printf(&l->p->arena, "\"%.*s\": a whole number from %.0f to %.0f expected", ER_FMT(v->key), least, most));
	*out = (uint32_t)(v->number * unit);
	return true;
}

#define X(name, least, most, unit, member) \
	static bool set_##name(loader *l, const er_json *v) \
	{ \
		return number(l, v, least, most, unit, &l->p->limits.member); \
	}
ER_LIMITS_TABLE(X)
#undef X

static bool set_limits(loader *l, const er_json *v)
{
#define X(name, least, most, unit, member) {ER_LIT(#name), set_##name},
	static const field fields[] = {ER_LIMITS_TABLE(X)};
#undef X
	l->p->limits_json = json_of(l, v);
	return v->type == ER_JSON_OBJECT ? each(l, v, fields, sizeof fields / sizeof *fields) : wrong(l, v, "an object");
}

static bool set_vars(loader *l, const er_json *v)
{
	if (v->type != ER_JSON_OBJECT)
		return wrong(l, v, "an object");
	l->p->vars = json_of(l, v);
	return l->p->vars.n <= VARS_MAX ||
	       mistake(l, v->key_at, v->key_at + 6, ER_LIT("\"vars\": more than 32 KB; import big data as a JSON file instead"));
}

static bool set_profile(loader *l, const er_json *v)
{
	bool hardened = er_slice_eq(v->text, ER_LIT("hardened"));
	if (v->type != ER_JSON_STRING || !(hardened || er_slice_eq(v->text, ER_LIT("standard"))))
		return mistake(l, v->at, v->end, ER_LIT("\"profile\": \"standard\" or \"hardened\" expected"));
	l->p->profile = hardened ? ER_PROFILE_HARDENED : ER_PROFILE_STANDARD;
	return true;
}

static bool set_fallback(loader *l, const er_json *v)
{
	if (v->type != ER_JSON_BOOL)
		return wrong(l, v, "true or false");
	l->p->fallback = v->boolean;
	return true;
}

static bool read_file(er_project *p, er_diag *diag)
{
	static const field fields[] = {{ER_LIT("name"), set_name},       {ER_LIT("main"), set_main},
	                               {ER_LIT("compat"), set_compat},   {ER_LIT("routes"), set_routes},
	                               {ER_LIT("limits"), set_limits},   {ER_LIT("vars"), set_vars},
	                               {ER_LIT("profile"), set_profile}, {ER_LIT("fallback"), set_fallback},
	                               {ER_LIT("kv"), set_kv},           {ER_LIT("$schema"), set_schema}};
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
	return each(&l, v, fields, sizeof fields / sizeof *fields);
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
		if (at.n > 0)
			at.n--;
	}
}

static bool default_main(er_project *p, er_diag *diag)
{
	static const char *const names[] = {"src/index.ts", "src/index.js", "index.ts", "index.js"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/%s", p->root, names[i]));
		if (access(path, R_OK) == 0) {
			p->main = er_arena_cstr(&p->arena, er_slice_cstr(names[i]));
			return true;
		}
	}
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

void er_project_free(er_project *p)
{
	er_arena_fini(&p->arena);
}

er_routine *er_project_routine(const er_project *p, er_piece code, er_piece map, er_slice version, bool allow_loopback)
{
	er_cidr loopback[2];
	bool ok = er_cidr_parse(ER_LIT("127.0.0.0/8"), &loopback[0]) && er_cidr_parse(ER_LIT("::1"), &loopback[1]);
	ER_ASSERT(ok);
	return er_routine_new(&(er_routine){.name = p->name,
	                                    .version = version,
	                                    .source_url = er_slice_cstr("routine.js"),
	                                    .code = code,
	                                    .source_map = map,
	                                    .env_json = p->vars,
	                                    .limits = p->limits,
	                                    .compat = p->compat,
	                                    .profile = p->profile,
	                                    .fallback = p->fallback,
	                                    .allow = loopback,
	                                    .n_allow = allow_loopback ? 2 : 0});
}
