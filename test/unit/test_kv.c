/* The KV's handler with a real store and a loop: what is there, what is not, a store that is slow,
 * who leaves in the middle, values of every length, and what is refused. */
#include "store_harness.h"

#include "base/clock.h"
#include "data/kv.h"
#include "http/exchange.h"
#include "store/db.h"

#include "until.h"

typedef struct world {
	uv_loop_t loop;
	char *dir;
	er_store *s;
	er_kv_work *work;
	er_kv_place *place;
	er_kv_counts counts;
	bool closed;
} world;

typedef struct question {
	er_asker asker;
	er_exchange *x;
	er_buf body;
	er_body *upload; /* the source's reference */
	unsigned answers;
	bool over, broken, wants_little;
} question;

static void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	turn_pause();
}

static void start(world *w)
{
	w->s = harness_open_dir(w->dir);
	w->work = er_kv_work_new(w->s, 1 << 20);
	w->place = er_kv_place_new(&w->loop, w->work, &w->counts);
	w->closed = false;
}

static void closed(void *ctx)
{
	((world *)ctx)->closed = true;
}

static void stop(world *w)
{
	er_kv_place_close(w->place, closed, w);
	UNTIL(w, w->closed);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	er_kv_work_free(w->work);
	er_store_close(w->s);
}

static int setup(void **state)
{
	world *w = ER_NEW(world);
	w->dir = harness_dir();
	assert_int_equal(uv_loop_init(&w->loop), 0);
	er_kv_counts_init(&w->counts);
	start(w);
	apply(w->s, change_named(ER_CHANGE_NAMESPACE_ADD, "", "ns", ""));
	apply(w->s, change_named(ER_CHANGE_NAMESPACE_ADD, "", "other", ""));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;
	stop(w);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	er_exchange_trim();
	er_kv_counts_fini(&w->counts);
	harness_remove(w->dir);
	er_free(w);
	return 0;
}

/* ---- who asks ---- */

static void take(void *ctx)
{
	question *q = ctx;
	er_piece piece;
	while (q->x->res.body != NULL && !q->wants_little) {
		er_body_status status = er_body_read(q->x->res.body, 0, &piece);
		if (status == ER_BODY_WAIT)
			return;
		q->over = status == ER_BODY_END;
		q->broken = status == ER_BODY_ERROR;
		if (status != ER_BODY_PIECE)
			return;
		er_buf_put(&q->body, er_piece_slice(piece));
		er_piece_drop(&piece);
	}
	q->over = q->over || q->x->res.body == NULL;
}

static const er_body_sink_ops sink = {.readable = take};

static void answered(er_asker *self, er_exchange *x)
{
	question *q = ER_CONTAINER(self, question, asker);
	q->answers++;
	if (x->res.body != NULL)
		er_body_sink(x->res.body, &sink, q);
	take(q);
}

static void ended(er_asker *self, er_exchange *x, er_err_kind reason)
{
	(void)self, (void)x, (void)reason;
	fail();
}

static void prepare(question *q, const char *method, er_slice target)
{
	static const er_data_binding opened[] = {{ER_LIT("ns"), ER_LIT("ns")}, {ER_LIT("GONE"), ER_LIT("gone")}};
	*q = (question){.asker = {.answered = answered, .ended = ended}, .x = er_exchange_new()};
	er_exchange *x = q->x;
	x->asker = &q->asker;
	x->data = (er_data_ask){.kind = ER_DATA_KV, .routine = ER_LIT("r"), .namespaces = opened, .n_namespaces = 2};
	x->req.method = er_arena_copy(&x->arena, er_slice_cstr(method));
	x->req.scheme = ER_LIT("kv");
	x->req.target = er_arena_copy(&x->arena, target);
}

static void field(question *q, const char *name, const char *value)
{
	er_exchange *x = q->x;
	er_fields_add(&x->req.fields, &x->arena, er_slice_cstr(name), er_slice_cstr(value));
}

static void go(world *w, question *q)
{
	er_handler h = er_kv_place_handler(w->place);
	er_exchange_start(q->x, &h);
}

