/* Prefetch by the API: what a job is made of, in which order its URLs are asked, what is said of
 * them, and what nobody can make the node do. The gateway pretends. */
#include "control_harness.h"

#include "base/clock.h"
#include "base/json_tree.h"
#include "control/internal.h"

static const er_prefetch_result stored = {.end = ER_PREFETCH_STORED, .status = 200, .bytes = 10};

/* {"urls":["https://site-S.example/0", ...]MORE} */
static char *order(harness *h, char site, unsigned n, const char *more)
{
	er_buf b = {0};
	er_buf_puts(&b, "{\"urls\":[");
	for (unsigned i = 0; i < n; i++)
		er_buf_printf(&b, "%s\"https://site-%c.example/%u\"", i == 0 ? "" : ",", site, i);
	er_buf_printf(&b, "]%s}", more);
	char *text = er_arena_cstr(&h->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	return text;
}

/* "/v1/prefetch/JOB" of the last answer. */
static char *job_of(harness *h)
{
	const er_json *id = at(h, "job");
	assert_non_null(id);
	return er_arena_cstr(&h->arena, er_arena_printf(&h->arena, "/v1/prefetch/%.*s", ER_FMT(id->text)));
}

static char *start(harness *h, char site, unsigned n, const char *more)
{
	good(h, "POST", "/v1/prefetch", order(h, site, n, more), 202);
	return job_of(h);
}

static unsigned under_way(const harness *h, char site)
{
	unsigned n = 0;
	for (unsigned i = 0; i < h->n_asked; i++)
		n += h->asked[i].url[strlen("https://site-")] == site;
	return n;
}

static void a_job_asks_for_its_urls_as_browsers_do(void **state)
{
	harness *h = *state;
	good(h, "POST", "/v1/prefetch",
	     "{\"urls\":[\"HTTPS://Site-A.example:443/a/../b?x=1#y\"],\"headers\":{\"Accept-Language\":\"de\"},"
	     "\"environment\":\"staging\",\"refresh\":true}",
	     202);
	expect_text(h, "state", "running");
	expect_text(h, "by", "socket");
	assert_int_equal(h->n_asked, 1);
	assert_string_equal(h->asked[0].url, "https://site-a.example/b?x=1");
	assert_string_equal(h->asked[0].fields, "Accept-Language=de;accept=*/*;accept-encoding=gzip, deflate, br, "
	                                        "zstd;user-agent=EdgeRoutine-Prefetch;");
	assert_true(h->asked[0].refresh);
	assert_int_equal(h->asked[0].env, ER_ENV_STAGING);
	let_prefetch(h, 0, stored);
}

static void a_job_says_how_far_it_is_and_what_was_wrong(void **state)
{
	harness *h = *state;
	char *job = start(h, 'a', 4, "");
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_HIT, .status = 200});
	let_prefetch(h, 0, stored);
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_NOT_STORED, .status = 200, .reason = "private", .text = "why"});
	good(h, "GET", job, NULL, 200);
	expect_text(h, "state", "running");
	expect_number(h, "done", 3);
	expect_number(h, "under_way", 1);
	expect_absent(h, "over");
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_FAILED, .status = 404, .reason = "status", .text = "it is not"});
	good(h, "GET", job, NULL, 200);
	expect_text(h, "state", "done");
	expect_number(h, "total", 4);
	expect_number(h, "hits", 1);
	expect_number(h, "stored", 1);
	expect_number(h, "not_stored", 1);
	expect_number(h, "failed", 1);
	expect_number(h, "stored_bytes", 10);
	expect_text(h, "urls.0.url", "https://site-a.example/2");
	expect_text(h, "urls.0.reason", "private");
	expect_absent(h, "urls.0.error");
	expect_text(h, "urls.1.result", "failed");
	expect_number(h, "urls.1.status", 404);
	expect_absent(h, "urls.2");
	good(h, "GET", "/v1/prefetch", NULL, 200);
	expect_text(h, "items.0.state", "done");
	expect_absent(h, "items.1");
}

