/* Supervision of instances. It acts on three things: wall time of calls and starts, the
 * process's CPU clock, the process's memory. Its only weapons are er_call_expire,
 * er_instance_kill, er_instance_close and the scheduling of the process (er_box_demote).
 *
 * The node's own CPU rules are the second lock: they fire only where no honest sandbox gets. The
 * first lock is the timer in the sandbox. The node sees the whole process. Beyond its requests'
 * limits a sandbox may use ER_ENGINE_CPU_US (400 ms) at once and then a tenth of the time for
 * the collector's own timers, a tenth for what no request owns, and what is left of CPU_GRACE_US
 * and CPU_SHARE on the compilers' threads, which go on while JavaScript waits for something and
 * says nothing. */
#include "isolate/supervise.h"

#include "base/clock.h"
#include "base/mem.h"
#include "isolate/death.h"
#include "isolate/host.h"
#include "isolate/start.h"

enum {
	/* for an instance told to end, or a call told that its time is up, to obey */
	CLOSE_MS = 2000,
	FED_US = 500,          /* of CPU in a tick: the process is not starved */
	QUIET_TICKS = 20,      /* without any CPU, and a heavy one is done, or waits for something */
	YOUNG_US = 1000000,    /* an instance whose code the compilers are at */
	HOG_US = 2000,         /* of CPU within a tick, without a frame */
	HEAVY_US = 10000,      /* of CPU that a request has used, on average */
	PULSE_US = 500,        /* of CPU without a frame: cores' turns are kept short (base/pulse.h) */
	PULSE_TICK_US = 15000, /* for so long */
	CPU_GRACE_US = 1500000,
	CPU_SHARE = 25,      /* per cent of the time, on top */
	SOCKET_SHARE = 10,   /* likewise, for each WebSocket (er_turn_begin in the sandbox) */
	CPU_IDLE_SHARE = 25, /* likewise while no request is under way */
	MEMORY_EVERY_US = 100000,
	/* Above the limit and an empty sandbox: what was reserved before is not in the kernel's sum. */
	MEMORY_MARGIN_KB = 48 * 1024,
};

_Static_assert(CPU_SHARE > 0 && CPU_SHARE <= 100 && CPU_IDLE_SHARE > 0 && CPU_IDLE_SHARE <= 100, "per cent");
_Static_assert(MEMORY_EVERY_US >= TICK_MS * 1000, "memory is looked at by ticks");

/* A box whose process can be looked at. */
static bool has_process(const er_instance *in)
{
	return in->box != NULL && in->box->state == BOX_USED && in->box->pid > 0;
}

/* The instance's requests have taken long already, each of them, and it goes on computing: short
 * requests of other instances come first. Once the process yields it gets less and less of the
 * time, so that a low use of CPU says nothing about it then. */
static bool heavy(const er_instance *in, uint64_t cpu_us)
{
	const er_limits *l = &in->routine->limits;
	ER_ASSERT(l->cpu_us > 0);
	uint64_t own = in->cpu_allowed_us > l->load_cpu_us ? in->cpu_allowed_us - l->load_cpu_us : in->cpu_allowed_us;
	uint64_t used = cpu_us > in->cpu_busy_us ? cpu_us - in->cpu_busy_us : 0, calls = own / l->cpu_us + 1;
	bool busy = in->box->share == BOX_ORDINARY ? cpu_us > in->cpu_tick_us + HOG_US : in->quiet_ticks < QUIET_TICKS;
	return busy && used > calls * HEAVY_US;
}

/* The share of the cores that the process gets, by what it did since the last tick. */
static void set_share(er_instance *in, uint64_t cpu_us, uint64_t now_us)
{
	bool silent = !in->heard, young = now_us - in->born_us < YOUNG_US;
	in->quiet_ticks = cpu_us > in->cpu_tick_us ? 0 : in->quiet_ticks + 1;
	if (cpu_us > in->cpu_tick_us + FED_US)
		er_box_fed(in->box, now_us);
	if ((young && cpu_us > in->cpu_tick_us) || (silent && cpu_us > in->cpu_base_us + PULSE_US))
		er_pulse_ask(in->host->config.pulse, PULSE_TICK_US);
	bool hog = silent && cpu_us > in->cpu_base_us + HOG_US;
	er_box_demote(in->box, er_service_suspect(in->service, now_us) || hog || heavy(in, cpu_us));
}

/* Two bounds that the sandbox cannot talk away, by the process's own clock: the time since its last
 * frame, and the time since it became busy. */
static void check_cpu(er_instance *in, uint64_t now_us)
{
	ER_ASSERT(has_process(in));
	const er_limits *l = &in->routine->limits;
	uint64_t cpu = er_box_cpu_us(in->box);
	uint32_t turn = er_instance_ready(in) ? l->cpu_us : l->load_cpu_us;
	if (in->cpu_busy_us == 0) { /* the instance was READY before the node knew its process */
		in->cpu_base_us = in->cpu_busy_us = in->cpu_tick_us = cpu;
		in->ticked_us = now_us;
		return;
	}
	set_share(in, cpu, now_us);
	in->cpu_tick_us = cpu;
	in->ticked_us = now_us;
	if (in->heard) {
		in->heard = false;
		in->cpu_base_us = cpu;
	} else if (cpu > in->cpu_base_us + turn + turn / 2 + CPU_GRACE_US) {
		/* No honest sandbox computes so long without a frame: its own timer would have ended it. */
		in->budget = er_instance_ready(in) ? ER_BUDGET_INSTANCE : ER_BUDGET_TOP_LEVEL;
		er_instance_kill(in, ER_ERR_CPU, cpu - in->cpu_base_us, turn);
		return;
	}
	/* And whatever the sandbox says, all its calls together cannot use more than all their
	 * limits. */
	uint64_t used = cpu - in->cpu_busy_us;
	uint64_t share = CPU_SHARE + (uint64_t)SOCKET_SHARE * in->n_sockets;
	uint64_t beyond = CPU_GRACE_US + (now_us - in->busy_since_us) / 100 * share;
	in->budget = ER_BUDGET_INSTANCE;
	if (cpu > in->cpu_busy_us && used > in->cpu_allowed_us + in->cpu_allowed_us / 2 + beyond)
		er_instance_kill(in, ER_ERR_CPU, used, in->cpu_allowed_us);
}

