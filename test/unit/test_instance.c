/* An instance from the inside: all layers of isolate/ (isolate/internal.h), with a spawner and
 * sandboxes that the test plays. What a sandbox says or does at every moment of a request, and what
 * the request's asker is then told. */
#include "instance_harness.h"

#include "isolate/instance_states.h"

#include "state_walk.h"

static void puppet_done(puppet *p, uint32_t id)
{
	puppet_says(p, (er_frame){.type = ER_FRAME_DONE, .id = id, .arg = 2000}, (er_slice){0});
}

static bool none_lives(void *ctx, const er_routine *r)
{
	(void)ctx, (void)r;
	return false;
}

/* ---- start, and plain answers ---- */

static void a_request_waits_for_its_sandbox_and_is_answered(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	heard *load = heard_of(p, ER_FRAME_LOAD, 0), *code = heard_of(p, ER_FRAME_CODE, 0);
	assert_non_null(load);
	assert_memory_equal(er_buf_slice(&code->payload).p, "code", 4);
	assert_true(code->f.flags & ER_FF_FIN);
	puppet_answers(p, request_id(p, 0), ER_FF_INLINE | ER_FF_DONE, ER_LIT("hello"));
	UNTIL(w, a.over);
	assert_int_equal(a.answers, 1);
	assert_int_equal(a.x->res.status, 200);
	assert_memory_equal(er_buf_slice(&a.body).p, "hello", 5);
	asker_done(&a);
	world_free(w);
}

static void a_warm_sandbox_is_taken_at_once_and_replaced(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	UNTIL(w, w->n_puppets == 1);
	puppet_ready(&w->puppets[0]);
	some_turns(w);
	asker a;
	ask(w, &a, false);
	UNTIL(w, heard_of(&w->puppets[0], ER_FRAME_CODE, 0) != NULL);
	UNTIL(w, w->n_puppets == 2);
	puppet_says(&w->puppets[0], (er_frame){.type = ER_FRAME_LOADED}, (er_slice){0});
	UNTIL(w, heard_of(&w->puppets[0], ER_FRAME_REQUEST, 0) != NULL);
	asker_done(&a);
	world_free(w);
}

static void requests_of_one_routine_share_its_instance(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a[3];
	for (int i = 0; i < 3; i++)
		ask(w, &a[i], false);
	puppet *p = running(w, 3);
	assert_int_equal(w->n_puppets, 1);
	for (unsigned i = 3; i-- > 0;) /* the last first */
		puppet_answers(p, request_id(p, i), ER_FF_INLINE | ER_FF_DONE, i == 0 ? ER_LIT("0") : i == 1 ? ER_LIT("1") : ER_LIT("2"));
	UNTIL(w, a[0].over && a[1].over && a[2].over);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(er_buf_slice(&a[i].body).p[0], '0' + i);
		asker_done(&a[i]);
	}
	world_free(w);
}

static void a_request_that_ends_without_an_answer_fails(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_done(p, request_id(p, 0));
	UNTIL(w, a.answers == 1);
	assert_int_equal(a.x->res.status, 599);
	assert_int_equal(a.x->res.error, ER_ERR_EXCEPTION);
	asker_done(&a);
	world_free(w);
}

static void top_level_code_that_throws_fails_every_request_that_waits(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a, b;
	ask(w, &a, false);
	ask(w, &b, false);
	UNTIL(w, w->n_puppets == 1);
	puppet *p = &w->puppets[0];
	puppet_ready(p);
	UNTIL(w, heard_of(p, ER_FRAME_CODE, 0) != NULL);
	puppet_says_strings(p, (er_frame){.type = ER_FRAME_LOADED, .aux = ER_ERR_EXCEPTION},
	                    (const char *const[]){"TypeError", "no", "at r.js:1:1"}, 3, (er_slice){0});
	UNTIL(w, a.answers == 1 && b.answers == 1);
	assert_int_equal(a.x->res.status, 599);
	assert_int_equal(w->exceptions, 1);
	UNTIL(w, p->killed);
	asker_done(&a);
	asker_done(&b);
	world_free(w);
}

static void sandboxes_that_cannot_be_started_fail_the_request_in_the_end(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	for (unsigned i = 0; a.answers == 0; i++) {
		assert_true(i < PUPPETS_MAX);
		UNTIL(w, w->n_puppets == i + 1 || a.answers > 0);
		if (w->n_puppets == i + 1)
			puppet_exit(w, &w->puppets[i], 1 << 8);
		some_turns(w);
	}
	assert_int_equal(a.x->res.status, 503);
	asker_done(&a);
	world_free(w);
}

/* ---- bodies ---- */

static void a_streamed_answer_keeps_to_its_credit(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_answers(p, id, ER_FF_STREAM, (er_slice){0});
	UNTIL(w, a.answers == 1);
	static const uint8_t block[ER_FRAME_DATA];
	for (int i = 0; i < ER_CREDIT_START / ER_FRAME_DATA; i++)
		puppet_says(p, (er_frame){.type = ER_FRAME_BODY_DATA, .id = id}, er_slice_of(block, sizeof block));
	UNTIL(w, heard_of(p, ER_FRAME_CREDIT, 0) != NULL && er_buf_len(&a.body) == ER_CREDIT_START);
	puppet_says(p, (er_frame){.type = ER_FRAME_BODY_DATA, .flags = ER_FF_FIN, .id = id}, ER_LIT("end"));
	UNTIL(w, a.over);
	assert_false(a.broken);
	puppet_done(p, id);
	asker_done(&a);
	world_free(w);
}

