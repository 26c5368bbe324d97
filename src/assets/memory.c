/* Shards by the hash, each a map and a queue under a lock that is held for a look-up. A use sets a
 * mark; the hand of the queue walks from the oldest to the newest and evicts the first without one,
 * taking the marks of those it passes. */
#include "assets/memory.h"

#include "base/list.h"
#include "base/map.h"

#include <pthread.h>

enum { SHARDS = 16, ENTRY_COST = 256, KEY = 64 + ER_SHA256 };

typedef struct entry {
	er_list link;
	er_content *content; /* own reference */
	size_t cost;
	bool used;
	er_slice key;
	uint8_t key_bytes[];
} entry;

typedef struct shard {
	pthread_mutex_t lock;
	er_map *by_key;
	er_list queue; /* oldest first */
	er_list *hand; /* the next that is looked at; the queue itself: its first */
	uint64_t bytes, hits, misses, evicted;
} shard;

struct er_assets_memory {
	uint64_t max_bytes;
	shard shards[SHARDS];
};

er_assets_memory *er_assets_memory_new(uint64_t max_bytes)
{
	er_assets_memory *m = ER_NEW(er_assets_memory);
	m->max_bytes = max_bytes;
	for (size_t i = 0; i < SHARDS; i++) {
		shard *s = &m->shards[i];
		pthread_mutex_init(&s->lock, NULL);
		er_list_init(&s->queue);
		s->by_key = er_map_new();
		s->hand = &s->queue;
	}
	return m;
}

static void remove_entry(shard *s, entry *e)
{
	if (s->hand == &e->link)
		s->hand = e->link.next;
	er_list_remove(&e->link);
	(void)er_map_del(s->by_key, e->key);
	ER_ASSERT(s->bytes >= e->cost);
	s->bytes -= e->cost;
	er_content_unref(e->content);
	er_free(e);
}

void er_assets_memory_free(er_assets_memory *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		shard *s = &m->shards[i];
		while (!er_list_empty(&s->queue))
			remove_entry(s, ER_CONTAINER(s->queue.next, entry, link));
		er_map_free(s->by_key);
		pthread_mutex_destroy(&s->lock);
	}
	er_free(m);
}

static er_slice key_of(er_slice routine, const er_hash *hash, uint8_t room[KEY])
{
	ER_ASSERT(routine.n <= KEY - ER_SHA256);
	er_copy(room, hash->b, ER_SHA256);
	er_copy(room + ER_SHA256, routine.p, routine.n);
	return er_slice_of(room, ER_SHA256 + routine.n);
}

static shard *shard_of(er_assets_memory *m, const er_hash *hash)
{
	return &m->shards[hash->b[0] % SHARDS];
}

static size_t cost_of(const er_content *c)
{
	return (size_t)er_content_memory(c) + ENTRY_COST;
}

/* Until there is room for what came last, which stays. */
static void make_room(er_assets_memory *m, shard *s, const entry *last)
{
	while (s->bytes > m->max_bytes / SHARDS && s->queue.next != s->queue.prev) {
		if (s->hand == &s->queue)
			s->hand = s->queue.next;
		entry *e = ER_CONTAINER(s->hand, entry, link);
		if (e->used || e == last) {
			e->used = false;
			s->hand = s->hand->next;
			continue;
		}
		remove_entry(s, e);
		s->evicted++;
	}
}

er_content *er_assets_memory_get(er_assets_memory *m, er_slice routine, const er_hash *hash)
{
	uint8_t room[KEY];
	er_slice key = key_of(routine, hash, room);
	shard *s = shard_of(m, hash);
	er_content *found = NULL;
	pthread_mutex_lock(&s->lock);
	entry *e = er_map_get(s->by_key, key);
	if (e != NULL) {
		e->used = true;
		found = er_content_ref(e->content);
		s->hits++;
	} else {
		s->misses++;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

static entry *new_entry(er_slice key, er_content *content)
{
	entry *e = er_zalloc(sizeof *e + key.n);
	er_copy(e->key_bytes, key.p, key.n);
	e->key = er_slice_of(e->key_bytes, key.n);
	e->content = content;
	e->cost = cost_of(content);
	return e;
}

er_content *er_assets_memory_put(er_assets_memory *m, er_slice routine, const er_hash *hash, er_content *content)
{
	uint8_t room[KEY];
	er_slice key = key_of(routine, hash, room);
	shard *s = shard_of(m, hash);
	er_content *extra = NULL;
	pthread_mutex_lock(&s->lock);
	entry *e = er_map_get(s->by_key, key);
	if (e != NULL) {
		extra = content;
	} else {
		e = new_entry(key, content);
		(void)er_map_set(s->by_key, e->key, e);
		er_list_push(&s->queue, &e->link);
		s->bytes += e->cost;
	}
	er_content *there = er_content_ref(e->content);
	make_room(m, s, e);
	pthread_mutex_unlock(&s->lock);
	er_content_unref(extra);
	return there;
}

void er_assets_memory_weigh(er_assets_memory *m, er_slice routine, const er_hash *hash)
{
	uint8_t room[KEY];
	er_slice key = key_of(routine, hash, room);
	shard *s = shard_of(m, hash);
	pthread_mutex_lock(&s->lock);
	entry *e = er_map_get(s->by_key, key);
	if (e != NULL) {
		size_t cost = cost_of(e->content);
		s->bytes = s->bytes - e->cost + cost;
		e->cost = cost;
		make_room(m, s, e);
	}
	pthread_mutex_unlock(&s->lock);
}

er_assets_memory_stats er_assets_memory_statistics(er_assets_memory *m)
{
	er_assets_memory_stats sum = {.max_bytes = m->max_bytes};
	for (size_t i = 0; i < SHARDS; i++) {
		shard *s = &m->shards[i];
		pthread_mutex_lock(&s->lock);
		sum.files += er_map_len(s->by_key);
		sum.bytes += s->bytes;
		sum.hits += s->hits;
		sum.misses += s->misses;
		sum.evicted += s->evicted;
		pthread_mutex_unlock(&s->lock);
	}
	return sum;
}
