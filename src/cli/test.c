/* er test: a project's tests, run in sandboxes. This process reads the arguments and the project,
 * and becomes tools/test.mjs, which finds the files of tests, bundles each with the routine, starts
 * a node for each (stage.h), asks it for one test after the other over HTTP, and reports.
 *
 * What the script needs to know of the project it gets as one JSON argument. The nodes read
 * er.jsonc and .dev.vars themselves; they are read here as well so that a mistake is shown
 * once, at its place, before anything is built. Two forms of the command are the script's own:
 * `er test --stage` runs a node, and `er test --describe` gives the JSON again after er.jsonc
 * was changed. */
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/desk.h"
#include "cli/devvars.h"
#include "cli/share.h"
#include "cli/show.h"
#include "cli/stage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { WORDS = 64, TIMEOUT_MS = 5000, TIMEOUT_MOST = 600000, JOBS_MOST = 64 };

typedef struct options {
	bool json, watch;
	const char *name, *reporter, *timeout, *jobs;
	uint64_t timeout_ms, n_jobs;
	const char *words[WORDS];
} options;

static void put_words(er_out *o, const char *const words[WORDS])
{
	er_out_open(o, "words", '[');
	for (size_t i = 0; i < WORDS && words[i] != NULL; i++)
		er_out_cstr(o, NULL, words[i]);
	er_out_close(o, ']');
}

/* What the script gets. */
static void describe(er_out *o, const er_project *p, const options *given)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
	er_out_open(o, NULL, '{');
	er_out_str(o, "er", er_slice_of(exe, n > 0 ? (size_t)n : 0));
	er_out_cstr(o, "root", p->root);
	er_out_str(o, "prefix", p->prefix);
	er_out_opt(o, "main", er_slice_cstr(p->main != NULL ? p->main : ""));
	er_out_str(o, "name", p->name);
	er_out_bool(o, "nodejs", p->compat & ER_COMPAT_NODEJS);
	if (given != NULL) {
		put_words(o, given->words);
		er_out_opt(o, "pattern", er_slice_cstr(given->name != NULL ? given->name : ""));
		er_out_opt(o, "reporter", er_slice_cstr(given->reporter != NULL ? given->reporter : ""));
		er_out_bool(o, "json", given->json);
		er_out_bool(o, "watch", given->watch);
		er_out_u64(o, "timeout_ms", given->timeout_ms);
		er_out_u64(o, "jobs", given->n_jobs);
	}
	er_out_close(o, '}');
}

/* False: what is wrong was shown. */
static bool load(er_project *p, bool json)
{
	er_diag diag;
	size_t n;
	if (er_project_load(p, NULL, &diag) && er_devvars_take(p, &n, &diag))
		return true;
	er_desk_show_failure(&diag, 1, json);
	return false;
}

/* This process is the script from here on; it comes back only if it cannot be. */
static void become(const char *script, const char *settings, er_err *err)
{
	const char *argv[] = {"node", script, settings, NULL};
	(void)execvp(argv[0], (char **)(uintptr_t)argv);
	if (errno == ENOENT)
		(void)er_fail(err, ER_ERR_UNAVAILABLE, "node is not installed or not in PATH; er test needs it (apt-get install nodejs)");
	else
		(void)er_fail_errno(err, ER_ERR_SYSTEM, "cannot start node");
}

static int run(const options *given)
{
	er_project p;
	er_err err = {0};
	er_buf script = {0};
	er_out o = {0};
	if (!load(&p, given->json)) {
		er_project_free(&p);
		return ER_EXIT_NO_TESTS;
	}
	if (er_share_find("test.mjs", &script, &err)) {
		describe(&o, &p, given);
		er_buf_putc(&o.b, 0);
		become((const char *)er_buf_slice(&script).p, (const char *)er_buf_slice(&o.b).p, &err);
	}
	er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, given->json);
	er_out_fini(&o);
	er_buf_fini(&script);
	er_project_free(&p);
	return ER_EXIT_NO_TESTS;
}

static int describe_again(void)
{
	er_project p;
	er_out o = {0};
	bool ok = load(&p, true);
	if (ok) {
		describe(&o, &p, NULL);
		er_out_line(&o);
		er_term_flush(STDOUT_FILENO, &o.b);
	}
	er_out_fini(&o);
	er_project_free(&p);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}

