/* The spawner and the lock-down together, from outside: a tiny sandbox (this program itself,
 * started by the spawner under the name er-sandbox) locks itself down with the real code and then
 * does what it is told. Run as root, everything is done twice: as root and as an ordinary user. */
#include "isolate/spawner.h"
#include "isolate/spawner_internal.h"
#include "sandbox/lockdown.h"

#include "base/clock.h"
#include "base/mem.h"

#include "i386_calls.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the tiny sandbox ---- */

enum { WAITING, READY, TOLD, SURVIVED };

typedef struct shared {
	_Atomic uint32_t state;
	uint32_t memory_kb;
	char attack[64];
	_Atomic uint32_t heartbeat;
} shared;

static void *idle_futex(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&m); /* for ever, by futex */
	return arg;
}

static int tiny_sandbox(int argc, char **argv)
{
	er_err err = {0};
	er_lockdown l = {0};
	for (int i = 1; i < argc; i++) {
		l.hardened |= strcmp(argv[i], "hardened") == 0;
		l.attack_hooks |= strcmp(argv[i], "--attack-hooks") == 0;
		for (er_level v = ER_LEVEL_SECCOMP_ONLY; v <= ER_LEVEL_FULL; v++)
			if (strcmp(argv[i], er_level_name(v)) == 0)
				l.spawned = v;
	}
	shared *sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	pthread_t t;
	bool ok = sh != MAP_FAILED && l.spawned != ER_LEVEL_NONE && er_lockdown_begin(&l, &err);
	if (ok && strcmp(sh->attack, "has-rwx") == 0)
		ok = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	/* A thread from before the filter, as the engine has. */
	ok = ok && pthread_create(&t, NULL, idle_futex, NULL) == 0 && er_lockdown_finish(&l, &err);
	if (ok && sh->memory_kb)
		ok = er_lockdown_memory(sh->memory_kb, &err);
	if (!ok) {
		dprintf(2, "er-sandbox: %s\n", err.text);
		_exit(1);
	}
	uint64_t one = 1;
	for (sh->state = READY;; sh->state = SURVIVED) {
		if (write(5, &one, sizeof one) < 0 || read(4, &one, sizeof one) < 0)
			_exit(2);
		one = 1;
		if (strcmp(sh->attack, "heartbeat") == 0)
			sh->heartbeat++;
		else
			er_lockdown_attack(sh->attack);
	}
}

/* ---- the node's side ---- */

typedef struct box {
	uint32_t slot;
	int memfd, wake_sandbox, wake_node;
	shared *sh;
	pid_t pid;
	int status;
	bool exited, failed;
	er_level level;
	char text[256];
} box;

static char self_path[4096];

static void start_spawner(er_spawner *sp, er_level want)
{
	er_err err = {0};
	er_spawner_config config = {.sandbox_path = self_path, .n_sockets = 2, .want = want, .attack_hooks = true};
	if (!er_spawner_start(sp, &config, &err))
		fail_msg("%s", err.text);
}

static void prepare(box *b, uint32_t slot)
{
	*b = (box){.slot = slot};
	b->memfd = memfd_create("channel", MFD_CLOEXEC);
	b->wake_sandbox = eventfd(0, EFD_CLOEXEC);
	b->wake_node = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(ftruncate(b->memfd, 4096), 0);
	b->sh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	assert_ptr_not_equal(b->sh, MAP_FAILED);
}

static void ask_for(er_spawner *sp, box *b, enum er_profile profile)
{
	er_err err = {0};
	if (!er_spawner_ask(sp->sockets[0], b->slot, profile, b->memfd, b->wake_sandbox, b->wake_node, -1, &err))
		fail_msg("%s", err.text);
}

static void ask(er_spawner *sp, box *b, uint32_t slot, enum er_profile profile, uint32_t memory_kb)
{
	prepare(b, slot);
	b->sh->memory_kb = memory_kb;
	ask_for(sp, b, profile);
}

