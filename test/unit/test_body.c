/* Bodies and exchanges: order of the bytes, back-pressure, and who is told what when something
 * ends early. */
#include "base/mem.h"
#include "http/body.h"
#include "http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A source that numbers its bytes and writes as long as it may, and a sink that checks
 * the numbers. */
typedef struct relay {
	er_body *body;
	uint32_t written, total; /* bytes */
	uint32_t read;
	size_t piece, max; /* sizes of writes, of reads (0: whole pieces) */
	bool may_write, source_waits;
	bool in_sink, in_source; /* neither may be entered twice */
	bool holds;              /* the sink does not read when it is told */
	int ends, errors, cancels, resumes, readables;
} relay;

static void write_on(relay *r)
{
	assert_false(r->in_source);
	r->in_source = true;
	while (!r->source_waits && r->written < r->total) {
		size_t n = r->piece < r->total - r->written ? r->piece : r->total - r->written;
		er_chunk *c = er_chunk_new(n);
		for (size_t i = 0; i < n; i++)
			c->bytes[i] = (uint8_t)(r->written + i);
		r->written += (uint32_t)n;
		r->source_waits = !er_body_write(r->body, er_piece_take(c, n));
	}
	if (r->written == r->total)
		er_body_finish(r->body);
	r->in_source = false;
}

static void on_resume(void *ctx)
{
	relay *r = ctx;
	r->resumes++;
	assert_true(r->source_waits);
	r->source_waits = false;
	write_on(r);
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	((relay *)ctx)->cancels++;
}

static void read_on(relay *r)
{
	assert_false(r->in_sink);
	r->in_sink = true;
	for (;;) {
		er_piece piece;
		er_body_status got = er_body_read(r->body, r->max, &piece);
		if (got == ER_BODY_END)
			r->ends++;
		if (got == ER_BODY_ERROR)
			r->errors++;
		if (got != ER_BODY_PIECE)
			break;
		for (size_t i = 0; i < piece.n; i++)
			assert_int_equal(piece.p[i], (uint8_t)(r->read + i));
		r->read += (uint32_t)piece.n;
		er_piece_drop(&piece);
	}
	r->in_sink = false;
}

static void on_readable(void *ctx)
{
	relay *r = ctx;
	r->readables++;
	if (!r->holds)
		read_on(r);
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};
static const er_body_sink_ops sink_ops = {.readable = on_readable};

static void begin(relay *r)
{
	r->body = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(r->body, &source_ops, r);
	er_body_sink(r->body, &sink_ops, r);
}

static void bytes_arrive_in_order_however_both_sides_call_each_other(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 7, 100, 4096, 65536, 131072, 200000};
	for (size_t i = 0; i < 7; i++) {
		for (size_t k = 0; k < 8; k++) {
			for (int late = 0; late < 2; late++) {
				relay r = {.total = 1 << 20, .piece = sizes[i], .max = k < 7 ? sizes[k] : 0, .holds = late};
				if (sizes[i] == 1 || r.max == 1)
					r.total = 1 << 17;
				begin(&r);
				write_on(&r);
				if (late) {
					/* the source fills the window, then the sink reads, and reading lets the
					 * source write */
					assert_true(r.source_waits || r.written == r.total);
					r.holds = false;
					read_on(&r);
				}
				assert_int_equal(r.read, r.total);
				assert_int_equal(r.ends, 1);
				assert_int_equal(er_body_buffered(r.body), 0);
				er_body_source(r.body, NULL, NULL);
				er_body_unref(r.body);
			}
		}
	}
}

