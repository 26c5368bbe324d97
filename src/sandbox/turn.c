/* Turns: who pays for the CPU. turn.h says how it is charged and why; here is the order that it
 * rests on.
 *
 *    begin   the owner's sum and limit into er_turn, the clock set, what was answered before made safe to
 *            publish, and only then `active`: from here on the tick may end the process
 *    end     charge; over the limit the process ends; only then not `active`; the figures of this turn's
 *            answers are written into their frames, which nobody has seen yet; a METER after a long turn;
 *            requests that are over are forgotten; the ring is shown to the node after a long turn
 *
 * The tick is a signal handler on this very thread, so everything that it reads is volatile or
 * written before `active`, with a fence for the compiler; it calls only what is safe there, asserts
 * nothing, and either returns or ends the process (death.h). One thread; the state is
 * er_sb.turn. */
#include "sandbox/sandbox.h"

#include "base/mem.h"

#include "sandbox/api/api.h"
#include "sandbox/death.h"
#include "sandbox/freeze.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum {
	/* the background and the engine each may take this part of the time, in the long run: 1/n */
	SHARE = 10,
	/* the background begins nothing more once it has used this part of a request's limit: 1/n */
	AT_ONCE = 4
};

static_assert(ER_TURN_SHORT_NS <= ER_TURN_SYNC_NS && ER_TURN_SHORT_NS <= ER_TURN_LONG_NS, "a turn of wall time is a short one");
static_assert(ER_TURN_TICK_NS < 1000000000, "the tick is given to the kernel as nanoseconds below a second");
static_assert(ER_BUDGET_COUNT_ == 5, "budget_of and the node (INSTANCE) name them all");

/* on the CPU clock of all threads; armed while this one waits for the compilers */
static timer_t process_tick;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* CPU of all threads but this one. */
static uint64_t helpers_ns(void)
{
	uint64_t own = clock_ns(CLOCK_THREAD_CPUTIME_ID), all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	return all > own ? all - own : 0;
}

/* Of that, what this turn has waited for. */
static uint64_t helped_ns(const er_turn *t)
{
	uint64_t now = t->compiling ? helpers_ns() : 0;
	return t->helped_ns + (now > t->helpers_ns ? now - t->helpers_ns : 0);
}

/* CPU of the turn so far. Both readings can only be too high: wall time by what others ran
 * meanwhile, CPU time by the short turns since the last exact reading that were charged already,
 * and by what was done for nobody between two turns. */
static uint64_t own_ns(const er_turn *t)
{
	uint64_t wall = clock_ns(CLOCK_MONOTONIC) - t->start_ns;
	if (wall < ER_TURN_SHORT_NS && !t->exact)
		return wall;
	return min64(wall, clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->cpu_base_ns);
}

static uint64_t turn_ns(const er_turn *t)
{
	return own_ns(t) + helped_ns(t);
}

static er_budget budget_of(const er_turn *t)
{
	if (t->account == &t->engine_ns)
		return ER_BUDGET_ENGINE;
	if (t->owner_id != 0)
		return ER_BUDGET_REQUEST;
	return er_sb.loaded ? ER_BUDGET_BACKGROUND : ER_BUDGET_TOP_LEVEL;
}

static _Noreturn void out_of_cpu(const er_turn *t, uint64_t used_ns)
{
	er_budget budget = budget_of(t);
	/* Not asserted: this also runs in the signal handler. */
	er_die(ER_ERR_CPU, budget == ER_BUDGET_ENGINE ? 0 : t->owner_id, used_ns / 1000, (int)budget);
}

static void on_tick(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)info;
	(void)uc;
	const er_turn *t = &er_sb.turn;
	if (!t->active)
		return;
	int saved = errno;
	er_out_flush_safe(); /* the answers of the turns before this long one should not wait for it */
	uint64_t used = t->before_ns + turn_ns(t);
	if (used > t->limit_ns)
		out_of_cpu(t, used);
	errno = saved;
}

/* What the node did on our core is nobody's. */
static void on_woke(void)
{
	if (!er_sb.turn.active)
		er_sb.turn.start_ns = clock_ns(CLOCK_MONOTONIC);
}

bool er_turn_setup(er_err *err)
{
	er_sb.out.woke = on_woke;
	int sig = SIGRTMIN + 6;
	struct sigaction sa = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	sigfillset(&sa.sa_mask);
	if (sigaction(sig, &sa, NULL) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot catch the CPU timer's signal");
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig};
	ev.sigev_notify_thread_id = gettid();
	timer_t timer;
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &timer) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot create the CPU timer");
	struct itimerspec every = {.it_interval.tv_nsec = ER_TURN_TICK_NS, .it_value.tv_nsec = ER_TURN_TICK_NS};
	if (timer_settime(timer, 0, &every, NULL) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot arm the CPU timer");
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &process_tick) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot create the process's CPU timer");
	return true;
}

