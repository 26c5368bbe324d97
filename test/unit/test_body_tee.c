/* Tees of bodies: every branch gets every byte, in order, and the memory lies there once; who is
 * slow, who ends, and who hears of it. */
#include "base/mem.h"
#include "http/body_tee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FAR = 1 << 30, KB = 1024 };

/* Numbers its bytes, and writes when it is told to. */
typedef struct source {
	er_body *body;
	uint32_t written;
	bool waits;
	int cancels, resumes;
	er_err_kind reason;
} source;

static void on_resume(void *ctx)
{
	source *s = ctx;
	assert_true(s->waits);
	s->waits = false;
	s->resumes++;
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	source *s = ctx;
	s->cancels++;
	s->reason = reason;
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};

static uint8_t byte_at(uint32_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

static er_body *source_begin(source *s)
{
	*s = (source){.body = er_body_new(ER_BODY_UNKNOWN)};
	er_body_source(s->body, &source_ops, s);
	return er_body_ref(s->body);
}

static void source_write(source *s, size_t n)
{
	er_chunk *c = er_chunk_new(n);
	for (size_t i = 0; i < n; i++)
		c->bytes[i] = byte_at(s->written + (uint32_t)i);
	s->written += (uint32_t)n;
	if (!er_body_write(s->body, er_piece_take(c, n)))
		s->waits = true;
}

/* Until it has to wait, or `most` bytes are written in all. */
static void source_fill(source *s, size_t piece, uint32_t most)
{
	while (!s->waits && s->written < most)
		source_write(s, piece < most - s->written ? piece : most - s->written);
}

static void source_end(source *s)
{
	if (s->body == NULL)
		return;
	er_body_source(s->body, NULL, NULL);
	er_body_unref(s->body);
	s->body = NULL;
}

/* Reads a branch and checks what it gets. */
typedef struct reader {
	er_body *body;
	uint32_t at;
	bool eager; /* reads when it is told */
	bool in_sink;
	int told, ends, errors;
	void (*meanwhile)(struct reader *r); /* once, in the middle of being told */
	struct reader *other;
} reader;

/* At most so many bytes. */
static er_body_status read_some(reader *r, uint32_t most)
{
	er_body_status got = ER_BODY_WAIT;
	for (uint32_t n = 0; n < most;) {
		er_piece piece;
		got = er_body_read(r->body, most - n, &piece);
		if (got == ER_BODY_END)
			r->ends++;
		if (got == ER_BODY_ERROR)
			r->errors++;
		if (got != ER_BODY_PIECE)
			return got;
		for (size_t i = 0; i < piece.n; i++)
			assert_int_equal(piece.p[i], byte_at(r->at + (uint32_t)i));
		r->at += (uint32_t)piece.n;
		n += (uint32_t)piece.n;
		er_piece_drop(&piece);
	}
	return got;
}

static void on_readable(void *ctx)
{
	reader *r = ctx;
	r->told++;
	assert_false(r->in_sink);
	r->in_sink = true;
	if (r->meanwhile != NULL) {
		void (*fn)(reader *) = r->meanwhile;
		r->meanwhile = NULL;
		fn(r);
	}
	if (r->eager && r->body != NULL)
		(void)read_some(r, UINT32_MAX);
	r->in_sink = false;
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

static void attach(reader *r, bool eager)
{
	r->eager = eager;
	er_body_sink(r->body, &sink_ops, r);
	if (eager)
		(void)read_some(r, UINT32_MAX);
}

static void drop(reader *r)
{
	er_body *b = r->body;
	r->body = NULL;
	if (b != NULL)
		er_body_sink(b, NULL, NULL);
	er_body_unref(b);
}

static void leave(reader *r)
{
	er_body_cancel(r->body, ER_ERR_CLIENT_GONE);
	drop(r);
}

static void split(source *s, size_t limit, er_tee_policy policy, reader r[2])
{
	er_body *out[2];
	er_body_tee(source_begin(s), limit, policy, out);
	r[0] = (reader){.body = out[0]};
	r[1] = (reader){.body = out[1]};
}

/* ---- bytes ---- */

static void both_get_every_byte_whatever_the_order(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 100, 4096, 70000, 200000};
	for (size_t i = 0; i < 5; i++) {
		for (int eager = 0; eager < 4; eager++) {
			source s;
			reader r[2];
			const uint32_t total = sizes[i] == 1 ? 5000 : 600000;
			split(&s, FAR, ER_TEE_WAIT, r);
			for (int k = 0; k < 2; k++)
				attach(&r[k], (eager >> k & 1) != 0);
			while (s.written < total) {
				source_fill(&s, sizes[i], total);
				/* nobody is eager: the second is read to the end of what there is, the first is
				 * left behind */
				if (s.waits)
					(void)read_some(&r[1], UINT32_MAX);
			}
			er_body_finish(s.body);
			for (int k = 0; k < 2; k++) {
				assert_int_equal(read_some(&r[k], UINT32_MAX), ER_BODY_END);
				assert_int_equal(r[k].at, total);
				drop(&r[k]);
			}
			assert_int_equal(s.cancels, 0);
			source_end(&s);
		}
	}
}

static void bytes_lie_in_memory_once(void **state)
{
	(void)state;
	er_body *out[2], *third[2];
	er_chunk *c = er_chunk_new(5000);
	memset(c->bytes, 'x', 5000);
	er_body *whole = er_body_of(er_piece_take(er_chunk_ref(c), 5000));
	assert_int_equal(c->refs, 2);
	er_body_tee(whole, FAR, ER_TEE_WAIT, out);
	er_body_tee(out[1], FAR, ER_TEE_WAIT, third);
	assert_ptr_equal(third[0], out[1]);
	assert_int_equal(c->refs, 4); /* ours, and a piece in each branch */
	er_body *all[] = {out[0], third[0], third[1]};
	for (int i = 0; i < 3; i++) {
		er_piece piece;
		assert_true(er_body_finished(all[i]) && er_body_untouched(all[i]) && er_body_is_branch(all[i]));
		assert_int_equal(er_body_length(all[i]), 5000);
		assert_int_equal(er_body_read(all[i], 0, &piece), ER_BODY_PIECE);
		assert_ptr_equal(piece.chunk, c);
		assert_false(er_body_untouched(all[i]));
		er_piece_drop(&piece);
		assert_int_equal(er_body_read(all[i], 0, &piece), ER_BODY_END);
	}
	assert_int_equal(c->refs, 1);
	for (int i = 0; i < 3; i++)
		er_body_unref(all[i]);
	er_chunk_unref(c);
}

static void length_and_touch_are_the_sources(void **state)
{
	(void)state;
	for (int touched = 0; touched < 2; touched++) {
		er_body *out[2], *whole = er_body_of(er_piece_copy(ER_LIT("hello world")));
		er_piece piece;
		if (touched) {
			assert_int_equal(er_body_read(whole, 6, &piece), ER_BODY_PIECE);
			er_piece_drop(&piece);
		}
		assert_false(er_body_is_branch(whole));
		er_body_tee(whole, FAR, ER_TEE_DROP, out);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(er_body_length(out[i]), 11);
			assert_int_equal(er_body_untouched(out[i]), !touched);
			assert_int_equal(er_body_buffered(out[i]), touched ? 5 : 11);
			er_body_unref(out[i]);
		}
	}
}

