#include "isolate/internal.h"

#include "base/mem.h"
#include "http/identity.h"
#include "http/url.h"
#include "isolate/block.h"

#include <string.h>

enum { MAGIC = 0x53554252, MAX_HOPS = 12 };

void er_sub_free(er_sub *s, er_err_kind reason)
{
	ER_CHECK(s, MAGIC);
	er_exchange *x = s->x;
	s->x = NULL;
	er_list_remove(&s->link);
	er_idmap_del(&s->call->instance->subs, s->id);
	/* The exchange first: an upload that breaks off would be answered, and nobody is there for the answer any more. */
	if (x != NULL) {
		er_exchange_cancel(x, reason);
		er_exchange_unref(x);
	}
	er_inflow_fini(&s->upload, reason);
	er_body *unread = er_outflow_take(&s->response);
	if (unread != NULL) {
		er_body_cancel(unread, reason);
		er_body_unref(unread);
	}
	s->magic = 0;
	er_free(s);
}

static void say_fail(er_instance *in, uint32_t id, er_err_kind kind, er_slice text)
{
	er_frame f = {.type = ER_FRAME_SUB_FAIL, .flags = ER_FF_SUB, .aux = (uint16_t)kind, .id = id};
	er_instance_say(in, f, er_slice_head(text, 1024));
}

static void say_head(er_sub *s, const er_exchange *x)
{
	const er_response *res = &x->res;
	size_t block = er_block_n(&res->fields), n = 3 * 4 + res->reason.n + block + res->url_list.n;
	if (n > ER_FRAME_MAX) {
		say_fail(s->call->instance, s->id, ER_ERR_TOO_LARGE, ER_LIT("the response's head is too large"));
		return;
	}
	int64_t length = res->body ? er_body_length(res->body) : 0;
	er_frame f = {.n = (uint32_t)n,
	              .type = ER_FRAME_SUB_HEAD,
	              .flags = ER_FF_SUB | (res->body ? ER_FF_BODY : 0),
	              .aux = (uint16_t)res->status,
	              .id = s->id};
	f.arg = length < 0 || length >= ER_LEN_UNKNOWN ? ER_LEN_UNKNOWN : (uint32_t)length;
	er_writer w = {er_instance_saying(s->call->instance, &f)};
	if (w.p == NULL)
		return;
	er_put_string(&w, res->reason);
	er_put_u32(&w, (uint32_t)block);
	er_block_put(&w, &res->fields);
	er_put_string(&w, res->url_list);
}

static void count(er_sub *s, const er_exchange *x)
{
	er_call *c = s->call;
	/* The request itself was counted when the fetch began; redirects come on top. */
	c->subrequests += x->facts.subrequests;
	if (c->x != NULL) {
		int class = x->res.error == ER_ERR_OK ? x->res.status / 100 : 0;
		c->x->facts.subrequests_by_class[class > 5 ? 0 : class]++;
	}
}

static void on_answer(void *asker, er_exchange *x)
{
	er_sub *s = asker;
	ER_CHECK(s, MAGIC);
	s->x = NULL;
	count(s, x);
	if (x->res.error != ER_ERR_OK) {
		say_fail(s->call->instance, s->id, x->res.error, x->res.error_text);
		er_exchange_unref(x);
		er_sub_free(s, ER_ERR_CANCELLED);
		return;
	}
	er_instance *in = s->call->instance;
	say_head(s, x);
	if (x->res.body != NULL)
		er_outflow_init(&s->response, in, x->res.body, s->id, true);
	er_exchange_unref(x);
	er_box_activate(in->box);
}

/* What a routine may not set on the way out: framing and identity are the node's. */
static bool forbidden(er_slice name)
{
	return er_field_hop_by_hop(name) || er_slice_ieq(name, ER_LIT("host")) || er_slice_ieq(name, ER_LIT("via")) ||
	       er_slice_ieq(name, ER_LIT("cdn-loop")) || er_slice_ieq(name, ER_LIT("expect")) ||
	       (name.n > 12 && er_slice_ieq(er_slice_head(name, 12), ER_LIT("x-forwarded-")));
}

/* `text` lies in the exchange's arena. */
static bool read_url(er_exchange *x, er_slice text)
{
	er_url u;
	er_slice href = text;
	if (!er_url_plain(&u, text)) {
		if (!er_url_parse(&u, text, NULL))
			return false;
		href = er_arena_copy(&x->arena, er_url_href(&u));
		er_url_fini(&u);
	}
	er_slice scheme = er_slice_head(href, u.protocol_end - 1);
	if (!er_slice_eq(scheme, ER_LIT("http")) && !er_slice_eq(scheme, ER_LIT("https")))
		return false;
	size_t host = u.host_start + (href.p[u.host_start] == '@'), end = u.hash_start == ER_URL_ABSENT ? href.n : u.hash_start;
	x->req.scheme = scheme;
	x->req.authority = er_slice_of(href.p + host, u.pathname_start - host);
	x->req.target = er_slice_of(href.p + u.pathname_start, end - u.pathname_start);
	return true;
}

