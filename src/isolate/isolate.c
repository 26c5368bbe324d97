/* The isolate room on one gateway thread, for the rest of the node: isolate.h. This file makes and
 * closes the host, watches the spawner's socket, looks at the rings of active boxes before the loop
 * sleeps, and has the timers of supervision.
 *
 * Life: er_isolate_host_new → er_isolate_host_close ends every instance and every box at once →
 * host.c frees the host when the last of its handles and readings is over. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <unistd.h>

static void on_handle_closed(uv_handle_t *handle)
{
	er_host_handle_closed(handle->data);
}

/* Nobody tells us any more, or nobody waits, when their processes are dead. */
static void end_all(er_isolate_host *h, er_err_kind why)
{
	ER_LIST_EACH(l, &h->instances)
	er_instance_kill(ER_CONTAINER(l, er_instance, link), why, 0, 0);
	for (er_list *l = h->instances.next; l != &h->instances; l = h->instances.next) {
		er_instance *in = ER_CONTAINER(l, er_instance, link);
		er_box *box = in->box;
		ER_ASSERT(box == NULL || box->instance == in);
		if (box != NULL)
			box->instance = NULL;
		er_death_instance(in, 0); /* which frees it */
	}
	ER_LIST_EACH(l, &h->boxes)
	{
		er_box *box = ER_CONTAINER(l, er_box, link);
		er_box_kill(box);
		er_box_close(box);
	}
}

/* What the spawner says of a sandbox. */
static void on_spawner_event(er_isolate_host *h, const er_spawner_event *ev)
{
	er_box *box = er_box_of_slot(h, ev->slot);
	if (box == NULL)
		return;
	switch (ev->what) {
	case ER_SPAWNER_STARTED:
		box->pid = ev->pid;
		er_pool_hurry(h, box->profile);
		if (ev->text[0] != '\0' && !h->level_told)
			er_log(ER_LOG_WARN, "isolate", "sandboxes get level \"%s\" only: %s", er_level_name(ev->level), ev->text);
		h->level_told = true;
		break;
	case ER_SPAWNER_FAILED:
		er_death_lost(box, ev->text);
		if (box->instance != NULL)
			er_death_instance(box->instance, 0);
		er_box_close(box);
		break;
	case ER_SPAWNER_EXITED:
		er_death_box(box, ev->wait_status, ev->text);
		break;
	default:
		ER_ASSERT(false && "an event the spawner does not have");
	}
}

/* Without a spawner nothing can be started any more, and all that runs here is ended. */
static void on_spawner(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	er_isolate_host *h = poll->data;
	ER_CHECK(h, ER_HOST_MAGIC);
	er_spawner_event ev;
	int got;
	while (!h->closing && (got = er_spawner_read(h->spawner, &ev)) != 0) {
		if (got < 0) {
			er_log(ER_LOG_ERROR, "isolate", "the spawner is gone: no sandbox can be started any more");
			uv_poll_stop(poll);
			h->spawner_gone = true;
			end_all(h, ER_ERR_UNAVAILABLE);
			if (h->config.events.spawner_gone != NULL)
				h->config.events.spawner_gone(h->config.events.ctx);
			return;
		}
		on_spawner_event(h, &ev);
	}
}

static void flush(er_box *box)
{
	er_instance *in = box->instance;
	ER_ASSERT(in == NULL || in->box == box);
	if (in != NULL && (!er_list_empty(&in->queue) || !er_list_empty(&in->blocked) || er_buf_len(&in->said) > 0))
		er_supply_pump(in);
	if (box->state == BOX_USED)
		er_box_publish(box);
}

/* Before the loop sleeps: everything written this round goes out with one wake-up a sandbox, and
 * what has come meanwhile is read. Only then is the sandbox told that it must wake us. */
static void on_prepare(uv_prepare_t *prepare)
{
	er_isolate_host *h = prepare->data;
	ER_CHECK(h, ER_HOST_MAGIC);
	ER_LIST_EACH(l, &h->active)
	{
		flush(ER_CONTAINER(l, er_box, active));
	}
	ER_LIST_EACH(l, &h->active)
	{
		er_box *box = ER_CONTAINER(l, er_box, active);
		er_frames_read(box);
		/* An answer may bring the next request of a pipelining client at once: that one must not
		 * wait for the loop's next round. */
		flush(box);
		if (box->state == BOX_DYING || box->state == BOX_GONE || er_ring_sleep(&box->channel.in))
			er_list_remove(&box->active);
		else
			er_box_poke(box); /* it writes faster than we read: the loop must not sleep */
	}
	/* What was read from one may have woken another that was passed already. */
	if (!er_list_empty(&h->active))
		er_box_poke(ER_CONTAINER(h->active.next, er_box, active));
}

/* Looks at the instances that work; runs only while there are some. */
static void on_tick(uv_timer_t *timer)
{
	er_isolate_host *h = timer->data;
	ER_CHECK(h, ER_HOST_MAGIC);
	ER_ASSERT(h->ticking && !h->closing);
	uint64_t now = er_clock_mono_us();
	bool busy = false;
	ER_LIST_EACH(l, &h->instances)
	{
		er_instance *in = ER_CONTAINER(l, er_instance, link);
		if (in->n_calls == 0 && in->start == NULL)
			continue;
		busy = true;
		er_supervise_tick(in, now);
	}
	if (!busy) {
		h->ticking = false;
		uv_timer_stop(timer);
	}
}

