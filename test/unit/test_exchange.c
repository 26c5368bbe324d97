/* The one idea: an exchange, its asker, the handlers that answer it early, late, never or twice,
 * and cancelling in the other direction. */
#include "http/exchange.h"

#include "base/mem.h"

#include "dies.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct party {
	er_asker asker;
	er_auditor auditor;
	unsigned answers, cancels, handled, ends, audits, breaks;
	er_exchange *held; /* the handler's reference, while it works */
	bool at_once;
	const er_handler *next; /* passes on to it instead of answering */
} party;

static void answer(er_exchange *x, const char *text)
{
	x->res.status = 200;
	x->res.body = er_body_of(er_piece_copy(er_slice_cstr(text)));
	er_exchange_answer(x);
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)x;
	assert_int_equal(reason, ER_ERR_CLIENT_GONE);
	party *p = ctx;
	p->cancels++;
	er_exchange *held = p->held;
	p->held = NULL;
	er_exchange_unref(held);
}

static void handle(void *self, er_exchange *x)
{
	party *p = self;
	p->handled++;
	if (p->next != NULL) {
		er_exchange_pass(x, p->next);
	} else if (p->at_once) {
		answer(x, "now");
	} else {
		p->held = er_exchange_ref(x);
		x->on_cancel = on_cancel;
		x->handler_ctx = p;
	}
}

static void on_answer(er_asker *asker, er_exchange *x)
{
	assert_true(x->answered);
	ER_CONTAINER(asker, party, asker)->answers++;
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	assert_true(x->answered);
	assert_int_equal(x->res.error, ER_ERR_RESPONSE);
	ER_CONTAINER(asker, party, asker)->breaks++;
}

static er_exchange *asked(party *asker)
{
	er_exchange *x = er_exchange_new();
	asker->asker.answered = on_answer;
	asker->asker.broken = on_broken;
	x->asker = &asker->asker;
	return x;
}

static void late(party *p, const char *text)
{
	er_exchange *x = p->held;
	p->held = NULL;
	answer(x, text);
	er_exchange_unref(x);
}

static void a_handler_may_answer_at_once_or_late(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		party asker = {0}, last = {.at_once = at_once};
		er_handler end = {"end", handle, &last};
		party first = {.next = &end};
		er_handler chain = {"first", handle, &first};
		er_exchange *x = asked(&asker);
		er_exchange_start(x, &chain);
		if (!at_once) {
			assert_int_equal(asker.answers, 0);
			late(&last, "late");
		}
		assert_int_equal(asker.answers, 1);
		assert_int_equal(first.handled + last.handled, 2);
		er_exchange_unref(x);
	}
	er_exchange_trim();
}

/* A handler that has thought about it goes on: from then on only the next one hears of a cancel. */
static void who_passes_on_late_hears_nothing_more(void **state)
{
	(void)state;
	for (int cancelled_before = 0; cancelled_before < 2; cancelled_before++) {
		party asker = {0}, first = {0}, last = {0};
		er_handler end = {"end", handle, &last}, chain = {"first", handle, &first};
		er_exchange *x = asked(&asker);
		er_exchange_start(x, &chain);
		assert_int_equal(first.handled, 1);
		er_exchange *held = first.held;
		if (cancelled_before)
			er_exchange_ref(held); /* on_cancel lets go of it */
		else
			first.held = NULL;
		if (cancelled_before)
			er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
		er_exchange_pass(held, &end);
		assert_int_equal(last.handled, !cancelled_before);
		er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
		assert_int_equal(first.cancels, cancelled_before);
		assert_int_equal(last.cancels, !cancelled_before);
		assert_int_equal(asker.answers, 0);
		er_exchange_unref(held);
		er_exchange_unref(x);
	}
	er_exchange_trim();
}

static void pass_after_the_answer(void *ctx)
{
	(void)ctx;
	party asker = {0}, now = {.at_once = true};
	er_handler h = {"now", handle, &now};
	er_exchange *x = asked(&asker);
	er_exchange_start(x, &h);
	er_exchange_pass(x, &h);
}

static void an_answer_is_not_passed_on(void **state)
{
	(void)state;
	assert_true(dies(pass_after_the_answer, NULL));
}