/* Waits for an event of `b`; events of others are an error of the test. */
static void next_event(er_spawner *sp, box *b)
{
	er_spawner_event ev;
	struct pollfd p = {.fd = sp->sockets[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(er_spawner_read(sp->sockets[0], &ev), 1);
	assert_int_equal(ev.slot, b->slot);
	er_copy(b->text, ev.text, sizeof b->text);
	b->level = ev.level;
	if (ev.what == ER_SPAWNER_STARTED)
		b->pid = ev.pid;
	b->failed |= ev.what == ER_SPAWNER_FAILED;
	b->exited |= ev.what == ER_SPAWNER_EXITED;
	if (ev.what == ER_SPAWNER_EXITED)
		b->status = ev.wait_status;
}

static bool signalled(box *b, int ms)
{
	uint64_t n;
	struct pollfd p = {.fd = b->wake_node, .events = POLLIN};
	return poll(&p, 1, ms) == 1 && read(b->wake_node, &n, sizeof n) == sizeof n;
}

static void wait_ready(er_spawner *sp, box *b)
{
	next_event(sp, b);
	if (b->failed)
		fail_msg("not started: %s", b->text);
	if (!signalled(b, 5000)) {
		next_event(sp, b);
		fail_msg("not ready: status %x: %s", b->status, b->text);
	}
	assert_int_equal(b->sh->state, READY);
}

static void tell(box *b, const char *attack)
{
	uint64_t one = 1;
	b->sh->state = TOLD;
	snprintf(b->sh->attack, sizeof b->sh->attack, "%s", attack);
	assert_int_equal(write(b->wake_sandbox, &one, sizeof one), sizeof one);
}

static void drop(box *b)
{
	munmap(b->sh, 4096);
	close(b->memfd);
	close(b->wake_sandbox);
	close(b->wake_node);
}

static void stop(er_spawner *sp, box *b)
{
	er_spawner_kill(sp->sockets[0], b->slot);
	next_event(sp, b);
	assert_true(b->exited);
	drop(b);
}

/* ---- looking from outside ---- */

static size_t slurp(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	size_t have = 0;
	ssize_t n;
	while (have < cap - 1 && (n = read(fd, text + have, cap - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	text[have] = '\0';
	return have;
}

static unsigned count_dir(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);
	if (!d)
		fail_msg("cannot list %s: %s", path, strerror(errno));
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void has_line(const char *text, const char *line, const char *where)
{
	if (!strstr(text, line))
		fail_msg("%s has no \"%s\":\n%s", where, line, text);
}

static void check_threads(pid_t pid)
{
	char path[300], text[8192];
	unsigned n = 0;
	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", pid, e->d_name);
		slurp(path, text, sizeof text);
		has_line(text, "\nSeccomp:\t2\n", path);
		has_line(text, "\nNoNewPrivs:\t1\n", path);
		has_line(text, "\nCapInh:\t0000000000000000\n", path);
		has_line(text, "\nCapPrm:\t0000000000000000\n", path);
		has_line(text, "\nCapEff:\t0000000000000000\n", path);
		has_line(text, "\nCapAmb:\t0000000000000000\n", path);
	}
	closedir(d);
	assert_true(n >= 2);
}

/* May we look at a process that is non-dumpable? */
static bool may_look(void)
{
	return geteuid() == 0;
}

static void check_fds(pid_t pid)
{
	static const char *const want[] = {
	    "/dev/null", "/dev/null", "/dev/null", "/memfd:channel (deleted)", "anon_inode:[eventfd]", "anon_inode:[eventfd]"};
	char path[64], to[4096];
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	assert_int_equal(count_dir(path), ER_LOCKDOWN_STATM_FD + 1);
	for (int fd = 0; fd <= ER_LOCKDOWN_STATM_FD; fd++) {
		snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
		ssize_t n = readlink(path, to, sizeof to - 1);
		assert_true(n > 0);
		to[n] = '\0';
		if (fd == 2 && er_lockdown_sanitized())
			continue; /* where reports go */
		if (fd < ER_LOCKDOWN_STATM_FD)
			assert_string_equal(to, want[fd]);
		else
			assert_true(er_slice_ends(er_slice_cstr(to), ER_LIT("/statm")));
	}
}

static void check_environment(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%d/environ", pid);
	size_t n = slurp(path, text, sizeof text);
	assert_true(n > 0);
	for (er_slice rest = er_slice_of(text, n), one; er_slice_split(&rest, '\0', &one);)
		if (!er_slice_starts(one, ER_LIT("JSC_")) && !er_slice_eq(one, ER_LIT("GIGACAGE_ENABLED=0")) &&
		    !er_slice_eq(one, ER_LIT("LC_ALL=C.UTF-8")) && !er_slice_eq(one, ER_LIT("TZ=UTC")) &&
		    !er_slice_starts(one, ER_LIT("ASAN_OPTIONS=")))
			fail_msg("the sandbox's environment has %.*s", ER_FMT(one));
}

static void check_namespaces(pid_t pid, bool separate)
{
	static const char *const kinds[] = {"mnt", "pid", "net", "ipc", "uts", "cgroup"};
	char path[64], theirs[128], ours[128];
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kinds[i]);
		ssize_t n = readlink(path, theirs, sizeof theirs - 1);
		assert_true(n > 0);
		theirs[n] = '\0';
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
		n = readlink(path, ours, sizeof ours - 1);
		assert_true(n > 0);
		ours[n] = '\0';
		if (separate == (strcmp(ours, theirs) == 0))
			fail_msg("namespace %s: %s, ours is %s", kinds[i], theirs, ours);
	}
}

static void check_root(pid_t pid)
{
	char path[64], text[8192];
	snprintf(path, sizeof path, "/proc/%d/root/", pid);
	assert_int_equal(count_dir(path), 2);
	snprintf(path, sizeof path, "/proc/%d/root/dev", pid);
	assert_int_equal(count_dir(path), 1);
	snprintf(path, sizeof path, "/proc/%d/root/proc/self", pid);
	assert_int_equal(count_dir(path), 2);
	snprintf(path, sizeof path, "/proc/%d/root/proc", pid);
	assert_int_equal(count_dir(path), 1);
	/* The root, and the three files. */
	snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
	slurp(path, text, sizeof text);
	unsigned lines = 0;
	for (er_slice rest = er_slice_cstr(text), one; er_slice_split(&rest, '\n', &one);)
		lines++;
	if (lines != 4)
		fail_msg("the sandbox sees %u mounts:\n%s", lines, text);
	has_line(text, " / / ro,nosuid,nodev,noexec", path);
}

static void check_ids(pid_t pid, unsigned index)
{
	char path[64], text[8192], line[128];
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	slurp(path, text, sizeof text);
	const char *parent = strstr(text, "\nPPid:\t");
	assert_non_null(parent);
	uid_t id = may_look() ? er_spawn_first_uid((pid_t)strtol(parent + 7, NULL, 10)) + index : geteuid();
	snprintf(line, sizeof line, "\nUid:\t%u\t%u\t%u\t%u\n", id, id, id, id);
	has_line(text, line, path);
	if (may_look())
		has_line(text, "\nGroups:\t \n", path);
}

static void check_limits(pid_t pid, er_level level)
{
	static const struct {
		const char *line; /* soft and hard */
		bool full;        /* counted for a user: only where the sandbox has one of its own */
	} want[] = {
	    {"\nMax core file size        0                    0 ", false},
	    {"\nMax file size             0                    0 ", false},
	    {"\nMax locked memory         0                    0 ", false},
	    {"\nMax stack size            8388608              8388608 ", false},
	    {"\nMax open files            32                   32 ", false},
	    {"\nMax msgqueue size         0                    0 ", false},
	    {"\nMax cpu time              86400                86400 ", false},
	    {"\nMax processes             16                   16 ", true},
	    {"\nMax pending signals       64                   64 ", true},
	};
	char path[64], text[8192];
	snprintf(path, sizeof path, "/proc/%d/limits", pid);
	slurp(path, text, sizeof text);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		if ((!want[i].full || level == ER_LEVEL_FULL) && !(er_lockdown_sanitized() && i == 1))
			has_line(text, want[i].line, path);
}

/* Device of its controlling terminal, 0 for none: the fifth number after the name (proc(5)). */
static int terminal_of(pid_t pid)
{
	char path[48], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	int parent, group, session, tty;
	char state;
	const char *end = strrchr(text, ')');
	assert_non_null(end);
	assert_int_equal(sscanf(end + 1, " %c %d %d %d %d", &state, &parent, &group, &session, &tty), 5);
	return tty;
}

static void look_at_level(er_level level, enum er_profile profile)
{
	er_spawner sp;
	box a, b;
	start_spawner(&sp, level);
	ask(&sp, &a, 7, profile, 128 * 1024);
	wait_ready(&sp, &a);
	ask(&sp, &b, 8, profile, 0);
	wait_ready(&sp, &b);
	if (a.level != level)
		fail_msg("this machine gives %s only: %s", er_level_name(a.level), a.text);
	check_threads(a.pid);
	check_ids(a.pid, 0);
	check_ids(b.pid, 1);
	check_limits(a.pid, level);
	if (may_look()) {
		check_fds(a.pid);
		check_environment(a.pid);
		check_namespaces(a.pid, level == ER_LEVEL_FULL);
		if (level == ER_LEVEL_FULL)
			check_root(a.pid);
	}
	assert_int_not_equal(getpgid(a.pid), getpgid(0)); /* Ctrl-C at the terminal is not for it */
	assert_int_equal(terminal_of(a.pid), 0);
	stop(&sp, &a);
	stop(&sp, &b);
	er_spawner_stop(&sp);
}

static void every_thread_of_a_sandbox_is_locked_down(void **state)
{
	(void)state;
	for (er_level l = ER_LEVEL_SECCOMP_ONLY; l <= ER_LEVEL_FULL; l++) {
		look_at_level(l, ER_PROFILE_STANDARD);
		look_at_level(l, ER_PROFILE_HARDENED);
	}
}

/* ---- attacks ---- */

/* How an attack ends: by default SIGSYS. */
static void check_death(const char *attack, box *b, bool pid1)
{
	int sig = WIFSIGNALED(b->status) ? WTERMSIG(b->status) : 0;
	if (strcmp(attack, "exit") == 0)
		assert_true(WIFEXITED(b->status) && WEXITSTATUS(b->status) == 7);
	else if (strcmp(attack, "segv") == 0 || strcmp(attack, "stack") == 0)
		assert_int_equal(sig, SIGSEGV);
	else if (strcmp(attack, "illegal") == 0)
		assert_int_equal(sig, SIGILL);
	else if (strcmp(attack, "i386") == 0 && !machine_takes_i386_calls())
		assert_int_equal(sig, SIGSEGV);
	/* pid 1 ignores its own SIGABRT; the C library then executes a privileged instruction */
	else if (strcmp(attack, "abort") == 0)
		assert_int_equal(sig, pid1 ? SIGSEGV : SIGABRT);
	else if (sig != SIGSYS)
		fail_msg("%s ended with status %x, not with SIGSYS", attack, (unsigned)b->status);
}

/* What a sanitizer must be able to do itself, or takes for its own. */
static bool sanitizer_allows(const char *attack)
{
	if (strcmp(attack, "i386") == 0 && !machine_takes_i386_calls()) /* the same as "segv" */
		return er_lockdown_sanitized();
	static const char *const names[] = {"open",         "open-null", "mmap-",   "mprotect", "memory-limit", "file-limit",
	                                    "parent-limit", "mremap",    "madvise", "prctl",    "ioctl",        "fcntl",
	                                    "dup",          "segv",      "illegal", "abort",    "stack"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (er_slice_starts(er_slice_cstr(attack), er_slice_cstr(names[i])))
			return er_lockdown_sanitized() && strcmp(attack, "openat2") != 0;
	return false;
}

static void attack_level(er_level level, enum er_profile profile)
{
	er_spawner sp;
	box neighbour, b;
	start_spawner(&sp, level);
	ask(&sp, &neighbour, 1000, profile, 0);
	wait_ready(&sp, &neighbour);
	for (uint32_t i = 0; er_lockdown_attacks[i]; i++) {
		const char *attack = er_lockdown_attacks[i];
		if (sanitizer_allows(attack))
			continue;
		ask(&sp, &b, i, profile, 64 * 1024);
		wait_ready(&sp, &b);
		tell(&b, attack);
		if (strcmp(attack, "memory-limit") == 0) {
			/* Raising it is refused, not deadly: the call is one that LOAD needs. */
			assert_true(signalled(&b, 5000));
			assert_int_equal(b.sh->state, SURVIVED);
			stop(&sp, &b);
			continue;
		}
		next_event(&sp, &b);
		if (!b.exited)
			fail_msg("%s: no death", attack);
		assert_int_equal(b.sh->state, TOLD);
		check_death(attack, &b, level == ER_LEVEL_FULL);
		drop(&b);
		tell(&neighbour, "heartbeat");
		assert_true(signalled(&neighbour, 5000));
	}
	stop(&sp, &neighbour);
	er_spawner_stop(&sp);
}

static void every_forbidden_thing_kills_the_sandbox_and_nobody_else(void **state)
{
	(void)state;
	attack_level(ER_LEVEL_FULL, ER_PROFILE_STANDARD);
	attack_level(ER_LEVEL_FULL, ER_PROFILE_HARDENED);
	attack_level(ER_LEVEL_NO_USERNS, ER_PROFILE_STANDARD);
	attack_level(ER_LEVEL_SECCOMP_ONLY, ER_PROFILE_STANDARD);
}

/* ---- life and death ---- */

static unsigned our_mounts(void)
{
	static char text[1 << 16];
	unsigned lines = 0;
	slurp("/proc/self/mountinfo", text, sizeof text);
	for (er_slice rest = er_slice_cstr(text), one; er_slice_split(&rest, '\n', &one);)
		lines++;
	return lines;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void two_hundred_starts_leave_nothing_behind(void **state)
{
	(void)state;
	enum { ROUNDS = 200 };
	static uint64_t took[ROUNDS];
	er_spawner sp;
	box b;
	char fds[64];
	start_spawner(&sp, ER_LEVEL_FULL);
	ask(&sp, &b, 1, ER_PROFILE_STANDARD, 0);
	wait_ready(&sp, &b);
	stop(&sp, &b);
	snprintf(fds, sizeof fds, "/proc/%d/fd", sp.pid);
	unsigned fds_before = count_dir(fds), own_before = count_dir("/proc/self/fd"), mounts = our_mounts();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t t0 = er_clock_mono_us();
		ask(&sp, &b, i, ER_PROFILE_STANDARD, 0);
		wait_ready(&sp, &b);
		took[i] = er_clock_mono_us() - t0;
		stop(&sp, &b);
		assert_int_equal(kill(b.pid, 0), -1);
	}
	assert_int_equal(count_dir(fds), fds_before);
	assert_int_equal(count_dir("/proc/self/fd"), own_before);
	assert_int_equal(our_mounts(), mounts);
	er_spawner_stop(&sp);
	qsort(took, ROUNDS, sizeof *took, by_number);
	print_message("ask to ready, without an engine: median %lu us, p95 %lu us\n", (unsigned long)took[ROUNDS / 2],
	              (unsigned long)took[ROUNDS * 95 / 100]);
}

static void sixty_sandboxes_at_once_have_ids_of_their_own(void **state)
{
	(void)state;
	enum { N = 60 };
	static box all[N];
	er_spawner sp;
	start_spawner(&sp, ER_LEVEL_FULL);
	for (uint32_t i = 0; i < N; i++)
		ask(&sp, &all[i], i, ER_PROFILE_STANDARD, 0);
	for (uint32_t i = 0; i < N; i++) {
		wait_ready(&sp, &all[i]);
		check_ids(all[i].pid, i);
	}
	er_spawner_stop(&sp);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(kill(all[i].pid, 0), -1);
		drop(&all[i]);
	}
}

static bool gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			; /* we are the subreaper */
		if (kill(pid, 0) < 0)
			return true;
		usleep(10000);
	}
	return false;
}

