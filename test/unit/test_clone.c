/* Copies of the node's bodies (CLONE), with the test as the sandbox: who reads what, what is
 * refused, what breaks the rules, and what is held. */
#include "instance_harness.h"

#include "http/body_tee.h"

static const er_limits *small(void)
{
	static er_limits l;
	l = (er_limits)ER_LIMITS_DEFAULT;
	l.memory_kb = 16 * 1024; /* 2 MB for copies */
	return &l;
}

static void puppet_clones(puppet *p, uint32_t copy, uint32_t id, uint32_t of, bool sub)
{
	er_buf b = {0};
	er_buf_put_le32(&b, of);
	er_buf_put_le32(&b, sub);
	puppet_says(p, (er_frame){.type = ER_FRAME_CLONE, .id = copy, .arg = id}, er_buf_slice(&b));
	er_buf_fini(&b);
}

static void puppet_pulls(puppet *p, uint32_t id, bool sub, uint32_t n)
{
	puppet_says(p, (er_frame){.type = ER_FRAME_PULL, .flags = sub ? ER_FF_SUB : 0, .id = id, .arg = n}, (er_slice){0});
}

/* Bytes that it heard of that body, and whether the end came. */
static size_t heard_bytes(puppet *p, uint32_t id, bool sub, bool *fin)
{
	size_t n = 0;
	for (unsigned i = 0; i < p->n; i++) {
		const er_frame *f = &p->heard[i].f;
		if (f->type != ER_FRAME_BODY_DATA || f->id != id || ((f->flags & ER_FF_SUB) != 0) != sub)
			continue;
		n += f->n;
		*fin = *fin || (f->flags & ER_FF_FIN);
	}
	return n;
}

static void write_upload(asker *a, size_t n)
{
	er_chunk *c = er_chunk_new(n);
	memset(c->bytes, 'x', n);
	(void)er_body_write(a->upload, er_piece_take(c, n));
}

static void a_copy_is_read_while_the_upload_is_relayed(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	write_upload(&a, 20000);
	puppet_clones(p, 7, id, id, false);
	puppet_clones(p, 8, id, 7, true); /* of a copy */
	puppet_relays(p, id, id, false);
	UNTIL(w, er_buf_len(&a.body) == 20000);
	puppet_pulls(p, 7, true, 5000);
	bool fin = false;
	UNTIL(w, heard_bytes(p, 7, true, &fin) == 5000);
	write_upload(&a, 10000);
	er_body_finish(a.upload);
	UNTIL(w, a.over);
	assert_int_equal(er_buf_len(&a.body), 30000);
	puppet_pulls(p, 8, true, 100000);
	UNTIL(w, heard_bytes(p, 8, true, &fin) == 30000 && fin);
	assert_int_equal(heard_bytes(p, 7, true, &fin), 5000);
	puppet_says(p, (er_frame){.type = ER_FRAME_BODY_CANCEL, .flags = ER_FF_SUB, .id = 7}, (er_slice){0});
	puppet_says(p, (er_frame){.type = ER_FRAME_DONE, .id = id}, (er_slice){0});
	assert_int_equal(w->kills[ER_ERR_PROTOCOL], 0);
	asker_done(&a);
	world_free(w);
}

static void the_copy_of_an_answer_outlives_the_answer(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	asker a;
	ask(w, &a, false);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_fetches(p, 1, id, ER_FETCH_SELF, "http://r.localhost/page");
	UNTIL(w, w->n_passed == 1);
	puppet_clones(p, 2, id, 1, true); /* nothing has been answered: there is no body */
	UNTIL(w, heard_n(p, ER_FRAME_BODY_FAIL) == 1);
	er_body *stream;
	standard_answers(w, 0, NULL, &stream);
	UNTIL(w, heard_n(p, ER_FRAME_SUB_HEAD) == 1);
	puppet_clones(p, 2, id, 1, true);
	puppet_says(p, (er_frame){.type = ER_FRAME_FETCH_CANCEL, .id = 1}, (er_slice){0});
	puppet_pulls(p, 2, true, 100);
	(void)er_body_write(stream, er_piece_copy(ER_LIT("bytes")));
	bool fin = false;
	UNTIL(w, heard_bytes(p, 2, true, &fin) == 5);
	er_body_finish(stream);
	UNTIL(w, heard_bytes(p, 2, true, &fin) == 5 && fin);
	er_body_unref(stream);
	puppet_answers(p, id, ER_FF_INLINE | ER_FF_DONE, ER_LIT("ok"));
	UNTIL(w, a.over);
	asker_done(&a);
	world_free(w);
}

