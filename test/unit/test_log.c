/* The log that a thread writes: whoever logs does not wait for who reads. Standard error is a
 * pipe here. */
#include "base/log.h"

#include "base/buf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PIPE = 64 * 1024 };

typedef struct piped {
	int kept, read;
} piped;

static piped begin(void)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETPIPE_SZ, PIPE);
	piped p = {.kept = dup(STDERR_FILENO), .read = ends[0]};
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	er_err err;
	assert_true(er_log_start(&err));
	return p;
}

/* From now on nobody can write to the pipe any more. */
static void close_writer(piped p)
{
	dup2(p.kept, STDERR_FILENO);
	close(p.kept);
}

/* Later, when the thread that still waits has something to write, it writes nowhere. */
static void close_writer_for_good(piped p)
{
	int nowhere = open("/dev/null", O_WRONLY);
	dup2(nowhere, p.kept);
	close(nowhere);
	close_writer(p);
}

/* All that was written. */
static er_buf finish(piped p)
{
	close_writer(p);
	er_buf all;
	er_buf_init(&all);
	for (ssize_t n; (n = read(p.read, er_buf_reserve(&all, PIPE), PIPE)) > 0;)
		er_buf_wrote(&all, (size_t)n);
	close(p.read);
	return all;
}

/* A process that reads all there is, as a reader that comes late would. */
static pid_t reader_of(piped p, int out)
{
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p.kept, STDERR_FILENO); /* or the pipe would never end for us */
		static char bytes[PIPE];
		for (ssize_t n; (n = read(p.read, bytes, sizeof bytes)) > 0;)
			(void)!write(out, bytes, (size_t)n);
		_exit(0);
	}
	return pid;
}

static void test_lines_come_whole_and_in_order(void **state)
{
	(void)state;
	piped p = begin();
	for (int i = 0; i < 300; i++)
		er_log(ER_LOG_INFO, "test", "line %d of many", i);
	er_log_stop();
	er_log(ER_LOG_INFO, "test", "line %d of many", 300); /* without a thread again */
	er_buf all = finish(p);
	er_slice rest = er_buf_slice(&all), line = {0};
	for (int i = 0; i <= 300; i++) {
		char want[64];
		snprintf(want, sizeof want, "info  test: line %d of many", i);
		assert_true(er_slice_split(&rest, '\n', &line));
		assert_true(line.n > strlen(want) && memcmp(line.p + line.n - strlen(want), want, strlen(want)) == 0);
	}
	assert_int_equal(rest.n, 0);
	er_buf_fini(&all);
}

static void test_whoever_logs_does_not_wait_for_a_reader_that_has_stopped(void **state)
{
	(void)state;
	FILE *file = tmpfile();
	assert_non_null(file);
	int out = fileno(file);
	piped p = begin();
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	unsigned lines = 2 * ER_LOG_BEHIND_MAX / 1000;
	for (unsigned i = 0; i < lines; i++) /* would never end: nobody reads */
		er_log(ER_LOG_INFO, "test", "%s", text);
	pid_t reader = reader_of(p, out);
	er_log_stop();
	close_writer(p);
	close(p.read);
	int status;
	assert_int_equal(waitpid(reader, &status, 0), reader);
	off_t n = lseek(out, 0, SEEK_END);
	assert_in_range(n, ER_LOG_BEHIND_MAX / 2, ER_LOG_BEHIND_MAX + 2 * PIPE);
	char *all = malloc((size_t)n + 1);
	assert_int_equal(pread(out, all, (size_t)n, 0), n);
	all[n] = '\0';
	/* Each time that there is room again it says what was dropped meanwhile. */
	unsigned long dropped = 0;
	for (const char *c = all; (c = strstr(c, "warn  log: ")) != NULL; c++)
		dropped += strtoul(c + strlen("warn  log: "), NULL, 10);
	assert_true(dropped > 0);
	unsigned written = 0;
	for (const char *c = all; (c = strstr(c, "info  test: ")) != NULL; c++)
		written++;
	assert_int_equal(written + dropped, lines);
	free(all);
	fclose(file);
}

static void test_a_reader_that_never_comes_holds_nobody_up_for_ever(void **state)
{
	(void)state;
	piped p = begin();
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (unsigned i = 0; i < 200; i++)
		er_log(ER_LOG_INFO, "test", "%s", text);
	er_log_stop();          /* gives up */
	int said = dup(p.kept); /* cmocka's */
	close_writer_for_good(p);
	uint8_t some;
	assert_int_equal(read(p.read, &some, 1), 1);
	close(p.read); /* the thread is told so, and goes on to nowhere */
	usleep(100000);
	dup2(said, STDERR_FILENO);
	close(said);
}

static void test_a_forked_process_writes_by_itself_and_nothing_twice(void **state)
{
	(void)state;
	piped p = begin();
	er_log(ER_LOG_INFO, "test", "of the parent");
	pid_t pid = fork();
	if (pid == 0) {
		er_log(ER_LOG_INFO, "test", "of the child");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	er_log_stop();
	er_buf all = finish(p);
	er_buf_putc(&all, '\0');
	const char *text = (const char *)er_buf_slice(&all).p;
	const char *child = strstr(text, "of the child"), *parent = strstr(text, "of the parent");
	assert_non_null(child);
	assert_non_null(parent);
	assert_null(strstr(parent + 1, "of the parent"));
	er_buf_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines_come_whole_and_in_order),
	    cmocka_unit_test(test_whoever_logs_does_not_wait_for_a_reader_that_has_stopped),
	    cmocka_unit_test(test_a_forked_process_writes_by_itself_and_nothing_twice),
	    cmocka_unit_test(test_a_reader_that_never_comes_holds_nobody_up_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
