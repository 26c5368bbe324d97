/* er init: a new routine's folder from a template, or from another project (import.h). A template
 * is a folder of examples/, which come with er (share.h): it is copied file by file, without what
 * its own use has left there, and the files that say its name say the routine's name then. What it
 * is for stands in the first line of its README.md. Nothing that exists is overwritten: the folder
 * must not be there, and files are made anew (O_EXCL). */
#include "cli/args.h"
#include "cli/show.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/file.h"
#include "cli/import.h"
#include "cli/share.h"
#include "cli/term.h"
#include "cli/types.h"
#include "base/nearest.h"
#include "control/settings.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 256 * 1024, DEPTH_MAX = 8, TEMPLATES_MAX = 128 };

/* One template on its way to a new folder. */
typedef struct copy {
	er_arena *a;
	er_slice template, name;
	er_err *err;
} copy;

/* Every `from` becomes `to`. */
static void replace(er_buf *out, er_slice text, er_slice from, er_slice to)
{
	ER_ASSERT(from.n > 0);
	for (;;) {
		const uint8_t *hit = memmem(text.p, text.n, from.p, from.n);
		if (hit == NULL)
			break;
		er_buf_put(out, er_slice_of(text.p, (size_t)(hit - text.p)));
		er_buf_put(out, to);
		text = er_slice_from(text, (size_t)(hit - text.p) + from.n);
	}
	er_buf_put(out, text);
}

/* The name of a template stands as "name" in its configuration, and in its README's heading. */
static void rename_in(copy *c, const char *file, er_slice text, er_buf *out)
{
	static const struct {
		const char *file, *form;
	} named[] = {
	    {"er.jsonc", "\"name\": \"%.*s\""},
	    {"package.json", "\"name\": \"%.*s\""},
	    {"package-lock.json", "\"name\": \"%.*s\""},
	    {"README.md", "# %.*s:"},
	};
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (er_slice_eq(er_slice_cstr(file), er_slice_cstr(named[i].file))) {
			er_slice from = er_arena_printf(c->a, named[i].form, (int)c->template.n, c->template.p);
			er_slice to = er_arena_printf(c->a, named[i].form, (int)c->name.n, c->name.p);
			replace(out, text, from, to);
			return;
		}
	er_buf_put(out, text);
}

static bool write_new(copy *c, const char *path, er_slice text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return er_write_close(fd, text) || er_fail_errno(c->err, ER_ERR_IO, "cannot write %s", path);
}

/* `file`: its name if it lies in the template's own folder, else "". */
static bool copy_file(copy *c, const char *from, const char *to, const char *file)
{
	er_slice text;
	if (!er_project_read(c->a, from, FILE_MAX, &text, c->err))
		return false;
	er_buf out = {0};
	rename_in(c, file, text, &out);
	bool ok = write_new(c, to, er_buf_slice(&out));
	er_buf_fini(&out);
	return ok;
}

/* What er and npm make in a project is not the template's. */
static bool left_there(const char *name)
{
	static const char *const made[] = {"dist", "node_modules", "data"};
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		if (er_slice_eq(er_slice_cstr(name), er_slice_cstr(made[i])))
			return true;
	return name[0] == '.';
}

static bool copy_folder(copy *c, const char *from, const char *to, unsigned depth)
{
	ER_ASSERT(depth <= DEPTH_MAX);
	if (mkdir(to, 0755) != 0)
		return er_fail_errno(c->err, ER_ERR_IO, "cannot make the folder %s", to);
	DIR *dir = depth < DEPTH_MAX ? opendir(from) : NULL;
	if (dir == NULL)
		return er_fail_errno(c->err, ER_ERR_IO, "cannot read the template %s", from);
	bool ok = true;
	for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
		if (left_there(e->d_name))
			continue;
		char *source = er_arena_cstr(c->a, er_arena_printf(c->a, "%s/%s", from, e->d_name));
		char *target = er_arena_cstr(c->a, er_arena_printf(c->a, "%s/%s", to, e->d_name));
		struct stat st;
		if (stat(source, &st) != 0)
			ok = er_fail_errno(c->err, ER_ERR_IO, "cannot read %s", source);
		else if (S_ISDIR(st.st_mode))
			ok = copy_folder(c, source, target, depth + 1);
		else
			ok = copy_file(c, source, target, depth == 0 ? e->d_name : "");
	}
	closedir(dir);
	return ok;
}

typedef struct template_entry {
	er_slice name, about;
} template_entry;