static void done(question *q)
{
	if (q->x->res.body != NULL) {
		er_body_sink(q->x->res.body, NULL, NULL);
		er_body_cancel(q->x->res.body, ER_ERR_CANCELLED);
	}
	er_exchange_unref(q->x);
	er_buf_fini(&q->body);
	if (q->upload != NULL)
		er_body_unref(q->upload);
}

/* Asks, and waits for all of the answer: its status. */
static int ask(world *w, question *q)
{
	go(w, q);
	UNTIL(w, q->answers == 1 && (q->over || q->broken));
	return q->x->res.status;
}

static int simple(world *w, const char *method, const char *target, const char *value, const char *should)
{
	question q;
	prepare(&q, method, er_slice_cstr(target));
	if (value != NULL)
		q.x->req.body = er_body_of(er_piece_copy(er_slice_cstr(value)));
	int status = ask(w, &q);
	if (should != NULL && !er_slice_eq(er_buf_slice(&q.body), er_slice_cstr(should)))
		fail_msg("%.*s instead of %s", ER_FMT(er_buf_slice(&q.body)), should);
	done(&q);
	return status;
}

static void refused(world *w, question *q, int status, const char *why)
{
	assert_int_equal(ask(w, q), status);
	if (strstr(er_arena_cstr(&q->x->arena, q->x->res.error_text), why) == NULL)
		fail_msg("%.*s", ER_FMT(q->x->res.error_text));
	done(q);
}

/* ---- tests ---- */

static void what_was_put_is_there_and_what_was_deleted_is_not(void **state)
{
	world *w = *state;
	assert_int_equal(simple(w, "GET", "ns/k", NULL, NULL), 404);
	assert_int_equal(simple(w, "PUT", "ns/k", "one", NULL), 200);
	for (int i = 0; i < 2; i++) /* from the store, and from memory */
		assert_int_equal(simple(w, "GET", "ns/k", NULL, "one"), 200);
	assert_int_equal(simple(w, "PUT", "ns/k", "two", NULL), 200);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "two"), 200);
	assert_int_equal(simple(w, "PUT", "ns/a/b?c", "", NULL), 200);
	assert_int_equal(simple(w, "GET", "ns/a/b?c", NULL, ""), 200);
	assert_int_equal(simple(w, "DELETE", "ns/k", NULL, NULL), 200);
	assert_int_equal(simple(w, "DELETE", "ns/k", NULL, NULL), 404);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, NULL), 404);
}

static void a_write_by_another_way_is_seen_at_once(void **state)
{
	world *w = *state;
	er_err err;
	bool existed;
	assert_int_equal(simple(w, "PUT", "ns/k", "routine", NULL), 200);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "routine"), 200);
	er_kv_entry e = {.key = ER_LIT("k"), .value = ER_LIT("tool")};
	assert_true(er_kv_put(w->s, ER_LIT("ns"), &e, 1, &err));
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "tool"), 200);
	assert_true(er_kv_delete(w->s, ER_LIT("ns"), ER_LIT("k"), &existed, &err));
	assert_int_equal(simple(w, "GET", "ns/k", NULL, NULL), 404);
	/* and by another process, after a moment */
	assert_true(er_kv_put(w->s, ER_LIT("ns"), &e, 1, &err));
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "tool"), 200);
	char *path = er_printf("%s/kv.db", w->dir);
	er_db *db = er_db_open_plain(path, NULL, &err);
	assert_true(er_db_exec(db, "UPDATE kv SET value = x'6f74686572'", &err));
	question q;
	bool other = false;
	for (uint64_t end = er_clock_mono_us() + 20000000; !other && er_clock_mono_us() < end; turn(w)) {
		prepare(&q, "GET", ER_LIT("ns/k"));
		assert_int_equal(ask(w, &q), 200);
		other = er_slice_eq(er_buf_slice(&q.body), ER_LIT("other"));
		done(&q);
	}
	assert_true(other);
	er_db_close(db);
	er_free(path);
}

