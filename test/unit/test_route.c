/* Which routine answers: a wrong match shows one tenant's site on another's host. */
#include "base/nearest.h"
#include "gateway/route.h"
#include "gateway/standard.h"
#include "http/target.h"
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

/* As the gateway does it. NULL: the request is refused. */
static bool reaches(const er_config *c, const char *target, const char *name)
{
	er_arena a;
	er_slice out;
	const char *why = NULL;
	er_found found;
	er_arena_init(&a);
	bool read = er_target_normal(&a, er_slice_cstr(target), &out, &why);
	bool any =
	    read && er_config_route(c, ER_ENV_PRODUCTION, ER_LIT("a.example"), er_slice_head(out, er_slice_find(out, '?')), &found);
	er_slice is = !read ? ER_LIT("refused") : any ? found.deployment->version[0]->name : ER_LIT("open");
	bool same = er_slice_eq(is, er_slice_cstr(name));
	if (!same)
		print_error("%s: %.*s instead of %s\n", target, ER_FMT(is), name);
	er_arena_fini(&a);
	return same;
}

static void a_guard_is_not_passed_by_spelling_the_path_in_another_way(void **state)
{
	(void)state;
	const char *const guarded[] = {
	    "/admin",
	    "/admin/",
	    "/admin/x",
	    "/administrator",
	    "/x/../admin",
	    "/./admin",
	    "//admin",
	    "///admin/x",
	    "/%61dmin",
	    "/%61%64%6D%69%6e",
	    "/x/%2e%2e/admin",
	    "/x/%2E./admin",
	    "/\\admin",
	    "/x\\..\\admin",
	    "/%2e/admin",
	    "/x/..//admin",
	    "/.//admin",
	    "/admin;x",
	    "/;/admin",
	    "/;a=b/admin",
	    "/%2Fadmin",
	    "/%2fadmin",
	    "/%5Cadmin",
	    "/%5cadmin%2f",
	    "/admin%2fx",
	    "/admin/..%41",
	    "/admin?x=/../y",
	    "/admin%3F",
	    "/admin%23",
	    "/%61dmin;v=1/x",
	    "//;//%2f%5C;/admin",
	    "/x/y/../../admin",
	    "/admin/x/..",
	    "/admin/.",
	    "/x/.././admin",
	};
	const char *const open[] = {
	    "/",          "/x",         "/Admin",     "/%41dmin",     "/admi",       "/x/admin",       "/admin/../x",
	    "/x?/admin",  "/%2561dmin", "/%%361dmin", "/%%36%31dmin", "/%u0061dmin", "/x//admin",      "/fetch/https://x/admin",
	    "/x%2Fadmin", "/.admin",    "/ad%2Fmin",  "/%ad%mi%6e",   "/x;/admin",   "/admin/%2e%2e/x"};
	const char *const refused[] = {"/x%2f..%2fadmin", "/x/..%2fadmin",   "/..%2Fadmin",       "/x/..;/admin",
	                               "/x/..;a=b/admin", "/%2e%2e%2fadmin", "/x/%2e%2e%5cadmin", "/x/.%2fadmin",
	                               "/x%5c..%5cadmin", "/x/..%3b/admin",  "/admin%00",         "/%00admin"};
	er_config *c = er_config_new();
	bool ok = true;
	add(c, "guard");
	route(c, "a.example/admin*", "guard");
	er_config_seal(c);
	for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
		ok = reaches(c, guarded[i], "guard") && ok;
	for (size_t i = 0; i < sizeof open / sizeof *open; i++)
		ok = reaches(c, open[i], "open") && ok;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		ok = reaches(c, refused[i], "refused") && ok;
	assert_true(ok);
	er_config_unref(c);
}

static void a_rule_holds_for_every_encoding_of_its_own_characters(void **state)
{
	(void)state;
	const char *const cases[][2] = {
	    {"/@me*", "/%40me"},   {"/%40me*", "/@me"},   {"/a;b*", "//a;b"},    {"/a;b*", "/a%3Bb"},
	    {"/a%3bb*", "/a;b"},   {"/a$b", "/a%24b"},    {"/a//b*", "/a//b/c"}, {"/\xc3\xbc*", "/%c3%bc"},
	    {"/a%2Fb*", "/a%2fb"}, {"/a/b*", "/a%2fb"},   {"/a%2Ab*", "/a*b"},   {"/[x]*", "/%5Bx%5d"},
	    {"/100%*", "/100%"},   {"/100%25*", "/100%"}, {"/.*", "/.git"},      {"/.*", "/%2egit"},
	    {"/a|b*", "/a%7cb"},   {"/a+b*", "/a%2bb"},   {"/{x}*", "/%7Bx}"},   {"/admin", "/x/%2e%2e/admin"},
	};
	bool ok = true;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_config *c = er_config_new();
		char pattern[64];
		add(c, "guard");
		snprintf(pattern, sizeof pattern, "a.example%s", cases[i][0]);
		route(c, pattern, "guard");
		er_config_seal(c);
		ok = reaches(c, cases[i][1], "guard") && ok;
		er_config_unref(c);
	}
	assert_true(ok);
}

static void the_first_rule_of_any_reading_wins(void **state)
{
	(void)state;
	er_config *c = er_config_new();
	add(c, "first");
	add(c, "second");
	route(c, "a.example/admin*", "first");
	route(c, "a.example/*", "second");
	er_config_seal(c);
	assert_true(reaches(c, "//admin", "first"));
	assert_true(reaches(c, "/fetch/https://x", "second"));
	er_config_unref(c);
	c = er_config_new();
	add(c, "first");
	add(c, "second");
	route(c, "a.example//*", "first");
	route(c, "a.example/admin*", "second");
	er_config_seal(c);
	assert_true(reaches(c, "//admin", "first"));
	assert_true(reaches(c, "/admin", "second"));
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
	assert_true(er_group_server_url(ER_LIT("http://10.0.0.5:8080/"), &scheme, &authority, NULL));
	assert_true(er_slice_eq(authority, ER_LIT("10.0.0.5:8080")));
	assert_true(er_group_server_url(ER_LIT("https://[::1]"), &scheme, &authority, NULL));
	assert_true(er_slice_eq(scheme, ER_LIT("https")));
	const char *const bad[] = {"",           "http://",    "http:///",   "ftp://x", "http://a/b", "http://a:0", "http://a:99999",
	                           "http://a:b", "http://u@a", "http://a?x", "x"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_group_server_url(er_slice_cstr(bad[i]), &scheme, &authority, NULL))
			fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_rule_that_matches_wins),
	    cmocka_unit_test(a_name_is_a_host_of_localhost_after_all_rules),
	    cmocka_unit_test(thousands_of_hosts_keep_their_own_rule),
	    cmocka_unit_test(a_guard_is_not_passed_by_spelling_the_path_in_another_way),
	    cmocka_unit_test(a_rule_holds_for_every_encoding_of_its_own_characters),
	    cmocka_unit_test(the_first_rule_of_any_reading_wins),
	    cmocka_unit_test(malformed_patterns_are_refused),
	    cmocka_unit_test(the_host_of_an_authority),
	    cmocka_unit_test(a_typing_mistake_finds_its_word_and_nonsense_does_not),
	    cmocka_unit_test(loops_are_counted_over_all_fields_and_only_ours),
	    cmocka_unit_test(an_origin_is_a_url_without_a_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
