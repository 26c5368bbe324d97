/* Purges: what a scope matches, what is on its way, what is remembered and what is forgotten. */
#include "cache_harness.h"

#include "cache/key.h"

#define GOOD "Cache-Control: max-age=60\n"

static void purge(world *w, er_purge_kind kind, const char *value, bool soft)
{
	er_purges *p = er_index_purge_table(w->index);
	er_purges_add(p, &(er_purge){.kind = kind, .value = er_slice_cstr(value), .soft = soft}, er_purges_next(p));
}

/* Asks the origin, which answers at once: `asks`; or gets it from the store. */
static void assert_asks(world *w, const char *target, bool asks)
{
	unsigned before = w->n_asked;
	assert_gets(w, target, "", asks ? "stored" : "hit", NULL);
	assert_int_equal(w->n_asked - before, asks);
}

static void world_that_answers(world *w, const char *fields)
{
	world_open(w);
	w->status = 200;
	w->fields = fields;
	w->text = "text";
	w->place.site = er_scopes_site(ER_LIT("shop"));
}

static void a_purge_takes_what_it_names_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		er_purge_kind kind;
		const char *value;
		bool matches; /* /a/b?c, tagged "red" and "big fish" of the site "shop" */
	} cases[] = {
	    {ER_PURGE_URL, "a.example/a/b?c", true},
	    {ER_PURGE_URL, "a.example/a/b", false},
	    {ER_PURGE_URL, "a.example/a/b?c=", false},
	    {ER_PURGE_URL, "b.example/a/b?c", false},
	    {ER_PURGE_PREFIX, "a.example/a/", true},
	    {ER_PURGE_PREFIX, "a.example/", true},
	    {ER_PURGE_PREFIX, "a.example/a/b?c", true},
	    {ER_PURGE_PREFIX, "a.example/b", false},
	    {ER_PURGE_PREFIX, "b.example/", false},
	    {ER_PURGE_HOST, "a.example", true},
	    {ER_PURGE_HOST, "example", false},
	    {ER_PURGE_TAG, "red", true},
	    {ER_PURGE_TAG, "big fish", true},
	    {ER_PURGE_TAG, "big", false},
	    {ER_PURGE_TAG, "a.example", false},
	    {ER_PURGE_SITE, "shop", true},
	    {ER_PURGE_SITE, "red", false},
	    {ER_PURGE_ALL, "", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		world_that_answers(&w, GOOD "Cache-Tag: red,, big fish \n");
		assert_asks(&w, "/a/b?c", true);
		assert_asks(&w, "/a/b?c", false);
		purge(&w, cases[i].kind, cases[i].value, false);
		assert_asks(&w, "/a/b?c", cases[i].matches);
		assert_asks(&w, "/a/b?c", false); /* what came after the purge stays */
		world_close(&w);
	}
}

static void a_tag_of_one_site_is_not_another_ones(void **state)
{
	(void)state;
	world w;
	world_that_answers(&w, GOOD "Surrogate-Key: red  blue\n");
	er_purges *p = er_index_purge_table(w.index);
	assert_asks(&w, "/", true);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_TAG, .value = ER_LIT("blue"), .site = ER_LIT("other")}, er_purges_next(p));
	assert_asks(&w, "/", false);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_TAG, .value = ER_LIT("blue"), .site = ER_LIT("shop")}, er_purges_next(p));
	assert_asks(&w, "/", true);
	world_close(&w);
}

static void tags_are_the_caches_business_and_no_clients(void **state)
{
	(void)state;
	for (unsigned stored = 0; stored < 2; stored++) {
		world w;
		world_that_answers(&w, stored ? GOOD "Cache-Tag: a\nSurrogate-Key: b\nX: 1\n"
		                              : "Cache-Control: private\nCache-Tag: a\nSurrogate-Key: b\nX: 1\n");
		for (unsigned i = 0; i < 2; i++) {
			client c = {0};
			client_ask(&c, &w, "GET", "/", "");
			assert_answer(&c, 200, NULL, "text");
			assert_string_equal(field(&c, "cache-tag"), "");
			assert_string_equal(field(&c, "surrogate-key"), "");
			assert_string_equal(field(&c, "x"), "1");
			client_leave(&c);
		}
		world_close(&w);
	}
}

