/* Accepting connections.
 *
 * A listener is watched for readiness by its loop. It accepts until the kernel's queue is empty or
 * a round is full, asks its owner for room before each accept, and rests while there is none. When
 * the process has no descriptor left, a descriptor kept in reserve is given up for a moment: the
 * client is taken and closed, so that it learns of it and the loop does not spin. The memory of a
 * listener goes when the loop has let go of its poll handle, right before `ended` is called. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAGIC = 0x4c53544e, ACCEPTS = 64, ACCEPTS_LAST = 4096 };

/* One descriptor that listens, until the loop has closed its poll handle. */
struct er_listener {
	uint32_t magic;
	uv_loop_t *loop;
	const er_transport_kind *kind;
	const er_listener_ops *ops;
	void *ctx;
	uv_poll_t poll;
	int fd; /* -1: closed */
	/* a descriptor kept for the moment when there are no more; -1: none could be had */
	int reserve;
	bool resting;
};

static int reserve_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void shed(er_listener *l)
{
	if (l->reserve >= 0)
		close(l->reserve);
	int victim = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (victim >= 0)
		close(victim);
	l->reserve = reserve_open();
	l->ops->shed(l->ctx);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void rest(er_listener *l, bool resting)
{
	if (l->fd < 0 || l->resting == resting)
		return;
	l->resting = resting;
	if (resting)
		uv_poll_stop(&l->poll);
	else
		uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

void er_listener_hand(const er_transport_kind *kind, uv_loop_t *loop, int fd, const struct sockaddr_storage *peer,
                      const er_listener_ops *ops, void *ctx)
{
	ER_ASSERT(fd >= 0);
	if (!ops->admit(ctx, peer)) {
		close(fd);
		return;
	}
	if (ops->prefaced != NULL)
		ops->prefaced(ctx, fd, kind, peer);
	else
		ops->accepted(ctx, kind->open(loop, fd, peer), peer);
}

/* Up to `most`, so that a burst of connections does not hold up those that are there. Stops
 * listening for a while when the user has no room or the process no descriptors. */
static void accept_some(er_listener *l, unsigned most)
{
	for (unsigned i = 0; i < most && l->fd >= 0; i++) {
		if (!l->ops->room(l->ctx)) {
			rest(l, true);
			return;
		}
		struct sockaddr_storage peer = {0};
		socklen_t n = sizeof peer;
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			er_listener_hand(l->kind, l->loop, fd, &peer, l->ops, l->ctx);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			shed(l);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
			return;
		}
	}
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	er_listener *l = poll->data;
	ER_CHECK(l, MAGIC);
	accept_some(l, ACCEPTS);
}

er_listener *er_listener_new(uv_loop_t *loop, int fd, const er_transport_kind *kind, const er_listener_ops *ops, void *ctx,
                             er_err *err)
{
	ER_ASSERT(fd >= 0 && kind != NULL && ops->room != NULL && ops->accepted != NULL);
	er_listener *l = ER_NEW(er_listener);
	*l = (er_listener){.magic = MAGIC, .loop = loop, .kind = kind, .ops = ops, .ctx = ctx, .fd = fd, .reserve = -1};
	int rc = uv_poll_init(loop, &l->poll, fd);
	if (rc != 0) {
		er_free(l);
		(void)er_fail(err, ER_ERR_SYSTEM, "cannot watch a listening socket: %s", uv_strerror(rc));
		return NULL;
	}
	l->poll.data = l;
	l->reserve = reserve_open();
	uv_poll_start(&l->poll, UV_READABLE, on_connection);
	return l;
}

static void on_closed(uv_handle_t *handle)
{
	er_listener *l = handle->data;
	ER_CHECK(l, MAGIC);
	const er_listener_ops *ops = l->ops;
	void *ctx = l->ctx;
	l->magic = 0;
	er_free(l);
	ops->ended(ctx);
}

void er_listener_end(er_listener *l)
{
	ER_CHECK(l, MAGIC);
	ER_ASSERT(l->fd >= 0);
	accept_some(l, ACCEPTS_LAST);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
	l->fd = -1;
	if (l->reserve >= 0)
		close(l->reserve);
	l->reserve = -1;
}

void er_listener_resume(er_listener *l)
{
	ER_CHECK(l, MAGIC);
	rest(l, false);
}

int er_listener_fd(const er_listener *l)
{
	ER_CHECK(l, MAGIC);
	return l->fd;
}