static bool number(const char *text, const char *option, uint64_t otherwise, uint64_t most, uint64_t *out, er_err *err)
{
	*out = otherwise;
	return text == NULL || (er_slice_u64(er_slice_cstr(text), out) && *out > 0 && *out <= most) ||
	       er_fail(err, ER_ERR_INVALID, "--%s: a number from 1 to %llu is expected, not \"%.100s\"", option,
	               (unsigned long long)most, text);
}

/* human, tap and junit; behind the latter two a file may be named. */
static bool reporter_ok(const char *text, er_err *err)
{
	er_slice all = er_slice_cstr(text != NULL ? text : "human");
	er_slice kind = er_slice_head(all, er_slice_find(all, '='));
	bool file = kind.n < all.n, machine = er_slice_eq(kind, ER_LIT("tap")) || er_slice_eq(kind, ER_LIT("junit"));
	return (machine && (!file || kind.n + 1 < all.n)) || (er_slice_eq(kind, ER_LIT("human")) && !file) ||
	       er_fail(err, ER_ERR_INVALID, "--reporter: human, tap, junit, tap=FILE or junit=FILE is expected, not \"%.100s\"",
	               text);
}

int er_cmd_test(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	options given = {0};
	if (argc == 7 && er_slice_eq(er_slice_cstr(argv[1]), ER_LIT("--stage")))
		return er_stage_run(&(er_stage){.where = argv[2], .code = argv[3], .map = argv[4], .data = argv[5], .timeout = argv[6]});
	if (argc == 2 && er_slice_eq(er_slice_cstr(argv[1]), ER_LIT("--describe")))
		return describe_again();
	const er_option table[] = {
	    {"name", 't', "PATTERN",
	     "only tests whose name, with the names of their describes before it, has this (a regular expression)", NULL,
	     &given.name},
	    {"watch", 'w', NULL, "again after every save, what the save touches", &given.watch, NULL},
	    {"timeout", 0, "MS", "for each test, if it says nothing itself; 5000 if not given", NULL, &given.timeout},
	    {"jobs", 'j', "N", "files that run at the same time; as many as there are cores, 4 at most, if not given", NULL,
	     &given.jobs},
	    {"reporter", 'r', "NAME[=FILE]",
	     "human (if not given), tap or junit on standard output; tap=FILE or junit=FILE: into this file, beside the human report",
	     NULL, &given.reporter},
	    {"json", 0, NULL, "the result as one JSON object on standard output; with --watch one a line after every run",
	     &given.json, NULL},
	};
	const er_command cmd = {
	    .usage = "er test [FILE...] [-t PATTERN] [options]",
	    .about =
	        "Runs the project's tests, *.test.ts, .tsx, .js, .jsx and .mjs, in the sandbox that nodes run routines in. FILE is "
	        "a file or a folder, or a part of a file's path. Tests import what they need from \"er:test\": "
	        "import { test, expect, mock, SELF } from \"er:test\".\n"
	        "Each file has a sandbox and data (key-value store, caches) of its own, and each test is one request there. Requests "
	        "that the code makes meet the answers of mock.fetch, and fail where there is none.",
	    .details =
	        "Exit status: 0 all passed, 1 a test failed, 2 wrong usage, 9 tests could not be run: there is none, or a file of "
	        "them does not build or load.\n",
	    .options = table,
	    .n_options = sizeof table / sizeof *table,
	    .max_words = WORDS - 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, given.words);
	if (rc >= 0)
		return rc;
	er_err err = {0};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	bool ok = number(given.timeout, "timeout", TIMEOUT_MS, TIMEOUT_MOST, &given.timeout_ms, &err) &&
	          number(given.jobs, "jobs",
	                 cores < 1   ? 1
	                 : cores > 4 ? 4
	                             : (uint64_t)cores,
	                 JOBS_MOST, &given.n_jobs, &err) &&
	          reporter_ok(given.reporter, &err);
	if (ok)
		return run(&given);
	er_show_error(given.json, "invalid", er_slice_cstr(err.text), NULL);
	return ER_EXIT_USAGE;
}