/* A response that could not be purged by all of its tags is not stored. */
static void a_response_with_too_many_tags_is_not_stored(void **state)
{
	(void)state;
	er_buf b = {0};
	er_buf_puts(&b, GOOD "Cache-Tag: ");
	for (unsigned i = 0; i <= ER_PURGE_TAGS; i++)
		er_buf_printf(&b, "%u,", i);
	er_buf_putc(&b, '\n');
	er_buf_putc(&b, '\0');
	world w;
	world_that_answers(&w, (const char *)er_buf_slice(&b).p);
	for (unsigned i = 0; i < 2; i++)
		assert_gets(&w, "/", "", "fwd=uri-miss; fwd-status=200; detail=tags", "text");
	world_close(&w);
	er_buf_fini(&b);
}

/* The tag is not known yet when it is purged: neither who asks later nor the store gets it. */
static void what_was_asked_for_before_a_purge_is_not_given_to_who_asks_after_it(void **state)
{
	(void)state;
	static const er_purge_kind kinds[] = {ER_PURGE_URL, ER_PURGE_TAG, ER_PURGE_ALL, ER_PURGE_PREFIX};
	static const char *const values[] = {"a.example/a", "red", "", "a.example/"};
	for (unsigned soft = 0; soft < 2; soft++)
		for (unsigned i = 0; i < 4; i++) {
			world w;
			world_open(&w);
			client before[2] = {0}, after = {0};
			for (unsigned k = 0; k < 2; k++)
				client_ask(&before[k], &w, "GET", "/a", "");
			assert_int_equal(w.n_asked, 1);
			purge(&w, kinds[i], values[i], soft);
			client_ask(&after, &w, "GET", "/a", "");
			assert_int_equal(w.n_asked, 2);
			origin_answer(&w.asked[0], 200, GOOD "Cache-Tag: red\n", "old");
			origin_answer(&w.asked[1], 200, GOOD "Cache-Tag: red\n", "new");
			for (unsigned k = 0; k < 2; k++) {
				assert_answer(&before[k], 200, "fwd=uri-miss", "old");
				client_leave(&before[k]);
			}
			assert_answer(&after, 200, "stored", "new");
			client_leave(&after);
			assert_gets(&w, "/a", "", "hit", "new");
			world_close(&w);
		}
}

static void what_is_being_read_when_it_is_purged_is_not_given_to_who_asks_after_it(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client before = {0}, after = {0};
	client_ask(&before, &w, "GET", "/a", "");
	origin_head(&w.asked[0], 200, GOOD "Cache-Tag: red\n", 6);
	origin_write(&w.asked[0], 3);
	purge(&w, ER_PURGE_TAG, "red", false);
	client_ask(&after, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 2);
	origin_write(&w.asked[0], 3);
	origin_end(&w.asked[0], ER_ERR_OK);
	origin_answer(&w.asked[1], 200, GOOD, "new");
	assert_answer(&before, 200, NULL, NULL);
	assert_pattern(&before, 0, 6);
	assert_answer(&after, 200, "stored", "new");
	client_leave(&before);
	client_leave(&after);
	assert_gets(&w, "/a", "", "hit", "new");
	world_close(&w);
}

static void what_is_purged_softly_is_validated_and_spares_an_origin_that_fails(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, "Cache-Control: max-age=60, stale-if-error=60\nETag: \"1\"\nCache-Tag: red\n", "text");
	client_leave(&c);
	purge(&w, ER_PURGE_TAG, "red", true);
	client_ask(&c, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 2);
	assert_true(er_slice_eq(*er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match")), ER_LIT("\"1\"")));
	origin_fail(&w.asked[1]);
	assert_answer(&c, 200, "fwd=stale", "text");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 3);
	origin_answer(&w.asked[2], 304, "Cache-Control: max-age=60\n", NULL);
	assert_answer(&c, 200, "fwd-status=304", "text");
	client_leave(&c);
	assert_gets(&w, "/a", "", "hit", "text");
	/* The 304 named no tags: it has those that it had. */
	purge(&w, ER_PURGE_TAG, "red", false);
	w.status = 200;
	w.fields = GOOD;
	w.text = "new";
	assert_gets(&w, "/a", "", "stored", "new");
	world_close(&w);
}