static void an_origin_gets_its_share_and_no_more(void **state)
{
	harness *h = *state;
	(void)start(h, 'a', 50, "");
	assert_int_equal(h->n_asked, ER_PREFETCH_SHARE);
	for (int site = 'b'; site <= 'e'; site++)
		(void)start(h, (char)site, 50, "");
	assert_int_equal(h->n_asked, ER_PREFETCH_AT_ONCE);
	for (unsigned i = 0; i < 5 * 50; i++) {
		for (int site = 'a'; site <= 'e'; site++)
			assert_true(under_way(h, (char)site) <= ER_PREFETCH_SHARE);
		let_prefetch(h, i % h->n_asked, stored);
	}
	assert_int_equal(h->n_asked, 0);
	assert_int_equal(h->asked_ever, 5 * 50);
}

static void a_job_may_ask_more_or_less_of_an_origin(void **state)
{
	harness *h = *state;
	(void)start(h, 'a', 50, ",\"parallel\":16");
	assert_int_equal(h->n_asked, ER_PREFETCH_AT_ONCE);
	while (h->n_asked > 0)
		let_prefetch(h, 0, stored);
	(void)start(h, 'a', 50, ",\"parallel\":1");
	assert_int_equal(h->n_asked, 1);
	/* the gentle one stays gentle beside one that is not */
	(void)start(h, 'a', 1, "");
	assert_int_equal(h->n_asked, 2);
	let_prefetch(h, 0, stored);
	assert_int_equal(h->n_asked, 1);
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, ",\"parallel\":17"), 400, "invalid", "parallel");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, ",\"parallel\":0"), 400, "invalid", "parallel");
}

/* Two jobs of one site: the second one need not wait for the first one's end. */
static void a_small_job_does_not_wait_for_a_large_one(void **state)
{
	harness *h = *state;
	(void)start(h, 'a', 1000, "");
	char *small = start(h, 'a', 3, "");
	for (unsigned i = 0; i < 12; i++)
		let_prefetch(h, 0, stored);
	good(h, "GET", small, NULL, 200);
	expect_text(h, "state", "done");
}

static void a_site_whose_origin_hangs_holds_up_no_other(void **state)
{
	harness *h = *state;
	(void)start(h, 'a', 100, "");
	char *other = start(h, 'b', 20, "");
	for (unsigned i = 0; i < 20; i++) /* behind the four that hang */
		let_prefetch(h, ER_PREFETCH_SHARE, stored);
	good(h, "GET", other, NULL, 200);
	expect_text(h, "state", "done");
	assert_int_equal(under_way(h, 'a'), ER_PREFETCH_SHARE);
}

static void what_no_site_has_is_never_asked(void **state)
{
	harness *h = *state;
	good(h, "POST", "/v1/prefetch", "{\"urls\":[\"http://169.254.169.254/latest\",\"http://localhost/\",\"http://[::1]:22/\"]}",
	     202);
	expect_text(h, "state", "done");
	expect_number(h, "failed", 3);
	expect_text(h, "urls.0.reason", "no-site");
	assert_non_null(strstr(h->text, "er site add"));
	assert_int_equal(h->asked_ever, 0);
	refused(h, "GET", "/v1/content?url=http%3A%2F%2F169.254.169.254%2F", NULL, 404, "not-found", NULL);
	assert_int_equal(h->asked_ever, 0);
}

static void what_is_no_url_is_refused_whole(void **state)
{
	harness *h = *state;
	static const char *const bad[] = {
	    "shop.example/a", "ftp://site-a.example/", "https://", "/a", "", "https://site-a.example/%2e%2e%2f..%2f"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char body[200];
		snprintf(body, sizeof body, "{\"urls\":[\"https://site-a.example/\",\"%s\"]}", bad[i]);
		refused(h, "POST", "/v1/prefetch", body, 400, "invalid", "urls[1]");
	}
	refused(h, "POST", "/v1/prefetch", "{}", 400, "invalid", "urls");
	refused(h, "POST", "/v1/prefetch", "{\"urls\":[]}", 400, "invalid", "urls");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', ER_PREFETCH_URLS + 1, ""), 400, "invalid", "urls");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, ",\"environment\":\"x\""), 400, "invalid", "environment");
	assert_int_equal(h->asked_ever, 0);
}

