/* Requests: what came in, and the answer. Each part of a request becomes a value only when the
 * prelude asks for it. An answer is one frame if its body is small or the node has it; a large
 * complete body follows as a send (request.h), a stream by er.write. The CPU that the frame names
 * is filled in when the turn ends. A head beyond its bounds is refused before anything was said. */
#include "sandbox/api/api.h"

#include "base/mem.h"

/* The live request of that number. */
static er_request *request_arg(er_value id)
{
	er_request *r = er_request_find(er_js_to_u32(id));
	return r != NULL && r->id != 0 && !r->over ? r : NULL;
}

static er_value slice_value(const er_request *r, er_slice s)
{
	return r != NULL ? er_js_latin1(s) : er_js_undefined();
}

ER_NATIVE(owner)
{
	return er_js_number(er_turn_owner()->id);
}

ER_NATIVE(reqMethod)
{
	er_request *r = request_arg(a->id);
	return r != NULL ? slice_value(r, r->method) : er_js_undefined();
}

ER_NATIVE(reqUrl)
{
	er_request *r = request_arg(a->id);
	return r != NULL ? er_js_from_utf8(r->url) : er_js_undefined();
}

ER_NATIVE(reqBlock)
{
	er_request *r = request_arg(a->id);
	return r != NULL ? slice_value(r, r->block) : er_js_undefined();
}

ER_NATIVE(reqInfo)
{
	er_request *r = request_arg(a->id);
	return r != NULL ? er_js_from_utf8(r->info) : er_js_undefined();
}

ER_NATIVE(reqBody)
{
	er_request *r = request_arg(a->id);
	if (r == NULL || !(r->flags & ER_FF_BODY))
		return er_js_number(ER_LENGTH_NO_BODY);
	return er_js_number(r->upload == ER_LEN_UNKNOWN ? ER_LENGTH_UNKNOWN : (double)r->upload);
}

ER_NATIVE(reqInline)
{
	er_request *r = request_arg(a->id);
	if (r == NULL || !(r->flags & ER_FF_INLINE))
		return er_js_undefined();
	return er_js_u8_copy(r->inline_body, exception);
}

ER_NATIVE(reqInlineText)
{
	er_request *r = request_arg(a->id);
	if (r == NULL || !(r->flags & ER_FF_INLINE))
		return er_js_undefined();
	return er_js_from_utf8(r->inline_body);
}

