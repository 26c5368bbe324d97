/* Descriptors from outside: a table survives the way to the successor, and nothing malformed
 * is believed. */
#include "base/mem.h"
#include "gateway/adopt.h"
#include "gateway/inherit.h"
#include "net/listen.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int clear(void **state)
{
	(void)state;
	unsetenv("ER_UPGRADE");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	return 0;
}

static void number(const char *name, long value)
{
	char text[32];
	snprintf(text, sizeof text, "%ld", value);
	setenv(name, text, 1);
}

/* What `t` says, as a process reads it that has the same descriptors under the same numbers as its
 * own copies. */
static er_inherited *pass_on(er_inherited *t)
{
	er_buf text = {0};
	er_err err = {0};
	unsigned n = er_inherited_count(t);
	int fds[16];
	assert_true(n <= 16);
	er_inherited_list(t, fds);
	int first = 200;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(dup2(fds[i], first + (int)i), first + (int)i);
	er_inherited_text(t, (unsigned)first, &text);
	er_buf_putc(&text, '\0');
	setenv("ER_UPGRADE", (const char *)er_buf_slice(&text).p, 1);
	er_buf_fini(&text);
	er_inherited *got = er_inherited_read(&err);
	assert_non_null(got);
	assert_null(getenv("ER_UPGRADE"));
	return got;
}

static void everything_comes_through(void **state)
{
	(void)state;
	int a[2], b[2], *fds = NULL;
	er_buf left = {0};
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	er_inherited *t = er_inherited_new();
	er_inherited_add(t, "listen", "127.0.0.1:0", a, 2);
	er_inherited_add(t, "listen", "127.0.0.1:0", &b[0], 1);
	er_inherited_add(t, "admin-socket", "/a path/with blanks.sock", &b[1], 1);
	er_inherited *got = pass_on(t);
	er_inherited_free(t);
	assert_int_equal(er_inherited_take(got, "admin", "127.0.0.1:0", &fds), 0);
	assert_int_equal(er_inherited_take(got, "listen", "127.0.0.1:0", &fds), 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	close(fds[1]);
	er_free(fds);
	/* Port 0 twice is two addresses. */
	int second = er_inherited_take_one(got, "listen", "127.0.0.1:0");
	assert_int_equal(second, 202);
	close(second);
	assert_int_equal(er_inherited_take_one(got, "listen", "127.0.0.1:0"), -1);
	assert_true(er_inherited_left(got, &left));
	assert_true(er_slice_eq(er_buf_slice(&left), ER_LIT("/a path/with blanks.sock")));
	er_buf_fini(&left);
	er_inherited_free(got);
	/* What nobody took is closed; what was given is the giver's. */
	assert_int_equal(fcntl(203, F_GETFD), -1);
	assert_true(fcntl(b[1], F_GETFD) >= 0);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void nothing_malformed_is_believed(void **state)
{
	(void)state;
	static const char *const texts[] = {"",
	                                    "2\n",
	                                    "1\nlisten\n",
	                                    "1\nlisten 3\n",
	                                    "1\nlisten 99999 x\n",
	                                    "1\nlisten -1 x\n",
	                                    "1\nlisten 0 x\n",
	                                    "1\n 3 x\n",
	                                    "1\nlisten 3,,4 x\n",
	                                    "1\nlisten 184467440737095516160 x\n",
	                                    "1\nlisten  x\n",
	                                    "garbage"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		er_err err = {0};
		setenv("ER_UPGRADE", texts[i], 1);
		er_inherited *t = er_inherited_read(&err);
		if (t != NULL)
			print_error("taken: %s\n", texts[i]);
		assert_null(t);
		assert_non_null(strstr(err.text, "ER_UPGRADE"));
	}
}

static void sockets_of_systemd_are_found_by_their_address(void **state)
{
	(void)state;
	er_err err = {0};
	int fd, *fds = NULL;
	unsigned port = er_listen_open("127.0.0.1:0", &fd, 1, &err);
	char shown[32];
	assert_true(port > 0);
	/* Meant for another process: left alone. */
	number("LISTEN_PID", getpid() + 1);
	number("LISTEN_FDS", 1);
	er_inherited *t = er_inherited_read(&err);
	er_buf left = {0};
	assert_non_null(t);
	assert_false(er_inherited_left(t, &left));
	er_inherited_free(t);
	/* Ours, at 3: what is there now goes aside. */
	int aside = fcntl(3, F_GETFD) >= 0 ? dup(3) : -1;
	assert_int_equal(dup2(fd, 3), 3);
	number("LISTEN_PID", getpid());
	number("LISTEN_FDS", 1);
	t = er_inherited_read(&err);
	assert_non_null(t);
	snprintf(shown, sizeof shown, "127.0.0.1:%u", port);
	assert_int_equal(er_inherited_take(t, "listen", "127.0.0.2:1", &fds), 0);
	snprintf(shown, sizeof shown, "localhost:%u", port);
	unsigned n = 0;
	assert_int_equal(er_adopt(t, "listen", shown, 3, &fds, &n, &err), port);
	assert_int_equal(n, 3);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(er_listen_port(fds[i]), port);
		if (fds[i] != 3)
			close(fds[i]);
	}
	er_free(fds);
	er_inherited_free(t);
	if (aside >= 0) {
		dup2(aside, 3);
		close(aside);
	} else {
		close(3);
	}
	close(fd);
}

static void a_descriptor_that_does_not_listen_is_refused(void **state)
{
	(void)state;
	er_err err = {0};
	int aside = fcntl(3, F_GETFD) >= 0 ? dup(3) : -1, p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[0], 3), 3);
	number("LISTEN_PID", getpid());
	number("LISTEN_FDS", 1);
	assert_null(er_inherited_read(&err));
	assert_non_null(strstr(err.text, "no socket that listens"));
	if (aside >= 0)
		dup2(aside, 3);
}