static void what_may_be_stale_for_a_while_is_so_after_a_soft_purge(void **state)
{
	(void)state;
	world w;
	world_that_answers(&w, "Cache-Control: max-age=60, stale-while-revalidate=60\n");
	assert_asks(&w, "/", true);
	purge(&w, ER_PURGE_HOST, "a.example", true);
	w.text = "new";
	assert_gets(&w, "/", "", "hit", "text");
	assert_int_equal(w.n_asked, 2);
	assert_gets(&w, "/", "", "hit", "new");
	world_close(&w);
}

/* A hundred thousand objects of one tag: the purge is one entry, whatever it matches. */
static void a_table_that_is_crowded_forgets_what_matches_nothing_any_more(void **state)
{
	(void)state;
	world w;
	world_that_answers(&w, GOOD "Cache-Tag: red\n");
	er_purges *p = er_index_purge_table(w.index);
	for (unsigned i = 0; i < 40; i++) {
		char target[16];
		snprintf(target, sizeof target, "/%u", i);
		assert_asks(&w, target, true);
	}
	w.status = 0;
	client late = {0}, listed = {0};
	client_ask(&late, &w, "GET", "/late", "Range: bytes=0-1\n"); /* not listed */
	client_ask(&listed, &w, "GET", "/listed", "");
	purge(&w, ER_PURGE_TAG, "red", false);
	purge(&w, ER_PURGE_PREFIX, "a.example/3", false);
	purge(&w, ER_PURGE_URL, "a.example/none", false);
	assert_int_equal(er_purges_count(p), 2);
	assert_int_equal(er_index_statistics(w.index).objects, 40); /* nothing was looked for */
	er_index_settle(w.index);
	assert_int_equal(er_index_statistics(w.index).objects, 0);
	assert_int_equal(er_purges_count(p), 0);
	unsigned n = w.n_asked;
	origin_answer(&w.asked[n - 2], 200, GOOD "Cache-Tag: red\n", "old");
	origin_answer(&w.asked[n - 1], 200, GOOD "Cache-Tag: red\n", "old");
	assert_answer(&late, 206, NULL, "ol");
	assert_answer(&listed, 200, NULL, "old");
	client_leave(&late);
	client_leave(&listed);
	w.status = 200;
	assert_asks(&w, "/late", true);
	assert_asks(&w, "/listed", true);
	world_close(&w);
}

static er_purged look(er_purges *p, const char *where, uint64_t number)
{
	er_purge_look first = {0};
	er_scopes s = er_scopes_of(NULL, er_slice_cstr(where), 0, NULL);
	return er_purges_look(p, &s, number, &first);
}

static void add_value(er_purges *p, er_purge_kind kind, const char *value, const char *site, bool soft)
{
	er_purges_add(p, &(er_purge){.kind = kind, .value = er_slice_cstr(value), .site = er_slice_cstr(site), .soft = soft},
	              er_purges_next(p));
}

static void a_table_that_is_full_purges_too_much_and_never_too_little(void **state)
{
	(void)state;
	er_purges *p = er_purges_new(1000, 100);
	char url[32];
	uint64_t before = er_purges_next(p);
	add_value(p, ER_PURGE_URL, "b.example/1", "", false);
	for (unsigned i = 0; i < 150; i++) {
		snprintf(url, sizeof url, "a.example/%u", i);
		add_value(p, ER_PURGE_URL, url, "", false);
		assert_int_equal(look(p, "a.example/other", before), i >= 99 ? ER_PURGED_HARD : ER_PURGED_NOT);
		assert_int_equal(look(p, "b.example/1", before), ER_PURGED_HARD);
		assert_int_equal(look(p, "b.example/other", before), ER_PURGED_NOT);
		for (unsigned k = 0; k <= i; k++) {
			snprintf(url, sizeof url, "a.example/%u", k);
			assert_int_equal(look(p, url, before), ER_PURGED_HARD);
		}
		assert_int_equal(look(p, url, er_purges_next(p)), ER_PURGED_NOT);
		assert_true(er_purges_count(p) <= 100);
		assert_int_equal(er_purges_crowded(p), er_purges_count(p) > 50);
	}
	er_purges_free(p);
}

