/* A routine version on this thread: which instance takes its calls, and whether it may run at all
 * after what it did.
 *
 *    made by the first exchange ──► has instances ◄──► rests ──► freed by the sweep, when its failures are forgiven
 *                                        └── retired ──► freed with its last instance
 *
 * It is in host->resting exactly while it has no instance and is not freed. Of its instances only
 * service->instance takes calls; the others finish what they have. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <stdio.h>

enum {
	CALLS_MAX = 16384,   /* of one instance, those included whose clients have left */
	WINDOW_US = 5000000, /* failures that lie closer together than this add up */
	/* at this sum the routine is suspended: two memory kills (reference: within 5 s), or
	 * twelve CPU kills */
	WEIGHT_MAX = 12,
	LEAVING_MAX = 8,
	BACKOFF_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	FORGIVEN_US = 60000000, /* a minute without failure resets the back-off */
	SUSPECT_US = 2000000,   /* after a failure it runs in the background for so long */
};

static void handle(void *self, er_exchange *x)
{
	er_service *s = self;
	/* Copies: the exchange may outlive the configuration that the routine belongs to. */
	x->facts.routine = er_arena_copy(&x->arena, s->routine->name);
	x->facts.version = er_arena_copy(&x->arena, s->routine->version);
	er_service_dispatch(s, x, 0);
}

er_service *er_service_of(er_isolate_host *h, er_routine *r)
{
	er_slice key = er_slice_of(&r, sizeof(void *));
	er_service *s = er_map_get(h->services, key);
	if (s == NULL) {
		s = ER_NEW(er_service);
		*s = (er_service){.handler = {.name = "routine", .handle = handle, .self = s},
		                  .host = h,
		                  .routine = er_routine_ref(r),
		                  .share = er_share_of(h->leases, r->name)};
		er_list_init(&s->resting);
		er_list_push(&h->resting, &s->resting);
		er_map_set(h->services, key, s);
	}
	return s;
}

static void free_service(er_service *s)
{
	ER_ASSERT(s->n_instances == 0 && s->instance == NULL);
	er_list_remove(&s->resting);
	er_map_del(s->host->services, er_slice_of(&s->routine, sizeof(void *)));
	er_origin_forget(s->host->origin, s->routine); /* its connections are nobody else's */
	er_sourcemap_free(s->map);
	er_share_unref(s->share);
	er_routine_unref(s->routine);
	er_free(s);
}

void er_service_let_go(er_service *s)
{
	if (s->n_instances > 0)
		return;
	ER_ASSERT(s->instance == NULL);
	if (s->retired) {
		free_service(s);
		return;
	}
	er_sourcemap_free(s->map);
	s->map = NULL;
	s->map_tried = false;
	er_list_remove(&s->resting);
	er_list_push(&s->host->resting, &s->resting);
}

void er_service_sweep(er_isolate_host *h, uint64_t now_us)
{
	ER_LIST_EACH(l, &h->resting)
	{
		er_service *s = ER_CONTAINER(l, er_service, resting);
		if (now_us - s->failed_us[0] > FORGIVEN_US)
			free_service(s);
	}
}

const er_sourcemap *er_service_map(er_service *s, const er_code *code)
{
	if (!s->map_tried && code != NULL && code->source_map.n > 0) {
		er_err err = {0};
		s->map = er_sourcemap_parse(er_piece_slice(code->source_map), &err);
		if (s->map == NULL)
			er_log(ER_LOG_WARN, "isolate", "routine %.*s: its source map is not usable: %s", ER_FMT(s->routine->name), err.text);
	}
	s->map_tried = true;
	return s->map;
}

static unsigned weight_of(er_err_kind why)
{
	switch (why) {
	case ER_ERR_MEMORY:
	case ER_ERR_PROTOCOL:
		return WEIGHT_MAX / 2;
	case ER_ERR_CRASH:
	case ER_ERR_EXCEPTION: /* of top-level code */
		return WEIGHT_MAX / 4;
	default:
		return 1;
	}
}

