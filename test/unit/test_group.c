/* Origin groups: which server is asked, which are left alone, what is asked again, and what a
 * server hears. */
#include "base/clock.h"
#include "base/mem.h"
#include "origin/group_ask.h"
#include "origin/health.h"

#include "until.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static er_group *group_of(er_group_spec spec, const char *servers)
{
	static char texts[8][64];
	er_slice rest = er_slice_cstr(servers), one;
	while (er_slice_split(&rest, ' ', &one)) {
		er_upstream_spec *s = &spec.servers[spec.n];
		bool backup = er_slice_starts(one, ER_LIT("-"));
		one = er_slice_from(one, backup);
		size_t star = er_slice_find(one, '*');
		uint64_t weight = 1;
		if (star < one.n)
			assert_true(er_slice_u64(er_slice_from(one, star + 1), &weight));
		snprintf(texts[spec.n], sizeof texts[0], "%.*s", ER_FMT(er_slice_head(one, star)));
		assert_true(er_group_server_url(er_slice_cstr(texts[spec.n]), &s->scheme, &s->authority, NULL));
		s->weight = (uint32_t)weight;
		s->backup = backup;
		spec.n++;
	}
	return er_group_new(ER_LIT("shop"), &spec);
}

static void requests_are_shared_by_weight(void **state)
{
	(void)state;
	er_group *g = group_of(er_group_defaults(), "http://a http://b*3 http://c*6 -http://d*1000");
	unsigned got[4] = {0};
	for (unsigned i = 0; i < 1000; i++)
		got[er_group_choose(g, 0, 1)]++;
	assert_in_range(got[0], 95, 105);
	assert_in_range(got[1], 295, 305);
	assert_in_range(got[2], 595, 605);
	assert_int_equal(got[3], 0);
	er_group_unref(g);
}

static void a_backup_is_asked_when_no_other_can_be(void **state)
{
	(void)state;
	er_group_spec spec = er_group_defaults();
	spec.failures = 2;
	spec.out_ms = 100;
	er_group *g = group_of(spec, "http://a http://b -http://c");
	for (unsigned i = 0; i < 2; i++) {
		er_group_tell(g, 0, true, 1000);
		assert_int_equal(er_group_state(g, 0, 1000), i == 0 ? ER_UPSTREAM_UP : ER_UPSTREAM_LEFT_ALONE);
	}
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(er_group_choose(g, 0, 2000), 1);
	assert_int_equal(er_group_choose(g, 1 << 1, 2000), 2);
	for (unsigned i = 0; i < 2; i++)
		er_group_tell(g, 1, true, 1000);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(er_group_choose(g, 0, 2000), 2);
	/* All are tried: one of them again. All are out: asked as if none were. */
	assert_in_range(er_group_choose(g, 7, 2000), 0, 2);
	for (unsigned i = 0; i < 2; i++)
		er_group_tell(g, 2, true, 1000);
	unsigned got[3] = {0};
	for (unsigned i = 0; i < 300; i++)
		got[er_group_choose(g, 0, 2000)]++;
	assert_true(got[0] > 50 && got[1] > 50 && got[2] > 50);
	er_group_unref(g);
}

static void a_server_that_was_left_alone_is_tried_by_one_request_and_comes_back(void **state)
{
	(void)state;
	er_group_spec spec = er_group_defaults();
	spec.failures = 1;
	spec.out_ms = 10;
	er_group *g = group_of(spec, "http://a http://b");
	er_group_tell(g, 0, true, 1000);
	unsigned trials = 0;
	for (unsigned i = 0; i < 20; i++)
		trials += er_group_choose(g, 0, 11001) == 0;
	assert_int_equal(trials, 1);
	er_group_tell(g, 0, false, 11001);
	assert_int_equal(er_group_state(g, 0, 11002), ER_UPSTREAM_UP);
	trials = 0;
	for (unsigned i = 0; i < 20; i++)
		trials += er_group_choose(g, 0, 11002) == 0;
	assert_in_range(trials, 8, 12);
	er_group_unref(g);
}

