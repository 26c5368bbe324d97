/* One table of options, three uses: parsing, --help, and (through er_args_describe) the shells'
 * completion and the manual page. A command fills the table with pointers into its own variables;
 * er_args_parse writes there and keeps nothing. Every command comes here with its own argv, argv[0]
 * being its name.
 *
 * Describing is a detour of the same calls: while a sink is set, a command that calls er_args_parse
 * is not run but hands its table to the sink. So the tables can stay in the functions that use
 * them. */
#include "cli/args.h"

#include "base/nearest.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/show.h"

#include <stdio.h>

enum { OPTIONS_MAX = 32, HELP_WIDTH = 110, HELP_INDENT = 27 };

static struct {
	void (*sink)(void *ctx, const er_command *cmd); /* or NULL */
	void *ctx;
} describing;

void er_args_describe(void (*sink)(void *ctx, const er_command *cmd), void *ctx)
{
	describing.sink = sink;
	describing.ctx = ctx;
}

/* Lines as wide as people read; what is longer goes on below `indent`. */
static void put_wrapped(er_slice text, size_t indent, size_t at)
{
	ER_ASSERT(indent < HELP_WIDTH);
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

/* Usage, what it does, its options in two columns, and details. */
static void put_help(const er_command *cmd)
{
	ER_ASSERT(cmd->usage != NULL && cmd->about != NULL);
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

/* Asked before the arguments are understood, so that also a mistake in them is told as JSON. */
bool er_args_json(int argc, char **argv)
{
	ER_ASSERT(argc >= 1 && argv != NULL);
	for (int i = 1; i < argc; i++) {
		er_slice arg = er_slice_cstr(argv[i]);
		if (er_slice_eq(arg, ER_LIT("--")))
			return false;
		if (er_slice_eq(arg, ER_LIT("--json")))
			return true;
	}
	return false;
}

/* The arguments as they came. */
typedef struct called {
	const er_command *cmd;
	int argc;
	char **argv;
} called;

/* Takes the text. */
static int refuse(const called *c, er_buf *text)
{
	bool json = er_args_json(c->argc, c->argv);
	er_buf usage = {0};
	er_buf_put_cstr(&usage, c->cmd->usage);
	er_buf_put_cstr(&usage, json ? "" : "   (--help tells more)");
	er_buf_putc(&usage, 0);
	er_show_error(json, "usage", er_buf_slice(text), (const char *)er_buf_slice(&usage).p);
	er_buf_fini(&usage);
	er_buf_fini(text);
	return ER_EXIT_USAGE;
}

static int usage(const called *c, const char *what, er_slice arg)
{
	er_buf text = {0};
	er_buf_printf(&text, "%s: ", what);
	er_buf_put(&text, arg);
	return refuse(c, &text);
}

/* With the nearest option there is. */
static int unknown(const called *c, er_slice arg)
{
	er_slice names[OPTIONS_MAX], hint = {NULL, 0};
	er_buf text = {0};
	if (er_slice_starts(arg, ER_LIT("--")) && c->cmd->n_options <= OPTIONS_MAX) {
		for (size_t i = 0; i < c->cmd->n_options; i++)
			names[i] = er_slice_cstr(c->cmd->options[i].name);
		er_slice name = er_slice_from(arg, 2);
		hint = er_nearest(er_slice_head(name, er_slice_find(name, '=')), names, c->cmd->n_options);
	}
	er_buf_puts(&text, "unknown option: ");
	er_buf_put(&text, arg);
	if (hint.n)
		er_buf_printf(&text, "; did you mean --%.*s?", ER_FMT(hint));
	return refuse(c, &text);
}

/* By its long name or its letter. */
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

/* "--json" behind "--timeout" is no value of it; one that looks so is written with an equals
 * sign. */
static bool is_option(const er_command *cmd, er_slice arg)
{
	return er_slice_starts(arg, ER_LIT("--")) && find(cmd, arg) != NULL;
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
	const called c = {cmd, argc, argv};
	ER_ASSERT(argc >= 1 && argv[0] != NULL && cmd->least_words <= cmd->max_words && (cmd->max_words == 0 || words != NULL));
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
				return usage(&c, "one argument too many", arg);
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
			return unknown(&c, arg);
		ER_ASSERT(o->value != NULL ? o->text != NULL : o->flag != NULL);
		if (o->value == NULL) {
			if (equals < arg.n && o->text == NULL)
				return usage(&c, "this option takes no value", arg);
			if (equals < arg.n)
				*o->text = argv[i] + equals + 1;
			*o->flag = true;
		} else if (equals < arg.n) {
			*o->text = argv[i] + equals + 1;
		} else if (i + 1 < argc && !is_option(cmd, er_slice_cstr(argv[i + 1]))) {
			*o->text = argv[++i];
		} else {
			return usage(&c, "a value is missing behind this option", arg);
		}
	}
	if (n_words < cmd->least_words)
		return usage(&c, "an argument is missing", missing(cmd, n_words));
	return -1;
}
