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

static void test_a_body_that_is_all_here_has_a_length(void **state)
{
	(void)state;
	call *c = call_new("POST", "/seen");
	er_body *b = er_body_new(ER_BODY_UNKNOWN);
	er_body_write(b, er_piece_copy(ER_LIT("hello ")));
	er_body_write(b, er_piece_copy(ER_LIT("there")));
	er_body_finish(b);
	c->x->req.body = b;
	begin(c);
	finish(c);
	assert_true(has(c, "ontent-Length: 11\r\n"));
	assert_false(has(c, "hunked"));
	call_free(c);
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
	c->x->wishes.idle_ms = 800; /* waiting for the own reader is not idleness */
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

/* An answer's reader that starts the next fetch, or cancels its own or another one, from inside
 * the callback. */
typedef struct nested {
	er_asker asker;
	call *first, *second;
	int what;
} nested;

static void nested_answer(er_asker *asker, er_exchange *x)
{
	nested *n = ER_CONTAINER(asker, nested, asker);
	on_answer(&n->first->asker, x);
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
			n.asker.answered = nested_answer;
			n.first->x->asker = &n.asker;
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
	c->x->wishes.max_hops = 2;
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
}

static void test_redirects_are_left_alone_when_asked(void **state)
{
	(void)state;
	call *c = call_new("GET", "/chain/3");
	c->x->wishes.redirect = ER_REDIRECT_MANUAL;
	begin(c);
	finish(c);
	assert_int_equal(c->x->res.status, 302);
	assert_true(er_slice_eq(*er_fields_get(&c->x->res.fields, ER_LIT("location")), ER_LIT("/chain/2")));
	assert_body(c, "moved");
	call_free(c);
	c = call_new("GET", "/chain/3");
	c->x->wishes.redirect = ER_REDIRECT_ERROR;
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_RESPONSE);
	call_free(c);
}

static call *whole(const char *method, const char *path, er_slice body)
{
	call *c = call_new(method, path);
	c->x->req.body = er_body_of(er_piece_copy(body));
	c->x->wishes.replay = true;
	return c;
}

static void test_methods_change_as_the_first_generation_had_it(void **state)
{
	(void)state;
	static const int statuses[] = {301, 302, 303, 308, 307};
	for (size_t i = 0; i < 5; i++) {
		char path[32];
		snprintf(path, sizeof path, "/to-head/%d", statuses[i]);
		call *c = whole(i % 2 ? "POST" : "PUT", path, ER_LIT("body"));
		c->x->wishes.classic = true;
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

static void test_methods_and_bodies_follow_as_the_fetch_standard_says(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		int status;
		bool kept;
	} tries[] = {{"POST", 301, false},   {"POST", 302, false}, {"POST", 303, false},   {"POST", 307, true},
	             {"POST", 308, true},    {"PUT", 301, true},   {"PUT", 302, true},     {"PUT", 303, false},
	             {"PUT", 307, true},     {"PUT", 308, true},   {"PATCH", 301, true},   {"DELETE", 302, true},
	             {"DELETE", 303, false}, {"post", 302, true},  {"PROPFIND", 308, true}};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		char path[32], line[32];
		snprintf(path, sizeof path, "/to-seen/%d", tries[i].status);
		snprintf(line, sizeof line, "%s /seen HTTP/1.1\r\n", tries[i].kept ? tries[i].method : "GET");
		call *c = whole(tries[i].method, path, ER_LIT("body"));
		field(c, "content-type", "text/x-own");
		begin(c);
		finish(c);
		if (!has(c, line) || has(c, "text/x-own") != tries[i].kept || has(c, "ontent-Length: 4\r\n") != tries[i].kept)
			fail_msg("%s over %d: %.*s", tries[i].method, tries[i].status, ER_FMT(er_buf_slice(&c->body)));
		call_free(c);
		snprintf(path, sizeof path, "/to-echo/%d", tries[i].status);
		c = whole(tries[i].method, path, ER_LIT("the same body"));
		begin(c);
		finish(c);
		if (tries[i].kept)
			assert_body(c, "the same body");
		assert_true(er_slice_ends(c->x->res.url_list, ER_LIT("/echo")));
		call_free(c);
	}
}

