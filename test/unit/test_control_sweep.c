/* Static files are swept beside what the control thread does. */
#include "control_harness.h"

#include "base/clock.h"
#include "store/asset.h"
#include "store/crypt.h"

#include <sqlite3.h>

typedef struct ticks {
	uv_timer_t timer;
	unsigned n;
	uint64_t last_us, longest_us;
} ticks;

static void on_tick(uv_timer_t *timer)
{
	ticks *t = timer->data;
	uint64_t now = er_clock_mono_us();
	t->longest_us = now - t->last_us > t->longest_us ? now - t->last_us : t->longest_us;
	t->last_us = now;
	t->n++;
}

static void run_for(harness *h, ticks *t, unsigned more)
{
	for (unsigned upto = t->n + more; t->n < upto;)
		uv_run(&h->loop, UV_RUN_ONCE);
}

static er_asset_tally count(harness *h)
{
	er_asset_tally t;
	er_err err = {0};
	assert_true(er_asset_count(h->store, ER_LIT("shop"), &t, &err));
	return t;
}

/* Somebody has the file of static files for as long as a writer waits for it. */
static void the_control_thread_goes_on_while_a_sweep_waits_for_the_disk(void **state)
{
	harness *h = *state;
	er_err err = {0};
	er_asset a = {.bytes = ER_LIT("loose")};
	er_sha256(a.bytes, (er_slice){0}, &a.hash);
	assert_true(er_asset_put(h->store, ER_LIT("shop"), &a, 1, &err));
	sqlite3 *db;
	char path[128];
	snprintf(path, sizeof path, "%s/assets.db", h->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE asset SET at_s = 1; BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ticks t = {.last_us = er_clock_mono_us()};
	assert_int_equal(uv_timer_init(&h->loop, &t.timer), 0);
	t.timer.data = &t;
	uv_timer_start(&t.timer, on_tick, 20, 20);
	run_for(h, &t, 150); /* the sweep begins with the first second */
	assert_int_equal(count(h).files, 1);
	assert_int_equal(ask(h, "GET", "/v1/routines", NULL), 200);
	/* a writer waits for seconds, and then gives up */
	assert_true(t.longest_us < 1000 * 1000);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned i = 0; i < 300 && count(h).files > 0; i++)
		run_for(h, &t, 10);
	assert_int_equal(count(h).files, 0);
	sqlite3_close(db);
	uv_close((uv_handle_t *)&t.timer, NULL);
	uv_run(&h->loop, UV_RUN_NOWAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
	    the_control_thread_goes_on_while_a_sweep_waits_for_the_disk, harness_setup, harness_teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