/* ---- back-pressure ---- */

static void nobody_reads_and_little_is_taken_of_the_source(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, FAR, ER_TEE_DROP, r);
	source_fill(&s, 4096, FAR);
	assert_true(s.waits);
	/* a window of the source, and one read ahead */
	assert_in_range(s.written, ER_BODY_WINDOW, 2 * ER_BODY_WINDOW + 4096);
	/* One piece a time is enough to make it go on. */
	while (s.waits)
		assert_int_equal(read_some(&r[0], 4096), ER_BODY_PIECE);
	assert_int_equal(s.resumes, 1);
	assert_true(r[0].at <= 2 * ER_BODY_WINDOW);
	leave(&r[0]);
	leave(&r[1]);
	source_end(&s);
}

static void fast_one_waits_for_the_slow_one(void **state)
{
	(void)state;
	source s;
	reader r[2];
	enum { LIMIT = 300 * KB };
	split(&s, LIMIT, ER_TEE_WAIT, r);
	attach(&r[1], true);
	source_fill(&s, 8 * KB, FAR);
	assert_true(s.waits);
	assert_in_range(r[1].at, LIMIT - 32 * KB, LIMIT + 8 * KB);
	assert_in_range(er_body_buffered(r[0].body), LIMIT - 32 * KB, LIMIT + 8 * KB);
	uint32_t before = r[1].at;
	assert_int_equal(read_some(&r[0], 64 * KB), ER_BODY_PIECE);
	/* the fast one went on by as much */
	assert_in_range(r[1].at, before + 48 * KB, before + 80 * KB);
	/* The slow one leaves: nobody is waited for. */
	leave(&r[0]);
	assert_false(s.waits);
	source_fill(&s, 8 * KB, 4 * LIMIT);
	assert_int_equal(r[1].at, 4 * LIMIT);
	er_body_finish(s.body);
	assert_int_equal(r[1].ends, 1);
	drop(&r[1]);
	source_end(&s);
}

