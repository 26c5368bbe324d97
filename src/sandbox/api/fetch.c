/* Subrequests: fetch as JavaScript says it becomes a FETCH frame, now or when the node has given
 * credit (er_sub_ask). Arguments are a routine's: each is converted, then bounded, and a refusal is
 * an exception. */
#include "sandbox/api/api.h"

enum {
	URL_MAX = 16 * 1024,
	METHOD_MAX = 64,
	/* what of aux is C's own: no argument says it */
	OWN = ER_FETCH_WHOLE | ER_FETCH_REQUEST | ER_FETCH_ANSWER | ER_FETCH_WISHES,
};

/* What a native's argument `options` says. */
static uint16_t said(er_value options)
{
	return (uint16_t)(er_js_to_u32(options) & ~(uint32_t)OWN);
}

static_assert(METHOD_MAX + URL_MAX + ER_BLOCK_MAX + ER_WISHES_MAX + ER_INLINE_BODY + 4 * 4 + 8 <= ER_FRAME_MAX,
              "a FETCH at all its bounds is one frame");

typedef struct fetch_text {
	er_text method, url, block, wishes, body; /* wishes: good with FETCH_WISHES in aux */
} fetch_text;

/* `length`: of a stream. */
static void send_fetch(er_sub *s, er_frame *f, const fetch_text *t, er_slice body, er_key relay, uint64_t length)
{
	er_slice method = er_text_slice(&t->method), url = er_text_slice(&t->url), block = er_text_slice(&t->block);
	bool inl = (f->flags & ER_FF_INLINE) != 0, wishing = (f->aux & ER_FETCH_WISHES) != 0;
	er_slice wishes = wishing ? er_text_slice(&t->wishes) : (er_slice){0};
	f->n = (uint32_t)(12 + method.n + url.n + block.n + (wishing ? 4 + wishes.n : 0) + (inl ? body.n : 0) +
	                  (f->flags & (ER_FF_RELAY | ER_FF_STREAM) ? 8 : 0));
	ER_ASSERT(f->id == s->fid && !(inl && (f->flags & (ER_FF_STREAM | ER_FF_RELAY))));
	/* start has seen to it */
	ER_ASSERT(f->n <= ER_FRAME_MAX && block.n <= ER_BLOCK_MAX && url.n <= URL_MAX);
	er_writer w = {er_sub_ask(s, f)};
	er_put_string(&w, method);
	er_put_string(&w, url);
	er_put_string(&w, block);
	if (wishing)
		er_put_string(&w, wishes);
	if (inl)
		er_put_bytes(&w, body);
	if (f->flags & ER_FF_STREAM)
		er_put_u64(&w, length);
	if (f->flags & ER_FF_RELAY) {
		er_put_u32(&w, relay.id);
		er_put_u32(&w, relay.sub);
	}
	er_sub_asked(s);
	if ((f->flags & ER_FF_STREAM) && body.n)
		er_send_new(f->id, true, body, er_sub_owner(s), er_sub_waits(s) ? 0 : ER_CREDIT_START);
}

/* The relayed body of another subrequest says nothing more to us. */
static void relay_over(er_key k)
{
	er_body_down_over(k.id, k.sub);
}

/* NULL: *exception says why not. */
static er_sub *start(uint32_t fid, er_request *owner, er_frame *f, uint32_t flags, er_value body, fetch_text *t,
                     er_value *exception)
{
	er_key relay = {0};
	er_slice bytes = {0};
	uint64_t length = ER_STREAM_OPEN;
	t->body.p = t->body.room;
	t->body.n = 0;
	const char *why = t->method.n > METHOD_MAX    ? "fetch failed: the method has more than 64 characters"
	                  : t->url.n > URL_MAX        ? "fetch failed: the URL has more than 16 KB"
	                  : t->block.n > ER_BLOCK_MAX ? "fetch failed: the headers have more than 64 KB"
	                  : (f->aux & ER_FETCH_WISHES) && t->wishes.n > ER_WISHES_MAX
	                      ? "fetch failed: what it says of the cache has more than 16 KB"
	                      : NULL;
	if (why != NULL) {
		(void)er_js_throw(exception, "TypeError", why);
		return NULL;
	}
	if (flags & ER_BODY_RELAY) {
		relay = er_key_of(body);
		f->flags |= ER_FF_RELAY;
	} else if (flags & ER_BODY_STREAM) {
		length = er_js_to_length(body);
		f->flags |= ER_FF_STREAM;
	} else if (flags & ER_BODY_WHOLE) {
		if (!er_whole_body(body, &t->body, &bytes, exception))
			return NULL;
		length = bytes.n;
		f->flags |= bytes.n <= ER_INLINE_BODY ? ER_FF_INLINE : ER_FF_STREAM;
		f->aux |= ER_FETCH_WHOLE;
	}
	er_sub *s = er_sub_new(fid, owner, (f->flags & ER_FF_STREAM) != 0);
	if (s == NULL) {
		er_text_fini(&t->body);
		(void)er_js_throw(exception, "Error", "a subrequest's number is taken");
		return NULL;
	}
	relay_over(relay);
	if (f->aux & ER_FETCH_PULL)
		er_asked_more(fid, true, ER_PULL_WINDOW);
	send_fetch(s, f, t, bytes, relay, length);
	er_text_fini(&t->body);
	return s;
}

