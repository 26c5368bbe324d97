/* Subrequests: what is asked, what comes back, from servers that are slow, lying and broken. */
#include "origin_harness.h"

/* ---- answers ---- */

static void test_an_answer_arrives_whole(void **state)
{
	(void)state;
	call *c = get("/hello");
	assert_int_equal(c->x->res.status, 200);
	assert_true(er_slice_eq(c->x->res.reason, ER_LIT("Fine")));
	assert_body(c, "hello");
	assert_int_equal(er_body_length(c->x->res.body), 5);
	/* both x-a and content-length; Connection and what it lists are gone */
	assert_int_equal(c->x->res.fields.n, 3);
	assert_true(er_slice_eq(*er_fields_get(&c->x->res.fields, ER_LIT("content-length")), ER_LIT("5")));
	assert_int_equal(c->x->facts.subrequests, 0);
	assert_true(er_slice_starts(c->x->res.url_list, ER_LIT("http://127.0.0.1:")));
	assert_true(er_slice_ends(c->x->res.url_list, ER_LIT("/hello")));
	call_free(c);
}

static void test_every_framing_is_understood(void **state)
{
	(void)state;
	static const char *const paths[][2] = {{"/chunked", "hello world"}, {"/close", "until the end"}, {"/early", "ok"},
	                                       {"/no-content", ""},         {"/not-modified", ""},       {"/empty", ""},
	                                       {"/drip", "abcdef"},         {"/same-lengths", "hello"}};
	for (int twice = 0; twice < 2; twice++)
		for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
			call *c = get(paths[i][0]);
			assert_body(c, paths[i][1]);
			assert_true(c->x->res.error == ER_ERR_OK && c->x->res.status < 400);
			call_free(c);
		}
}

static void test_empty_fields_are_fields(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		call *c = get("/empty-field");
		assert_body(c, "ok");
		assert_int_equal(c->x->res.fields.n, 4);
		assert_int_equal(er_fields_get(&c->x->res.fields, ER_LIT("x-empty"))->n, 0);
		assert_int_equal(er_fields_get(&c->x->res.fields, ER_LIT("x-spaces"))->n, 0);
		assert_true(er_slice_eq(*er_fields_get(&c->x->res.fields, ER_LIT("x-end")), ER_LIT("1")));
		call_free(c);
	}
}

/* What RFC 9112 does not allow, with a word that the sentence must hold. Without an end, where one
 * would never come. */
static const char *const out_of_line[][2] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     "Transfer-Encoding and Content-Length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     "Transfer-Encoding and Content-Length"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "xchunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "gzip, chunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "chunked, chunked"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "chunked;x"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     "Transfer-Encoding"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", "identity"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.0"},
    {"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/2.0"},
    {"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP"},
    {"HTTP/3.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP"},
    {"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP"},
    {"HTTP/1.1 99 Low\r\nContent-Length: 5\r\n\r\nhello", ""},
    {"HTTP/1.1 1000 High\r\nContent-Length: 5\r\n\r\nhello", ""},
    {"HTTP/1.1 2 0\r\nContent-Length: 5\r\n\r\nhello", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!", "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", "Content-Length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\r\n b\r\n\r\nhello", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\rb\r\n\r\nhello", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\nX: a\r\n\r\nhello", ""},
    {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", ""},
    {"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", ""},
    {"HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 5\r\n\r\nhello", ""},
};

static void test_both_ways_refuse_what_is_not_framed_as_it_must(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3 * sizeof out_of_line / sizeof *out_of_line; i++) {
		const char *const *row = out_of_line[i / 3];
		static const char *const methods[] = {"POST", "GET", "PATCH"};
		char path[4096] = "/say/";
		for (size_t k = 0; row[0][k]; k++)
			snprintf(path + 5 + 2 * k, 3, "%02x", (unsigned char)row[0][k]);
		/* GET goes by ourselves: the server's address is known by then. */
		call_free(get("/hello"));
		unsigned before = server->connections;
		call *c = call_new(methods[i % 3], path);
		c->x->req.target = er_arena_copy(&c->x->arena, er_slice_cstr(path));
		begin(c);
		finish(c);
		assert_failed(c, 502, ER_ERR_RESPONSE);
		char text[512];
		snprintf(text, sizeof text, "%.*s", ER_FMT(c->x->res.error_text));
		if (strstr(text, row[1]) == NULL)
			fail_msg("%s by %s: \"%s\" does not say \"%s\"", row[0], methods[i % 3], text, row[1]);
		call_free(c);
		/* Nobody gets what may still lie on that connection. */
		c = call_new(methods[i % 3], "/kept");
		begin(c);
		finish(c);
		assert_body(c, "1");
		assert_true(server->connections > before);
		call_free(c);
	}
}

