/* er manual: the manual page er(1), from the tree of commands and their tables of options, as
 * --help is. A command that is added to the tree is in it.
 *
 * put_tree walks the tree; each command describes itself to put_command through er_cli_describe,
 * which calls it with its table instead of running it. The page is made in one buffer and printed.
 * `make install` calls the command; nothing of the page depends on the machine. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/show.h"

#include <unistd.h>

/* Text of ours in roff: no character of it is an instruction, and a newline begins a line. */
static void put_text(er_buf *b, const char *s)
{
	ER_ASSERT(s != NULL);
	bool begins = true;
	for (; *s; s++) {
		if (begins && (*s == '.' || *s == '\''))
			er_buf_puts(b, "\\&");
		begins = *s == '\n';
		if (*s == '\\')
			er_buf_puts(b, "\\e");
		else if (*s == '-')
			er_buf_puts(b, "\\-");
		else if (*s == '\n' && s[1] != '\0')
			er_buf_puts(b, "\n.br\n");
		else if (*s != '\n')
			er_buf_putc(b, (uint8_t)*s);
	}
	er_buf_putc(b, '\n');
}

static void put_option(er_buf *b, const er_option *o)
{
	ER_ASSERT(o->name != NULL && o->help != NULL);
	er_buf_printf(b, ".TP\n\\fB\\-\\-");
	for (const char *s = o->name; *s; s++)
		er_buf_printf(b, "%s%c", *s == '-' ? "\\" : "", *s);
	er_buf_puts(b, "\\fR");
	if (o->value)
		er_buf_printf(b, " \\fI%s\\fR", o->value);
	if (o->letter)
		er_buf_printf(b, ", \\fB\\-%c\\fR", o->letter);
	er_buf_putc(b, '\n');
	put_text(b, o->help);
}

static void put_command(void *ctx, const er_command *cmd)
{
	ER_ASSERT(ctx != NULL && cmd->usage != NULL && cmd->about != NULL);
	er_buf *b = ctx;
	er_buf_puts(b, ".PP\n.B ");
	put_text(b, cmd->usage);
	er_buf_puts(b, ".PP\n");
	put_text(b, cmd->about);
	for (size_t i = 0; i < cmd->n_options; i++)
		put_option(b, &cmd->options[i]);
	if (cmd->details) {
		er_buf_puts(b, ".PP\n");
		put_text(b, cmd->details);
	}
}

/* A group that does something by itself does what its first leaf does, unless it has a help of its
 * own. */
static void put_tree(er_buf *b, const er_cli_command *c, const char *path)
{
	ER_ASSERT(c->n_subs == 0 || c->subs != NULL);
	for (size_t i = 0; i < c->n_subs; i++) {
		const er_cli_command *one = &c->subs[i];
		char *name = er_printf("%s %s", path, one->name);
		if (one->n_subs == 0 || one->own_help) {
			char *title = er_printf("%s: %s", name, one->summary);
			er_buf_puts(b, ".SS\n");
			put_text(b, title);
			er_free(title);
			er_cli_describe(one, put_command, b);
		}
		put_tree(b, one, name);
		er_free(name);
	}
}

/* The sections of a manual page in their usual order (man-pages(7)). */
static void put_page(er_buf *b)
{
	er_buf_printf(b, ".TH ER 1 \"\" \"EdgeRoutine %s\" \"User Commands\"\n.SH NAME\ner \\- ", ER_VERSION);
	put_text(b, er_cli_root.summary);
	er_buf_puts(b,
	            ".SH SYNOPSIS\n.B er\n\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n.br\n.B er\n\\fICOMMAND\\fR \\fB\\-\\-help\\fR\n"
	            ".SH DESCRIPTION\n.B er\nmakes, runs and checks routines at the desk, brings them to a node, and is the node.\n"
	            "er(8) is about the node.\n.PP\n"
	            "Commands to a node talk to the profile of er login, to what ER_NODE and ER_TOKEN say, or to a node of this\n"
	            "machine (./data/admin.sock, /var/lib/edgeroutine/admin.sock).\n.SH COMMANDS\n");
	put_tree(b, &er_cli_root, "er");
	er_buf_puts(b, ".SH EXIT STATUS\n");
	put_text(b, ER_EXIT_STATUSES);
	er_buf_puts(b, ".SH ENVIRONMENT\n.TP\n.BR ER_NODE \", \" ER_TOKEN \", \" ER_PROFILE \", \" ER_CA\n"
	               "the node that commands talk to, the token for it, the profile, and certificates to trust\n.TP\n"
	               ".B NO_COLOR\nno colours at a terminal\n"
	               ".SH FILES\n.I er.jsonc\nof a project: name, entry, routes, limits, variables\n.br\n"
	               ".I ~/.config/edgeroutine/profiles.json\nwhat er login remembers\n"
	               ".SH SEE ALSO\ner(8), README.md, docs/routines.md and docs/tool.md in the documentation's folder\n");
}

int er_cmd_manual(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	const er_command cmd = {
	    .usage = "er manual",
	    .about = "Prints the manual page er(1), which make install puts in its place. To read it: er manual | man -l -",
	    .details = "Exit status: 0 printed, 2 called wrongly.\n",
	};
	int rc = er_args_parse(&cmd, argc, argv, NULL);
	if (rc >= 0)
		return rc;
	er_buf b = {0};
	put_page(&b);
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	return ER_EXIT_OK;
}
