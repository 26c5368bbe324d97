/* How one sandbox is started: clone3 into its namespaces; in the child ids, capabilities and
 * descriptors; exec. The child writes a sentence into the report pipe if it does not come to exec,
 * so the spawner knows at once. er_spawn_probe finds out, by trying, what this machine allows;
 * every later start follows that plan.
 *
 * Between clone3 and exec the child makes raw system calls only: the C library takes it for
 * its parent. */
#include "isolate/spawner_internal.h"

#include "base/mem.h"
#include "base/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <linux/securebits.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where things lie in the sandbox (sandbox/lockdown.h names them too). */
enum { FD_BOOT = 2, FD_FIRST = 3, FD_EXE = FD_FIRST + ER_SPAWN_FDS, FD_REPORT, FD_INSPECT, FD_COUNT, FD_PARK = 16 };
_Static_assert(FD_FIRST == FD_BOOT + 1 && FD_EXE == FD_FIRST + ER_SPAWN_FDS, "the sandbox counts on this order");
_Static_assert(FD_COUNT <= FD_PARK, "what is parked is in nobody's place");
_Static_assert(ER_SPAWN_FDS == 3, "arrange_fds places three");
_Static_assert((uint64_t)ER_SPAWN_UID_BASE + (uint64_t)ER_SPAWN_UIDS * ER_SPAWN_STRETCHES - 1 <= 2147352575,
               "the range is systemd's");

/* Each sandbox has its own of these: what it could see or name through them is its own only. */
#define OWN_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID)
/* There is nothing in these, and no call that reaches them is allowed. One set for all sandboxes
 * does: a network namespace alone takes the kernel half a millisecond to make, and more to take
 * down, in which nothing else runs on that core. */
#define EMPTY_NAMESPACES (CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* The engine's options; see docs/threat-model.md. An empty environment otherwise.
 *   GIGACAGE_ENABLED=0        ArrayBuffers and WebAssembly memory come from ordinary mappings,
 *                             which RLIMIT_DATA counts
 *   no concurrency            one thread does the work, so the process's CPU clock is the routine's
 *   forceRAMSize              the collector works as on a machine of this size
 *   jitMemoryReservationSize  writable memory that exists from the start escapes RLIMIT_DATA:
 *                             keep it small */
#define ENGINE_COMMON \
	"GIGACAGE_ENABLED=0", "JSC_useConcurrentGC=0", "JSC_numberOfGCMarkers=1", "JSC_useConcurrentJIT=1", \
	    "JSC_numberOfDFGCompilerThreads=1", "JSC_numberOfFTLCompilerThreads=1", "JSC_forceRAMSize=134217728", \
	    "JSC_jitMemoryReservationSize=67108864", "LC_ALL=C.UTF-8", "TZ=UTC"

static const char *const env_standard[] = {ENGINE_COMMON, NULL};
static const char *const env_hardened[] = {ENGINE_COMMON, "JSC_useJIT=0", "JSC_useWasm=0", NULL};

const char *const *er_spawn_environment(enum er_profile profile)
{
	return profile == ER_PROFILE_HARDENED ? env_hardened : env_standard;
}

/* ---- in the child, between clone and exec ---- */
/* Raw system calls only: the C library's idea of this process is its parent's. */

typedef struct child {
	const er_spawn_context *ctx;
	const er_spawn_plan *plan;
	const er_spawn_want *want; /* NULL: only trying */
	int boot;                  /* becomes standard error */
	int report;                /* closed by exec: says in words why it did not come to that */
} child;

