/* What a service manager hears: every kind of socket name, and when the watchdog is meant for
 * this process. */
#include "gateway/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int clear(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* A manager's socket; `name` as NOTIFY_SOCKET spells it. */
static int manager(const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = strlen(name);
	memcpy(sa.sun_path, name, n);
	if (name[0] == '@')
		sa.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'))),
	                 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void heard(int fd, const char *text)
{
	char got[2048];
	ssize_t n = recv(fd, got, sizeof got - 1, 0);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static void talks_to(const char *name)
{
	int fd = manager(name);
	er_notify *n = er_notify_open();
	assert_true(er_notify_on(n));
	er_notify_ready(n, "serving");
	heard(fd, "READY=1\nSTATUS=serving");
	assert_true(er_notify_send(n, "MAINPID=%d", 42));
	heard(fd, "MAINPID=42");
	er_notify_reloading(n);
	char got[256];
	ssize_t len = recv(fd, got, sizeof got - 1, 0);
	assert_true(len > 0);
	got[len] = '\0';
	assert_int_equal(strncmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	er_notify_close(n);
	close(fd);
}

static void a_path(void **state)
{
	(void)state;
	char name[64];
	snprintf(name, sizeof name, "/tmp/er-test-notify-%d", (int)getpid());
	talks_to(name);
	unlink(name);
}

static void an_abstract_name(void **state)
{
	(void)state;
	char name[64];
	snprintf(name, sizeof name, "@er-test-notify-%d", (int)getpid());
	talks_to(name);
}

static void nobody_listens(void **state)
{
	(void)state;
	static const char *const names[] = {NULL, "", "relative", "/", "/nonexistent/notify"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (names[i] != NULL)
			setenv("NOTIFY_SOCKET", names[i], 1);
		er_notify *n = er_notify_open();
		assert_false(er_notify_send(n, "READY=1"));
		assert_false(er_notify_send(n, "READY=1"));
		er_notify_close(n);
	}
}

static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
	(void)state;
	char name[64];
	snprintf(name, sizeof name, "@er-test-full-%d", (int)getpid());
	int fd = manager(name);
	er_notify *n = er_notify_open();
	bool all = true;
	for (int i = 0; i < 100000 && all; i++)
		all = er_notify_send(n, "STATUS=%d", i);
	assert_false(all);
	er_notify_close(n);
	close(fd);
}

static void a_long_status_is_cut_not_lost(void **state)
{
	(void)state;
	char name[64], status[4000], got[4000];
	snprintf(name, sizeof name, "@er-test-long-%d", (int)getpid());
	memset(status, 'x', sizeof status - 1);
	status[sizeof status - 1] = '\0';
	int fd = manager(name);
	er_notify *n = er_notify_open();
	er_notify_ready(n, status);
	assert_true(recv(fd, got, sizeof got, 0) > 500);
	assert_int_equal(strncmp(got, "READY=1\n", 8), 0);
	er_notify_close(n);
	close(fd);
}

static uint64_t wanted(const char *usec, long pid)
{
	char text[32], name[64];
	snprintf(name, sizeof name, "@er-test-dog-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", usec, 1);
	snprintf(text, sizeof text, "%ld", pid);
	if (pid != 0)
		setenv("WATCHDOG_PID", text, 1);
	else
		unsetenv("WATCHDOG_PID");
	er_notify *n = er_notify_open();
	uint64_t us = er_notify_watchdog_us(n);
	er_notify_close(n);
	return us;
}

static void the_watchdog_is_meant_for_this_process(void **state)
{
	(void)state;
	assert_int_equal(wanted("30000000", getpid()), 30000000);
	assert_int_equal(wanted("30000000", 0), 30000000);
	assert_int_equal(wanted("30000000", getpid() + 1), 0);
	assert_int_equal(wanted("soon", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_path, clear, clear),
	    cmocka_unit_test_setup_teardown(an_abstract_name, clear, clear),
	    cmocka_unit_test_setup_teardown(nobody_listens, clear, clear),
	    cmocka_unit_test_setup_teardown(a_manager_that_does_not_read_holds_nobody_up, clear, clear),
	    cmocka_unit_test_setup_teardown(a_long_status_is_cut_not_lost, clear, clear),
	    cmocka_unit_test_setup_teardown(the_watchdog_is_meant_for_this_process, clear, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
