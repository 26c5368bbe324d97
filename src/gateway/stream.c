/* Streams: between a session and a handler.
 *
 * A stream lives in its session, from er_stream_init to er_stream_fini. Two tables say where it is
 * (stream_states.h): `state` for the exchange, `in` for the upload. The exchange object is kept and
 * used again for the next request unless somebody else still holds it.
 *
 * Two bodies meet here. Of the upload the stream is the source: the session gives bytes, the
 * window says FULL, and the session reads no more until the reader's `resume`. Of the answer the
 * stream is the
 * sink: the session takes pieces when the transport has room. What comes back from either
 * body changes a state and then calls the session's `act`; nothing is written or read inside
 * such a call. */
#include "gateway/stream.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/server_internal.h"
#include "http/authority.h"
#include "http/identity.h"
#include "http/websocket.h"

#include <netinet/in.h>

enum {
	MAGIC = 0x5354524d,
	GRACE_MS = 5000,   /* before an upload's rate counts */
	CREDIT_MS = 60000, /* silence that a fast upload may earn */
};

static void move(er_stream *st, er_stream_event event)
{
	er_states_move(&er_stream_states, &st->state, event, st->x != NULL ? st->x->id : 0);
}

static void move_upload(er_stream *st, er_upload_event event)
{
	er_states_move(&er_upload_states, &st->in, event, st->x != NULL ? st->x->id : 0);
	ER_ASSERT((st->upload != NULL) == (st->in.now == UPLOAD_READ || st->in.now == UPLOAD_FULL));
}

static void act(er_stream *st)
{
	st->session->kind->act(st->session, st);
}

static void on_answer(er_asker *asker, er_exchange *x)
{
	er_stream *st = ER_CONTAINER(asker, er_stream, asker);
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->x == x);
	move(st, STREAM_ON_ANSWER);
	st->session->kind->answered(st->session, st);
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	er_stream *st = ER_CONTAINER(asker, er_stream, asker);
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->x == x && x->res.error != ER_ERR_OK);
	move(st, STREAM_ON_BREAK);
	act(st);
}

static void on_informed(er_asker *asker, er_exchange *x, int status, const er_fields *fields)
{
	er_stream *st = ER_CONTAINER(asker, er_stream, asker);
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->x == x && st->state.now == STREAM_OPEN);
	st->session->kind->inform(st->session, st, status, fields);
}

void er_stream_init(er_stream *st, struct er_session *s)
{
	*st =
	    (er_stream){.magic = MAGIC, .asker = {.answered = on_answer, .broken = on_broken, .informed = on_informed}, .session = s};
}

/* ---- the upload ---- */

/* Takes the source's reference off the stream. */
static er_body *take_upload(er_stream *st)
{
	er_body *b = st->upload;
	ER_ASSERT(b != NULL);
	st->upload = NULL;
	return b;
}

static void on_upload_resume(void *ctx)
{
	er_stream *st = ctx;
	ER_CHECK(st, MAGIC);
	if (st->in.now == UPLOAD_FULL)
		move_upload(st, UPLOAD_ON_RESUME);
	act(st);
}

static void on_upload_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	er_stream *st = ctx;
	ER_CHECK(st, MAGIC);
	er_body *b = take_upload(st);
	move_upload(st, UPLOAD_ON_CANCEL);
	st->discarded = 0;
	er_body_unref(b);
	act(st);
}

static const er_body_source_ops upload_ops = {.resume = on_upload_resume, .cancel = on_upload_cancel};

void er_stream_upload_drop(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	if (st->upload == NULL)
		return;
	er_body *b = take_upload(st);
	move_upload(st, UPLOAD_ON_CANCEL);
	er_body_source(b, NULL, NULL);
	er_body_unref(b);
}

