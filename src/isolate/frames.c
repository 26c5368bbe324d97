/* What the sandboxes say: reads the rings, and hands each frame to what it is about. All frames are
 * hostile: `false` means that the sandbox broke the rules, and ends it.
 *
 * A ring is read when the sandbox wakes the node (er_frames_woken), before the loop sleeps
 * (isolate.c), and to its end when the process is gone (death.c). */
#include "isolate/internal.h"

#include "base/mem.h"

enum {
	READ_BYTES = 64 * 1024, /* read from one sandbox before others get their turn */
	FRAME_BYTES = 512,      /* what a frame counts there besides its bytes */
	MAX_LOGS = 1100,        /* LOG frames of one call; the sandbox itself stops at 1000 */
};

/* ---- frames of an instance ---- */

/* Bytes that the sandbox sends: of an answer, or of a subrequest's upload. What nobody waits for
 * any more is dropped. False: more than the credit allows. */
static bool on_body_data(er_instance *in, const er_frame *f, er_slice payload)
{
	bool fin = f->flags & ER_FF_FIN;
	if (f->flags & ER_FF_SUB) {
		er_sub *s = er_idmap_get(&in->subs, f->id);
		if (s != NULL && !er_inflow_data(&s->upload, payload, fin))
			return false;
		if (fin && (s = er_idmap_get(&in->subs, f->id)) != NULL)
			er_sub_settle(s);
		return true;
	}
	er_call *c = er_instance_call(in, f->id);
	if (c == NULL)
		return true;
	if (fin)
		er_call_cpu(c, f->arg);
	/* nothing, or something for nobody, is silence as well */
	if (payload.n > 0 && c->response.body != NULL)
		er_call_moved(c);
	return er_inflow_data(&c->response, payload, fin);
}

static void on_body_fail(er_instance *in, const er_frame *f)
{
	er_sub *s = f->flags & ER_FF_SUB ? er_idmap_get(&in->subs, f->id) : NULL;
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_instance_call(in, f->id);
	if (s != NULL) {
		er_inflow_fini(&s->upload, ER_ERR_EXCEPTION);
		if ((s = er_idmap_get(&in->subs, f->id)) != NULL)
			er_sub_settle(s);
	}
	if (c != NULL)
		er_inflow_fini(&c->response, ER_ERR_EXCEPTION);
}

/* PULL, DRAIN, BODY_CANCEL: about a body of the node's. */
static void on_body_wish(er_instance *in, const er_frame *f)
{
	er_sub *s = f->flags & ER_FF_SUB ? er_idmap_get(&in->subs, f->id) : NULL;
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_instance_call(in, f->id);
	er_outflow *flow = s ? &s->response : c ? &c->upload : NULL;
	if (flow == NULL)
		return;
	if (f->type == ER_FRAME_PULL) {
		er_outflow_pull(flow, f->arg); /* which may end and free what it is part of */
		return;
	}
	if (f->type == ER_FRAME_DRAIN) {
		er_outflow_drain(flow);
	} else if (flow->body != NULL) {
		er_body *body = er_outflow_take(flow);
		/* An upload nobody reads is the gateway's to drain; a subrequest's answer is simply ended,
		 * and so is one of several readers. */
		if (s != NULL || c->switched || er_body_is_branch(body))
			er_body_cancel(body, ER_ERR_CANCELLED);
		er_body_unref(body);
	}
	if (s != NULL && (s = er_idmap_get(&in->subs, f->id)) != NULL)
		er_sub_settle(s);
}

/* A line of the console. Places in it are mapped to the author's files; a call has MAX_LOGS
 * lines. */
static void on_log(er_instance *in, er_call *c, const er_frame *f, er_slice payload)
{
	const er_isolate_events *ev = &in->host->config.events;
	if (c != NULL && c->logs++ >= MAX_LOGS)
		return;
	er_buf copy;
	er_buf_init(&copy);
	er_buf_put(&copy, payload);
	if (er_sourcemap_text_wants(in->routine->source_url, er_buf_slice(&copy))) {
		er_buf mapped;
		er_buf_init(&mapped);
		er_sourcemap_text(er_service_map(in->service, in->code), in->routine->source_url, er_buf_slice(&copy), &mapped);
		er_buf_fini(&copy);
		copy = mapped;
	}
	if (!er_start_printed(in, er_buf_slice(&copy)) && ev->console != NULL)
		ev->console(ev->ctx, in->routine, c ? er_call_exchange(c) : NULL, f->aux > 4 ? 4 : f->aux, er_buf_slice(&copy));
	er_buf_fini(&copy);
}

/* One frame from the sandbox; `payload` still lies in the ring. The payload is copied once, by
 * whoever keeps it; the frame's head already is a copy. False: the sandbox broke the rules. */
