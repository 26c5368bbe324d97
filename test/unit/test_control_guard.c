/* Automatic rollback: what goes back, what passes, what is left alone. */
#include "control_harness.h"

#define SHOP "/v1/routines/shop"
#define PROD SHOP "/environments/production"
#define GUARD "\"guard\":{\"error_percent\":5,\"p99_percent\":50,\"least_requests\":100,\"watch_s\":60}"

enum { LOOKS = 5 };

static void count(uv_timer_t *timer)
{
	++*(unsigned *)timer->data;
}

/* Until the guard has looked some times: it does so as often as this timer fires, on the same
 * loop. */
static void let_it_look(harness *h)
{
	unsigned n = 0;
	uv_timer_t timer = {.data = &n};
	assert_int_equal(uv_timer_init(&h->loop, &timer), 0);
	uv_timer_start(&timer, count, TICK_MS, TICK_MS);
	while (n < LOOKS)
		uv_run(&h->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&h->loop, UV_RUN_NOWAIT);
}

static void guarded(harness *h, const char *versions)
{
	char body[256];
	snprintf(body, sizeof body, "{%s," GUARD "}", versions);
	good(h, "PUT", PROD, body, 200);
	good(h, "GET", PROD, NULL, 200);
	expect_text(h, "guard_state", "watching");
}

static int prepare(void **state)
{
	if (harness_setup(state) != 0)
		return -1;
	harness *h = *state;
	make_versions(h, "shop", 3);
	deploy(h, "shop", "production", 1);
	return 0;
}

static void a_bad_canary_goes_back(void **state)
{
	harness *h = *state;
	guarded(h, "\"versions\":[{\"version\":1,\"percent\":90},{\"version\":2,\"percent\":10}]");
	h->counters[0] = (er_version_counters){.requests = 9000, .errors = 27, .p99_us = 4000};
	h->counters[1] = (er_version_counters){.requests = 1000, .errors = 120, .p99_us = 4000};
	let_it_look(h);
	good(h, "GET", PROD, NULL, 200);
	expect_number(h, "versions.0.version", 1);
	expect_number(h, "versions.0.percent", 100);
	expect_text(h, "by", "guard");
	expect_text(h, "reason", "guard: error rate 12.0% against 0.3%");
	good(h, "GET", "/v1/logs?kinds=deployment&search=guard", NULL, 200);
	expect_text(h, "items.0.text", "guard: error rate 12.0% against 0.3%");
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
	/* and rolling back from there does not lead to the canary again */
	refused(h, "POST", SHOP "/rollback", "{}", 409, "conflict", NULL);
}

/* Its author can make the code fail when it suits them. */
static void the_guard_brings_no_rule_back_that_its_token_may_not_have(void **state)
{
	harness *h = *state;
	char *token = make_token(h, "ann", "deploy", "[\"shop\"]");
	assert_int_equal(ask_as(h, token, "POST", SHOP "/deploy",
	                        "{\"code\":\"with a rule\",\"settings\":{\"routes\":[\"late.example\"]},\"routes\":false}"),
	                 200);
	assert_int_equal(ask_as(h, token, "PUT", PROD, "{\"version\":2," GUARD "}"), 200);
	make_versions(h, "blog", 1);
	good(h, "POST", "/v1/routes", "{\"pattern\":\"late.example/x*\",\"routine\":\"blog\"}", 200);
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 900};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 2);
	/* where the host is still free, it goes back */
	good(h, "DELETE", "/v1/routes?pattern=late.example/x*", NULL, 200);
	assert_int_equal(ask_as(h, token, "PUT", PROD, "{\"version\":4}"), 200);
	h->counters[0] = (er_version_counters){0};
	assert_int_equal(ask_as(h, token, "PUT", PROD, "{\"version\":3," GUARD "}"), 200);
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 900};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 4);
}

static void the_new_one_may_stand_first(void **state)
{
	harness *h = *state;
	guarded(h, "\"versions\":[{\"version\":2,\"percent\":10},{\"version\":1,\"percent\":90}]");
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 120};
	h->counters[1] = (er_version_counters){.requests = 9000, .errors = 27};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
}

static void slowness_counts(void **state)
{
	harness *h = *state;
	guarded(h, "\"versions\":[{\"version\":1,\"percent\":50},{\"version\":2,\"percent\":50}]");
	h->counters[0] = (er_version_counters){.requests = 1000, .p99_us = 4000};
	h->counters[1] = (er_version_counters){.requests = 1000, .p99_us = 6001};
	let_it_look(h);
	good(h, "GET", PROD, NULL, 200);
	expect_text(h, "reason", "guard: p99 6.0 ms against 4.0 ms");
}

static void what_is_within_the_bounds_stays(void **state)
{
	harness *h = *state;
	guarded(h, "\"versions\":[{\"version\":1,\"percent\":50},{\"version\":2,\"percent\":50}]");
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 10, .p99_us = 4000};
	h->counters[1] = (er_version_counters){.requests = 1000, .errors = 60, .p99_us = 6000};
	let_it_look(h);
	good(h, "GET", PROD, NULL, 200);
	expect_number(h, "versions.1.version", 2);
	/* too few requests say nothing */
	h->counters[1] = (er_version_counters){.requests = 99, .errors = 99};
	let_it_look(h);
	good(h, "GET", PROD, NULL, 200);
	expect_text(h, "guard_state", "watching");
}

static void a_whole_deployment_is_compared_with_the_one_before(void **state)
{
	harness *h = *state;
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 200, .p99_us = 4000};
	guarded(h, "\"version\":2");
	/* it fails as often as the old one did */
	h->counters[0] = (er_version_counters){.requests = 500, .errors = 120, .p99_us = 4000};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 2);
	h->counters[0].errors = 130;
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
}

static void who_deploys_meanwhile_is_not_undone(void **state)
{
	harness *h = *state;
	guarded(h, "\"version\":2");
	deploy(h, "shop", "production", 3);
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 1000};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 3);
}

static void time_makes_it_pass(void **state)
{
	harness *h = *state;
	good(h, "PUT", PROD, "{\"version\":2,\"guard\":{\"watch_s\":1}}", 200);
	for (unsigned i = 0; i < 100; i++) {
		let_it_look(h);
		good(h, "GET", PROD, NULL, 200);
		if (!er_slice_eq(at(h, "guard_state")->text, ER_LIT("watching")))
			break;
	}
	expect_text(h, "guard_state", "passed");
	expect_number(h, "guard.error_percent", 5);
	good(h, "GET", "/v1/status", NULL, 200);
	expect_text(h, "routines.1.environments.production.guard", "passed");
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 1000};
	let_it_look(h);
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 2);
}

static void a_restart_does_not_end_it(void **state)
{
	harness *h = *state;
	guarded(h, "\"version\":2");
	harness_stop(h);
	harness_start(h);
	h->counters[0] = (er_version_counters){.requests = 1000, .errors = 60, .p99_us = 9000000};
	let_it_look(h);
	good(h, "GET", PROD, NULL, 200);
	expect_text(h, "reason", "guard: error rate 6.0% against 0.0%");
	assert_int_equal(runs(h, "shop", ER_ENV_PRODUCTION), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, prepare, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(a_bad_canary_goes_back),
	    T(the_guard_brings_no_rule_back_that_its_token_may_not_have),
	    T(the_new_one_may_stand_first),
	    T(slowness_counts),
	    T(what_is_within_the_bounds_stays),
	    T(a_whole_deployment_is_compared_with_the_one_before),
	    T(who_deploys_meanwhile_is_not_undone),
	    T(time_makes_it_pass),
	    T(a_restart_does_not_end_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
