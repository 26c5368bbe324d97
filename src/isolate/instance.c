/* The core of an instance: its record and calls, the frames that go to its sandbox, and how it is
 * ended. Its states are in instance_states.c. What an instance does is in the files above:
 * supply.c gives it code and a box, load.c and call.c write through it, frames.c reads what its
 * sandbox says.
 *
 * Writing: er_instance_frame_out and er_instance_saying put frames into the ring; what had to wait
 * is written by supply.c.
 *
 * The end: er_instance_kill ends the process, er_instance_close asks it to end. When the spawner
 * says that it is gone, death.c ends the calls and frees the instance. Nothing else frees it. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <string.h>

enum {
	SAID_MAX = 4 * 1024 * 1024, /* bytes that wait for a sandbox to read */
	SOCKET_FRAME_LEAST = 6,     /* bytes of a client's shortest frame */
};

void er_instance_move(er_instance *in, er_instance_event event)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	ER_ASSERT(event < INSTANCE_EVENTS_N);
	er_states_move(&er_instance_states, &in->state, (uint8_t)event, in->number);
}

static void on_lease_back(er_lease_holder *leases)
{
	er_instance_sub_back(ER_CONTAINER(leases, er_instance, leases));
}

er_instance *er_instance_new(er_service *s)
{
	er_isolate_host *h = s->host;
	ER_ASSERT(!h->closing && !h->spawner_gone);
	er_instance *in = ER_NEW(er_instance);
	*in = (er_instance){
	    .magic = ER_INSTANCE_MAGIC, .host = h, .service = s, .number = ++h->last_instance, .routine = er_routine_ref(s->routine)};
	er_list_init(&in->waiting);
	er_list_init(&in->calls);
	er_list_init(&in->timed);
	er_list_init(&in->queue);
	er_list_init(&in->blocked);
	er_lease_holder_init(&in->leases, on_lease_back);
	in->sub_most = in->sub_credit = er_leases_share(h->leases);
	er_list_push(&h->instances, &in->link);
	in->last_used_us = er_clock_mono_us();
	s->n_instances++;
	h->n_instances++;
	er_stat_add(&h->stats.instances, 1);
	er_list_remove(&s->resting);
	return in;
}

void er_instance_free(er_instance *in)
{
	er_service *s = in->service;
	ER_ASSERT(in->state.now == INSTANCE_DEAD && in->start == NULL && s->instance != in);
	ER_ASSERT(in->n_calls == 0 && er_list_empty(&in->calls) && er_list_empty(&in->queue) && er_list_empty(&in->blocked));
	ER_ASSERT(in->host->n_instances > 0 && s->n_instances > 0);
	er_list_remove(&in->link);
	er_list_remove(&in->waiting);
	er_lease_holder_fini(&in->leases);
	er_idmap_fini(&in->by_id);
	er_idmap_fini(&in->subs);
	er_buf_fini(&in->said);
	er_routine_drop(in->routine, in->code);
	er_routine_unref(in->routine);
	in->host->n_instances--;
	er_stat_add(&in->host->stats.instances, -1);
	in->magic = 0;
	er_free(in);
	s->n_instances--;
	er_service_let_go(s);
}

/* ---- writing ---- */

uint8_t *er_instance_frame_out(er_instance *in, const er_frame *f)
{
	if (in->box == NULL || in->box->state != BOX_USED || er_buf_len(&in->said) > 0)
		return NULL;
	er_box_activate(in->box); /* what is written is published before the loop sleeps */
	return er_frame_write(&in->box->channel.out, f);
}

uint8_t *er_instance_saying(er_instance *in, const er_frame *f)
{
	if (in->box == NULL || in->box->state != BOX_USED || in->state.now == INSTANCE_DEAD)
		return NULL;
	uint8_t *p = er_instance_frame_out(in, f);
	if (p != NULL)
		return p;
	/* A sandbox that makes us talk and never listens. */
	if (er_buf_len(&in->said) > SAID_MAX) {
		er_instance_kill(in, ER_ERR_PROTOCOL, 0, 0);
		return NULL;
	}
	er_buf_put(&in->said, er_slice_of(f, sizeof *f));
	p = er_buf_reserve(&in->said, f->n);
	er_buf_wrote(&in->said, f->n);
	return p;
}

void er_instance_say(er_instance *in, er_frame f, er_slice payload)
{
	f.n = (uint32_t)payload.n;
	uint8_t *p = er_instance_saying(in, &f);
	if (p != NULL)
		er_copy(p, payload.p, payload.n);
}

/* Not each by itself: a frame for a quarter of them costs nothing, and what is not yet told is at
 * most that much less than it may have. */
void er_instance_sub_back(er_instance *in)
{
	ER_ASSERT(in->sub_credit + in->sub_owed < in->sub_most);
	if (++in->sub_owed < (in->sub_most + 3) / 4)
		return;
	er_frame f = {.type = ER_FRAME_SUB_CREDIT, .arg = in->sub_owed};
	in->sub_credit += in->sub_owed;
	in->sub_owed = 0;
	er_instance_say(in, f, (er_slice){0});
}

bool er_instance_pump_said(er_instance *in)
{
	while (er_buf_len(&in->said) > 0) {
		er_frame f;
		ER_ASSERT(er_buf_len(&in->said) >= sizeof f);
		memcpy(&f, er_buf_slice(&in->said).p, sizeof f);
		ER_ASSERT(er_buf_len(&in->said) >= sizeof f + f.n); /* whole frames only */
		uint8_t *p = er_frame_write(&in->box->channel.out, &f);
		if (p == NULL)
			return false;
		er_buf_consume(&in->said, sizeof f);
		er_copy(p, er_buf_slice(&in->said).p, f.n);
		er_buf_consume(&in->said, f.n);
	}
	return true;
}

