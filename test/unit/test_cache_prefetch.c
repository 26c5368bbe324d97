/* Questions that are asked to fill the store: what they find, what they leave there, and that no
 * figure of the clients' speaks of them. */
#include "cache_harness.h"

#define GOOD "Cache-Control: max-age=60\nETag: \"1\"\n"

static client prefetcher(bool refresh)
{
	return (client){.wishes = {.prefetch = true, .refresh = refresh}};
}

/* Asks, is answered by an origin that answers at once or by the store, and leaves. */
static er_exchange_facts fill(world *w, const char *target, bool refresh)
{
	client c = prefetcher(refresh);
	client_ask(&c, w, "GET", target, "");
	UNTIL(w, c.ended);
	er_exchange_facts facts = c.x->facts;
	client_leave(&c);
	return facts;
}

static void answers(world *w, int status, const char *fields, const char *text)
{
	w->status = status;
	w->fields = fields;
	w->text = text;
}

static void assert_counts(const er_cache_stats *s, uint64_t hits, uint64_t misses, uint64_t passed, uint64_t collapsed)
{
	assert_int_equal(s->hits, hits);
	assert_int_equal(s->misses, misses);
	assert_int_equal(s->passed, passed);
	assert_int_equal(s->collapsed, collapsed);
}

static void what_was_prefetched_is_a_hit_for_clients(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	answers(&w, 200, GOOD, "text");
	assert_int_equal(fill(&w, "/a", false).kept, ER_KEPT_NOW);
	assert_int_equal(fill(&w, "/a", false).kept, ER_KEPT_BEFORE);
	assert_int_equal(w.n_asked, 1);
	assert_counts(er_cache_prefetches(w.cache), 1, 1, 0, 0);
	assert_counts(er_cache_statistics(w.cache), 0, 0, 0, 0);
	assert_gets(&w, "/a", "", "hit", "text");
	assert_counts(er_cache_statistics(w.cache), 1, 0, 0, 0);
	assert_int_equal(w.n_asked, 1);
	world_close(&w);
}

static void clients_and_prefetches_of_one_url_ask_once(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		world w;
		world_open(&w);
		client c[2];
		c[first] = prefetcher(false);
		c[1 - first] = (client){.w = NULL};
		client_ask(&c[0], &w, "GET", "/a", "");
		client_ask(&c[1], &w, "GET", "/a", "");
		assert_int_equal(w.n_asked, 1);
		origin_answer(&w.asked[0], 200, GOOD, "text");
		for (unsigned i = 0; i < 2; i++) {
			assert_answer(&c[i], 200, NULL, "text");
			assert_int_equal(c[i].x->facts.kept, ER_KEPT_NOW);
			client_leave(&c[i]);
		}
		assert_counts(er_cache_prefetches(w.cache), 0, first == 0, 0, first == 1);
		assert_counts(er_cache_statistics(w.cache), 0, first == 1, 0, first == 0);
		world_close(&w);
	}
}

static void why_something_is_not_stored_is_known(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	answers(&w, 200, "Cache-Control: private\n", "yours");
	er_exchange_facts facts = fill(&w, "/a", false);
	assert_int_equal(facts.kept, ER_KEPT_NOT);
	assert_string_equal(facts.not_kept, "private");
	assert_int_equal(er_cache_prefetches(w.cache)->refused[ER_CACHE_PRIVATE], 1);
	assert_int_equal(er_cache_statistics(w.cache)->refused[ER_CACHE_PRIVATE], 0);
	world_close(&w);
}

static void what_is_purged_while_it_comes_is_not_said_to_be_stored(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = prefetcher(false), post = {0};
	client_ask(&c, &w, "GET", "/a", "");
	client_ask(&post, &w, "POST", "/a", "");
	origin_answer(&w.asked[1], 204, "", NULL);
	assert_answer(&post, 204, NULL, NULL);
	origin_answer(&w.asked[0], 200, GOOD, "old");
	assert_answer(&c, 200, NULL, "old");
	assert_int_equal(c.x->facts.kept, ER_KEPT_NOT);
	assert_string_equal(c.x->facts.not_kept, "purged");
	client_leave(&c);
	client_leave(&post);
	world_close(&w);
}

static void a_refresh_validates_what_is_fresh(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	answers(&w, 200, GOOD, "one");
	(void)fill(&w, "/a", false);
	answers(&w, 304, "Cache-Control: max-age=600\nETag: \"1\"\n", NULL);
	assert_int_equal(fill(&w, "/a", true).kept, ER_KEPT_NOW);
	assert_int_equal(w.n_asked, 2);
	assert_string_equal(er_arena_cstr(&w.arena, *er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match"))), "\"1\"");
	assert_int_equal(er_cache_prefetches(w.cache)->validated, 1);
	assert_gets(&w, "/a", "", "hit; ttl=6", "one");
	/* It is another one now. */
	answers(&w, 200, GOOD, "two");
	assert_int_equal(fill(&w, "/a", true).kept, ER_KEPT_NOW);
	assert_gets(&w, "/a", "", "hit", "two");
	assert_int_equal(w.n_asked, 3);
	world_close(&w);
}

static void a_refresh_leaves_what_is_stored_when_the_origin_fails(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	answers(&w, 200, GOOD, "good");
	(void)fill(&w, "/a", false);
	answers(&w, 503, "", "away");
	assert_int_not_equal(fill(&w, "/a", true).kept, ER_KEPT_NOW);
	assert_gets(&w, "/a", "", "hit", "good");
	world_close(&w);
}

/* Clients get what is stale while it is validated; who fills the store waits for what is new. */
static void a_prefetch_of_what_is_stale_waits_for_what_is_new(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	answers(&w, 200, "Cache-Control: max-age=10, stale-while-revalidate=100\nAge: 20\n", "old");
	(void)fill(&w, "/a", false);
	w.status = 0;
	client c = prefetcher(false);
	client_ask(&c, &w, "GET", "/a", "");
	assert_false(c.answered);
	origin_answer(&w.asked[1], 200, GOOD, "new");
	assert_answer(&c, 200, NULL, "new");
	assert_int_equal(c.x->facts.kept, ER_KEPT_NOW);
	client_leave(&c);
	world_close(&w);
}

static void a_refresh_that_waited_for_anothers_question_asks_no_second_one(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[2] = {prefetcher(true), prefetcher(true)};
	answers(&w, 200, GOOD, "one");
	(void)fill(&w, "/a", false);
	w.status = 0;
	client_ask(&c[0], &w, "GET", "/a", "");
	client_ask(&c[1], &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 2);
	origin_answer(&w.asked[1], 200, GOOD, "two");
	for (unsigned i = 0; i < 2; i++) {
		assert_answer(&c[i], 200, NULL, "two");
		client_leave(&c[i]);
	}
	assert_int_equal(w.n_asked, 2);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_prefetched_is_a_hit_for_clients),
	    cmocka_unit_test(clients_and_prefetches_of_one_url_ask_once),
	    cmocka_unit_test(why_something_is_not_stored_is_known),
	    cmocka_unit_test(what_is_purged_while_it_comes_is_not_said_to_be_stored),
	    cmocka_unit_test(a_refresh_validates_what_is_fresh),
	    cmocka_unit_test(a_refresh_leaves_what_is_stored_when_the_origin_fails),
	    cmocka_unit_test(a_prefetch_of_what_is_stale_waits_for_what_is_new),
	    cmocka_unit_test(a_refresh_that_waited_for_anothers_question_asks_no_second_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