/* What asks for another answer than a client would get from the cache, or says who asks. */
static void fields_that_are_not_for_prefetches_are_refused(void **state)
{
	harness *h = *state;
	static const char *const bad[] = {
	    "Host",          "Range",  "If-None-Match",   "Connection", "Transfer-Encoding", "Content-Length",
	    "Cache-Control", "Via",    "X-Forwarded-For", "er-loop",    "X_Forwarded_For",   "Forwarded",
	    "bad name",      "Expect", "Upgrade"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char more[100], field[100];
		snprintf(more, sizeof more, ",\"headers\":{\"%s\":\"x\"}", bad[i]);
		snprintf(field, sizeof field, "headers.%s", bad[i]);
		refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, more), 400, "invalid", field);
	}
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, ",\"headers\":{\"a\":1}"), 400, "invalid", "headers.a");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, ",\"headers\":{\"a\":\"x\\r\\ny: z\"}"), 400, "invalid", "headers.a");
	er_buf many = {0};
	er_buf_puts(&many, ",\"headers\":{");
	for (int i = 0; i <= ER_PREFETCH_FIELDS; i++)
		er_buf_printf(&many, "%s\"a%d\":\"x\"", i == 0 ? "" : ",", i);
	er_buf_puts(&many, "}");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 1, er_arena_cstr(&h->arena, er_buf_slice(&many))), 400, "invalid",
	        "headers");
	er_buf_fini(&many);
	assert_int_equal(h->asked_ever, 0);
}

static void a_cancelled_job_asks_nothing_more(void **state)
{
	harness *h = *state;
	char *job = start(h, 'a', 20, "");
	char *other = start(h, 'a', 2, "");
	let_prefetch(h, 0, stored);
	good(h, "DELETE", job, NULL, 200);
	expect_text(h, "state", "cancelled");
	for (unsigned i = 0, n = h->n_asked; i < n; i++)
		let_prefetch(h, 0, h->asked[0].stopped ? (er_prefetch_result){.end = ER_PREFETCH_STOPPED} : stored);
	good(h, "GET", job, NULL, 200);
	expect_number(h, "under_way", 0);
	expect_number(h, "failed", 0);
	assert_non_null(at(h, "over"));
	while (h->n_asked > 0)
		let_prefetch(h, 0, stored);
	assert_true(h->asked_ever <= 7);
	good(h, "GET", other, NULL, 200);
	expect_text(h, "state", "done");
	good(h, "DELETE", other, NULL, 200);
	expect_text(h, "state", "done");
}

/* Whoever waits for a job's end waits for nobody else's. */
static void a_job_is_over_when_its_last_url_is(void **state)
{
	harness *h = *state;
	char *first = start(h, 'a', 4, "");
	for (int site = 'b'; site <= 'd'; site++)
		(void)start(h, (char)site, 50, "");
	char *waiting = start(h, 'e', 50, "");
	assert_int_equal(h->n_asked, ER_PREFETCH_AT_ONCE);
	for (unsigned i = 0; i < 4; i++)
		let_prefetch(h, 0, stored);
	assert_int_equal(h->n_asked, ER_PREFETCH_AT_ONCE);
	good(h, "GET", first, NULL, 200);
	expect_text(h, "state", "done");
	char *last = start(h, 'f', 1, "");
	good(h, "DELETE", last, NULL, 200);
	assert_non_null(at(h, "over"));
	good(h, "DELETE", waiting, NULL, 200);
	expect_absent(h, "over");
}

