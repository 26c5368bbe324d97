#include "cli/cli.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/args.h"

#include <signal.h>
#include <stdio.h>

static const er_cli_command commands[] = {
    {"init", "make a new routine from a template", er_cmd_init},
    {"dev", "run a routine here as production would, and again after every save", er_cmd_dev},
    {"check", "say whether a node would take a routine: its size, its er.jsonc, its top-level code", er_cmd_check},
    {"build", "bundle a routine into one script", er_cmd_build},
    {"node", "run a node that serves routines", er_cmd_node},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void put_help(FILE *to)
{
	fprintf(to, "er %s: EdgeRoutine, JavaScript on the edge in sandboxes of its own\n\nusage: er COMMAND [ARGUMENTS]\n\n",
	        ER_VERSION);
	for (int i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n  er COMMAND --help   tells more\n  er --version        the version\n\n"
	            "Exit status: 0 done, 1 failed, 2 called wrongly.\n");
}

static int unknown(er_slice name)
{
	er_slice names[N_COMMANDS];
	for (int i = 0; i < N_COMMANDS; i++)
		names[i] = er_slice_cstr(commands[i].name);
	er_slice hint = er_nearest(name, names, N_COMMANDS);
	fprintf(stderr, "error: there is no command \"%.*s\"", ER_FMT(name));
	if (hint.n > 0)
		fprintf(stderr, "; did you mean \"er %.*s\"?", ER_FMT(hint));
	fprintf(stderr, "\nusage: er COMMAND [ARGUMENTS]   (er --help lists them)\n");
	return ER_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/* A reader that goes away is an error of that write, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	er_mem_keep();
	if (argc < 2) {
		put_help(stderr);
		return ER_EXIT_USAGE;
	}
	er_slice name = er_slice_cstr(argv[1]);
	if (er_slice_eq(name, ER_LIT("--help")) || er_slice_eq(name, ER_LIT("-h")) || er_slice_eq(name, ER_LIT("help"))) {
		put_help(stdout);
		return ER_EXIT_OK;
	}
	if (er_slice_eq(name, ER_LIT("--version")) || er_slice_eq(name, ER_LIT("-V")) || er_slice_eq(name, ER_LIT("version"))) {
		printf("er %s\n", ER_VERSION);
		return ER_EXIT_OK;
	}
	for (int i = 0; i < N_COMMANDS; i++)
		if (er_slice_eq(name, er_slice_cstr(commands[i].name)) && commands[i].run != NULL)
			return commands[i].run(argc - 1, argv + 1);
	return unknown(name);
}
