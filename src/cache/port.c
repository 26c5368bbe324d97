/* A port is a list under a lock and a wake-up of the loop. on_wake takes the whole list and calls
 * each wait; a wait that is cancelled meanwhile by one before it is not called, since it is taken
 * off the list that is being worked through (all on the port's thread, under the lock). */
#include "cache/port.h"

#include "base/mem.h"

struct er_port {
	uv_async_t async;
	pthread_mutex_t lock;
	er_list posted;
};

static void on_wake(uv_async_t *async)
{
	er_port *p = ER_CONTAINER(async, er_port, async);
	/* What is posted while it is called waits for the next turn. */
	er_list now;
	er_list_init(&now);
	pthread_mutex_lock(&p->lock);
	while (!er_list_empty(&p->posted)) {
		er_list *l = er_list_pop(&p->posted);
		er_list_push(&now, l);
	}
	for (er_list *l; (l = er_list_pop(&now)) != NULL;) {
		er_wait *w = ER_CONTAINER(l, er_wait, link);
		ER_ASSERT(w->place == ER_WAIT_POSTED && w->port == p);
		w->place = ER_WAIT_NOWHERE;
		pthread_mutex_unlock(&p->lock);
		w->news(w);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

er_port *er_port_new(uv_loop_t *loop)
{
	er_port *p = ER_NEW(er_port);
	er_list_init(&p->posted);
	pthread_mutex_init(&p->lock, NULL);
	uv_async_init(loop, &p->async, on_wake);
	return p;
}

uv_loop_t *er_port_loop(const er_port *p)
{
	return p->async.loop;
}

static void on_closed(uv_handle_t *handle)
{
	er_port *p = ER_CONTAINER(handle, er_port, async);
	pthread_mutex_destroy(&p->lock);
	er_free(p);
}

void er_port_close(er_port *p)
{
	ER_ASSERT(er_list_empty(&p->posted));
	uv_close((uv_handle_t *)&p->async, on_closed);
}

void er_wait_init(er_wait *w, er_port *port, void (*news)(er_wait *self))
{
	*w = (er_wait){.port = port, .news = news};
	er_list_init(&w->link);
}

void er_wait_list(er_wait *w, er_list *list)
{
	ER_ASSERT(w->place == ER_WAIT_NOWHERE);
	w->place = ER_WAIT_LISTED;
	er_list_push(list, &w->link);
}

void er_wait_post(er_wait *w)
{
	ER_ASSERT(w->place == ER_WAIT_LISTED);
	er_port *p = w->port;
	er_list_remove(&w->link);
	pthread_mutex_lock(&p->lock);
	w->place = ER_WAIT_POSTED;
	er_list_push(&p->posted, &w->link);
	uv_async_send(&p->async); /* under the lock: once it is called, the port may close */
	pthread_mutex_unlock(&p->lock);
}

void er_wait_poke(er_wait *w)
{
	er_port *p = w->port;
	pthread_mutex_lock(&p->lock);
	if (w->place == ER_WAIT_LISTED)
		er_list_remove(&w->link);
	if (w->place != ER_WAIT_POSTED) {
		w->place = ER_WAIT_POSTED;
		er_list_push(&p->posted, &w->link);
		uv_async_send(&p->async);
	}
	pthread_mutex_unlock(&p->lock);
}

void er_wait_post_all(er_list *list)
{
	while (!er_list_empty(list))
		er_wait_post(ER_CONTAINER(list->next, er_wait, link));
}

void er_wait_cancel(er_wait *w, pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_lock(&w->port->lock);
	if (w->place != ER_WAIT_NOWHERE)
		er_list_remove(&w->link);
	w->place = ER_WAIT_NOWHERE;
	pthread_mutex_unlock(&w->port->lock);
	pthread_mutex_unlock(lock);
}

/* ---- latches ---- */

struct er_latch {
	pthread_mutex_t lock;
	uint32_t refs, left;
	er_list waiting;
};

er_latch *er_latch_new(void)
{
	er_latch *l = ER_NEW(er_latch);
	*l = (er_latch){.refs = 1};
	er_list_init(&l->waiting);
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

/* With the lock, which is let go of. */
static void unref_locked(er_latch *l)
{
	ER_ASSERT(l->refs > 0);
	bool last = --l->refs == 0;
	ER_ASSERT(!last || (l->left == 0 && er_list_empty(&l->waiting)));
	pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&l->lock);
	er_free(l);
}

void er_latch_unref(er_latch *l)
{
	pthread_mutex_lock(&l->lock);
	unref_locked(l);
}

er_latch *er_latch_hold(er_latch *l)
{
	pthread_mutex_lock(&l->lock);
	l->refs++;
	l->left++;
	pthread_mutex_unlock(&l->lock);
	return l;
}

void er_latch_done(er_latch *l)
{
	pthread_mutex_lock(&l->lock);
	ER_ASSERT(l->left > 0);
	if (--l->left == 0)
		er_wait_post_all(&l->waiting);
	unref_locked(l);
}

bool er_latch_wait(er_latch *l, er_wait *w)
{
	pthread_mutex_lock(&l->lock);
	bool waits = l->left > 0;
	if (waits)
		er_wait_list(w, &l->waiting);
	pthread_mutex_unlock(&l->lock);
	return waits;
}

void er_latch_cancel(er_latch *l, er_wait *w)
{
	er_wait_cancel(w, &l->lock);
}
