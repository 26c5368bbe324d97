/* The spawner's process: one poll loop over the gateway threads' sockets and SIGCHLD. A request
 * starts or kills a sandbox; the end of a sandbox is told to the thread that asked for it. An event
 * for which a socket has no room waits in the peer's list, so the spawner never waits for a reader.
 * A thread that hangs up has its sandboxes killed; when all have hung up the process ends. */
#include "isolate/spawner_internal.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A live sandbox. Its place in the table is its index; a place is used again only after the process
 * has been reaped. */
typedef struct sandbox {
	pid_t pid;     /* 0: free */
	unsigned sock; /* index of the socket that asked */
	uint32_t slot;
	int boot; /* read end of its standard error until it is locked down */
} sandbox;

/* An event that the node's side had no room for yet. */
typedef struct queued {
	struct queued *next;
	er_spawner_event ev;
} queued;

typedef struct peer {
	int fd; /* -1: that thread is gone */
	queued *first, **last;
} peer;

/* The spawner's process has one of these, and nothing else to remember. */
typedef struct spawner {
	er_spawn_context ctx;
	peer *peers;
	unsigned n_peers, open_peers;
	sandbox *table;
	unsigned n_table;
	int signals;
	struct pollfd *polls; /* n_peers + 1 */
} spawner;

static void flush(peer *p)
{
	while (p->first && p->fd >= 0) {
		queued *q = p->first;
		if (send(p->fd, &q->ev, sizeof q->ev, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN)
			return;
		/* Sent; or the other end is gone, which the next recv will notice. */
		p->first = q->next;
		if (!p->first)
			p->last = &p->first;
		er_free(q);
	}
}

static void tell(spawner *s, unsigned sock, const er_spawner_event *ev)
{
	ER_ASSERT(sock < s->n_peers);
	peer *p = &s->peers[sock];
	if (p->fd < 0)
		return;
	queued *q = ER_NEW(queued);
	q->ev = *ev;
	*p->last = q;
	p->last = &q->next;
	flush(p);
}

static unsigned free_place(spawner *s)
{
	for (unsigned i = 0; i < s->n_table; i++)
		if (s->table[i].pid == 0)
			return i;
	unsigned n = s->n_table ? s->n_table * 2 : 64;
	s->table = er_realloc(s->table, n * sizeof *s->table);
	for (unsigned i = s->n_table; i < n; i++)
		s->table[i] = (sandbox){.boot = -1};
	unsigned first = s->n_table;
	ER_ASSERT(n > first);
	s->n_table = n;
	return first;
}

static void start(spawner *s, unsigned sock, const er_spawn_request *rq, const int *fds)
{
	unsigned at = free_place(s);
	ER_ASSERT(at < s->n_table && s->table[at].pid == 0 && s->table[at].boot == -1);
	er_spawn_want want = {.profile = rq->profile == ER_PROFILE_HARDENED ? ER_PROFILE_HARDENED : ER_PROFILE_STANDARD, .index = at};
	er_copy(want.fds, fds, sizeof want.fds);
	want.inspect = rq->inspect == 1 ? fds[ER_SPAWN_FDS] : -1;
	er_spawned made;
	er_spawner_event ev = {.what = ER_SPAWNER_FAILED, .slot = rq->slot, .level = s->ctx.plan.level};
	if (er_spawn_start(&s->ctx, &want, &made, ev.text)) {
		s->table[at] = (sandbox){.pid = made.pid, .sock = sock, .slot = rq->slot, .boot = made.boot};
		ev.what = ER_SPAWNER_STARTED;
		ev.pid = made.pid;
		er_copy(ev.text, s->ctx.plan.text, sizeof ev.text);
	}
	tell(s, sock, &ev);
}

static void kill_where(spawner *s, unsigned sock, const uint32_t *slot)
{
	for (unsigned i = 0; i < s->n_table; i++) {
		sandbox *b = &s->table[i];
		/* Not reaped yet, so the pid is still its own. */
		if (b->pid > 0 && b->sock == sock && (!slot || b->slot == *slot))
			kill(b->pid, SIGKILL);
	}
}

static void hang_up(spawner *s, unsigned sock)
{
	ER_ASSERT(sock < s->n_peers && s->open_peers > 0 && s->peers[sock].fd >= 0);
	peer *p = &s->peers[sock];
	kill_where(s, sock, NULL);
	close(p->fd);
	p->fd = -1;
	s->open_peers--;
	while (p->first) {
		queued *q = p->first;
		p->first = q->next;
		er_free(q);
	}
	p->last = &p->first;
}

/* Collects the descriptors of a packet, however many there are; returns how many fitted. */
static unsigned take_fds(struct msghdr *msg, int fds[static ER_SPAWN_FDS_MOST])
{
	unsigned got = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			er_copy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (got < ER_SPAWN_FDS_MOST)
				fds[got++] = fd;
			else
				close(fd);
		}
	}
	return got;
}