static void begin_upload(er_stream *st, int64_t length)
{
	ER_ASSERT(st->upload == NULL && st->x->req.body == NULL);
	st->upload = er_body_new(length);
	er_body_source(st->upload, &upload_ops, st);
	st->x->req.body = er_body_ref(st->upload);
	st->patience_ms = GRACE_MS;
	move_upload(st, UPLOAD_ON_BEGIN);
}

void er_stream_upload(er_stream *st, er_slice bytes)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->in.now != UPLOAD_COMPLETE && st->in.now != UPLOAD_NONE);
	uint32_t rate = st->session->server->o.limits.min_body_rate;
	if (rate > 0) {
		st->patience_ms += (int64_t)(bytes.n * 1000 / rate);
		if (st->patience_ms > CREDIT_MS)
			st->patience_ms = CREDIT_MS;
	}
	/* Behind its answer an upload is read for the connection's sake, also when a handler
	 * still reads it. */
	if (st->upload == NULL || !er_stream_asked(st))
		st->discarded += bytes.n;
	if (st->upload == NULL)
		return;
	er_piece piece = er_piece_copy(bytes);
	if (st->session->server->o.secret && piece.chunk != NULL)
		piece.chunk->wipe = true;
	if (!er_body_write(st->upload, piece) && st->in.now == UPLOAD_READ)
		move_upload(st, UPLOAD_ON_FILL);
	/* Nobody reads it any more and the answer is out: the rest is thrown away. */
	if (st->in.now == UPLOAD_FULL && !er_stream_asked(st))
		er_stream_upload_drop(st);
}

void er_stream_trailer(er_stream *st, er_slice name, er_slice value)
{
	ER_CHECK(st, MAGIC);
	if (st->upload != NULL && !er_identity_claimed(name))
		(void)!er_body_trailer(st->upload, name, value);
}

void er_stream_upload_end(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	er_body *b = st->upload;
	if (b != NULL) {
		er_body_ref(b);
		er_body_finish(b);
		/* Finishing may have called us: what the reader has let go of is gone already. */
		if (st->upload == b) {
			er_body_source(b, NULL, NULL);
			er_body_unref(take_upload(st));
		}
		er_body_unref(b);
	}
	move_upload(st, UPLOAD_ON_END);
}

bool er_stream_slow(er_stream *st, unsigned ms)
{
	ER_CHECK(st, MAGIC);
	st->patience_ms -= ms;
	return st->patience_ms < 0;
}

/* ---- the request ---- */

er_exchange *er_stream_exchange(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(!er_stream_asked(st));
	if (st->x == NULL)
		st->x = er_exchange_new();
	return st->x;
}

/* Decides by the request's host whether the moves of this stream are printed. */
static void trace(er_stream *st)
{
	const char *host = st->session->server->o.trace;
	if (__builtin_expect(host == NULL, 1))
		return;
	er_slice authority = st->x->req.authority;
	bool six = authority.n > 0 && authority.p[0] == '[';
	er_slice name = er_slice_head(authority, er_slice_find(authority, six ? ']' : ':') + six);
	st->state.traced = st->in.traced = er_slice_eq(name, er_slice_cstr(host)) || er_slice_eq(authority, er_slice_cstr(host));
}

void er_stream_head(er_stream *st, bool has_body, int64_t length)
{
	ER_CHECK(st, MAGIC);
	st->x->id = ++st->session->server->last_id;
	st->x->facts.started_us = er_clock_mono_us();
	trace(st);
	st->discarded = 0;
	move(st, STREAM_ON_HEAD);
	if (has_body)
		begin_upload(st, length);
	else
		move_upload(st, UPLOAD_ON_BARE);
}

er_served *er_served_of(const er_exchange *x)
{
	if (x->asker == NULL || x->asker->answered != on_answer)
		return NULL;
	er_stream *st = ER_CONTAINER(x->asker, er_stream, asker);
	ER_CHECK(st, MAGIC);
	return &st->served;
}

