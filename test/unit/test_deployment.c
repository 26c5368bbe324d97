/* Who gets which version, in which environment, and how the versions do: a client that changes
 * version with every request sees a site that is two sites, and a guard that counts wrongly rolls
 * back what is well. */
#include "base/mem.h"
#include "gateway/config.h"
#include "gateway/tally.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static er_routine *version(const char *name, const char *number)
{
	return er_routine_new(&(er_routine){
	    .name = er_slice_cstr(name), .version = er_slice_cstr(number), .env_json = ER_LIT("{}"), .limits = ER_LIMITS_DEFAULT});
}

static er_deployment *split(uint64_t id, uint32_t percent)
{
	return er_deployment_new(&(er_deployment){
	    .id = id, .version = {version("shop", "1"), version("shop", "2")}, .number = {1, 2}, .percent = percent});
}

static struct sockaddr_storage v4(unsigned n)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&sa;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)(n * 7919)); /* must not matter */
	in->sin_addr.s_addr = htonl(0x0a000000 + n);
	return sa;
}

static struct sockaddr_storage v6(const char *text)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)&sa;
	in->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
	return sa;
}

static unsigned first_share(const er_deployment *d, unsigned clients)
{
	unsigned first = 0;
	for (unsigned i = 0; i < clients; i++) {
		struct sockaddr_storage sa = v4(i);
		first += er_deployment_choose(d, &sa) == d->version[0];
	}
	return first;
}

static void each_version_gets_its_share_of_the_clients(void **state)
{
	(void)state;
	const unsigned percents[] = {1, 10, 50, 90, 99};
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		er_deployment *d = split(1000 + i, percents[i]);
		unsigned first = first_share(d, 100000);
		/* Within five standard deviations of a fair draw, which is at most 0.8 percent points. */
		assert_in_range(first, percents[i] * 1000 - 800, percents[i] * 1000 + 800);
		er_deployment_unref(d);
	}
}

static void a_client_keeps_its_version_and_draws_anew_in_the_next_deployment(void **state)
{
	(void)state;
	er_deployment *a = split(7, 50), *again = split(7, 50), *next = split(8, 50);
	unsigned moved = 0;
	for (unsigned i = 0; i < 2000; i++) {
		struct sockaddr_storage sa = v4(i), other_port = v4(i);
		((struct sockaddr_in *)(void *)&other_port)->sin_port = htons(4321);
		bool first = er_deployment_choose(a, &sa) == a->version[0];
		assert_int_equal(er_deployment_choose(a, &other_port) == a->version[0], first);
		assert_int_equal(er_deployment_choose(again, &sa) == again->version[0], first);
		moved += (er_deployment_choose(next, &sa) == next->version[0]) != first;
	}
	assert_in_range(moved, 800, 1200);
	er_deployment_unref(a);
	er_deployment_unref(again);
	er_deployment_unref(next);
}

static void more_for_one_version_takes_no_client_from_it(void **state)
{
	(void)state;
	/* The same deployment's draw, only the threshold moves: a canary that grows keeps
	 * its clients. */
	er_deployment *few = split(9, 10), *many = split(9, 60);
	for (unsigned i = 0; i < 5000; i++) {
		struct sockaddr_storage sa = v4(i);
		if (er_deployment_choose(few, &sa) == few->version[0])
			assert_ptr_equal(er_deployment_choose(many, &sa), many->version[0]);
	}
	er_deployment_unref(few);
	er_deployment_unref(many);
}

static void an_ipv6_client_is_its_network_and_a_socket_without_address_draws_too(void **state)
{
	(void)state;
	er_deployment *d = split(3, 50);
	struct sockaddr_storage a = v6("2001:db8:1:2::1"), b = v6("2001:db8:1:2:ffff::9"), none = {.ss_family = AF_UNIX};
	assert_ptr_equal(er_deployment_choose(d, &a), er_deployment_choose(d, &b));
	assert_non_null(er_deployment_choose(d, &none));
	unsigned first = 0;
	for (unsigned i = 0; i < 1000; i++) {
		char text[64];
		snprintf(text, sizeof text, "2001:db8:1:%x::1", i);
		struct sockaddr_storage sa = v6(text);
		first += er_deployment_choose(d, &sa) == d->version[0];
	}
	assert_in_range(first, 400, 600);
	er_deployment_unref(d);
}

/* ---- environments ---- */

static void deploy(er_config *c, er_env env, const char *name, const char *number)
{
	er_deployment like = {.env = env, .id = 1, .version = {version(name, number)}, .number = {1}, .percent = 100};
	er_config_add_deployment(c, er_deployment_new(&like));
}

