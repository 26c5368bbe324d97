/* A hop goes NOT -> NAME (its name is looked up) -> PLACE (it stands in its pool's line) -> GONE
 * (its transport was started); it skips what it need not wait for. er_reach_end takes it back from
 * any of them.
 *
 * count.c counts connections and places. A hop that is started takes a place, unless an idle
 * connection serves it. Whoever gives back a connection or a place calls er_count_freed, and the
 * lines take turns from the loop (on_turn), never inside the caller. When nobody may begin, an idle
 * connection is closed for the first in line. */
#include "origin/reach.h"

#include "base/mem.h"
#include "origin/count.h"
#include "origin/fetch.h"
#include "origin/pool.h"
#include "origin/server.h"

enum { TURNS_AT_ONCE = 64 };

/* ---- may it begin? ---- */

static unsigned most_of_routines(const er_origin *o)
{
	return o->most - o->most / 4;
}

/* One more connection of this pool. */
static bool may_open(const er_pool *p)
{
	const er_origin *o = p->o;
	if (o->used >= o->most || er_count_of(p) >= ER_REACH_MOST)
		return false;
	if (er_count_own(p))
		return true;
	unsigned all = most_of_routines(o);
	return o->used_by_routines < all && er_count_of(p) < er_turns_share(all, o->used_by_routines, ER_REACH_LEAST, ER_REACH_MOST);
}

static bool may_begin(const er_fetch *f)
{
	if (f->hop_kind == &er_hop_plain && !f->fresh && er_plain_has_idle(f))
		return true;
	return may_open(f->pool) || er_curl_has_idle(f->pool);
}

/* An idle connection somewhere is closed for those who wait. False: there is none. */
static bool make_room(er_origin *o, er_pool *of)
{
	if (er_plain_drop_idle(of))
		return true;
	bool routines_only = !er_count_own(of) && o->used < o->most;
	er_pool *oldest = NULL;
	size_t at = 0;
	er_slice key;
	for (void *value; er_map_next(o->pools, &at, &key, &value);) {
		er_pool *p = value;
		if (p == of || p->sockets == 0 || (routines_only && er_count_own(p)))
			continue;
		if (p->active == 0 && (oldest == NULL || p->idle_since_ms < oldest->idle_since_ms))
			oldest = p;
	}
	if (oldest != NULL) {
		er_pool_close(oldest);
		return true;
	}
	at = 0;
	for (void *value; er_map_next(o->pools, &at, &key, &value);) {
		er_pool *p = value;
		if (p != of && !(routines_only && er_count_own(p)) && er_plain_drop_idle(p))
			return true;
	}
	return false;
}

static bool lacks_room(const er_pool *p)
{
	const er_origin *o = p->o;
	return o->used >= o->most || (!er_count_own(p) && o->used_by_routines >= most_of_routines(o));
}

/* ---- beginning ---- */

static void go(er_fetch *f)
{
	ER_ASSERT(f->hop == NULL && f->reach.addresses != NULL && !f->reach.place);
	f->reach.state = ER_REACH_GONE;
	if (f->hop_kind == &er_hop_plain && !f->fresh && er_plain_start_idle(f))
		return;
	if (may_open(f->pool) || !er_curl_has_idle(f->pool))
		er_count_take_place(f);
	else /* libcurl takes an idle connection of its own, or closes one for another */
		f->hop_kind = &er_hop_curl;
	f->hop_kind->start(f);
}

static void fail(er_fetch *f, er_err_kind kind, const char *text)
{
	f->reach.state = ER_REACH_NOT;
	er_fetch_ended(f, kind, "%.*s: %s", ER_FMT(f->authority), text);
	f->advance(f);
}

/* The fetch needs a connection: begins at once if nobody is before it and there is room, else it
 * waits in its pool's line. */
static void want_place(er_fetch *f)
{
	er_pool *p = f->pool;
	bool first = p->line.n == 0 && !uv_is_active((uv_handle_t *)&f->o->turn);
	if (first && may_begin(f)) {
		go(f);
		return;
	}
	if (p->line.n >= ER_REACH_LINE_MAX) {
		fail(f, ER_ERR_CONNECT,
		     "too many requests of this routine wait for a connection already; wait for answers before sending more");
		return;
	}
	f->reach.state = ER_REACH_PLACE;
	er_turns_join(&f->o->turns, &p->line, &f->reach.turn);
	if (first && (lacks_room(p) || er_plain_idles(p) > 0))
		(void)make_room(f->o, p);
}

