/* Ids to pointers: open addressing with linear steps, at most half full, in one array of slots. An
 * id of 0 marks a free slot, so it is no key. The array doubles and never shrinks before
 * er_idmap_fini; ids that are deleted leave no mark. Values belong to the caller. One thread. The
 * channel's two sides of a sandbox use it in the node: calls and subrequests of an instance. */
#include "base/idmap.h"

#include "base/mem.h"

/* Multiply-shift with the product's upper half: a sandbox chooses the ids of its fetches, and could
 * make those with equal low bits collide. The factor is not its to know. */
static uint32_t place_of(const er_idmap *m, uint32_t id)
{
	return (uint32_t)((id * m->factor) >> 32) & (m->cap - 1);
}

void er_idmap_fini(er_idmap *m)
{
	er_free(m->slots);
	*m = (er_idmap){0};
}

static struct er_idmap_slot *find(const er_idmap *m, uint32_t id)
{
	if (m->n == 0 || id == 0)
		return NULL;
	/* At most half of the slots are taken, so the walk meets a free one. */
	for (uint32_t i = place_of(m, id); m->slots[i].id != 0; i = (i + 1) & (m->cap - 1))
		if (m->slots[i].id == id)
			return &m->slots[i];
	return NULL;
}

void *er_idmap_get(const er_idmap *m, uint32_t id)
{
	const struct er_idmap_slot *s = find(m, id);
	return s ? s->value : NULL;
}

static void insert(er_idmap *m, uint32_t id, void *value)
{
	uint32_t i = place_of(m, id);
	while (m->slots[i].id != 0) {
		ER_ASSERT(m->slots[i].id != id);
		i = (i + 1) & (m->cap - 1);
	}
	m->slots[i] = (struct er_idmap_slot){id, value};
}

void er_idmap_add(er_idmap *m, uint32_t id, void *value)
{
	ER_ASSERT(id != 0 && value != NULL);
	if ((m->n + 1) * 2 > m->cap) {
		er_idmap old = *m;
		m->cap = old.cap ? old.cap * 2 : 16;
		m->slots = er_zalloc(m->cap * sizeof *m->slots);
		ER_ASSERT(m->cap > old.cap);
		/* Where memory lies is random enough and costs no system call. */
		if (m->factor == 0)
			m->factor = ((uint64_t)(uintptr_t)m->slots * 0x9E3779B97F4A7C15U) | 1;
		for (uint32_t i = 0; i < old.cap; i++)
			if (old.slots[i].id != 0)
				insert(m, old.slots[i].id, old.slots[i].value);
		er_free(old.slots);
	}
	ER_ASSERT((m->cap & (m->cap - 1)) == 0 && m->n < m->cap / 2);
	insert(m, id, value);
	m->n++;
}

void *er_idmap_del(er_idmap *m, uint32_t id)
{
	struct er_idmap_slot *s = find(m, id);
	if (s == NULL)
		return NULL;
	ER_ASSERT(m->n > 0 && s->value != NULL);
	void *value = s->value;
	/* Backward-shift deletion: no tombstones, so long-lived maps do not decay. */
	uint32_t hole = (uint32_t)(s - m->slots);
	for (uint32_t i = (hole + 1) & (m->cap - 1); m->slots[i].id != 0; i = (i + 1) & (m->cap - 1)) {
		uint32_t home = place_of(m, m->slots[i].id);
		if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct er_idmap_slot){0, NULL};
	m->n--;
	return value;
}

void *er_idmap_any(const er_idmap *m)
{
	for (uint32_t i = 0; m->n > 0 && i < m->cap; i++)
		if (m->slots[i].id != 0)
			return m->slots[i].value;
	return NULL;
}