static void a_sandbox_that_sends_more_than_its_credit_is_ended(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_answers(p, id, ER_FF_STREAM, (er_slice){0});
	UNTIL(w, a.answers == 1);
	er_body_sink(a.x->res.body, NULL, NULL); /* nobody reads */
	static const uint8_t block[ER_FRAME_DATA];
	for (int i = 0; i < 12; i++)
		puppet_says(p, (er_frame){.type = ER_FRAME_BODY_DATA, .id = id}, er_slice_of(block, sizeof block));
	UNTIL(w, p->killed);
	UNTIL(w, w->kills[ER_ERR_PROTOCOL] == 1);
	asker_done(&a);
	world_free(w);
}

static void a_streamed_answer_that_fails_is_broken(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_answers(p, id, ER_FF_STREAM, (er_slice){0});
		puppet_says(p, (er_frame){.type = ER_FRAME_BODY_DATA, .id = id}, ER_LIT("some"));
		if (how == 0)
			puppet_says(p, (er_frame){.type = ER_FRAME_BODY_FAIL, .id = id, .aux = ER_ERR_EXCEPTION}, (er_slice){0});
		else
			puppet_exit(w, p, SIGSEGV);
		UNTIL(w, a.broken);
		assert_memory_equal(er_buf_slice(&a.body).p, "some", 4);
		assert_false(a.over);
		asker_done(&a);
		world_free(w);
	}
}

static void an_upload_comes_as_it_is_asked_for(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	(void)er_body_write(a.upload, er_piece_copy(ER_LIT("0123456789")));
	some_turns(w);
	assert_null(heard_of(p, ER_FRAME_BODY_DATA, 0)); /* not asked for */
	puppet_says(p, (er_frame){.type = ER_FRAME_PULL, .id = id, .arg = 4}, (er_slice){0});
	UNTIL(w, heard_of(p, ER_FRAME_BODY_DATA, 0) != NULL);
	some_turns(w);
	assert_int_equal(er_buf_len(&heard_of(p, ER_FRAME_BODY_DATA, 0)->payload), 4);
	assert_null(heard_of(p, ER_FRAME_BODY_DATA, 1));
	puppet_says(p, (er_frame){.type = ER_FRAME_PULL, .id = id, .arg = 100}, (er_slice){0});
	er_body_finish(a.upload);
	UNTIL(w, heard_of(p, ER_FRAME_BODY_DATA, 2) != NULL);
	assert_true(heard_of(p, ER_FRAME_BODY_DATA, 2)->f.flags & ER_FF_FIN);
	puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
	UNTIL(w, a.over);
	asker_done(&a);
	world_free(w);
}

static void an_upload_can_be_handed_on_without_being_read(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_relays(p, id, id, false);
	UNTIL(w, a.answers == 1);
	(void)er_body_write(a.upload, er_piece_copy(ER_LIT("round")));
	er_body_finish(a.upload);
	UNTIL(w, a.over);
	assert_memory_equal(er_buf_slice(&a.body).p, "round", 5);
	assert_null(heard_of(p, ER_FRAME_BODY_DATA, 0));
	puppet_done(p, id);
	some_turns(w);
	asker_done(&a);
	world_free(w);
}

static void a_body_that_is_not_there_cannot_be_relayed(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_relays(p, request_id(p, 0), 77, true);
	UNTIL(w, a.answers == 1);
	assert_int_equal(a.x->res.status, 502);
	asker_done(&a);
	world_free(w);
}

/* ---- the rest of the chain, and subrequests ---- */

static void a_routine_may_pass_the_request_on(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_says(p, (er_frame){.type = ER_FRAME_PASS, .id = id}, (er_slice){0});
	UNTIL(w, w->n_passed == 1);
	puppet_done(p, id); /* before the answer */
	some_turns(w);
	assert_int_equal(a.answers, 0);
	standard_answers(w, 0, "standard", NULL);
	UNTIL(w, a.over);
	assert_memory_equal(er_buf_slice(&a.body).p, "standard", 8);
	asker_done(&a);
	world_free(w);
}

static void who_leaves_after_the_request_was_passed_on_cancels_what_answers_it(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_says(p, (er_frame){.type = ER_FRAME_PASS, .id = request_id(p, 0)}, (er_slice){0});
	UNTIL(w, w->n_passed == 1);
	asker_done(&a);
	assert_int_equal(w->passed_cancelled, 1);
	world_free(w);
}

