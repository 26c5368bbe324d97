/* .dev.vars (devvars.h): read once, turned into an object of strings by the reader of .env files,
 * and laid over "vars" member by member. Names that env has for something else (a key-value
 * namespace, ASSETS) are refused, because those would silently win. All of it is in the project's
 * arena. */
#include "cli/devvars.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "cli/dotenv.h"

#include <errno.h>
#include <unistd.h>

enum { FILE_MAX = 256 * 1024 };

static bool refuse(er_project *p, er_diag *diag, er_slice text)
{
	er_slice rest = text;
	*diag = (er_diag){.path = er_arena_printf(&p->arena, "%.*s" ER_DEVVARS_FILE, ER_FMT(p->prefix)), .text = text};
	/* "line 3: ...": the place stands before the text, as of every other file */
	if (!er_slice_starts(rest, ER_LIT("line ")))
		return false;
	size_t colon = er_slice_find(rest, ':');
	uint64_t line;
	if (colon == rest.n || !er_slice_u64(er_slice_from(er_slice_head(rest, colon), 5), &line))
		return false;
	diag->line = (unsigned)line;
	diag->column = 1;
	diag->text = er_slice_trim(er_slice_from(rest, colon + 1));
	return false;
}

/* What else env has by that name, or NULL. */
static const char *taken(const er_project *p, er_slice name)
{
	for (size_t i = 0; i < p->n_kv; i++)
		if (er_slice_eq(p->kv[i].name, name))
			return "a key-value namespace";
	for (size_t i = 0; i < p->n_services; i++)
		if (er_slice_eq(p->services[i].name, name))
			return "a routine that is called";
	return p->assets_folder != NULL && er_slice_eq(name, ER_LIT("ASSETS")) ? "the static files" : NULL;
}

static bool lay_over(er_project *p, er_slice values, er_diag *diag)
{
	const er_json *vars = er_json_made(&p->arena, p->vars);
	ER_JSON_MEMBERS(one, er_json_made(&p->arena, values))
	{
		const char *what = taken(p, one->key);
		if (what != NULL)
			return refuse(
			    p, diag,
			    er_arena_printf(&p->arena, "%.*s is %s of er.jsonc, and cannot be a variable as well", ER_FMT(one->key), what));
		vars = er_json_with(&p->arena, vars, one->key, one);
	}
	er_buf b = {0};
	er_json_write(&b, vars);
	p->vars = er_arena_copy(&p->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return true;
}

bool er_devvars_take(er_project *p, size_t *n, er_diag *diag)
{
	ER_ASSERT(p->root != NULL && n != NULL && diag != NULL);
	er_err err = {0};
	er_slice text;
	er_out o = {0};
	*n = 0;
	char *path = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/" ER_DEVVARS_FILE, p->root));
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	if (!er_project_read(&p->arena, path, FILE_MAX, &text, &err))
		return refuse(p, diag, er_arena_copy(&p->arena, er_slice_cstr(err.text)));
	er_out_open(&o, NULL, '{');
	bool ok = er_dotenv_parse(text, &o, n, &err) || refuse(p, diag, er_arena_copy(&p->arena, er_slice_cstr(err.text)));
	er_out_close(&o, '}');
	ok = ok && lay_over(p, er_arena_copy(&p->arena, er_buf_slice(&o.b)), diag);
	er_out_fini(&o);
	return ok;
}