static bool read_body(er_sub *s, const er_frame *f, er_reader *r)
{
	er_exchange *x = s->x;
	er_call *c = s->call;
	if (f->flags & ER_FF_INLINE) {
		x->req.body = er_body_of(er_piece_copy(r->rest));
	} else if (f->flags & ER_FF_STREAM) {
		const er_slice *cl = er_fields_get(&x->req.fields, ER_LIT("content-length"));
		uint64_t n;
		int64_t length = cl && er_slice_u64(*cl, &n) && n <= INT64_MAX ? (int64_t)n : ER_BODY_UNKNOWN;
		x->req.body = er_inflow_init(&s->upload, c->instance, s->id, true, length);
	} else if (f->flags & ER_FF_RELAY) {
		uint32_t id = er_get_u32(r), is_sub = er_get_u32(r);
		er_sub *other = is_sub ? er_idmap_get(&c->instance->subs, id) : NULL;
		if (is_sub)
			x->req.body = other != NULL && other->call == c ? er_outflow_take(&other->response) : NULL;
		else
			x->req.body = id == c->id ? er_outflow_take(&c->upload) : NULL;
		return !r->bad && x->req.body != NULL;
	}
	return true;
}

static void launch(er_sub *s, uint16_t aux)
{
	er_call *c = s->call;
	er_isolate_host *h = c->instance->host;
	const er_routine *routine = c->instance->routine;
	er_exchange *x = s->x;
	/* Answers may come at once, and then free the sub. */
	er_exchange_ref(x);
	if (aux & (ER_FETCH_SELF | ER_FETCH_CDN_PROXY)) {
		if (c->x != NULL && er_slice_ieq(x->req.authority, c->x->req.authority)) {
			er_identity_inherit(x, c->x);
			er_exchange_start(x, h->standard);
		} else {
			er_exchange_fail(x, 403, ER_ERR_NO_ROUTE, NULL, "cdnProxy: this node does not serve that host");
			x->res.error = ER_ERR_OK; /* a 403 the routine sees, not a network error */
			er_exchange_answer(x);
		}
	} else {
		uint32_t left = routine->limits.subrequests > c->subrequests ? routine->limits.subrequests - c->subrequests : 0;
		er_fetch_options opt = {.redirect = (er_redirect)(aux & ER_FETCH_REDIRECT_MASK),
		                        .decompress = (er_decompress)((aux >> ER_FETCH_DECOMPRESS_SHIFT) & 3),
		                        .max_hops = left < MAX_HOPS ? left : MAX_HOPS,
		                        .pool = routine,
		                        .allow = routine->allow,
		                        .n_allow = routine->n_allow};
		er_identity_forward(&x->req.fields, &x->arena, c->x != NULL ? c->x : x);
		er_origin_fetch(h->origin, x, &opt);
	}
	er_exchange_unref(x);
}

bool er_sub_start(er_instance *in, const er_frame *f, er_slice payload)
{
	er_call *c = er_idmap_get(&in->by_id, f->arg);
	if (f->id == 0 || er_idmap_get(&in->subs, f->id) != NULL)
		return false;
	if (c == NULL || c->expired || (c->x == NULL && !c->answered)) {
		say_fail(in, f->id, ER_ERR_CANCELLED, ER_LIT("the request is over"));
		return true;
	}
	c->touched = true;
	if (c->subrequests >= in->routine->limits.subrequests) {
		say_fail(in, f->id, ER_ERR_SUBREQUESTS, ER_LIT("too many subrequests in this request"));
		er_stat_add(&in->host->stats.kills[ER_ERR_SUBREQUESTS], 1);
		return true;
	}
	c->subrequests++;
	er_sub *s = ER_NEW(er_sub);
	*s = (er_sub){.magic = MAGIC, .id = f->id, .call = c, .x = er_exchange_new()};
	er_list_push(&c->subs, &s->link);
	er_idmap_add(&in->subs, s->id, s);
	er_exchange *x = s->x;
	x->on_answer = on_answer;
	x->asker = s;
	x->facts.started_us = er_clock_mono_us();
	if (c->x != NULL) {
		x->depth = c->x->depth + 1;
		x->client = c->x->client;
	}
	/* The payload is shared with the sandbox: each length is read once, each piece copied once before anybody looks at it. */
	er_reader r = {.rest = payload};
	er_slice method = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice url = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice block = er_arena_copy(&x->arena, er_get_string(&r));
	const char *why = NULL;
	if (r.bad) {
		er_sub_free(s, ER_ERR_PROTOCOL);
		return false;
	}
	x->req.method = method;
	if (!er_field_name_ok(method))
		why = "the method is not a token";
	else if (!read_url(x, url))
		why = "only http: and https: URLs can be fetched";
	else if (!er_block_read(block, &x->arena, &x->req.fields, forbidden))
		why = "a header field is malformed, or there are too many";
	else if (!read_body(s, f, &r))
		why = "the body to relay is not there any more";
	if (why != NULL) {
		say_fail(in, f->id, ER_ERR_INVALID, er_slice_cstr(why));
		er_sub_free(s, ER_ERR_INVALID);
		return true;
	}
	launch(s, f->aux);
	return true;
}