static void what_takes_too_long_is_given_up(void **state)
{
	harness *h = *state;
	char *job = start(h, 'a', 1, "");
	uint64_t now = er_clock_mono_us();
	er_prefetches_tick(h->control->prefetches, now + (uint64_t)(ER_PREFETCH_LATE_S - 1) * 1000000);
	assert_false(h->asked[0].stopped);
	er_prefetches_tick(h->control->prefetches, now + (uint64_t)(ER_PREFETCH_LATE_S + 1) * 1000000);
	assert_true(h->asked[0].stopped);
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_STOPPED});
	good(h, "GET", job, NULL, 200);
	expect_number(h, "failed", 1);
	expect_text(h, "urls.0.reason", "timeout");
}

static void jobs_that_wait_are_bounded(void **state)
{
	harness *h = *state;
	char *token = make_token(h, "one", "deploy", NULL), *another = make_token(h, "two", "deploy", NULL);
	for (unsigned i = 0; i < ER_PREFETCH_JOBS_SHARE; i++) {
		ask_as(h, token, "POST", "/v1/prefetch", order(h, 'a', 5, ""));
		expect_status(h, 202);
		expect_text(h, "by", "one");
	}
	refused_as(h, token, "POST", "/v1/prefetch", order(h, 'a', 5, ""), 503, "unavailable", NULL);
	ask_as(h, another, "POST", "/v1/prefetch", order(h, 'a', 5, ""));
	expect_status(h, 202);
	for (unsigned i = ER_PREFETCH_JOBS_SHARE + 1; i < ER_PREFETCH_JOBS; i++)
		(void)start(h, 'a', 5, "");
	refused(h, "POST", "/v1/prefetch", order(h, 'a', 5, ""), 503, "unavailable", NULL);
	while (h->n_asked > 0)
		let_prefetch(h, 0, stored);
	(void)start(h, 'a', 5, "");
}

static void bytes_that_wait_are_bounded(void **state)
{
	harness *h = *state;
	er_buf b = {0};
	char tail[6000];
	memset(tail, 'x', sizeof tail);
	er_buf_puts(&b, "{\"urls\":[");
	for (unsigned i = 0; i < 600; i++)
		er_buf_printf(&b, "%s\"https://site-a.example/%u%.*s\"", i == 0 ? "" : ",", i, (int)sizeof tail, tail);
	er_buf_puts(&b, "]}");
	char *text = er_arena_cstr(&h->arena, er_buf_slice(&b));
	er_buf_fini(&b);
	unsigned n = 0;
	while (n < ER_PREFETCH_JOBS && ask(h, "POST", "/v1/prefetch", text) == 202)
		n++;
	expect_status(h, 503);
	assert_in_range(n, 5, 10);
}

static void a_job_that_is_done_is_remembered_for_a_while(void **state)
{
	harness *h = *state;
	char *first = NULL;
	for (unsigned i = 0; i <= ER_PREFETCH_KEPT; i++) {
		char *job = start(h, 'a', 1, "");
		first = first != NULL ? first : job;
		good(h, "GET", first, NULL, 200);
		let_prefetch(h, 0, stored);
	}
	refused(h, "GET", first, NULL, 404, "not-found", NULL);
	refused(h, "DELETE", "/v1/prefetch/0000000000000001", NULL, 404, "not-found", NULL);
	refused(h, "GET", "/v1/prefetch/1", NULL, 400, "invalid", "job");
	refused(h, "GET", "/v1/prefetch/000000000000000g", NULL, 400, "invalid", "job");
}

static void only_so_many_urls_are_told(void **state)
{
	harness *h = *state;
	char *job = start(h, 'a', 250, "");
	while (h->n_asked > 0)
		let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_FAILED, .reason = "connect", .text = "away"});
	good(h, "GET", job, NULL, 200);
	expect_number(h, "failed", 250);
	expect_number(h, "urls_left_out", 250 - ER_PREFETCH_TOLD);
	assert_int_equal(er_json_count(at(h, "urls")), ER_PREFETCH_TOLD);
}

