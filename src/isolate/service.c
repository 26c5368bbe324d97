/* A routine version on this thread: what is known of it, and whether it may run at all after what
 * it did. dispatch.c gives it work.
 *
 *    made by the first exchange ──► has instances ◄──► rests ──► freed by the sweep, when its failures are forgiven
 *                                        └── retired ──► freed with its last instance
 *
 * It is in host->resting exactly while it has no instance and is not freed. Of its instances only
 * service->instance takes calls; the others finish what they have. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <string.h>

enum {
	WINDOW_US = 5000000, /* failures that lie closer together than this add up */
	/* at this sum the routine is suspended: two memory kills (reference: within 5 s), or
	 * twelve CPU kills */
	WEIGHT_MAX = 12,
	BACKOFF_MS = 1000,
	FORGIVEN_US = 60000000, /* a minute without failure resets the back-off */
	SUSPECT_US = 2000000,   /* after a failure it runs in the background for so long */
};

er_service *er_service_of(er_isolate_host *h, er_routine *r, void (*handle)(void *self, er_exchange *x))
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