static void on_sweep(uv_timer_t *timer)
{
	er_isolate_host *h = timer->data;
	ER_CHECK(h, ER_HOST_MAGIC);
	uint64_t now = er_clock_mono_us();
	ER_LIST_EACH(l, &h->instances)
	er_supervise_sweep(ER_CONTAINER(l, er_instance, link), now);
	ER_LIST_EACH(l, &h->boxes)
	er_box_sweep(ER_CONTAINER(l, er_box, link), now);
	er_service_sweep(h, now);
	for (enum er_profile p = ER_PROFILE_STANDARD; p <= ER_PROFILE_HARDENED; p++)
		er_pool_hurry(h, p);
	er_pool_fill(h);
}

static void own_handle(er_isolate_host *h, uv_handle_t *handle)
{
	handle->data = h;
	uv_unref(handle);
	h->open_handles++;
}

er_isolate_host *er_isolate_host_new(uv_loop_t *loop, int spawner, er_origin *origin, const er_isolate_config *config,
                                     er_err *err)
{
	ER_ASSERT(spawner >= 0 && origin != NULL);
	er_isolate_host *h = ER_NEW(er_isolate_host);
	*h = (er_isolate_host){.magic = ER_HOST_MAGIC,
	                       .loop = loop,
	                       .spawner = spawner,
	                       .origin = origin,
	                       .config = *config,
	                       .box_woken = er_frames_woken,
	                       .privileged = geteuid() == 0};
	er_list_init(&h->boxes);
	er_list_init(&h->active);
	er_list_init(&h->instances);
	er_list_init(&h->spare_calls);
	er_list_init(&h->resting);
	for (int p = 0; p < ER_PROFILES_N; p++) {
		er_list_init(&h->warm[p]);
		er_list_init(&h->waiting[p]);
	}
	if (uv_poll_init(loop, &h->spawner_poll, spawner) != 0) {
		er_fail(err, ER_ERR_SYSTEM, "cannot watch the spawner's socket");
		er_free(h);
		return NULL;
	}
	h->services = er_map_new();
	h->leases = er_leases_new(config->max_subrequests);
	uv_prepare_init(loop, &h->prepare);
	uv_timer_init(loop, &h->tick);
	uv_timer_init(loop, &h->sweep);
	own_handle(h, (uv_handle_t *)&h->spawner_poll);
	own_handle(h, (uv_handle_t *)&h->prepare);
	own_handle(h, (uv_handle_t *)&h->tick);
	own_handle(h, (uv_handle_t *)&h->sweep);
	uv_poll_start(&h->spawner_poll, UV_READABLE | UV_DISCONNECT, on_spawner);
	uv_prepare_start(&h->prepare, on_prepare);
	uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
	h->ticking = true; /* until the first tick finds that nothing runs */
	uv_timer_start(&h->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	er_pool_fill(h);
	return h;
}

static bool none_lives(void *ctx, const er_routine *r)
{
	(void)ctx, (void)r;
	return false;
}

void er_isolate_host_close(er_isolate_host *h, void (*done)(void *ctx), void *ctx)
{
	ER_CHECK(h, ER_HOST_MAGIC);
	ER_ASSERT(!h->closing && done != NULL);
	h->closing = true;
	h->on_closed = done;
	h->on_closed_ctx = ctx;
	end_all(h, ER_ERR_CANCELLED);
	ER_ASSERT(er_list_empty(&h->instances) && er_list_empty(&h->boxes));
	er_isolate_retire(h, none_lives, NULL);
	uv_close((uv_handle_t *)&h->spawner_poll, on_handle_closed);
	uv_close((uv_handle_t *)&h->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&h->tick, on_handle_closed);
	uv_close((uv_handle_t *)&h->sweep, on_handle_closed);
}

void er_isolate_end_sockets(er_isolate_host *h)
{
	ER_CHECK(h, ER_HOST_MAGIC);
	h->no_sockets = true;
	ER_LIST_EACH(l, &h->instances)
	{
		er_instance *in = ER_CONTAINER(l, er_instance, link);
		if (in->state.now != INSTANCE_DEAD && in->n_sockets > 0) {
			er_instance_end_sockets(in);
			if (in->box != NULL)
				er_box_activate(in->box);
		}
	}
}

void er_isolate_retire(er_isolate_host *h, bool (*lives)(void *ctx, const er_routine *r), void *ctx)
{
	size_t at = 0;
	void *value;
	while (er_map_next(h->services, &at, NULL, &value)) {
		er_service *s = value;
		if (s->retired || lives(ctx, s->routine))
			continue;
		s->retired = true;
		if (s->instance != NULL)
			er_instance_close(s->instance);
		else
			er_service_let_go(s);
	}
}

void er_isolate_running(er_isolate_host *h, void (*each)(void *ctx, er_routine *r), void *ctx)
{
	size_t at = 0;
	void *value;
	while (er_map_next(h->services, &at, NULL, &value)) {
		er_service *s = value;
		if (s->instance != NULL && !s->retired)
			each(ctx, s->routine);
	}
}

bool er_isolate_busy(const er_isolate_host *h)
{
	for (const er_list *l = h->instances.next; l != &h->instances; l = l->next)
		if (ER_CONTAINER(l, er_instance, link)->n_calls > 0)
			return true;
	return false;
}

const er_isolate_stats *er_isolate_host_stats(const er_isolate_host *h)
{
	return &h->stats;
}
