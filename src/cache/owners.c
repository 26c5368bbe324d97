/* A table of owners by the beginning of their keys, and a list of responses each. A response is in
 * its owner's list as long as it is in the index. */
#include "cache/owners.h"

#include "base/map.h"
#include "base/mem.h"
#include "cache/key.h"

#include <pthread.h>

struct er_owner {
	er_owners *all;
	er_list stored; /* by er_stored.owned; what came first first */
	uint64_t bytes, held;
};

struct er_owners {
	pthread_mutex_t lock; /* all below, and of all owners */
	uint64_t quota;
	er_map *by_name; /* scope and name -> er_owner */
};

er_owners *er_owners_new(uint64_t quota)
{
	er_owners *o = ER_NEW(er_owners);
	*o = (er_owners){.quota = quota, .by_name = er_map_new()};
	pthread_mutex_init(&o->lock, NULL);
	return o;
}

void er_owners_free(er_owners *o)
{
	void *one;
	er_slice name;
	for (size_t at = 0; er_map_next(o->by_name, &at, &name, &one);) {
		er_owner *w = one;
		ER_ASSERT(er_list_empty(&w->stored));
		er_free(w);
	}
	er_map_free(o->by_name);
	pthread_mutex_destroy(&o->lock);
	er_free(o);
}

void er_owners_limit(er_owners *o, uint64_t quota)
{
	pthread_mutex_lock(&o->lock);
	o->quota = quota;
	pthread_mutex_unlock(&o->lock);
}

uint64_t er_owners_quota(const er_owners *o)
{
	return __atomic_load_n(&o->quota, __ATOMIC_RELAXED);
}

er_owner *er_owners_of(er_owners *o, er_slice key)
{
	uint8_t scope;
	er_slice routine;
	char room[256];
	if (!er_key_owner(key, &scope, &routine) || routine.n >= sizeof room)
		return NULL;
	room[0] = (char)scope;
	er_copy(room + 1, routine.p, routine.n);
	er_slice name = er_slice_of(room, routine.n + 1);
	pthread_mutex_lock(&o->lock);
	er_owner *w = er_map_get(o->by_name, name);
	if (w == NULL) {
		w = ER_NEW(er_owner);
		*w = (er_owner){.all = o};
		er_list_init(&w->stored);
		er_map_set(o->by_name, name, w);
	}
	pthread_mutex_unlock(&o->lock);
	return w;
}

void er_owner_add(er_owner *w, er_stored *s, size_t cost)
{
	pthread_mutex_lock(&w->all->lock);
	ER_ASSERT(s->owner == NULL);
	s->owner = w;
	s->owned_cost = cost;
	s->spared = false;
	er_list_push(&w->stored, &s->owned);
	w->bytes += cost;
	pthread_mutex_unlock(&w->all->lock);
}

void er_owner_weigh(er_owner *w, er_stored *s, size_t cost)
{
	pthread_mutex_lock(&w->all->lock);
	ER_ASSERT(s->owner == w && w->bytes >= s->owned_cost);
	w->bytes = w->bytes - s->owned_cost + cost;
	s->owned_cost = cost;
	pthread_mutex_unlock(&w->all->lock);
}

void er_owner_remove(er_stored *s)
{
	er_owner *w = s->owner;
	pthread_mutex_lock(&w->all->lock);
	ER_ASSERT(w->bytes >= s->owned_cost);
	w->bytes -= s->owned_cost;
	s->owner = NULL;
	er_list_remove(&s->owned);
	pthread_mutex_unlock(&w->all->lock);
}

/* The first that was not used; or, if all were, the first. Each is passed over once at most, so
 * that the walk ends. */
static er_stored *choose(er_owner *w)
{
	for (;;) {
		er_stored *s = ER_CONTAINER(w->stored.next, er_stored, owned);
		if (s->spared || __atomic_load_n(&s->used, __ATOMIC_RELAXED) == 0)
			return s;
		s->spared = true;
		er_list_remove(&s->owned);
		er_list_push(&w->stored, &s->owned);
	}
}

er_stored *er_owner_surplus(er_owner *w)
{
	er_stored *s = NULL;
	pthread_mutex_lock(&w->all->lock);
	if (w->bytes + w->held > w->all->quota && !er_list_empty(&w->stored))
		s = er_stored_ref(choose(w));
	pthread_mutex_unlock(&w->all->lock);
	return s;
}

bool er_owner_hold(er_owner *w, uint64_t n)
{
	pthread_mutex_lock(&w->all->lock);
	bool ok = w->held + n <= w->all->quota;
	if (ok)
		w->held += n;
	pthread_mutex_unlock(&w->all->lock);
	return ok;
}

void er_owner_let_go(er_owner *w, uint64_t n)
{
	pthread_mutex_lock(&w->all->lock);
	ER_ASSERT(w->held >= n);
	w->held -= n;
	pthread_mutex_unlock(&w->all->lock);
}

uint64_t er_owner_bytes(er_owner *w)
{
	pthread_mutex_lock(&w->all->lock);
	uint64_t n = w->bytes + w->held;
	pthread_mutex_unlock(&w->all->lock);
	return n;
}

size_t er_owner_list(er_owner *w, er_slice prefix, er_stored **out, size_t most)
{
	size_t n = 0, looks = 0;
	pthread_mutex_lock(&w->all->lock);
	ER_LIST_EACH(l, &w->stored)
	{
		er_stored *s = ER_CONTAINER(l, er_stored, owned);
		if (n == most || looks++ == ER_OWNER_LOOKS)
			break;
		if (er_slice_starts(s->key, prefix))
			out[n++] = er_stored_ref(s);
	}
	pthread_mutex_unlock(&w->all->lock);
	return n;
}