static void slow_one_is_dropped_and_the_fast_one_goes_on(void **state)
{
	(void)state;
	source s;
	reader r[2];
	enum { LIMIT = 300 * KB };
	split(&s, LIMIT, ER_TEE_DROP, r);
	attach(&r[0], false);
	attach(&r[1], true);
	source_fill(&s, 8 * KB, LIMIT - 32 * KB);
	assert_int_equal(er_body_error(r[0].body), ER_ERR_OK);
	int told = r[0].told;
	source_fill(&s, 8 * KB, 3 * LIMIT);
	assert_int_equal(r[1].at, 3 * LIMIT);
	assert_int_equal(er_body_error(r[0].body), ER_ERR_BEHIND);
	assert_int_equal(er_body_buffered(r[0].body), 0);
	assert_false(er_body_untouched(r[0].body));
	assert_int_equal(read_some(&r[0], 1), ER_BODY_ERROR);
	assert_true(r[0].told > told);
	er_body_finish(s.body);
	assert_int_equal(r[1].ends, 1);
	assert_int_equal(er_body_error(r[0].body), ER_ERR_BEHIND);
	drop(&r[0]);
	drop(&r[1]);
	source_end(&s);
}

/* A body that ends within the limit is whole for whoever reads it late. */
static void one_is_read_to_the_end_before_the_other_begins(void **state)
{
	(void)state;
	for (er_tee_policy policy = ER_TEE_WAIT; policy <= ER_TEE_DROP; policy++) {
		source s;
		reader r[2];
		split(&s, 1 << 20, policy, r);
		attach(&r[1], true);
		source_fill(&s, 8 * KB, 900 * KB);
		er_body_finish(s.body);
		assert_int_equal(r[1].ends, 1);
		assert_int_equal(read_some(&r[0], UINT32_MAX), ER_BODY_END);
		assert_int_equal(r[0].at, 900 * KB);
		drop(&r[0]);
		drop(&r[1]);
		source_end(&s);
	}
}

static void tiny_pieces_count_for_what_they_take(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, 300 * KB, ER_TEE_WAIT, r);
	attach(&r[1], true);
	source_fill(&s, 1, FAR);
	assert_in_range(er_body_buffered(r[0].body), 1000, 300 * KB / 128 + 1);
	leave(&r[0]);
	leave(&r[1]);
	source_end(&s);
}

static void policy_may_change_on_the_way(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, 200 * KB, ER_TEE_WAIT, r);
	attach(&r[1], true);
	source_fill(&s, 8 * KB, FAR);
	assert_true(s.waits);
	er_body_tee_policy(r[0].body, 400 * KB, ER_TEE_WAIT);
	source_fill(&s, 8 * KB, FAR);
	assert_in_range(r[1].at, 368 * KB, 408 * KB);
	er_body_tee_policy(r[0].body, 400 * KB, ER_TEE_DROP);
	assert_false(s.waits);
	assert_int_equal(er_body_error(r[0].body), ER_ERR_BEHIND);
	er_body_tee_policy(s.body, 1, ER_TEE_DROP); /* no branch: nothing happens */
	leave(&r[0]);
	leave(&r[1]);
	source_end(&s);
}

