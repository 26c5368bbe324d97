/* The marks of records that were checked: each is found where it was set, and nowhere else. */
#include "cache/disk_checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BLOCKS = 1000 };

static uint64_t at(unsigned block)
{
	return (uint64_t)block * ER_DISK_BLOCK + 512;
}

static void set_all(er_disk_checked *c)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		er_disk_checked_set(c, at(i));
}

static void a_mark_is_taken_once(void **state)
{
	(void)state;
	er_disk_checked *c = er_disk_checked_new(at(BLOCKS));
	assert_false(er_disk_checked_take(c, at(70)));
	er_disk_checked_set(c, at(70));
	assert_false(er_disk_checked_take(c, at(69)));
	assert_false(er_disk_checked_take(c, at(71)));
	assert_true(er_disk_checked_take(c, at(70)));
	assert_false(er_disk_checked_take(c, at(70)));
	er_disk_checked_free(c);
}

static void what_is_cleared_has_no_marks_and_its_neighbours_keep_theirs(void **state)
{
	(void)state;
	static const unsigned ranges[][2] = {{0, 1}, {63, 64}, {64, 128}, {5, 9}, {60, 70}, {1, 999}, {130, 400}, {999, 1000}};
	er_disk_checked *c = er_disk_checked_new(at(BLOCKS));
	for (unsigned r = 0; r < sizeof ranges / sizeof *ranges; r++) {
		unsigned from = ranges[r][0], end = ranges[r][1];
		set_all(c);
		/* from the middle of the first block to the middle of the last */
		er_disk_checked_clear(c, at(from), at(end - 1) - at(from) + 1);
		for (unsigned i = 0; i < BLOCKS; i++)
			assert_int_equal(er_disk_checked_take(c, at(i)), i < from || i >= end);
	}
	er_disk_checked_free(c);
}

static void no_two_records_have_the_same_mark(void **state)
{
	(void)state;
	size_t least = 0;
	while (!er_disk_checked_has(least))
		least++;
	assert_true((size_t)er_disk_units(least) * ER_DISK_UNIT > ER_DISK_BLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_mark_is_taken_once),
	    cmocka_unit_test(what_is_cleared_has_no_marks_and_its_neighbours_keep_theirs),
	    cmocka_unit_test(no_two_records_have_the_same_mark),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