static void a_fetch_of_the_own_host_is_answered_by_the_standard_process_and_relayed(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/x?y");
		UNTIL(w, w->n_passed == 1);
		assert_memory_equal(w->passed[0]->req.target.p, "/x?y", 4);
		er_body *stream = NULL;
		standard_answers(w, 0, late ? NULL : "body", &stream);
		UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
		assert_int_equal(heard_of(p, ER_FRAME_SUB_HEAD, 0)->f.aux, 200);
		puppet_relays(p, id, 5, true);
		UNTIL(w, a.answers == 1);
		if (late) {
			(void)er_body_write(stream, er_piece_copy(ER_LIT("body")));
			er_body_finish(stream);
			er_body_unref(stream);
		}
		UNTIL(w, a.over);
		assert_memory_equal(er_buf_slice(&a.body).p, "body", 4);
		assert_null(heard_of(p, ER_FRAME_BODY_DATA, 0));
		puppet_done(p, id);
		some_turns(w);
		asker_done(&a);
		world_free(w);
	}
}

static void puppet_fetches_the_request(puppet *p, uint32_t sub, uint32_t id, uint8_t flags, uint16_t more)
{
	puppet_says(p,
	            (er_frame){.type = ER_FRAME_FETCH,
	                       .flags = flags,
	                       .id = sub,
	                       .arg = id,
	                       .aux = (uint16_t)(ER_FETCH_SELF | ER_FETCH_REDIRECT_MANUAL | ER_FETCH_REQUEST | more)},
	            (er_slice){0});
}

static void puppet_relays_as_kept(puppet *p, uint32_t id, uint32_t of, uint32_t sub)
{
	er_buf b = {0};
	er_buf_put_le32(&b, of);
	er_buf_put_le32(&b, sub);
	puppet_says(p, (er_frame){.type = ER_FRAME_RESPONSE, .flags = ER_FF_RELAY | ER_FF_KEPT, .aux = 200, .id = id, .arg = 800},
	            er_buf_slice(&b));
	er_buf_fini(&b);
}

/* With fields, of which some are not for a routine to say. */
static void standard_answers_with_fields(world *w)
{
	er_exchange *x = w->passed[0];
	x->res.reason = ER_LIT("Fine");
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("x-a"), ER_LIT("b"));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("er-error"), ER_LIT("made up"));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("connection"), ER_LIT("close"));
	standard_answers(w, 0, "body", NULL);
}

/* What the client gets is the same whether the routine sends it on or the node does at once. */
static void a_request_that_is_fetched_as_it_came_is_answered_with_what_came(void **state)
{
	(void)state;
	for (int by_node = 0; by_node < 2; by_node++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		er_fields_add(&a.x->req.fields, &a.x->arena, ER_LIT("x-mine"), ER_LIT("1"));
		er_fields_add(&a.x->req.fields, &a.x->arena, ER_LIT("via"), ER_LIT("1.1 front"));
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_fetches_the_request(p, 5, id, 0, by_node ? ER_FETCH_ANSWER : 0);
		UNTIL(w, w->n_passed == 1);
		assert_int_equal(w->passed[0]->wishes.decompress, by_node ? ER_DECOMPRESS_MANUAL : ER_DECOMPRESS);
		const er_request *asked = &w->passed[0]->req;
		assert_true(er_slice_eq(asked->method, a.x->req.method) && asked->method.p != a.x->req.method.p);
		assert_true(er_slice_eq(asked->target, a.x->req.target) && er_slice_eq(asked->authority, a.x->req.authority));
		assert_true(er_slice_eq(*er_fields_get(&asked->fields, ER_LIT("x-mine")), ER_LIT("1")));
		assert_true(er_slice_eq(*er_fields_get(&asked->fields, ER_LIT("via")), ER_LIT("1.1 front")));
		standard_answers_with_fields(w);
		UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
		assert_int_equal(heard_of(p, ER_FRAME_SUB_HEAD, 0)->f.flags,
		                 ER_FF_SUB | ER_FF_BODY | (by_node ? ER_FF_DONE : ER_FF_KEPT | ER_FF_INLINE));
		if (!by_node)
			puppet_relays_as_kept(p, id, 5, 1);
		UNTIL(w, a.over);
		assert_int_equal(a.x->res.status, 200);
		assert_true(er_slice_eq(a.x->res.reason, ER_LIT("Fine")));
		assert_int_equal(a.x->res.fields.n, 1);
		assert_true(er_slice_eq(a.x->res.fields.v[0].value, ER_LIT("b")));
		assert_memory_equal(er_buf_slice(&a.body).p, "body", 4);
		puppet_done(p, id);
		some_turns(w);
		assert_false(p->killed);
		asker_done(&a);
		world_free(w);
	}
}

/* The routine has answered otherwise meanwhile, or the subrequest fails. */
static void an_answer_that_cannot_be_given_any_more_is_left_to_the_routine(void **state)
{
	(void)state;
	for (int fails = 0; fails < 2; fails++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_fetches_the_request(p, 5, id, 0, ER_FETCH_ANSWER);
		UNTIL(w, w->n_passed == 1);
		if (fails) {
			er_exchange_break(w->passed[0], ER_ERR_RESPONSE);
			UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
			assert_int_equal(a.answers, 0);
		}
		puppet_answers(p, id, ER_FF_INLINE, ER_LIT("its own"));
		UNTIL(w, a.over);
		assert_memory_equal(er_buf_slice(&a.body).p, "its own", 7);
		if (!fails) {
			standard_answers(w, 0, "body", NULL);
			UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
			assert_int_equal(heard_of(p, ER_FRAME_SUB_HEAD, 0)->f.flags & ER_FF_DONE, 0);
		}
		puppet_done(p, id);
		some_turns(w);
		assert_false(p->killed);
		assert_int_equal(a.answers, 1);
		asker_done(&a);
		world_free(w);
	}
}

