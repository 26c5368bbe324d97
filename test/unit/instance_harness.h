/* What the tests of instances share: an isolate host on a loop, whose spawner and whose
 * sandboxes are the test itself. A "puppet" is the other end of a sandbox's channel, in the same
 * thread: it keeps the frames that the node sent, and says what a test wants. Included by one
 * program at a time. */
#ifndef TEST_INSTANCE_HARNESS_H
#define TEST_INSTANCE_HARNESS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "isolate/isolate.h"
#include "isolate/spawner_internal.h"

#include "until.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PUPPETS_MAX = 16, FRAMES_MAX = 256, EXIT_KILLED = SIGKILL };

typedef struct heard {
	er_frame f;
	er_buf payload;
} heard;

typedef struct puppet {
	bool used, gone;
	bool deaf;   /* it does not read */
	bool killed; /* the node asked the spawner to kill it */
	uint32_t slot;
	er_channel ch;
	int wake_sandbox, wake_node;
	heard heard[FRAMES_MAX];
	unsigned n;
} puppet;

typedef struct world {
	uv_loop_t loop;
	uv_timer_t alive; /* the host's handles alone do not keep a loop going */
	er_isolate_host *host;
	er_origin *origin;
	er_chain chain; /* the test is the standard process, at the end of it */
	er_routine *routine;
	int spawner; /* our end */
	puppet puppets[PUPPETS_MAX];
	unsigned n_puppets;
	bool obedient;          /* a puppet that is told to be killed is dead at once */
	er_exchange *passed[8]; /* what reached the standard process; a reference each */
	unsigned n_passed, passed_cancelled;
	unsigned kills[ER_ERR_COUNT_]; /* reported by the host */
	unsigned consoles, exceptions;
	bool host_closed, origin_closed;
} world;

/* ---- the spawner's side ---- */

static void spawner_says(world *w, er_spawner_event ev)
{
	assert_int_equal(send(w->spawner, &ev, sizeof ev, 0), sizeof ev);
}

static void puppet_exit(world *w, puppet *p, int wait_status)
{
	assert_false(p->gone);
	p->gone = true;
	spawner_says(w, (er_spawner_event){.what = ER_SPAWNER_EXITED, .slot = p->slot, .wait_status = wait_status});
}

static puppet *puppet_of(world *w, uint32_t slot)
{
	for (unsigned i = 0; i < w->n_puppets; i++)
		if (w->puppets[i].slot == slot)
			return &w->puppets[i];
	return NULL;
}

static void start_puppet(world *w, uint32_t slot, const int *fds)
{
	assert_true(w->n_puppets < PUPPETS_MAX);
	puppet *p = &w->puppets[w->n_puppets++];
	*p = (puppet){.used = true, .slot = slot, .wake_sandbox = fds[1], .wake_node = fds[2]};
	er_err err;
	assert_true(er_channel_map(&p->ch, fds[0], false, &err));
	close(fds[0]);
	spawner_says(w, (er_spawner_event){.what = ER_SPAWNER_STARTED, .slot = slot, .level = ER_LEVEL_FULL});
}

static void spawner_hears(world *w)
{
	for (;;) {
		er_spawn_request rq;
		struct iovec iov = {&rq, sizeof rq};
		union {
			char bytes[CMSG_SPACE(ER_SPAWN_FDS * sizeof(int))];
			struct cmsghdr align;
		} control = {0};
		struct msghdr msg = {
		    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
		if (recvmsg(w->spawner, &msg, MSG_DONTWAIT) != (ssize_t)sizeof rq)
			return;
		if (rq.op == ER_SPAWN_START) {
			int fds[ER_SPAWN_FDS];
			memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fds);
			start_puppet(w, rq.slot, fds);
			continue;
		}
		puppet *p = puppet_of(w, rq.slot);
		assert_non_null(p);
		if (!p->gone && w->obedient)
			puppet_exit(w, p, EXIT_KILLED);
		p->killed = true;
	}
}

