/* The tail and the history: who sees what, what is hidden, and what happens to those who do
 * not keep up. */
#include "control_harness.h"

#include <sqlite3.h>

static er_tail_event request(const char *routine, int status, const char *path)
{
	static uint64_t id;
	return (er_tail_event){.kind = ER_TAIL_REQUEST,
	                       .at_ms = 1700000000000 + (int64_t)++id,
	                       .routine = er_slice_cstr(routine),
	                       .version = ER_LIT("1"),
	                       .request_id = id,
	                       .method = ER_LIT("GET"),
	                       .host = ER_LIT("shop.example"),
	                       .path = er_slice_cstr(path),
	                       .client = ER_LIT("192.0.2.9"),
	                       .status = status,
	                       .wall_us = 1000};
}

static er_tail_event console(const char *routine, const char *text)
{
	er_tail_event e = request(routine, 0, "/log");
	e.kind = ER_TAIL_CONSOLE;
	e.level = 1;
	e.text = er_slice_cstr(text);
	return e;
}

static void send_event(harness *h, er_tail_event e)
{
	er_control_event(h->control, &e);
}

/* A tail that is open; its lines are in *out after read_all. */
static er_exchange *tail(harness *h, const char *token, const char *query)
{
	char target[256];
	snprintf(target, sizeof target, "/v1/tail%s", query);
	er_exchange *x = begin_from(h, token, "192.0.2.7", "GET", target, (er_slice){0});
	assert_int_equal(x->res.status, 200);
	return x;
}

