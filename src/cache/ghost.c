/* A table of buckets of eight, each a line of the processor's cache. An entry has 32 bits of the
 * hash, and when it was added: the clock, which counts what was added. An entry is as old as what
 * was added since. A new one takes the place of the oldest of its bucket, which is mostly too old
 * already: the table has twice as many places as are to be remembered, or more. */
#include "cache/ghost.h"

#include "base/mem.h"

enum { WAYS = 8, BUCKETS_FIRST = 128 };

static uint32_t part_of(uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 16);
}

static uint64_t *bucket(const er_ghosts *g, uint32_t part)
{
	return g->v + (part * 0x9e3779b1U & (g->buckets - 1)) * WAYS;
}

static uint32_t age_of(const er_ghosts *g, uint64_t entry)
{
	return entry == 0 ? UINT32_MAX : g->clock - (uint32_t)entry;
}

static void put(er_ghosts *g, uint64_t entry)
{
	uint64_t *row = bucket(g, (uint32_t)(entry >> 32)), *to = row;
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i] >> 32 == entry >> 32) {
			to = &row[i];
			break;
		}
		if (age_of(g, row[i]) > age_of(g, *to))
			to = &row[i];
	}
	*to = entry;
}

static void grow(er_ghosts *g, size_t most)
{
	er_ghosts old = *g;
	size_t buckets = old.buckets > 0 ? old.buckets : BUCKETS_FIRST;
	while (buckets * WAYS / 2 < most)
		buckets *= 2;
	g->buckets = buckets;
	g->v = er_zalloc(buckets * WAYS * sizeof *g->v);
	for (size_t i = 0; i < old.buckets * WAYS; i++)
		if (old.v[i] != 0)
			put(g, old.v[i]);
	er_free(old.v);
}

void er_ghosts_fini(er_ghosts *g)
{
	er_free(g->v);
	*g = (er_ghosts){0};
}

void er_ghosts_add(er_ghosts *g, uint64_t hash, size_t most)
{
	if (g->buckets * WAYS / 2 < most || g->buckets == 0)
		grow(g, most);
	if (++g->clock == 0) /* 0 may be an empty place */
		g->clock = 1;
	put(g, (uint64_t)part_of(hash) << 32 | g->clock);
}

bool er_ghosts_take(er_ghosts *g, uint64_t hash, size_t most)
{
	if (g->buckets == 0)
		return false;
	uint32_t part = part_of(hash);
	uint64_t *row = bucket(g, part);
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i] == 0 || row[i] >> 32 != part)
			continue;
		bool is = age_of(g, row[i]) < most;
		row[i] = 0;
		return is;
	}
	return false;
}