/* ---- the sandbox's side ---- */

static void puppet_wake(puppet *p)
{
	uint64_t one = 1;
	assert_int_equal(write(p->wake_node, &one, sizeof one), sizeof one);
}

static void puppet_hears(puppet *p)
{
	if (p->gone || p->deaf)
		return;
	er_slice all = er_ring_peek(&p->ch.in), payload;
	size_t used = 0, whole;
	er_frame f;
	while (er_frame_read(er_slice_from(all, used), &f, &payload, &whole) == ER_FRAME_OK) {
		assert_true(p->n < FRAMES_MAX);
		heard *h = &p->heard[p->n++];
		h->f = f;
		er_buf_put(&h->payload, payload);
		used += whole;
	}
	if (er_ring_release(&p->ch.in, used))
		puppet_wake(p);
}

static void puppet_says(puppet *p, er_frame f, er_slice payload)
{
	f.n = (uint32_t)payload.n;
	uint8_t *to = er_frame_write(&p->ch.out, &f);
	assert_non_null(to);
	er_copy(to, payload.p, payload.n);
	if (er_ring_publish(&p->ch.out))
		puppet_wake(p);
}

/* Strings behind one another, then `rest` as it is. */
static void puppet_says_strings(puppet *p, er_frame f, const char *const *v, size_t n, er_slice rest)
{
	er_buf b = {0};
	for (size_t i = 0; i < n; i++) {
		er_buf_put_le32(&b, (uint32_t)strlen(v[i]));
		er_buf_put_cstr(&b, v[i]);
	}
	er_buf_put(&b, rest);
	puppet_says(p, f, er_buf_slice(&b));
	er_buf_fini(&b);
}

static void puppet_ready(puppet *p)
{
	puppet_says_strings(p, (er_frame){.type = ER_FRAME_READY, .aux = ER_LEVEL_FULL}, (const char *const[]){"puppet"}, 1,
	                    (er_slice){0});
}

/* With STREAM: a body whose length nobody knows. */
static void puppet_answers(puppet *p, uint32_t id, uint8_t flags, er_slice rest)
{
	static const uint64_t open_end = ER_STREAM_OPEN;
	if (flags & ER_FF_STREAM)
		rest = er_slice_of(&open_end, sizeof open_end);
	puppet_says_strings(p, (er_frame){.type = ER_FRAME_RESPONSE, .flags = flags, .aux = 200, .id = id, .arg = 1000},
	                    (const char *const[]){"OK", "x-a\nb\n"}, 2, rest);
}

static void puppet_relays(puppet *p, uint32_t id, uint32_t of, bool sub)
{
	er_buf b = {0};
	er_buf_put_le32(&b, of);
	er_buf_put_le32(&b, sub);
	puppet_answers(p, id, ER_FF_RELAY, er_buf_slice(&b));
	er_buf_fini(&b);
}

static void puppet_fetches(puppet *p, uint32_t sub, uint32_t id, uint16_t aux, const char *url)
{
	puppet_says_strings(p, (er_frame){.type = ER_FRAME_FETCH, .id = sub, .arg = id, .aux = aux},
	                    (const char *const[]){"GET", url, ""}, 3, (er_slice){0});
}

/* The k-th frame of that type that it heard, or NULL. */
static heard *heard_of(puppet *p, er_frame_type type, unsigned k)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->heard[i].f.type == type && k-- == 0)
			return &p->heard[i];
	return NULL;
}

static unsigned heard_n(puppet *p, er_frame_type type)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->n; i++)
		n += p->heard[i].f.type == type;
	return n;
}

/* ---- the world ---- */

static void turn(world *w)
{
	uv_run(&w->loop, UV_RUN_NOWAIT);
	spawner_hears(w);
	for (unsigned i = 0; i < w->n_puppets; i++)
		puppet_hears(&w->puppets[i]);
	turn_pause();
}

