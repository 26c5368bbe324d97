/* Sockets that listen, from the text of an address.
 *
 * A node opens one socket a thread for each address (er_listen_open). They share the address by
 * SO_REUSEPORT, and the kernel spreads connections over them. A node that took over from another
 * one has inherited some, and makes what is missing like one of these (er_listen_more); these are
 * bound at once and listen only when they are served (er_listen_begin), because a connection that
 * waits in a socket of a process that fails is lost.
 *
 * The functions keep nothing. Descriptors belong to the caller, non-blocking and closed on exec;
 * where a function fails it has closed what it opened. */
#include "net/listen.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static bool fail(er_slice address, er_err *err)
{
	return er_fail(err, ER_ERR_INVALID,
	               "\"%.*s\" is not an address to listen on: \"127.0.0.1:8787\", \"[::1]:80\" or \":80\" is expected",
	               ER_FMT(address));
}

bool er_listen_parse(er_slice address, struct sockaddr_storage *out, er_err *err)
{
	char host[INET6_ADDRSTRLEN];
	size_t colon = address.n;
	while (colon > 0 && address.p[colon - 1] != ':')
		colon--;
	uint64_t port;
	if (colon == 0 || !er_slice_u64(er_slice_from(address, colon), &port) || port > 65535)
		return fail(address, err);
	er_slice name = er_slice_head(address, colon - 1);
	bool brackets = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
	if (brackets)
		name = er_slice_of(name.p + 1, name.n - 2);
	if (er_slice_eq(name, ER_LIT("localhost")))
		name = ER_LIT("127.0.0.1");
	if (name.n >= sizeof host)
		return fail(address, err);
	er_copy(host, name.p, name.n);
	host[name.n] = '\0';
	*out = (struct sockaddr_storage){0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
	if (!brackets && name.n > 0 && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return true;
	}
	v6->sin6_addr = in6addr_any;
	if (name.n > 0 && !er_slice_eq(name, ER_LIT("*")) && (!brackets || inet_pton(AF_INET6, host, &v6->sin6_addr) != 1))
		return fail(address, err);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	return true;
}

static socklen_t length_of(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* `shared`: others of ours may listen there too (SO_REUSEPORT). */
static int open_one(const char *address, const struct sockaddr_storage *sa, bool shared, er_err *err)
{
	int on = 1, off = 0;
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make a socket for %s", address);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (shared)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (sa->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (const struct sockaddr *)sa, length_of(sa)) == 0 && (!shared || listen(fd, BACKLOG) == 0))
		return fd;
	if (errno == EADDRINUSE)
		er_fail(err, ER_ERR_SYSTEM, "cannot listen on %s: another process does already", address);
	else if (errno == EACCES)
		er_fail(err, ER_ERR_SYSTEM, "cannot listen on %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", address);
	else
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot listen on %s", address);
	close(fd);
	return -1;
}

unsigned er_listen_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = {.v6 = {0}};
	socklen_t n = sizeof name;
	if (getsockname(fd, &name.any, &n) != 0)
		return 0;
	return ntohs(name.any.sa_family == AF_INET ? name.v4.sin_port : name.v6.sin6_port);
}

static void set_port(struct sockaddr_storage *sa, unsigned port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)(void *)sa)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)(void *)sa)->sin6_port = htons((uint16_t)port);
}

unsigned er_listen_open(const char *address, int *fds, unsigned n, er_err *err)
{
	ER_ASSERT(n > 0);
	struct sockaddr_storage sa = {0};
	if (!er_listen_parse(er_slice_cstr(address), &sa, err))
		return 0;
	/* SO_REUSEPORT lets a second node of the same user join silently: a socket without it is
	 * refused then, and says so. */
	int probe = open_one(address, &sa, false, err);
	if (probe < 0)
		return 0;
	close(probe);
	/* Port 0: the kernel chooses for the first, and the others take the same. */
	unsigned port = 0;
	for (unsigned i = 0; i < n; i++) {
		int fd = fds[i] = open_one(address, &sa, true, err);
		if (fd < 0) {
			for (unsigned k = 0; k < i; k++)
				close(fds[k]);
			return 0;
		}
		if (i == 0)
			port = er_listen_port(fd);
		set_port(&sa, port);
	}
	return port;
}

bool er_listen_check(const char *address, er_err *err)
{
	struct sockaddr_storage sa = {0};
	if (!er_listen_parse(er_slice_cstr(address), &sa, err))
		return false;
	int probe = open_one(address, &sa, false, err);
	if (probe >= 0)
		close(probe);
	return probe >= 0;
}

/* A socket bound to the address of `like`; -1: the kernel does not allow one, with errno. */
static int one_more(int like)
{
	int on = 1, only6 = 0;
	struct sockaddr_storage sa = {0};
	socklen_t n = sizeof sa, only6_n = sizeof only6;
	if (getsockname(like, (struct sockaddr *)&sa, &n) != 0)
		return -1;
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (sa.ss_family == AF_INET6 && getsockopt(like, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &only6_n) == 0)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
	if (bind(fd, (struct sockaddr *)&sa, n) == 0)
		return fd;
	close(fd);
	return -1;
}

bool er_listen_more(int fd, int *fds, unsigned n, er_err *err)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = one_more(fd);
		if (fds[i] < 0)
			fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (fds[i] >= 0)
			continue;
		er_fail_errno(err, ER_ERR_SYSTEM, "cannot make another listening socket");
		while (i-- > 0)
			close(fds[i]);
		return false;
	}
	return true;
}

void er_listen_begin(int fd)
{
	(void)listen(fd, BACKLOG);
}
