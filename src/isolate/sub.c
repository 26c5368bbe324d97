/* A subrequest (sub.h has the picture). er_sub_start reads FETCH, of which nothing may be trusted,
 * into a child of the call's exchange, and lets the child enter the chain. on_answer says SUB_HEAD,
 * and hands the body to the outflow. A fetch that comes to nothing is answered with SUB_FAIL; only
 * what an honest sandbox cannot say ends the sandbox (false).
 *
 * Counting: the child counts in the account of the call's exchange, the lease in the shares of
 * the thread. */
#include "isolate/internal.h"

#include "base/mem.h"
#include "http/authority.h"
#include "http/identity.h"
#include "http/status.h"
#include "http/url.h"
#include "isolate/block.h"
#include "isolate/introduce.h"
#include "isolate/wish.h"

#include <string.h>

enum { MAGIC = 0x53554252, MAX_HOPS = 20, CLASSIC_HOPS = 12 };

void er_sub_free(er_sub *s, er_err_kind reason)
{
	ER_CHECK(s, MAGIC);
	ER_ASSERT(!s->over && s->id != 0 && er_idmap_get(&s->call->instance->subs, s->id) == s);
	er_exchange *x = s->x;
	s->over = true;
	s->x = NULL;
	s->call->instance->n_sockets -= s->switched;
	er_list_remove(&s->link);
	er_idmap_del(&s->call->instance->subs, s->id);
	/* The exchange first: an upload that breaks off would be answered, and nobody is there for the
	 * answer any more. */
	if (x != NULL) {
		er_exchange_cancel(x, reason);
		er_exchange_unref(x);
	}
	er_inflow_fini(&s->upload, reason);
	er_outflow_cancel(&s->response, reason);
	if (s->lease != NULL)
		er_lease_unref(s->lease);
	er_exchange_unref(s->kept);
	s->magic = 0;
	er_free(s);
}

void er_sub_settle(er_sub *s)
{
	ER_CHECK(s, MAGIC);
	/* with the end of what comes a socket is over in both directions */
	if (!s->over && s->x == NULL && s->response.body == NULL && (s->upload.body == NULL || s->switched))
		er_sub_free(s, ER_ERR_CANCELLED);
}

static void on_response_over(er_outflow *f)
{
	er_sub_settle(ER_CONTAINER(f, er_sub, response));
}

void er_sub_respond(er_sub *s, er_body *body)
{
	ER_CHECK(s, MAGIC);
	er_outflow_init(&s->response, s->call->instance, body, s->id, true);
	s->response.ended = on_response_over;
}

er_body *er_sub_relay(er_sub *s, er_body **up)
{
	er_body *body = er_outflow_take(&s->response);
	*up = body != NULL && s->switched ? er_inflow_take(&s->upload) : NULL;
	if (body != NULL)
		er_sub_settle(s);
	return body;
}

static void say_fail(er_instance *in, uint32_t id, er_err_kind kind, er_slice text)
{
	er_frame f = {.type = ER_FRAME_SUB_FAIL, .flags = ER_FF_SUB, .aux = (uint16_t)kind, .id = id};
	er_instance_say(in, f, er_slice_head(text, 1024));
}

/* Bytes of SUB_HEAD; `block`: of its fields. */
static size_t head_n(const er_response *res, size_t block)
{
	return 3 * 4 + res->reason.n + block + res->url_list.n;
}

/* All of the body is here, and short: it goes along. 0 bytes are not worth it. What a WebSocket's
 * server has said already is not read as a body is. */
static bool is_inline(const er_response *res, size_t block)
{
	const er_body *b = res->body;
	return b != NULL && res->up == NULL && er_body_finished(b) && er_body_untouched(b) && er_body_buffered(b) <= ER_INLINE_BODY &&
	       head_n(res, block) + er_body_buffered(b) <= ER_FRAME_MAX;
}