static void a_client_that_leaves_takes_its_answer_from_nobody(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches_the_request(p, 5, id, 0, ER_FETCH_ANSWER);
	UNTIL(w, w->n_passed == 1);
	er_exchange_cancel(a.x, ER_ERR_CLIENT_GONE);
	UNTIL(w, heard_of(p, ER_FRAME_CANCEL, 0) != NULL);
	puppet_fetches_the_request(p, 6, id, 0, ER_FETCH_ANSWER); /* before it has heard of it */
	UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
	puppet_done(p, id);
	some_turns(w);
	assert_int_equal(a.answers, 0);
	assert_false(p->killed);
	asker_done(&a);
	world_free(w);
}

static void an_upload_goes_along_with_the_request_once(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches_the_request(p, 5, id, ER_FF_RELAY, 0);
	UNTIL(w, w->n_passed == 1);
	assert_ptr_equal(w->passed[0]->req.body, a.x->req.body);
	puppet_fetches_the_request(p, 6, id, ER_FF_RELAY, 0);
	UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
	standard_answers(w, 0, "body", NULL);
	UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
	puppet_relays_as_kept(p, id, 5, 1);
	UNTIL(w, a.over);
	puppet_done(p, id);
	some_turns(w);
	assert_false(p->killed);
	asker_done(&a);
	world_free(w);
}

/* 0: of the upload; 1: without a body of the node's; 2: a number of nobody's. */
static void a_head_that_nobody_kept_is_not_answered_with(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		if (what == 1)
			puppet_says(p, (er_frame){.type = ER_FRAME_RESPONSE, .flags = ER_FF_KEPT, .aux = 200, .id = id}, (er_slice){0});
		else
			puppet_relays_as_kept(p, id, what == 0 ? id : 99, what == 2);
		if (what == 2) {
			UNTIL(w, a.over);
			assert_int_equal(a.x->res.status, 502);
			puppet_done(p, id);
			some_turns(w);
		} else {
			UNTIL(w, p->killed);
		}
		asker_done(&a);
		world_free(w);
	}
}

static void an_answer_that_breaks_off_is_broken_for_who_reads_and_for_who_relays_it(void **state)
{
	(void)state;
	for (int relay = 0; relay < 2; relay++) {
		for (int pause = 0; pause < 2; pause++) {
			world *w = world_new(0, NULL, false);
			asker a;
			ask(w, &a, false);
			puppet *p = running(w, 1);
			uint32_t id = request_id(p, 0);
			puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/");
			UNTIL(w, w->n_passed == 1);
			er_body *stream = NULL;
			standard_answers(w, 0, NULL, &stream);
			UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
			if (relay)
				puppet_relays(p, id, 5, true);
			else
				puppet_says(p, (er_frame){.type = ER_FRAME_PULL, .flags = ER_FF_SUB, .id = 5, .arg = 100}, (er_slice){0});
			some_turns(w);
			(void)er_body_write(stream, er_piece_copy(ER_LIT("hello")));
			if (pause)
				some_turns(w);
			er_body_fail(stream, ER_ERR_RESPONSE);
			er_body_source(stream, NULL, NULL);
			er_body_unref(stream);
			if (relay) {
				UNTIL(w, a.broken);
				assert_int_equal(er_buf_len(&a.body), 5);
			} else {
				UNTIL(w, heard_of(p, ER_FRAME_BODY_FAIL, 0) != NULL);
				assert_int_equal(heard_n(p, ER_FRAME_BODY_DATA), 1);
			}
			asker_done(&a);
			world_free(w);
		}
	}
}

static void a_fetch_that_is_aborted_cancels_what_answers_it(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/");
	UNTIL(w, w->n_passed == 1);
	puppet_says(p, (er_frame){.type = ER_FRAME_FETCH_CANCEL, .id = 5}, (er_slice){0});
	UNTIL(w, w->passed_cancelled == 1);
	assert_int_equal(a.answers, 0);
	asker_done(&a);
	world_free(w);
}

static void subrequests_end_with_their_request(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/");
		UNTIL(w, w->n_passed == 1);
		if (how == 0)
			puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
		else if (how == 1)
			puppet_exit(w, p, SIGSEGV);
		else
			er_isolate_retire(w->host, none_lives, NULL);
		if (how == 2) { /* a version that is replaced finishes what it has */
			some_turns(w);
			assert_int_equal(w->passed_cancelled, 0);
			puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
			UNTIL(w, heard_of(p, ER_FRAME_CLOSE, 0) != NULL);
		}
		UNTIL(w, w->passed_cancelled == 1 && a.answers == 1);
		asker_done(&a);
		world_free(w);
	}
}