/* Behind "# name: ", in the first line of the README. */
static er_slice about_of(er_arena *a, const char *folder, er_slice name)
{
	er_slice text, line;
	er_err err = {0};
	char *file = er_arena_cstr(a, er_arena_printf(a, "%s/%.*s/README.md", folder, (int)name.n, name.p));
	if (!er_project_read(a, file, FILE_MAX, &text, &err) || !er_slice_split(&text, '\n', &line))
		return (er_slice){0};
	size_t colon = er_slice_find(line, ':');
	return colon < line.n ? er_slice_trim(er_slice_from(line, colon + 1)) : (er_slice){0};
}

static int by_name(const void *a, const void *b)
{
	return er_slice_compare(((const template_entry *)a)->name, ((const template_entry *)b)->name);
}

/* Fills `list`, sorted by name. False: *err says why. */
static bool find_templates(er_arena *a, template_entry list[TEMPLATES_MAX], size_t *n, er_err *err)
{
	er_buf path = {0};
	*n = 0;
	DIR *dir = NULL;
	bool ok = er_share_find("examples", &path, err);
	if (ok && (dir = opendir((const char *)er_buf_slice(&path).p)) == NULL)
		ok = er_fail_errno(err, ER_ERR_IO, "cannot read the templates in %s", (const char *)er_buf_slice(&path).p);
	for (struct dirent *e; dir != NULL && *n < TEMPLATES_MAX && (e = readdir(dir)) != NULL;) {
		if (!er_name_ok(er_slice_cstr(e->d_name)))
			continue;
		er_slice name = er_arena_printf(a, "%s", e->d_name);
		er_slice about = about_of(a, (const char *)er_buf_slice(&path).p, name);
		if (about.n > 0)
			list[(*n)++] = (template_entry){name, about};
	}
	if (dir != NULL)
		closedir(dir);
	er_buf_fini(&path);
	if (ok)
		qsort(list, *n, sizeof *list, by_name);
	return ok;
}

static int show_templates(bool json)
{
	er_arena a;
	er_arena_init(&a);
	template_entry found[TEMPLATES_MAX];
	size_t n;
	er_err err = {0};
	bool ok = find_templates(&a, found, &n, &err);
	er_buf b = {0};
	er_out o = {0};
	er_out_open(&o, NULL, '[');
	for (size_t i = 0; ok && i < n; i++) {
		er_buf_printf(&b, "%-18.*s %.*s\n", (int)found[i].name.n, found[i].name.p, (int)found[i].about.n, found[i].about.p);
		er_out_open(&o, NULL, '{');
		er_out_str(&o, "name", found[i].name);
		er_out_str(&o, "about", found[i].about);
		er_out_close(&o, '}');
	}
	er_out_close(&o, ']');
	er_out_line(&o);
	if (ok)
		er_term_flush(STDOUT_FILENO, json ? &o.b : &b);
	er_out_fini(&o);
	if (!ok)
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
	er_buf_fini(&b);
	er_arena_fini(&a);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}

/* False: *err says so, and which template may be meant; or why they cannot be read. */
static bool known(const char *template, er_err *err)
{
	er_arena a;
	er_arena_init(&a);
	template_entry found[TEMPLATES_MAX];
	er_slice names[TEMPLATES_MAX], wanted = er_slice_cstr(template);
	size_t n;
	bool ok = find_templates(&a, found, &n, err), hit = false;
	for (size_t i = 0; ok && i < n; i++) {
		names[i] = found[i].name;
		hit = hit || er_slice_eq(wanted, names[i]);
	}
	if (ok && !hit) {
		er_slice near = er_nearest(wanted, names, n);
		er_fail(err, ER_ERR_INVALID, "there is no template \"%s\"%s%.*s%s; er init --list shows what there is", template,
		        near.n > 0 ? " (did you mean " : "", (int)near.n, near.p, near.n > 0 ? "?)" : "");
	}
	er_arena_fini(&a);
	return hit;
}

/* *err says what could not be made; what was made until then stays, to be looked at. */
static bool make(const char *name, const char *template, er_err *err)
{
	ER_ASSERT(er_name_ok(er_slice_cstr(name)));
	er_arena a;
	er_buf path = {0};
	er_arena_init(&a);
	copy c = {.a = &a, .template = er_slice_cstr(template), .name = er_slice_cstr(name), .err = err};
	char *wanted = er_arena_cstr(&a, er_arena_printf(&a, "examples/%s", template));
	bool ok = access(name, F_OK) != 0 || er_fail(err, ER_ERR_INVALID, "%s is there already; nothing was touched", name);
	ok = ok && er_share_find(wanted, &path, err);
	ok = ok && copy_folder(&c, (const char *)er_buf_slice(&path).p, name, 0);
	ok = ok && write_new(&c, er_arena_cstr(&a, er_arena_printf(&a, "%s/.gitignore", name)),
	                     ER_LIT("dist/\nnode_modules/\ndata/\n.er/\n.dev.vars\n"));
	er_buf_fini(&path);
	er_arena_fini(&a);
	return ok;
}

