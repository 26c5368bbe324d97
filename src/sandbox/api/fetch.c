/* Subrequests. */
#include "sandbox/api/api.h"

enum { HEAD_MAX = 32 * 1024, URL_MAX = 16 * 1024, METHOD_MAX = 64, BODY_WHOLE = 1, BODY_STREAM = 2, BODY_RELAY = 4 };

typedef struct fetch_text {
	er_text method, url, block, body;
} fetch_text;

static void send_fetch(er_frame *f, const fetch_text *t, er_slice body, er_key relay)
{
	er_slice method = er_text_slice(&t->method), url = er_text_slice(&t->url), block = er_text_slice(&t->block);
	bool inl = (f->flags & ER_FF_INLINE) != 0;
	f->n = (uint32_t)(12 + method.n + url.n + block.n + (inl ? body.n : 0) + (f->flags & ER_FF_RELAY ? 8 : 0));
	er_writer w = {er_out_begin(f, NULL)};
	er_put_string(&w, method);
	er_put_string(&w, url);
	er_put_string(&w, block);
	if (inl)
		er_put_bytes(&w, body);
	if (f->flags & ER_FF_RELAY) {
		er_put_u32(&w, relay.id);
		er_put_u32(&w, relay.sub);
	}
	er_out_end();
	if ((f->flags & ER_FF_STREAM) && body.n)
		er_send_new(f->id, true, body, NULL);
}

/* The relayed body of another subrequest says nothing more to us. */
static void relay_over(er_key k)
{
	er_sub *s = k.sub ? er_sub_find(k.id) : NULL;
	if (s == NULL)
		return;
	s->down = false;
	er_sub_settle(s);
}

static bool start(uint32_t fid, er_request *owner, er_frame *f, uint32_t flags, er_value body, fetch_text *t, er_value *exception)
{
	er_key relay = {0};
	er_slice bytes = {0};
	t->body.p = t->body.room;
	t->body.n = 0;
	if (t->method.n > METHOD_MAX || t->url.n > URL_MAX || t->block.n > HEAD_MAX)
		return er_js_throw(exception, "TypeError", "the request's method, URL or header is too large") != NULL;
	if (flags & BODY_RELAY) {
		relay = er_key_of(body);
		f->flags |= ER_FF_RELAY;
	} else if (flags & BODY_STREAM) {
		f->flags |= ER_FF_STREAM;
	} else if (flags & BODY_WHOLE) {
		if (!er_whole_body(body, &t->body, &bytes, exception))
			return false;
		f->flags |= bytes.n <= ER_INLINE_BODY ? ER_FF_INLINE : ER_FF_STREAM;
	}
	if (er_sub_new(fid, owner, (f->flags & ER_FF_STREAM) != 0) == NULL) {
		er_text_fini(&t->body);
		return er_js_throw(exception, "Error", "a subrequest's number is taken") != NULL;
	}
	relay_over(relay);
	send_fetch(f, t, bytes, relay);
	er_text_fini(&t->body);
	return true;
}

/* er.fetch(fid, owner, method, url, block, options, bodyFlags, body or key) */
ER_NATIVE(n_fetch)
{
	if (argc < 7)
		return er_js_throw(exception, "TypeError", "fetch: 8 arguments");
	uint32_t fid = er_js_to_u32(argv[0]);
	er_request *owner = er_request_find(er_js_to_u32(argv[1]));
	if (owner == NULL || owner->over || owner->draining)
		return er_js_throw(exception, "TypeError", "the request that this fetch belongs to is over");
	er_frame f = {.type = ER_FRAME_FETCH, .id = fid, .arg = owner->id, .aux = (uint16_t)er_js_to_u32(argv[5])};
	fetch_text t;
	bool ok = false;
	if (!er_js_bytestring_arg(argv[2], &t.method, exception))
		return NULL;
	if (er_js_utf8_arg(argv[3], &t.url, exception)) {
		if (er_js_bytestring_arg(argv[4], &t.block, exception)) {
			ok = start(fid, owner, &f, er_js_to_u32(argv[6]), argc > 7 ? argv[7] : NULL, &t, exception);
			er_text_fini(&t.block);
		}
		er_text_fini(&t.url);
	}
	er_text_fini(&t.method);
	return ok ? er_js_undefined() : NULL;
}

ER_NATIVE(n_fetch_cancel)
{
	uint32_t fid = er_js_to_u32(argc > 0 ? argv[0] : NULL);
	er_sub *s = er_sub_find(fid);
	if (s == NULL)
		return er_js_undefined();
	er_frame f = {.type = ER_FRAME_FETCH_CANCEL, .id = fid};
	er_out_frame(&f, (er_slice){0});
	s->up = s->down = false;
	er_sub_settle(s);
	return er_js_undefined();
}

const er_native er_api_fetch[] = {ER_NATIVE_AS("fetch", n_fetch), ER_NATIVE_AS("fetchCancel", n_fetch_cancel), ER_NATIVES_END};
