/* CLONE: a copy of a body that lies in the node, for response.clone() and request.clone().
 *
 * A copy is an er_sub without an exchange, a lease and an upload: from then on it is a subrequest's
 * response to everybody, is read, relayed, drained and cancelled by the same frames, and ends with
 * its call at the latest. It costs the routine nothing of its number of subrequests, but its budget
 * for copies (lease.h), which bounds how many there are and what the bodies hold for readers that
 * are behind.
 *
 * What an honest sandbox may run into (the body or the request is gone meanwhile, the budget is
 * used up) is answered with BODY_FAIL. What none does (a number that is taken, a body that it has
 * begun to read) breaks the rules. */
#include "isolate/internal.h"

#include "base/mem.h"

static bool refuse(er_instance *in, uint32_t id, er_err_kind kind)
{
	er_frame f = {.type = ER_FRAME_BODY_FAIL, .flags = ER_FF_SUB, .aux = (uint16_t)kind, .id = id};
	er_instance_say(in, f, (er_slice){0});
	return true;
}

/* The flow of the body that is to be copied, among those of the call; NULL: there is none. *held:
 * who else holds the same body. */
static er_outflow *flow_of(er_call *c, uint32_t id, bool sub, er_body ***held)
{
	*held = NULL;
	if (sub) {
		er_sub *s = er_idmap_get(&c->instance->subs, id);
		return s != NULL && s->call == c && s->response.body != NULL ? &s->response : NULL;
	}
	er_exchange *x = er_call_exchange(c);
	if (x != NULL)
		*held = &x->req.body;
	return id == c->id && c->upload.body != NULL ? &c->upload : NULL;
}

bool er_clone_start(er_instance *in, const er_frame *f, er_slice payload)
{
	er_reader r = {.rest = payload};
	uint32_t id = er_get_u32(&r), is_sub = er_get_u32(&r);
	if (r.bad || f->id == 0 || er_idmap_get(&in->subs, f->id) != NULL)
		return false;
	er_call *c = er_instance_asking(in, f->arg);
	if (c == NULL)
		return refuse(in, f->id, ER_ERR_CANCELLED);
	er_body **held;
	er_outflow *flow = flow_of(c, id, is_sub != 0, &held);
	if (flow == NULL)
		return refuse(in, f->id, ER_ERR_CANCELLED);
	if (flow->attached || flow->credit > 0)
		return false;
	er_tee_budget *budget = er_share_copies(in->service->share, in->routine->limits.memory_kb);
	if (er_tee_budget_full(budget))
		return refuse(in, f->id, ER_ERR_BEHIND);
	ER_ASSERT(flow->instance == in && !flow->over);
	er_sub *s = er_sub_new(c, f->id);
	ER_ASSERT(s->lease == NULL && s->x == NULL);
	er_body *copy = er_outflow_split(flow, budget, held);
	er_sub_respond(s, copy);
	er_body_unref(copy);
	return true;
}