/* SUB_HEAD: what JavaScript gets of the answer before its body; with INLINE in `more`, with it. */
static void say_head(er_sub *s, const er_exchange *x, size_t block, uint8_t more)
{
	const er_response *res = &x->res;
	size_t body = more & ER_FF_INLINE ? er_body_buffered(res->body) : 0, n = head_n(res, block) + body;
	if (n > ER_FRAME_MAX) {
		say_fail(s->call->instance, s->id, ER_ERR_TOO_LARGE,
		         ER_LIT("the header of the answer and the URLs of its redirects are larger than 128 KB together"));
		return;
	}
	int64_t length = res->body ? er_body_length(res->body) : 0;
	er_frame f = {.n = (uint32_t)n,
	              .type = ER_FRAME_SUB_HEAD,
	              .flags = ER_FF_SUB | (res->body ? ER_FF_BODY : 0) | more,
	              .aux = (uint16_t)res->status,
	              .id = s->id};
	f.arg = length < 0 || length >= ER_LEN_UNKNOWN ? ER_LEN_UNKNOWN : (uint32_t)length;
	er_writer w = {er_instance_saying(s->call->instance, &f)};
	if (w.p == NULL)
		return;
	const uint8_t *start = w.p;
	er_put_string(&w, res->reason);
	er_put_u32(&w, (uint32_t)block);
	er_block_put(&w, &res->fields);
	er_put_string(&w, res->url_list);
	if (body > 0)
		er_body_peek(res->body, w.p, body);
	ER_ASSERT(w.p + body == start + n);
}

/* Takes the caller's reference. The body has an owner of its own. */
static void keep_head(er_sub *s, er_exchange *x)
{
	ER_ASSERT(s->kept == NULL && x->parent == NULL);
	er_body_unref(x->res.body);
	x->res.body = NULL;
	s->kept = x;
}

/* Copies fields without those that `dropped` refuses. */
static void copy_fields(er_fields *to, er_arena *a, const er_fields *from, bool (*dropped)(er_slice name))
{
	uint8_t *p = er_arena_alloc(a, er_block_n(from));
	to->v = er_arena_alloc(a, (from->n + 4) * sizeof *to->v); /* a few will be added */
	to->cap = from->n + 4;
	for (uint32_t i = 0; i < from->n; i++) {
		er_field it = from->v[i];
		if (dropped(it.name))
			continue;
		er_move_in(&p, &it.name);
		er_move_in(&p, &it.value);
		to->v[to->n++] = it;
	}
}

void er_sub_copy_head(const er_response *from, er_response *out, er_arena *a)
{
	ER_ASSERT(from != out && out->fields.n == 0);
	out->reason = er_arena_copy(a, from->reason);
	copy_fields(&out->fields, a, &from->fields, er_identity_not_to_answer);
}

/* The request gets the answer at once, and the sandbox hears of it. The subrequest may be freed. */
static void answer_call(er_sub *s, er_exchange *x, size_t block)
{
	er_call *c = s->call;
	er_sub_answers *answers = s->answers;
	ER_ASSERT(c->x != NULL && !c->answered && answers != NULL);
	say_head(s, x, block, ER_FF_DONE);
	if (x->res.body != NULL)
		er_lease_body(s->lease, x->res.body);
	er_box *box = c->instance->box;
	er_sub_settle(s);
	answers(c, x);
	er_exchange_unref(x);
	er_box_activate(box);
}

/* The sentence of a refused address, with what to do about it. */
static er_slice why_of(const er_sub *s, er_exchange *x)
{
	if (x->req.routine.n > 0 && x->res.error != ER_ERR_NO_ROUTE)
		return er_arena_printf(&x->arena, "the routine %.*s: %.*s", ER_FMT(x->req.routine), ER_FMT(x->res.error_text));
	if (x->res.error != ER_ERR_REFUSED_ADDRESS)
		return x->res.error_text;
	er_slice remedy = er_routine_remedy(s->call->instance->routine, &x->arena);
	return er_arena_printf(&x->arena, "%.*s; %.*s", ER_FMT(x->res.error_text), ER_FMT(remedy));
}

/* A routine may have asked for a switch that its own client cannot make. */
static bool may_answer(const er_exchange *x, const er_response *res)
{
	return x->req.upgrade || !er_status_switches(res->status);
}

