/* Bodies through the channel, under credit. Each flow is a member of a call or a subrequest, which
 * must end it (er_outflow_fini, er_inflow_fini) before it is freed, and may be freed by any call
 * into a body: so a function here looks at its flow after such a call only where it knows that the
 * flow lives.
 *
 * Out: the node's body goes into the sandbox. The flow is the body's sink from the first PULL on.
 * Credit is what PULL granted and BODY_DATA has not used. The end needs no credit. A flow that
 * finds no room in the ring waits in instance->blocked.
 *
 * In: the sandbox fills a body of the node. The flow is the body's source. `allowed` is what CREDIT
 * granted and BODY_DATA has not used; more than that breaks the rules.
 *
 * A node's body that was split for clone() is the branch of a tee (http/body_tee.h), and the flow
 * says what becomes of a branch that falls behind. A branch that nobody reads yet is kept as far as
 * the budget goes, and so is one that JavaScript reads while the faster ones are JavaScript's as
 * well: JavaScript may read one to its end before it begins with another. A branch that the node
 * reads (a relay) is waited for, and so is one that JavaScript reads while another is relayed:
 * there the one ahead can wait. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <stdint.h>

enum {
	/* How far behind one branch of a split body may be before the others wait: enough for
	 * JavaScript that looks at the beginning only. */
	BEHIND_MAX = 1024 * 1024,
};

/* ---- a node's body into the sandbox ---- */

static void on_readable(void *ctx)
{
	(void)er_outflow_pump(ctx);
}

static const er_body_sink_ops outflow_sink = {.readable = on_readable};

void er_outflow_init(er_outflow *f, er_instance *in, er_body *body, uint32_t id, bool sub)
{
	ER_ASSERT(f->body == NULL && body != NULL && id != 0);
	*f = (er_outflow){.instance = in, .body = er_body_ref(body), .id = id, .sub = sub};
	er_list_init(&f->blocked);
}

static void detach(er_outflow *f)
{
	er_list_remove(&f->blocked);
	ER_ASSERT(f->body != NULL);
	if (f->attached)
		er_body_sink(f->body, NULL, NULL);
	f->attached = false;
}

void er_outflow_fini(er_outflow *f)
{
	if (f->body == NULL)
		return;
	detach(f);
	er_body *body = f->body;
	f->body = NULL;
	er_body_tee_policy(body, SIZE_MAX, ER_TEE_DROP); /* whoever else holds it does not read it */
	er_body_unref(body);
}

er_body *er_outflow_take(er_outflow *f)
{
	if (f->body == NULL)
		return NULL;
	ER_ASSERT(f->instance != NULL);
	detach(f);
	er_body *body = f->body;
	f->body = NULL;
	er_body_tee_policy(body, BEHIND_MAX, ER_TEE_WAIT);
	return body;
}

void er_outflow_cancel(er_outflow *f, er_err_kind reason)
{
	if (f->body == NULL)
		return;
	detach(f);
	er_body *body = f->body;
	f->body = NULL;
	er_body_cancel(body, reason);
	er_body_unref(body);
}

void er_outflow_pass(er_outflow *f)
{
	er_body_unref(er_outflow_take(f));
}

er_body *er_outflow_split(er_outflow *f, er_tee_budget *budget, er_body **held)
{
	ER_ASSERT(f->body != NULL && !f->attached && !f->over && f->credit == 0);
	er_body *out[2], *whole = f->body;
	er_body_tee_within(budget, whole, SIZE_MAX, ER_TEE_DROP, out);
	f->body = out[0];
	ER_ASSERT(er_body_is_branch(out[0]) && er_body_is_branch(out[1]));
	if (held != NULL && *held == whole && whole != out[0]) {
		*held = er_body_ref(out[0]);
		er_body_unref(whole);
	}
	return out[1];
}

static void say(er_outflow *f, uint8_t type, uint8_t flags, er_err_kind aux)
{
	ER_ASSERT(!f->over && f->body != NULL);
	f->over = true;
	er_frame frame = {.type = type, .flags = flags | (f->sub ? ER_FF_SUB : 0), .aux = (uint16_t)aux, .id = f->id};
	er_instance_say(f->instance, frame, (er_slice){0});
	er_outflow_fini(f);
}

