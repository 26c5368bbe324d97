/* base/pulse.h and base/sched.h: what they do to threads, seen in /proc. */
#include "base/clock.h"
#include "base/pulse.h"
#include "base/sched.h"

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* How often the pulse's threads have gone to sleep so far, and how many they are. */
static unsigned long beats(unsigned *threads)
{
	unsigned long sum = 0;
	*threads = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (const struct dirent *d; (d = readdir(tasks)) != NULL;) {
		char path[300], line[128];
		snprintf(path, sizeof path, "/proc/self/task/%s/status", d->d_name);
		FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
		bool mine = false;
		while (f != NULL && fgets(line, sizeof line, f) != NULL) {
			unsigned long n;
			if (strncmp(line, "Name:\ter-pulse-", 15) == 0)
				mine = true;
			else if (mine && sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		}
		if (f != NULL)
			fclose(f);
		*threads += mine;
	}
	closedir(tasks);
	return sum;
}

static void test_it_beats_while_it_is_asked_to_and_rests_otherwise(void **state)
{
	(void)state;
	er_err err = {0};
	unsigned threads;
	er_pulse *p = er_pulse_new(&err);
	assert_non_null(p);
	usleep(50000);
	unsigned long at_rest = beats(&threads);
	cpu_set_t mine;
	assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
	assert_int_equal(threads, CPU_COUNT(&mine));
	usleep(50000);
	assert_int_equal(beats(&threads), at_rest);
	er_pulse_ask(p, 100000);
	usleep(300000);
	unsigned long after = beats(&threads);
	/* 400 a core if nobody else wants it */
	assert_true(after >= at_rest + 20);
	usleep(50000);
	assert_int_equal(beats(&threads), after);
	er_pulse_ask(p, 10000000);
	er_pulse_free(p); /* at once, in the middle of a beat */
	(void)beats(&threads);
	assert_int_equal(threads, 0);
	er_pulse_ask(NULL, 1);
	er_pulse_free(NULL);
}

static void test_a_process_goes_to_the_background_and_comes_back(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	er_sched_background(pid);
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	er_sched_foreground(pid, 3, 12, ER_SLICE_US);
	assert_int_equal(sched_getscheduler(pid), SCHED_OTHER);
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), 3);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	er_sched_background(pid); /* gone: nothing happens */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_beats_while_it_is_asked_to_and_rests_otherwise),
	    cmocka_unit_test(test_a_process_goes_to_the_background_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
