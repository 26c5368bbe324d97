/* A list of fetches, and an idle handle, which libuv calls once in each turn while it is active.
 * on_idle takes the list as it is: who asks again while it is advanced waits for the turn behind
 * that. (A timer of 0 ms that is started by its own callback runs again in the same turn.) */
#include "origin/later.h"

#include "origin/count.h"

static void on_idle(uv_idle_t *idle)
{
	er_origin *o = idle->data;
	er_list now;
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	er_list_init(&now);
	er_list_take(&now, &o->later);
	for (er_list *it; (it = er_list_pop(&now)) != NULL;) {
		er_fetch *f = er_fetch_ref(ER_CONTAINER(it, er_fetch, later));
		f->spent = 0;
		f->advance(f);
		er_fetch_unref(f);
	}
	if (er_list_empty(&o->later) && !o->closing)
		uv_idle_stop(&o->later_turn);
}

void er_later_init(er_origin *o)
{
	er_list_init(&o->later);
	ER_ASSERT(uv_idle_init(o->loop, &o->later_turn) == 0);
	o->later_turn.data = o;
	er_count_handle_opened(o);
}

static void on_closed(uv_handle_t *handle)
{
	er_count_handle_closed(handle->data);
}

void er_later_close(er_origin *o)
{
	ER_ASSERT(er_list_empty(&o->later));
	uv_close((uv_handle_t *)&o->later_turn, on_closed);
}

void er_later_go_on(er_fetch *f)
{
	er_origin *o = f->o;
	if (!er_list_empty(&f->later))
		return;
	er_list_push(&o->later, &f->later);
	uv_idle_start(&o->later_turn, on_idle);
}

void er_later_drop(er_fetch *f)
{
	er_list_remove(&f->later);
}
