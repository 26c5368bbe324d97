#include "isolate/internal.h"

#include "base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { MAGIC = 0x494e5354, SAID_MAX = 4 * 1024 * 1024 };

er_instance *er_instance_new(er_service *s)
{
	er_isolate_host *h = s->host;
	er_instance *in = ER_NEW(er_instance);
	*in = (er_instance){.magic = MAGIC, .host = h, .service = s, .routine = er_routine_ref(s->routine)};
	er_list_init(&in->waiting);
	er_list_init(&in->calls);
	er_list_init(&in->queue);
	er_list_init(&in->blocked);
	er_list_push(&h->instances, &in->link);
	in->last_used_us = er_clock_mono_us();
	s->n_instances++;
	h->n_instances++;
	er_stat_add(&h->stats.instances, 1);
	er_list_remove(&s->resting);
	er_load_code(in);
	return in;
}

void er_instance_find_box(er_instance *in)
{
	er_isolate_host *h = in->host;
	enum er_profile profile = in->routine->profile;
	if (in->kill_reason != ER_ERR_OK || in->closing_us != 0)
		return;
	er_box *box = er_pool_box_take(h, profile);
	if (box != NULL) {
		er_instance_give_box(in, box);
	} else {
		in->state = INSTANCE_WAITING;
		er_list_push(&h->waiting[profile], &in->waiting);
		er_pool_hurry(h, profile);
	}
	er_pool_fill(h);
}