static const char *answer(const er_config *c, er_env env, const char *host, const char *path)
{
	static char text[80];
	er_found f;
	if (!er_config_route(c, env, er_slice_cstr(host), er_slice_cstr(path), &f))
		return "nobody";
	snprintf(text, sizeof text, "%s %.*s %.*s", er_env_name(f.env), ER_FMT(f.deployment->name),
	         ER_FMT(f.deployment->version[0]->version));
	return text;
}

static void a_host_or_a_listener_says_which_environment(void **state)
{
	(void)state;
	er_err err = {0};
	er_config *c = er_config_read(ER_LIT("{\"staging\": {\"hosts\": [\"*.Staging.example\", \"preview.example\"]}}"),
	                              "node.jsonc", ER_LIT(""), &err);
	assert_non_null(c);
	deploy(c, ER_ENV_PRODUCTION, "shop", "1");
	deploy(c, ER_ENV_STAGING, "shop", "2");
	deploy(c, ER_ENV_STAGING, "new", "3");
	assert_true(er_config_add_rule(c, ER_ENV_PRODUCTION, ER_LIT("shop.example/*"), ER_LIT("shop"), 0));
	assert_true(er_config_add_rule(c, ER_ENV_STAGING, ER_LIT("shop.example/*"), ER_LIT("shop"), 0));
	assert_true(er_config_add_rule(c, ER_ENV_STAGING, ER_LIT("preview.example"), ER_LIT("new"), 1));
	assert_true(er_config_add_rule(c, ER_ENV_STAGING, ER_LIT("shop.localhost/api*"), ER_LIT("new"), 2));
	/* what is not deployed there waits for it */
	assert_false(er_config_add_rule(c, ER_ENV_PRODUCTION, ER_LIT("preview.example"), ER_LIT("new"), 1));
	er_config_seal(c);
	const er_env p = ER_ENV_PRODUCTION, s = ER_ENV_STAGING;
	assert_string_equal(answer(c, p, "shop.localhost", "/"), "production shop 1");
	assert_string_equal(answer(c, p, "shop.staging.localhost", "/"), "staging shop 2");
	assert_string_equal(answer(c, p, "shop.staging.localhost", "/api"), "staging new 3");
	assert_string_equal(answer(c, p, "shop.staging.localhost.", "/"), "staging shop 2");
	assert_string_equal(answer(c, p, "new.localhost", "/"), "nobody");
	assert_string_equal(answer(c, p, "new.staging.localhost", "/"), "staging new 3");
	assert_string_equal(answer(c, p, ".staging.localhost", "/"), "nobody");
	assert_string_equal(answer(c, p, "staging.localhost", "/"), "nobody");
	assert_string_equal(answer(c, s, "shop.localhost", "/"), "staging shop 2");
	assert_string_equal(answer(c, s, "shop.staging.localhost", "/"), "staging shop 2");
	assert_string_equal(answer(c, p, "shop.example", "/"), "production shop 1");
	assert_string_equal(answer(c, s, "shop.example", "/"), "staging shop 2");
	assert_string_equal(answer(c, p, "shop.example.staging.example", "/"), "staging shop 2");
	assert_string_equal(answer(c, p, "other.example.staging.example", "/"), "nobody");
	assert_string_equal(answer(c, p, "staging.example", "/"), "nobody");
	assert_string_equal(answer(c, p, "preview.example", "/x"), "staging new 3");
	char longest[300];
	memset(longest, 'a', sizeof longest);
	memcpy(longest + 270, ".staging.localhost", 19);
	assert_string_equal(answer(c, p, longest, "/"), "nobody");
	er_config_unref(c);
}

static void a_routine_of_the_file_is_in_every_environment_and_before_a_stored_one(void **state)
{
	(void)state;
	er_err err;
	er_config *file = er_config_new();
	assert_true(er_config_add_routine(file, version("shop", "file"), &err));
	assert_true(er_config_add_route(file, ER_LIT("shop.example/*"), ER_LIT("shop"), &err));
	er_config *c = er_config_copy(file);
	deploy(c, ER_ENV_PRODUCTION, "other", "4");
	assert_true(er_config_add_rule(c, ER_ENV_PRODUCTION, ER_LIT("shop.example/*"), ER_LIT("other"), 0));
	assert_true(er_config_add_rule(c, ER_ENV_PRODUCTION, ER_LIT("other.example/*"), ER_LIT("other"), 1));
	er_config_seal(c);
	assert_string_equal(answer(c, ER_ENV_PRODUCTION, "shop.example", "/"), "production shop file");
	assert_string_equal(answer(c, ER_ENV_STAGING, "shop.example", "/"), "staging shop file");
	assert_string_equal(answer(c, ER_ENV_PRODUCTION, "other.example", "/"), "production other 4");
	assert_string_equal(answer(c, ER_ENV_PRODUCTION, "shop.staging.localhost", "/"), "staging shop file");
	er_found f;
	assert_true(er_config_route(c, ER_ENV_PRODUCTION, ER_LIT("other.example"), ER_LIT("/"), &f));
	assert_true(f.rule->stored);
	assert_int_equal(f.rule->position, 1);
	er_config_unref(c);
	er_config_unref(file);
}

