#include "base/log.h"
#include "gateway/server_internal.h"
#include "http/date.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { MAGIC = 0x53525652, LISTENER_MAGIC = 0x4c53544e, ACCEPTS = 64, DRAIN_IDLE_MS = 500, DRAIN_HEAD_MS = 2000 };

typedef struct listener {
	uint32_t magic;
	er_server *server;
	uv_poll_t poll;
	int fd;
	bool paused, ended;
	er_list link;
} listener;

/* ---- time ---- */

er_slice er_server_date(er_server *s)
{
	uint64_t now = uv_now(s->loop);
	if (s->date_ms == 0 || now - s->date_ms >= DATE_MS) {
		s->date_ms = now;
		er_date_write((int64_t)(er_clock_wall_us() / 1000000U), s->date);
	}
	return er_slice_of(s->date, ER_DATE_N);
}

void er_server_wait(er_conn *c, conn_wait wait)
{
	er_server *s = c->server;
	if (c->wait == wait)
		return;
	if ((c->wait == WAIT_IDLE) != (wait == WAIT_IDLE))
		er_stat_add(&s->stats->idle, wait == WAIT_IDLE ? 1 : (uint64_t)-1);
	er_list_remove(&c->timed);
	c->wait = wait;
	c->since_ms = uv_now(s->loop);
	if (wait != WAIT_NONE)
		er_list_push(&s->waits[wait], &c->timed);
}

static void expire(er_server *s, conn_wait wait, uint64_t after_ms, uint64_t now)
{
	for (er_list *l = s->waits[wait].next; l != &s->waits[wait]; l = s->waits[wait].next) {
		er_conn *c = ER_CONTAINER(l, er_conn, timed);
		if (now - c->since_ms < after_ms)
			break;
		er_conn_expired(c);
	}
}

static void pause_listener(listener *l, bool pause);

static void on_tick(uv_timer_t *timer)
{
	er_server *s = timer->data;
	ER_CHECK(s, MAGIC);
	uint64_t now = uv_now(s->loop);
	uint32_t idle_ms = s->o.limits.keep_alive_ms, head_ms = s->o.limits.header_ms;
	bool hurry = s->draining && now >= s->patience_ms;
	expire(s, WAIT_IDLE, hurry && idle_ms > DRAIN_IDLE_MS ? DRAIN_IDLE_MS : idle_ms, now);
	expire(s, WAIT_HEAD, s->draining && head_ms > DRAIN_HEAD_MS ? DRAIN_HEAD_MS : head_ms, now);
	expire(s, WAIT_DRAIN, DRAIN_MS, now);
	expire(s, WAIT_LINGER, LINGER_MS, now);
	ER_LIST_EACH(l, &s->waits[WAIT_WATCH])
	er_conn_watch(ER_CONTAINER(l, er_conn, timed), now);
	if (s->full && (s->o.gate == NULL || er_gate_open(s->o.gate))) {
		s->full = false;
		ER_LIST_EACH(l, &s->listeners)
		pause_listener(ER_CONTAINER(l, listener, link), false);
	}
	if (er_list_empty(&s->conns) && !s->full) {
		s->ticking = false;
		uv_timer_stop(timer);
	}
}

