/* Dispatch: an exchange of a routine's chain becomes a call of an instance, which is made if there
 * is none and there is room for one. Starts without a request (isolate.h) make instances likewise.
 *
 * A version that failed too often is suspended (service.c): its exchanges are answered here. When
 * as many instances live as may, the one idle longest makes room. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <stdio.h>

enum {
	CALLS_MAX = 16384, /* of one instance, those included whose clients have left */
	LEAVING_MAX = 8,   /* instances that are being ended, beyond twice the number that may live */
};

static void answer_suspended(er_service *s, er_exchange *x, uint64_t now)
{
	ER_ASSERT(now < s->suspended_until_us && s->suspended_until_us - now <= BACKOFF_MAX_MS * 1000ULL);
	unsigned left_ms = (unsigned)((s->suspended_until_us - now) / 1000U) + 1;
	x->facts.failed = ER_ERR_SUSPENDED;
	if (s->routine->fallback && !x->timed.on) {
		er_exchange_pass(x, er_chain_behind(x->chain, ER_AT_ROUTINE));
		return;
	}
	char detail[48];
	snprintf(detail, sizeof detail, "retry-in=%ums", left_ms);
	er_exchange_fail(x, 598, ER_ERR_SUSPENDED, detail, "The routine is suspended after repeated failures. Try again in %u ms.",
	                 left_ms);
	er_fields_add(&x->res.fields, &x->arena, ER_LIT("retry-after"), er_arena_printf(&x->arena, "%u", (left_ms + 999) / 1000));
	er_exchange_answer(x);
}

/* The instance idle longest makes room; false if all are busy. */
static bool make_room(er_isolate_host *h)
{
	if (h->n_instances < h->config.max_instances)
		return true;
	/* Those on their way out do not count, but only so many of them: a sandbox may take its
	 * time to end. */
	if (h->n_instances >= 2 * h->config.max_instances + LEAVING_MAX)
		return false;
	unsigned live = 0;
	er_instance *oldest = NULL;
	ER_LIST_EACH(l, &h->instances)
	{
		er_instance *in = ER_CONTAINER(l, er_instance, link);
		bool leaving = in->kill_reason != ER_ERR_OK || in->closing_us != 0 || in->state.now == INSTANCE_DEAD;
		live += !leaving;
		if (!leaving && in->n_calls == 0 && er_instance_ready(in) && !in->closing &&
		    (oldest == NULL || in->last_used_us < oldest->last_used_us))
			oldest = in;
	}
	if (live < h->config.max_instances)
		return true;
	if (oldest == NULL)
		return false;
	er_instance_close(oldest);
	return true;
}

/* An instance of the version, which begins to load. */
static er_instance *begin(er_service *s)
{
	er_instance *in = er_instance_new(s);
	er_supply_begin(in);
	return in;
}

void er_dispatch(er_service *s, er_exchange *x, uint8_t retries)
{
	er_isolate_host *h = s->host;
	ER_ASSERT(!x->answered && x->on_cancel == NULL);
	if (s->suspended_until_us != 0) {
		uint64_t now = er_clock_mono_us();
		if (now < s->suspended_until_us) {
			answer_suspended(s, x, now);
			return;
		}
		s->suspended_until_us = 0;
	}
	if (s->instance == NULL) {
		if (h->closing || h->spawner_gone || !make_room(h)) {
			if (h->closing || h->spawner_gone)
				er_exchange_fail(x, 503, ER_ERR_UNAVAILABLE, NULL, "No sandbox can be started on this node now.");
			else
				er_exchange_fail(x, 503, ER_ERR_UNAVAILABLE, "instances",
				                 "Every sandbox of this node is busy (sandbox.maxInstances is %u a thread).",
				                 h->config.max_instances);
			er_exchange_answer(x);
			return;
		}
		s->instance = begin(s);
		x->facts.cold_start = true;
		er_stat_add(&h->stats.cold_starts, 1);
	}
	ER_ASSERT(s->instance->service == s && !s->instance->closing);
	if (s->instance->n_calls >= CALLS_MAX) {
		er_exchange_fail(x, 503, ER_ERR_UNAVAILABLE, "calls", "The routine has %d requests under way already.", CALLS_MAX);
		er_exchange_answer(x);
		return;
	}
	er_call *c = er_call_new(s->instance, x);
	c->retries = retries;
	er_instance_add(s->instance, c);
}

static void handle(void *self, er_exchange *x)
{
	er_service *s = self;
	/* Copies: the exchange may outlive the configuration that the routine belongs to. */
	x->facts.routine = er_arena_copy(&x->arena, s->routine->name);
	x->facts.version = er_arena_copy(&x->arena, s->routine->version);
	er_dispatch(s, x, 0);
}

static er_service *service_of(er_isolate_host *h, er_routine *r)
{
	ER_CHECK(h, ER_HOST_MAGIC);
	return er_service_of(h, r, handle);
}

const er_handler *er_isolate_handler(er_isolate_host *h, er_routine *r)
{
	return &service_of(h, r)->handler;
}

/* ---- starts without a request ---- */

static void cannot_start(er_isolate_started *done, void *ctx)
{
	er_isolate_start no = {.why = ER_ERR_UNAVAILABLE, .error = ER_LIT("every sandbox of this node is busy")};
	done(ctx, &no);
}

void er_isolate_warm(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx)
{
	er_service *s = service_of(h, r);
	if (s->instance != NULL && er_instance_ready(s->instance)) {
		er_isolate_start there = {.loaded = true};
		done(ctx, &there);
	} else if (s->instance != NULL || s->suspended_until_us != 0 || h->closing || h->spawner_gone || !make_room(h)) {
		cannot_start(done, ctx);
	} else {
		s->instance = begin(s);
		er_start_begin(s->instance, false, done, ctx);
	}
}

void er_isolate_try(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx)
{
	if (h->closing || h->spawner_gone || !make_room(h)) {
		cannot_start(done, ctx);
		return;
	}
	er_service *s = service_of(h, r);
	s->retired = true; /* it goes with its only instance */
	er_start_begin(begin(s), true, done, ctx);
}