void er_service_failed(er_service *s, er_err_kind why)
{
	uint64_t now = er_clock_mono_us();
	const unsigned n = sizeof s->failed_us / sizeof *s->failed_us;
	_Static_assert(sizeof s->failed_us / sizeof *s->failed_us == sizeof s->weight / sizeof *s->weight, "a weight for each");
	_Static_assert(sizeof s->failed_us / sizeof *s->failed_us >= WEIGHT_MAX, "the lightest failures add up to a suspension");
	ER_ASSERT(why != ER_ERR_OK && why < ER_ERR_COUNT_ && s->backoff_ms <= BACKOFF_MAX_MS);
	if (now - s->failed_us[0] > FORGIVEN_US)
		s->backoff_ms = 0;
	memmove(s->failed_us + 1, s->failed_us, (n - 1) * sizeof *s->failed_us);
	memmove(s->weight + 1, s->weight, (n - 1) * sizeof *s->weight);
	s->failed_us[0] = now;
	s->weight[0] = weight_of(why);
	unsigned sum = 0;
	for (unsigned i = 0; i < n; i++)
		if (s->failed_us[i] != 0 && now - s->failed_us[i] <= WINDOW_US)
			sum += s->weight[i];
	if (sum < WEIGHT_MAX)
		return;
	s->backoff_ms = s->backoff_ms == 0 ? BACKOFF_MS : s->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : s->backoff_ms * 2;
	s->suspended_until_us = now + s->backoff_ms * 1000ULL;
	er_stat_add(&s->host->stats.suspended, 1);
	memset(s->failed_us + 1, 0, (n - 1) * sizeof *s->failed_us);
	s->weight[0] = 0;
	er_log(ER_LOG_WARN, "isolate", "routine %.*s is suspended for %u ms: it failed too often (last: %s)",
	       ER_FMT(s->routine->name), s->backoff_ms, er_err_name(why));
}

bool er_service_suspect(const er_service *s, uint64_t now_us)
{
	return s->failed_us[0] != 0 && now_us - s->failed_us[0] < SUSPECT_US;
}

static void answer_suspended(er_service *s, er_exchange *x, uint64_t now)
{
	ER_ASSERT(now < s->suspended_until_us && s->suspended_until_us - now <= BACKOFF_MAX_MS * 1000ULL);
	unsigned left_ms = (unsigned)((s->suspended_until_us - now) / 1000U) + 1;
	x->facts.failed = ER_ERR_SUSPENDED;
	if (s->routine->fallback) {
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

void er_service_dispatch(er_service *s, er_exchange *x, uint8_t retries)
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
		s->instance = er_instance_new(s);
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

/* ---- starts without a request ---- */

static void cannot_start(er_isolate_started *done, void *ctx)
{
	er_isolate_start no = {.why = ER_ERR_UNAVAILABLE, .error = ER_LIT("every sandbox of this node is busy")};
	done(ctx, &no);
}

void er_isolate_warm(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx)
{
	er_service *s = er_service_of(h, r);
	if (s->instance != NULL && er_instance_ready(s->instance)) {
		er_isolate_start there = {.loaded = true};
		done(ctx, &there);
	} else if (s->instance != NULL || s->suspended_until_us != 0 || h->closing || h->spawner_gone || !make_room(h)) {
		cannot_start(done, ctx);
	} else {
		s->instance = er_instance_new(s);
		er_start_begin(s->instance, false, done, ctx);
	}
}

void er_isolate_try(er_isolate_host *h, er_routine *r, er_isolate_started *done, void *ctx)
{
	if (h->closing || h->spawner_gone || !make_room(h)) {
		cannot_start(done, ctx);
		return;
	}
	er_service *s = er_service_of(h, r);
	s->retired = true; /* it goes with its only instance */
	er_start_begin(er_instance_new(s), true, done, ctx);
}