static void need_tick(er_server *s)
{
	if (s->ticking || s->closing)
		return;
	s->ticking = true;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

/* ---- listeners ---- */

/* There is no descriptor left: the reserve lets us tell the client so, by a close, instead of leaving it in the queue and the loop spinning. */
static void shed(er_server *s, int fd)
{
	if (s->reserve >= 0)
		close(s->reserve);
	int victim = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (victim >= 0)
		close(victim);
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (s->stats->refused % 1000 == 0)
		er_log(ER_LOG_ERROR, "gateway",
		       "no file descriptor is left for a connection: raise RLIMIT_NOFILE or lower limits.connections");
	er_stat_add(&s->stats->refused, 1);
}

static void take(er_server *s, int fd, const struct sockaddr_storage *peer)
{
	int on = 1;
	if (s->o.gate != NULL && !er_gate_enter(s->o.gate, peer)) {
		close(fd);
		er_stat_add(&s->stats->refused, 1);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	er_stat_add(&s->stats->accepted, 1);
	need_tick(s);
	er_conn_open(s, fd, peer);
}

static void accept_some(listener *l, unsigned most)
{
	er_server *s = l->server;
	for (unsigned i = 0; i < most && !l->ended; i++) {
		if (s->o.gate != NULL && !er_gate_open(s->o.gate)) {
			/* The queue of the kernel holds them back until somebody leaves. */
			s->full = true;
			pause_listener(l, true);
			need_tick(s);
			return;
		}
		struct sockaddr_storage peer = {0};
		socklen_t n = sizeof peer;
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(s, fd, &peer);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			shed(s, l->fd);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) {
			return;
		}
	}
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	listener *l = poll->data;
	ER_CHECK(l, LISTENER_MAGIC);
	accept_some(l, ACCEPTS);
}

static void pause_listener(listener *l, bool pause)
{
	if (l->ended || l->paused == pause)
		return;
	l->paused = pause;
	if (pause)
		uv_poll_stop(&l->poll);
	else
		uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

bool er_server_listen(er_server *s, int fd, er_err *err)
{
	ER_CHECK(s, MAGIC);
	listener *l = ER_NEW(listener);
	*l = (listener){.magic = LISTENER_MAGIC, .server = s, .fd = fd};
	int rc = uv_poll_init(s->loop, &l->poll, fd);
	if (rc != 0) {
		er_free(l);
		return er_fail(err, ER_ERR_SYSTEM, "cannot watch a listening socket: %s", uv_strerror(rc));
	}
	l->poll.data = l;
	s->handles++;
	er_list_push(&s->listeners, &l->link);
	uv_poll_start(&l->poll, UV_READABLE, on_connection);
	return true;
}

static void on_listener_closed(uv_handle_t *handle)
{
	listener *l = handle->data;
	er_server *s = l->server;
	er_free(l);
	er_server_handle_gone(s);
}

static void end_listener(listener *l)
{
	if (l->ended)
		return;
	accept_some(l, 4096);
	l->ended = true;
	er_list_remove(&l->link);
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	close(l->fd);
}

void er_server_unlisten(er_server *s, int fd)
{
	ER_LIST_EACH(it, &s->listeners)
	{
		listener *l = ER_CONTAINER(it, listener, link);
		if (l->fd == fd)
			end_listener(l);
	}
}

/* ---- the server ---- */

er_server *er_server_new(const er_server_options *options)
{
	er_server *s = ER_NEW(er_server);
	s->magic = MAGIC;
	s->loop = options->loop;
	s->o = *options;
	s->stats = options->stats;
	s->last_id = options->id_base + ((uint64_t)options->number << 40);
	er_list_init(&s->conns);
	er_list_init(&s->listeners);
	for (int i = 0; i < WAIT_COUNT_; i++)
		er_list_init(&s->waits[i]);
	uv_timer_init(s->loop, &s->tick);
	s->tick.data = s;
	s->handles = 1;
	s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return s;
}

void er_server_limit(er_server *s, const er_gateway_limits *limits)
{
	s->o.limits = *limits;
}

void er_server_drain(er_server *s, uint32_t patience_ms)
{
	ER_CHECK(s, MAGIC);
	if (s->draining)
		return;
	while (!er_list_empty(&s->listeners))
		end_listener(ER_CONTAINER(s->listeners.next, listener, link));
	s->draining = true;
	s->patience_ms = uv_now(s->loop) + patience_ms;
	if (patience_ms > 0)
		return;
	ER_LIST_EACH(l, &s->conns)
	{
		er_conn *c = ER_CONTAINER(l, er_conn, link);
		/* One that just came, and whose request may still be on its way, gets DRAIN_IDLE_MS. */
		if (er_conn_idle(c) && c->requests > 0)
			er_conn_close(c);
	}
}

void er_server_handle_gone(er_server *s)
{
	ER_CHECK(s, MAGIC);
	if (--s->handles > 0)
		return;
	ER_ASSERT(s->closing);
	if (s->reserve >= 0)
		close(s->reserve);
	void (*closed)(void *) = s->on_closed;
	void *ctx = s->on_closed_ctx;
	s->magic = 0;
	er_free(s);
	closed(ctx);
}

static void on_tick_closed(uv_handle_t *handle)
{
	er_server_handle_gone(handle->data);
}

void er_server_close(er_server *s, void (*closed)(void *ctx), void *ctx)
{
	ER_CHECK(s, MAGIC);
	er_server_drain(s, 0);
	s->closing = true;
	s->on_closed = closed;
	s->on_closed_ctx = ctx;
	while (!er_list_empty(&s->conns))
		er_conn_gone(ER_CONTAINER(s->conns.next, er_conn, link), ER_ERR_CANCELLED);
	uv_close((uv_handle_t *)&s->tick, on_tick_closed);
}
