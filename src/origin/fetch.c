/* One fetch through its hops.
 *
 * er_fetch_start makes it for an exchange, lists it in its er_origin, and begins the first hop:
 * reach.c finds the addresses and a place, and a transport asks (plain.c, curl*.c). The transport
 * notes what comes (fetch_notes.c) and then calls `advance`, which acts in rounds until nothing is
 * noted any more. A round looks at the head once it is whole: a redirect that is followed, or a
 * first 421, is LEAVING until its body is out of the way, and then the next hop begins; anything
 * else is DECIDED and ANSWERED. From then on rounds hand the pieces to the answer's body, as far as
 * its reader has room. fetch_states.c has the tables.
 *
 * Three sides may call in at any moment: the asker (on_cancel), the reader of the answer's body
 * (body_resume, body_cancel) and the source of the upload (upload_readable). Time calls
 * er_fetch_tick. So after each call to a body, to an exchange or to a transport the fetch may be
 * OVER; a function that needs it afterwards holds a reference.
 *
 * `finish` makes it OVER and lets go of everything but the exchange, once. The life's own
 * reference goes with it; memory is freed with the last reference. The exchange is let go when
 * the fetch is over, or with the answer if no upload needs it any more. */
#include "origin/fetch.h"

#include "base/mem.h"
#include "http/status.h"
#include "origin/count.h"
#include "origin/later.h"
#include "origin/message.h"
#include "origin/pool.h"
#include "origin/redirect.h"
#include "origin/server.h"

#include <stdio.h>

enum { TEXT_MAX = 400 };

/* The asker has been told, of an answer or of a failure. */
static bool answered(const er_fetch *f)
{
	return er_fetch_self(f) == FETCH_ANSWERED;
}

/* Not whole, and nothing follows. */
static bool broken(const er_fetch *f)
{
	return er_fetch_hop(f) == HOP_CUT || er_fetch_hop(f) == HOP_FAILED;
}

/* ---- the end ---- */

static void drop_response(er_fetch *f)
{
	er_pieces_clear(&f->in);
	er_inflate_free(f->inflate);
	f->inflate = NULL;
	er_free(f->end_text);
	f->end_text = NULL;
}

static void drop_upload(er_fetch *f)
{
	er_body *up = f->upload;
	er_replay_fini(&f->replay);
	f->upload = NULL;
	if (up == NULL)
		return;
	er_fetch_enter(f, FETCH_UPLOAD, FETCH_UPLOAD_ON_DROP);
	er_body_sink(up, NULL, NULL);
	if (!er_body_finished(up) || er_body_buffered(up) > 0)
		er_body_cancel(up, ER_ERR_CANCELLED);
	if (f->switched)
		er_body_unref(up);
}

/* Lets go of everything but the exchange. */
static void finish(er_fetch *f, er_fetch_event event)
{
	er_fetch_enter(f, FETCH_SELF, event);
	ER_ASSERT(er_fetch_over(f));
	f->hop_kind->stop(f);
	er_reach_end(f);
	er_later_drop(f);
	drop_upload(f);
	if (f->out != NULL) {
		er_body_source(f->out, NULL, NULL);
		er_body_unref(f->out);
		f->out = NULL;
	}
	drop_response(f);
	er_pieces_fini(&f->in);
	er_chunk_unref(f->tail);
	f->tail = NULL;
	er_buf_fini(&f->urls);
	er_list_remove(&f->link);
	er_pool_leave(f);
}

static void let_go(er_fetch *f)
{
	ER_ASSERT(er_fetch_over(f));
	er_exchange *x = f->x;
	f->x = NULL;
	er_exchange_unref(x);
}

static void end_silently(er_fetch *f, er_fetch_event event)
{
	if (er_fetch_over(f))
		return;
	er_fetch_ref(f);
	if (f->x != NULL && !answered(f))
		f->x->on_cancel = NULL;
	finish(f, event);
	let_go(f);
	er_fetch_unref(f); /* the life's own reference */
	er_fetch_unref(f);
}

