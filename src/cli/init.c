/* er init: a new routine's folder from a template, or from another project (import.h). Templates
 * come with er (share.h) and are copied file by file; {{name}} in them becomes the routine's name.
 * Nothing that exists is overwritten: the folder must not be there, and files are made anew
 * (O_EXCL). */
#include "cli/args.h"
#include "cli/show.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/file.h"
#include "cli/import.h"
#include "cli/share.h"
#include "cli/term.h"
#include "control/settings.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 256 * 1024, DEPTH_MAX = 8 };

static const struct {
	const char *name, *about;
} templates[] = {
    {"hello", "answers every request by itself"},
    {"ts", "the same in TypeScript, with types for the editor"},
    {"api", "a small JSON API: routes, validation, errors"},
    {"auth", "lets requests with a valid token through to the origin"},
};

/* {{name}} becomes the routine's name. */
static void fill_in(er_buf *out, er_slice text, er_slice name)
{
	ER_ASSERT(name.n > 0);
	for (;;) {
		const uint8_t *hit = memmem(text.p, text.n, "{{name}}", 8);
		if (hit == NULL)
			break;
		er_buf_put(out, er_slice_of(text.p, (size_t)(hit - text.p)));
		er_buf_put(out, name);
		text = er_slice_from(text, (size_t)(hit - text.p) + 8);
	}
	er_buf_put(out, text);
}

/* Made anew: a file that is there ends it. */
static bool copy_file(er_arena *a, const char *from, const char *to, er_slice name, er_err *err)
{
	er_slice text;
	if (!er_project_read(a, from, FILE_MAX, &text, err))
		return false;
	er_buf out = {0};
	fill_in(&out, text, name);
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool ok = er_write_close(fd, er_buf_slice(&out));
	er_buf_fini(&out);
	return ok || er_fail_errno(err, ER_ERR_IO, "cannot write %s", to);
}

/* A file called _gitignore becomes .gitignore, so that the template's own tree is not touched by
 * it. */
static bool copy_folder(er_arena *a, const char *from, const char *to, er_slice name, unsigned depth, er_err *err)
{
	ER_ASSERT(depth <= DEPTH_MAX);
	if (mkdir(to, 0755) != 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot make the folder %s", to);
	DIR *dir = depth < DEPTH_MAX ? opendir(from) : NULL;
	if (dir == NULL)
		return er_fail_errno(err, ER_ERR_IO, "cannot read the template %s", from);
	bool ok = true;
	for (struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		bool hidden = e->d_name[0] == '_';
		char *source = er_arena_cstr(a, er_arena_printf(a, "%s/%s", from, e->d_name));
		char *target = er_arena_cstr(a, er_arena_printf(a, "%s/%s%s", to, hidden ? "." : "", e->d_name + hidden));
		struct stat st;
		if (stat(source, &st) != 0)
			ok = er_fail_errno(err, ER_ERR_IO, "cannot read %s", source);
		else if (S_ISDIR(st.st_mode))
			ok = copy_folder(a, source, target, name, depth + 1, err);
		else
			ok = copy_file(a, source, target, name, err);
	}
	closedir(dir);
	return ok;
}

static int list(bool json)
{
	er_buf b = {0};
	er_buf_put_cstr(&b, json ? "[" : "");
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
		er_buf_printf(&b, json ? "%s{\"name\":\"%s\",\"about\":\"%s\"}" : "%s%-8s %s\n", json && i ? "," : "", templates[i].name,
		              templates[i].about);
	er_buf_put_cstr(&b, json ? "]\n" : "");
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	return ER_EXIT_OK;
}

static bool known(const char *template)
{
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
		if (er_slice_eq(er_slice_cstr(template), er_slice_cstr(templates[i].name)))
			return true;
	return false;
}

/* *err says what could not be made; what was made until then stays, to be looked at. */
static bool make(const char *name, const char *template, er_err *err)
{
	ER_ASSERT(er_name_ok(er_slice_cstr(name)) && known(template));
	er_arena a;
	er_buf path = {0};
	er_arena_init(&a);
	char *wanted = er_arena_cstr(&a, er_arena_printf(&a, "templates/%s", template));
	bool ok = access(name, F_OK) != 0 || er_fail(err, ER_ERR_INVALID, "%s is there already; nothing was touched", name);
	ok = ok && er_share_find(wanted, &path, err);
	ok = ok && copy_folder(&a, (const char *)er_buf_slice(&path).p, name, er_slice_cstr(name), 0, err);
	er_buf_fini(&path);
	er_arena_fini(&a);
	return ok;
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
		er_show_json(&o);
	} else {
		er_term_put(&b, colour, ER_GREEN, ER_LIT("created "));
		er_buf_printf(&b,
		              "%s/ from the template %s. Next:\n\n  cd %s\n  er dev          run it on http://127.0.0.1:8787, rebuilt on "
		              "every save\n"
		              "  er check        would a node take it?\n"
		              "  er deploy       bring it to a node\n\n",
		              name, template, name);
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
	    {"template", 't', "T", "hello (default), ts, api, auth", NULL, &template},
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
		return list(json);
	er_err err = {0};
	rc = ER_EXIT_USAGE;
	if (from != NULL && (name == NULL || er_name_ok(er_slice_cstr(name))))
		return er_import(from, name, json);
	if (name == NULL)
		er_fail(&err, ER_ERR_INVALID, "a name is missing: er init NAME");
	else if (!er_name_ok(er_slice_cstr(name)))
		er_fail(&err, ER_ERR_INVALID, "\"%s\" cannot be a name: a to z, 0 to 9 and -, at most 63, not beginning or ending with -",
		        name);
	else if (!known(template))
		er_fail(&err, ER_ERR_INVALID, "there is no template \"%s\"; er init --list shows what there is", template);
	else
		rc = make(name, template, &err) ? ER_EXIT_OK : ER_EXIT_FAILED;
	if (rc == ER_EXIT_OK)
		report(name, template, json);
	else
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
	return rc;
}
