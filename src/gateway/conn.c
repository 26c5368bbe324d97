#include "gateway/server_internal.h"

#include <errno.h>
#include <unistd.h>

enum { MAGIC = 0x434f4e4e };

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- opening and closing ---- */

static void on_closed(uv_handle_t *handle)
{
	er_conn *c = handle->data;
	ER_CHECK(c, MAGIC);
	er_server *s = c->server;
	er_h1_free(c->h1);
	er_buf_fini(&c->in);
	er_buf_fini(&c->out);
	c->magic = 0;
	er_free(c);
	er_server_handle_gone(s);
}

/* Nothing of it is called any more; the memory stays until the loop has let go of its handle. */
void er_conn_close(er_conn *c)
{
	er_server *s = c->server;
	if (c->closed)
		return;
	c->closed = true;
	er_server_wait(c, WAIT_NONE);
	er_list_remove(&c->link);
	er_conn_drop_out(c);
	if (c->upload != NULL) {
		er_body_source(c->upload, NULL, NULL);
		er_body_unref(c->upload);
		c->upload = NULL;
	}
	if (c->x != NULL) {
		c->x->user = NULL;
		er_exchange_unref(c->x);
		c->x = NULL;
	}
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	if (s->o.gate != NULL)
		er_gate_leave(s->o.gate, &c->peer);
	er_stat_add(&s->stats->connections, (uint64_t)-1);
}

static void watch(er_conn *c, int events)
{
	if (c->closed || c->watched == events)
		return;
	c->watched = events;
	uv_poll_start(&c->poll, events, on_poll);
}

void er_conn_open(er_server *s, int fd, const struct sockaddr_storage *peer)
{
	er_conn *c = ER_NEW(er_conn);
	c->magic = MAGIC;
	c->server = s;
	c->fd = fd;
	c->peer = *peer;
	er_list_init(&c->link);
	er_list_init(&c->timed);
	if (uv_poll_init(s->loop, &c->poll, fd) != 0) {
		if (s->o.gate != NULL)
			er_gate_leave(s->o.gate, peer);
		close(fd);
		er_free(c);
		return;
	}
	const er_gateway_limits *l = &s->o.limits;
	er_h1_limits h1 = {
	    .request_line = l->request_line, .field = l->field, .header = l->header, .fields = l->fields, .body = l->body};
	c->h1 = er_h1_new(&h1);
	c->poll.data = c;
	s->handles++;
	er_stat_add(&s->stats->connections, 1);
	er_list_push(&s->conns, &c->link);
	er_server_wait(c, WAIT_IDLE);
	watch(c, UV_READABLE);
}

bool er_conn_idle(const er_conn *c)
{
	return c->wait == WAIT_IDLE && er_conn_flushed(c);
}

/* Whoever still reads it finds it cut. */
static void drop_upload(er_conn *c)
{
	er_body *b = c->upload;
	if (b == NULL)
		return;
	c->upload = NULL;
	c->upload_full = false;
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
}

/* ---- the end of an exchange ---- */

static void report(er_conn *c, int status, bool cut)
{
	er_server *s = c->server;
	if (s->o.finished == NULL)
		return;
	uint64_t wall = c->x->facts.started_us ? er_clock_mono_us() - c->x->facts.started_us : 0;
	er_finished f = {.x = c->x, .served = &c->served, .status = status, .sent = c->sent, .wall_us = wall, .cut = cut};
	s->o.finished(s->o.ctx, &f);
}

void er_conn_gone(er_conn *c, er_err_kind why)
{
	ER_CHECK(c, MAGIC);
	if (c->closed)
		return;
	er_exchange *x = c->x;
	c->running = true; /* what is cancelled may call back: nothing goes on here any more */
	if (c->started) {
		c->started = false;
		if (c->down != NULL)
			er_body_sink(c->down, NULL, NULL);
		c->down = NULL;
		er_exchange_cancel(x, why);
		if (x->res.error == ER_ERR_OK)
			x->res.error = why;
		report(c, c->answered ? x->res.status : 0, true);
	} else if (c->upload != NULL) {
		er_body_fail(c->upload, why);
	}
	er_conn_close(c);
}

/* The answer is out. Makes the connection ready for what comes next. */
static void exchange_over(er_conn *c)
{
	report(c, c->x->res.status, c->cut);
	c->requests++;
	if (c->down != NULL)
		er_body_sink(c->down, NULL, NULL);
	c->down = NULL;
	c->x->user = NULL;
	if (!er_exchange_reset(c->x)) {
		er_exchange_unref(c->x);
		c->x = NULL;
	}
	c->served = (er_served){0};
	c->sent = 0;
	c->head_seen = c->started = c->answered = c->all_queued = false;
	if (c->cut)
		return;
	if (!c->keep || c->server->draining)
		c->closing = true;
	else
		c->draining = !c->complete;
	if (c->upload_full || c->closing)
		drop_upload(c);
	c->discarded = 0;
	c->complete = false;
}

