/* What a sandbox says that it wishes of the cache: what is well formed comes back as it was meant,
 * and nothing else comes through. And what such wishes make of an answer (cache/law.h), and of a
 * key (cache/key.h). */
#include "http/freshness.h"
#include "cache/key.h"
#include "cache/law.h"
#include "cache/purge.h"
#include "channel/contract.h"
#include "isolate/wish.h"

#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static er_arena arena;
static er_cache_wishes w;

static bool read_text(er_slice text)
{
	const char *why = NULL;
	bool ok = er_wish_read(er_arena_copy(&arena, text), ER_LIT("https"), &arena, &w, &why);
	assert_true(ok || why != NULL);
	return ok;
}

#define READS(text) read_text(ER_LIT(text))

static int empty_arena(void **state)
{
	(void)state;
	er_arena_fini(&arena);
	return 0;
}

static void wishes_come_back_as_they_were_said(void **state)
{
	(void)state;
	assert_true(READS(""));
	assert_false(er_wish_stores(&w));
	assert_true(READS("key\nthe page\nttl\n60\nstatus\n200-299=86400\nstatus\n404-404=-1\ntag\na\ntag\n b c \neverything\n1\n"
	                  "resolve\nEU.shop.example:443\n"));
	assert_true(er_slice_eq(w.key, ER_LIT("the page")));
	assert_true(w.has_ttl && w.ttl == 60 && w.everything && w.n_by_status == 2);
	assert_true(w.by_status[0].least == 200 && w.by_status[0].most == 299 && w.by_status[0].seconds == 86400);
	assert_true(w.by_status[1].least == 404 && w.by_status[1].most == 404 && w.by_status[1].seconds == -1);
	assert_true(er_slice_eq(w.tags, ER_LIT("a,b c")));
	assert_true(er_slice_eq(w.resolve, ER_LIT("eu.shop.example")));
	assert_true(er_wish_stores(&w));
	assert_true(READS("resolve\n[::1]:8080\ntag\nx\n"));
	assert_true(er_slice_eq(w.resolve, ER_LIT("[::1]:8080")));
	/* neither a server nor a tag asks for an answer that is stored */
	assert_false(er_wish_stores(&w));
	assert_true(READS("ttl\n-1\n") && w.ttl == -1);
}

static void what_is_malformed_or_too_much_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
	    "key",
	    "key\n",
	    "key\nx",
	    "key\n\n",
	    "\n\n",
	    "other\n1\n",
	    "key\na\nkey\nb\n",
	    "key\na\x01\n",
	    "key\na\x7f\n",
	    "ttl\n\n",
	    "ttl\n-2\n",
	    "ttl\n1.5\n",
	    "ttl\n2147483648\n",
	    "ttl\n1\nttl\n1\n",
	    "ttl\n99999999999999999999\n",
	    "status\n\n",
	    "status\n200=1\n",
	    "status\n200-=1\n",
	    "status\n-200=1\n",
	    "status\n200-299=\n",
	    "status\n99-200=1\n",
	    "status\n200-600=1\n",
	    "status\n300-200=1\n",
	    "status\n200=299-1\n",
	    "tag\n\n",
	    "tag\n  \n",
	    "tag\na,b\n",
	    "tag\na\tb\n",
	    "everything\n0\n",
	    "everything\n1\neverything\n1\n",
	    "resolve\n\n",
	    "resolve\na b\n",
	    "resolve\na/b\n",
	    "resolve\nu@a\n",
	    "resolve\na:99999\n",
	    "resolve\na.example\nresolve\nb.example\n",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (read_text(er_slice_cstr(wrong[i])))
			fail_msg("taken: %s", wrong[i]);
	er_buf b = {0};
	for (int i = 0; i < ER_WISHED_TAGS; i++)
		er_buf_puts(&b, "tag\nt\n");
	assert_true(read_text(er_buf_slice(&b)));
	er_buf_puts(&b, "tag\nt\n");
	assert_false(read_text(er_buf_slice(&b)));
	er_buf_fini(&b);
	for (int i = 0; i < ER_WISHED_TTLS; i++)
		er_buf_puts(&b, "status\n200-200=1\n");
	assert_true(read_text(er_buf_slice(&b)));
	er_buf_puts(&b, "status\n200-200=1\n");
	assert_false(read_text(er_buf_slice(&b)));
	er_buf_fini(&b);
	er_buf_puts(&b, "key\n");
	for (int i = 0; i <= ER_WISHED_KEY_MAX; i++)
		er_buf_putc(&b, 'k');
	er_buf_putc(&b, '\n');
	assert_false(read_text(er_buf_slice(&b)));
	er_buf_fini(&b);
	for (int i = 0; i <= ER_WISHES_MAX; i++)
		er_buf_putc(&b, '\n');
	assert_false(read_text(er_buf_slice(&b)));
	er_buf_fini(&b);
}

/* ---- what an answer says then ---- */