static void test_head_keeps_the_length(void **state)
{
	(void)state;
	call *c = call_new("HEAD", "/anything");
	begin(c);
	finish(c);
	assert_int_equal(c->x->res.status, 200);
	assert_body(c, "");
	assert_int_equal(er_body_length(c->x->res.body), 12345);
	call_free(c);
	c = get("/hello"); /* the connection is still good */
	assert_body(c, "hello");
	call_free(c);
}

static void test_broken_answers_are_502(void **state)
{
	(void)state;
	static const char *const paths[] = {"/two-lengths", "/bad-length",  "/nothing",   "/garbage", "/upgrade",
	                                    "/status-999",  "/bad-name",    "/bad-value", "/folded",  "/no-colon",
	                                    "/big-head",    "/many-fields", "/smuggle"};
	/* by libcurl the first time, by ourselves the second */
	for (size_t i = 0; i < 2 * sizeof paths / sizeof *paths; i++) {
		call *c = get(paths[i / 2]);
		assert_failed(c, 502, ER_ERR_RESPONSE);
		call_free(c);
		if (i % 2) {
			teardown(NULL);
			setup(NULL);
		}
	}
}

/* libcurl joined such a line to a field of the answer before, which was freed: one origin could
 * end the node. */
static void test_an_answer_that_begins_with_a_folded_line_harms_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		call *c = call_new("POST", i % 2 ? "/folded-first" : "/hello");
		begin(c);
		finish(c);
		if (i % 2)
			assert_failed(c, 502, ER_ERR_RESPONSE);
		else
			assert_body(c, "hello");
		call_free(c);
	}
}

static void test_a_cut_answer_is_never_taken_for_whole(void **state)
{
	(void)state;
	static const char *const paths[] = {"/cut", "/cut-chunked", "/bad-chunk"};
	for (size_t i = 0; i < 2 * sizeof paths / sizeof *paths; i++) {
		if (i % 2 == 0)
			call_free(get("/hello")); /* whoever comes next goes by ourselves */
		call *c = get(paths[i / 2]);
		if (c->x->res.error == ER_ERR_OK && c->error == ER_ERR_OK)
			fail_msg("%s looks whole", paths[i / 2]);
		call_free(c);
	}
}

static void test_connections_are_used_again(void **state)
{
	(void)state;
	unsigned before = server->connections;
	for (int i = 1; i <= 5; i++) {
		char text[] = {(char)('0' + i), '\0'};
		call *c = get("/kept");
		assert_body(c, text);
		call_free(c);
	}
	assert_int_equal(server->connections - before, 1);
}

static void test_a_server_that_closed_its_idle_connection_costs_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		call *c = get("/once");
		assert_body(c, "ok");
		call_free(c);
	}
}

static void test_one_routine_never_rides_on_anothers_connection(void **state)
{
	(void)state;
	int a, b;
	for (int i = 0; i < 8; i++) {
		call *c = call_new("GET", "/kept");
		c->x->wishes.pool = i % 2 ? &a : &b;
		begin(c);
		finish(c);
		char text[] = {(char)('1' + i / 2), '\0'};
		assert_body(c, text);
		call_free(c);
	}
}

