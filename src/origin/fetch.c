#include "origin/fetch.h"

#include "base/mem.h"
#include "http/url.h"
#include "origin/redirect.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAGIC = 0x46455443, IN_MAX = 64 * 1024 };

er_fetch *er_fetch_ref(er_fetch *f)
{
	ER_CHECK(f, MAGIC);
	f->refs++;
	return f;
}

void er_fetch_unref(er_fetch *f)
{
	ER_CHECK(f, MAGIC);
	if (--f->refs > 0)
		return;
	ER_ASSERT(f->over && f->hop == NULL);
	f->magic = 0;
	er_free(f);
}

/* ---- pieces that wait ---- */

static void pieces_push(er_pieces *q, er_piece piece)
{
	if (q->n == q->cap) {
		uint32_t cap = q->cap ? q->cap * 2 : 4;
		er_piece *v = er_alloc(cap * sizeof *v);
		for (uint32_t i = 0; i < q->n; i++)
			v[i] = q->v[(q->first + i) % q->cap];
		er_free(q->v);
		q->v = v;
		q->cap = cap;
		q->first = 0;
	}
	q->v[(q->first + q->n++) % q->cap] = piece;
	q->bytes += piece.n;
}

static er_piece pieces_pop(er_pieces *q)
{
	er_piece piece = q->v[q->first];
	q->first = (q->first + 1) % q->cap;
	q->n--;
	q->bytes -= piece.n;
	return piece;
}

static void pieces_clear(er_pieces *q)
{
	while (q->n > 0) {
		er_piece piece = pieces_pop(q);
		er_piece_drop(&piece);
	}
}

/* ---- a transport's notes ---- */

bool er_fetch_status(er_fetch *f, unsigned status, er_slice reason)
{
	f->status = (int)status;
	f->res = (er_fields){0};
	f->reason = er_field_value_ok(reason) && reason.n <= 256 ? er_arena_copy(&f->x->arena, reason) : (er_slice){0};
	if (status < 100 || status > 599 || status == 101) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with status %u, which cannot be handed on", ER_FMT(f->authority),
		               status);
		return false;
	}
	return true;
}

bool er_fetch_field(er_fetch *f, er_slice name, er_slice value)
{
	f->head_bytes += name.n + value.n + 4;
	if (!er_field_name_ok(name) || !er_field_value_ok(value))
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a malformed header field", ER_FMT(f->authority));
	else if (f->head_bytes > ER_ORIGIN_HEAD_MAX || f->res.n >= ER_ORIGIN_FIELDS_MAX)
		er_fetch_ended(f, ER_ERR_RESPONSE, "the header of %.*s's answer is larger than %d bytes or has more than %d fields",
		               ER_FMT(f->authority), ER_ORIGIN_HEAD_MAX, ER_ORIGIN_FIELDS_MAX);
	else {
		uint8_t *copy = er_arena_alloc(&f->x->arena, name.n + value.n);
		er_copy(copy, name.p, name.n);
		er_copy(copy + name.n, value.p, value.n);
		er_fields_add(&f->res, &f->x->arena, er_slice_of(copy, name.n), er_slice_of(copy + name.n, value.n));
		return true;
	}
	return false;
}

void er_fetch_push(er_fetch *f, er_piece piece)
{
	f->moved_ms = uv_now(f->o->loop);
	pieces_push(&f->in, piece);
}

bool er_fetch_full(const er_fetch *f)
{
	return f->body_full || f->in.bytes >= IN_MAX;
}

void er_fetch_ended(er_fetch *f, er_err_kind kind, const char *fmt, ...)
{
	if (f->ended)
		return;
	f->ended = true;
	f->end_kind = kind;
	if (kind == ER_ERR_OK)
		return;
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	f->end_text = er_strdup_cstr(n < 0 ? "" : text);
}

bool er_fetch_refuses(er_fetch *f, const struct sockaddr *sa)
{
	bool no = !f->opt.trusted && er_guard_refuses(sa, f->opt.allow, f->opt.n_allow, f->o->own, f->o->n_own);
	f->refused = f->refused || no;
	f->tried = f->tried || !no;
	return no;
}

/* ---- the end ---- */

static void drop_response(er_fetch *f)
{
	pieces_clear(&f->in);
	er_inflate_free(f->inflate);
	f->inflate = NULL;
	er_free(f->end_text);
	f->end_text = NULL;
}

static void drop_upload(er_fetch *f)
{
	er_body *up = f->upload;
	f->upload = NULL;
	if (up == NULL)
		return;
	er_body_sink(up, NULL, NULL);
	if (!er_body_finished(up) || er_body_buffered(up) > 0)
		er_body_cancel(up, ER_ERR_CANCELLED);
}