ER_NATIVE(reqInlineJSON)
{
	er_request *r = request_arg(a->id);
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

_Static_assert(ER_BLOCK_MAX == 64 * 1024 && ER_BLOCK_FIELDS == 256 && ER_REASON_MAX == 1024, "the sentences below say so");

/* Bounds that the node checks as well: here they become an exception that says what was too
 * much. */
static bool head_ok(er_slice reason, er_slice block, er_value *exception)
{
	const char *why = NULL;
	if (reason.n > ER_REASON_MAX)
		why = "the response cannot be sent: its statusText has more than 1024 characters";
	else if (block.n > ER_BLOCK_MAX)
		why = "the response cannot be sent: its headers have more than 64 KB";
	/* a short one cannot have too many */
	else if (block.n > 2 * ER_BLOCK_FIELDS && lines_of(block) > 2 * ER_BLOCK_FIELDS)
		why = "the response cannot be sent: it has more than 256 header fields";
	return why == NULL || er_js_throw(exception, "RangeError", why) != NULL;
}

/* `number`: of a relay the body's key, of a stream its length. */
static void respond(er_request *r, er_frame *f, er_slice reason, er_slice block, er_slice body, uint64_t number)
{
	bool big = (f->flags & ER_FF_STREAM) && body.n;
	bool over = (f->flags & ER_FF_DONE) != 0;
	if (big)
		f->flags &= (uint8_t)~ER_FF_DONE; /* said when the body is out */
	bool inl = (f->flags & ER_FF_INLINE) != 0;
	ER_ASSERT(r->id == f->id && !r->over && !(inl && (f->flags & (ER_FF_STREAM | ER_FF_RELAY))));
	bool kept = (f->flags & ER_FF_KEPT) != 0;
	f->n =
	    (uint32_t)((kept ? 0 : 8 + reason.n + block.n) + (inl ? body.n : 0) + (f->flags & (ER_FF_RELAY | ER_FF_STREAM) ? 8 : 0));
	f->arg = 0;
	/* head_ok has seen to it */
	ER_ASSERT(f->n <= ER_FRAME_MAX && (!inl || body.n <= ER_INLINE_BODY));
	uint8_t *head;
	er_writer w = {er_out_begin(f, &head)};
	if (!kept) {
		er_put_string(&w, reason);
		er_put_string(&w, block);
	}
	if (inl)
		er_put_bytes(&w, body);
	if (f->flags & ER_FF_STREAM)
		er_put_u64(&w, big ? body.n : number);
	if (f->flags & ER_FF_RELAY) {
		er_put_u32(&w, er_key_from(number).id);
		er_put_u32(&w, er_key_from(number).sub);
	}
	er_turn_patch(head, r);
	er_out_end();
	r->streaming = (f->flags & ER_FF_STREAM) && !big;
	if (over && big) {
		er_request_drain(r);
	} else if (over) {
		r->done_told = true;
		er_request_over(r);
	}
	if (big)
		er_send_new(r->id, false, body, r, ER_CREDIT_START);
}

/* The body of a subrequest, or the upload: the node has it, and JavaScript hears no more of it. */
static void take_relayed(uint64_t number)
{
	er_key relay = er_key_from(number);
	er_body_down_over(relay.id, relay.sub);
}

/* The node knows the head of the answer that this body came with. */
static bool is_kept(uint64_t number)
{
	er_key key = er_key_from(number);
	er_sub *s = key.sub ? er_sub_find(key.id) : NULL;
	return s != NULL && s->kept;
}

/* The last argument is of a relay the key, of a stream the length. */
ER_NATIVE(respond)
{
	er_request *r = request_arg(a->id);
	if (r == NULL || r->draining)
		return er_js_undefined();
	uint32_t flags = er_js_to_u32(a->flags);
	er_frame f = {.type = ER_FRAME_RESPONSE, .id = r->id, .aux = (uint16_t)er_js_to_u32(a->status)};
	if (flags & ER_BODY_LAST)
		f.flags |= ER_FF_DONE;
	uint64_t number = 0;
	if (flags & ER_BODY_RELAY) {
		number = er_js_to_u64(a->number);
		f.flags |= ER_FF_RELAY;
	} else if (flags & ER_BODY_STREAM) {
		number = er_js_to_length(a->number);
		f.flags |= ER_FF_STREAM;
	}
	if ((flags & ER_BODY_KEPT) && (flags & ER_BODY_RELAY) && is_kept(number)) {
		f.flags |= ER_FF_KEPT;
		take_relayed(number);
		respond(r, &f, (er_slice){0}, (er_slice){0}, (er_slice){0}, number);
		return er_js_undefined();
	}
	er_text reason, block, text;
	er_slice body = {0};
	if (!er_js_bytestring_arg(a->reason, &reason, exception))
		return NULL;
	er_value ok = NULL;
	if (er_js_bytestring_arg(a->block, &block, exception)) {
		bool whole = (flags & ER_BODY_WHOLE) != 0;
		if (head_ok(er_text_slice(&reason), er_text_slice(&block), exception) &&
		    (!whole || er_whole_body(a->body, &text, &body, exception))) {
			if (whole)
				f.flags |= body.n <= ER_INLINE_BODY ? ER_FF_INLINE : ER_FF_STREAM;
			if (flags & ER_BODY_RELAY)
				take_relayed(number);
			respond(r, &f, er_text_slice(&reason), er_text_slice(&block), body, number);
			if (whole)
				er_text_fini(&text);
			ok = er_js_undefined();
		}
		er_text_fini(&block);
	}
	er_text_fini(&reason);
	return ok;
}

ER_NATIVE(isBare)
{
	return er_js_bool(er_js_is_bare(a->promise));
}

ER_NATIVE(isHandled)
{
	return er_js_bool(er_js_is_handled(a->promise));
}

ER_NATIVE(watchTurns)
{
	er_engine_watch_turns(er_js_to_bool(a->on));
	return er_js_undefined();
}

/* True: the node will answer the request with what the subrequest brings. That goes only while
 * nobody waits for the promise of it, who would have to be told first, and while the node has not
 * seen the FETCH, which may be answered as soon as it is seen. */
ER_NATIVE(answer)
{
	er_request *r = request_arg(a->id);
	er_sub *s = er_sub_find(er_js_to_u32(a->fid));
	bool may = r != NULL && !r->draining && s != NULL && er_sub_owner(s) == r && er_js_is_bare(a->promise);
	return er_js_bool(may && er_sub_answer(s));
}

ER_NATIVE(pass)
{
	er_request *r = request_arg(a->id);
	if (r == NULL)
		return er_js_undefined();
	er_frame f = {.type = ER_FRAME_PASS, .id = r->id};
	er_out_frame(&f, (er_slice){0});
	return er_js_undefined();
}

ER_NATIVE(done)
{
	er_request *r = request_arg(a->id);
	if (r == NULL)
		return er_js_undefined();
	if (er_send_find(r->id, false) != NULL) {
		er_request_drain(r);
		return er_js_undefined();
	}
	er_request_tell_done(r);
	er_request_over(r);
	return er_js_undefined();
}
