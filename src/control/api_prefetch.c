/* The API's family of prefetch: jobs that fill the cache (prefetch.h), and the one answer that a
 * tool needs to make a job of a sitemap.
 *
 * Only what a site of the node answers is ever asked, and the site's own servers are who is asked:
 * nothing here makes the node ask an address that a caller names. */
#include "base/clock.h"
#include "base/mem.h"
#include "control/download.h"
#include "control/internal.h"
#include "control/prefetch.h"
#include "control/where.h"
#include "http/authority.h"
#include "http/identity.h"

/* What a current browser says, so that what is stored is what browsers select; the job's own
 * fields come before these. */
static const er_field as_browsers[] = {{ER_LIT("accept"), ER_LIT("*/*")},
                                       {ER_LIT("accept-encoding"), ER_LIT("gzip, deflate, br, zstd")},
                                       {ER_LIT("user-agent"), ER_LIT("EdgeRoutine-Prefetch")}};

typedef struct prefetch_body {
	const er_json *urls, *headers;
	er_slice environment;
	uint32_t parallel;
	bool refresh;
} prefetch_body;

/* ---- reading ---- */

/* In the spelling of requests; the scheme is a part of the cache's keys, so it must be said. */
static bool read_url(er_call *call, er_slice at, er_slice text, er_prefetch_url *out)
{
	static const char expected[] = "a URL with its scheme, as https://shop.example/cart";
	er_where where;
	if (!er_where_read(call->arena, text, &where) || where.authority.n == 0 || !where.said_scheme)
		return er_refuse_field(&call->problem, at, expected, "\"%.*s\" is none: %s is expected", ER_FMT(er_slice_head(text, 200)),
		                       expected);
	if (where.refused != NULL)
		return er_refuse_field(&call->problem, at, expected, "\"%.*s\" is refused from clients as well: %s",
		                       ER_FMT(er_slice_head(text, 200)), where.refused);
	*out = (er_prefetch_url){.url = er_arena_printf(call->arena, "%.*s://%.*s%.*s%.*s", ER_FMT(where.scheme),
	                                                ER_FMT(where.authority), ER_FMT(where.path), ER_FMT(where.query)),
	                         .scheme_n = (uint32_t)where.scheme.n,
	                         .authority_n = (uint32_t)where.authority.n};
	return true;
}

static bool read_urls(er_call *call, const er_json *array, er_prefetch_order *order)
{
	const er_slice name = ER_LIT("urls");
	er_prefetch_url *urls = er_arena_alloc(call->arena, ER_PREFETCH_URLS * sizeof *urls);
	if (!er_members_strings(array, name, 1, ER_PREFETCH_URL_MAX, &call->problem))
		return false;
	for (const er_json *m = array->first; m != NULL; m = m->next) {
		er_path at = er_path_element(name, order->n);
		ER_ASSERT(order->n < ER_PREFETCH_URLS);
		if (!read_url(call, er_slice_cstr(at.text), m->text, &urls[order->n++]))
			return false;
	}
	order->urls = urls;
	return true;
}

/* What the exchange says by itself, what is the way's or the client's, and what the cache answers
 * to by itself: a response to it would not be the one that clients get. */
static bool is_for_prefetches(er_slice name)
{
	static const er_slice not [] = {ER_LIT("host"),          ER_LIT("content-length"), ER_LIT("content-type"),
	                                ER_LIT("cache-control"), ER_LIT("pragma"),         ER_LIT("range")};
	for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
		if (er_slice_ieq(name, not [i]))
			return false;
	return !er_identity_not_to_ask(name) && !er_identity_claimed(name) && !er_slice_ieq(er_slice_head(name, 3), ER_LIT("if-"));
}

static bool read_field(er_call *call, const er_json *m)
{
	static const char expected[] = "the value of a request field, as \"de\" of accept-language";
	er_path at = er_path_member(ER_LIT("headers"), m->key);
	er_slice field = er_slice_cstr(at.text), name = er_slice_head(m->key, 100);
	if (m->type != ER_JSON_STRING)
		return er_members_refuse(&call->problem, &at, m, "a string");
	if (!er_field_name_ok(m->key) || m->key.n > ER_PREFETCH_FIELD_MAX)
		return er_refuse_field(&call->problem, field, "a name of a field", "\"%.*s\" is no name of a field", ER_FMT(name));
	if (!is_for_prefetches(m->key))
		return er_refuse_field(
		    &call->problem, field, "a field by which answers are chosen, as accept-language",
		    "%.*s is not for prefetches: the node writes it itself, or it asks for another answer than clients "
		    "get from the cache",
		    ER_FMT(name));
	return (er_field_value_ok(m->text) && m->text.n <= ER_PREFETCH_FIELD_MAX) ||
	       er_refuse_field(&call->problem, field, expected, "the value of %.*s is none: at most %d bytes, no control characters",
	                       ER_FMT(name), ER_PREFETCH_FIELD_MAX);
}