static void expiry_and_metadata_come_with_the_value(void **state)
{
	world *w = *state;
	question q;
	prepare(&q, "PUT", ER_LIT("ns/k"));
	field(&q, "expiration-ttl", "100");
	field(&q, "metadata", "{\"a\":\"\xc3\xa4\"}");
	q.x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
	assert_int_equal(ask(w, &q), 200);
	done(&q);
	for (int i = 0; i < 2; i++) {
		prepare(&q, "GET", ER_LIT("ns/k"));
		assert_int_equal(ask(w, &q), 200);
		assert_true(er_slice_eq(*er_fields_get(&q.x->res.fields, ER_LIT("metadata")), ER_LIT("{\"a\":\"\\u00e4\"}")));
		uint64_t at = 0;
		assert_true(er_slice_u64(*er_fields_get(&q.x->res.fields, ER_LIT("expiration")), &at));
		assert_true(at > er_clock_wall_us() / 1000000 + 90 && at <= er_clock_wall_us() / 1000000 + 100);
		done(&q);
	}
	/* one that expires while it is in memory is gone, too */
	prepare(&q, "PUT", ER_LIT("ns/k"));
	field(&q, "expiration-ttl", "1");
	q.x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
	assert_int_equal(ask(w, &q), 200);
	done(&q);
	(void)simple(w, "GET", "ns/k", NULL, NULL);
	UNTIL(w, simple(w, "GET", "ns/k", NULL, NULL) == 404);
}

static void what_is_wrong_is_said(void **state)
{
	world *w = *state;
	static const struct {
		const char *method, *target, *field, *value, *why;
		int status;
	} all[] = {
	    {"GET", "ns/", NULL, NULL, "a key has 1 to 512 bytes", 400},
	    {"GET", "ns", NULL, NULL, "a key has 1 to 512 bytes", 400},
	    {"GET", "", NULL, NULL, "does not open the KV namespace \"\"", 400},
	    {"GET", "other/k", NULL, NULL, "the routine r does not open the KV namespace \"other\"", 400},
	    {"PUT", "other/k", NULL, NULL, "does not open", 400},
	    {"DELETE", "other/k", NULL, NULL, "does not open", 400},
	    {"LIST", "other/", NULL, NULL, "does not open", 400},
	    {"MANY", "other/", NULL, NULL, "does not open", 400},
	    {"GET", "gone/k", NULL, NULL, "there is no KV namespace \"gone\"", 404},
	    {"POKE", "ns/k", NULL, NULL, "no method POKE", 400},
	    {"PUT", "ns/k", "expiration", "5", "lies in the past", 400},
	    {"PUT", "ns/k", "expiration-ttl", "soon", "a whole number", 400},
	    {"PUT", "ns/k", "metadata", "{", "JSON of at most 1024 bytes", 400},
	    {"LIST", "ns/", "limit", "1001", "at most 1000 keys", 400},
	    {"LIST", "ns/", "cursor", "xyz", "what the list before gave", 400},
	    {"MANY", "ns/", NULL, NULL, "names them", 400},
	};
	question q;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		prepare(&q, all[i].method, er_slice_cstr(all[i].target));
		if (all[i].field != NULL)
			field(&q, all[i].field, all[i].value);
		refused(w, &q, all[i].status, all[i].why);
	}
	char key[4 + 600];
	memset(key, 'k', sizeof key);
	memcpy(key, "ns/", 3);
	prepare(&q, "PUT", er_slice_of(key, 3 + 513));
	refused(w, &q, 413, "512 bytes");
	for (int i = 0; i < 2; i++) {
		prepare(&q, "MANY", ER_LIT("ns/"));
		q.x->req.body = er_body_of(er_piece_copy(i ? ER_LIT("[\"a\",5]") : ER_LIT("{}")));
		refused(w, &q, 400, i ? "a key has" : "an array");
	}
}

