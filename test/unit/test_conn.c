/* One client's connection from the inside: gateway/conn.c and conn_out.c on a socket pair, with a
 * scripted handler. Every way in which a client can behave well or badly at every moment of a
 * request, and what the handler is then told. */
#include "conn_harness.h"

static const char *const get = "GET %s HTTP/1.1\r\nhost: a\r\n\r\n";

static void say_get(client *c, const char *path)
{
	char text[200];
	snprintf(text, sizeof text, get, path);
	say(c, text);
}

/* ---- requests ---- */

static void a_request_is_answered_and_the_next_one_too(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	for (unsigned i = 1; i <= 3; i++) {
		say_get(&c, "/now");
		UNTIL(w, count(&c, "HTTP/1.1 200") == i && count(&c, "/now") == i);
	}
	assert_int_equal(w->finished, 3);
	assert_int_equal(w->cut, 0);
	assert_false(ended(&c));
	client_close(&c);
	UNTIL(w, w->stats.connections == 0);
	world_free(w);
}

static void a_request_that_comes_byte_by_byte_is_one_request(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	const char *text = "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
	for (const char *p = text; *p != '\0'; p++) {
		say(&c, (char[]){*p, '\0'});
		turn(w);
	}
	UNTIL(w, w->n_asked == 1 && w->asked[0].over);
	assert_int_equal(er_buf_len(&w->asked[0].upload), 3);
	answer_text(&w->asked[0], 200, "ok");
	UNTIL(w, count(&c, "ok") == 1);
	client_close(&c);
	world_free(w);
}

static void pipelined_requests_are_answered_one_after_the_other(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c,
	    "GET /later-1 HTTP/1.1\r\nhost: a\r\n\r\nGET /later-2 HTTP/1.1\r\nhost: a\r\n\r\nGET /now-3 HTTP/1.1\r\nhost: a\r\n\r\n");
	UNTIL(w, w->n_asked == 1);
	some_turns(w);
	assert_int_equal(w->n_asked, 1); /* the second waits for the first one's answer */
	answer_text(&w->asked[0], 200, "one");
	UNTIL(w, w->n_asked == 2);
	assert_string_equal(w->asked[1].path, "/later-2");
	answer_text(&w->asked[1], 200, "two");
	UNTIL(w, count(&c, "/now-3") == 1);
	client_read(&c);
	er_slice all = er_buf_slice(&c.got);
	const uint8_t *one = memmem(all.p, all.n, "one", 3), *two = memmem(all.p, all.n, "two", 3);
	assert_true(one != NULL && two != NULL && one < two);
	client_close(&c);
	world_free(w);
}

static void a_client_that_shuts_down_its_side_still_gets_its_answer(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say_get(&c, "/later");
	UNTIL(w, w->n_asked == 1);
	shutdown(c.fd, SHUT_WR);
	some_turns(w);
	assert_int_equal(w->asked[0].cancelled, 0);
	answer_text(&w->asked[0], 200, "late");
	UNTIL(w, ended(&c));
	assert_int_equal(count(&c, "late"), 1);
	assert_int_equal(w->cut, 0);
	client_close(&c);
	world_free(w);
}

static void a_client_that_shuts_down_and_waits_too_long_is_let_go(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say_get(&c, "/never");
	UNTIL(w, w->n_asked == 1);
	shutdown(c.fd, SHUT_WR);
	UNTIL(w, w->asked[0].cancelled == 1); /* HALF_CLOSE_MS */
	UNTIL(w, ended(&c));
	client_close(&c);
	world_free(w);
}

static void what_is_no_request_is_refused_and_the_connection_ends(void **state)
{
	(void)state;
	static const char *const bad[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
	                                  "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"};
	world *w = world_new(NULL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		client c;
		client_open(&c, w);
		say(&c, bad[i]);
		UNTIL(w, count(&c, "HTTP/1.1 ") > 0);
		assert_int_equal(count(&c, "Connection: close"), 1);
		shutdown(c.fd, SHUT_WR);
		UNTIL(w, ended(&c));
		client_close(&c);
	}
	assert_int_equal(w->n_asked, 0);
	UNTIL(w, w->stats.connections == 0);
	world_free(w);
}

