/* HTTP/1 on a transport: requests in, time, and the end. Answers go out by h1_session_out.c.
 *
 * One function acts, `run`: it parses what has come, starts the request, writes what there is of
 * its answer, and goes on with the next request. Everybody else takes notes (bytes in `in` or
 * `fresh`, the stream's states, `blocked`, `peer_ended`) and calls it. Requests of one session are
 * answered one after the other; those that were sent ahead wait in `in`.
 *
 * The session's own state is in h1_session_states.h; where the present exchange is, the stream
 * says. The server opens a session for a transport and owns it. close_now ends it: the transport is
 * closed at once, and the memory goes when the transport says that the loop has let go of it. */
#include "gateway/h1_session.h"

#include "http/status.h"
#include "http/websocket.h"

#include <errno.h>

enum { MAGIC = 0x48315345 };

static const uint8_t continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static er_h1_session *of(er_session *s)
{
	er_h1_session *c = ER_CONTAINER(s, er_h1_session, base);
	ER_CHECK(c, MAGIC);
	return c;
}

static void move(er_h1_session *c, er_h1_session_event event)
{
	c->state.traced = c->stream.state.traced;
	er_states_move(&er_h1_session_states, &c->state, event, c->stream.x != NULL ? c->stream.x->id : 0);
}

static void on_ready(void *user, unsigned io);

/* ---- opening and closing ---- */

static void hold(er_h1_session *c, er_slice bytes)
{
	if (c->base.server->o.secret)
		er_buf_put_secret(&c->in, bytes);
	else
		er_buf_put(&c->in, bytes);
}

static void let_go_of_input(er_h1_session *c)
{
	if (c->base.server->o.secret)
		er_buf_wipe(&c->in);
	else
		er_buf_fini(&c->in);
}

static void on_closed(void *user)
{
	er_h1_session *c = user;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(er_h1_closed(c));
	er_server *s = c->base.server;
	er_h1_free(c->h1);
	let_go_of_input(c);
	er_buf_fini(&c->out);
	c->magic = 0;
	er_free(c);
	er_server_handle_gone(s);
}

static void close_now(er_h1_session *c)
{
	if (er_h1_closed(c))
		return;
	move(c, H1_ON_CLOSE);
	er_server_wait(&c->base, ER_WAIT_NONE);
	er_h1_session_drop_out(c);
	er_stream_fini(&c->stream);
	er_server_left(&c->base);
	er_transport_close(c->base.transport);
}

/* er_session_kind.open: the session and its transport know each other from here on. */
static er_session *h1_open(er_server *s, er_transport *t)
{
	er_h1_session *c = ER_NEW(er_h1_session);
	c->magic = MAGIC;
	const er_gateway_limits *l = &s->o.limits;
	er_h1_limits h1 = {
	    .request_line = l->request_line, .field = l->field, .header = l->header, .fields = l->fields, .body = l->body};
	c->h1 = er_h1_new(&h1);
	t->user = c;
	t->ready = on_ready;
	t->closed = on_closed;
	er_server_join(s, &c->base, &er_h1_session_kind, t);
	er_stream_init(&c->stream, &c->base);
	er_server_wait(&c->base, ER_WAIT_IDLE);
	er_transport_watch(t, ER_IO_READ);
	return &c->base;
}

static bool h1_idle(const er_session *s)
{
	const er_h1_session *c = ER_CONTAINER(s, const er_h1_session, base);
	ER_CHECK(c, MAGIC);
	return s->wait == ER_WAIT_IDLE && er_h1_session_flushed(c);
}

static void gone(er_h1_session *c, er_err_kind why)
{
	if (er_h1_closed(c))
		return;
	/* what is cancelled may call back: nothing goes on here any more */
	(void)er_act_guard(&c->act);
	er_stream_gone(&c->stream, why);
	close_now(c);
}

