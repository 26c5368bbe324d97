/* What the control plane remembers of purges, in memory and in the store: who fills it pays. */
#include "control_harness.h"

#include "cache/index.h"
#include "cache/purge.h"
#include "store/purges.h"

static er_purged look(er_purges *p, const char *where, const char *site, uint64_t number)
{
	er_purge_look first = {0};
	er_scopes s = er_scopes_of(NULL, er_slice_cstr(where), er_scopes_site(er_slice_cstr(site)), NULL);
	return er_purges_look(p, &s, number, &first);
}

static void routine_purges(harness *h, const er_purge *v, size_t n)
{
	er_purged_list list = {.v = v, .n = n, .routine = ER_LIT("busy")};
	er_control_purged(h->control, &list, 1);
	assert_int_equal(list.err.kind, ER_ERR_OK);
}

enum { PURGES = 40000, AT_ONCE = 1000 };

static void a_routine_that_purges_on_very_many_hosts_costs_its_own_site_alone(void **state)
{
	static const er_purge_kind kinds[] = {ER_PURGE_URL, ER_PURGE_HOST};
	harness *h = *state;
	harness_stop(h);
	h->cache = er_index_new(1 << 20);
	harness_start(h);
	er_control_stored_on_disk(h->control, true);
	er_purges *p = er_index_purge_table(h->cache);
	uint64_t before = er_purges_next(p);
	routine_purges(h, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.calm.example/1"), .site = ER_LIT("calm")}, 1);
	size_t most = 0;
	for (unsigned i = 0; i < PURGES; i += AT_ONCE) {
		er_arena a = {0};
		er_purge v[AT_ONCE];
		for (unsigned k = 0; k < AT_ONCE; k++)
			v[k] = (er_purge){.kind = kinds[k % 2],
			                  .value = er_arena_printf(&a, "%u.busy.example%s", i + k, k % 2 == 0 ? "/1" : ""),
			                  .site = ER_LIT("busy")};
		routine_purges(h, v, AT_ONCE);
		most = er_purges_count(p) > most ? er_purges_count(p) : most;
		er_arena_fini(&a);
	}
	assert_in_range(most, 30000, 33000);
	assert_true(er_purges_count(p) < 10000);
	assert_int_equal(look(p, "0.busy.example/1", "busy", before), ER_PURGED_HARD);
	assert_int_equal(look(p, "x.busy.example/1", "busy", before), ER_PURGED_HARD);
	assert_int_equal(look(p, "a.calm.example/1", "calm", before), ER_PURGED_HARD);
	assert_int_equal(look(p, "a.calm.example/2", "calm", before), ER_PURGED_NOT);
	assert_int_equal(look(p, "x.example/1", "", before), ER_PURGED_NOT);
	/* The store has what the table has, so that a start finds the same. */
	er_arena a = {0};
	er_err err = {0};
	er_purge_row *rows;
	size_t n, sites = 0;
	assert_true(er_store_purges(h->store, &a, &rows, &n, &err));
	assert_int_equal(n, er_purges_count(p));
	for (size_t i = 0; i < n; i++)
		if (er_slice_eq(rows[i].scope, ER_LIT("site"))) {
			assert_true(er_slice_eq(rows[i].value, ER_LIT("busy")));
			sites++;
		}
	assert_int_equal(sites, 1);
	er_arena_fini(&a);
	harness_stop(h);
	er_index_free(h->cache);
	h->cache = NULL;
	harness_start(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
	    a_routine_that_purges_on_very_many_hosts_costs_its_own_site_alone, harness_setup, harness_teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
