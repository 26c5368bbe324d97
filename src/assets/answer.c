/* Answers from files: ordinary handlers' work, and all of it at once when the file is in memory.
 * What has to wait is a waiter in the exchange's arena (host.h), which a cancel takes out of its
 * list. */
#include "assets/host.h"

#include "assets/long.h"
#include "base/hex.h"
#include "cache/coded.h"
#include "cache/condition.h"
#include "cache/parts.h"
#include "cache/range.h"

enum { WHOLE_MOST = 1024 * 1024, TAG_BYTES = 16, FIELDS = 8 };

#define CACHE_CONTROL ER_LIT("public, max-age=0, must-revalidate")

/* What an answer is made of. On the stack. */
typedef struct making {
	er_assets_host *h;
	er_assets *s;
	er_exchange *x;
	const er_assets_plan *plan;
	er_content *content; /* borrowed */
	bool codable;
} making;

/* ---- the head ---- */

/* A strong tag: the beginning of the hash of the bytes. */
static er_slice tag_of(er_arena *a, const er_assets_file *f)
{
	uint8_t *to = er_arena_alloc(a, 2 * (size_t)TAG_BYTES + 2);
	to[0] = '"';
	(void)er_hex_text(er_slice_of(f->hash.b, TAG_BYTES), to + 1);
	to[2 * TAG_BYTES + 1] = '"';
	return er_slice_of(to, 2 * (size_t)TAG_BYTES + 2);
}

static bool compresses(const er_assets_file *f)
{
	er_field field = {ER_LIT("content-type"), f->type};
	return er_coded_length_ok(f->bytes) && er_codable_of(200, &(er_fields){.v = &field, .n = 1, .cap = 1}) == ER_CODABLE;
}

/* The head of the whole file as it is; status and what a range or a coding changes come later. */
static void write_head(making *m)
{
	er_exchange *x = m->x;
	const er_assets_file *f = m->plan->file;
	const er_headers *rules = &er_assets_table_of(m->s)->headers;
	er_fields *to = &x->res.fields;
	x->res = (er_response){.status = m->plan->status};
	*to = (er_fields){.v = er_arena_alloc(&x->arena, FIELDS * sizeof(er_field)), .cap = FIELDS};
	er_fields_add(to, &x->arena, ER_LIT("content-type"), f->type);
	if (m->plan->status == 200) {
		er_fields_add(to, &x->arena, ER_LIT("etag"), tag_of(&x->arena, f));
		er_fields_add(to, &x->arena, ER_LIT("accept-ranges"), ER_LIT("bytes"));
	}
	er_fields_add(to, &x->arena, ER_LIT("cache-control"), CACHE_CONTROL);
	m->codable = compresses(f);
	if (rules->n > 0) {
		er_headers_apply(rules, x->req.scheme, x->req.authority, m->plan->path, to, &x->arena);
		m->codable = er_coded_length_ok(f->bytes) && er_codable_of(200, to) != ER_CODABLE_NOT;
	}
	if (m->codable && er_codable_of(200, to) != ER_CODABLE_VARIES)
		er_fields_add(to, &x->arena, ER_LIT("vary"), ER_LIT("accept-encoding"));
}

/* RFC 9110 15.4.5. */
static void unchanged(er_exchange *x)
{
	x->res.status = 304;
	(void)er_fields_del(&x->res.fields, ER_LIT("content-type"));
	(void)er_fields_del(&x->res.fields, ER_LIT("content-language"));
}

/* RFC 9110 13.1.1: If-Match holds with the very tag, or with "*". */
static bool fails_match(const er_exchange *x)
{
	const er_slice *tag = er_fields_get(&x->res.fields, ER_LIT("etag"));
	bool asked = false;
	for (uint32_t i = 0; i < x->req.fields.n; i++) {
		er_slice rest = x->req.fields.v[i].value, one;
		if (!er_slice_ieq(x->req.fields.v[i].name, ER_LIT("if-match")))
			continue;
		asked = true;
		while (er_slice_split(&rest, ',', &one)) {
			one = er_slice_trim(one);
			if (er_slice_eq(one, ER_LIT("*")) || (tag != NULL && er_slice_eq(one, *tag)))
				return false;
		}
	}
	return asked;
}

/* ---- codings ---- */

typedef struct made {
	er_assets_memory *memory;
	er_hash hash;
	er_slice routine;
	uint8_t name[];
} made;

/* On a thread of the compressor. */
static void on_made(void *ctx, bool more)
{
	made *of = ctx;
	if (more)
		er_assets_memory_weigh(of->memory, of->routine, &of->hash);
	er_free(of);
}

