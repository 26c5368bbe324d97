/* An open-loop load generator: GET requests at a fixed rate over kept-alive connections, one
 * thread, epoll. A request is due at start + i/rate, whatever became of those before it, and its
 * latency counts from that moment: a server that stalls cannot hide what it did to the requests
 * that had to wait (wrk's closed loop would just ask less).
 *
 *   er-load PORT HOST TARGET RATE SECONDS CONNECTIONS [same]
 *
 * With "same" every answer must say one number, in the header x-version and as its body, and no
 * connection may get a smaller one than before: what does not is counted as mixed.
 *
 * Prints one JSON object. The first second is warm-up and not counted. Measures servers one trusts:
 * it reads Content-Length and chunked answers well enough to know where they end, no more. */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
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

enum { IN_MAX = 64 * 1024, HEAD_MAX = 16 * 1024 };

typedef struct conn {
	int fd;
	bool busy;
	uint64_t due; /* of the request under way, ns */
	unsigned long newest;
	size_t in_n;
	char in[IN_MAX];
} conn;

typedef struct results {
	uint64_t *ns;
	size_t n, max;
	uint64_t asked, errors, mixed;
	bool same;
} results;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void conn_open(conn *c, int ep, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll_ctl");
	c->busy = false;
	c->in_n = 0;
}

/* 1: a whole answer is there; 0: not yet; -1: not an answer that this program understands. */
static int answer_complete(conn *c)
{
	c->in[c->in_n] = '\0';
	char *end = strstr(c->in, "\r\n\r\n");
	if (!end)
		return c->in_n < HEAD_MAX ? 0 : -1;
	size_t head = (size_t)(end - c->in) + 4;
	if (strncmp(c->in, "HTTP/1.1 200", 12) != 0)
		return -1;
	*end = '\0';
	char *length = strcasestr(c->in, "\r\ncontent-length:");
	char *chunked = strcasestr(c->in, "\r\ntransfer-encoding: chunked");
	*end = '\r';
	if (length)
		return c->in_n >= head + strtoul(length + 17, NULL, 10);
	if (chunked)
		return c->in_n >= head + 5 && memcmp(c->in + c->in_n - 5, "0\r\n\r\n", 5) == 0;
	return -1;
}

/* One version in head and body, and none before the newest that this connection has seen. */
static bool one_version(conn *c)
{
	char *body = strstr(c->in, "\r\n\r\n"), *said = strcasestr(c->in, "\r\nx-version:");
	if (!said || said > body)
		return false;
	unsigned long head = strtoul(said + 12, NULL, 10), version = strtoul(body + 4, NULL, 10);
	bool good = head == version && version >= c->newest && version > 0;
	c->newest = version;
	return good;
}

static void conn_read(conn *c, int ep, uint16_t port, results *res, uint64_t counted_from)
{
	ssize_t got = recv(c->fd, c->in + c->in_n, IN_MAX - 1 - c->in_n, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	int complete = 0;
	if (got > 0) {
		c->in_n += (size_t)got;
		complete = answer_complete(c);
		if (complete == 0 && c->in_n < IN_MAX - 1)
			return;
	}
	if (complete == 1 && c->busy) {
		res->mixed += res->same && !one_version(c);
		if (c->due >= counted_from && res->n < res->max)
			res->ns[res->n++] = now_ns() - c->due;
		c->busy = false;
		c->in_n = 0;
		return;
	}
	/* closed between two requests is the server's right; otherwise it is an error */
	res->errors += c->busy;
	close(c->fd);
	conn_open(c, ep, port);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double at_ms(const results *r, double part)
{
	if (!r->n)
		return 0;
	size_t i = (size_t)(part * (double)r->n);
	return (double)r->ns[i < r->n ? i : r->n - 1] / 1e6;
}

int main(int argc, char **argv)
{
	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: er-load PORT HOST TARGET RATE SECONDS CONNECTIONS [same]\n");
		return 2;
	}
	uint16_t port = (uint16_t)atoi(argv[1]);
	double rate = atof(argv[4]), seconds = atof(argv[5]);
	size_t n = (size_t)atoi(argv[6]);
	char request[2048];
	int request_n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nhost: %s\r\n\r\n", argv[3], argv[2]);
	if (rate <= 0 || seconds <= 0 || !n || request_n >= (int)sizeof request)
		return 2;

	conn *conns = calloc(n, sizeof *conns);
	results res = {.max = (size_t)(rate * seconds) + 1, .same = argc == 8};
	res.ns = calloc(res.max, sizeof *res.ns);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (!conns || !res.ns || ep < 0)
		die("setup");
	for (size_t i = 0; i < n; i++)
		conn_open(&conns[i], ep, port);

	uint64_t start = now_ns(), counted_from = start + 1000000000u;
	uint64_t total = (uint64_t)(rate * (seconds + 1)), next = 0;
	uint64_t give_up = start + (uint64_t)((seconds + 1) * 1e9) + 5000000000u;
	size_t turn = 0;
	for (;;) {
		uint64_t now = now_ns();
		size_t busy = 0;
		for (size_t i = 0; i < n; i++)
			busy += conns[i].busy;
		if ((next >= total && busy == 0) || now > give_up)
			break;
		/* all that is due and finds a free connection; the rest waits, and its clock runs */
		while (next < total && busy < n) {
			uint64_t due = start + (uint64_t)((double)next / rate * 1e9);
			if (due > now)
				break;
			while (conns[turn].busy)
				turn = (turn + 1) % n;
			conn *c = &conns[turn];
			c->busy = true;
			c->due = due;
			if (send(c->fd, request, (size_t)request_n, MSG_NOSIGNAL) != request_n)
				res.errors++;
			turn = (turn + 1) % n;
			busy++;
			next++;
			res.asked++;
		}
		struct epoll_event evs[64];
		/* Sleeps to the nanosecond that the next request is due: spinning would take the core from
		 * what is measured. */
		uint64_t due = start + (uint64_t)((double)next / rate * 1e9);
		now = now_ns();
		uint64_t ns = busy == n || next >= total ? 1000000U : due > now ? due - now : 0;
		struct timespec wait = {.tv_sec = (time_t)(ns / 1000000000U), .tv_nsec = (long)(ns % 1000000000U)};
		int got = epoll_pwait2(ep, evs, 64, &wait, NULL);
		for (int i = 0; i < got; i++)
			conn_read(evs[i].data.ptr, ep, port, &res, counted_from);
	}
	qsort(res.ns, res.n, sizeof *res.ns, by_value);
	uint64_t unanswered = 0;
	for (size_t i = 0; i < n; i++)
		unanswered += conns[i].busy;
	printf("{\"rate\": %.0f, \"asked\": %llu, \"counted\": %zu, \"errors\": %llu, \"mixed\": %llu, \"unsent\": %llu, \"p50\": "
	       "%.3f, \"p90\": "
	       "%.3f, \"p99\": %.3f, "
	       "\"p999\": %.3f, \"max\": %.3f}\n",
	       rate, (unsigned long long)res.asked, res.n, (unsigned long long)(res.errors + unanswered),
	       (unsigned long long)res.mixed, (unsigned long long)(total - next), at_ms(&res, 0.5), at_ms(&res, 0.9),
	       at_ms(&res, 0.99), at_ms(&res, 0.999), at_ms(&res, 1));
	return 0;
}
