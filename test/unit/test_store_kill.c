/* kill -9 at any moment: a process that applies changes and reports each answer is killed again and
 * again; what it had reported is there, what it had not is there whole or not at all. */
#include "store_workload.h"

#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { STEPS = 120, LEAST_KILLS = 40 };

/* What the child was answered: steps, and the last step whose KV write was (-1: none). */
typedef struct answers {
	unsigned steps;
	long kv;
} answers;

/* The child: from step `from` on, one byte for everything that was answered. */
static _Noreturn void live(const char *dir, unsigned from, int report)
{
	er_err err;
	er_store *s = er_store_open(&(er_store_options){.dir = dir, WORK_KEEP}, &err);
	if (s == NULL)
		_exit(3);
	for (unsigned i = from; i < STEPS; i++) {
		if (!work_step(s, i, &err) || write(report, "x", 1) != 1)
			_exit(4);
		if (!work_kv(s, i, &err) || write(report, "k", 1) != 1)
			_exit(5);
	}
	er_store_close(s);
	_exit(0);
}

static void count(int from, answers *so_far)
{
	char buf[256];
	for (ssize_t got; (got = read(from, buf, sizeof buf)) > 0;) {
		for (ssize_t i = 0; i < got; i++) {
			if (buf[i] == 'x')
				so_far->steps++;
			else
				so_far->kv = (long)so_far->steps - 1;
		}
	}
}

/* Runs a child for so long, and adds what it reported. False: it came to the end before. */
static bool run(const char *dir, unsigned us, answers *so_far)
{
	int report[2], status;
	assert_int_equal(pipe(report), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(report[0]);
		live(dir, so_far->steps, report[1]);
	}
	close(report[1]);
	usleep(us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0)
		fail_msg("the child failed with %d at step %u or later", WEXITSTATUS(status), so_far->steps);
	count(report[0], so_far);
	close(report[0]);
	return WIFSIGNALED(status);
}

/* Without a power cut KV loses nothing either. */
static void look(const char *dir, const work_states *w, answers *so_far)
{
	er_store *s = harness_open_dir(dir);
	so_far->steps = work_recovered(s, w, so_far->steps);
	long kv = work_kv_check(s);
	if (kv < so_far->kv || kv >= (long)so_far->steps)
		fail_msg("KV is at %ld, %ld was answered, in step %u", kv, so_far->kv, so_far->steps);
	so_far->kv = kv;
	er_store_close(s);
	work_integrity(dir);
}

/* How long a whole life takes here. */
static unsigned life_us(void)
{
	int status;
	char *dir = harness_dir();
	uint64_t began = er_clock_mono_us();
	pid_t pid = fork();
	if (pid == 0)
		live(dir, 0, open("/dev/null", O_WRONLY));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	harness_remove(dir);
	return (unsigned)(er_clock_mono_us() - began);
}

static void what_was_answered_survives_kill_9(void **state)
{
	(void)state;
	work_states w = work_expect(STEPS);
	unsigned kills = 0, lives = 0, long_us = life_us();
	uint64_t seed = er_clock_mono_us();
	for (; kills < LEAST_KILLS; lives++) {
		char *dir = harness_dir();
		answers so_far = {.kv = -1};
		/* A life of several processes, each killed early. */
		for (int k = 0; k < 5 && so_far.steps < STEPS; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			kills += run(dir, (unsigned)((seed >> 33) % (long_us / 3 + 1)), &so_far);
			look(dir, &w, &so_far);
		}
		assert_true(lives < 200);
		harness_remove(dir);
	}
	print_message("%u kills in %u lives; a whole life of %d steps takes %u ms\n", kills, lives, STEPS, long_us / 1000);
	work_states_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_answered_survives_kill_9)};
	return cmocka_run_group_tests_name("store and kill -9", tests, NULL, NULL);
}
