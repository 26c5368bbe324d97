/* What a transport tells of a hop, and the one function that moves a fetch's states.
 *
 * All of these may be called inside of a library's callbacks: they write into the fetch and call
 * nobody. Whoever called the library calls the fetch's `advance` afterwards, which acts on what was
 * noted. Notes may come when the fetch is over already, in the moment until its transport has
 * stopped; they change nothing then that anybody looks at.
 *
 * What is copied of a head lies in the exchange's arena, which the fetch has until it has
 * answered. A head that has come whole is never followed by another one, so nothing is copied
 * after that. Body pieces wait in `in`; small parts of the body are gathered in `tail`, a chunk
 * that the fetch keeps a reference to and lends out in pieces. */
#include "base/mem.h"
#include "http/identity.h"
#include "http/status.h"
#include "origin/fetch.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	IN_MAX = 64 * 1024,
	GATHER_BYTES = 16 * 1024,
	REASON_MAX = 256,
	STATUS_LINE_COST = 16,
	FIELD_COST = 4,
	FEW_COPIES = 2,
	TRAILERS = 64
};

/* ---- the memory ---- */

er_fetch *er_fetch_ref(er_fetch *f)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	f->refs++;
	return f;
}

void er_fetch_unref(er_fetch *f)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	if (--f->refs > 0)
		return;
	ER_ASSERT(er_fetch_over(f) && f->hop == NULL && f->x == NULL && f->upload == NULL && f->out == NULL);
	f->magic = 0;
	er_free(f);
}

/* ---- states ---- */

void er_fetch_enter(er_fetch *f, er_fetch_part part, unsigned event)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	ER_ASSERT(part < FETCH_PARTS_N && event < er_fetch_parts[part]->n_events);
	er_states_move(er_fetch_parts[part], &f->is[part], (uint8_t)event, f->number);
	ER_ASSERT(er_fetch_states_fit(er_fetch_self(f), er_fetch_hop(f)));
	ER_ASSERT(part != FETCH_UPLOAD || (f->upload == NULL) == (er_fetch_upload_now(f) == FETCH_UPLOAD_NONE));
}

void er_fetch_connected(er_fetch *f)
{
	if (er_fetch_hop(f) == HOP_UNSENT)
		er_fetch_enter(f, FETCH_HOP, HOP_ON_CONNECTED);
	er_fetch_alive(f);
}

void er_fetch_head(er_fetch *f)
{
	if (er_fetch_hop(f) != HOP_FAILED)
		er_fetch_enter(f, FETCH_HOP, HOP_ON_HEAD);
	er_fetch_alive(f);
}

void er_fetch_hold(er_fetch *f)
{
	ER_ASSERT(er_fetch_full(f));
	if (!er_fetch_held(f))
		er_fetch_enter(f, FETCH_FLOW, FLOW_ON_HOLD);
}

/* What was noted of an answer's head and end. */
static void forget_answer(er_fetch *f)
{
	f->status = 0;
	f->res = (er_fields){0};
	f->head_bytes = 0;
	f->trailers = (er_fields){0};
	f->end_kind = ER_ERR_OK;
	er_free(f->end_text);
	f->end_text = NULL;
	f->end_word = NULL;
	f->refused = f->tried = f->handshakes = false;
}

void er_fetch_again(er_fetch *f)
{
	ER_ASSERT(f->in.n == 0 && f->hop == NULL);
	forget_answer(f);
	er_fetch_alive(f); /* the time to connect begins anew */
	er_fetch_enter(f, FETCH_HOP, HOP_ON_AGAIN);
	f->begins_again = true;
}

void er_fetch_readdress(er_fetch *f)
{
	ER_ASSERT(f->in.n == 0 && f->hop == NULL && f->status == 0 && !f->reach.again);
	f->reach.again = f->begins_again = true;
}

void er_fetch_forget(er_fetch *f)
{
	ER_ASSERT(f->in.n == 0 && f->hop == NULL);
	forget_answer(f);
	er_fetch_enter(f, FETCH_HOP, HOP_ON_NEXT);
	er_fetch_enter(f, FETCH_FLOW, FLOW_ON_NEXT);
}

/* ---- the head ---- */

bool er_fetch_status(er_fetch *f, unsigned status, er_slice reason)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	ER_ASSERT(f->x != NULL && !er_fetch_head_whole(f));
	f->status = (int)status;
	f->res = (er_fields){0};
	f->reason = er_field_value_ok(reason) && reason.n <= REASON_MAX ? er_arena_copy(&f->x->arena, reason) : (er_slice){0};
	f->head_bytes += reason.n + STATUS_LINE_COST;
	if (f->head_bytes > ER_ORIGIN_HEAD_MAX) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s sends informational answers without end", ER_FMT(f->authority));
		return false;
	}
	if (!er_status_final((int)status) && !er_status_informational((int)status) &&
	    !(f->upgrade && er_status_switches((int)status))) {
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with status %u, which cannot be handed on", ER_FMT(f->authority),
		               status);
		return false;
	}
	return true;
}

