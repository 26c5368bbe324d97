/* Expressions of times, and when they come: against cases that were worked out by hand, and against
 * the plainest search there is. */
#include "model/cron.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static er_cron cron_of(const char *text)
{
	er_cron c;
	size_t at;
	er_err err = {0};
	if (!er_cron_parse(er_slice_cstr(text), &c, &at, &err))
		fail_msg("%s: %s at %zu", text, err.text, at);
	return c;
}

/* "2026-01-31 23:59" */
static int64_t minute_of(const char *text)
{
	struct tm tm = {0};
	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return timegm(&tm) / 60;
}

static void the_next_time_is_the_one_that_crontab_says(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
	    {"* * * * *", "2026-01-31 23:59", "2026-01-31 23:59"},
	    {"*/5 * * * *", "2026-01-31 23:56", "2026-02-01 00:00"},
	    {"0 0 * * *", "2026-12-31 00:01", "2027-01-01 00:00"},
	    {"59 23 31 12 *", "2026-12-31 23:59", "2026-12-31 23:59"},
	    {"0 12 29 2 *", "2026-01-01 00:00", "2028-02-29 12:00"},
	    {"0 12 29 2 *", "2096-03-01 00:00", "2104-02-29 12:00"}, /* 2100 is no leap year */
	    {"0 0 29 2 *", "1999-03-01 00:00", "2000-02-29 00:00"},  /* 2000 is one */
	    {"0 0 31 * *", "2026-04-01 00:00", "2026-05-31 00:00"},
	    {"30 6 * * MON-FRI", "2026-01-31 00:00", "2026-02-02 06:30"}, /* a Saturday */
	    {"0 0 * * 0", "2026-01-31 00:00", "2026-02-01 00:00"},
	    {"0 0 * * 7", "2026-01-31 00:00", "2026-02-01 00:00"},
	    {"0 0 * * sun", "2026-01-31 00:00", "2026-02-01 00:00"},
	    {"0 0 13 * FRI", "2026-01-31 00:00", "2026-02-06 00:00"}, /* either: a Friday */
	    {"0 0 13 * FRI", "2026-02-07 00:00", "2026-02-13 00:00"},
	    {"0 0 12 * FRI", "2026-02-07 00:00", "2026-02-12 00:00"},  /* either: the twelfth */
	    {"0 0 */2 * FRI", "2026-02-01 00:01", "2026-02-13 00:00"}, /* a star at the front: both */
	    /* both: a Tuesday, Thursday, Saturday or Sunday */
	    {"0 0 13 * */2", "2026-02-01 00:00", "2026-06-13 00:00"},
	    {"5/20 10-12/2 * JAN,mar *", "2026-01-31 12:46", "2026-03-01 10:05"},
	    {"5/20 10-12/2 * * *", "2026-01-31 10:06", "2026-01-31 10:25"},
	    {"5/20 10-12/2 * * *", "2026-01-31 10:46", "2026-01-31 12:05"},
	    {"1,2,59 0 1 1 *", "2026-01-01 00:03", "2026-01-01 00:59"},
	    {"0 0 29 2 MON", "2026-02-01 00:00", "2026-02-02 00:00"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_cron c = cron_of(cases[i][0]);
		int64_t next = er_cron_next(&c, minute_of(cases[i][1]));
		if (next != minute_of(cases[i][2]))
			fail_msg("%s after %s: not %s but %+lld minutes", cases[i][0], cases[i][1], cases[i][2],
			         (long long)(next - minute_of(cases[i][2])));
		assert_true(er_cron_is(&c, next));
	}
}

static void next_and_last_are_what_a_walk_over_all_minutes_finds(void **state)
{
	(void)state;
	static const char *const texts[] = {"*/7 */5 * * *",   "0 0 31 * *",        "3 4 1,15 * WED",
	                                    "0 */6 */9 2-4 *", "15,45 1-3 * * 1-5", "58/1 23 28-31 * SAT"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		er_cron c = cron_of(texts[i]);
		int64_t begin = minute_of("2027-12-20 00:00"), end = minute_of("2028-04-10 00:00"), last = -1;
		for (int64_t m = begin; m < end; m++) {
			time_t at = (time_t)(m * 60);
			struct tm tm;
			gmtime_r(&at, &tm);
			bool day = c.days >> tm.tm_mday & 1, weekday = c.weekdays >> tm.tm_wday & 1;
			bool is = (c.minutes >> tm.tm_min & 1) && (c.hours >> tm.tm_hour & 1) && (c.months >> (tm.tm_mon + 1) & 1) &&
			          (c.either ? day || weekday : day && weekday);
			assert_int_equal(is, er_cron_is(&c, m));
			if (!is)
				continue;
			if (last >= 0) {
				assert_int_equal(er_cron_next(&c, last + 1), m);
				assert_int_equal(er_cron_last(&c, m - 1), last);
			}
			assert_int_equal(er_cron_last(&c, m), m);
			last = m;
		}
		assert_true(last >= 0);
	}
}

static void what_is_no_expression_is_refused_where_it_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t at;
		const char *says;
	} cases[] = {{"", 0, "minute is missing"},
	             {"* * * *", 7, "day of the week is missing"},
	             {"* * * * * *", 10, "nothing behind them"},
	             {"60 * * * *", 0, "minute is a number from 0 to 59"},
	             {"* 24 * * *", 2, "hour"},
	             {"* * 0 * *", 4, "day of the month"},
	             {"* * 32 * *", 4, "day of the month"},
	             {"* * * 13 *", 6, "month"},
	             {"* * * JANUARY *", 6, "three letters"},
	             {"* * * * 8", 8, "day of the week"},
	             {"*/0 * * * *", 2, "step"},
	             {"*/ * * * *", 2, "step"},
	             {"5-1 * * * *", 0, "lesser"},
	             {"1,, * * * *", 2, "minute"},
	             {"1- * * * *", 2, "minute"},
	             {"*5 * * * *", 1, "lists"},
	             {"99999999999999999999 * * * *", 0, "minute"},
	             {"* * L * *", 4, "day of the month"},
	             {"@daily", 0, "minute"},
	             {"0 0 30 2 *", 0, "never"},
	             {"0 0 31 4,6,9,11 *", 0, "never"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_cron c;
		size_t at;
		er_err err = {0};
		assert_false(er_cron_parse(er_slice_cstr(cases[i].text), &c, &at, &err));
		if (strstr(err.text, cases[i].says) == NULL || at != cases[i].at)
			fail_msg("%s: %s at %zu", cases[i].text, err.text, at);
	}
	char longest[ER_CRON_TEXT + 2];
	memset(longest, '1', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	er_cron c;
	size_t at;
	er_err err = {0};
	assert_false(er_cron_parse(er_slice_cstr(longest), &c, &at, &err));
	(void)cron_of("0 0 30 2 MON"); /* either: the Mondays of February */
	(void)cron_of("  0\t0  1 1   *  ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_next_time_is_the_one_that_crontab_says),
	    cmocka_unit_test(next_and_last_are_what_a_walk_over_all_minutes_finds),
	    cmocka_unit_test(what_is_no_expression_is_refused_where_it_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
