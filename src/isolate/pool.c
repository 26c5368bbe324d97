/* The warm pool: sandboxes that are started, locked down and hold no code yet, so that a cold start
 * pays for neither. er_pool_fill asks for as many as the pool's size and the instances that wait
 * need; a box that is ready goes into host->warm, and from there to the instance that waits longest
 * (supply.c). A box leaves the pool for good. */
#include "isolate/internal.h"

#include "base/mem.h"

enum { STARTING_AT_ONCE = 4, STRIKES = 5 };
_Static_assert(ER_PROFILE_STANDARD == 0 && ER_PROFILES_N == 2, "sizes of the pool are said for two profiles");

static unsigned count(const er_list *head)
{
	unsigned n = 0;
	for (const er_list *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

static bool innocent_waits(const er_isolate_host *h, enum er_profile p)
{
	uint64_t now = er_clock_mono_us();
	for (const er_list *l = h->waiting[p].next; l != &h->waiting[p]; l = l->next)
		if (!er_service_suspect(ER_CONTAINER(l, er_instance, waiting)->service, now))
			return true;
	return false;
}

static void start_some(er_isolate_host *h, enum er_profile p, unsigned want)
{
	/* What nobody waits for comes one by one: each start keeps a core in the kernel for a while. */
	unsigned most = !h->pool_was_full || innocent_waits(h, p) ? STARTING_AT_ONCE : 1;
	while (h->starting[p] < want && h->starting[p] < most) {
		er_err err = {0};
		if (er_box_start(h, p, &err) == NULL) {
			er_stat_add(&h->stats.spawn_failures, 1);
			h->spawn_not_before_us = er_clock_mono_us() + 1000000U;
			er_log(ER_LOG_ERROR, "isolate", "%s", err.text);
			return;
		}
	}
}

void er_pool_fill(er_isolate_host *h)
{
	if (h->closing || h->spawner_gone || er_clock_mono_us() < h->spawn_not_before_us)
		return;
	const unsigned size[ER_PROFILES_N] = {h->config.pool, h->config.pool_hardened};
	for (enum er_profile p = ER_PROFILE_STANDARD; p <= ER_PROFILE_HARDENED; p++) {
		unsigned warm = count(&h->warm[p]), need = size[p] + count(&h->waiting[p]);
		if (p == ER_PROFILE_STANDARD) {
			__atomic_store_n(&h->stats.pool_ready, warm, __ATOMIC_RELEASE);
			h->pool_was_full |= warm >= size[p];
		}
		if (need > warm)
			start_some(h, p, need - warm);
	}
}

/* Those that are starting leave the background when somebody who is no suspect waits for them: a
 * request, or the node, which serves nothing until its first ones are there. */
void er_pool_hurry(er_isolate_host *h, enum er_profile p)
{
	if (h->pool_was_full && !innocent_waits(h, p))
		return;
	ER_LIST_EACH(l, &h->boxes)
	{
		er_box *box = ER_CONTAINER(l, er_box, link);
		if (box->state == BOX_STARTING && box->profile == p && box->pid > 0)
			er_box_demote(box, false);
	}
}

er_box *er_pool_box_take(er_isolate_host *h, enum er_profile p)
{
	ER_ASSERT(p <= ER_PROFILE_HARDENED);
	er_list *l = er_list_pop(&h->warm[p]);
	er_box *box = l ? ER_CONTAINER(l, er_box, warm) : NULL;
	ER_ASSERT(box == NULL || (box->state == BOX_WARM && box->instance == NULL && box->profile == p));
	return box;
}

void er_pool_box_ready(er_box *box)
{
	er_isolate_host *h = box->host;
	ER_ASSERT(box->state == BOX_WARM && er_list_empty(&box->warm) && !box->counted);
	h->spawn_strikes = 0;
	er_list_push(&h->warm[box->profile], &box->warm);
}

bool er_pool_box_lost(er_box *box, const char *why)
{
	er_isolate_host *h = box->host;
	if (h->closing)
		return false;
	ER_ASSERT(h->starting[box->profile] >= box->counted);
	/* so that the next one is asked for now, not at the next sweep */
	h->starting[box->profile] -= box->counted;
	box->counted = false;
	er_stat_add(&h->stats.spawn_failures, 1);
	h->spawn_strikes++;
	er_log(ER_LOG_ERROR, "isolate", "a sandbox was lost before it was used: %s", why);
	unsigned wait_s = h->spawn_strikes < STRIKES ? 0 : h->spawn_strikes < 10 ? 1 : 5;
	h->spawn_not_before_us = er_clock_mono_us() + wait_s * 1000000U;
	return h->spawn_strikes >= STRIKES;
}