static er_purged look_tagged(er_purges *p, const char *where, const char *site, const char *tag, uint64_t number)
{
	er_arena a = {0};
	er_fields f = {0};
	er_purge_look first = {0};
	if (tag[0] != '\0')
		er_fields_add(&f, &a, ER_LIT("Cache-Tag"), er_slice_cstr(tag));
	er_scopes s = er_scopes_of(&a, er_slice_cstr(where), er_scopes_site(er_slice_cstr(site)), &f);
	er_purged purged = er_purges_look(p, &s, number, &first);
	er_arena_fini(&a);
	return purged;
}

/* What the owner of the stores does when the table is crowded. */
static size_t tidy(er_purges *p)
{
	er_arena a = {0};
	er_purge_coarse *v;
	size_t n = er_purges_coarser(p, &a, &v);
	er_purges_coarsen(p, v, n);
	er_arena_fini(&a);
	return n;
}

/* Others purge while the owner of the stores writes down what it makes of the table. */
static void what_is_purged_while_a_table_is_made_coarser_stays_purged(void **state)
{
	(void)state;
	char text[32];
	er_arena a = {0};
	er_purge_coarse *v;
	er_purges *p = er_purges_new(0, 100);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(text, sizeof text, "busy.example/%u", i);
		add_value(p, ER_PURGE_URL, text, "", false);
	}
	size_t n = er_purges_coarser(p, &a, &v);
	assert_int_equal(n, 1);
	uint64_t stored = er_purges_next(p);
	add_value(p, ER_PURGE_URL, "busy.example/late", "", false);
	er_purges_coarsen(p, v, n);
	assert_int_equal(look(p, "busy.example/late", stored), ER_PURGED_HARD);
	assert_int_equal(look(p, "busy.example/late", er_purges_next(p)), ER_PURGED_NOT);
	er_arena_fini(&a);
	er_purges_free(p);
}

static void the_host_or_site_with_the_most_purges_pays_for_a_crowded_table(void **state)
{
	(void)state;
	char text[32];
	er_purges *p = er_purges_new(0, 100);
	uint64_t before = er_purges_next(p);
	add_value(p, ER_PURGE_URL, "calm.example/1", "", false);
	add_value(p, ER_PURGE_TAG, "red", "calm", false);
	add_value(p, ER_PURGE_TAG, "blue", "busy", true);
	assert_int_equal(tidy(p), 0); /* it is not crowded */
	for (unsigned i = 0; i < 24; i++) {
		snprintf(text, sizeof text, "busy.example:80%u/", i);
		add_value(p, ER_PURGE_URL, text, "", i == 3);
		snprintf(text, sizeof text, "tag-%u", i);
		add_value(p, ER_PURGE_TAG, text, "busy", true);
	}
	assert_true(er_purges_crowded(p));
	assert_int_equal(look(p, "busy.example/x", before), ER_PURGED_NOT);
	assert_int_equal(look_tagged(p, "x.example/", "busy", "green", before), ER_PURGED_NOT);
	uint64_t between = er_purges_next(p);
	assert_int_equal(tidy(p), 2);
	assert_false(er_purges_crowded(p));
	assert_int_equal(er_purges_count(p), 4);
	/* All of the host, and all of the site that has a tag. */
	assert_int_equal(look(p, "busy.example/x", before), ER_PURGED_HARD);
	assert_int_equal(look_tagged(p, "x.example/", "busy", "green", before), ER_PURGED_SOFT);
	/* And nothing else: not what has no tag, nor what came after it, nor what others have. */
	assert_int_equal(look_tagged(p, "x.example/", "busy", "", before), ER_PURGED_NOT);
	assert_int_equal(look(p, "busy.example/x", between), ER_PURGED_NOT);
	assert_int_equal(look_tagged(p, "x.example/", "busy", "green", between), ER_PURGED_NOT);
	assert_int_equal(look_tagged(p, "x.example/", "calm", "green", before), ER_PURGED_NOT);
	assert_int_equal(look_tagged(p, "x.example/", "calm", "red", before), ER_PURGED_HARD);
	assert_int_equal(look(p, "calm.example/1", before), ER_PURGED_HARD);
	assert_int_equal(look(p, "calm.example/2", before), ER_PURGED_NOT);
	/* And both go on one by one. */
	add_value(p, ER_PURGE_URL, "busy.example/y", "", false);
	assert_int_equal(look(p, "busy.example/y", between), ER_PURGED_HARD);
	assert_int_equal(look(p, "busy.example/x", between), ER_PURGED_NOT);
	er_purges_free(p);
}