static void want(const making *m, er_coding coding)
{
	er_slice name = m->s->routine;
	made *of = er_zalloc(sizeof *of + name.n);
	*of = (made){.memory = m->h->memory, .hash = m->plan->file->hash};
	er_copy(of->name, name.p, name.n);
	of->routine = er_slice_of(of->name, name.n);
	uint64_t site = (uint64_t)(uintptr_t)m->s; /* only compared */
	if (!er_compressor_want_of(m->h->compressor, m->content, coding, site, on_made, of))
		er_free(of);
}

/* The form that the client wants most, of those that are there; the best is made. One reference. */
static er_content *choose_form(const making *m, er_coding *coding)
{
	er_coding order[ER_CODINGS];
	er_content *form = NULL;
	if (!m->codable || m->h->compressor == NULL)
		return NULL;
	size_t n = er_coded_order(m->x, ER_CODED_ALL, order);
	for (size_t i = 0; i < n && form == NULL; i++) {
		*coding = order[i];
		form = er_content_form(m->content, order[i]);
	}
	if (n > 0 && (form == NULL || *coding != order[0]))
		want(m, order[0]);
	return form;
}

/* ---- the body ---- */

static void say_part(er_exchange *x, er_range r, uint64_t length)
{
	x->res.status = 206;
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-range"),
	              er_arena_printf(&x->arena, "bytes %llu-%llu/%llu", (unsigned long long)r.from,
	                              (unsigned long long)(r.from + r.n - 1), (unsigned long long)length));
}

static void say_beyond(er_exchange *x, uint64_t length)
{
	x->res.status = 416;
	(void)er_fields_del(&x->res.fields, ER_LIT("content-type"));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-range"),
	              er_arena_printf(&x->arena, "bytes */%llu", (unsigned long long)length));
}

static void send_parts(const making *m, const er_ranges *ranges)
{
	er_exchange *x = m->x;
	er_boundary boundary = er_boundary_new();
	const er_slice *type = er_fields_get(&x->res.fields, ER_LIT("content-type"));
	er_slice of = type != NULL ? *type : (er_slice){0};
	er_parts_of parts = {.content = m->content, .length = m->plan->file->bytes, .type = type != NULL ? &of : NULL};
	x->res.body = er_parts_read(&parts, m->h->port, ranges, &boundary);
	x->res.status = 206;
	er_fields_set(&x->res.fields, &x->arena, ER_LIT("content-type"),
	              er_arena_printf(&x->arena, "multipart/byteranges; boundary=%.*s", (int)sizeof boundary.text,
	                              (const char *)boundary.text));
}

/* True: a range is asked for, and answered. */
static bool send_ranges(const making *m)
{
	er_exchange *x = m->x;
	uint64_t length = m->plan->file->bytes;
	er_ranges ranges;
	if (m->plan->status != 200 || !er_slice_eq(x->req.method, ER_LIT("GET")))
		return false;
	switch (er_ranges_of(&x->req.fields, &x->res.fields, length, &ranges)) {
	case ER_RANGE_WHOLE:
		return false;
	case ER_RANGE_BEYOND:
		say_beyond(x, length);
		return true;
	case ER_RANGE_PART:
	default:
		break;
	}
	if (ranges.n > 1) {
		send_parts(m, &ranges);
	} else {
		say_part(x, ranges.v[0], length);
		x->res.body = er_content_read(m->content, m->h->port, ranges.v[0].from, ranges.v[0].n, (int64_t)ranges.v[0].n);
	}
	return true;
}

static void send_whole(const making *m)
{
	er_exchange *x = m->x;
	er_coding coding;
	er_content *form = choose_form(m, &coding), *from = form != NULL ? form : m->content;
	x->res.body = er_content_read(from, m->h->port, 0, UINT64_MAX, (int64_t)er_content_length(from));
	if (form == NULL)
		return;
	const er_slice *tag = er_fields_get(&x->res.fields, ER_LIT("etag"));
	if (tag != NULL)
		er_fields_set(&x->res.fields, &x->arena, ER_LIT("etag"), er_coded_tag(&x->arena, *tag));
	(void)er_fields_del(&x->res.fields, ER_LIT("accept-ranges"));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-encoding"), er_coding_name(coding));
	er_content_unref(form);
}

/* The gateway leaves the body of a client's HEAD away; a routine's has none. */
static void drop_for_head(er_exchange *x)
{
	if (x->data.kind == ER_DATA_NONE || !er_slice_eq(x->req.method, ER_LIT("HEAD")) || x->res.body == NULL)
		return;
	er_body_cancel(x->res.body, ER_ERR_CANCELLED);
	er_body_unref(x->res.body);
	x->res.body = NULL;
}

