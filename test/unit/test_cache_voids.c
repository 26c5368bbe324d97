/* Unsafe requests to sites whose keys have parts: what is stored of the URL is void for everybody,
 * whatever is in their keys, and a flood of such requests costs nobody else anything. */
#include "cache_harness.h"

#include "cache/voids.h"

#define GOOD "Cache-Control: max-age=60\n"

static void a_url_is_void_up_to_its_number(void **state)
{
	(void)state;
	er_voids *v = er_voids_new(100, 10, 5);
	assert_int_equal(er_voids_number(v, 1, 7), 0);
	er_voids_add(v, 1, 7, 20);
	er_voids_add(v, 1, 7, 10);
	er_voids_add(v, 2, 7, 30);
	assert_int_equal(er_voids_number(v, 1, 7), 20);
	assert_int_equal(er_voids_number(v, 2, 7), 30);
	assert_int_equal(er_voids_number(v, 1, 8), 0);
	assert_int_equal(er_voids_number(v, 3, 7), 0);
	assert_int_equal(er_voids_count(v), 2);
	er_voids_free(v);
}

static void a_site_with_too_many_is_void_and_no_other(void **state)
{
	(void)state;
	er_voids *v = er_voids_new(100, 10, 5);
	er_voids_add(v, 2, 7, 1);
	for (uint64_t url = 1; url <= 10; url++)
		er_voids_add(v, 1, url, 10 + url);
	assert_int_equal(er_voids_number(v, 1, 3), 13);
	assert_int_equal(er_voids_number(v, 1, 99), 0);
	er_voids_add(v, 1, 5, 30); /* is there */
	assert_int_equal(er_voids_number(v, 1, 99), 0);
	er_voids_add(v, 1, 11, 31);
	assert_int_equal(er_voids_number(v, 1, 99), 31);
	assert_int_equal(er_voids_number(v, 1, 3), 31);
	assert_int_equal(er_voids_number(v, 2, 7), 1);
	assert_int_equal(er_voids_number(v, 2, 99), 0);
	assert_int_equal(er_voids_count(v), 1);
	er_voids_add(v, 1, 3, 40); /* and goes on */
	assert_int_equal(er_voids_number(v, 1, 3), 40);
	assert_int_equal(er_voids_number(v, 1, 4), 31);
	er_voids_free(v);
}

/* Visitors of four sites fill the table; the fifth has one URL, and goes on to get more. */
static void a_full_table_costs_the_site_that_fills_it_and_not_the_one_that_comes_last(void **state)
{
	(void)state;
	er_voids *v = er_voids_new(40, 20, 10);
	uint64_t number = 0;
	er_voids_add(v, 9, 1, ++number);
	for (uint64_t url = 1; er_voids_count(v) < 40; url++)
		for (uint64_t site = 1; site <= 4 && er_voids_count(v) < 40; site++)
			if (site == 1 || url <= 7)
				er_voids_add(v, site, url, ++number);
	uint64_t full = number;
	er_voids_add(v, 9, 2, ++number);
	assert_int_equal(er_voids_number(v, 9, 1), 1);
	assert_int_equal(er_voids_number(v, 9, 2), number);
	assert_int_equal(er_voids_number(v, 9, 99), 0);
	for (uint64_t site = 2; site <= 4; site++)
		assert_int_equal(er_voids_number(v, site, 99), 0);
	assert_true(er_voids_number(v, 1, 99) > 0);
	/* Up to its own newest, not up to now. */
	assert_int_equal(er_voids_number(v, 1, 1), er_voids_number(v, 1, 99));
	assert_true(er_voids_number(v, 1, 99) <= full);
	/* The flood goes on, and it is its own table that goes each time. */
	for (uint64_t url = 100; url < 1000; url++)
		er_voids_add(v, 1, url, ++number);
	assert_true(er_voids_count(v) <= 40);
	assert_int_equal(er_voids_number(v, 9, 99), 0);
	for (uint64_t site = 2; site <= 4; site++)
		assert_int_equal(er_voids_number(v, site, 99), 0);
	er_voids_free(v);
}