/* HTTP/1.0 may come without a Host: it is for the address that it came to. */
static void name_by_address(const er_stream *st, er_exchange *x)
{
	struct sockaddr_storage sa;
	char text[ER_ADDRESS_TEXT];
	if (!er_transport_local(st->session->transport, &sa) || (sa.ss_family != AF_INET && sa.ss_family != AF_INET6)) {
		x->req.authority = ER_LIT("localhost");
		return;
	}
	er_slice address = er_address_text(&sa, text);
	bool six = er_slice_find(address, ':') < address.n;
	unsigned port = ntohs(sa.ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)&sa)->sin_port
	                                              : ((const struct sockaddr_in6 *)(const void *)&sa)->sin6_port);
	x->req.authority = er_arena_printf(&x->arena, "%s%.*s%s:%u", six ? "[" : "", ER_FMT(address), six ? "]" : "", port);
	(void)!er_authority_read(&x->arena, x->req.authority, x->req.scheme, &x->req.authority);
}

static void set_peer(const er_stream *st, er_exchange *x)
{
	/* A fresh exchange's peer is all zero, and addresses of the Internet need no more than this. */
	static_assert(sizeof(struct sockaddr_in6) >= sizeof(struct sockaddr_in), "the longest of the Internet's");
	memcpy(&x->peer.address, &st->session->transport->peer, sizeof(struct sockaddr_in6));
	x->peer.protocol = st->protocol;
}

void er_stream_start(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	er_exchange *x = st->x;
	set_peer(st, x);
	if (x->req.authority.n == 0)
		name_by_address(st, x);
	x->asker = &st->asker;
	st->served.shared = !st->session->counted;
	move(st, STREAM_ON_START);
	er_exchange_start(x, st->session->server->o.handler);
}

/* ---- the answer ---- */

static void on_down_readable(void *ctx)
{
	er_stream *st = ctx;
	ER_CHECK(st, MAGIC);
	act(st);
}

static const er_body_sink_ops sink_ops = {.readable = on_down_readable};

void er_stream_send(er_stream *st, bool promised)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->state.now == STREAM_ANSWERED && st->down == NULL && st->x->res.body != NULL);
	st->down = st->x->res.body;
	st->left = promised ? (uint64_t)er_body_length(st->down) : UINT64_MAX;
	er_body_sink(st->down, &sink_ops, st);
}

void er_stream_switch(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->state.now == STREAM_ANSWERED && st->upload == NULL && er_stream_complete(st));
	st->upload = er_body_ref(st->x->res.up);
	er_body_source(st->upload, &upload_ops, st);
	move_upload(st, UPLOAD_ON_SWITCH);
}

void er_stream_all(er_stream *st, uint64_t n)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(st->down == NULL);
	st->sent = n;
	move(st, STREAM_ON_ALL);
}

static er_body_status down_over(er_stream *st, bool well)
{
	er_body_sink(st->down, NULL, NULL);
	st->down = NULL;
	move(st, well ? STREAM_ON_ALL : STREAM_ON_BREAK);
	return well ? ER_BODY_END : ER_BODY_ERROR;
}

static er_body_status broken(er_stream *st, er_err_kind why)
{
	if (st->x->res.error == ER_ERR_OK)
		st->x->res.error = why;
	return down_over(st, false);
}

