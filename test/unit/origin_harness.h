/* What the tests of src/origin share: a server's paths, and one fetch from beginning to end.
 * Included by one program at a time. */
#ifndef TEST_ORIGIN_HARNESS_H
#define TEST_ORIGIN_HARNESS_H

#include "origin/origin.h"

#include "base/buf.h"
#include "base/mem.h"
#include "origin_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- the server's paths ---- */

static bool gzip_answer(test_connection *c, const char *path)
{
	static char zipped[400000];
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	bool ok = true;
	size_t n = srv_gzip("hello gzip", 10, zipped, sizeof zipped);
	const char *head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\netag: \"x\"\r\n";
	if (strcmp(path, "/gzip-cut") == 0) {
		ok = srv_body(c, head, zipped, n - 5);
	} else if (strcmp(path, "/gzip-lie") == 0) {
		ok = srv_body(c, head, "not gzip at all", 15);
	} else if (strcmp(path, "/gzip-two") == 0) {
		n += srv_gzip(", twice", 7, zipped + n, sizeof zipped - n);
		ok = srv_body(c, head, zipped, n);
	} else if (strcmp(path, "/gzip-bomb") == 0) {
		char *zeros = calloc(1, 100000000);
		n = srv_gzip(zeros, 100000000, zipped, sizeof zipped);
		free(zeros);
		ok = srv_body(c, head, zipped, n);
	} else {
		ok = srv_body(c, head, zipped, n);
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

static bool endless_answer(test_connection *c)
{
	static const char chunk[65536];
	if (!srv_text(c, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"))
		return false;
	while (srv_text(c, "10000\r\n") && srv_send(c, chunk, sizeof chunk) && srv_text(c, "\r\n"))
		;
	return false;
}

/* 200000 chunks of a byte. */
static bool single_bytes_answer(test_connection *c)
{
	char some[100 * 6 + 1];
	for (size_t i = 0; i < 100; i++)
		memcpy(some + i * 6, "1\r\na\r\n", 7);
	bool ok = srv_text(c, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
	for (int i = 0; i < 2000 && ok; i++)
		ok = srv_text(c, some);
	return ok && srv_text(c, "0\r\n\r\n");
}

static bool big_head_answer(test_connection *c, const char *path)
{
	srv_text(c, "HTTP/1.1 200 OK\r\n");
	bool many = strcmp(path, "/many-fields") == 0;
	char line[2048];
	memset(line, 'v', sizeof line);
	memcpy(line, "x: ", 3);
	size_t n = many ? 8 : 2000;
	memcpy(line + n - 2, "\r\n", 2);
	for (int i = 0; i < 1000; i++)
		if (!srv_send(c, line, n))
			return false;
	return srv_text(c, "content-length: 0\r\n\r\n");
}

static bool redirect_answer(test_connection *c, const char *path)
{
	char to[200];
	int status = 302, hops = 0;
	if (sscanf(path, "/chain/%d", &hops) == 1) {
		snprintf(to, sizeof to, hops > 1 ? "/chain/%d" : "/hello", hops - 1);
		return srv_redirect(c, 302, to);
	}
	if (sscanf(path, "/to-head/%d", &status) == 1)
		return srv_redirect(c, status, "../head?x=1#frag");
	if (sscanf(path, "/other/%d", &hops) == 1) {
		snprintf(to, sizeof to, "http://127.0.0.1:%d/head", hops);
		return srv_redirect(c, 302, to);
	}
	if (sscanf(path, "/to-echo/%d", &status) == 1)
		return srv_redirect(c, status, "/echo#frag");
	if (sscanf(path, "/to-seen/%d", &status) == 1)
		return srv_redirect(c, status, "/seen");
	if (sscanf(path, "/to-count/%d", &status) == 1)
		return srv_redirect(c, status, "/count");
	if (strcmp(path, "/to-private") == 0)
		return srv_redirect(c, 302, "http://10.0.0.1/");
	if (strcmp(path, "/to-file") == 0)
		return srv_redirect(c, 302, "file:///etc/passwd");
	return srv_redirect(c, 302, "http://[nonsense");
}

static bool upload_answer(test_connection *c, const char *head, const char *path)
{
	static _Thread_local char kept[70000];
	if (strcmp(path, "/refuse-upload") == 0) {
		srv_body(c, "HTTP/1.1 413 Too Large\r\nconnection: close\r\n", "no", 2);
		return false;
	}
	if (strcmp(path, "/slow-upload") == 0)
		usleep(300000);
	long long n = srv_upload(c, head, kept, sizeof kept);
	if (n < 0) {
		c->server->closed_early++;
		return false;
	}
	if (strcmp(path, "/count") == 0 || strcmp(path, "/slow-upload") == 0) {
		char text[32];
		return srv_body(c, "HTTP/1.1 200 OK\r\n", text, (size_t)snprintf(text, sizeof text, "%lld", n));
	}
	return srv_body(c, "HTTP/1.1 200 OK\r\n", kept, (size_t)n);
}

static const struct {
	const char *path, *answer;
	bool keep;
} raw_answers[] = {
    {"/hello",
     "HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\nConnection: keep-alive, x-gone\r\nX-Gone: 1\r\nKeep-Alive: "
     "5\r\n\r\nhello",
     true},
    {"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
     true},
    {"/close", "HTTP/1.0 200 OK\r\n\r\nuntil the end", false},
    {"/early",
     "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     true},
    {"/no-content", "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n", true},
    {"/not-modified", "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n", true},
    {"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
    {"/empty-field", "HTTP/1.1 200 OK\r\nx-empty:\r\nx-spaces:   \r\nx-end: 1\r\nContent-Length: 2\r\n\r\nok", true},
    {"/two-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false},
    {"/same-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false},
    {"/bad-length", "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello", false},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", false},
    {"/cut-chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello", false},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", false},
    {"/nothing", "", false},
    {"/garbage", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false},
    {"/upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false},
    {"/status-999", "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", false},
    {"/bad-name", "HTTP/1.1 200 OK\r\nbad name: 1\r\nContent-Length: 0\r\n\r\n", false},
    {"/bad-value", "HTTP/1.1 200 OK\r\nx: a\x01\x62\r\nContent-Length: 0\r\n\r\n", false},
    {"/folded-first", "HTTP/1.1 200 OK\r\n b\r\nContent-Length: 0\r\n\r\n", false},
    {"/folded", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\nContent-Length: 0\r\n\r\n", false},
    {"/no-colon", "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n", false},
    {"/smuggle", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false},
    {"/brotli", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nbrb", true},
};

/* "/say/4854..." says these bytes, and keeps the connection. */
static bool say_answer(test_connection *c, const char *hex)
{
	static _Thread_local char bytes[4096];
	size_t n = 0;
	for (unsigned byte; n < sizeof bytes && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		bytes[n] = (char)byte;
	return srv_send(c, bytes, n);
}

static atomic_bool may_die; /* a connection of "/kept-dies" that was used before */

static bool srv_answer(test_connection *c, const char *head, const char *method, const char *path)
{
	if (strncmp(path, "/say/", 5) == 0)
		return say_answer(c, path + 5);
	for (size_t i = 0; i < sizeof raw_answers / sizeof *raw_answers; i++)
		if (strcmp(path, raw_answers[i].path) == 0)
			return srv_text(c, raw_answers[i].answer) && raw_answers[i].keep;
	if (strncmp(path, "/gzip", 5) == 0)
		return gzip_answer(c, path);
	if (strcmp(path, "/endless") == 0)
		return endless_answer(c);
	if (strcmp(path, "/single-bytes") == 0)
		return single_bytes_answer(c);
	if (strcmp(path, "/silent") == 0) {
		pause();
		return false;
	}
	if (strcmp(path, "/stalls") == 0) {
		srv_text(c, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
		return srv_more(c);
	}
	if (strcmp(path, "/cut-later") == 0) {
		srv_text(c, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
		usleep(50000);
		return false;
	}
	if (strcmp(path, "/once") == 0) { /* closes an idle connection without a word in its head */
		srv_text(c, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
		return false;
	}
	if (strcmp(path, "/drip") == 0) {
		srv_text(c, "HTTP/1.1 200 OK\r\nContent-Le");
		usleep(20000);
		srv_text(c, "ngth: 6\r\n\r");
		usleep(20000);
		srv_text(c, "\nabc");
		usleep(20000);
		return srv_text(c, "def");
	}
	if (strncmp(path, "/big-head", 9) == 0 || strcmp(path, "/many-fields") == 0)
		return big_head_answer(c, path);
	if (strcmp(path, "/early-307") == 0) { /* long before the upload is here */
		char waste[1];
		srv_text(c, "HTTP/1.1 307 Early\r\nlocation: /count\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
		(void)srv_upload(c, head, waste, 1);
		return false;
	}
	if (strcmp(path, "/seen") == 0) { /* the request's head, of one with a body, too */
		char waste[1], text[4096];
		snprintf(text, sizeof text, "%s", head);
		(void)srv_upload(c, head, waste, 1);
		return srv_body(c, "HTTP/1.1 200 OK\r\n", text, strlen(text));
	}
	if (strncmp(path, "/chain", 6) == 0 || strncmp(path, "/to-", 4) == 0 || strncmp(path, "/other", 6) == 0 ||
	    strcmp(path, "/bad-location") == 0) {
		char waste[1];
		(void)srv_upload(c, head, waste, 1);
		return redirect_answer(c, path);
	}
	if (strcmp(method, "HEAD") == 0)
		return srv_text(c, "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n");
	if (strncmp(path, "/head", 5) == 0) /* the request's head as the body */
		return srv_body(c, "HTTP/1.1 200 OK\r\n", head, strlen(head));
	/* without an answer, when it is told to */
	if (strcmp(path, "/kept-dies") == 0 && c->requests > 1) {
		while (!may_die)
			usleep(1000);
		return false;
	}
	if (strncmp(path, "/kept", 5) == 0) {
		char text[32];
		return srv_body(c, "HTTP/1.1 200 OK\r\n", text, (size_t)snprintf(text, sizeof text, "%u", c->requests));
	}
	return upload_answer(c, head, path);
}

/* ---- the harness ---- */

typedef struct call {
	er_asker asker;
	er_exchange *x;
	bool answered, over;
	bool hold; /* leave the body alone */
	er_buf body;
	er_err_kind error; /* of the body */
	const char *host;  /* or NULL: the server */
} call;

static uv_loop_t loop;
static er_origin *origin;
static test_server *server;
static er_cidr loopback;
static bool closed;

static void take(void *ctx)
{
	call *c = ctx;
	for (er_piece piece;;) {
		switch (er_body_read(c->x->res.body, 0, &piece)) {
		case ER_BODY_PIECE:
			er_buf_put(&c->body, er_piece_slice(piece));
			er_piece_drop(&piece);
			continue;
		case ER_BODY_WAIT:
			return;
		case ER_BODY_ERROR:
			c->error = er_body_error(c->x->res.body);
			break;
		case ER_BODY_END:
			break;
		}
		break;
	}
	er_body_sink(c->x->res.body, NULL, NULL);
	c->over = true;
}

static const er_body_sink_ops take_ops = {.readable = take};

static void on_answer(er_asker *asker, er_exchange *x)
{
	call *c = ER_CONTAINER(asker, call, asker);
	c->answered = true;
	if (x->res.body == NULL) {
		c->over = true;
	} else if (!c->hold) {
		er_body_sink(x->res.body, &take_ops, c);
		take(c);
	}
}

static inline void field(call *c, const char *name, const char *value)
{
	er_fields_add(&c->x->req.fields, &c->x->arena, er_slice_cstr(name), er_slice_cstr(value));
}

static call *call_new(const char *method, const char *target)
{
	call *c = ER_NEW(call);
	c->x = er_exchange_new();
	c->asker.answered = on_answer;
	c->x->asker = &c->asker;
	c->x->req.method = er_slice_cstr(method);
	c->x->req.scheme = ER_LIT("http");
	c->x->req.authority = er_arena_printf(&c->x->arena, "127.0.0.1:%u", server->port);
	c->x->req.target = er_slice_cstr(target);
	c->x->wishes = (er_wishes){.max_hops = 12, .allow = &loopback, .n_allow = 1};
	return c;
}

static void begin(call *c)
{
	er_exchange_start(c->x, er_origin_handler(origin));
}

static void stop_waiting(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Runs the loop until *flag (or for ms, with *flag NULL). A busy machine may take longer than the
 * test thinks; what never happens takes longer than any. */
static void run_until(const bool *flag, unsigned ms)
{
	if (flag != NULL && ms < 20000)
		ms = 20000;
	bool late = false;
	uv_timer_t timer;
	uv_timer_init(&loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, stop_waiting, ms, 0);
	while (!late && !(flag != NULL && *flag))
		uv_run(&loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (flag != NULL && !*flag)
		fail_msg("nothing happened for %u ms", ms);
}

static void finish(call *c)
{
	run_until(&c->over, 10000);
}

static void call_free(call *c)
{
	er_buf_fini(&c->body);
	er_exchange_unref(c->x);
	er_free(c);
}

static inline call *get(const char *target)
{
	call *c = call_new("GET", target);
	begin(c);
	finish(c);
	return c;
}

static inline bool has(const call *c, const char *text)
{
	return memmem(c->body.p + c->body.start, er_buf_len(&c->body), text, strlen(text)) != NULL;
}

static inline void assert_body(const call *c, const char *text)
{
	if (!er_slice_eq(er_buf_slice(&c->body), er_slice_cstr(text)))
		fail_msg("status %d, body is \"%.*s\", not \"%s\"", c->x->res.status, ER_FMT(er_buf_slice(&c->body)), text);
	assert_int_equal(c->error, ER_ERR_OK);
}

static inline void assert_failed(const call *c, int status, er_err_kind kind)
{
	if (c->x->res.status != status || c->x->res.error != kind)
		fail_msg("%.*s: %d %s (%.*s), not %d %s", ER_FMT(c->x->req.target), c->x->res.status, er_err_name(c->x->res.error),
		         ER_FMT(c->x->res.error_text), status, er_err_name(kind));
	assert_true(c->x->res.error_text.n > 0);
}

static inline int setup(void **state)
{
	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	if (server == NULL)
		server = srv_start();
	assert_true(er_cidr_parse(ER_LIT("127.0.0.0/8"), &loopback));
	er_err err;
	origin = er_origin_new(&loop, NULL, 0, &err);
	assert_non_null(origin);
	return 0;
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static inline int teardown(void **state)
{
	(void)state;
	closed = false;
	if (origin != NULL) {
		er_origin_close(origin, on_closed, &closed);
		run_until(&closed, 5000);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

#endif