static void each_question_is_counted_where_it_belongs(void **state)
{
	world *w = *state;
	question q;
	assert_int_equal(simple(w, "PUT", "ns/k", "four", NULL), 200);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "four"), 200);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "four"), 200);
	assert_int_equal(simple(w, "GET", "ns/none", NULL, NULL), 404);
	assert_int_equal(simple(w, "DELETE", "ns/none", NULL, NULL), 404);
	prepare(&q, "GET", ER_LIT("ns/"));
	refused(w, &q, 400, "a key has");
	prepare(&q, "GET", ER_LIT("other/k")); /* not opened: a stranger's word is no label */
	refused(w, &q, 400, "does not open");
	prepare(&q, "MANY", ER_LIT("ns/"));
	q.x->req.body = er_body_of(er_piece_copy(ER_LIT("[\"k\",\"new\"]")));
	assert_int_equal(ask(w, &q), 200);
	done(&q);
	assert_int_equal(simple(w, "LIST", "ns/", NULL, NULL), 200);
	const er_kv_stats *s = w->counts.first;
	assert_true(er_slice_eq(s->name, ER_LIT("ns")) && er_slice_eq(s->routine, ER_LIT("r")));
	assert_ptr_equal(s->next, &w->counts.rest);
	assert_int_equal(s->results[ER_KV_METHOD_PUT][ER_KV_RESULT_OK], 1);
	assert_int_equal(s->results[ER_KV_METHOD_GET][ER_KV_RESULT_OK], 2);
	assert_int_equal(s->results[ER_KV_METHOD_GET][ER_KV_RESULT_NONE], 1);
	assert_int_equal(s->results[ER_KV_METHOD_GET][ER_KV_RESULT_ERROR], 1);
	assert_int_equal(s->results[ER_KV_METHOD_DELETE][ER_KV_RESULT_NONE], 1);
	assert_int_equal(s->results[ER_KV_METHOD_MANY][ER_KV_RESULT_OK], 1);
	assert_int_equal(s->results[ER_KV_METHOD_LIST][ER_KV_RESULT_OK], 1);
	assert_int_equal(s->memory, 2);
	assert_int_equal(s->disk, 3);
	assert_int_equal(s->written_bytes, 4);
	assert_true(s->read_bytes > 12);
	uint64_t timed = 0;
	for (unsigned i = 0; i <= ER_KV_BUCKETS; i++)
		timed += s->wall[ER_KV_METHOD_GET][i];
	assert_int_equal(timed, 4);
}

static void a_question_that_is_given_up_is_counted_once(void **state)
{
	world *w = *state;
	question q;
	for (int i = 0; i < 2; i++) {
		prepare(&q, i == 0 ? "GET" : "DELETE", ER_LIT("ns/k"));
		go(w, &q);
		er_exchange_cancel(q.x, ER_ERR_CLIENT_GONE);
		done(&q);
	}
	const er_kv_stats *s = w->counts.first;
	assert_int_equal(s->results[ER_KV_METHOD_GET][ER_KV_RESULT_CANCELLED], 1);
	assert_int_equal(s->results[ER_KV_METHOD_DELETE][ER_KV_RESULT_CANCELLED], 1);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, NULL), 404);
	assert_int_equal(s->results[ER_KV_METHOD_GET][ER_KV_RESULT_NONE], 1);
}

static void names_beyond_the_most_share_one_record(void **state)
{
	world *w = *state;
	char name[16];
	for (unsigned i = 0; i < ER_KV_STATS_MOST + 10; i++) {
		er_exchange *x = er_exchange_new();
		snprintf(name, sizeof name, "n%u", i);
		x->data = (er_data_ask){.kind = ER_DATA_KV, .routine = ER_LIT("r")};
		er_kv_counts_ask(&w->counts, x, er_slice_cstr(name), ER_KV_METHOD_GET);
		er_kv_counts_end(x, ER_KV_RESULT_OK);
		er_exchange_unref(x);
	}
	assert_int_equal(w->counts.n, ER_KV_STATS_MOST);
	assert_int_equal(w->counts.rest.results[ER_KV_METHOD_GET][ER_KV_RESULT_OK], 10);
}

static void a_slow_store_holds_nobody_up(void **state)
{
	world *w = *state;
	er_err err;
	question put, get, gone;
	assert_int_equal(simple(w, "PUT", "ns/hot", "h", NULL), 200);
	assert_int_equal(simple(w, "GET", "ns/hot", NULL, "h"), 200);
	char *path = er_printf("%s/kv.db", w->dir);
	er_db *db = er_db_open_plain(path, NULL, &err);
	assert_true(er_db_begin(db, &err)); /* another writer, for a while */
	prepare(&put, "PUT", ER_LIT("ns/k"));
	put.x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
	go(w, &put);
	prepare(&gone, "PUT", ER_LIT("ns/l"));
	gone.x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
	go(w, &gone);
	er_exchange_cancel(gone.x, ER_ERR_CLIENT_GONE);
	/* reads go on meanwhile, from memory and from the store */
	assert_int_equal(simple(w, "GET", "ns/hot", NULL, "h"), 200);
	prepare(&get, "GET", ER_LIT("ns/k"));
	assert_int_equal(ask(w, &get), 404);
	done(&get);
	assert_int_equal(put.answers, 0);
	er_db_rollback(db);
	er_db_close(db);
	UNTIL(w, put.answers == 1);
	assert_int_equal(put.x->res.status, 200);
	assert_int_equal(gone.answers, 0);
	done(&put);
	done(&gone);
	er_free(path);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 12) * 7);
}