static void a_copy_alone_may_be_relayed_and_the_upload_left(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	puppet_clones(p, 7, id, id, false);
	puppet_pulls(p, id, false, 1000); /* it begins to read the other one, and never goes on */
	puppet_answers(p, id, ER_FF_RELAY | ER_FF_DONE, er_slice_of((const uint32_t[]){7, 1}, 8));
	for (int i = 0; i < 40; i++) {
		write_upload(&a, 100000);
		UNTIL(w, er_buf_len(&a.body) == (size_t)(i + 1) * 100000);
	}
	er_body_finish(a.upload);
	UNTIL(w, a.over);
	asker_done(&a);
	world_free(w);
}

static void the_rest_of_the_chain_gets_what_only_a_copy_was_read_of(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	write_upload(&a, 3000);
	er_body_finish(a.upload);
	puppet_clones(p, 7, id, id, false);
	puppet_pulls(p, 7, true, 5000);
	bool fin = false;
	UNTIL(w, heard_bytes(p, 7, true, &fin) == 3000 && fin);
	puppet_says(p, (er_frame){.type = ER_FRAME_PASS, .id = id}, (er_slice){0});
	UNTIL(w, w->n_passed == 1);
	er_body *body = w->passed[0]->req.body;
	assert_true(er_body_untouched(body) && er_body_finished(body));
	assert_int_equal(er_body_buffered(body), 3000);
	standard_answers(w, 0, "ok", NULL);
	UNTIL(w, a.over);
	asker_done(&a);
	world_free(w);
}

static void what_is_not_there_is_refused(void **state)
{
	(void)state;
	world *w = world_new(1, NULL, false);
	asker a, other;
	ask(w, &a, true);
	ask(w, &other, true);
	puppet *p = running(w, 2);
	uint32_t id = request_id(p, 0), theirs = request_id(p, 1);
	puppet_clones(p, 1, id, 99, true);      /* no such subrequest */
	puppet_clones(p, 2, 4711, id, false);   /* no such request */
	puppet_clones(p, 3, id, theirs, false); /* another request's upload */
	puppet_clones(p, 4, theirs, theirs, false);
	puppet_clones(p, 5, id, 4, true); /* another request's copy */
	puppet_clones(p, 6, id, 0, false);
	UNTIL(w, heard_n(p, ER_FRAME_BODY_FAIL) == 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(heard_of(p, ER_FRAME_BODY_FAIL, i)->f.aux, ER_ERR_CANCELLED);
	/* A number that was refused is free. */
	puppet_clones(p, 1, id, id, false);
	puppet_relays(p, id, 1, true);
	er_body_finish(a.upload);
	UNTIL(w, a.over);
	assert_int_equal(heard_n(p, ER_FRAME_BODY_FAIL), 5);
	asker_done(&a);
	asker_done(&other);
	world_free(w);
}

static void an_honest_sandbox_does_not_do_this(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		world *w = world_new(1, NULL, false);
		asker a;
		ask(w, &a, true);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		switch (how) {
		case 0: /* no number */
			puppet_clones(p, 0, id, id, false);
			break;
		case 1: /* one that is taken */
			puppet_clones(p, 1, id, id, false);
			puppet_clones(p, 1, id, id, false);
			break;
		case 2: /* of what it has begun to read */
			puppet_pulls(p, id, false, 1);
			puppet_clones(p, 1, id, id, false);
			break;
		default: /* without saying of what */
			puppet_says(p, (er_frame){.type = ER_FRAME_CLONE, .id = 1, .arg = id}, ER_LIT("\1\0\0\0\0\0\0"));
		}
		UNTIL(w, w->kills[ER_ERR_PROTOCOL] == 1);
		UNTIL(w, a.answers == 1);
		asker_done(&a);
		world_free(w);
	}
}

