/* Asking the cache for what no client has asked for yet. A prefetch is an ordinary exchange, which
 * enters the chain at the cache's place: key, rules, and whom it asks are those of a client's
 * request. Its body is read and dropped, as fast as it comes.
 *
 *   er_worker_fetch ─► answered ─► body read to its end ─► give_back
 *
 * give_back is the one end, and called once: by the answer, by the body, or by whoever stops it.
 * What the cache itself has begun goes on when a prefetch is stopped, as when a client leaves. */
#include "gateway/worker_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/freshness.h"
#include "gateway/prefetch.h"
#include "http/authority.h"

#include <stdarg.h>
#include <stdio.h>

static void give_back(er_prefetch *p)
{
	er_worker *w = p->worker;
	er_worker_snapshot *s = p->hold;
	ER_ASSERT(p->x == NULL && p->down == NULL);
	er_list_remove(&p->link);
	p->hold = NULL;
	if (s != NULL) {
		ER_ASSERT(s->uses > 0);
		s->uses--;
		er_worker_release(w, s);
	}
	p->back(p->node, p);
}

static __attribute__((format(printf, 4, 5))) void end(er_prefetch *p, er_prefetch_end how, const char *reason, const char *fmt,
                                                      ...)
{
	va_list ap;
	va_start(ap, fmt);
	p->result.end = how;
	p->result.reason = reason;
	vsnprintf(p->result.text, sizeof p->result.text, fmt, ap);
	va_end(ap);
	give_back(p);
}

/* ---- the answer's body ---- */

static void let_go_of_body(er_prefetch *p)
{
	er_body *down = p->down;
	p->down = NULL;
	er_body_sink(down, NULL, NULL);
	er_body_cancel(down, ER_ERR_CANCELLED);
	er_body_unref(down);
}

/* Neither memory nor disk has room for one object of that size. */
static bool is_too_large(const er_prefetch *p)
{
	const er_worker *w = p->worker;
	return w->o.cache != NULL && p->result.bytes > er_index_max_object(w->o.cache) &&
	       (w->o.disk == NULL || p->result.bytes > er_disk_max_object(w->o.disk));
}

static void on_whole(er_prefetch *p)
{
	let_go_of_body(p);
	if (p->ask.most > 0) {
		p->result.body = &p->body;
		give_back(p);
	} else if (is_too_large(p)) {
		end(p, ER_PREFETCH_NOT_STORED, er_cache_refusal_name(ER_CACHE_TOO_LARGE), "%s",
		    er_cache_refusal_text(ER_CACHE_TOO_LARGE));
	} else {
		give_back(p);
	}
}

static void on_broken_off(er_prefetch *p)
{
	const char *why = er_err_name(er_body_error(p->down));
	let_go_of_body(p);
	end(p, ER_PREFETCH_FAILED, why, "its answer broke off after %llu bytes (%s)", (unsigned long long)p->result.bytes, why);
}

/* False: it is longer than it may be. */
static bool take(er_prefetch *p, er_piece *piece)
{
	p->result.bytes += piece->n;
	bool fits = p->ask.most == 0 || p->result.bytes <= p->ask.most;
	if (p->ask.most > 0 && fits)
		er_buf_put(&p->body, er_piece_slice(*piece));
	er_piece_drop(piece);
	return fits;
}

static void on_readable(void *ctx)
{
	er_prefetch *p = ctx;
	er_piece piece;
	for (;;) {
		switch (er_body_read(p->down, 0, &piece)) {
		case ER_BODY_WAIT:
			return;
		case ER_BODY_PIECE:
			if (take(p, &piece))
				break;
			let_go_of_body(p);
			end(p, ER_PREFETCH_FAILED, "too-large", "it has more than %llu MB", (unsigned long long)(p->ask.most >> 20));
			return;
		case ER_BODY_END:
			on_whole(p);
			return;
		case ER_BODY_ERROR:
			on_broken_off(p);
			return;
		}
	}
}

static const er_body_sink_ops sink_ops = {.readable = on_readable};

/* ---- the answer ---- */

static const char *text_of_refusal(const char *name)
{
	for (er_cache_refusal r = ER_CACHE_OK + 1; r < ER_CACHE_REFUSALS_N; r++)
		if (er_slice_eq(er_slice_cstr(name), er_slice_cstr(er_cache_refusal_name(r))))
			return er_cache_refusal_text(r);
	if (er_slice_eq(er_slice_cstr(name), ER_LIT("purged")))
		return "it was purged while it came, or there was no room for it";
	return "the rules of the site pass the cache by for it, or its key is too long";
}

