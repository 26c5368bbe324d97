/* The cache between clients and an origin: what is stored and for whom, who waits for whom, and
 * what happens when somebody leaves or something breaks off. */
#include "cache_harness.h"

#include "cache/key.h"

#include "state_walk.h"

#define GOOD "Cache-Control: max-age=60\n"
/* Long ago: stale, and may be used while it is validated, or when the origin fails. */
#define STALE_WHILE "Cache-Control: max-age=10, stale-while-revalidate=60\nAge: 20\n"
#define STALE_ERROR "Cache-Control: max-age=10, stale-if-error=60\nAge: 20\n"
#define ALWAYS_ASK "Cache-Control: no-cache\nETag: \"1\"\n"

static void an_event_that_cannot_be_in_a_fill_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_fill_states);
}

static void what_was_asked_once_is_not_asked_again(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		world w;
		world_open(&w);
		client c = {0};
		if (at_once) {
			w.status = 200;
			w.fields = GOOD "Server: x\n";
			w.text = "hello";
		}
		client_ask(&c, &w, "GET", "/a", "");
		if (!at_once)
			origin_answer(&w.asked[0], 200, GOOD "Server: x\n", "hello");
		UNTIL(&w, c.ended);
		assert_answer(&c, 200, "fwd=uri-miss; fwd-status=200; stored", "hello");
		client_leave(&c);
		client_ask(&c, &w, "GET", "/a", "");
		assert_answer(&c, 200, "hit", "hello");
		assert_string_equal(field(&c, "server"), "x");
		assert_string_equal(field(&c, "age"), "0");
		client_leave(&c);
		client_ask(&c, &w, "HEAD", "/a", "");
		assert_true(c.answered);
		assert_int_equal(c.x->res.status, 200);
		assert_int_equal(er_body_length(c.x->res.body), 5);
		client_leave(&c);
		assert_int_equal(w.n_asked, 1);
		const er_cache_stats *n = er_cache_statistics(w.cache);
		assert_int_equal(n->hits, 2);
		assert_int_equal(n->misses, 1);
		assert_int_equal(n->passed + n->stale + n->validated + n->collapsed, 0);
		world_close(&w);
	}
}

static void requests_for_one_url_wait_for_one_question_and_read_it_while_it_comes(void **state)
{
	(void)state;
	enum { N = 20 };
	world w;
	world_open(&w);
	client c[N] = {0}, late = {0};
	for (unsigned i = 0; i < N; i++)
		client_ask(&c[i], &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 1);
	origin_head(&w.asked[0], 200, GOOD, ER_BODY_UNKNOWN);
	for (unsigned i = 0; i < N; i++)
		UNTIL(&w, c[i].answered);
	client_ask(&late, &w, "GET", "/a", ""); /* behind the head, before the end */
	assert_true(late.answered);
	for (unsigned k = 1; k <= 30; k++) {
		origin_write(&w.asked[0], 10000);
		for (unsigned i = 0; i < N; i++)
			UNTIL(&w, er_buf_slice(&c[i].got).n == 10000 * k);
	}
	UNTIL(&w, er_buf_slice(&late.got).n == 300000);
	assert_false(late.ended);
	origin_end(&w.asked[0], ER_ERR_OK);
	for (unsigned i = 0; i < N; i++) {
		UNTIL(&w, c[i].ended);
		assert_answer(&c[i], 200, i == 0 ? "stored" : "collapsed", NULL);
		assert_pattern(&c[i], 0, 300000);
		client_leave(&c[i]);
	}
	UNTIL(&w, late.ended);
	assert_answer(&late, 200, "hit", NULL);
	client_leave(&late);
	assert_int_equal(er_cache_statistics(w.cache)->collapsed, N - 1);
	assert_int_equal(w.n_asked, 1);
	world_close(&w);
}

static void an_answer_for_one_is_given_to_nobody_else(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[4] = {0};
	for (unsigned i = 0; i < 4; i++)
		client_ask(&c[i], &w, "GET", "/a", "Cookie: x\n");
	assert_int_equal(w.n_asked, 1);
	origin_answer(&w.asked[0], 200, "Cache-Control: private, max-age=60\n", "yours");
	UNTIL(&w, w.n_asked == 4); /* each for itself, at once */
	assert_answer(&c[0], 200, "detail=private", "yours");
	for (unsigned i = 1; i < 4; i++) {
		char text[16];
		snprintf(text, sizeof text, "of %u", i);
		assert_false(c[i].answered);
		origin_answer(&w.asked[i], 200, "Cache-Control: private, max-age=60\n", text);
		assert_answer(&c[i], 200, "fwd=uri-miss", text);
	}
	for (unsigned i = 0; i < 4; i++)
		client_leave(&c[i]);
	world_close(&w);
}

static void an_answer_that_breaks_off_is_not_kept(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[3] = {0};
	for (unsigned i = 0; i < 2; i++)
		client_ask(&c[i], &w, "GET", "/a", "");
	origin_head(&w.asked[0], 200, GOOD, 1000);
	origin_write(&w.asked[0], 500);
	for (unsigned i = 0; i < 2; i++)
		UNTIL(&w, er_buf_slice(&c[i].got).n == 500);
	origin_end(&w.asked[0], ER_ERR_RESPONSE);
	for (unsigned i = 0; i < 2; i++)
		UNTIL(&w, c[i].failed);
	client_ask(&c[2], &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 2);
	origin_answer(&w.asked[1], 200, GOOD, "whole");
	assert_answer(&c[2], 200, "stored", "whole");
	for (unsigned i = 0; i < 3; i++)
		client_leave(&c[i]);
	assert_int_equal(er_index_statistics(w.index).objects, 1);
	world_close(&w);
}

