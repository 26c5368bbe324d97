/* Subrequests in motion: uploads, back-pressure, redirects, gzip, leaving in the middle. */
#include "origin_harness.h"

/* ---- uploads ---- */

/* Writes `left` bytes as the window lets it. */
typedef struct upload {
	er_body *body;
	size_t left, piece;
	bool over, cancelled;
	bool break_off; /* at the end: fail */
	size_t most;    /* the fullest that the body ever was */
} upload;

static void upload_resume(void *ctx)
{
	upload *u = ctx;
	bool room = true;
	while (room && u->left > 0) {
		size_t n = u->left < u->piece ? u->left : u->piece;
		er_chunk *chunk = er_chunk_new(n);
		memset(chunk->bytes, 'u', n);
		u->left -= n;
		room = er_body_write(u->body, er_piece_take(chunk, n));
		if (er_body_buffered(u->body) > u->most)
			u->most = er_body_buffered(u->body);
	}
	if (u->left > 0 || u->over)
		return;
	u->over = true;
	if (u->break_off)
		er_body_fail(u->body, ER_ERR_CLIENT_GONE);
	else
		er_body_finish(u->body);
}

static void upload_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	upload *u = ctx;
	u->cancelled = u->over = true;
	u->left = 0;
}

static const er_body_source_ops upload_source = {.resume = upload_resume, .cancel = upload_cancel};

static call *post(const char *path, upload *u, int64_t length)
{
	call *c = call_new("POST", path);
	u->body = er_body_new(length);
	er_body_source(u->body, &upload_source, u);
	c->x->req.body = er_body_ref(u->body);
	return c;
}

static void upload_free(upload *u)
{
	er_body_source(u->body, NULL, NULL);
	er_body_unref(u->body);
}

static void test_an_upload_arrives_chunked_or_with_its_length(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 5000, 70000, 3000000};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int known = 0; known < 2; known++) {
			upload u = {.left = sizes[i], .piece = 10000};
			call *c = post("/count", &u, known ? (int64_t)sizes[i] : ER_BODY_UNKNOWN);
			begin(c);
			upload_resume(&u);
			finish(c);
			char text[32];
			snprintf(text, sizeof text, "%zu", sizes[i]);
			assert_body(c, text);
			assert_false(u.cancelled);
			upload_free(&u);
			call_free(c);
		}
}

static void test_a_small_body_is_sent_as_it_is(void **state)
{
	(void)state;
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "PROPFIND"};
	for (size_t i = 0; i < 5; i++) {
		call *c = call_new(methods[i], "/echo");
		c->x->req.body = er_body_of(er_piece_copy(ER_LIT("a=1&b=2")));
		field(c, "content-type", "text/x-own");
		begin(c);
		finish(c);
		assert_body(c, "a=1&b=2");
		call_free(c);
		c = call_new(methods[i], "/head");
		begin(c);
		finish(c);
		assert_true(has(c, methods[i]));
		assert_int_equal(has(c, "ontent-"), i < 3); /* Content-Length: 0 where a body is usual */
		call_free(c);
	}
}

static void test_exactly_as_many_bytes_as_promised(void **state)
{
	(void)state;
	static const int64_t promised[] = {99, 101, 5000000};
	for (size_t i = 0; i < 3; i++) {
		upload u = {.left = 100, .piece = 30};
		call *c = post("/count", &u, ER_BODY_UNKNOWN);
		char text[32];
		snprintf(text, sizeof text, "%lld", (long long)promised[i]);
		field(c, "Content-Length", text);
		begin(c);
		upload_resume(&u);
		finish(c);
		assert_failed(c, 502, ER_ERR_INVALID);
		upload_free(&u);
		call_free(c);
	}
	call *c = call_new("POST", "/count");
	field(c, "content-length", "7");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_INVALID);
	call_free(c);
}

