/* The seam between transport and session. HTTP/1 runs on a transport that has no socket: its bytes
 * lie in memory, and it takes as many as the test says. And the plain transport on a socket pair,
 * by itself. */
#include "conn_harness.h"

/* ---- a transport in memory ---- */

typedef struct memory {
	er_transport base;
	er_buf to_server, to_client;
	size_t room; /* how many bytes a write may still take */
	unsigned watched;
	bool peer_ended, shut, broken_off, closing;
} memory;

static memory *of(er_transport *t)
{
	return ER_CONTAINER(t, memory, base);
}

static er_transport *memory_open(uv_loop_t *loop, int fd, const struct sockaddr_storage *peer)
{
	(void)loop, (void)fd, (void)peer;
	return NULL; /* nothing accepts for it */
}

static ssize_t memory_read(er_transport *t, uint8_t *to, size_t n)
{
	memory *m = of(t);
	er_slice all = er_buf_slice(&m->to_server);
	if (all.n == 0) {
		errno = EAGAIN;
		return m->peer_ended ? 0 : -1;
	}
	n = all.n < n ? all.n : n;
	memcpy(to, all.p, n);
	er_buf_consume(&m->to_server, n);
	return (ssize_t)n;
}

static ssize_t memory_writev(er_transport *t, const struct iovec *iov, size_t n)
{
	memory *m = of(t);
	size_t took = 0;
	assert_false(m->shut);
	for (size_t i = 0; i < n; i++) {
		size_t k = iov[i].iov_len < m->room ? iov[i].iov_len : m->room;
		er_buf_put(&m->to_client, er_slice_of(iov[i].iov_base, k));
		m->room -= k;
		took += k;
	}
	errno = EAGAIN;
	return took > 0 ? (ssize_t)took : -1;
}

static void memory_shutdown(er_transport *t)
{
	of(t)->shut = true;
}

static void memory_break_off(er_transport *t)
{
	of(t)->broken_off = true;
}

static void memory_watch(er_transport *t, unsigned io)
{
	of(t)->watched = io;
}

static bool memory_local(er_transport *t, struct sockaddr_storage *out)
{
	(void)t, (void)out;
	return false;
}

static void memory_close(er_transport *t)
{
	of(t)->closing = true;
}

static const er_transport_kind memory_kind = {.name = "memory",
                                              .secure = true,
                                              .open = memory_open,
                                              .read = memory_read,
                                              .writev = memory_writev,
                                              .shutdown = memory_shutdown,
                                              .break_off = memory_break_off,
                                              .watch = memory_watch,
                                              .local = memory_local,
                                              .close = memory_close};

/* What a loop would do for it. */
static void memory_turn(memory *m)
{
	for (unsigned i = 0; i < 100 && !m->closing; i++) {
		unsigned io = 0;
		if ((m->watched & ER_IO_READ) && (er_buf_len(&m->to_server) > 0 || m->peer_ended))
			io |= ER_IO_READ;
		if ((m->watched & ER_IO_WRITE) && m->room > 0)
			io |= ER_IO_WRITE;
		if (io == 0)
			return;
		m->base.ready(m->base.user, io);
	}
}

static memory *memory_new(world *w)
{
	memory *m = ER_NEW(memory);
	m->base = (er_transport){.kind = &memory_kind, .peer = {.ss_family = AF_INET}};
	m->room = SIZE_MAX;
	assert_non_null(er_h1_session_kind.open(w->server, &m->base));
	return m;
}

static void memory_over(memory *m)
{
	if (!m->closing)
		m->base.ready(m->base.user, ER_IO_GONE);
	assert_true(m->closing);
	m->base.closed(m->base.user);
	er_buf_fini(&m->to_server);
	er_buf_fini(&m->to_client);
	er_free(m);
}

static bool got(memory *m, const char *what)
{
	er_slice all = er_buf_slice(&m->to_client);
	return memmem(all.p, all.n, what, strlen(what)) != NULL;
}

static void tell(memory *m, const char *text)
{
	er_buf_put_cstr(&m->to_server, text);
	memory_turn(m);
}

static void http_runs_on_a_transport_that_has_no_socket(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	memory *m = memory_new(w);
	tell(m, "GET /now-a HTTP/1.1\r\nhost: a\r\n\r\nGET /later HTTP/1.1\r\nhost: b\r\n\r\n");
	assert_true(got(m, "/now-a"));
	assert_int_equal(w->n_asked, 2);
	/* the transport is secure */
	assert_true(er_slice_eq(w->asked[1].x->req.scheme, ER_LIT("https")));
	answer_text(&w->asked[1], 200, "the second");
	memory_turn(m);
	assert_true(got(m, "the second"));
	memory_over(m);
	world_free(w);
}