/* Who waits must not get half of an answer when another one would have been to be had. */
static void who_waited_for_what_broke_off_asks_anew(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client first = {0}, second = {0};
	client_ask(&first, &w, "GET", "/a", "");
	client_ask(&second, &w, "GET", "/a", "");
	origin_head(&w.asked[0], 200, GOOD, 1000);
	origin_write(&w.asked[0], 500);
	origin_end(&w.asked[0], ER_ERR_RESPONSE); /* before the second one hears of the head */
	UNTIL(&w, w.n_asked == 2);
	assert_true(first.failed);
	origin_answer(&w.asked[1], 200, GOOD, "whole");
	assert_answer(&second, 200, "stored", "whole");
	client_leave(&first);
	client_leave(&second);
	world_close(&w);
}

static void an_origin_that_fails_fails_for_all_that_wait(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		world w;
		world_open(&w);
		client c[3] = {0};
		for (unsigned i = 0; i < 3; i++)
			client_ask(&c[i], &w, "GET", "/a", "");
		if (how == 0) {
			origin_fail(&w.asked[0]);
		} else {
			er_exchange *x = w.asked[0].x;
			w.asked[0].x = NULL;
			x->on_cancel = NULL;
			er_exchange_break(x, ER_ERR_CONNECT);
			er_exchange_unref(x);
		}
		for (unsigned i = 0; i < 3; i++) {
			UNTIL(&w, c[i].ended);
			assert_answer(&c[i], 502, "fwd=uri-miss", NULL);
			assert_int_equal(c[i].x->res.error, ER_ERR_CONNECT);
			client_leave(&c[i]);
		}
		assert_int_equal(w.n_asked, 1);
		assert_int_equal(er_cache_statistics(w.cache)->collapsed, 2);
		w.status = 200;
		w.fields = GOOD;
		w.text = "back";
		assert_gets(&w, "/a", "", "stored", "back");
		world_close(&w);
	}
}

/* The URL was remembered as private for ten seconds: nothing was stored when the
 * origin was back. */
static void an_error_of_the_origin_says_nothing_of_its_next_answer(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 503, "", "down");
	assert_answer(&c, 503, "detail=status", "down");
	client_leave(&c);
	w.status = 200;
	w.fields = GOOD;
	w.text = "back";
	assert_gets(&w, "/a", "", "stored", "back");
	world_close(&w);
}

/* First or waiting, before the head, behind it, behind the end: the others get theirs. */
static void a_client_may_leave_at_any_moment(void **state)
{
	(void)state;
	for (unsigned who = 0; who < 3; who++) {
		for (unsigned when = 0; when < 4; when++) {
			world w;
			world_open(&w);
			client c[3] = {0};
			for (unsigned i = 0; i < 3; i++)
				client_ask(&c[i], &w, "GET", "/a", "");
			if (when == 0)
				client_leave(&c[who]);
			origin_head(&w.asked[0], 200, GOOD, 1000);
			if (when == 1) /* its wait is posted, perhaps */
				client_leave(&c[who]);
			some_turns(&w);
			origin_write(&w.asked[0], 500);
			some_turns(&w);
			if (when == 2)
				client_leave(&c[who]);
			origin_write(&w.asked[0], 500);
			origin_end(&w.asked[0], ER_ERR_OK);
			some_turns(&w);
			for (unsigned i = 0; i < 3; i++)
				if (c[i].x != NULL)
					assert_pattern(&c[i], 0, 1000);
			for (unsigned i = 0; i < 3; i++)
				client_leave(&c[i]);
			client again = {0};
			client_ask(&again, &w, "GET", "/a", "");
			assert_answer(&again, 200, "hit", NULL);
			client_leave(&again);
			assert_int_equal(w.n_asked, 1);
			world_close(&w);
		}
	}
}

/* From inside of its answer, whatever that is: stored at once or later, a hit, its own alone. */
static void a_client_may_leave_inside_of_its_answer(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		static const char *const kinds[] = {GOOD, "Cache-Control: private\n", STALE_WHILE};
		for (unsigned kind = 0; kind < 3; kind++) {
			world w;
			world_open(&w);
			client c[3] = {{.goes = true}, {.goes = true}, {.goes = false}};
			if (at_once) {
				w.status = 200;
				w.fields = kinds[kind];
				w.text = "text";
			}
			for (unsigned i = 0; i < 3; i++)
				client_ask(&c[i], &w, "GET", "/a", "");
			for (unsigned i = 0; i < 3; i++)
				while (!c[i].answered) {
					turn(&w);
					for (unsigned k = 0; k < w.n_asked; k++)
						if (w.asked[k].x != NULL)
							origin_answer(&w.asked[k], 200, kinds[kind], "text");
				}
			assert_answer(&c[2], 200, NULL, "text");
			for (unsigned i = 0; i < 3; i++)
				client_leave(&c[i]);
			for (unsigned k = 0; k < w.n_asked; k++)
				if (w.asked[k].x != NULL)
					origin_answer(&w.asked[k], 200, GOOD, "text");
			world_close(&w);
		}
	}
}

static void early_hints_reach_who_began_the_question(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[2] = {0};
	for (unsigned i = 0; i < 2; i++)
		client_ask(&c[i], &w, "GET", "/a", "");
	er_exchange_inform(w.asked[0].x, 103, &(er_fields){0});
	assert_int_equal(c[0].informed, 1);
	assert_int_equal(c[1].informed, 0);
	client_leave(&c[0]);
	er_exchange_inform(w.asked[0].x, 103, &(er_fields){0}); /* to nobody */
	origin_answer(&w.asked[0], 200, GOOD, "text");
	assert_answer(&c[1], 200, "collapsed", "text");
	client_leave(&c[1]);
	world_close(&w);
}

