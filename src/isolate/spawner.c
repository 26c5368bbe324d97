/* The node's half of the spawner: forks it, and speaks with it over one socket a gateway thread.
 * Nothing here keeps state: the slots are the caller's, the sockets belong to er_spawner until it
 * is stopped. */
#include "isolate/spawner.h"
#include "isolate/spawner_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Room for a burst of starts: a packet costs the kernel less than 1 KB. What does not fit is
 * refused, never waited for. */
enum { SOCKET_BUFFER = 1024 * 1024 };

static void close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* A pair for each gateway thread. On failure none is open. */
static bool make_sockets(int *ours, int *theirs, unsigned n, er_err *err)
{
	ER_ASSERT(n > 0);
	for (unsigned i = 0; i < n; i++)
		ours[i] = theirs[i] = -1;
	for (unsigned i = 0; i < n; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
			er_fail_errno(err, ER_ERR_SYSTEM, "cannot make the spawner's sockets");
			close_all(ours, n);
			close_all(theirs, n);
			return false;
		}
		ours[i] = pair[0];
		theirs[i] = pair[1];
		int size = SOCKET_BUFFER;
		for (int k = 0; k < 2; k++)
			if (setsockopt(pair[k], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
				setsockopt(pair[k], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	}
	return true;
}

bool er_spawner_find_program(const char *given, char *out, size_t cap, er_err *err)
{
	if (given == NULL)
		given = getenv("ER_SANDBOX");
	if (given != NULL && given[0] != '\0') {
		char *full = realpath(given, NULL);
		if (full == NULL)
			return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find the sandbox program %s", given);
		int n = snprintf(out, cap, "%s", full);
		free(full);
		return (n > 0 && (size_t)n < cap) || er_fail(err, ER_ERR_SYSTEM, "the path of the sandbox program is too long");
	}
	/* Beside er in a build directory; installed, ../lib/edgeroutine has what is no command. */
	static const char *const places[] = {"er-sandbox", "../lib/edgeroutine/er-sandbox"};
	ssize_t len = readlink("/proc/self/exe", out, cap - 1);
	if (len <= 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot find out where this program is");
	while (len > 0 && out[len - 1] != '/')
		len--;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		int n = snprintf(out + len, cap - (size_t)len, "%s", places[i]);
		if (n < 0 || (size_t)n >= cap - (size_t)len)
			return er_fail(err, ER_ERR_SYSTEM, "the path of the sandbox program is too long");
		if (access(out, X_OK) == 0)
			return true;
	}
	return er_fail(err, ER_ERR_SYSTEM,
	               "er-sandbox is neither in %.*s nor in ../lib/edgeroutine beside it: er is not installed whole (make install)",
	               (int)len, out);
}

bool er_spawner_start(er_spawner *sp, const er_spawner_config *config, er_err *err)
{
	unsigned n = config->n_sockets;
	ER_ASSERT(n > 0 && config->sandbox_path != NULL);
	if (access(config->sandbox_path, X_OK) < 0)
		return er_fail_errno(err, ER_ERR_SYSTEM, "cannot execute the sandbox program %s", config->sandbox_path);
	int *ours = er_alloc(n * sizeof *ours), *theirs = er_alloc(n * sizeof *theirs);
	bool ok = make_sockets(ours, theirs, n, err);
	if (ok) {
		pid_t node = getpid();
		pid_t pid = fork();
		if (pid == 0) {
			close_all(ours, n);
			er_spawner_main(config, theirs, n, node);
		}
		close_all(theirs, n);
		if (pid < 0) {
			ok = er_fail_errno(err, ER_ERR_SYSTEM, "cannot fork the spawner");
			close_all(ours, n);
		} else {
			*sp = (er_spawner){.pid = pid, .sockets = ours, .n = n};
			ours = NULL;
		}
	}
	er_free(ours);
	er_free(theirs);
	return ok;
}

void er_spawner_stop(er_spawner *sp)
{
	if (sp->pid <= 0)
		return;
	ER_ASSERT(sp->sockets != NULL && sp->n > 0);
	close_all(sp->sockets, sp->n);
	er_free(sp->sockets);
	while (waitpid(sp->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*sp = (er_spawner){0};
}

/* One packet, with the descriptors of a start beside it. False: the spawner is gone or does not
 * keep up. */
static bool send_request(int sock, const er_spawn_request *rq, const int *fds, size_t n_fds)
{
	ER_ASSERT((rq->op == ER_SPAWN_START) == (fds != NULL) && n_fds <= ER_SPAWN_FDS_MOST);
	struct iovec iov = {.iov_base = (void *)rq, .iov_len = sizeof *rq};
	union {
		char bytes[CMSG_SPACE(ER_SPAWN_FDS_MOST * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		er_copy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	ssize_t n;
	while ((n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof *rq;
}

bool er_spawner_ask(int sock, uint32_t slot, enum er_profile profile, int memfd, int wake_sandbox, int wake_node, int inspect,
                    er_err *err)
{
	ER_ASSERT(memfd >= 0 && wake_sandbox >= 0 && wake_node >= 0 && profile <= ER_PROFILE_HARDENED);
	er_spawn_request rq = {.op = ER_SPAWN_START, .slot = slot, .profile = profile, .inspect = inspect >= 0};
	int fds[ER_SPAWN_FDS_MOST] = {memfd, wake_sandbox, wake_node, inspect};
	if (send_request(sock, &rq, fds, inspect >= 0 ? ER_SPAWN_FDS_MOST : ER_SPAWN_FDS))
		return true;
	if (errno == EAGAIN || errno == ETOOMANYREFS)
		return er_fail(err, ER_ERR_UNAVAILABLE, "the spawner is behind: too many sandboxes asked for at once");
	return er_fail_errno(err, ER_ERR_SYSTEM, "cannot ask the spawner for a sandbox");
}

void er_spawner_kill(int sock, uint32_t slot)
{
	er_spawn_request rq = {.op = ER_SPAWN_KILL, .slot = slot};
	/* A kill must not get lost. The spawner never waits for its readers, so the queue drains
	 * whatever else happens. */
	for (int tries = 0; !send_request(sock, &rq, NULL, 0) && errno == EAGAIN && tries < 100; tries++) {
		struct pollfd p = {.fd = sock, .events = POLLOUT};
		poll(&p, 1, 10);
	}
}

int er_spawner_read(int sock, er_spawner_event *ev)
{
	ssize_t n;
	while ((n = recv(sock, ev, sizeof *ev, MSG_DONTWAIT)) < 0 && errno == EINTR)
		;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n != (ssize_t)sizeof *ev)
		return -1;
	ev->text[sizeof ev->text - 1] = '\0';
	return 1;
}
