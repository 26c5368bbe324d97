/* Waiting: for the node, and for what the engine's own loop (GLib's) has to do: its timers, and
 * what its other threads hand over.
 *
 * Asking GLib costs more than a short request, and the answer is nearly always "nothing". So one
 * epoll instance holds both descriptors, and GLib is asked only when its own has spoken, which it
 * does whenever a timer is set or another thread wants something; when its next timer is due; and
 * every ten milliseconds, should it have had a way of its own. Our own descriptor is
 * edge-triggered: nobody needs to read it. */
#include "sandbox/engine.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sandbox/sandbox.h"

#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>

enum { FDS_MAX = 16, ASK_EVERY_US = 10000, UNWATCHED_MS = 1 };

static struct {
	GMainContext *loop;
	int epoll;
	gint watched;    /* of GLib's descriptors */
	uint64_t due_us; /* GLib's next timer */
	uint64_t ask_us; /* when to ask it again, unless we sleep */
} wait;

_Static_assert(sizeof(GPollFD) == sizeof(struct pollfd), "GLib's descriptor sets are poll's");

/* What GLib would wait for: descriptors, and for how many milliseconds (-1: no timer). */
static gint query(GPollFD *fds, gint *priority, gint *ms)
{
	bool ready = g_main_context_prepare(wait.loop, priority);
	gint n = g_main_context_query(wait.loop, *priority, ms, fds, FDS_MAX);
	if (ready)
		*ms = 0;
	return n > FDS_MAX ? FDS_MAX : n;
}

/* Has it work to do? */
static bool ask(uint64_t now_us)
{
	GPollFD fds[FDS_MAX];
	gint priority, ms = -1;
	g_main_context_acquire(wait.loop);
	gint n = query(fds, &priority, &ms);
	ER_ASSERT(n >= 0 && n <= FDS_MAX);
	poll((struct pollfd *)(void *)fds, (nfds_t)n, 0);
	bool pending = g_main_context_check(wait.loop, priority, fds, n);
	g_main_context_release(wait.loop);
	/* it has got one since the start, and nothing can be watched any more: asking is
	 * what is left */
	if (n > wait.watched)
		ms = ms < 0 || ms > UNWATCHED_MS ? UNWATCHED_MS : ms;
	wait.due_us = ms >= 0 ? now_us + (uint64_t)ms * 1000 : UINT64_MAX;
	wait.ask_us = wait.due_us < now_us + ASK_EVERY_US ? wait.due_us : now_us + ASK_EVERY_US;
	return pending;
}

static bool watch(int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};
	return epoll_ctl(wait.epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

void er_engine_wait_start(void)
{
	/* It is not ours while we sleep, and must speak up all the same. */
	ER_ASSERT(wait.loop == NULL);
	wait.loop = g_main_context_new_with_flags(G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
	g_main_context_push_thread_default(wait.loop);
}

bool er_engine_wait_watch(int fd, er_err *err)
{
	GPollFD fds[FDS_MAX];
	gint priority, ms = -1;
	ER_ASSERT(wait.loop != NULL && fd >= 0);
	wait.epoll = epoll_create1(EPOLL_CLOEXEC);
	bool ok = wait.epoll >= 0 && watch(fd, EPOLLIN | EPOLLET);
	g_main_context_acquire(wait.loop);
	wait.watched = query(fds, &priority, &ms);
	g_main_context_release(wait.loop);
	for (gint i = 0; ok && i < wait.watched; i++)
		ok = watch(fds[i].fd, EPOLLIN);
	return ok || er_fail_errno(err, ER_ERR_SYSTEM, "cannot watch the node's and the engine's descriptors");
}

/* What g_main_context_iteration does, which is another function here (engine_inspect.c). */
bool er_engine_turn(bool may_wait)
{
	GPollFD fds[FDS_MAX];
	gint priority, ms = -1;
	g_main_context_acquire(wait.loop);
	gint n = query(fds, &priority, &ms);
	poll((struct pollfd *)(void *)fds, (nfds_t)n, may_wait ? ms : 0);
	bool pending = g_main_context_check(wait.loop, priority, fds, n);
	if (pending)
		g_main_context_dispatch(wait.loop);
	g_main_context_release(wait.loop);
	return pending;
}

void er_engine_iterate(void)
{
	while (er_engine_turn(false))
		;
	wait.ask_us = 0;
}

bool er_engine_wait(int ms)
{
	uint64_t now = er_clock_mono_us();
	ER_ASSERT(ms >= -1);
	bool asked = now >= wait.ask_us;
	if (asked && ask(now))
		return true;
	/* Asked just now, it will speak up, and the sleep may be long; otherwise it is asked once more
	 * before that. */
	uint64_t until = asked ? wait.due_us : wait.ask_us;
	uint64_t most = until > now ? (until - now + 999) / 1000 : 0;
	if (until != UINT64_MAX && most < INT_MAX && (ms < 0 || most < (uint64_t)ms))
		ms = (int)most;
	struct epoll_event events[FDS_MAX];
	int n = epoll_wait(wait.epoll, events, FDS_MAX, ms);
	for (int i = 0; i < n; i++)
		if (events[i].data.fd != er_sb.wake_me)
			return ask(er_clock_mono_us());
	return false;
}