/* er_asker.answered: the head goes to the sandbox, and the body waits here until it is pulled. */
static void on_answer(er_asker *asker, er_exchange *x)
{
	er_sub *s = ER_CONTAINER(asker, er_sub, asker);
	ER_CHECK(s, MAGIC);
	ER_ASSERT(s->x == x && !s->over && s->lease != NULL);
	s->x = NULL;
	if (x->res.error != ER_ERR_OK) {
		say_fail(s->call->instance, s->id, x->res.error, why_of(s, x));
		er_exchange_unref(x);
		er_sub_free(s, ER_ERR_CANCELLED);
		return;
	}
	er_instance *in = s->call->instance;
	if (x->data.kind == ER_DATA_NONE && er_slice_eq(x->req.method, ER_LIT("HEAD")) && x->res.body != NULL) {
		/* Its length is that of another answer's body: it has none (Fetch, "main fetch"). */
		er_body_cancel(x->res.body, ER_ERR_CANCELLED);
		er_body_unref(x->res.body);
		x->res.body = NULL;
	}
	if (x->res.up != NULL && s->answers == NULL && in->n_sockets >= in->routine->limits.sockets) {
		say_fail(in, s->id, ER_ERR_UNAVAILABLE, ER_LIT("the routine has as many WebSockets open as it may (limits.sockets)"));
		er_exchange_cancel(x, ER_ERR_UNAVAILABLE);
		er_exchange_unref(x);
		er_sub_free(s, ER_ERR_UNAVAILABLE);
		return;
	}
	size_t block = er_block_n(&x->res.fields);
	bool fits = head_n(&x->res, block) <= ER_FRAME_MAX;
	if (s->answers != NULL && s->call->x != NULL && !s->call->answered && fits && may_answer(s->call->x, &x->res)) {
		answer_call(s, x, block);
		return;
	}
	bool keeps = x->res.body != NULL && block <= ER_SUB_KEPT && !s->pull;
	bool goes = is_inline(&x->res, block), gone = goes && s->pull;
	say_head(s, x, block, (keeps ? ER_FF_KEPT : 0) | (goes ? ER_FF_INLINE : 0) | (gone ? ER_FF_FIN : 0));
	if (x->res.body != NULL && !gone) {
		er_lease_body(s->lease, x->res.body);
		er_sub_respond(s, x->res.body);
	}
	if (x->res.up != NULL) {
		s->response.messages = s->switched = true;
		in->n_sockets++;
		er_inflow_fill(&s->upload, in, s->id, true, x->res.up);
		er_body_unref(x->res.up);
		x->res.up = NULL;
	}
	if (keeps)
		keep_head(s, x);
	else
		er_exchange_unref(x);
	er_box *box = in->box;
	if (s->pull && s->response.body != NULL)
		er_outflow_pull(&s->response, ER_PULL_WINDOW); /* may free the subrequest */
	else
		er_sub_settle(s);
	er_box_activate(box);
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	er_sub *s = ER_CONTAINER(asker, er_sub, asker);
	ER_CHECK(s, MAGIC);
	ER_ASSERT(s->x == x && !s->over && x->res.error != ER_ERR_OK);
	s->x = NULL;
	say_fail(s->call->instance, s->id, x->res.error, ER_LIT("the question was ended without an answer"));
	er_exchange_unref(x);
	er_sub_free(s, ER_ERR_CANCELLED);
}