/* No host has more than one: what is old goes, and not what is young. */
static void very_many_hosts_with_few_purges_cost_only_what_is_old(void **state)
{
	(void)state;
	char text[32];
	er_purges *p = er_purges_new(0, 1000);
	uint64_t number[600];
	for (unsigned i = 0; i < 600; i++) {
		snprintf(text, sizeof text, "%u.example/", i);
		add_value(p, ER_PURGE_URL, text, "", false);
		number[i] = er_purges_last(p);
	}
	assert_int_equal(tidy(p), 1);
	assert_false(er_purges_crowded(p));
	assert_int_equal(look(p, "other.example/", number[100]), ER_PURGED_HARD);
	assert_int_equal(look(p, "other.example/", number[400]), ER_PURGED_NOT);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(text, sizeof text, "%u.example/", i);
		assert_int_equal(look(p, text, number[i] - 1), ER_PURGED_HARD);
	}
	er_purges_free(p);
}

static void prefixes_beyond_their_number_become_purges_of_their_hosts(void **state)
{
	(void)state;
	er_purges *p = er_purges_new(0, 0);
	char text[32];
	uint64_t before = er_purges_next(p);
	add_value(p, ER_PURGE_URL, "0.example/url", "", false);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "%u.example/a/%u", i < 200 ? 0 : i, i);
		add_value(p, ER_PURGE_PREFIX, text, "", true);
	}
	assert_true(er_purges_crowded(p));
	for (unsigned go = 0; go < 2; go++) {
		for (unsigned i = 200; i < 300; i++) {
			snprintf(text, sizeof text, "%u.example/a/%ub", i, i);
			assert_int_equal(look(p, text, before), ER_PURGED_SOFT);
			snprintf(text, sizeof text, "%u.example/b", i);
			assert_int_equal(look(p, text, before), ER_PURGED_NOT);
		}
		assert_int_equal(look(p, "0.example/a/7", before), go == 0 ? ER_PURGED_SOFT : ER_PURGED_HARD);
		assert_int_equal(look(p, "0.example/url", before), ER_PURGED_HARD);
		assert_int_equal(look(p, "0.example/b", before), go == 0 ? ER_PURGED_NOT : ER_PURGED_HARD);
		assert_int_equal(tidy(p), go == 0 ? 1 : 0);
		assert_false(er_purges_crowded(p));
	}
	/* And without anybody who tidies, there is a bound. */
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(text, sizeof text, "c%u.example/a/", i);
		add_value(p, ER_PURGE_PREFIX, text, "", false);
	}
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(text, sizeof text, "c%u.example/a/b", i);
		assert_int_equal(look(p, text, before), ER_PURGED_HARD);
		snprintf(text, sizeof text, "c%u.example/b", i);
		if (i < 1700) /* the oldest went first */
			assert_int_equal(look(p, text, before), ER_PURGED_HARD);
		if (i >= 2985)
			assert_int_equal(look(p, text, before), ER_PURGED_NOT);
	}
	er_purges_forget(p, er_purges_last(p));
	assert_int_equal(look(p, "299.example/a/299", before), ER_PURGED_NOT);
	er_purges_free(p);
}