static int status_of(er_err_kind kind)
{
	switch (kind) {
	case ER_ERR_REFUSED_ADDRESS:
	case ER_ERR_REFUSED_PORT:
		return 403;
	case ER_ERR_TIMEOUT:
		return 504;
	default:
		return 502;
	}
}

/* Before the answer the asker gets one of the node's own; after it the body breaks off. Once;
 * nothing happens if the fetch is over. */
static void fail(er_fetch *f, er_err_kind kind, const char *text)
{
	if (er_fetch_over(f))
		return;
	ER_ASSERT(kind != ER_ERR_OK);
	if (f->server_n > 0)
		(void)er_complain(&f->o->complaints, er_slice_of(f->server, f->server_n), f->id, kind, er_slice_cstr(text),
		                  uv_now(f->o->loop));
	er_fetch_ref(f);
	if (answered(f)) {
		if (f->out != NULL)
			er_body_fail(f->out, kind);
		end_silently(f, FETCH_ON_FAIL);
	} else {
		er_exchange *x = f->x;
		ER_ASSERT(x != NULL);
		er_slice detail =
		    er_arena_printf(&x->arena, "host=%.*s%s%s", er_field_value_ok(f->authority) ? (int)f->authority.n : 0, f->authority.p,
		                    f->end_word != NULL ? "; reason=" : "", f->end_word != NULL ? f->end_word : "");
		er_exchange_fail(x, status_of(kind), kind, (const char *)detail.p, "%s", text);
		finish(f, FETCH_ON_FAIL);
		x->on_cancel = NULL;
		let_go(f);
		er_exchange_answer(x);
		er_fetch_unref(f);
	}
	er_fetch_unref(f);
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	er_fetch *f = ctx;
	ER_CHECK(f, ER_FETCH_MAGIC);
	ER_ASSERT(f->x == x || er_fetch_over(f));
	end_silently(f, FETCH_ON_CANCEL);
}

void er_fetch_abort(er_fetch *f, er_err_kind kind)
{
	fail(f, kind, "the node is closing");
}

/* ---- the response's body: we are its source ---- */

static void body_resume(void *ctx)
{
	er_fetch *f = ctx;
	ER_CHECK(f, ER_FETCH_MAGIC);
	er_fetch_enter(f, FETCH_FLOW, FLOW_ON_ROOM);
	er_fetch_alive(f);
	f->advance(f);
}

static void body_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	er_fetch *f = ctx;
	ER_CHECK(f, ER_FETCH_MAGIC);
	end_silently(f, FETCH_ON_CANCEL);
}

static const er_body_source_ops out_ops = {.resume = body_resume, .cancel = body_cancel};

/* ---- the request's body: we are its sink ---- */

static void upload_readable(void *ctx)
{
	er_fetch *f = ctx;
	ER_CHECK(f, ER_FETCH_MAGIC);
	if (!er_fetch_over(f) && f->hop != NULL)
		f->hop_kind->upload(f);
}

static const er_body_sink_ops upload_ops = {.readable = upload_readable};

/* ---- hops ---- */

/* Of the hop; false: a port that subrequests may not use, and the fetch has failed. */
static bool port_ok(er_fetch *f)
{
	uint16_t port;
	char text[TEXT_MAX];
	(void)er_server_host(f, &port);
	if (f->wishes.trusted || !er_guard_refuses_port(port))
		return true;
	snprintf(text, sizeof text, "%.*s: port %u belongs to another protocol than HTTP, and subrequests may not use it",
	         ER_FMT(f->authority), port);
	fail(f, ER_ERR_REFUSED_PORT, text);
	return false;
}

static void start_hop(er_fetch *f)
{
	if (!port_ok(f))
		return;
	ER_ASSERT(er_fetch_self(f) == FETCH_ASKING && er_fetch_hop(f) == HOP_UNSENT && f->hop == NULL);
	f->reach.again = false;
	er_fetch_alive(f);
	f->hop_kind = er_plain_takes(f) ? &er_hop_plain : &er_hop_curl;
	er_reach_begin(f);
}

/* The transport has let go of the hop before anything of an answer came, and libcurl can do it. */
static void begin_again(er_fetch *f)
{
	ER_ASSERT(er_fetch_self(f) == FETCH_ASKING && !er_fetch_ended_already(f) && !er_fetch_head_whole(f));
	f->begins_again = false;
	f->hop_kind = &er_hop_curl;
	er_reach_begin(f);
}

