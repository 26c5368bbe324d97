/* Answers of the cache. Everything lies in the arena of the exchange that is answered: a stored
 * response may be evicted while its answer is on its way, the pieces of its content are counted. */
#include "cache/task.h"

#include "base/buf.h"
#include "base/mem.h"
#include "cache/coded.h"
#include "cache/condition.h"
#include "http/directives.h"
#include "cache/parts.h"
#include "cache/pieces.h"
#include "http/status.h"

/* So many bytes of a body that comes a request for a part of it waits for. */
enum { AHEAD = 1024 * 1024, PARTIAL = 206 };

/* As Cache-Status names this cache (RFC 9211 2). */
#define CACHE_NAME "EdgeRoutine"

enum { ADDED = 6 }; /* fields that an answer mostly has beside those that are stored */

static er_slice u64_text(er_arena *a, uint64_t v)
{
	uint8_t digits[20];
	return er_arena_copy(a, er_u64_text(v, digits));
}

static const char *forward_name(er_cache_forward f)
{
	static const char *const names[] = {
	    [FWD_NONE] = "",          [FWD_METHOD] = "method", [FWD_BYPASS] = "bypass",  [FWD_MISS] = "uri-miss",
	    [FWD_VARY] = "vary-miss", [FWD_STALE] = "stale",   [FWD_PARTIAL] = "partial"};
	ER_ASSERT(f < sizeof names / sizeof *names);
	return names[f];
}

static void add_status(er_exchange *x, const er_cache_use *use, const int64_t *ttl)
{
	er_buf b;
	er_buf_init(&b);
	er_buf_put_cstr(&b, use->forward == FWD_NONE ? CACHE_NAME "; hit" : CACHE_NAME "; fwd=");
	er_buf_put_cstr(&b, forward_name(use->forward));
	if (use->status != 0)
		er_buf_printf(&b, "; fwd-status=%d", use->status);
	if (use->stored)
		er_buf_puts(&b, "; stored");
	if (use->collapsed)
		er_buf_puts(&b, "; collapsed");
	if (ttl != NULL)
		er_buf_printf(&b, "; ttl=%lld", (long long)*ttl);
	if (use->refusal != ER_CACHE_OK)
		er_buf_printf(&b, "; detail=%s", er_cache_refusal_name(use->refusal));
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-status"), er_arena_copy(&x->arena, er_buf_slice(&b)));
	er_buf_fini(&b);
}

/* A hit's is written by hand: it is on the hot path. */
static void add_hit(er_exchange *x, int64_t ttl)
{
	static const char before[] = CACHE_NAME "; hit; ttl=";
	uint8_t digits[20];
	er_slice n = er_u64_text((uint64_t)(ttl < 0 ? -ttl : ttl), digits);
	uint8_t *to = er_arena_alloc(&x->arena, sizeof before + 1 + n.n), *p = to;
	er_copy(p, before, sizeof before - 1);
	p += sizeof before - 1;
	if (ttl < 0)
		*p++ = '-';
	er_copy(p, n.p, n.n);
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("cache-status"), er_slice_of(to, (size_t)(p - to) + n.n));
}

/* The one word of it for the access log. */
static const char *word_of(const er_cache_use *use, const er_stored *s, int64_t ttl)
{
	if (s != NULL && use->forward == FWD_NONE)
		return ttl > 0 ? "hit" : "stale";
	if (use->forward == FWD_METHOD || use->forward == FWD_BYPASS)
		return "pass";
	if (use->forward == FWD_STALE && use->status == 304)
		return "validated";
	return use->forward == FWD_STALE ? "stale" : forward_name(use->forward);
}

typedef bool skip_field(er_slice name);

/* Copies fields in one piece, with room for some more. */
static void copy_fields(er_exchange *x, const er_fields *from, skip_field *skip)
{
	size_t bytes = 0;
	for (uint32_t i = 0; i < from->n; i++)
		bytes += from->v[i].name.n + from->v[i].value.n;
	uint8_t *p = er_arena_alloc(&x->arena, bytes + 1);
	er_fields *to = &x->res.fields;
	*to = (er_fields){.v = er_arena_alloc(&x->arena, (from->n + ADDED) * sizeof(er_field)), .cap = from->n + ADDED};
	for (uint32_t i = 0; i < from->n; i++) {
		er_field f = from->v[i];
		if (skip != NULL && skip(f.name))
			continue;
		er_copy(p, f.name.p, f.name.n);
		er_copy(p + f.name.n, f.value.p, f.value.n);
		to->v[to->n++] = (er_field){er_slice_of(p, f.name.n), er_slice_of(p + f.name.n, f.value.n)};
		p += f.name.n + f.value.n;
	}
}

/* RFC 9110 15.4.5: what describes content that is not sent. */
static bool of_content(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("content-type")) || er_slice_ieq(name, ER_LIT("content-encoding")) ||
	       er_slice_ieq(name, ER_LIT("content-language")) || er_slice_ieq(name, ER_LIT("content-range"));
}