static void test_a_forgotten_routine_leaves_no_connection_behind(void **state)
{
	(void)state;
	int key;
	for (int i = 0; i < 9; i++) { /* three rounds of three on one connection */
		call *c = call_new("GET", "/kept");
		c->x->wishes.pool = &key;
		begin(c);
		if (i % 6 == 5) /* in the middle of a fetch, too */
			er_origin_forget(origin, &key);
		finish(c);
		char text[] = {(char)('1' + i % 3), '\0'};
		assert_body(c, text);
		call_free(c);
		if (i % 6 == 2)
			er_origin_forget(origin, &key);
	}
}

static void test_a_cut_after_the_answer_needs_nothing_of_the_exchange(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		call *c = call_new("GET", "/stalls");
		c->hold = true;
		c->x->wishes.idle_ms = 200;
		begin(c);
		run_until(&c->answered, 3000);
		er_body *body = er_body_ref(c->x->res.body);
		call_free(c);
		run_until(NULL, 500);
		assert_int_equal(er_body_error(body), ER_ERR_TIMEOUT);
		er_body_unref(body);
		c = call_new("GET", "/cut-later");
		c->hold = true;
		begin(c);
		run_until(&c->answered, 3000);
		body = er_body_ref(c->x->res.body);
		call_free(c);
		run_until(NULL, 150);
		assert_int_equal(er_body_error(body), ER_ERR_RESPONSE);
		er_body_unref(body);
	}
}

/* ---- what is sent ---- */

static void test_the_request_goes_out_as_it_is(void **state)
{
	(void)state;
	call *c = call_new("GET", "/");
	c->x->req.target = ER_LIT("/head/./a/../b//c?q=%41|{}\"'");
	field(c, "X-Mixed-Case", "value one");
	field(c, "x-empty", "");
	field(c, "cookie", "a=b");
	field(c, "Connection", "x-gone");
	field(c, "X-Gone", "1");
	field(c, "Host", "evil.example");
	field(c, "TE", "trailers");
	field(c, "Expect", "100-continue");
	field(c, "Proxy-Authorization", "secret");
	begin(c);
	finish(c);
	assert_int_equal(c->x->res.status, 200);
	char host[64];
	snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", server->port);
	assert_true(has(c, "GET /head/./a/../b//c?q=%41|{}\"' HTTP/1.1\r\n"));
	assert_true(has(c, host));
	assert_true(has(c, "\r\nX-Mixed-Case: value one\r\n"));
	assert_true(has(c, "\r\nx-empty:"));
	assert_true(has(c, "\r\ncookie: a=b\r\n"));
	static const char *const not_sent[] = {"evil",  "x-gone", "X-Gone",     "TE:",     "Expect",
	                                       "xpect", "secret", "User-Agent", "Accept:", "ontent-"};
	for (size_t i = 0; i < sizeof not_sent / sizeof *not_sent; i++)
		if (has(c, not_sent[i]))
			fail_msg("%s was sent", not_sent[i]);
	call_free(c);
}