static void h1_gone(er_session *s, er_err_kind why)
{
	gone(of(s), why);
}

static void linger(er_h1_session *c)
{
	move(c, H1_ON_SHUT);
	let_go_of_input(c);
	c->fresh = (er_slice){0};
	c->stream.discarded = 0;
	er_stream_upload_drop(&c->stream);
	er_transport_shutdown(c->base.transport);
	er_server_wait(&c->base, ER_WAIT_LINGER);
}

/* The answer is out. Makes the session ready for what comes next. False: it broke off, and
 * nothing does. */
static bool exchange_over(er_h1_session *c)
{
	er_stream *st = &c->stream;
	bool broken = st->state.now == STREAM_BROKEN;
	er_stream_over(st);
	c->base.requests++;
	if (broken)
		return false;
	if (!c->keep || c->base.server->draining) {
		move(c, H1_ON_NO_MORE);
		er_stream_upload_drop(st);
	} else if (er_stream_complete(st)) {
		er_stream_again(st);
	} else {
		move(c, H1_ON_UNREAD);
	}
	return true;
}

/* ---- the upload ---- */

static bool gathers(const er_h1_session *c, er_slice bytes)
{
	return c->info.content_length < 0 && bytes.n <= GATHER_SMALL && er_stream_upload_wanted(&c->stream);
}

/* Chunks of single bytes would be a piece, a frame and a write each: what one run of the
 * parser finds is gathered. It lies in the server's buffer only while that parser runs, which
 * calls nobody. */
static void upload_flush(er_h1_session *c)
{
	er_server *s = c->base.server;
	er_slice all = er_slice_of(s->gather, s->gathered);
	s->gathered = 0;
	if (all.n > 0 && !er_h1_closed(c))
		er_stream_upload(&c->stream, all);
}

static void upload_bytes(er_h1_session *c, er_slice bytes)
{
	er_server *s = c->base.server;
	bool gather = gathers(c, bytes);
	if (!gather || s->gathered + bytes.n > sizeof s->gather)
		upload_flush(c);
	if (er_h1_closed(c))
		return;
	if (!gather) {
		er_stream_upload(&c->stream, bytes);
		return;
	}
	ER_ASSERT(s->gathered + bytes.n <= sizeof s->gather);
	er_copy(s->gather + s->gathered, bytes.p, bytes.n);
	s->gathered += bytes.n;
}

/* ---- requests ---- */

static er_slice pending(const er_h1_session *c)
{
	return c->fresh.n > 0 ? c->fresh : er_buf_len(&c->in) > 0 ? er_buf_slice(&c->in) : (er_slice){0};
}

static void run(er_h1_session *c);

static void h1_act(er_session *s, er_stream *st)
{
	(void)st;
	run(of(s));
}

/* Each connection's handshake has a key of its own: what another server has made of another key is
 * nothing to this client. */
static void accept_key(er_exchange *x)
{
	const er_slice *key = er_fields_get(&x->req.fields, ER_LIT("sec-websocket-key"));
	ER_ASSERT(x->req.upgrade && key != NULL);
	uint8_t accept[ER_WEBSOCKET_ACCEPT];
	er_websocket_accept(*key, accept);
	er_fields_set(&x->res.fields, &x->arena, ER_LIT("sec-websocket-accept"),
	              er_arena_copy(&x->arena, er_slice_of(accept, sizeof accept)));
}