/* ---- budgets ---- */

static void budget_counts_once_and_decides_who_goes(void **state)
{
	(void)state;
	enum { MOST = 1 << 20 };
	er_tee_budget *budget = er_tee_budget_new(MOST);
	source s;
	er_body *out[2], *more[2];
	er_body_tee_within(budget, source_begin(&s), FAR, ER_TEE_EITHER, out);
	assert_int_equal(er_tee_budget_held(budget), 2 * ER_TEE_BRANCH_COST);
	er_body_tee(out[1], FAR, ER_TEE_EITHER, more);
	reader a = {.body = out[0]}, b = {.body = out[1]}, c = {.body = more[1]};
	attach(&a, true);
	source_fill(&s, 16 * KB, 600 * KB);
	assert_int_equal(er_body_buffered(b.body), 600 * KB);
	assert_int_equal(er_body_buffered(c.body), 600 * KB);
	/* two have it, it is there once */
	assert_in_range(er_tee_budget_held(budget), 600 * KB, 640 * KB);
	assert_int_equal(read_some(&c, 300 * KB), ER_BODY_PIECE);
	source_fill(&s, 16 * KB, 1200 * KB);
	assert_int_equal(er_body_error(b.body), ER_ERR_BEHIND); /* the slowest first */
	assert_int_equal(er_body_error(c.body), ER_ERR_OK);
	assert_int_equal(er_body_buffered(c.body), 900 * KB);
	assert_false(er_tee_budget_full(budget));
	/* As soon as another one can wait, nobody is dropped any more. */
	er_body_tee_policy(a.body, FAR, ER_TEE_WAIT);
	source_fill(&s, 16 * KB, FAR);
	assert_true(s.waits);
	assert_int_equal(er_body_error(c.body), ER_ERR_OK);
	assert_in_range(er_tee_budget_held(budget), MOST, MOST + 64 * KB);
	assert_true(er_tee_budget_full(budget));
	assert_int_equal(read_some(&c, UINT32_MAX), ER_BODY_WAIT);
	assert_false(s.waits);
	leave(&a);
	leave(&b);
	er_tee_budget_unref(budget); /* the tee has one of its own */
	leave(&c);
	assert_int_equal(s.cancels, 1);
	source_end(&s);
}

static void either_waits_at_its_limit_for_one_that_can_wait(void **state)
{
	(void)state;
	er_tee_budget *budget = er_tee_budget_new(8 << 20);
	source s;
	er_body *out[2];
	er_body_tee_within(budget, source_begin(&s), 200 * KB, ER_TEE_EITHER, out);
	reader a = {.body = out[0]}, b = {.body = out[1]};
	attach(&a, true);
	source_fill(&s, 16 * KB, 1 << 20);
	assert_int_equal(er_body_buffered(b.body), 1 << 20); /* a may be what b's reader waits for */
	er_body_tee_policy(a.body, 200 * KB, ER_TEE_WAIT);
	source_fill(&s, 16 * KB, FAR);
	assert_int_equal(a.at, 1 << 20); /* now a waits */
	assert_int_equal(er_body_error(b.body), ER_ERR_OK);
	leave(&a);
	leave(&b);
	er_tee_budget_unref(budget);
	source_end(&s);
}

/* ---- ends ---- */