er_body_status er_stream_next(er_stream *st, er_piece *out)
{
	ER_CHECK(st, MAGIC);
	er_body *b = st->down;
	ER_ASSERT(b != NULL && st->state.now == STREAM_ANSWERED);
	/* Everything that was promised is there: no need to wait for the body to say so. */
	if (st->left == 0) {
		er_body_status end = down_over(st, true);
		er_body_cancel(b, ER_ERR_CANCELLED);
		return end;
	}
	er_body_status got = er_body_read(b, 0, out);
	if (st->down != b) { /* reading has ended the session */
		if (got == ER_BODY_PIECE)
			er_piece_drop(out);
		return ER_BODY_WAIT;
	}
	switch (got) {
	case ER_BODY_WAIT:
		return got;
	case ER_BODY_PIECE:
		if (out->n <= st->left) {
			st->left -= st->left == UINT64_MAX ? 0 : out->n;
			return got;
		}
		/* More came than was said. What fits would look whole to the peer: nothing of this
		 * piece is sent. */
		er_piece_drop(out);
		got = broken(st, ER_ERR_RESPONSE);
		er_body_cancel(b, ER_ERR_RESPONSE);
		return got;
	case ER_BODY_END:
		return st->left > 0 && st->left != UINT64_MAX ? down_over(st, false) : down_over(st, true);
	case ER_BODY_ERROR:
		return broken(st, er_body_error(b));
	}
	return got;
}

void er_stream_refuse(er_stream *st, int status, er_err_kind kind, const char *why)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(!er_stream_answered(st));
	er_server *s = st->session->server;
	if (st->state.now == STREAM_OPEN) {
		/* First the exchange: a handler that hears of its broken upload would answer. */
		er_exchange_cancel(st->x, kind);
		if (st->upload != NULL)
			er_body_fail(st->upload, kind);
		er_server_finished(st, status, false);
		st->x->asker = NULL;
		er_exchange_unref(st->x);
		st->x = NULL;
		st->served = (er_served){0};
	}
	er_stream_upload_drop(st);
	if (st->x == NULL || !er_exchange_reset(st->x)) {
		er_exchange_unref(st->x);
		st->x = er_exchange_new();
	}
	er_exchange *x = st->x;
	x->id = ++s->last_id;
	set_peer(st, x);
	x->facts.started_us = er_clock_mono_us();
	er_exchange_fail(x, status, kind, NULL, "%s", why);
	if (status == 405) /* RFC 9110 15.5.6: MUST */
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	if (status == 426) /* RFC 6455 4.4 */
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("sec-websocket-version"), ER_LIT(ER_WEBSOCKET_VERSION));
	move_upload(st, UPLOAD_ON_END);
	move(st, STREAM_ON_ANSWER);
}

/* ---- the end ---- */

static void let_go_of_down(er_stream *st)
{
	if (st->down != NULL)
		er_body_sink(st->down, NULL, NULL);
	st->down = NULL;
}

void er_stream_over(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	er_server_finished(st, st->x->res.status, st->state.now == STREAM_BROKEN);
	let_go_of_down(st);
	st->x->asker = NULL;
	move(st, STREAM_ON_OVER);
	if (!er_exchange_reset(st->x)) {
		er_exchange_leave(st->x);
		st->x = NULL;
	}
	st->served = (er_served){0};
	st->sent = 0;
	st->discarded = 0;
	if (st->in.now == UPLOAD_FULL)
		er_stream_upload_drop(st);
}

void er_stream_again(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	ER_ASSERT(!er_stream_asked(st));
	move_upload(st, UPLOAD_ON_NEXT);
}

void er_stream_gone(er_stream *st, er_err_kind why)
{
	ER_CHECK(st, MAGIC);
	if (!er_stream_open(st)) {
		if (st->upload != NULL)
			er_body_fail(st->upload, why);
		return;
	}
	er_exchange *x = st->x;
	int status = er_stream_answered(st) ? x->res.status : 0;
	let_go_of_down(st);
	er_exchange_cancel(x, why);
	if (x->res.error == ER_ERR_OK)
		x->res.error = why;
	er_server_finished(st, status, true);
	move(st, STREAM_ON_GONE);
}

void er_stream_fini(er_stream *st)
{
	ER_CHECK(st, MAGIC);
	let_go_of_down(st);
	er_stream_upload_drop(st);
	if (st->x != NULL) {
		st->x->asker = NULL;
		er_exchange_leave(st->x);
		st->x = NULL;
	}
	st->magic = 0;
}
