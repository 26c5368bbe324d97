/* The arguments of one command, from one table that also writes its --help. Values point into argv. */
#ifndef ER_CLI_ARGS_H
#define ER_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of every command. */
enum { ER_EXIT_OK = 0, ER_EXIT_FAILED = 1, ER_EXIT_USAGE = 2 };

typedef struct er_option {
	const char *name;  /* without the two hyphens */
	char letter;       /* or 0 */
	const char *value; /* what --help calls its value; NULL: a switch */
	const char *help;  /* one line */
	bool *flag;        /* of a switch */
	const char **text; /* of an option with a value */
} er_option;

typedef struct er_command {
	const char *usage;   /* "er build [ENTRY] [options]" */
	const char *about;   /* a paragraph */
	const char *details; /* after the options: exit statuses, examples; or NULL */
	const er_option *options;
	size_t n_options;
	size_t max_words; /* positional arguments at most */
} er_command;

/* Fills options and words (max_words pointers, the rest stays as it was). argv[0] is the command's name.
 * -1: go on; otherwise the exit status (help was printed, or a usage error on standard error). --help and -h are built in. */
int er_args_parse(const er_command *cmd, int argc, char **argv, const char **words);

#endif
