/* A table of so many shards, each with a lock, buckets, and a list of its entries, the one that was
 * used last at the end. An entry is one piece of memory with its key; its value is counted bytes,
 * which go into bodies as they lie here. A shard that has more bytes than its part drops its oldest
 * entries. `written` of a shard counts writes: it is the mark. */
#include "data/hot.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/siphash.h"

#include <pthread.h>

enum { SHARDS = 16, PER_BUCKET = 512 /* bytes of a shard's part */, VALUE_PART = 8 };

typedef struct entry {
	struct entry *next; /* of its bucket */
	er_list used;
	uint64_t hash;
	int64_t ns;
	er_hot_value v;
	size_t key_n;
	uint8_t key[];
} entry;

typedef struct shard {
	pthread_mutex_t lock;
	entry **buckets;
	er_list used; /* oldest first */
	uint64_t bytes, written;
} shard;

struct er_hot {
	er_siphash_key secret;
	uint64_t part; /* bytes of a shard */
	size_t n_buckets;
	shard shards[SHARDS];
};

void er_hot_value_drop(er_hot_value *v)
{
	er_piece_drop(&v->value);
	er_piece_drop(&v->metadata);
	*v = (er_hot_value){0};
}

er_hot *er_hot_new(uint64_t bytes)
{
	er_hot *h = ER_NEW(er_hot);
	h->secret = er_siphash_key_new();
	h->part = bytes / SHARDS;
	h->n_buckets = 16;
	while (h->n_buckets < h->part / PER_BUCKET)
		h->n_buckets *= 2;
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&h->shards[i].lock, NULL);
		h->shards[i].buckets = er_zalloc(h->n_buckets * sizeof(entry *));
		er_list_init(&h->shards[i].used);
	}
	return h;
}

static size_t cost(const entry *e)
{
	return sizeof *e + e->key_n + e->v.value.n + e->v.metadata.n + 64;
}

static entry **place_of(er_hot *h, shard *s, uint64_t hash, int64_t ns, er_slice key)
{
	entry **at = &s->buckets[(hash / SHARDS) & (h->n_buckets - 1)];
	while (*at != NULL && !((*at)->hash == hash && (*at)->ns == ns && er_slice_eq(er_slice_of((*at)->key, (*at)->key_n), key)))
		at = &(*at)->next;
	return at;
}

static void drop(shard *s, entry **at)
{
	entry *e = *at;
	ER_ASSERT(e != NULL);
	*at = e->next;
	er_list_remove(&e->used);
	ER_ASSERT(s->bytes >= cost(e));
	s->bytes -= cost(e);
	er_hot_value_drop(&e->v);
	er_free(e);
}

static void drop_all(er_hot *h, shard *s)
{
	while (!er_list_empty(&s->used)) {
		entry *e = ER_CONTAINER(s->used.next, entry, used);
		drop(s, place_of(h, s, e->hash, e->ns, er_slice_of(e->key, e->key_n)));
	}
	ER_ASSERT(s->bytes == 0);
}

void er_hot_free(er_hot *h)
{
	if (h == NULL)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		drop_all(h, &h->shards[i]);
		er_free(h->shards[i].buckets);
		pthread_mutex_destroy(&h->shards[i].lock);
	}
	er_free(h);
}

/* The number of the namespace is mixed in behind the key's hash: keys alone are a stranger's. */
static uint64_t hash_of(const er_hot *h, int64_t ns, er_slice key)
{
	return er_siphash(&h->secret, key) ^ (uint64_t)ns * 0x9e3779b97f4a7c15U;
}

static shard *shard_of(er_hot *h, uint64_t hash)
{
	return &h->shards[hash % SHARDS];
}

bool er_hot_get(er_hot *h, int64_t ns, er_slice key, er_hot_value *out)
{
	uint64_t hash = hash_of(h, ns, key);
	shard *s = shard_of(h, hash);
	pthread_mutex_lock(&s->lock);
	entry *e = *place_of(h, s, hash, ns, key);
	if (e != NULL) {
		er_list_remove(&e->used);
		er_list_push(&s->used, &e->used);
		*out = e->v;
		out->value = er_piece_sub(e->v.value, 0, e->v.value.n);
		out->metadata = er_piece_sub(e->v.metadata, 0, e->v.metadata.n);
	}
	pthread_mutex_unlock(&s->lock);
	return e != NULL;
}

uint64_t er_hot_mark(er_hot *h, int64_t ns, er_slice key)
{
	shard *s = shard_of(h, hash_of(h, ns, key));
	pthread_mutex_lock(&s->lock);
	uint64_t mark = s->written;
	pthread_mutex_unlock(&s->lock);
	return mark;
}

static entry *new_entry(uint64_t hash, int64_t ns, er_slice key, const er_hot_value *v)
{
	entry *e = er_alloc(sizeof *e + key.n);
	*e = (entry){.hash = hash, .ns = ns, .v = *v, .key_n = key.n};
	e->v.value = er_piece_sub(v->value, 0, v->value.n);
	e->v.metadata = er_piece_sub(v->metadata, 0, v->metadata.n);
	er_list_init(&e->used);
	er_copy(e->key, key.p, key.n);
	return e;
}

void er_hot_put(er_hot *h, int64_t ns, er_slice key, uint64_t mark, const er_hot_value *v)
{
	uint64_t hash = hash_of(h, ns, key);
	shard *s = shard_of(h, hash);
	if (v->value.n > h->part / VALUE_PART)
		return;
	entry *e = new_entry(hash, ns, key, v);
	pthread_mutex_lock(&s->lock);
	entry **at = place_of(h, s, hash, ns, key);
	bool keeps = s->written == mark && *at == NULL && cost(e) <= h->part;
	if (keeps) {
		*at = e;
		er_list_push(&s->used, &e->used);
		s->bytes += cost(e);
	}
	while (s->bytes > h->part) {
		entry *old = ER_CONTAINER(s->used.next, entry, used);
		drop(s, place_of(h, s, old->hash, old->ns, er_slice_of(old->key, old->key_n)));
	}
	pthread_mutex_unlock(&s->lock);
	if (keeps)
		return;
	er_hot_value_drop(&e->v);
	er_free(e);
}

void er_hot_changed(er_hot *h, int64_t ns, er_slice key)
{
	for (unsigned i = 0; key.n == 0 && i < SHARDS; i++) {
		shard *s = &h->shards[i];
		pthread_mutex_lock(&s->lock);
		s->written++;
		drop_all(h, s);
		pthread_mutex_unlock(&s->lock);
	}
	if (key.n == 0)
		return;
	uint64_t hash = hash_of(h, ns, key);
	shard *s = shard_of(h, hash);
	pthread_mutex_lock(&s->lock);
	s->written++;
	entry **at = place_of(h, s, hash, ns, key);
	if (*at != NULL)
		drop(s, at);
	pthread_mutex_unlock(&s->lock);
}

bool er_hot_empty(const er_hot *h)
{
	bool empty = true;
	for (unsigned i = 0; empty && i < SHARDS; i++) {
		shard *s = (shard *)&h->shards[i];
		pthread_mutex_lock(&s->lock);
		empty = er_list_empty(&s->used);
		pthread_mutex_unlock(&s->lock);
	}
	return empty;
}