static void a_question_for_one_ends_with_its_client(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "POST", "/a", "");
	assert_false(w.asked[0].cancelled);
	client_leave(&c);
	assert_true(w.asked[0].cancelled);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=0-1\n");
	client_leave(&c);
	assert_true(w.asked[1].cancelled);
	world_close(&w);
}

static void what_nobody_wants_any_more_is_not_fetched_to_its_end(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		world w;
		world_open(&w);
		client c = {0};
		client_ask(&c, &w, "GET", "/a", "");
		origin_head(&w.asked[0], 200, GOOD, known ? OBJECT_MOST * 3 : ER_BODY_UNKNOWN);
		client_leave(&c);
		for (unsigned i = 0; i < 100 && w.asked[0].source != NULL; i++) {
			origin_write(&w.asked[0], 50000);
			turn(&w);
		}
		assert_true(w.asked[0].cancelled);
		world_close(&w);
	}
}

static void what_is_stale_is_used_while_it_is_validated(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, STALE_WHILE "ETag: \"1\"\n", "old");
	client_leave(&c);
	for (unsigned i = 0; i < 3; i++) /* one question behind it, however many come */
		assert_gets(&w, "/a", "", "hit", "old");
	assert_int_equal(w.n_asked, 2);
	const er_slice *etag = er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match"));
	assert_true(etag != NULL && er_slice_eq(*etag, ER_LIT("\"1\"")));
	origin_answer(&w.asked[1], 200, GOOD, "new");
	assert_gets(&w, "/a", "", "hit", "new");
	assert_int_equal(w.n_asked, 2);
	assert_int_equal(er_cache_statistics(w.cache)->stale, 3);
	world_close(&w);
}

/* A HEAD was sent on as a HEAD, whose answer cannot be stored: the response left the store. */
static void whatever_request_finds_something_stale_it_is_validated_for_all(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, STALE_WHILE "ETag: \"1\"\n", "old");
	assert_answer(&c, 200, "stored", "old");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Cache-Control: only-if-cached\n");
	assert_answer(&c, 200, "hit", "old");
	client_leave(&c);
	assert_int_equal(w.n_asked, 1);
	client_ask(&c, &w, "HEAD", "/a", "Range: bytes=0-1\nIf-None-Match: \"2\"\n");
	assert_int_equal(c.x->res.status, 200);
	client_leave(&c);
	assert_int_equal(w.n_asked, 2);
	assert_true(er_slice_eq(w.asked[1].x->req.method, ER_LIT("GET")));
	assert_null(er_fields_get(&w.asked[1].fields, ER_LIT("range")));
	assert_true(er_slice_eq(*er_fields_get(&w.asked[1].fields, ER_LIT("if-none-match")), ER_LIT("\"1\"")));
	origin_answer(&w.asked[1], 304, GOOD, NULL);
	assert_gets(&w, "/a", "", "hit", "old");
	assert_int_equal(w.n_asked, 2);
	world_close(&w);
}

static void what_is_stale_is_used_when_the_origin_fails(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		world w;
		world_open(&w);
		client c[2] = {0};
		client_ask(&c[0], &w, "GET", "/a", "");
		origin_answer(&w.asked[0], 200, STALE_ERROR, "old");
		client_leave(&c[0]);
		for (unsigned i = 0; i < 2; i++)
			client_ask(&c[i], &w, "GET", "/a", "");
		assert_int_equal(w.n_asked, 2);
		if (how == 0)
			origin_fail(&w.asked[1]);
		else
			origin_answer(&w.asked[1], 503, "", "down");
		for (unsigned i = 0; i < 2; i++) {
			UNTIL(&w, c[i].ended);
			assert_answer(&c[i], 200, "fwd=stale", "old");
			client_leave(&c[i]);
		}
		w.status = 200;
		w.fields = GOOD;
		w.text = "new";
		assert_gets(&w, "/a", "", "stored", "new");
		world_close(&w);
	}
}

/* How 1: what was stored is purged before the body breaks off. */
static void a_body_that_breaks_off_takes_nothing_from_the_store(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		world w;
		world_open(&w);
		client c[4] = {0};
		client_ask(&c[0], &w, "GET", "/a", "");
		origin_answer(&w.asked[0], 200, STALE_ERROR, "old");
		client_ask(&c[1], &w, "GET", "/a", "");
		origin_head(&w.asked[1], 200, GOOD, 10);
		origin_write(&w.asked[1], 4);
		if (how == 1) {
			client_ask(&c[3], &w, "POST", "/a", "");
			origin_answer(&w.asked[2], 200, "", "done");
		}
		origin_end(&w.asked[1], ER_ERR_RESPONSE);
		UNTIL(&w, c[1].failed);
		unsigned n = w.n_asked;
		client_ask(&c[2], &w, "GET", "/a", "");
		assert_int_equal(w.n_asked, n + 1);
		origin_fail(&w.asked[n]);
		UNTIL(&w, c[2].ended);
		if (how == 0)
			assert_answer(&c[2], 200, "fwd=stale", "old");
		else
			assert_int_equal(c[2].x->res.status, 502);
		for (unsigned i = 0; i < (how == 1 ? 4 : 3); i++)
			client_leave(&c[i]);
		world_close(&w);
	}
}

