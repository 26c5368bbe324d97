/* An entry, from its lowest bit: 34 bits where, in units (8 TiB); 8 bits size class; 2 bits uses;
 * 20 bits tag. Location 0 is the file's label, so an entry that is 0 is free. A size class is a
 * number from 8 to 15 and an exponent: a read is 4 KiB at least. */
#include "cache/disk_index.h"

#include "base/mem.h"

#include <stdlib.h>

enum { WAYS = 8, AT_BITS = 34, SIZE_SHIFT = 34, USES_SHIFT = 42, TAG_SHIFT = 44, FILL_OF = 5, FILL = 4 };
static_assert(ER_DISK_USES == 3, "two bits");

struct er_disk_index {
	uint64_t n;     /* buckets */
	uint64_t count; /* atomic */
	er_disk_entry (*buckets)[WAYS];
	uint64_t n_seen;
	uint16_t *seen; /* atomic: a part of the hash, which is not 0 */
};

er_disk_index *er_disk_index_new(uint64_t records)
{
	er_disk_index *ix = ER_NEW(er_disk_index);
	ix->n = records * FILL_OF / FILL / WAYS + 2;
	ix->buckets = er_zalloc(ix->n * sizeof *ix->buckets);
	ix->n_seen = records + 1;
	ix->seen = er_zalloc(ix->n_seen * sizeof *ix->seen);
	return ix;
}

void er_disk_index_free(er_disk_index *ix)
{
	if (ix == NULL)
		return;
	er_free(ix->buckets);
	er_free(ix->seen);
	er_free(ix);
}

uint64_t er_disk_entry_at(er_disk_entry e)
{
	return e & ((1ULL << AT_BITS) - 1);
}

unsigned er_disk_entry_uses(er_disk_entry e)
{
	return e >> USES_SHIFT & ER_DISK_USES;
}

/* The smallest class that has room for so many units. */
static uint64_t class_of(uint32_t units)
{
	ER_ASSERT(units > 0 && units < 1U << 24);
	uint32_t e = 0;
	while (15U << e < units)
		e++;
	uint32_t m = (units + (1U << e) - 1) >> e;
	ER_ASSERT(m <= 15 && (m >= 8 || e == 0));
	return e << 3 | (m > 8 ? m - 8 : 0);
}

uint32_t er_disk_entry_units(er_disk_entry e)
{
	uint32_t class = e >> SIZE_SHIFT & 0xff;
	return ((class & 7) + 8) << (class >> 3);
}

static er_disk_entry tag_of(er_disk_hash hash)
{
	return hash.a >> TAG_SHIFT << TAG_SHIFT;
}

static er_disk_entry load(const er_disk_entry *e)
{
	return __atomic_load_n(e, __ATOMIC_ACQUIRE);
}

/* False: it is another one meanwhile. */
static bool change(er_disk_index *ix, er_disk_entry *place, er_disk_entry from, er_disk_entry to)
{
	if (!__atomic_compare_exchange_n(place, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	if (from == 0 && to != 0)
		__atomic_fetch_add(&ix->count, 1, __ATOMIC_RELAXED);
	else if (from != 0 && to == 0)
		__atomic_fetch_sub(&ix->count, 1, __ATOMIC_RELAXED);
	return true;
}

static er_disk_entry *bucket(const er_disk_index *ix, er_disk_hash hash, unsigned which)
{
	/* The tag has the highest bits of a. */
	uint64_t h = which == 0 ? hash.b : hash.a * 0x9e3779b97f4a7c15ULL ^ hash.b >> 32;
	return ix->buckets[h % ix->n];
}

static er_disk_entry *find(const er_disk_index *ix, er_disk_hash hash, er_disk_entry *was)
{
	for (unsigned b = 0; b < 2; b++) {
		er_disk_entry *row = bucket(ix, hash, b);
		for (unsigned i = 0; i < WAYS; i++) {
			er_disk_entry e = load(&row[i]);
			if (e != 0 && (e ^ tag_of(hash)) >> TAG_SHIFT == 0) {
				*was = e;
				return &row[i];
			}
		}
	}
	*was = 0;
	return NULL;
}

er_disk_entry er_disk_index_get(const er_disk_index *ix, er_disk_hash hash)
{
	er_disk_entry e;
	(void)find(ix, hash, &e);
	return e;
}

bool er_disk_index_use(er_disk_index *ix, er_disk_hash hash)
{
	er_disk_entry e, *place = find(ix, hash, &e);
	if (place == NULL)
		return false;
	/* A use that is not counted because of another one does not matter. */
	if (er_disk_entry_uses(e) < ER_DISK_USES)
		(void)change(ix, place, e, e + (1ULL << USES_SHIFT));
	return true;
}

/* Where a new one goes: a free place in the emptier bucket, or that of the least used. */
static er_disk_entry *room(const er_disk_index *ix, er_disk_hash hash, er_disk_entry *was)
{
	er_disk_entry *least = NULL, *free[2] = {NULL, NULL};
	unsigned n_free[2] = {0, 0};
	*was = 0;
	for (unsigned b = 0; b < 2; b++) {
		er_disk_entry *row = bucket(ix, hash, b);
		for (unsigned i = 0; i < WAYS; i++) {
			er_disk_entry e = load(&row[i]);
			if (e == 0) {
				free[b] = &row[i];
				n_free[b]++;
			} else if (least == NULL || er_disk_entry_uses(e) < er_disk_entry_uses(*was)) {
				least = &row[i];
				*was = e;
			}
		}
	}
	unsigned emptier = n_free[1] > n_free[0];
	if (free[emptier] == NULL)
		return least;
	*was = 0;
	return free[emptier];
}

void er_disk_index_put(er_disk_index *ix, er_disk_hash hash, uint64_t at, uint32_t units, unsigned uses)
{
	ER_ASSERT(at > 0 && at < 1ULL << AT_BITS && uses <= ER_DISK_USES);
	er_disk_entry e = at | class_of(units) << SIZE_SHIFT | (uint64_t)uses << USES_SHIFT | tag_of(hash), was;
	er_disk_entry *place;
	/* Others only count uses and clear, so this comes to its end. */
	do {
		place = find(ix, hash, &was);
		if (place == NULL)
			place = room(ix, hash, &was);
	} while (!change(ix, place, was, e));
}

void er_disk_index_drop(er_disk_index *ix, er_disk_hash hash)
{
	er_disk_entry e, *place;
	while ((place = find(ix, hash, &e)) != NULL)
		(void)change(ix, place, e, 0);
}

void er_disk_index_drop_at(er_disk_index *ix, er_disk_hash hash, uint64_t at)
{
	er_disk_entry e, *place;
	while ((place = find(ix, hash, &e)) != NULL && er_disk_entry_at(e) == at)
		if (change(ix, place, e, 0))
			return;
}

bool er_disk_index_seen(er_disk_index *ix, er_disk_hash hash)
{
	uint16_t *place = &ix->seen[hash.b % ix->n_seen], mine = (uint16_t)(hash.a | 1);
	return __atomic_exchange_n(place, mine, __ATOMIC_RELAXED) == mine;
}

uint64_t er_disk_index_count(const er_disk_index *ix)
{
	return __atomic_load_n(&ix->count, __ATOMIC_RELAXED);
}

uint64_t er_disk_index_bytes(const er_disk_index *ix)
{
	return sizeof *ix + ix->n * sizeof *ix->buckets + ix->n_seen * sizeof *ix->seen;
}