/* Lets go of everything but the exchange. Idempotent. */
static void finish(er_fetch *f)
{
	if (f->over)
		return;
	f->over = true;
	f->transport->stop(f);
	drop_upload(f);
	if (f->out != NULL) {
		er_body_source(f->out, NULL, NULL);
		er_body_unref(f->out);
		f->out = NULL;
	}
	drop_response(f);
	er_free(f->in.v);
	f->in = (er_pieces){0};
	er_buf_fini(&f->urls);
	er_origin_fetch_over(f);
}

static void let_go(er_fetch *f)
{
	er_exchange *x = f->x;
	f->x = NULL;
	er_exchange_unref(x);
}

static void end_silently(er_fetch *f)
{
	if (f->over)
		return;
	er_fetch_ref(f);
	if (f->x != NULL && !f->answered)
		f->x->on_cancel = NULL;
	finish(f);
	let_go(f);
	er_fetch_unref(f); /* the life's own reference */
	er_fetch_unref(f);
}

static int status_of(er_err_kind kind)
{
	switch (kind) {
	case ER_ERR_REFUSED_ADDRESS:
		return 403;
	case ER_ERR_TIMEOUT:
		return 504;
	default:
		return 502;
	}
}

static void fail(er_fetch *f, er_err_kind kind, const char *text)
{
	if (f->over)
		return;
	er_fetch_ref(f);
	if (f->answered) {
		if (f->out != NULL)
			er_body_fail(f->out, kind);
		end_silently(f);
	} else {
		er_exchange *x = f->x;
		er_slice detail =
		    er_arena_printf(&x->arena, "host=%.*s", er_field_value_ok(f->authority) ? (int)f->authority.n : 0, f->authority.p);
		er_exchange_fail(x, status_of(kind), kind, (const char *)detail.p, "%s", text);
		f->answered = true;
		finish(f);
		x->on_cancel = NULL;
		let_go(f);
		er_exchange_answer(x);
		er_fetch_unref(f);
	}
	er_fetch_unref(f);
}

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)x;
	(void)reason;
	end_silently(ctx);
}

void er_fetch_abort(er_fetch *f, er_err_kind kind)
{
	fail(f, kind, "the node is closing");
}

/* ---- the response's body: we are its source ---- */

static void body_resume(void *ctx)
{
	er_fetch *f = ctx;
	f->body_full = false;
	f->moved_ms = uv_now(f->o->loop);
	er_fetch_advance(f);
}

static void body_cancel(void *ctx, er_err_kind reason)
{
	(void)reason;
	end_silently(ctx);
}

static const er_body_source_ops out_ops = {.resume = body_resume, .cancel = body_cancel};

/* ---- the request's body: we are its sink ---- */

static void upload_readable(void *ctx)
{
	er_fetch *f = ctx;
	if (!f->over && f->hop != NULL)
		f->transport->upload(f);
}

static const er_body_sink_ops upload_ops = {.readable = upload_readable};

er_body_status er_fetch_upload(er_fetch *f, size_t max, er_piece *out)
{
	er_body_status s = er_body_read(f->upload, max, out);
	if (f->over || f->upload == NULL) {
		if (s == ER_BODY_PIECE)
			er_piece_drop(out);
		return ER_BODY_ERROR;
	}
	switch (s) {
	case ER_BODY_PIECE:
		f->uploaded += out->n;
		f->moved_ms = uv_now(f->o->loop);
		if (f->upload_length >= 0 && f->uploaded > (uint64_t)f->upload_length) {
			er_piece_drop(out);
			er_fetch_ended(f, ER_ERR_INVALID, "the request's body is longer than its Content-Length says");
			return ER_BODY_ERROR;
		}
		return s;
	case ER_BODY_WAIT:
		return s;
	case ER_BODY_END:
		if (f->upload_length < 0 || f->uploaded == (uint64_t)f->upload_length)
			return s;
		er_fetch_ended(f, ER_ERR_INVALID, "the request's body is shorter than its Content-Length says");
		return ER_BODY_ERROR;
	default:
		er_fetch_ended(f, er_body_error(f->upload), "the request's body broke off (%s)", er_err_name(er_body_error(f->upload)));
		return ER_BODY_ERROR;
	}
}

/* ---- hops ---- */

