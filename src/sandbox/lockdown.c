/* The lock-down's steps in their order (lockdown.h has the picture); each file lockdown_*.c is one
 * of them. A step that fails fills *err and the program ends: there is no lesser lock-down than the
 * one asked for. Main thread only, before the loop; er_lockdown_memory is the one call after that,
 * at LOAD. */
#include "sandbox/lockdown.h"
#include "sandbox/lockdown_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* While the engine starts. It asks for 4 GB of address space for its structures, writable from the
 * start and so beyond any later RLIMIT_DATA; refused that, it halves and tries again, down to 128
 * MB, which is as much as a routine may have. Higher than 4 GB + 128 MB + what is there already, or
 * the engine gives up. */
#define START_DATA 4800000000ULL

static_assert(START_DATA > (4ULL << 30) + (128ULL << 20), "the engine's first wish, and what it falls back to beside it");

/* Above the limit of memory: address space that is reserved and costs page tables at most. */
#define SPARE_ADDRESSES (1ULL << 30)

bool er_lockdown_sanitized(void)
{
	return ER_SANITIZED;
}

static bool drop_capabilities(er_err *err)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}}, now[2];
	/* The bounding set is empty already when the spawner had any privilege (only then can it be
	 * emptied). */
	if (syscall(SYS_capget, &head, now) == 0 && (now[0].effective & (1U << CAP_SETPCAP)))
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot drop its capabilities");
	return true;
}

static bool set_limit(int what, uint64_t n, er_err *err)
{
	struct rlimit now;
	if (getrlimit((__rlimit_resource_t)what, &now) == 0 && now.rlim_max < n)
		n = now.rlim_max;
	struct rlimit lim = {.rlim_cur = n, .rlim_max = n};
	if (setrlimit((__rlimit_resource_t)what, &lim) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set the resource limit %d", what);
	return true;
}

static bool set_limits(const er_lockdown *l, er_err *err)
{
	static const struct {
		int what;
		uint64_t n;
		bool own_user; /* counted for a user: only where no one else is that user */
	} limits[] = {
	    {RLIMIT_CORE, 0, false},
	    {RLIMIT_FSIZE, 0, false},
	    {RLIMIT_MEMLOCK, 0, false},
	    {RLIMIT_MSGQUEUE, 0, false},
	    {RLIMIT_NICE, 0, false},
	    {RLIMIT_RTPRIO, 0, false},
	    {RLIMIT_STACK, 8ULL << 20, false},
	    {RLIMIT_NOFILE, 32, false},
	    /* A backstop behind the engine's timer and the node's: an instance that is busy for a day
	     * is replaced. */
	    {RLIMIT_CPU, 24 * 3600, false},
	    {RLIMIT_NPROC, 16, true},
	    {RLIMIT_SIGPENDING, 64, true},
	};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		if (limits[i].own_user && l->spawned != ER_LEVEL_FULL)
			continue;
		/* A sanitizer writes its reports into what may be a file. */
		if (ER_SANITIZED && limits[i].what == RLIMIT_FSIZE)
			continue;
		if (!set_limit(limits[i].what, limits[i].n, err))
			return false;
	}
	struct rlimit data = {.rlim_cur = START_DATA, .rlim_max = RLIM_INFINITY};
	if (!ER_SANITIZED && setrlimit(RLIMIT_DATA, &data) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set the memory limit for the engine's start");
	return true;
}

static bool open_statm(er_err *err)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot open /proc/self/statm");
	if (fd != ER_LOCKDOWN_STATM_FD) {
		if (dup3(fd, ER_LOCKDOWN_STATM_FD, O_CLOEXEC) < 0)
			return er_fail_errno(err, ER_ERR_SYSTEM, "cannot place the descriptor of /proc/self/statm");
		close(fd);
	}
	return true;
}

/* The hardened profile pays for less to be learned by speculation. Best effort: a processor that
 * needs none, or whose mitigation is always on, refuses. */
static void restrain_speculation(void)
{
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE, 0, 0);
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE, 0, 0);
}