static void passed_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)x, (void)reason;
	((world *)ctx)->passed_cancelled++;
}

static void standard_handle(void *self, er_exchange *x)
{
	world *w = self;
	assert_true(w->n_passed < 8);
	w->passed[w->n_passed++] = er_exchange_ref(x);
	x->on_cancel = passed_cancel;
	x->handler_ctx = w;
}

/* Answers what reached the standard process. The body is `text`, or with NULL the stream `*stream`,
 * which the test then writes. */
static void standard_answers(world *w, unsigned i, const char *text, er_body **stream)
{
	er_exchange *x = w->passed[i];
	x->res.status = 200;
	if (text != NULL) {
		x->res.body = er_body_of(er_piece_copy(er_slice_cstr(text)));
	} else {
		*stream = er_body_new(ER_BODY_UNKNOWN);
		x->res.body = er_body_ref(*stream);
	}
	x->on_cancel = NULL;
	er_exchange_answer(x);
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit,
                      uint64_t asked, const char *budget)
{
	(void)r, (void)x, (void)used, (void)limit, (void)asked, (void)budget;
	((world *)ctx)->kills[why]++;
}

static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	(void)r, (void)x, (void)level, (void)text;
	((world *)ctx)->consoles++;
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice message, er_slice stack,
                         bool fatal)
{
	(void)r, (void)x, (void)name, (void)message, (void)stack, (void)fatal;
	((world *)ctx)->exceptions++;
}

static void nothing(uv_timer_t *timer)
{
	(void)timer;
}

static er_routine *routine_new(const er_limits *limits, bool fallback)
{
	er_routine like = {.name = ER_LIT("r"),
	                   .version = ER_LIT("1"),
	                   .source_url = ER_LIT("r.js"),
	                   .code = er_piece_copy(ER_LIT("code")),
	                   .env_json = ER_LIT("{}"),
	                   .limits = limits != NULL ? *limits : ER_LIMITS_DEFAULT,
	                   .fallback = fallback};
	return er_routine_new(&like);
}

static world *world_new(unsigned pool, const er_limits *limits, bool fallback)
{
	world *w = ER_NEW(world);
	er_err err;
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(uv_timer_init(&w->loop, &w->alive), 0);
	assert_int_equal(uv_timer_start(&w->alive, nothing, 3600000, 0), 0);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	w->spawner = pair[1];
	w->obedient = true;
	w->routine = routine_new(limits, fallback);
	w->origin = er_origin_new(&w->loop, NULL, 0, &err);
	er_isolate_config config = {
	    .pool = pool,
	    .max_instances = 8,
	    .max_subrequests = 100,
	    .min_level = ER_LEVEL_FULL,
	    .events = {.console = on_console, .exception = on_exception, .killed = on_killed, .ctx = w},
	};
	w->host = er_isolate_host_new(&w->loop, pair[0], w->origin, &config, &err);
	assert_non_null(w->host);
	er_chain_add(&w->chain, ER_AT_STANDARD, (er_handler){.name = "standard", .handle = standard_handle, .self = w});
	er_chain_add(&w->chain, ER_AT_ORIGIN, *er_origin_handler(w->origin));
	return w;
}

static void mark(void *flag)
{
	*(bool *)flag = true;
}

