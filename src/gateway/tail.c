/* The queue from the gateway threads to the control thread. An event is copied, strings and all,
 * into one piece of memory (the item) by the thread that it happened on; the item is linked into
 * the queue under the lock, or dropped and counted when the queue holds MAX_BYTES. The loop is
 * woken by whoever finds the queue empty, since one that is not empty has been announced already.
 * The control thread takes at most BATCH a turn, reads them without the lock, frees them, and wakes
 * itself for the rest.
 *
 * Life: new → set, put ... → close, when no thread writes any more; freed when its handle has
 * closed. */
#include "gateway/tail.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "gateway/route.h"
#include "http/identity.h"

#include <pthread.h>
#include <stddef.h>

enum { MAX_BYTES = 8 * 1024 * 1024, TEXT_MAX = 16 * 1024, PATH_MAX_BYTES = 2048, BATCH = 2000 };

/* An event with its strings behind it. */
typedef struct item {
	er_list link;
	size_t bytes;
	er_tail_event event;
} item;

static_assert(sizeof(item) + 9 * (size_t)TEXT_MAX < MAX_BYTES, "the largest event finds room in an empty queue");

struct er_tail {
	uint32_t level; /* atomic; the first member (er_tail_wants) */
	er_tail_reader reader;
	uv_async_t async;
	pthread_mutex_t lock; /* of what follows */
	er_list items;
	size_t bytes;
	uint64_t lost;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static_assert(offsetof(er_tail, level) == 0, "er_tail_wants reads it without knowing the rest");

/* ---- the control thread ---- */

static void free_all(er_list *items)
{
	for (er_list *l; (l = er_list_pop(items)) != NULL;)
		er_free(ER_CONTAINER(l, item, link));
}

/* A turn takes so many; what is left is for the next one: the API is on this loop, too. */
static void on_async(uv_async_t *async)
{
	er_tail *t = async->data;
	er_list taken;
	er_list_init(&taken);
	pthread_mutex_lock(&t->lock);
	er_list *l = NULL;
	for (unsigned i = 0; i < BATCH && (l = er_list_pop(&t->items)) != NULL; i++) {
		ER_ASSERT(t->bytes >= ER_CONTAINER(l, item, link)->bytes);
		t->bytes -= ER_CONTAINER(l, item, link)->bytes;
		er_list_push(&taken, l);
	}
	bool more = !er_list_empty(&t->items);
	ER_ASSERT(more || t->bytes == 0);
	uint64_t lost = t->lost;
	t->lost = 0;
	pthread_mutex_unlock(&t->lock);
	ER_LIST_EACH(it, &taken)
	t->reader.event(t->reader.ctx, &ER_CONTAINER(it, item, link)->event);
	if (lost > 0)
		t->reader.lost(t->reader.ctx, lost);
	free_all(&taken);
	if (more)
		uv_async_send(&t->async);
}

void er_tail_drain(er_tail *t)
{
	on_async(&t->async);
}

er_tail *er_tail_new(uv_loop_t *loop, const er_tail_reader *reader)
{
	er_tail *t = ER_NEW(er_tail);
	t->reader = *reader;
	er_list_init(&t->items);
	pthread_mutex_init(&t->lock, NULL);
	uv_async_init(loop, &t->async, on_async);
	t->async.data = t;
	return t;
}

static void on_closed(uv_handle_t *handle)
{
	er_tail *t = handle->data;
	void (*closed)(void *) = t->closed;
	void *ctx = t->closed_ctx;
	free_all(&t->items);
	pthread_mutex_destroy(&t->lock);
	er_free(t);
	closed(ctx);
}

void er_tail_close(er_tail *t, void (*closed)(void *ctx), void *ctx)
{
	ER_ASSERT(closed != NULL && t->closed == NULL);
	t->closed = closed;
	t->closed_ctx = ctx;
	uv_close((uv_handle_t *)&t->async, on_closed);
}

void er_tail_set(er_tail *t, er_tail_level level)
{
	__atomic_store_n(&t->level, (uint32_t)level, __ATOMIC_RELAXED);
}

/* ---- the threads that serve ---- */

void er_tail_put(er_tail *t, er_tail_event *e)
{
	er_slice *strings[] = {&e->routine, &e->version, &e->method, &e->host, &e->path, &e->client, &e->name, &e->text, &e->stack};
	enum { N = sizeof strings / sizeof *strings };
	size_t bytes = sizeof(item);
	for (size_t i = 0; i < N; i++) {
		*strings[i] = er_slice_head(*strings[i], TEXT_MAX);
		bytes += strings[i]->n;
	}
	e->at_ms = (int64_t)(er_clock_wall_us() / 1000U);
	item *it = er_alloc(bytes);
	uint8_t *at = (uint8_t *)(it + 1);
	for (size_t i = 0; i < N; i++) {
		er_copy(at, strings[i]->p, strings[i]->n);
		*strings[i] = er_slice_of(at, strings[i]->n);
		at += strings[i]->n;
	}
	ER_ASSERT(at == (uint8_t *)it + bytes);
	it->event = *e;
	it->bytes = bytes;
	er_list_init(&it->link);
	pthread_mutex_lock(&t->lock);
	bool room = t->bytes + bytes <= MAX_BYTES, first = er_list_empty(&t->items);
	if (room) {
		er_list_push(&t->items, &it->link);
		t->bytes += bytes;
	} else {
		t->lost++;
	}
	pthread_mutex_unlock(&t->lock);
	if (!room)
		er_free(it);
	else if (first)
		uv_async_send(&t->async);
}

static void about_request(er_tail_event *e, const er_exchange *x, char *address)
{
	e->request_id = x->id;
	e->method = er_slice_head(x->req.method, 64);
	e->host = er_slice_head(x->req.authority, 256);
	e->path = er_slice_head(x->req.target, PATH_MAX_BYTES);
	e->client = er_address_text(&x->peer.address, address);
}

void er_tail_of_request(er_tail_event *e, const er_finished *f, char *address)
{
	const er_exchange *x = f->x;
	*e = (er_tail_event){.kind = ER_TAIL_REQUEST,
	                     .routine = f->served->routine->name,
	                     .env = f->served->deployment->env,
	                     .version = f->served->routine->version,
	                     .status = f->status,
	                     .bytes = f->sent,
	                     .cpu_us = x->facts.cpu_us,
	                     .wall_us = f->wall_us,
	                     .subrequests = x->facts.subrequests,
	                     .cold_start = x->facts.cold_start,
	                     .error = x->res.error};
	about_request(e, x, address);
}

void er_tail_of_routine(er_tail_event *e, er_tail_kind kind, const er_routine *r, const er_exchange *x, char *address)
{
	*e = (er_tail_event){.kind = kind, .routine = r->name, .env = (er_env)r->environment, .version = r->version};
	if (x == NULL)
		return;
	const er_served *served = er_served_of(x);
	if (served != NULL && served->deployment != NULL)
		e->env = served->deployment->env;
	about_request(e, x, address);
}