static void an_end_or_error_reaches_both_behind_the_bytes(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		for (int eager = 0; eager < 4; eager++) {
			source s;
			reader r[2];
			split(&s, FAR, ER_TEE_WAIT, r);
			for (int k = 0; k < 2; k++)
				attach(&r[k], (eager >> k & 1) != 0);
			source_write(&s, 1000);
			if (how == 0)
				er_body_finish(s.body);
			else if (how == 1)
				er_body_fail(s.body, ER_ERR_RESPONSE);
			else
				er_body_source(s.body, NULL, NULL); /* it went away without an end */
			for (int k = 0; k < 2; k++) {
				assert_int_equal(read_some(&r[k], UINT32_MAX), how == 0 ? ER_BODY_END : ER_BODY_ERROR);
				assert_int_equal(r[k].at, 1000);
				assert_int_equal(er_body_error(r[k].body), how == 0 ? ER_ERR_OK : how == 1 ? ER_ERR_RESPONSE : ER_ERR_CANCELLED);
				assert_true(r[k].told >= 2);
				drop(&r[k]);
			}
			assert_int_equal(s.cancels, 0);
			source_end(&s);
		}
	}
}

/* Of a source that has ended before it is split, failed, or has nothing. */
static void what_was_over_before_is_over_in_both(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		er_body *out[2], *b = er_body_new(ER_BODY_UNKNOWN);
		er_piece piece;
		if (how < 2)
			(void)er_body_write(b, er_piece_copy(ER_LIT("x")));
		if (how % 2 == 0)
			er_body_finish(b);
		else
			er_body_fail(b, ER_ERR_TIMEOUT);
		er_body_tee(b, 1, ER_TEE_WAIT, out);
		for (int k = 0; k < 2; k++) {
			if (how < 2) {
				assert_int_equal(er_body_read(out[k], 0, &piece), ER_BODY_PIECE);
				er_piece_drop(&piece);
			}
		}
		for (int k = 0; k < 2; k++) {
			assert_int_equal(er_body_read(out[k], 0, &piece), how % 2 == 0 ? ER_BODY_END : ER_BODY_ERROR);
			er_body_unref(out[k]);
		}
	}
}

static void fields_behind_the_body_reach_every_branch(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, FAR, ER_TEE_WAIT, r);
	source_write(&s, 100);
	assert_true(er_body_trailer(s.body, ER_LIT("x-sum"), ER_LIT("17")));
	assert_null(er_body_trailers(r[0].body));
	er_body_finish(s.body);
	source_end(&s);
	er_body *out[2];
	er_body_tee(r[1].body, FAR, ER_TEE_WAIT, out);
	reader late = {.body = out[1]};
	reader *all[] = {&r[0], &r[1], &late};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_some(all[i], UINT32_MAX), ER_BODY_END);
		const er_fields *fields = er_body_trailers(all[i]->body);
		assert_non_null(fields);
		assert_int_equal(fields->n, 1);
		assert_true(er_slice_eq(fields->v[0].name, ER_LIT("x-sum")) && er_slice_eq(fields->v[0].value, ER_LIT("17")));
		drop(all[i]);
	}
}

static void source_is_cancelled_when_both_are(void **state)
{
	(void)state;
	/* by cancel or by letting go, in either order, before bytes and after them, with the other's
	 * bytes unread */
	for (int how = 0; how < 16; how++) {
		source s;
		reader r[2];
		split(&s, FAR, how & 8 ? ER_TEE_DROP : ER_TEE_WAIT, r);
		if (how & 4)
			source_write(&s, 1000);
		for (int k = 0; k < 2; k++) {
			reader *it = &r[k ^ (how >> 1 & 1)];
			assert_int_equal(s.cancels, 0);
			if (how & 1)
				leave(it);
			else
				drop(it);
			if (k == 0) {
				source_write(&s, 1000);
				assert_int_equal(er_body_buffered(r[k ^ 1 ^ (how >> 1 & 1)].body), how & 4 ? 2000 : 1000);
			}
		}
		assert_int_equal(s.cancels, 1);
		assert_int_equal(s.reason, how & 1 ? ER_ERR_CLIENT_GONE : ER_ERR_CANCELLED);
		source_write(&s, 1000); /* dropped silently */
		source_end(&s);
	}
}

