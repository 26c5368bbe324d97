/* The debugger's door (inspect.h). Three things meet here, all on the loop's thread:
 *
 *    conn      a connection to the door: HTTP first, and then, for one of them, WebSocket (wslay)
 *    target    the socket to the sandbox that runs the routine; a new one takes the old one's place
 *    er_cdp    the session, as long as a client is there
 *
 * A target says which number it has (SetTargetList). Then, if a client is there, it is set up for
 * it, hears what the client has set, and may go on; without a client it may go on at once, unless
 * --inspect-brk has it wait. What a gateway thread gives is put into a short queue under the lock.
 *
 * With a profile there is neither door nor session: a target is told to take samples, and to hand
 * them out every few seconds, so that neither side gathers many and a sandbox that is killed takes
 * few with it.
 *
 * Nothing is freed inside a callback of what it belongs to: connections and targets are closed, and
 * freed when libuv has let go of their handles. */
#include "cli/inspect.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/mem.h"
#include "cli/cdp.h"
#include "cli/inspect_wire.h"
#include "http/h1.h"
#include "isolate/sourcemap.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include <wslay/wslay.h>

enum {
	MAGIC = 0x494e5350,
	QUEUED = 16,                    /* sandboxes that no one has looked at yet */
	CONNS = 16,                     /* connections to the door */
	HEAD_MAX = 16 * 1024,           /* of a request */
	MESSAGE_MAX = 16 * 1024 * 1024, /* of a client */
	BEHIND_MAX = 256 * 1024 * 1024, /* what a client, or the sandbox, has not taken yet */
	ID = 32,
	FRAMES = 20, /* of an exception, whose places a debugger is told */
	ROTATE_MS = 5000,
	LEAVE_MS = 1000,
	FINISH_MS = 2000,
};

typedef struct conn conn;
typedef struct target target;

struct er_inspector {
	uint32_t magic;
	uv_loop_t *loop;
	bool wait, closing;
	char *url, *title, *map; /* map: as a data: URL; with a profile, as it is */
	er_sourcemap *places;    /* the same map, read; NULL: none */
	er_cpuprofile *profile;
	uv_timer_t timer; /* profile: the next samples are asked for, or no longer waited for */
	void (*finished)(void *ctx);
	void *finished_ctx;
	uint32_t said; /* commands to the profiler */
	char id[ID + 1], address[80];
	unsigned port, handles;
	uv_tcp_t door;
	uv_async_t wake;
	uv_mutex_t lock;
	int fds[QUEUED]; /* under the lock */
	unsigned n_fds;
	er_list conns;
	unsigned n_conns;
	conn *client; /* whose session it is */
	er_cdp *cdp;
	bool may_go; /* a client has let the code run */
	target *target;
	target *before; /* profile: the one before, whose last samples are awaited */
};

struct conn {
	er_inspector *ins;
	er_list link;
	uv_tcp_t tcp;
	er_buf in, out;
	er_h1 *h1;
	er_exchange *x;
	wslay_event_context_ptr ws;
	bool closing;
	char room[64 * 1024];
};

struct target {
	er_inspector *ins;
	uv_pipe_t pipe;
	er_buf in;
	uint64_t number; /* 0: not known yet */
	bool attached, gone_on, closing, sampled;
	char room[64 * 1024];
};

/* ---- writing ---- */

typedef struct sent {
	uv_write_t req;
	er_buf bytes;
} sent;

static void on_sent(uv_write_t *req, int status)
{
	sent *s = req->data;
	(void)status;
	er_buf_fini(&s->bytes);
	er_free(s);
}

/* Takes the bytes of *b. */
static void send_all(uv_stream_t *to, er_buf *b)
{
	if (er_buf_len(b) == 0)
		return;
	sent *s = ER_NEW(sent);
	s->bytes = *b;
	*b = (er_buf){0};
	s->req.data = s;
	er_slice all = er_buf_slice(&s->bytes);
	uv_buf_t v = uv_buf_init((char *)(uintptr_t)all.p, (unsigned)all.n);
	if (uv_write(&s->req, to, &v, 1, on_sent) != 0)
		on_sent(&s->req, -1);
}