static void an_origin_that_says_unchanged_is_believed(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[3] = {0};
	client_ask(&c[0], &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, ALWAYS_ASK "X: 1\nContent-Type: text/a\n", "text");
	client_leave(&c[0]);
	for (unsigned i = 0; i < 3; i++)
		client_ask(&c[i], &w, "GET", "/a", i == 2 ? "If-None-Match: \"1\"\n" : "");
	assert_int_equal(w.n_asked, 2);
	origin_answer(&w.asked[1], 304, "Cache-Control: max-age=60\nETag: \"1\"\nX: 2\nContent-Type: text/b\nContent-Length: 99\n",
	              NULL);
	for (unsigned i = 0; i < 3; i++) {
		UNTIL(&w, c[i].ended);
		assert_answer(&c[i], i == 2 ? 304 : 200, i == 0 ? "fwd=stale; fwd-status=304; stored" : "collapsed",
		              i == 2 ? "" : "text");
		assert_string_equal(field(&c[i], "x"), "2");
		if (i < 2)
			assert_string_equal(field(&c[i], "content-type"), "text/a");
		client_leave(&c[i]);
	}
	assert_gets(&w, "/a", "", "hit", "text");
	assert_int_equal(w.n_asked, 2);
	assert_int_equal(er_cache_statistics(w.cache)->validated, 1);
	assert_int_equal(er_index_statistics(w.index).objects, 1);
	world_close(&w);
}

/* The 304 says that what is stored is for one client now. */
static void what_turns_out_private_by_a_validation_is_not_kept(void **state)
{
	(void)state;
	static const char *const says[] = {"Cache-Control: private, max-age=60\n", "Cache-Control: no-store\n", "Vary: *\n"};
	for (unsigned i = 0; i < 3; i++) {
		world w;
		world_open(&w);
		client first = {0}, second = {0};
		client_ask(&first, &w, "GET", "/a", "");
		origin_answer(&w.asked[0], 200, ALWAYS_ASK, "text");
		assert_answer(&first, 200, "stored", "text");
		client_leave(&first);
		client_ask(&first, &w, "GET", "/a", "Cookie: 1\n");
		client_ask(&second, &w, "GET", "/a", "Cookie: 2\n");
		assert_int_equal(w.n_asked, 2);
		origin_answer(&w.asked[1], 304, says[i], NULL);
		assert_answer(&first, 200, "detail=", "text");
		UNTIL(&w, w.n_asked == 3);
		origin_answer(&w.asked[2], 200, "Cache-Control: private\n", "of 2");
		assert_answer(&second, 200, NULL, "of 2");
		client_leave(&first);
		client_leave(&second);
		assert_int_equal(er_index_statistics(w.index).objects, 0);
		world_close(&w);
	}
}

/* A stranger must not be able to turn the store off for a URL. */
static void a_request_that_is_not_to_be_stored_leaves_the_store_as_it_is(void **state)
{
	(void)state;
	static const char *const asks[] = {"Cache-Control: no-store\n", "Authorization: x\n"};
	for (unsigned i = 0; i < 2; i++) {
		world w;
		world_open(&w);
		w.status = 200;
		w.fields = GOOD;
		w.text = "text";
		assert_gets(&w, "/a", asks[i], NULL, "text");
		assert_gets(&w, "/a", "", "stored", "text");
		w.fields = "Cache-Control: max-age=10\nAge: 20\nETag: \"1\"\n";
		assert_gets(&w, "/b", "", "stored", "text");
		assert_gets(&w, "/b", asks[i], NULL, "text");
		w.status = 304;
		w.fields = "Cache-Control: max-age=60\n";
		w.text = NULL;
		client c = {0};
		client_ask(&c, &w, "GET", "/b", asks[i]);
		client_leave(&c);
		assert_gets(&w, "/b", "", "fwd=stale", "text");
		assert_gets(&w, "/b", "", "hit", "text");
		world_close(&w);
	}
}

/* Each wait was counted from the start, and a hundred requests with a Cookie each were answered one
 * behind the other. */
static void many_variants_do_not_wait_for_each_other_for_ever(void **state)
{
	(void)state;
	enum { N = 30, ROUNDS = 5 };
	world w;
	world_open(&w);
	client c[N] = {0};
	for (unsigned i = 0; i < N; i++) {
		char cookie[32];
		snprintf(cookie, sizeof cookie, "Cookie: %u\n", i);
		client_ask(&c[i], &w, "GET", "/a", cookie);
	}
	unsigned answered = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned n = w.n_asked; answered < n; answered++)
			origin_answer(&w.asked[answered], 200, GOOD "Vary: Cookie\n", "text");
		some_turns(&w);
	}
	for (unsigned i = 0; i < N; i++) {
		assert_true(c[i].ended);
		client_leave(&c[i]);
	}
	assert_int_equal(w.n_asked, N);
	world_close(&w);
}

static void a_range_is_cut_from_what_is_stored(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "");
	origin_answer(&w.asked[0], 200, GOOD "ETag: \"1\"\n", "0123456789");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=2-4\n");
	assert_answer(&c, 206, "hit", "234");
	assert_string_equal(field(&c, "content-range"), "bytes 2-4/10");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=10-\n");
	assert_answer(&c, 416, "hit", "");
	assert_string_equal(field(&c, "content-range"), "bytes */10");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=2-4\nIf-Range: \"2\"\n");
	assert_answer(&c, 200, "hit", "0123456789");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/a", "Range: bytes=2-4\nIf-None-Match: \"1\"\n");
	assert_answer(&c, 304, "hit", "");
	client_leave(&c);
	client_ask(&c, &w, "HEAD", "/a", "Range: bytes=2-4\n");
	assert_int_equal(c.x->res.status, 200);
	client_leave(&c);
	assert_int_equal(w.n_asked, 1);
	/* A part is not taken for the whole. */
	client_ask(&c, &w, "GET", "/b", "Range: bytes=2-4\n");
	assert_non_null(er_fields_get(&w.asked[1].fields, ER_LIT("range")));
	origin_answer(&w.asked[1], 206, GOOD "Content-Range: bytes 2-4/10\n", "234");
	assert_answer(&c, 206, "fwd=uri-miss", "234");
	client_leave(&c);
	client_ask(&c, &w, "GET", "/b", "");
	assert_int_equal(w.n_asked, 3);
	origin_answer(&w.asked[2], 200, GOOD, "0123456789");
	client_leave(&c);
	world_close(&w);
}