static void a_server_that_fails_its_checks_is_out_until_it_passes_some(void **state)
{
	(void)state;
	er_group_spec spec = er_group_defaults();
	spec.every_ms = 1000;
	er_group *g = group_of(spec, "http://a http://b");
	static const bool well[] = {true, false, false, true, false, false, false, true, false, true, true};
	static const er_upstream_state then[] = {ER_UPSTREAM_UP,   ER_UPSTREAM_UP,   ER_UPSTREAM_UP,   ER_UPSTREAM_UP,
	                                         ER_UPSTREAM_UP,   ER_UPSTREAM_UP,   ER_UPSTREAM_SICK, ER_UPSTREAM_SICK,
	                                         ER_UPSTREAM_SICK, ER_UPSTREAM_SICK, ER_UPSTREAM_UP};
	for (size_t i = 0; i < sizeof well; i++) {
		er_group_probed(g, 0, well[i]);
		assert_int_equal(er_group_state(g, 0, 1), then[i]);
	}
	er_group_unref(g);
}

/* ---- asking ---- */

typedef struct world {
	uv_loop_t loop;
	er_handler origin;
	er_asker asker;
	er_exchange *asked[16];
	unsigned n;
	unsigned cancelled;
	bool answered, holds;
	int status[16]; /* of the answers in their order; 0: it cannot be connected to */
} world;

static void origin_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	world *w = ctx;
	w->cancelled++;
	er_exchange_unref(x);
}

static void origin_answer(world *w, unsigned i)
{
	er_exchange *x = w->asked[i];
	x->on_cancel = NULL;
	if (w->status[i] == 0) {
		er_exchange_fail(x, 502, ER_ERR_CONNECT, NULL, "away");
	} else {
		x->res.status = w->status[i];
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("x-try"), er_arena_printf(&x->arena, "%u", i));
		x->res.body = er_body_of(er_piece_copy(ER_LIT("text")));
	}
	er_exchange_answer(x);
}

static void origin_handle(void *self, er_exchange *x)
{
	world *w = self;
	unsigned i = w->n++;
	assert_true(i < 16);
	w->asked[i] = er_exchange_ref(x);
	x->on_cancel = origin_cancel;
	x->handler_ctx = w;
	if (!w->holds)
		origin_answer(w, i);
}

static void on_answered(er_asker *asker, er_exchange *x)
{
	(void)x;
	ER_CONTAINER(asker, world, asker)->answered = true;
}

static void world_open(world *w)
{
	*w = (world){.asker = {.answered = on_answered}};
	w->origin = (er_handler){.name = "origin", .handle = origin_handle, .self = w};
}

static void world_close(world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->asked[i] != NULL && !w->holds)
			er_exchange_unref(w->asked[i]);
	er_exchange_trim();
}

typedef struct standard {
	er_group *group;
	const er_handler *origin;
} standard;

static void standard_handle(void *self, er_exchange *x)
{
	const standard *s = self;
	er_group_ask(s->group, x, s->origin);
}

static er_exchange *ask(world *w, er_group *g, const char *method, bool body)
{
	static standard s;
	static er_handler h;
	s = (standard){g, &w->origin};
	h = (er_handler){.name = "standard", .handle = standard_handle, .self = &s};
	er_exchange *x = er_exchange_new();
	x->asker = &w->asker;
	x->req.method = er_arena_copy(&x->arena, er_slice_cstr(method));
	x->req.scheme = ER_LIT("http");
	x->req.authority = ER_LIT("shop.example");
	x->req.target = ER_LIT("/a?b");
	if (body)
		x->req.body = er_body_of(er_piece_copy(ER_LIT("upload")));
	er_fields_add(&x->req.fields, &x->arena, ER_LIT("x-secret"), ER_LIT("client's"));
	er_exchange_start(x, &h);
	return x;
}