static void a_subrequest_that_ends_without_an_answer_is_rejected_with_the_reason(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/");
	UNTIL(w, w->n_passed == 1);
	w->passed[0]->on_cancel = NULL;
	er_exchange_break(w->passed[0], ER_ERR_RESPONSE);
	UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
	assert_int_equal(heard_of(p, ER_FRAME_SUB_FAIL, 0)->f.aux, ER_ERR_RESPONSE);
	/* The request goes on, and may ask again under the same number. */
	puppet_fetches(p, 5, id, ER_FETCH_SELF, "http://r.localhost/again");
	UNTIL(w, w->n_passed == 2);
	puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
	UNTIL(w, a.answers == 1);
	asker_done(&a);
	world_free(w);
}

static void more_subrequests_than_allowed_fail(void **state)
{
	(void)state;
	er_limits limits = ER_LIMITS_DEFAULT;
	limits.subrequests = 2;
	world *w = world_new(0, &limits, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	for (uint32_t i = 1; i <= 3; i++)
		puppet_fetches(p, i, id, ER_FETCH_SELF, "http://r.localhost/");
	UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
	assert_int_equal(heard_of(p, ER_FRAME_SUB_FAIL, 0)->f.aux, ER_ERR_SUBREQUESTS);
	assert_int_equal(w->n_passed, 2);
	asker_done(&a);
	world_free(w);
}

/* ---- leaving ---- */

static void a_client_may_leave_at_any_moment(void **state)
{
	(void)state;
	enum { WAITING, LOADING, SENT, UPLOADING, STREAMING, RELAYING, MOMENTS };
	for (int m = WAITING; m < MOMENTS; m++) {
		world *w = world_new(0, NULL, false);
		asker a, other;
		ask(w, &a, m == UPLOADING || m == RELAYING);
		ask(w, &other, false); /* keeps the instance, and must not notice */
		UNTIL(w, w->n_puppets == 1);
		puppet *p = &w->puppets[0];
		unsigned sent = m >= SENT ? 2 : 1;
		if (m == LOADING) {
			puppet_ready(p);
			some_turns(w);
		} else if (m >= SENT) {
			running(w, 2);
		}
		uint32_t id = m >= SENT || m == LOADING ? request_id(p, 0) : 0;
		if (m == UPLOADING)
			puppet_says(p, (er_frame){.type = ER_FRAME_PULL, .id = id, .arg = 100}, (er_slice){0});
		if (m == STREAMING)
			puppet_answers(p, id, ER_FF_STREAM, (er_slice){0});
		if (m == RELAYING)
			puppet_relays(p, id, id, false);
		some_turns(w);
		asker_done(&a);
		if (m == WAITING) {
			running(w, 1);
			assert_null(heard_of(p, ER_FRAME_CANCEL, 0)); /* it never heard of the request */
		} else if (m == STREAMING) {
			UNTIL(w, heard_of(p, ER_FRAME_BODY_CANCEL, 0) != NULL);
		} else if (m != RELAYING) {
			UNTIL(w, heard_of(p, ER_FRAME_CANCEL, 0) != NULL);
		}
		if (m != WAITING)
			puppet_done(p, id);
		if (m == LOADING) {
			puppet_says(p, (er_frame){.type = ER_FRAME_LOADED}, (er_slice){0});
			sent = 2;
		}
		puppet_answers(p, request_id(p, sent - 1), ER_FF_INLINE | ER_FF_DONE, ER_LIT("still here"));
		UNTIL(w, other.over);
		assert_false(p->killed);
		asker_done(&other);
		world_free(w);
	}
}

/* ---- dying ---- */

static void an_innocent_request_is_tried_again_when_its_sandbox_dies(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker guilty, innocent;
	ask(w, &guilty, false);
	ask(w, &innocent, false);
	puppet *p = running(w, 2);
	atomic_store(&p->ch.control->obituary.request, request_id(p, 0));
	puppet_exit(w, p, SIGSEGV);
	UNTIL(w, guilty.answers == 1);
	assert_int_equal(guilty.x->res.status, 599);
	assert_int_equal(guilty.x->res.error, ER_ERR_CRASH);
	UNTIL(w, w->n_puppets == 2);
	assert_int_equal(innocent.answers, 0);
	p = running(w, 1);
	puppet_answers(p, request_id(p, 0), ER_FF_INLINE | ER_FF_DONE, ER_LIT("again"));
	UNTIL(w, innocent.over);
	assert_int_equal(innocent.x->res.status, 200);
	assert_int_equal(w->kills[ER_ERR_CRASH], 1);
	asker_done(&guilty);
	asker_done(&innocent);
	world_free(w);
}

static void a_request_that_has_left_traces_is_not_tried_again(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker guilty, touched;
	ask(w, &guilty, false);
	ask(w, &touched, false);
	puppet *p = running(w, 2);
	puppet_fetches(p, 5, request_id(p, 1), ER_FETCH_SELF, "http://r.localhost/pay");
	UNTIL(w, w->n_passed == 1);
	atomic_store(&p->ch.control->obituary.request, request_id(p, 0));
	puppet_exit(w, p, SIGSEGV);
	UNTIL(w, guilty.answers == 1 && touched.answers == 1);
	assert_int_equal(touched.x->res.status, 599);
	asker_done(&guilty);
	asker_done(&touched);
	world_free(w);
}

static void an_answer_that_was_said_before_the_death_counts(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_answers(p, request_id(p, 0), ER_FF_INLINE | ER_FF_DONE, ER_LIT("last words"));
	puppet_exit(w, p, SIGSEGV);
	UNTIL(w, a.over);
	assert_int_equal(a.x->res.status, 200);
	asker_done(&a);
	world_free(w);
}

static void what_ends_a_sandbox_is_told_as_what_it_was(void **state)
{
	(void)state;
	static const er_err_kind said[] = {ER_ERR_CPU, ER_ERR_MEMORY, ER_ERR_CRASH};
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		er_obituary *o = &p->ch.control->obituary;
		atomic_store(&o->reason, said[i]);
		atomic_store(&o->request, request_id(p, 0));
		puppet_exit(w, p, said[i] == ER_ERR_CRASH ? SIGSEGV : 70 << 8);
		UNTIL(w, a.answers == 1);
		assert_int_equal(a.x->res.error, said[i]);
		assert_int_equal(w->kills[said[i]], 1);
		asker_done(&a);
		world_free(w);
	}
}