/* Only a site that comes new can be mistaken for the one that had to go. */
static void a_site_too_many_costs_no_site_that_is_known(void **state)
{
	(void)state;
	er_voids *v = er_voids_new(100, 10, 3);
	for (uint64_t site = 1; site <= 3; site++)
		er_voids_add(v, site, 7, site);
	er_voids_add(v, 1, 8, 4);
	er_voids_add(v, 5, 7, 5);
	assert_int_equal(er_voids_number(v, 1, 99), 0);
	assert_int_equal(er_voids_number(v, 3, 99), 0);
	assert_int_equal(er_voids_number(v, 2, 7), 2); /* it went: void up to its newest */
	assert_int_equal(er_voids_number(v, 5, 7), 5);
	assert_int_equal(er_voids_number(v, 5, 99), 2);
	assert_int_equal(er_voids_count(v), 4);
	er_voids_free(v);
}

/* Whatever comes, in whatever order, nothing that was void is not, and there is a bound. */
static void nothing_is_forgotten_and_all_is_bounded(void **state)
{
	(void)state;
	enum { SITES = 8, URLS = 40, MOST = 60 };
	er_voids *v = er_voids_new(MOST, 20, 5);
	uint64_t last[SITES][URLS] = {0};
	uint32_t seed = 1;
	for (uint64_t number = 1; number < 20000; number++) {
		seed = seed * 1664525 + 1013904223;
		uint64_t site = (seed >> 8) % SITES, url = (seed >> 16) % URLS;
		er_voids_add(v, site, url, number);
		last[site][url] = number;
		assert_true(er_voids_count(v) <= MOST);
		if (number % 97 == 0)
			for (uint64_t s = 0; s < SITES; s++)
				for (uint64_t u = 0; u < URLS; u++)
					assert_true(er_voids_number(v, s, u) >= last[s][u]);
	}
	er_voids_free(v);
}

static void site_open(world *w, const char *id)
{
	world_open(w);
	er_cache_rules like = {.cookies.n = 1, .headers.n = 1, .device = true};
	like.cookies.v[0] = ER_LIT("currency");
	like.headers.v[0] = ER_LIT("x-country");
	w->place.rules = er_cache_rules_new(&like);
	w->place.site = er_scopes_site(er_slice_cstr(id));
	w->status = 200;
	w->fields = GOOD;
}

static void site_close(world *w)
{
	er_cache_rules_unref(w->place.rules);
	w->place.rules = NULL;
	world_close(w);
}

static void unsafe(world *w, const char *target, int status, const char *fields)
{
	const char *was = w->fields;
	int was_status = w->status;
	w->status = status;
	w->fields = fields;
	client c = {0};
	client_ask(&c, w, "POST", target, "Cookie: currency=EUR\nX-Country: de\n");
	UNTIL(w, c.answered);
	client_leave(&c);
	w->status = was_status;
	w->fields = was;
}

static const char *const classes[] = {"", "Cookie: currency=EUR\nX-Country: de\n", "Cookie: currency=USD\n", "X-Country: fr\n",
                                      "User-Agent: iPhone\n"};
enum { CLASSES = sizeof classes / sizeof *classes };

static void store_all(world *w, const char *target, const char *text)
{
	w->text = text;
	for (unsigned i = 0; i < CLASSES; i++)
		assert_gets(w, target, classes[i], "stored", text);
}

static void an_unsafe_request_voids_the_keys_of_all_others(void **state)
{
	(void)state;
	world w;
	site_open(&w, "shop");
	store_all(&w, "/a", "old");
	store_all(&w, "/b", "old");
	unsafe(&w, "/a", 500, ""); /* it did not go well */
	for (unsigned i = 0; i < CLASSES; i++)
		assert_gets(&w, "/a", classes[i], "; hit", "old");
	unsafe(&w, "/a", 200, "");
	store_all(&w, "/a", "new");
	unsafe(&w, "/c", 201, "Location: /a\n");
	store_all(&w, "/a", "newer");
	for (unsigned i = 0; i < CLASSES; i++) {
		assert_gets(&w, "/a", classes[i], "; hit", "newer");
		assert_gets(&w, "/b", classes[i], "; hit", "old");
	}
	/* The operator's purges have nothing to do with it. */
	assert_int_equal(er_purges_count(er_index_purge_table(w.index)), 0);
	site_close(&w);
}

