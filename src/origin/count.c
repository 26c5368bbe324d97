/* The counts of a thread: connections and places, for each pool and in all, and uv handles.
 *
 * A place is held by a hop that was told to begin, until its connection is open or the hop is over;
 * so a connection counts from the moment that it was allowed. Whatever is given back may be what a
 * fetch waits for: er_count_freed has the lines take turns, from the loop and never inside the
 * caller, who may be in the middle of anything.
 *
 * A pool that is closed lives on until its last socket is closed, because a socket counts until
 * then. The er_origin lives until its last uv handle is closed. */
#include "origin/count.h"

#include "base/mem.h"

/* ---- connections ---- */

static void count(er_pool *p, unsigned *what, int by)
{
	er_origin *o = p->o;
	ER_ASSERT(by > 0 || (*what > 0 && o->used > 0 && (er_count_own(p) || o->used_by_routines > 0)));
	*what += (unsigned)by;
	o->used += (unsigned)by;
	if (!er_count_own(p))
		o->used_by_routines += (unsigned)by;
}

static void free_if_done(er_pool *p)
{
	if (!p->closed || p->sockets > 0)
		return;
	ER_ASSERT(p->active == 0 && p->places == 0);
	er_tls_unref(p->key.tls);
	er_free(p);
}

void er_count_opened(er_pool *p)
{
	count(p, &p->sockets, 1);
}

void er_count_closed(er_pool *p)
{
	ER_ASSERT(p->sockets > 0);
	count(p, &p->sockets, -1);
	er_count_freed(p->o);
	free_if_done(p);
}

void er_count_take_place(er_fetch *f)
{
	ER_ASSERT(!f->reach.place && f->pool != NULL);
	f->reach.place = true;
	count(f->pool, &f->pool->places, 1);
}

void er_count_give_place(er_fetch *f)
{
	if (!f->reach.place)
		return;
	f->reach.place = false;
	count(f->pool, &f->pool->places, -1);
	er_count_freed(f->o);
}

void er_count_freed(er_origin *o)
{
	ER_ASSERT(o->on_turn != NULL);
	if (o->turns.waiting > 0 && !o->closing && !uv_is_active((uv_handle_t *)&o->turn))
		ER_ASSERT(uv_timer_start(&o->turn, o->on_turn, 0, 0) == 0);
}

void er_count_pool_closed(er_pool *p)
{
	ER_ASSERT(!p->closed);
	p->closed = true;
	free_if_done(p);
}

/* ---- uv handles ---- */

void er_count_handle_opened(er_origin *o)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	o->handles++;
}

void er_count_handle_closed(er_origin *o)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	ER_ASSERT(o->handles > 0);
	if (--o->handles == 0)
		o->all_closed(o);
}