/* ---- the end of things ---- */

static void handle_closed(er_inspector *ins)
{
	ER_ASSERT(ins->handles > 0);
	if (--ins->handles > 0)
		return;
	ER_ASSERT(ins->closing && ins->cdp == NULL && ins->finished == NULL);
	uv_mutex_destroy(&ins->lock);
	er_free(ins->url);
	er_free(ins->title);
	er_free(ins->map);
	er_sourcemap_free(ins->places);
	ins->magic = 0;
	er_free(ins);
}

static void finished(er_inspector *ins)
{
	void (*done)(void *) = ins->finished;
	ins->finished = NULL;
	if (done != NULL)
		done(ins->finished_ctx);
}

static void on_target_closed(uv_handle_t *h)
{
	target *t = h->data;
	er_inspector *ins = t->ins;
	er_buf_fini(&t->in);
	er_free(t);
	handle_closed(ins);
}

static void go_on(er_inspector *ins);

/* The sandbox goes on without a debugger: its engine notices the end. */
static void close_target(target *t)
{
	if (t->closing)
		return;
	t->closing = true;
	er_inspector *ins = t->ins;
	if (ins->target == t) {
		ins->target = NULL;
		if (ins->cdp != NULL)
			er_cdp_ended(ins->cdp);
		finished(ins);
	}
	uv_close((uv_handle_t *)&t->pipe, on_target_closed);
	if (ins->before != t)
		return;
	ins->before = NULL;
	if (ins->finished != NULL)
		finished(ins);
	else if (!ins->closing)
		go_on(ins);
}

static void put_wire(target *t, const char *name, const er_slice *text)
{
	er_buf b = {0};
	er_wire_put(&b, name, t->number, text);
	send_all((uv_stream_t *)&t->pipe, &b);
}

static void note(target *t, er_inspect_kind kind)
{
	er_buf b = {0};
	er_wire_put_note(&b, kind);
	send_all((uv_stream_t *)&t->pipe, &b);
}

/* The code may run, if nobody is to see its beginning. */
static void let_go(er_inspector *ins)
{
	target *t = ins->target;
	if (t == NULL || t->number == 0 || t->gone_on || (ins->wait && !ins->may_go) || ins->before != NULL)
		return;
	t->gone_on = true;
	note(t, ER_INSPECT_GO);
}

/* ---- profiles ---- */

static void sample(target *t, bool begin)
{
	er_inspector *ins = t->ins;
	er_buf b = {0};
	t->sampled = begin;
	er_buf_printf(&b, "{\"id\":%u,\"method\":\"ScriptProfiler.%s", ++ins->said,
	              begin ? "startTracking\",\"params\":{\"includeSamples\":true}}" : "stopTracking\"}");
	er_slice text = er_buf_slice(&b);
	put_wire(t, "SendMessageToTarget", &text);
	er_buf_fini(&b);
}

static double seconds(const er_json *v, const char *name)
{
	return er_json_as_double(er_json_member(v, name), 0);
}

/* What the engine says to one who takes a profile. */
static void heard(target *t, er_slice json)
{
	er_inspector *ins = t->ins;
	er_arena a;
	er_arena_init(&a);
	const er_json *m = er_json_answer(&a, json), *params = er_json_member(m, "params");
	er_slice method = er_json_str(m, "method");
	if (er_slice_eq(method, ER_LIT("ScriptProfiler.trackingStart"))) {
		er_cpuprofile_clock(ins->profile, seconds(params, "timestamp"), er_clock_mono_us());
	} else if (er_slice_eq(method, ER_LIT("ScriptProfiler.trackingUpdate"))) {
		const er_json *event = er_json_member(params, "event");
		er_cpuprofile_ran(ins->profile, seconds(event, "startTime"), seconds(event, "endTime"));
	} else if (er_slice_eq(method, ER_LIT("ScriptProfiler.trackingComplete"))) {
		er_cpuprofile_samples(ins->profile, er_json_member(params, "samples"), seconds(params, "timestamp"));
		if (t == ins->before)
			close_target(t);
		else
			finished(ins);
	}
	er_arena_fini(&a);
}