static void what_can_be_sent_again_is_answered_by_the_next_server(void **state)
{
	(void)state;
	static const struct {
		const char *method;
		bool body;
		int first;
		unsigned asked;
		int status;
	} cases[] = {
	    {"GET", false, 0, 2, 200},   {"HEAD", false, 503, 2, 200}, {"DELETE", false, 502, 2, 200}, {"PUT", false, 504, 2, 200},
	    {"GET", false, 500, 1, 500}, {"GET", false, 404, 1, 404},  {"POST", false, 0, 1, 502},     {"POST", true, 503, 1, 503},
	    {"PUT", true, 0, 1, 502},    {"PATCH", false, 0, 1, 502},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		world w;
		world_open(&w);
		er_group *g = group_of(er_group_defaults(), "http://a http://b");
		w.status[0] = cases[i].first;
		w.status[1] = 200;
		er_exchange *x = ask(&w, g, cases[i].method, cases[i].body);
		assert_true(w.answered);
		assert_int_equal(w.n, cases[i].asked);
		assert_int_equal(x->res.status, cases[i].status);
		if (w.n == 2) {
			assert_false(er_slice_eq(w.asked[0]->req.authority, w.asked[1]->req.authority));
			assert_true(er_slice_eq(*er_fields_get(&x->res.fields, ER_LIT("x-try")), ER_LIT("1")));
		}
		er_exchange_unref(x);
		world_close(&w);
		er_group_unref(g);
	}
}

static void the_last_answer_is_given_when_all_fail(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	er_group_spec spec = er_group_defaults();
	spec.retries = 5;
	er_group *g = group_of(spec, "http://a http://b");
	w.status[5] = 503;
	er_exchange *x = ask(&w, g, "GET", false);
	assert_int_equal(w.n, 6);
	assert_int_equal(x->res.status, 503);
	assert_int_equal(x->res.error, ER_ERR_OK);
	er_exchange_unref(x);
	world_close(&w);
	er_group_unref(g);
}

static void who_leaves_ends_the_attempt(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	w.holds = true;
	er_group *g = group_of(er_group_defaults(), "http://a http://b");
	er_exchange *x = ask(&w, g, "GET", false);
	assert_int_equal(w.n, 1);
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	assert_int_equal(w.cancelled, 1);
	assert_false(w.answered);
	er_exchange_unref(x);
	world_close(&w);
	er_group_unref(g);
}