static void test_an_upload_that_breaks_off_breaks_the_request(void **state)
{
	(void)state;
	unsigned before = server->closed_early;
	upload u = {.left = 50000, .piece = 10000, .break_off = true};
	call *c = post("/count", &u, ER_BODY_UNKNOWN);
	begin(c);
	upload_resume(&u);
	finish(c);
	assert_failed(c, 502, ER_ERR_CLIENT_GONE);
	run_until(NULL, 50);
	assert_true(server->closed_early > before);
	upload_free(&u);
	call_free(c);
}

static void test_a_slow_server_slows_the_upload(void **state)
{
	(void)state;
	upload u = {.left = 20000000, .piece = 16384};
	call *c = post("/slow-upload", &u, ER_BODY_UNKNOWN);
	begin(c);
	upload_resume(&u);
	run_until(NULL, 150);
	assert_true(u.left > 5000000); /* kernel buffers and the window, not all of it */
	finish(c);
	assert_body(c, "20000000");
	assert_true(u.most <= ER_BODY_WINDOW + 16384);
	upload_free(&u);
	call_free(c);
}

static void test_an_upload_that_pauses_goes_on(void **state)
{
	(void)state;
	upload u = {.left = 0, .piece = 1000};
	call *c = post("/count", &u, ER_BODY_UNKNOWN);
	begin(c);
	for (int i = 0; i < 5; i++) {
		run_until(NULL, 10);
		(void)er_body_write(u.body, er_piece_copy(ER_LIT("12345")));
	}
	er_body_finish(u.body);
	finish(c);
	assert_body(c, "25");
	upload_free(&u);
	call_free(c);
}

static void test_an_early_refusal_of_an_upload_reaches_the_caller(void **state)
{
	(void)state;
	upload u = {.left = 100000, .piece = 1000};
	call *c = post("/refuse-upload", &u, ER_BODY_UNKNOWN);
	begin(c);
	run_until(&c->over, 3000); /* nothing of the upload was written yet */
	assert_int_equal(c->x->res.status, 413);
	assert_body(c, "no");
	run_until(&u.cancelled, 1000);
	upload_free(&u);
	call_free(c);
}

/* ---- downloads ---- */

static void test_a_reader_that_waits_holds_up_the_server(void **state)
{
	(void)state;
	call *c = call_new("GET", "/endless");
	c->hold = true;
	c->opt.idle_ms = 800; /* waiting for the own reader is not idleness */
	begin(c);
	run_until(&c->answered, 3000);
	run_until(NULL, 500);
	unsigned long long sent = server->sent;
	run_until(NULL, 700);
	assert_int_equal(server->sent, sent);
	assert_true(er_body_buffered(c->x->res.body) < 2 * ER_BODY_WINDOW);
	assert_int_equal(er_body_error(c->x->res.body), ER_ERR_OK);
	size_t got = 0;
	for (int i = 0; i < 2000 && got < 20000000; i++) {
		er_piece piece;
		while (er_body_read(c->x->res.body, 0, &piece) == ER_BODY_PIECE) {
			got += piece.n;
			er_piece_drop(&piece);
		}
		uv_run(&loop, UV_RUN_ONCE);
	}
	assert_true(got >= 20000000);
	assert_int_equal(er_body_error(c->x->res.body), ER_ERR_OK);
	unsigned before = server->closed_early;
	er_body_cancel(c->x->res.body, ER_ERR_CANCELLED);
	for (int i = 0; i < 100 && server->closed_early == before; i++)
		run_until(NULL, 10);
	assert_true(server->closed_early > before); /* the server noticed */
	call_free(c);
}

static void test_leaving_early_closes_the_connection(void **state)
{
	(void)state;
	static const char *const paths[] = {"/silent", "/endless", "/stalls", "/chain/5", "/hello"};
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		for (unsigned ms = 0; ms < 9; ms += 4) {
			call *c = call_new("GET", paths[i]);
			c->hold = true;
			begin(c);
			if (ms > 0)
				run_until(NULL, ms);
			er_exchange_cancel(c->x, ER_ERR_CLIENT_GONE);
			call_free(c);
			run_until(NULL, 2);
		}
	call *c = get("/hello");
	assert_body(c, "hello");
	call_free(c);
}