static void put_url(er_fetch *f, er_buf *to)
{
	er_buf_put(to, f->scheme);
	er_buf_puts(to, "://");
	er_buf_put(to, f->authority);
	if (!er_slice_eq(f->target, ER_LIT("*")))
		er_buf_put(to, f->target);
}

/* Sets the next hop's scheme, authority and target from Location. */
static bool resolve(er_fetch *f, er_slice location, const char **why)
{
	er_buf here = {0};
	er_redirect_target to;
	put_url(f, &here);
	bool ok = er_redirect_resolve(er_buf_slice(&here), location, &f->x->arena, &to, why);
	er_buf_fini(&here);
	if (!ok)
		return false;
	if (!er_slice_eq(to.scheme, f->scheme) || !er_slice_eq(to.authority, f->authority)) {
		*why = to.user ? "names a user or a password at another origin" : "is of another origin, and the mode is \"same-origin\"";
		if (to.user || f->wishes.same_origin)
			return false;
	}
	f->scheme = to.scheme;
	f->authority = to.authority;
	f->target = to.target;
	return true;
}

/* This hop is left for another one; `class`: of its status. */
static void leave(er_fetch *f, bool repeats, unsigned class)
{
	f->x->facts.subrequests++;
	f->x->facts.subrequests_by_class[class]++;
	if (repeats)
		er_fetch_enter(f, FETCH_UPLOAD, FETCH_UPLOAD_ON_REPEAT);
	er_fetch_enter(f, FETCH_SELF, FETCH_ON_REDIRECT);
}

/* A redirect to follow: changes the hop in f to the next one; what is left of this answer will be
 * thrown away. */