static bool read_fields(er_call *call, const er_json *object, er_prefetch_order *order)
{
	er_fields fields = {0};
	for (const er_json *m = object != NULL ? object->first : NULL; m != NULL; m = m->next) {
		if (!read_field(call, m))
			return false;
		if (fields.n == ER_PREFETCH_FIELDS)
			return er_refuse_field(&call->problem, ER_LIT("headers"), "at most 16 fields", "\"headers\": %d fields are the most",
			                       ER_PREFETCH_FIELDS);
		er_fields_add(&fields, call->arena, m->key, er_slice_trim(m->text));
	}
	for (size_t i = 0; i < sizeof as_browsers / sizeof *as_browsers; i++)
		if (er_fields_get(&fields, as_browsers[i].name) == NULL)
			er_fields_add(&fields, call->arena, as_browsers[i].name, as_browsers[i].value);
	order->fields = fields.v;
	order->n_fields = fields.n;
	return true;
}

static bool read_order(er_call *call, er_prefetch_order *order)
{
	static const er_member members[] = {
	    ER_MEMBER(prefetch_body, "urls", urls, ER_MEMBER_ARRAY, true, 1, ER_PREFETCH_URLS),
	    ER_MEMBER(prefetch_body, "headers", headers, ER_MEMBER_OBJECT, false, 0, 0),
	    ER_MEMBER(prefetch_body, "environment", environment, ER_MEMBER_STRING, false, 1, 20),
	    ER_MEMBER(prefetch_body, "parallel", parallel, ER_MEMBER_NUMBER, false, 1, ER_PREFETCH_AT_ONCE),
	    ER_MEMBER(prefetch_body, "refresh", refresh, ER_MEMBER_BOOL, false, 0, 0)};
	prefetch_body body = {.environment = ER_LIT("production"), .parallel = ER_PREFETCH_SHARE};
	*order = (er_prefetch_order){.local = call->local, .by = call->actor.name};
	if (!er_call_members(call, members, &body) || !read_urls(call, body.urls, order) || !read_fields(call, body.headers, order))
		return false;
	order->refresh = body.refresh;
	order->parallel = body.parallel;
	return er_env_parse(body.environment, &order->env) ||
	       er_refuse_field(&call->problem, ER_LIT("environment"), "production or staging",
	                       "\"environment\": production or staging is expected");
}

/* ---- writing ---- */

static const char *state_of(const er_prefetch_job *job)
{
	return job->cancelled ? "cancelled" : job->over ? "done" : "running";
}

static void write_figures(er_out *o, const er_prefetch_job *job)
{
	const uint32_t *ends = job->ends;
	er_out_id(o, "job", job->id);
	er_out_cstr(o, "state", state_of(job));
	er_out_cstr(o, "environment", er_env_name(job->order.env));
	er_out_u64(o, "total", job->order.n);
	er_out_u64(o, "done",
	           ends[ER_PREFETCH_HIT] + ends[ER_PREFETCH_STORED] + ends[ER_PREFETCH_NOT_STORED] + ends[ER_PREFETCH_FAILED]);
	er_out_u64(o, "under_way", job->under_way);
	er_out_u64(o, "hits", ends[ER_PREFETCH_HIT]);
	er_out_u64(o, "stored", ends[ER_PREFETCH_STORED]);
	er_out_u64(o, "not_stored", ends[ER_PREFETCH_NOT_STORED]);
	er_out_u64(o, "failed", ends[ER_PREFETCH_FAILED]);
	er_out_u64(o, "stored_bytes", job->stored_bytes);
	er_out_str(o, "by", job->order.by);
	er_out_time(o, "at", job->at_ms);
	if (job->over)
		er_out_time(o, "over", job->over_ms);
}

static void write_told(er_out *o, const er_prefetch_job *job)
{
	er_out_open(o, "urls", '[');
	for (uint32_t i = 0; i < job->n_told; i++) {
		const er_prefetch_told *t = &job->told[i];
		er_out_open(o, NULL, '{');
		er_out_str(o, "url", t->url);
		er_out_cstr(o, "result", er_prefetch_end_name(t->end));
		if (t->status != 0)
			er_out_u64(o, "status", (uint64_t)t->status);
		er_out_cstr(o, "reason", t->reason);
		er_out_str(o, "text", t->text);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_u64(o, "urls_left_out", job->untold);
}

static void answer_job(er_call *call, const er_prefetch_job *job, int status)
{
	er_out_open(&call->out, NULL, '{');
	write_figures(&call->out, job);
	write_told(&call->out, job);
	er_out_close(&call->out, '}');
	er_call_answer(call, status);
}

/* ---- jobs ---- */

void er_api_prefetch(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	er_control *c = call->control;
	er_prefetch_order order;
	er_prefetch_job *job = NULL;
	if (er_control_may_change(c, &call->problem) && read_order(call, &order))
		job = er_prefetch_start(c->prefetches, &order, &call->problem);
	if (job != NULL)
		answer_job(call, job, 202);
	else
		er_call_refuse(call);
}

/* NULL: refused, and answered. */
static er_prefetch_job *job_of(er_call *call)
{
	er_prefetch_job *job = er_prefetch_find(call->control->prefetches, call->number);
	if (job != NULL)
		return job;
	er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND,
	          "no such prefetch: the last %d that are done are remembered, and none from before the node's start. What it had "
	          "stored is stored: send it again, and only the rest is asked for",
	          ER_PREFETCH_KEPT);
	er_call_refuse(call);
	return NULL;
}

