/* er completion: what makes bash, zsh or fish complete er's commands and options. Each script is
 * one function from the words so far to what may follow, with a case for every command; the cases
 * are written by walking the tree, and the options by asking each command for its table
 * (er_cli_describe). So there is nothing here that a new command has to be added to. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/show.h"

#include <unistd.h>

typedef struct writer {
	er_buf out;
	const char *path; /* "kv namespace add" */
	const er_cli_command *command;
} writer;

/* Calls `each` for the root and everything below it, depth first. */
static void walk(writer *w, const er_cli_command *c, const char *path, void (*each)(writer *w))
{
	ER_ASSERT(path != NULL && each != NULL);
	w->path = path;
	w->command = c;
	each(w);
	for (size_t i = 0; i < c->n_subs; i++) {
		char *below = er_printf("%s%s%s", path, *path ? " " : "", c->subs[i].name);
		walk(w, &c->subs[i], below, each);
		er_free(below);
	}
}

/* For a single-quoted string: none of our texts needs more than its quotes doubled. */
static void put_quoted(er_buf *b, const char *s, const char *quote)
{
	ER_ASSERT(s != NULL && quote != NULL);
	for (; *s; s++) {
		if (*s == '\'')
			er_buf_put_cstr(b, quote);
		else
			er_buf_putc(b, (uint8_t)*s);
	}
}

/* ---- bash ---- */

static void bash_options(void *ctx, const er_command *cmd)
{
	writer *w = ctx;
	for (size_t i = 0; i < cmd->n_options; i++)
		er_buf_printf(&w->out, " --%s%s", cmd->options[i].name, cmd->options[i].value ? "=" : "");
}

static void bash_case(writer *w)
{
	er_buf_printf(&w->out, "\t'%s') words='", w->path);
	for (size_t i = 0; i < w->command->n_subs; i++)
		er_buf_printf(&w->out, "%s%s", i ? " " : "", w->command->subs[i].name);
	er_cli_describe(w->command, bash_options, w);
	er_buf_puts(&w->out, " --help' ;;\n");
}

/* A loop in the shell goes down the words that are paths of ours; the case of the last one gives
 * what may follow. */
static void bash(writer *w)
{
	er_buf_puts(&w->out, "# er completion bash: source it, or put it into /etc/bash_completion.d/er\n"
	                     "_er_words() {\n\tcase $1 in\n");
	walk(w, &er_cli_root, "", bash_case);
	er_buf_puts(&w->out, "\t*) return 1 ;;\n\tesac\n}\n"
	                     "_er() {\n"
	                     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} path= words next i\n"
	                     "\t_er_words ''\n"
	                     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	                     "\t\tnext=${COMP_WORDS[i]}\n"
	                     "\t\t[[ $next == -* ]] && break\n"
	                     "\t\tlocal before=$words\n"
	                     "\t\t_er_words \"$path${path:+ }$next\" || { words=$before; break; }\n"
	                     "\t\tpath=$path${path:+ }$next\n"
	                     "\tdone\n"
	                     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	                     "\tif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi\n"
	                     "\t[[ ${#COMPREPLY[@]} != 0 ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	                     "}\n"
	                     "complete -F _er er\n");
}

/* ---- zsh ---- */

/* " 'NAME:HELP'" */
static void zsh_entry(er_buf *b, const char *dashes, const char *name, const char *help)
{
	er_buf_printf(b, " '%s%s:", dashes, name);
	put_quoted(b, help, "'\\''");
	er_buf_putc(b, '\'');
}

static void zsh_flags(void *ctx, const er_command *cmd)
{
	writer *w = ctx;
	for (size_t i = 0; i < cmd->n_options; i++)
		if (cmd->options[i].value == NULL)
			zsh_entry(&w->out, "--", cmd->options[i].name, cmd->options[i].help);
}

static void zsh_valued(void *ctx, const er_command *cmd)
{
	writer *w = ctx;
	for (size_t i = 0; i < cmd->n_options; i++)
		if (cmd->options[i].value != NULL)
			zsh_entry(&w->out, "--", cmd->options[i].name, cmd->options[i].help);
}

static void zsh_case(writer *w)
{
	er_buf_printf(&w->out, "\t'%s') found=(", w->path);
	for (size_t i = 0; i < w->command->n_subs; i++)
		zsh_entry(&w->out, "", w->command->subs[i].name, w->command->subs[i].summary);
	er_buf_puts(&w->out, " ) flags=( '--help:what it does'");
	er_cli_describe(w->command, zsh_flags, w);
	er_buf_puts(&w->out, " ) valued=(");
	er_cli_describe(w->command, zsh_valued, w);
	er_buf_puts(&w->out, " ) ;;\n");
}

/* Options are offered to who begins one; "=" is put behind those that take a value, and what
 * follows is a file's name for all that is known. */
