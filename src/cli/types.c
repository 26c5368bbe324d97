/* er types (types.h). The package lies in .er, which git does not take and npm does not empty, so
 * it is of the same er as the commands that build and test; tsconfig.json includes it as any other
 * source. Its files are replaced one by one, each whole or not at all, since an editor may be
 * reading them.
 *
 * er-env.d.ts has names and kinds of values, never a value: it is for the repository. A variable of
 * er.jsonc has the type of its JSON; one of .dev.vars is a string, as a secret on a node is. */
#include "cli/types.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/devvars.h"
#include "cli/file.h"
#include "cli/share.h"
#include "cli/show.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024, DEPTH_MOST = 8 };

/* ---- files ---- */

static bool put_file(const char *path, er_slice text, er_err *err)
{
	char *temp = er_printf("%s.%ld.tmp", path, (long)getpid());
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = er_write_close(fd, text) && rename(temp, path) == 0;
	if (!ok) {
		er_fail_errno(err, ER_ERR_IO, "cannot write %s", path);
		(void)unlink(temp);
	}
	er_free(temp);
	return ok;
}

static bool put_folder(const char *path, er_err *err)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST || er_fail_errno(err, ER_ERR_IO, "cannot make the folder %s", path);
}

/* One file of the package; what is a folder or hidden is none of it. */
static bool copy_one(er_arena *a, const char *from, const char *to, const char *name, er_err *err)
{
	struct stat st;
	er_slice text;
	char *source = er_arena_cstr(a, er_arena_printf(a, "%s/%s", from, name));
	if (name[0] == '.' || stat(source, &st) != 0 || !S_ISREG(st.st_mode))
		return true;
	return er_project_read(a, source, FILE_MAX, &text, err) &&
	       put_file(er_arena_cstr(a, er_arena_printf(a, "%s/%s", to, name)), text, err);
}

static bool copy_package(er_arena *a, const char *to, er_err *err)
{
	er_buf found = {0};
	bool ok = er_share_find("types/index.d.ts", &found, err);
	char *from = ok ? er_arena_cstr(a, er_slice_head(er_buf_slice(&found), er_buf_len(&found) - sizeof "/index.d.ts")) : NULL;
	er_buf_fini(&found);
	DIR *dir = ok ? opendir(from) : NULL;
	if (ok && dir == NULL)
		ok = er_fail_errno(err, ER_ERR_IO, "cannot read the types in %s", from);
	for (struct dirent *e; ok && dir != NULL && (e = readdir(dir)) != NULL;)
		ok = copy_one(a, from, to, e->d_name, err);
	if (dir != NULL)
		closedir(dir);
	return ok;
}

/* ---- er-env.d.ts ---- */

static void put_tabs(er_buf *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		er_buf_putc(b, '\t');
}

static void put_name(er_buf *b, er_slice name)
{
	bool plain = name.n > 0 && !(name.p[0] >= '0' && name.p[0] <= '9');
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = er_lower(name.p[i]);
		plain = plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$');
	}
	if (plain)
		er_buf_put(b, name);
	else
		er_buf_put_json(b, name);
}

static void put_type(er_buf *b, const er_json *v, unsigned depth);

static void put_object(er_buf *b, const er_json *v, unsigned depth)
{
	if (depth == DEPTH_MOST || v->first == NULL) {
		er_buf_puts(b, "Record<string, unknown>");
		return;
	}
	er_buf_puts(b, "{\n");
	ER_JSON_MEMBERS(m, v)
	{
		put_tabs(b, depth + 1);
		put_name(b, m->key);
		er_buf_puts(b, ": ");
		put_type(b, m, depth + 1);
		er_buf_puts(b, ";\n");
	}
	put_tabs(b, depth);
	er_buf_putc(b, '}');
}

/* Of one kind, or of anything. */
static void put_array(er_buf *b, const er_json *v, unsigned depth)
{
	const er_json *first = v->first, *other = first;
	while (other != NULL && other->type == first->type)
		other = other->next;
	if (first == NULL || other != NULL || first->type == ER_JSON_OBJECT || first->type == ER_JSON_ARRAY) {
		er_buf_puts(b, "any[]");
		return;
	}
	put_type(b, first, depth);
	er_buf_puts(b, "[]");
}

static void put_type(er_buf *b, const er_json *v, unsigned depth)
{
	switch (v->type) {
	case ER_JSON_STRING:
		er_buf_puts(b, "string");
		break;
	case ER_JSON_NUMBER:
		er_buf_puts(b, "number");
		break;
	case ER_JSON_BOOL:
		er_buf_puts(b, "boolean");
		break;
	case ER_JSON_OBJECT:
		put_object(b, v, depth);
		break;
	case ER_JSON_ARRAY:
		put_array(b, v, depth);
		break;
	default:
		er_buf_puts(b, "null");
	}
}