/* ---- uploads ---- */

static void an_upload_reaches_the_handler_whole(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
	UNTIL(w, w->n_asked == 1 && er_buf_len(&w->asked[0].upload) == 5);
	assert_false(w->asked[0].over);
	say(&c, "6\r\n world\r\n0\r\n\r\n");
	UNTIL(w, w->asked[0].over);
	assert_memory_equal(er_buf_slice(&w->asked[0].upload).p, "hello world", 11);
	answer_text(&w->asked[0], 200, "thanks");
	UNTIL(w, count(&c, "thanks") == 1);
	say_get(&c, "/now");
	UNTIL(w, count(&c, "/now") == 1);
	client_close(&c);
	world_free(w);
}

static void an_upload_that_is_cut_breaks_for_its_reader(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello");
	UNTIL(w, w->n_asked == 1 && er_buf_len(&w->asked[0].upload) == 5);
	client_close(&c);
	UNTIL(w, w->asked[0].cancelled == 1);
	assert_false(w->asked[0].over);
	UNTIL(w, w->stats.connections == 0);
	assert_int_equal(w->finished, 1);
	world_free(w);
}

/* The window of a body that nobody reads is bounded, so the client must wait. */
static void an_upload_without_a_reader_makes_the_client_wait(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /later HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n");
	UNTIL(w, w->n_asked == 1);
	char bytes[65536] = {0};
	size_t put = 0;
	for (int idle = 0; idle < 50;) {
		ssize_t n = send(c.fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
		put += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		turn(w);
	}
	assert_true(put < 4 * 1024 * 1024);
	client_close(&c);
	UNTIL(w, w->asked[0].cancelled == 1);
	world_free(w);
}

static void an_early_answer_goes_out_before_the_upload_is_in(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello");
	UNTIL(w, count(&c, "HTTP/1.1 403") == 1);
	/* The rest is short: it is drained, and the connection goes on. */
	say(&c, "world");
	say_get(&c, "/now");
	UNTIL(w, count(&c, "/now") == 1);
	client_close(&c);
	world_free(w);
}

static void an_early_answer_to_an_endless_upload_ends_the_connection(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /early HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
	UNTIL(w, count(&c, "HTTP/1.1 403") == 1);
	uint64_t until = er_clock_mono_us() + SPIN_MS * 1000ULL;
	while (!ended(&c)) { /* a bounded drain, in time and in bytes */
		assert_true(er_clock_mono_us() < until);
		(void)!send(c.fd, "5\r\nhello\r\n", 10, MSG_DONTWAIT | MSG_NOSIGNAL);
		turn(w);
	}
	client_close(&c);
	UNTIL(w, w->stats.connections == 0);
	world_free(w);
}

static void a_client_that_asks_first_is_invited_to_send(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /read HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n");
	UNTIL(w, count(&c, "HTTP/1.1 100 Continue\r\n\r\n") == 1);
	say(&c, "abc");
	UNTIL(w, w->asked[0].over);
	answer_text(&w->asked[0], 200, "ok");
	UNTIL(w, count(&c, "HTTP/1.1 200") == 1);
	client_close(&c);
	world_free(w);
}

/* ---- answers ---- */

static void a_streamed_answer_arrives_whole_and_in_order(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say_get(&c, "/later");
	UNTIL(w, w->n_asked == 1);
	answer_stream(&w->asked[0], ER_BODY_UNKNOWN);
	stream_write(&w->asked[0], 3, 'a');
	UNTIL(w, count(&c, "3\r\naaa\r\n") == 1);
	stream_write(&w->asked[0], 2, 'b');
	stream_end(&w->asked[0], true);
	UNTIL(w, count(&c, "2\r\nbb\r\n0\r\n\r\n") == 1);
	assert_int_equal(w->cut, 0);
	say_get(&c, "/now");
	UNTIL(w, count(&c, "/now") == 1);
	client_close(&c);
	world_free(w);
}

static void an_answer_that_breaks_off_never_ends_properly(void **state)
{
	(void)state;
	static const int64_t lengths[] = {ER_BODY_UNKNOWN, 10};
	/* With a turn of the loop between the piece and the failure, and without. */
	for (int pause = 0; pause < 2; pause++) {
		for (size_t i = 0; i < 2; i++) {
			world *w = world_new(NULL);
			client c;
			client_open(&c, w);
			say_get(&c, "/later");
			UNTIL(w, w->n_asked == 1);
			answer_stream(&w->asked[0], lengths[i]);
			stream_write(&w->asked[0], 5, 'a');
			if (pause)
				some_turns(w);
			stream_end(&w->asked[0], false);
			UNTIL(w, ended(&c));
			assert_int_equal(count(&c, "aaaaa"), 1);
			assert_int_equal(count(&c, "0\r\n\r\n"), 0);
			assert_int_equal(w->cut, 1);
			client_close(&c);
			world_free(w);
		}
	}
}

/* Before its head there is nothing to say: the connection ends. Answers to requests before it
 * arrive whole. */
static void an_exchange_without_an_answer_ends_the_connection_and_loses_no_other(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		for (int before = 0; before < 3; before++) {
			world *w = world_new(NULL);
			client c;
			client_open(&c, w);
			er_buf all;
			er_buf_init(&all);
			for (int i = 0; i < before; i++)
				er_buf_printf(&all, "GET /now-%d HTTP/1.1\r\nhost: a\r\n\r\n", i);
			er_buf_printf(
			    &all, "POST /%s HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET /now-behind HTTP/1.1\r\nhost: a\r\n\r\n",
			    late ? "later" : "break");
			er_buf_put(&all, ER_LIT("\0"));
			say(&c, (const char *)er_buf_slice(&all).p);
			er_buf_fini(&all);
			UNTIL(w, w->n_asked == (unsigned)before + 1);
			if (late)
				break_off(&w->asked[before]);
			UNTIL(w, ended(&c));
			assert_int_equal(count(&c, "HTTP/1.1 200"), before);
			assert_int_equal(w->n_asked, before + 1);
			assert_int_equal(w->cut, 1);
			assert_int_equal(w->finished, before + 1);
			assert_int_equal(w->asked[before].cancelled, 0);
			client_close(&c);
			world_free(w);
		}
	}
}