/* What is purged of one site alone, on however many hosts, with and without anybody who tidies. */
static void a_site_that_fills_the_table_pays_alone(void **state)
{
	(void)state;
	static const er_purge_kind kinds[] = {ER_PURGE_URL, ER_PURGE_HOST};
	char text[32];
	for (unsigned tidied = 0; tidied < 2; tidied++) {
		er_purges *p = er_purges_new(0, 1000);
		uint64_t before = er_purges_next(p);
		for (unsigned i = 0; i < 40; i++) { /* others have few each, all older */
			snprintf(text, sizeof text, "%u.calm.example/1", i);
			add_value(p, ER_PURGE_URL, text, i % 2 == 0 ? "calm" : "", false);
		}
		for (unsigned i = 0; i < 3000; i++) {
			snprintf(text, sizeof text, i % 2 == 0 ? "%u.busy.example/1" : "%u.busy.example", i);
			add_value(p, kinds[i % 2], text, "busy", false);
			assert_true(er_purges_count(p) <= (tidied ? 45 + 1000 / 8 : 1000));
			if (tidied && er_purges_crowded(p))
				tidy(p);
		}
		for (unsigned i = 0; i < 3000; i++) {
			snprintf(text, sizeof text, "%u.busy.example/1", i);
			assert_int_equal(look_tagged(p, text, "busy", "", before), ER_PURGED_HARD);
			if (i > 1000) /* else it may be that very one */
				assert_int_equal(look_tagged(p, text, "calm", "", before), ER_PURGED_NOT);
		}
		assert_int_equal(look_tagged(p, "x.example/", "busy", "", before), ER_PURGED_HARD);
		assert_int_equal(look_tagged(p, "x.example/", "busy", "", er_purges_next(p)), ER_PURGED_NOT);
		assert_int_equal(look_tagged(p, "0.calm.example/1", "calm", "", before), ER_PURGED_HARD);
		assert_int_equal(look_tagged(p, "1.calm.example/1", "calm", "", before), ER_PURGED_HARD);
		assert_int_equal(look_tagged(p, "0.calm.example/2", "calm", "", before), ER_PURGED_NOT);
		assert_int_equal(look_tagged(p, "x.example/", "", "", before), ER_PURGED_NOT);
		er_purges_free(p);
	}
}

static void a_site_with_very_many_prefixes_pays_alone(void **state)
{
	(void)state;
	char text[32];
	er_purges *p = er_purges_new(0, 0);
	uint64_t before = er_purges_next(p);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%u.calm.example/a/", i);
		add_value(p, ER_PURGE_PREFIX, text, "", false);
	}
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "%u.busy.example/a/", i);
		add_value(p, ER_PURGE_PREFIX, text, "busy", false);
		assert_int_equal(er_purges_crowded(p), i % 65 >= 56);
		if (i % 65 == 64)
			assert_int_equal(tidy(p), 1);
	}
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%u.calm.example/b", i);
		assert_int_equal(look_tagged(p, text, "", "", before), ER_PURGED_NOT);
		snprintf(text, sizeof text, "%u.calm.example/a/b", i);
		assert_int_equal(look_tagged(p, text, "", "", before), ER_PURGED_HARD);
	}
	assert_int_equal(look_tagged(p, "299.busy.example/a/", "other", "", before), ER_PURGED_NOT);
	assert_int_equal(look_tagged(p, "299.busy.example/a/", "busy", "", before), ER_PURGED_HARD);
	assert_int_equal(look_tagged(p, "x.example/", "busy", "", before), ER_PURGED_HARD);
	er_purges_free(p);
}