static void test_leaving_an_upload_early_tells_its_source(void **state)
{
	(void)state;
	upload u = {.left = 20000000, .piece = 10000};
	call *c = post("/slow-upload", &u, ER_BODY_UNKNOWN);
	begin(c);
	upload_resume(&u);
	run_until(NULL, 20);
	er_exchange_cancel(c->x, ER_ERR_CLIENT_GONE);
	assert_true(u.cancelled);
	assert_false(c->answered);
	upload_free(&u);
	call_free(c);
}

/* An answer's reader that starts the next fetch, or cancels its own or another one, from inside the callback. */
typedef struct nested {
	call *first, *second;
	int what;
} nested;

static void nested_answer(void *asker, er_exchange *x)
{
	nested *n = asker;
	on_answer(n->first, x);
	if (n->what == 0)
		begin(n->second);
	else if (n->what == 1)
		er_exchange_cancel(n->second->x, ER_ERR_CANCELLED);
	else
		er_exchange_cancel(x, ER_ERR_CANCELLED);
}

static void test_callbacks_may_do_anything(void **state)
{
	(void)state;
	static const char *const paths[] = {"/hello", "/chunked", "/endless", "/nothing"};
	for (int what = 0; what < 3; what++)
		for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
			nested n = {.first = call_new("GET", paths[i]), .second = call_new("GET", "/chunked"), .what = what};
			n.first->hold = strcmp(paths[i], "/endless") == 0;
			n.first->x->on_answer = nested_answer;
			n.first->x->asker = &n;
			if (what == 1)
				begin(n.second);
			begin(n.first);
			run_until(&n.first->answered, 3000);
			if (what == 0) {
				finish(n.second);
				assert_body(n.second, "hello world");
			}
			er_exchange_cancel(n.first->x, ER_ERR_CANCELLED);
			run_until(NULL, 5);
			call_free(n.first);
			call_free(n.second);
		}
}

static void test_closing_ends_everything_that_runs(void **state)
{
	(void)state;
	upload u = {.left = 20000000, .piece = 10000};
	call *a = call_new("GET", "/silent"), *b = call_new("GET", "/endless"), *c = post("/slow-upload", &u, ER_BODY_UNKNOWN);
	b->hold = true;
	begin(a);
	begin(b);
	begin(c);
	upload_resume(&u);
	run_until(&b->answered, 3000);
	bool gone = false;
	er_origin_close(origin, on_closed, &gone);
	run_until(&gone, 3000);
	origin = NULL;
	assert_failed(a, 502, ER_ERR_UNAVAILABLE);
	assert_int_equal(er_body_error(b->x->res.body), ER_ERR_UNAVAILABLE);
	assert_failed(c, 502, ER_ERR_UNAVAILABLE);
	upload_free(&u);
	call_free(a);
	call_free(b);
	call_free(c);
}

static void test_many_at_once(void **state)
{
	(void)state;
	enum { N = 100 };
	call *c[N];
	for (int i = 0; i < N; i++) {
		c[i] = call_new("GET", i % 3 == 0 ? "/chunked" : i % 3 == 1 ? "/drip" : "/chain/3");
		begin(c[i]);
	}
	for (int i = 0; i < N; i++) {
		finish(c[i]);
		assert_body(c[i], i % 3 == 0 ? "hello world" : i % 3 == 1 ? "abcdef" : "hello");
		call_free(c[i]);
	}
}

/* ---- redirects ---- */

