/* What the tests of a client's connection share: a server with a scripted handler on a loop of its
 * own, and clients on socket pairs. The handler does what the request's path says (see `modes`) and
 * notes what befell each exchange. Included by one program at a time. */
#ifndef TEST_CONN_HARNESS_H
#define TEST_CONN_HARNESS_H

#include "base/buf.h"
#include "base/mem.h"
#include "gateway/server_internal.h"

#include "until.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { ASKED_MAX = 64 };

/* One exchange that reached the handler. */
typedef struct asked {
	er_exchange *x; /* the handler's reference, until it is done with it */
	char path[64];
	er_buf upload;
	bool over;     /* the upload ended well */
	bool broken;   /* the upload broke off */
	bool answered; /* by the handler */
	unsigned cancelled;
	er_body *source; /* of the answer, while the handler writes it */
	bool full, source_cancelled;
} asked;

typedef struct world {
	uv_loop_t loop;
	er_server *server;
	er_server_stats stats;
	er_handler handler;
	asked asked[ASKED_MAX];
	unsigned n_asked;
	/* reports of the server, and those that say that the answer broke off */
	unsigned finished, cut;
	int last_status;
	uint64_t sent; /* body bytes of the last report */
	bool closed;
} world;

/* ---- the handler ---- */

static inline void asked_let_go(asked *a)
{
	er_exchange *x = a->x;
	a->x = NULL;
	er_exchange_unref(x);
}

static inline void handler_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)x, (void)reason;
	asked *a = ctx;
	a->cancelled++;
	asked_let_go(a);
}

/* Answers with this text at once. */
static inline void answer_text(asked *a, int status, const char *text)
{
	er_exchange *x = a->x;
	a->answered = true;
	x->res.status = status;
	x->res.body = er_body_of(er_piece_copy(er_slice_cstr(text)));
	x->on_cancel = NULL;
	a->x = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

/* Ends the exchange without an answer. */
static inline void break_off(asked *a)
{
	er_exchange *x = a->x;
	a->answered = true;
	x->on_cancel = NULL;
	a->x = NULL;
	er_exchange_break(x, ER_ERR_RESPONSE);
	er_exchange_unref(x);
}

static inline void upload_read(void *ctx)
{
	asked *a = ctx;
	er_body *b = a->x != NULL ? a->x->req.body : NULL;
	er_piece piece;
	while (b != NULL) {
		switch (er_body_read(b, 0, &piece)) {
		case ER_BODY_PIECE:
			er_buf_put(&a->upload, er_piece_slice(piece));
			er_piece_drop(&piece);
			break;
		case ER_BODY_WAIT:
			return;
		case ER_BODY_END:
			a->over = true;
			return;
		case ER_BODY_ERROR:
			a->broken = true;
			if (strcmp(a->path, "/read-or-502") == 0)
				answer_text(a, 502, "the upload broke off");
			return;
		}
	}
}

static const er_body_sink_ops upload_ops = {.readable = upload_read};

static inline void source_resume(void *ctx)
{
	((asked *)ctx)->full = false;
}

static inline void source_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	asked *a = ctx;
	er_body *b = a->source;
	a->source = NULL;
	a->source_cancelled = true;
	er_body_unref(b);
}

static const er_body_source_ops source_ops = {.resume = source_resume, .cancel = source_cancel};

