/* What a fill asks the origin: the request of the client that began it; or, if all may have the
 * answer, that request without what is this client's alone; or a validation of what is stored. */
#include "cache/fill.h"

#include "base/mem.h"
#include "cache/key.h"
#include "http/accept_encoding.h"

/* Of the client alone: the cache answers these itself (RFC 9110 13, 14). */
static bool of_the_client(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("if-none-match")) || er_slice_ieq(name, ER_LIT("if-modified-since")) ||
	       er_slice_ieq(name, ER_LIT("if-range")) || er_slice_ieq(name, ER_LIT("range")) ||
	       er_slice_ieq(name, ER_LIT("if-match")) || er_slice_ieq(name, ER_LIT("if-unmodified-since"));
}

static void put_fields(er_fill *f, er_exchange *to, const er_fields *from)
{
	er_arena *a = &to->arena;
	for (uint32_t i = 0; i < from->n; i++) {
		er_slice name = er_arena_copy(a, from->v[i].name), value = er_arena_copy(a, from->v[i].value);
		er_fields_add(&f->wanted, a, name, value);
		if (!f->listed || !of_the_client(name))
			er_fields_add(&to->req.fields, a, name, value);
	}
	er_accept_encoding said;
	er_accept_encoding_read(from, &said);
	if (f->key.n > 0 && said.said) /* as the variant of what is stored has it (vary.h) */
		er_fields_set(&to->req.fields, a, ER_LIT("accept-encoding"), er_accept_encoding_text(&said, a));
}

static er_slice copy(er_arena *a, er_slice s)
{
	return s.n > 0 ? er_arena_copy(a, s) : (er_slice){0};
}

/* They live as long as the fill, which may outlive the exchange that they came with. */
static er_cache_wishes *copy_wishes(er_arena *a, const er_cache_wishes *from)
{
	er_cache_wishes *w = er_arena_alloc(a, sizeof *w);
	*w = *from;
	w->owner = copy(a, from->owner);
	w->home = copy(a, from->home);
	w->store = copy(a, from->store);
	w->key = copy(a, from->key);
	w->tags = copy(a, from->tags);
	w->resolve = copy(a, from->resolve);
	return w;
}

/* What a routine's question says of the network goes on to whoever asks the network. The pool is
 * the gateway's, and outlives all fills. */
static er_wishes *network_wishes(er_arena *a, const er_wishes *from, er_cache_wishes *cache)
{
	er_wishes *w = er_arena_alloc(a, sizeof *w);
	*w = *from;
	w->decompress = cache->foreign ? ER_DECOMPRESS : ER_DECOMPRESS_MANUAL; /* as it is stored */
	w->connect_to = from->connect_to != NULL ? er_arena_cstr(a, er_slice_cstr(from->connect_to)) : NULL;
	er_cidr *allow = er_arena_alloc(a, from->n_allow * sizeof *allow);
	er_copy(allow, from->allow, from->n_allow * sizeof *allow);
	w->allow = allow;
	w->cache = cache;
	return w;
}

/* Path and query of a key are what is asked for. The key that a routine has chosen says nothing of
 * that. */
static bool keyed_by_routine(const er_fill *f)
{
	return f->wishes != NULL && f->wishes->key.n > 0;
}

/* The exchange that asks in place of `from`: all but the fields of the request. Those behind the
 * cache change what it asks for: the question itself is in the fill. */
static er_exchange *exchange_for(er_fill *f, const er_exchange *from)
{
	er_exchange *own = er_exchange_new();
	er_arena *a = &own->arena;
	const er_request *req = &f->question;
	own->id = from->id;
	own->peer = from->peer;
	own->depth = from->depth;
	own->asker = &f->asker;
	own->chain = f->chain;
	own->req.method = er_arena_copy(a, req->method);
	own->req.scheme = er_arena_copy(a, req->scheme);
	own->req.authority = er_arena_copy(a, req->authority);
	own->req.host = er_arena_copy(a, req->host);
	own->req.target = er_arena_copy(a, req->target);
	if (f->network != NULL)
		own->wishes = *f->network;
	return own;
}

/* All but the fields. */
static void note_question(er_fill *f, const er_exchange *x)
{
	er_arena *a = &f->arena;
	const er_request *req = &x->req;
	if (x->wishes.cache != NULL) {
		f->wishes = copy_wishes(a, x->wishes.cache);
		f->network = network_wishes(a, &x->wishes, f->wishes);
	}
	bool by_key = f->key.n > 0 && !keyed_by_routine(f);
	/* What is not in the key goes to nobody whose answer is for all, or may be a piece. */
	bool shared = f->listed || (f->key.n > 0 && er_fields_get(&req->fields, ER_LIT("range")) != NULL);
	/* A HEAD, or a GET with a body, that finds something stale has it validated for all. */
	f->question = (er_request){.method = f->listed ? ER_LIT("GET") : er_arena_copy(a, req->method),
	                           .scheme = er_arena_copy(a, req->scheme),
	                           .authority = er_arena_copy(a, req->authority),
	                           .host = er_arena_copy(a, req->host),
	                           .target = er_arena_copy(a, shared && by_key ? er_key_target(f->key) : req->target)};
	f->own_target = by_key && !er_slice_eq(f->question.target, er_key_target(f->key));
	f->law = (er_cache_law){
	    .rules = f->rules, .wishes = f->wishes, .target = by_key ? er_key_target(f->key) : er_arena_copy(a, req->target)};
}

void er_fill_question(er_fill *f, const er_exchange *x)
{
	ER_ASSERT(f->x == NULL && f->wanted.n == 0);
	note_question(f, x);
	f->x = exchange_for(f, x);
	f->with_body = !f->listed && x->req.body != NULL;
	if (f->with_body)
		f->x->req.body = er_body_ref(x->req.body);
	put_fields(f, f->x, &x->req.fields);
}

void er_fill_question_again(er_fill *f, const er_exchange *x)
{
	ER_ASSERT(f->x == NULL && f->listed);
	const er_fields wanted = f->wanted;
	f->wanted = (er_fields){0};
	f->x = exchange_for(f, x);
	put_fields(f, f->x, &wanted);
}

void er_fill_validators(er_exchange *x, const er_stored *stale)
{
	const er_slice *etag = er_fields_get(&stale->fields, ER_LIT("etag")),
	               *modified = er_fields_get(&stale->fields, ER_LIT("last-modified"));
	if (etag != NULL)
		er_fields_set(&x->req.fields, &x->arena, ER_LIT("if-none-match"), er_arena_copy(&x->arena, *etag));
	if (modified != NULL)
		er_fields_set(&x->req.fields, &x->arena, ER_LIT("if-modified-since"), er_arena_copy(&x->arena, *modified));
}

static bool says(const er_request *req, er_slice name)
{
	return er_fields_get(&req->fields, name) != NULL;
}

const char *er_fill_unasked(const er_exchange *x)
{
	const er_request *req = &x->req;
	bool reads = er_slice_eq(req->method, ER_LIT("GET")) || er_slice_eq(req->method, ER_LIT("HEAD"));
	if (reads && x->res.status == 304 && !says(req, ER_LIT("if-none-match")) && !says(req, ER_LIT("if-modified-since")))
		return "The origin answered 304 (not modified) to a request without conditions, so there is nothing to send.";
	if (reads && x->res.status == 206 && !says(req, ER_LIT("range")))
		return "The origin answered 206 (partial content) to a request without a range, so the rest is missing.";
	return NULL;
}
