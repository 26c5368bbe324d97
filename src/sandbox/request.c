/* Records of what is being answered.
 *
 * A request: new (er_request_new, in the frame's turn) → kept, if it is not over by the end of that
 * turn (its payload is copied out of the ring) → over (er_request_over: timers and subrequests go)
 * → forgotten at the end of the turn, when its CPU has been charged. "draining" is between:
 * JavaScript is done, a body of ours still goes out, and DONE is said when it is out. Requests are
 * found by id in buckets; records are pooled. Request 0 is a member of er_requests and never goes.
 *
 * A subrequest is in its owner's list and in a bucket; `down` (the response) and `up` (the upload)
 * say what is still to come, and er_sub_settle frees it when neither is. One for which the node has
 * given no credit waits in a line, with its whole FETCH frame; er_sub_next sends the first of them.
 *
 * A send is a complete body that did not fit its head's frame: a copy, let out as the node gives
 * credit, freed when it is out or nobody wants it.
 *
 * Numbers that JavaScript gives (ids, fids) are looked up and may be unknown; nothing is believed
 * of them. */
#include "sandbox/sandbox.h"

#include "base/mem.h"

void er_requests_init(er_requests *rs)
{
	er_list_init(&rs->sends);
	er_list_init(&rs->waiting);
	er_list_init(&rs->background.timers);
	er_list_init(&rs->background.subs);
}

static_assert((ER_BUCKETS & (ER_BUCKETS - 1)) == 0, "a bucket is the low bits of an id");
static_assert((int)ER_POOLED_FRAME <= (int)ER_FRAME_MAX, "what a pooled record keeps is one frame's payload at most");

static er_request **bucket(uint32_t id)
{
	return &er_sb.requests.buckets[id % ER_BUCKETS];
}

er_request *er_request_find(uint32_t id)
{
	if (id == 0)
		return &er_sb.requests.background;
	for (er_request *r = *bucket(id); r != NULL; r = r->next)
		if (r->id == id)
			return r;
	return NULL;
}

static er_request *take_record(er_requests *rs)
{
	er_request *r = rs->free;
	if (r == NULL) {
		r = ER_NEW(er_request);
		er_list_init(&r->timers);
		er_list_init(&r->subs);
		return r;
	}
	ER_ASSERT(rs->free_n > 0 && er_list_empty(&r->timers) && er_list_empty(&r->subs));
	rs->free = r->next;
	rs->free_n--;
	return r;
}

static void give_record(er_requests *rs, er_request *r)
{
	ER_ASSERT(r->id != 0 && er_list_empty(&r->timers) && er_list_empty(&r->subs) && r->timers_n == 0);
	if (r->frame.cap > ER_POOLED_FRAME) {
		er_buf_fini(&r->frame);
		er_buf_init(&r->frame);
	}
	if (rs->free_n >= ER_POOLED) {
		er_buf_fini(&r->frame);
		er_free(r);
		return;
	}
	r->next = rs->free;
	rs->free = r;
	rs->free_n++;
}

static bool read_payload(er_request *r, er_slice payload)
{
	er_reader rd = {.rest = payload};
	r->method = er_get_string(&rd);
	r->url = er_get_string(&rd);
	r->block = er_get_string(&rd);
	r->info = er_get_string(&rd);
	r->inline_body = (r->flags & ER_FF_INLINE) ? rd.rest : (er_slice){0};
	r->payload = payload;
	return !rd.bad;
}

er_request *er_request_new(const er_frame *f, er_slice payload)
{
	er_requests *rs = &er_sb.requests;
	if (f->id == 0 || er_request_find(f->id) != NULL)
		return NULL;
	er_request *r = take_record(rs);
	r->id = f->id;
	r->upload = f->arg;
	r->flags = f->flags;
	r->over = r->done_told = r->draining = r->metered = false;
	r->timers_n = r->logs_n = 0;
	r->cpu_ns = 0;
	if (!read_payload(r, payload)) {
		give_record(rs, r);
		return NULL;
	}
	r->next = *bucket(r->id);
	*bucket(r->id) = r;
	rs->live++;
	return r;
}

void er_request_keep(er_request *r)
{
	ER_ASSERT(r->id != 0 && !r->over);
	er_buf_clear(&r->frame);
	er_buf_put(&r->frame, r->payload);
	ER_ASSERT(read_payload(r, er_buf_slice(&r->frame)));
}

void er_request_tell_done(er_request *r)
{
	if (r->done_told || r->id == 0)
		return;
	r->done_told = true;
	uint8_t *head;
	er_frame f = {.type = ER_FRAME_DONE, .id = r->id, .arg = er_turn_cpu_us(r)};
	er_out_begin(&f, &head);
	er_turn_patch(head, r);
	er_out_end();
}

static void drop_subs(er_request *r)
{
	er_list *l;
	while ((l = er_list_pop(&r->subs)) != NULL) {
		er_sub *s = ER_CONTAINER(l, er_sub, link);
		s->up = s->down = false;
		er_sub_settle(s);
	}
}

void er_request_over(er_request *r)
{
	if (r->id == 0 || r->over)
		return;
	r->over = true;
	er_timers_drop(r);
	drop_subs(r);
	ER_ASSERT(er_list_empty(&r->timers) && er_list_empty(&r->subs));
	er_turn_forget_later(r);
}

void er_request_forget(er_request *r)
{
	er_requests *rs = &er_sb.requests;
	ER_ASSERT(r->id != 0 && r->over && rs->live > 0);
	for (er_request **at = bucket(r->id); *at != NULL; at = &(*at)->next) {
		if (*at != r)
			continue;
		*at = r->next;
		rs->live--;
		er_timers_drop(r); /* set by microtasks after the request was over */
		drop_subs(r);
		give_record(rs, r);
		return;
	}
	ER_ASSERT(!"a request is forgotten once");
}