static void test_redirects_are_followed_to_the_end(void **state)
{
	(void)state;
	call *c = get("/chain/12");
	assert_body(c, "hello");
	assert_int_equal(c->x->facts.subrequests, 12);
	er_slice rest = c->x->res.url_list, url;
	int urls = 0;
	for (; er_slice_split(&rest, '\n', &url); urls++)
		assert_true(er_slice_starts(url, ER_LIT("http://127.0.0.1:")));
	assert_int_equal(urls, 13);
	call_free(c);
	c = get("/chain/13");
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
	c = call_new("GET", "/chain/3");
	c->opt.max_hops = 2;
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
}

static void test_redirects_are_left_alone_when_asked(void **state)
{
	(void)state;
	call *c = call_new("GET", "/chain/3");
	c->opt.redirect = ER_REDIRECT_MANUAL;
	begin(c);
	finish(c);
	assert_int_equal(c->x->res.status, 302);
	assert_true(er_slice_eq(*er_fields_get(&c->x->res.fields, ER_LIT("location")), ER_LIT("/chain/2")));
	assert_body(c, "moved");
	call_free(c);
	c = call_new("GET", "/chain/3");
	c->opt.redirect = ER_REDIRECT_ERROR;
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
}

static void test_methods_change_as_the_contract_says(void **state)
{
	(void)state;
	static const int statuses[] = {301, 302, 303, 308, 307};
	for (size_t i = 0; i < 5; i++) {
		char path[32];
		snprintf(path, sizeof path, "/to-head/%d", statuses[i]);
		call *c = call_new("POST", path);
		c->x->req.body = er_body_of(er_piece_copy(ER_LIT("body")));
		field(c, "content-type", "text/plain");
		field(c, "authorization", "mine");
		begin(c);
		finish(c);
		if (statuses[i] == 307) {
			assert_failed(c, 502, ER_ERR_RESPONSE);
		} else {
			assert_true(has(c, "GET /head?x=1 HTTP/1.1\r\n"));
			assert_false(has(c, "ontent-"));
			assert_true(has(c, "authorization: mine")); /* the same origin */
		}
		call_free(c);
		c = get(path);
		assert_true(has(c, "GET /head?x=1 HTTP/1.1\r\n"));
		call_free(c);
		c = call_new("HEAD", path);
		begin(c);
		finish(c);
		assert_int_equal(c->x->res.status, 200);
		assert_true(er_slice_ends(c->x->res.url_list, ER_LIT("/head?x=1")));
		call_free(c);
	}
}

static void test_credentials_do_not_follow_to_another_origin(void **state)
{
	(void)state;
	static test_server *other;
	other = srv_start();
	char path[32];
	snprintf(path, sizeof path, "/other/%u", other->port);
	call *c = call_new("GET", path);
	field(c, "Authorization", "mine");
	field(c, "Cookie", "a=b");
	field(c, "X-Plain", "1");
	begin(c);
	finish(c);
	assert_true(has(c, "X-Plain: 1"));
	assert_false(has(c, "mine"));
	assert_false(has(c, "a=b"));
	call_free(c);
}

static void test_a_redirect_is_no_way_around_the_guard(void **state)
{
	(void)state;
	call *c = get("/to-private");
	assert_failed(c, 403, ER_ERR_REFUSED_ADDRESS);
	call_free(c);
	c = get("/to-file");
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
	c = get("/bad-location");
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
}

/* ---- gzip ---- */

static void test_gzip_is_undone(void **state)
{
	(void)state;
	call *c = get("/gzip");
	assert_body(c, "hello gzip");
	assert_null(er_fields_get(&c->x->res.fields, ER_LIT("content-encoding")));
	assert_null(er_fields_get(&c->x->res.fields, ER_LIT("content-length")));
	assert_non_null(er_fields_get(&c->x->res.fields, ER_LIT("etag")));
	assert_int_equal(er_body_length(c->x->res.body), ER_BODY_UNKNOWN);
	call_free(c);
	c = get("/gzip-two");
	assert_body(c, "hello gzip, twice");
	call_free(c);
	c = get("/head");
	assert_true(has(c, "\r\naccept-encoding: gzip\r\n"));
	call_free(c);
}