static void instance_free(er_instance *in)
{
	er_service *s = in->service;
	er_list_remove(&in->link);
	er_list_remove(&in->waiting);
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
	if (in->box == NULL || in->box->state != BOX_USED || in->state == INSTANCE_DEAD)
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

static bool pump_said(er_instance *in)
{
	while (er_buf_len(&in->said) > 0) {
		er_frame f;
		memcpy(&f, er_buf_slice(&in->said).p, sizeof f);
		uint8_t *p = er_frame_write(&in->box->channel.out, &f);
		if (p == NULL)
			return false;
		er_buf_consume(&in->said, sizeof f);
		er_copy(p, er_buf_slice(&in->said).p, f.n);
		er_buf_consume(&in->said, f.n);
	}
	return true;
}

void er_instance_pump(er_instance *in)
{
	ER_CHECK(in, MAGIC);
	if (in->box == NULL || in->box->state != BOX_USED || !pump_said(in))
		return;
	if (in->state == INSTANCE_LOADING && !er_load_pump(in))
		return;
	while (!er_list_empty(&in->queue))
		if (!er_call_send(ER_CONTAINER(in->queue.next, er_call, queue)))
			return;
	while (!er_list_empty(&in->blocked)) {
		er_outflow *f = ER_CONTAINER(in->blocked.next, er_outflow, blocked);
		er_list_remove(&f->blocked);
		er_outflow_pump(f);
		if (!er_list_empty(&f->blocked))
			return;
	}
}

void er_instance_give_box(er_instance *in, er_box *box)
{
	box->state = BOX_USED;
	er_box_demote(box, er_service_suspect(in->service, er_clock_mono_us()));
	box->instance = in;
	in->box = box;
	in->state = INSTANCE_LOADING;
	in->cpu_base_us = in->cpu_busy_us = in->cpu_idle_us = in->cpu_tick_us = er_box_cpu_us(box);
	in->born_us = in->busy_since_us = in->idle_since_us = er_clock_mono_us();
	in->memory_base_kb = er_box_anonymous_kb(box);
	in->cpu_allowed_us = in->routine->limits.load_cpu_us + (uint64_t)in->n_calls * in->routine->limits.cpu_us;
	er_box_activate(box);
	er_host_need_tick(in->host);
	er_instance_pump(in);
	er_box_publish(box);
}

/* The CPU its process has used. Asking the kernel costs as much as a short request, and with few requests at a time each finds the sandbox idle: what it
 * had used at a tick shortly before and all the time since then is at most a tick too much, in favour of the routine. */
static uint64_t cpu_now(const er_instance *in, uint64_t now_us)
{
	uint64_t since = now_us - in->ticked_us;
	return since < 2 * TICK_MS * 1000U ? in->cpu_tick_us + since : er_box_cpu_us(in->box);
}

void er_instance_add(er_instance *in, er_call *c)
{
	do
		c->id = ++in->next_id;
	while (c->id == 0 || er_idmap_get(&in->by_id, c->id) != NULL);
	er_idmap_add(&in->by_id, c->id, c);
	er_list_push(&in->calls, &c->link);
	er_list_push(&in->queue, &c->queue);
	if (in->n_calls++ == 0 && in->box != NULL && in->loaded) {
		in->cpu_busy_us = in->cpu_base_us = cpu_now(in, c->started_us);
		in->busy_since_us = c->started_us;
		in->cpu_allowed_us = 0;
	}
	in->cpu_allowed_us += in->routine->limits.cpu_us;
	er_host_need_tick(in->host);
	if (in->box != NULL)
		er_box_activate(in->box);
}

/* A call has left. */
void er_instance_call_over(er_instance *in)
{
	ER_ASSERT(in->n_calls > 0);
	if (--in->n_calls > 0)
		return;
	in->last_used_us = er_clock_mono_us();
	in->cpu_idle_us = 0; /* the next sweep takes the base */
	/* A retired version's calls that lost their instance came to a new one: that one ends with them as well. */
	if ((in->closing || in->service->retired) && in->closing_us == 0 && in->state != INSTANCE_DEAD)
		er_instance_close(in);
}

/* ---- reading ---- */

static bool on_body_data(er_instance *in, const er_frame *f, er_slice payload)
{
	bool fin = f->flags & ER_FF_FIN;
	if (f->flags & ER_FF_SUB) {
		er_sub *s = er_idmap_get(&in->subs, f->id);
		return s == NULL || er_inflow_data(&s->upload, payload, fin);
	}
	er_call *c = er_idmap_get(&in->by_id, f->id);
	if (c == NULL)
		return true;
	if (fin) {
		er_call_cpu(c, f->arg);
		er_call_streamed(c);
	}
	return er_inflow_data(&c->response, payload, fin);
}

static void on_body_fail(er_instance *in, const er_frame *f)
{
	er_sub *s = f->flags & ER_FF_SUB ? er_idmap_get(&in->subs, f->id) : NULL;
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_idmap_get(&in->by_id, f->id);
	if (s != NULL)
		er_inflow_fini(&s->upload, ER_ERR_EXCEPTION);
	if (c != NULL)
		er_inflow_fini(&c->response, ER_ERR_EXCEPTION);
}

/* PULL, DRAIN, BODY_CANCEL: about a body of the node's. */
static void on_body_wish(er_instance *in, const er_frame *f)
{
	er_sub *s = f->flags & ER_FF_SUB ? er_idmap_get(&in->subs, f->id) : NULL;
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_idmap_get(&in->by_id, f->id);
	er_outflow *flow = s ? &s->response : c ? &c->upload : NULL;
	if (flow == NULL)
		return;
	if (f->type == ER_FRAME_PULL) {
		er_outflow_pull(flow, f->arg);
	} else if (f->type == ER_FRAME_DRAIN) {
		er_outflow_drain(flow);
	} else if (flow->body != NULL) {
		er_body *body = er_outflow_take(flow);
		/* An upload nobody reads is the gateway's to drain; a subrequest's answer is simply ended. */
		if (s != NULL)
			er_body_cancel(body, ER_ERR_CANCELLED);
		er_body_unref(body);
	}
}

static void on_log(er_instance *in, er_call *c, const er_frame *f, er_slice payload)
{
	const er_isolate_events *ev = &in->host->config.events;
	if (er_load_printed(in, payload) || ev->console == NULL || (c != NULL && c->logs++ >= MAX_LOGS))
		return;
	er_buf copy;
	er_buf_init(&copy);
	er_buf_put(&copy, payload);
	ev->console(ev->ctx, in->routine, c ? c->x : NULL, f->aux > 4 ? 4 : f->aux, er_buf_slice(&copy));
	er_buf_fini(&copy);
}

bool er_instance_frame(er_instance *in, const er_frame *f, er_slice payload)
{
	ER_CHECK(in, MAGIC);
	er_call *c = f->flags & ER_FF_SUB ? NULL : er_idmap_get(&in->by_id, f->id);
	in->heard = true;
	switch (f->type) {
	case ER_FRAME_LOADED:
		return er_load_done(in, f, payload);
	case ER_FRAME_RESPONSE:
		return c == NULL || er_call_on_response(c, f, payload);
	case ER_FRAME_BODY_DATA:
		return on_body_data(in, f, payload);
	case ER_FRAME_BODY_FAIL:
		on_body_fail(in, f);
		return true;
	case ER_FRAME_PULL:
	case ER_FRAME_DRAIN:
	case ER_FRAME_BODY_CANCEL:
		if (c != NULL)
			c->touched = true;
		on_body_wish(in, f);
		return true;
	case ER_FRAME_FETCH:
		return er_sub_start(in, f, payload);
	case ER_FRAME_FETCH_CANCEL: {
		er_sub *s = er_idmap_get(&in->subs, f->id);
		if (s != NULL)
			er_sub_free(s, ER_ERR_CANCELLED);
		return true;
	}
	case ER_FRAME_PASS:
		if (c != NULL)
			er_call_on_pass(c);
		return true;
	case ER_FRAME_DONE:
		if (c == NULL)
			return true;
		er_call_cpu(c, f->arg);
		if (!c->answered && c->x != NULL)
			er_call_fail(c, 599, ER_ERR_EXCEPTION, 0, 0, "The routine ended the request without a response.");
		er_call_free(c);
		return true;
	case ER_FRAME_METER:
		if (c != NULL)
			er_call_cpu(c, f->arg);
		return true;
	case ER_FRAME_LOG:
		on_log(in, c, f, payload);
		return true;
	case ER_FRAME_EXCEPTION:
		if (in->start == NULL || !in->start->trial)
			er_call_on_exception(in, c, f, payload);
		return true;
	default:
		return false; /* a frame that only the node may send */
	}
}

/* ---- the end ---- */

void er_instance_kill(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit)
{
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

typedef struct verdict {
	er_err_kind why;
	uint64_t used, limit;
	uint32_t request; /* 0: nobody in particular */
	bool clean;
} verdict;

/* Why it ended: what the node did, else what the kernel says, else what the sandbox says of itself (which can only harm its own routine). */
static verdict judge(const er_instance *in, int wait_status)
{
	const er_limits *l = &in->routine->limits;
	verdict v = {.why = in->kill_reason, .used = in->kill_used, .limit = in->kill_limit};
	const er_obituary *o = in->box ? &in->box->channel.control->obituary : NULL;
	if (o != NULL)
		v.request = atomic_load(&o->request);
	if (v.why != ER_ERR_OK) {
		v.clean = v.why == ER_ERR_CANCELLED || v.why == ER_ERR_EXCEPTION || v.why == ER_ERR_UNAVAILABLE;
		return v;
	}
	if (o == NULL) {
		v.why = ER_ERR_UNAVAILABLE;
		return v;
	}
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0 && in->closing) {
		v.clean = true;
		return v;
	}
	er_err_kind said = atomic_load(&o->reason);
	v.why = ER_ERR_CRASH;
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL)
		v.why = ER_ERR_MEMORY; /* not ours: the kernel's, for want of memory */
	else if (said == ER_ERR_CPU || said == ER_ERR_MEMORY)
		v.why = said;
	if (v.why == ER_ERR_CPU) {
		v.used = atomic_load(&o->cpu_us);
		v.limit = v.request == 0 ? l->load_cpu_us : l->cpu_us;
	} else if (v.why == ER_ERR_MEMORY) {
		v.used = er_instance_used_kb(in);
		v.limit = l->memory_kb;
	}
	return v;
}