static void test_a_body_without_bytes_stays_one_over_a_redirect(void **state)
{
	(void)state;
	call *c = call_new("POST", "/to-seen/307");
	begin(c);
	finish(c);
	assert_true(has(c, "POST /seen HTTP/1.1\r\n"));
	assert_true(has(c, "ontent-Length: 0\r\n"));
	call_free(c);
	c = call_new("POST", "/to-seen/302");
	begin(c);
	finish(c);
	assert_true(has(c, "GET /seen HTTP/1.1\r\n"));
	assert_false(has(c, "ontent-"));
	call_free(c);
}

static void test_a_stream_is_not_sent_twice(void **state)
{
	(void)state;
	static const char *const paths[] = {"/to-echo/307", "/to-echo/308", "/to-head/302"};
	for (size_t i = 0; i < 3; i++) {
		upload u = {.left = 1000, .piece = 300};
		call *c = post(paths[i], &u, 1000);
		begin(c);
		upload_resume(&u);
		finish(c);
		if (i == 2) {
			assert_true(has(c, "GET /head?x=1 HTTP/1.1\r\n"));
		} else {
			assert_failed(c, 502, ER_ERR_RESPONSE);
			assert_true(er_slice_ends(c->x->res.error_text, ER_LIT("cannot be sent again: it is a stream")));
		}
		upload_free(&u);
		call_free(c);
	}
}

static void test_a_long_body_is_sent_again_and_a_longer_one_says_why_not(void **state)
{
	(void)state;
	/* More of them than a pool may keep at a time: what one kept must not stay. */
	for (int i = 0; i < 12; i++) {
		upload u = {.left = 900000, .piece = 30000};
		call *c = post(i % 2 ? "/to-count/307" : "/early-307", &u, 900000);
		c->x->wishes.replay = true;
		begin(c);
		upload_resume(&u);
		finish(c);
		assert_body(c, "900000");
		upload_free(&u);
		call_free(c);
	}
	upload u = {.left = 3000000, .piece = 30000};
	call *c = post("/to-count/308", &u, 3000000);
	c->x->wishes.replay = true;
	begin(c);
	upload_resume(&u);
	finish(c);
	assert_failed(c, 502, ER_ERR_RESPONSE);
	assert_true(er_slice_ends(c->x->res.error_text, ER_LIT("larger than the 1 MB that are kept for that")));
	upload_free(&u);
	call_free(c);
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
	c->x->wishes.decompress = ER_DECOMPRESS_MANUAL;
	begin(c);
	finish(c);
	assert_true(er_buf_slice(&c->body).p[0] == 0x1f);
	assert_non_null(er_fields_get(&c->x->res.fields, ER_LIT("content-encoding")));
	call_free(c);
	c = call_new("GET", "/head");
	c->x->wishes.decompress = ER_DECOMPRESS_MANUAL;
	begin(c);
	finish(c);
	assert_false(has(c, "encoding"));
	call_free(c);
}

static void test_what_cannot_be_undone_passes_as_it_is(void **state)
{
	(void)state;
	static const er_decompress modes[] = {ER_DECOMPRESS, ER_DECOMPRESS_FALLBACK_IDENTITY, ER_DECOMPRESS_MANUAL};
	for (int classic = 0; classic < 2; classic++)
		for (size_t i = 0; i < 3; i++) {
			call *c = call_new("GET", "/brotli");
			c->x->wishes.decompress = modes[i];
			c->x->wishes.classic = classic;
			begin(c);
			finish(c);
			if (classic && modes[i] == ER_DECOMPRESS) {
				assert_failed(c, 502, ER_ERR_RESPONSE);
			} else {
				assert_body(c, "brb");
				assert_true(er_slice_eq(*er_fields_get(&c->x->res.fields, ER_LIT("content-encoding")), ER_LIT("br")));
				assert_int_equal(er_body_length(c->x->res.body), 3);
			}
			call_free(c);
		}
}