static void linger(er_conn *c)
{
	c->lingering = true;
	er_buf_clear(&c->in);
	c->fresh = (er_slice){0};
	c->discarded = 0;
	drop_upload(c);
	shutdown(c->fd, SHUT_WR);
	er_server_wait(c, WAIT_LINGER);
}

/* ---- the upload ---- */

static void on_upload_resume(void *ctx)
{
	er_conn *c = ctx;
	ER_CHECK(c, MAGIC);
	c->upload_full = false;
	er_conn_run(c);
}

static void on_upload_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	er_conn *c = ctx;
	ER_CHECK(c, MAGIC);
	er_body *b = c->upload;
	c->upload = NULL;
	c->upload_full = false;
	c->discarded = 0;
	er_body_unref(b);
	er_conn_run(c);
}

static const er_body_source_ops upload_ops = {.resume = on_upload_resume, .cancel = on_upload_cancel};

static void begin_upload(er_conn *c)
{
	c->upload = er_body_new(c->info.content_length < 0 ? ER_BODY_UNKNOWN : c->info.content_length);
	er_body_source(c->upload, &upload_ops, c);
	c->x->req.body = er_body_ref(c->upload);
	c->upload_full = false;
	c->discarded = 0;
	c->rate_ms = GRACE_MS;
}

static void end_upload(er_conn *c)
{
	er_body *b = c->upload;
	if (b == NULL)
		return;
	er_body_finish(b);
	/* Finishing may have called us: only what is still there is let go. */
	if (c->upload == b) {
		c->upload = NULL;
		er_body_source(b, NULL, NULL);
		er_body_unref(b);
	}
	c->upload_full = false;
}

static void upload_bytes(er_conn *c, er_slice bytes)
{
	uint32_t rate = c->server->o.limits.min_body_rate;
	if (rate > 0) {
		c->rate_ms += (int64_t)(bytes.n * 1000 / rate);
		if (c->rate_ms > CREDIT_MS)
			c->rate_ms = CREDIT_MS;
	}
	if (c->upload == NULL) {
		c->discarded += bytes.n;
		return;
	}
	if (c->draining)
		c->discarded += bytes.n;
	if (!er_body_write(c->upload, er_piece_copy(bytes)) && c->upload != NULL)
		c->upload_full = true;
	/* Nobody reads it any more and the answer is out: the rest is thrown away. */
	if (c->upload_full && c->draining)
		drop_upload(c);
}

/* ---- requests ---- */

static er_slice pending(const er_conn *c)
{
	return c->fresh.n > 0 ? c->fresh : er_buf_len(&c->in) > 0 ? er_buf_slice(&c->in) : (er_slice){0};
}

static void on_answer(void *asker, er_exchange *x)
{
	er_conn *c = asker;
	ER_CHECK(c, MAGIC);
	ER_ASSERT(c->x == x && !c->closed);
	c->answered = true;
	er_server *s = c->server;
	uint32_t most = s->o.limits.requests;
	c->keep = c->info.keep_alive && !s->draining && !(c->eof && pending(c).n == 0) && (most == 0 || c->requests + 1 < most);
	/* An upload that was not invited, or that nobody wants and that is too long to be read for nothing, ends the connection. */
	if (!c->complete && c->info.expect_continue && !c->invited)
		c->keep = false;
	if (!c->complete && c->upload == NULL && (c->info.content_length < 0 || c->info.content_length > DRAIN_BYTES))
		c->keep = false;
	er_conn_put_head(c);
	er_conn_run(c);
}

static const uint8_t continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void start(er_conn *c)
{
	er_server *s = c->server;
	er_exchange *x = c->x;
	c->started = true;
	er_server_wait(c, c->complete ? WAIT_NONE : WAIT_WATCH);
	er_copy(&x->client, &c->peer, sizeof x->client);
	x->on_answer = on_answer;
	x->asker = c;
	x->user = &c->served;
	er_exchange_start(x, s->o.handler);
	if (c->closed || !c->started || c->answered || c->complete || !c->info.expect_continue)
		return;
	if (c->info.content_length > 0 && c->upload == NULL)
		return;
	c->invited = true;
	er_buf_put(&c->out, er_slice_of(continue_line, sizeof continue_line - 1));
}