static void what_did_not_change_keeps_its_object(void **state)
{
	(void)state;
	er_err err;
	er_config *a = er_config_new(), *b = er_config_new();
	assert_true(er_config_add_routine(a, version("same", "1"), &err));
	assert_true(er_config_add_routine(a, version("changed", "1"), &err));
	assert_true(er_config_add_routine(b, version("changed", "2"), &err));
	assert_true(er_config_add_routine(b, version("same", "1"), &err));
	er_config_keep(b, a);
	for (er_env e = 0; e < ER_ENV_COUNT_; e++) {
		assert_ptr_equal(er_config_find(b, e, ER_LIT("same")), er_config_find(a, e, ER_LIT("same")));
		assert_ptr_not_equal(er_config_find(b, e, ER_LIT("changed")), er_config_find(a, e, ER_LIT("changed")));
	}
	er_config_unref(a);
	er_config_seal(b);
	assert_string_equal(answer(b, ER_ENV_PRODUCTION, "same.localhost", "/"), "production same 1");
	er_config_unref(b);
}

/* ---- how the versions do ---- */

static void counts_are_by_version_and_begin_anew_with_a_deployment(void **state)
{
	(void)state;
	er_deployment *old = split(20, 50), *d = split(21, 50);
	er_tally *t = ER_NEW(er_tally);
	er_tally_sum sum[ER_STORE_SPLIT] = {{0}};
	er_tally_count(t, old, old->version[0], 1000, true);
	for (unsigned i = 1; i <= 1000; i++)
		er_tally_count(t, d, d->version[0], i * 100, i % 100 == 0);
	er_tally_count(t, d, d->version[1], 0, false);
	er_tally_count(t, old, old->version[0], 1000, true); /* it was still under way */
	er_tally_add(sum, t, 20);
	assert_int_equal(sum[0].requests, 0);
	er_tally_add(sum, t, 21);
	er_tally_add(sum, NULL, 21);
	assert_int_equal(sum[0].requests, 1000);
	assert_int_equal(sum[0].failures, 10);
	assert_int_equal(sum[1].requests, 1);
	/* 99 % were answered within 99 ms; a bucket is at most an eighth wide */
	uint64_t p99 = er_tally_percentile(&sum[0], 99);
	assert_in_range(p99, 99000, 99000 * 9 / 8);
	assert_in_range(er_tally_percentile(&sum[0], 50), 50000, 50000 * 9 / 8);
	assert_in_range(er_tally_percentile(&sum[1], 99), 1, 8);
	assert_int_equal(er_tally_percentile(&(er_tally_sum){0}, 99), 0);
	er_tally_free(t);
	er_deployment_unref(old);
	er_deployment_unref(d);
}

static void every_time_has_a_bucket_that_ends_above_it(void **state)
{
	(void)state;
	er_deployment *d = split(30, 50);
	for (uint64_t us = 1; us < UINT64_C(60) * 1000 * 1000; us += us / 3 + 1) {
		er_tally *t = ER_NEW(er_tally);
		er_tally_sum sum[ER_STORE_SPLIT] = {{0}};
		er_tally_count(t, d, d->version[0], us, false);
		er_tally_add(sum, t, 30);
		uint64_t end = er_tally_percentile(&sum[0], 99);
		assert_true(end > us && end <= us + us / 8 + 8);
		er_tally_free(t);
	}
	er_deployment_unref(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_version_gets_its_share_of_the_clients),
	    cmocka_unit_test(a_client_keeps_its_version_and_draws_anew_in_the_next_deployment),
	    cmocka_unit_test(more_for_one_version_takes_no_client_from_it),
	    cmocka_unit_test(an_ipv6_client_is_its_network_and_a_socket_without_address_draws_too),
	    cmocka_unit_test(a_host_or_a_listener_says_which_environment),
	    cmocka_unit_test(a_routine_of_the_file_is_in_every_environment_and_before_a_stored_one),
	    cmocka_unit_test(what_did_not_change_keeps_its_object),
	    cmocka_unit_test(counts_are_by_version_and_begin_anew_with_a_deployment),
	    cmocka_unit_test(every_time_has_a_bucket_that_ends_above_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
