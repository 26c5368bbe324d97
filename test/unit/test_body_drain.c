/* Bodies that are read to their end for nobody. */
#include "base/mem.h"
#include "http/body_drain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned cancels;

static void on_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	cancels++;
	er_body_unref(ctx); /* the source's reference */
}

static void on_resume(void *ctx)
{
	(void)ctx;
}

static const er_body_source_ops source_ops = {.resume = on_resume, .cancel = on_cancel};

static er_body *body_of(int64_t length)
{
	er_body *b = er_body_ref(er_body_new(length));
	er_body_source(b, &source_ops, b);
	cancels = 0;
	return b;
}

static void a_short_body_is_read_to_its_end(void **state)
{
	(void)state;
	er_body *b = body_of(ER_BODY_UNKNOWN);
	(void)er_body_write(b, er_piece_copy(ER_LIT("before")));
	er_body_drain(b, 10);
	(void)er_body_write(b, er_piece_copy(ER_LIT("more")));
	er_body_finish(b);
	assert_int_equal(cancels, 0);
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
}

static void a_body_that_breaks_off_is_let_go(void **state)
{
	(void)state;
	er_body *b = body_of(ER_BODY_UNKNOWN);
	er_body_drain(b, 10);
	er_body_fail(b, ER_ERR_RESPONSE);
	assert_int_equal(cancels, 0);
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
	er_body_drain(NULL, 10);
}

static void a_long_body_is_cancelled(void **state)
{
	(void)state;
	er_body *b = body_of(ER_BODY_UNKNOWN);
	er_body_drain(b, 10);
	(void)er_body_write(b, er_piece_copy(ER_LIT("0123456789")));
	assert_int_equal(cancels, 0);
	(void)er_body_write(b, er_piece_copy(ER_LIT("x")));
	assert_int_equal(cancels, 1);
	/* One that says so is not begun. */
	b = body_of(11);
	er_body_drain(b, 10);
	assert_int_equal(cancels, 1);
}

static void a_body_that_is_whole_already_is_over_at_once(void **state)
{
	(void)state;
	er_body_drain(er_body_of(er_piece_copy(ER_LIT("text"))), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_short_body_is_read_to_its_end),
	    cmocka_unit_test(a_body_that_breaks_off_is_let_go),
	    cmocka_unit_test(a_long_body_is_cancelled),
	    cmocka_unit_test(a_body_that_is_whole_already_is_over_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