/* A further socket takes nobody before it is served: should its process fail, nobody
 * waits in it. */
static void more_sockets_take_nobody_yet(void **state)
{
	(void)state;
	er_err err = {0};
	int first, more[2], on = 1, listening;
	socklen_t n = sizeof listening;
	unsigned port = er_listen_open("127.0.0.1:0", &first, 1, &err);
	assert_true(port > 0);
	assert_true(er_listen_more(first, more, 2, &err));
	assert_int_equal(getsockopt(more[0], SOL_SOCKET, SO_ACCEPTCONN, &listening, &n), 0);
	assert_int_equal(listening, 0);
	er_listen_begin(more[0]);
	assert_int_equal(getsockopt(more[0], SOL_SOCKET, SO_ACCEPTCONN, &listening, &n), 0);
	assert_int_equal(listening, 1);
	close(more[0]);
	close(more[1]);
	close(first);
	/* Without SO_REUSEPORT there is only the one queue: duplicates of it. */
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int alone = socket(AF_INET, SOCK_STREAM, 0);
	(void)setsockopt(alone, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(alone, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(alone, 8), 0);
	assert_true(er_listen_more(alone, more, 2, &err));
	assert_int_equal(er_listen_port(more[1]), er_listen_port(alone));
	assert_int_equal(getsockopt(more[1], SOL_SOCKET, SO_ACCEPTCONN, &listening, &n), 0);
	assert_int_equal(listening, 1);
	close(more[0]);
	close(more[1]);
	close(alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(everything_comes_through, clear),
	    cmocka_unit_test_setup_teardown(nothing_malformed_is_believed, clear, clear),
	    cmocka_unit_test_setup_teardown(sockets_of_systemd_are_found_by_their_address, clear, clear),
	    cmocka_unit_test_setup_teardown(a_descriptor_that_does_not_listen_is_refused, clear, clear),
	    cmocka_unit_test_setup(more_sockets_take_nobody_yet, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