bool er_fetch_field(er_fetch *f, er_slice name, er_slice value)
{
	ER_ASSERT(f->x != NULL && !er_fetch_head_whole(f));
	f->head_bytes += name.n + value.n + FIELD_COST;
	if (!er_field_name_ok(name) || !er_field_value_ok(value))
		er_fetch_ended(f, ER_ERR_RESPONSE, "%.*s answered with a header field that has %s", ER_FMT(f->authority),
		               er_field_name_ok(name) ? "a control character in its value" : "no token as its name");
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

void er_fetch_informed(er_fetch *f)
{
	ER_CHECK(f, ER_FETCH_MAGIC);
	if (f->x == NULL || !er_status_handed_on(f->status))
		return;
	er_fields_strip_hop_by_hop(&f->res);
	er_identity_strip(&f->res);
	er_exchange_inform(f->x, f->status, &f->res);
}

/* ---- the body ---- */

void er_fetch_push(er_fetch *f, er_piece piece)
{
	er_fetch_alive(f);
	er_pieces_push(&f->in, piece);
}

/* Room in the tail for n more bytes; what is lent out of it already stays as it is. */
static uint8_t *tail_room(er_fetch *f, size_t n)
{
	if (f->tail == NULL || f->tail->cap - f->tail_n < n) {
		er_chunk_unref(f->tail);
		f->tail = er_chunk_new(GATHER_BYTES);
		f->tail_n = 0;
	}
	return f->tail->bytes + f->tail_n;
}

void er_fetch_push_copy(er_fetch *f, er_slice bytes)
{
	/* Most bodies have few parts, or large ones. */
	if (bytes.n > GATHER_BYTES / 4 || f->copies++ < FEW_COPIES) {
		er_fetch_push(f, er_piece_copy(bytes));
		return;
	}
	uint8_t *to = tail_room(f, bytes.n);
	er_copy(to, bytes.p, bytes.n);
	f->tail_n += bytes.n;
	ER_ASSERT(f->tail_n <= f->tail->cap);
	er_piece *last = er_pieces_last(&f->in);
	if (last == NULL || last->p + last->n != to || last->chunk != f->tail) {
		er_fetch_push(f, (er_piece){er_chunk_ref(f->tail), to, bytes.n});
		return;
	}
	last->n += bytes.n;
	f->in.bytes += bytes.n;
	er_fetch_alive(f);
}

bool er_fetch_full(const er_fetch *f)
{
	return er_fetch_reader_full(f) || f->in.bytes >= IN_MAX;
}

/* ---- the end ---- */

static void ended(er_fetch *f, er_err_kind kind, const char *word, const char *fmt, va_list ap)
{
	if (er_fetch_ended_already(f))
		return;
	er_fetch_enter(f, FETCH_HOP, kind == ER_ERR_OK ? HOP_ON_END : HOP_ON_BREAK);
	ER_ASSERT(f->end_text == NULL);
	f->end_kind = kind;
	f->end_word = word;
	if (kind == ER_ERR_OK)
		return;
	char text[400];
	int n = vsnprintf(text, sizeof text, fmt, ap);
	f->end_text = er_strdup_cstr(n < 0 ? "" : text);
}

void er_fetch_ended(er_fetch *f, er_err_kind kind, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	ended(f, kind, NULL, fmt, ap);
	va_end(ap);
}

void er_fetch_ended_by(er_fetch *f, er_err_kind kind, const char *word, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	ended(f, kind, word, fmt, ap);
	va_end(ap);
}

bool er_fetch_refuses(er_fetch *f, const struct sockaddr *sa)
{
	ER_ASSERT(sa != NULL);
	bool no = !f->wishes.trusted && er_guard_refuses(sa, f->wishes.allow, f->wishes.n_allow, f->o->own, f->o->n_own);
	f->refused = f->refused || no;
	f->tried = f->tried || !no;
	return no;
}

void er_fetch_trailer(er_fetch *f, er_slice name, er_slice value)
{
	ER_ASSERT(er_fetch_head_whole(f));
	if (f->out != NULL) {
		(void)er_body_trailer(f->out, name, value);
		return;
	}
	/* Until there is a body they lie in the exchange, within what its head may have. */
	f->head_bytes += name.n + value.n + FIELD_COST;
	if (f->x != NULL && f->head_bytes <= ER_ORIGIN_HEAD_MAX && f->trailers.n < TRAILERS && er_field_trailer_ok(name) &&
	    er_field_value_ok(value))
		er_fields_add(&f->trailers, &f->x->arena, er_arena_copy(&f->x->arena, name), er_arena_copy(&f->x->arena, value));
}
