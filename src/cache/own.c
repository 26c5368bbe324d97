/* GET goes on to the handler of the cache (cache.c), which is told by er_cache_wishes.store that
 * nobody behind it is asked. PUT is a `put`: it reads the body into a content, and makes a stored
 * response of it with the last byte. DELETE looks first (a `removal`), since it says whether there
 * was anything; the disk may have to be asked. Both hold their exchange, and end with the answer or
 * with on_cancel. What was removed is answered when the disk has that, too: what a routine was told
 * is gone does not come back by a kill. */
#include "cache/own.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "http/directives.h"
#include "cache/key.h"
#include "cache/owners.h"
#include "cache/task.h"
#include "http/identity.h"
#include "http/url.h"

#include <stdio.h>

enum { PUT = 0x4f574e50, REMOVAL = 0x4f574e52, YEAR_S = 365 * 24 * 3600, LIST_MAX = 512 * 1024, REASON_MAX = 1024 };

/* ---- questions ---- */

static bool is_store_name(er_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], low = er_lower(c);
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
			return false;
	}
	return s.n > 0 && s.n <= ER_OWN_STORE_MAX;
}

/* Makes a request of what the routine said: scheme, authority, target; and whose keys are meant. */
static bool read_target(er_exchange *x)
{
	er_arena *a = &x->arena;
	er_slice said = x->req.target;
	size_t end = er_slice_find(said, '\n');
	er_slice store = er_slice_head(said, end);
	er_url u;
	if (end == said.n || !is_store_name(store) || !er_url_parse(&u, er_slice_from(said, end + 1), NULL))
		return false;
	er_slice protocol = er_url_get(&u, ER_URL_PROTOCOL);
	x->req.scheme = er_arena_copy(a, er_slice_head(protocol, protocol.n - 1));
	x->req.authority = er_arena_copy(a, er_url_get(&u, ER_URL_HOST));
	x->req.target =
	    er_arena_printf(a, "%.*s%.*s", ER_FMT(er_url_get(&u, ER_URL_PATHNAME)), ER_FMT(er_url_get(&u, ER_URL_SEARCH)));
	er_url_fini(&u);
	er_cache_wishes *w = x->wishes.cache = er_arena_zalloc(a, sizeof *w);
	w->owner = x->data.routine;
	w->born = x->data.born;
	w->store = store;
	w->admitted = w->apart = true;
	return er_slice_eq(x->req.scheme, ER_LIT("http")) || er_slice_eq(x->req.scheme, ER_LIT("https"));
}

static er_slice key_of(const er_cache_place *p, er_exchange *x)
{
	return er_key_apart(&x->arena, p->scope, (er_slice){0}, &x->req, x->req.target, (er_slice){0}, &x->wishes);
}

static void answer_empty(er_exchange *x, int status, const char *field)
{
	x->res = (er_response){.status = status};
	if (field != NULL)
		er_fields_add(&x->res.fields, &x->arena, er_slice_cstr(field), ER_LIT("1"));
	er_exchange_answer(x);
}

/* True: `wait` is called when the disk has it, too; *latch, with a reference, is what it waits
 * for. */
static bool remove_key(er_cache *c, er_slice key, uint64_t hash, er_wait *wait, er_latch **latch)
{
	er_index_purge(c->index, key, hash);
	/* behind: what the disk finds meanwhile does not come into the index any more */
	if (c->disk == NULL)
		return false;
	er_latch *l = er_latch_new();
	er_disk_drop_told(c->disk, key, hash, l);
	if (er_latch_wait(l, wait)) {
		*latch = l;
		return true;
	}
	er_latch_unref(l);
	return false;
}

static bool is_good(er_cache *c, er_stored *s)
{
	return s != NULL && er_purges_look(er_index_purge_table(c->index), &s->scopes, s->number, &s->look) == ER_PURGED_NOT &&
	       er_freshness_use_at(&s->fresh, er_stored_age_used(s, er_clock_mono_us())) == ER_USE_FRESH;
}

/* ---- put ---- */

