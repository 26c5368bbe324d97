/* Which events somebody wants to see, and how one is written as JSON. A filter is read from the
 * query of GET tail or GET logs into the arena of whoever asks, and holds copies: a tail outlives
 * its call. Each condition that is not given passes everything; all that are given must hold. */
#include "control/tail_filter.h"

/* The kinds of a filter are bits of a word. */
_Static_assert(ER_TAIL_KIND_COUNT_ <= 32, "a kind is a bit of er_tail_filter.kinds");

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static er_slice kind_name(er_tail_kind kind)
{
	static const er_slice names[] = {
#define X(name, text) ER_LIT(text),
	    ER_TAIL_KINDS(X)
#undef X
	};
	_Static_assert(sizeof names / sizeof *names == ER_TAIL_KIND_COUNT_, "every kind has a name");
	ER_ASSERT((unsigned)kind < ER_TAIL_KIND_COUNT_);
	return names[kind];
}

/* ---- reading ---- */

/* 404, or a class: 5xx. */
static bool read_statuses(er_call *call, er_slice text, er_tail_filter *f)
{
	er_slice part;
	while (er_slice_split(&text, ',', &part)) {
		uint64_t v = 0;
		bool class = part.n == 3 && part.p[0] >= '1' && part.p[0] <= '5' && er_slice_ieq(er_slice_from(part, 1), ER_LIT("xx"));
		if (f->n_status == ER_TAIL_STATUSES || !(class || (er_slice_u64(part, &v) && v <= 999)))
			return er_refuse_field(&call->problem, ER_LIT("status"), "5xx, 404, or up to eight of these with commas between",
			                       "\"status\": 5xx, 404, or up to eight of these with commas between are expected");
		int from = class ? (part.p[0] - '0') * 100 : (int)v;
		ER_ASSERT(f->n_status < ER_TAIL_STATUSES);
		f->status[f->n_status].from = from;
		f->status[f->n_status++].to = class ? from + 99 : from;
	}
	return true;
}

/* Names with commas between, as bits. */
static bool read_kinds(er_call *call, er_slice text, er_tail_filter *f)
{
	er_slice part;
	f->kinds = 0;
	while (er_slice_split(&text, ',', &part)) {
		unsigned k = 0;
		while (k < ER_TAIL_KIND_COUNT_ && !er_slice_eq(part, kind_name(k)))
			k++;
		if (k == ER_TAIL_KIND_COUNT_)
			return er_refuse_field(&call->problem, ER_LIT("kinds"), "request, console, exception, kill, deployment",
			                       "\"kinds\": some of request, console, exception, kill, deployment are expected, not \"%.*s\"",
			                       ER_FMT(er_slice_head(part, 40)));
		f->kinds |= 1U << k;
	}
	return true;
}

/* A share of requests as a bound of a hash. */
static bool read_sampling(er_call *call, er_slice text, er_tail_filter *f)
{
	char *end = NULL, *copy = er_arena_cstr(call->arena, text);
	double v = strtod(copy, &end);
	if (text.n == 0 || text.n > 20 || end != copy + text.n || !(v > 0 && v <= 1))
		return er_refuse_field(&call->problem, ER_LIT("sampling"), "a number above 0, at most 1",
		                       "\"sampling\": a number above 0 and at most 1 is expected, as 0.1");
	f->sampling = (uint32_t)(v * UINT32_MAX);
	return true;
}

static bool read_routine(er_call *call, er_tail_filter *f)
{
	const er_actor *actor = &call->actor;
	if (f->routine.p != NULL && !er_name_ok(f->routine))
		return er_refuse_field(&call->problem, ER_LIT("routine"), "a routine's name",
		                       "\"routine\": this is no name of a routine");
	if (f->routine.n > 0 && !er_actor_has(actor, f->routine))
		return er_refuse_confined(&call->problem, "this token is confined to %.*s", ER_FMT(er_actor_routines(call)));
	return true;
}

bool er_tail_filter_read(er_call *call, er_arena *a, er_tail_filter *f)
{
	ER_ASSERT(call != NULL && a != NULL);
	er_slice env, status, kinds, sampling;
	*f = (er_tail_filter){.kinds = (1U << ER_TAIL_KIND_COUNT_) - 1, .sampling = UINT32_MAX};
	if (!er_call_query(call, ER_LIT("routine"), &f->routine) || !er_call_query(call, ER_LIT("environment"), &env) ||
	    !er_call_query(call, ER_LIT("status"), &status) || !er_call_query(call, ER_LIT("method"), &f->method) ||
	    !er_call_query(call, ER_LIT("path"), &f->path) || !er_call_query(call, ER_LIT("search"), &f->search) ||
	    !er_call_query(call, ER_LIT("sampling"), &sampling) || !er_call_query(call, ER_LIT("kinds"), &kinds))
		return false;
	f->has_env = env.p != NULL;
	if (f->has_env && !er_call_query_env(call, true, &f->env))
		return false;
	if (!read_routine(call, f) || (status.p != NULL && !read_statuses(call, status, f)) ||
	    (kinds.p != NULL && !read_kinds(call, kinds, f)) || (sampling.p != NULL && !read_sampling(call, sampling, f)))
		return false;
	f->routine = er_arena_copy(a, f->routine);
	f->method = er_arena_copy(a, f->method);
	f->path = er_arena_copy(a, f->path);
	f->search = er_arena_copy(a, f->search);
	f->n_routines = call->actor.n_routines;
	f->routines = er_arena_alloc(a, (f->n_routines + 1) * sizeof *f->routines);
	for (size_t i = 0; i < f->n_routines; i++)
		f->routines[i] = er_arena_copy(a, call->actor.routines[i]);
	return true;
}