/* The kernel's limit on a sandbox's address space is the first lock. This is the second, and the
 * only one whose kill can say how much memory was used. */
static void check_memory(er_instance *in, uint64_t now_us)
{
	ER_ASSERT(has_process(in));
	in->memory_at_us = now_us;
	uint64_t kb = er_box_anonymous_kb(in->box);
	if (in->memory_base_kb == 0)
		in->memory_base_kb = kb;
	kb = kb > in->memory_base_kb ? kb - in->memory_base_kb : 0;
	in->memory_seen_kb = kb;
	if (kb > in->memory_peak_kb)
		in->memory_peak_kb = kb;
	uint32_t limit = in->routine->limits.memory_kb;
	if (kb > (uint64_t)limit + limit / 8 + MEMORY_MARGIN_KB)
		er_instance_kill(in, ER_ERR_MEMORY, kb, limit);
}

/* False: the process is killed because a call was told that its time is up, and it went on. */
static bool check_time(er_instance *in, uint64_t now_us)
{
	uint64_t limit = in->routine->limits.response_ms * 1000ULL;
	ER_LIST_EACH(l, &in->timed)
	{
		er_call *c = ER_CONTAINER(l, er_call, timed);
		ER_ASSERT(c->instance == in);
		uint64_t silent_us = now_us > c->moved_us ? now_us - c->moved_us : 0;
		if (silent_us < limit)
			break; /* those that follow have moved later */
		if (!c->expired && c->response.full) {
			er_call_moved(c); /* its client is slow, and not the routine */
		} else if (!c->expired) {
			er_call_expire(c);
		} else if (silent_us > limit + CLOSE_MS * 1000U && in->box != NULL) {
			er_instance_kill(in, ER_ERR_TIMEOUT, silent_us, limit);
			return false;
		}
	}
	return true;
}

/* A debugger is there: CPU time is not bounded. While the code stands no time passes for it. */
static void watch_debugged(er_instance *in, uint64_t now_us)
{
	in->cpu_busy_us = in->cpu_idle_us = 0; /* begins anew when the debugger has gone */
	if (in->debug != ER_INSPECT_STANDS)
		return;
	ER_LIST_EACH(l, &in->timed)
	ER_CONTAINER(l, er_call, timed)->moved_us = now_us;
	if (in->start != NULL)
		in->start->since_us = now_us;
}

void er_supervise_tick(er_instance *in, uint64_t now_us)
{
	ER_ASSERT(in->n_calls > 0 || in->start != NULL);
	if (in->debug != ER_INSPECT_RUNS)
		watch_debugged(in, now_us);
	if (!check_time(in, now_us))
		return;
	if (in->start != NULL && now_us - in->start->since_us > TRY_MS * 1000ULL) {
		er_start_failed(in, ER_ERR_TIMEOUT, 0, 0);
		ER_ASSERT(in->start == NULL);
		if (in->n_calls == 0) {
			er_instance_close(in);
			return;
		}
	}
	if (!has_process(in))
		return;
	if (in->debug == ER_INSPECT_RUNS)
		check_cpu(in, now_us); /* which may have killed the process */
	if (has_process(in) && now_us - in->memory_at_us >= MEMORY_EVERY_US)
		check_memory(in, now_us);
}

/* Nothing of a request is under way: the process may use little CPU. */
static void check_idle_cpu(er_instance *in, uint64_t now_us)
{
	uint64_t cpu = er_box_cpu_us(in->box);
	uint64_t allowed = CPU_GRACE_US + (now_us - in->idle_since_us) / 100 * CPU_IDLE_SHARE;
	if (in->cpu_idle_us == 0) {
		in->cpu_idle_us = cpu;
		in->idle_since_us = now_us;
	} else if (cpu > in->cpu_idle_us + allowed) {
		in->budget = ER_BUDGET_INSTANCE;
		er_instance_kill(in, ER_ERR_CPU, cpu - in->cpu_idle_us, allowed);
	}
}

void er_supervise_sweep(er_instance *in, uint64_t now_us)
{
	ER_ASSERT(in->state.now != INSTANCE_DEAD);
	if (in->box == NULL && in->closing_us != 0) {
		er_death_instance(in, 0);
		return;
	}
	if (in->n_calls > 0 || in->box == NULL || in->box->state != BOX_USED)
		return;
	if (has_process(in))
		check_memory(in, now_us);
	if (in->closing_us != 0) {
		if (now_us - in->closing_us > CLOSE_MS * 1000U)
			er_instance_kill(in, ER_ERR_CANCELLED, 0, 0);
		return;
	}
	if (in->debug != ER_INSPECT_RUNS)
		return;
	if (now_us - in->last_used_us > in->routine->limits.idle_s * 1000000ULL)
		er_instance_close(in);
	else
		check_idle_cpu(in, now_us);
}