/* A request that is none: answered by ourselves, and the connection ends. */
static void refuse_guarded(er_conn *c, int status, const char *why, er_err_kind kind)
{
	er_stat_add(&c->server->stats->bad_requests, 1);
	c->running = true;
	if (c->started && c->answered) { /* too late for words */
		er_conn_gone(c, kind);
		return;
	}
	if (c->started) {
		if (c->upload != NULL)
			er_body_fail(c->upload, kind);
		c->started = false;
		er_exchange_cancel(c->x, kind);
		report(c, status, false);
		c->x->user = NULL;
		er_exchange_unref(c->x);
		c->x = NULL;
		c->served = (er_served){0};
	}
	if (c->closed)
		return;
	if (c->x == NULL || !er_exchange_reset(c->x)) {
		er_exchange_unref(c->x);
		c->x = er_exchange_new();
	}
	er_exchange *x = c->x;
	x->id = ++c->server->last_id;
	er_copy(&x->client, &c->peer, sizeof x->client);
	x->facts.started_us = er_clock_mono_us();
	er_exchange_fail(x, status, kind, NULL, "%s", why);
	if (status == 405) /* RFC 9110 15.5.6: MUST */
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	c->info = (er_h1_head_info){0};
	c->started = c->answered = c->head_seen = true;
	c->complete = true;
	c->keep = false;
	er_conn_put_head(c);
}

static void refuse(er_conn *c, int status, const char *why, er_err_kind kind)
{
	bool was = c->running;
	refuse_guarded(c, status, why, kind);
	c->running = was;
}

static void consume(er_conn *c, size_t n)
{
	if (c->fresh.n > 0)
		c->fresh = er_slice_from(c->fresh, n);
	else
		er_buf_consume(&c->in, n);
}

static void begin_request(er_conn *c)
{
	if (c->x == NULL)
		c->x = er_exchange_new();
	c->x->req.scheme = ER_LIT("http");
}

static void on_head(er_conn *c)
{
	c->info = *er_h1_head_info_of(c->h1);
	c->head_seen = true;
	c->invited = false;
	c->x->id = ++c->server->last_id;
	c->x->facts.started_us = er_clock_mono_us();
	if (c->info.has_body)
		begin_upload(c);
}

/* Whether the parser may have input now. */
static bool may_parse(const er_conn *c)
{
	if (c->closed || c->closing || c->lingering || c->complete || c->upload_full)
		return false;
	/* An upload that the handler does not want waits behind its answer. */
	return !(c->started && c->upload == NULL && c->discarded > DRAIN_BYTES);
}

static void on_end(er_conn *c)
{
	c->complete = true;
	end_upload(c);
	if (c->draining) {
		c->draining = false;
		c->complete = false;
	}
}

/* Takes input until the request is complete or there is no more. */
static void parse(er_conn *c)
{
	while (may_parse(c)) {
		if (!c->head_seen && !c->draining)
			begin_request(c);
		er_slice input = pending(c), before = input, bytes;
		er_h1_event ev = er_h1_next(c->h1, &input, c->x, &bytes);
		/* The bytes of an upload point into the input: they are taken before the input is let go. */
		if (ev == ER_H1_BODY)
			upload_bytes(c, bytes);
		if (c->closed)
			return;
		consume(c, before.n - input.n);
		switch (ev) {
		case ER_H1_HEAD:
			on_head(c);
			break;
		case ER_H1_BODY:
			if (c->draining && c->discarded > DRAIN_BYTES)
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
			if (c->draining)
				er_conn_gone(c, ER_ERR_INVALID);
			else
				refuse(c, status, why, ER_ERR_INVALID);
			return;
		}
		}
	}
}

/* What it waits for now, for the clock. */
static conn_wait waits_for(const er_conn *c)
{
	if (c->lingering)
		return WAIT_LINGER;
	if (c->draining)
		return WAIT_DRAIN;
	if (c->started || !er_conn_flushed(c))
		return c->blocked || c->eof || (c->started && !c->complete) ? WAIT_WATCH : WAIT_NONE;
	return er_h1_idle(c->h1) && !c->head_seen ? WAIT_IDLE : WAIT_HEAD;
}

static void settle(er_conn *c)
{
	if (c->closing && er_conn_flushed(c) && !c->lingering) {
		/* With bytes left unread, closing would reset the connection and could take the answer along. */
		if (er_h1_idle(c->h1) && pending(c).n == 0 && (c->eof || !c->info.keep_alive)) {
			er_conn_close(c);
			return;
		}
		linger(c);
	}
	if (c->eof && !c->started && er_conn_flushed(c)) {
		er_conn_close(c);
		return;
	}
	er_server_wait(c, waits_for(c));
	bool read = !c->eof && (c->lingering || (er_buf_len(&c->in) < HELD_BYTES && !c->closing && (may_parse(c) || c->complete)));
	int events = (read ? UV_READABLE : 0) | (c->blocked ? UV_WRITABLE : 0);
	watch(c, events ? events : UV_PRIORITIZED);
}

