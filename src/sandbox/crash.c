/* The last word of a process that crashes. The handler runs on a stack of its own, reads only what
 * a signal handler may read, and asserts nothing. The engine answers most refusals of memory with a
 * crash on purpose: one that follows a refusal in the same turn is called MEMORY, others CRASH, and
 * the request whose turn it was is named. It chains to nothing: the engine, which starts later,
 * chains to it. */
#include "sandbox/crash.h"

#include "base/mem.h"
#include "sandbox/death.h"
#include "sandbox/sandbox.h"

#include <signal.h>
#include <sys/mman.h>

enum { STACK_SIZE = 64 * 1024 };

static void on_crash(int sig, siginfo_t *info, void *uc)
{
	(void)info;
	(void)uc;
	const er_turn *t = &er_sb.turn;
	bool memory = er_sb.code_url.p != NULL && (er_death_refused() > t->refused || er_death_at_limit());
	uint32_t id = t->active ? t->owner_id : 0;
	er_die(memory ? ER_ERR_MEMORY : ER_ERR_CRASH, id, er_turn_sum_us(), sig);
}

bool er_crash_setup(er_err *err)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGTRAP, SIGFPE};
	ER_ASSERT(er_sb.ch.control != NULL); /* where an obituary is written */
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot map a stack for signals");
	stack_t ss = {.ss_sp = stack, .ss_size = STACK_SIZE};
	if (sigaltstack(&ss, NULL) != 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set a stack for signals");
	struct sigaction sa = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], &sa, NULL) != 0)
			return er_fail_errno(err, ER_ERR_SYSTEM, "cannot catch signal %d", signals[i]);
	return true;
}
