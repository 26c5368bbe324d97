/* er check: would a node take this routine? In this order: the project file, the bundle and its
 * size (desk.h), warnings that the bundler cannot know (check_warn.h), and its top-level code run
 * in a real sandbox (probe.h). Nothing is written and no request is made. The first thing that a
 * node would refuse ends it; where an exception has a place in the sources, it is shown there.
 *
 * The process has one thread all the while, as the probe needs. */
#include "cli/args.h"
#include "cli/show.h"
#include "cli/check_warn.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/folder.h"
#include "cli/probe.h"
#include "cli/term.h"
#include "isolate/sourcemap.h"

#include <stdio.h>
#include <unistd.h>

enum { SOURCE_MAX = 16 * 1024 * 1024 };

/* What the probe found, as a sentence. Empty: nothing is wrong. */
static er_slice verdict(er_arena *a, const er_project *p, const er_probe *pr)
{
	if (pr->loaded)
		return (er_slice){NULL, 0};
	switch (pr->why) {
	case ER_ERR_EXCEPTION:
		return er_arena_printf(a, "top-level code threw %.*s", ER_FMT(pr->error.n ? pr->error : ER_LIT("an exception")));
	case ER_ERR_CPU:
		return er_arena_printf(a,
		                       "top-level code used more CPU than its limit of %u ms (limits.loadCpuMs, budget top-level); move "
		                       "work into the handler",
		                       p->limits.load_cpu_us / 1000);
	case ER_ERR_MEMORY:
		return er_arena_printf(a, "top-level code used more memory than the limit of %u MB (limits.memoryMb)",
		                       p->limits.memory_kb / 1024);
	case ER_ERR_TIMEOUT:
		return ER_LIT("top-level code did not come to its end");
	default:
		return er_arena_printf(a, "the sandbox ended while top-level code ran (%s) %.*s", er_err_name(pr->why),
		                       ER_FMT(pr->error));
	}
}

/* The verdict at its place: where the exception was thrown, else the file that the routine begins
 * with. */
static er_diag located(er_project *p, const er_probe *pr, er_slice wrong)
{
	ER_ASSERT(wrong.n > 0 && p->main != NULL && p->root != NULL);
	static const er_slice none = ER_LIT("TypeError: The routine has no handler");
	er_slice name, path, rest = pr->stack, frame, text;
	uint64_t line = 0, column = 0;
	er_diag d = {.path = er_arena_printf(&p->arena, "%.*s%s", ER_FMT(p->prefix), p->main), .text = wrong};
	if (er_slice_starts(pr->error, none))
		d.text = er_arena_printf(&p->arena, "there is no handler%.*s", ER_FMT(er_slice_from(pr->error, none.n)));
	if (!er_slice_split(&rest, '\n', &frame) || !er_stack_place(frame, &name, &path, &line, &column))
		return d;
	d.path = er_arena_printf(&p->arena, "%.*s%.*s", ER_FMT(p->prefix), ER_FMT(path));
	d.line = (unsigned)line;
	d.column = (unsigned)column;
	d.length = 1;
	er_err err;
	char *file = er_arena_cstr(&p->arena, er_arena_printf(&p->arena, "%s/%.*s", p->root, ER_FMT(path)));
	bool ok = er_project_read(&p->arena, file, SOURCE_MAX, &text, &err);
	for (uint64_t i = 1; ok && er_slice_split(&text, '\n', &frame); i++)
		if (i == line) {
			d.line_text = er_slice_head(frame, er_slice_find(frame, '\r'));
			break;
		}
	return d;
}

/* `wrong`: why a node would not take it; NULL: it would. */
static void report_json(const er_project *p, const er_bundle *b, const er_probe *pr, const er_diag *wrong)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_bool(&o, "ok", wrong == NULL);
	er_out_str(&o, "name", p->name);
	er_out_u64(&o, "bytes", b->bytes);
	er_out_u64(&o, "limit_bytes", p->limits.code_n);
	er_out_u64(&o, "top_level_cpu_us", pr->cpu_us);
	er_out_u64(&o, "top_level_cpu_limit_us", p->limits.load_cpu_us);
	er_out_cstr(&o, "level", er_level_name(pr->level));
	er_out_str(&o, "console", pr->console);
	er_desk_json_error(&o, wrong, wrong != NULL);
	er_out_open(&o, "errors", '[');
	if (wrong)
		er_caret_json(&o, NULL, wrong);
	er_out_close(&o, ']');
	er_out_str(&o, "stack", pr->stack);
	er_caret_json_list(&o, "warnings", b->diags, b->n_diags, true);
	er_show_json(&o);
}

