/* Which 304 is believed: what is stored is renewed only by one that speaks of it, and one that
 * nobody has asked for is no answer. */
#include "cache_harness.h"

#define OLD "Cache-Control: max-age=10\nAge: 20\n"
#define NEW "Cache-Control: max-age=60\n"
#define MONDAY "Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT\n"
#define TUESDAY "Last-Modified: Tue, 08 Nov 1994 08:49:37 GMT\n"

static void store_as(world *w, const char *fields)
{
	client c = {0};
	client_ask(&c, w, "GET", "/a", "");
	origin_answer(&w->asked[w->n_asked - 1], 200, fields, "old");
	assert_answer(&c, 200, NULL, "old");
	client_leave(&c);
}

static const char *sent(world *w, unsigned i, const char *name)
{
	const er_slice *v = er_fields_get(&w->asked[i].fields, er_slice_cstr(name));
	return v == NULL ? "" : er_arena_cstr(&w->arena, *v);
}

static void a_304_of_something_else_renews_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *stored, *says;
		bool renews;
	} cases[] = {
	    {"ETag: \"1\"\n", "ETag: \"1\"\n", true},
	    {"ETag: \"1\"\n", "ETag: \"2\"\n", false},
	    {"ETag: \"1\"\n", "ETag: W/\"1\"\n", true},
	    {"ETag: W/\"1\"\n", "ETag: \"1\"\n", true},
	    {"ETag: W/\"1\"\n", "ETag: W/\"1\"\n", true},
	    {"ETag: W/\"1\"\n", "ETag: W/\"2\"\n", false},
	    {"ETag: \"1\"\n", "ETag: 1\n", false},
	    {"ETag: \"1\"\n", "ETag: \n", false},
	    {"ETag: \"1\"\n", "", true},
	    {"ETag: \"1\"\n", MONDAY, false},
	    {"ETag: \"1\"\n" MONDAY, MONDAY, true},
	    {"ETag: \"1\"\n" MONDAY, TUESDAY, false},
	    {"ETag: \"1\"\n" MONDAY, "ETag: \"1\"\n" TUESDAY, true},
	    {"ETag: \"1\"\n" MONDAY, "ETag: \"2\"\n" MONDAY, false},
	    {MONDAY, "", true},
	    {MONDAY, MONDAY, true},
	    {MONDAY, "Last-Modified: Monday, 07-Nov-94 08:49:37 GMT\n", true},
	    {MONDAY, TUESDAY, false},
	    {MONDAY, "Last-Modified: yesterday\n", false},
	    {MONDAY, "ETag: \"1\"\n", false},
	    {MONDAY, "ETag: \"1\"\n" MONDAY, true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		world_open(&w);
		char fields[256];
		snprintf(fields, sizeof fields, OLD "%s", cases[i].stored);
		store_as(&w, fields);
		client c[3] = {0};
		for (unsigned k = 0; k < 3; k++)
			client_ask(&c[k], &w, "GET", "/a", k == 2 ? "X: y\nIf-None-Match: \"7\"\n" : "X: y\n");
		assert_int_equal(w.n_asked, 2);
		snprintf(fields, sizeof fields, NEW "%s", cases[i].says);
		origin_answer(&w.asked[1], 304, fields, NULL);
		if (w.n_asked != (cases[i].renews ? 2 : 3))
			fail_msg("%s, and then %s", cases[i].stored, cases[i].says);
		if (!cases[i].renews) { /* the same question, for all of it */
			assert_string_equal(sent(&w, 2, "if-none-match"), "");
			assert_string_equal(sent(&w, 2, "if-modified-since"), "");
			assert_string_equal(sent(&w, 2, "x"), "y");
			assert_string_equal(sent(&w, 2, "x-forwarded-proto"), "");
			origin_answer(&w.asked[2], 200, NEW "ETag: \"3\"\n", "new");
		}
		for (unsigned k = 0; k < 3; k++) {
			assert_answer(&c[k], 200, k == 0 ? "fwd=stale" : "collapsed", cases[i].renews ? "old" : "new");
			client_leave(&c[k]);
		}
		assert_gets(&w, "/a", "", "; hit", cases[i].renews ? "old" : "new");
		assert_int_equal(er_cache_statistics(w.cache)->validated, cases[i].renews);
		assert_int_equal(er_cache_statistics(w.cache)->misses, 2);
		world_close(&w);
	}
}

/* Its bytes may be those of something else: If-Range must not give parts of both. */
static void a_weak_tag_does_not_become_strong(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_as(&w, OLD "ETag: W/\"1\"\n");
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[1], 304, NEW "ETag: \"1\"\n", NULL);
	assert_answer(&c, 200, "fwd-status=304", "old");
	assert_string_equal(field(&c, "etag"), "W/\"1\"");
	client_leave(&c);
	world_close(&w);
}