/* Both in one go: the engine misses nothing between them. */
static void rotate(er_inspector *ins)
{
	if (ins->target == NULL || !ins->target->sampled)
		return;
	sample(ins->target, false);
	sample(ins->target, true);
}

static void on_timer(uv_timer_t *timer)
{
	er_inspector *ins = timer->data;
	if (ins->finished != NULL)
		finished(ins);
	else if (ins->before != NULL)
		close_target(ins->before);
	else
		rotate(ins);
}

void er_inspector_finish(er_inspector *ins, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(ins, MAGIC);
	ER_ASSERT(ins->profile != NULL);
	bool waits = ins->finished != NULL, sampled = ins->target != NULL && ins->target->sampled;
	if (!sampled && !waits && ins->before == NULL) {
		done(ctx);
		return;
	}
	ins->finished = done;
	ins->finished_ctx = ctx;
	if (sampled)
		sample(ins->target, false);
	(void)uv_timer_start(&ins->timer, on_timer, FINISH_MS, ROTATE_MS);
}

static void attach(er_inspector *ins)
{
	target *t = ins->target;
	if (t == NULL || t->number == 0 || t->attached || (ins->cdp == NULL && ins->profile == NULL) || ins->before != NULL)
		return;
	t->attached = true;
	note(t, ER_INSPECT_ATTACHED);
	put_wire(t, "Setup", NULL);
	if (ins->profile != NULL) {
		er_cpuprofile_script(ins->profile, er_slice_cstr(ins->url), er_slice_cstr(ins->map != NULL ? ins->map : ""));
		sample(t, true);
		return;
	}
	er_cdp_began(ins->cdp, er_slice_cstr(ins->url), er_slice_cstr(ins->map != NULL ? ins->map : ""));
}

/* What the target that is there can be told now. */
static void go_on(er_inspector *ins)
{
	attach(ins);
	let_go(ins);
}

static void detach(er_inspector *ins)
{
	target *t = ins->target;
	if (t == NULL || !t->attached)
		return;
	t->attached = false;
	put_wire(t, "FrontendDidClose", NULL);
	note(t, ER_INSPECT_DETACHED);
}

static void on_conn_closed(uv_handle_t *h)
{
	conn *c = h->data;
	er_inspector *ins = c->ins;
	er_buf_fini(&c->in);
	er_buf_fini(&c->out);
	er_h1_free(c->h1);
	er_exchange_unref(c->x);
	if (c->ws != NULL)
		wslay_event_context_free(c->ws);
	er_free(c);
	handle_closed(ins);
}

static void close_conn(conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	er_inspector *ins = c->ins;
	er_list_remove(&c->link);
	ins->n_conns--;
	if (ins->client == c) {
		ins->client = NULL;
		er_cdp *cdp = ins->cdp;
		detach(ins);
		ins->cdp = NULL;
		er_cdp_free(cdp);
		ins->may_go = true; /* who waited for it waits no more */
		let_go(ins);
	}
	uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
}

/* ---- the session ---- */

static void to_client(void *ctx, er_slice json)
{
	er_inspector *ins = ctx;
	conn *c = ins->client;
	if (c == NULL || c->closing)
		return;
	const struct wslay_event_msg m = {.opcode = WSLAY_TEXT_FRAME, .msg = json.p, .msg_length = json.n};
	(void)wslay_event_queue_msg(c->ws, &m);
}

