/* Redirects that a node follows for a site: which ones, where to, and what does not go there. */
#include "base/mem.h"
#include "origin/group_follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const er_slice hosts[] = {ER_LIT("shop.example"), ER_LIT("*.shop.example")};

static er_group *group_of(uint32_t redirects)
{
	er_group_spec spec = er_group_defaults();
	spec.servers[0] = (er_upstream_spec){.scheme = ER_LIT("https"), .authority = ER_LIT("one.inside"), .weight = 1};
	spec.servers[1] = (er_upstream_spec){.scheme = ER_LIT("http"), .authority = ER_LIT("10.0.0.5:8080"), .weight = 1};
	spec.n = 2;
	spec.redirects = redirects;
	spec.hosts = hosts;
	spec.n_hosts = 2;
	spec.sni = ER_LIT("sni.inside");
	spec.fields[spec.n_fields++] = (er_field){ER_LIT("x-key"), ER_LIT("s3cret")};
	spec.trusted = true;
	return er_group_new(ER_LIT("shop"), &spec);
}

static er_exchange *request(const char *method, const char *target)
{
	er_exchange *x = er_exchange_new();
	x->req.method = er_slice_cstr(method);
	x->req.scheme = ER_LIT("http");
	x->req.authority = ER_LIT("shop.example");
	x->req.target = er_slice_cstr(target);
	return x;
}

static er_exchange *answer(int status, const char *location)
{
	er_exchange *now = er_exchange_new();
	now->res.status = status;
	if (location != NULL)
		er_fields_add(&now->res.fields, &now->arena, ER_LIT("location"), er_slice_cstr(location));
	return now;
}

/* What follows from one answer to GET http://shop.example/a/b?c, asked over `scheme`. */
static er_follow follow(const char *location, const char *scheme, er_follow_way *way, er_exchange **x)
{
	er_group *g = group_of(5);
	const char *why = NULL;
	*x = request("GET", "/a/b?c");
	er_exchange *now = answer(302, location);
	*way = er_follow_begin(*x);
	er_follow f = er_follow_next(g, *x, now, er_slice_cstr(scheme), way, &why);
	er_exchange_unref(now);
	er_group_unref(g);
	return f;
}