static er_cache_refusal refusal_of(const char *wishes, int status, const char *name, const char *value, int64_t *lifetime)
{
	er_fields request = {0}, response = {0};
	assert_true(read_text(er_slice_cstr(wishes)));
	if (name != NULL)
		er_fields_add(&response, &arena, er_slice_cstr(name), er_slice_cstr(value));
	const er_cache_law law = {.wishes = &w, .target = ER_LIT("/")};
	const er_fields *said = er_law_said(&law, &arena, status, &response);
	er_freshness fresh = er_freshness_of(status, said, 1000, 1000);
	*lifetime = fresh.lifetime;
	return er_freshness_refusal(ER_LIT("GET"), &request, status, said, &fresh);
}

static void a_wished_lifetime_goes_over_what_is_said_of_storing_but_not_over_a_cookie(void **state)
{
	(void)state;
	int64_t n;
	assert_int_equal(refusal_of("ttl\n60\n", 200, NULL, NULL, &n), ER_CACHE_OK);
	assert_int_equal(n, 60);
	assert_int_equal(refusal_of("ttl\n60\n", 200, "cache-control", "no-store", &n), ER_CACHE_OK);
	assert_int_equal(n, 60);
	assert_int_equal(refusal_of("ttl\n60\n", 200, "cache-control", "private, max-age=5, must-revalidate", &n), ER_CACHE_OK);
	assert_int_equal(n, 60);
	assert_int_equal(refusal_of("ttl\n60\n", 200, "cdn-cache-control", "max-age=5", &n), ER_CACHE_OK);
	assert_int_equal(n, 60);
	assert_int_equal(refusal_of("ttl\n60\n", 200, "set-cookie", "a=b", &n), ER_CACHE_SET_COOKIE);
	assert_int_equal(refusal_of("ttl\n60\n", 200, "vary", "*", &n), ER_CACHE_VARY);
	assert_int_equal(refusal_of("ttl\n-1\n", 200, "cache-control", "max-age=5", &n), ER_CACHE_NO_STORE);
	assert_int_equal(refusal_of("ttl\n60\n", 500, NULL, NULL, &n), ER_CACHE_STATUS);
	assert_int_equal(refusal_of("ttl\n60\nstatus\n500-599=5\n", 500, NULL, NULL, &n), ER_CACHE_OK);
	assert_int_equal(n, 5);
	assert_int_equal(refusal_of("everything\n1\n", 302, NULL, NULL, &n), ER_CACHE_OK);
	assert_int_equal(n, 1200);
	assert_int_equal(refusal_of("everything\n1\n", 200, "cache-control", "no-cache", &n), ER_CACHE_NO_LIFETIME);
	assert_int_equal(refusal_of("everything\n1\n", 200, "expires", "0", &n), ER_CACHE_NO_LIFETIME);
	assert_int_equal(refusal_of("tag\na\n", 200, NULL, NULL, &n), ER_CACHE_NO_LIFETIME);
}

/* ---- keys ---- */

static er_slice key_for(const char *wishes, const char *owner, const char *authority, const char *target)
{
	assert_true(read_text(er_slice_cstr(wishes)));
	w.owner = er_slice_cstr(owner);
	er_request req = {.scheme = ER_LIT("https"), .authority = er_slice_cstr(authority)};
	return er_key_apart(&arena, 1, ER_LIT("shop"), &req, er_slice_cstr(target), ER_LIT("device=mobile\n"),
	                    &(er_wishes){.cache = &w});
}

static void keys_of_routines_are_apart_and_purges_find_them(void **state)
{
	(void)state;
	er_slice one = key_for("key\na b\n", "r", "shop.example", "/1"), two = key_for("key\na b\n", "r", "shop.example", "/2");
	assert_true(er_slice_eq(one, two));
	assert_true(er_slice_eq(er_key_where(one), ER_LIT("shop.example/a%20b")));
	assert_false(er_slice_eq(one, key_for("key\na%20b\n", "r", "shop.example", "/1")));
	assert_false(er_slice_eq(one, key_for("key\na b\n", "s", "shop.example", "/1")));
	assert_false(er_slice_eq(one, key_for("key\na b\n", "r", "www.shop.example", "/1")));
	er_slice url = key_for("key\nhttps://SHOP.example/x y?q#f\n", "r", "www.shop.example", "/1");
	assert_true(er_slice_eq(er_key_where(url), ER_LIT("shop.example/x%20y?q")));
	assert_true(er_slice_eq(url, key_for("key\nhttps://shop.example/x y?q\n", "r", "shop.example", "/2")));
	assert_false(er_slice_eq(url, key_for("key\nhttp://shop.example/x y?q\n", "r", "shop.example", "/2")));
	er_request req = {.scheme = ER_LIT("https"), .authority = ER_LIT("shop.example")};
	er_slice common = er_key_of(&arena, 1, ER_LIT("shop"), &req, ER_LIT("/p"), (er_slice){0});
	assert_false(er_slice_eq(common, key_for("key\nhttps://shop.example/p\n", "r", "shop.example", "/p")));
	er_slice apart = key_for("ttl\n1\n", "r", "shop.example", "/p");
	assert_true(er_slice_eq(er_key_where(apart), ER_LIT("shop.example/p")));
	assert_false(er_slice_eq(apart, common));
	assert_false(er_slice_eq(apart, key_for("ttl\n1\nresolve\nb.example\n", "r", "shop.example", "/p")));
}