void er_api_prefetch_job(er_call *call)
{
	const er_prefetch_job *job = job_of(call);
	if (job != NULL)
		answer_job(call, job, 200);
}

void er_api_prefetch_cancel(er_call *call)
{
	er_prefetch_job *job = job_of(call);
	if (job == NULL)
		return;
	er_prefetch_cancel(call->control->prefetches, job);
	answer_job(call, job, 200);
}

static void write_one(void *ctx, const er_prefetch_job *job)
{
	er_out *o = ctx;
	er_out_open(o, NULL, '{');
	write_figures(o, job);
	er_out_close(o, '}');
}

void er_api_prefetch_list(er_call *call)
{
	er_out_open(&call->out, NULL, '{');
	er_out_open(&call->out, "items", '[');
	er_prefetch_each(call->control->prefetches, write_one, &call->out);
	er_out_close(&call->out, ']');
	er_out_close(&call->out, '}');
	er_call_answer(call, 200);
}

/* ---- an answer itself ---- */

/* NULL, as a call: one that is free. */
static er_content_flight *flight_of(er_control *c, const er_call *call)
{
	for (unsigned i = 0; i < ER_CONTENTS_MAX; i++)
		if (c->contents[i].call == call)
			return &c->contents[i];
	return NULL;
}

void er_api_content_tick(er_control *c, uint64_t now_us)
{
	for (unsigned i = 0; i < ER_CONTENTS_MAX; i++) {
		er_content_flight *f = &c->contents[i];
		if (f->call == NULL || f->late || now_us - f->since_us < (uint64_t)ER_CONTENT_LATE_S * 1000000)
			continue;
		f->late = true;
		c->o.ops->prefetch_stop(c->o.ops_ctx, f->number);
	}
}

static void on_content(void *ctx, const er_prefetch_result *r)
{
	er_call *call = ctx; /* alive: a client that left has ended nothing */
	ER_CHECK(call, ER_CALL_MAGIC);
	er_content_flight *f = flight_of(call->control, call);
	ER_ASSERT(f != NULL);
	*f = (er_content_flight){0};
	if (r->body != NULL) {
		er_call_piece(call, ER_LIT("application/octet-stream"), er_piece_copy(er_buf_slice(r->body)));
		return;
	}
	(void)er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND, "there is no document: %s", r->text);
	er_call_refuse(call);
}

/* The URL that is meant, if a site of the node has it. */
static bool read_content(er_call *call, er_prefetch_ask *ask)
{
	er_control *c = call->control;
	er_slice text;
	er_prefetch_url url = {0};
	uint64_t site;
	if (!er_call_query_env(call, false, &ask->env) || !er_call_query(call, ER_LIT("url"), &text) ||
	    !read_url(call, ER_LIT("url"), text, &url))
		return false;
	er_prefetch_set_url(ask, &url);
	if (!c->o.ops->prefetch_site(c->o.ops_ctx, er_host_of(ask->authority), &site))
		return er_refuse(&call->problem, ER_PROBLEM_NOT_FOUND,
		                 "no site of this node has the host %.*s: er site add, or \"sites\" of node.jsonc",
		                 ER_FMT(er_slice_head(ask->authority, 100)));
	return flight_of(c, NULL) != NULL ||
	       er_refuse(&call->problem, ER_PROBLEM_UNAVAILABLE, "%d documents are on their way, which is the most: try again",
	                 ER_CONTENTS_MAX);
}

void er_api_content(er_call *call)
{
	static const er_field fields[] = {{ER_LIT("accept"), ER_LIT("*/*")}, {ER_LIT("user-agent"), ER_LIT("EdgeRoutine-Prefetch")}};
	er_control *c = call->control;
	er_prefetch_ask ask = {.fields = fields, .n_fields = sizeof fields / sizeof *fields, .most = ER_CONTENT_MAX};
	if (!er_control_may_change(c, &call->problem) || !read_content(call, &ask)) {
		er_call_refuse(call);
		return;
	}
	er_content_flight *f = flight_of(c, NULL);
	*f = (er_content_flight){.call = call, .since_us = er_clock_mono_us()};
	uint64_t number = c->o.ops->prefetch(c->o.ops_ctx, &ask, on_content, call);
	if (f->call == call) /* else it was answered at once */
		f->number = number;
}