static void an_unsafe_request_voids_what_is_stored(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 200;
	w.fields = GOOD;
	w.text = "old";
	static const char *const targets[] = {"/a", "/b?q", "/c", "/d"};
	for (unsigned i = 0; i < 4; i++)
		assert_gets(&w, targets[i], "", "stored", "old");
	client c = {0};
	w.status = 403; /* it did not go well */
	client_ask(&c, &w, "DELETE", "/a", "");
	client_leave(&c);
	w.status = 200;
	assert_gets(&w, "/a", "", "hit", "old");
	w.status = 201;
	w.fields = "Location: b?q\nContent-Location: http://a.example/c\n";
	client_ask(&c, &w, "POST", "/a", "");
	assert_answer(&c, 201, "fwd=method", NULL);
	client_leave(&c);
	w.fields = "Location: http://b.example/d\n"; /* of another origin */
	client_ask(&c, &w, "PUT", "/x", "");
	client_leave(&c);
	w.status = 200;
	w.fields = GOOD;
	w.text = "new";
	for (unsigned i = 0; i < 3; i++)
		assert_gets(&w, targets[i], "", "stored", "new");
	assert_gets(&w, "/d", "", "hit", "old");
	world_close(&w);
}

static void an_unsafe_request_voids_also_what_is_on_its_way(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client before = {0}, post = {0}, after = {0};
	client_ask(&before, &w, "GET", "/a", "");
	client_ask(&post, &w, "POST", "/a", "");
	origin_answer(&w.asked[1], 204, "", NULL);
	client_ask(&after, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 3); /* does not wait for what was asked before */
	origin_answer(&w.asked[0], 200, GOOD, "old");
	assert_answer(&before, 200, NULL, "old");
	origin_answer(&w.asked[2], 200, GOOD, "new");
	assert_answer(&after, 200, "stored", "new");
	client_leave(&before);
	client_leave(&post);
	client_leave(&after);
	assert_gets(&w, "/a", "", "hit", "new");
	world_close(&w);
}

static void what_is_too_large_passes_by(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		world w;
		world_open(&w);
		client c[2] = {0};
		for (unsigned i = 0; i < 2; i++)
			client_ask(&c[i], &w, "GET", "/a", "");
		origin_head(&w.asked[0], 200, GOOD, known ? OBJECT_MOST * 3 : ER_BODY_UNKNOWN);
		if (known) { /* each for itself */
			UNTIL(&w, w.n_asked == 2);
			assert_non_null(strstr(field(&c[0], "cache-status"), "detail=too-large"));
			origin_head(&w.asked[1], 200, GOOD, OBJECT_MOST * 3);
		}
		for (unsigned i = 0; i < 2; i++)
			UNTIL(&w, c[i].answered);
		for (unsigned k = 0; k < OBJECT_MOST * 3 / 65536; k++) {
			for (unsigned i = 0; i < w.n_asked; i++) {
				UNTIL(&w, !w.asked[i].full);
				origin_write(&w.asked[i], 65536);
			}
		}
		for (unsigned i = 0; i < w.n_asked; i++)
			origin_end(&w.asked[i], ER_ERR_OK);
		for (unsigned i = 0; i < 2; i++) {
			UNTIL(&w, c[i].ended);
			assert_pattern(&c[i], 0, OBJECT_MOST * 3);
			client_leave(&c[i]);
		}
		assert_int_equal(er_index_statistics(w.index).objects, 0);
		world_close(&w);
	}
}

/* The origin is not read faster than the slowest client, but for a window. */
static void a_slow_client_of_what_passes_by_bounds_what_is_read(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {.holds = true};
	client_ask(&c, &w, "GET", "/a", "");
	origin_head(&w.asked[0], 200, GOOD, ER_BODY_UNKNOWN);
	for (unsigned k = 0; k < 1000 && !w.asked[0].full; k++) {
		origin_write(&w.asked[0], 65536);
		some_turns(&w);
	}
	assert_true(w.asked[0].full);
	assert_true(w.asked[0].wrote < OBJECT_MOST + (4 << 20));
	c.holds = false;
	client_read(&c);
	UNTIL(&w, !w.asked[0].full);
	origin_end(&w.asked[0], ER_ERR_OK);
	UNTIL(&w, c.ended);
	assert_pattern(&c, 0, w.asked[0].wrote);
	client_leave(&c);
	world_close(&w);
}

/* One that reads nothing holds up the others for some seconds, and is cut then. */
static void a_client_that_does_not_read_cannot_stop_the_others(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client stuck = {.holds = true}, reads = {0};
	client_ask(&stuck, &w, "GET", "/a", "");
	client_ask(&reads, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 1);
	origin_head(&w.asked[0], 200, GOOD, ER_BODY_UNKNOWN);
	for (unsigned k = 0; k < 1000 && !w.asked[0].full; k++) {
		origin_write(&w.asked[0], 65536);
		some_turns(&w);
	}
	assert_true(w.asked[0].full);
	UNTIL(&w, !w.asked[0].full);
	origin_end(&w.asked[0], ER_ERR_OK);
	UNTIL(&w, reads.ended);
	assert_pattern(&reads, 0, w.asked[0].wrote);
	stuck.holds = false;
	client_read(&stuck);
	UNTIL(&w, stuck.failed);
	assert_true(er_buf_len(&stuck.got) < w.asked[0].wrote);
	client_leave(&reads);
	client_leave(&stuck);
	world_close(&w);
}