/* One packet. */
static void serve(spawner *s, unsigned sock)
{
	er_spawn_request rq;
	struct iovec iov = {.iov_base = &rq, .iov_len = sizeof rq};
	union {
		char bytes[CMSG_SPACE(ER_SPAWN_FDS_MOST * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	ssize_t n = recvmsg(s->peers[sock].fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(s, sock);
		return;
	}
	int fds[ER_SPAWN_FDS_MOST];
	unsigned got = take_fds(&msg, fds), want = rq.inspect == 1 ? ER_SPAWN_FDS_MOST : ER_SPAWN_FDS;
	if (n == (ssize_t)sizeof rq && rq.op == ER_SPAWN_START) {
		if (got == want) {
			start(s, sock, &rq, fds);
		} else {
			er_spawner_event ev = {.what = ER_SPAWNER_FAILED, .slot = rq.slot};
			snprintf(ev.text, sizeof ev.text, "the spawner got %u of %u descriptors (is the limit of open files reached?)", got,
			         want);
			tell(s, sock, &ev);
		}
	} else if (n == (ssize_t)sizeof rq && rq.op == ER_SPAWN_KILL) {
		kill_where(s, sock, &rq.slot);
	}
	ER_ASSERT(got <= ER_SPAWN_FDS_MOST);
	for (unsigned i = 0; i < got; i++)
		close(fds[i]);
}

/* The last line that a sandbox wrote before it was locked down, printable. A NUL as its last byte
 * says that the lock-down is complete (er_lockdown_finish): then there is nothing to tell. */
static void last_words(int boot, char text[static 256])
{
	char raw[4096];
	ssize_t n = read(boot, raw, sizeof raw);
	if (n > 0 && raw[n - 1] == '\0')
		n = 0;
	while (n > 0 && raw[n - 1] == '\n')
		n--;
	ssize_t from = n > 0 ? n : 0;
	while (from > 0 && raw[from - 1] != '\n' && n - from < 255)
		from--;
	size_t len = 0;
	for (ssize_t i = from; i < n; i++)
		text[len++] = raw[i] >= ' ' && raw[i] < 127 ? raw[i] : '?';
	ER_ASSERT(len < 256);
	text[len] = '\0';
}

/* A child has ended: tells the thread that wanted it, with what the child still said, and frees its
 * place in the table. */
static void bury(spawner *s, pid_t pid, int status)
{
	ER_ASSERT(pid > 0);
	for (unsigned i = 0; i < s->n_table; i++) {
		sandbox *b = &s->table[i];
		if (b->pid != pid)
			continue;
		ER_ASSERT(b->sock < s->n_peers);
		er_spawner_event ev = {
		    .what = ER_SPAWNER_EXITED, .slot = b->slot, .pid = pid, .wait_status = status, .level = s->ctx.plan.level};
		if (b->boot >= 0) {
			last_words(b->boot, ev.text);
			close(b->boot);
		}
		tell(s, b->sock, &ev);
		*b = (sandbox){.boot = -1};
		return;
	}
}

static void reap(spawner *s)
{
	struct signalfd_siginfo info;
	while (read(s->signals, &info, sizeof info) > 0)
		;
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return;
		bury(s, pid, status);
	}
}

/* All sockets are closed: no sandbox outlives its gateway thread. */
static _Noreturn void finish(spawner *s)
{
	for (unsigned i = 0; i < s->n_table; i++)
		if (s->table[i].pid > 0)
			kill(s->table[i].pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(0);
}

/* Ctrl-C at the node's terminal ends the node in good order, and that ends the spawner. Not by a
 * session of its own: the kernel's autogroups would share the cores between the node and all of its
 * sandboxes together, and never let a gateway that wakes up interrupt one of them. */
static void leave_terminal(void)
{
	setpgid(0, 0);
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return;
	(void)ioctl(tty, TIOCNOTTY);
	close(tty);
}

/* What the spawner needs for its life: signals as descriptors, files that it opens once, ids.
 * False: it cannot be the spawner. */
static bool prepare(spawner *s, pid_t node)
{
	prctl(PR_SET_NAME, "er-spawner", 0, 0, 0);
	/* Dies with the node. The node may have died before this line. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != node)
		return false;
	leave_terminal();
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	s->signals = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	s->ctx.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	s->ctx.exe = open(s->ctx.config->sandbox_path, O_PATH | O_CLOEXEC);
	s->ctx.self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	s->ctx.ruid = geteuid();
	s->ctx.sandbox_uids = er_spawn_first_uid(getpid());
	s->ctx.rgid = getegid();
	if (s->signals >= 0 && s->ctx.null >= 0 && s->ctx.exe >= 0 && s->ctx.self >= 0)
		return true;
	er_log(ER_LOG_ERROR, "spawner", "cannot open what it needs (%s, /dev/null, a pidfd): %m", s->ctx.config->sandbox_path);
	return false;
}

/* Nothing of the node's stays open here: listeners, terminals, databases. */
static void close_others(const int *socks, unsigned n)
{
	unsigned at = 3;
	for (;;) {
		unsigned next = ~0U;
		for (unsigned i = 0; i < n; i++)
			if ((unsigned)socks[i] >= at && (unsigned)socks[i] < next)
				next = (unsigned)socks[i];
		if (next > at)
			syscall(SYS_close_range, at, next == ~0U ? ~0U : next - 1, 0);
		if (next == ~0U)
			return;
		at = next + 1;
	}
}

/* One round of the spawner's loop: buries who has ended, then serves each thread once. */
static void turn(spawner *s)
{
	for (unsigned i = 0; i < s->n_peers; i++)
		s->polls[i] = (struct pollfd){.fd = s->peers[i].fd, .events = (short)(s->peers[i].first ? POLLIN | POLLOUT : POLLIN)};
	s->polls[s->n_peers] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	if (poll(s->polls, s->n_peers + 1, -1) < 0)
		return;
	if (s->polls[s->n_peers].revents)
		reap(s);
	for (unsigned i = 0; i < s->n_peers; i++) {
		if (s->polls[i].revents & POLLOUT)
			flush(&s->peers[i]);
		/* One packet a turn and thread, so that no thread's burst keeps another thread's
		 * kill waiting. */
		if (s->polls[i].revents & (POLLIN | POLLHUP | POLLERR))
			serve(s, i);
	}
}

_Noreturn void er_spawner_main(const er_spawner_config *config, const int *socks, unsigned n, pid_t node)
{
	ER_ASSERT(n > 0 && node > 0);
	spawner s = {.ctx.config = config, .n_peers = n, .open_peers = n};
	close_others(socks, n);
	if (!prepare(&s, node))
		_exit(1);
	s.peers = er_zalloc(n * sizeof *s.peers);
	s.polls = er_zalloc((n + 1) * sizeof *s.polls);
	for (unsigned i = 0; i < n; i++)
		s.peers[i] = (peer){.fd = socks[i], .last = &s.peers[i].first};
	er_spawn_probe(&s.ctx);
	while (s.open_peers > 0)
		turn(&s);
	ER_ASSERT(s.open_peers == 0);
	finish(&s);
}