static void start_hop(er_fetch *f)
{
	f->connected = false;
	f->moved_ms = uv_now(f->o->loop);
	f->transport = er_transport_of(f);
	f->transport->start(f);
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
	er_url base, u;
	er_buf text = {0};
	put_url(f, &text);
	bool based = er_url_parse(&base, er_buf_slice(&text), NULL);
	er_buf_fini(&text);
	bool ok = based && er_url_parse(&u, location, &base);
	if (based)
		er_url_fini(&base);
	*why = "is not a URL";
	if (!ok)
		return false;
	er_arena *a = &f->x->arena;
	er_slice scheme = er_url_get(&u, ER_URL_PROTOCOL);
	scheme.n -= scheme.n > 0;
	ok = er_slice_eq(scheme, ER_LIT("http")) || er_slice_eq(scheme, ER_LIT("https"));
	*why = "is neither http nor https";
	if (ok) {
		er_slice path = er_url_get(&u, ER_URL_PATHNAME), query = er_url_get(&u, ER_URL_SEARCH);
		f->scheme = er_arena_copy(a, scheme);
		f->authority = er_arena_copy(a, er_url_get(&u, ER_URL_HOST));
		f->target = er_arena_printf(a, "%.*s%.*s", ER_FMT(path), ER_FMT(query));
	}
	er_url_fini(&u);
	return ok;
}