static char *lines(er_exchange *x)
{
	er_buf b = {0};
	(void)read_all(x->res.body, &b);
	char *s = er_strdup_slice(er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

static void expect_lines(harness *h, er_exchange *x, const char *const *parts, size_t n, const char *absent)
{
	char *s = lines(x);
	openapi_check(&h->api, x->req.method, x->req.target, 200, ER_LIT("application/x-ndjson"), er_slice_cstr(s));
	for (size_t i = 0; i < n; i++)
		if (strstr(s, parts[i]) == NULL)
			fail_msg("no %s in: %s", parts[i], s);
	if (absent != NULL && strstr(s, absent) != NULL)
		fail_msg("%s in: %s", absent, s);
	er_free(s);
}

static void end(er_exchange *x)
{
	er_exchange_cancel(x, ER_ERR_CLIENT_GONE);
	er_exchange_unref(x);
}

static void everything_comes_as_lines(void **state)
{
	harness *h = *state;
	er_exchange *x = tail(h, NULL, "");
	assert_int_equal(h->want, ER_TAIL_WANT_ALL);
	send_event(h, request("shop", 200, "/a?b=1"));
	send_event(h, console("shop", "hello \"you\""));
	er_tail_event e = request("shop", 0, "/x");
	e.kind = ER_TAIL_EXCEPTION;
	e.name = ER_LIT("TypeError");
	e.text = ER_LIT("x is not a function");
	e.stack = ER_LIT("at src/index.ts:1:2");
	e.fatal = true;
	send_event(h, e);
	e.kind = ER_TAIL_KILL;
	e.error = ER_ERR_MEMORY;
	e.used = 5;
	e.limit = 4;
	send_event(h, e);
	const char *parts[] = {
	    "{}\n{\"kind\":\"request\",\"at\":\"2023-11-14T22:13:20.",
	    "\"method\":\"GET\",\"host\":\"shop.example\",\"path\":\"/a?b=1\",\"status\":200",
	    "\"level\":\"log\",\"text\":\"hello \\\"you\\\"\"",
	    "\"name\":\"TypeError\",\"text\":\"x is not a function\",\"stack\":\"at src/index.ts:1:2\",\"fatal\":true",
	    "\"kind\":\"kill\"",
	    "\"error\":\"memory\"",
	    "\"used_kb\":5,\"limit_kb\":4}\n"};
	expect_lines(h, x, parts, sizeof parts / sizeof *parts, NULL);
	end(x);
	assert_int_equal(h->want, ER_TAIL_WANT_HISTORY);
}

static void filters_choose(void **state)
{
	harness *h = *state;
	const struct {
		const char *query, *seen, *unseen;
	} all[] = {
	    {"?routine=shop", "/one", "/blog"},          {"?status=5xx", "/fails", "/one"},
	    {"?status=404,500", "/fails", "printed"},    {"?kinds=console", "printed", "/one\""},
	    {"?kinds=request,kill", "/one", "printed"},  {"?path=/fa", "/fails", "/one"},
	    {"?search=print", "printed", "/one\""},      {"?method=post", "{}", "/one"},
	    {"?environment=staging", "/staged", "/one"}, {"?sampling=1&method=get", "/one", "nothing"},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		er_exchange *x = tail(h, NULL, all[i].query);
		send_event(h, request("shop", 200, "/one"));
		send_event(h, request("shop", 500, "/fails"));
		send_event(h, request("blog", 200, "/blog"));
		send_event(h, console("shop", "printed"));
		er_tail_event staged = request("shop", 200, "/staged");
		staged.env = ER_ENV_STAGING;
		send_event(h, staged);
		expect_lines(h, x, &all[i].seen, 1, all[i].unseen);
		end(x);
	}
	const struct {
		const char *query, *field;
	} bad[] = {{"?status=abc", "status"},   {"?status=6xx", "status"},         {"?kinds=requests", "kinds"},
	           {"?sampling=0", "sampling"}, {"?sampling=1.5", "sampling"},     {"?sampling=x", "sampling"},
	           {"?routine=A", "routine"},   {"?environment=x", "environment"}, {"?rutine=shop", "rutine"}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char target[64];
		snprintf(target, sizeof target, "/v1/tail%s", bad[i].query);
		refused(h, "GET", target, NULL, 400, "invalid", bad[i].field);
	}
}

static void a_sample_is_of_requests(void **state)
{
	harness *h = *state;
	er_exchange *x = tail(h, NULL, "?sampling=0.25");
	for (int i = 0; i < 400; i++) {
		er_tail_event e = request("shop", 200, "/r");
		send_event(h, e);
		e.kind = ER_TAIL_CONSOLE;
		e.text = ER_LIT("line");
		send_event(h, e);
	}
	char *s = lines(x);
	int requests = 0, printed = 0;
	for (char *at_ = s; (at_ = strstr(at_, "\"kind\":\"request\"")) != NULL; at_++)
		requests++;
	for (char *at_ = s; (at_ = strstr(at_, "\"kind\":\"console\"")) != NULL; at_++)
		printed++;
	er_free(s);
	assert_int_equal(requests, printed);
	assert_in_range(requests, 60, 140);
	end(x);
}

static void the_confined_tail_their_own(void **state)
{
	harness *h = *state;
	char *t = make_token(h, "blogger", "read", "[\"blog\"]");
	er_exchange *x = tail(h, t, "");
	send_event(h, request("shop", 200, "/one"));
	send_event(h, request("blog", 200, "/blog"));
	const char *seen = "/blog";
	expect_lines(h, x, &seen, 1, "/one");
	end(x);
	ask_as(h, t, "GET", "/v1/logs", NULL);
	expect_text(h, "items.0.routine", "blog");
	expect_absent(h, "items.1");
	refused_as(h, t, "GET", "/v1/tail?routine=shop", NULL, 403, "forbidden", NULL);
}

static void secrets_are_hidden(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	good(h, "POST", "/v1/routines/shop/environments/production/secrets",
	     "{\"LONG\":\"secret-value-long\",\"PART\":\"secret\",\"SHORT\":\"abc\",\"TEXT\":\"a \\\"quoted\\\" one\"}", 200);
	er_exchange *x = tail(h, NULL, "");
	send_event(h, console("shop", "key=secret-value-long; secret; abc; a \"quoted\" one; secret-value-longsecret"));
	er_tail_event e = request("shop", 200, "/?token=secret-value-long");
	send_event(h, e);
	e.kind = ER_TAIL_EXCEPTION;
	e.name = ER_LIT("Error");
	e.text = ER_LIT("no secret-value-long");
	e.stack = ER_LIT("at secret-value-long");
	send_event(h, e);
	send_event(h, console("blog", "secret-value-long is none of its own"));
	const char *parts[] = {"\"key=***; ***; abc; ***; ******\"", "\"path\":\"/?token=***\"", "\"no ***\"", "\"at ***\"",
	                       "secret-value-long is none"};
	expect_lines(h, x, parts, 5, "no secret");
	/* a new one is known at once, and the old one still: a request that began before may say it */
	good(h, "PUT", "/v1/routines/shop/environments/production/secrets/PART", "{\"value\":\"changed-value\"}", 200);
	send_event(h, console("shop", "changed-value and secret."));
	const char *now = "\"*** and ***.\"";
	expect_lines(h, x, &now, 1, NULL);
	end(x);
	good(h, "GET", "/v1/logs?kinds=exception", NULL, 200);
	expect_text(h, "items.0.text", "no ***");
}

/* Behind the store's back: what is sealed there is not what was sealed. */
static void spoil_secret(harness *h, const char *name)
{
	char path[4096], text[256];
	snprintf(path, sizeof path, "%s/control.db", h->dir);
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(text, sizeof text, "UPDATE setting SET value = zeroblob(length(value)) WHERE name = '%s' AND secret = 1", name);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
}

static void nothing_is_shown_while_secrets_cannot_be_read(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 1);
	deploy(h, "shop", "production", 1);
	good(h, "PUT", "/v1/routines/shop/environments/production/secrets/KEY", "{\"value\":\"secret-value-long\"}", 200);
	spoil_secret(h, "KEY");
	er_exchange *x = tail(h, NULL, "");
	send_event(h, console("shop", "key=secret-value-long"));
	send_event(h, request("shop", 200, "/?token=secret-value-long"));
	const char *hidden[] = {"\"text\":\"***\"", "\"path\":\"***\""};
	expect_lines(h, x, hidden, 2, "secret-value-long");
	/* read again as soon as they can be */
	good(h, "PUT", "/v1/routines/shop/environments/production/secrets/KEY", "{\"value\":\"another-value\"}", 200);
	send_event(h, console("shop", "key=another-value, well"));
	const char *shown = "\"key=***, well\"";
	expect_lines(h, x, &shown, 1, NULL);
	end(x);
}

static void who_is_slow_loses_lines_and_is_told(void **state)
{
	harness *h = *state;
	er_exchange *slow = tail(h, NULL, ""), *fast = tail(h, NULL, "");
	char text[4000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		send_event(h, console("shop", text));
		char *s = lines(fast);
		assert_non_null(strstr(s, "xxx"));
		assert_null(strstr(s, "dropped"));
		er_free(s);
	}
	assert_true(er_body_buffered(slow->res.body) < 2 * ER_BODY_WINDOW);
	char *s = lines(slow);
	assert_non_null(strstr(s, "{\"dropped\":"));
	er_free(s);
	send_event(h, console("shop", "after"));
	const char *after = "\"after\"";
	expect_lines(h, slow, &after, 1, "dropped");
	er_control_event_lost(h->control, 7);
	const char *lost = "{\"dropped\":7}\n";
	expect_lines(h, slow, &lost, 1, NULL);
	end(slow);
	end(fast);
}

static void a_tail_ends_with_the_node(void **state)
{
	harness *h = *state;
	er_exchange *x = tail(h, NULL, "");
	harness_stop(h);
	er_buf b = {0};
	assert_true(read_all(x->res.body, &b));
	assert_int_equal(er_body_error(x->res.body), ER_ERR_OK);
	er_buf_fini(&b);
	er_exchange_unref(x);
	harness_start(h);
}

static void tails_are_bounded(void **state)
{
	harness *h = *state;
	er_exchange *x[64];
	for (int i = 0; i < 64; i++)
		x[i] = tail(h, NULL, "");
	refused(h, "GET", "/v1/tail", NULL, 503, "unavailable", NULL);
	for (int i = 0; i < 64; i++)
		end(x[i]);
}

static void a_tail_that_was_left_before_it_began(void **state)
{
	harness *h = *state;
	er_exchange *x = er_exchange_new();
	x->req.method = ER_LIT("GET");
	x->req.target = ER_LIT("/v1/tail");
	h->asker.answered = on_answer;
	x->asker = &h->asker;
	x->cancelled = true;
	er_exchange_start(x, er_control_local(h->control));
	er_exchange_unref(x);
	assert_int_equal(h->want, ER_TAIL_WANT_HISTORY);
}

static void the_history_is_bounded(void **state)
{
	harness *h = *state;
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	send_event(h, console("quiet", "first words"));
	for (int i = 0; i < 40; i++)
		send_event(h, console("shop", text));
	good(h, "GET", "/v1/logs?limit=1000", NULL, 200);
	expect_text(h, "items.0.text", "first words");
	/* 64 KB in all: what is oldest goes first */
	for (int i = 0; i < 60; i++)
		send_event(h, console("shop", text));
	send_event(h, console("shop", "newest"));
	good(h, "GET", "/v1/logs?routine=quiet", NULL, 200);
	expect_absent(h, "items.0");
	good(h, "GET", "/v1/logs?routine=shop&limit=1", NULL, 200);
	expect_text(h, "items.0.text", "newest");
	good(h, "GET", "/v1/logs?limit=1000&search=xx", NULL, 200);
	char path[32];
	snprintf(path, sizeof path, "items.%d", 64);
	expect_absent(h, path);
	expect_text(h, "items.30.routine", "shop");
}

static void the_history_has_filters_too(void **state)
{
	harness *h = *state;
	for (int i = 0; i < 10; i++)
		send_event(h, request("shop", i % 2 ? 200 : 503, i % 2 ? "/fine" : "/broken"));
	good(h, "GET", "/v1/logs?status=5xx&limit=3", NULL, 200);
	expect_text(h, "items.0.path", "/broken");
	expect_text(h, "items.2.path", "/broken");
	expect_absent(h, "items.3");
	good(h, "GET", "/v1/logs?since=2030-01-01T00:00:00Z", NULL, 200);
	expect_absent(h, "items.0");
	good(h, "GET", "/v1/logs?since=2023-01-01T00:00:00.5Z", NULL, 200);
	expect_text(h, "items.9.path", "/fine");
	refused(h, "GET", "/v1/logs?since=yesterday", NULL, 400, "invalid", "since");
	refused(h, "GET", "/v1/logs?since=2023-13-01T00:00:00Z", NULL, 400, "invalid", "since");
	refused(h, "GET", "/v1/logs?limit=1001", NULL, 400, "invalid", "limit");
}

static void deployments_are_told(void **state)
{
	harness *h = *state;
	make_versions(h, "shop", 2);
	er_exchange *x = tail(h, NULL, "?kinds=deployment");
	deploy(h, "shop", "staging", 2);
	const char *parts[] = {"\"kind\":\"deployment\"", "\"environment\":\"staging\",\"version\":\"2\"",
	                       "staging runs version 2 now (deploy)"};
	expect_lines(h, x, parts, 3, NULL);
	end(x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
	    T(everything_comes_as_lines),
	    T(filters_choose),
	    T(a_sample_is_of_requests),
	    T(the_confined_tail_their_own),
	    T(secrets_are_hidden),
	    T(nothing_is_shown_while_secrets_cannot_be_read),
	    T(who_is_slow_loses_lines_and_is_told),
	    T(a_tail_ends_with_the_node),
	    T(tails_are_bounded),
	    T(a_tail_that_was_left_before_it_began),
	    T(the_history_is_bounded),
	    T(the_history_has_filters_too),
	    T(deployments_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
