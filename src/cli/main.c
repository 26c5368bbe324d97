/* The executable: the words of the command line are followed down the tree of commands (commands.c)
 * to a leaf, which is run with what is left of them. A group that does something by itself is run
 * if no word names one below it. Everything here returns; only the end of main ends the process. */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/show.h"

#include <signal.h>
#include <stdio.h>

enum { SUBS_MAX = 64, PATH_MAX_BYTES = 64 };

/* Of a group: one line for each of its commands. `path` is what was typed so far. */
static void put_help(FILE *to, const er_cli_command *group, const char *path)
{
	ER_ASSERT(group->n_subs > 0 && path != NULL);
	bool root = group == &er_cli_root;
	if (root)
		fprintf(to, "er %s: %s\n\nusage: er COMMAND [ARGUMENTS]\n", ER_VERSION, group->summary);
	else
		fprintf(to, "usage: %s COMMAND [ARGUMENTS]\n\n%s\n\n", path, group->summary);
	for (size_t i = 0; i < group->n_subs; i++) {
		const er_cli_command *c = &group->subs[i];
		if (c->heading)
			fprintf(to, "\n%s:\n", c->heading);
		fprintf(to, "  %-12s %s%s\n", c->name, c->summary,
		        er_cli_runs(group) && group->run == c->run && group->row == c->row ? " (also without COMMAND)" : "");
	}
	fprintf(to, "\n  %s COMMAND --help   tells more\n", path);
	if (root)
		fprintf(to, "  er --version        the version\n\n"
		            "Commands to a node talk to the profile of `er login`, to what ER_NODE and ER_TOKEN say, or to a\n"
		            "node of this machine (./data/admin.sock, /var/lib/edgeroutine/admin.sock).\n\n" ER_EXIT_STATUSES);
}

/* No such command: says which one may have been meant. */
static int unknown(const er_cli_command *group, const char *path, er_slice name, bool json)
{
	ER_ASSERT(group->n_subs <= SUBS_MAX);
	er_slice names[SUBS_MAX], hint = {NULL, 0};
	er_buf text = {0};
	char usage[PATH_MAX_BYTES * 2 + 64];
	if (group->n_subs <= SUBS_MAX) {
		for (size_t i = 0; i < group->n_subs; i++)
			names[i] = er_slice_cstr(group->subs[i].name);
		hint = er_nearest(name, names, group->n_subs);
	}
	if (name.n == 0 || name.p[0] == '-')
		er_buf_printf(&text, "a command is missing behind \"%s\"", path);
	else
		er_buf_printf(&text, "there is no command \"%s %.*s\"", path, ER_FMT(name));
	if (hint.n > 0)
		er_buf_printf(&text, "; did you mean \"%s %.*s\"?", path, ER_FMT(hint));
	(void)snprintf(usage, sizeof usage, "%s COMMAND [ARGUMENTS]   (%s --help lists them)", path, path);
	er_show_error(json, "usage", er_buf_slice(&text), usage);
	er_buf_fini(&text);
	return ER_EXIT_USAGE;
}

/* Goes down the tree by argv[1]; path is how the group is called, "er kv". */
static int dispatch(const er_cli_command *group, const char *path, int argc, char **argv)
{
	er_slice word = argc > 1 ? er_slice_cstr(argv[1]) : (er_slice){NULL, 0};
	if (!group->own_help &&
	    (er_slice_eq(word, ER_LIT("--help")) || er_slice_eq(word, ER_LIT("-h")) || er_slice_eq(word, ER_LIT("help")))) {
		put_help(stdout, group, path);
		return ER_EXIT_OK;
	}
	for (size_t i = 0; argc > 1 && i < group->n_subs; i++) {
		const er_cli_command *c = &group->subs[i];
		if (!er_slice_eq(word, er_slice_cstr(c->name)))
			continue;
		if (c->subs == NULL)
			return er_cli_run(c, argc - 1, argv + 1);
		char below[PATH_MAX_BYTES]; /* three words at the most, all of them ours */
		(void)snprintf(below, sizeof below, "%s %s", path, c->name);
		return dispatch(c, below, argc - 1, argv + 1);
	}
	/* An option, or nothing: meant for what the group does by itself. */
	if (er_cli_runs(group) && (word.n == 0 || word.p[0] == '-'))
		return er_cli_run(group, argc, argv);
	if (word.n > 0)
		return unknown(group, path, word, er_args_json(argc, argv));
	put_help(stderr, group, path);
	return ER_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/* A reader that goes away is an error of that write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	er_mem_keep();
	er_slice first = argc > 1 ? er_slice_cstr(argv[1]) : (er_slice){NULL, 0};
	if (er_slice_eq(first, ER_LIT("--version")) || er_slice_eq(first, ER_LIT("-V")) || er_slice_eq(first, ER_LIT("version"))) {
		printf("er %s\n", ER_VERSION);
		return ER_EXIT_OK;
	}
	return dispatch(&er_cli_root, "er", argc, argv);
}
