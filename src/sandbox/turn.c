#include "sandbox/sandbox.h"

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

enum { BACKGROUND_SHARE = 10 }; /* work that no request owns may take this part of the time, in the long run: 1/n */

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

/* CPU of the turn so far. Both readings can only be too high: wall time by what others ran meanwhile, CPU time by the short turns since the last
 * exact reading that were charged already, and by what was done for nobody between two turns. */
static uint64_t turn_ns(const er_turn *t)
{
	uint64_t wall = clock_ns(CLOCK_MONOTONIC) - t->start_ns;
	if (wall < ER_TURN_SHORT_NS && !t->exact)
		return wall;
	return min64(wall, clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->cpu_base_ns);
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
		er_die(ER_ERR_CPU, t->owner_id, used / 1000, 0);
	errno = saved;
}

bool er_turn_setup(er_err *err)
{
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
	er_request *b = &er_sb.requests.background;
	if (b->cpu_ns) {
		uint64_t relief = (t->start_ns - t->background_ns) / BACKGROUND_SHARE;
		b->cpu_ns -= min64(relief, b->cpu_ns);
	}
	t->engine_ns -= min64((t->start_ns - t->background_ns) / 2, t->engine_ns);
	t->background_ns = t->start_ns;
}

void er_turn_skip(void)
{
	er_sb.turn.start_ns = clock_ns(CLOCK_MONOTONIC);
}

static void begin(er_request *owner, uint64_t *account, uint64_t limit_us)
{
	er_turn *t = &er_sb.turn;
	t->owner = owner;
	t->owner_id = owner->id;
	t->account = account;
	t->before_ns = *account;
	t->limit_ns = limit_us * 1000;
	t->exact = t->before_ns > t->limit_ns / 2;
	t->refused = er_death_refused();
	er_freeze_at(t->start_ns);
	er_out_safe();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->active = true;
}

void er_turn_begin(er_request *owner, uint64_t limit_us)
{
	begin(owner, &owner->cpu_ns, limit_us);
}

void er_turn_begin_engine(er_request *owner)
{
	begin(owner, &er_sb.turn.engine_ns, ER_TURN_ENGINE_US);
}

static void fill_in(er_turn *t)
{
	for (unsigned i = 0; i < t->patches_n; i++) {
		uint32_t us = er_turn_cpu_us(t->patches[i].r);
		memcpy(t->patches[i].head + offsetof(er_frame, arg), &us, sizeof us);
	}
	t->patches_n = 0;
}

void er_turn_end(void)
{
	er_turn *t = &er_sb.turn;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	uint64_t used = now - t->start_ns;
	er_request *owner = t->owner;
	bool took = used >= ER_TURN_SHORT_NS, exact = took || t->exact;
	if (exact) {
		uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->cpu_base_ns;
		used = min64(used, cpu > t->charged_ns ? cpu - t->charged_ns : 0);
	}
	*t->account += used;
	if (*t->account > t->limit_ns)
		er_die(ER_ERR_CPU, owner->id, *t->account / 1000, 0);
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
		t->forget = r->later;
		er_request_forget(r);
	}
	t->owner = NULL;
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
	uint64_t ns = r->cpu_ns;
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
	t->patches[t->patches_n].head = head;
	t->patches[t->patches_n++].r = r;
}

void er_turn_forget_later(er_request *r)
{
	er_turn *t = &er_sb.turn;
	if (!t->active) {
		er_request_forget(r);
		return;
	}
	r->later = t->forget;
	t->forget = r;
}
