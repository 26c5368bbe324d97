/* How the process's descriptors are shared out between clients, connections to servers and
 * sandboxes. */
#include "gateway/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t sum(const er_config *c, const er_files *f)
{
	return f->clients + (uint64_t)f->servers + 2 * (uint64_t)c->threads * (2 * (uint64_t)f->instances + 8 + c->pool);
}

static void test_what_is_promised_fits_whatever_the_limit_is(void **state)
{
	(void)state;
	static const uint64_t limits[] = {256, 1024, 4096, 20000, 65536, 524288, 1048576};
	static const uint32_t wishes[] = {0, 16, 1000, 16384, 10000000};
	er_config *c = er_config_new();
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		for (size_t k = 0; k < 5 * 5 * 5; k++) {
			c->limits.connections = wishes[k % 5];
			c->limits.origin_connections = wishes[k / 5 % 5] + 16;
			c->max_instances = wishes[k / 25] % 100000 + 1;
			c->threads = 2;
			er_files f = er_files_plan(c, limits[i]);
			assert_true(f.clients >= 16 && f.servers >= 16 && f.instances >= 1);
			if (sum(c, &f) > limits[i])
				fail_msg("%llu of %llu", (unsigned long long)sum(c, &f), (unsigned long long)limits[i]);
			/* some are left for everything else */
			assert_true(limits[i] < 1024 || sum(c, &f) + 256 <= limits[i]);
		}
	er_config_unref(c);
}

static void test_wishes_that_fit_are_fulfilled(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	c->threads = 2;
	er_files f = er_files_plan(c, 1048576);
	assert_true(f.all);
	assert_int_equal(f.clients, 16384);
	assert_int_equal(f.servers, 8192);
	assert_int_equal(f.instances, 1000);
	c->limits.connections = 0; /* without a bound of its own it still leaves the others theirs */
	f = er_files_plan(c, 1048576);
	assert_true(f.all);
	assert_true(f.clients > 1000000);
	assert_int_equal(f.instances, 1000);
	er_config_unref(c);
}

static void test_a_small_wish_is_not_cut_for_a_large_one(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	c->threads = 1;
	c->max_instances = 10;
	c->limits.connections = 1000000;
	c->limits.origin_connections = 100;
	er_files f = er_files_plan(c, 4096);
	assert_false(f.all);
	assert_int_equal(f.instances, 10);
	assert_int_equal(f.servers, 100);
	assert_true(f.clients > 3000);
	er_config_unref(c);
}

static void test_a_wish_for_few_is_a_bound(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	c->limits.connections = 1;
	for (uint64_t limit = 64; limit < 100000; limit *= 8)
		assert_int_equal(er_files_plan(c, limit).clients, 1);
	er_config_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_promised_fits_whatever_the_limit_is),
	    cmocka_unit_test(test_wishes_that_fit_are_fulfilled),
	    cmocka_unit_test(test_a_wish_for_few_is_a_bound),
	    cmocka_unit_test(test_a_small_wish_is_not_cut_for_a_large_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