static void a_redirect_leads_to_the_group_or_to_a_stranger(void **state)
{
	(void)state;
	static const struct {
		const char *location, *url; /* "": it goes to the client */
		bool foreign;
	} rows[] = {
	    {"/x", "http://shop.example/x", false},
	    {"x?y#z", "http://shop.example/a/x?y", false},
	    {"../../../x", "http://shop.example/x", false},
	    {"?q", "http://shop.example/a/b?q", false},
	    {"http://shop.example/x", "http://shop.example/x", false},
	    {"https://shop.example/x", "http://shop.example/x", false},
	    {"https://SHOP.example:443/x", "http://shop.example/x", false},
	    {"http://www.shop.example/x", "http://www.shop.example/x", false},
	    {"//www.shop.example/x", "http://www.shop.example/x", false},
	    /* the servers, by their names */
	    {"https://one.inside/x", "http://shop.example/x", false},
	    {"http://one.inside/x", "http://shop.example/x", false},
	    {"http://10.0.0.5:8080/x", "http://shop.example/x", false},
	    {"http://10.0.0.5/x", "http://shop.example/x", false},
	    {"http://sni.inside/x", "http://shop.example/x", false},
	    /* strangers */
	    {"http://10.0.0.5:9090/x", "http://10.0.0.5:9090/x", true},
	    {"https://one.inside:8443/x", "https://one.inside:8443/x", true},
	    {"//other.example/x", "http://other.example/x", true},
	    {"\\\\other.example\\x", "http://other.example/x", true},
	    {"http:///other.example/x", "http://other.example/x", true},
	    {"https://user:pw@other.example/x", "https://other.example/x", true},
	    {"http://shop.example@other.example/x", "http://other.example/x", true},
	    {"http://shop.example.other.example/x", "http://shop.example.other.example/x", true},
	    {"http://169.254.169.254/latest/", "http://169.254.169.254/latest/", true},
	    {"http://0x7f.1/x", "http://127.0.0.1/x", true},
	    {"http://[::ffff:127.0.0.1]/x", "http://[::ffff:7f00:1]/x", true},
	    {"http://other.example/a%0d%0aX:%20y", "http://other.example/a%0d%0aX:%20y", true},
	    {"http://other.example/a b\t\"", "http://other.example/a%20b%22", true},
	    /* the client's own affair */
	    {"https://shop.example/a/b?c", "", false},
	    {"ftp://other.example/x", "", false},
	    {"file:///etc/passwd", "", false},
	    {"unix:/run/er.sock", "", false},
	    {"javascript:alert(1)", "", false},
	    {"http://[nonsense", "", false},
	    {"http://other.example:99999/", "", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		er_follow_way way;
		er_exchange *x;
		er_follow f = follow(rows[i].location, "http", &way, &x);
		char url[200] = "";
		if (f == ER_FOLLOW_ON)
			snprintf(url, sizeof url, "%.*s://%.*s%.*s", ER_FMT(way.scheme), ER_FMT(way.authority), ER_FMT(way.target));
		if (f == ER_FOLLOW_BROKEN || strcmp(url, rows[i].url) != 0 || way.foreign != rows[i].foreign)
			fail_msg("%s: %d, \"%s\" instead of \"%s\", foreign %d", rows[i].location, (int)f, url, rows[i].url, way.foreign);
		er_exchange_unref(x);
	}
}

static void what_came_over_tls_is_not_asked_in_the_clear(void **state)
{
	(void)state;
	er_follow_way way;
	er_exchange *x;
	assert_int_equal(follow("http://other.example/x", "https", &way, &x), ER_FOLLOW_NO);
	er_exchange_unref(x);
	assert_int_equal(follow("https://other.example/x", "https", &way, &x), ER_FOLLOW_ON);
	er_exchange_unref(x);
	/* The group has its own word of that. */
	assert_int_equal(follow("http://www.shop.example/x", "https", &way, &x), ER_FOLLOW_ON);
	er_exchange_unref(x);
}

static void only_get_and_head_are_followed_and_only_so_often(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status;
		er_follow f;
	} rows[] = {{"GET", 301, ER_FOLLOW_ON},    {"GET", 302, ER_FOLLOW_ON},  {"HEAD", 303, ER_FOLLOW_ON},
	            {"GET", 307, ER_FOLLOW_ON},    {"GET", 308, ER_FOLLOW_ON},  {"GET", 200, ER_FOLLOW_NO},
	            {"GET", 201, ER_FOLLOW_NO},    {"GET", 300, ER_FOLLOW_NO},  {"GET", 304, ER_FOLLOW_NO},
	            {"POST", 303, ER_FOLLOW_NO},   {"POST", 307, ER_FOLLOW_NO}, {"PUT", 308, ER_FOLLOW_NO},
	            {"OPTIONS", 302, ER_FOLLOW_NO}};
	const char *why = NULL;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		er_group *g = group_of(1);
		er_exchange *x = request(rows[i].method, "/"), *now = answer(rows[i].status, "/x");
		er_follow_way way = er_follow_begin(x);
		if (er_follow_next(g, x, now, ER_LIT("http"), &way, &why) != rows[i].f)
			fail_msg("%s %d", rows[i].method, rows[i].status);
		if (rows[i].f == ER_FOLLOW_ON) {
			assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_BROKEN);
			assert_string_equal(why, "more than 1 times");
		}
		er_exchange_unref(now);
		er_exchange_unref(x);
		er_group_unref(g);
	}
	/* Without the wish. */
	er_group *g = group_of(0);
	er_exchange *x = request("GET", "/"), *now = answer(302, "/x");
	er_follow_way way = er_follow_begin(x);
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_NO);
	er_exchange_unref(now);
	er_exchange_unref(x);
	er_group_unref(g);
}

static bool has(const er_fields *fields, const char *name)
{
	return er_fields_get(fields, er_slice_cstr(name)) != NULL;
}

static void a_stranger_gets_nothing_that_is_the_site_s(void **state)
{
	(void)state;
	static const char *const secret[] = {"authorization",   "cookie",           "proxy-authorization",
	                                     "x-forwarded-for", "x-forwarded-host", "x-real-ip",
	                                     "forwarded",       "er-device",        "x-key"};
	static const char *const kept[] = {"accept", "if-none-match", "range", "user-agent", "via", "cdn-loop"};
	er_group *g = group_of(5);
	const char *why;
	er_exchange *x = request("GET", "/"), *now = answer(302, "https://other.example/x");
	x->req.host = ER_LIT("inside");
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		er_fields_add(&x->req.fields, &x->arena, er_slice_cstr(secret[i]), ER_LIT("v"));
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		er_fields_add(&x->req.fields, &x->arena, er_slice_cstr(kept[i]), ER_LIT("v"));
	er_follow_way way = er_follow_begin(x);
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("https"), &way, &why), ER_FOLLOW_ON);
	er_exchange *next = er_exchange_new();
	er_exchange_copy_request(next, x);
	er_follow_ask(g, &way, next);
	for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
		if (has(&next->req.fields, secret[i]))
			fail_msg("%s goes to a stranger", secret[i]);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		assert_true(has(&next->req.fields, kept[i]));
	assert_false(next->wishes.trusted);
	assert_null(next->wishes.tls);
	assert_null(next->wishes.connect_to);
	assert_int_equal(next->wishes.redirect, ER_REDIRECT_MANUAL);
	assert_int_equal(next->req.host.n, 0);
	er_exchange_unref(next);
	/* Back at the site, what the client said to the site stays behind: a stranger led here. */
	er_exchange *back = answer(302, "http://shop.example/y");
	assert_int_equal(er_follow_next(g, x, back, ER_LIT("http"), &way, &why), ER_FOLLOW_ON);
	assert_false(way.foreign);
	next = er_exchange_new();
	er_exchange_copy_request(next, x);
	er_follow_ask(g, &way, next);
	assert_false(has(&next->req.fields, "cookie") || has(&next->req.fields, "authorization"));
	assert_true(has(&next->req.fields, "x-forwarded-for"));
	er_exchange_unref(next);
	er_exchange_unref(back);
	er_exchange_unref(now);
	er_exchange_unref(x);
	er_group_unref(g);
}

