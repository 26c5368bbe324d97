/* Messages to the service manager: one datagram socket, unconnected, so that a manager which is
 * started anew is reached again. The address is read from the environment once. Failing is no
 * reason for anything but one line in the log: the node works the same without a manager. Control
 * thread. */
#include "gateway/notify.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slice.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1024 };

struct er_notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_n;
	uint64_t watchdog_us;
	bool complained;
};

/* "/run/systemd/notify", or "@name" of the abstract namespace. */
static bool address_of(const char *path, struct sockaddr_un *to, socklen_t *to_n)
{
	er_slice s = er_slice_cstr(path);
	if (s.n < 2 || s.n >= sizeof to->sun_path || (s.p[0] != '/' && s.p[0] != '@'))
		return false;
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	er_copy(to->sun_path, s.p, s.n);
	if (s.p[0] == '@')
		to->sun_path[0] = '\0';
	/* Of an abstract name every byte counts, of a path the NUL belongs to it. */
	static_assert(sizeof to->sun_path > 1, "a name and its NUL");
	*to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + s.n + (s.p[0] == '/'));
	ER_ASSERT(*to_n <= sizeof *to);
	return true;
}

/* WATCHDOG_PID names the process that is meant; a successor has no such variable, and is meant. */
static uint64_t watchdog_wanted(void)
{
	const char *every = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, whose;
	if (every == NULL || !er_slice_u64(er_slice_cstr(every), &us))
		return 0;
	if (pid != NULL && (!er_slice_u64(er_slice_cstr(pid), &whose) || whose != (uint64_t)getpid()))
		return 0;
	return us;
}

er_notify *er_notify_open(void)
{
	er_notify *n = ER_NEW(er_notify);
	const char *path = getenv("NOTIFY_SOCKET");
	n->fd = -1;
	if (path == NULL || path[0] == '\0')
		return n;
	if (!address_of(path, &n->to, &n->to_n)) {
		er_log(ER_LOG_WARN, "node", "NOTIFY_SOCKET=%s is no socket's name: the service manager will not hear of this node", path);
		return n;
	}
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		er_log(ER_LOG_WARN, "node", "cannot make a socket to talk to the service manager: %s", strerror(errno));
	else
		n->watchdog_us = watchdog_wanted();
	return n;
}

void er_notify_close(er_notify *n)
{
	if (n == NULL)
		return;
	if (n->fd >= 0)
		close(n->fd);
	er_free(n);
}

bool er_notify_on(const er_notify *n)
{
	return n->fd >= 0;
}

uint64_t er_notify_watchdog_us(const er_notify *n)
{
	return n->watchdog_us;
}

bool er_notify_send(er_notify *n, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	ER_ASSERT(n != NULL && (n->fd < 0 || n->to_n > offsetof(struct sockaddr_un, sun_path)));
	if (n->fd < 0)
		return false;
	va_list ap;
	va_start(ap, fmt);
	int len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t size = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
	ER_ASSERT(size < sizeof text);
	if (sendto(n->fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&n->to, n->to_n) == (ssize_t)size)
		return true;
	if (!n->complained)
		er_log(ER_LOG_WARN, "node", "cannot tell the service manager (NOTIFY_SOCKET): %s", strerror(errno));
	n->complained = true;
	return false;
}

void er_notify_reloading(er_notify *n)
{
	er_notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reading the configuration again",
	               (unsigned long long)er_clock_mono_us());
}

void er_notify_ready(er_notify *n, const char *status)
{
	er_notify_send(n, "READY=1\nSTATUS=%s", status);
}
