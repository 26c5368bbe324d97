/* Answers of servers taken apart: the same verdict however the bytes are cut, nothing lenient,
 * nothing without a bound. */
#include "origin/decode.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static uv_loop_t loop;
static er_origin origin;

typedef struct answer {
	er_fetch f;
	er_decode d;
	er_buf body;
	size_t rest; /* bytes behind the answer */
} answer;

static void collect(answer *a)
{
	er_pieces *q = &a->f.in;
	for (; q->n > 0; q->n--, q->first = (q->first + 1) % q->cap) {
		er_buf_put(&a->body, er_piece_slice(q->v[q->first]));
		er_piece_drop(&q->v[q->first]);
	}
	q->bytes = 0;
}

static void answer_free(answer *a)
{
	collect(a);
	er_buf_fini(&a->body);
	er_decode_fini(&a->d);
	er_free(a->f.in.v);
	er_free(a->f.end_text);
	er_chunk_unref(a->f.tail);
	er_exchange_unref(a->f.x);
	er_free(a);
}

/* Of a request that has gone out. */
static answer *answer_new(void)
{
	answer *a = ER_NEW(answer);
	a->f.magic = ER_FETCH_MAGIC;
	a->f.o = &origin;
	a->f.x = er_exchange_new();
	a->f.authority = ER_LIT("a.example");
	er_fetch_connected(&a->f);
	er_decode_begin(&a->d);
	return a;
}

/* Reads `bytes`, `step` at a time. */
static answer *reads(er_slice bytes, size_t step, const char *method)
{
	answer *a = answer_new();
	a->f.is_head = er_slice_eq(er_slice_cstr(method), ER_LIT("HEAD"));
	while (bytes.n > 0 && a->d.state != ER_DECODE_BROKEN) {
		er_slice part = er_slice_head(bytes, step);
		bytes = er_slice_from(bytes, part.n);
		(void)er_decode_feed(&a->d, &a->f, &part, NULL);
		a->rest += part.n;
		if (part.n > 0)
			break;
	}
	a->rest += bytes.n;
	collect(a);
	return a;
}

#define HEAD "HTTP/1.1 200 OK\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