static void to_engine(void *ctx, er_slice json)
{
	er_inspector *ins = ctx;
	if (ins->target != NULL && ins->target->attached)
		put_wire(ins->target, "SendMessageToTarget", &json);
}

static void on_go(void *ctx)
{
	er_inspector *ins = ctx;
	ins->may_go = true;
	let_go(ins);
}

static ssize_t ws_take(wslay_event_context_ptr ws, uint8_t *to, size_t n, int flags, void *ctx)
{
	conn *c = ctx;
	(void)flags;
	er_slice some = er_slice_head(er_buf_slice(&c->in), n);
	if (some.n == 0) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	er_copy(to, some.p, some.n);
	er_buf_consume(&c->in, some.n);
	return (ssize_t)some.n;
}

static ssize_t ws_give(wslay_event_context_ptr ws, const uint8_t *p, size_t n, int flags, void *ctx)
{
	conn *c = ctx;
	(void)ws, (void)flags;
	er_buf_put(&c->out, er_slice_of(p, n));
	return (ssize_t)n;
}

static void ws_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m, void *ctx)
{
	conn *c = ctx;
	(void)ws;
	if (m->opcode == WSLAY_TEXT_FRAME && c->ins->cdp != NULL)
		er_cdp_client(c->ins->cdp, er_slice_of(m->msg, m->msg_length));
}

/* So much waits for one who does not take it that the session ends. The sandbox reads nothing while
 * its code is busy, however much a client has to say meanwhile. */
static bool far_behind(const conn *c)
{
	const target *t = c->ins->target;
	return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) > BEHIND_MAX ||
	       (t != NULL && uv_stream_get_write_queue_size((const uv_stream_t *)&t->pipe) > BEHIND_MAX);
}

/* Says what is queued; the end of the connection, when it is over. */
static void pump_client(conn *c)
{
	if (c->closing)
		return;
	bool ok = wslay_event_send(c->ws) == 0;
	send_all((uv_stream_t *)&c->tcp, &c->out);
	/* who has said Close reads no more: nothing may gather here meanwhile */
	bool over = wslay_event_get_close_sent(c->ws) || !wslay_event_want_read(c->ws);
	if (!ok || over || far_behind(c))
		close_conn(c);
}

static void pump(er_inspector *ins)
{
	if (ins->client != NULL)
		pump_client(ins->client);
}

/* ---- HTTP ---- */

static void on_said(uv_shutdown_t *req, int status)
{
	(void)status;
	close_conn(req->data);
	er_free(req);
}

static void answer(conn *c, const char *status, const char *type, er_slice body)
{
	er_buf_printf(&c->out,
	              "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
	              "X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n\r\n",
	              status, type, body.n);
	er_buf_put(&c->out, body);
	send_all((uv_stream_t *)&c->tcp, &c->out);
	/* what was written goes out before the end */
	uv_shutdown_t *req = ER_NEW(uv_shutdown_t);
	req->data = c;
	if (uv_shutdown(req, (uv_stream_t *)&c->tcp, on_said) != 0)
		on_said(req, -1);
}

static void refuse(conn *c, const char *status, const char *text)
{
	answer(c, status, "text/plain", er_slice_cstr(text));
}

/* A name of this machine's own: whoever leads another name here is a stranger. */
static bool host_ok(er_slice host)
{
	static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t end = host.n > 0 && host.p[0] == '[' ? er_slice_find(host, ']') + 1 : er_slice_find(host, ':');
	if (end < host.n && host.p[end] != ':')
		return false;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (er_slice_eq(er_slice_head(host, end), er_slice_cstr(own[i])))
			return true;
	return false;
}

static er_slice field(const conn *c, const char *name)
{
	const er_slice *v = er_fields_get(&c->x->req.fields, er_slice_cstr(name));
	return v != NULL ? *v : (er_slice){NULL, 0};
}