static void world_free(world *w)
{
	if (!w->host_closed)
		er_isolate_host_close(w->host, mark, &w->host_closed);
	UNTIL(w, w->host_closed);
	er_origin_close(w->origin, mark, &w->origin_closed);
	UNTIL(w, w->origin_closed);
	for (unsigned i = 0; i < w->n_passed; i++)
		er_exchange_unref(w->passed[i]);
	for (unsigned i = 0; i < w->n_puppets; i++) {
		puppet *p = &w->puppets[i];
		er_channel_unmap(&p->ch);
		close(p->wake_sandbox);
		close(p->wake_node);
		for (unsigned k = 0; k < p->n; k++)
			er_buf_fini(&p->heard[k].payload);
	}
	close(w->spawner);
	er_routine_unref(w->routine);
	er_exchange_trim();
	uv_close((uv_handle_t *)&w->alive, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	er_free(w);
}

/* ---- who asks ---- */

typedef struct asker {
	er_asker asker;
	er_exchange *x;
	unsigned answers;
	er_buf body;
	bool over, broken;
	er_body *upload; /* the source's reference */
	bool upload_cancelled;
} asker;

static void asker_read(void *ctx)
{
	asker *a = ctx;
	er_piece piece;
	while (a->x->res.body != NULL) {
		switch (er_body_read(a->x->res.body, 0, &piece)) {
		case ER_BODY_PIECE:
			er_buf_put(&a->body, er_piece_slice(piece));
			er_piece_drop(&piece);
			break;
		case ER_BODY_WAIT:
			return;
		case ER_BODY_END:
			a->over = true;
			return;
		case ER_BODY_ERROR:
			a->broken = true;
			return;
		}
	}
	a->over = true;
}

static const er_body_sink_ops asker_ops = {.readable = asker_read};

static void asker_answered(er_asker *self, er_exchange *x)
{
	asker *a = ER_CONTAINER(self, asker, asker);
	a->answers++;
	if (x->res.body != NULL)
		er_body_sink(x->res.body, &asker_ops, a);
	asker_read(a);
}

static void upload_resume(void *ctx)
{
	(void)ctx;
}

static void upload_cancelled(void *ctx, er_err_kind reason)
{
	(void)reason;
	((asker *)ctx)->upload_cancelled = true;
}

static const er_body_source_ops upload_ops = {.resume = upload_resume, .cancel = upload_cancelled};

/* `upload`: the request has a body, which the test writes. */
static void ask(world *w, asker *a, bool upload)
{
	*a = (asker){.x = er_exchange_new()};
	er_exchange *x = a->x;
	x->req.method = upload ? ER_LIT("POST") : ER_LIT("GET");
	x->req.scheme = ER_LIT("http");
	x->req.authority = ER_LIT("r.localhost");
	x->req.target = ER_LIT("/");
	x->peer.address.ss_family = AF_INET;
	a->asker.answered = asker_answered;
	x->asker = &a->asker;
	if (upload) {
		a->upload = er_body_new(ER_BODY_UNKNOWN);
		er_body_source(a->upload, &upload_ops, a);
		x->req.body = er_body_ref(a->upload);
	}
	x->chain = &w->chain;
	er_exchange_start(x, er_isolate_handler(w->host, w->routine));
}

/* The asker has what it wanted, or leaves. */
static void asker_done(asker *a)
{
	if (a->x->answered && a->x->res.body != NULL)
		er_body_sink(a->x->res.body, NULL, NULL);
	if (!a->x->answered || !(a->over || a->broken))
		er_exchange_cancel(a->x, ER_ERR_CLIENT_GONE);
	if (a->upload != NULL) {
		er_body_source(a->upload, NULL, NULL);
		er_body_unref(a->upload);
	}
	er_exchange_unref(a->x);
	er_buf_fini(&a->body);
	*a = (asker){0};
}

/* The sandbox of the first instance, with its code and `n` requests in it. */
static puppet *running(world *w, unsigned n)
{
	UNTIL(w, w->n_puppets > 0);
	puppet *p = &w->puppets[w->n_puppets - 1];
	puppet_ready(p);
	UNTIL(w, heard_of(p, ER_FRAME_CODE, 0) != NULL);
	puppet_says(p, (er_frame){.type = ER_FRAME_LOADED, .arg = 100}, (er_slice){0});
	UNTIL(w, heard_n(p, ER_FRAME_REQUEST) == n);
	return p;
}

static uint32_t request_id(puppet *p, unsigned k)
{
	heard *h = heard_of(p, ER_FRAME_REQUEST, k);
	assert_non_null(h);
	return h->f.id;
}

#endif