static void the_answer_is_stored_as_carefully_as_every_redirect_says(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *vary;
		bool unstored;
	} rows[] = {{"cache-control", "max-age=9", "", false},    {"cache-control", "max-age=9, No-Store", "", true},
	            {"cache-control", "private=\"x\"", "", true}, {"cdn-cache-control", "no-store", "", true},
	            {"cache-control", "no-storeroom", "", false}, {"vary", "accept-language", "accept-language", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		er_group *g = group_of(5);
		const char *why;
		er_exchange *x = request("GET", "/"), *now = answer(302, "/x");
		er_fields_add(&now->res.fields, &now->arena, er_slice_cstr(rows[i].name), er_slice_cstr(rows[i].value));
		er_follow_way way = er_follow_begin(x);
		assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_ON);
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("cdn-cache-control"), ER_LIT("max-age=60"));
		er_follow_answer(&way, x);
		const er_slice *said = er_fields_get(&x->res.fields, ER_LIT("cache-control")),
		               *vary = er_fields_get(&x->res.fields, ER_LIT("vary"));
		assert_int_equal(said != NULL && er_slice_eq(*said, ER_LIT("no-store")), rows[i].unstored);
		assert_int_equal(has(&x->res.fields, "cdn-cache-control"), !rows[i].unstored);
		assert_true(er_slice_eq(vary != NULL ? *vary : ER_LIT(""), er_slice_cstr(rows[i].vary)));
		er_exchange_unref(now);
		er_exchange_unref(x);
		er_group_unref(g);
	}
}

static void a_cookie_is_the_client_s(void **state)
{
	(void)state;
	er_group *g = group_of(5);
	const char *why;
	er_exchange *x = request("GET", "/"), *now = answer(302, "https://other.example/x");
	er_follow_way way = er_follow_begin(x);
	er_fields_add(&now->res.fields, &now->arena, ER_LIT("set-cookie"), ER_LIT("a=b"));
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("https"), &way, &why), ER_FOLLOW_NO);
	er_fields_del(&now->res.fields, ER_LIT("set-cookie"));
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("https"), &way, &why), ER_FOLLOW_ON);
	/* A stranger's is not: neither of its redirects nor of its answer. */
	er_exchange *more = answer(302, "/y");
	er_fields_add(&more->res.fields, &more->arena, ER_LIT("set-cookie"), ER_LIT("a=b"));
	assert_int_equal(er_follow_next(g, x, more, ER_LIT("https"), &way, &why), ER_FOLLOW_ON);
	assert_true(er_slice_eq(way.authority, ER_LIT("other.example")));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("set-cookie"), ER_LIT("a=b"));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("location"), ER_LIT("z"));
	er_follow_answer(&way, x);
	assert_false(has(&x->res.fields, "set-cookie"));
	/* What is left of the way is said as the client must read it. */
	assert_true(er_slice_eq(*er_fields_get(&x->res.fields, ER_LIT("location")), ER_LIT("https://other.example/z")));
	er_exchange_unref(more);
	er_exchange_unref(now);
	er_exchange_unref(x);
	er_group_unref(g);
}

static void long_texts_are_bounded(void **state)
{
	(void)state;
	er_group *g = group_of(10);
	const char *why = NULL;
	static char text[70000];
	memset(text, 'a', sizeof text - 1);
	text[0] = '/';
	er_exchange *x = request("GET", "/"), *now = answer(302, text);
	er_follow_way way = er_follow_begin(x);
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_NO);
	er_exchange_unref(now);
	text[5000] = '\0';
	now = answer(302, "/x");
	er_fields_add(&now->res.fields, &now->arena, ER_LIT("vary"), er_slice_cstr(text));
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_ON);
	assert_true(way.unstored && way.vary.n == 0);
	er_exchange_unref(now);
	/* Behind a first hop there is no going back to the client with what leads nowhere. */
	now = answer(302, "ftp://x/");
	assert_int_equal(er_follow_next(g, x, now, ER_LIT("http"), &way, &why), ER_FOLLOW_BROKEN);
	er_exchange_unref(now);
	er_exchange_unref(x);
	er_group_unref(g);
}