/* ---- what it has used ---- */

/* The process's CPU time. Asking the kernel costs as much as a short request, and with few requests
 * at a time each finds the sandbox idle: what the process had used at a tick shortly before, and
 * all the time since then, is at most a tick too much, in favour of the routine. */
static uint64_t cpu_now(const er_instance *in, uint64_t now_us)
{
	ER_ASSERT(in->box != NULL);
	uint64_t since = now_us - in->ticked_us;
	return since < 2 * TICK_MS * 1000U ? in->cpu_tick_us + since : er_box_cpu_us(in->box);
}

uint64_t er_instance_memory_kb(const er_instance *in)
{
	ER_ASSERT(in->memory_peak_kb >= in->memory_seen_kb);
	return in->memory_peak_kb >= in->routine->limits.memory_kb / 2 ? in->memory_peak_kb : 0;
}

uint64_t er_instance_asked_kb(const er_instance *in)
{
	bool known = er_instance_memory_kb(in) > 0 || in->box == NULL;
	return known ? 0 : atomic_load(&in->box->channel.control->obituary.asked_kb);
}

/* ---- its calls ---- */

void er_instance_add(er_instance *in, er_call *c)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	ER_ASSERT(c->instance == in && c->id == 0 && !c->sent && in->state.now != INSTANCE_DEAD);
	do
		c->id = ++in->next_id;
	while (c->id == 0 || er_idmap_get(&in->by_id, c->id) != NULL);
	er_idmap_add(&in->by_id, c->id, c);
	er_list_push(&in->calls, &c->link);
	er_list_push(&in->timed, &c->timed);
	er_list_push(&in->queue, &c->queue);
	if (in->n_calls++ == 0 && er_instance_ready(in)) {
		in->cpu_busy_us = in->cpu_base_us = cpu_now(in, c->started_us);
		in->busy_since_us = c->started_us;
		in->cpu_allowed_us = in->cpu_told_us = 0;
	}
	in->cpu_allowed_us += in->routine->limits.cpu_us;
	er_host_need_tick(in->host);
	if (in->box != NULL)
		er_box_activate(in->box);
}

void er_instance_call_over(er_instance *in)
{
	ER_ASSERT(in->n_calls > 0);
	if (--in->n_calls > 0)
		return;
	in->last_used_us = er_clock_mono_us();
	in->cpu_idle_us = 0; /* the next sweep takes the base */
	/* A retired version's calls that lost their instance came to a new one: that one ends with
	 * them as well. */
	if ((in->closing || in->service->retired) && in->closing_us == 0 && in->state.now != INSTANCE_DEAD)
		er_instance_close(in);
}

er_call *er_instance_asking(er_instance *in, uint32_t id)
{
	er_call *c = er_instance_call(in, id);
	if (c == NULL || c->expired || (c->x == NULL && !c->answered))
		return NULL;
	c->touched = true;
	return c;
}

/* ---- the end ---- */

void er_instance_kill(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	ER_ASSERT(why != ER_ERR_OK && why < ER_ERR_COUNT_);
	if (in->kill_reason == ER_ERR_OK) {
		in->kill_reason = why;
		in->kill_used = used;
		in->kill_limit = limit;
	}
	if (in->service->instance == in)
		in->service->instance = NULL;
	if (in->box != NULL)
		er_box_kill(in->box);
}

void er_instance_report(er_instance *in, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	ER_ASSERT(why != ER_ERR_OK && why < ER_ERR_COUNT_);
	const er_isolate_events *ev = &in->host->config.events;
	/* time is told in milliseconds, CPU time in microseconds */
	unsigned unit = why == ER_ERR_TIMEOUT ? 1000 : 1;
	er_stat_add(&in->host->stats.kills[why], 1);
	if (ev->killed != NULL)
		ev->killed(ev->ctx, in->routine, x, why, used / unit, limit / unit, why == ER_ERR_MEMORY ? er_instance_asked_kb(in) : 0,
		           why == ER_ERR_CPU ? er_budget_name(in->budget) : NULL);
}

void er_instance_end_sockets(er_instance *in)
{
	ER_LIST_EACH(l, &in->calls)
	{
		const er_call *c = ER_CONTAINER(l, er_call, link);
		if (c->switched)
			er_instance_say(in, (er_frame){.type = ER_FRAME_CANCEL, .id = c->id, .aux = ER_ERR_CANCELLED}, (er_slice){0});
	}
}

void er_instance_messages(er_instance *in, size_t n)
{
	in->cpu_allowed_us += (uint64_t)in->routine->limits.cpu_us * (n / SOCKET_FRAME_LEAST + 1);
}

void er_instance_close(er_instance *in)
{
	ER_CHECK(in, ER_INSTANCE_MAGIC);
	in->closing = true;
	if (in->service->instance == in)
		in->service->instance = NULL;
	if (in->n_calls > 0) {
		er_instance_end_sockets(in);
		return;
	}
	in->closing_us = er_clock_mono_us();
	if (er_instance_ready(in)) {
		er_instance_say(in, (er_frame){.type = ER_FRAME_CLOSE}, (er_slice){0});
		return;
	}
	/* Without a box it goes with the next sweep: whoever called may still be looking at it. */
	er_list_remove(&in->waiting);
	er_instance_kill(in, ER_ERR_CANCELLED, 0, 0);
}