/* A crash is worth a closer look than its kind: which signal, and whether the sandbox could still say so itself. */
static void log_crash(const er_instance *in, int wait_status)
{
	const er_obituary *o = in->box ? &in->box->channel.control->obituary : NULL;
	unsigned said = o ? atomic_load(&o->detail) : 0;
	int sig = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : said < NSIG ? (int)said : 0;
	er_log(ER_LOG_WARN, "isolate", "routine %.*s: its sandbox crashed (%s %d%s%s)", ER_FMT(in->routine->name),
	       sig ? "signal" : "exit status", sig ? sig : WEXITSTATUS(wait_status), sig ? ", " : "", sig ? strsignal(sig) : "");
}

void er_instance_died(er_instance *in, int wait_status)
{
	ER_CHECK(in, MAGIC);
	er_isolate_host *h = in->host;
	er_service *s = in->service;
	verdict v = judge(in, wait_status);
	er_call *blamed = er_idmap_get(&in->by_id, v.request);
	in->state = INSTANCE_DEAD;
	if (s->instance == in)
		s->instance = NULL;
	if (in->start != NULL && in->start->trial) {
		er_start_failed(in, v.why, v.used, v.limit);
	} else if (!v.clean) {
		if (v.why == ER_ERR_CRASH)
			log_crash(in, wait_status);
		er_stat_add(&h->stats.kills[v.why], 1);
		if (h->config.events.killed)
			h->config.events.killed(h->config.events.ctx, in->routine, blamed ? blamed->x : NULL, v.why, v.used, v.limit);
		er_service_failed(s, v.why);
	}
	er_start_failed(in, v.why, v.used, v.limit);
	/* Top-level code fails whoever waited for it: trying again would end the same way. Else, with nobody named, the oldest call is the suspect. */
	bool all = !in->loaded;
	if (v.request == 0 && !in->culprit_gone && !all && !er_list_empty(&in->calls))
		blamed = ER_CONTAINER(in->calls.next, er_call, link);
	while (!er_list_empty(&in->calls)) {
		er_call *c = ER_CONTAINER(in->calls.next, er_call, link);
		er_call_orphaned(c, (all && !v.clean) || (c == blamed && !v.clean), v.why == ER_ERR_OK ? ER_ERR_CRASH : v.why, v.used,
		                 v.limit);
	}
	instance_free(in);
	er_pool_fill(h);
}