/* ---- subrequests ---- */
er_sub *er_sub_find(uint32_t fid)
{
	for (er_sub *s = er_sb.requests.sub_buckets[fid % ER_BUCKETS]; s != NULL; s = s->next)
		if (s->fid == fid)
			return s;
	return NULL;
}

er_sub *er_sub_new(uint32_t fid, er_request *owner, bool up)
{
	if (fid == 0 || er_sub_find(fid) != NULL)
		return NULL;
	ER_ASSERT(owner != NULL);
	er_sub *s = ER_NEW(er_sub);
	s->fid = fid;
	s->down = true;
	s->up = up;
	s->owner = owner;
	er_list_init(&s->waits);
	er_list_push(&owner->subs, &s->link);
	er_sub **at = &er_sb.requests.sub_buckets[fid % ER_BUCKETS];
	s->next = *at;
	*at = s;
	return s;
}

uint8_t *er_sub_ask(er_sub *s, const er_frame *fetch)
{
	er_requests *rs = &er_sb.requests;
	ER_ASSERT(!er_sub_waits(s) && fetch->type == ER_FRAME_FETCH && fetch->n <= ER_FRAME_MAX);
	/* Credit alone is not enough: those that wait have come first. */
	if (rs->sub_credit > 0 && er_list_empty(&rs->waiting)) {
		rs->sub_credit--;
		return er_out_begin(fetch, NULL);
	}
	er_list_push(&rs->waiting, &s->waits);
	uint8_t *p = er_buf_reserve(&s->fetch, ER_FRAME_HEAD + fetch->n);
	memcpy(p, fetch, ER_FRAME_HEAD);
	er_buf_wrote(&s->fetch, ER_FRAME_HEAD + fetch->n);
	return p + ER_FRAME_HEAD;
}

void er_sub_asked(er_sub *s)
{
	if (!er_sub_waits(s))
		er_out_end();
}

er_sub *er_sub_next(er_frame *fetch)
{
	er_requests *rs = &er_sb.requests;
	er_list *l = rs->sub_credit > 0 ? er_list_pop(&rs->waiting) : NULL;
	if (l == NULL)
		return NULL;
	er_sub *s = ER_CONTAINER(l, er_sub, waits);
	er_slice whole = er_buf_slice(&s->fetch);
	ER_ASSERT(whole.n >= ER_FRAME_HEAD);
	memcpy(fetch, whole.p, ER_FRAME_HEAD);
	ER_ASSERT(fetch->id == s->fid && whole.n == ER_FRAME_HEAD + fetch->n);
	rs->sub_credit--;
	er_out_frame(fetch, er_slice_from(whole, ER_FRAME_HEAD));
	er_buf_fini(&s->fetch);
	return s;
}

void er_sub_settle(er_sub *s)
{
	if (s->up || s->down)
		return;
	er_sub **at = &er_sb.requests.sub_buckets[s->fid % ER_BUCKETS];
	while (*at != s) {
		ER_ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	*at = s->next;
	er_list_remove(&s->link);
	er_list_remove(&s->waits);
	er_buf_fini(&s->fetch);
	er_send *send = er_send_find(s->fid, true);
	if (send != NULL)
		er_send_drop(send);
	er_free(s);
}

/* ---- complete bodies ---- */
void er_send_new(uint32_t id, bool sub, er_slice bytes, er_request *owner, uint32_t credit)
{
	ER_ASSERT(bytes.n > 0 && (owner == NULL) == sub);
	er_send *s = ER_NEW(er_send);
	s->id = id;
	s->sub = sub;
	s->credit = credit;
	s->owner = owner;
	er_buf_put(&s->bytes, bytes);
	er_list_push(&er_sb.requests.sends, &s->link);
	er_send_pump(s);
}

er_send *er_send_find(uint32_t id, bool sub)
{
	ER_LIST_EACH(l, &er_sb.requests.sends)
	{
		er_send *s = ER_CONTAINER(l, er_send, link);
		if (s->id == id && s->sub == sub)
			return s;
	}
	return NULL;
}

void er_send_pump(er_send *s)
{
	while (er_buf_len(&s->bytes) && s->credit) {
		er_slice part = er_slice_head(er_buf_slice(&s->bytes), s->credit < ER_FRAME_DATA ? (size_t)s->credit : ER_FRAME_DATA);
		bool fin = part.n == er_buf_len(&s->bytes);
		er_frame f = {.type = ER_FRAME_BODY_DATA,
		              .id = s->id,
		              .n = (uint32_t)part.n,
		              .flags = (uint8_t)((s->sub ? ER_FF_SUB : 0) | (fin ? ER_FF_FIN : 0)),
		              .arg = fin && !s->sub && s->owner != NULL ? er_turn_cpu_us(s->owner) : 0};
		ER_ASSERT(part.n > 0 && part.n <= s->credit);
		er_out_frame(&f, part);
		er_buf_consume(&s->bytes, part.n);
		s->credit -= part.n;
	}
	if (er_buf_len(&s->bytes) == 0)
		er_send_drop(s);
}

void er_send_drop(er_send *s)
{
	er_request *owner = s->owner;
	ER_ASSERT(!er_list_empty(&s->link));
	er_list_remove(&s->link);
	er_buf_fini(&s->bytes);
	if (s->sub) {
		er_sub *sub = er_sub_find(s->id);
		er_free(s);
		if (sub != NULL && sub->up) {
			sub->up = false;
			er_sub_settle(sub);
		}
		return;
	}
	er_free(s);
	if (owner != NULL && owner->draining && !owner->over) {
		er_request_tell_done(owner);
		er_request_over(owner);
	}
}
