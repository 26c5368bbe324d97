/* One er_origin a gateway thread: what is there for all fetches of the thread, and the clock.
 *
 * er_origin_new makes it; `handle` begins a fetch for each exchange; a timer gives every fetch the
 * time (er_fetch_tick), often while there are fetches and seldom else, and sweeps the pools now and
 * then. er_origin_close ends every fetch and pool, and `all_closed` frees the rest when the last uv
 * handle of the room is closed. */
#include "origin/origin.h"

#include "base/mem.h"
#include "origin/count.h"
#include "origin/fetch.h"
#include "origin/later.h"
#include "origin/pool.h"

enum { TICK_FAST_MS = 100, TICK_SLOW_MS = 5000, POOL_IDLE_MS = 60000 };

static void tick(uv_timer_t *timer);

static void set_tick(er_origin *o, bool fast)
{
	o->ticking_fast = fast;
	uint64_t ms = fast ? TICK_FAST_MS : TICK_SLOW_MS;
	ER_ASSERT(uv_timer_start(&o->tick, tick, ms, ms) == 0);
}

static void handle(void *self, er_exchange *x);

/* er_origin_close has closed everything. */
static void all_closed(er_origin *o)
{
	ER_ASSERT(o->closing && o->handles == 0 && er_list_empty(&o->fetches) && o->used == 0 && o->used_by_routines == 0);
	void (*done)(void *) = o->done;
	void *ctx = o->done_ctx;
	er_curl_global_done(o->ca_store);
	er_free(o->ca_file);
	er_free(o->own);
	er_map_free(o->pools);
	o->magic = 0;
	er_free(o);
	if (done != NULL)
		done(ctx);
}

er_origin *er_origin_new(uv_loop_t *loop, const er_cidr *own, size_t n_own, er_err *err)
{
	if (!er_curl_global(err))
		return NULL;
	er_resolver *resolver = er_resolver_new(loop, NULL, err);
	if (resolver == NULL) {
		er_curl_global_done(NULL);
		return NULL;
	}
	er_origin *o = ER_NEW(er_origin);
	o->resolver = resolver;
	o->magic = ER_ORIGIN_MAGIC;
	o->handler = (er_handler){.name = "origin", .handle = handle, .self = o};
	o->loop = loop;
	er_list_init(&o->fetches);
	o->pools = er_map_new();
	o->own = er_alloc(n_own * sizeof *own);
	er_copy(o->own, own, n_own * sizeof *own);
	o->n_own = n_own;
	o->all_closed = all_closed;
	er_count_handle_opened(o); /* the resolver's, as one */
	er_reach_init(o);
	er_later_init(o);
	ER_ASSERT(uv_timer_init(loop, &o->tick) == 0);
	o->tick.data = o;
	er_count_handle_opened(o);
	set_tick(o, false);
	uv_unref((uv_handle_t *)&o->tick);
	return o;
}

void er_origin_ca(er_origin *o, const char *file)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	er_free(o->ca_file);
	o->ca_file = er_strdup_cstr(file);
}

void er_origin_name_servers(er_origin *o, const char *servers)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	er_resolver_servers(o->resolver, servers);
}

void er_origin_limit(er_origin *o, unsigned connections)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	o->most = connections > ER_REACH_LEAST ? connections : ER_REACH_LEAST;
	er_count_freed(o);
}

er_origin_stats er_origin_stat(const er_origin *o)
{
	er_resolver_stats r = er_resolver_stat(o->resolver);
	return (er_origin_stats){.connections = o->used,
	                         .waiting = o->turns.waiting,
	                         .lookups = r.under_way,
	                         .lookups_waiting = r.waiting,
	                         .lookups_total = r.asked};
}

void er_origin_forget(er_origin *o, const void *key)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	er_pool_forget(o, key);
}

/* ---- time ---- */

/* Time-outs of fetches, and pools that nobody has used for long. Ticks slowly while there are no
 * fetches. */
static void tick(uv_timer_t *timer)
{
	er_origin *o = timer->data;
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	uint64_t now = uv_now(o->loop);
	/* A time-out answers an exchange, and that may end any other fetch: begin again after each,
	 * until a walk finds none. */
	for (bool again = true; again;) {
		again = false;
		ER_LIST_EACH(it, &o->fetches)
		{
			if (er_fetch_tick(ER_CONTAINER(it, er_fetch, link), now)) {
				again = true;
				break;
			}
		}
	}
	if (er_list_empty(&o->fetches) && o->ticking_fast && !o->closing)
		set_tick(o, false);
	if (now - o->evicted_ms >= TICK_SLOW_MS) {
		o->evicted_ms = now;
		er_pool_sweep(o, now, POOL_IDLE_MS);
	}
}

/* ---- fetches ---- */

static void handle(void *self, er_exchange *x)
{
	er_origin *o = self;
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	if (o->closing) {
		er_exchange_fail(x, 502, ER_ERR_UNAVAILABLE, NULL, "the node is closing");
		er_exchange_answer(x);
		return;
	}
	if (!o->ticking_fast)
		set_tick(o, true);
	er_fetch_start(o, x);
}

const er_handler *er_origin_handler(const er_origin *o)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	return &o->handler;
}

static void on_timer_closed(uv_handle_t *h)
{
	er_count_handle_closed(h->data);
}

static void on_resolver_closed(void *ctx)
{
	er_count_handle_closed(ctx);
}

void er_origin_close(er_origin *o, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(o, ER_ORIGIN_MAGIC);
	ER_ASSERT(!o->closing);
	o->closing = true;
	o->done = done;
	o->done_ctx = ctx;
	while (!er_list_empty(&o->fetches))
		er_fetch_abort(ER_CONTAINER(o->fetches.next, er_fetch, link), ER_ERR_UNAVAILABLE);
	er_pool_sweep(o, UINT64_MAX, 0);
	uv_close((uv_handle_t *)&o->tick, on_timer_closed);
	uv_close((uv_handle_t *)&o->turn, on_timer_closed);
	er_later_close(o);
	er_resolver_close(o->resolver, on_resolver_closed, o);
}