static void copies_are_bounded_in_number_and_in_bytes(void **state)
{
	(void)state;
	enum { ROOM = 2 * 1024 * 1024 / ER_TEE_BRANCH_COST, EACH = 10000 };
	world *w = world_new(1, small(), false);
	asker a;
	ask(w, &a, true);
	puppet *p = running(w, 1);
	uint32_t id = request_id(p, 0);
	for (uint32_t i = 1; i <= ROOM + 20; i++) {
		puppet_clones(p, i, id, id, false);
		turn(w);
	}
	UNTIL(w, heard_n(p, ER_FRAME_BODY_FAIL) == 21); /* the upload's own branch counts as well */
	assert_int_equal(heard_of(p, ER_FRAME_BODY_FAIL, 0)->f.aux, ER_ERR_BEHIND);
	for (uint32_t i = 1; i < ROOM; i++) {
		puppet_says(p, (er_frame){.type = ER_FRAME_BODY_CANCEL, .flags = ER_FF_SUB, .id = i}, (er_slice){0});
		turn(w);
	}
	/* There is room again. One is read on and on, the others are not: those that are dropped
	 * make room. */
	puppet_clones(p, 1000, id, id, false);
	puppet_clones(p, 1001, id, id, false);
	puppet_pulls(p, 1000, true, UINT32_MAX);
	size_t written = 0;
	bool fin = false;
	for (; written < 6000000; written += EACH) {
		write_upload(&a, EACH);
		UNTIL(w, heard_bytes(p, 1000, true, &fin) == (written % 1000000) + EACH);
		if ((written + EACH) % 1000000 == 0)
			for (; p->n > 0; p->n--) /* the harness keeps so many frames */
				er_buf_fini(&p->heard[p->n - 1].payload), p->heard[p->n - 1] = (heard){0};
	}
	puppet_pulls(p, 1001, true, 1);
	UNTIL(w, heard_n(p, ER_FRAME_BODY_FAIL) == 1);
	assert_int_equal(heard_of(p, ER_FRAME_BODY_FAIL, 0)->f.aux, ER_ERR_BEHIND);
	assert_int_equal(heard_of(p, ER_FRAME_BODY_FAIL, 0)->f.id, 1001);
	assert_int_equal(w->kills[ER_ERR_PROTOCOL], 0);
	asker_done(&a);
	world_free(w);
}

static void everything_ends_with_the_client_or_the_sandbox(void **state)
{
	(void)state;
	for (int how = 0; how < 2; how++) {
		world *w = world_new(1, NULL, false);
		asker a;
		ask(w, &a, true);
		puppet *p = running(w, 1);
		uint32_t id = request_id(p, 0);
		write_upload(&a, 50000);
		puppet_clones(p, 1, id, id, false);
		puppet_clones(p, 2, id, id, false);
		puppet_pulls(p, 1, true, 20000);
		bool fin = false;
		UNTIL(w, heard_bytes(p, 1, true, &fin) == 20000);
		if (how == 0) {
			asker_done(&a);
			puppet_pulls(p, 1, true, 100000);
			UNTIL(w, heard_n(p, ER_FRAME_BODY_FAIL) == 1 && heard_n(p, ER_FRAME_CANCEL) == 1);
		} else {
			puppet_exit(w, p, SIGKILL);
			UNTIL(w, a.answers == 1);
			asker_done(&a);
		}
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_copy_is_read_while_the_upload_is_relayed),
	    cmocka_unit_test(the_copy_of_an_answer_outlives_the_answer),
	    cmocka_unit_test(a_copy_alone_may_be_relayed_and_the_upload_left),
	    cmocka_unit_test(the_rest_of_the_chain_gets_what_only_a_copy_was_read_of),
	    cmocka_unit_test(what_is_not_there_is_refused),
	    cmocka_unit_test(an_honest_sandbox_does_not_do_this),
	    cmocka_unit_test(copies_are_bounded_in_number_and_in_bytes),
	    cmocka_unit_test(everything_ends_with_the_client_or_the_sandbox),
	};
	return cmocka_run_group_tests_name("clone", tests, NULL, NULL);
}
