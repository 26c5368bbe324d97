/* The timer of the service manager's watchdog. er_watchdog_start makes the object if the manager
 * wants to hear from this node. The timer asks er_node_ping at every half of the time that the
 * manager allows. er_watchdog_end closes the timer, whose callback frees the object. `late` only
 * keeps the log from saying the same line at every tick. */
#include "gateway/watchdog.h"

#include "base/log.h"
#include "base/mem.h"

enum { MAGIC = 0x57444f47 };

struct er_watchdog {
	uint32_t magic;
	er_node *node;
	er_notify *notify;
	uv_timer_t timer;
	uint64_t every_ms;
	/* the last question found a thread that had not answered the one before */
	bool late;
};

static void look(er_watchdog *w)
{
	unsigned thread = 0;
	bool alive = er_node_ping(w->node, &thread);
	if (alive)
		er_notify_send(w->notify, "WATCHDOG=1");
	else if (!w->late)
		er_log(ER_LOG_ERROR, "node",
		       "gateway thread %u has not answered for %llu ms: the service manager will end this node if that lasts", thread,
		       (unsigned long long)w->every_ms);
	w->late = !alive;
}

static void on_timer(uv_timer_t *timer)
{
	er_watchdog *w = timer->data;
	ER_CHECK(w, MAGIC);
	look(w);
}

er_watchdog *er_watchdog_start(uv_loop_t *loop, er_node *node, er_notify *notify)
{
	ER_ASSERT(node != NULL && notify != NULL);
	uint64_t within_us = er_notify_watchdog_us(notify);
	if (!er_notify_on(notify) || within_us == 0)
		return NULL;
	er_watchdog *w = ER_NEW(er_watchdog);
	*w = (er_watchdog){.magic = MAGIC, .node = node, .notify = notify, .every_ms = within_us / 2000};
	if (w->every_ms == 0)
		w->every_ms = 1;
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_timer, w->every_ms, w->every_ms);
	look(w);
	return w;
}

static void on_closed(uv_handle_t *handle)
{
	er_watchdog *w = handle->data;
	ER_CHECK(w, MAGIC);
	w->magic = 0;
	er_free(w);
}

void er_watchdog_end(er_watchdog *w)
{
	if (w == NULL)
		return;
	ER_CHECK(w, MAGIC);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}