static void a_handler_that_never_answers_is_cancelled_once(void **state)
{
	(void)state;
	party asker = {0}, never = {0};
	er_handler h = {"never", handle, &never};
	er_exchange *x = asked(&asker);
	er_exchange_start(x, &h);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(never.cancels, 1);
	assert_int_equal(asker.answers, 0);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void body_cancelled(void *ctx, er_err_kind reason)
{
	(void)reason;
	++*(unsigned *)ctx;
}

static void body_resume(void *ctx)
{
	(void)ctx;
}

static const er_body_source_ops source_ops = {.resume = body_resume, .cancel = body_cancelled};

static void an_answer_after_a_cancel_reaches_nobody_and_its_source_learns_it(void **state)
{
	(void)state;
	party asker = {0};
	unsigned cancelled = 0;
	er_exchange *x = asked(&asker);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_body *b = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(b, &source_ops, &cancelled);
	x->res.body = er_body_ref(b);
	er_exchange_answer(x);
	assert_int_equal(asker.answers, 0);
	assert_int_equal(cancelled, 1);
	er_body_unref(b);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void who_leaves_during_the_answer_cancels_its_body(void **state)
{
	(void)state;
	party asker = {0};
	unsigned cancelled = 0;
	er_exchange *x = asked(&asker);
	er_body *b = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(b, &source_ops, &cancelled);
	x->res.status = 200;
	x->res.body = er_body_ref(b);
	er_exchange_answer(x);
	assert_int_equal(asker.answers, 1);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(cancelled, 1);
	er_body_unref(b);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void who_leaves_cuts_the_upload_too(void **state)
{
	(void)state;
	party asker = {0}, never = {0};
	unsigned cancelled = 0;
	er_handler h = {"never", handle, &never};
	er_exchange *x = asked(&asker);
	er_body *b = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(b, &source_ops, &cancelled);
	x->req.body = er_body_ref(b);
	er_exchange_start(x, &h);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(cancelled, 1);
	assert_int_equal(never.cancels, 1);
	er_body_unref(b);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void answer_twice(void *ctx)
{
	(void)ctx;
	party asker = {0}, h = {0};
	er_handler handler = {"twice", handle, &h};
	er_exchange *x = asked(&asker);
	er_exchange_start(x, &handler);
	er_exchange *again = er_exchange_ref(h.held);
	late(&h, "once");
	er_exchange_answer(again);
}

/* A second answer could be another client's: the process ends rather than give it. */
static void a_handler_that_answers_twice_ends_the_process(void **state)
{
	(void)state;
	assert_true(dies(answer_twice, NULL));
}

/* ---- children ---- */

static void on_ended(er_asker *asker, er_exchange *x, er_err_kind reason)
{
	assert_int_equal(reason, ER_ERR_CLIENT_GONE);
	party *p = ER_CONTAINER(asker, party, asker);
	p->ends++;
	er_exchange_unref(x);
}

static er_exchange *child_of(er_exchange *parent, party *asker)
{
	asker->asker = (er_asker){.answered = on_answer, .broken = on_broken, .ended = on_ended};
	return er_exchange_child(parent, &asker->asker);
}

/* No answer is an end like an answer: the asker hears of it once, the parent counts it among the
 * failures, the upload's source is let off. */
static void a_handler_may_end_an_exchange_without_an_answer(void **state)
{
	(void)state;
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		party client = {0}, routine = {0}, asker = {0}, origin = {0};
		er_handler first = {"first", handle, &routine}, last = {"last", handle, &origin};
		er_exchange *x = asked(&client);
		er_exchange_start(x, &first);
		er_exchange *child = child_of(x, &asker);
		child->req.body = er_body_new(ER_BODY_UNKNOWN);
		er_exchange_start(child, &last);
		er_exchange *held = origin.held;
		if (cancelled) {
			er_exchange_ref(held); /* on_cancel lets go of it */
			er_exchange_cancel(child, ER_ERR_CLIENT_GONE);
		}
		er_exchange_break(held, ER_ERR_RESPONSE);
		origin.held = NULL;
		er_exchange_unref(held);
		assert_int_equal(asker.breaks, !cancelled);
		assert_int_equal(asker.answers + asker.ends, 0);
		assert_int_equal(x->facts.subrequests_by_class[0], !cancelled);
		assert_null(child->parent);
		er_exchange_unref(child);
		late(&routine, "answer");
		er_exchange_unref(x);
	}
	er_exchange_trim();
}

static void a_child_is_cancelled_with_its_parent(void **state)
{
	(void)state;
	party client = {0}, routine = {0}, asker = {0}, other = {0}, origin = {0};
	er_handler first = {"first", handle, &routine}, last = {"last", handle, &origin};
	er_exchange *x = asked(&client);
	er_exchange_start(x, &first);
	er_exchange *child = child_of(x, &asker), *unstarted = child_of(x, &other);
	er_exchange_start(child, &last);
	assert_ptr_equal(child->parent, x);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(routine.cancels, 1);
	assert_int_equal(origin.cancels, 1);
	assert_int_equal(asker.ends + other.ends, 2);
	assert_int_equal(asker.answers + other.answers + client.answers, 0);
	(void)unstarted; /* let go of by on_ended, as `child` is */
	er_exchange_unref(x);
	er_exchange_trim();
}

/* A child's child hears of it too; a child that was answered, or cancelled by its
 * asker, does not. */
static void only_children_under_way_end_with_their_parent(void **state)
{
	(void)state;
	party client = {0}, routine = {0}, a = {0}, b = {0}, c = {0}, d = {0}, now = {.at_once = true}, never = {0};
	er_handler first = {"first", handle, &routine}, fast = {"fast", handle, &now}, slow = {"slow", handle, &never};
	er_exchange *x = asked(&client);
	er_exchange_start(x, &first);
	er_exchange *answered = child_of(x, &a), *given_up = child_of(x, &b), *waits = child_of(x, &c), *below = child_of(waits, &d);
	er_exchange_start(answered, &fast);
	er_exchange_cancel(given_up, ER_ERR_CLIENT_GONE);
	er_exchange_start(waits, &slow);
	assert_null(answered->parent);
	assert_null(given_up->parent);
	assert_int_equal(below->depth, 2);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(a.answers, 1);
	assert_int_equal(a.ends + b.ends, 0);
	assert_int_equal(c.ends, 1);
	assert_int_equal(d.ends, 1);
	er_exchange_unref(answered);
	er_exchange_unref(given_up);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void on_settled(er_auditor *self, er_exchange *x)
{
	assert_false(x->facts.open);
	ER_CONTAINER(self, party, auditor)->audits++;
}

static void on_cancel_keeps(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	((party *)ctx)->held = er_exchange_keep(x);
}

/* What a routine leaves to waitUntil: its questions go on after the client has left, until the
 * account is closed. */
static void a_child_of_an_open_account_outlives_the_request(void **state)
{
	(void)state;
	for (int answered = 0; answered < 2; answered++) {
		party client = {0}, routine = {0}, asker = {0}, late_asker = {0}, origin = {0}, second = {0};
		er_handler last = {"last", handle, &origin}, also = {"also", handle, &second};
		er_exchange *x = asked(&client);
		x->peer.address.ss_family = AF_INET;
		x->auditor = &client.auditor;
		client.auditor.settled = on_settled;
		er_exchange *child = child_of(x, &asker);
		assert_int_equal(child->peer.address.ss_family, AF_INET);
		er_exchange_start(child, &last);
		if (answered) {
			routine.held = er_exchange_keep(x);
			answer(x, "answer");
		} else {
			x->on_cancel = on_cancel_keeps;
			x->handler_ctx = &routine;
		}
		er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
		er_exchange_unref(x); /* the client's */
		x = routine.held;
		assert_int_equal(asker.ends, 0);
		assert_int_equal(origin.cancels, 0);
		er_exchange *behind = child_of(x, &late_asker);
		assert_int_equal(behind->peer.address.ss_family, 0);
		er_exchange_start(behind, &also);
		late(&second, "late");
		er_exchange_unref(behind);
		assert_int_equal(late_asker.answers, 1);
		assert_int_equal(x->facts.subrequests, 2);
		assert_int_equal(x->facts.subrequests_by_class[2], 1);
		late(&origin, "later");
		er_exchange_unref(child);
		assert_int_equal(x->facts.subrequests_by_class[2], 2);
		assert_int_equal(client.audits, 0);
		er_exchange_settle(x);
		assert_int_equal(client.audits, 1);
	}
	er_exchange_trim();
}

static void on_ended_by_settling(er_asker *asker, er_exchange *x, er_err_kind reason)
{
	assert_int_equal(reason, ER_ERR_CANCELLED);
	ER_CONTAINER(asker, party, asker)->ends++;
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE); /* as a party's on_cancel expects */
	er_exchange_unref(x);
}

static void a_child_ends_at_the_latest_with_the_account_or_the_last_reference(void **state)
{
	(void)state;
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		party client = {0}, asker = {0}, origin = {0};
		er_handler last = {"last", handle, &origin};
		er_exchange *x = asked(&client);
		er_exchange *child = child_of(x, &asker);
		asker.asker.ended = on_ended_by_settling;
		er_exchange_start(child, &last);
		er_exchange *kept = er_exchange_keep(x);
		if (cancelled)
			er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
		er_exchange_settle(kept);
		assert_int_equal(asker.ends, cancelled);
		er_exchange_unref(x);
		assert_int_equal(asker.ends, 1);
		assert_int_equal(origin.cancels, 1);
	}
	er_exchange_trim();
}

static void a_child_counts_in_the_account_of_its_parent(void **state)
{
	(void)state;
	static const struct {
		int status;
		er_err_kind error;
		unsigned class;
	} answers[] = {{200, ER_ERR_OK, 2}, {404, ER_ERR_OK, 4}, {599, ER_ERR_OK, 5}, {502, ER_ERR_RESPONSE, 0}};
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		party client = {0}, asker = {0}, origin = {0};
		er_handler last = {"last", handle, &origin};
		er_exchange *x = asked(&client), *child = child_of(x, &asker);
		er_exchange_start(child, &last);
		assert_int_equal(x->facts.subrequests, 1); /* from its beginning */
		child->facts.subrequests = 2;              /* redirects that were followed for it */
		child->facts.subrequests_by_class[3] = 2;
		child->res.status = answers[i].status;
		child->res.error = answers[i].error;
		er_exchange_answer(origin.held);
		er_exchange_unref(origin.held);
		assert_int_equal(x->facts.subrequests, 3);
		assert_int_equal(x->facts.subrequests_by_class[3], 2);
		assert_int_equal(x->facts.subrequests_by_class[answers[i].class], 1);
		er_exchange_unref(child);
		er_exchange_unref(x);
	}
	er_exchange_trim();
}

static void a_child_enters_at_a_place_and_nesting_is_bounded(void **state)
{
	(void)state;
	party client = {0}, routine = {0}, origin = {0}, askers[ER_EXCHANGE_DEPTH + 1] = {0};
	er_chain chain = {0};
	er_chain_add(&chain, ER_AT_ROUTINE, (er_handler){"routine", handle, &routine});
	er_chain_add(&chain, ER_AT_ORIGIN, (er_handler){"origin", handle, &origin});
	er_exchange *x = asked(&client), *v[ER_EXCHANGE_DEPTH + 1], *parent = x;
	er_exchange_enter(x, &chain, ER_AT_ROUTINE);
	assert_int_equal(routine.handled, 1);
	for (unsigned i = 0; i <= ER_EXCHANGE_DEPTH; i++) {
		v[i] = child_of(parent, &askers[i]);
		assert_ptr_equal(v[i]->chain, &chain);
		er_exchange_enter(v[i], v[i]->chain, ER_AT_STANDARD); /* which the chain does not have */
		if (i < ER_EXCHANGE_DEPTH) {
			assert_int_equal(origin.handled, i + 1);
			er_exchange_unref(origin.held);
			v[i]->on_cancel = NULL;
		}
		parent = v[i];
	}
	assert_int_equal(origin.handled, ER_EXCHANGE_DEPTH);
	assert_int_equal(parent->res.status, 508);
	assert_int_equal(askers[ER_EXCHANGE_DEPTH].answers, 1);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	for (unsigned i = 0; i < ER_EXCHANGE_DEPTH; i++)
		assert_int_equal(askers[i].ends, 1);
	er_exchange_unref(parent);
	er_exchange_unref(x);
	er_exchange_trim();
}

static void calls_of_routines_are_counted_for_the_whole_request_and_cost_the_caller_one_each(void **state)
{
	(void)state;
	party asker = {0}, askers[3] = {0}, h = {.at_once = true};
	er_handler handler = {"now", handle, &h};
	er_exchange *x = asked(&asker);
	assert_true(er_exchange_may_call(x, 3));
	for (int i = 0; i < 3; i++)
		askers[i].asker = asker.asker;
	askers[0].asker.ended = askers[1].asker.ended = on_ended;
	er_exchange *child = er_exchange_child(x, &askers[0].asker), *below = er_exchange_child(child, &askers[1].asker);
	child->req.routine = ER_LIT("other");
	/* what is below takes of the same, and a new number changes nothing */
	assert_true(er_exchange_may_call(below, 100));
	assert_true(er_exchange_may_call(child, 100));
	assert_false(er_exchange_may_call(x, 100));
	/* the name of the client's host holds, whatever host the call named */
	x->req.authority = ER_LIT("client.example");
	child->req.authority = ER_LIT("other.example");
	er_cache_wishes wishes = {.home = er_exchange_home(x)};
	assert_true(er_slice_eq(er_exchange_home(x), ER_LIT("client.example")));
	assert_int_equal(er_exchange_home(child).n, 0);
	child->wishes.cache = &wishes;
	assert_true(er_slice_eq(er_exchange_home(child), ER_LIT("client.example")));
	/* the other's own questions are its own */
	er_exchange_start(below, &handler);
	assert_int_equal(child->facts.subrequests, 1);
	er_exchange_start(child, &handler);
	assert_int_equal(x->facts.subrequests, 1);
	assert_int_equal(x->facts.subrequests_by_class[2], 1);
	er_exchange_unref(below);
	er_exchange_unref(x);
	assert_false(er_exchange_may_call(child, 1)); /* and it outlives the request */
	er_exchange_unref(child);
	er_exchange_trim();
}

static void on_over(er_witness *self, er_exchange *x)
{
	(void)x;
	*(unsigned *)(void *)(self + 1) += 1;
}

static void a_witness_hears_once_how_an_exchange_ended(void **state)
{
	(void)state;
	struct {
		er_witness witness;
		unsigned n;
	} w[3] = {{{on_over}, 0}, {{on_over}, 0}, {{on_over}, 0}};
	party asker = {0}, now = {.at_once = true}, late = {0};
	er_handler at_once = {"now", handle, &now}, later = {"late", handle, &late};
	er_exchange *x[3];
	for (int i = 0; i < 3; i++) {
		x[i] = asked(&asker);
		x[i]->witness = &w[i].witness;
	}
	er_exchange_start(x[0], &at_once);
	assert_int_equal(w[0].n, 1);
	er_exchange_start(x[1], &later);
	assert_int_equal(w[1].n, 0);
	er_exchange_cancel(x[1], ER_ERR_CLIENT_GONE);
	assert_int_equal(w[1].n, 1);
	er_exchange_break(x[2], ER_ERR_RESPONSE);
	er_exchange_cancel(x[0], ER_ERR_CLIENT_GONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w[i].n, 1);
		er_exchange_unref(x[i]);
	}
	er_exchange_trim();
}