/* As a stream whose length nobody says. */
static void put_stream(world *w, const char *target, size_t n, int should)
{
	question q;
	prepare(&q, "PUT", er_slice_cstr(target));
	q.upload = er_body_new(ER_BODY_UNKNOWN);
	q.x->req.body = er_body_ref(q.upload);
	go(w, &q);
	size_t at = 0;
	while (at < n && q.answers == 0) {
		size_t k = n - at < 10007 ? n - at : 10007;
		er_chunk *c = er_chunk_new(k);
		for (size_t i = 0; i < k; i++)
			c->bytes[i] = byte_at(at + i);
		at += k;
		bool more = er_body_write(q.upload, er_piece_take(c, k));
		while (!more && q.answers == 0 && er_body_buffered(q.upload) > ER_BODY_WINDOW / 2)
			turn(w);
	}
	if (q.answers == 0)
		er_body_finish(q.upload);
	UNTIL(w, q.answers == 1);
	assert_int_equal(q.x->res.status, should);
	done(&q);
}

static void get_stream(world *w, const char *target, size_t n)
{
	question q;
	prepare(&q, "GET", er_slice_cstr(target));
	assert_int_equal(ask(w, &q), 200);
	assert_true(q.over && !q.broken);
	er_slice got = er_buf_slice(&q.body);
	assert_int_equal(got.n, n);
	assert_int_equal(er_body_length(q.x->res.body), n);
	for (size_t i = 0; i < n; i += 997)
		assert_int_equal(got.p[i], byte_at(i));
	done(&q);
}

static void values_of_every_length_go_in_and_out_as_streams(void **state)
{
	world *w = *state;
	static const size_t lengths[] = {0, 1, ER_KV_PART - 1, ER_KV_PART, ER_KV_PART + 1, 3 * ER_KV_PART, 1000003};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		put_stream(w, "ns/k", lengths[i], 200);
		get_stream(w, "ns/k", lengths[i]);
	}
	put_stream(w, "ns/k", ER_KV_VALUE_MAX, 200);
	get_stream(w, "ns/k", ER_KV_VALUE_MAX);
	put_stream(w, "ns/k", ER_KV_VALUE_MAX + 1, 413); /* and the one before is still there */
	get_stream(w, "ns/k", ER_KV_VALUE_MAX);
}

static void a_value_that_breaks_off_is_not_stored(void **state)
{
	world *w = *state;
	question q;
	for (int how = 0; how < 4; how++) {
		prepare(&q, "PUT", ER_LIT("ns/k"));
		q.upload = er_body_new(ER_BODY_UNKNOWN);
		q.x->req.body = er_body_ref(q.upload);
		go(w, &q);
		for (int i = 0; i < (how < 2 ? 1 : 40); i++) {
			er_chunk *c = er_chunk_new(10000);
			memset(c->bytes, 'x', 10000);
			(void)er_body_write(q.upload, er_piece_take(c, 10000));
			for (int k = 0; k < 20; k++)
				turn(w);
		}
		if (how % 2 == 0) {
			er_body_fail(q.upload, ER_ERR_EXCEPTION);
			UNTIL(w, q.answers == 1);
			assert_int_equal(q.x->res.error, ER_ERR_EXCEPTION);
		} else {
			er_exchange_cancel(q.x, ER_ERR_CLIENT_GONE);
		}
		done(&q);
		assert_int_equal(simple(w, "GET", "ns/k", NULL, NULL), 404);
	}
	/* What had come of it is removed. */
	er_err err;
	char *path = er_printf("%s/kv.db", w->dir);
	er_db *db = er_db_open_plain(path, NULL, &err);
	bool some = true;
	for (uint64_t end = er_clock_mono_us() + 20000000; some && er_clock_mono_us() < end; turn(w)) {
		er_query q2 = er_query_of(db, "SELECT 1 FROM part UNION SELECT 1 FROM loose");
		assert_true(er_query_any(&q2, &some, &err));
	}
	assert_false(some);
	er_db_close(db);
	er_free(path);
}