/* A body that breaks off takes no answer along that was held back for one write. */
static void an_answer_that_breaks_off_loses_none_before_it(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "GET /now HTTP/1.1\r\nhost: a\r\n\r\nGET /broken HTTP/1.1\r\nhost: a\r\n\r\nGET /now HTTP/1.1\r\nhost: a\r\n\r\n");
	UNTIL(w, ended(&c));
	assert_int_equal(count(&c, "/now"), 1);
	assert_int_equal(count(&c, "HTTP/1.1 200"), 2);
	assert_int_equal(count(&c, "0\r\n\r\n"), 0);
	assert_int_equal(w->cut, 1);
	client_close(&c);
	world_free(w);
}

static void an_answer_shorter_than_promised_is_cut(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say_get(&c, "/later");
	UNTIL(w, w->n_asked == 1);
	answer_stream(&w->asked[0], 10);
	stream_write(&w->asked[0], 5, 'a');
	stream_end(&w->asked[0], true);
	UNTIL(w, ended(&c));
	assert_int_equal(w->cut, 1);
	client_close(&c);
	world_free(w);
}

static void a_reader_that_stops_makes_the_answer_wait(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say_get(&c, "/later");
	UNTIL(w, w->n_asked == 1);
	asked *a = &w->asked[0];
	answer_stream(a, ER_BODY_UNKNOWN);
	size_t wrote = 0;
	for (int idle = 0; idle < 50; idle = a->full ? idle + 1 : 0) {
		if (!a->full) {
			stream_write(a, 16384, 'x');
			wrote += 16384;
		}
		turn(w);
	}
	assert_true(wrote < 4 * 1024 * 1024);
	UNTIL(w, (client_read(&c), !a->full)); /* the client reads again */
	stream_end(a, true);
	UNTIL(w, count(&c, "\r\n0\r\n\r\n") == 1);
	assert_int_equal(w->cut, 0);
	client_close(&c);
	world_free(w);
}

