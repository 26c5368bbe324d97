/* Requests: what came in, and the answer. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include <stdio.h>

enum { HEAD_MAX = 32 * 1024, FIELDS_MAX = 100, BODY_NONE = 0, BODY_WHOLE = 1, BODY_STREAM = 2, BODY_RELAY = 4, FLAG_DONE = 64 };

/* The live request that argument 0 names. */
static er_request *request_arg(size_t argc, const er_value argv[])
{
	er_request *r = argc >= 1 ? er_request_find(er_js_to_u32(argv[0])) : NULL;
	return r != NULL && r->id != 0 && !r->over ? r : NULL;
}

static er_value slice_value(const er_request *r, er_slice s)
{
	return r != NULL ? er_js_latin1(s) : er_js_undefined();
}

ER_NATIVE(n_owner)
{
	return er_js_number(er_turn_owner()->id);
}

ER_NATIVE(n_method)
{
	er_request *r = request_arg(argc, argv);
	return r != NULL ? slice_value(r, r->method) : er_js_undefined();
}

ER_NATIVE(n_url)
{
	er_request *r = request_arg(argc, argv);
	return r != NULL ? er_js_from_utf8(r->url) : er_js_undefined();
}

ER_NATIVE(n_block)
{
	er_request *r = request_arg(argc, argv);
	return r != NULL ? slice_value(r, r->block) : er_js_undefined();
}

ER_NATIVE(n_info)
{
	er_request *r = request_arg(argc, argv);
	return r != NULL ? er_js_from_utf8(r->info) : er_js_undefined();
}

ER_NATIVE(n_body)
{
	er_request *r = request_arg(argc, argv);
	if (r == NULL || !(r->flags & ER_FF_BODY))
		return er_js_number(-2);
	return er_js_number(r->upload == ER_LEN_UNKNOWN ? -1 : (double)r->upload);
}

ER_NATIVE(n_inline)
{
	er_request *r = request_arg(argc, argv);
	if (r == NULL || !(r->flags & ER_FF_INLINE))
		return er_js_undefined();
	return er_js_u8_copy(r->inline_body, exception);
}

ER_NATIVE(n_inline_text)
{
	er_request *r = request_arg(argc, argv);
	if (r == NULL || !(r->flags & ER_FF_INLINE))
		return er_js_undefined();
	return er_js_from_utf8(r->inline_body);
}

ER_NATIVE(n_inline_json)
{
	er_request *r = request_arg(argc, argv);
	er_value v = r != NULL && (r->flags & ER_FF_INLINE) ? er_js_parse_json(r->inline_body) : NULL;
	return v != NULL ? v : er_js_undefined();
}

/* The pieces of an answer's or a fetch's frame, as converted from JavaScript. */
static size_t lines_of(er_slice block)
{
	size_t lines = 0;
	while (block.n) {
		size_t at = er_slice_find(block, '\n');
		lines++;
		block = at < block.n ? er_slice_from(block, at + 1) : (er_slice){0};
	}
	return lines;
}

static bool head_ok(er_slice block, er_value *exception)
{
	/* A short one cannot have too many lines. */
	if (block.n <= 2 * FIELDS_MAX || (block.n <= HEAD_MAX && lines_of(block) <= 2 * FIELDS_MAX))
		return true;
	er_js_throw(exception, "RangeError", "the response's header is too large: at most 32 KB in 100 fields");
	return false;
}

static void respond(er_request *r, er_frame *f, er_slice reason, er_slice block, er_slice body, er_key relay)
{
	bool big = (f->flags & ER_FF_STREAM) && body.n;
	char length[64];
	int length_n = 0;
	if (big && !er_block_has(block, ER_LIT("content-length")))
		length_n = snprintf(length, sizeof length, "content-length\n%zu\n", body.n);
	bool over = (f->flags & ER_FF_DONE) != 0;
	if (big)
		f->flags &= (uint8_t)~ER_FF_DONE; /* said when the body is out */
	bool inl = (f->flags & ER_FF_INLINE) != 0;
	f->n = (uint32_t)(8 + reason.n + block.n + (size_t)length_n + (inl ? body.n : 0) + (f->flags & ER_FF_RELAY ? 8 : 0));
	f->arg = 0;
	uint8_t *head;
	er_writer w = {er_out_begin(f, &head)};
	er_put_string(&w, reason);
	er_put_u32(&w, (uint32_t)(block.n + (size_t)length_n));
	er_put_bytes(&w, block);
	er_put_bytes(&w, er_slice_of(length, (size_t)length_n));
	if (inl)
		er_put_bytes(&w, body);
	if (f->flags & ER_FF_RELAY) {
		er_put_u32(&w, relay.id);
		er_put_u32(&w, relay.sub);
	}
	er_turn_patch(head, r);
	er_out_end();
	if (over && big) {
		r->draining = true;
		er_timers_drop(r);
	} else if (over) {
		r->done_told = true;
		er_request_over(r);
	}
	if (big)
		er_send_new(r->id, false, body, r);
}