static void list(conn *c)
{
	const er_inspector *ins = c->ins;
	er_out o = {0};
	char text[256];
	er_out_open(&o, NULL, '[');
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "description", "a routine under er dev");
	(void)snprintf(text, sizeof text, "devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=%s", ins->address);
	er_out_cstr(&o, "devtoolsFrontendUrl", text);
	er_out_cstr(&o, "id", ins->id);
	er_out_cstr(&o, "title", ins->title);
	er_out_cstr(&o, "type", "node");
	er_out_cstr(&o, "url", ins->url);
	(void)snprintf(text, sizeof text, "ws://%s", ins->address);
	er_out_cstr(&o, "webSocketDebuggerUrl", text);
	er_out_close(&o, '}');
	er_out_close(&o, ']');
	answer(c, "200 OK", "application/json", er_buf_slice(&o.b));
	er_out_fini(&o);
}

/* RFC 6455 4.2.2: what proves that the server speaks WebSocket. */
static void put_accept(er_buf *b, er_slice key)
{
	er_buf whole = {0};
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	er_buf_put(&whole, key);
	er_buf_puts(&whole, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	er_slice all = er_buf_slice(&whole);
	int ok = EVP_Digest(all.p, all.n, sum, &n, EVP_sha1(), NULL);
	ER_ASSERT(ok == 1);
	er_base64_encode(b, er_slice_of(sum, n));
	er_buf_fini(&whole);
}

/* A web page has an Origin of the web, or, from a file or a frame without rights of its own,
 * "null". A program has none, and the front ends of browsers have their own schemes
 * (devtools://). */
static bool of_a_page(er_slice origin)
{
	static const char *const web[] = {"http:", "https:", "file:"};
	for (size_t i = 0; i < sizeof web / sizeof *web; i++)
		if (er_slice_starts(origin, er_slice_cstr(web[i])))
			return true;
	return origin.n > 0 && er_slice_find(origin, ':') == origin.n;
}

static void upgrade(conn *c)
{
	er_inspector *ins = c->ins;
	er_slice key = field(c, "sec-websocket-key");
	if (of_a_page(field(c, "origin"))) {
		refuse(c, "403 Forbidden", "A web page may not debug this routine.\n");
		return;
	}
	if (key.n != 24 || !er_slice_eq(field(c, "sec-websocket-version"), ER_LIT("13"))) {
		refuse(c, "426 Upgrade Required", "This is a WebSocket (version 13) for a debugger.\n");
		return;
	}
	if (ins->client != NULL) {
		refuse(c, "409 Conflict", "Another debugger is attached already; detach it first.\n");
		return;
	}
	static const struct wslay_event_callbacks callbacks = {
	    .recv_callback = ws_take, .send_callback = ws_give, .on_msg_recv_callback = ws_message};
	if (wslay_event_context_server_init(&c->ws, &callbacks, c) != 0) {
		refuse(c, "500 Internal Server Error", "No memory.\n");
		return;
	}
	wslay_event_config_set_max_recv_msg_length(c->ws, MESSAGE_MAX);
	er_buf_puts(&c->out,
	            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	put_accept(&c->out, key);
	er_buf_puts(&c->out, "\r\n\r\n");
	send_all((uv_stream_t *)&c->tcp, &c->out);
	ins->client = c;
	ins->cdp = er_cdp_new(&(er_cdp_ports){.to_client = to_client, .to_engine = to_engine, .go = on_go, .ctx = ins});
	attach(ins);
}

static void on_request(conn *c)
{
	const er_inspector *ins = c->ins;
	er_slice path = er_slice_head(c->x->req.target, er_slice_find(c->x->req.target, '?'));
	if (!host_ok(c->x->req.authority)) {
		refuse(c, "403 Forbidden", "The Host must be localhost or an address of it.\n");
	} else if (!er_slice_eq(c->x->req.method, ER_LIT("GET"))) {
		refuse(c, "405 Method Not Allowed", "GET, please.\n");
	} else if (er_slice_eq(path, ER_LIT("/json")) || er_slice_eq(path, ER_LIT("/json/list"))) {
		list(c);
	} else if (er_slice_eq(path, ER_LIT("/json/version"))) {
		answer(c, "200 OK", "application/json", ER_LIT("{\"Browser\":\"er/" ER_VERSION "\",\"Protocol-Version\":\"1.3\"}"));
	} else if (path.n == ID + 1 && er_slice_eq(er_slice_from(path, 1), er_slice_of(ins->id, ID))) {
		upgrade(c);
	} else {
		refuse(c, "404 Not Found", "See /json/list.\n");
	}
}

static void read_http(conn *c)
{
	er_slice in = er_buf_slice(&c->in), bytes;
	size_t before = in.n;
	er_h1_event e = er_h1_next(c->h1, &in, c->x, &bytes);
	er_buf_consume(&c->in, before - in.n);
	if (e == ER_H1_HEAD)
		on_request(c);
	else if (e != ER_H1_MORE || er_buf_len(&c->in) > HEAD_MAX)
		close_conn(c);
}

static void give_room(uv_handle_t *h, size_t n, uv_buf_t *b)
{
	conn *c = h->data;
	(void)n;
	*b = uv_buf_init(c->room, sizeof c->room);
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	conn *c = s->data;
	if (n < 0 || c->closing) {
		close_conn(c);
		return;
	}
	er_buf_put(&c->in, er_slice_of(b->base, (size_t)n));
	if (c->ws == NULL)
		read_http(c);
	if (c->ws == NULL || c->closing)
		return;
	if (wslay_event_recv(c->ws) != 0)
		close_conn(c);
	else
		pump_client(c);
}

/* Whoever only holds a connection makes room for the next one. */
static void drop_oldest(er_inspector *ins)
{
	ER_LIST_EACH(l, &ins->conns)
	{
		conn *c = ER_CONTAINER(l, conn, link);
		if (ins->n_conns <= CONNS)
			return;
		if (c != ins->client)
			close_conn(c);
	}
}

static void on_connection(uv_stream_t *door, int status)
{
	static const er_h1_limits limits = {.request_line = 4096, .field = 4096, .header = HEAD_MAX, .fields = 64, .body = 1};
	er_inspector *ins = door->data;
	if (status < 0)
		return;
	conn *c = ER_NEW(conn);
	c->ins = ins;
	c->h1 = er_h1_new(&limits);
	c->x = er_exchange_new();
	c->x->req.scheme = ER_LIT("http");
	(void)uv_tcp_init(ins->loop, &c->tcp);
	c->tcp.data = c;
	ins->handles++;
	ins->n_conns++;
	er_list_push(&ins->conns, &c->link);
	if (uv_accept(door, (uv_stream_t *)&c->tcp) != 0 || uv_read_start((uv_stream_t *)&c->tcp, give_room, on_bytes) != 0)
		close_conn(c);
	else
		(void)uv_tcp_nodelay(&c->tcp, 1);
	drop_oldest(ins);
}

/* ---- sandboxes ---- */

static void on_message(target *t, const er_wire_message *m)
{
	er_inspector *ins = t->ins;
	if (er_slice_eq(m->name, ER_LIT("SetTargetList"))) {
		if (t->number != 0 || m->target == 0)
			return;
		t->number = m->target;
		go_on(ins);
	} else if (er_slice_eq(m->name, ER_LIT("SendMessageToFrontend")) && t->attached) {
		if (ins->cdp != NULL)
			er_cdp_engine(ins->cdp, m->text);
		else if (ins->profile != NULL)
			heard(t, m->text);
	}
}

static void give_target_room(uv_handle_t *h, size_t n, uv_buf_t *b)
{
	target *t = h->data;
	(void)n;
	*b = uv_buf_init(t->room, sizeof t->room);
}

static void on_target_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	target *t = s->data;
	if (n < 0 || t->closing) {
		close_target(t);
		pump(t->ins); /* who waits for an answer of it is told now */
		return;
	}
	er_buf_put(&t->in, er_slice_of(b->base, (size_t)n));
	er_wire_message m;
	size_t whole;
	er_wire_status status = ER_WIRE_OK;
	while (!t->closing && (status = er_wire_read(er_buf_slice(&t->in), &m, &whole)) == ER_WIRE_OK) {
		on_message(t, &m);
		er_buf_consume(&t->in, whole);
	}
	if (status == ER_WIRE_BROKEN)
		close_target(t);
	pump(t->ins);
}

/* Another one comes. With a profile the samples of the one that goes are of its own source map, so
 * the new one is told nothing before they are here. */
static void leave(er_inspector *ins)
{
	target *t = ins->target;
	if (!t->sampled || ins->before != NULL) {
		close_target(t);
		return;
	}
	ins->before = t;
	ins->target = NULL;
	sample(t, false);
	(void)uv_timer_start(&ins->timer, on_timer, LEAVE_MS, ROTATE_MS);
}

/* The newest sandbox is the one to debug. */
static void new_target(er_inspector *ins, int fd)
{
	if (ins->target != NULL)
		leave(ins);
	target *t = ER_NEW(target);
	t->ins = ins;
	(void)uv_pipe_init(ins->loop, &t->pipe, 0);
	t->pipe.data = t;
	ins->handles++;
	ins->target = t;
	if (uv_pipe_open(&t->pipe, fd) != 0) {
		close(fd);
		close_target(t);
	} else if (uv_read_start((uv_stream_t *)&t->pipe, give_target_room, on_target_bytes) != 0) {
		close_target(t);
	}
}

static void on_wake(uv_async_t *wake)
{
	er_inspector *ins = wake->data;
	int fds[QUEUED];
	uv_mutex_lock(&ins->lock);
	unsigned n = ins->n_fds;
	memcpy(fds, ins->fds, sizeof fds);
	ins->n_fds = 0;
	uv_mutex_unlock(&ins->lock);
	for (unsigned i = 0; i < n; i++) {
		if (ins->closing)
			close(fds[i]);
		else
			new_target(ins, fds[i]);
	}
	pump(ins);
}

void er_inspector_take(er_inspector *ins, int fd)
{
	ER_CHECK(ins, MAGIC);
	uv_mutex_lock(&ins->lock);
	bool room = ins->n_fds < QUEUED;
	if (room)
		ins->fds[ins->n_fds++] = fd;
	uv_mutex_unlock(&ins->lock);
	if (!room)
		close(fd); /* it runs, and cannot be debugged */
	(void)uv_async_send(&ins->wake);
}

/* ---- the door ---- */

static bool open_door(er_inspector *ins, unsigned port, er_err *err)
{
	struct sockaddr_in at;
	struct sockaddr_in got;
	int n = sizeof got;
	(void)uv_ip4_addr("127.0.0.1", (int)port, &at);
	int rc = uv_tcp_bind(&ins->door, (const struct sockaddr *)&at, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&ins->door, 16, on_connection);
	if (rc == 0)
		rc = uv_tcp_getsockname(&ins->door, (struct sockaddr *)&got, &n);
	if (rc != 0)
		return er_fail(err, ER_ERR_IO,
		               "the debugger cannot listen on 127.0.0.1 port %u: %s; choose another: er dev --inspect=PORT", port,
		               uv_strerror(rc));
	ins->port = ntohs(got.sin_port);
	return true;
}

static void make_id(er_inspector *ins)
{
	uint8_t random[ID / 2];
	ER_ASSERT(getrandom(random, sizeof random, 0) == sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		(void)snprintf(ins->id + 2 * i, 3, "%02x", random[i]);
	(void)snprintf(ins->address, sizeof ins->address, "127.0.0.1:%u/%s", ins->port, ins->id);
}

er_inspector *er_inspector_new(const er_inspector_options *o, er_err *err)
{
	er_inspector *ins = ER_NEW(er_inspector);
	*ins = (er_inspector){.magic = MAGIC,
	                      .loop = o->loop,
	                      .wait = o->wait,
	                      .url = er_strdup_cstr(o->url),
	                      .title = er_strdup_cstr(o->title),
	                      .profile = o->profile,
	                      .handles = 3};
	er_list_init(&ins->conns);
	int rc = uv_mutex_init(&ins->lock);
	ER_ASSERT(rc == 0);
	rc = uv_async_init(o->loop, &ins->wake, on_wake);
	ER_ASSERT(rc == 0);
	rc = uv_tcp_init(o->loop, &ins->door);
	ER_ASSERT(rc == 0);
	rc = uv_timer_init(o->loop, &ins->timer);
	ER_ASSERT(rc == 0);
	ins->wake.data = ins->door.data = ins->timer.data = ins;
	if (ins->profile != NULL) {
		(void)uv_timer_start(&ins->timer, on_timer, ROTATE_MS, ROTATE_MS);
		return ins;
	}
	if (!open_door(ins, o->port, err)) {
		er_inspector_close(ins);
		return NULL;
	}
	make_id(ins);
	return ins;
}

static void on_closed(uv_handle_t *h)
{
	handle_closed(h->data);
}

void er_inspector_close(er_inspector *ins)
{
	ER_CHECK(ins, MAGIC);
	ER_ASSERT(!ins->closing);
	ins->closing = true;
	for (unsigned i = 0; i < ins->n_fds; i++)
		close(ins->fds[i]);
	ins->n_fds = 0;
	while (!er_list_empty(&ins->conns))
		close_conn(ER_CONTAINER(ins->conns.next, conn, link));
	if (ins->before != NULL)
		close_target(ins->before);
	if (ins->target != NULL)
		close_target(ins->target);
	uv_close((uv_handle_t *)&ins->timer, on_closed);
	uv_close((uv_handle_t *)&ins->wake, on_closed);
	uv_close((uv_handle_t *)&ins->door, on_closed);
}

unsigned er_inspector_port(const er_inspector *ins)
{
	return ins->port;
}

const char *er_inspector_address(const er_inspector *ins)
{
	return ins->address;
}

void er_inspector_map(er_inspector *ins, er_slice map)
{
	er_buf b = {0};
	er_free(ins->map);
	ins->map = NULL;
	if (ins->profile != NULL) {
		ins->map = er_strdup_slice(map);
	} else if (map.n > 0) {
		er_err err;
		er_sourcemap_free(ins->places);
		ins->places = er_sourcemap_parse(map, &err);
		er_buf_puts(&b, "data:application/json;base64,");
		er_base64_encode(&b, map);
		ins->map = er_strdup_slice(er_buf_slice(&b));
	}
	er_buf_fini(&b);
}

void er_inspector_exception(er_inspector *ins, er_slice text, er_slice stack)
{
	er_cdp_place places[FRAMES];
	er_slice rest = stack, line, path;
	er_source_pos pos;
	size_t n = 0;
	if (ins->cdp == NULL)
		return;
	while (ins->places != NULL && n < FRAMES && er_slice_split(&rest, '\n', &line)) {
		uint64_t at, column;
		er_cdp_place *p = &places[n];
		if (er_stack_place(line, &p->name, &path, &at, &column) && at <= UINT32_MAX && column <= UINT32_MAX &&
		    er_sourcemap_back(ins->places, path, (uint32_t)at, (uint32_t)column, &pos)) {
			p->line = pos.line;
			p->column = pos.column;
			n++;
		}
	}
	er_cdp_exception(ins->cdp, text, stack, places, n, (double)er_clock_wall_us() / 1000);
	pump(ins);
}