/* undefined: none. False: *exception says why not. */
static bool wishes_of(er_value v, er_frame *f, er_text *out, er_value *exception)
{
	if (er_js_is_undefined(v))
		return true;
	if (!er_js_utf8_arg(v, out, exception))
		return false;
	f->aux |= ER_FETCH_WISHES;
	return true;
}

static void wishes_over(const er_frame *f, er_text *t)
{
	if (f->aux & ER_FETCH_WISHES)
		er_text_fini(t);
}

/* True if it waits for its turn. The last argument is the body, or of a relay its key, or of a
 * stream its length. */
ER_NATIVE(fetch)
{
	uint32_t fid = er_js_to_u32(a->fid);
	er_request *owner = er_request_find(er_js_to_u32(a->owner));
	if (owner == NULL || owner->over || owner->draining)
		return er_js_throw(exception, "TypeError", "the request that this fetch belongs to is over");
	er_frame f = {.type = ER_FRAME_FETCH, .id = fid, .arg = owner->id, .aux = said(a->options)};
	fetch_text t;
	er_sub *s = NULL;
	if (!er_js_bytestring_arg(a->method, &t.method, exception))
		return NULL;
	if (er_js_utf8_arg(a->url, &t.url, exception)) {
		if (er_js_bytestring_arg(a->block, &t.block, exception)) {
			if (wishes_of(a->wishes, &f, &t.wishes, exception)) {
				s = start(fid, owner, &f, er_js_to_u32(a->flags), a->body, &t, exception);
				wishes_over(&f, &t.wishes);
			}
			er_text_fini(&t.block);
		}
		er_text_fini(&t.url);
	}
	er_text_fini(&t.method);
	return s != NULL ? er_js_bool(er_sub_waits(s)) : NULL;
}

/* The request goes to the node as the node sent it: nothing of it becomes a value here. */
ER_NATIVE(fetchRequest)
{
	er_request *owner = er_request_find(er_js_to_u32(a->owner));
	if (owner == NULL || owner->id == 0 || owner->over || owner->draining)
		return er_js_throw(exception, "TypeError", "the request that this fetch belongs to is over");
	er_frame f = {
	    .type = ER_FRAME_FETCH, .id = er_js_to_u32(a->fid), .arg = owner->id, .aux = said(a->options) | ER_FETCH_REQUEST};
	er_text wishes;
	wishes.p = NULL; /* not all of it: it has room for what is short */
	wishes.n = 0;
	if (!wishes_of(a->wishes, &f, &wishes, exception))
		return NULL;
	bool body = (owner->flags & ER_FF_BODY) != 0, wishing = (f.aux & ER_FETCH_WISHES) != 0;
	if (body)
		f.flags |= ER_FF_RELAY;
	const char *why = wishing && wishes.n > ER_WISHES_MAX ? "fetch failed: what it says of the cache has more than 16 KB" : NULL;
	er_sub *s = why == NULL ? er_sub_new(f.id, owner, false) : NULL;
	if (s == NULL) {
		wishes_over(&f, &wishes);
		return er_js_throw(exception, why != NULL ? "TypeError" : "Error", why != NULL ? why : "a subrequest's number is taken");
	}
	if (body)
		er_body_down_over(owner->id, false);
	f.n = wishing ? 4 + (uint32_t)wishes.n : 0;
	er_writer w = {er_sub_ask(s, &f)};
	if (wishing)
		er_put_string(&w, er_text_slice(&wishes));
	wishes_over(&f, &wishes);
	er_sub_asked(s);
	return er_js_number((er_sub_waits(s) ? ER_FETCHED_WAITS : 0) + (body ? ER_FETCHED_BODY : 0));
}

ER_NATIVE(fetchCancel)
{
	uint32_t fid = er_js_to_u32(a->fid);
	er_sub *s = er_sub_find(fid);
	if (s == NULL)
		return er_js_undefined();
	er_frame f = {.type = ER_FRAME_FETCH_CANCEL, .id = fid};
	if (!er_sub_waits(s)) /* else the node has not heard of it */
		er_out_frame(&f, (er_slice){0});
	er_held_end(&s->held);
	return er_js_undefined();
}