static void test_gzip_can_be_left_alone(void **state)
{
	(void)state;
	call *c = call_new("GET", "/gzip");
	c->opt.decompress = ER_DECOMPRESS_MANUAL;
	begin(c);
	finish(c);
	assert_true(er_buf_slice(&c->body).p[0] == 0x1f);
	assert_non_null(er_fields_get(&c->x->res.fields, ER_LIT("content-encoding")));
	call_free(c);
	c = call_new("GET", "/head");
	c->opt.decompress = ER_DECOMPRESS_MANUAL;
	begin(c);
	finish(c);
	assert_false(has(c, "encoding"));
	call_free(c);
}

static void test_other_codings_fail_unless_the_caller_copes(void **state)
{
	(void)state;
	call *c = get("/brotli");
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
	c = call_new("GET", "/brotli");
	c->opt.decompress = ER_DECOMPRESS_FALLBACK_IDENTITY;
	begin(c);
	finish(c);
	assert_body(c, "brb");
	assert_non_null(er_fields_get(&c->x->res.fields, ER_LIT("content-encoding")));
	call_free(c);
}

static void test_bad_gzip_is_an_error_not_an_end(void **state)
{
	(void)state;
	static const char *const paths[] = {"/gzip-cut", "/gzip-lie"};
	for (int i = 0; i < 2; i++) {
		call *c = get(paths[i]);
		assert_true(c->x->res.error == ER_ERR_RESPONSE || c->error == ER_ERR_RESPONSE);
		call_free(c);
	}
}

static void test_a_gzip_bomb_waits_like_anybody(void **state)
{
	(void)state;
	call *c = call_new("GET", "/gzip-bomb");
	c->hold = true;
	begin(c);
	run_until(&c->answered, 3000);
	run_until(NULL, 100);
	assert_true(er_body_buffered(c->x->res.body) < 2 * ER_BODY_WINDOW);
	size_t got = 0;
	er_piece piece;
	er_body_status s;
	while ((s = er_body_read(c->x->res.body, 0, &piece)) != ER_BODY_END && s != ER_BODY_ERROR) {
		if (s == ER_BODY_PIECE) {
			assert_true(er_body_buffered(c->x->res.body) < 2 * ER_BODY_WINDOW);
			got += piece.n;
			er_piece_drop(&piece);
		} else {
			uv_run(&loop, UV_RUN_ONCE);
		}
	}
	assert_int_equal(s, ER_BODY_END);
	assert_int_equal(got, 100000000);
	call_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_an_upload_arrives_chunked_or_with_its_length),
	    T(test_a_small_body_is_sent_as_it_is),
	    T(test_exactly_as_many_bytes_as_promised),
	    T(test_an_upload_that_breaks_off_breaks_the_request),
	    T(test_a_slow_server_slows_the_upload),
	    T(test_an_upload_that_pauses_goes_on),
	    T(test_an_early_refusal_of_an_upload_reaches_the_caller),
	    T(test_a_reader_that_waits_holds_up_the_server),
	    T(test_leaving_early_closes_the_connection),
	    T(test_leaving_an_upload_early_tells_its_source),
	    T(test_callbacks_may_do_anything),
	    T(test_closing_ends_everything_that_runs),
	    T(test_many_at_once),
	    T(test_redirects_are_followed_to_the_end),
	    T(test_redirects_are_left_alone_when_asked),
	    T(test_methods_change_as_the_contract_says),
	    T(test_credentials_do_not_follow_to_another_origin),
	    T(test_a_redirect_is_no_way_around_the_guard),
	    T(test_gzip_is_undone),
	    T(test_gzip_can_be_left_alone),
	    T(test_other_codings_fail_unless_the_caller_copes),
	    T(test_bad_gzip_is_an_error_not_an_end),
	    T(test_a_gzip_bomb_waits_like_anybody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
