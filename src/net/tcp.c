/* Plain TCP (and the stream sockets of the local machine): the socket is the transport, and the
 * loop's poll handle is its readiness.
 *
 * The object lives from `open` until the loop has let go of the poll handle. `close` closes the
 * socket at once; the memory goes with the handle, right before the user's `closed` is called.
 * Writes never wait and never raise a signal (base/sock.h). */
#include "base/list.h"
#include "base/sock.h"
#include "net/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { MAGIC = 0x54435054 };

typedef struct tcp {
	er_transport base;
	uint32_t magic;
	int fd;      /* -1: closed */
	int watched; /* the loop's events that were asked for */
	uv_poll_t poll;
} tcp;

static tcp *of(er_transport *t)
{
	tcp *s = ER_CONTAINER(t, tcp, base);
	ER_CHECK(s, MAGIC);
	return s;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	tcp *s = poll->data;
	ER_CHECK(s, MAGIC);
	unsigned io = 0;
	if (events & UV_WRITABLE)
		io |= ER_IO_WRITE;
	if (events & UV_READABLE)
		io |= ER_IO_READ;
	/* A reset shows as "priority" when nothing else is watched: a client has no use for
	 * urgent data. */
	if (status < 0 || ((events & UV_PRIORITIZED) && !(events & UV_READABLE)))
		io |= ER_IO_GONE;
	s->base.ready(s->base.user, io);
}

static er_transport *tcp_open(uv_loop_t *loop, int fd, const struct sockaddr_storage *peer)
{
	ER_ASSERT(fd >= 0);
	tcp *s = ER_NEW(tcp);
	*s = (tcp){.base = {.kind = &er_transport_tcp, .peer = *peer}, .magic = MAGIC, .fd = fd};
	if (uv_poll_init(loop, &s->poll, fd) != 0) {
		close(fd);
		er_free(s);
		return NULL;
	}
	s->poll.data = s;
	int on = 1;
	/* no more than a wish: a local socket has no such thing */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return &s->base;
}

static ssize_t tcp_read(er_transport *t, uint8_t *to, size_t n)
{
	return er_sock_recv(of(t)->fd, to, n);
}

static ssize_t tcp_writev(er_transport *t, const struct iovec *iov, size_t n)
{
	tcp *s = of(t);
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
	ssize_t took;
	do {
		took = n == 1 ? er_sock_send(s->fd, iov[0].iov_base, iov[0].iov_len) : er_sock_sendmsg(s->fd, &msg);
	} while (took < 0 && errno == EINTR);
	return took;
}

static void tcp_shutdown(er_transport *t)
{
	shutdown(of(t)->fd, SHUT_WR);
}

/* Only a reset tells it. */
static void tcp_break_off(er_transport *t)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	(void)setsockopt(of(t)->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static void tcp_watch(er_transport *t, unsigned io)
{
	tcp *s = of(t);
	int events = (io & ER_IO_READ ? UV_READABLE : 0) | (io & ER_IO_WRITE ? UV_WRITABLE : 0);
	if (events == 0)
		events = UV_PRIORITIZED;
	ER_ASSERT(s->fd >= 0);
	if (s->watched == events)
		return;
	s->watched = events;
	uv_poll_start(&s->poll, events, on_poll);
}

static bool tcp_local(er_transport *t, struct sockaddr_storage *out)
{
	socklen_t n = sizeof *out;
	*out = (struct sockaddr_storage){0};
	return getsockname(of(t)->fd, (struct sockaddr *)out, &n) == 0;
}

static void on_closed(uv_handle_t *handle)
{
	tcp *s = handle->data;
	ER_CHECK(s, MAGIC);
	void (*closed)(void *) = s->base.closed;
	void *user = s->base.user;
	s->magic = 0;
	er_free(s);
	closed(user);
}

static void tcp_close(er_transport *t)
{
	tcp *s = of(t);
	ER_ASSERT(s->fd >= 0);
	/* before the descriptor: the loop still takes it out of its set */
	uv_close((uv_handle_t *)&s->poll, on_closed);
	close(s->fd);
	s->fd = -1;
}

const er_transport_kind er_transport_tcp = {
    .name = "tcp",
    .open = tcp_open,
    .read = tcp_read,
    .writev = tcp_writev,
    .shutdown = tcp_shutdown,
    .break_off = tcp_break_off,
    .watch = tcp_watch,
    .local = tcp_local,
    .close = tcp_close,
};