static bool is_range(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("content-range"));
}

static bool is_type_or_range(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("content-type")) || is_range(name);
}

/* What of a stored response is sent. */
typedef struct selection {
	er_range_kind kind;  /* WHOLE: what is stored, as it is */
	er_content *content; /* of the response as it came, or a coded form of that; borrowed */
	uint64_t begin;      /* of what is stored in the whole: 0, if it is no piece */
	uint64_t length;     /* of the whole */
	er_ranges ranges;
	er_boundary boundary; /* if there are several */
} selection;

static bool is_multipart(const selection *sel)
{
	return sel->kind == ER_RANGE_PART && sel->ranges.n > 1;
}

/* Ranges of what is still coming are counted by the length that the origin has said. Several of
 * them would have to wait for each other, and are ignored, as RFC 9110 14.2 allows. */
static void select_ranges(const er_exchange *x, er_stored *s, selection *sel)
{
	bool whole = er_content_whole(s->content);
	sel->kind = ER_RANGE_WHOLE;
	sel->begin = 0;
	if (s->status == PARTIAL) {
		sel->begin = s->piece.from;
		sel->length = s->whole;
		if (er_piece_covers(s, &x->req.fields, &sel->ranges))
			sel->kind = ER_RANGE_PART;
		if (is_multipart(sel))
			sel->boundary = er_boundary_new();
		return;
	}
	if (s->status != 200 || !er_slice_eq(x->req.method, ER_LIT("GET")) || (!whole && s->promised < 0))
		return;
	sel->length = whole ? er_content_length(s->content) : (uint64_t)s->promised;
	sel->kind = er_ranges_of(&x->req.fields, &s->fields, sel->length, &sel->ranges);
	if (!is_multipart(sel))
		return;
	if (er_content_kept(s->content))
		sel->boundary = er_boundary_new();
	else
		sel->kind = ER_RANGE_WHOLE;
}

bool er_answer_waits(const er_exchange *x, er_stored *s)
{
	if (er_content_whole(s->content) || er_fields_get(&x->req.fields, ER_LIT("range")) == NULL)
		return false;
	const er_slice *ranges = er_fields_get(&s->fields, ER_LIT("accept-ranges"));
	selection sel;
	select_ranges(x, s, &sel);
	return sel.kind == ER_RANGE_PART && sel.ranges.v[0].from > er_content_length(s->content) + AHEAD && ranges != NULL &&
	       er_field_has_token(*ranges, ER_LIT("bytes")) && !er_cache_control(&x->req.fields).only_if_cached;
}

/* NULL: the bytes are not there any more. */
static er_body *read_selected(er_stored *s, er_port *port, const selection *sel)
{
	er_content *c = sel->content;
	const er_slice *type = er_fields_get(&s->fields, ER_LIT("content-type"));
	const er_range *first = &sel->ranges.v[0];
	if (is_multipart(sel))
		return er_parts_read(&(er_parts_of){.content = c, .begin = sel->begin, .length = sel->length, .type = type}, port,
		                     &sel->ranges, &sel->boundary);
	if (sel->kind == ER_RANGE_PART)
		return er_content_read(c, port, first->from - sel->begin, first->n, (int64_t)first->n);
	return er_content_read(c, port, 0, UINT64_MAX, er_content_whole(c) ? (int64_t)er_content_length(c) : s->promised);
}

/* 206 or 416. */
static void say_ranges(er_exchange *x, const selection *sel)
{
	er_arena *a = &x->arena;
	er_fields *to = &x->res.fields;
	x->res.status = sel->kind == ER_RANGE_BEYOND ? 416 : 206;
	if (sel->kind == ER_RANGE_BEYOND) {
		er_fields_add(to, a, ER_LIT("content-range"), er_arena_printf(a, "bytes */%llu", (unsigned long long)sel->length));
	} else if (is_multipart(sel)) { /* each part has its own Content-Range, and the message none */
		er_slice boundary = er_slice_of(sel->boundary.text, sizeof sel->boundary.text);
		er_fields_add(to, a, ER_LIT("content-type"), er_arena_printf(a, "multipart/byteranges; boundary=%.*s", ER_FMT(boundary)));
	} else {
		er_range r = sel->ranges.v[0];
		er_fields_add(to, a, ER_LIT("content-range"),
		              er_arena_printf(a, "bytes %llu-%llu/%llu", (unsigned long long)r.from,
		                              (unsigned long long)(r.from + r.n - 1), (unsigned long long)sel->length));
	}
}