static void an_exchange_that_somebody_holds_is_not_used_again(void **state)
{
	(void)state;
	party asker = {0}, h = {.at_once = true};
	er_handler handler = {"now", handle, &h};
	er_exchange *x = asked(&asker);
	er_exchange_start(x, &handler);
	er_exchange *other = er_exchange_ref(x);
	assert_false(er_exchange_reset(x));
	assert_int_equal(other->res.status, 200);
	er_exchange_unref(other);
	assert_true(er_exchange_reset(x));
	assert_int_equal(x->res.status, 0);
	assert_false(x->answered);
	er_exchange_unref(x);
	er_exchange_trim();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_handler_may_answer_at_once_or_late),
	    cmocka_unit_test(who_passes_on_late_hears_nothing_more),
	    cmocka_unit_test(an_answer_is_not_passed_on),
	    cmocka_unit_test(a_handler_that_never_answers_is_cancelled_once),
	    cmocka_unit_test(an_answer_after_a_cancel_reaches_nobody_and_its_source_learns_it),
	    cmocka_unit_test(who_leaves_during_the_answer_cancels_its_body),
	    cmocka_unit_test(who_leaves_cuts_the_upload_too),
	    cmocka_unit_test(a_handler_that_answers_twice_ends_the_process),
	    cmocka_unit_test(a_handler_may_end_an_exchange_without_an_answer),
	    cmocka_unit_test(a_child_is_cancelled_with_its_parent),
	    cmocka_unit_test(only_children_under_way_end_with_their_parent),
	    cmocka_unit_test(a_child_of_an_open_account_outlives_the_request),
	    cmocka_unit_test(a_child_ends_at_the_latest_with_the_account_or_the_last_reference),
	    cmocka_unit_test(a_child_counts_in_the_account_of_its_parent),
	    cmocka_unit_test(a_child_enters_at_a_place_and_nesting_is_bounded),
	    cmocka_unit_test(calls_of_routines_are_counted_for_the_whole_request_and_cost_the_caller_one_each),
	    cmocka_unit_test(a_witness_hears_once_how_an_exchange_ended),
	    cmocka_unit_test(an_exchange_that_somebody_holds_is_not_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