static void who_leaves_in_the_middle_of_a_value_leaves_nothing_behind(void **state)
{
	world *w = *state;
	question q;
	put_stream(w, "ns/k", 2000000, 200);
	for (int how = 0; how < 3; how++) {
		prepare(&q, "GET", ER_LIT("ns/k"));
		q.wants_little = true;
		go(w, &q);
		if (how == 0) { /* before the answer */
			er_exchange_cancel(q.x, ER_ERR_CLIENT_GONE);
			done(&q);
			continue;
		}
		UNTIL(w, q.answers == 1);
		if (how == 1) /* before anything of it was read */
			er_body_cancel(q.x->res.body, ER_ERR_CLIENT_GONE);
		for (int i = 0; i < 50; i++)
			turn(w);
		if (how == 2) { /* no more than a window was read ahead */
			assert_true(er_body_buffered(q.x->res.body) <= 2 * (ER_BODY_WINDOW + ER_KV_PART));
			er_body_cancel(q.x->res.body, ER_ERR_CLIENT_GONE);
		}
		done(&q);
	}
	/* A value that is replaced while it is read stays whole for its reader. */
	prepare(&q, "GET", ER_LIT("ns/k"));
	q.wants_little = true;
	go(w, &q);
	UNTIL(w, q.answers == 1);
	assert_int_equal(simple(w, "PUT", "ns/k", "short", NULL), 200);
	q.wants_little = false;
	take(&q);
	UNTIL(w, q.over || q.broken);
	assert_true(q.over && er_buf_len(&q.body) == 2000000);
	done(&q);
	assert_int_equal(simple(w, "GET", "ns/k", NULL, "short"), 200);
}

static void the_place_closes_while_answers_are_under_way(void **state)
{
	world *w = *state;
	question get, put;
	put_stream(w, "ns/k", 2000000, 200);
	prepare(&get, "GET", ER_LIT("ns/k"));
	get.wants_little = true;
	go(w, &get);
	UNTIL(w, get.answers == 1);
	prepare(&put, "PUT", ER_LIT("ns/l"));
	put.x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
	go(w, &put);
	er_exchange_cancel(put.x, ER_ERR_CLIENT_GONE); /* its job is out */
	stop(w);
	get.wants_little = false;
	take(&get);
	assert_true(get.broken);
	done(&get);
	done(&put);
	start(w);
}

static void lists_go_on_from_their_cursor(void **state)
{
	world *w = *state;
	char key[32];
	for (int i = 0; i < 25; i++) {
		snprintf(key, sizeof key, "ns/k%02d", i);
		assert_int_equal(simple(w, "PUT", key, "v", NULL), 200);
	}
	question q;
	prepare(&q, "LIST", ER_LIT("ns/k0"));
	assert_int_equal(ask(w, &q), 200);
	assert_true(er_slice_ends(er_buf_slice(&q.body), ER_LIT("{\"name\":\"k09\"}],\"list_complete\":true}")));
	done(&q);
	prepare(&q, "LIST", ER_LIT("ns/"));
	field(&q, "limit", "2");
	assert_int_equal(ask(w, &q), 200);
	assert_true(
	    er_slice_eq(er_buf_slice(&q.body),
	                ER_LIT("{\"keys\":[{\"name\":\"k00\"},{\"name\":\"k01\"}],\"list_complete\":false,\"cursor\":\"6b3031\"}")));
	done(&q);
	prepare(&q, "LIST", ER_LIT("ns/"));
	field(&q, "cursor", "6b3233");
	assert_int_equal(ask(w, &q), 200);
	assert_true(er_slice_eq(er_buf_slice(&q.body), ER_LIT("{\"keys\":[{\"name\":\"k24\"}],\"list_complete\":true}")));
	done(&q);
	prepare(&q, "LIST", ER_LIT("ns/"));
	go(w, &q);
	er_exchange_cancel(q.x, ER_ERR_CLIENT_GONE);
	done(&q);
}

