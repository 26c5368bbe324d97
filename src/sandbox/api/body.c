/* Natives about the bytes of bodies. A body is named by its key (api.h): the upload or the answer
 * of a request, or those of a subrequest.
 *
 * pull, drain, bodyCancel and clone are about a body that lies in the node: they ask for some of
 * it, let the node throw it away, give it up, or make a second one of it. write, end and abort are
 * about a body that JavaScript sends. Each becomes one frame. Nothing is kept here: the body's
 * request (request.h) or subrequest knows whether it is still open, and what comes for one that is
 * over is silently nothing, because JavaScript may still hold a stream of it. */
#include "sandbox/api/api.h"

/* A frame without a payload. */
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

/* Nothing more of the node's body will come. */
static void down_over(er_key k)
{
	er_sub *s = k.sub ? er_sub_find(k.id) : NULL;
	if (s == NULL)
		return;
	s->down = false;
	er_sub_settle(s);
}

/* Nothing more of the body that JavaScript sends will come. */
static void up_over(er_key k)
{
	er_sub *s = k.sub ? er_sub_find(k.id) : NULL;
	if (s == NULL)
		return;
	s->up = false;
	er_sub_settle(s);
}

ER_NATIVE(pull)
{
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
	uint32_t n = er_js_to_u32(argc > 1 ? argv[1] : NULL);
	if (n && known(k))
		say(ER_FRAME_PULL, k, n, 0);
	return er_js_undefined();
}

ER_NATIVE(drain)
{
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
	if (known(k)) {
		say(ER_FRAME_DRAIN, k, 0, 0);
		down_over(k);
	}
	return er_js_undefined();
}

ER_NATIVE(bodyCancel)
{
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
	if (known(k)) {
		say(ER_FRAME_BODY_CANCEL, k, 0, ER_ERR_CANCELLED);
		down_over(k);
	}
	return er_js_undefined();
}

/* The copy is a subrequest whose answer's body is all there is of it. */
ER_NATIVE(clone)
{
	if (argc < 3)
		return er_js_throw(exception, "TypeError", "clone: 3 arguments");
	uint32_t fid = er_js_to_u32(argv[0]);
	er_request *owner = er_request_find(er_js_to_u32(argv[1]));
	er_key k = er_key_of(argv[2]);
	if (owner == NULL || owner->id == 0 || owner->over || owner->draining)
		return er_js_throw(exception, "TypeError", "the request that this body belongs to is over");
	if (er_sub_new(fid, owner, false) == NULL)
		return er_js_throw(exception, "Error", "a subrequest's number is taken");
	er_frame f = {.type = ER_FRAME_CLONE, .id = fid, .arg = owner->id, .n = 8};
	er_writer w = {er_out_begin(&f, NULL)};
	er_put_u32(&w, k.id);
	er_put_u32(&w, k.sub);
	er_out_end();
	return er_js_undefined();
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
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
	er_slice bytes;
	if (argc < 2 || !er_js_bytes(argv[1], &bytes))
		return er_js_throw(exception, "TypeError", "write: bytes");
	if (!known(k))
		return er_js_undefined();
	while (bytes.n) {
		er_slice part = er_slice_head(bytes, ER_FRAME_DATA);
		er_frame f = {.type = ER_FRAME_BODY_DATA, .id = k.id, .flags = er_key_flag(k), .n = (uint32_t)part.n};
		er_out_frame(&f, part);
		bytes = er_slice_from(bytes, part.n);
	}
	return er_js_undefined();
}

ER_NATIVE(end)
{
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
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
	up_over(k);
	return er_js_undefined();
}

ER_NATIVE(abort)
{
	er_key k = er_key_of(argc > 0 ? argv[0] : NULL);
	if (known(k)) {
		say(ER_FRAME_BODY_FAIL, k, 0, ER_ERR_EXCEPTION);
		up_over(k);
	}
	return er_js_undefined();
}