static void a_routine_with_a_fallback_lets_the_rest_of_the_chain_answer(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, true);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_exit(w, p, SIGSEGV);
	UNTIL(w, w->n_passed == 1);
	standard_answers(w, 0, "instead", NULL);
	UNTIL(w, a.over);
	assert_memory_equal(er_buf_slice(&a.body).p, "instead", 7);
	asker_done(&a);
	world_free(w);
}

static void a_request_whose_time_is_up_is_answered_for_the_sandbox(void **state)
{
	(void)state;
	er_limits limits = ER_LIMITS_DEFAULT;
	limits.response_ms = 50;
	world *w = world_new(0, &limits, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	UNTIL(w, a.answers == 1);
	assert_int_equal(a.x->res.status, 504);
	UNTIL(w, heard_of(p, ER_FRAME_CANCEL, 0) != NULL);
	assert_int_equal(heard_of(p, ER_FRAME_CANCEL, 0)->f.aux, ER_ERR_TIMEOUT);
	UNTIL(w, p->killed); /* it does not say DONE: CLOSE_MS */
	asker_done(&a);
	world_free(w);
}

/* Of a sandbox that never gets ready: nobody has to hear what they ask. */
static void more_requests_than_an_instance_takes_are_refused_and_the_others_wait(void **state)
{
	(void)state;
	enum { MOST = 16384 };
	world *w = world_new(0, NULL, false);
	asker *all = er_alloc((MOST + 1) * sizeof *all);
	for (unsigned i = 0; i <= MOST; i++)
		ask(w, &all[i], false);
	assert_int_equal(all[MOST].answers, 1);
	assert_int_equal(all[MOST].x->res.status, 503);
	assert_int_equal(all[0].answers + all[MOST - 1].answers, 0);
	er_exchange_cancel(all[7].x, ER_ERR_CANCELLED); /* a client leaves: there is room again */
	asker late;
	ask(w, &late, false);
	some_turns(w);
	assert_int_equal(late.answers, 0);
	er_isolate_host_close(w->host, mark, &w->host_closed);
	UNTIL(w, w->host_closed);
	for (unsigned i = 0; i <= MOST; i++)
		asker_done(&all[i]);
	assert_int_equal(late.x->res.status, 503);
	asker_done(&late);
	er_free(all);
	world_free(w);
}

static void a_node_that_ends_answers_who_waits(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker waiting, sent;
	ask(w, &sent, false);
	running(w, 1);
	ask(w, &waiting, false);
	er_isolate_host_close(w->host, mark, &w->host_closed);
	UNTIL(w, w->host_closed);
	assert_int_equal(sent.x->res.status, 503);
	assert_int_equal(waiting.x->res.status, 503);
	asker_done(&sent);
	asker_done(&waiting);
	world_free(w);
}

/* ---- trials ---- */

static void on_tried(void *ctx, const er_isolate_start *start)
{
	*(int *)ctx = start->loaded ? 1 : -(int)start->why;
}

static void a_version_that_is_only_tried_gets_no_request_and_ends(void **state)
{
	(void)state;
	for (int good = 0; good < 2; good++) {
		world *w = world_new(0, NULL, false);
		int result = 0;
		er_isolate_try(w->host, w->routine, on_tried, &result);
		UNTIL(w, w->n_puppets == 1);
		puppet *p = &w->puppets[0];
		puppet_ready(p);
		UNTIL(w, heard_of(p, ER_FRAME_CODE, 0) != NULL);
		puppet_says(p, (er_frame){.type = ER_FRAME_LOG, .aux = 1}, ER_LIT("a line"));
		if (good)
			puppet_says(p, (er_frame){.type = ER_FRAME_LOADED}, (er_slice){0});
		else
			puppet_exit(w, p, SIGSEGV);
		UNTIL(w, result != 0);
		assert_int_equal(result, good ? 1 : -(int)ER_ERR_CRASH);
		assert_int_equal(w->consoles, 0);
		if (good)
			UNTIL(w, heard_of(p, ER_FRAME_CLOSE, 0) != NULL);
		assert_null(heard_of(p, ER_FRAME_REQUEST, 0));
		world_free(w);
	}
}

/* ---- states ---- */

static void each_event_in_each_state_is_an_edge_or_ends_the_process(void **state)
{
	(void)state;
	assert_each_event_is_an_edge_or_ends_the_process(&er_instance_states);
	/* Whatever it does, a sandbox may die; and nothing happens to the dead. */
	for (uint8_t s = 0; s < INSTANCE_STATES_N; s++)
		assert_int_equal(er_states_has(&er_instance_states, s, INSTANCE_ON_DIED), s != INSTANCE_DEAD);
}

/* A sandbox that says LOADED while its code is still on its way would get requests that
 * nobody handles. */
static void a_sandbox_that_is_ready_before_it_has_its_code_is_ended(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	er_buf code = {0};
	memset(er_buf_reserve(&code, 900 * 1024), 'a', 900 * 1024);
	er_buf_wrote(&code, 900 * 1024);
	er_piece_drop(&w->routine->code);
	w->routine->code = er_piece_copy(er_buf_slice(&code));
	er_buf_fini(&code);
	asker a;
	ask(w, &a, false);
	UNTIL(w, w->n_puppets == 1);
	puppet *p = &w->puppets[0];
	p->deaf = true; /* the ring is smaller than the code */
	puppet_ready(p);
	some_turns(w);
	puppet_says(p, (er_frame){.type = ER_FRAME_LOADED}, (er_slice){0});
	UNTIL(w, w->kills[ER_ERR_PROTOCOL] == 1);
	UNTIL(w, a.answers == 1);
	assert_int_equal(a.x->res.status, 599);
	asker_done(&a);
	world_free(w);
}

/* ---- rules of the channel ---- */

/* The numbers of calls can be guessed. A request that the sandbox has not got yet is not its
 * to answer. */
static void a_request_that_was_not_sent_yet_cannot_be_answered(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 4; what++) {
		world *w = world_new(0, NULL, false);
		er_buf code = {0};
		memset(er_buf_reserve(&code, 900 * 1024), 'a', 900 * 1024);
		er_buf_wrote(&code, 900 * 1024);
		er_piece_drop(&w->routine->code);
		w->routine->code = er_piece_copy(er_buf_slice(&code));
		er_buf_fini(&code);
		asker a;
		ask(w, &a, false);
		UNTIL(w, w->n_puppets == 1);
		puppet *p = &w->puppets[0];
		p->deaf = true; /* the ring is smaller than the code, and the request is behind it */
		puppet_ready(p);
		some_turns(w);
		if (what == 0)
			puppet_answers(p, 1, ER_FF_INLINE, ER_LIT("guessed"));
		else if (what == 1)
			puppet_says(p, (er_frame){.type = ER_FRAME_PASS, .id = 1}, (er_slice){0});
		else if (what == 2)
			puppet_fetches(p, 1, 1, ER_FETCH_SELF, "http://r.localhost/");
		else
			puppet_says(p, (er_frame){.type = ER_FRAME_CLONE, .id = 1, .arg = 1}, ER_LIT("\1\0\0\0\0\0\0\0"));
		some_turns(w);
		assert_int_equal(a.answers, 0);
		assert_int_equal(w->n_passed, 0);
		p->deaf = false;
		puppet_hears(p);
		UNTIL(w, heard_n(p, ER_FRAME_CODE) * 32 >= 900);
		puppet_says(p, (er_frame){.type = ER_FRAME_LOADED, .arg = 100}, (er_slice){0});
		UNTIL(w, heard_n(p, ER_FRAME_REQUEST) == 1);
		puppet_answers(p, request_id(p, 0), ER_FF_INLINE | ER_FF_DONE, ER_LIT("known"));
		UNTIL(w, a.over);
		assert_memory_equal(er_buf_slice(&a.body).p, "known", 5);
		asker_done(&a);
		world_free(w);
	}
}

