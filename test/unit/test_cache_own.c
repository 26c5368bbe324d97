/* A routine's own caches from the inside: what is put is found when its last byte has come, by who
 * put it and by nobody else; what breaks off, is left or is too much was never there. */
#include "cache_harness.h"

#include "cache/own.h"
#include "cache/owners.h"

typedef struct question {
	client c;
	er_body *up; /* of a put that is under way */
} question;

static er_own_place own;

static void open_world(world *w)
{
	world_open(w);
	own = (er_own_place){.place = w->place};
	own.place.site = er_scopes_site(ER_LIT("shop"));
	own.place.stats = NULL;
}

/* `body`: all of it; NULL: none, unless `streams`. */
static void ask(question *q, world *w, const char *routine, const char *method, const char *target, const char *fields,
                const char *body, bool streams)
{
	client *c = &q->c;
	*q = (question){0};
	c->w = w;
	c->asker = (er_asker){.answered = client_answered, .broken = client_broken};
	er_exchange *x = c->x = er_exchange_new();
	x->asker = &c->asker;
	x->chain = &w->chain;
	x->data = (er_data_ask){.kind = ER_DATA_CACHE, .routine = er_slice_cstr(routine)};
	x->req.method = er_slice_cstr(method);
	x->req.target = er_arena_copy(&x->arena, er_slice_cstr(target));
	add_fields(&x->req.fields, &x->arena, fields);
	if (body != NULL) {
		x->req.body = er_body_of(er_piece_copy(er_slice_cstr(body)));
	} else if (streams) {
		q->up = er_body_new(ER_BODY_UNKNOWN);
		x->req.body = er_body_ref(q->up);
	}
	er_handler h = er_own_handler(&own);
	er_exchange_start(x, &h);
}

static void over(question *q)
{
	client_leave(&q->c);
	if (q->up != NULL)
		er_body_unref(q->up);
}

static int status_of(question *q)
{
	UNTIL(q->c.w, q->c.ended);
	int status = q->c.x->res.status;
	over(q);
	return status;
}

static int put(world *w, const char *routine, const char *target, const char *fields, const char *body)
{
	question q;
	ask(&q, w, routine, "PUT", target, fields, body, false);
	return status_of(&q);
}

/* "-": nothing is there. */
static void assert_has(world *w, const char *routine, const char *target, const char *fields, const char *text)
{
	question q;
	ask(&q, w, routine, "GET", target, fields, NULL, false);
	UNTIL(w, q.c.ended);
	assert_int_equal(w->n_asked, 0); /* nobody behind the cache is asked */
	bool miss = er_fields_get(&q.c.x->res.fields, ER_LIT("er-miss")) != NULL;
	assert_int_equal(miss, text[0] == '-');
	assert_int_equal(q.c.x->res.error, ER_ERR_OK);
	if (!miss) {
		assert_answer(&q.c, 200, NULL, text);
		assert_null(er_fields_get(&q.c.x->res.fields, ER_LIT("cache-status")));
		assert_null(er_fields_get(&q.c.x->res.fields, ER_LIT("age")));
	}
	over(&q);
}

#define AT "default\nhttps://shop.example/a?b=1"
#define OK "er-status: 200\n"

static void what_is_put_is_found_by_who_put_it_alone(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	assert_has(&w, "one", AT, "", "-");
	assert_int_equal(put(&w, "one", AT, OK "x-a: b\n", "hello"), 201);
	assert_has(&w, "one", AT, "", "hello");
	assert_has(&w, "one", "default\nhttps://SHOP.example:443/x/../a?b=1#c", "", "hello");
	assert_has(&w, "two", AT, "", "-");
	assert_has(&w, "one", "other\nhttps://shop.example/a?b=1", "", "-");
	assert_has(&w, "one", "default\nhttp://shop.example/a?b=1", "", "-");
	assert_has(&w, "one", "default\nhttps://shop.example/a", "", "-");
	assert_int_equal(put(&w, "one", AT, OK, "again"), 201);
	assert_has(&w, "one", AT, "", "again");
	world_close(&w);
}

static void what_is_no_response_or_no_key_is_refused(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	static const char *const targets[] = {
	    "",          "default",     "\nhttp://a.example/",       "a b\nhttp://a.example/", "a:b\nhttp://a.example/",
	    "default\n", "default\n/a", "default\nftp://a.example/", "default\nhttp://"};
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
		assert_int_equal(put(&w, "one", targets[i], OK, "x"), 400);
	static const char *const heads[] = {"", "er-status: 206\n", "er-status: 199\n", "er-status: 600\n", "er-status: x\n"};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		assert_int_equal(put(&w, "one", AT, heads[i], "x"), 400);
	assert_int_equal(put(&w, "one", AT, OK "vary: *\n", "x"), 400);
	question q;
	ask(&q, &w, "one", "PATCH", AT, "", NULL, false);
	assert_int_equal(status_of(&q), 405);
	/* A body has no way to a server behind the cache. */
	static const char *const others[] = {"GET", "DELETE", "LIST"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		ask(&q, &w, "one", others[i], AT, "", "x", false);
		assert_int_equal(status_of(&q), 400);
	}
	assert_int_equal(w.n_asked, 0);
	assert_has(&w, "one", AT, "", "-");
	world_close(&w);
}