static bool instance_frame(er_instance *in, const er_frame *f, er_slice payload)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	ER_ASSERT(in->box != NULL && in->state.now != INSTANCE_DEAD && in->sub_credit + in->sub_owed <= in->sub_most);
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_instance_call(in, f->id);
	in->heard = true;
	switch (f->type) {
	case ER_FRAME_LOADED:
		return er_load_done(in, f, payload);
	case ER_FRAME_RESPONSE:
		return c == NULL || er_call_on_response(c, f, payload);
	case ER_FRAME_BODY_DATA:
		return on_body_data(in, f, payload);
	case ER_FRAME_BODY_FAIL:
		on_body_fail(in, f);
		return true;
	case ER_FRAME_PULL:
	case ER_FRAME_DRAIN:
	case ER_FRAME_BODY_CANCEL:
		if (c != NULL)
			c->touched = true;
		on_body_wish(in, f);
		return true;
	case ER_FRAME_FETCH:
		return er_sub_start(in, f, payload, er_call_answer_with);
	case ER_FRAME_FETCH_CANCEL: {
		er_sub *s = er_idmap_get(&in->subs, f->id);
		if (s != NULL)
			er_sub_free(s, ER_ERR_CANCELLED);
		return true;
	}
	case ER_FRAME_CLONE:
		return er_clone_start(in, f, payload);
	case ER_FRAME_PASS:
		if (c != NULL)
			er_call_on_pass(c);
		return true;
	case ER_FRAME_DONE:
		if (c == NULL)
			return true;
		er_call_cpu(c, f->arg);
		if (!c->answered && c->x != NULL)
			er_call_fail(c, 599, ER_ERR_EXCEPTION, 0, 0, "The routine ended the request without a response.");
		er_call_free(c);
		return true;
	case ER_FRAME_METER:
		if (c != NULL)
			er_call_cpu(c, f->arg);
		return true;
	case ER_FRAME_DEBUG:
		if (in->host->config.events.inspect == NULL || f->aux > ER_INSPECT_STANDS)
			return false;
		in->debug = (er_inspect_state)f->aux;
		return true;
	case ER_FRAME_LOG:
		on_log(in, c, f, payload);
		return true;
	case ER_FRAME_EXCEPTION:
		if (in->start == NULL || !in->start->trial)
			er_call_on_exception(in, c, f, payload);
		return true;
	default:
		return false; /* a frame that only the node may send */
	}
}

/* ---- the ring ---- */

static bool on_ready(er_box *box, const er_frame *f, er_slice payload)
{
	er_isolate_host *h = box->host;
	if (!er_box_on_ready(box, f, payload))
		return false;
	if (box->state != BOX_WARM)
		return true; /* it reached too low a level */
	er_pool_box_ready(box);
	er_supply_waiting(h, box->profile);
	return true;
}

static bool frame(er_box *box, const er_frame *f, er_slice payload)
{
	if (f->type == ER_FRAME_READY)
		return on_ready(box, f, payload);
	return box->instance != NULL && instance_frame(box->instance, f, payload);
}

/* Frames of a sandbox, at most `most` bytes of them in one turn of the loop: a sandbox that talks
 * without end must not keep the thread to itself. Anything against the rules ends the sandbox. */
static void read_ring(er_box *box, size_t most)
{
	size_t spent = 0;
	while (box->state != BOX_DYING && box->state != BOX_GONE) {
		er_slice all = er_ring_peek(&box->channel.in);
		if (box->channel.in.broken)
			goto broken;
		if (all.n == 0)
			return;
		size_t used = 0;
		while (used < all.n && spent < most && box->state != BOX_DYING && box->state != BOX_GONE) {
			er_frame f;
			er_slice payload;
			size_t whole;
			if (er_frame_read(er_slice_from(all, used), &f, &payload, &whole) != ER_FRAME_OK || !frame(box, &f, payload))
				goto broken;
			ER_ASSERT(whole > 0 && whole <= all.n - used);
			used += whole;
			spent += whole + FRAME_BYTES;
		}
		if (box->state == BOX_GONE)
			return;
		if (er_ring_release(&box->channel.in, used))
			er_box_wake(box);
		/* the others get their turn; this one is looked at again in the next round */
		if (spent >= most) {
			er_box_poke(box);
			return;
		}
	}
	return;
broken:
	if (box->instance != NULL)
		er_instance_kill(box->instance, ER_ERR_PROTOCOL, 0, 0);
	else
		er_box_kill(box);
}

void er_frames_read(er_box *box)
{
	read_ring(box, READ_BYTES);
}

void er_frames_read_all(er_box *box)
{
	read_ring(box, SIZE_MAX);
}

void er_frames_woken(er_box *box)
{
	ER_ASSERT(box->state != BOX_GONE);
	er_frames_read(box);
	/* It may have woken us because its reading made room. */
	if (box->state == BOX_USED && box->instance != NULL)
		er_supply_pump(box->instance);
}
