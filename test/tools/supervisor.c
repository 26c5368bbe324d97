/* A service manager of a few lines, for tests: runs a command as systemd would run a service, and
 * prints what the service says.
 *
 *   supervisor [--abstract] [--watchdog USEC] [--listen PORT [--reuse-port]]... COMMAND [ARGS...]
 *
 * Standard output: a JSON line for each datagram, {"pid":...,"message":"READY=1\n..."}; with
 * --listen first {"port":...} for each; {"started":pid} and {"ended":status,"signal":n} of the
 * command. It ends when its standard input does. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTEN_MAX = 16, FIRST_FD = 3 };

static char path[108];

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static int notify_socket(bool abstract)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int on = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(path, sizeof path, "%s/er-notify-%d", abstract ? "@" : "/tmp", (int)getpid());
	size_t n = strlen(path);
	memcpy(sa.sun_path, path, n);
	if (abstract)
		sa.sun_path[0] = '\0';
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract)) != 0)
		die("notify socket");
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	return fd;
}

static int listening(int port, bool reuse)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof sa;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 128) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
		die("listen");
	printf("{\"port\":%d}\n", ntohs(sa.sin_port));
	return fd;
}

static void set_number(const char *name, long value)
{
	char text[32];
	snprintf(text, sizeof text, "%ld", value);
	setenv(name, text, 1);
}

static void run(char **argv, const int *fds, int n, long watchdog)
{
	prctl(PR_SET_PDEATHSIG, 9);
	for (int i = 0; i < n; i++)
		if (dup2(fds[i], 100 + i) < 0)
			die("dup2");
	for (int i = 0; i < n; i++)
		if (dup2(100 + i, FIRST_FD + i) < 0)
			die("dup2");
	for (int i = 0; i < n; i++)
		close(100 + i);
	setenv("NOTIFY_SOCKET", path, 1);
	if (watchdog > 0) {
		set_number("WATCHDOG_USEC", watchdog);
		set_number("WATCHDOG_PID", getpid());
	}
	if (n > 0) {
		set_number("LISTEN_FDS", n);
		set_number("LISTEN_PID", getpid());
	}
	execvp(argv[0], argv);
	die(argv[0]);
}

static void print_message(int fd)
{
	char text[4096];
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {text, sizeof text};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	ssize_t n = recvmsg(fd, &msg, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct ucred who = {0};
	if (n < 0)
		return;
	if (c != NULL && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&who, CMSG_DATA(c), sizeof who);
	printf("{\"pid\":%d,\"message\":\"", (int)who.pid);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			printf("\\n");
		else if (text[i] == '"' || text[i] == '\\')
			printf("\\%c", text[i]);
		else
			putchar(text[i]);
	}
	printf("\"}\n");
}

int main(int argc, char **argv)
{
	bool abstract = false, reuse = false;
	long watchdog = 0;
	int fds[LISTEN_MAX], n = 0, i = 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--abstract") == 0)
			abstract = true;
		else if (strcmp(argv[i], "--watchdog") == 0 && i + 1 < argc)
			watchdog = strtol(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--reuse-port") == 0)
			reuse = true;
		else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc && n < LISTEN_MAX)
			fds[n++] = listening((int)strtol(argv[++i], NULL, 10), reuse);
		else
			break;
	}
	if (i >= argc)
		return 98;
	int sock = notify_socket(abstract);
	pid_t pid = fork();
	if (pid == 0)
		run(argv + i, fds, n, watchdog);
	printf("{\"started\":%d}\n", (int)pid);
	struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	int status = 0;
	bool reaped = false;
	for (;;) {
		if (poll(p, 2, 100) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents & POLLIN)
			print_message(sock);
		if (!reaped && waitpid(pid, &status, WNOHANG) == pid) {
			reaped = true;
			printf("{\"ended\":%d,\"signal\":%d}\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1,
			       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
		}
		if (p[1].revents & (POLLIN | POLLHUP)) {
			char byte;
			if (read(STDIN_FILENO, &byte, 1) <= 0)
				break;
		}
	}
	if (!abstract)
		unlink(path);
	return 0;
}