/* Redirects, each 10 s after the one before, and the answer 10 s after the last one. */
static void an_answer_lives_no_longer_than_the_way_to_it(void **state)
{
	(void)state;
	enum { ROWS_WAYS = 3 };
	static const struct {
		int status[ROWS_WAYS]; /* of redirects; 0: no more */
		const char *control[ROWS_WAYS], *name, *value, *becomes;
	} rows[] = {
	    {{301}, {""}, "Cache-Control", "max-age=100", "max-age=100"},
	    {{302}, {""}, "Cache-Control", "public, max-age=100", "public, max-age=0"},
	    {{307}, {"public"}, "Cache-Control", "max-age=100, s-maxage=200", "max-age=0, s-maxage=0"},
	    {{303}, {"max-age=60"}, "Cache-Control", "max-age=100", "max-age=50"},
	    {{303}, {"max-age=60"}, "Cache-Control", "max-age=20", "max-age=20"},
	    {{308}, {"max-age=60"}, "Cache-Control", "s-maxage=100", "s-maxage=50"},
	    {{302, 302}, {"max-age=60", "max-age=200"}, "Cache-Control", "max-age=100", "max-age=40"},
	    {{302, 302}, {"max-age=200", "max-age=60"}, "Cache-Control", "max-age=100", "max-age=50"},
	    {{302, 301}, {"max-age=200", ""}, "Cache-Control", "max-age=900", "max-age=180"},
	    {{302, 302}, {"max-age=200", ""}, "Cache-Control", "max-age=900", "max-age=0"},
	    {{302}, {"max-age=5"}, "Cache-Control", "max-age=900", "max-age=0"},
	    {{302}, {"s-maxage=60"}, "Cache-Control", "max-age=100", "max-age=50, must-revalidate"},
	    {{302}, {"s-maxage=60"}, "Cache-Control", "max-age=100, must-revalidate", "must-revalidate, max-age=50"},
	    {{302}, {"max-age=60"}, "Cache-Control", "max-age=9, stale-while-revalidate=99", "max-age=9, stale-while-revalidate=0"},
	    {{302},
	     {"max-age=60, stale-while-revalidate=30"},
	     "Cache-Control",
	     "max-age=9, stale-while-revalidate=99",
	     "max-age=9, stale-while-revalidate=30"},
	    {{302}, {"max-age=60"}, "Cache-Control", "private=\"a, b\", max-age=\"90\"", "private=\"a, b\", max-age=50"},
	    {{302}, {"max-age=60"}, "Expires", "Thu, 01 Jan 1970 01:00:00 GMT", "max-age=50"},
	    {{302}, {""}, "Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT", "max-age=0"},
	    {{302}, {""}, "CDN-Cache-Control", "max-age=900", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		er_arena a = {0};
		er_way_life life = {0};
		int64_t now = 1000;
		for (unsigned k = 0; k < ROWS_WAYS && rows[i].status[k] != 0; k++, now += 10) {
			er_fields redirect = {0};
			er_fields_add(&redirect, &a, ER_LIT("Cache-Control"), er_slice_cstr(rows[i].control[k]));
			er_way_life_note(&life, rows[i].status[k], &redirect, now, now);
		}
		er_fields answer = {0};
		er_fields_add(&answer, &a, er_slice_cstr(rows[i].name), er_slice_cstr(rows[i].value));
		er_way_life_answer(&life, 200, &answer, &a, now);
		const er_slice *got = er_fields_get(&answer, ER_LIT("cache-control"));
		if (rows[i].becomes == NULL) {
			assert_null(got);
			assert_true(er_slice_eq(*er_fields_get(&answer, ER_LIT("cdn-cache-control")), ER_LIT("max-age=0")));
		} else if (got == NULL || !er_slice_eq(*got, er_slice_cstr(rows[i].becomes))) {
			fail_msg("row %zu: %.*s", i, ER_FMT(got != NULL ? *got : ER_LIT("")));
		}
		assert_null(life.bound ? er_fields_get(&answer, ER_LIT("expires")) : NULL);
		er_arena_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_lives_no_longer_than_the_way_to_it),
	    cmocka_unit_test(a_redirect_leads_to_the_group_or_to_a_stranger),
	    cmocka_unit_test(what_came_over_tls_is_not_asked_in_the_clear),
	    cmocka_unit_test(only_get_and_head_are_followed_and_only_so_often),
	    cmocka_unit_test(a_stranger_gets_nothing_that_is_the_site_s),
	    cmocka_unit_test(the_answer_is_stored_as_carefully_as_every_redirect_says),
	    cmocka_unit_test(a_cookie_is_the_client_s),
	    cmocka_unit_test(long_texts_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