static void a_reader_that_never_reads_again_is_cut_off(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.keep_alive_ms = 300;
	world *w = world_new(&limits);
	client c;
	client_open(&c, w);
	say_get(&c, "/later");
	UNTIL(w, w->n_asked == 1);
	asked *a = &w->asked[0];
	answer_stream(a, ER_BODY_UNKNOWN);
	while (a->source != NULL) {
		if (!a->full)
			stream_write(a, 16384, 'x');
		turn(w);
	}
	assert_true(a->source_cancelled);
	assert_int_equal(w->stats.timeouts, 1);
	client_close(&c);
	UNTIL(w, w->stats.connections == 0);
	world_free(w);
}

/* ---- time ---- */

static void a_head_that_does_not_come_is_refused(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.header_ms = 200;
	world *w = world_new(&limits);
	client c;
	client_open(&c, w);
	say(&c, "GET / HTTP/1.1\r\nhost:");
	UNTIL(w, count(&c, "HTTP/1.1 408") == 1);
	shutdown(c.fd, SHUT_WR);
	UNTIL(w, ended(&c));
	client_close(&c);
	world_free(w);
}

static void an_idle_connection_ends_after_its_time(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.keep_alive_ms = 200;
	world *w = world_new(&limits);
	client quiet, served;
	client_open(&quiet, w);
	client_open(&served, w);
	say_get(&served, "/now");
	UNTIL(w, count(&served, "/now") == 1);
	UNTIL(w, ended(&quiet) && ended(&served));
	assert_int_equal(count(&quiet, "HTTP"), 0);
	client_close(&quiet);
	client_close(&served);
	world_free(w);
}

static void an_upload_that_dribbles_is_refused(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.min_body_rate = 1000000;
	world *w = world_new(&limits);
	client c;
	client_open(&c, w);
	say(&c, "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n");
	UNTIL(w, w->n_asked == 1);
	UNTIL(w, count(&c, "HTTP/1.1 408") == 1); /* after GRACE_MS */
	assert_int_equal(w->asked[0].cancelled, 1);
	client_close(&c);
	UNTIL(w, w->stats.connections == 0);
	world_free(w);
}

/* ---- leaving, and the server's end, at every moment ---- */

typedef enum moment {
	IDLE,
	IN_HEAD,
	UPLOADING,
	UPLOAD_UNREAD,
	ASKED,
	PIPELINED,
	STREAMING,
	STREAM_BLOCKED,
	DRAINING,
	LINGERING,
	MOMENTS
} moment;

static void bring_to(world *w, client *c, moment m)
{
	asked *a = &w->asked[0];
	client_open(c, w);
	switch (m) {
	case IDLE:
		some_turns(w);
		return;
	case IN_HEAD:
		say(c, "GET / HTTP/1.1\r\nho");
		some_turns(w);
		return;
	case UPLOADING:
	case UPLOAD_UNREAD:
		say(c, m == UPLOADING ? "POST /read" : "POST /later");
		say(c, " HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello");
		UNTIL(w, w->n_asked == 1);
		some_turns(w);
		return;
	case PIPELINED:
		say_get(c, "/later");
		say_get(c, "/now");
		UNTIL(w, w->n_asked == 1);
		return;
	case DRAINING:
		say(c, "POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhello");
		UNTIL(w, count(c, "403") == 1);
		return;
	case LINGERING:
		say(c, "GET / HTTP/1.1\r\n\r\n");
		UNTIL(w, count(c, "400") == 1);
		return;
	default:
		say_get(c, "/later");
		UNTIL(w, w->n_asked == 1);
		if (m == ASKED)
			return;
		answer_stream(a, ER_BODY_UNKNOWN);
		stream_write(a, 100, 'x');
		if (m == STREAMING)
			UNTIL(w, count(c, "xxxx") > 0);
		while (m == STREAM_BLOCKED && !a->full) {
			stream_write(a, 16384, 'x');
			turn(w);
		}
	}
}

