/* How the process ends when it must. Two parts; crashes (crash.c) come to er_die as well.
 *
 * Refusals: mmap, mprotect and malloc of the whole program come through here (the dynamic linker
 * finds the executable's first), so that every "no" of the kernel is counted. The engine answers
 * most of them with a crash on purpose; one that follows a refusal in the same turn is called
 * MEMORY, others CRASH.
 *
 * er_die: writes the obituary (reason last: the node takes it as "the rest is there"), shows what
 * is safe, and exits. Everything in it is safe in a signal handler; nothing here asserts once the
 * process runs. */
#include "sandbox/death.h"

#include "base/mem.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROBE_SIZE = 8 * 1024 * 1024 };
static_assert(ER_EXIT_OBITUARY > 0 && ER_EXIT_OBITUARY < 128,
              "a status of its own: neither success nor what a shell makes of a signal");
static_assert(ER_ERR_COUNT_ <= UINT32_MAX && sizeof(er_obituary) == 5 * sizeof(uint32_t), "an obituary is five words");

static _Atomic uint64_t refused;

uint64_t er_death_refused(void)
{
	return atomic_load_explicit(&refused, memory_order_relaxed) + er_mem_refusals();
}

#if !ER_SANITIZED
/* How much it was, the node hears at once: what the engine does next may be the end. */
static void note(bool failed, size_t n)
{
	er_channel_control *c = er_sb.ch.control;
	if (!failed || errno != ENOMEM)
		return;
	atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
	if (c != NULL)
		atomic_store(&c->obituary.asked_kb, n / 1024 < UINT32_MAX ? (uint32_t)(n / 1024) : UINT32_MAX);
}

/* The engine's allocator and its WebAssembly memories call these through the dynamic linker, which
 * finds ours first. */
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	void *p = (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
	note(p == MAP_FAILED, n);
	return p;
}
void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off) __attribute__((alias("mmap")));

int mprotect(void *at, size_t n, int prot)
{
	int rc = (int)syscall(SYS_mprotect, at, n, prot);
	note(rc != 0, n);
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
	note(p == NULL, n);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);
	note(p == NULL, size > 0 && n > SIZE_MAX / size ? SIZE_MAX : n * size);
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = __libc_realloc(old, n);
	note(p == NULL && n > 0, n);
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