static void a_purger_may_prefetch_and_a_reader_may_look(void **state)
{
	harness *h = *state;
	char *reader = make_token(h, "reader", "read", NULL), *confined = make_token(h, "confined", "deploy", "[\"shop\"]");
	refused_as(h, reader, "POST", "/v1/prefetch", order(h, 'a', 1, ""), 403, "forbidden", NULL);
	refused_as(h, confined, "POST", "/v1/prefetch", order(h, 'a', 1, ""), 403, "forbidden", NULL);
	refused_as(h, reader, "GET", "/v1/content?url=https%3A%2F%2Fsite-a.example%2F", NULL, 403, "forbidden", NULL);
	refused_as(h, "er_nobody", "GET", "/v1/prefetch", NULL, 401, "unauthorized", NULL);
	char *job = start(h, 'a', 1, "");
	ask_as(h, reader, "GET", job, NULL);
	expect_status(h, 200);
	refused_as(h, reader, "DELETE", job, NULL, 403, "forbidden", NULL);
	refused_as(h, confined, "GET", job, NULL, 403, "forbidden", NULL);
}

static void a_document_comes_as_it_is(void **state)
{
	harness *h = *state;
	er_buf text = {0};
	er_exchange *x =
	    begin_from(h, NULL, "192.0.2.7", "GET", "/v1/content?url=https%3A%2F%2Fsite-a.example%2Fmap.xml", (er_slice){0});
	assert_false(h->answered);
	assert_int_equal(h->asked[0].most, ER_CONTENT_MAX);
	assert_string_equal(h->asked[0].url, "https://site-a.example/map.xml");
	/* no more than two at once */
	er_exchange *y = begin_from(h, NULL, "192.0.2.7", "GET", "/v1/content?url=https%3A%2F%2Fsite-a.example%2Fb", (er_slice){0});
	refused(h, "GET", "/v1/content?url=https%3A%2F%2Fsite-a.example%2Fc", NULL, 503, "unavailable", NULL);
	er_buf_puts(&text, "<urlset/>");
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_STORED, .status = 200, .bytes = 9, .body = &text});
	take_answer(h, x);
	expect_status(h, 200);
	assert_string_equal(h->text, "<urlset/>");
	er_buf_fini(&text);
	let_prefetch(h, 0, (er_prefetch_result){.end = ER_PREFETCH_FAILED, .status = 404, .text = "its answer has the status 404"});
	take_answer(h, y);
	expect_status(h, 404);
	assert_non_null(strstr(h->text, "status 404"));
}

/* What is under way when the node ends is not heard of any more. */
static void a_node_may_end_with_jobs_under_way(void **state)
{
	harness *h = *state;
	(void)start(h, 'a', 100, "");
	er_exchange *x = begin_from(h, NULL, "192.0.2.7", "GET", "/v1/content?url=https%3A%2F%2Fsite-b.example%2F", (er_slice){0});
	harness_stop(h);
	h->n_asked = 0;
	assert_true(h->answered);
	take_answer(h, x);
	expect_status(h, 503);
	harness_start(h);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_job_asks_for_its_urls_as_browsers_do),
	    TEST(a_job_says_how_far_it_is_and_what_was_wrong),
	    TEST(an_origin_gets_its_share_and_no_more),
	    TEST(a_job_may_ask_more_or_less_of_an_origin),
	    TEST(a_small_job_does_not_wait_for_a_large_one),
	    TEST(a_site_whose_origin_hangs_holds_up_no_other),
	    TEST(what_no_site_has_is_never_asked),
	    TEST(what_is_no_url_is_refused_whole),
	    TEST(fields_that_are_not_for_prefetches_are_refused),
	    TEST(a_cancelled_job_asks_nothing_more),
	    TEST(a_job_is_over_when_its_last_url_is),
	    TEST(what_takes_too_long_is_given_up),
	    TEST(jobs_that_wait_are_bounded),
	    TEST(bytes_that_wait_are_bounded),
	    TEST(a_job_that_is_done_is_remembered_for_a_while),
	    TEST(only_so_many_urls_are_told),
	    TEST(a_purger_may_prefetch_and_a_reader_may_look),
	    TEST(a_document_comes_as_it_is),
	    TEST(a_node_may_end_with_jobs_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
