/* Waiting for the header of the PROXY protocol.
 *
 * The bytes that have come are looked at without being taken (MSG_PEEK). If they and those before
 * them are a whole header, what is left of it is taken, and the socket is handed over with the
 * client's first byte still in it. If more must come, all of them belong to the header and are
 * taken, so that the loop is woken by new ones only.
 *
 * The socket is the preface's until `over` or er_preface_cut. Both close the loop's handle at once;
 * the memory goes with the handle, right before `closed` is called. */
#include "net/preface.h"

#include "base/sock.h"
#include "net/proxy.h"

enum { MAGIC = 0x50524546 };

typedef struct preface {
	er_preface base;
	uint32_t magic;
	int fd; /* -1: not ours any more */
	uv_poll_t poll;
	size_t n; /* bytes of the header that were taken */
	uint8_t bytes[ER_PROXY_MAX];
} preface;

static void on_closed(uv_handle_t *handle)
{
	preface *p = handle->data;
	ER_CHECK(p, MAGIC);
	ER_ASSERT(p->fd < 0 && er_list_empty(&p->base.link));
	void (*closed)(void *) = p->base.ops->closed;
	void *user = p->base.user;
	p->magic = 0;
	er_free(p);
	closed(user);
}

/* Nothing is watched any more: whoever gets the socket may watch it. */
static int let_go(preface *p)
{
	int fd = p->fd;
	ER_ASSERT(fd >= 0);
	p->fd = -1;
	er_list_remove(&p->base.link);
	uv_close((uv_handle_t *)&p->poll, on_closed);
	return fd;
}

static void fail(preface *p, er_preface_end end)
{
	close(let_go(p));
	p->base.ops->over(&p->base, end, -1, &p->base.peer);
}

/* The other end is gone. */
static void fail_gone(preface *p)
{
	fail(p, p->n > 0 ? ER_PREFACE_WRONG : ER_PREFACE_NONE);
}

/* Bytes that were seen already are there. */
static bool take(preface *p, size_t n)
{
	ER_ASSERT(p->n + n <= sizeof p->bytes);
	return n == 0 || er_sock_recv(p->fd, p->bytes + p->n, n) == (ssize_t)n;
}

static void act(preface *p)
{
	er_proxy_header header;
	ssize_t seen = er_sock_peek(p->fd, p->bytes + p->n, sizeof p->bytes - p->n);
	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (seen <= 0) {
		fail_gone(p);
		return;
	}
	size_t there = p->n + (size_t)seen;
	int whole = er_proxy_read(er_slice_of(p->bytes, there), &header);
	ER_ASSERT(whole <= 0 || ((size_t)whole > p->n && (size_t)whole <= there));
	if (whole < 0 || !take(p, (whole > 0 ? (size_t)whole : there) - p->n)) {
		fail(p, ER_PREFACE_WRONG);
		return;
	}
	p->n = there;
	if (whole > 0)
		p->base.ops->over(&p->base, ER_PREFACE_READ, let_go(p), header.client.ss_family != 0 ? &header.client : &p->base.peer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)events;
	preface *p = poll->data;
	ER_CHECK(p, MAGIC);
	ER_ASSERT(p->fd >= 0);
	if (status < 0)
		fail_gone(p);
	else
		act(p);
}

er_preface *er_preface_new(uv_loop_t *loop, int fd, const struct sockaddr_storage *peer, const er_preface_ops *ops)
{
	ER_ASSERT(fd >= 0 && ops->over != NULL && ops->closed != NULL);
	preface *p = ER_NEW(preface);
	p->base.peer = *peer;
	p->base.ops = ops;
	p->magic = MAGIC;
	p->fd = fd;
	er_list_init(&p->base.link);
	if (uv_poll_init(loop, &p->poll, fd) != 0) {
		close(fd);
		er_free(p);
		return NULL;
	}
	p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, on_poll);
	return &p->base;
}

void er_preface_cut(er_preface *base)
{
	preface *p = ER_CONTAINER(base, preface, base);
	ER_CHECK(p, MAGIC);
	close(let_go(p));
}