static void cancelled_branch_says_so_and_keeps_nothing(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, FAR, ER_TEE_WAIT, r);
	source_write(&s, 1000);
	er_body_cancel(r[0].body, ER_ERR_TIMEOUT);
	er_body_cancel(r[0].body, ER_ERR_CANCELLED);
	assert_int_equal(er_body_buffered(r[0].body), 0);
	assert_int_equal(er_body_error(r[0].body), ER_ERR_TIMEOUT);
	source_write(&s, 1000);
	er_body_finish(s.body);
	assert_int_equal(er_body_buffered(r[0].body), 0);
	assert_int_equal(read_some(&r[0], 1), ER_BODY_ERROR);
	/* a branch made of a cancelled one is over as well */
	er_body *out[2];
	er_body_tee(r[0].body, FAR, ER_TEE_WAIT, out);
	assert_int_equal(er_body_error(out[1]), ER_ERR_TIMEOUT);
	er_body_unref(out[1]);
	assert_int_equal(read_some(&r[1], UINT32_MAX), ER_BODY_END);
	er_body_cancel(r[1].body, ER_ERR_CANCELLED); /* after the end: nothing to cancel */
	drop(&r[0]);
	drop(&r[1]);
	assert_int_equal(s.cancels, 0);
	source_end(&s);
}

static void branch_of_a_branch_begins_where_that_one_is(void **state)
{
	(void)state;
	source s;
	reader r[2];
	split(&s, FAR, ER_TEE_WAIT, r);
	for (int i = 0; i < 10; i++)
		source_write(&s, 1000);
	assert_int_equal(read_some(&r[0], 3500), ER_BODY_PIECE);
	er_body *out[2];
	er_body_tee(r[0].body, FAR, ER_TEE_WAIT, out);
	assert_ptr_equal(out[0], r[0].body);
	reader late = {.body = out[1], .at = 3500};
	assert_false(er_body_untouched(late.body));
	source_write(&s, 1000);
	er_body_finish(s.body);
	reader *all[] = {&r[0], &r[1], &late};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read_some(all[i], UINT32_MAX), ER_BODY_END);
		assert_int_equal(all[i]->at, 11000);
		drop(all[i]);
	}
	source_end(&s);
}

/* ---- in the middle of callbacks ---- */

static void leave_other(reader *r)
{
	leave(r->other);
}

static void drop_other(reader *r)
{
	drop(r->other);
}

static void leave_both(reader *r)
{
	leave(r->other);
	er_body *b = r->body;
	r->body = NULL;
	er_body_cancel(b, ER_ERR_CLIENT_GONE);
	er_body_unref(b);
}

static reader third;

static void one_more(reader *r)
{
	er_body *out[2];
	er_body_tee(er_body_ref(r->other->body), FAR, ER_TEE_WAIT, out);
	er_body_unref(out[0]);
	third = (reader){.body = out[1], .at = r->other->at};
}

static void one_more_of_mine(reader *r)
{
	er_body *out[2];
	er_body_tee(er_body_ref(r->body), FAR, ER_TEE_WAIT, out);
	er_body_unref(out[0]);
	third = (reader){.body = out[1], .at = r->at};
}

static void a_reader_may_do_anything_when_it_is_told(void **state)
{
	(void)state;
	void (*const what[])(reader *) = {leave_other, drop_other, leave_both, one_more, one_more_of_mine};
	for (int how = 0; how < 5 * 2 * 2 * 2; how++) {
		source s;
		reader r[2];
		int who = how & 1, at_end = how >> 1 & 1, eager = how >> 2 & 1;
		split(&s, FAR, ER_TEE_WAIT, r);
		third = (reader){0};
		source_write(&s, 500);
		for (int k = 0; k < 2; k++) {
			r[k].other = &r[!k];
			attach(&r[k], eager);
		}
		if (!at_end)
			r[who].meanwhile = what[how >> 3];
		source_write(&s, 500);
		if (at_end)
			r[who].meanwhile = what[how >> 3];
		er_body_finish(s.body);
		reader *all[] = {&r[0], &r[1], &third};
		for (int k = 0; k < 3; k++) {
			if (all[k]->body == NULL)
				continue;
			assert_int_equal(read_some(all[k], UINT32_MAX), ER_BODY_END);
			assert_int_equal(all[k]->at, 1000);
			drop(all[k]);
		}
		assert_int_equal(s.cancels, !at_end && what[how >> 3] == leave_both);
		source_end(&s);
	}
}

