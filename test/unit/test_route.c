/* Which routine answers: a wrong match shows one tenant's site on another's host. */
#include "base/nearest.h"
#include "gateway/route.h"
#include "gateway/standard.h"
#include "http/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void add(er_config *c, const char *name)
{
	er_err err;
	er_routine *r = er_routine_new(&(er_routine){.name = er_slice_cstr(name), .limits = ER_LIMITS_DEFAULT});
	assert_true(er_config_add_routine(c, r, &err));
}

static void route(er_config *c, const char *pattern, const char *name)
{
	er_err err = {0};
	if (!er_config_add_route(c, er_slice_cstr(pattern), er_slice_cstr(name), &err))
		fail_msg("%s", err.text);
}

static void goes_to(const er_config *c, const char *host, const char *path, const char *name)
{
	er_found found;
	bool any = er_config_route(c, ER_ENV_PRODUCTION, er_slice_cstr(host), er_slice_cstr(path), &found);
	const er_routine *r = any ? found.deployment->version[0] : NULL;
	if (name == NULL) {
		assert_null(r);
		return;
	}
	if (r == NULL || !er_slice_eq(r->name, er_slice_cstr(name)))
		fail_msg("%s%s goes to %.*s instead of %s", host, path, r ? (int)r->name.n : 4, r ? (const char *)r->name.p : "none",
		         name);
}

static void the_first_rule_that_matches_wins(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	for (const char *const *n = (const char *const[]){"a", "b", "c", "d", NULL}; *n; n++)
		add(c, *n);
	route(c, "shop.example/api/*", "a");
	route(c, "*.example/api*", "b");
	route(c, "shop.example", "c");
	route(c, "shop.example/never", "a");
	route(c, "one.test/exact", "a");
	route(c, "*/health", "d");
	er_config_seal(c);
	goes_to(c, "shop.example", "/api/x", "a");
	goes_to(c, "shop.example", "/api", "b");
	goes_to(c, "shop.example", "/apix", "b");
	goes_to(c, "shop.example", "/never", "c");
	goes_to(c, "shop.example.", "/", "c");
	goes_to(c, "deep.shop.example", "/api", "b");
	goes_to(c, "deep.shop.example", "/", NULL);
	goes_to(c, "example", "/api", NULL);
	goes_to(c, "badexample", "/api", NULL);
	goes_to(c, "one.test", "/exact", "a");
	goes_to(c, "one.test", "/exact/", NULL);
	goes_to(c, "one.test", "/health", "d");
	goes_to(c, "shop.example", "/health", "c");
	er_config_unref(c);
}

static void a_name_is_a_host_of_localhost_after_all_rules(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	add(c, "a");
	add(c, "b");
	route(c, "a.localhost/x*", "b");
	er_config_seal(c);
	goes_to(c, "a.localhost", "/", "a");
	goes_to(c, "a.localhost", "/x", "b");
	goes_to(c, "z.a.localhost", "/", NULL);
	goes_to(c, ".localhost", "/", NULL);
	goes_to(c, "localhost", "/", NULL);
	goes_to(c, "c.localhost", "/", NULL);
	er_config_unref(c);
}

static void thousands_of_hosts_keep_their_own_rule(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	char name[32], pattern[64];
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "r%d", i);
		snprintf(pattern, sizeof pattern, "host%d.example/p*", i);
		add(c, name);
		route(c, pattern, name);
	}
	er_config_seal(c);
	for (int i = 0; i < 3000; i += 7) {
		snprintf(name, sizeof name, "r%d", i);
		snprintf(pattern, sizeof pattern, "host%d.example", i);
		goes_to(c, pattern, "/p/1", name);
		goes_to(c, pattern, "/", NULL);
	}
	er_config_unref(c);
}

static void malformed_patterns_are_refused(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	er_err err;
	add(c, "a");
	const char *const bad[] = {"", "/path", "a*.b", "*.*.b", "http://a/", "a:80/", "a/x*y", "a/x?y", "a b", "a/#", "*."};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_config_add_route(c, er_slice_cstr(bad[i]), ER_LIT("a"), &err))
			fail_msg("\"%s\" was taken", bad[i]);
	er_config_unref(c);
}

static void the_host_of_an_authority(void **state)
{
	(void)state;
	const char *const cases[][2] = {{"a.b:80", "a.b"}, {"a.b", "a.b"}, {"[::1]:80", "[::1]"}, {"[::1]", "[::1]"}, {"", ""}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(er_slice_eq(er_host_of(er_slice_cstr(cases[i][0])), er_slice_cstr(cases[i][1])));
}

static void a_typing_mistake_finds_its_word_and_nonsense_does_not(void **state)
{
	(void)state;
	const er_slice words[] = {ER_LIT("listen"), ER_LIT("limits"), ER_LIT("routines"), ER_LIT("node")};
	assert_true(er_slice_eq(er_nearest(ER_LIT("lisetn"), words, 4), ER_LIT("listen")));
	assert_true(er_slice_eq(er_nearest(ER_LIT("rutines"), words, 4), ER_LIT("routines")));
	assert_true(er_slice_eq(er_nearest(ER_LIT("nod"), words, 4), ER_LIT("node")));
	assert_int_equal(er_nearest(ER_LIT("xyzzy"), words, 4).n, 0);
	assert_int_equal(er_nearest(ER_LIT(""), words, 4).n, 0);
}

static void loops_are_counted_over_all_fields_and_only_ours(void **state)
{
	(void)state;
	er_arena a;
	er_fields f;
	er_arena_init(&a);
	er_fields_init(&f);
	er_fields_add(&f, &a, ER_LIT("CDN-Loop"), ER_LIT("other, edgeroutine;v=1 , EdgeRoutine"));
	er_fields_add(&f, &a, ER_LIT("cdn-loop"), ER_LIT("notedgeroutine,edgeroutine"));
	er_fields_add(&f, &a, ER_LIT("er-internal"), ER_LIT("x"));
	er_fields_add(&f, &a, ER_LIT("Error"), ER_LIT("x"));
	assert_int_equal(er_identity_loops(&f), 3);
	er_identity_strip(&f);
	assert_int_equal(f.n, 3);
	er_arena_fini(&a);
}

static void an_origin_is_a_url_without_a_path(void **state)
{
	(void)state;
	er_slice scheme, authority;
	assert_true(er_standard_origin(ER_LIT("http://10.0.0.5:8080/"), &scheme, &authority, NULL));
	assert_true(er_slice_eq(authority, ER_LIT("10.0.0.5:8080")));
	assert_true(er_standard_origin(ER_LIT("https://[::1]"), &scheme, &authority, NULL));
	assert_true(er_slice_eq(scheme, ER_LIT("https")));
	const char *const bad[] = {"",           "http://",    "http:///",   "ftp://x", "http://a/b", "http://a:0", "http://a:99999",
	                           "http://a:b", "http://u@a", "http://a?x", "x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_standard_origin(er_slice_cstr(bad[i]), &scheme, &authority, NULL))
			fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_rule_that_matches_wins),
	    cmocka_unit_test(a_name_is_a_host_of_localhost_after_all_rules),
	    cmocka_unit_test(thousands_of_hosts_keep_their_own_rule),
	    cmocka_unit_test(malformed_patterns_are_refused),
	    cmocka_unit_test(the_host_of_an_authority),
	    cmocka_unit_test(a_typing_mistake_finds_its_word_and_nonsense_does_not),
	    cmocka_unit_test(loops_are_counted_over_all_fields_and_only_ours),
	    cmocka_unit_test(an_origin_is_a_url_without_a_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
