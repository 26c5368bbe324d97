/* Who tails, and the history. Every event comes here once (er_hub_event): secrets are hidden, it is
 * put into the ring of the history, and each tail whose filter it passes gets it as a line.
 *
 * A tail (struct sub) begins with its call and outlives it: it is the source of the answer's body.
 * Its queue is that body's window: when it is full, lines are counted instead of kept, and the
 * count is told as soon as there is room again. It ends when its client leaves, its token is
 * removed, or control closes.
 *
 * Re-entrancy: writing into the body may call on_cancel in the middle. `busy` says that send_line
 * is on the stack; then on_cancel only notes `gone`, and send_line frees. So whoever calls
 * send_line must not touch the sub when it returns false. Loops over the subs keep the next link
 * before the body of the loop, and a sub frees only itself. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/tail_filter.h"
#include "control/tail_ring.h"

enum {
	HISTORY_BYTES = 16 << 20,
	TAILS_MAX = 64,
	TAILS_SHARE = 16, /* of one token */
	HEARTBEAT_US = 15000000,
	TEXT_MAX = 16 << 10,
	FIELD_MAX = 2 << 10,
	LOGS_MAX = 1000
};

/* One client that watches, from GET tail until it leaves. `dropped` counts events that it was too
 * slow for. */
typedef struct sub {
	er_list link;
	er_hub *hub;
	er_arena arena;
	er_tail_filter filter;
	er_body *body;
	er_slice token; /* whose tail it is; empty: of the socket */
	bool full, busy, gone;
	uint64_t dropped, last_us;
} sub;

/* `scratch` and `line` are used anew for each event. */
struct er_hub {
	er_control *control;
	er_list subs;
	unsigned n;
	er_ring *ring;
	er_arena scratch;
	er_out line;
};

er_hub *er_hub_new(er_control *c)
{
	er_hub *h = ER_NEW(er_hub);
	*h = (er_hub){.control = c, .ring = er_ring_new(c->o.history_bytes > 0 ? c->o.history_bytes : HISTORY_BYTES)};
	er_list_init(&h->subs);
	er_arena_init(&h->scratch);
	return h;
}

/* With the last tail, the gateway reports less again. */
static void free_sub(sub *s)
{
	er_hub *h = s->hub;
	ER_ASSERT(h->n > 0 && !s->busy);
	er_list_remove(&s->link);
	er_body_unref(s->body);
	er_arena_fini(&s->arena);
	er_free(s);
	if (--h->n == 0 && !h->control->closing)
		h->control->o.ops->tail(h->control->o.ops_ctx, ER_TAIL_WANT_HISTORY);
}

/* Its client gets what is written already, and the end. */
static void end_sub(sub *s)
{
	/* A reference: taking the source away must not free the body under us. */
	er_body *body = er_body_ref(s->body);
	er_body_finish(body);
	er_body_source(body, NULL, NULL);
	free_sub(s);
	er_body_unref(body);
}

void er_hub_free(er_hub *h)
{
	if (h == NULL)
		return;
	while (!er_list_empty(&h->subs))
		end_sub(ER_CONTAINER(h->subs.next, sub, link));
	ER_ASSERT(h->n == 0);
	er_ring_free(h->ring);
	er_arena_fini(&h->scratch);
	er_out_fini(&h->line);
	er_free(h);
}

void er_hub_revoked(er_hub *h, er_slice token)
{
	ER_LIST_EACH(l, &h->subs)
	{
		sub *s = ER_CONTAINER(l, sub, link);
		if (er_slice_eq(s->token, token))
			end_sub(s);
	}
}

/* ---- one tail ---- */

/* Writes h->line. The client may be found gone meanwhile: then s is freed and this is false. */
static bool send_line(sub *s)
{
	er_out *line = &s->hub->line;
	ER_ASSERT(!s->busy && !s->gone && er_buf_len(&line->b) > 0);
	er_buf_putc(&line->b, '\n');
	er_piece piece = er_piece_copy(er_buf_slice(&line->b));
	s->busy = true;
	s->full = !er_body_write(s->body, piece) || s->full;
	s->busy = false;
	s->last_us = er_clock_mono_us();
	if (!s->gone)
		return true;
	free_sub(s);
	return false;
}

/* One buffer for all tails: a line is written and sent before the next one begins. */
static er_out *begin_line(er_hub *h)
{
	er_buf_clear(&h->line.b);
	h->line.comma = false;
	return &h->line;
}

