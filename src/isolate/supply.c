/* What an instance needs to run: its code, a box, and room in the ring for what waits.
 *
 *    er_supply_begin ──► code in memory, or read by a thread of the pool ──► a warm box, or WAITING for one ──► LOAD
 *
 * er_supply_pump writes what waits for room: code, requests, bodies. A reading belongs to its
 * service while instances may join it, and is freed by its callback; the host stays as long. */
#include "isolate/internal.h"

#include "base/mem.h"

/* ---- the ring ---- */

void er_supply_pump(er_instance *in)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	if (in->box == NULL || in->box->state != BOX_USED || !er_instance_pump_said(in))
		return;
	if (in->state.now == INSTANCE_SENDING && !er_load_pump(in))
		return;
	while (!er_list_empty(&in->queue))
		if (!er_call_send(ER_CONTAINER(in->queue.next, er_call, queue)))
			return;
	while (!er_list_empty(&in->blocked)) {
		er_outflow *f = ER_CONTAINER(in->blocked.next, er_outflow, blocked);
		er_list_remove(&f->blocked);
		if (!er_outflow_pump(f))
			return;
	}
}

/* ---- its box ---- */

/* A warm box for the instance, which begins to load its code into it. */
static void give_box(er_instance *in, er_box *box)
{
	ER_ASSERT(box->state == BOX_WARM && box->instance == NULL && box->profile == in->routine->profile);
	ER_ASSERT(in->box == NULL && er_list_empty(&in->waiting));
	box->state = BOX_USED;
	er_box_demote(box, er_service_suspect(in->service, er_clock_mono_us()));
	box->instance = in;
	in->box = box;
	er_instance_move(in, INSTANCE_ON_BOX);
	in->cpu_base_us = in->cpu_busy_us = in->cpu_idle_us = in->cpu_tick_us = er_box_cpu_us(box);
	in->born_us = in->busy_since_us = in->idle_since_us = er_clock_mono_us();
	in->memory_base_kb = er_box_anonymous_kb(box);
	in->cpu_allowed_us = in->routine->limits.load_cpu_us + (uint64_t)in->n_calls * in->routine->limits.cpu_us;
	er_box_activate(box);
	er_host_need_tick(in->host);
	er_supply_pump(in);
	er_box_publish(box);
}

/* The instance has its code, and needs a box: it gets a warm one, or waits for one. */
static void find_box(er_instance *in)
{
	er_isolate_host *h = in->host;
	enum er_profile profile = in->routine->profile;
	ER_ASSERT(in->state.now == INSTANCE_READING && in->box == NULL && in->code != NULL);
	if (in->kill_reason != ER_ERR_OK || in->closing_us != 0)
		return;
	er_box *box = er_pool_box_take(h, profile);
	if (box != NULL) {
		give_box(in, box);
	} else {
		er_instance_move(in, INSTANCE_ON_NO_BOX);
		er_list_push(&h->waiting[profile], &in->waiting);
		er_pool_hurry(h, profile);
	}
	er_pool_fill(h);
}

void er_supply_waiting(er_isolate_host *h, enum er_profile p)
{
	ER_ASSERT(p <= ER_PROFILE_HARDENED);
	er_list *l = er_list_empty(&h->warm[p]) ? NULL : er_list_pop(&h->waiting[p]);
	if (l != NULL)
		give_box(ER_CONTAINER(l, er_instance, waiting), er_pool_box_take(h, p));
	er_pool_fill(h);
}

/* ---- its code ---- */

/* One reading serves all instances of the version that wait on this thread. */
struct er_reading {
	uv_work_t work;
	er_isolate_host *host;
	er_routine *routine; /* own reference */
	er_code *code;
	er_err err;
};

/* On a thread of the pool. */
static void read_code(uv_work_t *work)
{
	er_reading *rd = work->data;
	rd->code = er_routine_read(rd->routine, &rd->err);
}

/* Whoever waits is told; the next request tries again, until the failures suspend the routine. */
static void cannot_read(er_instance *in)
{
	er_service *s = in->service;
	ER_ASSERT(in->code == NULL && in->box == NULL && in->state.now == INSTANCE_READING);
	er_service_failed(s, ER_ERR_IO);
	if (s->instance == in)
		s->instance = NULL;
	er_start_failed(in, ER_ERR_UNAVAILABLE, 0, 0);
	while (!er_list_empty(&in->calls)) {
		er_call *c = ER_CONTAINER(in->calls.next, er_call, link);
		er_call_fail(c, 503, ER_ERR_UNAVAILABLE, 0, 0, "The routine's code could not be read on this node; its log says why.");
		er_call_free(c);
	}
	if (in->closing_us == 0)
		er_instance_close(in);
}

/* Back on the loop with the code, or without: every instance that waits for this reading goes
 * on. */
static void on_read(uv_work_t *work, int status)
{
	er_reading *rd = work->data;
	er_isolate_host *h = rd->host;
	er_routine *r = rd->routine;
	(void)status;
	er_service *s = er_map_get(h->services, er_slice_of(&r, sizeof(void *)));
	if (s != NULL && s->reading == rd)
		s->reading = NULL;
	if (rd->code == NULL)
		er_log(ER_LOG_ERROR, "isolate", "routine %.*s: version %.*s cannot be read: %s", ER_FMT(r->name), ER_FMT(r->version),
		       rd->err.text);
	ER_LIST_EACH(l, &h->instances)
	{
		er_instance *in = ER_CONTAINER(l, er_instance, link);
		if (in->reading != rd)
			continue;
		ER_ASSERT(in->routine == r && in->code == NULL);
		in->reading = NULL;
		in->code = rd->code != NULL ? er_routine_code(r) : NULL;
		if (in->code != NULL)
			find_box(in);
		else
			cannot_read(in);
	}
	er_routine_drop(r, rd->code);
	er_routine_unref(r);
	er_free(rd);
	er_host_handle_closed(h);
}

void er_supply_begin(er_instance *in)
{
	er_isolate_host *h = in->host;
	er_service *s = in->service;
	ER_ASSERT(in->state.now == INSTANCE_READING && in->code == NULL && in->reading == NULL);
	in->code = er_routine_code(in->routine);
	if (in->code != NULL) {
		find_box(in);
		return;
	}
	if (s->reading == NULL) {
		er_reading *rd = s->reading = ER_NEW(er_reading);
		rd->work.data = rd;
		rd->host = h;
		rd->routine = er_routine_ref(in->routine);
		h->open_handles++; /* the host stays until it is over */
		uv_queue_work(h->loop, &rd->work, read_code, on_read);
	}
	in->reading = s->reading;
}