static void an_origin_that_says_304_for_ever_is_a_bad_gateway(void **state)
{
	(void)state;
	static const char *const lives[] = {OLD "ETag: \"1\"\n",
	                                    "Cache-Control: max-age=10, stale-if-error=60\nAge: 20\nETag: \"1\"\n"};
	for (int i = 0; i < 2; i++) {
		world w;
		world_open(&w);
		store_as(&w, lives[i]);
		w.status = 304;
		w.fields = NEW "ETag: \"2\"\n";
		client c = {0};
		client_ask(&c, &w, "GET", "/a", "");
		assert_answer(&c, 502, NULL, NULL); /* what was stored is not what the origin has */
		client_leave(&c);
		assert_int_equal(w.n_asked, 3);
		client_ask(&c, &w, "GET", "/a", "");
		assert_answer(&c, 502, NULL, NULL);
		client_leave(&c);
		assert_int_equal(w.n_asked, 4);
		world_close(&w);
	}
}

static void a_304_that_nobody_asked_for_is_a_bad_gateway(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 304;
	w.fields = NEW "ETag: \"1\"\n";
	client c = {0};
	static const char *const questions[][2] = {
	    {"GET", ""},
	    {"HEAD", ""},
	    {"GET", "Cache-Control: no-store\n"},
	    {"GET", "If-None-Match: \"1\"\n"}, /* the node asks for all, and answers this itself */
	    {"GET", "Range: bytes=0-1\n"},
	};
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
		client_ask(&c, &w, questions[i][0], "/a", questions[i][1]);
		assert_answer(&c, 502, NULL, NULL);
		client_leave(&c);
		assert_int_equal(w.n_asked, i + 1);
	}
	/* who asked with a condition gets it */
	client_ask(&c, &w, "GET", "/a", "Cache-Control: no-store\nIf-None-Match: \"1\"\n");
	assert_answer(&c, 304, NULL, "");
	client_leave(&c);
	client_ask(&c, &w, "HEAD", "/a", "If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT\n");
	assert_int_equal(c.x->res.status, 304);
	client_leave(&c);
	world_close(&w);
}

static void a_206_that_nobody_asked_for_is_a_bad_gateway(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 206;
	w.fields = NEW "ETag: \"1\"\nContent-Range: bytes 0-1/9\n";
	w.text = "ab";
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	assert_answer(&c, 502, NULL, NULL);
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Cache-Control: no-store\n");
	assert_answer(&c, 502, NULL, NULL);
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Cache-Control: no-store\nRange: bytes=0-1\n");
	assert_answer(&c, 206, NULL, "ab");
	client_leave(&c);
	world_close(&w);
}

/* What is stored has nothing to be asked by, so a 304 cannot be of it; it may be used if the origin
 * fails, and this is failing. */
static void what_has_no_validator_is_not_renewed(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_as(&w, "Cache-Control: max-age=10, stale-if-error=60\nAge: 20\n");
	w.status = 304;
	w.fields = NEW;
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	assert_answer(&c, 200, NULL, "old");
	assert_string_equal(sent(&w, 1, "if-none-match"), "");
	client_leave(&c);
	w.status = 200;
	w.text = "new";
	assert_gets(&w, "/a", "", "fwd=stale; fwd-status=200; stored", "new");
	world_close(&w);
}

/* Behind a page that is used stale, and with clients that have left. */
static void who_does_not_wait_any_more_changes_nothing(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	store_as(&w, "Cache-Control: max-age=10, stale-while-revalidate=60\nAge: 20\nETag: \"1\"\n");
	assert_gets(&w, "/a", "", "; hit", "old"); /* and asks behind it */
	assert_int_equal(w.n_asked, 2);
	origin_answer(&w.asked[1], 304, NEW "ETag: \"2\"\n", NULL);
	assert_int_equal(w.n_asked, 3);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	client_leave(&c);
	origin_answer(&w.asked[2], 200, NEW "ETag: \"2\"\n", "new");
	assert_gets(&w, "/a", "", "; hit", "new");
	assert_int_equal(w.n_asked, 3);
	/* ended while it asks again */
	world_close(&w);
	world_open(&w);
	store_as(&w, OLD "ETag: \"1\"\n");
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[1], 304, NEW "ETag: \"2\"\n", NULL);
	client_leave(&c);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_304_of_something_else_renews_nothing),
	    cmocka_unit_test(a_weak_tag_does_not_become_strong),
	    cmocka_unit_test(an_origin_that_says_304_for_ever_is_a_bad_gateway),
	    cmocka_unit_test(a_304_that_nobody_asked_for_is_a_bad_gateway),
	    cmocka_unit_test(a_206_that_nobody_asked_for_is_a_bad_gateway),
	    cmocka_unit_test(what_has_no_validator_is_not_renewed),
	    cmocka_unit_test(who_does_not_wait_any_more_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