/* The head of the answer is decided, and with it whether the connection stays. */
static void h1_answered(er_session *s, er_stream *st)
{
	er_h1_session *c = of(s);
	ER_ASSERT(!er_h1_closed(c));
	uint32_t most = s->server->o.limits.requests;
	c->keep = c->info.keep_alive && !s->server->draining && !(c->peer_ended && pending(c).n == 0) &&
	          (most == 0 || s->requests + 1 < most);
	/* An upload that was not invited, or that nobody wants and that is too long to be read for
	 * nothing, ends the session. */
	bool complete = er_stream_complete(st);
	if (!complete && c->info.expect_continue && !c->invited)
		c->keep = false;
	if (!complete && !er_stream_upload_wanted(st) && (c->info.content_length < 0 || c->info.content_length > DRAIN_BYTES))
		c->keep = false;
	if (er_status_switches(st->x->res.status)) {
		accept_key(st->x);
		move(c, H1_ON_SWITCH);
		c->keep = false;
		c->heard_ms = uv_now(c->base.server->loop);
	}
	er_h1_session_put_head(c);
	run(c);
}

static void settle(er_h1_session *c);

/* Clients of HTTP/1.0 know no informational responses (RFC 9110 15.2). It goes out with the next
 * turn of the loop: who calls is in the middle of something. */
static void h1_inform(er_session *s, er_stream *st, int status, const er_fields *fields)
{
	er_h1_session *c = of(s);
	if (er_h1_closed(c) || st->protocol != ER_PROTOCOL_HTTP_1_1 || er_buf_len(&c->out) > HELD_BYTES)
		return;
	er_h1_write_informational(&c->out, status, fields);
	if (!er_act_guard(&c->act)) /* it acts, and writes in the end */
		return;
	c->more = true;
	settle(c);
	er_act_end(&c->act);
}

static void start(er_h1_session *c)
{
	er_stream *st = &c->stream;
	er_server_wait(&c->base, er_stream_complete(st) ? ER_WAIT_NONE : ER_WAIT_WATCH);
	er_stream_start(st);
	if (er_h1_closed(c) || st->state.now != STREAM_OPEN || er_stream_complete(st) || !c->info.expect_continue)
		return;
	if (c->info.content_length > 0 && !er_stream_upload_wanted(st))
		return;
	c->invited = true;
	er_buf_put(&c->out, er_slice_of(continue_line, sizeof continue_line - 1));
}

/* A request that is none: answered by the session itself, which ends with that. */
static void refuse(er_h1_session *c, int status, const char *why, er_err_kind kind)
{
	er_stat_add(&c->base.server->stats->bad_requests, 1);
	if (er_stream_answered(&c->stream)) { /* too late for words */
		gone(c, kind);
		return;
	}
	bool guards = er_act_guard(&c->act);
	er_stream_refuse(&c->stream, status, kind, why);
	if (!er_h1_closed(c)) {
		c->info = (er_h1_head_info){0};
		c->keep = false;
		er_h1_session_put_head(c);
	}
	if (guards)
		er_act_end(&c->act);
}

static void consume(er_h1_session *c, size_t n)
{
	ER_ASSERT(n <= pending(c).n);
	if (c->fresh.n > 0)
		c->fresh = er_slice_from(c->fresh, n);
	else
		er_buf_consume(&c->in, n);
}

/* Whether the parser may have input now. */
static bool may_parse(const er_h1_session *c)
{
	const er_stream *st = &c->stream;
	if (c->state.now > H1_DRAIN || er_stream_complete(st) || er_stream_upload_full(st))
		return false;
	/* An upload that the handler does not want waits behind its answer. */
	return !(er_stream_open(st) && !er_stream_upload_wanted(st) && st->discarded > DRAIN_BYTES);
}

static void on_head(er_h1_session *c)
{
	c->info = *er_h1_head_info_of(c->h1);
	c->invited = false;
	c->stream.protocol = c->info.http10 ? ER_PROTOCOL_HTTP_1_0 : ER_PROTOCOL_HTTP_1_1;
	er_stream_head(&c->stream, c->info.has_body, c->info.content_length < 0 ? ER_BODY_UNKNOWN : c->info.content_length);
}

static void on_end(er_h1_session *c)
{
	er_slice rest = er_h1_trailers(c->h1), name, value;
	while (er_h1_trailer(&rest, &name, &value))
		er_stream_trailer(&c->stream, name, value);
	er_stream_upload_end(&c->stream);
	if (c->state.now != H1_DRAIN)
		return;
	er_stream_again(&c->stream);
	move(c, H1_ON_READ);
}

