/* WebSocket messages: what comes out of bytes, however they are cut, and what is refused. */
#include "base/mem.h"
#include "http/websocket.h"
#include "http/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A client's frame at the end of *to. */
static void put(er_buf *to, uint8_t first, er_slice payload)
{
	static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
	uint8_t head[ER_WS_HEAD_MAX];
	size_t n = er_ws_head(head, ER_WS_TEXT, false, payload.n, mask);
	head[0] = first;
	er_buf_put(to, er_slice_of(head, n));
	er_ws_mask(er_buf_reserve(to, payload.n), payload.p, payload.n, mask, 0);
	er_buf_wrote(to, payload.n);
}

/* All events of `bytes`, given in parts of `step`, as text: "t:hello p:x c:1000:bye b:1002 ". */
static void events_of(er_ws *w, er_slice bytes, size_t step, er_buf *out)
{
	while (bytes.n > 0) {
		er_slice part = er_slice_head(bytes, step);
		bytes = er_slice_from(bytes, part.n);
		er_ws_said said;
		for (er_ws_event e; (e = er_ws_next(w, &part, &said)) != ER_WS_MORE;) {
			if (e == ER_WS_BROKEN || e == ER_WS_CLOSED)
				er_buf_printf(out, "%c:%u:%.*s ", e == ER_WS_BROKEN ? 'b' : 'c', said.code, ER_FMT(said.payload));
			else
				er_buf_printf(out, "%c:%.*s ", "?tb??????pq"[said.opcode], ER_FMT(said.payload));
			if (e == ER_WS_BROKEN || e == ER_WS_CLOSED)
				return;
		}
	}
}

static void expect(er_slice bytes, uint64_t most, bool deflate, const char *events)
{
	for (size_t step = 1; step <= bytes.n + 1; step += step < 20 ? 1 : bytes.n / 2) {
		er_ws w = {.most = most, .deflate = deflate};
		er_buf out = {0};
		events_of(&w, bytes, step, &out);
		er_buf_putc(&out, 0);
		assert_string_equal((const char *)er_buf_slice(&out).p, events);
		er_buf_fini(&out);
		er_ws_fini(&w);
	}
}

static void messages_come_whole_however_their_bytes_are_cut(void **state)
{
	(void)state;
	er_buf b = {0};
	put(&b, 0x81, ER_LIT("hello"));
	put(&b, 0x01, ER_LIT("fr"));
	put(&b, 0x89, ER_LIT("in between"));
	put(&b, 0x00, ER_LIT(""));
	put(&b, 0x80, ER_LIT("ag"));
	put(&b, 0x82, ER_LIT(""));
	put(&b, 0x8a, ER_LIT("pong"));
	put(&b, 0x01, ER_LIT("\xce"));
	put(&b, 0x80, ER_LIT("\xba"));
	put(&b, 0x88,
	    ER_LIT("\x03\xe8"
	           "bye"));
	expect(er_buf_slice(&b), 100, false, "t:hello p:in between t:frag b: q:pong t:\xce\xba c:1000:bye ");
	er_buf_fini(&b);
}

static void what_breaks_the_rules_is_refused_with_its_code(void **state)
{
	(void)state;
	static const struct {
		uint8_t first;
		const char *payload, *events;
	} cases[] = {
	    {0x83, "", "b:1002: "},
	    {0x8b, "", "b:1002: "},
	    {0x80, "x", "b:1002: "},
	    {0xc1, "x", "b:1002: "},
	    {0xa1, "x", "b:1002: "},
	    {0x09, "x", "b:1002: "},
	    {0x81, "\xc0\x80", "b:1007: "},
	    {0x81, "\xed\xa0\x80", "b:1007: "},
	    {0x81, "\xe2\x82", "b:1007: "},
	    {0x81, "\xf4\x90\x80\x80", "b:1007: "},
	    {0x81, "0123456789a", "b:1009: "},
	    {0x88, "x", "b:1002: "},
	    {0x88, "\x03\xed", "b:1002: "},
	    {0x88, "\x03\xe7", "b:1002: "},
	    {0x88, "\x13\x88", "b:1002: "},
	    {0x88, "\x03\xe8\xff", "b:1007: "},
	    {0x88, "", "c:1005: "},
	    {0x88, "\x0f\xa0ok", "c:4000:ok "},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_buf b = {0};
		put(&b, cases[i].first, er_slice_cstr(cases[i].payload));
		expect(er_buf_slice(&b), 10, false, cases[i].events);
		er_buf_fini(&b);
	}
	expect(ER_LIT("\x81\x01x"), 10, false, "b:1002: "); /* not masked */
	expect(ER_LIT("\x81\xfe\x00\x01mask."), 10, false, "b:1002: ");
	expect(ER_LIT("\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01mask."), 10, false, "b:1002: ");
	expect(ER_LIT("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01mask."), UINT64_MAX, false, "b:1002: ");
	expect(ER_LIT("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask."), 10, false, "b:1009: ");
}

static void a_client_takes_no_mask(void **state)
{
	(void)state;
	er_ws w = {.client = true, .most = 10};
	er_slice in = ER_LIT("\x81\x02hi\x81\x82mask..");
	er_ws_said said;
	assert_int_equal(er_ws_next(&w, &in, &said), ER_WS_MESSAGE);
	assert_true(er_slice_eq(said.payload, ER_LIT("hi")));
	assert_int_equal(er_ws_next(&w, &in, &said), ER_WS_BROKEN);
	assert_int_equal(said.code, ER_WS_PROTOCOL);
	er_ws_fini(&w);
}