static void test_only_what_can_be_undone_is_asked_for(void **state)
{
	(void)state;
	static const char *const tries[][2] = {{"gzip, deflate, br, zstd", "gzip"},
	                                       {"br", "identity"},
	                                       {"br;q=1.0, GZIP ; q=0.5, *;q=0.1", "gzip;q=0.500"},
	                                       {"gzip;q=0", "identity"},
	                                       {"gzip;q=0.000, br", "identity"},
	                                       {"*", "gzip"},
	                                       {"*;q=0", "identity"},
	                                       {"br, *;q=0", "identity"},
	                                       {"gzip, *;q=0", "gzip, identity;q=0"},
	                                       {"identity;q=0, gzip;q=0.8", "gzip;q=0.800, identity;q=0"},
	                                       {"identity;q=0, br", "identity"},
	                                       {"identity, gzip;q=0.2", "gzip;q=0.200, identity"},
	                                       {"x-gzip", "gzip"},
	                                       {"", "identity"},
	                                       {"gzip;q=2", "identity"},
	                                       {"gzip;q=", "identity"},
	                                       {"gzip;q=0.0001", "identity"},
	                                       {"gzip;level=9", "identity"},
	                                       {",, ,gzip,", "gzip"}};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		call *c = call_new("GET", "/head");
		char line[80];
		field(c, "Accept-Encoding", tries[i][0]);
		begin(c);
		finish(c);
		snprintf(line, sizeof line, "\r\naccept-encoding: %s\r\n", tries[i][1]);
		if (!has(c, line) || has(c, "Accept-Encoding"))
			fail_msg("\"%s\": %.*s", tries[i][0], ER_FMT(er_buf_slice(&c->body)));
		call_free(c);
	}
	call *c = call_new("GET", "/head"); /* several fields are one list */
	field(c, "accept-encoding", "br");
	field(c, "accept-encoding", "gzip");
	begin(c);
	finish(c);
	assert_true(has(c, "\r\naccept-encoding: gzip\r\n"));
	assert_false(has(c, "br"));
	call_free(c);
}

static void test_a_range_is_asked_for_without_a_coding(void **state)
{
	(void)state;
	for (int said = 0; said < 2; said++) {
		call *c = call_new("GET", "/head");
		field(c, "range", "bytes=0-9");
		if (said)
			field(c, "accept-encoding", "gzip, br");
		begin(c);
		finish(c);
		assert_true(has(c, "\r\naccept-encoding: identity\r\n"));
		assert_false(has(c, "gzip"));
		call_free(c);
	}
	call *c = call_new("GET", "/head"); /* whoever copes says what is sent */
	c->x->wishes.decompress = ER_DECOMPRESS_MANUAL;
	field(c, "range", "bytes=0-9");
	field(c, "accept-encoding", "gzip, br;q=0.1");
	begin(c);
	finish(c);
	assert_true(has(c, "\r\naccept-encoding: gzip, br;q=0.1\r\n"));
	call_free(c);
}

static void test_host_is_the_urls_unless_the_operator_says(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) { /* by libcurl first, then on the short way */
		call *c = call_new("GET", "/head");
		c->x->req.host = ER_LIT("shop.example:8080");
		begin(c);
		finish(c);
		assert_true(has(c, "Host: shop.example:8080\r\n"));
		assert_false(has(c, "127.0.0.1"));
		call_free(c);
	}
	call *c = call_new("GET", "/head");
	c->x->req.host = ER_LIT("a b");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_INVALID);
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

/* ---- what costs more to work off than to send: a turn of the loop belongs to all ---- */

/* The most that came of the body in one turn of the loop. The server is far ahead of the loop. */
static size_t most_in_a_turn(const char *path, size_t *all)
{
	call *c = get("/hello"); /* the address is known then */
	call_free(c);
	c = call_new("GET", path);
	begin(c);
	run_until(&c->answered, 3000);
	size_t most = 0;
	while (!c->over) {
		size_t before = er_buf_len(&c->body);
		uv_run(&loop, UV_RUN_ONCE);
		size_t n = er_buf_len(&c->body) - before;
		most = n > most ? n : most;
		usleep(200);
	}
	assert_int_equal(c->error, ER_ERR_OK);
	*all = er_buf_len(&c->body);
	call_free(c);
	return most;
}

static void test_few_bytes_that_cost_much_do_not_have_a_turn_for_themselves(void **state)
{
	(void)state;
	size_t all;
	assert_true(most_in_a_turn("/gzip-bomb", &all) <= 256 * 1024);
	assert_int_equal(all, 100000000);
	/* A chunk of a byte is 6 bytes on the wire. */
	assert_true(most_in_a_turn("/single-bytes", &all) <= 2 * ER_CHUNK_KEPT / 6);
	assert_int_equal(all, 200000);
}

/* ---- connections are few: shares, turns, and idle ones that make room ---- */

static call *of_pool(const void *pool, const char *method, const char *target)
{
	call *c = call_new(method, target);
	c->x->wishes.pool = pool;
	if (strcmp(method, "POST") == 0)
		c->x->req.body = er_body_of(er_piece_copy(ER_LIT("abcdef")));
	return c;
}

