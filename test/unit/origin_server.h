/* A server for tests of src/origin: raw sockets in threads of the test program, so that it can
 * answer what no real server would. Its paths are listed where they are answered. */
#ifndef TEST_ORIGIN_SERVER_H
#define TEST_ORIGIN_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

typedef struct test_server {
	int fd;
	unsigned port;
	atomic_uint connections, requests, closed_early;
	atomic_ullong sent, received;
} test_server;

typedef struct test_connection {
	test_server *server;
	int fd;
	char in[70000];
	size_t n; /* bytes in `in` */
	unsigned requests;
	bool head; /* the method is HEAD */
} test_connection;

static inline bool srv_send(test_connection *c, const void *p, size_t n)
{
	for (const char *at = p; n > 0;) {
		ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0) {
			c->server->closed_early++;
			return false;
		}
		at += sent;
		n -= (size_t)sent;
		c->server->sent += (unsigned long long)sent;
	}
	return true;
}

static inline bool srv_text(test_connection *c, const char *text)
{
	return srv_send(c, text, strlen(text));
}

static inline bool srv_body(test_connection *c, const char *head, const char *body, size_t n)
{
	char buf[4096];
	int len = snprintf(buf, sizeof buf, "%scontent-length: %zu\r\n\r\n", head, n);
	return srv_send(c, buf, (size_t)len) && srv_send(c, body, n);
}

/* More bytes; false at the end. */
static inline bool srv_more(test_connection *c)
{
	if (c->n == sizeof c->in)
		return false;
	ssize_t got = recv(c->fd, c->in + c->n, sizeof c->in - c->n, 0);
	if (got <= 0)
		return false;
	c->n += (size_t)got;
	return true;
}

static inline void srv_used(test_connection *c, size_t n)
{
	memmove(c->in, c->in + n, c->n - n);
	c->n -= n;
}

/* Reads an upload of either framing; returns its length and keeps the first `max` bytes, or -1 when
 * it breaks off. */
static inline long long srv_upload(test_connection *c, const char *head, char *keep, size_t max)
{
	const char *cl = strcasestr(head, "content-length:");
	long long total = 0, left = cl != NULL ? atoll(cl + 15) : 0;
	bool chunked = strcasestr(head, "transfer-encoding: chunked") != NULL;
	for (;;) {
		if (chunked && left == 0) {
			char *nl;
			while ((nl = memmem(c->in, c->n, "\r\n", 2)) == NULL)
				if (!srv_more(c))
					return -1;
			left = strtoll(c->in, NULL, 16);
			srv_used(c, (size_t)(nl + 2 - c->in));
			if (left == 0) {
				while (c->n < 2)
					if (!srv_more(c))
						return -1;
				srv_used(c, 2);
				return total;
			}
			left += 2;
		}
		if (!chunked && left == 0)
			return total;
		if (c->n == 0 && !srv_more(c))
			return -1;
		size_t take = (long long)c->n < left ? c->n : (size_t)left;
		for (size_t i = 0; i < take; i++) {
			bool crlf = chunked && left - (long long)i <= 2;
			if (!crlf && (size_t)total < max)
				keep[total] = c->in[i];
			total += !crlf;
		}
		c->server->received += take;
		srv_used(c, take);
		left -= (long long)take;
	}
}

static inline size_t srv_gzip(const char *text, size_t n, char *to, size_t cap)
{
	z_stream z = {0};
	deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)cap;
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return cap - z.avail_out;
}

static inline bool srv_redirect(test_connection *c, int status, const char *to)
{
	char head[1024];
	snprintf(head, sizeof head, "HTTP/1.1 %d Moved\r\nlocation: %s\r\n", status, to);
	return c->head ? srv_text(c, head) && srv_text(c, "\r\n") : srv_body(c, head, "moved", 5);
}

/* One request; false: close. Implemented by the test. */
static bool srv_answer(test_connection *c, const char *head, const char *method, const char *path);

static inline void *srv_connection(void *arg)
{
	test_connection *c = arg;
	for (bool go_on = true; go_on;) {
		char *end;
		while ((end = memmem(c->in, c->n, "\r\n\r\n", 4)) == NULL)
			if (!srv_more(c) || (c->in[0] == 0x16 && srv_text(c, "HTTP/1.1 400 No TLS here\r\n\r\n")))
				goto out;
		size_t n = (size_t)(end + 4 - c->in);
		char *head = strndup(c->in, n);
		char method[32] = "", path[4096] = "";
		sscanf(head, "%31s %4095s", method, path);
		srv_used(c, n);
		c->requests++;
		c->server->requests++;
		c->head = strcmp(method, "HEAD") == 0;
		go_on = srv_answer(c, head, method, path);
		free(head);
	}
out:
	close(c->fd);
	free(c);
	return NULL;
}

static inline void *srv_accept(void *arg)
{
	test_server *s = arg;
	for (;;) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		s->connections++;
		test_connection *c = calloc(1, sizeof *c);
		c->server = s;
		c->fd = fd;
		pthread_t thread;
		pthread_create(&thread, NULL, srv_connection, c);
		pthread_detach(thread);
	}
}

static inline test_server *srv_start(void)
{
	test_server *s = calloc(1, sizeof *s);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->fd, 128) != 0)
		abort();
	getsockname(s->fd, (struct sockaddr *)&a, &len);
	s->port = ntohs(a.sin_port);
	pthread_t thread;
	pthread_create(&thread, NULL, srv_accept, s);
	pthread_detach(thread);
	return s;
}

#endif