/* The call's exchange is over, and with it what was asked for it. */
static void on_ended(er_asker *asker, er_exchange *x, er_err_kind reason)
{
	er_sub *s = ER_CONTAINER(asker, er_sub, asker);
	ER_CHECK(s, MAGIC);
	ER_ASSERT(s->x == x);
	er_sub_free(s, reason);
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

static bool is_service(uint16_t aux)
{
	return (aux & ER_FETCH_DATA_MASK) == ER_FETCH_SERVICE;
}

/* Which routine is asked: only one that the version's settings name. */
static bool read_service(const er_sub *s, er_slice name)
{
	const er_routine *r = s->call->instance->routine;
	for (size_t i = 0; i < r->n_services; i++)
		if (er_slice_eq(r->services[i].name, name)) {
			s->x->req.routine = er_arena_copy(&s->x->arena, r->services[i].target);
			return true;
		}
	return false;
}

/* What a kind of data calls a thing: nobody but that kind's handler looks at it. `text` lies in the
 * exchange's arena. */
static bool read_data(er_sub *s, uint16_t aux, er_slice text)
{
	er_exchange *x = s->x;
	const er_routine *r = s->call->instance->routine;
	unsigned kind = (unsigned)(aux & ER_FETCH_DATA_MASK) >> ER_FETCH_DATA_SHIFT;
	if (kind >= ER_DATA_KINDS_N)
		return false;
	x->data = (er_data_ask){.kind = (er_data_kind)kind,
	                        .environment = r->environment,
	                        .routine = r->name,
	                        .born = r->born,
	                        .version = r->version,
	                        .namespaces = r->kv,
	                        .n_namespaces = r->n_kv};
	x->req.scheme = er_data_word(x->data.kind);
	x->req.target = text;
	return true;
}

static bool nothing_dropped(er_slice name)
{
	(void)name;
	return false;
}

/* The upload of a FETCH, in one of its three forms. A relay takes the body from another flow of the
 * same call. False: against the rules. */
static bool read_body(er_sub *s, const er_frame *f, er_reader *r)
{
	er_exchange *x = s->x;
	er_call *c = s->call;
	if (f->flags & ER_FF_INLINE) {
		x->req.body = er_body_of(er_piece_copy(r->rest));
	} else if (f->flags & ER_FF_STREAM) {
		uint64_t n = er_get_u64(r);
		if (r->bad)
			return false;
		x->req.body = er_inflow_init(&s->upload, c->instance, s->id, true, n <= INT64_MAX ? (int64_t)n : ER_BODY_UNKNOWN);
	} else if (f->flags & ER_FF_RELAY) {
		er_body *up = NULL; /* of a 101, which is no answer's body */
		uint32_t id = er_get_u32(r), is_sub = er_get_u32(r);
		er_sub *other = is_sub ? er_idmap_get(&c->instance->subs, id) : NULL;
		if (is_sub)
			x->req.body = other != NULL && other->call == c && other != s ? er_sub_relay(other, &up) : NULL;
		else
			x->req.body = id == c->id ? er_outflow_take(&c->upload) : NULL;
		er_body_forsake(&up, ER_ERR_CANCELLED);
		return !r->bad && x->req.body != NULL;
	}
	return true;
}

/* Who answers for a routine sees what the client's request has (http/h1.h). */
static void ask_upgrade(er_exchange *x, bool upgrade)
{
	x->req.upgrade = upgrade;
	if (upgrade)
		er_fields_add(&x->req.fields, &x->arena, ER_LIT("upgrade"), ER_LIT("websocket"));
}

/* FETCH_REQUEST: everything is as the owner's request came, and nothing has to be checked again. */
static bool read_request(er_sub *s, const er_frame *f, const er_exchange *from)
{
	er_exchange *x = s->x;
	const er_request *req = &from->req;
	uint8_t *p = er_arena_alloc(&x->arena, req->method.n + req->scheme.n + req->authority.n + req->target.n);
	x->req.method = req->method;
	x->req.scheme = req->scheme;
	x->req.authority = req->authority;
	x->req.target = req->target;
	er_move_in(&p, &x->req.method);
	er_move_in(&p, &x->req.scheme);
	er_move_in(&p, &x->req.authority);
	er_move_in(&p, &x->req.target);
	copy_fields(&x->req.fields, &x->arena, &req->fields, er_identity_not_to_ask);
	ask_upgrade(x, req->upgrade);
	if (f->flags & ER_FF_RELAY)
		x->req.body = er_outflow_take(&s->call->upload);
	return x->req.body != NULL || !(f->flags & ER_FF_RELAY);
}

/* Whose length is known has that one. What the routine said counts for a stream that nobody knows
 * the length of, and then has to come true. */
static void true_length(er_exchange *x)
{
	if (x->req.body == NULL || er_body_length(x->req.body) >= 0)
		er_fields_del(&x->req.fields, ER_LIT("content-length"));
}

/* Host is the URL's. The standard process takes another one for its origin; at any other server it
 * would be a way past what guards a name. */
static bool read_host(er_exchange *x, uint16_t aux, const char **why)
{
	const er_slice *said = er_fields_get(&x->req.fields, ER_LIT("host"));
	if (said == NULL)
		return true;
	er_slice host = er_arena_copy(&x->arena, *said);
	bool one = er_fields_del(&x->req.fields, ER_LIT("host")) == 1;
	*why = "the header Host is not a host";
	if (!one || !er_authority_read(&x->arena, host, x->req.scheme, &host))
		return false;
	*why = "the header Host is the host of the URL; only the standard process takes another one";
	if (aux & (ER_FETCH_SELF | ER_FETCH_CDN_PROXY))
		x->req.host = host;
	return x->req.host.n > 0 || er_slice_eq(host, x->req.authority);
}

/* `text` is a private copy. */
static bool read_wishes(er_exchange *x, uint16_t aux, er_slice text, const char **why)
{
	if ((aux & ER_FETCH_WISHES) == 0 || is_service(aux))
		return true;
	x->wishes.cache = er_arena_alloc(&x->arena, sizeof *x->wishes.cache);
	return er_wish_read(text, x->req.scheme, &x->arena, x->wishes.cache, why);
}

_Static_assert((int)ER_REDIRECT_FOLLOW == ER_FETCH_REDIRECT_FOLLOW && (int)ER_REDIRECT_MANUAL == ER_FETCH_REDIRECT_MANUAL &&
                   (int)ER_REDIRECT_ERROR == ER_FETCH_REDIRECT_ERROR,
               "aux has the origin's values");
_Static_assert(ER_DECOMPRESS_FALLBACK_IDENTITY << ER_FETCH_DECOMPRESS_SHIFT == ER_FETCH_DECOMPRESS_FALLBACK &&
                   ER_DECOMPRESS_MANUAL << ER_FETCH_DECOMPRESS_SHIFT == ER_FETCH_DECOMPRESS_MANUAL,
               "so it has here");

static er_decompress decompress_of(uint16_t aux)
{
	return (er_decompress)((aux >> ER_FETCH_DECOMPRESS_SHIFT) & 3);
}

static er_wishes wishes_of(const er_call *c, uint16_t aux)
{
	const er_routine *routine = c->instance->routine;
	uint32_t used = er_call_exchange(c)->facts.subrequests;
	uint32_t left = routine->limits.subrequests > used ? routine->limits.subrequests - used : 0;
	bool classic = routine->compat & ER_COMPAT_CLASSIC;
	uint32_t hops = classic ? CLASSIC_HOPS : MAX_HOPS;
	return (er_wishes){.redirect = (er_redirect)(aux & ER_FETCH_REDIRECT_MASK),
	                   .decompress = decompress_of(aux),
	                   .classic = classic,
	                   .replay = (aux & ER_FETCH_WHOLE) != 0,
	                   .same_origin = (aux & ER_FETCH_SAME_ORIGIN) != 0,
	                   .max_hops = left < hops ? left : hops,
	                   .pool = routine,
	                   .allow = routine->allow,
	                   .n_allow = routine->n_allow};
}

/* A compressed body is no text to read. What goes to the client is read by nobody here, and the
 * client's own request says what it accepts. */
static er_decompress decompress_of_site(uint16_t aux)
{
	const uint16_t handed_on = ER_FETCH_ANSWER | ER_FETCH_REQUEST;
	return (aux & handed_on) == handed_on ? ER_DECOMPRESS_MANUAL : decompress_of(aux);
}

/* A server that the node does not serve: guarded, and through the cache only if the routine wishes
 * something of that. */
static void ask_elsewhere(const er_sub *s, er_exchange *x, uint16_t aux)
{
	const er_call *c = s->call;
	er_cache_wishes *w = x->wishes.cache;
	bool stores = w != NULL && er_wish_stores(w);
	x->wishes = wishes_of(c, aux);
	if (w != NULL && w->resolve.n > 0) {
		bool port = er_host_of(w->resolve).n < w->resolve.n;
		const char *usual = er_slice_eq(x->req.scheme, ER_LIT("https")) ? ":443" : ":80";
		x->wishes.connect_to =
		    er_arena_cstr(&x->arena, er_arena_printf(&x->arena, "%.*s%s", ER_FMT(w->resolve), port ? "" : usual));
	}
	if (stores) {
		x->wishes.cache = w;
		w->foreign = true;
		w->owner = er_arena_copy(&x->arena, c->instance->routine->name);
		w->born = c->instance->routine->born;
		w->home = er_arena_copy(&x->arena, er_exchange_home(er_call_exchange(c)));
	}
	er_identity_forward(&x->req.fields, &x->arena, c->x != NULL ? c->x : x);
	er_exchange_enter(x, x->chain, stores ? ER_AT_CACHE : ER_AT_ORIGIN);
}

/* The standard process of another host, or with wishes: whether the routine may, the gateway
 * knows. */
static void ask_admitted(const er_sub *s, er_exchange *x, uint16_t aux)
{
	const er_call *c = s->call;
	er_cache_wishes *w = x->wishes.cache;
	if (w == NULL)
		w = er_arena_zalloc(&x->arena, sizeof *w);
	w->owner = er_arena_copy(&x->arena, c->instance->routine->name);
	w->born = c->instance->routine->born;
	w->home = er_arena_copy(&x->arena, er_exchange_home(er_call_exchange(c)));
	if (c->x != NULL)
		er_identity_inherit(x, c->x);
	x->wishes = wishes_of(c, aux);
	x->wishes.decompress = decompress_of_site(aux);
	x->wishes.cache = w;
	er_exchange_enter(x, x->chain, ER_AT_CACHE);
}

/* The other routine enters the chain at the place of routines, and finds the client's way in
 * what it gets. How many routines one client may set to work is bounded by what the first of
 * them may ask. */
static void ask_routine(const er_sub *s, er_exchange *x)
{
	er_call *c = s->call;
	er_exchange *account = er_call_exchange(c);
	if (!er_exchange_may_call(account, c->instance->routine->limits.subrequests)) {
		er_exchange_fail(x, 508, ER_ERR_SUBREQUESTS, "calls",
		                 "routines that call each other have made all calls that one request may cause: so many as the "
		                 "first of them may make subrequests (limits.subrequests)");
		er_exchange_answer(x);
		return;
	}
	if (x->fanout == NULL) {
		x->fanout = account->fanout;
		x->fanout->refs++;
	}
	if (c->x != NULL)
		er_identity_inherit(x, c->x);
	x->id = account->id;
	x->req.environment = account->facts.environment;
	er_exchange_enter(x, x->chain, ER_AT_ROUTINE);
}

/* The routine's own host is what the chain has behind the routine; every other host is asked by the
 * guarded origin, if the routine does not say that the node serves it. */
static void launch(er_sub *s, uint16_t aux)
{
	const er_call *c = s->call;
	er_exchange *x = er_exchange_ref(s->x); /* an answer may come at once, and free the sub */
	ER_ASSERT(x->chain != NULL);
	if (x->req.routine.n > 0) {
		ask_routine(s, x);
	} else if (x->data.kind != ER_DATA_NONE) {
		if (er_chain_has(x->chain, ER_AT_DATA)) {
			er_exchange_enter(x, x->chain, ER_AT_DATA);
		} else {
			er_exchange_fail(x, 501, ER_ERR_UNAVAILABLE, NULL, "this node keeps no data for routines");
			er_exchange_answer(x);
		}
	} else if ((aux & (ER_FETCH_SELF | ER_FETCH_CDN_PROXY)) == 0) {
		ask_elsewhere(s, x, aux);
	} else if (x->wishes.cache == NULL && c->x != NULL && c->x->req.routine.n == 0 &&
	           er_slice_ieq(x->req.authority, c->x->req.authority)) {
		er_identity_inherit(x, c->x);
		x->wishes.decompress = decompress_of_site(aux);
		er_exchange_enter(x, x->chain, ER_AT_CACHE);
	} else {
		ask_admitted(s, x, aux);
	}
	er_exchange_unref(x);
}

er_sub *er_sub_new(er_call *c, uint32_t id)
{
	er_instance *in = c->instance;
	ER_ASSERT(id != 0 && er_idmap_get(&in->subs, id) == NULL);
	er_sub *s = ER_NEW(er_sub);
	*s = (er_sub){.magic = MAGIC, .asker = {.answered = on_answer, .broken = on_broken, .ended = on_ended}, .id = id, .call = c};
	er_list_push(&c->subs, &s->link);
	er_idmap_add(&in->subs, s->id, s);
	return s;
}

/* It comes to nothing: what it took of the instance's credit is given back. */
static bool refuse(er_instance *in, uint32_t id, er_err_kind kind, const char *text)
{
	say_fail(in, id, kind, er_slice_cstr(text));
	er_instance_sub_back(in);
	return true;
}

static const char gone_body[] = "the body to relay is not there any more";

/* The payload is shared with the sandbox: each length is read once, each piece copied once before
 * anybody looks at it. False: against the rules. *why: it cannot be fetched, and why. */
static bool read_fetch(er_sub *s, const er_frame *f, er_slice payload, const char **why)
{
	er_exchange *x = s->x;
	er_reader r = {.rest = payload};
	er_slice method = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice url = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice block = er_arena_copy(&x->arena, er_get_string(&r));
	er_slice wishes = f->aux & ER_FETCH_WISHES ? er_arena_copy(&x->arena, er_get_string(&r)) : (er_slice){0};
	const char *wrong;
	er_slice bad;
	if (r.bad)
		return false;
	x->req.method = method;
	bool service = is_service(f->aux), data = (f->aux & ER_FETCH_DATA_MASK) != 0 && !service;
	if ((data && !read_data(s, f->aux, url)) || (service && !read_service(s, wishes)))
		return false;
	if (!er_field_name_ok(method))
		*why = "the method is not a token";
	else if (!data && !read_url(x, url))
		*why = "only http: and https: URLs can be fetched";
	else if (!er_block_read(block, &x->arena, &x->req.fields, data ? nothing_dropped : er_identity_not_to_ask, &wrong))
		*why =
		    er_block_malformed(block, &bad) ? "a header has a control character in its value, or a name that is no token" : wrong;
	else if (!data && (!read_host(x, f->aux, &wrong) || !read_wishes(x, f->aux, wishes, &wrong)))
		*why = wrong;
	else if (!read_body(s, f, &r))
		*why = gone_body;
	else if (!data && !service)
		er_introduce(x, f->aux);
	bool upgrade = !data && (f->aux & ER_FETCH_UPGRADE) && x->req.body == NULL && er_slice_eq(method, ER_LIT("GET"));
	ask_upgrade(x, upgrade);
	return true;
}

/* The same of a FETCH_REQUEST. */
static bool read_own_request(er_sub *s, const er_frame *f, er_slice payload, const er_exchange *from, const char **why)
{
	er_reader r = {.rest = payload};
	er_slice wishes = f->aux & ER_FETCH_WISHES ? er_arena_copy(&s->x->arena, er_get_string(&r)) : (er_slice){0};
	const char *wrong;
	if (r.bad || (is_service(f->aux) && !read_service(s, wishes)))
		return false;
	if (!read_request(s, f, from))
		*why = gone_body;
	else if (!read_wishes(s->x, f->aux, wishes, &wrong))
		*why = wrong;
	return true;
}

bool er_sub_start(er_instance *in, const er_frame *f, er_slice payload, er_sub_answers *answers)
{
	if (f->id == 0 || er_idmap_get(&in->subs, f->id) != NULL || in->sub_credit == 0)
		return false;
	in->sub_credit--;
	er_call *c = er_instance_asking(in, f->arg);
	if (c == NULL)
		return refuse(in, f->id, ER_ERR_CANCELLED, "the request is over");
	if ((f->aux & ER_FETCH_REQUEST) && c->x == NULL) /* its fields may be gone with its answer */
		return refuse(in, f->id, ER_ERR_CANCELLED, "the request is answered, or its client has left");
	er_exchange *account = er_call_exchange(c);
	ER_ASSERT(account != NULL && (c->x != NULL) == !account->facts.open);
	if (account->facts.subrequests >= in->routine->limits.subrequests) {
		er_stat_add(&in->host->stats.kills[ER_ERR_SUBREQUESTS], 1);
		return refuse(in, f->id, ER_ERR_SUBREQUESTS, "too many subrequests in this request");
	}
	er_sub *s = er_sub_new(c, f->id);
	s->answers = f->aux & ER_FETCH_ANSWER ? answers : NULL;
	s->pull = (f->aux & ER_FETCH_PULL) != 0;
	er_exchange *x = s->x = er_exchange_child(account, &s->asker);
	x->facts.started_us = er_clock_mono_us();
	const char *too_many;
	s->lease = er_lease_take(in->service->share, &in->leases, &too_many);
	if (s->lease == NULL) {
		er_sub_free(s, ER_ERR_UNAVAILABLE);
		return refuse(in, f->id, ER_ERR_UNAVAILABLE, too_many);
	}
	const char *why = NULL;
	bool honest = true;
	if (f->aux & ER_FETCH_REQUEST)
		honest = read_own_request(s, f, payload, account, &why);
	else
		honest = read_fetch(s, f, payload, &why);
	if (!honest) {
		er_sub_free(s, ER_ERR_PROTOCOL);
		return false;
	}
	if (why != NULL) {
		say_fail(in, f->id, ER_ERR_INVALID, er_slice_cstr(why));
		er_sub_free(s, ER_ERR_INVALID);
		return true;
	}
	true_length(x);
	launch(s, f->aux);
	return true;
}
