/* The filter of system calls, the last step: tables of what is allowed, of what is refused with an
 * error because the engine or the C library asks and goes on without, and of calls that depend on
 * their arguments. It is loaded for all threads at once and can never be taken off. What an
 * argument points to cannot be seen, so nothing is allowed that depends on it. */
#include "sandbox/lockdown_internal.h"

#include "base/mem.h"
#include "base/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The filter. Whatever is not in these tables kills the process: SIGSYS, of all its threads, at
 * once. Names that an architecture does not have (open, poll on aarch64) are left out there by
 * libseccomp; calls in another architecture's convention (i386, x32) kill. */

/* No argument of these can reach anything outside the process but the descriptors it holds. */
static const int allowed[] = {
    /* descriptors it has */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat),
    SCMP_SYS(eventfd2),
    /* waiting */
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(sched_yield), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
    /* memory */
    SCMP_SYS(munmap), SCMP_SYS(brk), SCMP_SYS(membarrier),
    /* time, itself, chance */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(timer_settime),
    SCMP_SYS(timer_gettime), SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getrusage),
    SCMP_SYS(sched_getaffinity),
    /* signals and threads */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/* Refused, but not a reason to die: the engine or the C library asks and copes. */
static const struct {
	int call, error;
} refused[] = {
    {SCMP_SYS(clone3),
     /* its arguments lie in memory, where a filter cannot see them; the C library falls back to
      * clone */
     ENOSYS},
    {SCMP_SYS(sched_setscheduler), EPERM},
    {SCMP_SYS(sched_setparam), EPERM},
    {SCMP_SYS(sched_setattr), EPERM},
    /* Tell about the machine and its other tenants. */
    {SCMP_SYS(sysinfo), EPERM},
    {SCMP_SYS(mincore), EPERM},
    /* ICU looks for newer data files beside its built-in ones. */
    {SCMP_SYS(stat), ENOENT},
    {SCMP_SYS(lstat), ENOENT},
    {SCMP_SYS(newfstatat), ENOENT},
    {SCMP_SYS(statx), ENOENT},
    {SCMP_SYS(access), ENOENT},
    {SCMP_SYS(faccessat), ENOENT},
    {SCMP_SYS(faccessat2), ENOENT},
    {SCMP_SYS(readlink), ENOENT},
    {SCMP_SYS(readlinkat), ENOENT},
};

/* What a sanitizer does besides, when it reports. */
static const int allowed_sanitizer[] = {SCMP_SYS(madvise), SCMP_SYS(mmap),  SCMP_SYS(mprotect),  SCMP_SYS(mremap),
                                        SCMP_SYS(openat),  SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),
                                        SCMP_SYS(dup),     SCMP_SYS(fcntl), SCMP_SYS(ioctl),     SCMP_SYS(uname)};

static const int advices[] = {MADV_NORMAL,   MADV_WILLNEED,   MADV_DONTNEED, MADV_FREE,
                              MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP};

/* Waiting and waking. The kinds with priority inheritance or requeueing have a history of holes in
 * the kernel, and nobody here needs them. */
static const int futexes[] = {FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET};
#define FUTEX_KIND (0xffffffffU & ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))

/* An argument that the kernel takes as an int: the upper half of the register means nothing. */
#define INT32(n, value) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, 0xffffffffU, (uint32_t)(value))
#define BITS(n, mask, value) SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (mask), (value))

/* What pthread_create passes, no more and no less: a thread, never a process. */
#define PTHREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | \
	 CLONE_CHILD_CLEARTID)

/* Of mmap's flags: private anonymous memory that RLIMIT_DATA counts. Shared memory and growing
 * stacks are not counted; locked and huge pages come out of pools that are not the process's. */
#define MAP_TYPE_BITS 0x0fU
#define MMAP_MASK (MAP_TYPE_BITS | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_LOCKED | MAP_HUGETLB)
#define MMAP_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)
#define PROT_BEYOND_RW (0xffffffffU & ~(uint32_t)(PROT_READ | PROT_WRITE))

