/* A load generator for WebSocket echo: one thread, epoll. Each connection sends a message of BYTES,
 * waits until it is back, and sends the next.
 *
 *   er-sockets PORT HOST TARGET BYTES SECONDS CONNECTIONS
 *
 * Prints one JSON object; the first half second is warm-up and not counted. BYTES 0: opens the
 * connections, prints, and holds them until its standard input ends. Measures servers one trusts:
 * it reads frames well enough to know where they end, no more. */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 14, IN = 256 * 1024 };

typedef struct conn {
	int fd;
	size_t sent;      /* of the message under way */
	bool wants;       /* to hear when the rest of it can be sent */
	uint8_t head[10]; /* of the frame that comes */
	size_t head_n, left;
} conn;

static char frame[HEAD_MAX + 1024 * 1024];
static size_t frame_n;
static char in[IN];

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A masked binary frame; the mask is zero, so that the payload is itself. */
static void make_frame(size_t n)
{
	size_t at = 0;
	frame[at++] = (char)0x82;
	if (n < 126) {
		frame[at++] = (char)(0x80 | n);
	} else if (n < 65536) {
		frame[at++] = (char)(0x80 | 126);
		frame[at++] = (char)(n >> 8);
		frame[at++] = (char)n;
	} else {
		frame[at++] = (char)(0x80 | 127);
		for (int i = 7; i >= 0; i--)
			frame[at++] = (char)((uint64_t)n >> (8 * i));
	}
	memset(frame + at, 0, 4);
	memset(frame + at + 4, 'x', n);
	frame_n = at + 4 + n;
}

static void handshake(conn *c, uint16_t port, const char *host, const char *target)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;
	char head[4096];
	size_t n = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	int asked = snprintf(head, sizeof head,
	                     "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
	                     "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	                     target, host);
	if (send(c->fd, head, (size_t)asked, MSG_NOSIGNAL) != asked)
		die("send");
	while (n < sizeof head - 1) { /* byte by byte: what follows the head is not ours yet */
		if (recv(c->fd, head + n, 1, 0) != 1)
			die("recv");
		head[++n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
		fprintf(stderr, "%s", head);
		exit(1);
	}
}

static bool push(conn *c, int ep)
{
	ssize_t n = send(c->fd, frame + c->sent, frame_n - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	c->sent += n > 0 ? (size_t)n : 0;
	bool wants = c->sent < frame_n;
	if (wants == c->wants)
		return true;
	c->wants = wants;
	struct epoll_event ev = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = c};
	return epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev) == 0;
}

/* How many frames of data end in these bytes. */
static unsigned take(conn *c, const uint8_t *p, size_t n)
{
	unsigned whole = 0;
	while (n > 0) {
		if (c->left > 0) {
			size_t part = n < c->left ? n : c->left;
			p += part;
			n -= part;
			c->left -= part;
			whole += c->left == 0;
			continue;
		}
		c->head[c->head_n++] = *p++;
		n--;
		size_t kind = c->head_n >= 2 ? c->head[1] & 127 : 0, need = kind == 126 ? 4 : kind == 127 ? 10 : 2;
		if (c->head_n < 2 || c->head_n < need)
			continue;
		c->left = kind < 126 ? kind : 0;
		for (size_t i = 2; i < need; i++)
			c->left = c->left << 8 | c->head[i];
		c->head_n = 0;
	}
	return whole;
}

static unsigned long echo(conn *all, size_t count, int ep, double seconds)
{
	unsigned long messages = 0;
	double began = now_s(), from = began + 0.5, until = from + seconds;
	struct epoll_event evs[64];
	for (size_t i = 0; i < count; i++)
		push(&all[i], ep);
	for (double now = began; now < until; now = now_s()) {
		int n = epoll_wait(ep, evs, 64, 100);
		for (int i = 0; i < n; i++) {
			conn *c = evs[i].data.ptr;
			if (evs[i].events & EPOLLOUT)
				push(c, ep);
			if (!(evs[i].events & ~(uint32_t)EPOLLOUT))
				continue;
			ssize_t got = recv(c->fd, in, IN, MSG_DONTWAIT);
			if (got == 0)
				die("the server closed a connection");
			if (got < 0 || take(c, (uint8_t *)in, (size_t)got) == 0)
				continue;
			messages += now >= from;
			c->sent = 0;
			push(c, ep);
		}
	}
	return messages;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: er-sockets PORT HOST TARGET BYTES SECONDS CONNECTIONS\n");
		return 2;
	}
	size_t bytes = (size_t)atol(argv[4]), count = (size_t)atol(argv[6]);
	double seconds = atof(argv[5]);
	conn *all = calloc(count, sizeof *all);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (!all || ep < 0 || bytes > sizeof frame - HEAD_MAX)
		return 2;
	for (size_t i = 0; i < count; i++) {
		handshake(&all[i], (uint16_t)atoi(argv[1]), argv[2], argv[3]);
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &all[i]};
		if (epoll_ctl(ep, EPOLL_CTL_ADD, all[i].fd, &ev) < 0)
			die("epoll_ctl");
	}
	if (bytes == 0) {
		printf("{\"open\": %zu}\n", count);
		fflush(stdout);
		while (read(0, in, IN) > 0)
			;
		return 0;
	}
	make_frame(bytes);
	unsigned long messages = echo(all, count, ep, seconds);
	printf("{\"messages\": %lu, \"seconds\": %g}\n", messages, seconds);
	return 0;
}
