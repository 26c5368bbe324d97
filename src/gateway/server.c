/* The server of one loop: its listeners, its sessions, and the lists in which sessions
 * wait for time.
 *
 * A listener (net/listener.h) brings a transport; the server counts it and opens a session on
 * it. A listener of a front brings a socket first, whose preface (net/preface.h) is awaited;
 * then it is known
 * whose connection it is, and it goes the same way. A session that waits for something stands in
 * one of the lists `waits`; a timer, which runs while there are sessions, looks at them. The server
 * lives until er_server_close was called and the last
 * handle of the loop (the timer, listeners, transports) is gone. */
#include "base/log.h"
#include "gateway/server_internal.h"
#include "net/preface.h"

#include <unistd.h>

enum { MAGIC = 0x53525652, DRAIN_IDLE_MS = 500, DRAIN_HEAD_MS = 2000 };

/* One listener, as the server keeps it. */
typedef struct door {
	er_listener *listener;
	er_list link;
} door;

/* ---- time ---- */

er_slice er_server_date(er_server *s)
{
	uint64_t now = uv_now(s->loop);
	if (s->date_ms == 0 || now - s->date_ms >= DATE_MS) {
		s->date_ms = now;
		er_date_write(er_clock_wall_s(), s->date);
	}
	return er_slice_of(s->date, ER_DATE_N);
}

void er_server_wait(er_session *session, er_session_wait wait)
{
	er_server *s = session->server;
	if (session->wait == wait)
		return;
	if ((session->wait == ER_WAIT_IDLE) != (wait == ER_WAIT_IDLE))
		er_stat_add(&s->stats->idle, wait == ER_WAIT_IDLE ? 1 : (uint64_t)-1);
	er_list_remove(&session->timed);
	session->wait = wait;
	session->since_ms = uv_now(s->loop);
	if (wait != ER_WAIT_NONE)
		er_list_push(&s->waits[wait], &session->timed);
}

static void expire(er_server *s, er_session_wait wait, uint64_t after_ms, uint64_t now)
{
	for (er_list *l = s->waits[wait].next; l != &s->waits[wait]; l = s->waits[wait].next) {
		er_session *session = ER_CONTAINER(l, er_session, timed);
		if (now - session->since_ms < after_ms)
			break;
		session->kind->expired(session);
		/* it waits anew, or elsewhere */
		ER_ASSERT(l != s->waits[wait].next || session->since_ms == uv_now(s->loop));
	}
}

static void watch_all(er_server *s, uint64_t now)
{
	ER_LIST_EACH(l, &s->waits[ER_WAIT_WATCH])
	{
		er_session *session = ER_CONTAINER(l, er_session, timed);
		session->kind->watch(session, now);
	}
}

/* The connection ends before anybody knows whose it is. */
static void cut_preface(er_server *s, er_preface *p)
{
	er_preface_cut(p);
	er_stat_add(&s->stats->connections, (uint64_t)-1);
	if (s->o.gate != NULL)
		er_gate_leave(s->o.gate, NULL);
}

static void expire_prefaces(er_server *s, uint64_t after_ms, uint64_t now)
{
	ER_LIST_EACH(l, &s->prefaces)
	{
		er_preface *p = ER_CONTAINER(l, er_preface, link);
		if (now - p->since_ms < after_ms)
			break;
		er_stat_add(&s->stats->prefaces_refused, 1);
		cut_preface(s, p);
	}
}

static bool may_come(const er_server *s)
{
	return s->o.gate == NULL || er_gate_open(s->o.gate);
}

