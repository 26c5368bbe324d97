/* An entry, from its lowest bit: where, in units, in as many bits as the file needs (34 at most: 8
 * TiB); the tag up to bit 53; 8 bits size class; 2 bits uses. Location 0 is the file's label, so an
 * entry that is 0 is free. A size class is a number from 8 to 15 and an exponent: a read is 4 KiB
 * at least.
 *
 * The table is so many groups of buckets. A hash has two groups; which bucket of a group, its tag's
 * lowest bits say. The other group of an entry follows from the one that it lies in and its tag, so
 * that an entry can move there when its bucket is full and somebody needs room (a cuckoo filter's
 * way).
 *
 * A table that is four fifths full grows: one group, the next one in turn, gets twice as many
 * buckets, and half of each of its buckets moves (linear hashing). So groups have 2^doubled buckets
 * or, those before `grown`, twice that. The i-th buckets of all groups lie side by side; nothing
 * that lies moves in memory. The room for the largest table is taken at once, and the kernel gives
 * it page by page.
 *
 * `moves` is odd while something moves. Who finds nothing looks again if it has changed. The table
 * has its new form before anything moves for it. */
#include "cache/disk_index.h"

#include "base/mem.h"

#include <stdlib.h>

enum {
	WAYS = 8,
	FULL = 25, /* entries in four buckets, from which on it grows */
	DOUBLINGS = 6,
	AT_MOST = 34,
	SIZE_SHIFT = 54, /* where the tag ends */
	USES_SHIFT = 62,
	DOUBLED_SHIFT = 48,
	REFUSED_FIRST = 1024,
	QUEUE = 32, /* places of a queue of refused: a line of the processor's cache */
	LOOKS = 16,
};
static_assert(ER_DISK_USES == 3, "two bits");

struct er_disk_index {
	uint64_t groups, most; /* most: buckets */
	unsigned at_bits;      /* where the tag begins */
	uint64_t form;         /* atomic: doubled << DOUBLED_SHIFT | grown */
	uint64_t before;       /* atomic: the form before what moves now */
	uint64_t moves;        /* atomic */
	uint64_t count;        /* atomic */
	er_disk_entry (*buckets)[WAYS];
	uint64_t n_refused, most_refused; /* n_refused: atomic */
	uint16_t *refused;                /* atomic: a part of the hash, which is not 0 */
};

er_disk_index *er_disk_index_new(uint64_t records, uint64_t units)
{
	ER_ASSERT(units < 1ULL << AT_MOST);
	er_disk_index *ix = ER_NEW(er_disk_index);
	*ix = (er_disk_index){.most = records * 4 / FULL + 2, .most_refused = records + REFUSED_FIRST, .n_refused = REFUSED_FIRST};
	ix->groups = (ix->most >> DOUBLINGS) + 2;
	while (units >> ix->at_bits != 0)
		ix->at_bits++;
	ix->buckets = er_zalloc((ix->groups << DOUBLINGS) * sizeof *ix->buckets);
	ix->refused = er_zalloc(ix->most_refused * sizeof *ix->refused);
	return ix;
}

void er_disk_index_free(er_disk_index *ix)
{
	if (ix == NULL)
		return;
	er_free(ix->buckets);
	er_free(ix->refused);
	er_free(ix);
}

uint64_t er_disk_entry_at(const er_disk_index *ix, er_disk_entry e)
{
	return e & ((1ULL << ix->at_bits) - 1);
}