/* False: s is gone. */
static bool tell_dropped(sub *s)
{
	if (s->dropped == 0)
		return true;
	er_out *o = begin_line(s->hub);
	er_out_open(o, NULL, '{');
	er_out_u64(o, "dropped", s->dropped);
	er_out_close(o, '}');
	s->dropped = 0;
	return send_line(s);
}

/* The client has taken what it had: it hears first how much it missed. */
static void on_resume(void *ctx)
{
	sub *s = ctx;
	s->full = false;
	(void)tell_dropped(s);
}

/* The client has left, perhaps while a line is being written to it. */
static void on_cancel(void *ctx, er_err_kind reason)
{
	sub *s = ctx;
	(void)reason;
	s->gone = true;
	if (!s->busy)
		free_sub(s);
}

void er_hub_tail(er_hub *h, er_call *call)
{
	static const er_body_source_ops ops = {.resume = on_resume, .cancel = on_cancel};
	unsigned same = 0;
	ER_ASSERT(h != NULL && !h->control->closing);
	ER_LIST_EACH(l, &h->subs)
	same += !call->local && er_slice_eq(ER_CONTAINER(l, sub, link)->token, call->actor.name);
	if (h->n >= TAILS_MAX || same >= TAILS_SHARE) {
		er_refuse(&call->problem, ER_PROBLEM_UNAVAILABLE, "%u tails%s run already; end one of them first",
		          same >= TAILS_SHARE ? same : h->n, same >= TAILS_SHARE ? " of this token" : "");
		er_call_refuse(call);
		return;
	}
	sub *s = ER_NEW(sub);
	*s = (sub){.hub = h, .last_us = er_clock_mono_us()};
	er_arena_init(&s->arena);
	er_list_init(&s->link);
	if (!er_tail_filter_read(call, &s->arena, &s->filter)) {
		er_arena_fini(&s->arena);
		er_free(s);
		er_call_refuse(call);
		return;
	}
	if (!call->local)
		s->token = er_arena_copy(&s->arena, call->actor.name);
	er_list_push(&h->subs, &s->link);
	s->body = er_body_new(ER_BODY_UNKNOWN);
	er_body_source(s->body, &ops, s);
	if (h->n++ == 0)
		h->control->o.ops->tail(h->control->o.ops_ctx, ER_TAIL_WANT_ALL);
	er_body *body = er_body_ref(s->body);
	/* The first line says at once that it works, and gets the head through every proxy. */
	er_out *o = begin_line(h);
	er_out_open(o, NULL, '{');
	er_out_close(o, '}');
	(void)send_line(s);
	/* If the client has left meanwhile, its body is cancelled here, and the tail ends with it. */
	er_call_stream(call, 200, ER_LIT("application/x-ndjson"), body);
}

/* ---- events ---- */

/* What must not be shown of a routine's lines. */
typedef struct hiding {
	const er_secrets *now, *before; /* or NULL */
	bool all;                       /* its secrets cannot be read, so nothing of it may be shown */
} hiding;

/* The secrets are read with the first line and kept in the world until they change; those from
 * before the change stay, since what still runs may say them. */
static hiding hiding_of(er_hub *h, const er_tail_event *e)
{
	ER_ASSERT((unsigned)e->env < ER_ENV_COUNT_);
	er_world_routine *r = er_world_find(h->control->world, e->routine);
	er_world_env *env = r != NULL ? r->env[e->env] : NULL;
	if (env == NULL)
		return (hiding){0};
	if (env->secrets == NULL) {
		er_err err = {0};
		env->secrets = er_secrets_read(h->control->o.store, e->routine, e->env, &err);
		if (err.kind != ER_ERR_OK) {
			er_log(ER_LOG_WARN, "control", "secrets of %.*s cannot be read, so its lines are not shown: %s", ER_FMT(e->routine),
			       err.text);
			er_secrets_free(env->secrets);
			env->secrets = NULL; /* the next line tries again */
			return (hiding){.all = true};
		}
	}
	return (hiding){.now = er_secrets_none(env->secrets) ? NULL : env->secrets, .before = env->before};
}