/* What is on its way counts, by what its length says or as it comes: else many at once took any
 * amount of memory. */
static void what_is_on_its_way_counts_as_stored(void **state)
{
	(void)state;
	enum { N = 20, BYTES = OBJECT_MOST - 100000 };
	for (int known = 0; known < 2; known++) {
		world w;
		world_open(&w);
		client c[N] = {0};
		for (unsigned i = 0; i < N; i++) {
			char path[8];
			snprintf(path, sizeof path, "/%u", i);
			client_ask(&c[i], &w, "GET", path, "");
			origin_head(&w.asked[i], 200, GOOD, known ? BYTES : ER_BODY_UNKNOWN);
		}
		if (known)
			assert_true(er_index_statistics(w.index).bytes > STORE_BYTES - OBJECT_MOST);
		for (unsigned k = 0; k * 50000 < BYTES; k++) {
			for (unsigned i = 0; i < N; i++) {
				UNTIL(&w, !w.asked[i].full);
				origin_write(&w.asked[i], k * 50000 + 50000 < BYTES ? 50000 : BYTES - k * 50000);
			}
			turn(&w);
			uint64_t all = 0;
			for (unsigned i = 0; i < N; i++)
				all += w.asked[i].wrote;
			er_index_stats n = er_index_statistics(w.index);
			assert_true(n.bytes <= STORE_BYTES);
			if (all > STORE_BYTES * 2)
				assert_true(n.bytes > STORE_BYTES / 2);
		}
		for (unsigned i = 0; i < N; i++) {
			origin_end(&w.asked[i], ER_ERR_OK);
			UNTIL(&w, c[i].ended);
			assert_pattern(&c[i], 0, BYTES);
			client_leave(&c[i]);
		}
		assert_true(er_index_statistics(w.index).evicted > 0);
		assert_true(er_index_statistics(w.index).objects > 2);
		world_close(&w);
	}
}

static void a_request_that_waits_may_find_that_all_has_passed_by(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client first = {0}, second = {0};
	client_ask(&first, &w, "GET", "/a", "");
	client_ask(&second, &w, "GET", "/a", "");
	client_leave(&first);
	origin_head(&w.asked[0], 200, GOOD, ER_BODY_UNKNOWN);
	/* in one turn of the loop: the second one has not heard of it */
	while (w.asked[0].wrote < OBJECT_MOST * 2)
		origin_write(&w.asked[0], 65536);
	assert_false(second.answered);
	UNTIL(&w, w.n_asked == 2);
	origin_answer(&w.asked[1], 200, GOOD, "short now");
	assert_answer(&second, 200, "stored", "short now");
	client_leave(&second);
	world_close(&w);
}

/* The head that a 304 has renewed has the body that is still on its way. */
static void a_renewed_response_whose_body_breaks_off_is_fetched_anew(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client first = {0}, second = {0}, third = {0};
	client_ask(&first, &w, "GET", "/a", "");
	origin_head(&w.asked[0], 200, ALWAYS_ASK, 1000);
	origin_write(&w.asked[0], 500);
	client_ask(&second, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 2);
	origin_answer(&w.asked[1], 304, "Cache-Control: max-age=60\n", NULL);
	UNTIL(&w, second.answered);
	origin_end(&w.asked[0], ER_ERR_RESPONSE);
	UNTIL(&w, first.failed && second.failed);
	client_ask(&third, &w, "GET", "/a", "");
	assert_int_equal(w.n_asked, 3);
	origin_answer(&w.asked[2], 200, GOOD, "whole");
	assert_answer(&third, 200, "stored", "whole");
	client_leave(&first);
	client_leave(&second);
	client_leave(&third);
	world_close(&w);
}

static void each_variant_goes_to_those_that_select_it(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 200;
	w.fields = GOOD "Vary: Foo\n";
	w.text = "one";
	assert_gets(&w, "/a", "Foo: 1\n", "fwd=uri-miss", "one");
	w.text = "two";
	assert_gets(&w, "/a", "Foo: 2\n", "fwd=vary-miss", "two");
	w.text = "none";
	assert_gets(&w, "/a", "", "fwd=vary-miss", "none");
	assert_gets(&w, "/a", "Foo: 1\n", "hit", "one");
	assert_gets(&w, "/a", "Foo: 2\n", "hit", "two");
	assert_gets(&w, "/a", "", "hit", "none");
	world_close(&w);
}

/* The node says who the client is; what a client says of itself must not choose another
 * one's answer. */
static void what_varies_on_the_client_is_given_to_nobody_else(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 200;
	w.fields = GOOD "Vary: X-Forwarded-For\n";
	w.fields = GOOD "Vary: X-Forwarded-Proto, X-Forwarded-Host\n"; /* part of the URL */
	w.text = "of all";
	assert_gets(&w, "/b", "", "stored", "of all");
	assert_gets(&w, "/b", "X-Forwarded-Proto: https\n", "hit", "of all");
	w.fields = GOOD "Vary: X-Forwarded-For\n";
	w.forwards = "192.0.2.1";
	w.text = "of 1";
	assert_gets(&w, "/a", "", "detail=vary", "of 1");
	w.forwards = "192.0.2.2";
	w.text = "of 2";
	assert_gets(&w, "/a", "X-Forwarded-For: 192.0.2.1\n", NULL, "of 2");
	assert_gets(&w, "/a", "", NULL, "of 2");
	world_close(&w);
}