static _Noreturn void die(const child *c, const char *step)
{
	char line[256];
	int n = snprintf(line, sizeof line, "%s: %s", step, strerrordesc_np(errno));
	if (n > 0 && write(c->report, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
		_exit(126);
	_exit(127);
}

static bool put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	er_slice s = er_slice_cstr(text);
	ssize_t n = write(fd, s.p, s.n);
	int keep = errno;
	close(fd);
	errno = keep;
	return n == (ssize_t)s.n;
}

/* In a new user namespace: its one user and group are ours, under the same numbers. */
static void map_ids(const child *c)
{
	char map[64];
	/* Its own files in /proc are its own only while it is dumpable; exec decides again. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (!put_file("/proc/self/setgroups", "deny"))
		die(c, "cannot write /proc/self/setgroups");
	snprintf(map, sizeof map, "%u %u 1", c->ctx->ruid, c->ctx->ruid);
	if (!put_file("/proc/self/uid_map", map))
		die(c, "cannot write /proc/self/uid_map");
	snprintf(map, sizeof map, "%u %u 1", c->ctx->rgid, c->ctx->rgid);
	if (!put_file("/proc/self/gid_map", map))
		die(c, "cannot write /proc/self/gid_map");
}

static void take_ids(const child *c)
{
	uid_t id = c->ctx->sandbox_uids + (c->want ? c->want->index % ER_SPAWN_UIDS : 0);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, id, id, id) < 0 ||
	    syscall(SYS_setresuid, id, id, id) < 0)
		die(c, "cannot take a user id of its own");
}

/* Leaves exactly `keep` (a mask of the low 32 capabilities) to this process and what it execs, and
 * nothing to be gained by anyone. */
static void keep_caps(const child *c, uint32_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct all[2], data[2] = {{.effective = keep, .permitted = keep, .inheritable = keep}};
	if (syscall(SYS_capget, &head, all) < 0)
		die(c, "cannot read its capabilities");
	bool may_bound = all[0].permitted & (1U << CAP_SETPCAP);
	if (may_bound) {
		/* setresuid cleared the effective set; changing the bounding set needs
		 * CAP_SETPCAP there. */
		all[0].effective = all[0].permitted;
		all[1].effective = all[1].permitted;
		all[0].inheritable = keep;
		all[1].inheritable = 0;
		if (syscall(SYS_capset, &head, all) < 0)
			die(c, "cannot set its capabilities");
		for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
			if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
				die(c, "cannot empty the bounding set");
		prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED, 0,
		      0, 0);
	}
	if (syscall(SYS_capset, &head, data) < 0)
		die(c, "cannot drop its capabilities");
	for (int cap = 0; cap < 32; cap++)
		if ((keep & (1U << cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			die(c, "cannot keep a capability over exec");
}

/* What er-sandbox will do to its root (sandbox/lockdown_root.c), as far as it can be refused. */
static void try_root(const child *c)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die(c, "cannot make its mounts private");
	if (mount("er", "/usr", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") < 0)
		die(c, "cannot mount an empty root");
	if (chdir("/usr") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		die(c, "cannot change to an empty root");
}

/* Descriptors: 0, 1 null; 2 the boot pipe; 3, 4, 5 what was passed; two that exec closes; the
 * debugger's socket, if there is to be one. Nothing else. */
static void arrange_fds(child *c)
{
	int from[FD_COUNT] = {c->ctx->null,    c->ctx->null, c->boot,   c->want->fds[0], c->want->fds[1],
	                      c->want->fds[2], c->ctx->exe,  c->report, c->want->inspect};
	int n = c->want->inspect >= 0 ? FD_COUNT : FD_INSPECT;
	/* Out of the way first: any of them may sit where another belongs. */
	for (int i = 0; i < n; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD, FD_PARK)) < 0)
			die(c, "cannot duplicate a descriptor");
	c->report = from[FD_REPORT];
	for (int i = 0; i < n; i++) {
		if (i == FD_BOOT && ER_SANITIZED)
			continue; /* a sanitizer's report goes where the node's own does */
		if (dup3(from[i], i, i == FD_EXE || i == FD_REPORT ? O_CLOEXEC : 0) < 0)
			die(c, "cannot place a descriptor");
	}
	c->report = FD_REPORT;
	syscall(SYS_close_range, n, ~0U, 0);
}

static _Noreturn void exec_sandbox(const child *c)
{
	ER_ASSERT(c->want != NULL && c->report == FD_REPORT);
	const char *argv[8] = {"er-sandbox", "--profile", "standard", "--level", er_level_name(c->plan->level)};
	size_t n = 5;
	bool hardened = c->want->profile == ER_PROFILE_HARDENED;
	if (hardened)
		argv[2] = "hardened";
	if (c->ctx->config->attack_hooks)
		argv[n++] = "--attack-hooks";
	if (c->want->inspect >= 0)
		argv[n++] = "--inspect";
	ER_ASSERT(n < sizeof argv / sizeof *argv);
	syscall(SYS_execveat, FD_EXE, "", argv, er_spawn_environment(c->want->profile), AT_EMPTY_PATH);
	if (errno == EACCES)
		die(c, "cannot execute er-sandbox (it and the libraries must be readable and executable by every user)");
	die(c, "cannot execute er-sandbox");
}

/* No session of its own: the kernel's autogroups would give each sandbox as much of a core as the
 * whole node. Where the node may take it back, a sandbox starts in the background: filling the pool
 * delays nobody. */
static void take_turns(const child *c)
{
	if (!c->want)
		return;
	setpriority(PRIO_PROCESS, 0, ER_NICE_SANDBOX);
	er_sched_slice(ER_SLICE_US);
	if (c->ctx->ruid == 0)
		er_sched_background(0);
}

/* The child, from clone to exec, in the order in which privileges can still be used: share of the
 * CPU, ids, capabilities, no_new_privs, descriptors. Without `want` it is a trial of the level,
 * which ends by itself. */
static _Noreturn void run_child(child *c)
{
	bool full = c->plan->level == ER_LEVEL_FULL;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	take_turns(c);
	/* When the machine runs out of memory, a sandbox goes before the node. */
	put_file("/proc/self/oom_score_adj", "900");
	if (c->plan->userns)
		map_ids(c);
	if (c->plan->own_ids)
		take_ids(c);
	/* A full sandbox builds its empty root itself, once its libraries are loaded: for this it keeps
	 * one capability until er_lockdown_begin, which runs before anything of a tenant's is there. */
	keep_caps(c, full ? 1U << CAP_SYS_ADMIN : 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die(c, "cannot set no_new_privs");
	/* After the change of ids, which clears it. The parent may be dead already; its pidfd tells. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	struct pollfd parent = {.fd = c->ctx->self, .events = POLLIN};
	if (poll(&parent, 1, 0) != 0)
		_exit(126);
	if (!c->want) {
		if (full)
			try_root(c);
		_exit(0);
	}
	arrange_fds(c);
	exec_sandbox(c);
}

/* ---- in the spawner ---- */

static bool is_one(const char *path, char one)
{
	char c = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool yes = read(fd, &c, 1) == 1 && c == one;
	close(fd);
	return yes;
}

/* What an operator can enable so that namespaces work. */
static const char *namespace_hint(void)
{
	if (is_one("/proc/sys/kernel/unprivileged_userns_clone", '0'))
		return "enable user namespaces (sysctl kernel.unprivileged_userns_clone=1) or run er as root";
	if (is_one("/proc/sys/user/max_user_namespaces", '0'))
		return "enable user namespaces (sysctl user.max_user_namespaces=15000) or run er as root";
	if (is_one("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1'))
		return "allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for er) or "
		       "run er as "
		       "root";
	return "allow user namespaces, or run er as root; in a container also allow unshare, mount and pivot_root (seccomp profile, "
	       "CAP_SYS_ADMIN)";
}

static pid_t clone_child(const er_spawn_context *ctx, const er_spawn_plan *plan)
{
	ER_ASSERT(!plan->userns || plan->level == ER_LEVEL_FULL);
	struct clone_args args = {.exit_signal = SIGCHLD};
	if (plan->level == ER_LEVEL_FULL)
		args.flags = OWN_NAMESPACES | (ctx->emptied ? 0 : EMPTY_NAMESPACES) | (plan->userns ? CLONE_NEWUSER : 0);
	return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* Waits until the child has called exec or ended (a few hundred microseconds). False: it did not
 * come to exec and says why. */
static bool came_to_exec(int report, char text[static 256])
{
	size_t have = 0;
	ssize_t n;
	while (have < 255 && ((n = read(report, text + have, 255 - have)) > 0 || (n < 0 && errno == EINTR)))
		have += n > 0 ? (size_t)n : 0;
	ER_ASSERT(have < 256);
	text[have] = '\0';
	return have == 0;
}

typedef struct pipes {
	int boot[2], report[2];
} pipes;

static void close_pipes(pipes *p)
{
	int *fds[] = {&p->boot[0], &p->boot[1], &p->report[0], &p->report[1]};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* Clones a child and waits until it has come to exec or has said why not. False: *text says why,
 * and no child is left. */
static bool launch(const er_spawn_context *ctx, const er_spawn_plan *plan, const er_spawn_want *want, er_spawned *out,
                   char text[static 256])
{
	ER_ASSERT((want == NULL) == (out == NULL));
	pipes p = {{-1, -1}, {-1, -1}};
	bool ok = false;
	pid_t pid = -1;
	if (pipe2(p.boot, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(p.report, O_CLOEXEC) < 0) {
		snprintf(text, 256, "cannot make a pipe: %s", strerrordesc_np(errno));
	} else {
		child c = {.ctx = ctx, .plan = plan, .want = want, .boot = p.boot[1], .report = p.report[1]};
		pid = clone_child(ctx, plan);
		if (pid == 0)
			run_child(&c);
		int why = errno;
		close(p.report[1]);
		p.report[1] = -1;
		if (pid < 0)
			snprintf(text, 256, "cannot create %s: %s", plan->level == ER_LEVEL_FULL ? "namespaces" : "a process",
			         strerrordesc_np(why));
		else
			ok = came_to_exec(p.report[0], text);
	}
	if (pid > 0 && (!ok || !want)) {
		int status;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (ok && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
			ok = (snprintf(text, 256, "the attempt ended with status %x", (unsigned)status), false);
	} else if (ok) {
		*out = (er_spawned){.pid = pid, .boot = p.boot[0]};
		p.boot[0] = -1;
	}
	close_pipes(&p);
	return ok;
}

bool er_spawn_start(const er_spawn_context *ctx, const er_spawn_want *want, er_spawned *out, char text[static 256])
{
	return launch(ctx, &ctx->plan, want, out, text);
}

void er_spawn_probe(er_spawn_context *ctx)
{
	bool root = ctx->ruid == 0;
	bool landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U /* LANDLOCK_CREATE_RULESET_VERSION */) >= 1;
	const er_spawn_plan plans[] = {
	    {.level = ER_LEVEL_FULL, .own_ids = true},         {.level = ER_LEVEL_FULL, .userns = true},
	    {.level = ER_LEVEL_NO_USERNS, .own_ids = true},    {.level = ER_LEVEL_NO_USERNS},
	    {.level = ER_LEVEL_SECCOMP_ONLY, .own_ids = true},
	};
	char why[256] = "", text[256];
	ctx->plan = (er_spawn_plan){.level = ER_LEVEL_SECCOMP_ONLY};
	for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
		const er_spawn_plan *p = &plans[i];
		if (p->level > ctx->config->want || (p->own_ids && !root) || (p->level == ER_LEVEL_NO_USERNS && !landlock))
			continue;
		if (launch(ctx, p, NULL, NULL, text)) {
			ctx->plan = *p;
			break;
		}
		/* The last attempt at the full level is the one that matters most to an operator. */
		if (p->level == ER_LEVEL_FULL)
			er_copy(why, text, sizeof why);
	}
	ER_ASSERT(!ctx->plan.own_ids || root);
	/* Where no user namespace is needed the spawner itself moves, and its children are
	 * born there. */
	ctx->emptied = ctx->plan.level == ER_LEVEL_FULL && !ctx->plan.userns && unshare(EMPTY_NAMESPACES) == 0;
	if (ctx->plan.level >= ctx->config->want)
		return;
	if (ctx->config->want == ER_LEVEL_FULL)
		snprintf(ctx->plan.text, sizeof ctx->plan.text, "%.100s; %.150s", why, namespace_hint());
	else
		snprintf(ctx->plan.text, sizeof ctx->plan.text, "this kernel has no Landlock (enable it with lsm=landlock,...)");
}
