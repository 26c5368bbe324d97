/* The history of events (tail_ring.h). A record is one block of memory, the event and its texts
 * behind it, and is in two lists: that of all, and that of its routine. A routine's head is made
 * with its first record and freed with its last, so that a routine that says nothing costs
 * nothing. */
#include "control/tail_ring.h"

#include "base/map.h"
#include "base/mem.h"

struct er_ring_routine {
	er_list records;
	size_t n;
};

struct er_ring {
	er_list all;
	er_map *routines;
	size_t bytes, most;
};

er_ring *er_ring_new(size_t most_bytes)
{
	ER_ASSERT(most_bytes > 0);
	er_ring *r = ER_NEW(er_ring);
	*r = (er_ring){.most = most_bytes, .routines = er_map_new()};
	er_list_init(&r->all);
	return r;
}

/* The map's key lies in the record: it goes before the record does. */
static void drop(er_ring *r, er_ring_record *rec)
{
	struct er_ring_routine *owner = rec->owner;
	er_list_remove(&rec->all);
	er_list_remove(&rec->mine);
	ER_ASSERT(r->bytes >= rec->size && owner->n > 0);
	r->bytes -= rec->size;
	if (--owner->n == 0) {
		er_map_del(r->routines, rec->event.routine);
		er_free(owner);
	}
	er_free(rec);
}

void er_ring_free(er_ring *r)
{
	if (r == NULL)
		return;
	while (!er_list_empty(&r->all))
		drop(r, ER_CONTAINER(r->all.next, er_ring_record, all));
	ER_ASSERT(r->bytes == 0);
	er_map_free(r->routines);
	er_free(r);
}

/* 32: what the allocator adds, about. */
static er_ring_record *copy(const er_tail_event *e)
{
	const er_slice *const all[] = {&e->routine, &e->version, &e->method, &e->host, &e->path,
	                               &e->client,  &e->name,    &e->text,   &e->stack};
	size_t n = sizeof(er_ring_record);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		n += all[i]->n;
	er_ring_record *rec = er_alloc(n);
	*rec = (er_ring_record){.size = n + 32, .event = *e};
	uint8_t *to = (uint8_t *)(rec + 1);
	er_tail_event *own = &rec->event;
	er_slice *const mine[] = {&own->routine, &own->version, &own->method, &own->host, &own->path,
	                          &own->client,  &own->name,    &own->text,   &own->stack};
	for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
		er_move_in(&to, mine[i]);
	ER_ASSERT((size_t)(to - (uint8_t *)rec) == n);
	return rec;
}

void er_ring_add(er_ring *r, const er_tail_event *e)
{
	er_ring_record *rec = copy(e);
	rec->owner = er_map_get(r->routines, e->routine);
	if (rec->owner == NULL) {
		rec->owner = ER_NEW(struct er_ring_routine);
		er_list_init(&rec->owner->records);
		er_map_set(r->routines, e->routine, rec->owner);
	}
	er_list_push(&r->all, &rec->all);
	er_list_push(&rec->owner->records, &rec->mine);
	rec->owner->n++;
	r->bytes += rec->size;
	if (rec->owner->n > ER_RING_EVENTS)
		drop(r, ER_CONTAINER(rec->owner->records.next, er_ring_record, mine));
	ER_ASSERT(rec->owner->n <= ER_RING_EVENTS && !er_list_empty(&rec->all));
	while (r->bytes > r->most && r->all.next != &rec->all)
		drop(r, ER_CONTAINER(r->all.next, er_ring_record, all));
}

const er_ring_record *er_ring_before(const er_ring *r, er_slice routine, const er_ring_record *at)
{
	if (routine.n == 0) {
		const er_list *l = at != NULL ? at->all.prev : r->all.prev;
		return l == &r->all ? NULL : ER_CONTAINER(l, er_ring_record, all);
	}
	const struct er_ring_routine *owner = er_map_get(r->routines, routine);
	if (owner == NULL)
		return NULL;
	const er_list *l = at != NULL ? at->mine.prev : owner->records.prev;
	return l == &owner->records ? NULL : ER_CONTAINER(l, er_ring_record, mine);
}