/* Everything is closed, and nothing is counted any more. */
static void assert_nothing_is_left(const int *pools, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		er_origin_forget(origin, &pools[i]);
	er_origin_forget(origin, NULL);
	run_until(NULL, 50);
	er_origin_stats s = er_origin_stat(origin);
	assert_int_equal(s.connections, 0);
	assert_int_equal(s.waiting, 0);
}

static void test_one_routine_has_its_share_and_who_waits_is_served(void **state)
{
	(void)state;
	enum { N = 40 };
	static int pool;
	static const char *const ways[][2] = {{"GET", "/drip"}, {"POST", "/slow-upload"}};
	er_origin_limit(origin, 32); /* 24 for routines: a third of it for one */
	for (int way = 0; way < 2; way++) {
		call *all[N];
		unsigned before = server->connections;
		for (int i = 0; i < N; i++)
			begin(all[i] = of_pool(&pool, ways[way][0], ways[way][1]));
		unsigned waiting = er_origin_stat(origin).waiting;
		/* one of libcurl's counts for two while it connects */
		assert_true(waiting >= N - 8 && waiting <= N - 4);
		for (int i = 0; i < N; i++) {
			finish(all[i]);
			assert_body(all[i], way == 0 ? "abcdef" : "6");
			call_free(all[i]);
		}
		assert_true(server->connections - before <= 8);
		assert_nothing_is_left(&pool, 1);
	}
}

static void test_waiting_for_a_connection_has_an_end_and_says_why(void **state)
{
	(void)state;
	enum { N = 20 };
	static int pool;
	call *all[N];
	er_origin_limit(origin, 16);
	for (int i = 0; i < N; i++) {
		all[i] = of_pool(&pool, "GET", "/stalls");
		all[i]->x->wishes.connect_ms = 300;
		all[i]->x->wishes.idle_ms = 3000;
		all[i]->hold = true;
		begin(all[i]);
	}
	er_exchange_cancel(all[N - 1]->x, ER_ERR_CLIENT_GONE); /* leaving while waiting is harmless */
	run_until(&all[N - 2]->answered, 2000);
	assert_failed(all[N - 2], 504, ER_ERR_TIMEOUT);
	assert_non_null(memmem(all[N - 2]->x->res.error_text.p, all[N - 2]->x->res.error_text.n, "got no connection", 17));
	for (int i = 0; i < N; i++) {
		if (all[i]->x->res.body != NULL)
			er_body_cancel(all[i]->x->res.body, ER_ERR_CANCELLED);
		call_free(all[i]);
	}
	assert_nothing_is_left(&pool, 1);
}

static void test_routines_that_take_all_leave_the_operators_origin_its_own(void **state)
{
	(void)state;
	enum { POOLS = 12, EACH = 8 };
	static int pools[POOLS];
	call *all[POOLS][EACH];
	er_origin_limit(origin, 32);
	for (int i = 0; i < POOLS; i++)
		for (int k = 0; k < EACH; k++) {
			all[i][k] = of_pool(&pools[i], k % 2 ? "GET" : "HEAD", "/stalls");
			all[i][k]->hold = true;
			all[i][k]->x->req.method = ER_LIT("GET");
			begin(all[i][k]);
		}
	run_until(NULL, 100);
	assert_true(er_origin_stat(origin).connections <= 24);
	call *c = get("/hello"); /* no pool: the node's own */
	assert_body(c, "hello");
	call_free(c);
	for (int i = 0; i < POOLS; i++)
		for (int k = 0; k < EACH; k++) {
			if (all[i][k]->x->res.body != NULL)
				er_body_cancel(all[i][k]->x->res.body, ER_ERR_CANCELLED);
			else
				er_exchange_cancel(all[i][k]->x, ER_ERR_CANCELLED);
			call_free(all[i][k]);
		}
	assert_nothing_is_left(pools, POOLS);
}