void er_conn_run(er_conn *c)
{
	ER_CHECK(c, MAGIC);
	if (c->running || c->closed) {
		c->again = true;
		return;
	}
	c->running = true;
	do {
		c->again = false;
		parse(c);
		if (!c->closed && c->head_seen && !c->started)
			start(c);
		if (!c->closed && !er_conn_pump(c, c->complete && pending(c).n > 0 && !c->closing))
			er_conn_gone(c, ER_ERR_CLIENT_GONE);
		if (c->closed)
			break;
		if (c->started && c->all_queued &&
		    (er_conn_flushed(c) || (c->n_segments == 0 && er_buf_len(&c->out) < CORK_BYTES && !c->blocked))) {
			bool cut = c->cut;
			exchange_over(c);
			if (cut) {
				er_conn_close(c);
				break;
			}
			c->again = true;
		}
	} while (c->again && !c->closed);
	if (!c->closed && !c->blocked && !er_conn_flushed(c) && !er_conn_pump(c, false))
		er_conn_gone(c, ER_ERR_CLIENT_GONE);
	c->running = false;
	if (!c->closed)
		settle(c);
}

/* ---- the socket ---- */

static void on_eof(er_conn *c)
{
	c->eof = true;
	if (c->lingering || !c->started || !c->complete) {
		er_conn_gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	c->progress_ms = uv_now(c->server->loop);
	er_conn_run(c);
}

static void on_readable(er_conn *c)
{
	er_server *s = c->server;
	ssize_t n = recv(c->fd, s->scratch, sizeof s->scratch, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			er_conn_gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	if (n == 0) {
		on_eof(c);
		return;
	}
	er_stat_add(&s->stats->bytes_in, (uint64_t)n);
	if (c->lingering) {
		c->discarded += (uint64_t)n;
		if (c->discarded > LINGER_BYTES)
			er_conn_close(c);
		return;
	}
	er_slice bytes = er_slice_of(s->scratch, (size_t)n);
	if (er_buf_len(&c->in) > 0)
		er_buf_put(&c->in, bytes);
	else
		c->fresh = bytes;
	er_conn_run(c);
	if (c->fresh.n > 0 && !c->closed)
		er_buf_put(&c->in, c->fresh);
	c->fresh = (er_slice){0};
	if (c->closed)
		return;
	/* What settle saw as fresh input may now fill the buffer. */
	if (er_buf_len(&c->in) >= HELD_BYTES)
		settle(c);
	else if (er_buf_len(&c->in) == 0 && c->in.cap > BUFFER_KEPT)
		er_buf_fini(&c->in);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	er_conn *c = poll->data;
	ER_CHECK(c, MAGIC);
	if (c->closed)
		return;
	if (status < 0) {
		er_conn_gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	if (events & UV_WRITABLE) {
		c->blocked = false;
		er_conn_run(c);
	}
	if (c->closed)
		return;
	if (events & UV_READABLE)
		on_readable(c);
	else if (events & UV_PRIORITIZED)
		er_conn_gone(c, ER_ERR_CLIENT_GONE);
}

/* ---- time ---- */

void er_conn_expired(er_conn *c)
{
	er_server *s = c->server;
	switch (c->wait) {
	case WAIT_HEAD:
		er_stat_add(&s->stats->timeouts, 1);
		refuse(c, 408, "the request's head did not come in time", ER_ERR_TIMEOUT);
		er_server_wait(c, WAIT_WATCH);
		er_conn_run(c);
		return;
	case WAIT_DRAIN:
		linger(c);
		settle(c);
		return;
	case WAIT_IDLE:
	case WAIT_LINGER:
	case WAIT_WATCH:
	case WAIT_NONE:
	case WAIT_COUNT_:
		er_conn_close(c);
		return;
	}
}

void er_conn_watch(er_conn *c, uint64_t now_ms)
{
	er_server *s = c->server;
	if (c->blocked && now_ms - c->progress_ms > s->o.limits.keep_alive_ms) {
		er_stat_add(&s->stats->timeouts, 1);
		er_conn_gone(c, ER_ERR_TIMEOUT);
		return;
	}
	if (c->eof && now_ms - c->progress_ms > HALF_CLOSE_MS) {
		er_conn_gone(c, ER_ERR_CLIENT_GONE);
		return;
	}
	if (!c->started || c->complete || !may_parse(c) || s->o.limits.min_body_rate == 0)
		return;
	/* We would read, and nothing or too little comes. */
	c->rate_ms -= TICK_MS;
	if (c->rate_ms >= 0)
		return;
	er_stat_add(&s->stats->timeouts, 1);
	refuse(c, 408, "the upload came too slowly", ER_ERR_TIMEOUT);
	er_conn_run(c);
}