static void an_answer_waits_for_a_transport_that_takes_one_byte_at_a_time(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	memory *m = memory_new(w);
	m->room = 0;
	tell(m, "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n");
	answer_stream(&w->asked[0], ER_BODY_UNKNOWN);
	stream_write(&w->asked[0], 300, 'x');
	stream_end(&w->asked[0], true);
	assert_int_equal(er_buf_len(&m->to_client), 0);
	for (unsigned i = 0; i < 2000 && w->finished == 0; i++) {
		m->room = 1;
		memory_turn(m);
	}
	assert_int_equal(w->finished, 1);
	assert_true(got(m, "\r\n\r\n12c\r\nxxx") && got(m, "x\r\n0\r\n\r\n"));
	memory_over(m);
	world_free(w);
}

static void a_peer_that_goes_in_the_middle_cancels_its_request(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	memory *m = memory_new(w);
	tell(m, "GET /later HTTP/1.1\r\nhost: a\r\n\r\n");
	assert_int_equal(w->n_asked, 1);
	m->base.ready(m->base.user, ER_IO_GONE);
	assert_int_equal(w->asked[0].cancelled, 1);
	assert_true(m->closing);
	memory_over(m);
	world_free(w);
}

static void an_answer_that_breaks_off_for_http_1_0_breaks_the_transport_off(void **state)
{
	(void)state;
	world *w = world_new(NULL);
	memory *m = memory_new(w);
	tell(m, "GET /stream HTTP/1.0\r\nhost: a\r\n\r\n");
	answer_stream(&w->asked[0], ER_BODY_UNKNOWN);
	stream_write(&w->asked[0], 10, 'x');
	memory_turn(m);
	stream_end(&w->asked[0], false);
	assert_true(m->broken_off && m->closing);
	assert_int_equal(w->cut, 1);
	memory_over(m);
	world_free(w);
}

/* ---- plain TCP ---- */

typedef struct user {
	unsigned io, calls;
	bool closed;
} user;

static void on_ready(void *ctx, unsigned io)
{
	user *u = ctx;
	u->io |= io;
	u->calls++;
}

static void on_closed(void *ctx)
{
	((user *)ctx)->closed = true;
}

static void the_plain_transport_reads_writes_and_tells_of_the_end(void **state)
{
	(void)state;
	uv_loop_t loop;
	assert_int_equal(uv_loop_init(&loop), 0);
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	struct sockaddr_storage peer = {.ss_family = AF_INET};
	er_transport *t = er_transport_find(ER_LIT("tcp"))->open(&loop, fds[1], &peer);
	user u = {0};
	t->user = &u;
	t->ready = on_ready;
	t->closed = on_closed;
	er_transport_watch(t, ER_IO_READ);
	uint8_t bytes[8];
	assert_int_equal(er_transport_read(t, bytes, sizeof bytes), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(fds[0], "abc", 3, MSG_NOSIGNAL), 3);
	while (u.io == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(u.io, ER_IO_READ);
	assert_int_equal(er_transport_read(t, bytes, sizeof bytes), 3);
	struct iovec iov[2] = {{(void *)(uintptr_t) "de", 2}, {(void *)(uintptr_t) "f", 1}};
	assert_int_equal(er_transport_writev(t, iov, 2), 3);
	assert_int_equal(recv(fds[0], bytes, sizeof bytes, 0), 3);
	er_transport_shutdown(t);
	assert_int_equal(recv(fds[0], bytes, sizeof bytes, 0), 0);
	close(fds[0]);
	u.io = 0;
	while (u.io == 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(er_transport_read(t, bytes, sizeof bytes), 0);
	unsigned calls = u.calls;
	er_transport_close(t);
	assert_false(u.closed);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(u.closed);
	assert_int_equal(u.calls, calls);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_transport_nobody_knows_is_not_found(void **state)
{
	(void)state;
	assert_null(er_transport_find(ER_LIT("pigeon")));
	assert_non_null(strstr(er_transport_names(), "tcp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(http_runs_on_a_transport_that_has_no_socket),
	    cmocka_unit_test(an_answer_waits_for_a_transport_that_takes_one_byte_at_a_time),
	    cmocka_unit_test(a_peer_that_goes_in_the_middle_cancels_its_request),
	    cmocka_unit_test(an_answer_that_breaks_off_for_http_1_0_breaks_the_transport_off),
	    cmocka_unit_test(the_plain_transport_reads_writes_and_tells_of_the_end),
	    cmocka_unit_test(a_transport_nobody_knows_is_not_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