/* Decides by the head. False: it is over, and was given back; its body is wanted by nobody. */
static bool go_on(er_prefetch *p, const er_exchange *x)
{
	const er_response *res = &x->res;
	const bool wanted = p->ask.most > 0;
	p->result.status = res->error == ER_ERR_OK ? res->status : 0;
	if (res->error != ER_ERR_OK)
		end(p, ER_PREFETCH_FAILED, er_err_name(res->error), "%.*s", ER_FMT(er_slice_head(res->error_text, 180)));
	else if (res->status >= 400 || (wanted && res->status != 200))
		end(p, ER_PREFETCH_FAILED, "status", "its answer has the status %d", res->status);
	else if (x->facts.kept == ER_KEPT_STALE && !wanted)
		end(p, ER_PREFETCH_FAILED, "origin", "the origin fails; what was stored before is still used");
	else if (x->facts.kept == ER_KEPT_BEFORE && !wanted)
		end(p, ER_PREFETCH_HIT, NULL, "it was stored already");
	else if (x->facts.kept == ER_KEPT_NOT && !wanted)
		end(p, ER_PREFETCH_NOT_STORED, x->facts.not_kept, "%s", text_of_refusal(x->facts.not_kept));
	else
		return true;
	return false;
}

static void on_answered(er_asker *asker, er_exchange *x)
{
	er_prefetch *p = ER_CONTAINER(asker, er_prefetch, asker);
	ER_ASSERT(p->x == x && p->down == NULL);
	p->x = NULL;
	p->result.end = ER_PREFETCH_STORED;
	er_body *body = x->res.body;
	x->res.body = NULL;
	bool on = go_on(p, x);
	er_exchange_unref(x);
	if (on && body != NULL) {
		p->down = body;
		er_body_sink(body, &sink_ops, p);
		on_readable(p);
	} else if (on) {
		p->result.body = p->ask.most > 0 ? &p->body : NULL;
		give_back(p);
	} else if (body != NULL) {
		er_body_cancel(body, ER_ERR_CANCELLED);
		er_body_unref(body);
	}
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	er_prefetch *p = ER_CONTAINER(asker, er_prefetch, asker);
	const char *why = er_err_name(x->res.error);
	p->x = NULL;
	er_exchange_unref(x);
	end(p, ER_PREFETCH_FAILED, why, "there was no answer (%s)", why);
}

/* ---- asking ---- */

static void ask(er_prefetch *p)
{
	er_worker *w = p->worker;
	const er_prefetch_ask *a = &p->ask;
	er_exchange *x = p->x = er_exchange_new();
	p->asker = (er_asker){.answered = on_answered, .broken = on_broken};
	p->hold = w->current;
	p->hold->uses++;
	x->id = p->number;
	x->asker = &p->asker;
	x->facts.started_us = er_clock_mono_us();
	x->req.method = ER_LIT("GET");
	x->req.scheme = er_arena_copy(&x->arena, a->scheme);
	x->req.authority = er_arena_copy(&x->arena, a->authority);
	x->req.target = er_arena_copy(&x->arena, a->target);
	for (uint32_t i = 0; i < a->n_fields; i++)
		er_fields_add(&x->req.fields, &x->arena, er_arena_copy(&x->arena, a->fields[i].name),
		              er_arena_copy(&x->arena, a->fields[i].value));
	x->wishes.prefetch = true;
	x->wishes.refresh = a->refresh;
	er_exchange_enter(x, &w->doors[a->env].chain, ER_AT_CACHE);
}

void er_worker_fetch(er_worker *w, er_prefetch *p)
{
	p->worker = w;
	er_list_push(&w->prefetches, &p->link);
	if (w->stopping) {
		end(p, ER_PREFETCH_STOPPED, NULL, "the node is stopping");
		return;
	}
	const er_config *config = w->current->config;
	er_slice host = er_host_of(p->ask.authority);
	const er_site *site = er_config_site(config, host);
	if (site == NULL)
		end(p, ER_PREFETCH_FAILED, "no-site", "no site of this node has the host %.*s", ER_FMT(er_slice_head(host, 100)));
	else if (p->ask.most == 0 && (w->cache == NULL || config->cache_mb == 0))
		end(p, ER_PREFETCH_NOT_STORED, "off", "this node has no memory for a cache (cache.memoryMb)");
	else if (p->ask.most == 0 && !site->cache)
		end(p, ER_PREFETCH_NOT_STORED, "off", "the site %.*s has its cache off", ER_FMT(er_slice_head(site->name, 100)));
	else
		ask(p);
}

static void stop(er_prefetch *p)
{
	er_exchange *x = p->x;
	if (p->down != NULL)
		let_go_of_body(p);
	p->x = NULL;
	if (x != NULL) {
		er_exchange_cancel(x, ER_ERR_CANCELLED);
		er_exchange_unref(x);
	}
	end(p, ER_PREFETCH_STOPPED, NULL, "it was given up");
}

void er_worker_fetch_stop(er_worker *w, uint64_t number)
{
	ER_LIST_EACH(l, &w->prefetches)
	{
		er_prefetch *p = ER_CONTAINER(l, er_prefetch, link);
		if (p->number != number)
			continue;
		stop(p);
		return;
	}
}

void er_worker_fetch_none(er_worker *w)
{
	while (!er_list_empty(&w->prefetches))
		stop(ER_CONTAINER(w->prefetches.next, er_prefetch, link));
}