static void a_response_lasts_as_it_says(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	static const struct {
		const char *says;
		int status;
	} cases[] = {
	    {"", 201},
	    {"cache-control: max-age=5\n", 201},
	    {"cache-control: no-store\n", 204},
	    {"cache-control: no-cache\n", 204},
	    {"cache-control: private\n", 204},
	    {"cache-control: max-age=0\n", 204},
	    {"cache-control: max-age=5\nage: 5\n", 204},
	    {"cdn-cache-control: max-age=5\ncache-control: no-store\n", 201},
	    {"expires: 0\n", 204},
	    {"set-cookie: a=b\n", 204},
	    {"set-cookie: a=b\ncache-control: public, max-age=5\n", 204},
	    {"set-cookie: a=b\ncache-control: private=Set-Cookie\n", 201},
	    {"set-cookie: a=b\ncache-control: max-age=5, private=\"set-cookie\"\n", 201},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char head[200];
		snprintf(head, sizeof head, OK "%s", cases[i].says);
		assert_int_equal(put(&w, "one", AT, OK, "before"), 201);
		if (put(&w, "one", AT, head, "x") != cases[i].status)
			fail_msg("%s", head);
		/* what was there is older */
		assert_has(&w, "one", AT, "", cases[i].status == 201 ? "x" : "-");
	}
	world_close(&w);
}

static void variants_are_chosen_by_the_fields_that_were_put(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	assert_int_equal(put(&w, "one", AT, OK "vary: x-v\ner-ask-x-v: 1\n", "one"), 201);
	assert_int_equal(put(&w, "one", AT, OK "vary: x-v\ner-ask-x-v: 2\n", "two"), 201);
	assert_has(&w, "one", AT, "x-v: 1\n", "one");
	assert_has(&w, "one", AT, "x-v: 2\n", "two");
	assert_has(&w, "one", AT, "x-v: 3\n", "-");
	question q;
	ask(&q, &w, "one", "DELETE", AT, "x-v: 3\n", NULL, false);
	assert_int_equal(status_of(&q), 404);
	assert_has(&w, "one", AT, "x-v: 1\n", "one");
	ask(&q, &w, "one", "DELETE", AT, "x-v: 1\n", NULL, false);
	assert_int_equal(status_of(&q), 200);
	assert_has(&w, "one", AT, "x-v: 1\n", "-");
	world_close(&w);
}

static void write_some(question *q, size_t n)
{
	er_chunk *c = er_chunk_new(n);
	memset(c->bytes, 'x', n);
	(void)er_body_write(q->up, er_piece_take(c, n));
}

static void nothing_half_is_ever_there(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	er_owner *owner = er_owners_of(er_index_owners(w.index), ER_LIT("\0 routine:one:cache:default:https  shop.example/"));
	assert_non_null(owner);
	for (int how = 0; how < 3; how++) {
		assert_int_equal(put(&w, "one", AT, OK, "before"), 201);
		uint64_t bytes = er_owner_bytes(owner);
		question q;
		ask(&q, &w, "one", "PUT", AT, OK, NULL, true);
		for (int i = 0; i < 10; i++)
			write_some(&q, 10000);
		turn(&w);
		assert_has(&w, "one", AT, "", "before");
		assert_true(er_owner_bytes(owner) >= bytes + 100000);
		if (how == 0) { /* the sandbox dies, or its stream breaks off */
			er_body_fail(q.up, ER_ERR_CRASH);
			UNTIL(&w, q.c.ended);
			assert_int_equal(q.c.x->res.status, 502);
		} else if (how == 1) { /* the request is over */
			q.c.ended = q.c.failed = false;
			er_exchange_cancel(q.c.x, ER_ERR_CANCELLED);
		} else {
			er_body_finish(q.up);
			UNTIL(&w, q.c.ended);
			assert_int_equal(q.c.x->res.status, 201);
		}
		q.c.ended = true;
		over(&q);
		if (how < 2) {
			assert_has(&w, "one", AT, "", "before");
			assert_int_equal(er_owner_bytes(owner), bytes);
		}
	}
	world_close(&w);
}

