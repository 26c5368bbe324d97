/* Records of what is being answered.
 *
 * A request: new (er_request_new, in the frame's turn) → kept, if it is not over by the end of that
 * turn (its payload is copied out of the ring) → over (er_request_over: timers and subrequests go)
 * → forgotten at the end of the turn, when its CPU has been charged. "draining" is between:
 * JavaScript is done, a body of ours still goes out, and DONE is said when it is out. Requests are
 * found by id in buckets; records are pooled. Request 0 is a member of er_requests and never goes.
 *
 * A subrequest hangs on its owner (held.h) and is in a bucket; `down` (the response) and `up` (the
 * upload) say what is still to come, and er_sub_settle frees it when neither is. One for which the
 * node has given no credit waits in a line, with its whole FETCH frame; er_sub_next sends the
 * first of them.
 *
 * A send is a complete body that did not fit its head's frame: a copy, let out as the node gives
 * credit, freed when it is out or nobody wants it.
 *
 * Numbers that JavaScript gives (ids, fids) are looked up and may be unknown; nothing is believed
 * of them. */
#include "sandbox/sandbox.h"

#include "base/mem.h"

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
		er_list_init(&r->held);
		return r;
	}
	ER_ASSERT(rs->free_n > 0 && er_list_empty(&r->held));
	rs->free = r->next;
	rs->free_n--;
	return r;
}

static void give_record(er_requests *rs, er_request *r)
{
	ER_ASSERT(r->id != 0 && er_list_empty(&r->held) && r->timers_n == 0 && r->reading.handle == NULL);
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
	r->over = r->done_told = r->draining = r->metered = r->streaming = r->debugged = r->told_hung = false;
	r->timers_n = r->logs_n = 0;
	r->sockets_n = 0;
	r->cpu_ns = r->cpu_past_ns = r->relieved_ns = r->upload_asked = 0;
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

void er_request_over(er_request *r)
{
	if (r->id == 0 || r->over)
		return;
	r->over = true;
	er_held_end_all(&r->held);
	er_turn_forget_later(r);
}

void er_request_drain(er_request *r)
{
	ER_ASSERT(r->id != 0 && !r->over);
	r->draining = true;
	er_held_end_kind(&r->held, ER_HELD_timer);
}

/* ---- requests that nothing can wake ---- */

/* What is being drained has no JavaScript to wake. */
static bool awake(const er_request *r)
{
	return !r->draining && (r->streaming || er_held_any_awake(&r->held));
}

er_request *er_request_next_hung(void)
{
	er_requests *rs = &er_sb.requests;
	er_request *hung = NULL, *r = rs->awake != 0 ? er_request_find(rs->awake) : NULL;
	/* Mostly the one that was awake the last time still is. */
	if (rs->live == 0 || (r != NULL && awake(r)) || er_held_any_awake(&rs->background.held))
		return NULL;
	for (unsigned i = 0, seen = 0; i < ER_BUCKETS && seen < rs->live; i++)
		for (r = rs->buckets[i]; r != NULL; r = r->next, seen++) {
			ER_ASSERT(!r->over); /* between turns it would be forgotten */
			if (awake(r)) {
				rs->awake = r->id;
				return NULL;
			}
			if (!r->draining && !r->told_hung)
				hung = r;
		}
	if (hung != NULL)
		hung->told_hung = true;
	return hung;
}

static void forget(er_request *r)
{
	er_requests *rs = &er_sb.requests;
	ER_ASSERT(r->id != 0 && r->over && rs->live > 0);
	for (er_request **at = bucket(r->id); *at != NULL; at = &(*at)->next) {
		if (*at != r)
			continue;
		*at = r->next;
		rs->live--;
		ER_ASSERT(er_list_empty(&r->held)); /* nothing can be hung on a request that is over */
		give_record(rs, r);
		return;
	}
	ER_ASSERT(false && "a request is forgotten once");
}

void er_requests_init(er_requests *rs)
{
	er_list_init(&rs->sends);
	er_list_init(&rs->waiting);
	er_list_init(&rs->background.held);
	er_sb.turn.forgets = forget;
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
	er_list_init(&s->waits);
	er_held_init(&s->held, ER_HELD_sub, owner);
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
		uint8_t *p = er_out_begin(fetch, &s->fetch_head);
		s->fetch_mark = er_out_mark();
		return p;
	}
	er_list_push(&rs->waiting, &s->waits);
	uint8_t *p = er_buf_reserve(&s->fetch, ER_FRAME_HEAD + fetch->n);
	memcpy(p, fetch, ER_FRAME_HEAD);
	er_buf_wrote(&s->fetch, ER_FRAME_HEAD + fetch->n);
	return p + ER_FRAME_HEAD;
}

bool er_sub_answer(er_sub *s)
{
	er_frame f;
	if (s->fetch_head == NULL || er_out_seen(s->fetch_mark))
		return false;
	memcpy(&f, s->fetch_head, sizeof f);
	ER_ASSERT(f.type == ER_FRAME_FETCH && f.id == s->fid);
	f.aux |= ER_FETCH_ANSWER;
	memcpy(s->fetch_head, &f, sizeof f);
	return true;
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
	er_held_fini(&s->held);
	er_list_remove(&s->waits);
	er_buf_fini(&s->fetch);
	er_send *send = er_send_find(s->fid, true);
	if (send != NULL)
		er_send_drop(send);
	er_free(s);
}

static void sub_end(er_held *h)
{
	er_sub *s = ER_CONTAINER(h, er_sub, held);
	s->up = s->down = false;
	er_sub_settle(s);
}

