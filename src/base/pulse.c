/* The pulse: one thread for each core, bound to it, that sleeps a quarter of a millisecond at a
 * time while the end (`until_us`) lies ahead, and rests on a condition when it has passed. Its only
 * work is to wake up there, which makes the kernel choose anew (the header says why).
 *
 * Life: er_pulse_new starts the threads, with all signals blocked; er_pulse_ask moves the end
 * forward, from any thread, and wakes those that rest; er_pulse_free says `over`, wakes and joins
 * them. The lock guards nothing but going to rest: `until_us`, `resting` and `over` are atomic. The
 * beats lie behind the pulse in one piece of memory, as many as there are cores. */
#include "base/pulse.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/sched.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>

enum { STACK = 64 * 1024 };
static_assert(ER_PULSE_US * 1000L < 1000000000L, "a beat is given to the kernel as nanoseconds below a second");

typedef struct beat {
	er_pulse *pulse;
	pthread_t thread;
	int cpu;
} beat;

/* One for the node, with a thread for each core. `until_us` is how long the beats go on, and is
 * moved by any thread. */
struct er_pulse {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	_Atomic uint64_t until_us;
	atomic_uint resting; /* threads that wait for `wanted` */
	atomic_bool over;
	unsigned n;
	beat beats[];
};

static void rest(er_pulse *p)
{
	/* First counted, then looked: er_pulse_ask moves the end first and then looks at the count, so
	 * a thread that goes to rest has seen the new end, or is seen and woken. */
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->resting, 1);
	while (!atomic_load(&p->over) && atomic_load(&p->until_us) <= er_clock_mono_us())
		pthread_cond_wait(&p->wanted, &p->lock);
	atomic_fetch_sub(&p->resting, 1);
	pthread_mutex_unlock(&p->lock);
}

/* A thread on one core, which wakes often while somebody wants that, and rests otherwise. */
static void *run(void *arg)
{
	const beat *b = arg;
	er_pulse *p = b->pulse;
	ER_ASSERT(p != NULL && b->cpu >= 0 && b->cpu < CPU_SETSIZE);
	char name[16];
	snprintf(name, sizeof name, "er-pulse-%d", b->cpu % 1000);
	pthread_setname_np(pthread_self(), name);
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)b->cpu, &one);
	/* A core that has gone since: it beats somewhere else, or not at all. */
	(void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	er_sched_slice(ER_SLICE_US);
	while (!atomic_load(&p->over)) {
		if (atomic_load(&p->until_us) <= er_clock_mono_us()) {
			rest(p);
			continue;
		}
		struct timespec wait = {.tv_nsec = ER_PULSE_US * 1000L};
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
	}
	return NULL;
}

static bool start(er_pulse *p, int cpu, const pthread_attr_t *attr)
{
	beat *b = &p->beats[p->n];
	*b = (beat){.pulse = p, .cpu = cpu};
	int e = pthread_create(&b->thread, attr, run, b);
	p->n += e == 0;
	errno = e;
	return e == 0;
}

er_pulse *er_pulse_new(er_err *err)
{
	cpu_set_t mine;
	CPU_ZERO(&mine);
	if (sched_getaffinity(0, sizeof mine, &mine) != 0)
		CPU_SET(0, &mine);
	er_pulse *p = er_zalloc(sizeof *p + (size_t)CPU_COUNT(&mine) * sizeof *p->beats);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wanted, NULL);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	/* Signals are the main thread's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool ok = true;
	for (int cpu = 0; ok && cpu < CPU_SETSIZE; cpu++)
		ok = !CPU_ISSET((size_t)cpu, &mine) || start(p, cpu, &attr);
	int why = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	ER_ASSERT(!ok || p->n == (unsigned)CPU_COUNT(&mine));
	if (ok)
		return p;
	er_pulse_free(p);
	errno = why;
	er_fail_errno(err, ER_ERR_SYSTEM, "cannot start the threads that keep the cores' turns short");
	return NULL;
}

void er_pulse_free(er_pulse *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->over, true);
	pthread_cond_broadcast(&p->wanted);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n; i++)
		pthread_join(p->beats[i].thread, NULL);
	ER_ASSERT(atomic_load(&p->resting) == 0);
	pthread_cond_destroy(&p->wanted);
	pthread_mutex_destroy(&p->lock);
	er_free(p);
}

void er_pulse_ask(er_pulse *p, uint64_t us)
{
	if (p == NULL)
		return;
	uint64_t until = er_clock_mono_us() + us, now = atomic_load(&p->until_us);
	while (now < until && !atomic_compare_exchange_weak(&p->until_us, &now, until))
		;
	/* The usual case: it beats already, and asking costs no lock. */
	if (atomic_load(&p->resting) == 0)
		return;
	pthread_mutex_lock(&p->lock);
	pthread_cond_broadcast(&p->wanted);
	pthread_mutex_unlock(&p->lock);
}