/* ---- against a model ---- */

enum { MANY = 6 };

static uint32_t seed;
static unsigned drops, waits, ends; /* that were seen: a test that never meets them shows nothing */

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

typedef struct model {
	source s;
	bool finished, failed; /* the source was */
	reader r[MANY];
	er_tee_policy policy[MANY];
	bool cancelled[MANY], may_drop[MANY]; /* it had a policy by which it can be dropped */
	er_tee_budget *budget;
	size_t limit;
	uint32_t total; /* written before the end */
} model;

static void add_reader(model *m, er_body *b, uint32_t at, er_tee_policy policy, int i)
{
	m->r[i] = (reader){.body = b, .at = at};
	m->policy[i] = policy;
	m->cancelled[i] = false;
	m->may_drop[i] = policy != ER_TEE_WAIT || m->r[i].errors > 0;
}

static void check_reader(model *m, int i)
{
	reader *r = &m->r[i];
	if (r->body == NULL || m->cancelled[i])
		return;
	er_err_kind kind = er_body_error(r->body);
	assert_true(r->at + er_body_buffered(r->body) <= m->s.written);
	if (r->ends > 0) {
		assert_true(m->finished);
		assert_int_equal(r->at, m->s.written);
	}
	if (kind == ER_ERR_BEHIND)
		assert_true(m->may_drop[i]);
	else if (kind != ER_ERR_OK)
		assert_true(m->failed && kind == ER_ERR_RESPONSE);
	if (r->errors > 0 && kind == ER_ERR_RESPONSE)
		assert_int_equal(r->at, m->s.written);
	if (m->policy[i] == ER_TEE_WAIT)
		assert_true(er_body_buffered(r->body) < 2 * (m->limit + ER_BODY_WINDOW) + 200 * KB);
}