static void slow_reader_holds_the_source_and_the_memory(void **state)
{
	(void)state;
	relay r = {.total = 100 << 20, .piece = 1000, .holds = true};
	begin(&r);
	write_on(&r);
	assert_true(r.source_waits);
	assert_in_range(er_body_buffered(r.body), ER_BODY_WINDOW / 2, ER_BODY_WINDOW);
	/* Single bytes take much more memory than they are: fewer of them fit. */
	relay tiny = {.total = 100 << 20, .piece = 1, .holds = true};
	begin(&tiny);
	write_on(&tiny);
	assert_in_range(er_body_buffered(tiny.body), 100, ER_BODY_WINDOW / 64);
	er_body_cancel(r.body, ER_ERR_CLIENT_GONE);
	er_body_cancel(tiny.body, ER_ERR_CLIENT_GONE);
	assert_int_equal(r.cancels, 1);
	er_body_unref(r.body);
	er_body_unref(tiny.body);
}

static void thousands_of_readers_that_do_not_read_hold_a_bounded_amount(void **state)
{
	(void)state;
	enum { MANY = 2000 };
	static relay many[MANY];
	size_t all = 0;
	for (size_t i = 0; i < MANY; i++) {
		many[i] = (relay){.total = 1 << 20, .piece = 4096, .holds = true};
		begin(&many[i]);
		write_on(&many[i]);
		assert_true(many[i].source_waits);
		all += er_body_buffered(many[i].body);
	}
	assert_true(er_body_scarce());
	assert_in_range(all, 64 << 20, (64 << 20) + MANY * (16 << 10));
	/* A small window is a window: who reads gets everything. */
	relay late = {.total = 1 << 20, .piece = 4096, .holds = true};
	begin(&late);
	write_on(&late);
	assert_in_range(er_body_buffered(late.body), 8 << 10, 20 << 10);
	late.holds = false;
	read_on(&late);
	assert_int_equal(late.read, late.total);
	er_body_source(late.body, NULL, NULL);
	er_body_unref(late.body);
	for (size_t i = 0; i < MANY; i++) {
		er_body_source(many[i].body, NULL, NULL);
		er_body_unref(many[i].body);
	}
	assert_false(er_body_scarce());
}

static void count_gone(void *n)
{
	++*(int *)n;
}

static void who_pays_for_a_body_learns_when_it_is_gone(void **state)
{
	(void)state;
	int gone = 0;
	er_body *b = er_body_of(er_piece_copy(ER_LIT("bytes")));
	er_body_on_gone(b, count_gone, &gone);
	er_body_ref(b);
	er_body_cancel(b, ER_ERR_CANCELLED);
	er_body_unref(b);
	assert_int_equal(gone, 0);
	er_body_unref(b);
	assert_int_equal(gone, 1);
}

static void both_sides_learn_how_it_ended(void **state)
{
	(void)state;
	relay r = {.total = 10, .piece = 10, .holds = true};
	begin(&r);
	(void)er_body_write(r.body, er_piece_copy(ER_LIT("\0\1\2")));
	er_body_fail(r.body, ER_ERR_RESPONSE);
	er_body_finish(r.body); /* too late */
	assert_int_equal(r.readables, 2);
	read_on(&r);
	assert_int_equal(r.read, 3);
	assert_int_equal(r.errors, 1);
	assert_int_equal(er_body_error(r.body), ER_ERR_RESPONSE);
	er_body_unref(r.body);

	/* a source that goes away without an end */
	r = (relay){.holds = true};
	begin(&r);
	er_body_source(r.body, NULL, NULL);
	read_on(&r);
	assert_int_equal(r.errors, 1);
	er_body_unref(r.body);

	/* a sink that goes away: nothing is kept, the source is told once */
	r = (relay){.total = 1 << 20, .piece = 100000, .holds = true};
	begin(&r);
	write_on(&r);
	er_body_cancel(r.body, ER_ERR_CLIENT_GONE);
	er_body_cancel(r.body, ER_ERR_CANCELLED);
	assert_int_equal(r.cancels, 1);
	assert_int_equal(er_body_buffered(r.body), 0);
	assert_int_equal(er_body_error(r.body), ER_ERR_CLIENT_GONE);
	(void)er_body_write(r.body, er_piece_copy(ER_LIT("x")));
	assert_int_equal(er_body_buffered(r.body), 0);
	er_body_unref(r.body);
}