bool er_lockdown_begin(const er_lockdown *l, er_err *err)
{
	ER_ASSERT(l->spawned > ER_LEVEL_NONE && l->spawned <= ER_LEVEL_FULL);
	prctl(PR_SET_NAME, "er-sandbox", 0, 0, 0);
	/* Of the spawner's mount of /proc: in the empty root there is only this file and its sister. */
	if (!open_statm(err))
		return false;
	if (l->spawned == ER_LEVEL_FULL && !er_lockdown_root(err))
		return false;
	if (!drop_capabilities(err))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot become non-dumpable");
	if (l->hardened)
		restrain_speculation();
	int landlock;
	if (!er_lockdown_landlock(true, &landlock, err))
		return false;
	if (l->spawned == ER_LEVEL_NO_USERNS && landlock < 1)
		return er_fail(err, ER_ERR_SYSTEM, "the level no-userns needs Landlock, which this kernel does not have");
	return set_limits(l, err);
}

/* The hardened profile's promise, checked: nothing is writable and executable at once. Afterwards
 * seccomp keeps it so. */
static bool check_mappings(er_err *err)
{
	static const char mark[] = " rwx";
	char text[4096];
	unsigned matched = 0; /* characters of the mark; it may lie across two reads */
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot read /proc/self/maps");
	ssize_t n;
	while (matched < sizeof mark - 1 && (n = read(fd, text, sizeof text)) > 0)
		for (ssize_t i = 0; i < n && matched < sizeof mark - 1; i++)
			matched = text[i] == mark[matched] ? matched + 1 : text[i] == mark[0];
	close(fd);
	ER_ASSERT(matched <= sizeof mark - 1);
	return matched < sizeof mark - 1 ||
	       er_fail(err, ER_ERR_SYSTEM, "the engine mapped memory that is writable and executable, though its JIT is off");
}

/* Until now standard error was a pipe to the spawner. *keep: that pipe, to be closed when nothing
 * can fail any more. */
static bool leave_stderr(int *keep, er_err *err)
{
	*keep = -1;
	if (ER_SANITIZED)
		return true;
	*keep = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	struct stat st;
	if (*keep < 0 || fstat(*keep, &st) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot look at standard error");
	/* A NUL as the last byte: the lock-down is complete, what was said before is of no interest.
	 * Run by hand it may be a file, where RLIMIT_FSIZE makes any write deadly. */
	if (S_ISFIFO(st.st_mode) && write(*keep, "", 1) < 0 && errno != EAGAIN && errno != EPIPE)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot report to the spawner");
	if (dup2(STDIN_FILENO, STDERR_FILENO) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot close standard error");
	return true;
}

bool er_lockdown_finish(const er_lockdown *l, er_err *err)
{
	int landlock, keep;
	if (l->hardened && !ER_SANITIZED && !check_mappings(err))
		return false;
	if (!er_lockdown_landlock(false, &landlock, err) || !leave_stderr(&keep, err))
		return false;
	bool ok = er_lockdown_seccomp(l, err);
	if (!ok && keep >= 0)
		dup2(keep, STDERR_FILENO);
	if (keep >= 0)
		close(keep);
	return ok;
}

/* The n-th number of a line of numbers, from 0. */
static bool number_at(er_slice line, unsigned n, uint64_t *out)
{
	er_slice word;
	for (unsigned i = 0; er_slice_split(&line, ' ', &word); i++)
		if (i == n)
			return er_slice_u64(word, out);
	return false;
}

bool er_lockdown_memory(uint32_t kb, er_err *err)
{
	/* proc(5): size resident shared text lib data dt, in pages. */
	enum { STATM_SIZE = 0, STATM_DATA = 5 };
	char text[256];
	uint64_t size, data;
	if (ER_SANITIZED)
		return true;
	ssize_t n = pread(ER_LOCKDOWN_STATM_FD, text, sizeof text, 0);
	if (n <= 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot read /proc/self/statm");
	er_slice line = er_slice_of(text, (size_t)n);
	if (!number_at(line, STATM_SIZE, &size) || !number_at(line, STATM_DATA, &data))
		return er_fail(err, ER_ERR_SYSTEM, "cannot understand /proc/self/statm");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), more = (uint64_t)kb * 1024;
	ER_ASSERT(page >= 4096 && data <= size);
	struct rlimit lim = {.rlim_cur = data * page + more, .rlim_max = data * page + more};
	if (setrlimit(RLIMIT_DATA, &lim) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set the memory limit");
	lim.rlim_cur = lim.rlim_max = size * page + more + SPARE_ADDRESSES;
	if (setrlimit(RLIMIT_AS, &lim) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot set the limit of addresses");
	return true;
}
