/* The arguments of one command, from one table that also writes its --help. Values point into
 * argv. */
#ifndef ER_CLI_ARGS_H
#define ER_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of every command. */
enum {
	ER_EXIT_OK = 0,
	ER_EXIT_FAILED = 1,      /* it was tried, and did not work: the message says why */
	ER_EXIT_USAGE = 2,       /* called wrongly: nothing was tried */
	ER_EXIT_UNREACHABLE = 3, /* no node there, or it did not answer in time */
	ER_EXIT_REFUSED = 4,     /* no valid token, a role that may not, or too many attempts */
	ER_EXIT_NOT_FOUND = 5,   /* no such routine, version, key, profile ... */
	/* er deploy: the code is live, and its own first answer is a failure */
	ER_EXIT_ANSWER = 6,
	ER_EXIT_WENT_BACK = 7, /* --wait-guard: the guard went back to what ran before */
	ER_EXIT_NOT_ALL = 8,   /* er prefetch: some of the URLs are not stored */
	ER_EXIT_NO_TESTS = 9,  /* er test: there is none, or a file of them does not build or load */
};
/* For the details of those that talk to a node. */
#define ER_EXIT_STATUSES \
	"Exit status: 0 done, 1 failed, 2 called wrongly, 3 node not reachable, 4 refused (token, role), 5 not found.\n"

typedef struct er_option {
	const char *name; /* without the two hyphens */
	char letter;      /* or 0 */
	/* what --help calls its value; NULL: a switch, which may have one behind "=" if `text` is
	 * there, too */
	const char *value;
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
	size_t max_words;   /* positional arguments at most */
	size_t least_words; /* and at least */
} er_command;

/* Fills options and words (max_words pointers, the rest stays as it was). argv[0] is the command's
 * name. -1: go on; otherwise the exit status (help was printed, or a usage error on standard
 * error). --help and -h are built in. */
int er_args_parse(const er_command *cmd, int argc, char **argv, const char **words);

/* Was --json asked for? Also in arguments that are not understood. argv[0] is the command's
 * name. */
bool er_args_json(int argc, char **argv);

/* From now on er_args_parse hands its table to `sink` instead of parsing, and returns; NULL ends
 * that. Not for several threads. */
void er_args_describe(void (*sink)(void *ctx, const er_command *cmd), void *ctx);

#endif
