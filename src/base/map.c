/* Byte strings to pointers: open addressing with linear steps, at most three quarters used.
 *
 * A slot is free (no value, not dead), live, or dead: deleting leaves a mark, so that walks which
 * went over the slot still find what lies behind it. Growing makes a new array of the live ones,
 * twice as large as they need, which also drops the marks; a map that is filled and emptied all the
 * time is rebuilt in the same size. Keys are copied, values are the caller's. The hash has a key
 * that is random for each map, so that strangers who choose names cannot make them collide. One
 * thread at a time. */
#include "base/map.h"

#include "base/mem.h"
#include "base/siphash.h"

typedef struct entry {
	uint64_t hash;
	void *value; /* NULL: free, or dead */
	uint8_t *key;
	size_t key_n;
	bool dead; /* was deleted: a walk goes on behind it */
} entry;

struct er_map {
	entry *slots;
	size_t cap; /* power of two */
	size_t live;
	size_t used; /* live and dead */
	er_siphash_key secret;
};

er_map *er_map_new(void)
{
	er_map *m = ER_NEW(er_map);
	m->secret = er_siphash_key_new();
	return m;
}

void er_map_free(er_map *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->cap; i++)
		er_free(m->slots[i].key);
	er_free(m->slots);
	er_free(m);
}

static entry *find(const er_map *m, er_slice key, uint64_t h)
{
	if (m->cap == 0)
		return NULL;
	ER_ASSERT(m->used < m->cap); /* so the walk meets a slot that was never used */
	for (size_t i = h & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		entry *e = &m->slots[i];
		if (e->value == NULL && !e->dead)
			return NULL;
		if (e->value != NULL && e->hash == h && er_slice_eq(er_slice_of(e->key, e->key_n), key))
			return e;
	}
}

void *er_map_get(const er_map *m, er_slice key)
{
	entry *e = m->live ? find(m, key, er_siphash(&m->secret, key)) : NULL;
	return e ? e->value : NULL;
}

/* A dead slot is not taken again: only growing, which drops them, makes room. */
static void place(er_map *m, entry e)
{
	ER_ASSERT(m->used < m->cap && e.value != NULL);
	size_t i = e.hash & (m->cap - 1);
	while (m->slots[i].value != NULL || m->slots[i].dead)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = e;
}

static void grow(er_map *m)
{
	entry *old = m->slots;
	size_t old_cap = m->cap;
	size_t cap = 16;
	while (cap < (m->live + 1) * 2)
		cap *= 2;
	ER_ASSERT(m->live <= m->used && m->used <= old_cap);
	m->slots = er_zalloc(cap * sizeof *m->slots);
	m->cap = cap;
	m->used = m->live;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].value != NULL)
			place(m, old[i]);
	er_free(old);
}

void *er_map_set(er_map *m, er_slice key, void *value)
{
	ER_ASSERT(value != NULL);
	uint64_t h = er_siphash(&m->secret, key);
	entry *e = find(m, key, h);
	if (e != NULL) {
		void *was = e->value;
		e->value = value;
		return was;
	}
	if ((m->used + 1) * 4 > m->cap * 3)
		grow(m);
	uint8_t *copy = er_alloc(key.n);
	er_copy(copy, key.p, key.n);
	place(m, (entry){.hash = h, .value = value, .key = copy, .key_n = key.n});
	m->live++;
	m->used++;
	return NULL;
}

void *er_map_del(er_map *m, er_slice key)
{
	entry *e = m->live ? find(m, key, er_siphash(&m->secret, key)) : NULL;
	if (e == NULL)
		return NULL;
	ER_ASSERT(e->key != NULL && m->live > 0);
	void *was = e->value;
	er_free(e->key);
	*e = (entry){.dead = true};
	m->live--;
	return was;
}

size_t er_map_len(const er_map *m)
{
	return m->live;
}

bool er_map_next(const er_map *m, size_t *at, er_slice *key, void **value)
{
	for (; *at < m->cap; (*at)++) {
		entry *e = &m->slots[*at];
		if (e->value == NULL)
			continue;
		if (key)
			*key = er_slice_of(e->key, e->key_n);
		if (value)
			*value = e->value;
		(*at)++;
		return true;
	}
	return false;
}