/* t->start_ns is now, or a little before: then it is only sooner too old. */
static void sync_cpu(er_turn *t)
{
	t->cpu_base_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	t->charged_ns = 0;
	t->synced_ns = t->start_ns;
}

void er_turn_refresh(void)
{
	er_turn *t = &er_sb.turn;
	t->start_ns = clock_ns(CLOCK_MONOTONIC);
	if (t->start_ns - t->synced_ns > ER_TURN_STALE_NS)
		sync_cpu(t);
	er_freeze_refresh(t->start_ns);
	uint64_t relief = (t->start_ns - t->relieved_ns) / SHARE;
	er_request *b = &er_sb.requests.background;
	b->cpu_ns -= min64(relief, b->cpu_ns);
	t->engine_ns -= min64(relief, t->engine_ns);
	t->relieved_ns = t->start_ns;
}

/* What all kinds of turns have in common. `account` is charged with its CPU time. */
static void begin(er_request *owner, uint64_t *account, uint64_t limit_us)
{
	er_turn *t = &er_sb.turn;
	ER_ASSERT(!t->active && t->patches_n == 0 && t->forget == NULL);
	ER_ASSERT(owner != NULL && account != NULL);
	t->owner = owner;
	t->owner_id = owner->id;
	t->account = account;
	t->before_ns = *account;
	owner->debugged |= er_sb.inspect.attached;
	t->limit_ns = owner->debugged ? UINT64_MAX / 2 : limit_us * 1000;
	t->exact = t->before_ns > t->limit_ns / 2;
	t->refused = er_death_refused();
	t->helped_ns = 0;
	t->compiling = 0;
	er_freeze_at(t->start_ns);
	er_out_safe();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->active = true;
}

/* What is taken off an account was used all the same. */
static void relieve(er_request *r, uint64_t ns)
{
	ns = min64(ns, r->cpu_ns);
	r->cpu_ns -= ns;
	r->cpu_past_ns += ns;
	r->relieved_ns = er_sb.turn.start_ns;
}

void er_turn_begin(er_request *owner, uint64_t limit_us)
{
	if (owner->sockets_n > 0)
		relieve(owner, owner->relieved_ns == 0 ? 0 : (er_sb.turn.start_ns - owner->relieved_ns) / SHARE);
	begin(owner, &owner->cpu_ns, limit_us);
}

void er_turn_begin_message(er_request *owner, uint64_t limit_us)
{
	relieve(owner, owner->cpu_ns);
	begin(owner, &owner->cpu_ns, limit_us);
}

void er_turn_begin_engine(void)
{
	begin(&er_sb.requests.background, &er_sb.turn.engine_ns, ER_ENGINE_CPU_US);
}

void er_turn_begin_idle(void)
{
	begin(&er_sb.requests.background, &er_sb.turn.engine_ns, UINT32_MAX);
}

bool er_turn_idle_allowed(void)
{
	return er_sb.turn.engine_ns < ER_ENGINE_CPU_US * 1000ULL / 4;
}

static void arm_process_tick(long ns)
{
	ER_ASSERT(ns >= 0 && ns < 1000000000L);
	struct itimerspec every = {.it_interval.tv_nsec = ns, .it_value.tv_nsec = ns};
	(void)timer_settime(process_tick, 0, &every, NULL);
}

void er_turn_compile_begin(void)
{
	er_turn *t = &er_sb.turn;
	if (t->compiling == 0) {
		t->helpers_ns = helpers_ns();
		arm_process_tick(ER_TURN_TICK_NS);
	}
	t->compiling++;
}

void er_turn_compile_end(void)
{
	er_turn *t = &er_sb.turn;
	if (t->compiling == 0 || --t->compiling > 0)
		return;
	arm_process_tick(0);
	uint64_t now = helpers_ns();
	t->helped_ns += now > t->helpers_ns ? now - t->helpers_ns : 0;
}

static uint64_t background_at_once_ns(void)
{
	return er_sb.limits.cpu_us * 1000ULL / AT_ONCE;
}

uint64_t er_turn_background_rest_ns(void)
{
	uint64_t used = er_sb.requests.background.cpu_ns, most = background_at_once_ns();
	return used > most ? (used - most) * SHARE : 0;
}

bool er_turn_background_may_go_on(void)
{
	const er_turn *t = &er_sb.turn;
	uint64_t most = background_at_once_ns();
	if (t->owner_id != 0 || t->before_ns >= most)
		return t->owner_id != 0;
	/* CPU time is at most wall time, and that costs no system call. */
	return clock_ns(CLOCK_MONOTONIC) - t->start_ns < most - t->before_ns || turn_ns(t) < most - t->before_ns;
}