/* What must be true when the client of `m` is gone, whoever ended it. */
static void assert_let_go(world *w, moment m)
{
	bool asks = m == UPLOADING || m == UPLOAD_UNREAD || m == ASKED || m == PIPELINED;
	bool streams = m == STREAMING || m == STREAM_BLOCKED;
	assert_int_equal(w->n_asked, asks || streams || m == DRAINING);
	assert_int_equal(w->asked[0].cancelled, asks);
	assert_int_equal(w->asked[0].source_cancelled, streams);
	assert_int_equal(w->finished, w->n_asked + (m == LINGERING));
	assert_int_equal(w->cut, asks || streams);
	assert_int_equal(w->stats.connections, 0);
}

static void a_client_may_leave_at_any_moment(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		for (moment m = IDLE; m < MOMENTS; m++) {
			world *w = world_new(NULL);
			client c;
			bring_to(w, &c, m);
			if (reset) /* with unread input the kernel resets: what was written is lost as well */
				shutdown(c.fd, SHUT_RD);
			client_close(&c);
			UNTIL(w, w->stats.connections == 0);
			assert_let_go(w, m);
			world_free(w);
		}
	}
}

static void the_server_may_end_at_any_moment(void **state)
{
	(void)state;
	for (moment m = IDLE; m < MOMENTS; m++) {
		world *w = world_new(NULL);
		client c;
		bring_to(w, &c, m);
		er_server_close(w->server, on_world_closed, w);
		UNTIL(w, w->closed);
		assert_let_go(w, m);
		client_close(&c);
		er_buf_fini(&w->asked[0].upload);
		er_exchange_trim();
		assert_int_equal(uv_loop_close(&w->loop), 0);
		er_free(w);
	}
}

static void a_server_that_drains_answers_what_it_has(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client busy, idle;
	client_open(&busy, w);
	client_open(&idle, w);
	say_get(&idle, "/now");
	UNTIL(w, count(&idle, "/now") == 1);
	say_get(&busy, "/later");
	UNTIL(w, w->n_asked == 2);
	er_server_drain(w->server, 0);
	UNTIL(w, ended(&idle));
	answer_text(&w->asked[1], 200, "last");
	UNTIL(w, ended(&busy));
	assert_int_equal(count(&busy, "last"), 1);
	assert_int_equal(count(&busy, "Connection: close"), 1);
	client_close(&busy);
	client_close(&idle);
	world_free(w);
}

/* A handler may answer from inside whatever the connection calls: nothing is lost or said twice. */
static void an_answer_may_come_while_the_upload_ends(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	for (unsigned i = 0; i < 3; i++) {
		say(&c, "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel");
		UNTIL(w, w->n_asked == i + 1);
		say(&c, "lo");
		UNTIL(w, w->asked[i].over);
		answer_text(&w->asked[i], 200, "ok");
		UNTIL(w, count(&c, "HTTP/1.1 200") == i + 1);
	}
	client_close(&c);
	world_free(w);
}

static void a_connection_ends_after_its_requests(void **state)
{
	(void)state;
	er_gateway_limits limits = usual_limits();
	limits.requests = 2;
	world *w = world_new(&limits);
	client c;
	client_open(&c, w);
	for (int i = 0; i < 3; i++)
		say_get(&c, "/now");
	UNTIL(w, count(&c, "/now") == 2);
	shutdown(c.fd, SHUT_WR);
	UNTIL(w, ended(&c));
	assert_int_equal(count(&c, "Connection: close"), 1);
	assert_int_equal(w->n_asked, 2);
	client_close(&c);
	world_free(w);
}