static void what_is_purged_of_one_site_is_of_no_other(void **state)
{
	(void)state;
	static const struct {
		er_purge_kind kind;
		const char *value;
	} cases[] = {{ER_PURGE_URL, "a.example/b"}, {ER_PURGE_PREFIX, "a.example/"}, {ER_PURGE_HOST, "a.example"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_purges *p = er_purges_new(0, 0);
		uint64_t before = er_purges_next(p);
		add_value(p, cases[i].kind, cases[i].value, "shop", false);
		assert_int_equal(look_tagged(p, "a.example/b", "shop", "", before), ER_PURGED_HARD);
		assert_int_equal(look_tagged(p, "a.example/b", "other", "", before), ER_PURGED_NOT);
		assert_int_equal(look(p, "a.example/b", before), ER_PURGED_NOT);
		add_value(p, cases[i].kind, cases[i].value, "", false);
		assert_int_equal(look_tagged(p, "a.example/b", "other", "", before), ER_PURGED_HARD);
		er_purges_free(p);
	}
}

/* Whatever is purged in whatever order, tidied or not: it stays purged, and all is bounded. */
static void nothing_that_was_purged_comes_back(void **state)
{
	(void)state;
	enum { HOSTS = 6, URLS = 30, MOST = 60 };
	er_purges *p = er_purges_new(0, MOST);
	uint64_t last[HOSTS][URLS] = {0};
	uint32_t seed = 7;
	for (unsigned round = 0; round < 5000; round++) {
		seed = seed * 1664525 + 1013904223;
		unsigned host = (seed >> 8) % HOSTS, url = (seed >> 16) % URLS;
		char text[32];
		snprintf(text, sizeof text, "%u.example/%u", host, url);
		er_purge_kind kind = seed >> 28 == 0 ? ER_PURGE_PREFIX : ER_PURGE_URL;
		const char *site = (seed >> 12) % 2 == 0 ? "shop" : "";
		add_value(p, kind, text, site, seed >> 31 == 1);
		last[host][url] = er_purges_last(p);
		if (round % 50 == 0 && er_purges_crowded(p)) {
			tidy(p);
			assert_false(er_purges_crowded(p));
		}
		assert_true(er_purges_count(p) <= MOST);
		for (unsigned u = 0; round % 31 == 0 && u < URLS; u++) {
			snprintf(text, sizeof text, "%u.example/%u", host, u);
			if (last[host][u] > 0)
				assert_int_not_equal(look_tagged(p, text, "shop", "", last[host][u] - 1), ER_PURGED_NOT);
		}
	}
	er_purges_free(p);
}

static void a_later_look_sees_a_later_purge(void **state)
{
	(void)state;
	er_purges *p = er_purges_new(0, 0);
	uint64_t number = er_purges_next(p);
	er_purge_look kept = {0};
	er_scopes s = er_scopes_of(NULL, ER_LIT("a.example:8080/a"), 0, NULL);
	assert_int_equal(er_purges_look(p, &s, number, &kept), ER_PURGED_NOT);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_HOST, .value = ER_LIT("a.example"), .soft = true}, er_purges_next(p));
	assert_int_equal(er_purges_look(p, &s, number, &kept), ER_PURGED_SOFT);
	er_purges_forget(p, er_purges_last(p));
	assert_int_equal(er_purges_look(p, &s, number, &kept), ER_PURGED_SOFT); /* it was seen */
	er_purges_continue(p, 5);
	er_purges_continue(p, 3);
	assert_int_equal(er_purges_next(p), 6);
	er_purges_add(p, &(er_purge){.kind = ER_PURGE_ALL}, 6);
	assert_int_equal(er_purges_look(p, &s, number, &kept), ER_PURGED_HARD);
	assert_false(er_purges_outdated(p, &s, 6));
	assert_true(er_purges_outdated(p, &s, 5));
	er_purges_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_purge_takes_what_it_names_and_nothing_else),
	    cmocka_unit_test(a_tag_of_one_site_is_not_another_ones),
	    cmocka_unit_test(tags_are_the_caches_business_and_no_clients),
	    cmocka_unit_test(a_response_with_too_many_tags_is_not_stored),
	    cmocka_unit_test(what_was_asked_for_before_a_purge_is_not_given_to_who_asks_after_it),
	    cmocka_unit_test(what_is_being_read_when_it_is_purged_is_not_given_to_who_asks_after_it),
	    cmocka_unit_test(what_is_purged_softly_is_validated_and_spares_an_origin_that_fails),
	    cmocka_unit_test(what_may_be_stale_for_a_while_is_so_after_a_soft_purge),
	    cmocka_unit_test(a_table_that_is_crowded_forgets_what_matches_nothing_any_more),
	    cmocka_unit_test(a_table_that_is_full_purges_too_much_and_never_too_little),
	    cmocka_unit_test(what_is_purged_while_a_table_is_made_coarser_stays_purged),
	    cmocka_unit_test(the_host_or_site_with_the_most_purges_pays_for_a_crowded_table),
	    cmocka_unit_test(very_many_hosts_with_few_purges_cost_only_what_is_old),
	    cmocka_unit_test(a_site_that_fills_the_table_pays_alone),
	    cmocka_unit_test(a_site_with_very_many_prefixes_pays_alone),
	    cmocka_unit_test(what_is_purged_of_one_site_is_of_no_other),
	    cmocka_unit_test(nothing_that_was_purged_comes_back),
	    cmocka_unit_test(prefixes_beyond_their_number_become_purges_of_their_hosts),
	    cmocka_unit_test(a_later_look_sees_a_later_purge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