static void puppet_wishes(puppet *p, uint32_t sub, uint32_t id, uint16_t aux, const char *wishes)
{
	puppet_says_strings(p, (er_frame){.type = ER_FRAME_FETCH, .id = sub, .arg = id, .aux = (uint16_t)(aux | ER_FETCH_WISHES)},
	                    (const char *const[]){"GET", "http://r.localhost/p", "", wishes}, 4, (er_slice){0});
}

static void what_a_fetch_wishes_of_the_cache_goes_with_it_or_the_fetch_fails(void **state)
{
	(void)state;
	world *w = world_new(0, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_wishes(p, 5, id, ER_FETCH_SELF, "key\na b\nttl\n60\ntag\nred\n");
	UNTIL(w, w->n_passed == 1);
	const er_cache_wishes *said = w->passed[0]->wishes.cache;
	assert_non_null(said);
	assert_true(er_slice_eq(said->key, ER_LIT("a b")) && said->has_ttl && said->ttl == 60 &&
	            er_slice_eq(said->tags, ER_LIT("red")));
	assert_true(er_slice_eq(said->owner, ER_LIT("r")) && er_slice_eq(said->home, ER_LIT("r.localhost")));
	/* that is for the gateway to say */
	assert_false(said->admitted || said->apart || said->foreign);
	static const char *const bad[] = {"key\na\nkey\nb\n", "tag\na,b\n", "ttl\n-7\n", "owner\nanother\n", "apart\n1\n", "key\n"};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		puppet_wishes(p, 6 + i, id, ER_FETCH_SELF, bad[i]);
		UNTIL(w, heard_n(p, ER_FRAME_SUB_FAIL) == i + 1);
	}
	assert_int_equal(w->n_passed, 1);
	assert_false(p->killed);
	/* no string where one is announced: that no honest sandbox says */
	puppet_fetches(p, 50, id, ER_FETCH_SELF | ER_FETCH_WISHES, "http://r.localhost/p");
	UNTIL(w, p->killed);
	UNTIL(w, w->kills[ER_ERR_PROTOCOL] == 1);
	UNTIL(w, a.over || a.answers == 1);
	asker_done(&a);
	world_free(w);
}