/* Writes one piece, split to what the ring takes. False: no room now. */
static bool put_piece(er_outflow *f, size_t n)
{
	ER_ASSERT(n > 0 && n <= ER_FRAME_DATA && n <= f->credit && n <= er_body_buffered(f->body));
	er_frame frame = {.n = (uint32_t)n, .type = ER_FRAME_BODY_DATA, .flags = f->sub ? ER_FF_SUB : 0, .id = f->id};
	uint8_t *to = er_instance_frame_out(f->instance, &frame);
	if (to == NULL) {
		if (er_list_empty(&f->blocked))
			er_list_push(&f->instance->blocked, &f->blocked);
		return false;
	}
	er_body_peek(f->body, to, n);
	f->credit -= n;
	if (f->messages)
		er_instance_messages(f->instance, n);
	/* Reading makes the source go on, which may find that the rest is malformed and cancel the
	 * body: then nothing is left to read. */
	er_piece piece;
	for (size_t left = n; left > 0 && er_body_read(f->body, left, &piece) == ER_BODY_PIECE;) {
		ER_ASSERT(piece.n <= left);
		left -= piece.n;
		er_piece_drop(&piece);
	}
	return true;
}

/* As much of the body as PULL has asked for and the ring has room for; then its end, if it has
 * come. */
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

/* Reading makes room, room makes the source write, and a write calls us again: the loop
 * above sees it. */
bool er_outflow_pump(er_outflow *f)
{
	if (f->body == NULL || f->over || !er_act_begin(&f->act))
		return true;
	pump(f);
	er_act_end(&f->act);
	bool waits = !er_list_empty(&f->blocked);
	if (f->over && f->ended != NULL)
		f->ended(f);
	return !waits;
}

void er_outflow_pull(er_outflow *f, uint32_t n)
{
	if (f->body == NULL)
		return;
	f->credit += n;
	if (!f->attached) {
		f->attached = true;
		/* before it can call us: the pump below looks anyway */
		er_body_tee_policy(f->body, BEHIND_MAX, ER_TEE_EITHER);
		er_body_sink(f->body, &outflow_sink, f);
	}
	(void)er_outflow_pump(f);
}

/* ---- draining natively ---- */

/* The source's reference is the only one that a draining body needs: whoever lets go of it, or
 * cancels it, ends the draining as well. */
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
	ER_ASSERT(f->allowed + f->owed <= ER_CREDIT_START);
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
	if (f->gone != NULL)
		*f->gone = true;
	f->gone = NULL;
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

void er_inflow_fill(er_inflow *f, er_instance *in, uint32_t id, bool sub, er_body *body)
{
	ER_ASSERT(f->body == NULL && id != 0);
	*f = (er_inflow){
	    .instance = in, .body = er_body_ref(body), .id = id, .sub = sub, .allowed = ER_CREDIT_START, .left = UINT64_MAX};
	er_body_source(f->body, &inflow_source, f);
}

er_body *er_inflow_init(er_inflow *f, er_instance *in, uint32_t id, bool sub, int64_t length)
{
	er_body *body = er_body_new(length);
	er_inflow_fill(f, in, id, sub, body);
	f->left = sub || length < 0 ? UINT64_MAX : (uint64_t)length;
	return body;
}

er_body *er_inflow_take(er_inflow *f)
{
	er_body *body = f->body;
	if (body == NULL || f->allowed != ER_CREDIT_START || f->owed > 0)
		return NULL;
	f->body = NULL;
	leave(f);
	return body;
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

/* A body whose length was said ends with it, or ends broken: nobody may take a part for
 * the whole. */
static bool keeps_length(er_inflow *f, size_t n, bool fin)
{
	if (f->left == UINT64_MAX)
		return true;
	if (n > f->left)
		return false;
	f->left -= n;
	return !fin || f->left == 0;
}

bool er_inflow_data(er_inflow *f, er_slice bytes, bool fin)
{
	if (bytes.n > f->allowed)
		return false;
	f->allowed -= (uint32_t)bytes.n;
	if (f->body == NULL)
		return true; /* it was under way when the reader left */
	if (!keeps_length(f, bytes.n, fin)) {
		er_inflow_fini(f, ER_ERR_RESPONSE);
		return true;
	}
	er_body *body = er_body_ref(f->body);
	f->owed += (uint32_t)bytes.n;
	bool gone = false;
	f->gone = &gone;
	bool full = bytes.n > 0 && !er_body_write(body, er_piece_copy(bytes));
	if (gone) { /* the reader ended it, and perhaps what f is part of */
		er_body_unref(body);
		return true;
	}
	f->gone = NULL;
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
