/* What the files of the room share on one gateway thread (host.h). isolate.c makes the host and
 * closes its handles. Each handle and each reading of code that is over calls
 * er_host_handle_closed; with the last one the host is freed, and its owner hears of it. */
#include "isolate/internal.h"

#include "base/mem.h"

void er_host_handle_closed(er_isolate_host *h)
{
	ER_CHECK(h, ER_HOST_MAGIC);
	ER_ASSERT(h->open_handles > 0);
	if (--h->open_handles > 0)
		return;
	ER_ASSERT(h->closing && h->on_closed != NULL && h->n_instances == 0);
	ER_ASSERT(er_list_empty(&h->instances) && er_list_empty(&h->boxes) && er_list_empty(&h->resting));
	void (*done)(void *) = h->on_closed;
	void *ctx = h->on_closed_ctx;
	for (er_list *l; (l = er_list_pop(&h->spare_calls)) != NULL;)
		er_free(ER_CONTAINER(l, er_call, link));
	er_idmap_fini(&h->slots);
	er_leases_let_go(h->leases);
	er_map_free(h->services);
	h->magic = 0;
	er_free(h);
	done(ctx);
}

void er_host_need_tick(er_isolate_host *h)
{
	ER_CHECK(h, ER_HOST_MAGIC);
	if (h->ticking || h->closing)
		return;
	h->ticking = true;
	uv_timer_again(&h->tick); /* as isolate.c started it */
}