/* It waited for another variant, and meanwhile its own came. */
static void what_came_while_a_request_waited_is_a_hit(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[3] = {0};
	client_ask(&c[0], &w, "GET", "/a", "Foo: 1\n");
	client_ask(&c[1], &w, "GET", "/a", "Foo: 2\n");
	client_ask(&c[2], &w, "GET", "/a", "Foo: 2\n");
	origin_answer(&w.asked[0], 200, GOOD "Vary: Foo\n", "one");
	w.status = 200;
	w.fields = STALE_WHILE "Vary: Foo\n";
	w.text = "two";
	assert_answer(&c[0], 200, "stored", "one");
	assert_answer(&c[1], 200, "fwd=vary-miss", "two");
	assert_answer(&c[2], 200, "hit", "two");
	const er_cache_stats *n = er_cache_statistics(w.cache);
	assert_int_equal(n->hits + n->stale + n->misses + n->collapsed, 3);
	assert_int_equal(n->stale, 1);
	assert_int_equal(w.n_asked, 3); /* the stale one is validated behind it */
	for (unsigned i = 0; i < 3; i++)
		client_leave(&c[i]);
	world_close(&w);
}

static void only_if_cached_asks_nobody(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c = {0};
	client_ask(&c, &w, "GET", "/a", "Cache-Control: only-if-cached\n");
	assert_answer(&c, 504, NULL, NULL);
	client_leave(&c);
	assert_int_equal(w.n_asked, 0);
	world_close(&w);
}

static void places_and_origins_do_not_share(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 200;
	w.fields = GOOD;
	w.text = "one";
	assert_gets(&w, "/a", "", "stored", "one");
	w.place.scope = 2;
	w.text = "two";
	assert_gets(&w, "/a", "", "stored", "two");
	assert_gets(&w, "/a?", "", "stored", "two");
	w.place.scope = 0;
	assert_gets(&w, "/a", "", "hit", "one");
	world_close(&w);
}

/* A routine may set the Host that the origin hears: what that is an answer to is
 * another question. */
static void another_host_to_the_origin_is_another_question(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.status = 200;
	w.fields = GOOD;
	w.text = "one";
	assert_gets(&w, "/a", "", "stored", "one");
	w.host = "b.example";
	w.text = "two";
	assert_gets(&w, "/a", "", "stored", "two");
	assert_gets(&w, "/a", "", "hit", "two");
	client c = {0};
	client_ask(&c, &w, "POST", "/a", "");
	client_leave(&c);
	w.text = "three";
	assert_gets(&w, "/a", "", "stored", "three");
	w.host = "a.example";
	assert_gets(&w, "/a", "", "hit", "one");
	w.host = NULL;
	assert_gets(&w, "/a", "", "hit", "one");
	world_close(&w);
}

static void a_cache_may_close_with_questions_under_way(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	client c[4] = {0};
	static const char *const targets[] = {"/asked", "/filling", "/filling", "/passes-by"};
	for (unsigned i = 0; i < 4; i++)
		client_ask(&c[i], &w, "GET", targets[i], "");
	origin_head(&w.asked[1], 200, GOOD, ER_BODY_UNKNOWN);
	origin_write(&w.asked[1], 1000);
	some_turns(&w);
	c[3].holds = true;
	origin_head(&w.asked[2], 200, GOOD, ER_BODY_UNKNOWN);
	for (unsigned k = 0; k < 1000 && !w.asked[2].full; k++) {
		origin_write(&w.asked[2], 65536);
		some_turns(&w);
	}
	for (unsigned i = 0; i < 4; i++)
		client_leave(&c[i]);
	world_close(&w);
	for (unsigned i = 0; i < 2; i++)
		assert_true(w.asked[i].cancelled);
}

/* ---- threads that share one store ---- */

enum { CROWD = 3, CROWD_ROUNDS = 4000, CROWD_CLIENTS = 6 };

typedef struct crowd_member {
	er_index *index;
	unsigned seed, wrong, answers, hits;
	pthread_t thread;
} crowd_member;

static unsigned dice(crowd_member *m, unsigned n)
{
	m->seed = m->seed * 1103515245u + 12345u;
	return (m->seed >> 16) % n;
}

/* The origin of a crowd: each answer says its target, so that a client sees whether it got
 * another one's. */
static void crowd_answers(crowd_member *m, world *w)
{
	for (unsigned i = 0; i < w->n_asked; i++) {
		asked *a = &w->asked[i];
		if (a->x != NULL && dice(m, 3) != 0) {
			static const char *const kinds[] = {GOOD, "Cache-Control: private\n", STALE_WHILE "ETag: \"1\"\n", ALWAYS_ASK,
			                                    GOOD "Vary: Foo\n"};
			unsigned kind = dice(m, 6);
			if (er_fields_get(&a->fields, ER_LIT("if-none-match")) != NULL && dice(m, 2) == 0) {
				origin_answer(a, 304, GOOD, NULL);
			} else if (kind == 5) {
				origin_fail(a);
			} else {
				a->wrote = a->x->req.target.p[1];
				origin_head(a, 200, kinds[kind], ER_BODY_UNKNOWN);
			}
		} else if (a->source != NULL) {
			unsigned what = dice(m, 8);
			if (what < 6)
				origin_write(a, what == 5 ? 30000 : 1 + what * 100);
			else
				origin_end(a, what == 6 ? ER_ERR_OK : ER_ERR_RESPONSE);
		}
	}
	while (w->n_asked > 0 && w->asked[w->n_asked - 1].x == NULL && w->asked[w->n_asked - 1].source == NULL)
		w->n_asked--;
}

static void crowd_look(crowd_member *m, client *c, unsigned target)
{
	if (!c->answered)
		return;
	er_slice got = er_buf_slice(&c->got);
	if (c->x->res.status == 200)
		for (size_t i = 0; i < got.n; i++)
			m->wrong += got.p[i] != byte_at('0' + target + i);
	if (!c->ended && !c->failed)
		return;
	m->answers++;
	m->hits += strstr(field(c, "cache-status"), "hit") != NULL;
	client_leave(c);
}