static void trailers_reach_the_handler_and_a_client_that_takes_them(void **state)
{
	(void)state;
	for (unsigned takes = 0; takes < 2; takes++) {
		world *w = world_new(NULL);
		client c;
		client_open(&c, w);
		say(&c, "POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n");
		say(&c, takes ? "te: gzip, Trailers\r\n\r\n" : "te: gzip\r\n\r\n");
		say(&c, "2\r\nab\r\n0\r\nx-sum: 7\r\nhost: b\r\n\r\n");
		UNTIL(w, w->n_asked == 1 && w->asked[0].over);
		const er_fields *got = er_body_trailers(w->asked[0].x->req.body);
		/* Host is none */
		assert_true(got != NULL && got->n == 1 && er_slice_eq(got->v[0].value, ER_LIT("7")));
		asked *a = &w->asked[0];
		answer_stream(a, ER_BODY_UNKNOWN);
		stream_write(a, 5, 'z');
		some_turns(w);
		assert_true(er_body_trailer(a->source, ER_LIT("grpc-status"), ER_LIT("13")));
		stream_end(a, true);
		UNTIL(w, w->finished == 1);
		UNTIL(w, count(&c, takes ? "0\r\ngrpc-status: 13\r\n\r\n" : "zzzzz\r\n0\r\n\r\n") == 1);
		assert_int_equal(w->sent, 5);
		say_get(&c, "/now"); /* the connection goes on */
		UNTIL(w, count(&c, "HTTP/1.1 200") == 2);
		client_close(&c);
		world_free(w);
	}
}

/* A handler that answers because its upload broke off does not answer beside the session. */
static void a_malformed_upload_is_refused_once_although_its_handler_would_answer(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	client c;
	client_open(&c, w);
	say(&c, "POST /read-or-502 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
	UNTIL(w, w->n_asked == 1 && er_buf_len(&w->asked[0].upload) == 2);
	say(&c, "no chunk\r\n");
	UNTIL(w, ended(&c));
	assert_int_equal(count(&c, "HTTP/1.1 "), 1);
	assert_int_equal(count(&c, "HTTP/1.1 400"), 1);
	assert_int_equal(w->asked[0].cancelled, 1);
	client_close(&c);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_request_is_answered_and_the_next_one_too),
	    cmocka_unit_test(a_request_that_comes_byte_by_byte_is_one_request),
	    cmocka_unit_test(pipelined_requests_are_answered_one_after_the_other),
	    cmocka_unit_test(a_client_that_shuts_down_its_side_still_gets_its_answer),
	    cmocka_unit_test(a_client_that_shuts_down_and_waits_too_long_is_let_go),
	    cmocka_unit_test(what_is_no_request_is_refused_and_the_connection_ends),
	    cmocka_unit_test(an_upload_reaches_the_handler_whole),
	    cmocka_unit_test(an_upload_that_is_cut_breaks_for_its_reader),
	    cmocka_unit_test(an_upload_without_a_reader_makes_the_client_wait),
	    cmocka_unit_test(an_early_answer_goes_out_before_the_upload_is_in),
	    cmocka_unit_test(an_early_answer_to_an_endless_upload_ends_the_connection),
	    cmocka_unit_test(a_client_that_asks_first_is_invited_to_send),
	    cmocka_unit_test(a_streamed_answer_arrives_whole_and_in_order),
	    cmocka_unit_test(an_answer_that_breaks_off_never_ends_properly),
	    cmocka_unit_test(an_exchange_without_an_answer_ends_the_connection_and_loses_no_other),
	    cmocka_unit_test(an_answer_that_breaks_off_loses_none_before_it),
	    cmocka_unit_test(an_answer_shorter_than_promised_is_cut),
	    cmocka_unit_test(a_reader_that_stops_makes_the_answer_wait),
	    cmocka_unit_test(a_reader_that_never_reads_again_is_cut_off),
	    cmocka_unit_test(a_head_that_does_not_come_is_refused),
	    cmocka_unit_test(an_idle_connection_ends_after_its_time),
	    cmocka_unit_test(an_upload_that_dribbles_is_refused),
	    cmocka_unit_test(a_client_may_leave_at_any_moment),
	    cmocka_unit_test(the_server_may_end_at_any_moment),
	    cmocka_unit_test(a_server_that_drains_answers_what_it_has),
	    cmocka_unit_test(an_answer_may_come_while_the_upload_ends),
	    cmocka_unit_test(a_connection_ends_after_its_requests),
	    cmocka_unit_test(trailers_reach_the_handler_and_a_client_that_takes_them),
	    cmocka_unit_test(a_malformed_upload_is_refused_once_although_its_handler_would_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