static void send_file(making *m)
{
	er_exchange *x = m->x;
	write_head(m);
	bool plain = m->plan->status == 200;
	if (plain && fails_match(x)) {
		x->res = (er_response){.status = 412};
	} else if (plain && er_fields_get(&x->req.fields, ER_LIT("if-none-match")) != NULL &&
	           er_condition_met(&x->req.fields, &x->res.fields, 0)) {
		unchanged(x);
	} else if (!send_ranges(m)) {
		send_whole(m);
	}
	drop_for_head(x);
	er_exchange_answer(x);
}

/* ---- what is no file ---- */

/* An answer of the node's own to a client; to a routine it is an answer like others, and no
 * failure. */
static void say(er_exchange *x, int status, er_err_kind kind, const char *detail, const char *text)
{
	if (x->data.kind == ER_DATA_NONE) {
		er_exchange_fail(x, status, kind, detail, "%s", text);
		return;
	}
	x->res = (er_response){.status = status, .body = er_body_of(er_piece_copy(er_slice_cstr(text)))};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("content-type"), ER_LIT("text/plain;charset=UTF-8"));
}

static void refuse_method(er_exchange *x)
{
	say(x, 405, ER_ERR_INVALID, "method", "Files are read with GET and HEAD.");
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("allow"), ER_LIT("GET, HEAD"));
	er_exchange_answer(x);
}

static void redirect(er_exchange *x, const er_assets_plan *plan)
{
	x->res = (er_response){.status = plan->status};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("location"), plan->location);
	er_exchange_answer(x);
}

static void not_found(er_exchange *x)
{
	say(x, 404, ER_ERR_NO_ROUTE, "asset", "There is no such page here.");
	er_exchange_answer(x);
}

static void unreadable(er_exchange *x)
{
	er_exchange_fail(x, 503, ER_ERR_UNAVAILABLE, "asset", "The file could not be read on this node; its log says why.");
	er_exchange_answer(x);
}

/* ---- waiting ---- */

typedef struct waiting {
	er_assets_waiter waiter;
	er_assets_host *h;
	er_assets *s; /* own reference */
	er_assets_plan plan;
	const er_handler *again; /* of er_assets_wait; NULL: the file of the plan */
} waiting;

static void on_cancel(void *ctx, er_exchange *x, er_err_kind reason)
{
	waiting *w = ctx;
	(void)reason;
	er_list_remove(&w->waiter.link);
	er_assets_unref(w->s);
	er_exchange_unref(x);
}

static void on_news(er_assets_waiter *waiter, bool ok, er_content *content)
{
	waiting *w = ER_CONTAINER(waiter, waiting, waiter);
	er_exchange *x = waiter->x;
	x->on_cancel = NULL;
	if (!ok)
		unreadable(x);
	else if (w->again != NULL)
		er_exchange_pass(x, w->again);
	else
		send_file(&(making){.h = w->h, .s = w->s, .x = x, .plan = &w->plan, .content = content});
	er_assets_unref(w->s);
	er_exchange_unref(x);
}

static void wait_for(er_assets_host *h, er_assets *s, er_exchange *x, const er_assets_plan *plan, const er_handler *again)
{
	waiting *w = er_arena_zalloc(&x->arena, sizeof *w);
	*w = (waiting){.waiter = {.x = er_exchange_ref(x), .news = on_news}, .h = h, .s = er_assets_ref(s), .again = again};
	er_list_init(&w->waiter.link);
	if (plan != NULL)
		w->plan = *plan;
	x->handler_ctx = w;
	x->on_cancel = on_cancel;
	er_assets_read(h, s, plan != NULL ? plan->file : NULL, &w->waiter);
}

void er_assets_wait(er_assets_host *h, er_assets *s, er_exchange *x, const er_handler *again)
{
	ER_ASSERT(again != NULL);
	wait_for(h, s, x, NULL, again);
}

/* ---- answering ---- */

static void answer_file(er_assets_host *h, er_assets *s, er_exchange *x, const er_assets_plan *plan)
{
	const er_assets_file *f = plan->file;
	er_content *c = er_assets_memory_get(h->memory, s->routine, &f->hash);
	if (c == NULL && f->bytes <= WHOLE_MOST) {
		wait_for(h, s, x, plan, NULL);
		return;
	}
	if (c == NULL)
		c = er_assets_memory_put(h->memory, s->routine, &f->hash, er_assets_long(s->source, s->routine, f));
	send_file(&(making){.h = h, .s = s, .x = x, .plan = plan, .content = c});
	er_content_unref(c);
}

void er_assets_answer(er_assets_host *h, er_assets *s, er_exchange *x, const er_assets_plan *plan)
{
	if (plan->location.p != NULL)
		redirect(x, plan);
	else if (plan->status == 405)
		refuse_method(x);
	else if (plan->file == NULL)
		not_found(x);
	else
		answer_file(h, s, x, plan);
}
