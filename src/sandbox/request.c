#include "sandbox/sandbox.h"

#include "base/mem.h"

void er_requests_init(er_requests *rs)
{
	er_list_init(&rs->sends);
	er_list_init(&rs->background.timers);
	er_list_init(&rs->background.subs);
}

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

er_request *er_request_only(void)
{
	er_requests *rs = &er_sb.requests;
	if (rs->live == 1)
		for (unsigned i = 0; i < ER_BUCKETS; i++)
			if (rs->buckets[i] != NULL)
				return rs->buckets[i];
	return &rs->background;
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
	rs->free = r->next;
	rs->free_n--;
	return r;
}

static void give_record(er_requests *rs, er_request *r)
{
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
	er_turn_forget_later(r);
}

void er_request_forget(er_request *r)
{
	er_requests *rs = &er_sb.requests;
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
	er_sub *s = ER_NEW(er_sub);
	s->fid = fid;
	s->down = true;
	s->up = up;
	s->owner = owner;
	er_list_push(&owner->subs, &s->link);
	er_sub **at = &er_sb.requests.sub_buckets[fid % ER_BUCKETS];
	s->next = *at;
	*at = s;
	return s;
}

void er_sub_settle(er_sub *s)
{
	if (s->up || s->down)
		return;
	er_sub **at = &er_sb.requests.sub_buckets[s->fid % ER_BUCKETS];
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	er_list_remove(&s->link);
	er_send *send = er_send_find(s->fid, true);
	if (send != NULL)
		er_send_drop(send);
	er_free(s);
}

/* ---- complete bodies ---- */
void er_send_new(uint32_t id, bool sub, er_slice bytes, er_request *owner)
{
	er_send *s = ER_NEW(er_send);
	s->id = id;
	s->sub = sub;
	s->credit = ER_CREDIT_START;
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
