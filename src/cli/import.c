/* er init --from: tools/import.mjs is run once, as a child, with its standard output on a pipe;
 * what it says is one JSON object, which is shown or passed on. The script reads the other project
 * and writes ours; this process writes nothing. */
#include "cli/import.h"

#include "cli/args.h"
#include "cli/desk.h"
#include "cli/remote.h"
#include "cli/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 16 * 1024 * 1024, CHUNK = 64 * 1024 };

/* Its whole standard output. False: it could not be started, or said nothing. */
static bool run_script(char *const argv[], er_buf *out, er_err *err)
{
	int pipes[2], status = 0;
	ER_ASSERT(argv[0] != NULL && er_buf_len(out) == 0);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(pipes[1]); /* or the pipe never ends */
	ssize_t n = pid > 0 ? 1 : 0;
	while (n > 0 && er_buf_len(out) < OUTPUT_MAX) {
		n = read(pipes[0], er_buf_reserve(out, CHUNK), CHUNK);
		if (n > 0)
			er_buf_wrote(out, (size_t)n);
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	close(pipes[0]);
	if (pid < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot start another process");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return er_fail(err, ER_ERR_UNAVAILABLE,
		               "node is not installed or not in PATH; the importer needs it (apt-get install nodejs)");
	return er_buf_len(out) > 0 || er_fail(err, ER_ERR_SYSTEM, "the importer ended without a word");
}

/* Lines of one list, "what" padded. */
static void put_list(er_buf *b, bool colour, er_style style, const char *head, const er_json *list)
{
	size_t width = 0;
	ER_JSON_EACH(one, list)
	{
		size_t n = er_json_str(one, "what").n;
		width = n > width && n <= 40 ? n : width;
	}
	if (er_json_first(list, ER_JSON_ARRAY) == NULL)
		return;
	er_buf_putc(b, '\n');
	er_term_put(b, colour, style, er_slice_cstr(head));
	er_buf_putc(b, '\n');
	ER_JSON_EACH(one, list)
	{
		er_slice what = er_json_str(one, "what"), to = er_json_str(one, "to"), as = er_json_str(one, "as");
		er_slice why = er_json_str(one, "why");
		er_buf_puts(b, "  ");
		er_term_put_safe(b, what, false, false);
		for (size_t n = what.n; n < width; n++)
			er_buf_putc(b, ' ');
		er_buf_puts(b, "  ");
		er_term_put_safe(b, to.n > 0 ? to : as.n > 0 ? as : why, false, false);
		if (to.n > 0 && why.n > 0) {
			er_buf_puts(b, "  (");
			er_term_put_safe(b, why, false, false);
			er_buf_putc(b, ')');
		}
		er_buf_putc(b, '\n');
	}
}

/* For a person: what was taken, changed, left, and what is to do. */
static void show(const er_json *report)
{
	er_buf b = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	uint64_t files = er_json_u64(report, "files");
	er_term_put(&b, colour, ER_GREEN, ER_LIT("imported "));
	er_buf_puts(&b, "into ");
	er_term_put_safe(&b, er_json_str(report, "folder"), false, false);
	er_buf_printf(&b, " what %.*s says", ER_FMT(er_json_str(report, "config")));
	if (files)
		er_buf_printf(&b, ", with %llu file%s", (unsigned long long)files, files == 1 ? "" : "s");
	er_buf_putc(&b, '\n');
	put_list(&b, colour, ER_GREEN, "taken", er_json_member(report, "taken"));
	put_list(&b, colour, ER_YELLOW, "changed", er_json_member(report, "changed"));
	put_list(&b, colour, ER_RED, "not taken", er_json_member(report, "left"));
	er_buf_putc(&b, '\n');
	er_term_put(&b, colour, ER_BOLD, ER_LIT("to do"));
	er_buf_putc(&b, '\n');
	ER_JSON_EACH(one, er_json_member(report, "todo"))
	{
		er_buf_puts(&b, "  - ");
		er_term_put_safe(&b, er_json_as_str(one), false, false);
		er_buf_putc(&b, '\n');
	}
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* The exit status. */
static int report(er_slice text, bool json)
{
	er_arena a;
	er_arena_init(&a);
	const er_json *said = er_json_answer(&a, text);
	bool ok = er_json_true(said, "ok");
	er_slice error = er_json_str(er_json_first(er_json_member(said, "errors"), ER_JSON_ARRAY), "text");
	if (said == NULL)
		er_desk_show_failure(&(er_diag){.text = ER_LIT("the importer said something that is no JSON")}, 1, json);
	else if (json)
		er_show_print(text);
	else if (ok)
		show(said);
	else
		er_desk_show_failure(&(er_diag){.text = error}, 1, false);
	er_arena_fini(&a);
	return ok ? ER_EXIT_OK : ER_EXIT_FAILED;
}

int er_import(const char *from, const char *name, bool json)
{
	ER_ASSERT(from != NULL);
	er_err err = {0};
	er_buf script = {0}, out = {0};
	char there[PATH_MAX], here[PATH_MAX];
	int rc = ER_EXIT_FAILED;
	bool in_place =
	    name == NULL && realpath(from, there) && realpath(".", here) && er_slice_eq(er_slice_cstr(there), er_slice_cstr(here));
	bool ok = er_share_find("import.mjs", &script, &err);
	if (ok) {
		const char *argv[10] = {"node", (const char *)er_buf_slice(&script).p, "--from", from};
		size_t n = 4;
		if (!in_place) {
			argv[n++] = "--to";
			argv[n++] = name ? name : "";
		}
		if (name) {
			argv[n++] = "--name";
			argv[n++] = name;
		}
		ER_ASSERT(n < sizeof argv / sizeof *argv && argv[n] == NULL);
		ok = run_script((char **)(uintptr_t)argv, &out, &err);
	}
	if (ok)
		rc = report(er_buf_slice(&out), json);
	else
		er_desk_show_failure(&(er_diag){.text = er_slice_cstr(err.text)}, 1, json);
	er_buf_fini(&script);
	er_buf_fini(&out);
	return rc;
}