/* ---- bodies of the node that JavaScript reads, and may have stopped reading ---- */

static void say(er_frame_type type, uint32_t id, bool sub, er_err_kind why)
{
	er_frame f = {.type = (uint8_t)type, .id = id, .flags = sub ? ER_FF_SUB : 0, .aux = (uint16_t)why};
	er_out_frame(&f, (er_slice){0});
}

/* Nobody can read the response any more. The upload, if there is one, goes on. */
static uint64_t sub_lost(er_held *h)
{
	er_sub *s = ER_CONTAINER(h, er_sub, held);
	uint32_t fid = s->fid;
	ER_ASSERT(fid != 0 && er_sub_owner(s) != NULL);
	if (s->down)
		say(ER_FRAME_BODY_CANCEL, fid, true, ER_ERR_CANCELLED);
	er_body_down_over(fid, true);
	return er_body_key(fid, true);
}

static bool sub_stalled(const er_held *h)
{
	const er_sub *s = ER_CONTAINER(h, er_sub, held);
	return s->down && s->begun && s->asked == 0;
}

static bool sub_quiet(const er_held *h)
{
	const er_sub *s = ER_CONTAINER(h, er_sub, held);
	return s->headed && s->down && !s->up && s->asked == 0;
}

const er_held_ops er_held_ops_sub = {.end = sub_end, .lost = sub_lost, .stalled = sub_stalled, .quiet = sub_quiet};

static void reading_end(er_held *h)
{
	er_held_fini(h);
}

/* The client may send the rest, which is dropped: it has done nothing that its connection
 * should end for. */
static uint64_t reading_lost(er_held *h)
{
	const er_request *r = h->owner;
	ER_ASSERT(r != NULL && !r->over && &r->reading == h);
	say(ER_FRAME_DRAIN, r->id, false, ER_ERR_OK);
	er_held_end(h);
	return er_body_key(r->id, false);
}

static bool reading_stalled(const er_held *h)
{
	return h->owner->upload_asked == 0;
}

const er_held_ops er_held_ops_upload = {
    .end = reading_end, .lost = reading_lost, .stalled = reading_stalled, .quiet = reading_stalled};

void er_body_down_over(uint32_t id, bool sub)
{
	if (sub) {
		er_sub *s = er_sub_find(id);
		if (s == NULL)
			return;
		s->down = false;
		er_sub_settle(s);
		return;
	}
	er_request *r = er_request_find(id);
	if (r != NULL && r->reading.owner != NULL)
		er_held_end(&r->reading);
}

void er_body_up_over(uint32_t id, bool sub)
{
	er_request *r = sub ? NULL : er_request_find(id);
	er_sub *s = sub ? er_sub_find(id) : NULL;
	if (r != NULL)
		r->streaming = false;
	if (s == NULL)
		return;
	s->up = false;
	er_sub_settle(s);
}

/* Where it is counted what was asked for and has not come; NULL: not known. */
static uint64_t *asked_of(uint32_t id, bool sub)
{
	if (sub) {
		er_sub *s = er_sub_find(id);
		return s != NULL ? &s->asked : NULL;
	}
	er_request *r = id != 0 ? er_request_find(id) : NULL;
	return r != NULL ? &r->upload_asked : NULL;
}

void er_asked_more(uint32_t id, bool sub, uint32_t n)
{
	uint64_t *asked = asked_of(id, sub);
	ER_ASSERT(n > 0);
	if (asked == NULL)
		return;
	*asked += n;
	if (sub)
		er_sub_find(id)->begun = true;
}

void er_asked_came(uint32_t id, bool sub, uint32_t n)
{
	uint64_t *asked = asked_of(id, sub);
	if (asked != NULL)
		*asked -= n < *asked ? n : *asked;
}

/* ---- complete bodies ---- */
void er_send_new(uint32_t id, bool sub, er_slice bytes, er_request *owner, uint32_t credit)
{
	ER_ASSERT(bytes.n > 0 && owner != NULL && er_send_find(id, sub) == NULL);
	er_send *s = ER_NEW(er_send);
	s->id = id;
	s->sub = sub;
	s->credit = credit;
	er_held_init(&s->held, ER_HELD_send, owner);
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
		              .arg = fin && !s->sub ? er_turn_cpu_us(s->held.owner) : 0};
		ER_ASSERT(part.n > 0 && part.n <= s->credit);
		er_out_frame(&f, part);
		er_buf_consume(&s->bytes, part.n);
		s->credit -= part.n;
	}
	if (er_buf_len(&s->bytes) == 0)
		er_send_drop(s);
}

static void send_end(er_held *h)
{
	er_send *s = ER_CONTAINER(h, er_send, held);
	ER_ASSERT(!er_list_empty(&s->link));
	er_list_remove(&s->link);
	er_held_fini(h);
	er_buf_fini(&s->bytes);
	er_free(s);
}

/* The node takes it, and JavaScript hears nothing of that. */
static bool send_quiet(const er_held *h)
{
	(void)h;
	return true;
}

const er_held_ops er_held_ops_send = {.end = send_end, .quiet = send_quiet};

void er_send_drop(er_send *s)
{
	er_request *owner = s->held.owner;
	uint32_t id = s->id;
	bool sub = s->sub;
	er_held_end(&s->held);
	if (sub) {
		er_body_up_over(id, true);
	} else if (owner->draining && !owner->over) {
		er_request_tell_done(owner);
		er_request_over(owner);
	}
}
