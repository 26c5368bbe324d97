/* Tests only: what somebody who broke out of the engine would try, done natively, one thing a name.
 * The filter should end the process at most of them; the others are refused, and the test sees the
 * process go on having got nothing. Runs only where the node was started with attack hooks. */
#include "sandbox/lockdown.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What an attacker who runs native code in the sandbox would try, one thing each. x-macro:
 * JavaScript's name, what it does. */
#define ATTACKS(X) \
	X("socket", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)) \
	X("socket-unix", syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0)) \
	X("socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, words)) \
	X("connect", syscall(SYS_connect, 4, bytes, 16)) \
	X("open", syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY)) \
	X("open-null", syscall(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY)) \
	X("openat2", syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", bytes, 24)) \
	X("execve", syscall(SYS_execve, "/bin/true", NULL, NULL)) \
	X("execveat", syscall(SYS_execveat, 3, "", NULL, NULL, AT_EMPTY_PATH)) \
	X("ptrace", syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)) \
	X("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL)) \
	X("umount", syscall(SYS_umount2, "/", MNT_DETACH)) \
	X("fsopen", syscall(SYS_fsopen, "tmpfs", 0)) \
	X("clone", syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) \
	X("clone-userns", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL)) \
	X("unshare", syscall(SYS_unshare, CLONE_NEWUSER)) \
	X("setns", syscall(SYS_setns, 3, 0)) \
	X("io_uring_setup", syscall(SYS_io_uring_setup, 8, bytes)) \
	X("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, bytes, sizeof bytes)) \
	X("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC)) \
	X("perf_event_open", syscall(SYS_perf_event_open, bytes, 0, -1, -1, 0)) \
	X("keyctl", syscall(SYS_keyctl, 0, -3, 0)) \
	X("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3)) \
	X("memfd_create", syscall(SYS_memfd_create, "x", 0)) \
	X("process_vm_readv", syscall(SYS_process_vm_readv, 1, bytes, 1, bytes, 1, 0)) \
	X("pidfd_open", syscall(SYS_pidfd_open, 1, 0)) \
	X("pidfd_getfd", syscall(SYS_pidfd_getfd, 3, 0, 0)) \
	X("mmap-file", syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0)) \
	X("mmap-file-shared", syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0)) \
	X("mmap-shared", syscall(SYS_mmap, NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) \
	X("mmap-growsdown", \
	  syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0)) \
	X("mmap-exec", syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) \
	X("mprotect-exec", syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC)) \
	X("pkey_mprotect", syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1)) \
	X("memory-limit", setrlimit(RLIMIT_DATA, &unlimited) == 0 ? (_exit(9), 0) : 0) \
	X("file-limit", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &unlimited, NULL)) \
	X("parent-limit", syscall(SYS_prlimit64, 1 + getpid(), RLIMIT_DATA, &unlimited, NULL)) \
	X("kill", syscall(SYS_kill, -1, SIGKILL)) \
	X("tgkill-other", syscall(SYS_tgkill, getpid() + 1, getpid() + 1, SIGKILL)) \
	X("setuid", syscall(SYS_setuid, 0)) \
	X("capset", syscall(SYS_capset, bytes, bytes)) \
	X("prctl-dumpable", syscall(SYS_prctl, 4, 1, 0, 0, 0)) \
	X("seccomp", syscall(SYS_seccomp, 0, 0, NULL)) \
	X("ioctl", syscall(SYS_ioctl, 0, 0x5413, bytes)) \
	X("fcntl", syscall(SYS_fcntl, 3, F_DUPFD, 0)) \
	X("dup", syscall(SYS_dup, 3)) \
	X("sched_setaffinity", syscall(SYS_sched_setaffinity, 0, sizeof bytes, bytes)) \
	X("reboot", syscall(SYS_reboot, 0, 0, 0, NULL)) \
	X("sendmsg", syscall(SYS_sendmsg, 4, bytes, 0)) \
	X("ipc", syscall(SYS_shmget, 1, 4096, 0600 | 01000)) \
	X("futex-pi", syscall(SYS_futex, words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)) \
	X("mremap-dontunmap", syscall(SYS_mremap, page, 4096, 4096, 1 | 4, 0)) \
	X("madvise-hwpoison", syscall(SYS_madvise, page, 4096, 100)) \
	X("i386", other_abi(20)) \
	X("x32", other_abi(0x40000000 + SYS_getpid)) \
	X("thread", in_thread()) \
	X("segv", *(volatile int *)nothing = 1) \
	X("illegal", (__builtin_trap(), 0)) \
	X("abort", (abort(), 0)) \
	X("stack", deeper(1)) \
	X("exit", (_exit(7), 0))

/* A call in another convention of the processor's, which a filter for ours would not see. */
static long other_abi(long call)
{
#ifdef __x86_64__
	long rc = call;
	if (call < 0x40000000)
		__asm__ volatile("int $0x80" : "+a"(rc) : "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	else
		rc = syscall(call);
	return rc;
#else
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, call & 0);
#endif
}

static void *socket_in_thread(void *arg)
{
	(void)arg;
	syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
	return NULL;
}

/* The filter must hold for threads that were made after it, too. */
static long in_thread(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, socket_in_thread, NULL) != 0)
		return -1;
	return pthread_join(t, NULL);
}

/* Uses up the stack. The sum behind the call keeps the compiler from making a loop of it. */
static long deeper(volatile long n)
{
	volatile char room[4096];
	room[0] = (char)n;
	return n == 0 ? 0 : deeper(n + 1) + room[0];
}

#define X(name, what) name,
const char *const er_lockdown_attacks[] = {ATTACKS(X) NULL};
#undef X

void er_lockdown_attack(const char *name)
{
	static _Alignas(4096) char page[4096];
	char bytes[256] = {0};
	int words[2] = {0};
	int *volatile nothing = NULL;
	struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	er_slice wanted = er_slice_cstr(name);
#define X(known, what) \
	if (er_slice_eq(wanted, ER_LIT(known))) { \
		(void)(what); \
		return; \
	}
	ATTACKS(X)
#undef X
}