/* The text as it may be shown. */
static er_slice clean(const hiding *hide, er_arena *a, er_slice text, size_t most)
{
	if (hide->all)
		return text.n > 0 ? ER_LIT("***") : text;
	if (hide->now != NULL)
		text = er_secrets_hide(hide->now, a, text);
	if (hide->before != NULL)
		text = er_secrets_hide(hide->before, a, text);
	/* Last the length: a cut must not leave half of a secret. */
	return er_slice_head(text, most);
}

void er_hub_event(er_hub *h, const er_tail_event *event)
{
	er_tail_event e = *event; /* a copy whose texts are the ones that may be shown */
	const hiding hide = hiding_of(h, event);
	er_arena *a = &h->scratch;
	e.name = clean(&hide, a, e.name, FIELD_MAX);
	e.text = clean(&hide, a, e.text, TEXT_MAX);
	e.stack = clean(&hide, a, e.stack, TEXT_MAX);
	e.path = clean(&hide, a, e.path, FIELD_MAX);
	e.host = er_slice_head(e.host, FIELD_MAX);
	e.method = er_slice_head(e.method, 32);
	er_ring_add(h->ring, &e);
	ER_LIST_EACH(l, &h->subs)
	{
		sub *s = ER_CONTAINER(l, sub, link);
		if (!er_tail_filter_passes(&s->filter, &e))
			continue;
		if (s->full) {
			s->dropped++;
			continue;
		}
		if (!tell_dropped(s))
			continue;
		er_tail_write(begin_line(h), NULL, &e);
		(void)send_line(s);
	}
	er_arena_reset(a);
}

void er_hub_lost(er_hub *h, uint64_t n)
{
	ER_LIST_EACH(l, &h->subs)
	{
		sub *s = ER_CONTAINER(l, sub, link);
		s->dropped += n;
		if (!s->full)
			(void)tell_dropped(s);
	}
}

void er_hub_tick(er_hub *h, uint64_t now_us)
{
	ER_LIST_EACH(l, &h->subs)
	{
		sub *s = ER_CONTAINER(l, sub, link);
		if (s->full || now_us < s->last_us + HEARTBEAT_US)
			continue;
		er_out *o = begin_line(h);
		er_out_open(o, NULL, '{');
		er_out_close(o, '}');
		(void)send_line(s);
	}
}

void er_hub_deployed(er_hub *h, const er_deployment_row *row, er_slice text)
{
	er_arena a;
	er_arena_init(&a);
	er_tail_event e = {.kind = ER_TAIL_DEPLOYMENT,
	                   .at_ms = (int64_t)(er_clock_wall_us() / 1000),
	                   .routine = row->routine,
	                   .env = row->env,
	                   .version = er_arena_printf(&a, "%u", row->split.version[row->split.version[1] != 0]),
	                   .text = text};
	er_hub_event(h, &e);
	er_arena_fini(&a);
}

/* ---- the history ---- */

/* The parameters of GET logs. */
static bool read_logs(er_call *call, er_tail_filter *f, int64_t *since, uint64_t *limit)
{
	er_slice text;
	*since = 0;
	*limit = 100;
	if (!er_tail_filter_read(call, call->arena, f) || !er_call_query(call, ER_LIT("since"), &text) ||
	    !er_call_query_number(call, ER_LIT("limit"), 1, LOGS_MAX, limit))
		return false;
	return text.p == NULL || er_time_parse(text, since) ||
	       er_refuse_field(&call->problem, ER_LIT("since"), "a time as 2026-01-31T12:00:00Z",
	                       "\"since\": a time in UTC is expected, as 2026-01-31T12:00:00Z");
}

void er_hub_logs(er_hub *h, er_call *call)
{
	er_tail_filter f;
	int64_t since;
	uint64_t limit;
	const er_ring_record *found[LOGS_MAX], *rec = NULL;
	size_t n = 0;
	if (!read_logs(call, &f, &since, &limit)) {
		er_call_refuse(call);
		return;
	}
	while (n < limit && (rec = er_ring_before(h->ring, f.routine, rec)) != NULL && rec->event.at_ms >= since)
		if (er_tail_filter_passes(&f, &rec->event))
			found[n++] = rec;
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	ER_ASSERT(n <= limit && limit <= LOGS_MAX);
	while (n > 0)
		er_tail_write(o, NULL, &found[--n]->event);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

void er_api_tail(er_call *call)
{
	er_hub_tail(call->control->hub, call);
}

void er_api_logs(er_call *call)
{
	er_hub_logs(call->control->hub, call);
}