static void a_killed_node_leaves_no_process_behind(void **state)
{
	(void)state;
	enum { N = 5 };
	int out[2];
	pid_t pids[N + 1];
	assert_int_equal(pipe(out), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	pid_t node = fork();
	if (node == 0) {
		static box all[N];
		er_spawner sp;
		start_spawner(&sp, ER_LEVEL_FULL);
		pids[N] = sp.pid;
		for (uint32_t i = 0; i < N; i++) {
			ask(&sp, &all[i], i, ER_PROFILE_STANDARD, 0);
			wait_ready(&sp, &all[i]);
			pids[i] = all[i].pid;
		}
		if (write(out[1], pids, sizeof pids) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(out[0], pids, sizeof pids), sizeof pids);
	kill(node, SIGKILL);
	for (int i = 0; i <= N; i++)
		assert_true(gone(pids[i]));
	close(out[0]);
	close(out[1]);
}

static void a_gateway_thread_that_ends_takes_only_its_own_sandboxes(void **state)
{
	(void)state;
	er_spawner sp;
	box mine, other;
	start_spawner(&sp, ER_LEVEL_FULL);
	ask(&sp, &mine, 1, ER_PROFILE_STANDARD, 0);
	wait_ready(&sp, &mine);
	/* The same slot number on another socket is another sandbox. */
	int first = sp.sockets[0];
	sp.sockets[0] = sp.sockets[1];
	ask(&sp, &other, 1, ER_PROFILE_STANDARD, 0);
	wait_ready(&sp, &other);
	sp.sockets[1] = -1;
	close(first);
	for (int i = 0; i < 500 && kill(mine.pid, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(mine.pid, 0), -1);
	tell(&other, "heartbeat");
	assert_true(signalled(&other, 5000));
	drop(&mine);
	stop(&sp, &other);
	er_spawner_stop(&sp);
}

static void a_failed_start_says_what_to_do(void **state)
{
	(void)state;
	er_err err = {0};
	er_spawner sp;
	er_spawner_config config = {.sandbox_path = "/nonexistent", .n_sockets = 1, .want = ER_LEVEL_FULL};
	assert_false(er_spawner_start(&sp, &config, &err));
	assert_non_null(strstr(err.text, "/nonexistent"));

	/* A program that is none: a script without an interpreter. */
	char path[] = "/tmp/er-not-a-program-XXXXXX";
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	config.sandbox_path = path;
	assert_true(er_spawner_start(&sp, &config, &err));
	box b;
	ask(&sp, &b, 3, ER_PROFILE_STANDARD, 0);
	next_event(&sp, &b);
	assert_true(b.failed);
	assert_non_null(strstr(b.text, "cannot execute er-sandbox"));
	assert_non_null(strstr(b.text, "Exec format error"));
	drop(&b);
	er_spawner_stop(&sp);
	unlink(path);
}

/* The tiny sandbox maps such memory before its lock-down is complete, as an engine would whose JIT
 * is on against our will. */
static void executable_memory_keeps_a_hardened_sandbox_from_starting_and_it_says_so(void **state)
{
	(void)state;
	er_spawner sp;
	box b;
	start_spawner(&sp, ER_LEVEL_FULL);
	for (int hardened = 0; hardened < 2; hardened++) {
		prepare(&b, 5);
		snprintf(b.sh->attack, sizeof b.sh->attack, "has-rwx");
		ask_for(&sp, &b, hardened ? ER_PROFILE_HARDENED : ER_PROFILE_STANDARD);
		if (!hardened || er_lockdown_sanitized()) {
			wait_ready(&sp, &b);
			stop(&sp, &b);
			continue;
		}
		next_event(&sp, &b);
		next_event(&sp, &b);
		assert_true(b.exited);
		assert_non_null(strstr(b.text, "er-sandbox: the engine mapped memory that is writable and executable"));
		drop(&b);
	}
	er_spawner_stop(&sp);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_thread_of_a_sandbox_is_locked_down),
	    cmocka_unit_test(every_forbidden_thing_kills_the_sandbox_and_nobody_else),
	    cmocka_unit_test(two_hundred_starts_leave_nothing_behind),
	    cmocka_unit_test(sixty_sandboxes_at_once_have_ids_of_their_own),
	    cmocka_unit_test(a_killed_node_leaves_no_process_behind),
	    cmocka_unit_test(a_gateway_thread_that_ends_takes_only_its_own_sandboxes),
	    cmocka_unit_test(a_failed_start_says_what_to_do),
	    cmocka_unit_test(executable_memory_keeps_a_hardened_sandbox_from_starting_and_it_says_so),
	};
	return cmocka_run_group_tests_name(geteuid() == 0 ? "spawner, as root" : "spawner, as an ordinary user", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--profile") == 0)
		return tiny_sandbox(argc, argv);
	ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
	if (n < 0)
		return 1;
	int failed = run_all();
	if (geteuid() != 0)
		return failed;
	pid_t pid = fork();
	if (pid == 0) {
		uid_t nobody = 65534;
		if (setgroups(0, NULL) < 0 || setresgid(nobody, nobody, nobody) < 0 || setresuid(nobody, nobody, nobody) < 0)
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		/* Where an ordinary user may not even reach this program, there is nothing to start. */
		_exit(access(self_path, X_OK) == 0 ? run_all() : 0);
	}
	int status;
	waitpid(pid, &status, 0);
	return failed + !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