/* For the editor of who has a template with TypeScript's settings. */
static bool write_types(const char *name, er_err *err)
{
	er_project p;
	er_diag diag;
	er_buf path = {0};
	er_buf_printf(&path, "%s/tsconfig.json", name);
	er_buf_putc(&path, 0);
	bool wanted = access((const char *)er_buf_slice(&path).p, F_OK) == 0;
	er_buf_fini(&path);
	if (!wanted)
		return true;
	bool ok = er_project_load(&p, name, &diag) ? er_types_write(&p, err)
	                                           : er_fail(err, ER_ERR_INVALID, "%.*s", ER_FMT(er_slice_head(diag.text, 400)));
	er_project_free(&p);
	return ok;
}

static bool has_packages(const char *folder)
{
	char path[128];
	snprintf(path, sizeof path, "%s/package.json", folder);
	return access(path, F_OK) == 0;
}

/* What to type next. */
static void report(const char *name, const char *template, bool json)
{
	er_buf b = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	if (json) {
		er_out o = {0};
		er_out_open(&o, NULL, '{');
		er_out_bool(&o, "ok", true);
		er_out_cstr(&o, "name", name);
		er_out_cstr(&o, "template", template);
		er_out_cstr(&o, "folder", name);
		er_out_bool(&o, "packages", has_packages(name));
		er_show_json(&o);
	} else {
		er_term_put(&b, colour, ER_GREEN, ER_LIT("created "));
		er_buf_printf(&b,
		              "%s/ from the template %s; its README.md says what it does. Next:\n\n  cd %s\n%s"
		              "  er dev          run it on http://127.0.0.1:8787, rebuilt on every save\n"
		              "  er check        would a node take it?\n"
		              "  er deploy       bring it to a node\n\n",
		              name, template, name, has_packages(name) ? "  npm ci          install the packages that it needs\n" : "");
	}
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

int er_cmd_init(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	bool json = false, show = false;
	const char *name = NULL, *template = "hello", *from = NULL;
	const er_option options[] = {
	    {"template", 't', "T", "hello if it is not given; er init --list shows them all", NULL, &template},
	    {"from", 0, "DIR", "import this project instead", NULL, &from},
	    {"list", 'l', NULL, "show the templates", &show, NULL},
	    {"json", 0, NULL, "the result as one JSON value on standard output", &json, NULL},
	};
	const er_command cmd = {
	    .usage = "er init NAME [--template T] | er init [NAME] --from DIR",
	    .about = "Makes the folder NAME with a new routine. NAME: a to z, 0 to 9 and -, at most 63.\n"
	             "--from DIR imports a project: of EdgeRoutine's first command line (edge.js, config.js), of its successor "
	             "(esa.jsonc), or a Workers-style one "
	             "(wrangler.toml, .json, .jsonc). Sources are copied into NAME (the project's own name if none is given), "
	             "er.jsonc is written, and a report says "
	             "what was taken, changed, not taken and why, and what is left to do. In DIR itself, er init --from . only adds "
	             "er.jsonc.",
	    .details = "Exit status: 0 made, 1 it could not be made (nothing that exists is overwritten), 2 wrong usage.\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &name);
	if (rc >= 0)
		return rc;
	if (show)
		return show_templates(json);
	er_err err = {0};
	rc = ER_EXIT_USAGE;
	if (from != NULL && (name == NULL || er_name_ok(er_slice_cstr(name))))
		return er_import(from, name, json);
	if (name == NULL)
		er_fail(&err, ER_ERR_INVALID, "a name is missing: er init NAME");
	else if (!er_name_ok(er_slice_cstr(name)))
		er_fail(&err, ER_ERR_INVALID, "\"%s\" cannot be a name: a to z, 0 to 9 and -, at most 63, not beginning or ending with -",
		        name);
	else if (known(template, &err))
		rc = make(name, template, &err) && write_types(name, &err) ? ER_EXIT_OK : ER_EXIT_FAILED;
	else if (err.kind != ER_ERR_INVALID)
		rc = ER_EXIT_FAILED;
	if (rc == ER_EXIT_OK)
		report(name, template, json);
	else
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
	return rc;
}