static void what_a_sandbox_may_not_say_ends_it(void **state)
{
	(void)state;
	static const er_frame bad[] = {
	    {.type = ER_FRAME_REQUEST, .id = 1},            /* only the node says that */
	    {.type = ER_FRAME_SUB_HEAD, .id = 1},           /* likewise */
	    {.type = ER_FRAME_READY, .aux = ER_LEVEL_FULL}, /* said already */
	    {.type = ER_FRAME_LOADED},                      /* likewise */
	    {.type = ER_FRAME_FETCH, .id = 0, .arg = 1},    /* no number */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		world *w = world_new(0, NULL, false);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		puppet_says(p, bad[i], (er_slice){0});
		UNTIL(w, p->killed);
		UNTIL(w, w->kills[ER_ERR_PROTOCOL] == 1);
		UNTIL(w, a.answers == 1);
		asker_done(&a);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_waits_for_its_sandbox_and_is_answered),
	    cmocka_unit_test(a_warm_sandbox_is_taken_at_once_and_replaced),
	    cmocka_unit_test(requests_of_one_routine_share_its_instance),
	    cmocka_unit_test(a_request_that_ends_without_an_answer_fails),
	    cmocka_unit_test(top_level_code_that_throws_fails_every_request_that_waits),
	    cmocka_unit_test(sandboxes_that_cannot_be_started_fail_the_request_in_the_end),
	    cmocka_unit_test(a_streamed_answer_keeps_to_its_credit),
	    cmocka_unit_test(a_sandbox_that_sends_more_than_its_credit_is_ended),
	    cmocka_unit_test(a_streamed_answer_that_fails_is_broken),
	    cmocka_unit_test(an_upload_comes_as_it_is_asked_for),
	    cmocka_unit_test(an_upload_can_be_handed_on_without_being_read),
	    cmocka_unit_test(a_body_that_is_not_there_cannot_be_relayed),
	    cmocka_unit_test(a_routine_may_pass_the_request_on),
	    cmocka_unit_test(who_leaves_after_the_request_was_passed_on_cancels_what_answers_it),
	    cmocka_unit_test(a_fetch_of_the_own_host_is_answered_by_the_standard_process_and_relayed),
	    cmocka_unit_test(a_request_that_is_fetched_as_it_came_is_answered_with_what_came),
	    cmocka_unit_test(an_answer_that_cannot_be_given_any_more_is_left_to_the_routine),
	    cmocka_unit_test(a_client_that_leaves_takes_its_answer_from_nobody),
	    cmocka_unit_test(an_upload_goes_along_with_the_request_once),
	    cmocka_unit_test(a_head_that_nobody_kept_is_not_answered_with),
	    cmocka_unit_test(an_answer_that_breaks_off_is_broken_for_who_reads_and_for_who_relays_it),
	    cmocka_unit_test(a_fetch_that_is_aborted_cancels_what_answers_it),
	    cmocka_unit_test(subrequests_end_with_their_request),
	    cmocka_unit_test(a_subrequest_that_ends_without_an_answer_is_rejected_with_the_reason),
	    cmocka_unit_test(more_subrequests_than_allowed_fail),
	    cmocka_unit_test(a_client_may_leave_at_any_moment),
	    cmocka_unit_test(an_innocent_request_is_tried_again_when_its_sandbox_dies),
	    cmocka_unit_test(a_request_that_has_left_traces_is_not_tried_again),
	    cmocka_unit_test(an_answer_that_was_said_before_the_death_counts),
	    cmocka_unit_test(what_ends_a_sandbox_is_told_as_what_it_was),
	    cmocka_unit_test(a_routine_with_a_fallback_lets_the_rest_of_the_chain_answer),
	    cmocka_unit_test(a_request_whose_time_is_up_is_answered_for_the_sandbox),
	    cmocka_unit_test(more_requests_than_an_instance_takes_are_refused_and_the_others_wait),
	    cmocka_unit_test(a_node_that_ends_answers_who_waits),
	    cmocka_unit_test(a_version_that_is_only_tried_gets_no_request_and_ends),
	    cmocka_unit_test(each_event_in_each_state_is_an_edge_or_ends_the_process),
	    cmocka_unit_test(a_sandbox_that_is_ready_before_it_has_its_code_is_ended),
	    cmocka_unit_test(a_request_that_was_not_sent_yet_cannot_be_answered),
	    cmocka_unit_test(what_a_fetch_wishes_of_the_cache_goes_with_it_or_the_fetch_fails),
	    cmocka_unit_test(what_a_sandbox_may_not_say_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
