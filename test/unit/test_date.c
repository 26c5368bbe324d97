/* HTTP dates: what Date, Expires and Last-Modified stand on. */
#include "http/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void expect_date(const char *text, int64_t want)
{
	int64_t at = 0;
	if (!er_date_parse(er_slice_cstr(text), 1700000000, &at))
		fail_msg("%s is a date", text);
	assert_int_equal(at, want);
}

static void all_three_forms_mean_the_same_second(void **state)
{
	(void)state;
	expect_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
	expect_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
	expect_date("SUN, 06 nov 1994 08:49:37 gmt", 784111777);
	expect_date("sUNDAY, 06-NOV-94 08:49:37 GmT", 784111777);
	expect_date("Sun Nov  6 08:49:37 1994", 784111777);
	expect_date("Wed Nov 16 08:49:37 1994", 784975777);
	expect_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
	expect_date("Thu, 29 Feb 2024 23:59:59 GMT", 1709251199);
	expect_date("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);
	/* 2023 is now: 73 is 2073, 74 is 1974 */
	expect_date("Sunday, 06-Nov-73 08:49:37 GMT", 3277183777);
	expect_date("Sunday, 06-Nov-74 08:49:37 GMT", 152959777);
}

static void nonsense_is_no_date(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",
	    "0",
	    "-1",
	    "Sun",
	    "Sun,",
	    "Sunday",
	    "Sun, 06 Nov 1994 08:49:37",
	    "Sun, 06 Nov 1994 08:49:37 GMT ",
	    "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 6 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 94 08:49:37 GMT",
	    "Sun, 00 Nov 1994 08:49:37 GMT",
	    "Sun, 31 Nov 1994 08:49:37 GMT",
	    "Sun, 29 Feb 2023 08:49:37 GMT",
	    "Sun, 06 Nov 1994 24:49:37 GMT",
	    "Sun, 06 Nov 1994 08:60:37 GMT",
	    "Sun, 06 Nov 1994 08:49:61 GMT",
	    "Sun, +6 Nov 1994 08:49:37 GMT",
	    "Sunday, 06-Nov-1994 08:49:37 GMT",
	    "Xyz, 06 Nov 1994 08:49:37 GMT",
	    "2024-01-01T00:00:00Z",
	};
	int64_t at;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_date_parse(er_slice_cstr(bad[i]), 0, &at))
			fail_msg("<%s> is no date", bad[i]);
}

static void what_is_written_is_what_the_c_library_says(void **state)
{
	(void)state;
	for (int64_t at = -62167219200; at < 253402300800; at += 86399 * 37 + 11) {
		uint8_t text[ER_DATE_N];
		char want[64];
		struct tm tm;
		er_date_write(at, text);
		time_t t = (time_t)at;
		gmtime_r(&t, &tm);
		char format[64];
		snprintf(format, sizeof format, "%%a, %%d %%b %04d %%H:%%M:%%S GMT", tm.tm_year + 1900);
		strftime(want, sizeof want, format, &tm);
		assert_memory_equal(text, want, ER_DATE_N);
		int64_t back;
		assert_true(er_date_parse(er_slice_of(text, ER_DATE_N), 0, &back));
		assert_int_equal(back, at);
	}
	uint8_t text[ER_DATE_N];
	er_date_write(INT64_MAX, text);
	assert_memory_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT", ER_DATE_N);
	er_date_write(INT64_MIN, text);
	assert_memory_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT", ER_DATE_N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_three_forms_mean_the_same_second),
	    cmocka_unit_test(nonsense_is_no_date),
	    cmocka_unit_test(what_is_written_is_what_the_c_library_says),
	};
	return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