static void redirect(er_fetch *f, er_redirect_step step, er_slice location)
{
	const char *why;
	char text[TEXT_MAX];
	/* Whoever has settings for some servers follows by himself: others must not get them. */
	ER_ASSERT(f->wishes.tls == NULL);
	if (f->hops >= f->wishes.max_hops) {
		snprintf(text, sizeof text, "more than %u redirects", f->wishes.max_hops);
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	if (step == ER_REDIRECT_REFUSED) {
		snprintf(text, sizeof text, "%.*s redirects with %d, which cannot be followed with %.*s", ER_FMT(f->authority), f->status,
		         ER_FMT(f->method));
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	bool repeats = step == ER_REDIRECT_SAME && f->upload != NULL;
	if (repeats && f->replay.lost != NULL) {
		snprintf(text, sizeof text, "%.*s redirects with %d, and the body of the %.*s cannot be sent again: %s",
		         ER_FMT(f->authority), f->status, ER_FMT(f->method), f->replay.lost);
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	if (f->urls.end == 0)
		put_url(f, &f->urls);
	er_followed *followed = er_arena_alloc(&f->x->arena, sizeof *followed);
	*followed = (er_followed){.before = f->followed, .status = f->status, .fields = f->res};
	f->followed = followed;
	er_slice scheme = f->scheme, authority = f->authority;
	if (!resolve(f, location, &why)) {
		snprintf(text, sizeof text, "%.*s redirects to what %s", ER_FMT(f->authority), why);
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	er_buf_putc(&f->urls, '\n');
	put_url(f, &f->urls);
	bool to_get = step == ER_REDIRECT_GET;
	if (to_get)
		f->method = ER_LIT("GET");
	er_redirect_fields(&f->fields, to_get, !er_slice_eq(scheme, f->scheme) || !er_slice_eq(authority, f->authority));
	f->length_zero = f->length_zero && !to_get;
	f->host = (er_slice){0};
	f->hops++;
	f->fresh = false;
	leave(f, repeats, 3);
}

/* A server that the question on this connection is not for (RFC 9110 15.5.20; Fetch,
 * "HTTP-network-or-cache fetch"): the same is asked once more, on a new connection. False: the
 * answer is handed on. */
static bool misdirected(er_fetch *f)
{
	if (f->status != 421 || f->fresh || (f->upload != NULL && f->replay.lost != NULL))
		return false;
	f->fresh = true;
	leave(f, f->upload != NULL, 4);
	return true;
}

/* The answer to the hop before is done with: lets go of its connection and begins the next one. An
 * upload goes again if the method is kept, else it is dropped. */
static void next_hop(er_fetch *f)
{
	er_fetch_ref(f);
	f->hop_kind->stop(f);
	er_reach_end(f);
	if (er_fetch_upload_now(f) == FETCH_UPLOAD_REPEATS) {
		er_fetch_enter(f, FETCH_UPLOAD, FETCH_UPLOAD_ON_REWIND);
		er_replay_rewind(&f->replay);
		f->uploaded = 0;
	} else {
		drop_upload(f);
	}
	if (!er_fetch_over(f)) {
		drop_response(f);
		f->discarded = 0;
		er_fetch_enter(f, FETCH_SELF, FETCH_ON_NEXT);
		er_fetch_forget(f);
		start_hop(f);
	}
	er_fetch_unref(f);
}

static void discard(er_fetch *f)
{
	f->discarded += f->in.bytes;
	er_pieces_clear(&f->in);
	if (er_fetch_ended_already(f) || f->discarded > ER_ORIGIN_DISCARD_MAX)
		next_hop(f);
}

/* ---- the head ---- */

/* From now on the asker's bytes go to the server, as an upload does, and the server's are the
 * answer's body. */
static void switch_over(er_fetch *f)
{
	ER_ASSERT(f->upgrade && f->upload == NULL && !f->switched);
	f->switched = true;
	f->upload = er_body_new(ER_BODY_UNKNOWN);
	f->upload_length = -1;
	er_fetch_enter(f, FETCH_UPLOAD, FETCH_UPLOAD_ON_BODY);
	er_body_sink(f->upload, &upload_ops, f);
}

/* The head has come whole: a redirect is followed or refused, and any other answer is decided, with
 * a body if it may have one. */
static void on_head(er_fetch *f)
{
	ER_ASSERT(er_fetch_self(f) == FETCH_ASKING && f->out == NULL && f->inflate == NULL);
	bool redirects = er_redirect_is(f->status);
	const er_slice *location = redirects ? er_fields_get(&f->res, ER_LIT("location")) : NULL;
	if (location != NULL && f->wishes.redirect == ER_REDIRECT_FOLLOW) {
		redirect(f, er_redirect_step_of(f->status, f->method, f->wishes.classic), *location);
		return;
	}
	if (misdirected(f))
		return;
	if (redirects && f->wishes.redirect == ER_REDIRECT_ERROR) {
		fail(f, ER_ERR_RESPONSE, "the server redirects, and redirect is \"error\"");
		return;
	}
	int64_t length;
	bool gzip;
	const char *why;
	if (!er_message_response(f, &length, &gzip, &why)) {
		fail(f, ER_ERR_RESPONSE, why);
		return;
	}
	er_fetch_enter(f, FETCH_SELF, FETCH_ON_DECIDE);
	if (er_status_switches(f->status))
		switch_over(f);
	if (er_status_bodyless(f->status))
		return;
	f->out = er_body_new(length);
	er_body_add_trailers(f->out, &f->trailers);
	if (f->is_head) {
		er_body_finish(f->out);
		return;
	}
	er_body_source(f->out, &out_ops, f);
	if (gzip)
		f->inflate = er_inflate_new();
}

/* The asker gets the decided answer. What belongs to the exchange's arena is let go of first, as
 * far as it is no longer needed. */
static void answer(er_fetch *f)
{
	er_exchange *x = f->x;
	ER_ASSERT(x != NULL);
	er_fetch_enter(f, FETCH_SELF, FETCH_ON_ANSWER);
	x->res.status = f->status;
	x->res.reason = f->reason;
	x->res.fields = f->res;
	x->res.body = er_body_ref(f->out);
	if (f->switched)
		x->res.up = er_body_ref(f->upload);
	if (f->urls.end == 0)
		put_url(f, &f->urls);
	x->res.url_list = er_arena_copy(&x->arena, er_buf_slice(&f->urls));
	er_buf_fini(&f->urls);
	x->res.followed = f->followed;
	/* All has come: let go first, so that the asker has the last reference and may use the
	 * exchange again. */
	bool complete = er_fetch_ended_already(f) && f->in.n == 0 && !f->switched;
	if (complete)
		finish(f, FETCH_ON_COMPLETE);
	if (complete || f->upload == NULL || f->switched)
		f->x = NULL;
	x->on_cancel = NULL;
	if (f->x == NULL) {
		/* What points into its arena goes with it. */
		f->method = f->scheme = f->authority = f->target = f->reason = ER_LIT("");
		f->fields = f->res = (er_fields){0};
		f->wishes.connect_to = NULL;
		f->host = (er_slice){0};
		er_exchange_unref(x);
	}
	er_exchange_answer(x);
	if (complete)
		er_fetch_unref(f);
}

/* ---- the body ---- */

/* Undoes gzip of the front piece, a bounded piece at a time. */
static void pump_gzip(er_fetch *f)
{
	er_piece *front = er_pieces_first(&f->in);
	er_slice in = er_piece_slice(*front);
	er_piece out;
	bool ok = er_inflate_step(f->inflate, &in, &out);
	f->in.bytes -= front->n - in.n;
	front->p = in.p;
	front->n = in.n;
	f->spent += out.n;
	if (out.n > 0) {
		if (!er_body_write(f->out, out))
			er_fetch_enter(f, FETCH_FLOW, FLOW_ON_FULL);
	} else if (ok) {
		er_piece used = er_pieces_pop(&f->in);
		er_piece_drop(&used);
	}
	if (!ok)
		fail(f, ER_ERR_RESPONSE, "the response says it is gzip but is not");
}

/* Pieces that have come go into the body, as far as its window takes them. */
static void pump(er_fetch *f)
{
	while (f->in.n > 0 && !er_fetch_over(f) && !er_fetch_reader_full(f)) {
		if (f->inflate != NULL && f->spent >= ER_ORIGIN_TURN_INFLATE) {
			er_later_go_on(f); /* a few bytes of gzip can be very many: the loop has others */
			return;
		}
		if (f->out == NULL || f->is_head) {
			er_pieces_clear(&f->in);
		} else if (f->inflate != NULL) {
			pump_gzip(f);
		} else if (!er_body_write(f->out, er_pieces_pop(&f->in))) {
			er_fetch_enter(f, FETCH_FLOW, FLOW_ON_FULL);
		}
	}
	/* Only a whole message makes a whole body: what broke off is failed by `step`, behind its
	 * last piece. */
	if (er_fetch_over(f) || f->in.n > 0 || er_fetch_hop(f) != HOP_WHOLE)
		return;
	if (f->inflate != NULL && !er_inflate_whole(f->inflate))
		fail(f, ER_ERR_RESPONSE, "the response's gzip breaks off");
	else if (f->out != NULL)
		er_body_finish(f->out);
}

static const char *end_text(const er_fetch *f)
{
	return f->end_text != NULL ? f->end_text : "the fetch failed";
}

/* One round of `advance`: acts on what the notes say now. Everything that it calls may note
 * more, or end the fetch. */
static void step(er_fetch *f)
{
	if (er_fetch_self(f) == FETCH_LEAVING) {
		discard(f);
		return;
	}
	/* What has come of a body is handed on before the reader hears that it broke off. */
	if (broken(f) && (!answered(f) || f->in.n == 0)) {
		fail(f, f->end_kind, end_text(f));
		return;
	}
	if (f->begins_again) {
		begin_again(f);
		return;
	}
	if (!er_fetch_head_whole(f))
		return;
	if (er_fetch_self(f) == FETCH_ASKING) {
		on_head(f);
		if (er_fetch_self(f) == FETCH_LEAVING)
			er_act_note(&f->act);
	}
	if (er_fetch_over(f) || er_fetch_self(f) == FETCH_LEAVING)
		return;
	pump(f);
	if (er_fetch_over(f))
		return;
	if (er_fetch_self(f) == FETCH_DECIDED)
		answer(f);
	else if (f->in.n == 0 && er_fetch_hop(f) == HOP_WHOLE)
		end_silently(f, FETCH_ON_COMPLETE);
	else if (f->in.n == 0 && broken(f))
		fail(f, f->end_kind, end_text(f));
}

/* er_fetch.advance */
static void advance(er_fetch *f)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	if (er_fetch_over(f) || !er_act_begin(&f->act))
		return;
	er_fetch_ref(f);
	do
		step(f);
	while (er_act_again(&f->act) && !er_fetch_over(f));
	er_act_end(&f->act);
	if (!er_fetch_over(f) && er_fetch_held(f) && !er_fetch_full(f)) {
		er_fetch_enter(f, FETCH_FLOW, FLOW_ON_RESUME);
		if (f->hop != NULL)
			f->hop_kind->resume(f);
	}
	er_fetch_unref(f);
}

bool er_fetch_tick(er_fetch *f, uint64_t now_ms)
{
	/* What waits for its own reader is not the server's fault. */
	if (er_fetch_full(f) || er_fetch_held(f)) {
		f->alive_ms = now_ms;
		return false;
	}
	bool connected = er_fetch_hop(f) != HOP_UNSENT;
	unsigned limit = !connected                                         ? f->wishes.connect_ms
	                 : f->switched                                      ? ER_ORIGIN_SWITCHED_IDLE_MS
	                 : f->wishes.head_ms > 0 && !er_fetch_head_whole(f) ? f->wishes.head_ms
	                                                                    : f->wishes.idle_ms;
	if (now_ms - f->alive_ms < limit)
		return false;
	char text[TEXT_MAX];
	const char *waits = er_reach_waits_for(f), *what = connected       ? "did not go on"
	                                                   : f->handshakes ? "did not end the TLS handshake"
	                                                                   : "could not be connected to";
	if (!connected && f->handshakes)
		f->end_word = "handshake";
	snprintf(text, sizeof text, "%.*s %s within %u ms", er_field_value_ok(f->authority) ? (int)f->authority.n : 0, f->authority.p,
	         waits != NULL ? waits : what, limit);
	fail(f, ER_ERR_TIMEOUT, text);
	return true;
}

static void note_server(er_fetch *f)
{
	er_slice name = f->wishes.connect_to != NULL ? er_slice_cstr(f->wishes.connect_to) : f->x->req.authority;
	if (!er_count_own(f->pool) || !er_field_value_ok(name))
		return;
	f->server_n = name.n < sizeof f->server ? name.n : sizeof f->server;
	er_copy(f->server, name.p, f->server_n);
	f->id = f->x->id;
}

void er_fetch_start(er_origin *o, er_exchange *x)
{
	er_fetch *f = ER_NEW(er_fetch);
	f->magic = ER_FETCH_MAGIC;
	f->refs = 1;
	f->advance = advance;
	f->o = o;
	f->number = ++o->last_fetch;
	f->x = er_exchange_ref(x);
	f->wishes = x->wishes;
	f->host = x->req.host;
	f->wishes.connect_ms = x->wishes.connect_ms ? x->wishes.connect_ms : ER_ORIGIN_CONNECT_MS;
	f->wishes.idle_ms = x->wishes.idle_ms ? x->wishes.idle_ms : ER_ORIGIN_IDLE_MS;
	f->hop_kind = &er_hop_curl;
	x->on_cancel = on_cancel;
	x->handler_ctx = f;
	er_list_init(&f->later);
	er_list_push(&o->fetches, &f->link);
	er_pool_enter(f);
	note_server(f);
	er_replay_init(&f->replay, f->wishes.replay, &f->pool->replayed);
	const char *why = "";
	bool ok = er_message_request(f, &why);
	if (f->upload != NULL)
		er_fetch_enter(f, FETCH_UPLOAD, FETCH_UPLOAD_ON_BODY);
	if (!ok) {
		fail(f, ER_ERR_INVALID, why);
		return;
	}
	if (f->upload != NULL)
		er_body_sink(f->upload, &upload_ops, f);
	else if (x->req.body != NULL)
		er_body_cancel(x->req.body, ER_ERR_CANCELLED);
	if (!er_fetch_over(f))
		start_hop(f);
}
