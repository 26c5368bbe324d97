/* What was evicted lately is known, as much of it as should be, and nothing older. */
#include "cache/ghost.h"

#include "cache_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t hash_of(uint64_t n)
{
	return model_random(&n);
}

static void an_empty_one_knows_nothing_and_has_no_memory(void **state)
{
	(void)state;
	er_ghosts g = {0};
	assert_false(er_ghosts_take(&g, hash_of(1), 100));
	assert_null(g.v);
	er_ghosts_fini(&g);
}

static void what_was_evicted_lately_is_known_once(void **state)
{
	(void)state;
	er_ghosts g = {0};
	er_ghosts_add(&g, hash_of(1), 10);
	er_ghosts_add(&g, hash_of(2), 10);
	assert_false(er_ghosts_take(&g, hash_of(3), 10));
	assert_true(er_ghosts_take(&g, hash_of(1), 10));
	assert_false(er_ghosts_take(&g, hash_of(1), 10));
	assert_true(er_ghosts_take(&g, hash_of(2), 10));
	er_ghosts_fini(&g);
}

/* A cache of very many objects has very many ghosts, and hardly one is lost. */
static void as_many_are_known_as_should_be_and_no_more(void **state)
{
	(void)state;
	enum { MOST = 100000, N = 3 * MOST };
	er_ghosts g = {0};
	for (uint64_t i = 0; i < N; i++)
		er_ghosts_add(&g, hash_of(i), i + 1 < MOST ? i + 1 : MOST); /* the cache fills up */
	uint64_t known = 0, old = 0;
	for (uint64_t i = 0; i < N; i++)
		*(i < N - MOST ? &old : &known) += er_ghosts_take(&g, hash_of(i), MOST);
	assert_true(known > MOST - MOST / 100);
	assert_true(old < MOST / 10000);
	assert_true(g.buckets * 8 <= 4 * MOST);
	er_ghosts_fini(&g);
}

static void a_cache_that_shrinks_knows_fewer(void **state)
{
	(void)state;
	er_ghosts g = {0};
	for (uint64_t i = 0; i < 1000; i++)
		er_ghosts_add(&g, hash_of(i), 1000);
	assert_false(er_ghosts_take(&g, hash_of(500), 100));
	assert_true(er_ghosts_take(&g, hash_of(950), 100));
	er_ghosts_fini(&g);
}

static void the_clock_goes_round(void **state)
{
	(void)state;
	er_ghosts g = {0};
	g.clock = UINT32_MAX - 5;
	for (uint64_t i = 10; i < 20; i++)
		er_ghosts_add(&g, hash_of(i), 10);
	for (uint64_t i = 11; i < 20; i++)
		assert_true(er_ghosts_take(&g, hash_of(i), 10));
	er_ghosts_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_one_knows_nothing_and_has_no_memory),
	    cmocka_unit_test(what_was_evicted_lately_is_known_once),
	    cmocka_unit_test(as_many_are_known_as_should_be_and_no_more),
	    cmocka_unit_test(a_cache_that_shrinks_knows_fewer),
	    cmocka_unit_test(the_clock_goes_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