/* Expires the lists, and lets listeners go on that had no room. Runs while there are sessions. */
static void on_tick(uv_timer_t *timer)
{
	er_server *s = timer->data;
	ER_CHECK(s, MAGIC);
	uint64_t now = uv_now(s->loop);
	uint32_t idle_ms = s->o.limits.keep_alive_ms, head_ms = s->o.limits.header_ms;
	bool hurry = s->draining && now >= s->patience_ms;
	expire(s, ER_WAIT_IDLE, hurry && idle_ms > DRAIN_IDLE_MS ? DRAIN_IDLE_MS : idle_ms, now);
	expire(s, ER_WAIT_HEAD, s->draining && head_ms > DRAIN_HEAD_MS ? DRAIN_HEAD_MS : head_ms, now);
	expire(s, ER_WAIT_DRAIN, DRAIN_MS, now);
	expire(s, ER_WAIT_LINGER, LINGER_MS, now);
	watch_all(s, now);
	expire_prefaces(s, s->draining && head_ms > DRAIN_HEAD_MS ? DRAIN_HEAD_MS : head_ms, now);
	if (s->full && may_come(s)) {
		s->full = false;
		ER_LIST_EACH(l, &s->listeners)
		er_listener_resume(ER_CONTAINER(l, door, link)->listener);
	}
	if (er_list_empty(&s->sessions) && er_list_empty(&s->prefaces) && !s->full) {
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

/* ---- sessions ---- */

void er_server_join(er_server *s, er_session *session, const er_session_kind *kind, er_transport *t)
{
	*session = (er_session){.kind = kind, .server = s, .transport = t};
	er_list_init(&session->link);
	er_list_init(&session->timed);
	s->handles++;
	er_stat_add(&s->stats->connections, 1);
	er_list_push(&s->sessions, &session->link);
}

void er_server_left(er_session *session)
{
	er_server *s = session->server;
	ER_ASSERT(session->wait == ER_WAIT_NONE);
	er_list_remove(&session->link);
	if (s->o.gate != NULL)
		er_gate_leave(s->o.gate, session->counted ? &session->transport->peer : NULL);
	er_stat_add(&s->stats->connections, (uint64_t)-1);
}

void er_server_finished(er_stream *st, int status, bool cut)
{
	er_server *s = st->session->server;
	if (s->o.finished == NULL)
		return;
	uint64_t started_us = st->x->facts.started_us;
	er_finished f = {.x = st->x,
	                 .served = &st->served,
	                 .status = status,
	                 .sent = st->sent,
	                 .wall_us = started_us != 0 ? er_clock_mono_us() - started_us : 0,
	                 .cut = cut};
	s->o.finished(s->o.ctx, &f);
}

/* ---- listeners ---- */

static bool on_room(void *ctx)
{
	er_server *s = ctx;
	if (may_come(s))
		return true;
	/* The queue of the kernel holds them back until somebody leaves. */
	s->full = true;
	need_tick(s);
	return false;
}

static bool is_trusted(const er_server *s, const struct sockaddr_storage *peer)
{
	struct in6_addr addr;
	return s->n_trusted > 0 && er_cidr_of_sockaddr((const struct sockaddr *)(const void *)peer, &addr) &&
	       er_cidr_any(s->trusted, s->n_trusted, &addr);
}

/* Between this and on_accepted nothing changes who is trusted. */
static bool on_admit(void *ctx, const struct sockaddr_storage *peer)
{
	er_server *s = ctx;
	if (s->o.gate == NULL || er_gate_enter(s->o.gate, is_trusted(s, peer) ? NULL : peer))
		return true;
	er_stat_add(&s->stats->refused, 1);
	return false;
}

/* Which protocol is spoken on a transport is decided here: HTTP/1, as long as no other is there. */
static void on_accepted(void *ctx, er_transport *t, const struct sockaddr_storage *peer)
{
	er_server *s = ctx;
	bool counted = !is_trusted(s, peer);
	if (t == NULL) {
		if (s->o.gate != NULL)
			er_gate_leave(s->o.gate, counted ? peer : NULL);
		return;
	}
	er_stat_add(&s->stats->accepted, 1);
	need_tick(s);
	er_h1_session_kind.open(s, t)->counted = counted;
}

/* ---- connections of a front ---- */

/* Nobody knows yet whose connection it is. */
static bool on_admit_front(void *ctx, const struct sockaddr_storage *peer)
{
	er_server *s = ctx;
	if (s->n_trusted > 0 && !is_trusted(s, peer)) {
		er_stat_add(&s->stats->prefaces_refused, 1);
		return false;
	}
	return s->o.gate == NULL || er_gate_enter(s->o.gate, NULL);
}

/* The connection was counted in the whole; now it counts for its client too, if it is one. */
static void open_for(er_server *s, const er_transport_kind *kind, int fd, const struct sockaddr_storage *client)
{
	bool counted = !is_trusted(s, client);
	if (counted && s->o.gate != NULL && !er_gate_begin(s->o.gate, client)) {
		er_stat_add(&s->stats->refused, 1);
		er_gate_leave(s->o.gate, NULL);
		close(fd);
		return;
	}
	er_transport *t = kind->open(s->loop, fd, client);
	if (t != NULL)
		er_h1_session_kind.open(s, t)->counted = counted;
	else if (s->o.gate != NULL)
		er_gate_leave(s->o.gate, counted ? client : NULL);
}

static void on_preface(er_preface *p, er_preface_end end, int fd, const struct sockaddr_storage *client)
{
	er_server *s = p->user;
	ER_CHECK(s, MAGIC);
	er_stat_add(&s->stats->connections, (uint64_t)-1);
	if (end == ER_PREFACE_READ) {
		open_for(s, p->kind, fd, client);
		return;
	}
	if (end == ER_PREFACE_WRONG)
		er_stat_add(&s->stats->prefaces_refused, 1);
	if (s->o.gate != NULL)
		er_gate_leave(s->o.gate, NULL);
}

static void on_preface_closed(void *user)
{
	er_server_handle_gone(user);
}

static const er_preface_ops preface_ops = {.over = on_preface, .closed = on_preface_closed};

static void on_prefaced(void *ctx, int fd, const er_transport_kind *kind, const struct sockaddr_storage *peer)
{
	er_server *s = ctx;
	er_preface *p = er_preface_new(s->loop, fd, peer, &preface_ops);
	if (p == NULL) {
		if (s->o.gate != NULL)
			er_gate_leave(s->o.gate, NULL);
		return;
	}
	p->user = s;
	p->kind = kind;
	p->since_ms = uv_now(s->loop);
	s->handles++;
	er_list_push(&s->prefaces, &p->link);
	er_stat_add(&s->stats->accepted, 1);
	er_stat_add(&s->stats->connections, 1);
	need_tick(s);
}

static void on_shed(void *ctx)
{
	er_server *s = ctx;
	if (s->stats->refused % 1000 == 0)
		er_log(ER_LOG_ERROR, "gateway",
		       "no file descriptor is left for a connection: raise RLIMIT_NOFILE or lower limits.connections");
	er_stat_add(&s->stats->refused, 1);
}

static void on_listener_ended(void *ctx)
{
	er_server_handle_gone(ctx);
}

static const er_listener_ops listener_ops = {
    .room = on_room, .admit = on_admit, .accepted = on_accepted, .shed = on_shed, .ended = on_listener_ended};
static const er_listener_ops front_ops = {.room = on_room,
                                          .admit = on_admit_front,
                                          .accepted = on_accepted,
                                          .prefaced = on_prefaced,
                                          .shed = on_shed,
                                          .ended = on_listener_ended};

void er_server_take(er_server *s, int fd, const struct sockaddr_storage *peer)
{
	er_listener_hand(&er_transport_tcp, s->loop, fd, peer, &listener_ops, s);
}

bool er_server_listen(er_server *s, int fd, const er_transport_kind *kind, bool prefaced, er_err *err)
{
	ER_CHECK(s, MAGIC);
	er_listener *l = er_listener_new(s->loop, fd, kind, prefaced ? &front_ops : &listener_ops, s, err);
	if (l == NULL)
		return false;
	door *d = ER_NEW(door);
	d->listener = l;
	s->handles++;
	er_list_push(&s->listeners, &d->link);
	return true;
}

static void end_door(door *d)
{
	er_list_remove(&d->link);
	er_listener_end(d->listener);
	er_free(d);
}

void er_server_unlisten(er_server *s, int fd)
{
	ER_LIST_EACH(it, &s->listeners)
	{
		door *d = ER_CONTAINER(it, door, link);
		if (er_listener_fd(d->listener) == fd)
			end_door(d);
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
	er_list_init(&s->sessions);
	er_list_init(&s->listeners);
	er_list_init(&s->prefaces);
	for (int i = 0; i < ER_WAITS_N; i++)
		er_list_init(&s->waits[i]);
	uv_timer_init(s->loop, &s->tick);
	s->tick.data = s;
	s->handles = 1;
	return s;
}

void er_server_limit(er_server *s, const er_gateway_limits *limits)
{
	s->o.limits = *limits;
}

void er_server_trust(er_server *s, const er_cidr *trusted, size_t n)
{
	ER_CHECK(s, MAGIC);
	s->trusted = trusted;
	s->n_trusted = n;
}

void er_server_drain(er_server *s, uint32_t patience_ms)
{
	ER_CHECK(s, MAGIC);
	if (s->draining)
		return;
	while (!er_list_empty(&s->listeners))
		end_door(ER_CONTAINER(s->listeners.next, door, link));
	s->draining = true;
	s->patience_ms = uv_now(s->loop) + patience_ms;
	if (patience_ms > 0)
		return;
	ER_LIST_EACH(l, &s->sessions)
	{
		er_session *session = ER_CONTAINER(l, er_session, link);
		/* One that just came, and whose request may still be on its way, gets DRAIN_IDLE_MS. */
		if (session->requests > 0 && session->kind->idle(session))
			session->kind->gone(session, ER_ERR_CANCELLED);
	}
}

void er_server_handle_gone(er_server *s)
{
	ER_CHECK(s, MAGIC);
	if (--s->handles > 0)
		return;
	ER_ASSERT(s->closing);
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
	while (!er_list_empty(&s->prefaces))
		cut_preface(s, ER_CONTAINER(s->prefaces.next, er_preface, link));
	while (!er_list_empty(&s->sessions)) {
		er_session *session = ER_CONTAINER(s->sessions.next, er_session, link);
		session->kind->gone(session, ER_ERR_CANCELLED);
	}
	uv_close((uv_handle_t *)&s->tick, on_tick_closed);
}