/* So much waits at any time that the writer never rests. */
static void what_was_replaced_goes_from_the_disk_while_the_writer_is_busy(void **state)
{
	world *w = *state;
	enum { LONG = 10, FLOOD = 20000 /* forty batches */ };
	er_err err = {0};
	char target[32];
	for (int i = 0; i < LONG; i++) {
		snprintf(target, sizeof target, "ns/long%d", i);
		put_stream(w, target, 3 * ER_KV_PART, 200);
	}
	question *q = er_zalloc(FLOOD * sizeof *q);
	char *path = er_printf("%s/kv.db", w->dir);
	er_db *db = er_db_open_plain(path, NULL, &err);
	bool some = true, deleted = false;
	uint64_t end = er_clock_mono_us() + 20000000;
	for (unsigned rounds = 0; some && er_clock_mono_us() < end; rounds++) {
		for (int i = 0; i < FLOOD; i++) {
			if (q[i].x != NULL && q[i].answers == 0)
				continue;
			if (q[i].x != NULL)
				done(&q[i]);
			snprintf(target, sizeof target, "ns/k%d", i);
			prepare(&q[i], "PUT", er_slice_cstr(target));
			q[i].x->req.body = er_body_of(er_piece_copy(ER_LIT("v")));
			go(w, &q[i]);
		}
		for (int i = 0; rounds == 2 && i < LONG; i++) {
			bool existed;
			snprintf(target, sizeof target, "long%d", i);
			assert_true(er_kv_delete(w->s, ER_LIT("ns"), er_slice_cstr(target), &existed, &err) && existed);
			deleted = true;
		}
		uv_run(&w->loop, UV_RUN_NOWAIT);
		er_query loose = er_query_of(db, "SELECT 1 FROM loose");
		assert_true(er_query_any(&loose, &some, &err));
		some = some || !deleted;
	}
	assert_false(some);
	for (int i = 0; i < FLOOD; i++) {
		UNTIL(w, q[i].answers == 1);
		done(&q[i]);
	}
	er_db_close(db);
	er_free(path);
	er_free(q);
}

static void lists_that_nobody_reads_have_a_bound(void **state)
{
	world *w = *state;
	enum { KEYS = 1000, LISTS = 40 };
	er_err err;
	er_kv_entry *e = er_zalloc(KEYS * sizeof *e);
	char(*keys)[500] = er_zalloc(KEYS * sizeof *keys);
	for (int i = 0; i < KEYS; i++) {
		snprintf(keys[i], sizeof keys[i], "%06d", i);
		memset(keys[i] + 6, 'k', 499 - 6);
		e[i] = (er_kv_entry){.key = er_slice_of(keys[i], 499), .metadata = ER_LIT("\"a little\"")};
	}
	assert_true(er_kv_put(w->s, ER_LIT("ns"), e, KEYS, &err));
	question *q = er_zalloc(3 * LISTS * sizeof *q);
	unsigned refused_n = 0;
	for (int i = 0; i < 2 * LISTS; i++) {
		prepare(&q[i], "LIST", ER_LIT("ns/"));
		q[i].wants_little = true;
		go(w, &q[i]);
		UNTIL(w, q[i].answers == 1);
		refused_n += q[i].x->res.status == 503;
	}
	assert_true(refused_n > 0 && refused_n < 2 * LISTS);
	/* another routine gets its lists all the same, up to as much: the first one gives way */
	unsigned kept = 0, lists = 2 * LISTS - refused_n;
	for (int i = 2 * LISTS; i < 3 * LISTS; i++) {
		prepare(&q[i], "LIST", ER_LIT("ns/"));
		q[i].x->data.routine = ER_LIT("other");
		q[i].wants_little = true;
		go(w, &q[i]);
		UNTIL(w, q[i].answers == 1);
		kept += q[i].x->res.status == 200;
	}
	assert_in_range(kept, lists / 2 - 1, lists / 2 + 1);
	unsigned broken = 0;
	for (int i = 0; i < 2 * LISTS; i++)
		if (q[i].x->res.status == 200) {
			q[i].wants_little = false;
			take(&q[i]);
			UNTIL(w, q[i].over || q[i].broken);
			broken += q[i].broken;
		}
	assert_in_range(broken, kept - 1, kept + 1);
	for (int i = 0; i < 3 * LISTS; i++)
		done(&q[i]);
	prepare(&q[0], "LIST", ER_LIT("ns/"));
	assert_int_equal(ask(w, &q[0]), 200);
	done(&q[0]);
	er_free(q);
	er_free(keys);
	er_free(e);
}