static void looking_takes_nothing(void **state)
{
	(void)state;
	er_body *b = er_body_of(er_piece_copy(ER_LIT("hello world")));
	uint8_t text[11];
	assert_int_equal(er_body_length(b), 11);
	assert_true(er_body_untouched(b) && er_body_finished(b));
	er_body_peek(b, text, 11);
	assert_memory_equal(text, "hello world", 11);
	assert_true(er_body_untouched(b));
	er_piece piece;
	assert_int_equal(er_body_read(b, 6, &piece), ER_BODY_PIECE);
	er_piece_drop(&piece);
	assert_false(er_body_untouched(b));
	er_body_peek(b, text, 5);
	assert_memory_equal(text, "world", 5);
	er_body_unref(b);
}

/* ---- a sink that lets go of the body in the middle of a callback ---- */

static void leave(void *ctx)
{
	er_body **b = ctx;
	er_body *mine = *b;
	*b = NULL;
	er_body_cancel(mine, ER_ERR_CLIENT_GONE);
	er_body_unref(mine);
}

static void sink_may_leave_while_it_is_told(void **state)
{
	(void)state;
	static const er_body_sink_ops leaving = {.readable = leave};
	relay r = {0};
	r.body = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(r.body, &source_ops, &r);
	er_body *other = er_body_ref(r.body);
	er_body_sink(other, &leaving, &other);
	(void)er_body_write(r.body, er_piece_copy(ER_LIT("x")));
	assert_null(other);
	assert_int_equal(r.cancels, 1);
	er_body_unref(r.body);
}

/* What the lender does with the bytes afterwards, or a sandbox with its ring, changes nothing of
 * what was read or is still to be read. */
static void lent_bytes_are_copied_by_whoever_keeps_them(void **state)
{
	(void)state;
	char theirs[] = "abcdef", seen[7] = "";
	er_piece piece;
	er_body *b = er_body_lend(er_slice_of(theirs, 6));
	assert_int_equal(er_body_length(b), 6);
	assert_true(er_body_finished(b));
	er_body *reader = er_body_ref(b);
	er_body_peek(b, (uint8_t *)seen, 6);
	assert_string_equal(seen, "abcdef");
	assert_int_equal(er_body_read(reader, 2, &piece), ER_BODY_PIECE);
	memset(theirs, 'x', 6);
	assert_memory_equal(piece.p, "ab", 2);
	er_piece_drop(&piece);
	er_body_loan_over(b);
	assert_int_equal(er_body_read(reader, 0, &piece), ER_BODY_PIECE);
	assert_int_equal(piece.n, 4);
	assert_memory_equal(piece.p, "cdef", 4);
	er_piece_drop(&piece);
	assert_int_equal(er_body_read(reader, 0, &piece), ER_BODY_END);
	er_body_unref(reader);

	b = er_body_lend(er_slice_of(theirs, 6));
	reader = er_body_ref(b);
	er_body_loan_over(b);
	memset(theirs, 'y', 6);
	assert_int_equal(er_body_read(reader, 0, &piece), ER_BODY_PIECE);
	assert_memory_equal(piece.p, "xxxxxx", 6);
	er_piece_drop(&piece);
	er_body_unref(reader);

	b = er_body_lend(er_slice_of(theirs, 6));
	reader = er_body_ref(b);
	er_body_cancel(reader, ER_ERR_CANCELLED);
	er_body_loan_over(b);
	er_body_unref(reader);
	er_body_loan_over(er_body_lend(er_slice_of(theirs, 6)));
}

/* ---- exchanges ---- */

typedef struct asker {
	er_asker asker;
	int answers, cancels;
} asker;

static void on_answer(er_asker *self, er_exchange *x)
{
	(void)x;
	ER_CONTAINER(self, asker, asker)->answers++;
}

static void on_exchange_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)x;
	(void)reason;
	((asker *)ctx)->cancels++;
}