/* ---- choosing ---- */

static bool contains(er_slice text, er_slice what)
{
	return text.n >= what.n && memmem(text.p, text.n, what.p, what.n) != NULL;
}

/* Only requests have one. */
static bool status_passes(const er_tail_filter *f, const er_tail_event *e)
{
	if (f->n_status == 0)
		return true;
	for (size_t i = 0; i < f->n_status; i++)
		if (e->kind == ER_TAIL_REQUEST && e->status >= f->status[i].from && e->status <= f->status[i].to)
			return true;
	return false;
}

/* Whose events they may see, and of what they want. */
static bool routine_passes(const er_tail_filter *f, const er_tail_event *e)
{
	const er_actor actor = {.routines = f->routines, .n_routines = f->n_routines};
	return er_actor_has(&actor, e->routine) && (f->routine.n == 0 || er_slice_eq(f->routine, e->routine)) &&
	       (!f->has_env || f->env == e->env);
}

/* By the request, so that its lines come together or not at all. */
static bool sampled(const er_tail_filter *f, const er_tail_event *e)
{
	return f->sampling == UINT32_MAX || e->request_id == 0 ||
	       (uint32_t)((e->request_id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) <= f->sampling;
}

bool er_tail_filter_passes(const er_tail_filter *f, const er_tail_event *e)
{
	ER_ASSERT((unsigned)e->kind < ER_TAIL_KIND_COUNT_);
	if ((f->kinds >> e->kind & 1) == 0 || !routine_passes(f, e) || !status_passes(f, e) || !sampled(f, e))
		return false;
	if (f->method.n > 0 && !er_slice_ieq(f->method, e->method))
		return false;
	if (f->path.n > 0 && !er_slice_starts(e->path, f->path))
		return false;
	return f->search.n == 0 || contains(e->text, f->search) || contains(e->name, f->search) || contains(e->stack, f->search) ||
	       contains(e->path, f->search);
}

/* ---- writing ---- */

static void write_request(er_out *o, const er_tail_event *e)
{
	er_out_u64(o, "status", (uint64_t)e->status);
	er_out_opt(o, "client", e->client);
	er_out_u64(o, "bytes", e->bytes);
	er_out_u64(o, "cpu_us", e->cpu_us);
	er_out_ms(o, "wall_ms", e->wall_us);
	er_out_u64(o, "subrequests", e->subrequests);
	er_out_bool(o, "cold_start", e->cold_start);
	if (e->error != ER_ERR_OK)
		er_out_str(o, "error", er_slice_cstr(er_err_name(e->error)));
}

static void write_amount(er_out *o, const char *what, er_err_kind of, uint64_t v)
{
	char name[32];
	(void)snprintf(name, sizeof name, "%s%s", what, er_err_unit(of));
	er_out_u64(o, name, v);
}

/* The members that the kind has. A level comes from a sandbox: one that there is not counts as
 * "log". */
static void write_what(er_out *o, const er_tail_event *e)
{
	static const char *const levels[] = {"debug", "log", "info", "warn", "error"};
	switch (e->kind) {
	case ER_TAIL_REQUEST:
		write_request(o, e);
		break;
	case ER_TAIL_CONSOLE:
		er_out_str(o, "level", er_slice_cstr(levels[e->level < 5 ? e->level : 1]));
		er_out_str(o, "text", e->text);
		break;
	case ER_TAIL_EXCEPTION:
		er_out_str(o, "name", e->name);
		er_out_str(o, "text", e->text);
		er_out_opt(o, "stack", e->stack);
		er_out_bool(o, "fatal", e->fatal);
		break;
	case ER_TAIL_KILL:
		er_out_str(o, "error", er_slice_cstr(er_err_name(e->error)));
		er_out_opt(o, "text", e->text);
		write_amount(o, "used", e->error, e->used);
		if (e->asked > 0)
			write_amount(o, "asked", e->error, e->asked);
		write_amount(o, "limit", e->error, e->limit);
		if (e->budget != NULL)
			er_out_str(o, "budget", er_slice_cstr(e->budget));
		break;
	default:
		er_out_str(o, "text", e->text);
		break;
	}
}

void er_tail_write(er_out *o, const char *key, const er_tail_event *e)
{
	ER_ASSERT((unsigned)e->env < ER_ENV_COUNT_);
	er_out_open(o, key, '{');
	er_out_str(o, "kind", kind_name(e->kind));
	er_out_time(o, "at", e->at_ms);
	er_out_str(o, "routine", e->routine);
	er_out_str(o, "environment", er_slice_cstr(er_env_name(e->env)));
	er_out_opt(o, "version", e->version);
	if (e->request_id != 0) {
		er_arena a;
		er_arena_init(&a);
		er_out_str(o, "id", er_arena_printf(&a, "%016llx", (unsigned long long)e->request_id));
		er_arena_fini(&a);
	}
	er_out_opt(o, "method", e->method);
	er_out_opt(o, "host", e->host);
	er_out_opt(o, "path", e->path);
	write_what(o, e);
	er_out_close(o, '}');
}