static uint32_t word(er_slice s, size_t at)
{
	uint32_t v;
	assert_true(at + 4 <= s.n);
	memcpy(&v, s.p + at, 4);
	return v;
}

static void many_keys_come_in_one_answer(void **state)
{
	world *w = *state;
	question q;
	assert_int_equal(simple(w, "PUT", "ns/a", "1", NULL), 200);
	assert_int_equal(simple(w, "PUT", "ns/c", "333", NULL), 200);
	put_stream(w, "ns/long", 300000, 200);
	for (int i = 0; i < 2; i++) {
		prepare(&q, "MANY", ER_LIT("ns/"));
		q.x->req.body = er_body_of(er_piece_copy(ER_LIT("[\"a\",\"b\",\"long\",\"c\"]")));
		assert_int_equal(ask(w, &q), 200);
		er_slice s = er_buf_slice(&q.body);
		assert_int_equal(s.n, 4 * 16 + 1 + 300000 + 3);
		assert_true(word(s, 0) == 1 && word(s, 8) == 1 && s.p[16] == '1');
		assert_true(word(s, 17) == 0 && word(s, 17 + 8) == 0);
		assert_true(word(s, 33) == 1 && word(s, 33 + 8) == 300000);
		assert_int_equal(s.p[49 + 299999], byte_at(299999));
		assert_true(word(s, 49 + 300000) == 1 && word(s, 49 + 300000 + 8) == 3);
		done(&q);
	}
	/* more than may be */
	put_stream(w, "ns/long", 13 << 20, 200);
	prepare(&q, "MANY", ER_LIT("ns/"));
	q.x->req.body = er_body_of(er_piece_copy(ER_LIT("[\"long\",\"long\"]")));
	assert_int_equal(ask(w, &q), 200);
	assert_true(q.broken && er_body_error(q.x->res.body) == ER_ERR_TOO_LARGE);
	done(&q);
}

static void what_was_answered_is_there_after_a_restart(void **state)
{
	world *w = *state;
	enum { N = 300 };
	question *q = er_zalloc(N * sizeof *q);
	for (int i = 0; i < N; i++) { /* together: they share commits */
		char target[32];
		snprintf(target, sizeof target, "ns/%d", i);
		prepare(&q[i], "PUT", er_slice_cstr(target));
		q[i].x->req.body = er_body_of(er_piece_copy(er_slice_cstr(target)));
		go(w, &q[i]);
	}
	for (int i = 0; i < N; i++) {
		UNTIL(w, q[i].answers == 1);
		assert_int_equal(q[i].x->res.status, 200);
		done(&q[i]);
	}
	er_free(q);
	stop(w);
	start(w);
	for (int i = 0; i < N; i++) {
		char target[32];
		snprintf(target, sizeof target, "ns/%d", i);
		assert_int_equal(simple(w, "GET", target, NULL, target), 200);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(what_was_put_is_there_and_what_was_deleted_is_not),
	    T(a_write_by_another_way_is_seen_at_once),
	    T(expiry_and_metadata_come_with_the_value),
	    T(what_is_wrong_is_said),
	    T(each_question_is_counted_where_it_belongs),
	    T(a_question_that_is_given_up_is_counted_once),
	    T(names_beyond_the_most_share_one_record),
	    T(a_slow_store_holds_nobody_up),
	    T(values_of_every_length_go_in_and_out_as_streams),
	    T(a_value_that_breaks_off_is_not_stored),
	    T(who_leaves_in_the_middle_of_a_value_leaves_nothing_behind),
	    T(the_place_closes_while_answers_are_under_way),
	    T(lists_go_on_from_their_cursor),
	    T(what_was_replaced_goes_from_the_disk_while_the_writer_is_busy),
	    T(lists_that_nobody_reads_have_a_bound),
	    T(many_keys_come_in_one_answer),
	    T(what_was_answered_is_there_after_a_restart),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