typedef struct put {
	uint32_t magic;
	er_exchange *x; /* own reference */
	er_cache *cache;
	uint64_t site, number;
	er_slice key; /* in x's arena, as all that follows */
	uint64_t hash;
	int status;
	er_slice reason;
	er_fields request, response;
	er_freshness fresh;
	bool absent; /* only if there is none */
	bool keeps;  /* it may be stored; else its body is only read */
	er_body *body;
	er_content *content; /* own reference */
	er_owner *owner;
	uint64_t held;   /* of the owner's quota */
	er_latch *latch; /* what was removed waits for the disk; else NULL */
	er_wait wait;
} put;

static void free_put(put *p)
{
	ER_CHECK(p, PUT);
	if (p->body != NULL)
		er_body_sink(p->body, NULL, NULL);
	if (p->held > 0)
		er_owner_let_go(p->owner, p->held);
	er_content_unref(p->content);
	if (p->latch != NULL) {
		er_latch_cancel(p->latch, &p->wait);
		er_latch_unref(p->latch);
	}
	p->magic = 0;
	er_free(p);
}

static void put_over(put *p)
{
	er_exchange *x = p->x;
	free_put(p);
	x->on_cancel = NULL;
	er_exchange_answer(x);
	er_exchange_unref(x);
}

static void put_failed(put *p, int status, er_err_kind kind, const char *text)
{
	if (p->body != NULL)
		er_body_cancel(p->body, ER_ERR_CANCELLED);
	er_content_end(p->content, ER_ERR_CANCELLED);
	er_exchange_fail(p->x, status, kind, NULL, "%s", text);
	put_over(p);
}

static void on_put_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	put *p = ctx;
	ER_CHECK(p, PUT);
	ER_ASSERT(p->x == x);
	er_content_end(p->content, reason != ER_ERR_OK ? reason : ER_ERR_CANCELLED);
	free_put(p);
	er_exchange_unref(x);
}

/* Does memory have a response that a question with the same fields would get? */
static bool has(put *p)
{
	er_index_found found = er_index_find(p->cache->index, p->key, p->hash, &p->request, &p->x->arena, er_clock_mono_us());
	bool good = is_good(p->cache, found.stored);
	er_fill_unref(found.fill);
	er_stored_unref(found.stored);
	return good;
}

/* The last byte is there. */
static void store(put *p)
{
	er_index *ix = p->cache->index;
	if (p->absent && has(p)) {
		er_content_end(p->content, ER_ERR_CANCELLED);
		p->x->res = (er_response){.status = 409};
		er_fields_add(&p->x->res.fields, &p->x->arena, ER_LIT("er-there"), ER_LIT("1"));
		put_over(p);
		return;
	}
	er_content_end(p->content, ER_ERR_OK);
	er_stored *s = er_stored_new(p->key, p->hash, &p->request, p->status, p->reason, &p->response, &p->response, &p->fresh,
	                             p->content, (int64_t)er_content_length(p->content), NULL);
	if (s == NULL) {
		er_exchange_fail(p->x, 400, ER_ERR_INVALID, NULL, "the response varies on more fields than a cache can tell apart");
		put_over(p);
		return;
	}
	er_stored_asked(s, p->site, p->number);
	er_owner_let_go(p->owner, p->held);
	p->held = 0;
	bool in = er_index_put_late(ix, s, er_index_purges(ix, p->hash));
	er_keep_put(p->cache->disk, ix, s, in);
	er_stored_unref(s);
	p->x->res = (er_response){.status = 201};
	put_over(p);
}

static void unstored(put *p)
{
	p->x->res = (er_response){.status = 204};
	er_fields_add(&p->x->res.fields, &p->x->arena, ER_LIT("er-unstored"), ER_LIT("1"));
	put_over(p);
}

static void on_unstored(er_wait *wait)
{
	put *p = ER_CONTAINER(wait, put, wait);
	ER_CHECK(p, PUT);
	unstored(p);
}