/* Host, TLS's name, where to connect, and the site's own fields. */
static void a_server_hears_the_host_that_the_site_says(void **state)
{
	(void)state;
	static const struct {
		const char *server;
		er_group_host host;
		const char *named, *sni, *authority, *says, *to;
	} cases[] = {
	    {"http://a.example", ER_GROUP_HOST_AUTO, "", "", "a.example", "", NULL},
	    {"http://10.0.0.1", ER_GROUP_HOST_AUTO, "", "", "shop.example", "", "10.0.0.1:80"},
	    {"https://[::1]:8443", ER_GROUP_HOST_AUTO, "", "", "shop.example", "", "[::1]:8443"},
	    {"https://a.example", ER_GROUP_HOST_CLIENT, "", "", "shop.example", "", "a.example:443"},
	    {"http://10.0.0.1", ER_GROUP_HOST_SERVER, "", "", "10.0.0.1", "", NULL},
	    {"https://a.example:8443", ER_GROUP_HOST_NAMED, "b.example", "", "b.example", "", "a.example:8443"},
	    {"https://a.example", ER_GROUP_HOST_CLIENT, "", "c.example", "c.example", "shop.example", "a.example:443"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (unsigned passed = 0; passed < 2; passed++) {
			world w;
			world_open(&w);
			w.status[0] = 200;
			er_group_spec spec = er_group_defaults();
			spec.retries = !passed;
			spec.trusted = true;
			spec.host = cases[i].host;
			spec.host_name = er_slice_cstr(cases[i].named);
			spec.sni = er_slice_cstr(cases[i].sni);
			spec.n_fields = 1;
			spec.fields[0] = (er_field){ER_LIT("x-secret"), ER_LIT("site's")};
			er_group *g = group_of(spec, cases[i].server);
			er_exchange *x = ask(&w, g, "GET", false);
			const er_exchange *asked = w.asked[0];
			assert_true(er_slice_eq(asked->req.authority, er_slice_cstr(cases[i].authority)));
			assert_true(er_slice_eq(asked->req.host, er_slice_cstr(cases[i].says)));
			if (cases[i].to == NULL)
				assert_null(asked->wishes.connect_to);
			else
				assert_string_equal(asked->wishes.connect_to, cases[i].to);
			assert_true(er_slice_eq(*er_fields_get(&asked->req.fields, ER_LIT("x-secret")), ER_LIT("site's")));
			assert_true(er_slice_eq(asked->req.target, ER_LIT("/a?b")));
			er_exchange_unref(x);
			world_close(&w);
			er_group_unref(g);
		}
}

/* ---- health ---- */

static void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static void servers_are_checked_and_a_reload_changes_nothing_of_it(void **state)
{
	(void)state;
	world w;
	world_open(&w);
	uv_loop_init(&w.loop);
	uv_timer_t alive; /* the checks alone do not keep the loop alive */
	uv_timer_init(&w.loop, &alive);
	uv_timer_start(&alive, on_alive, 1000000, 0);
	er_group_spec spec = er_group_defaults();
	spec.every_ms = 100;
	spec.unhealthy = 1;
	spec.path = ER_LIT("/health");
	er_group *g = group_of(spec, "http://a http://b"), *other = group_of(er_group_defaults(), "http://c");
	er_group *both[] = {other, g};
	er_health *h = er_health_new(&w.loop, &w.origin);
	w.status[0] = w.status[1] = 200;
	er_health_watch(h, both, 2);
	UNTIL(&w, w.n == 2);
	assert_true(er_slice_eq(w.asked[0]->req.target, ER_LIT("/health")));
	er_health_watch(h, both, 2);
	w.status[2] = 200;
	w.status[3] = 500;
	UNTIL(&w, w.n == 4);
	assert_int_equal(er_group_state(g, 0, 1), ER_UPSTREAM_UP);
	assert_int_equal(er_group_state(g, 1, 1), ER_UPSTREAM_SICK);
	/* One that does not answer is out as well; and one that still asks when all ends is let go. */
	w.holds = true;
	UNTIL(&w, w.n == 6);
	bool closed = false;
	er_health_close(h, on_closed, &closed);
	assert_int_equal(w.cancelled, 2);
	uv_close((uv_handle_t *)&alive, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_true(closed);
	for (unsigned i = 0; i < 4; i++)
		er_exchange_unref(w.asked[i]);
	er_exchange_trim();
	assert_int_equal(uv_loop_close(&w.loop), 0);
	er_group_unref(g);
	er_group_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_shared_by_weight),
	    cmocka_unit_test(a_backup_is_asked_when_no_other_can_be),
	    cmocka_unit_test(a_server_that_was_left_alone_is_tried_by_one_request_and_comes_back),
	    cmocka_unit_test(a_server_that_fails_its_checks_is_out_until_it_passes_some),
	    cmocka_unit_test(what_can_be_sent_again_is_answered_by_the_next_server),
	    cmocka_unit_test(the_last_answer_is_given_when_all_fail),
	    cmocka_unit_test(who_leaves_ends_the_attempt),
	    cmocka_unit_test(a_server_hears_the_host_that_the_site_says),
	    cmocka_unit_test(servers_are_checked_and_a_reload_changes_nothing_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
