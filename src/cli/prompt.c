/* What a person or a pipe says (prompt.h). A secret is asked for at the terminal itself (/dev/tty)
 * and not at standard input, so that input can be a pipe; its echo is off while it is typed and
 * comes back also after an interrupt. Buffers of secrets are wiped by whoever has them
 * (er_prompt_wipe). */
#include "cli/prompt.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024, CHUNK = 64 * 1024 };

bool er_prompt_person(void)
{
	return isatty(STDIN_FILENO);
}

void er_prompt_wipe(er_buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	er_buf_fini(b);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Up to and without the newline. */
static bool read_line(int fd, er_buf *out)
{
	char c;
	ssize_t n;
	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		if (er_buf_len(out) < LINE_MAX_BYTES)
			er_buf_putc(out, (uint8_t)c);
	return n == 1 || (n == 0 && er_buf_len(out) > 0);
}

bool er_prompt_secret(const char *question, er_buf *out, er_err *err)
{
	ER_ASSERT(question != NULL && er_buf_len(out) == 0);
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios was, quiet;
	if (fd < 0 || tcgetattr(fd, &was) != 0) {
		if (fd >= 0)
			close(fd);
		return er_fail(err, ER_ERR_IO, "there is no terminal to ask at; give the value by a pipe or a file");
	}
	/* An interrupt ends the question, and the terminal gets its echo back first. */
	struct sigaction ours = {.sa_handler = on_interrupt}, old_int, old_term;
	interrupted = 0;
	(void)sigaction(SIGINT, &ours, &old_int);
	(void)sigaction(SIGTERM, &ours, &old_term);
	quiet = was;
	quiet.c_lflag &= (tcflag_t)~ECHO;
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	(void)!write(fd, question, er_slice_cstr(question).n);
	bool ok = read_line(fd, out);
	(void)tcsetattr(fd, TCSAFLUSH, &was);
	(void)!write(fd, "\n", 1);
	(void)sigaction(SIGINT, &old_int, NULL);
	(void)sigaction(SIGTERM, &old_term, NULL);
	close(fd);
	return (ok && !interrupted) || er_fail(err, ER_ERR_CANCELLED, "nothing was given; nothing was done");
}

bool er_prompt_read(const char *path, size_t max, er_buf *out, er_err *err)
{
	ER_ASSERT(max > 0 && er_buf_len(out) == 0);
	bool from_stdin = path == NULL || er_slice_eq(er_slice_cstr(path), ER_LIT("-"));
	const char *shown = from_stdin ? "standard input" : path;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_IO, "cannot read %s", shown);
	ssize_t n = 1;
	while (n > 0 && er_buf_len(out) <= max) {
		n = read(fd, er_buf_reserve(out, CHUNK), CHUNK);
		if (n > 0)
			er_buf_wrote(out, (size_t)n);
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		er_fail_errno(err, ER_ERR_IO, "cannot read %s", shown);
	if (!from_stdin)
		close(fd);
	if (n < 0)
		return false;
	return er_buf_len(out) <= max || er_fail(err, ER_ERR_TOO_LARGE, "%s has more than %zu bytes", shown, max);
}

bool er_prompt_yes(const char *question, er_err *err)
{
	ER_ASSERT(question != NULL);
	if (!er_prompt_person())
		return er_fail(err, ER_ERR_INVALID, "%s Say --yes to do it; nobody is here to be asked", question);
	er_buf line = {0};
	(void)!write(STDERR_FILENO, question, er_slice_cstr(question).n);
	(void)!write(STDERR_FILENO, " [y/N] ", 7);
	bool ok = read_line(STDIN_FILENO, &line);
	er_slice s = er_slice_trim(er_buf_slice(&line));
	ok = ok && (er_slice_ieq(s, ER_LIT("y")) || er_slice_ieq(s, ER_LIT("yes")));
	er_buf_fini(&line);
	return ok || er_fail(err, ER_ERR_CANCELLED, "nothing was done");
}
