/* What a fill asks the origin: the request of the client that began it; or, if all may have the
 * answer, that request without what is this client's alone; or a validation of what is stored. */
#include "cache/fill.h"

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

/* The exchange that asks in place of `from`: all but the fields of the request. */
static er_exchange *exchange_for(er_fill *f, const er_exchange *from)
{
	er_exchange *own = er_exchange_new();
	er_arena *a = &own->arena;
	const er_request *req = &from->req;
	own->id = from->id;
	own->peer = from->peer;
	own->depth = from->depth;
	own->asker = &f->asker;
	own->chain = f->chain;
	/* A HEAD, or a GET with a body, that finds something stale has it validated for all. */
	own->req.method = f->listed ? ER_LIT("GET") : er_arena_copy(a, req->method);
	f->with_body = !f->listed && req->body != NULL;
	if (f->with_body)
		own->req.body = er_body_ref(req->body);
	own->req.scheme = er_arena_copy(a, req->scheme);
	own->req.authority = er_arena_copy(a, req->authority);
	own->req.host = er_arena_copy(a, req->host);
	/* What is not in the key goes to nobody whose answer is for all, or may be a piece. */
	bool shared = f->listed || (f->key.n > 0 && er_fields_get(&req->fields, ER_LIT("range")) != NULL);
	own->req.target = er_arena_copy(a, shared ? er_key_target(f->key) : req->target);
	f->own_target = f->key.n > 0 && !er_slice_eq(own->req.target, er_key_target(f->key));
	return own;
}

void er_fill_question(er_fill *f, const er_exchange *x)
{
	ER_ASSERT(f->x == NULL && f->wanted.n == 0);
	f->x = exchange_for(f, x);
	put_fields(f, f->x, &x->req.fields);
}

/* Those behind the cache may have changed the fields that were sent. */
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