/* body NULL: not over when these bytes are there. */
static const struct {
	const char *bytes, *method, *body;
	size_t rest;
	bool keeps;
} good[] = {
    {HEAD "Content-Length: 5\r\n\r\nhello", "GET", "hello", 0, true},
    {HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "GET", "hello", 0, true},
    {HEAD "Content-Length: 5, 5\r\n\r\nhello", "GET", "hello", 0, true},
    {HEAD "Content-Length: 5\r\n\r\nhelloHTTP/1.1", "GET", "hello", 8, true},
    {HEAD "Content-Length: 5\r\nConnection: x, Close\r\n\r\nhello", "GET", "hello", 0, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", "hello", 0, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", "GET", "hello", 0, true},
    {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "GET", "ok", 0, true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: 1\r\n\r\n" HEAD "Content-Length: 2\r\n\r\nok", "GET", "ok", 0, true},
    {HEAD "Content-Length: 0\r\n\r\n", "GET", "", 0, true},
    {HEAD "Content-Length: 12\r\n\r\n", "HEAD", "", 0, true},
    {HEAD "Transfer-Encoding: chunked\r\n\r\n", "HEAD", "", 0, true},
    {HEAD "\r\n", "HEAD", "", 0, true},
    {"HTTP/1.1 204 No\r\n\r\nstray", "GET", "", 5, true},
    {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nstray", "GET", "", 5, true},
    {"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nHTTP/1.1 103 x\r\n\r\n", "GET", "", 18, true},
    {CHUNKED "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n", "GET", "hello world", 0, true},
    {CHUNKED "5 \r\nhello\r\n0\t; x\r\nTrailer: 1\r\nOther:\r\n\r\n", "GET", "hello", 0, true},
    {CHUNKED "00000005\r\nhello\r\n0000\r\n\r\n\r\n", "GET", "hello", 2, true},
    {CHUNKED "5\r\nhello\r\n0\r\n", "GET", NULL, 0, false},
    {HEAD "\r\nuntil the end", "GET", NULL, 0, false},
    {HEAD "Content-Length: 6\r\n\r\nhello", "GET", NULL, 0, false},
};

static const struct {
	const char *bytes, *says;
} bad[] = {
    {"SSH-2.0-x", "did not answer in HTTP"},
    {"\r\n" HEAD "\r\n", "did not answer in HTTP"},
    {"HTTP/2.0 200 OK\r\n\r\n", "a status line of HTTP/2.0"},
    {"HTTP/1.2 200 OK\r\n\r\n", "a status line of HTTP/1.2"},
    {"HTTP/0.9 200 OK\r\n\r\n", "a status line of HTTP/0.9"},
    {"HTTP/2 200 OK\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1 99 x\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1 1000 x\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1 2 0\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1  200 OK\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1 -20 OK\r\n\r\n", "did not answer in HTTP"},
    {"HTTP/1.1 099 x\r\n\r\n", "status 99, which cannot be handed on"},
    {"HTTP/1.1 999 x\r\n\r\n", "status 999, which cannot be handed on"},
    {"HTTP/1.1 101 x\r\n\r\n", "status 101, which cannot be handed on"},
    {"HTTP/1.1 200 O\rK\r\n\r\n", "did not answer in HTTP"},
    {"http/1.1 200 OK\r\n\r\n", "did not answer in HTTP"},
    {HEAD "Transfer-Encoding: xchunked\r\n\r\n", "Transfer-Encoding \"xchunked\", where only"},
    {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding \"gzip, chunked\", where only"},
    {HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n", "Transfer-Encoding \"chunked, chunked\", where only"},
    {HEAD "Transfer-Encoding: chunked;x\r\n\r\n", "Transfer-Encoding \"chunked;x\", where only"},
    {HEAD "Transfer-Encoding: identity\r\n\r\n", "Transfer-Encoding \"identity\", where only"},
    {HEAD "Transfer-Encoding:\r\n\r\n", "Transfer-Encoding \"\", where only"},
    {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "more than one Transfer-Encoding"},
    {HEAD "Transfer-Encoding: gzip\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "more than one Transfer-Encoding"},
    {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "Transfer-Encoding and Content-Length in one message"},
    {HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding and Content-Length in one message"},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"},
    {HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: 5, 6\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: 5,\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: -5\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: +5\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: 0x5\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: 5 5\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length:\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "Content-Length: 99999999999999999999\r\n\r\n", "Content-Length that is not one number"},
    {HEAD "X: a\r\n b\r\n\r\n", "folded"},
    {HEAD "X: a\n\r\n", "does not end with CR LF"},
    {HEAD "X: 1\r\n\nhello", "does not end with CR LF"},
    {HEAD "X: a\rb\r\n\r\n", "a control character in its value"},
    {HEAD "X : a\r\n\r\n", "no token as its name"},
    {HEAD "X\r\n\r\n", "no token as its name"},
    {HEAD ": a\r\n\r\n", "no token as its name"},
    {HEAD "X: a\x01\r\n\r\n", "a control character in its value"},
    {CHUNKED "zz\r\n", "not a hexadecimal number"},
    {CHUNKED "5\r\nhello\r\nzz", "not a hexadecimal number"},
    {CHUNKED "-5\r\n", "not a hexadecimal number"},
    {CHUNKED "\r\n", "not a hexadecimal number"},
    {CHUNKED " 5\r\n", "not a hexadecimal number"},
    {CHUNKED "5x\r\n", "not a hexadecimal number"},
    {CHUNKED "5\n", "not a hexadecimal number"},
    {CHUNKED "1000000000000000\r\n", "not a hexadecimal number"},
    {CHUNKED "5\rx", "does not end with CR LF"},
    {CHUNKED "5;a\nb\r\n", "control character"},
    {CHUNKED "5\r\nhello!\r\n", "longer than its size"},
    {CHUNKED "5\r\nhello\r\r", "longer than its size"},
    {CHUNKED "0\r\nbad trailer\r\n", "trailer is malformed"},
    {CHUNKED "0\r\nbad trailer: 1\r\n", "trailer is malformed"},
    {CHUNKED "0\r\n folded: 1\r\n", "trailer is malformed"},
    {CHUNKED "0\r\nx: 1\n", "does not end with CR LF"},
};

static void test_the_verdict_does_not_depend_on_how_the_bytes_are_cut(void **state)
{
	(void)state;
	static const size_t steps[] = {1, 2, 7, 1000};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		for (size_t s = 0; s < 4; s++) {
			answer *a = reads(er_slice_cstr(good[i].bytes), steps[s], good[i].method);
			bool over = a->d.state == ER_DECODE_OVER;
			if (over != (good[i].body != NULL) || (over && a->rest != good[i].rest) || er_decode_keeps(&a->d) != good[i].keeps)
				fail_msg("%s (%zu a time): state %d, %zu bytes left", good[i].bytes, steps[s], a->d.state, a->rest);
			if (over)
				assert_true(er_slice_eq(er_buf_slice(&a->body), er_slice_cstr(good[i].body)));
			answer_free(a);
		}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		for (size_t s = 0; s < 4; s++) {
			answer *a = reads(er_slice_cstr(bad[i].bytes), steps[s], "GET");
			if (a->d.state != ER_DECODE_BROKEN || a->f.end_text == NULL || strstr(a->f.end_text, bad[i].says) == NULL)
				fail_msg("%s (%zu a time): state %d, \"%s\"", bad[i].bytes, steps[s], a->d.state,
				         a->f.end_text ? a->f.end_text : "");
			assert_int_equal(a->f.end_kind, ER_ERR_RESPONSE);
			answer_free(a);
		}
	/* A byte that no C string holds. */
	answer *a = reads(ER_LIT(HEAD "X: a\0b\r\n\r\n"), 1000, "GET");
	assert_int_equal(a->d.state, ER_DECODE_BROKEN);
	answer_free(a);
}

static void test_only_an_answer_that_ends_with_its_connection_may_end_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		answer *a = reads(er_slice_cstr(good[i].bytes), 3, good[i].method);
		bool whole = good[i].body != NULL || a->d.until_close;
		assert_int_equal(er_decode_end(&a->d, &a->f), whole ? ER_DECODE_OVER : ER_DECODE_BROKEN);
		assert_int_equal(er_fetch_ended_already(&a->f), !whole);
		answer_free(a);
	}
	/* Cut anywhere, no framed answer is whole. */
	er_slice all = ER_LIT(CHUNKED "5\r\nhello\r\n0\r\nx: 1\r\n\r\n");
	for (size_t n = 0; n < all.n; n++) {
		answer *a = reads(er_slice_head(all, n), 1000, "GET");
		assert_int_equal(er_decode_end(&a->d, &a->f), ER_DECODE_BROKEN);
		answer_free(a);
	}
}

/* Says `start` and then `more` again and again: ended after at most `most` bytes? */
static void assert_bounded(const char *start, const char *more, size_t most)
{
	er_buf all = {0};
	er_buf_put_cstr(&all, start);
	while (er_buf_len(&all) < 4 * most)
		er_buf_put_cstr(&all, more);
	static const size_t steps[] = {1, 65536};
	for (size_t s = 0; s < 2; s++) {
		answer *a = reads(er_slice_head(er_buf_slice(&all), most), steps[s], "GET");
		if (a->d.state != ER_DECODE_BROKEN)
			fail_msg("%zu bytes of %s, and no end", most, more);
		assert_true(er_buf_len(&a->d.held) <= ER_ORIGIN_HEAD_MAX);
		answer_free(a);
	}
	er_buf_fini(&all);
}

static void test_what_is_not_body_has_a_bound(void **state)
{
	(void)state;
	assert_bounded(CHUNKED "1;", "x", 20000);
	assert_bounded(CHUNKED "0\r\n", "x: y\r\n", 20000);
	assert_bounded(CHUNKED "0\r\nx: ", "y", 20000);
	assert_bounded(CHUNKED, "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\ny\r\n", 40000);
	assert_bounded("HTTP/1.1 ", "200 ", 70000);
	assert_bounded(HEAD, "x: y\r\n", 70000);
	assert_bounded(HEAD "x: ", "y", 70000);
	assert_bounded("", "HTTP/1.1 100 Continue\r\n\r\n", 200000);
	assert_bounded("", "HTTP/1.1 103 x\r\nlink: y\r\n\r\n", 200000);
}

static void test_single_bytes_are_gathered(void **state)
{
	(void)state;
	er_buf all = {0};
	er_buf_puts(&all, CHUNKED);
	for (int i = 0; i < 10000; i++)
		er_buf_printf(&all, "1\r\n%c\r\n", 'a' + i % 26);
	answer *a = answer_new();
	er_slice in = er_buf_slice(&all);
	assert_int_equal(er_decode_feed(&a->d, &a->f, &in, NULL), ER_DECODE_SIZE);
	assert_true(a->f.in.n < 8);
	assert_int_equal(a->f.in.bytes, 10000);
	collect(a);
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(er_buf_slice(&a->body).p[i], 'a' + i % 26);
	er_buf_fini(&all);
	answer_free(a);
}

int main(void)
{
	uv_loop_init(&loop);
	origin.loop = &loop;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_verdict_does_not_depend_on_how_the_bytes_are_cut),
	    cmocka_unit_test(test_only_an_answer_that_ends_with_its_connection_may_end_so),
	    cmocka_unit_test(test_what_is_not_body_has_a_bound),
	    cmocka_unit_test(test_single_bytes_are_gathered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