static void a_routine_has_no_more_than_its_quota(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	const uint64_t quota = er_owners_quota(er_index_owners(w.index));
	char *text = er_zalloc(quota / 10 + 1), target[80];
	memset(text, 'x', quota / 10);
	assert_int_equal(put(&w, "two", AT, OK, "another"), 201);
	for (int i = 0; i < 40; i++) {
		snprintf(target, sizeof target, "default\nhttps://shop.example/%d", i);
		assert_int_equal(put(&w, "one", target, OK, text), 201);
	}
	er_owner *owner = er_owners_of(er_index_owners(w.index), ER_LIT("\0 routine:one:x"));
	assert_true(er_owner_bytes(owner) <= quota);
	assert_has(&w, "one", target, "", text);
	assert_has(&w, "one", "default\nhttps://shop.example/5", "", "-");
	assert_has(&w, "two", AT, "", "another");
	/* what is on its way at once counts, too */
	question q[2];
	ask(&q[0], &w, "one", "PUT", AT, OK, NULL, true);
	ask(&q[1], &w, "one", "PUT", "default\nhttps://shop.example/z", OK, NULL, true);
	for (int i = 0; i < 60 && !q[0].c.ended && !q[1].c.ended; i++) {
		write_some(&q[0], quota / 100);
		write_some(&q[1], quota / 100);
		turn(&w);
	}
	assert_true(q[0].c.ended != q[1].c.ended);
	question *full = q[0].c.ended ? &q[0] : &q[1], *other = q[0].c.ended ? &q[1] : &q[0];
	assert_int_equal(full->c.x->res.status, 507);
	over(full);
	er_body_finish(other->up);
	assert_int_equal(status_of(other), 201);
	er_free(text);
	world_close(&w);
}

static void purges_reach_what_a_routine_keeps(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	er_purges *p = er_index_purge_table(w.index);
	const er_purge purges[] = {
	    {.kind = ER_PURGE_URL, .value = ER_LIT("shop.example/a?b=1")},
	    {.kind = ER_PURGE_PREFIX, .value = ER_LIT("shop.example/a")},
	    {.kind = ER_PURGE_HOST, .value = ER_LIT("shop.example")},
	    {.kind = ER_PURGE_TAG, .value = ER_LIT("red")},
	    {.kind = ER_PURGE_SITE, .value = ER_LIT("shop")},
	    {.kind = ER_PURGE_ALL},
	    {.kind = ER_PURGE_TAG, .value = ER_LIT("red"), .soft = true},
	};
	for (size_t i = 0; i < sizeof purges / sizeof *purges; i++) {
		assert_int_equal(put(&w, "one", AT, OK "cache-tag: red, blue\n", "x"), 201);
		assert_has(&w, "one", AT, "", "x");
		er_purges_add(p, &purges[i], er_purges_next(p));
		assert_has(&w, "one", AT, "", "-");
		/* and what was under way when the purge came */
		question q;
		ask(&q, &w, "one", "PUT", AT, OK "cache-tag: red\n", NULL, true);
		er_purges_add(p, &purges[i], er_purges_next(p));
		er_body_finish(q.up);
		assert_int_equal(status_of(&q), 201);
		assert_has(&w, "one", AT, "", "-");
	}
	world_close(&w);
}

static void a_list_has_what_one_cache_of_one_routine_has(void **state)
{
	(void)state;
	world w;
	open_world(&w);
	assert_int_equal(put(&w, "one", AT, OK "vary: x-v\ner-ask-x-v: \"1\"\n", "x"), 201);
	assert_int_equal(put(&w, "one", "default\nhttp://b.example/", OK, "y"), 201);
	assert_int_equal(put(&w, "one", "defaults\nhttp://c.example/", OK, "z"), 201);
	assert_int_equal(put(&w, "two", AT, OK, "z"), 201);
	question q;
	ask(&q, &w, "one", "LIST", "default\nhttp://x/", "", NULL, false);
	assert_answer(&q.c, 200, NULL,
	              "[{\"url\":\"https://shop.example/a?b=1\",\"fields\":{\"x-v\":\"\\\"1\\\"\"}},{\"url\":\"http://b.example/"
	              "\",\"fields\":{}}]");
	over(&q);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_put_is_found_by_who_put_it_alone),
	    cmocka_unit_test(what_is_no_response_or_no_key_is_refused),
	    cmocka_unit_test(a_response_lasts_as_it_says),
	    cmocka_unit_test(variants_are_chosen_by_the_fields_that_were_put),
	    cmocka_unit_test(nothing_half_is_ever_there),
	    cmocka_unit_test(a_routine_has_no_more_than_its_quota),
	    cmocka_unit_test(purges_reach_what_a_routine_keeps),
	    cmocka_unit_test(a_list_has_what_one_cache_of_one_routine_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
