/* Times that were taken: once each, whoever asks, also after the store was closed and opened; and
 * what is remembered of runs. */
#include "store/cron.h"

#include "store_harness.h"

static er_cron_claim due(const char *routine, const char *cron, int64_t minute)
{
	return (er_cron_claim){.run = {.routine = er_slice_cstr(routine),
	                               .cron = er_slice_cstr(cron),
	                               .minute = minute,
	                               .at_ms = minute * 60000 + 5,
	                               .outcome = ER_CRON_RUNNING}};
}

static bool claimed(er_store *s, er_cron_claim c)
{
	er_err err = {0};
	if (!er_store_cron_claim(s, &c, 1, &err))
		fail_msg("%s", err.text);
	return c.taken;
}

static size_t runs_of(er_store *s, er_arena *a, const char *routine, er_cron_run **out)
{
	size_t n = 0;
	er_err err = {0};
	assert_true(er_store_cron_runs(s, a, er_slice_cstr(routine), 0, 1000, out, &n, &err));
	return n;
}

static int64_t last_of(er_store *s, const char *routine, const char *cron)
{
	int64_t minute = 0;
	er_err err = {0};
	assert_true(er_store_cron_last(s, er_slice_cstr(routine), er_slice_cstr(cron), &minute, &err));
	return minute;
}

static void a_time_is_taken_once_and_only_forwards(void **state)
{
	(void)state;
	char *dir = harness_dir();
	er_store *s = harness_open_dir(dir);
	er_arena a;
	er_arena_init(&a);
	er_cron_run *runs;
	assert_int_equal(last_of(s, "a", "* * * * *"), -1);
	er_cron_claim begins = due("a", "* * * * *", 10);
	begins.begins = true;
	assert_true(claimed(s, begins));
	assert_int_equal(runs_of(s, &a, "a", &runs), 0);
	assert_false(claimed(s, due("a", "* * * * *", 10)));
	assert_true(claimed(s, due("a", "* * * * *", 11)));
	assert_false(claimed(s, due("a", "* * * * *", 11)));
	assert_false(claimed(s, due("a", "* * * * *", 9)));
	assert_true(claimed(s, due("a", "0 * * * *", 11)));
	assert_true(claimed(s, due("b", "* * * * *", 11)));
	er_store_close(s);
	s = harness_open_dir(dir);
	assert_false(claimed(s, due("a", "* * * * *", 11)));
	assert_int_equal(last_of(s, "a", "* * * * *"), 11);
	assert_int_equal(runs_of(s, &a, "a", &runs), 2);
	assert_int_equal(runs[0].outcome, ER_CRON_RUNNING);
	er_err err = {0};
	assert_true(er_store_cron_lost(s, &err));
	assert_int_equal(runs_of(s, &a, "a", &runs), 2);
	assert_int_equal(runs[0].outcome, ER_CRON_LOST);
	er_arena_fini(&a);
	er_store_close(s);
	harness_remove(dir);
}

static void all_of_a_minute_are_taken_together_or_none(void **state)
{
	(void)state;
	char *dir = harness_dir();
	er_store *s = harness_open_dir(dir);
	er_arena a;
	er_arena_init(&a);
	er_err err = {0};
	er_cron_run *runs;
	er_cron_claim v[3] = {due("a", "1", 5), due("a", "2", 5), due("a", "1", 5)};
	v[1].run.outcome = ER_CRON_SKIPPED;
	assert_true(er_store_cron_claim(s, v, 3, &err));
	assert_true(v[0].taken && v[1].taken && !v[2].taken && v[0].run.id > 0 && v[1].run.id > v[0].run.id);
	er_cron_run over = {
	    .id = v[0].run.id, .outcome = ER_CRON_FAILED, .status = 599, .error = ER_LIT("it threw"), .cpu_us = 7, .wall_us = 9};
	assert_true(er_store_cron_end(s, &over, &err));
	assert_int_equal(runs_of(s, &a, "a", &runs), 2);
	assert_int_equal(runs[0].outcome, ER_CRON_SKIPPED);
	assert_int_equal(runs[1].outcome, ER_CRON_FAILED);
	assert_int_equal(runs[1].status, 599);
	assert_int_equal(runs[1].cpu_us, 7);
	assert_true(er_slice_eq(runs[1].error, ER_LIT("it threw")) && er_slice_eq(runs[1].cron, ER_LIT("1")));
	/* by hand it takes no time, as often as somebody asks */
	for (int i = 0; i < 2; i++) {
		er_cron_claim hand = due("a", "1", 5);
		hand.run.manual = true;
		assert_true(claimed(s, hand));
	}
	assert_int_equal(last_of(s, "a", "1"), 5);
	er_arena_fini(&a);
	er_store_close(s);
	harness_remove(dir);
}

static void a_routine_has_so_many_runs_and_takes_them_along(void **state)
{
	(void)state;
	char *dir = harness_dir();
	er_store *s = harness_open_dir(dir);
	er_arena a;
	er_arena_init(&a);
	er_err err = {0};
	er_applied applied;
	er_cron_run *runs;
	size_t n;
	er_change changes[] = {change_version("a", "x"),
	                       {.kind = ER_CHANGE_ROUTINE_DELETE, .actor = ER_LIT("ann"), .routine = ER_LIT("a")}};
	assert_true(er_store_apply(s, changes, 1, &applied, &err));
	for (int64_t m = 1; m <= ER_CRON_RUNS + 20; m++)
		assert_true(claimed(s, due("a", "* * * * *", m)));
	assert_true(claimed(s, due("b", "* * * * *", 1)));
	assert_int_equal(runs_of(s, &a, "a", &runs), ER_CRON_RUNS);
	assert_int_equal(runs[0].minute, ER_CRON_RUNS + 20);
	assert_true(er_store_cron_runs(s, &a, ER_LIT("a"), runs[9].id, 10, &runs, &n, &err));
	assert_int_equal(n, 10);
	assert_int_equal(runs[0].minute, ER_CRON_RUNS + 10);
	assert_true(er_store_apply(s, &changes[1], 1, &applied, &err));
	assert_int_equal(runs_of(s, &a, "a", &runs), 0);
	assert_int_equal(last_of(s, "a", "* * * * *"), -1);
	assert_int_equal(runs_of(s, &a, "b", &runs), 1);
	er_arena_fini(&a);
	er_store_close(s);
	harness_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_time_is_taken_once_and_only_forwards),
	    cmocka_unit_test(all_of_a_minute_are_taken_together_or_none),
	    cmocka_unit_test(a_routine_has_so_many_runs_and_takes_them_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