/* For whoever asks in order to have it stored. */
static void note_kept(er_exchange *x, const er_cache_use *use, bool whole)
{
	er_exchange_facts *facts = &x->facts;
	if (use->refusal != ER_CACHE_OK)
		facts->not_kept = er_cache_refusal_name(use->refusal);
	else if (use->lost)
		facts->not_kept = "purged";
	else
		facts->kept = use->spared                                             ? ER_KEPT_STALE
		              : use->forward == FWD_NONE && (whole || use->from_disk) ? ER_KEPT_BEFORE
		                                                                      : ER_KEPT_NOW;
}

/* The fields of a coded form, where they are not those of the response as it came. */
static void say_coded(er_exchange *x, er_coding coding, bool unchanged)
{
	er_arena *a = &x->arena;
	const er_slice *tag = er_fields_get(&x->res.fields, ER_LIT("etag"));
	if (tag != NULL)
		er_fields_set(&x->res.fields, a, ER_LIT("etag"), er_coded_tag(a, *tag));
	if (unchanged)
		return;
	(void)er_fields_del(&x->res.fields, ER_LIT("accept-ranges")); /* ranges are of the other one */
	er_fields_set(&x->res.fields, a, ER_LIT("content-encoding"), er_coding_name(coding));
}

/* Which fields of what is stored the answer has not, or others of that name. */
static skip_field *fields_left_out(bool unchanged, const selection *sel)
{
	if (unchanged)
		return of_content;
	if (sel->kind == ER_RANGE_WHOLE)
		return NULL;
	return is_multipart(sel) ? is_type_or_range : is_range;
}

bool er_answer_stored(er_exchange *x, er_stored *s, const er_answer_form *form, er_port *port, uint64_t now_us,
                      const er_cache_use *use)
{
	ER_ASSERT(x->res.body == NULL);
	int64_t age = er_stored_age(s, now_us), ttl = s->fresh.lifetime - er_stored_age_used(s, now_us);
	x->facts.cache = word_of(use, s, ttl);
	bool unchanged = (s->status == 200 || s->status == PARTIAL) && er_condition_met(&x->req.fields, &s->fields, s->came);
	bool whole = er_content_whole(s->content);
	selection sel;
	sel.kind = ER_RANGE_WHOLE;
	if (!unchanged && !form->no_range)
		select_ranges(x, s, &sel);
	bool coded = form->content != NULL && sel.kind == ER_RANGE_WHOLE;
	sel.content = coded ? form->content : s->content;
	er_body *body = NULL;
	if (!unchanged && sel.kind != ER_RANGE_BEYOND && !er_status_bodyless(s->status)) {
		body = read_selected(s, port, &sel);
		if (body == NULL)
			return false;
	}
	note_kept(x, use, whole);
	x->res = (er_response){.status = unchanged ? 304 : s->status, .body = body};
	if (!unchanged && sel.kind == ER_RANGE_WHOLE)
		x->res.reason = er_arena_copy(&x->arena, s->reason);
	copy_fields(x, &s->fields, fields_left_out(unchanged, &sel));
	if (form->varies)
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("vary"), ER_LIT("accept-encoding"));
	if (coded)
		say_coded(x, form->coding, unchanged);
	bool own = er_answer_is_own(x); /* what was put is what is got */
	if (!own && (use->forward == FWD_NONE || age > 0))
		er_fields_add(&x->res.fields, &x->arena, ER_LIT("age"), u64_text(&x->arena, (uint64_t)age));
	if (!own && use->forward == FWD_NONE && use->status == 0)
		add_hit(x, ttl);
	else if (!own)
		add_status(x, use, &ttl);
	if (sel.kind != ER_RANGE_WHOLE)
		say_ranges(x, &sel);
	return true;
}

void er_answer_alone(er_exchange *x, er_exchange *from, const er_cache_use *use)
{
	ER_ASSERT(x->res.body == NULL);
	er_exchange_adopt(x, from);
	(void)er_fields_del(&x->res.fields, ER_LIT("cache-tag"));
	(void)er_fields_del(&x->res.fields, ER_LIT("surrogate-key"));
	x->facts.cache = word_of(use, NULL, 0);
	/* without a refusal nothing was asked of the store: rules pass it by, or the key is too long */
	x->facts.not_kept = use->refusal != ER_CACHE_OK ? er_cache_refusal_name(use->refusal) : "bypass";
	add_status(x, use, NULL);
}

void er_answer_failed(er_exchange *x, int status, er_err_kind error, const char *text, const er_cache_use *use)
{
	er_exchange_fail(x, status, error, NULL, "%s", text);
	x->facts.cache = word_of(use, NULL, 0);
	add_status(x, use, NULL);
}

void er_answer_miss(er_exchange *x)
{
	x->res = (er_response){.status = 404};
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("er-miss"), ER_LIT("1"));
}

/* RFC 9111 5.2.1.7. */
void er_answer_only_if_cached(er_exchange *x)
{
	if (er_answer_is_own(x)) {
		er_answer_miss(x);
		return;
	}
	er_exchange_fail(x, 504, ER_ERR_UNAVAILABLE, "only-if-cached", "The request wants a stored response, and there is none.");
}
