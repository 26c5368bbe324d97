/* Questions for data (http/data.h), with the test as the sandbox and as the handler of a kind: who
 * asks, what comes back with the head, what is refused, and what ends a question. */
#include "instance_harness.h"

typedef struct kinds {
	world *w;
	er_data_place place;
} kinds;

/* A world whose chain has a data place, where the standard process's records serve one kind. */
static world *data_world(kinds *k)
{
	*k = (kinds){.w = world_new(0, NULL, false)};
	er_data_serve(&k->place, ER_DATA_KV, (er_handler){.name = "kv", .handle = standard_handle, .self = k->w});
	er_chain_add(&k->w->chain, ER_AT_DATA, er_data_handler(&k->place));
	return k->w;
}

static void the_handler_of_its_kind_hears_who_asks_and_what(void **state)
{
	(void)state;
	kinds k;
	world *w = data_world(&k);
	er_data_binding names[] = {{ER_LIT("sessions"), ER_LIT("sessions")}, {ER_LIT("USERS"), ER_LIT("users")}};
	er_routine_unref(w->routine);
	w->routine = er_routine_new(&(er_routine){.name = ER_LIT("r"),
	                                          .version = ER_LIT("7"),
	                                          .source_url = ER_LIT("r.js"),
	                                          .code = er_piece_copy(ER_LIT("code")),
	                                          .env_json = ER_LIT("{}"),
	                                          .limits = ER_LIMITS_DEFAULT,
	                                          .kv = names,
	                                          .n_kv = 2});
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	/* no URL, and not to be taken apart as one */
	puppet_fetches(p, 5, id, ER_FETCH_DATA_KV, "sessions/a b/../\xc3\xa4?#");
	UNTIL(w, w->n_passed == 1);
	const er_exchange *x = w->passed[0];
	assert_int_equal(x->data.kind, ER_DATA_KV);
	assert_true(er_slice_eq(x->data.routine, ER_LIT("r")) && er_slice_eq(x->data.version, ER_LIT("7")));
	assert_int_equal(x->data.n_namespaces, 2);
	assert_true(er_slice_eq(x->data.namespaces[1].target, ER_LIT("users")));
	assert_true(er_slice_eq(x->req.target, ER_LIT("sessions/a b/../\xc3\xa4?#")));
	assert_true(er_slice_eq(x->req.scheme, ER_LIT("kv")) && x->req.authority.n == 0);
	standard_answers(w, 0, "value", NULL);
	UNTIL(w, heard_of(p, ER_FRAME_SUB_HEAD, 0) != NULL);
	assert_int_equal(heard_n(p, ER_FRAME_BODY_DATA), 0); /* nobody has asked for it */
	/* relayed: from the node's memory to the client */
	puppet_relays(p, id, 5, true);
	UNTIL(w, a.over);
	assert_memory_equal(er_buf_slice(&a.body).p, "value", 5);
	assert_int_equal(heard_n(p, ER_FRAME_BODY_DATA), 0);
	puppet_says(p, (er_frame){.type = ER_FRAME_DONE, .id = id}, (er_slice){0});
	some_turns(w);
	assert_int_equal(a.x->facts.subrequests, 1);
	asker_done(&a);
	world_free(w);
}

/* A short one in the frame of its head, a longer one in frames behind it. */
static void a_body_that_will_be_read_comes_with_its_head_unasked(void **state)
{
	(void)state;
	kinds k;
	world *w = data_world(&k);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches(p, 5, id, ER_FETCH_DATA_KV | ER_FETCH_PULL, "sessions/a");
	UNTIL(w, w->n_passed == 1);
	standard_answers(w, 0, "value", NULL);
	UNTIL(w, heard_n(p, ER_FRAME_SUB_HEAD) == 1);
	assert_int_equal(heard_of(p, ER_FRAME_SUB_HEAD, 0)->f.flags & (ER_FF_INLINE | ER_FF_FIN), ER_FF_INLINE | ER_FF_FIN);
	er_slice all = er_buf_slice(&heard_of(p, ER_FRAME_SUB_HEAD, 0)->payload);
	assert_true(er_slice_eq(er_slice_from(all, all.n - 5), ER_LIT("value")));
	some_turns(w);
	assert_int_equal(heard_n(p, ER_FRAME_BODY_DATA), 0);
	static char text[ER_INLINE_BODY + 2];
	memset(text, 'v', ER_INLINE_BODY + 1);
	puppet_fetches(p, 8, id, ER_FETCH_DATA_KV | ER_FETCH_PULL, "sessions/long");
	UNTIL(w, w->n_passed == 2);
	standard_answers(w, 1, text, NULL);
	UNTIL(w, heard_n(p, ER_FRAME_BODY_DATA) == 2);
	assert_false(heard_of(p, ER_FRAME_SUB_HEAD, 1)->f.flags & ER_FF_INLINE);
	assert_int_equal(er_buf_len(&heard_of(p, ER_FRAME_BODY_DATA, 0)->payload), ER_INLINE_BODY + 1);
	assert_true(heard_of(p, ER_FRAME_BODY_DATA, 1)->f.flags & ER_FF_FIN);
	/* what has no body has none to send */
	puppet_fetches(p, 6, id, ER_FETCH_DATA_KV | ER_FETCH_PULL, "sessions/b");
	UNTIL(w, w->n_passed == 3);
	w->passed[2]->res.status = 404;
	w->passed[2]->on_cancel = NULL;
	er_exchange_answer(w->passed[2]);
	UNTIL(w, heard_n(p, ER_FRAME_SUB_HEAD) == 3);
	assert_int_equal(heard_of(p, ER_FRAME_SUB_HEAD, 2)->f.aux, 404);
	some_turns(w);
	assert_int_equal(heard_n(p, ER_FRAME_BODY_DATA), 2);
	/* what goes on beyond the window waits to be asked for */
	er_body *stream = NULL;
	puppet_fetches(p, 7, id, ER_FETCH_DATA_KV | ER_FETCH_PULL, "sessions/c");
	UNTIL(w, w->n_passed == 4);
	standard_answers(w, 3, NULL, &stream);
	er_chunk *c = er_chunk_new(2 * ER_PULL_WINDOW);
	memset(c->bytes, 'x', 2 * ER_PULL_WINDOW);
	(void)er_body_write(stream, er_piece_take(c, 2 * ER_PULL_WINDOW));
	er_body_finish(stream);
	er_body_unref(stream);
	some_turns(w);
	size_t n = 0;
	for (unsigned i = 0; heard_of(p, ER_FRAME_BODY_DATA, i) != NULL; i++)
		n += heard_of(p, ER_FRAME_BODY_DATA, i)->f.id == 7 ? heard_of(p, ER_FRAME_BODY_DATA, i)->f.n : 0;
	assert_int_equal(n, ER_PULL_WINDOW);
	puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
	UNTIL(w, a.over);
	assert_int_equal(w->kills[ER_ERR_PROTOCOL], 0);
	asker_done(&a);
	world_free(w);
}