static_assert(PTHREAD_FLAGS == 0x3d0f00, "the C library's flags, which the filter compares as a whole");
static_assert((MMAP_FLAGS & ~MMAP_MASK) == 0, "what is demanded of mmap is looked at");
static_assert((PROT_BEYOND_RW & (PROT_READ | PROT_WRITE)) == 0 && (PROT_BEYOND_RW & PROT_EXEC) != 0,
              "executable is what is refused");

/* Calls that are allowed or refused whatever their arguments are. */
static int add_plain(scmp_filter_ctx f)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof allowed / sizeof *allowed; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof *refused; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)refused[i].error), refused[i].call, 0);
	return rc;
}

static int add_sanitizer(scmp_filter_ctx f)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof allowed_sanitizer / sizeof *allowed_sanitizer; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed_sanitizer[i], 0);
	return rc;
}

/* Memory, and what goes with it: advice, limits, names of threads and of mappings. */
static int add_memory(scmp_filter_ctx f)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof advices / sizeof *advices; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 1, INT32(2, advices[i]));
	/* Never executable, in either profile: the engine's one pool of code exists by now (standard)
	 * or never will (hardened). */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, BITS(2, PROT_BEYOND_RW, 0), BITS(3, MMAP_MASK, MMAP_FLAGS));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, BITS(2, PROT_BEYOND_RW, 0));
	/* In place or somewhere of the kernel's choice. */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mremap), 1, BITS(3, 0xffffffffU & ~(uint32_t)MREMAP_MAYMOVE, 0));
	/* er_lockdown_memory, once; then the hard limits stand and can only be lowered. Reading is
	 * free. */
	static const int limits[] = {RLIMIT_DATA, RLIMIT_AS};
	for (size_t i = 0; rc == 0 && i < sizeof limits / sizeof *limits; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, INT32(0, 0), INT32(1, limits[i]));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, INT32(0, 0), SCMP_CMP(2, SCMP_CMP_EQ, 0));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, INT32(0, PR_SET_NAME));
	/* Allocators name their memory; a kernel without that answers the same. */
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, INT32(0, PR_SET_VMA));
	return rc;
}

/* A helper thread lowers its own priority; every other wish is refused. */
static int add_priority(scmp_filter_ctx f)
{
	static const unsigned long long only[] = {PRIO_PROCESS, 0, ER_NICE_HELPERS};
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setpriority), 3, SCMP_CMP(0, SCMP_CMP_EQ, only[0]),
	                          SCMP_CMP(1, SCMP_CMP_EQ, only[1]), SCMP_CMP(2, SCMP_CMP_EQ, only[2]));
	for (unsigned i = 0; rc == 0 && i < 3; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setpriority), 1, SCMP_CMP(i, SCMP_CMP_NE, only[i]));
	return rc;
}

/* Threads of this process: making them, waiting for them, signals to them. */
static int add_threads(scmp_filter_ctx f)
{
	int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_CMP(0, SCMP_CMP_EQ, PTHREAD_FLAGS));
	for (size_t i = 0; rc == 0 && i < sizeof futexes / sizeof *futexes; i++)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(futex), 1, BITS(1, FUTEX_KIND, (uint32_t)futexes[i]));
	if (rc == 0)
		rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, INT32(0, getpid()));
	return rc;
}

bool er_lockdown_seccomp(const er_lockdown *l, er_err *err)
{
	/* both profiles have the same filter; they differ in what exists when it comes into force */
	(void)l;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!f)
		return er_fail(err, ER_ERR_SYSTEM, "cannot make a seccomp filter");
	int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_plain(f);
	if (rc == 0)
		rc = ER_SANITIZED ? add_sanitizer(f) : add_memory(f);
	if (rc == 0)
		rc = add_threads(f);
	if (rc == 0)
		rc = add_priority(f);
	if (rc == 0)
		rc = seccomp_load(f);
	seccomp_release(f);
	if (rc == 0)
		return true;
	errno = -rc;
	return er_fail_errno(err, ER_ERR_SYSTEM, "cannot load the seccomp filter");
}