/* What the code printed while it was tried comes first, and a mistake goes to standard error. */
static void report_text(const er_project *p, const er_bundle *b, const er_probe *pr, const er_diag *wrong)
{
	er_buf out = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	er_term_put_safe(&out, pr->console, true, colour);
	if (!wrong) {
		er_term_put(&out, colour, ER_GREEN, ER_LIT("ok "));
		er_buf_printf(&out, "%.*s: ", ER_FMT(p->name));
		er_term_put_size(&out, b->bytes);
		er_buf_printf(&out, " of %.0f KB; top-level code took %.1f ms CPU of %.0f ms; sandbox level %s\n",
		              (double)p->limits.code_n / 1024, (double)pr->cpu_us / 1000, (double)p->limits.load_cpu_us / 1000,
		              er_level_name(pr->level));
	}
	er_term_flush(STDOUT_FILENO, &out);
	er_buf_fini(&out);
	if (wrong) {
		er_buf err = {0};
		er_caret_put(&err, er_term_colour(STDERR_FILENO), wrong);
		er_term_put_safe(&err, pr->stack, true, false);
		er_term_flush(STDERR_FILENO, &err);
		er_buf_fini(&err);
	}
}

/* What the bundler did not know joins its diagnostics. Text is shown at once. */
static void warn(er_project *p, er_bundle *b, er_routine *r, const er_probe *probe, bool json)
{
	/* One array of all: the bundler's, the limits', the globals', and one of the budget. */
	er_diag *all = er_arena_zalloc(&p->arena, (b->n_diags + b->n_globals + ER_CHECK_LIMITS + 1) * sizeof *all);
	size_t n = b->n_diags;
	for (size_t i = 0; i < n; i++)
		all[i] = b->diags[i];
	n += er_check_limits(p, all + n);
	n += er_check_globals(p, b, all + n);
	n += er_check_budget(p, b, r, probe, all + n);
	ER_ASSERT(n >= b->n_diags && n <= b->n_diags + b->n_globals + ER_CHECK_LIMITS + 1);
	if (!json)
		er_desk_show(all + b->n_diags, n - b->n_diags);
	b->diags = all;
	b->n_diags = n;
}

/* The routine gets the bundle's pieces; the bundle keeps its numbers. */
static int check(er_project *p, er_bundle *b, bool json)
{
	ER_ASSERT(b->ok && p->main != NULL);
	er_probe probe;
	er_err err;
	er_piece code = b->code, map = b->map;
	b->code = b->map = (er_piece){0};
	er_routine *r = er_project_routine(p, code, map, ER_LIT("check"), NULL, 0);
	if (!er_probe_run(&p->arena, r, &probe, &err)) {
		er_routine_unref(r);
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
		return ER_EXIT_FAILED;
	}
	warn(p, b, r, &probe, json);
	er_routine_unref(r);
	er_slice text = verdict(&p->arena, p, &probe);
	er_diag wrong = text.n ? located(p, &probe, text) : (er_diag){.line = 0};
	if (json)
		report_json(p, b, &probe, text.n ? &wrong : NULL);
	else
		report_text(p, b, &probe, text.n ? &wrong : NULL);
	return text.n ? ER_EXIT_FAILED : ER_EXIT_OK;
}

/* The static files: bounds, paths, rules. False: said. */
static bool check_files(const er_project *p, bool json)
{
	er_folder folder = {0};
	er_err err = {0};
	bool ok = p->assets_folder == NULL || er_folder_read(&folder, p->assets_folder, &err);
	if (!ok)
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
	er_folder_free(&folder);
	return ok;
}

/* Static files alone: there is nothing to try. */
static int no_code(const er_project *p, const er_bundle *b, bool json)
{
	const er_probe nothing = {.level = ER_LEVEL_SECCOMP_ONLY};
	if (json)
		report_json(p, b, &nothing, NULL);
	else
		er_show_printf("ok %.*s: static files alone\n", ER_FMT(p->name));
	return ER_EXIT_OK;
}

int er_cmd_check(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	bool json = false;
	const char *entry = NULL;
	const er_option options[] = {{"json", 0, NULL, "the result as one JSON object on standard output", &json, NULL}};
	const er_command cmd = {
	    .usage = "er check [ENTRY] [--json]",
	    .about = "Says whether a node would take a routine: reads er.jsonc, bundles (nothing is written), compares the size with "
	             "its limit, and runs "
	             "the top-level code in a real sandbox. Reads the folder of static files and its rules. No request is made. "
	             "Warns of limits that a default node does not allow, of "
	             "top-level code that takes half of its limit, and of globals that do not exist in the sandbox.",
	    .details = "Exit status: 0 a node takes it, 1 it does not (each reason with its place), 2 wrong usage.\n",
	    .options = options,
	    .n_options = 1,
	    .max_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &entry);
	if (rc >= 0)
		return rc;
	er_project p;
	er_bundle *b = er_desk_build(&p, entry, ER_MINIFY_DEFAULT, true, json);
	rc = b == NULL || !check_files(&p, json) ? ER_EXIT_FAILED : p.main != NULL ? check(&p, b, json) : no_code(&p, b, json);
	er_bundle_free(b);
	er_project_free(&p);
	return rc;
}