/* Takes input until the request is complete or there is no more. */
static void parse_all(er_h1_session *c)
{
	while (may_parse(c)) {
		er_stream *st = &c->stream;
		er_exchange *x = st->x;
		if (!er_stream_asked(st) && c->state.now == H1_OPEN) {
			x = er_stream_exchange(st);
			x->req.scheme = c->base.transport->kind->secure ? ER_LIT("https") : ER_LIT("http");
		}
		er_slice input = pending(c), before = input, bytes;
		er_h1_event ev = er_h1_next(c->h1, &input, x, &bytes);
		/* The bytes of an upload point into the input: they are taken before the input
		 * is let go. */
		if (ev == ER_H1_BODY)
			upload_bytes(c, bytes);
		if (er_h1_closed(c))
			return;
		consume(c, before.n - input.n);
		if (ev != ER_H1_BODY)
			upload_flush(c);
		if (er_h1_closed(c))
			return;
		switch (ev) {
		case ER_H1_HEAD:
			on_head(c);
			break;
		case ER_H1_BODY:
			if (c->state.now == H1_DRAIN && st->discarded > DRAIN_BYTES)
				linger(c);
			break;
		case ER_H1_END:
			on_end(c);
			break;
		case ER_H1_MORE:
			return;
		case ER_H1_ERROR: {
			const char *why = "malformed request";
			int status = er_h1_error(c->h1, &why);
			if (c->state.now == H1_DRAIN)
				gone(c, ER_ERR_INVALID);
			else
				refuse(c, status, why, ER_ERR_INVALID);
			return;
		}
		}
	}
}

/* Once the session has switched, what comes is its stream's. Whatever the reader has no room for
 * waits in `in`, and no more is read. */
static void pass_on(er_h1_session *c)
{
	er_stream *st = &c->stream;
	while (!er_h1_closed(c) && pending(c).n > 0 && !er_stream_complete(st) && !er_stream_upload_full(st)) {
		er_slice part = er_slice_head(pending(c), PASSED_ON);
		er_stream_upload(st, part);
		if (!er_h1_closed(c))
			consume(c, part.n);
	}
	if (!er_h1_closed(c) && c->peer_ended && pending(c).n == 0 && !er_stream_complete(st))
		er_stream_upload_end(st);
}

static void parse(er_h1_session *c)
{
	if (er_h1_switched(c)) {
		pass_on(c);
		return;
	}
	parse_all(c);
	upload_flush(c);
}

/* What the session waits for now, for the clock. */
static er_session_wait waits_for(const er_h1_session *c)
{
	const er_stream *st = &c->stream;
	if (c->state.now == H1_LINGER)
		return ER_WAIT_LINGER;
	if (c->more)
		return ER_WAIT_NONE;
	if (c->state.now == H1_DRAIN)
		return ER_WAIT_DRAIN;
	if (er_stream_open(st) || !er_h1_session_flushed(c)) {
		bool reads = er_stream_open(st) && !er_stream_complete(st);
		return c->blocked || c->peer_ended || reads ? ER_WAIT_WATCH : ER_WAIT_NONE;
	}
	return er_h1_idle(c->h1) && !er_stream_asked(st) ? ER_WAIT_IDLE : ER_WAIT_HEAD;
}

/* After each round: closes what is over, and sets what the session waits for, of the clock and of
 * the transport. */