/* A redirect to follow: changes the hop in f to the next one; what is left of this answer will be thrown away. */
static void redirect(er_fetch *f, er_redirect_step step, er_slice location)
{
	const char *why;
	char text[400];
	if (f->hops >= f->opt.max_hops) {
		snprintf(text, sizeof text, "more than %u redirects", f->opt.max_hops);
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	if (step == ER_REDIRECT_REFUSED) {
		snprintf(text, sizeof text, "%.*s redirects with %d, which cannot be followed with %.*s", ER_FMT(f->authority), f->status,
		         ER_FMT(f->method));
		fail(f, ER_ERR_RESPONSE, text);
		return;
	}
	if (f->urls.end == 0)
		put_url(f, &f->urls);
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
	er_redirect_fields(&f->fields, to_get || f->upload != NULL,
	                   !er_slice_eq(scheme, f->scheme) || !er_slice_eq(authority, f->authority));
	f->length_zero = false;
	f->hops++;
	f->x->facts.subrequests++;
	f->x->facts.subrequests_by_class[3]++;
	f->discarding = true;
}

static void next_hop(er_fetch *f)
{
	er_fetch_ref(f);
	f->transport->stop(f);
	drop_upload(f);
	if (!f->over) {
		drop_response(f);
		f->status = 0;
		f->head_bytes = 0;
		f->discarded = 0;
		f->head_ready = f->head_seen = f->ended = f->discarding = f->refused = f->tried = f->stalled = false;
		start_hop(f);
	}
	er_fetch_unref(f);
}

static void discard(er_fetch *f)
{
	f->discarded += f->in.bytes;
	pieces_clear(&f->in);
	if (f->ended || f->discarded > ER_ORIGIN_DISCARD_MAX)
		next_hop(f);
}

/* ---- the head ---- */

static void on_head(er_fetch *f)
{
	f->head_seen = true;
	const er_slice *location = er_fields_get(&f->res, ER_LIT("location"));
	er_redirect_step step = location == NULL ? ER_REDIRECT_NOT : er_redirect_step_of(f->status, f->method);
	if (step != ER_REDIRECT_NOT && f->opt.redirect == ER_REDIRECT_FOLLOW) {
		redirect(f, step, *location);
		return;
	}
	if (step != ER_REDIRECT_NOT && f->opt.redirect == ER_REDIRECT_ERROR) {
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
	if (f->status == 204 || f->status == 205 || f->status == 304)
		return;
	f->out = er_body_new(length);
	if (f->is_head) {
		er_body_finish(f->out);
		return;
	}
	er_body_source(f->out, &out_ops, f);
	if (gzip)
		f->inflate = er_inflate_new();
}

static void answer(er_fetch *f)
{
	er_exchange *x = f->x;
	f->answered = true;
	x->res.status = f->status;
	x->res.reason = f->reason;
	x->res.fields = f->res;
	x->res.body = er_body_ref(f->out);
	if (f->urls.end == 0)
		put_url(f, &f->urls);
	x->res.url_list = er_arena_copy(&x->arena, er_buf_slice(&f->urls));
	er_buf_fini(&f->urls);
	/* All has come: let go first, so that the asker has the last reference and may use the exchange again. */
	bool complete = f->ended && f->in.n == 0;
	if (complete)
		finish(f);
	if (complete || f->upload == NULL)
		f->x = NULL;
	x->on_cancel = NULL;
	if (f->x == NULL) {
		/* What points into its arena goes with it. */
		f->method = f->scheme = f->authority = f->target = f->reason = ER_LIT("");
		f->fields = f->res = (er_fields){0};
		f->opt.connect_to = NULL;
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
	er_piece *front = &f->in.v[f->in.first];
	er_slice in = er_piece_slice(*front);
	er_piece out;
	bool ok = er_inflate_step(f->inflate, &in, &out);
	f->in.bytes -= front->n - in.n;
	front->p = in.p;
	front->n = in.n;
	if (out.n > 0) {
		if (!er_body_write(f->out, out))
			f->body_full = true;
	} else if (ok) {
		er_piece used = pieces_pop(&f->in);
		er_piece_drop(&used);
	}
	if (!ok)
		fail(f, ER_ERR_RESPONSE, "the response says it is gzip but is not");
}

static void pump(er_fetch *f)
{
	while (f->in.n > 0 && !f->over && !f->body_full) {
		if (f->out == NULL || f->is_head) {
			pieces_clear(&f->in);
		} else if (f->inflate != NULL) {
			pump_gzip(f);
		} else if (!er_body_write(f->out, pieces_pop(&f->in))) {
			f->body_full = true;
		}
	}
	if (f->over || f->in.n > 0 || !f->ended)
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

static void step(er_fetch *f)
{
	if (f->discarding) {
		discard(f);
		return;
	}
	if (f->ended && f->end_kind != ER_ERR_OK && (!f->answered || f->in.n == 0)) {
		fail(f, f->end_kind, end_text(f));
		return;
	}
	if (!f->head_ready)
		return;
	if (!f->head_seen) {
		on_head(f);
		f->again = f->discarding;
	}
	if (f->over || f->discarding)
		return;
	pump(f);
	if (f->over)
		return;
	if (!f->answered)
		answer(f);
	else if (f->ended && f->end_kind == ER_ERR_OK && f->in.n == 0)
		end_silently(f);
	else if (f->ended && f->in.n == 0)
		fail(f, f->end_kind, end_text(f));
}

void er_fetch_advance(er_fetch *f)
{
	ER_CHECK(f, MAGIC);
	if (f->over)
		return;
	if (f->advancing) {
		f->again = true;
		return;
	}
	er_fetch_ref(f);
	f->advancing = true;
	do {
		f->again = false;
		step(f);
	} while (f->again && !f->over);
	f->advancing = false;
	if (!f->over && f->stalled && !er_fetch_full(f)) {
		f->stalled = false;
		if (f->hop != NULL)
			f->transport->resume(f);
	}
	er_fetch_unref(f);
}

bool er_fetch_tick(er_fetch *f, uint64_t now_ms)
{
	/* What waits for its own reader is not the server's fault. */
	if (er_fetch_full(f) || f->stalled) {
		f->moved_ms = now_ms;
		return false;
	}
	unsigned limit = f->connected ? f->opt.idle_ms : f->opt.connect_ms;
	if (now_ms - f->moved_ms < limit)
		return false;
	char text[400];
	if (f->answered)
		text[0] = '\0';
	else
		snprintf(text, sizeof text, "%.*s %s within %u ms", er_field_value_ok(f->authority) ? (int)f->authority.n : 0,
		         f->authority.p, f->connected ? "did not go on" : "could not be connected to", limit);
	fail(f, ER_ERR_TIMEOUT, text);
	return true;
}

void er_fetch_start(er_origin *o, er_exchange *x, const er_fetch_options *opt)
{
	er_fetch *f = ER_NEW(er_fetch);
	f->magic = MAGIC;
	f->refs = 1;
	f->o = o;
	f->x = er_exchange_ref(x);
	f->opt = *opt;
	f->opt.connect_ms = opt->connect_ms ? opt->connect_ms : ER_ORIGIN_CONNECT_MS;
	f->opt.idle_ms = opt->idle_ms ? opt->idle_ms : ER_ORIGIN_IDLE_MS;
	f->transport = &er_transport_curl;
	x->on_cancel = on_cancel;
	x->handler_ctx = f;
	er_origin_fetch_began(f);
	const char *why = "";
	if (!er_message_request(f, &why)) {
		fail(f, ER_ERR_INVALID, why);
		return;
	}
	if (f->upload != NULL)
		er_body_sink(f->upload, &upload_ops, f);
	else if (x->req.body != NULL)
		er_body_cancel(x->req.body, ER_ERR_CANCELLED);
	if (!f->over)
		start_hop(f);
}
