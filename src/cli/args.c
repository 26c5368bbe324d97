#include "cli/args.h"

#include "base/nearest.h"
#include "base/slice.h"

#include <stdio.h>

enum { OPTIONS_MAX = 32, HELP_WIDTH = 110, HELP_INDENT = 27 };

/* Set only while er_args_describe runs. */
static struct {
	void (*sink)(void *ctx, const er_command *cmd);
	void *ctx;
} describing;

void er_args_describe(int (*run)(int argc, char **argv), void (*sink)(void *ctx, const er_command *cmd), void *ctx)
{
	char name[] = "er";
	char *argv[] = {name, NULL};
	describing.sink = sink;
	describing.ctx = ctx;
	(void)run(1, argv);
	describing.sink = NULL;
}

/* Lines as wide as people read; what is longer goes on below `indent`. */
static void put_wrapped(er_slice text, size_t indent, size_t at)
{
	er_slice line, word;
	bool first = true;
	while (er_slice_split(&text, '\n', &line)) {
		if (!first)
			printf("\n%*s", (int)indent, "");
		at = first ? at : indent;
		first = false;
		for (bool begun = false; er_slice_split(&line, ' ', &word); begun = true) {
			if (begun && at + 1 + word.n > HELP_WIDTH) {
				printf("\n%*s", (int)indent, "");
				at = indent;
			} else if (begun) {
				putchar(' ');
				at++;
			}
			printf("%.*s", ER_FMT(word));
			at += word.n;
		}
	}
	putchar('\n');
}

static void put_help(const er_command *cmd)
{
	printf("%s\n\n", cmd->usage);
	put_wrapped(er_slice_cstr(cmd->about), 0, 0);
	putchar('\n');
	for (size_t i = 0; i < cmd->n_options; i++) {
		const er_option *o = &cmd->options[i];
		char left[64];
		int n = snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		if (o->letter && n > 0 && (size_t)n < sizeof left)
			snprintf(left + n, sizeof left - (size_t)n, ", -%c", o->letter);
		int used = printf("  %-24s ", left);
		put_wrapped(er_slice_cstr(o->help), HELP_INDENT, used > 0 ? (size_t)used : 0);
	}
	printf("  %-24s %s\n", "--help, -h", "this text");
	if (cmd->details) {
		putchar('\n');
		put_wrapped(er_slice_cstr(cmd->details), 0, 0);
	}
}

static int usage(const er_command *cmd, const char *what, er_slice arg)
{
	fprintf(stderr, "error: %s: %.*s\nusage: %s   (--help tells more)\n", what, ER_FMT(arg), cmd->usage);
	return ER_EXIT_USAGE;
}

static int unknown(const er_command *cmd, er_slice arg)
{
	er_slice names[OPTIONS_MAX], hint = {NULL, 0};
	if (er_slice_starts(arg, ER_LIT("--")) && cmd->n_options <= OPTIONS_MAX) {
		for (size_t i = 0; i < cmd->n_options; i++)
			names[i] = er_slice_cstr(cmd->options[i].name);
		er_slice name = er_slice_from(arg, 2);
		hint = er_nearest(er_slice_head(name, er_slice_find(name, '=')), names, cmd->n_options);
	}
	fprintf(stderr, "error: unknown option: %.*s", ER_FMT(arg));
	if (hint.n)
		fprintf(stderr, "; did you mean --%.*s?", ER_FMT(hint));
	fprintf(stderr, "\nusage: %s   (--help tells more)\n", cmd->usage);
	return ER_EXIT_USAGE;
}

static const er_option *find(const er_command *cmd, er_slice arg)
{
	for (size_t i = 0; i < cmd->n_options; i++) {
		const er_option *o = &cmd->options[i];
		if (er_slice_starts(arg, ER_LIT("--")) && er_slice_eq(er_slice_from(arg, 2), er_slice_cstr(o->name)))
			return o;
		if (arg.n == 2 && o->letter && arg.p[1] == (uint8_t)o->letter)
			return o;
	}
	return NULL;
}

/* The argument that the usage line names behind `n` others: capitals or a choice, and no option. */
static er_slice missing(const er_command *cmd, size_t n)
{
	er_slice rest = er_slice_cstr(cmd->usage), word;
	while (er_slice_split(&rest, ' ', &word)) {
		bool named = word.n && ((word.p[0] >= 'A' && word.p[0] <= 'Z') || er_slice_find(word, '|') < word.n);
		if (named && n-- == 0)
			return word;
	}
	return ER_LIT("see its usage");
}

int er_args_parse(const er_command *cmd, int argc, char **argv, const char **words)
{
	size_t n_words = 0;
	bool only_words = false;
	if (describing.sink) {
		describing.sink(describing.ctx, cmd);
		return ER_EXIT_OK;
	}
	for (int i = 1; i < argc; i++) {
		er_slice arg = er_slice_cstr(argv[i]);
		if (only_words || arg.n < 2 || arg.p[0] != '-') {
			if (n_words == cmd->max_words)
				return usage(cmd, "one argument too many", arg);
			words[n_words++] = argv[i];
			continue;
		}
		if (er_slice_eq(arg, ER_LIT("--"))) {
			only_words = true;
			continue;
		}
		if (er_slice_eq(arg, ER_LIT("--help")) || er_slice_eq(arg, ER_LIT("-h"))) {
			put_help(cmd);
			return ER_EXIT_OK;
		}
		size_t equals = er_slice_find(arg, '=');
		const er_option *o = find(cmd, er_slice_head(arg, equals));
		if (o == NULL)
			return unknown(cmd, arg);
		if (o->value == NULL) {
			if (equals < arg.n)
				return usage(cmd, "this option takes no value", arg);
			*o->flag = true;
		} else if (equals < arg.n) {
			*o->text = argv[i] + equals + 1;
		} else if (i + 1 < argc) {
			*o->text = argv[++i];
		} else {
			return usage(cmd, "a value is missing behind this option", arg);
		}
	}
	if (n_words < cmd->least_words)
		return usage(cmd, "an argument is missing", missing(cmd, n_words));
	return -1;
}