/* What is stored of a question that follows redirects is not the redirect, nor the other way. */
static void what_becomes_of_a_redirect_is_in_the_key_of_a_foreign_answer(void **state)
{
	(void)state;
	static const char *const wishes[] = {"key\na\n", "ttl\n1\n"};
	er_request req = {.scheme = ER_LIT("https"), .authority = ER_LIT("api.example")};
	for (size_t i = 0; i < 2; i++)
		for (unsigned foreign = 0; foreign < 2; foreign++) {
			assert_true(read_text(er_slice_cstr(wishes[i])));
			w.owner = ER_LIT("r");
			w.foreign = foreign;
			er_slice keys[3];
			for (unsigned k = 0; k < 3; k++) {
				er_wishes all = {.cache = &w, .redirect = (er_redirect)k};
				keys[k] = er_key_apart(&arena, 1, (er_slice){0}, &req, ER_LIT("/p"), (er_slice){0}, &all);
			}
			for (unsigned k = 0; k < 3; k++) {
				assert_int_equal(er_slice_eq(keys[k], keys[(k + 1) % 3]), !foreign);
				assert_true(er_slice_eq(er_key_where(keys[k]), er_key_where(keys[0])));
			}
		}
}

static void a_routine_that_is_made_anew_has_no_key_of_the_one_before(void **state)
{
	(void)state;
	static const char *const wishes[] = {"key\na\n", "ttl\n1\n"};
	er_request req = {.scheme = ER_LIT("https"), .authority = ER_LIT("shop.example")};
	for (size_t i = 0; i < 3; i++) {
		er_slice keys[3], owner;
		for (size_t k = 0; k < 3; k++) {
			assert_true(read_text(er_slice_cstr(wishes[i % 2])));
			w.owner = ER_LIT("r");
			w.born = (uint64_t[]){0, 7, 71}[k];
			w.store = i == 2 ? ER_LIT("1") : (er_slice){0};
			w.key = i == 2 ? (er_slice){0} : w.key;
			keys[k] = er_key_apart(&arena, 1, ER_LIT("shop"), &req, ER_LIT("/p"), (er_slice){0}, &(er_wishes){.cache = &w});
			uint8_t scope;
			assert_true(er_key_owner(keys[k], &scope, &owner));
			assert_true(er_slice_eq(owner, ER_LIT("r")));
			if (i == 2)
				assert_true(er_slice_eq(er_key_scheme(keys[k]), ER_LIT("https")));
		}
		assert_false(er_slice_eq(keys[0], keys[1]));
		assert_false(er_slice_eq(keys[1], keys[2]));
		assert_false(er_slice_starts(keys[2], er_key_store(keys[1])));
	}
}

static void tags_of_routines_are_added_once_and_bounded(void **state)
{
	(void)state;
	er_fields response = {0};
	er_fields_add(&response, &arena, ER_LIT("cache-tag"), ER_LIT("a, b"));
	er_scopes s = er_scopes_of(&arena, ER_LIT("h/"), 1, &response);
	assert_int_equal(s.n_tags, 2);
	assert_true(er_scopes_add_tags(&arena, &s, ER_LIT("b,c")));
	assert_true(er_scopes_add_tags(&arena, &s, ER_LIT("c")));
	assert_true(er_scopes_add_tags(&arena, &s, (er_slice){0}));
	assert_int_equal(s.n_tags, 3);
	er_buf b = {0};
	for (int i = 0; i < ER_PURGE_TAGS - 1; i++)
		er_buf_printf(&b, "%d,", i);
	response.n = 0;
	er_fields_add(&response, &arena, ER_LIT("cache-tag"), er_arena_copy(&arena, er_buf_slice(&b)));
	er_buf_fini(&b);
	s = er_scopes_of(&arena, ER_LIT("h/"), 1, &response);
	assert_false(er_scopes_add_tags(&arena, &s, ER_LIT("x,y")));
	assert_true(er_scopes_add_tags(&arena, &s, ER_LIT("x")));
	assert_int_equal(s.n_tags, ER_PURGE_TAGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(wishes_come_back_as_they_were_said, empty_arena),
	    cmocka_unit_test_teardown(what_is_malformed_or_too_much_is_refused, empty_arena),
	    cmocka_unit_test_teardown(a_wished_lifetime_goes_over_what_is_said_of_storing_but_not_over_a_cookie, empty_arena),
	    cmocka_unit_test_teardown(keys_of_routines_are_apart_and_purges_find_them, empty_arena),
	    cmocka_unit_test_teardown(what_becomes_of_a_redirect_is_in_the_key_of_a_foreign_answer, empty_arena),
	    cmocka_unit_test_teardown(a_routine_that_is_made_anew_has_no_key_of_the_one_before, empty_arena),
	    cmocka_unit_test_teardown(tags_of_routines_are_added_once_and_bounded, empty_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
