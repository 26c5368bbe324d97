/* What the control plane wants to be in the cache goes to the gateway threads in turns, and comes
 * back under the node's lock, as trials do. Number n is on thread n mod their count, so that it can
 * be stopped there. */
#include "gateway/node_internal.h"
#include "gateway/prefetch.h"

static void free_prefetch(er_prefetch *p)
{
	er_arena_fini(&p->arena);
	er_buf_fini(&p->body);
	er_free(p);
}

/* On a thread of a worker. */
static void on_back(void *node, er_prefetch *p)
{
	er_node *n = node;
	pthread_mutex_lock(&n->lock);
	er_list_push(&n->prefetched, &p->link);
	pthread_mutex_unlock(&n->lock);
	uv_async_send(&n->async);
}

uint64_t er_node_prefetch(er_node *n, const er_prefetch_ask *ask, er_prefetch_done *done, void *done_ctx)
{
	if (n->stopping) /* nobody is told of anything any more, and threads may have ended */
		return 0;
	er_prefetch *p = ER_NEW(er_prefetch);
	*p = (er_prefetch){.number = ++n->prefetch_number, .back = on_back, .node = n, .done = done, .done_ctx = done_ctx};
	er_list_init(&p->link);
	p->ask = *ask;
	p->ask.scheme = er_arena_copy(&p->arena, ask->scheme);
	p->ask.authority = er_arena_copy(&p->arena, ask->authority);
	p->ask.target = er_arena_copy(&p->arena, ask->target);
	er_field *fields = er_arena_alloc(&p->arena, (ask->n_fields + 1) * sizeof *fields);
	for (uint32_t i = 0; i < ask->n_fields; i++)
		fields[i] = (er_field){.name = er_arena_copy(&p->arena, ask->fields[i].name),
		                       .value = er_arena_copy(&p->arena, ask->fields[i].value)};
	p->ask.fields = fields;
	er_worker_prefetch(n->workers[p->number % n->n], p);
	return n->prefetch_number;
}

void er_node_prefetch_stop(er_node *n, uint64_t number)
{
	if (!n->stopping)
		er_worker_prefetch_stop(n->workers[number % n->n], number);
}

void er_node_prefetched(er_node *n)
{
	er_list back;
	er_list_init(&back);
	pthread_mutex_lock(&n->lock);
	er_list_take(&back, &n->prefetched);
	pthread_mutex_unlock(&n->lock);
	for (er_list *l; (l = er_list_pop(&back)) != NULL;) {
		er_prefetch *p = ER_CONTAINER(l, er_prefetch, link);
		if (!n->stopping)
			p->done(p->done_ctx, &p->result);
		free_prefetch(p);
	}
}