void er_instance_close(er_instance *in)
{
	in->closing = true;
	if (in->service->instance == in)
		in->service->instance = NULL;
	if (in->n_calls > 0)
		return;
	in->closing_us = er_clock_mono_us();
	if (in->box != NULL && in->loaded) {
		er_instance_say(in, (er_frame){.type = ER_FRAME_CLOSE}, (er_slice){0});
		return;
	}
	/* Without a box it goes with the next sweep: whoever called may still be looking at it. */
	er_list_remove(&in->waiting);
	er_instance_kill(in, ER_ERR_CANCELLED, 0, 0);
}

/* ---- supervision: what the node does not leave to the sandbox ---- */

/* Its requests have taken long already, each of them, and it goes on computing: short ones of others come first. Once it yields it gets less and less of
 * the time, so that less says nothing about it. */
static bool heavy(const er_instance *in, uint64_t cpu_us)
{
	const er_limits *l = &in->routine->limits;
	uint64_t own = in->cpu_allowed_us > l->load_cpu_us ? in->cpu_allowed_us - l->load_cpu_us : in->cpu_allowed_us;
	uint64_t used = cpu_us > in->cpu_busy_us ? cpu_us - in->cpu_busy_us : 0, calls = own / l->cpu_us + 1;
	bool busy = in->box->share == BOX_ORDINARY ? cpu_us > in->cpu_tick_us + HOG_US : in->quiet_ticks < QUIET_TICKS;
	return busy && used > calls * HEAVY_US;
}

static void check_cpu(er_instance *in, uint64_t now_us)
{
	const er_limits *l = &in->routine->limits;
	uint64_t cpu = er_box_cpu_us(in->box);
	uint32_t turn = in->loaded ? l->cpu_us : l->load_cpu_us;
	if (in->cpu_busy_us == 0) { /* it was READY before we knew its process */
		in->cpu_base_us = in->cpu_busy_us = in->cpu_tick_us = cpu;
		in->ticked_us = now_us;
		return;
	}
	in->quiet_ticks = cpu > in->cpu_tick_us ? 0 : in->quiet_ticks + 1;
	if (cpu > in->cpu_tick_us + FED_US)
		er_box_fed(in->box, now_us);
	bool young = now_us - in->born_us < YOUNG_US;
	if ((young && cpu > in->cpu_tick_us) || (!in->heard && cpu > in->cpu_base_us + PULSE_US))
		er_pulse_ask(in->host->config.pulse, PULSE_TICK_US);
	er_box_demote(in->box,
	              er_service_suspect(in->service, now_us) || (!in->heard && cpu > in->cpu_base_us + HOG_US) || heavy(in, cpu));
	in->cpu_tick_us = cpu;
	in->ticked_us = now_us;
	if (in->heard) {
		in->heard = false;
		in->cpu_base_us = cpu;
	} else if (cpu > in->cpu_base_us + turn + turn / 2 + CPU_GRACE_US) {
		/* No honest sandbox computes so long without a word: its own timer would have ended it. */
		er_instance_kill(in, ER_ERR_CPU, cpu - in->cpu_base_us, turn);
		return;
	}
	/* And whatever it says, all its calls together cannot use more than all their limits. */
	uint64_t used = cpu - in->cpu_busy_us;
	uint64_t beyond = CPU_GRACE_US + (now_us - in->busy_since_us) / 100 * CPU_SHARE;
	if (cpu > in->cpu_busy_us && used > in->cpu_allowed_us + in->cpu_allowed_us / 2 + beyond)
		er_instance_kill(in, ER_ERR_CPU, used, in->cpu_allowed_us);
}