static void *run_crowd(void *ctx)
{
	crowd_member *m = ctx;
	world w;
	world_open_at(&w, m->index);
	client c[CROWD_CLIENTS] = {0};
	unsigned target[CROWD_CLIENTS] = {0};
	for (unsigned round = 0; round < CROWD_ROUNDS; round++) {
		for (unsigned i = 0; i < CROWD_CLIENTS; i++) {
			if (c[i].x != NULL) {
				crowd_look(m, &c[i], target[i]);
				if (c[i].x != NULL && dice(m, 30) == 0)
					client_leave(&c[i]);
				continue;
			}
			if (w.n_asked + CROWD_CLIENTS > ASKED_MAX)
				continue;
			char path[8] = "/0";
			target[i] = dice(m, 4);
			path[1] = (char)('0' + target[i]);
			client_ask(&c[i], &w, "GET", path, dice(m, 2) ? "Foo: 1\n" : "");
			if (dice(m, 50) == 0) {
				er_request req = {.scheme = ER_LIT("http"), .authority = ER_LIT("a.example")};
				er_slice key = er_key_of(&w.arena, 0, (er_slice){0}, &req, er_slice_cstr(path), (er_slice){0});
				er_index_purge(w.index, key, er_index_hash(key));
			}
			if (dice(m, 50) == 0) {
				er_purges *p = er_index_purge_table(w.index);
				er_purge what = {.kind = ER_PURGE_URL, .value = er_slice_cstr("a.example/0"), .soft = dice(m, 2) == 0};
				er_purges_add(p, &what, er_purges_next(p));
				if (m->seed == 1)
					er_index_settle(w.index);
			}
		}
		crowd_answers(m, &w);
		turn(&w);
	}
	for (unsigned i = 0; i < CROWD_CLIENTS; i++)
		client_leave(&c[i]);
	world_close(&w);
	return NULL;
}

static void threads_that_share_a_store_get_each_what_they_asked_for(void **state)
{
	(void)state;
	er_index *index = er_index_new(STORE_BYTES);
	crowd_member m[CROWD];
	for (unsigned i = 0; i < CROWD; i++) {
		m[i] = (crowd_member){.index = index, .seed = i + 1};
		assert_int_equal(pthread_create(&m[i].thread, NULL, run_crowd, &m[i]), 0);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		pthread_join(m[i].thread, NULL);
		assert_int_equal(m[i].wrong, 0);
		assert_true(m[i].answers > 100);
	}
	er_index_free(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_event_that_cannot_be_in_a_fill_ends_the_process),
	    cmocka_unit_test(what_was_asked_once_is_not_asked_again),
	    cmocka_unit_test(requests_for_one_url_wait_for_one_question_and_read_it_while_it_comes),
	    cmocka_unit_test(an_answer_for_one_is_given_to_nobody_else),
	    cmocka_unit_test(an_answer_that_breaks_off_is_not_kept),
	    cmocka_unit_test(who_waited_for_what_broke_off_asks_anew),
	    cmocka_unit_test(an_origin_that_fails_fails_for_all_that_wait),
	    cmocka_unit_test(an_error_of_the_origin_says_nothing_of_its_next_answer),
	    cmocka_unit_test(a_client_may_leave_at_any_moment),
	    cmocka_unit_test(a_client_may_leave_inside_of_its_answer),
	    cmocka_unit_test(early_hints_reach_who_began_the_question),
	    cmocka_unit_test(a_question_for_one_ends_with_its_client),
	    cmocka_unit_test(what_nobody_wants_any_more_is_not_fetched_to_its_end),
	    cmocka_unit_test(what_is_stale_is_used_while_it_is_validated),
	    cmocka_unit_test(whatever_request_finds_something_stale_it_is_validated_for_all),
	    cmocka_unit_test(what_is_stale_is_used_when_the_origin_fails),
	    cmocka_unit_test(a_body_that_breaks_off_takes_nothing_from_the_store),
	    cmocka_unit_test(an_origin_that_says_unchanged_is_believed),
	    cmocka_unit_test(what_turns_out_private_by_a_validation_is_not_kept),
	    cmocka_unit_test(a_request_that_is_not_to_be_stored_leaves_the_store_as_it_is),
	    cmocka_unit_test(many_variants_do_not_wait_for_each_other_for_ever),
	    cmocka_unit_test(a_range_is_cut_from_what_is_stored),
	    cmocka_unit_test(an_unsafe_request_voids_what_is_stored),
	    cmocka_unit_test(an_unsafe_request_voids_also_what_is_on_its_way),
	    cmocka_unit_test(what_is_too_large_passes_by),
	    cmocka_unit_test(a_slow_client_of_what_passes_by_bounds_what_is_read),
	    cmocka_unit_test(a_client_that_does_not_read_cannot_stop_the_others),
	    cmocka_unit_test(what_is_on_its_way_counts_as_stored),
	    cmocka_unit_test(a_request_that_waits_may_find_that_all_has_passed_by),
	    cmocka_unit_test(a_renewed_response_whose_body_breaks_off_is_fetched_anew),
	    cmocka_unit_test(each_variant_goes_to_those_that_select_it),
	    cmocka_unit_test(what_varies_on_the_client_is_given_to_nobody_else),
	    cmocka_unit_test(what_came_while_a_request_waited_is_a_hit),
	    cmocka_unit_test(only_if_cached_asks_nobody),
	    cmocka_unit_test(places_and_origins_do_not_share),
	    cmocka_unit_test(another_host_to_the_origin_is_another_question),
	    cmocka_unit_test(a_cache_may_close_with_questions_under_way),
	    cmocka_unit_test(threads_that_share_a_store_get_each_what_they_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