/* The body of a subrequest, or the upload: the node has it, and JavaScript hears no more of it. */
static er_key take_relayed(er_frame *f, uint64_t number)
{
	er_key relay = er_key_from(number);
	er_sub *s = relay.sub ? er_sub_find(relay.id) : NULL;
	f->flags |= ER_FF_RELAY;
	if (s != NULL) {
		s->down = false;
		er_sub_settle(s);
	}
	return relay;
}

/* er.respond(id, status, reason, block, body, flags, key) */
ER_NATIVE(n_respond)
{
	er_request *r = request_arg(argc, argv);
	if (argc < 6)
		return er_js_throw(exception, "TypeError", "respond: 7 arguments");
	if (r == NULL || r->draining)
		return er_js_undefined();
	uint32_t flags = er_js_to_u32(argv[5]);
	er_frame f = {.type = ER_FRAME_RESPONSE, .id = r->id, .aux = (uint16_t)er_js_to_u32(argv[1])};
	if (flags & FLAG_DONE)
		f.flags |= ER_FF_DONE;
	er_key relay = {0};
	if (flags & BODY_RELAY) {
		relay = take_relayed(&f, er_js_to_u64(argc > 6 ? argv[6] : NULL));
	} else if (flags & BODY_STREAM) {
		f.flags |= ER_FF_STREAM;
	}
	er_text reason, block, text;
	er_slice body = {0};
	if (!er_js_bytestring_arg(argv[2], &reason, exception))
		return NULL;
	er_value ok = NULL;
	if (er_js_bytestring_arg(argv[3], &block, exception)) {
		bool whole = (flags & BODY_WHOLE) != 0;
		if (head_ok(er_text_slice(&block), exception) && (!whole || er_whole_body(argv[4], &text, &body, exception))) {
			if (whole)
				f.flags |= body.n <= ER_INLINE_BODY ? ER_FF_INLINE : ER_FF_STREAM;
			respond(r, &f, er_text_slice(&reason), er_text_slice(&block), body, relay);
			if (whole)
				er_text_fini(&text);
			ok = er_js_undefined();
		}
		er_text_fini(&block);
	}
	er_text_fini(&reason);
	return ok;
}

ER_NATIVE(n_pass)
{
	er_request *r = request_arg(argc, argv);
	if (r == NULL)
		return er_js_undefined();
	er_frame f = {.type = ER_FRAME_PASS, .id = r->id};
	er_out_frame(&f, (er_slice){0});
	return er_js_undefined();
}

ER_NATIVE(n_done)
{
	er_request *r = request_arg(argc, argv);
	if (r == NULL)
		return er_js_undefined();
	if (er_send_find(r->id, false) != NULL) {
		r->draining = true;
		er_timers_drop(r);
		return er_js_undefined();
	}
	er_request_tell_done(r);
	er_request_over(r);
	return er_js_undefined();
}

const er_native er_api_request[] = {ER_NATIVE_AS("owner", n_owner),
                                    ER_NATIVE_AS("reqMethod", n_method),
                                    ER_NATIVE_AS("reqUrl", n_url),
                                    ER_NATIVE_AS("reqBlock", n_block),
                                    ER_NATIVE_AS("reqInfo", n_info),
                                    ER_NATIVE_AS("reqBody", n_body),
                                    ER_NATIVE_AS("reqInline", n_inline),
                                    ER_NATIVE_AS("reqInlineText", n_inline_text),
                                    ER_NATIVE_AS("reqInlineJSON", n_inline_json),
                                    ER_NATIVE_AS("respond", n_respond),
                                    ER_NATIVE_AS("pass", n_pass),
                                    ER_NATIVE_AS("done", n_done),
                                    ER_NATIVES_END};
