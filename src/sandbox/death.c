/* How the process ends when it must. Three parts.
 *
 * Refusals: mmap, mprotect and malloc of the whole program come through here (the dynamic linker
 * finds the executable's first), so that every "no" of the kernel is counted. The engine answers
 * most of them with a crash on purpose; one that follows a refusal in the same turn is called
 * MEMORY, others CRASH.
 *
 * Crashes: the handler runs on a stack of its own and only reads what a signal handler may read.
 *
 * er_die: writes the obituary (reason last: the node takes it as "the rest is there"), shows what
 * is safe, and exits. Everything in it is safe in a signal handler; nothing here asserts once the
 * process runs. */
#include "sandbox/death.h"

#include "base/mem.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK_SIZE = 64 * 1024, PROBE_SIZE = 8 * 1024 * 1024 };
static_assert(ER_EXIT_OBITUARY > 0 && ER_EXIT_OBITUARY < 128,
              "a status of its own: neither success nor what a shell makes of a signal");
static_assert(ER_ERR_COUNT_ <= UINT32_MAX && sizeof(er_obituary) == 4 * sizeof(uint32_t), "an obituary is four words");

static _Atomic uint64_t refused;

uint64_t er_death_refused(void)
{
	return atomic_load_explicit(&refused, memory_order_relaxed) + er_mem_refusals();
}

#if !ER_SANITIZED
static void note(bool failed)
{
	if (failed && errno == ENOMEM)
		atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
}

/* The engine's allocator and its WebAssembly memories call these through the dynamic linker, which
 * finds ours first. */
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	void *p = (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
	note(p == MAP_FAILED);
	return p;
}
void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off) __attribute__((alias("mmap")));

int mprotect(void *at, size_t n, int prot)
{
	int rc = (int)syscall(SYS_mprotect, at, n, prot);
	note(rc != 0);
	return rc;
}

/* And libraries that the engine calls (ICU, the C++ runtime) get theirs of the C library, which
 * maps memory by itself. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	void *p = __libc_malloc(n);
	note(p == NULL);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);
	note(p == NULL);
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = __libc_realloc(old, n);
	note(p == NULL && n > 0);
	return p;
}
#endif

bool er_death_at_limit(void)
{
	void *p = (void *)syscall(SYS_mmap, NULL, (size_t)PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
	if (p == MAP_FAILED)
		return true;
	syscall(SYS_munmap, p, (size_t)PROBE_SIZE);
	return false;
}

_Noreturn void er_die(er_err_kind reason, uint32_t request, uint64_t cpu_us, int detail)
{
	er_channel_control *c = er_sb.ch.control;
	if (c != NULL) {
		atomic_store(&c->obituary.request, request);
		atomic_store(&c->obituary.cpu_us, cpu_us < UINT32_MAX ? (uint32_t)cpu_us : UINT32_MAX);
		atomic_store(&c->obituary.detail, (uint32_t)detail);
		atomic_store(&c->obituary.reason, (uint32_t)reason);
		er_out_flush_safe();
	}
	_exit(ER_EXIT_OBITUARY);
}

static void on_crash(int sig, siginfo_t *info, void *uc)
{
	(void)info;
	(void)uc;
	const er_turn *t = &er_sb.turn;
	bool memory = er_sb.code_url.p != NULL && (er_death_refused() > t->refused || er_death_at_limit());
	uint32_t id = t->active ? t->owner_id : 0;
	er_die(memory ? ER_ERR_MEMORY : ER_ERR_CRASH, id, er_turn_sum_us(), sig);
}

bool er_death_setup(er_err *err)
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