static void one_step(model *m)
{
	static const er_tee_policy policies[] = {ER_TEE_WAIT, ER_TEE_DROP, ER_TEE_EITHER};
	int i = (int)rnd(MANY), k = (int)rnd(MANY);
	reader *r = &m->r[i];
	switch (rnd(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		if (!m->finished && !m->failed && !m->s.waits && m->s.cancels == 0)
			source_write(&m->s, 1 + rnd(rnd(3) == 0 ? 100 * KB : 5000));
		break;
	case 4:
	case 5:
	case 6:
		if (r->body != NULL && !r->eager)
			(void)read_some(r, 1 + rnd(rnd(2) == 0 ? 200 * KB : 4000));
		break;
	case 7:
		if (r->body != NULL)
			attach(r, rnd(2) == 0);
		break;
	case 8:
		if (r->body != NULL && m->r[k].body == NULL) {
			er_body *out[2];
			er_tee_policy policy = policies[rnd(3)];
			bool may = m->may_drop[i];
			uint32_t at = r->at; /* an eager one may read on meanwhile */
			m->policy[i] = policy;
			er_body_tee(er_body_ref(r->body), m->limit, policy, out);
			er_body_unref(out[0]);
			add_reader(m, out[1], at, policy, k);
			m->may_drop[i] = m->may_drop[k] = may || policy != ER_TEE_WAIT;
			m->cancelled[k] = m->cancelled[i];
		}
		break;
	case 9:
		if (r->body != NULL && rnd(8) == 0) {
			er_body_cancel(r->body, ER_ERR_CLIENT_GONE);
			m->cancelled[i] = true;
		}
		break;
	case 10:
		if (r->body != NULL && rnd(8) == 0)
			drop(r);
		break;
	default:
		if (r->body != NULL) {
			m->policy[i] = policies[rnd(3)];
			m->may_drop[i] = m->may_drop[i] || m->policy[i] != ER_TEE_WAIT;
			er_body_tee_policy(r->body, m->limit, m->policy[i]);
		}
	}
	if (!m->finished && !m->failed && rnd(300) == 0) {
		if (rnd(2) == 0) {
			m->finished = true;
			er_body_finish(m->s.body);
		} else {
			m->failed = true;
			er_body_fail(m->s.body, ER_ERR_RESPONSE);
		}
	}
}

static void whatever_they_do_it_is_as_the_model_says(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 400; round++) {
		seed = 77 + round * 7919;
		model m = {.budget = er_tee_budget_new(600 * KB + rnd(2000) * KB), .limit = 1 + rnd(700) * KB};
		er_body *out[2];
		er_tee_policy policy = rnd(2) ? ER_TEE_WAIT : ER_TEE_EITHER;
		er_body_tee_within(m.budget, source_begin(&m.s), m.limit, policy, out);
		add_reader(&m, out[0], 0, policy, 0);
		add_reader(&m, out[1], 0, policy, 1);
		for (int n = 0; n < 600; n++) {
			one_step(&m);
			unsigned open = 0;
			for (int i = 0; i < MANY; i++) {
				check_reader(&m, i);
				open += m.r[i].body != NULL && !m.cancelled[i] && er_body_error(m.r[i].body) == ER_ERR_OK;
			}
			/* The source learns that nobody wants more when that is so, and not before; one that
			 * has ended need not hear it. */
			if (m.s.cancels > 0)
				assert_int_equal(open, 0);
			else if (!m.finished && !m.failed)
				assert_true(open > 0);
			/* Nobody waits for nothing: a lonely reader that has read all it got has
			 * all there is. */
			for (int i = 0; i < MANY && open == 1; i++)
				if (m.r[i].body != NULL && !m.cancelled[i] && er_body_error(m.r[i].body) == ER_ERR_OK &&
				    er_body_buffered(m.r[i].body) == 0)
					assert_int_equal(m.r[i].at, m.s.written);
		}
		waits += m.s.waits;
		for (int i = 0; i < MANY; i++) {
			drops += m.r[i].body != NULL && er_body_error(m.r[i].body) == ER_ERR_BEHIND;
			ends += m.r[i].ends > 0;
			drop(&m.r[i]);
		}
		assert_int_equal(er_tee_budget_held(m.budget), 0);
		er_tee_budget_unref(m.budget);
		source_end(&m.s);
	}
	assert_true(drops > 20 && waits > 20 && ends > 20);
	assert_false(er_body_scarce());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_get_every_byte_whatever_the_order),
	    cmocka_unit_test(bytes_lie_in_memory_once),
	    cmocka_unit_test(length_and_touch_are_the_sources),
	    cmocka_unit_test(nobody_reads_and_little_is_taken_of_the_source),
	    cmocka_unit_test(fast_one_waits_for_the_slow_one),
	    cmocka_unit_test(slow_one_is_dropped_and_the_fast_one_goes_on),
	    cmocka_unit_test(one_is_read_to_the_end_before_the_other_begins),
	    cmocka_unit_test(tiny_pieces_count_for_what_they_take),
	    cmocka_unit_test(policy_may_change_on_the_way),
	    cmocka_unit_test(budget_counts_once_and_decides_who_goes),
	    cmocka_unit_test(either_waits_at_its_limit_for_one_that_can_wait),
	    cmocka_unit_test(an_end_or_error_reaches_both_behind_the_bytes),
	    cmocka_unit_test(what_was_over_before_is_over_in_both),
	    cmocka_unit_test(fields_behind_the_body_reach_every_branch),
	    cmocka_unit_test(source_is_cancelled_when_both_are),
	    cmocka_unit_test(cancelled_branch_says_so_and_keeps_nothing),
	    cmocka_unit_test(branch_of_a_branch_begins_where_that_one_is),
	    cmocka_unit_test(a_reader_may_do_anything_when_it_is_told),
	    cmocka_unit_test(whatever_they_do_it_is_as_the_model_says),
	};
	return cmocka_run_group_tests_name("body_tee", tests, NULL, NULL);
}
