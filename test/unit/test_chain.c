/* The chain as data: places in their order, and what stands at a place that has no handler. */
#include "http/chain.h"

#include "base/mem.h"

#include "dies.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void handle(void *self, er_exchange *x)
{
	(void)self, (void)x;
}

static er_handler named(const char *name)
{
	return (er_handler){.name = name, .handle = handle};
}

static void a_place_without_a_handler_is_the_next_one_that_has_one(void **state)
{
	(void)state;
	er_chain c = {0};
	er_chain_add(&c, ER_AT_ROUTINE, named("routine"));
	er_chain_add(&c, ER_AT_STANDARD, named("standard"));
	er_chain_add(&c, ER_AT_ORIGIN, named("origin"));
	assert_string_equal(er_chain_at(&c, ER_AT_ROUTINE)->name, "routine");
	assert_string_equal(er_chain_at(&c, ER_AT_CACHE)->name, "standard");
	assert_string_equal(er_chain_at(&c, ER_AT_STANDARD)->name, "standard");
	assert_string_equal(er_chain_at(&c, ER_AT_ORIGIN)->name, "origin");
	assert_string_equal(er_chain_behind(&c, ER_AT_ROUTINE)->name, "standard");
	assert_string_equal(er_chain_behind(&c, ER_AT_CACHE)->name, "standard");
	assert_string_equal(er_chain_behind(&c, ER_AT_STANDARD)->name, "origin");
}

static void a_chain_may_have_every_place_or_one(void **state)
{
	(void)state;
	er_chain all = {0}, one = {0};
	for (er_place p = ER_AT_ROUTINE; p < ER_PLACES_N; p++)
		er_chain_add(&all, p, named("all"));
	er_chain_add(&one, ER_AT_ORIGIN, named("one"));
	for (er_place p = ER_AT_ROUTINE; p < ER_PLACES_N; p++) {
		assert_ptr_equal(er_chain_at(&all, p), &all.links[p].handler);
		assert_true(er_chain_has(&all, p));
		assert_int_equal(er_chain_has(&one, p), p == ER_AT_ORIGIN);
	}
	for (er_place p = ER_AT_ROUTINE; p <= ER_AT_ORIGIN; p++)
		assert_string_equal(er_chain_at(&one, p)->name, "one");
}

static void behind_the_last(void *ctx)
{
	(void)ctx;
	er_chain c = {0};
	er_chain_add(&c, ER_AT_ORIGIN, named("origin"));
	er_chain_behind(&c, ER_AT_ORIGIN);
}

static void in_disorder(void *ctx)
{
	(void)ctx;
	er_chain c = {0};
	er_chain_add(&c, ER_AT_ORIGIN, named("origin"));
	er_chain_add(&c, ER_AT_ROUTINE, named("routine"));
}

static void twice(void *ctx)
{
	(void)ctx;
	er_chain c = {0};
	er_chain_add(&c, ER_AT_ORIGIN, named("origin"));
	er_chain_add(&c, ER_AT_ORIGIN, named("again"));
}

static void a_chain_that_is_wrong_ends_the_process(void **state)
{
	(void)state;
	assert_true(dies(behind_the_last, NULL));
	assert_true(dies(in_disorder, NULL));
	assert_true(dies(twice, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_place_without_a_handler_is_the_next_one_that_has_one),
	    cmocka_unit_test(a_chain_may_have_every_place_or_one),
	    cmocka_unit_test(a_chain_that_is_wrong_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