er_turn_gift er_turn_gift_begin(void)
{
	er_turn *t = &er_sb.turn;
	ER_ASSERT(t->active && t->account != NULL);
	t->limit_ns += ER_TURN_GIFT_NS;
	return (er_turn_gift){.wall_ns = clock_ns(CLOCK_MONOTONIC), .cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)};
}

/* The turn's beginning moves by what was given, on both clocks. */
void er_turn_gift_end(er_turn_gift began)
{
	er_turn *t = &er_sb.turn;
	uint64_t wall = clock_ns(CLOCK_MONOTONIC) - began.wall_ns, cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began.cpu_ns;
	uint64_t given = min64(min64(cpu, wall), ER_TURN_GIFT_NS);
	t->start_ns += min64(wall, given + (wall - min64(wall, cpu)));
	t->cpu_base_ns += given;
	ER_ASSERT(given <= ER_TURN_GIFT_NS && t->limit_ns >= ER_TURN_GIFT_NS);
	t->limit_ns -= ER_TURN_GIFT_NS;
}

static void fill_in(er_turn *t)
{
	ER_ASSERT(t->patches_n <= ER_TURN_PATCHES);
	for (unsigned i = 0; i < t->patches_n; i++) {
		uint32_t us = er_turn_cpu_us(t->patches[i].r);
		memcpy(t->patches[i].head + offsetof(er_frame, arg), &us, sizeof us);
	}
	t->patches_n = 0;
}

void er_turn_end(void)
{
	er_turn *t = &er_sb.turn;
	ER_ASSERT(t->active && t->owner != NULL && t->account != NULL);
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t used = now - t->start_ns;
	er_request *owner = t->owner;
	bool took = used >= ER_TURN_SHORT_NS, exact = took || t->exact;
	if (exact) {
		uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->cpu_base_ns;
		used = min64(used, cpu > t->charged_ns ? cpu - t->charged_ns : 0);
	}
	/* What belongs to no request is the debugger's, while one is there. */
	if (!er_sb.inspect.attached || owner->id != 0)
		*t->account += used + t->helped_ns;
	if (*t->account > t->limit_ns)
		out_of_cpu(t, *t->account);
	t->active = false;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->charged_ns += used;
	t->start_ns = now;
	fill_in(t);
	if (used >= ER_TURN_LONG_NS && owner->id != 0 && !owner->done_told) {
		er_frame f = {.type = ER_FRAME_METER, .id = owner->id, .arg = er_turn_cpu_us(owner)};
		er_out_frame(&f, (er_slice){0});
	}
	while (t->forget != NULL) {
		er_request *r = t->forget;
		ER_ASSERT(r->over);
		t->forget = r->later;
		t->forgets(r);
	}
	t->owner = NULL;
	if (er_sb.inspect.on) {
		er_inspect_tell();
		er_sb.requests.background.debugged = er_sb.inspect.attached;
	}
	if (took)
		er_out_flush();
	if (exact || t->charged_ns > ER_TURN_SYNC_NS)
		sync_cpu(t);
}

er_request *er_turn_owner(void)
{
	er_request *owner = er_sb.turn.owner;
	return owner != NULL ? owner : &er_sb.requests.background;
}

uint64_t er_turn_now_ns(void)
{
	return er_sb.turn.start_ns;
}

uint32_t er_turn_cpu_us(const er_request *r)
{
	uint64_t ns = r->cpu_past_ns + r->cpu_ns;
	if (er_sb.turn.active && er_sb.turn.account == &r->cpu_ns)
		ns += turn_ns(&er_sb.turn);
	uint64_t us = (ns + 999) / 1000;
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

uint64_t er_turn_sum_us(void)
{
	const er_turn *t = &er_sb.turn;
	return t->active ? (t->before_ns + turn_ns(t)) / 1000 : 0;
}

void er_turn_patch(uint8_t *head, er_request *r)
{
	er_turn *t = &er_sb.turn;
	if (head == NULL || t->patches_n == ER_TURN_PATCHES || !t->active)
		return;
	ER_ASSERT(t->patches_n < ER_TURN_PATCHES && r != NULL);
	t->patches[t->patches_n].head = head;
	t->patches[t->patches_n++].r = r;
}

void er_turn_forget_later(er_request *r)
{
	er_turn *t = &er_sb.turn;
	ER_ASSERT(r->over && r->id != 0 && t->forgets != NULL);
	if (!t->active) {
		t->forgets(r);
		return;
	}
	r->later = t->forget;
	t->forget = r;
}