static void a_kind_without_a_handler_and_a_node_without_data_say_so(void **state)
{
	(void)state;
	for (int none = 0; none < 2; none++) {
		kinds k;
		world *w = none ? world_new(0, NULL, false) : data_world(&k);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		puppet_fetches(p, 5, id, none ? ER_FETCH_DATA_KV : ER_FETCH_DATA_ASSETS, "x");
		UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
		er_slice why = er_buf_slice(&heard_of(p, ER_FRAME_SUB_FAIL, 0)->payload);
		const char *expected = none ? "this node keeps no data for routines" : "this node has no files of the version";
		assert_true(er_slice_eq(why, er_slice_cstr(expected)));
		assert_int_equal(w->n_passed, 0);
		puppet_answers(p, id, ER_FF_DONE, (er_slice){0});
		UNTIL(w, a.over);
		asker_done(&a);
		world_free(w);
	}
}

static void a_kind_that_there_is_not_ends_the_sandbox(void **state)
{
	(void)state;
	kinds k;
	world *w = data_world(&k);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	puppet_fetches(p, 5, request_id(p, 0), ER_FETCH_DATA_MASK, "x");
	UNTIL(w, a.answers == 1);
	assert_int_equal(w->kills[ER_ERR_PROTOCOL], 1);
	assert_int_equal(w->n_passed, 0);
	asker_done(&a);
	world_free(w);
}

static void a_question_ends_with_its_request(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		kinds k;
		world *w = data_world(&k);
		asker a;
		ask(w, &a, false);
		puppet *p = running(w, 1);
		puppet_fetches(p, 5, request_id(p, 0), ER_FETCH_DATA_KV, "sessions/slow");
		UNTIL(w, w->n_passed == 1);
		if (how == 0)
			puppet_says(p, (er_frame){.type = ER_FRAME_FETCH_CANCEL, .id = 5}, (er_slice){0});
		else if (how == 1)
			puppet_exit(w, p, SIGSEGV);
		else
			puppet_answers(p, request_id(p, 0), ER_FF_DONE, (er_slice){0});
		UNTIL(w, w->passed_cancelled == 1);
		asker_done(&a);
		world_free(w);
	}
}

static void questions_count_as_subrequests(void **state)
{
	(void)state;
	kinds k;
	world *w = data_world(&k);
	w->routine->limits.subrequests = 2;
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	for (uint32_t i = 1; i <= 3; i++)
		puppet_fetches(p, i, request_id(p, 0), ER_FETCH_DATA_KV, "sessions/a");
	UNTIL(w, heard_of(p, ER_FRAME_SUB_FAIL, 0) != NULL);
	assert_int_equal(heard_of(p, ER_FRAME_SUB_FAIL, 0)->f.aux, ER_ERR_SUBREQUESTS);
	assert_int_equal(w->n_passed, 2);
	asker_done(&a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_handler_of_its_kind_hears_who_asks_and_what),
	    cmocka_unit_test(a_body_that_will_be_read_comes_with_its_head_unasked),
	    cmocka_unit_test(a_kind_without_a_handler_and_a_node_without_data_say_so),
	    cmocka_unit_test(a_kind_that_there_is_not_ends_the_sandbox),
	    cmocka_unit_test(a_question_ends_with_its_request),
	    cmocka_unit_test(questions_count_as_subrequests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