static void end_of_body(put *p)
{
	if (p->keeps) {
		store(p);
		return;
	}
	er_content_end(p->content, ER_ERR_CANCELLED);
	/* what is there is older */
	er_wait_init(&p->wait, p->cache->port, on_unstored);
	if (!remove_key(p->cache, p->key, p->hash, &p->wait, &p->latch))
		unstored(p);
}

/* False: it is over. */
static bool take_piece(put *p, er_piece piece)
{
	uint64_t n = piece.n;
	if (!p->keeps) {
		er_piece_drop(&piece);
		return true;
	}
	const char *why = er_content_length(p->content) + n > er_index_max_object(p->cache->index)
	                      ? "the response is larger than one object of the cache may be"
	                      : NULL;
	bool held = why == NULL && er_owner_hold(p->owner, n);
	if (!held) {
		er_piece_drop(&piece);
		put_failed(p, why != NULL ? 413 : 507, ER_ERR_TOO_LARGE,
		           why != NULL ? why : "what the routine puts into its caches at once is more than its quota");
		return false;
	}
	p->held += n;
	er_content_write(p->content, piece);
	return true;
}

static void pump(void *ctx)
{
	put *p = ctx;
	ER_CHECK(p, PUT);
	for (;;) {
		er_piece piece;
		switch (er_body_read(p->body, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			if (!take_piece(p, piece))
				return;
			break;
		case ER_BODY_END:
			end_of_body(p);
			return;
		case ER_BODY_ERROR:
			put_failed(p, 502, er_body_error(p->body), "the body of the response broke off, and nothing was stored");
			return;
		}
	}
}

static const er_body_sink_ops sink_ops = {.readable = pump};

/* "private=Set-Cookie" (RFC 9111 5.2.2.7): without its cookie it may be everybody's. */
static bool only_its_cookie_is_private(const er_fields *response)
{
	const er_slice *said = er_fields_get(response, ER_LIT("cache-control"));
	if (said == NULL)
		return false;
	er_slice rest = *said, one;
	while (er_slice_split(&rest, ',', &one)) {
		one = er_slice_trim(one);
		size_t is = er_slice_find(one, '=');
		er_slice value = er_slice_from(one, is + 1);
		if (value.n > 1 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = er_slice_of(value.p + 1, value.n - 2);
		if (is < one.n && er_slice_ieq(er_slice_head(one, is), ER_LIT("private")) && er_slice_ieq(value, ER_LIT("set-cookie")))
			return true;
	}
	return false;
}

/* For how long it is good: as long as it says; what says nothing, until it is deleted or its room
 * is needed. False: not at all. */
static bool lasts(put *p)
{
	er_fields *r = &p->response;
	if (only_its_cookie_is_private(r)) {
		(void)er_fields_del(r, ER_LIT("set-cookie"));
		(void)er_fields_del(r, ER_LIT("cache-control"));
	}
	int64_t now = er_clock_wall_s();
	er_cache_directives d;
	if (!er_cache_control_targeted(r, &d))
		d = er_cache_control(r);
	bool says = d.max_age != ER_CACHE_ABSENT || d.s_maxage != ER_CACHE_ABSENT || er_fields_get(r, ER_LIT("expires")) != NULL;
	p->fresh = er_freshness_of(p->status, r, now, now);
	if (!says)
		p->fresh = (er_freshness){.lifetime = YEAR_S};
	p->fresh.while_revalidate = p->fresh.if_error = 0; /* nobody validates */
	return !d.no_store && !d.private_ && !d.no_cache && er_fields_get(r, ER_LIT("set-cookie")) == NULL &&
	       p->fresh.age < p->fresh.lifetime && er_scopes_all(r);
}

/* Takes the question's fields apart. False: against the rules of own.h. */
static bool read_fields(put *p)
{
	er_exchange *x = p->x;
	const er_slice ask = ER_LIT("er-ask-");
	uint64_t status = 0;
	for (uint32_t i = 0; i < x->req.fields.n; i++) {
		er_slice name = x->req.fields.v[i].name, value = x->req.fields.v[i].value;
		if (er_slice_eq(name, ER_LIT("er-status")))
			(void)er_slice_u64(value, &status);
		else if (er_slice_eq(name, ER_LIT("er-absent")))
			p->absent = true;
		else if (er_slice_eq(name, ER_LIT("er-reason")))
			p->reason = er_slice_head(value, REASON_MAX);
		else if (er_slice_starts(name, ask) && name.n > ask.n)
			er_fields_add(&p->request, &x->arena, er_slice_from(name, ask.n), value);
		else if (!er_identity_own(name) || er_slice_eq(name, ER_LIT("er-kept")))
			er_fields_add(&p->response, &x->arena, name, value);
	}
	p->status = (int)status;
	return status >= 200 && status <= 599 && status != 206;
}

static void begin_put(const er_cache_place *place, er_exchange *x, er_slice key)
{
	er_cache *c = place->cache;
	put *p = ER_NEW(put);
	*p = (put){.magic = PUT, .x = er_exchange_ref(x), .cache = c, .site = place->site, .key = key, .hash = er_index_hash(key)};
	p->number = er_purges_next(er_index_purge_table(c->index));
	p->owner = er_owners_of(er_index_owners(c->index), key);
	p->content = er_content_new();
	p->body = x->req.body;
	x->on_cancel = on_put_cancel;
	x->handler_ctx = p;
	if (!read_fields(p)) {
		put_failed(p, 400, ER_ERR_INVALID, "this is no response that can be put into a cache");
		return;
	}
	p->keeps = lasts(p) && er_index_max_object(c->index) > 0; /* 0: the operator keeps nothing */
	if (p->body == NULL) {
		end_of_body(p);
		return;
	}
	er_body_sink(p->body, &sink_ops, p);
	pump(p);
}

/* ---- delete ---- */

typedef struct removal {
	uint32_t magic;
	er_exchange *x; /* own reference */
	er_cache *cache;
	er_slice key;
	uint64_t hash;
	er_disk_find find;
	bool finds;
	er_latch *latch; /* it is removed, and waits for the disk; else NULL */
	er_wait wait;
} removal;

static void free_removal(removal *r)
{
	ER_CHECK(r, REMOVAL);
	if (r->finds)
		er_disk_find_stop(&r->find);
	if (r->latch != NULL) {
		er_latch_cancel(r->latch, &r->wait);
		er_latch_unref(r->latch);
	}
	r->magic = 0;
	er_free(r);
}

static void removal_over(removal *r, bool there)
{
	er_exchange *x = r->x;
	free_removal(r);
	x->on_cancel = NULL;
	if (there)
		answer_empty(x, 200, NULL);
	else
		answer_empty(x, 404, "er-miss");
	er_exchange_unref(x);
}

static void on_removed(er_wait *wait)
{
	removal_over(ER_CONTAINER(wait, removal, wait), true);
}

/* Takes the reference. */
static void remove_found(removal *r, er_stored *s)
{
	bool there = is_good(r->cache, s);
	er_stored_unref(s);
	er_wait_init(&r->wait, r->cache->port, on_removed);
	if (!there || !remove_key(r->cache, r->key, r->hash, &r->wait, &r->latch))
		removal_over(r, there);
}

static void on_found(er_disk_find *find, er_stored *s)
{
	removal *r = ER_CONTAINER(find, removal, find);
	ER_CHECK(r, REMOVAL);
	r->finds = false;
	remove_found(r, s);
}

static void on_removal_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	(void)reason;
	removal *r = ctx;
	ER_CHECK(r, REMOVAL);
	ER_ASSERT(r->x == x);
	free_removal(r);
	er_exchange_unref(x);
}

static void begin_removal(const er_cache_place *place, er_exchange *x, er_slice key)
{
	er_cache *c = place->cache;
	removal *r = ER_NEW(removal);
	*r = (removal){.magic = REMOVAL, .x = er_exchange_ref(x), .cache = c, .key = key, .hash = er_index_hash(key)};
	x->on_cancel = on_removal_cancel;
	x->handler_ctx = r;
	er_index_found found = er_index_find(c->index, key, r->hash, &x->req.fields, &x->arena, er_clock_mono_us());
	er_fill_unref(found.fill);
	er_stored *s = found.stored;
	if (s == NULL && c->disk != NULL) {
		r->finds = er_disk_find_start(&r->find, c->disk, c->port, key, r->hash, &x->req.fields, on_found, &s);
		if (r->finds)
			return;
	}
	remove_found(r, s);
}

/* ---- list ---- */

static void write_one(er_out *out, const er_stored *s)
{
	er_slice scheme = er_key_scheme(s->key), where = er_key_where(s->key);
	char url[ER_KEY_MAX + 16];
	int n = snprintf(url, sizeof url, "%.*s://%.*s", ER_FMT(scheme), ER_FMT(where));
	er_out_open(out, NULL, '{');
	er_out_str(out, "url", er_slice_of(url, (size_t)n));
	er_out_open(out, "fields", '{');
	for (uint32_t i = 0; i < s->variant.n; i++) {
		const er_field *f = &s->variant.v[i];
		char name[64];
		if (f->value.p == NULL || f->name.n >= sizeof name)
			continue;
		snprintf(name, sizeof name, "%.*s", ER_FMT(f->name)); /* a token: it needs no escaping */
		er_out_str(out, name, f->value);
	}
	er_out_close(out, '}');
	er_out_close(out, '}');
}

static void answer_list(const er_cache_place *place, er_exchange *x, er_slice key)
{
	er_cache *c = place->cache;
	er_owner *owner = er_owners_of(er_index_owners(c->index), key);
	er_stored **list = er_alloc(ER_OWN_LISTED * sizeof(er_stored *));
	size_t n = er_owner_list(owner, er_key_store(key), list, ER_OWN_LISTED);
	er_out out = {0};
	er_out_open(&out, NULL, '[');
	for (size_t i = 0; i < n; i++) {
		if (is_good(c, list[i]) && er_buf_len(&out.b) < LIST_MAX)
			write_one(&out, list[i]);
		er_stored_unref(list[i]);
	}
	er_out_close(&out, ']');
	er_free(list);
	er_slice text = er_out_take(&out, &x->arena);
	x->res = (er_response){.status = 200, .body = er_body_of(er_piece_copy(text))};
	er_exchange_answer(x);
}

/* ---- the handler ---- */

static void handle(void *self, er_exchange *x)
{
	er_own_place *own = self;
	const er_cache_place *p = &own->place;
	er_slice method = x->req.method, key = read_target(x) ? key_of(p, x) : (er_slice){0};
	if (key.n == 0) {
		er_exchange_fail(x, 400, ER_ERR_INVALID, NULL, "the key of a cache is an http or https URL of at most 16 KB");
		er_exchange_answer(x);
	} else if (x->req.body != NULL && !er_slice_eq(method, ER_LIT("PUT"))) {
		er_exchange_fail(x, 400, ER_ERR_INVALID, NULL, "only what is put has a body");
		er_exchange_answer(x);
	} else if (er_slice_eq(method, ER_LIT("GET"))) {
		er_fields_set(&x->req.fields, &x->arena, ER_LIT("cache-control"), ER_LIT("only-if-cached"));
		er_handler cache = er_cache_handler(&own->place);
		er_exchange_pass(x, &cache);
	} else if (er_slice_eq(method, ER_LIT("PUT"))) {
		begin_put(p, x, key);
	} else if (er_slice_eq(method, ER_LIT("DELETE"))) {
		begin_removal(p, x, key);
	} else if (er_slice_eq(method, ER_LIT("LIST"))) {
		answer_list(p, x, key);
	} else {
		er_exchange_fail(x, 405, ER_ERR_INVALID, NULL, "a cache knows no such method");
		er_exchange_answer(x);
	}
}

er_handler er_own_handler(er_own_place *place)
{
	return (er_handler){.name = "own cache", .handle = handle, .self = place};
}