static void settle(er_h1_session *c)
{
	const er_stream *st = &c->stream;
	if (c->state.now == H1_LAST && er_h1_session_flushed(c)) {
		/* With bytes left unread, closing would reset the connection and could take the
		 * answer along. */
		if (er_h1_idle(c->h1) && pending(c).n == 0 && (c->peer_ended || !c->info.keep_alive)) {
			close_now(c);
			return;
		}
		linger(c);
	}
	if (c->peer_ended && !er_stream_open(st) && !c->more && er_h1_session_flushed(c)) {
		close_now(c);
		return;
	}
	er_server_wait(&c->base, waits_for(c));
	bool room = er_buf_len(&c->in) < HELD_BYTES && c->state.now != H1_LAST;
	bool wanted = er_h1_switched(c) ? !er_stream_upload_full(st) : may_parse(c) || er_stream_complete(st);
	bool read = !c->peer_ended && (c->state.now == H1_LINGER || (room && wanted));
	/* What is left to do comes in the loop's next turn: a transport that takes more says
	 * so at once. */
	er_transport_watch(c->base.transport, (read ? ER_IO_READ : 0) | (c->blocked || c->more ? ER_IO_WRITE : 0));
}

/* The whole answer is out, or is small enough to be written together with the next one. Behind a
 * broken answer no next one comes: what was sent before it goes out first. */
static bool exchange_written(const er_h1_session *c)
{
	if (!er_stream_sent(&c->stream))
		return false;
	if (er_h1_session_flushed(c))
		return true;
	return c->stream.state.now == STREAM_SENT && c->n_segments == 0 && er_buf_len(&c->out) < CORK_BYTES && !c->blocked;
}

/* Does what can be done now; the only way into the machine. */
static void run(er_h1_session *c)
{
	if (er_h1_closed(c) || !er_act_begin(&c->act))
		return;
	c->more = false;
	unsigned served = 0;
	do {
		parse(c);
		if (!er_h1_closed(c) && c->stream.state.now == STREAM_ASKED)
			start(c);
		bool cork = er_stream_complete(&c->stream) && pending(c).n > 0 && c->state.now != H1_LAST;
		if (!er_h1_closed(c) && !er_h1_session_pump(c, cork))
			gone(c, ER_ERR_CLIENT_GONE);
		if (er_h1_closed(c))
			break;
		if (exchange_written(c)) {
			if (!exchange_over(c)) {
				close_now(c);
				break;
			}
			er_act_note(&c->act);
			c->more = ++served >= TURN_REQUESTS && c->state.now != H1_LAST && pending(c).n > 0;
		}
	} while (er_act_again(&c->act) && !c->more && !er_h1_closed(c));
	if (!er_h1_closed(c) && !c->blocked && !er_h1_session_flushed(c) && !er_h1_session_pump(c, false))
		gone(c, ER_ERR_CLIENT_GONE);
	er_act_end(&c->act);
	if (!er_h1_closed(c))
		settle(c);
}

/* ---- the transport ---- */