static void test_idle_connections_make_room(void **state)
{
	(void)state;
	enum { POOLS = 30 };
	static int pools[POOLS];
	static const char *const methods[] = {"GET", "POST"};
	er_origin_limit(origin, 8);
	for (int i = 0; i < POOLS; i++) { /* of other routines */
		call *c = of_pool(&pools[i], methods[i % 2], "/count");
		c->x->wishes.connect_ms = 2000;
		begin(c);
		finish(c);
		assert_body(c, i % 2 ? "6" : "0");
		assert_true(er_origin_stat(origin).connections <= 8);
		call_free(c);
	}
	assert_nothing_is_left(pools, POOLS);
	/* of the routine's own, to other servers, and of either kind */
	for (int way = 0; way < 4; way++)
		for (int i = 0; i < 10; i++) {
			call *c = of_pool(&pools[0], methods[way % 2], "/count");
			c->x->wishes.connect_ms = 2000;
			c->x->req.authority = er_arena_printf(&c->x->arena, "n%d.localhost:%u", i, server->port);
			begin(c);
			finish(c);
			assert_body(c, way % 2 ? "6" : "0");
			assert_true(er_origin_stat(origin).connections <= 8);
			call_free(c);
		}
	assert_nothing_is_left(pools, POOLS);
}

static void test_names_are_never_looked_up_by_libcurl(void **state)
{
	(void)state;
	static int pool;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 150; i++) { /* more than it is let to remember */
			call *c = of_pool(&pool, "POST", "/count");
			c->x->req.authority = er_arena_printf(&c->x->arena, "n%d.localhost:%u", i, server->port);
			begin(c);
			finish(c);
			assert_body(c, "6");
			call_free(c);
		}
	static const char *const hosts[] = {"localhost", "localhost.", "a.b.localhost."};
	for (int i = 0; i < 6; i++) {
		call *c = of_pool(&pool, i % 2 ? "POST" : "GET", "/count");
		c->x->req.authority = er_arena_printf(&c->x->arena, "%s:%u", hosts[i / 2], server->port);
		begin(c);
		finish(c);
		assert_body(c, i % 2 ? "6" : "0");
		call_free(c);
	}
	assert_nothing_is_left(&pool, 1);
}

/* libcurl asks again on a fresh connection, and has forgotten the address meanwhile. */
static void test_a_request_whose_connection_dies_late_finds_its_server_again(void **state)
{
	(void)state;
	static int pool;
	call *two[2];
	for (int i = 0; i < 2; i++) {
		two[i] = of_pool(&pool, "DELETE", "/kept-dies");
		two[i]->x->req.authority = er_arena_printf(&two[i]->x->arena, "dies.localhost:%u", server->port);
		begin(two[i]);
		if (i == 0)
			finish(two[i]);
	}
	for (int i = 0; i < 150; i++) { /* more names than it is let to remember */
		call *c = of_pool(&pool, "DELETE", "/count");
		c->x->req.authority = er_arena_printf(&c->x->arena, "n%d.localhost:%u", i, server->port);
		begin(c);
		finish(c);
		call_free(c);
	}
	assert_false(two[1]->answered);
	may_die = true;
	finish(two[1]);
	may_die = false;
	for (int i = 0; i < 2; i++) {
		assert_body(two[i], "1"); /* the first request of its connection */
		call_free(two[i]);
	}
	assert_nothing_is_left(&pool, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_an_upload_arrives_chunked_or_with_its_length),
	    T(test_a_body_that_is_all_here_has_a_length),
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
	    T(test_methods_change_as_the_first_generation_had_it),
	    T(test_methods_and_bodies_follow_as_the_fetch_standard_says),
	    T(test_a_body_without_bytes_stays_one_over_a_redirect),
	    T(test_a_stream_is_not_sent_twice),
	    T(test_a_long_body_is_sent_again_and_a_longer_one_says_why_not),
	    T(test_credentials_do_not_follow_to_another_origin),
	    T(test_a_redirect_is_no_way_around_the_guard),
	    T(test_gzip_is_undone),
	    T(test_gzip_can_be_left_alone),
	    T(test_what_cannot_be_undone_passes_as_it_is),
	    T(test_only_what_can_be_undone_is_asked_for),
	    T(test_a_range_is_asked_for_without_a_coding),
	    T(test_host_is_the_urls_unless_the_operator_says),
	    T(test_bad_gzip_is_an_error_not_an_end),
	    T(test_a_gzip_bomb_waits_like_anybody),
	    T(test_few_bytes_that_cost_much_do_not_have_a_turn_for_themselves),
	    T(test_one_routine_has_its_share_and_who_waits_is_served),
	    T(test_waiting_for_a_connection_has_an_end_and_says_why),
	    T(test_routines_that_take_all_leave_the_operators_origin_its_own),
	    T(test_idle_connections_make_room),
	    T(test_names_are_never_looked_up_by_libcurl),
	    T(test_a_request_whose_connection_dies_late_finds_its_server_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