/* The cookies of the request that writes are so long that it has no key of its own. */
static void also_one_that_has_no_key(void **state)
{
	(void)state;
	world w;
	site_open(&w, "shop");
	store_all(&w, "/a", "old");
	char cookie[ER_RULES_PARTS + 100];
	size_t n = (size_t)snprintf(cookie, sizeof cookie, "Cookie: currency=");
	memset(cookie + n, 'x', sizeof cookie - n - 2);
	cookie[sizeof cookie - 2] = '\n';
	cookie[sizeof cookie - 1] = '\0';
	client c = {0};
	client_ask(&c, &w, "DELETE", "/a", cookie);
	UNTIL(&w, c.answered);
	client_leave(&c);
	store_all(&w, "/a", "new");
	site_close(&w);
}

static void what_was_on_its_way_is_void_too(void **state)
{
	(void)state;
	world w;
	site_open(&w, "shop");
	w.status = 0;
	client late = {0}, after = {0};
	client_ask(&late, &w, "GET", "/a", "Cookie: currency=USD\n");
	unsafe(&w, "/a", 204, "");
	w.status = 0;
	/* it does not wait for the old one */
	client_ask(&after, &w, "GET", "/a", "Cookie: currency=USD\n");
	assert_int_equal(w.n_asked, 3);
	origin_answer(&w.asked[2], 200, GOOD, "new");
	origin_answer(&w.asked[0], 200, GOOD, "old");
	assert_answer(&late, 200, NULL, "old");
	assert_answer(&after, 200, NULL, "new");
	client_leave(&late);
	client_leave(&after);
	w.status = 200;
	w.text = "newest";
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Cookie: currency=USD\n");
	UNTIL(&w, c.ended);
	er_slice got = er_buf_slice(&c.got);
	assert_false(er_slice_eq(got, ER_LIT("old")));
	client_leave(&c);
	site_close(&w);
}

/* The same index with two sites. */
static void a_flood_voids_the_site_of_its_clients_and_no_other(void **state)
{
	(void)state;
	world w;
	site_open(&w, "shop");
	er_purges *p = er_index_purge_table(w.index);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_URL, .value = ER_LIT("a.example/purged")}, er_purges_next(p));
	store_all(&w, "/a", "old");
	for (unsigned i = 0; i < 5000; i++) {
		char where[64];
		snprintf(where, sizeof where, "a.example/%u", i);
		er_purges_void(p, er_scopes_site(ER_LIT("other")), er_slice_cstr(where), er_purges_next(p));
	}
	for (unsigned i = 0; i < CLASSES; i++)
		assert_gets(&w, "/a", classes[i], "; hit", "old");
	assert_int_equal(er_purges_count(p), 1);
	/* As many sites as fill the table, and one void of this site's own. */
	for (unsigned i = 0; i < 20 * 4000; i++) {
		char where[64], site[16];
		snprintf(where, sizeof where, "a.example/%u", i);
		snprintf(site, sizeof site, "other-%u", i / 4000);
		er_purges_void(p, er_scopes_site(er_slice_cstr(site)), er_slice_cstr(where), er_purges_next(p));
	}
	er_purges_void(p, w.place.site, ER_LIT("a.example/b"), er_purges_next(p));
	for (unsigned i = 0; i < CLASSES; i++)
		assert_gets(&w, "/a", classes[i], "; hit", "old");
	for (unsigned i = 0; i < 5000; i++) {
		char where[64];
		snprintf(where, sizeof where, "a.example/%u", i);
		er_purges_void(p, w.place.site, er_slice_cstr(where), er_purges_next(p));
	}
	store_all(&w, "/a", "new");
	site_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_url_is_void_up_to_its_number),
	    cmocka_unit_test(a_site_with_too_many_is_void_and_no_other),
	    cmocka_unit_test(a_full_table_costs_the_site_that_fills_it_and_not_the_one_that_comes_last),
	    cmocka_unit_test(a_site_too_many_costs_no_site_that_is_known),
	    cmocka_unit_test(nothing_is_forgotten_and_all_is_bounded),
	    cmocka_unit_test(an_unsafe_request_voids_the_keys_of_all_others),
	    cmocka_unit_test(also_one_that_has_no_key),
	    cmocka_unit_test(what_was_on_its_way_is_void_too),
	    cmocka_unit_test(a_flood_voids_the_site_of_its_clients_and_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