static void on_end_of_peer(er_h1_session *c)
{
	c->peer_ended = true;
	if (er_h1_switched(c)) { /* one direction has ended, the other goes on for a moment */
		c->progress_ms = uv_now(c->base.server->loop);
		run(c);
		return;
	}
	if (c->state.now == H1_LINGER || !er_stream_open(&c->stream) || !er_stream_complete(&c->stream)) {
		gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	c->progress_ms = uv_now(c->base.server->loop);
	run(c);
}

/* Input is parsed where it was read to (`fresh`); only what is left is copied, for the next
 * round. */
static void on_bytes(er_h1_session *c, er_slice bytes)
{
	if (er_buf_len(&c->in) > 0)
		hold(c, bytes);
	else
		c->fresh = bytes;
	run(c);
	if (c->fresh.n > 0 && !er_h1_closed(c))
		hold(c, c->fresh);
	c->fresh = (er_slice){0};
	if (er_h1_closed(c))
		return;
	/* What settle saw as fresh input may now fill the buffer. */
	if (er_buf_len(&c->in) >= HELD_BYTES)
		settle(c);
	else if (er_buf_len(&c->in) == 0 && c->in.cap > (c->base.server->o.secret ? 0 : BUFFER_KEPT))
		let_go_of_input(c);
}

/* A session that lingers only throws away what comes. It may be gone afterwards. */
static void take(er_h1_session *c, er_slice bytes)
{
	if (c->state.now != H1_LINGER) {
		on_bytes(c, bytes);
		return;
	}
	c->stream.discarded += (uint64_t)bytes.n;
	if (c->stream.discarded > LINGER_BYTES)
		close_now(c);
}

/* One read a turn. */
static void on_readable(er_h1_session *c)
{
	er_server *s = c->base.server;
	ssize_t n = er_transport_read(c->base.transport, s->scratch, sizeof s->scratch);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	if (n == 0) {
		on_end_of_peer(c);
		return;
	}
	er_stat_add(&s->stats->bytes_in, (uint64_t)n);
	c->heard_ms = uv_now(s->loop);
	take(c, er_slice_of(s->scratch, (size_t)n));
	if (s->o.secret)
		explicit_bzero(s->scratch, (size_t)n);
}

static void on_ready(void *user, unsigned io)
{
	er_h1_session *c = user;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(!er_h1_closed(c));
	if (io & ER_IO_WRITE) {
		c->blocked = false;
		run(c);
	}
	if ((io & ER_IO_READ) && !er_h1_closed(c))
		on_readable(c);
	if (io & ER_IO_GONE)
		gone(c, ER_ERR_CLIENT_GONE);
}

/* ---- time ---- */

/* Its time in a list is over: a head that does not come is answered, an idle connection closes. */
static void h1_expired(er_session *s)
{
	er_h1_session *c = of(s);
	switch (s->wait) {
	case ER_WAIT_HEAD:
		er_stat_add(&s->server->stats->timeouts, 1);
		refuse(c, 408, "the request's head did not come in time", ER_ERR_TIMEOUT);
		er_server_wait(s, ER_WAIT_WATCH);
		run(c);
		return;
	case ER_WAIT_DRAIN:
		linger(c);
		settle(c);
		return;
	case ER_WAIT_IDLE:
	case ER_WAIT_LINGER:
	case ER_WAIT_WATCH:
	case ER_WAIT_NONE:
	case ER_WAITS_N:
		close_now(c);
		return;
	}
}

/* Every tick: a reader that does not take the answer, a peer that has shut down, an upload that
 * crawls. */
static void h1_watch(er_session *s, uint64_t now_ms)
{
	er_h1_session *c = of(s);
	er_stream *st = &c->stream;
	const er_gateway_limits *l = &s->server->o.limits;
	if (c->blocked && now_ms - c->progress_ms > l->keep_alive_ms) {
		er_stat_add(&s->server->stats->timeouts, 1);
		gone(c, ER_ERR_TIMEOUT);
		return;
	}
	if (c->peer_ended && now_ms - c->progress_ms > HALF_CLOSE_MS) {
		gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	if (er_h1_switched(c)) {
		uint64_t last = c->heard_ms > c->progress_ms ? c->heard_ms : c->progress_ms;
		if (now_ms - last > l->socket_idle_ms)
			gone(c, ER_ERR_TIMEOUT);
		return;
	}
	/* The session would read, and nothing or too little comes. */
	bool reads = er_stream_open(st) && !er_stream_complete(st) && may_parse(c) && l->min_body_rate > 0;
	if (!reads || !er_stream_slow(st, TICK_MS))
		return;
	er_stat_add(&s->server->stats->timeouts, 1);
	refuse(c, 408, "the upload came too slowly", ER_ERR_TIMEOUT);
	run(c);
}

const er_session_kind er_h1_session_kind = {
    .open = h1_open,
    .answered = h1_answered,
    .inform = h1_inform,
    .act = h1_act,
    .expired = h1_expired,
    .watch = h1_watch,
    .idle = h1_idle,
    .gone = h1_gone,
};