/* Answers with a body that the test writes; `length`: what is promised of it. */
static inline void answer_stream(asked *a, int64_t length)
{
	er_exchange *x = a->x;
	a->answered = true;
	x->res.status = 200;
	a->source = er_body_new(length);
	er_body_source(a->source, &source_ops, a);
	x->res.body = er_body_ref(a->source);
	x->on_cancel = NULL;
	a->x = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

static inline void stream_write(asked *a, size_t n, uint8_t byte)
{
	er_chunk *c = er_chunk_new(n);
	memset(c->bytes, byte, n);
	a->full = !er_body_write(a->source, er_piece_take(c, n));
}

static inline void stream_end(asked *a, bool well)
{
	er_body *b = a->source;
	a->source = NULL;
	if (well)
		er_body_finish(b);
	else
		er_body_fail(b, ER_ERR_RESPONSE);
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
}

/* Answers with a body that has failed already. */
static inline void answer_failed(asked *a)
{
	er_exchange *x = a->x;
	a->answered = true;
	x->res.status = 200;
	x->res.body = er_body_new(ER_BODY_UNKNOWN);
	er_body_fail(x->res.body, ER_ERR_RESPONSE);
	x->on_cancel = NULL;
	a->x = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

static inline void handle(void *self, er_exchange *x)
{
	world *w = self;
	assert_true(w->n_asked < ASKED_MAX);
	asked *a = &w->asked[w->n_asked++];
	*a = (asked){.x = er_exchange_ref(x)};
	snprintf(a->path, sizeof a->path, "%.*s", ER_FMT(x->req.target));
	x->on_cancel = handler_cancel;
	x->handler_ctx = a;
	if (strncmp(a->path, "/read", 5) == 0 && x->req.body != NULL) {
		er_body_sink(x->req.body, &upload_ops, a);
		upload_read(a);
	}
	if (strncmp(a->path, "/now", 4) == 0)
		answer_text(a, 200, a->path);
	else if (strcmp(a->path, "/early") == 0)
		answer_text(a, 403, "no");
	else if (strcmp(a->path, "/break") == 0)
		break_off(a);
	else if (strcmp(a->path, "/broken") == 0)
		answer_failed(a);
}

/* ---- the server ---- */

static inline void on_finished(void *ctx, const er_finished *f)
{
	world *w = ctx;
	w->finished++;
	w->cut += f->cut;
	w->last_status = f->status;
	w->sent = f->sent;
}

static inline er_gateway_limits usual_limits(void)
{
	return (er_gateway_limits){.request_line = 8192,
	                           .field = 8192,
	                           .header = 32768,
	                           .fields = 100,
	                           .header_ms = 60000,
	                           .min_body_rate = 0,
	                           .keep_alive_ms = 60000,
	                           .requests = 1000};
}

static inline world *world_new(const er_gateway_limits *limits)
{
	world *w = ER_NEW(world);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->handler = (er_handler){.name = "script", .handle = handle, .self = w};
	er_server_options o = {.loop = &w->loop,
	                       .handler = &w->handler,
	                       .limits = limits != NULL ? *limits : usual_limits(),
	                       .stats = &w->stats,
	                       .finished = on_finished,
	                       .ctx = w};
	w->server = er_server_new(&o);
	return w;
}

static inline void on_world_closed(void *ctx)
{
	((world *)ctx)->closed = true;
}

static inline void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	turn_pause();
}

static inline void world_free(world *w)
{
	for (unsigned i = 0; i < w->n_asked; i++) {
		asked *a = &w->asked[i];
		if (a->source != NULL)
			stream_end(a, true);
	}
	er_server_close(w->server, on_world_closed, w);
	UNTIL(w, w->closed);
	for (unsigned i = 0; i < w->n_asked; i++) {
		assert_null(w->asked[i].x); /* whoever was not answered was cancelled */
		er_buf_fini(&w->asked[i].upload);
	}
	assert_int_equal(w->stats.connections, 0);
	er_exchange_trim();
	assert_int_equal(uv_loop_close(&w->loop), 0);
	er_free(w);
}

/* ---- a client ---- */

typedef struct client {
	world *w;
	int fd;
	er_buf got;
	bool eof;
} client;

static inline void client_open(client *c, world *w)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*c = (client){.w = w, .fd = fds[0]};
	struct sockaddr_storage peer = {.ss_family = AF_INET};
	er_server_take(w->server, fds[1], &peer);
}

static inline void client_close(client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	er_buf_fini(&c->got);
}

static inline void client_read(client *c)
{
	char bytes[65536];
	ssize_t n = 0;
	while (!c->eof && (n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0) {
		er_buf_put(&c->got, er_slice_of(bytes, (size_t)n));
		c->eof = n == 0;
	}
	if (!c->eof && n < 0 && errno != EAGAIN)
		c->eof = true;
}

static inline void say(client *c, const char *text)
{
	size_t n = strlen(text);
	assert_int_equal(send(c->fd, text, n, MSG_NOSIGNAL), n);
}

/* How often `what` stands in what came. */
static inline unsigned count(client *c, const char *what)
{
	client_read(c);
	er_slice rest = er_buf_slice(&c->got);
	size_t n = strlen(what);
	unsigned times = 0;
	while (rest.n >= n) {
		const uint8_t *at = memmem(rest.p, rest.n, what, n);
		if (at == NULL)
			break;
		times++;
		rest = er_slice_from(rest, (size_t)(at - rest.p) + n);
	}
	return times;
}

static inline bool ended(client *c)
{
	client_read(c);
	return c->eof;
}

#endif
