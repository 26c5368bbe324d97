/* The one way in which things that C holds for JavaScript end (held.h).
 *
 *    er_held_init ──► hangs on its owner ──► er_held_fini, in its kind's `end`
 *                        │      ▲
 *        er_held_known_by│      │ (the owner goes on, and may end it first)
 *                        ▼      │
 *                     watched ──► er_held_lose, in a collection ──► lost ──► er_held_tell_lost
 *
 * This file calls nothing of the room by name: what a kind does stands in its module's er_held_ops,
 * which the table below takes together. */
#include "sandbox/held.h"

#include "base/mem.h"
#include "sandbox/engine.h"
#include "sandbox/sandbox.h"

static const er_held_ops *const kinds[] = {
#define X(name) &er_held_ops_##name,
    ER_HELD_TABLE(X)
#undef X
};
static_assert(sizeof kinds / sizeof *kinds == ER_HELD_COUNT_, "what each kind does");

static const er_held_ops *ops(const er_held *h)
{
	ER_ASSERT((unsigned)h->kind < ER_HELD_COUNT_);
	return kinds[h->kind];
}

void er_helds_init(er_helds *hs)
{
	er_list_init(&hs->watched);
	er_list_init(&hs->lost);
	hs->bytes = 0;
}

void er_held_init(er_held *h, er_held_kind kind, er_request *owner)
{
	ER_ASSERT(kinds[kind]->end != NULL && (owner == NULL || !owner->over || owner->id == 0));
	*h = (er_held){.owner = owner, .kind = kind};
	er_list_init(&h->link);
	er_list_init(&h->seen);
	if (owner != NULL)
		er_list_push(&owner->held, &h->link);
}

void er_held_fini(er_held *h)
{
	ER_ASSERT((h->owner == NULL) == er_list_empty(&h->link));
	if (h->handle != NULL)
		h->handle->held = NULL;
	ER_ASSERT(h->cost <= er_sb.helds.bytes);
	er_sb.helds.bytes -= h->cost;
	h->cost = 0;
	h->handle = NULL;
	h->owner = NULL;
	er_list_remove(&h->link);
	er_list_remove(&h->seen);
}

void er_held_end(er_held *h)
{
	ops(h)->end(h);
}

void er_held_end_all(er_list *owned)
{
	while (!er_list_empty(owned)) {
		const er_list *first = owned->next;
		er_held_end(ER_CONTAINER(owned->next, er_held, link));
		ER_ASSERT(owned->next != first);
	}
}

bool er_held_any_awake(const er_list *owned)
{
	ER_LIST_EACH(l, owned)
	{
		const er_held *h = ER_CONTAINER(l, er_held, link);
		if (ops(h)->quiet == NULL || !ops(h)->quiet(h))
			return true;
	}
	return false;
}

void er_held_end_kind(er_list *owned, er_held_kind kind)
{
	ER_ASSERT((unsigned)kind < ER_HELD_COUNT_);
	ER_LIST_EACH(l, owned)
	{
		er_held *h = ER_CONTAINER(l, er_held, link);
		if (h->kind == kind)
			er_held_end(h);
	}
}

void er_held_known_by(er_held *h, er_handle *handle)
{
	ER_ASSERT(h->handle == NULL && handle->held == NULL && er_list_empty(&h->seen));
	h->handle = handle;
	handle->held = h;
	if (ops(h)->lost != NULL)
		er_list_push(&er_sb.helds.watched, &h->seen);
}

void er_held_cost(er_held *h, size_t more)
{
	ER_ASSERT(h->handle != NULL && h->handle->held == h);
	h->cost += more;
	er_sb.helds.bytes += more;
}

void er_held_lose(er_held *h)
{
	ER_ASSERT(h->handle != NULL && h->handle->held == h);
	h->handle->held = NULL;
	h->handle = NULL;
	if (ops(h)->lost == NULL) {
		er_held_end(h);
		return;
	}
	er_list_remove(&h->seen);
	er_list_push(&er_sb.helds.lost, &h->seen);
}

er_held *er_held_next_lost(void)
{
	er_list *l = er_list_pop(&er_sb.helds.lost);
	er_held *h = l != NULL ? ER_CONTAINER(l, er_held, seen) : NULL;
	ER_ASSERT(h == NULL || (h->handle == NULL && h->owner != NULL && !er_sb.turn.active));
	return h;
}

uint64_t er_held_tell_lost(er_held *h)
{
	ER_ASSERT(ops(h)->lost != NULL && h->handle == NULL);
	return ops(h)->lost(h);
}

bool er_held_stalled(void)
{
	ER_LIST_EACH(l, &er_sb.helds.watched)
	{
		const er_held *h = ER_CONTAINER(l, er_held, seen);
		ER_ASSERT(h->handle != NULL && ops(h)->stalled != NULL);
		if (ops(h)->stalled(h))
			return true;
	}
	return false;
}