/* With addresses, or without any. */
static void named(er_fetch *f)
{
	er_resolve *q = &f->reach.name;
	ER_ASSERT(f->reach.addresses == NULL);
	f->reach.addresses = q->found;
	q->found = NULL;
	if (f->reach.addresses == NULL) {
		fail(f, ER_ERR_DNS, q->text);
		return;
	}
	/* Of several addresses libcurl tries one after the other; which of them it was is good to know
	 * for a while. */
	if (f->hop_kind == &er_hop_plain && !er_server_proven(f))
		f->hop_kind = &er_hop_curl;
	want_place(f);
}

static void on_named(er_resolve *q)
{
	er_fetch *f = er_fetch_ref(ER_CONTAINER(q, er_fetch, reach.name));
	ER_ASSERT(f->reach.state == ER_REACH_NAME && !er_fetch_over(f));
	f->reach.state = ER_REACH_NOT;
	named(f);
	er_fetch_unref(f);
}

void er_reach_begin(er_fetch *f)
{
	ER_ASSERT(f->hop == NULL && f->pool != NULL && !er_fetch_over(f));
	er_reach_end(f);
	er_list_init(&f->reach.turn);
	f->reach.state = ER_REACH_GONE;
	/* which needs no address */
	if (f->hop_kind == &er_hop_plain && !f->fresh && er_plain_start_idle(f))
		return;
	uint16_t port;
	er_slice host = er_server_host(f, &port);
	if (er_resolve_start(f->o->resolver, &f->reach.name, &f->pool->payer, host, on_named))
		named(f);
	else
		f->reach.state = ER_REACH_NAME;
}

void er_reach_end(er_fetch *f)
{
	er_reach *r = &f->reach;
	if (r->state == ER_REACH_NAME)
		er_resolve_cancel(f->o->resolver, &r->name);
	else if (r->state == ER_REACH_PLACE)
		er_turns_leave(&f->o->turns, &f->pool->line, &r->turn);
	r->state = ER_REACH_NOT;
	er_addresses_unref(r->addresses);
	r->addresses = NULL;
	er_count_give_place(f);
}

const char *er_reach_waits_for(const er_fetch *f)
{
	switch (f->reach.state) {
	case ER_REACH_NAME:
		return "has a name that could not be looked up";
	case ER_REACH_PLACE:
		return "got no connection, because other requests have as many as there may be,";
	case ER_REACH_NOT:
	case ER_REACH_GONE:
		break;
	}
	return NULL;
}

/* ---- turns ---- */

static bool may_go(void *ctx, er_turns_line *line)
{
	(void)ctx;
	return may_begin(ER_CONTAINER(er_turns_first(line), er_fetch, reach.turn));
}

/* Connections have become free: takes turns among the pools, so many in one round of the loop. */
static void on_turn(uv_timer_t *timer)
{
	er_origin *o = timer->data;
	unsigned n = 0;
	/* Those that are left have their turn in the next round: a timer of 0 ms that is started by its
	 * own callback runs again in the same one. */
	ER_ASSERT(uv_timer_start(timer, on_turn, 1, 0) == 0);
	for (er_list *it; n < TURNS_AT_ONCE && (it = er_turns_take(&o->turns, may_go, NULL)) != NULL; n++) {
		er_fetch *f = er_fetch_ref(ER_CONTAINER(it, er_fetch, reach.turn));
		ER_ASSERT(f->reach.state == ER_REACH_PLACE);
		go(f);
		er_fetch_unref(f);
	}
	if (n == TURNS_AT_ONCE && o->turns.waiting > 0)
		return;
	uv_timer_stop(timer);
	ER_LIST_EACH(l, &o->turns.lines)
	{
		er_pool *p = ER_CONTAINER(l, er_pool, line.link);
		if (!lacks_room(p) && er_plain_idles(p) == 0)
			continue; /* it has its share */
		(void)make_room(o, p);
		return;
	}
}

void er_reach_init(er_origin *o)
{
	er_turns_init(&o->turns);
	o->most = ER_REACH_DEFAULT;
	o->on_turn = on_turn;
	ER_ASSERT(uv_timer_init(o->loop, &o->turn) == 0);
	o->turn.data = o;
	er_count_handle_opened(o);
}