static void client_who_leaves_stops_the_work(void **state)
{
	(void)state;
	asker who = {0};
	relay r = {0};
	er_exchange *x = er_exchange_new();
	who.asker.answered = on_answer;
	x->asker = &who.asker;
	x->on_cancel = on_exchange_cancel;
	x->handler_ctx = &who;
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(who.cancels, 1);
	/* a handler that answers nevertheless: nobody hears it, and its body learns that */
	r.body = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(r.body, &source_ops, &r);
	x->res.status = 200;
	x->res.body = er_body_ref(r.body);
	er_exchange_answer(x);
	assert_int_equal(who.answers, 0);
	assert_int_equal(r.cancels, 1);
	er_exchange_unref(x);
	er_body_unref(r.body);
}

static void nodes_own_answer_says_why(void **state)
{
	(void)state;
	er_exchange *x = er_exchange_new();
	er_exchange_fail(x, 503, ER_ERR_CPU, "used=83ms", "stopped after %d ms", 50);
	assert_int_equal(x->res.status, 503);
	assert_true(er_slice_eq(*er_fields_get(&x->res.fields, ER_LIT("ER-Error")), ER_LIT("cpu; used=83ms")));
	assert_true(er_slice_eq(x->res.error_text, ER_LIT("stopped after 50 ms")));
	assert_int_equal(er_body_length(x->res.body), 20);
	/* text that is too long is cut, not overrun */
	char *text = er_alloc(5000);
	memset(text, 'x', 4999);
	text[4999] = '\0';
	er_exchange_fail(x, 500, ER_ERR_INTERNAL, NULL, "%s", text);
	assert_in_range(er_body_length(x->res.body), 500, 1024);
	er_free(text);
	assert_true(er_exchange_reset(x));
	er_exchange_ref(x);
	assert_false(er_exchange_reset(x));
	er_exchange_unref(x);
	er_exchange_unref(x);
}

static void trailers_follow_a_body_and_are_bounded(void **state)
{
	(void)state;
	er_body *b = er_body_new(ER_BODY_UNKNOWN);
	assert_null(er_body_trailers(b));
	assert_true(er_body_trailer(b, ER_LIT("grpc-status"), ER_LIT("0")));
	static const char *const never[] = {"content-length", "Transfer-Encoding", "host", "Set-Cookie", "authorization", "a b", ""};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_false(er_body_trailer(b, er_slice_cstr(never[i]), ER_LIT("1")));
	assert_false(er_body_trailer(b, ER_LIT("x"), ER_LIT("a\r\nb: c")));
	unsigned taken = 1;
	while (taken < 1000 && er_body_trailer(b, ER_LIT("x"), ER_LIT("y")))
		taken++;
	assert_int_equal(taken, 64);
	assert_int_equal(er_body_trailers(b)->n, 64);
	er_body_finish(b);
	assert_false(er_body_trailer(b, ER_LIT("late"), ER_LIT("1")));
	er_body_unref(b);

	static uint8_t long_value[5000];
	memset(long_value, 'v', sizeof long_value);
	b = er_body_new(0);
	assert_true(er_body_trailer(b, ER_LIT("a"), er_slice_of(long_value, sizeof long_value)));
	assert_false(er_body_trailer(b, ER_LIT("b"), er_slice_of(long_value, sizeof long_value)));
	er_body_unref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_arrive_in_order_however_both_sides_call_each_other),
	    cmocka_unit_test(slow_reader_holds_the_source_and_the_memory),
	    cmocka_unit_test(thousands_of_readers_that_do_not_read_hold_a_bounded_amount),
	    cmocka_unit_test(who_pays_for_a_body_learns_when_it_is_gone),
	    cmocka_unit_test(both_sides_learn_how_it_ended),
	    cmocka_unit_test(looking_takes_nothing),
	    cmocka_unit_test(sink_may_leave_while_it_is_told),
	    cmocka_unit_test(lent_bytes_are_copied_by_whoever_keeps_them),
	    cmocka_unit_test(client_who_leaves_stops_the_work),
	    cmocka_unit_test(nodes_own_answer_says_why),
	    cmocka_unit_test(trailers_follow_a_body_and_are_bounded),
	};
	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
