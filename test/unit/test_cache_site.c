/* What the operator of a site says about caching: keys, lifetimes, and what is passed by. */
#include "cache_harness.h"

#include "cache/key.h"

static er_rules_names names(const char *list)
{
	er_rules_names n = {0};
	er_slice rest = er_slice_cstr(list), one;
	while (er_slice_split(&rest, ' ', &one))
		n.v[n.n++] = one;
	return n;
}

static void the_key_has_those_parameters_that_the_site_says(void **state)
{
	(void)state;
	static const struct {
		er_rules_query query;
		const char *names;
		bool sort;
		const char *target, *key;
	} cases[] = {
	    {ER_RULES_QUERY_ALL, "", false, "/a?b=2&a=1", "/a?b=2&a=1"},
	    {ER_RULES_QUERY_ALL, "", true, "/a?b=2&a=1&b=1&&a", "/a?a=1&a&b=2&b=1"},
	    {ER_RULES_QUERY_ALL, "", true, "/a", "/a"},
	    {ER_RULES_QUERY_NONE, "", false, "/a?b=2", "/a"},
	    {ER_RULES_QUERY_NONE, "", false, "/a?", "/a"},
	    {ER_RULES_QUERY_ONLY, "id page", false, "/a?utm=1&page=2&id=3&ids=4&id", "/a?page=2&id=3&id"},
	    {ER_RULES_QUERY_ONLY, "id page", true, "/a?utm=1&page=2&id=3", "/a?id=3&page=2"},
	    {ER_RULES_QUERY_EXCEPT, "utm_* gclid", false, "/a?utm_source=1&x=2&gclid=3&gclids=4", "/a?x=2&gclids=4"},
	    {ER_RULES_QUERY_EXCEPT, "utm_*", false, "/a?utm_source=1", "/a"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_arena a = {0};
		er_cache_rules *r = er_cache_rules_new(
		    &(er_cache_rules){.query = cases[i].query, .query_names = names(cases[i].names), .sort_query = cases[i].sort});
		er_slice key = er_rules_target(r, &a, er_slice_cstr(cases[i].target));
		if (!er_slice_eq(key, er_slice_cstr(cases[i].key)))
			fail_msg("%s: %.*s", cases[i].target, ER_FMT(key));
		er_cache_rules_unref(r);
		er_arena_fini(&a);
	}
	/* More parameters than are looked at: as it came. */
	er_arena a = {0};
	er_buf b = {0};
	er_buf_puts(&b, "/a?");
	for (unsigned i = 0; i < 300; i++)
		er_buf_printf(&b, "x%u&", 300 - i);
	er_cache_rules *r = er_cache_rules_new(&(er_cache_rules){.sort_query = true});
	assert_true(er_slice_eq(er_rules_target(r, &a, er_buf_slice(&b)), er_buf_slice(&b)));
	er_cache_rules_unref(r);
	er_buf_fini(&b);
	er_arena_fini(&a);
}

static er_slice parts_of(er_arena *a, const er_cache_rules *r, const char *lines)
{
	er_fields f = {0};
	er_slice parts;
	add_fields(&f, a, lines);
	assert_true(er_rules_parts(r, a, &f, &parts));
	return parts;
}

static void fields_cookies_and_devices_part_keys_and_cannot_be_made_to_look_like_each_other(void **state)
{
	(void)state;
	er_arena a = {0};
	er_cache_rules *r = er_cache_rules_new(
	    &(er_cache_rules){.headers = names("x-country accept-language"), .cookies = names("currency ab_*"), .device = true});
	static const char *const requests[] = {
	    "",
	    "X-Country: de\n",
	    "X-Country:\n",
	    "X-Country: de\nX-Country: fr\n",
	    "X-Country: de,fr\n",
	    "Accept-Language: de\n",
	    "Cookie: currency=eur\n",
	    "Cookie: currency=\n",
	    "Cookie: ab_1=x; currency=eur\n",
	    "Cookie: ab_1=x\n",
	    "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148\n",
	    "User-Agent: Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X)\n",
	    "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)\n",
	    "X-Country: de cookie currency=eur\n",
	};
	const size_t n = sizeof requests / sizeof *requests;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (er_slice_eq(parts_of(&a, r, requests[i]), parts_of(&a, r, requests[k])))
				fail_msg("%s is %s", requests[i], requests[k]);
	/* What is not named is no part, and where a cookie stands is none. */
	assert_true(er_slice_eq(parts_of(&a, r, "Cookie: session=1; currency=eur\nX-Other: 1\n"),
	                        parts_of(&a, r, "Cookie: other=2\nCookie: currency=eur;\n")));
	er_fields f = {0};
	er_slice parts;
	er_buf b = {0};
	er_buf_puts(&b, "X-Country: ");
	for (unsigned i = 0; i < ER_RULES_PARTS; i++)
		er_buf_putc(&b, 'x');
	er_buf_puts(&b, "\n");
	er_buf_putc(&b, '\0');
	add_fields(&f, &a, (const char *)er_buf_slice(&b).p);
	assert_false(er_rules_parts(r, &a, &f, &parts));
	er_buf_fini(&b);
	er_cache_rules_unref(r);
	er_arena_fini(&a);
}

static void a_browser_is_of_its_class_of_devices(void **state)
{
	(void)state;
	static const char *const agents[][2] = {
	    {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "desktop"},
	    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", "desktop"},
	    {"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "mobile"},
	    {"Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", "tablet"},
	    {"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1", "tablet"},
	    {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148", "mobile"},
	    {"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bot"},
	    {"", "desktop"},
	};
	for (size_t i = 0; i < sizeof agents / sizeof *agents; i++) {
		er_arena a = {0};
		er_fields f = {0};
		er_fields_add(&f, &a, ER_LIT("user-agent"), er_slice_cstr(agents[i][0]));
		assert_true(er_slice_eq(er_rules_device(&f), er_slice_cstr(agents[i][1])));
		er_arena_fini(&a);
	}
}

/* ---- in the cache ---- */

static void open_with(world *w, er_cache_rules like)
{
	world_open(w);
	w->place.rules = er_cache_rules_new(&like);
	w->status = 200;
	w->fields = "Cache-Control: max-age=60\n";
	w->text = "text";
}

static void close_with(world *w)
{
	er_cache_rules *r = w->place.rules;
	world_close(w);
	er_cache_rules_unref(r);
}

static void assert_stored(world *w, const char *target, const char *fields, const char *word)
{
	client c = {0};
	client_ask(&c, w, "GET", target, fields);
	assert_answer(&c, 200, word, NULL);
	client_leave(&c);
}

/* An answer that an unkeyed parameter has chosen would be everybody's. */
static void what_is_not_in_the_key_does_not_reach_the_origin_of_a_stored_answer(void **state)
{
	(void)state;
	world w;
	open_with(&w, (er_cache_rules){.query = ER_RULES_QUERY_ONLY, .query_names = names("id")});
	w.status = 0;
	client c = {0};
	client_ask(&c, &w, "GET", "/a?evil=<script>&id=7", "");
	assert_true(er_slice_eq(w.asked[0].x->req.target, ER_LIT("/a?id=7")));
	origin_answer(&w.asked[0], 200, "Cache-Control: max-age=60\n", "text");
	assert_answer(&c, 200, "stored", "text");
	client_leave(&c);
	assert_stored(&w, "/a?id=7&evil=1", "", "hit");
	/* What is not stored goes as it came. */
	client_ask(&c, &w, "POST", "/a?evil=1&id=7", "");
	assert_true(er_slice_eq(w.asked[1].x->req.target, ER_LIT("/a?evil=1&id=7")));
	origin_answer(&w.asked[1], 200, "", "posted");
	client_leave(&c);
	w.status = 200;
	assert_stored(&w, "/a?id=7", "", "stored"); /* and voids what the key has */
	close_with(&w);
}

static void clients_of_one_class_share_and_others_do_not(void **state)
{
	(void)state;
	world w;
	open_with(&w, (er_cache_rules){.cookies = names("currency"), .device = true});
	assert_stored(&w, "/", "Cookie: currency=eur; s=1\n", "stored");
	assert_stored(&w, "/", "Cookie: s=2; currency=eur\n", "hit");
	assert_stored(&w, "/", "Cookie: currency=usd\n", "stored");
	assert_stored(&w, "/", "Cookie: currency=eur\nUser-Agent: iPhone\n", "stored");
	assert_true(er_slice_eq(*er_fields_get(&w.asked[2].fields, ER_LIT("er-device")), ER_LIT("mobile")));
	er_purges *p = er_index_purge_table(w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/")}, er_purges_next(p));
	/* all keys of a URL are purged with it */
	assert_stored(&w, "/", "Cookie: currency=usd\n", "stored");
	assert_stored(&w, "/", "Cookie: currency=eur\n", "stored");
	close_with(&w);
}

static void the_operator_s_lifetime_goes_before_the_origin_s_but_not_before_its_secrets(void **state)
{
	(void)state;
	static const struct {
		const char *says, *ignore, *word;
	} cases[] = {
	    {"Cache-Control: max-age=5\n", "", "stored; ttl=600"},
	    {"", "", "stored; ttl=600"},
	    {"Cache-Control: no-cache\n", "", "stored; ttl=600"},
	    {"Cache-Control: max-age=5\nAge: 3\n", "", "stored; ttl=600"},
	    {"CDN-Cache-Control: max-age=7\n", "", "stored; ttl=600"},
	    {"Cache-Control: private\n", "", "detail=private"},
	    {"Cache-Control: no-store\n", "", "detail=no-store"},
	    {"Set-Cookie: a=b\n", "", "detail=set-cookie"},
	    {"Vary: *\n", "", "detail=vary"},
	    {"Cache-Control: private\n", "cache-control", "stored; ttl=600"},
	    {"Set-Cookie: a=b\n", "set-cookie", "stored; ttl=600"},
	    {"Vary: *\n", "vary", "stored; ttl=600"},
	    {"Cache-Control: private\nSet-Cookie: a=b\n", "cache-control", "detail=set-cookie"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		open_with(&w, (er_cache_rules){.ttl = {{ER_LIT("/a/*"), 200, 299, 600}}, .n_ttl = 1, .ignore = names(cases[i].ignore)});
		w.fields = cases[i].says;
		assert_stored(&w, "/a/b?c", "", cases[i].word);
		if (strstr(cases[i].word, "stored") != NULL) {
			client c = {0};
			client_ask(&c, &w, "GET", "/a/b?c", "");
			assert_answer(&c, 200, "hit", "text");
			assert_string_equal(field(&c, "set-cookie"), "");
			client_leave(&c);
		}
		close_with(&w);
	}
}

static void lifetimes_are_those_of_the_path_and_the_status(void **state)
{
	(void)state;
	er_cache_rules like = {.ttl = {{ER_LIT("/exact"), 200, 200, 7}, {ER_LIT("/*"), 404, 410, 9}, {ER_LIT("/off/*"), 200, 599, 0}},
	                       .n_ttl = 3};
	static const struct {
		const char *target;
		int status;
		const char *word;
	} cases[] = {
	    {"/exact", 200, "ttl=7"}, {"/exact/", 200, "ttl=60"}, {"/exact?q", 200, "ttl=7"}, {"/x", 404, "ttl=9"},
	    {"/x", 410, "ttl=9"},     {"/x", 403, "ttl=60"},      {"/exact", 404, "ttl=9"},   {"/off/a", 200, "detail=no-lifetime"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		open_with(&w, like);
		w.status = cases[i].status;
		client c = {0};
		client_ask(&c, &w, "GET", cases[i].target, "");
		assert_answer(&c, cases[i].status, cases[i].word, "text");
		client_leave(&c);
		close_with(&w);
	}
}

static void a_validation_keeps_to_the_rules(void **state)
{
	(void)state;
	world w;
	open_with(&w, (er_cache_rules){
	                  .ttl = {{ER_LIT("/*"), 200, 299, 600}}, .n_ttl = 1, .ignore = names("vary set-cookie"), .if_error = 30});
	w.status = 0;
	client c = {0};
	client_ask(&c, &w, "GET", "/", "");
	origin_answer(&w.asked[0], 200, "ETag: \"1\"\nVary: *\nSet-Cookie: a=1\n", "text");
	client_leave(&c);
	er_purges *p = er_index_purge_table(w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_ALL, .soft = true}, er_purges_next(p));
	client_ask(&c, &w, "GET", "/", "");
	origin_answer(&w.asked[1], 304, "Cache-Control: max-age=1\nVary: *\nSet-Cookie: a=2\n", NULL);
	assert_answer(&c, 200, "fwd-status=304; stored; ttl=600", "text");
	assert_string_equal(field(&c, "set-cookie"), "");
	client_leave(&c);
	assert_stored(&w, "/", "", "hit");
	/* The window for errors is the site's, too. */
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_ALL, .soft = true}, er_purges_next(p));
	client_ask(&c, &w, "GET", "/", "");
	origin_fail(&w.asked[2]);
	assert_answer(&c, 200, "fwd=stale", "text");
	client_leave(&c);
	close_with(&w);
}

static void what_the_site_passes_by_is_neither_read_nor_stored(void **state)
{
	(void)state;
	world w;
	open_with(&w, (er_cache_rules){.bypass_cookies = names("session_*"), .bypass_paths = names("/admin/* /exact")});
	assert_stored(&w, "/", "", "stored");
	assert_stored(&w, "/", "Cookie: a=1; session_x=2\n", "fwd=bypass");
	assert_stored(&w, "/", "Cookie: asession_x=2\n", "hit");
	for (unsigned i = 0; i < 2; i++) {
		assert_stored(&w, "/admin/x?y", "", "fwd=bypass");
		assert_stored(&w, "/exact?x", "", "fwd=bypass");
	}
	assert_stored(&w, "/exact/", "", "stored");
	close_with(&w);
}

/* The place of a chain says what the present request is for; a request that waits is of its own
 * site still. */
static void a_request_that_waits_stays_of_its_own_site(void **state)
{
	(void)state;
	world w;
	open_with(&w, (er_cache_rules){.ttl = {{ER_LIT("/*"), 200, 299, 600}}, .n_ttl = 1});
	er_cache_rules *mine = w.place.rules;
	er_cache_rules *other = er_cache_rules_new(&(er_cache_rules){.query = ER_RULES_QUERY_NONE});
	w.place.origin = ER_LIT("one");
	w.place.site = er_scopes_site(ER_LIT("one"));
	w.status = 0;
	client c[3] = {0};
	client_ask(&c[0], &w, "GET", "/a?b", "");
	client_ask(&c[1], &w, "GET", "/a?b", "");
	client_ask(&c[2], &w, "POST", "/a?b", "");
	w.place.origin = ER_LIT("two");
	w.place.site = er_scopes_site(ER_LIT("two"));
	w.place.rules = other;
	origin_answer(&w.asked[0], 200, "Cache-Control: no-store\n", "for one");
	assert_answer(&c[0], 200, NULL, "for one");
	UNTIL(&w, w.n_asked == 3);
	assert_true(er_slice_eq(w.asked[2].x->req.target, ER_LIT("/a?b")));
	origin_answer(&w.asked[2], 200, "", "for all");
	assert_answer(&c[1], 200, "ttl=600", "for all");
	/* What the unsafe request voids is of its site as well. */
	w.place.origin = ER_LIT("one");
	w.place.site = er_scopes_site(ER_LIT("one"));
	w.place.rules = mine;
	assert_stored(&w, "/a?b", "", "hit");
	w.place.origin = ER_LIT("two");
	origin_answer(&w.asked[1], 200, "", "posted");
	w.place.origin = ER_LIT("one");
	w.status = 200;
	assert_stored(&w, "/a?b", "", "stored");
	er_purges *p = er_index_purge_table(w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_SITE, .value = ER_LIT("two")}, er_purges_next(p));
	assert_stored(&w, "/a?b", "", "hit");
	for (unsigned i = 0; i < 3; i++)
		client_leave(&c[i]);
	er_cache_rules_unref(other);
	close_with(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_key_has_those_parameters_that_the_site_says),
	    cmocka_unit_test(fields_cookies_and_devices_part_keys_and_cannot_be_made_to_look_like_each_other),
	    cmocka_unit_test(a_browser_is_of_its_class_of_devices),
	    cmocka_unit_test(what_is_not_in_the_key_does_not_reach_the_origin_of_a_stored_answer),
	    cmocka_unit_test(clients_of_one_class_share_and_others_do_not),
	    cmocka_unit_test(the_operator_s_lifetime_goes_before_the_origin_s_but_not_before_its_secrets),
	    cmocka_unit_test(lifetimes_are_those_of_the_path_and_the_status),
	    cmocka_unit_test(a_validation_keeps_to_the_rules),
	    cmocka_unit_test(a_request_that_waits_stays_of_its_own_site),
	    cmocka_unit_test(what_the_site_passes_by_is_neither_read_nor_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