static void nothing_is_kept_between_two_messages(void **state)
{
	(void)state;
	er_buf b = {0};
	er_ws w = {.most = 1 << 20};
	er_ws_said said;
	uint8_t *large = er_alloc(100000);
	memset(large, 'x', 100000);
	put(&b, 0x81, er_slice_of(large, 100000));
	er_slice in = er_buf_slice(&b);
	assert_int_equal(er_ws_next(&w, &in, &said), ER_WS_MESSAGE);
	assert_int_equal(er_ws_next(&w, &in, &said), ER_WS_MORE);
	assert_true(er_ws_idle(&w) && w.message.p == NULL && w.plain.p == NULL);
	er_free(large);
	er_buf_fini(&b);
	er_ws_fini(&w);
}

static void a_compressed_message_is_undone_within_its_bound(void **state)
{
	(void)state;
	uint8_t *zeros = er_alloc(100000);
	memset(zeros, 'z', 100000);
	er_buf small = {0}, b = {0};
	for (int bits = 9; bits <= 15; bits++) {
		er_buf_clear(&small);
		er_buf_clear(&b);
		assert_true(er_ws_deflate(er_slice_of(zeros, 100000), bits, &small));
		assert_true(er_buf_len(&small) < 1000);
		put(&b, 0xc1, er_buf_slice(&small));
		er_ws w = {.most = 100000, .deflate = true};
		er_slice in = er_buf_slice(&b);
		er_ws_said said;
		assert_int_equal(er_ws_next(&w, &in, &said), ER_WS_MESSAGE);
		assert_true(er_slice_eq(said.payload, er_slice_of(zeros, 100000)));
		er_ws_fini(&w);
	}
	expect(er_buf_slice(&b), 99999, true, "b:1009: ");
	er_buf_clear(&b);
	put(&b, 0xc1, ER_LIT("no deflate at all"));
	expect(er_buf_slice(&b), 100, true, "b:1007: ");
	er_buf_clear(&b);
	er_buf_clear(&small);
	assert_true(er_ws_deflate(ER_LIT("\xff"), 15, &small));
	put(&b, 0xc1, er_buf_slice(&small));
	expect(er_buf_slice(&b), 100, true, "b:1007: ");
	er_buf_clear(&b);
	er_buf_clear(&small);
	assert_true(er_ws_deflate(ER_LIT(""), 15, &small));
	put(&b, 0xc2, er_buf_slice(&small));
	expect(er_buf_slice(&b), 100, true, "b: ");
	er_buf_fini(&b);
	er_buf_fini(&small);
	er_free(zeros);
}

static void an_offer_of_compression_is_taken_only_as_it_can_be_kept(void **state)
{
	(void)state;
	static const struct {
		const char *offer;
		int bits;
		const char *answer;
	} cases[] = {
	    {"permessage-deflate", 15, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
	    {"permessage-deflate; client_max_window_bits", 15,
	     "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
	    {"permessage-deflate; server_max_window_bits=10", 10,
	     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"},
	    {"permessage-deflate; server_max_window_bits=8, permessage-deflate", 15,
	     "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
	    {"x-webkit-deflate-frame", 0, ""},
	    {"permessage-deflate; server_max_window_bits=16", 0, ""},
	    {"permessage-deflate; server_max_window_bits", 0, ""},
	    {"permessage-deflate; server_no_context_takeover=1", 0, ""},
	    {"permessage-deflate; unknown", 0, ""},
	    {"permessage-deflate; client_max_window_bits=7", 0, ""},
	    {"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", 0, ""},
	    {"", 0, ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_buf answer = {0};
		assert_int_equal(er_ws_accept_offer(er_slice_cstr(cases[i].offer), &answer), cases[i].bits);
		assert_true(er_slice_eq(er_buf_slice(&answer), er_slice_cstr(cases[i].answer)));
		assert_int_equal(er_ws_agreed(er_buf_slice(&answer), false), cases[i].bits);
		er_buf_fini(&answer);
	}
	bool deflate;
	assert_true(er_ws_read_answer(ER_LIT(""), &deflate) && !deflate);
	assert_true(er_ws_read_answer(ER_LIT("permessage-deflate; server_no_context_takeover"), &deflate) && deflate);
	/* with context: it was not asked so */
	assert_false(er_ws_read_answer(ER_LIT("permessage-deflate"), &deflate));
	assert_false(er_ws_read_answer(ER_LIT("permessage-deflate; server_no_context_takeover; client_max_window_bits=9"), &deflate));
	assert_false(er_ws_read_answer(ER_LIT("other"), &deflate));
}

static void a_key_is_answered_as_the_rfc_says(void **state)
{
	(void)state;
	uint8_t accept[ER_WEBSOCKET_ACCEPT];
	er_websocket_accept(ER_LIT("dGhlIHNhbXBsZSBub25jZQ=="), accept);
	assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof accept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_whole_however_their_bytes_are_cut),
	    cmocka_unit_test(what_breaks_the_rules_is_refused_with_its_code),
	    cmocka_unit_test(a_client_takes_no_mask),
	    cmocka_unit_test(nothing_is_kept_between_two_messages),
	    cmocka_unit_test(a_compressed_message_is_undone_within_its_bound),
	    cmocka_unit_test(an_offer_of_compression_is_taken_only_as_it_can_be_kept),
	    cmocka_unit_test(a_key_is_answered_as_the_rfc_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
