/* Bodies: asking for the node's, sending our own. All a routine says is a key, which may name
 * anything: `known` is asked first, and a native of a body that is over does nothing, because the
 * prelude cannot know yet. A body's end is noted in its record (er_body_down_over,
 * er_body_up_over) as it is said to the node, so that it is said once. `hold` ties the body to an
 * object (held.h). */
#include "sandbox/api/api.h"

static_assert(ER_FRAME_DATA <= ER_FRAME_MAX, "what er.write cuts its bytes into is a frame");

enum { HELD_COST = 1024 }; /* bytes: what a record here and one in the node have */

static void say(er_frame_type type, er_key k, uint32_t arg, uint16_t aux)
{
	er_frame f = {.type = (uint8_t)type, .id = k.id, .flags = er_key_flag(k), .arg = arg, .aux = aux};
	er_out_frame(&f, (er_slice){0});
}

/* Does the body's request or subrequest still live? */
static bool known(er_key k)
{
	if (k.sub)
		return er_sub_find(k.id) != NULL;
	er_request *r = er_request_find(k.id);
	return r != NULL && k.id != 0 && !r->over && !r->draining;
}

/* An upload that came with its head has nothing to end. */
static er_held *held_of(er_key k)
{
	if (k.sub) {
		er_sub *s = er_sub_find(k.id);
		ER_ASSERT(s != NULL && er_sub_owner(s) != NULL);
		return &s->held;
	}
	er_request *r = er_request_find(k.id);
	ER_ASSERT(r != NULL && r->id != 0 && !r->over);
	if (r->flags & ER_FF_INLINE)
		return NULL;
	if (r->reading.owner == NULL)
		er_held_init(&r->reading, ER_HELD_upload, r);
	return &r->reading;
}

ER_NATIVE(pull)
{
	er_key k = er_key_of(a->key);
	uint32_t n = er_js_to_u32(a->n);
	if (n && known(k)) {
		(void)held_of(k); /* what is asked for of an upload is seen to be awaited */
		er_asked_more(k.id, k.sub, n);
		say(ER_FRAME_PULL, k, n, 0);
	}
	return er_js_undefined();
}

ER_NATIVE(hold)
{
	er_key k = er_key_of(a->key);
	er_held *h = known(k) ? held_of(k) : NULL;
	return h != NULL && h->handle == NULL ? er_js_handle(h, HELD_COST) : er_js_undefined();
}

ER_NATIVE(drain)
{
	er_key k = er_key_of(a->key);
	if (known(k)) {
		say(ER_FRAME_DRAIN, k, 0, 0);
		er_body_down_over(k.id, k.sub);
	}
	return er_js_undefined();
}

ER_NATIVE(bodyCancel)
{
	er_key k = er_key_of(a->key);
	if (known(k)) {
		say(ER_FRAME_BODY_CANCEL, k, 0, ER_ERR_CANCELLED);
		er_body_down_over(k.id, k.sub);
	}
	return er_js_undefined();
}

/* The copy is a subrequest whose answer's body is all there is of it. */
ER_NATIVE(clone)
{
	uint32_t fid = er_js_to_u32(a->fid);
	er_request *owner = er_request_find(er_js_to_u32(a->owner));
	er_key k = er_key_of(a->key);
	if (owner == NULL || owner->id == 0 || owner->over || owner->draining)
		return er_js_throw(exception, "TypeError", "the request that this body belongs to is over");
	er_sub *s = er_sub_new(fid, owner, false);
	if (s == NULL)
		return er_js_throw(exception, "Error", "a subrequest's number is taken");
	s->headed = true;
	er_frame f = {.type = ER_FRAME_CLONE, .id = fid, .arg = owner->id, .n = 8};
	er_writer w = {er_out_begin(&f, NULL)};
	er_put_u32(&w, k.id);
	er_put_u32(&w, k.sub);
	er_out_end();
	return er_js_undefined();
}

/* The body of an answer that came with its head, in the turn in which it came. Later it is pulled
 * as any other, unless the node has let go of it. */
static bool has_come(uint32_t fid)
{
	const er_came *c = &er_sb.came;
	return fid != 0 && c->fid == fid && (c->gone || er_sub_find(fid) != NULL);
}

/* JavaScript has it: the node need not keep it. */
static void took_inline(void)
{
	er_came c = er_sb.came;
	er_sb.came = (er_came){0};
	if (c.gone)
		return;
	say(ER_FRAME_DRAIN, (er_key){.id = c.fid, .sub = true}, 0, 0);
	er_body_down_over(c.fid, true);
}

ER_NATIVE(subInline)
{
	if (!has_come(er_js_to_u32(a->fid)))
		return er_js_undefined();
	er_value v = er_js_u8_copy(er_sb.came.bytes, exception);
	if (v != NULL)
		took_inline();
	return v;
}

ER_NATIVE(subInlineText)
{
	if (!has_come(er_js_to_u32(a->fid)))
		return er_js_undefined();
	er_value v = er_js_from_utf8(er_sb.came.bytes);
	took_inline();
	return v;
}

bool er_whole_body(er_value v, er_text *text, er_slice *out, er_value *exception)
{
	text->p = text->room;
	text->n = 0;
	if (!er_js_is_string(v) && er_js_bytes(v, out))
		return true;
	if (!er_js_utf8_arg(v, text, exception))
		return false;
	*out = er_text_slice(text);
	return true;
}

ER_NATIVE(write)
{
	er_key k = er_key_of(a->key);
	er_slice bytes;
	if (!er_js_bytes(a->bytes, &bytes))
		return er_js_throw(exception, "TypeError", "write: bytes");
	if (!known(k))
		return er_js_undefined();
	while (bytes.n) {
		er_slice part = er_slice_head(bytes, ER_FRAME_DATA);
		ER_ASSERT(part.n > 0 && part.n <= bytes.n);
		er_frame f = {.type = ER_FRAME_BODY_DATA, .id = k.id, .flags = er_key_flag(k), .n = (uint32_t)part.n};
		er_out_frame(&f, part);
		bytes = er_slice_from(bytes, part.n);
	}
	return er_js_undefined();
}

ER_NATIVE(end)
{
	er_key k = er_key_of(a->key);
	if (!known(k))
		return er_js_undefined();
	er_frame f = {.type = ER_FRAME_BODY_DATA, .id = k.id, .flags = (uint8_t)(er_key_flag(k) | ER_FF_FIN)};
	er_request *r = k.sub ? NULL : er_request_find(k.id);
	uint8_t *head;
	f.arg = r != NULL ? er_turn_cpu_us(r) : 0;
	er_out_begin(&f, &head);
	if (r != NULL)
		er_turn_patch(head, r);
	er_out_end();
	er_body_up_over(k.id, k.sub);
	return er_js_undefined();
}

ER_NATIVE(abort)
{
	er_key k = er_key_of(a->key);
	if (known(k)) {
		say(ER_FRAME_BODY_FAIL, k, 0, ER_ERR_EXCEPTION);
		er_body_up_over(k.id, k.sub);
	}
	return er_js_undefined();
}