static void put_member(er_buf *b, er_slice name, const char *type)
{
	er_buf_putc(b, '\t');
	put_name(b, name);
	er_buf_printf(b, ": %s;\n", type);
}

static void env_of(er_buf *b, er_arena *a, const er_project *p)
{
	er_buf_puts(b, "// What env has. Written by `er types` from er.jsonc and " ER_DEVVARS_FILE
	               ": write it again after they change.\n\ninterface Env {\n");
	ER_JSON_MEMBERS(m, er_json_made(a, p->vars))
	{
		er_buf_putc(b, '\t');
		put_name(b, m->key);
		er_buf_puts(b, ": ");
		put_type(b, m, 1);
		er_buf_puts(b, ";\n");
	}
	for (size_t i = 0; i < p->n_kv; i++)
		put_member(b, p->kv[i].name, "KVNamespace");
	for (size_t i = 0; i < p->n_services; i++)
		put_member(b, p->services[i].name, "Fetcher");
	if (p->assets_folder != NULL && p->main != NULL)
		put_member(b, ER_LIT("ASSETS"), "Fetcher");
	er_buf_puts(b, "}\n");
}

bool er_types_write(const er_project *p, er_err *err)
{
	ER_ASSERT(p->root != NULL);
	er_arena a;
	er_buf text = {0};
	er_arena_init(&a);
	env_of(&text, &a, p);
	char *er = er_arena_cstr(&a, er_arena_printf(&a, "%s/.er", p->root));
	char *folder = er_arena_cstr(&a, er_arena_printf(&a, "%s/" ER_TYPES_FOLDER, p->root));
	char *ignore = er_arena_cstr(&a, er_arena_printf(&a, "%s/.gitignore", er));
	bool ok = put_folder(er, err) && put_file(ignore, ER_LIT("*\n"), err) && put_folder(folder, err) &&
	          copy_package(&a, folder, err) &&
	          put_file(er_arena_cstr(&a, er_arena_printf(&a, "%s/" ER_TYPES_ENV, p->root)), er_buf_slice(&text), err);
	er_buf_fini(&text);
	er_arena_fini(&a);
	return ok;
}

/* ---- the command ---- */

static void report(const er_project *p, bool json)
{
	er_out o = {0};
	if (!json) {
		er_show_printf("wrote %.*s" ER_TYPES_ENV ", the type of env, and %.*s" ER_TYPES_FOLDER "\n", ER_FMT(p->prefix),
		               ER_FMT(p->prefix));
		char *path = er_printf("%s/tsconfig.json", p->root);
		if (access(path, F_OK) != 0)
			er_show_printf("tsconfig.json names both: { \"compilerOptions\": { \"lib\": [\"ES2024\"], \"types\": [], ... }, "
			               "\"include\": [\"src\", \"" ER_TYPES_ENV "\", \"" ER_TYPES_FOLDER "\"] }\n");
		er_free(path);
		return;
	}
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "ok", true);
	er_out_cstr(&o, "env", ER_TYPES_ENV);
	er_out_cstr(&o, "types", ER_TYPES_FOLDER);
	er_show_json(&o);
}

int er_cmd_types(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	bool json = false;
	const char *where = NULL;
	const er_option options[] = {
	    {"json", 0, NULL, "the result as one JSON object on standard output", &json, NULL},
	};
	const er_command cmd = {
	    .usage = "er types [DIR] [options]",
	    .about = "Writes what TypeScript and editors need to know of a project: " ER_TYPES_ENV
	             ", the type of its env (variables of er.jsonc and " ER_DEVVARS_FILE
	             ", key-value namespaces, other routines, static files), and " ER_TYPES_FOLDER
	             ", the types of everything that a routine and its tests have. er init does it for templates that have a "
	             "tsconfig.json.",
	    .details = "Exit status: 0 written, 1 not, 2 wrong usage.\n",
	    .options = options,
	    .n_options = sizeof options / sizeof *options,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &where);
	if (rc >= 0)
		return rc;
	er_project p;
	er_diag diag;
	er_err err = {0};
	size_t n;
	bool ok = er_project_load(&p, where, &diag) && er_devvars_take(&p, &n, &diag);
	if (ok && !er_types_write(&p, &err)) {
		ok = false;
		diag = (er_diag){.text = er_slice_cstr(err.text)};
	}
	if (ok)
		report(&p, json);
	else
		er_desk_show_failure(&diag, 1, json);
	er_project_free(&p);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}