static void test_a_request_that_would_break_http_is_not_sent(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
	} bad[] = {{"x", "a\r\nevil: 1"}, {"x", "a\nb"}, {"a b", "1"}, {"x:", "1"}, {"", "1"}, {"x\r\ny", "1"}, {"x", "\x01"}};
	unsigned before = server->requests;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		call *c = call_new("GET", "/hello");
		field(c, bad[i].name, bad[i].value);
		begin(c);
		finish(c);
		assert_failed(c, 502, ER_ERR_INVALID);
		call_free(c);
	}
	static const char *const targets[] = {"", "hello", "/a b", "/a\r\nx: y", "/a#b", "*", "http://other/"};
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		call *c = call_new("GET", targets[i]);
		begin(c);
		finish(c);
		assert_failed(c, 502, ER_ERR_INVALID);
		call_free(c);
	}
	static const char *const methods[] = {"CONNECT", "TRACE", "G ET", "", "GET\r\n"};
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		call *c = call_new(methods[i], "/hello");
		begin(c);
		finish(c);
		assert_failed(c, 502, ER_ERR_INVALID);
		call_free(c);
	}
	static const char *const authorities[] = {"",           "user@127.0.0.1", "127.0.0.1/x", "a b",        "127.0.0.1:99999",
	                                          "127.0.0.1:", "x\r\ny",         "[::1",        "EXAMPLE.com"};
	for (size_t i = 0; i < sizeof authorities / sizeof *authorities; i++) {
		call *c = call_new("GET", "/hello");
		c->x->req.authority = er_slice_cstr(authorities[i]);
		begin(c);
		finish(c);
		assert_failed(c, 502, ER_ERR_INVALID);
		call_free(c);
	}
	call *c = call_new("GET", "/hello");
	c->x->req.scheme = ER_LIT("ftp");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_INVALID);
	call_free(c);
	assert_int_equal(server->requests, before);
}

static void test_an_operators_origin_is_where_he_says(void **state)
{
	(void)state;
	char to[64];
	snprintf(to, sizeof to, "127.0.0.1:%u", server->port);
	call *c = call_new("GET", "/head");
	c->x->req.authority = ER_LIT("shop.example");
	c->x->wishes =
	    (er_wishes){.trusted = true, .connect_to = to, .decompress = ER_DECOMPRESS_MANUAL, .redirect = ER_REDIRECT_MANUAL};
	begin(c);
	finish(c);
	assert_true(has(c, "\r\nHost: shop.example\r\n"));
	call_free(c);
}

/* ---- where it may go ---- */

static void test_internal_servers_are_refused_with_403(void **state)
{
	(void)state;
	static const char *const names[] = {"127.0.0.1", "localhost",          "10.0.0.1", "169.254.169.254",
	                                    "[::1]",     "[::ffff:127.0.0.1]", "0.0.0.0"};
	unsigned before = server->connections;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		call *c = call_new("GET", "/hello");
		c->x->wishes.n_allow = 0;
		c->x->req.authority = er_arena_printf(&c->x->arena, "%s:%u", names[i], server->port);
		if (strcmp(names[i], "[::ffff:127.0.0.1]") == 0)
			c->x->req.authority = er_arena_printf(&c->x->arena, "[::ffff:7f00:1]:%u", server->port);
		begin(c);
		finish(c);
		assert_failed(c, 403, ER_ERR_REFUSED_ADDRESS);
		call_free(c);
	}
	assert_int_equal(server->connections, before);
}

static void test_ports_of_other_protocols_are_refused_and_named(void **state)
{
	(void)state;
	static const char *const hosts[] = {"127.0.0.1:25", "127.0.0.1:6667", "mail.example:587", "127.0.0.1:0"};
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
		for (int https = 0; https < 2; https++) {
			call *c = call_new("GET", "/");
			c->x->req.scheme = https ? ER_LIT("https") : ER_LIT("http");
			c->x->req.authority = er_slice_cstr(hosts[i]);
			begin(c);
			finish(c);
			assert_failed(c, 403, ER_ERR_REFUSED_PORT);
			assert_non_null(memmem(c->x->res.error_text.p, c->x->res.error_text.n, "port ", 5));
			call_free(c);
		}
	call *c = get("/other/6000"); /* where it is led to */
	assert_failed(c, 403, ER_ERR_REFUSED_PORT);
	assert_non_null(memmem(c->x->res.error_text.p, c->x->res.error_text.n, "6000", 4));
	call_free(c);
	/* the operator's own origin may be anywhere: nobody is there, but it was tried */
	c = call_new("GET", "/");
	c->x->req.authority = ER_LIT("127.0.0.1:6667");
	c->x->wishes = (er_wishes){.trusted = true};
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_CONNECT);
	call_free(c);
}

