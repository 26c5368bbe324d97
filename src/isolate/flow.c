#include "isolate/internal.h"

#include "base/mem.h"

/* ---- a node's body into the sandbox ---- */

static void on_readable(void *ctx)
{
	er_outflow_pump(ctx);
}

static const er_body_sink_ops outflow_sink = {.readable = on_readable};

void er_outflow_init(er_outflow *f, er_instance *in, er_body *body, uint32_t id, bool sub)
{
	*f = (er_outflow){.instance = in, .body = er_body_ref(body), .id = id, .sub = sub};
	er_list_init(&f->blocked);
}

static void detach(er_outflow *f)
{
	er_list_remove(&f->blocked);
	if (f->attached)
		er_body_sink(f->body, NULL, NULL);
	f->attached = false;
}

void er_outflow_fini(er_outflow *f)
{
	if (f->body == NULL)
		return;
	detach(f);
	er_body_unref(f->body);
	f->body = NULL;
}

er_body *er_outflow_take(er_outflow *f)
{
	if (f->body == NULL)
		return NULL;
	detach(f);
	er_body *body = f->body;
	f->body = NULL;
	return body;
}

static void say(er_outflow *f, uint8_t type, uint8_t flags, er_err_kind aux)
{
	f->over = true;
	er_frame frame = {.type = type, .flags = flags | (f->sub ? ER_FF_SUB : 0), .aux = (uint16_t)aux, .id = f->id};
	er_instance_say(f->instance, frame, (er_slice){0});
}

/* Writes one piece, split to what the ring takes. False: no room now. */
static bool put_piece(er_outflow *f, size_t n)
{
	er_frame frame = {.n = (uint32_t)n, .type = ER_FRAME_BODY_DATA, .flags = f->sub ? ER_FF_SUB : 0, .id = f->id};
	uint8_t *to = er_instance_frame_out(f->instance, &frame);
	if (to == NULL) {
		if (er_list_empty(&f->blocked))
			er_list_push(&f->instance->blocked, &f->blocked);
		return false;
	}
	er_body_peek(f->body, to, n);
	f->credit -= n;
	/* Reading makes the source go on, which may find that the rest is malformed and cancel the body: then nothing is left to read. */
	er_piece piece;
	for (size_t left = n; left > 0 && er_body_read(f->body, left, &piece) == ER_BODY_PIECE;) {
		left -= piece.n;
		er_piece_drop(&piece);
	}
	return true;
}

static void pump(er_outflow *f)
{
	size_t n;
	while (f->credit > 0 && (n = er_body_buffered(f->body)) > 0) {
		if (n > f->credit)
			n = f->credit;
		if (!put_piece(f, n > ER_FRAME_DATA ? ER_FRAME_DATA : n))
			return;
	}
	if (er_body_buffered(f->body) > 0)
		return;
	/* The end is said without credit: a reader that has all the bytes learns so at once. */
	if (er_body_error(f->body) != ER_ERR_OK)
		say(f, ER_FRAME_BODY_FAIL, 0, er_body_error(f->body));
	else if (er_body_finished(f->body))
		say(f, ER_FRAME_BODY_DATA, ER_FF_FIN, 0);
}

/* Reading makes room, room makes the source write, and a write calls us again: the loop above sees it. */
void er_outflow_pump(er_outflow *f)
{
	if (f->body == NULL || f->over || f->pumping)
		return;
	f->pumping = true;
	pump(f);
	f->pumping = false;
}

void er_outflow_pull(er_outflow *f, uint32_t n)
{
	if (f->body == NULL)
		return;
	f->credit += n;
	if (!f->attached) {
		f->attached = true;
		er_body_sink(f->body, &outflow_sink, f);
	}
	er_outflow_pump(f);
}

/* ---- draining natively ---- */

/* The source's reference is the only one that a draining body needs: whoever lets go of it, or cancels it, ends the draining as well. */
static void drain_readable(void *ctx)
{
	er_body *body = er_body_ref(ctx);
	er_piece piece;
	while (er_body_read(body, 0, &piece) == ER_BODY_PIECE)
		er_piece_drop(&piece);
	er_body_unref(body);
}

static const er_body_sink_ops drain_sink = {.readable = drain_readable};

void er_outflow_drain(er_outflow *f)
{
	er_body *body = er_outflow_take(f);
	if (body == NULL)
		return;
	er_body_sink(body, &drain_sink, body);
	drain_readable(body);
	er_body_unref(body);
}

/* ---- a sandbox's body out ---- */

static void grant(er_inflow *f)
{
	if (f->owed == 0)
		return;
	er_frame frame = {.type = ER_FRAME_CREDIT, .flags = f->sub ? ER_FF_SUB : 0, .id = f->id, .arg = f->owed};
	f->allowed += f->owed;
	f->owed = 0;
	er_instance_say(f->instance, frame, (er_slice){0});
}

static void on_resume(void *ctx)
{
	er_inflow *f = ctx;
	f->full = false;
	grant(f);
}

/* The writer on the stack must not look at the flow any more: its owner may be freed next. */
static void leave(er_inflow *f)
{
	if (f->left != NULL)
		*f->left = true;
	f->left = NULL;
}

static void on_cancel(void *ctx, er_err_kind reason)
{
	er_inflow *f = ctx;
	er_body *body = f->body;
	f->body = NULL;
	leave(f);
	er_frame frame = {.type = ER_FRAME_BODY_CANCEL, .flags = f->sub ? ER_FF_SUB : 0, .aux = (uint16_t)reason, .id = f->id};
	er_instance_say(f->instance, frame, (er_slice){0});
	er_body_unref(body);
}

static const er_body_source_ops inflow_source = {.resume = on_resume, .cancel = on_cancel};

er_body *er_inflow_init(er_inflow *f, er_instance *in, uint32_t id, bool sub, int64_t length)
{
	*f = (er_inflow){.instance = in, .body = er_body_new(length), .id = id, .sub = sub, .allowed = ER_CREDIT_START};
	er_body_source(f->body, &inflow_source, f);
	return er_body_ref(f->body);
}

void er_inflow_fini(er_inflow *f, er_err_kind reason)
{
	er_body *body = f->body;
	if (body == NULL)
		return;
	f->body = NULL;
	leave(f);
	er_body_fail(body, reason); /* nothing happens to a finished one */
	er_body_source(body, NULL, NULL);
	er_body_unref(body);
}

bool er_inflow_data(er_inflow *f, er_slice bytes, bool fin)
{
	if (bytes.n > f->allowed)
		return false;
	f->allowed -= (uint32_t)bytes.n;
	if (f->body == NULL)
		return true; /* it was under way when the reader left */
	er_body *body = er_body_ref(f->body);
	f->owed += (uint32_t)bytes.n;
	bool left = false;
	f->left = &left;
	bool full = bytes.n > 0 && !er_body_write(body, er_piece_copy(bytes));
	if (left) { /* the reader ended it, and perhaps what f is part of */
		er_body_unref(body);
		return true;
	}
	f->left = NULL;
	f->full = f->full || full;
	if (fin) {
		f->body = NULL;
		er_body_finish(body);
		er_body_source(body, NULL, NULL);
		er_body_unref(body);
	} else if (!f->full && f->owed >= ER_CREDIT_START / 4) {
		grant(f);
	}
	er_body_unref(body);
	return true;
}