static void zsh(writer *w)
{
	er_buf_puts(&w->out, "#compdef er\n# er completion zsh: put it into a folder of $fpath as _er\n"
	                     "_er_words() {\n\tcase $1 in\n");
	walk(w, &er_cli_root, "", zsh_case);
	er_buf_puts(&w->out, "\t*) return 1 ;;\n\tesac\n}\n"
	                     "_er() {\n"
	                     "\tlocal path_= next i\n"
	                     "\tlocal -a found flags valued\n"
	                     "\t_er_words ''\n"
	                     "\tfor ((i = 2; i < CURRENT; i++)); do\n"
	                     "\t\tnext=${words[i]}\n"
	                     "\t\t[[ $next == -* ]] && break\n"
	                     "\t\t_er_words \"$path_${path_:+ }$next\" || break\n"
	                     "\t\tpath_=\"$path_${path_:+ }$next\"\n"
	                     "\tdone\n"
	                     "\tif compset -P '--*='; then\n"
	                     "\t\t_files\n"
	                     "\telif [[ ${words[CURRENT]} == -* ]]; then\n"
	                     "\t\t_describe -o option flags -- valued -qS =\n"
	                     "\telif ((CURRENT > 2 && ${valued[(I)${(b)words[CURRENT-1]}:*]})); then\n"
	                     "\t\t_files\n"
	                     "\telse\n"
	                     "\t\t_describe command found || _files\n"
	                     "\tfi\n"
	                     "}\n"
	                     "if [ \"$funcstack[1]\" = _er ]; then _er \"$@\"; else compdef _er er; fi\n");
}

/* ---- fish ---- */

/* True in fish while the words before the cursor are exactly this path. */
static void fish_condition(writer *w)
{
	er_buf_printf(&w->out, "complete -c er -n '__er_at \"%s\"' ", w->path);
}

static void fish_options(void *ctx, const er_command *cmd)
{
	writer *w = ctx;
	for (size_t i = 0; i < cmd->n_options; i++) {
		const er_option *o = &cmd->options[i];
		fish_condition(w);
		er_buf_printf(&w->out, "-l %s%s", o->name, o->value ? " -r" : "");
		if (o->letter)
			er_buf_printf(&w->out, " -s %c", o->letter);
		er_buf_puts(&w->out, " -d '");
		put_quoted(&w->out, o->help, "\\'");
		er_buf_puts(&w->out, "'\n");
	}
}

static void fish_lines(writer *w)
{
	for (size_t i = 0; i < w->command->n_subs; i++) {
		fish_condition(w);
		er_buf_printf(&w->out, "-f -a %s -d '", w->command->subs[i].name);
		put_quoted(&w->out, w->command->subs[i].summary, "\\'");
		er_buf_puts(&w->out, "'\n");
	}
	fish_condition(w);
	er_buf_puts(&w->out, "-l help -s h -d 'what it does'\n");
	er_cli_describe(w->command, fish_options, w);
}

static void fish_paths(writer *w)
{
	if (*w->path)
		er_buf_printf(&w->out, " '%s'", w->path);
}

/* Fish has a line for each completion, with a condition on the words before it. */
static void fish(writer *w)
{
	er_buf_puts(&w->out, "# er completion fish: put it into ~/.config/fish/completions/er.fish\nset -g __er_paths");
	walk(w, &er_cli_root, "", fish_paths);
	er_buf_puts(&w->out, "\nfunction __er_at\n"
	                     "\tset -l path ''\n"
	                     "\tfor word in (commandline -opc)[2..]\n"
	                     "\t\tset -l below (string trim \"$path $word\")\n"
	                     "\t\tcontains -- $below $__er_paths; or break\n"
	                     "\t\tset path $below\n"
	                     "\tend\n"
	                     "\ttest \"$path\" = \"$argv[1]\"\n"
	                     "end\n");
	walk(w, &er_cli_root, "", fish_lines);
}

int er_cmd_completion(int argc, char **argv)
{
	ER_ASSERT(argc >= 1);
	const char *shell = NULL;
	const er_command cmd = {
	    .usage = "er completion bash|zsh|fish",
	    .about = "Prints what makes the shell complete er's commands and options. For this session:\n\n"
	             "  source <(er completion bash)\n"
	             "  source <(er completion zsh)    (after compinit)\n"
	             "  er completion fish | source",
	    .details = "Exit status: 0 printed, 2 called wrongly.\n",
	    .max_words = 1,
	    .least_words = 1,
	};
	int rc = er_args_parse(&cmd, argc, argv, &shell);
	if (rc >= 0)
		return rc;
	static const struct {
		const char *name;
		void (*write)(writer *w);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	writer w = {0};
	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
		if (er_slice_eq(er_slice_cstr(shell), er_slice_cstr(shells[i].name)))
			shells[i].write(&w);
	if (er_buf_len(&w.out) == 0) {
		er_show_error(er_args_json(argc, argv), "usage", ER_LIT("there is completion for bash, zsh and fish"), cmd.usage);
		return ER_EXIT_USAGE;
	}
	er_term_flush(STDOUT_FILENO, &w.out);
	er_buf_fini(&w.out);
	return ER_EXIT_OK;
}