static void test_an_open_connection_is_no_way_around_the_guard(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) { /* libcurl's connection, our own, and with our own in use */
		call *c = get("/kept");
		call_free(c);
		unsigned before = server->requests;
		static const char *const methods[] = {"GET", "POST"};
		for (int k = 0; k < 2; k++) {
			c = call_new(methods[k], "/kept"); /* same pool, but not allowed */
			c->x->wishes.n_allow = 0;
			begin(c);
			finish(c);
			assert_failed(c, 403, ER_ERR_REFUSED_ADDRESS);
			call_free(c);
		}
		assert_int_equal(server->requests, before);
	}
}

static void test_unreachable_servers_say_why(void **state)
{
	(void)state;
	call *c = call_new("GET", "/");
	c->x->req.authority = ER_LIT("127.0.0.1:2");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_CONNECT);
	call_free(c);
	c = call_new("GET", "/"); /* where one of its addresses may not be reached, but another could */
	c->x->req.authority = ER_LIT("localhost:2");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_CONNECT);
	call_free(c);
	c = call_new("GET", "/");
	c->x->req.authority = ER_LIT("does-not-exist.invalid");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_DNS);
	call_free(c);
	c = call_new("GET", "/"); /* no TLS there */
	c->x->req.scheme = ER_LIT("https");
	begin(c);
	finish(c);
	assert_failed(c, 502, ER_ERR_TLS);
	call_free(c);
}

static void test_a_server_that_went_away_is_not_remembered(void **state)
{
	(void)state;
	static test_server *s;
	s = srv_start();
	call *c = NULL;
	for (int i = 0; i < 4; i++) {
		c = call_new("GET", "/once");
		c->x->req.authority = er_arena_printf(&c->x->arena, "127.0.0.1:%u", s->port);
		if (i == 3) {
			shutdown(s->fd, SHUT_RDWR);
			close(s->fd);
			run_until(NULL, 20);
		}
		begin(c);
		finish(c);
		if (i < 3)
			assert_body(c, "ok");
		else
			assert_failed(c, 502, ER_ERR_CONNECT);
		call_free(c);
	}
}

static void test_waiting_has_an_end(void **state)
{
	(void)state;
	call *c = call_new("GET", "/silent");
	c->x->wishes.idle_ms = 300;
	begin(c);
	finish(c);
	assert_failed(c, 504, ER_ERR_TIMEOUT);
	call_free(c);
	c = call_new("GET", "/stalls");
	c->x->wishes.idle_ms = 300;
	begin(c);
	finish(c);
	assert_int_equal(c->x->res.status, 200);
	assert_int_equal(c->error, ER_ERR_TIMEOUT);
	call_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_an_answer_arrives_whole),
	    T(test_every_framing_is_understood),
	    T(test_empty_fields_are_fields),
	    T(test_both_ways_refuse_what_is_not_framed_as_it_must),
	    T(test_head_keeps_the_length),
	    T(test_broken_answers_are_502),
	    T(test_an_answer_that_begins_with_a_folded_line_harms_nobody),
	    T(test_a_cut_answer_is_never_taken_for_whole),
	    T(test_connections_are_used_again),
	    T(test_a_server_that_closed_its_idle_connection_costs_nothing),
	    T(test_one_routine_never_rides_on_anothers_connection),
	    T(test_a_forgotten_routine_leaves_no_connection_behind),
	    T(test_a_cut_after_the_answer_needs_nothing_of_the_exchange),
	    T(test_the_request_goes_out_as_it_is),
	    T(test_a_request_that_would_break_http_is_not_sent),
	    T(test_an_operators_origin_is_where_he_says),
	    T(test_internal_servers_are_refused_with_403),
	    T(test_ports_of_other_protocols_are_refused_and_named),
	    T(test_an_open_connection_is_no_way_around_the_guard),
	    T(test_unreachable_servers_say_why),
	    T(test_a_server_that_went_away_is_not_remembered),
	    T(test_waiting_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