unsigned er_disk_entry_uses(er_disk_entry e)
{
	return (unsigned)(e >> USES_SHIFT);
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

/* As a number: of as many bits as an entry has room for. */
static uint64_t tag_of(const er_disk_index *ix, er_disk_hash hash)
{
	return hash.a >> (64 - SIZE_SHIFT + ix->at_bits);
}

static uint64_t entry_tag(const er_disk_index *ix, er_disk_entry e)
{
	return (e & ((1ULL << SIZE_SHIFT) - 1)) >> ix->at_bits;
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

typedef struct form {
	unsigned doubled;
	uint64_t grown;
} form;

static form form_of(const uint64_t *form_word)
{
	uint64_t f = __atomic_load_n(form_word, __ATOMIC_ACQUIRE);
	return (form){(unsigned)(f >> DOUBLED_SHIFT), f & ((1ULL << DOUBLED_SHIFT) - 1)};
}

static uint64_t n_buckets(const er_disk_index *ix)
{
	form f = form_of(&ix->form);
	return (ix->groups + f.grown) << f.doubled;
}

/* The bucket of the group that an entry with this tag lies in. */
static er_disk_entry *bucket(const er_disk_index *ix, form f, uint64_t group, uint64_t tag)
{
	unsigned doubled = f.doubled + (group < f.grown);
	return ix->buckets[(tag & ((1U << doubled) - 1)) * ix->groups + group];
}

static uint64_t other_group(const er_disk_index *ix, uint64_t group, uint64_t tag)
{
	uint64_t sum = (tag * 0x9e3779b97f4a7c15ULL >> 16) % ix->groups;
	return sum >= group ? sum - group : sum + ix->groups - group;
}

/* Both groups of the hash. */
static void groups_of(const er_disk_index *ix, er_disk_hash hash, uint64_t out[static 2])
{
	out[0] = hash.b % ix->groups;
	out[1] = other_group(ix, out[0], tag_of(ix, hash));
}

static er_disk_entry *find_once(const er_disk_index *ix, form f, er_disk_hash hash, er_disk_entry *was)
{
	uint64_t tag = tag_of(ix, hash), groups[2];
	groups_of(ix, hash, groups);
	for (unsigned b = 0; b < 2; b++) {
		er_disk_entry *row = bucket(ix, f, groups[b], tag);
		for (unsigned i = 0; i < WAYS; i++) {
			er_disk_entry e = load(&row[i]);
			if (e != 0 && entry_tag(ix, e) == tag) {
				*was = e;
				return &row[i];
			}
		}
	}
	*was = 0;
	return NULL;
}

/* An entry that moves is always in one of its places: in the old one until it is in the new one. So
 * whoever looks in this order finds it, unless something else moves meanwhile. */
static er_disk_entry *find(const er_disk_index *ix, er_disk_hash hash, er_disk_entry *was)
{
	for (unsigned looks = 0; looks < LOOKS; looks++) {
		uint64_t moves = __atomic_load_n(&ix->moves, __ATOMIC_SEQ_CST);
		er_disk_entry *place = NULL;
		if ((moves & 1) != 0)
			place = find_once(ix, form_of(&ix->before), hash, was);
		if (place == NULL)
			place = find_once(ix, form_of(&ix->form), hash, was);
		if (place != NULL || moves == __atomic_load_n(&ix->moves, __ATOMIC_SEQ_CST))
			return place;
	}
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

/* ---- putting: what follows is one thread's ---- */

static er_disk_entry *free_place(er_disk_entry *row, unsigned *n)
{
	er_disk_entry *place = NULL;
	*n = 0;
	for (unsigned i = 0; i < WAYS; i++)
		if (load(&row[i]) == 0) {
			place = &row[i];
			++*n;
		}
	return place;
}

/* Others may count a use of it meanwhile, or clear it. */
static void move(er_disk_entry *from, er_disk_entry *to)
{
	er_disk_entry e = load(from);
	if (e == 0)
		return;
	ER_ASSERT(load(to) == 0);
	__atomic_store_n(to, e, __ATOMIC_RELEASE);
	while (!__atomic_compare_exchange_n(from, &e, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		__atomic_store_n(to, e, __ATOMIC_RELEASE);
}

static void begin_moves(er_disk_index *ix)
{
	ER_ASSERT((ix->moves & 1) == 0);
	__atomic_store_n(&ix->before, ix->form, __ATOMIC_SEQ_CST);
	__atomic_store_n(&ix->moves, ix->moves + 1, __ATOMIC_SEQ_CST);
}

static void end_moves(er_disk_index *ix)
{
	__atomic_store_n(&ix->moves, ix->moves + 1, __ATOMIC_SEQ_CST);
}

/* Moves one entry of the row to its other group. NULL: none has room there. */
static er_disk_entry *make_way(er_disk_index *ix, form f, er_disk_entry *row, uint64_t group)
{
	for (unsigned i = 0; i < WAYS; i++) {
		er_disk_entry e = load(&row[i]);
		unsigned n;
		uint64_t tag = entry_tag(ix, e);
		er_disk_entry *to = free_place(bucket(ix, f, other_group(ix, group, tag), tag), &n);
		if (e == 0 || to == NULL)
			continue;
		begin_moves(ix);
		move(&row[i], to);
		end_moves(ix);
		return &row[i];
	}
	return NULL;
}

/* The same where no other group has room either: one there makes way first. A part that is lost
 * costs a whole body, so nothing is lost as long as the table may grow. */
static er_disk_entry *make_way_twice(er_disk_index *ix, form f, er_disk_entry *row, uint64_t group)
{
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t tag = entry_tag(ix, load(&row[i])), other = other_group(ix, group, tag);
		er_disk_entry *beside = bucket(ix, f, other, tag);
		er_disk_entry *to = beside != row ? make_way(ix, f, beside, other) : NULL;
		if (to == NULL)
			continue;
		begin_moves(ix);
		move(&row[i], to);
		end_moves(ix);
		return &row[i];
	}
	return NULL;
}

static er_disk_entry *least_used(er_disk_entry *row)
{
	er_disk_entry *least = row;
	for (unsigned i = 1; i < WAYS; i++)
		if (er_disk_entry_uses(load(&row[i])) < er_disk_entry_uses(load(least)))
			least = &row[i];
	return least;
}

void er_disk_index_expect(const er_disk_index *ix, er_disk_hash hash)
{
	form f = form_of(&ix->form);
	uint64_t groups[2];
	groups_of(ix, hash, groups);
	for (unsigned b = 0; b < 2; b++)
		__builtin_prefetch(bucket(ix, f, groups[b], tag_of(ix, hash)), 1);
}

/* Where a new one goes: a free place in the emptier bucket, or one that is made free, or that of
 * the least used. */
static er_disk_entry *room(er_disk_index *ix, er_disk_hash hash)
{
	form f = form_of(&ix->form);
	uint64_t groups[2];
	er_disk_entry *row[2], *place[2];
	unsigned n[2];
	groups_of(ix, hash, groups);
	for (unsigned b = 0; b < 2; b++) {
		row[b] = bucket(ix, f, groups[b], tag_of(ix, hash));
		place[b] = free_place(row[b], &n[b]);
	}
	if (n[0] + n[1] > 0)
		return place[n[1] > n[0]];
	for (unsigned b = 0; b < 2; b++)
		if ((place[b] = make_way(ix, f, row[b], groups[b])) != NULL)
			return place[b];
	for (unsigned b = 0; b < 2; b++)
		if ((place[b] = make_way_twice(ix, f, row[b], groups[b])) != NULL)
			return place[b];
	er_disk_entry *a = least_used(row[0]), *b = least_used(row[1]);
	return er_disk_entry_uses(load(b)) < er_disk_entry_uses(load(a)) ? b : a;
}

/* The next group has twice as many buckets. */
static void grow(er_disk_index *ix)
{
	form f = form_of(&ix->form);
	uint64_t group = f.grown, bit = 1ULL << (ix->at_bits + f.doubled);
	bool last = group + 1 == ix->groups;
	uint64_t now = last ? (uint64_t)(f.doubled + 1) << DOUBLED_SHIFT : (uint64_t)f.doubled << DOUBLED_SHIFT | (group + 1);
	begin_moves(ix);
	__atomic_store_n(&ix->form, now, __ATOMIC_SEQ_CST);
	for (uint64_t i = 0; i < 1ULL << f.doubled; i++) {
		er_disk_entry *row = ix->buckets[i * ix->groups + group];
		er_disk_entry *other = ix->buckets[(i + (1ULL << f.doubled)) * ix->groups + group];
		for (unsigned k = 0; k < WAYS; k++)
			if ((load(&row[k]) & bit) != 0)
				move(&row[k], &other[k]);
	}
	end_moves(ix);
}

void er_disk_index_put(er_disk_index *ix, er_disk_hash hash, uint64_t at, uint32_t units, unsigned uses)
{
	ER_ASSERT(at > 0 && at < 1ULL << ix->at_bits && uses <= ER_DISK_USES);
	er_disk_entry e = at | class_of(units) << SIZE_SHIFT | (uint64_t)uses << USES_SHIFT | tag_of(ix, hash) << ix->at_bits, was;
	er_disk_entry *place;
	/* Others only count uses and clear, so this comes to its end. */
	do {
		place = find(ix, hash, &was);
		if (place == NULL) {
			place = room(ix, hash);
			was = load(place);
		}
	} while (!change(ix, place, was, e));
	if (er_disk_index_count(ix) * 4 > n_buckets(ix) * FULL && n_buckets(ix) < ix->most && form_of(&ix->form).doubled < DOUBLINGS)
		grow(ix);
}

void er_disk_index_drop(er_disk_index *ix, er_disk_hash hash)
{
	er_disk_entry e, *place;
	while ((place = find(ix, hash, &e)) != NULL)
		(void)change(ix, place, e, 0);
}

bool er_disk_index_drop_at(er_disk_index *ix, er_disk_hash hash, uint64_t at)
{
	er_disk_entry e, *place;
	while ((place = find(ix, hash, &e)) != NULL && er_disk_entry_at(ix, e) == at)
		if (change(ix, place, e, 0))
			return true;
	return false;
}

/* A queue of so many places, the newest first; what does not fit into it is forgotten. Two threads
 * that put at once may lose one, which costs a miss at most. */
static uint16_t *queue_of(const er_disk_index *ix, er_disk_hash hash)
{
	return &ix->refused[hash.b % (__atomic_load_n(&ix->n_refused, __ATOMIC_RELAXED) / QUEUE) * QUEUE];
}

static uint16_t part_of(er_disk_hash hash)
{
	return (uint16_t)(hash.a | 1);
}

void er_disk_index_refuse(er_disk_index *ix, er_disk_hash hash)
{
	uint16_t *queue = queue_of(ix, hash), mine = part_of(hash), carry = mine;
	for (unsigned i = 0; i < QUEUE; i++) {
		uint16_t was = __atomic_exchange_n(&queue[i], carry, __ATOMIC_RELAXED);
		if (was == 0 || was == mine)
			break;
		carry = was;
	}
}

bool er_disk_index_refused(const er_disk_index *ix, er_disk_hash hash)
{
	const uint16_t *queue = queue_of(ix, hash), mine = part_of(hash);
	for (unsigned i = 0; i < QUEUE; i++)
		if (__atomic_load_n(&queue[i], __ATOMIC_RELAXED) == mine)
			return true;
	return false;
}

void er_disk_index_measure_refused(er_disk_index *ix)
{
	uint64_t count = er_disk_index_count(ix), n = ix->n_refused;
	if (count > n * 5 / 4 || count < n * 3 / 4) /* else what was refused is worth more */
		n = count < REFUSED_FIRST ? REFUSED_FIRST : count < ix->most_refused ? count : ix->most_refused;
	__atomic_store_n(&ix->n_refused, n / QUEUE * QUEUE, __ATOMIC_RELAXED);
}

uint64_t er_disk_index_count(const er_disk_index *ix)
{
	return __atomic_load_n(&ix->count, __ATOMIC_RELAXED);
}

uint64_t er_disk_index_bytes(const er_disk_index *ix)
{
	return sizeof *ix + n_buckets(ix) * sizeof *ix->buckets +
	       __atomic_load_n(&ix->n_refused, __ATOMIC_RELAXED) * sizeof *ix->refused;
}