/* The kernel's limit on a sandbox's address space is the first lock; this is the second, and what its kind of kill can tell. */
static void check_memory(er_instance *in, uint64_t now_us)
{
	in->memory_at_us = now_us;
	uint64_t kb = er_box_anonymous_kb(in->box);
	if (in->memory_base_kb == 0)
		in->memory_base_kb = kb;
	kb = kb > in->memory_base_kb ? kb - in->memory_base_kb : 0;
	if (kb > in->memory_peak_kb)
		in->memory_peak_kb = kb;
	uint32_t limit = in->routine->limits.memory_kb;
	if (kb > (uint64_t)limit + limit / 8 + MEMORY_MARGIN_KB)
		er_instance_kill(in, ER_ERR_MEMORY, kb, limit);
}

uint64_t er_instance_used_kb(const er_instance *in)
{
	return in->memory_peak_kb >= in->routine->limits.memory_kb / 2 ? in->memory_peak_kb : 0;
}

void er_instance_tick(er_instance *in, uint64_t now_us)
{
	uint64_t limit = in->routine->limits.response_ms * 1000ULL;
	ER_LIST_EACH(l, &in->calls)
	{
		er_call *c = ER_CONTAINER(l, er_call, link);
		if (now_us - c->started_us < limit)
			break;
		if (!c->expired) {
			er_call_expire(c);
		} else if (now_us - c->started_us > limit + CLOSE_MS * 1000U && in->box != NULL) {
			er_instance_kill(in, ER_ERR_TIMEOUT, now_us - c->started_us, limit);
			return;
		}
	}
	if (in->start != NULL && now_us - in->start->since_us > TRY_MS * 1000ULL) {
		er_start_failed(in, ER_ERR_TIMEOUT, 0, 0);
		if (in->n_calls == 0) {
			er_instance_close(in);
			return;
		}
	}
	if (in->box == NULL || in->box->state != BOX_USED || in->box->pid <= 0)
		return;
	check_cpu(in, now_us);
	if (now_us - in->memory_at_us >= MEMORY_EVERY_US)
		check_memory(in, now_us);
}

void er_instance_sweep(er_instance *in, uint64_t now_us)
{
	if (in->box == NULL && in->closing_us != 0) {
		er_instance_died(in, 0);
		return;
	}
	if (in->n_calls > 0 || in->box == NULL || in->box->state != BOX_USED)
		return;
	if (in->box->pid > 0)
		check_memory(in, now_us);
	if (in->closing_us != 0) {
		if (now_us - in->closing_us > CLOSE_MS * 1000U)
			er_instance_kill(in, ER_ERR_CANCELLED, 0, 0);
		return;
	}
	if (now_us - in->last_used_us > in->routine->limits.idle_s * 1000000ULL) {
		er_instance_close(in);
		return;
	}
	uint64_t cpu = er_box_cpu_us(in->box);
	uint64_t allowed = CPU_GRACE_US + (now_us - in->idle_since_us) / 100 * CPU_IDLE_SHARE;
	if (in->cpu_idle_us == 0) {
		in->cpu_idle_us = cpu;
		in->idle_since_us = now_us;
	} else if (cpu > in->cpu_idle_us + allowed) {
		er_instance_kill(in, ER_ERR_CPU, cpu - in->cpu_idle_us, allowed);
	}
}
