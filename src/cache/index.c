/* The index. Each shard: a hash table of entries, two queues of stored responses, a ghost table, a
 * lock. An entry lives as long as it has variants, a fill, or is remembered as alone; those that
 * are only remembered are bounded (ALONE_BYTES), and the oldest is forgotten.
 *
 * Order of locks: a shard's lock is taken before a content's (er_stored_cost) or that of the owners
 * (owners.h), and no other. */
#include "cache/index_inside.h"

#include "base/mem.h"
#include "base/siphash.h"
#include "cache/fill.h"

enum {
	SHARDS_MAX = 16,
	SHARD_LEAST = 32 * 1024 * 1024,
	OBJECT_PART = 8, /* an object has at most this part of a shard */
	OBJECT_MOST = 64 * 1024 * 1024,
	SMALL_PERCENT = 10,
	SMALL_PERCENT_BEFORE = 80, /* the same with another store behind this one */
	/* of all of the memory, a routine with what is its own has at most this part */
	OWNER_PART = 8,
	USES = 3,
	PROMOTED = 1,             /* uses that take an object from small to main */
	ALONE_BYTES = 512 * 1024, /* of keys that are remembered, of a shard */
	ALONE_US = 10 * 1000 * 1000,
	TABLE_FIRST = 64,
	STRETCH = 1024, /* buckets that are walked under one hold of the lock */
};

static er_siphash_key secret;

static void choose_secret(void)
{
	secret = er_siphash_key_new();
}

uint64_t er_index_hash(er_slice key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, choose_secret);
	return er_siphash(&secret, key);
}

static void limit_object(er_index *ix, uint64_t max_bytes)
{
	uint64_t most = max_bytes / ix->n / OBJECT_PART;
	__atomic_store_n(&ix->max_object, most < OBJECT_MOST ? most : OBJECT_MOST, __ATOMIC_RELAXED);
}

er_index *er_index_new(uint64_t max_bytes)
{
	uint64_t want = max_bytes / SHARD_LEAST;
	unsigned n = want < 1 ? 1 : want > SHARDS_MAX ? SHARDS_MAX : (unsigned)want;
	er_index *ix = er_zalloc(sizeof *ix + n * sizeof(er_index_shard));
	ix->n = n;
	ix->purges = er_purges_new(0, 0);
	ix->owners = er_owners_new(max_bytes / OWNER_PART);
	for (unsigned i = 0; i < n; i++) {
		er_index_shard *s = &ix->shards[i];
		s->index = ix;
		pthread_mutex_init(&s->lock, NULL);
		s->buckets = TABLE_FIRST;
		s->table = er_zalloc(s->buckets * sizeof(er_index_key *));
		s->max_bytes = max_bytes / n;
		er_list_init(&s->small);
		er_list_init(&s->main);
		er_list_init(&s->alone);
	}
	limit_object(ix, max_bytes);
	return ix;
}

er_owners *er_index_owners(const er_index *ix)
{
	return ix->owners;
}

er_purges *er_index_purge_table(const er_index *ix)
{
	return ix->purges;
}

uint64_t er_index_max_object(const er_index *ix)
{
	return __atomic_load_n(&ix->max_object, __ATOMIC_RELAXED);
}

void er_index_on_evicted(er_index *ix, er_index_evicted *evicted, void *ctx)
{
	__atomic_store_n(&ix->evicted_ctx, ctx, __ATOMIC_RELAXED);
	__atomic_store_n(&ix->evicted, evicted, __ATOMIC_RELEASE);
}

er_index_shard *er_index_shard_of(er_index *ix, uint64_t hash)
{
	return &ix->shards[(hash >> 48) % ix->n];
}

/* What goes may be large, and is freed when nobody waits for the lock. */
static void unlock(er_index_shard *s)
{
	er_stored *gone = s->gone;
	er_index *ix = s->index;
	uint64_t purges = s->purges;
	s->gone = NULL;
	pthread_mutex_unlock(&s->lock);
	er_index_evicted *evicted = gone != NULL ? __atomic_load_n(&ix->evicted, __ATOMIC_ACQUIRE) : NULL;
	for (er_stored *it; (it = gone) != NULL;) {
		gone = it->next_in_key;
		it->next_in_key = NULL;
		if (it->evicted && evicted != NULL)
			evicted(__atomic_load_n(&ix->evicted_ctx, __ATOMIC_RELAXED), ix, it, purges);
		er_stored_unref(it);
	}
}

/* ---- entries ---- */

er_index_key **er_index_place_of(er_index_shard *s, er_slice key, uint64_t hash)
{
	er_index_key **at = &s->table[hash % s->buckets];
	while (*at != NULL && !((*at)->hash == hash && er_slice_eq((*at)->key, key)))
		at = &(*at)->next;
	return at;
}

static void grow(er_index_shard *s)
{
	size_t buckets = s->buckets * 2;
	er_index_key **table = er_zalloc(buckets * sizeof(er_index_key *));
	for (size_t i = 0; i < s->buckets; i++)
		for (er_index_key *e = s->table[i], *next; e != NULL; e = next) {
			next = e->next;
			e->next = table[e->hash % buckets];
			table[e->hash % buckets] = e;
		}
	er_free(s->table);
	s->table = table;
	s->buckets = buckets;
}

static er_index_key *entry_of(er_index_shard *s, er_slice key, uint64_t hash)
{
	er_index_key **at = er_index_place_of(s, key, hash);
	if (*at != NULL)
		return *at;
	if (s->n >= s->buckets) {
		grow(s);
		at = er_index_place_of(s, key, hash);
	}
	er_index_key *e = *at = ER_NEW(er_index_key);
	*e = (er_index_key){.hash = hash, .key = er_slice_of(er_strdup_slice(key), key.n)};
	er_list_init(&e->alone);
	s->n++;
	return e;
}

/* Keys are as long as clients make them. */
static size_t alone_cost(const er_index_key *e)
{
	return sizeof *e + e->key.n;
}

static void forget_alone(er_index_shard *s, er_index_key *e)
{
	if (e->alone_until_us == 0)
		return;
	e->alone_until_us = 0;
	er_list_remove(&e->alone);
	ER_ASSERT(s->alone_bytes >= alone_cost(e));
	s->alone_bytes -= alone_cost(e);
}

/* Frees an entry that holds nothing. */
static void settle(er_index_shard *s, er_index_key *e)
{
	if (e->variants != NULL || e->fill != NULL || e->alone_until_us != 0)
		return;
	er_index_key **at = er_index_place_of(s, e->key, e->hash);
	ER_ASSERT(*at == e && s->n > 0);
	*at = e->next;
	s->n--;
	er_free((void *)(uintptr_t)e->key.p);
	er_free(e);
}

/* ---- queues ---- */

static void leave_queue(er_index_shard *s, er_stored *it)
{
	er_list_remove(&it->queue);
	uint64_t *bytes = it->in_main ? &s->main_bytes : &s->small_bytes;
	ER_ASSERT(*bytes >= it->cost && s->objects > 0);
	*bytes -= it->cost;
	s->objects--;
}

static void join_queue(er_index_shard *s, er_stored *it, bool in_main)
{
	it->in_main = in_main;
	er_list_push(in_main ? &s->main : &s->small, &it->queue);
	*(in_main ? &s->main_bytes : &s->small_bytes) += it->cost;
	s->objects++;
}

/* Out of its entry and the queue; the entry stays. The index's reference goes with `unlock`. */
static void take_off(er_index_shard *s, er_index_key *e, er_stored *it)
{
	ER_ASSERT(e != NULL && it->listed);
	er_stored **at = &e->variants;
	while (*at != it)
		at = &(*at)->next_in_key;
	*at = it->next_in_key;
	it->next_in_key = s->gone;
	s->gone = it;
	it->listed = false;
	if (it->owner != NULL)
		er_owner_remove(it);
	leave_queue(s, it);
}

/* The same; and the entry goes if nothing is in it. */
static void take_out(er_index_shard *s, er_stored *it)
{
	er_index_key *e = *er_index_place_of(s, it->key, it->hash);
	take_off(s, e, it);
	settle(s, e);
}

/* With another store behind it, which is main to all of the memory, the memory is small to that
 * rather than a cache of its own: what is new stays long enough to be asked for again. */
static unsigned small_percent(const er_index_shard *s)
{
	return __atomic_load_n(&s->index->evicted, __ATOMIC_RELAXED) != NULL ? SMALL_PERCENT_BEFORE : SMALL_PERCENT;
}

/* So many are ghosts as the main queue has place for. */
static size_t ghosts_most(const er_index_shard *s)
{
	return s->objects - s->objects * small_percent(s) / 100 + 1;
}

static void evict(er_index_shard *s, er_stored *it, bool remember)
{
	if (remember)
		er_ghosts_add(&s->ghosts, it->hash, ghosts_most(s));
	it->evicted = true;
	take_out(s, it);
	s->evicted++;
}

static void make_room_in_small(er_index_shard *s)
{
	er_stored *it = ER_CONTAINER(s->small.next, er_stored, queue);
	if (__atomic_load_n(&it->used, __ATOMIC_RELAXED) < PROMOTED) {
		evict(s, it, true);
		return;
	}
	leave_queue(s, it);
	__atomic_store_n(&it->used, 0, __ATOMIC_RELAXED);
	join_queue(s, it, true);
}

static void make_room_in_main(er_index_shard *s)
{
	er_stored *it = ER_CONTAINER(s->main.next, er_stored, queue);
	uint8_t used = __atomic_load_n(&it->used, __ATOMIC_RELAXED);
	if (used == 0) {
		evict(s, it, false);
		return;
	}
	__atomic_store_n(&it->used, used - 1, __ATOMIC_RELAXED);
	leave_queue(s, it);
	join_queue(s, it, true);
}

static void make_room(er_index_shard *s)
{
	while (s->small_bytes + s->main_bytes > s->max_bytes) {
		bool small =
		    !er_list_empty(&s->small) && (s->small_bytes > s->max_bytes / 100 * small_percent(s) || er_list_empty(&s->main));
		if (small)
			make_room_in_small(s);
		else
			make_room_in_main(s);
	}
}

/* ---- what is asked ---- */

static void use(er_stored *it)
{
	uint8_t used = __atomic_load_n(&it->used, __ATOMIC_RELAXED);
	if (used < USES)
		__atomic_store_n(&it->used, used + 1, __ATOMIC_RELAXED);
	/* Two threads may count one. */
	__atomic_store_n(&it->hits, __atomic_load_n(&it->hits, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

void er_index_used(er_stored *s)
{
	use(s);
}

/* The newest one that the request selects. Variants of a key mostly vary on the same: the request's
 * fields are brought to their form once for them, since their length is the client's. */
static er_stored *select_variant(const er_index_key *e, const er_fields *request, er_arena *a)
{
	er_variant mine;
	mine.n = 0;
	for (er_stored *it = e->variants; it != NULL; it = it->next_in_key) {
		if (!er_variant_same_names(&it->variant, &mine))
			er_variant_like(a, &it->variant, request, &mine);
		if (er_variant_same(&it->variant, &mine))
			return it;
	}
	return NULL;
}

/* Under the lock: a purge that was applied while it was on its way is seen here, or by
 * whoever finds it. */
bool er_index_purged(const er_index *ix, er_stored *it)
{
	return er_purges_look(ix->purges, &it->scopes, it->number, &it->look) == ER_PURGED_HARD;
}

/* Takes out what was purged. Of a fill it returns the entry's reference: an answer that was asked
 * for before the purge is not for those who ask after it. */
static er_fill *take_off_purged(const er_index *ix, er_index_shard *s, er_index_key *e)
{
	for (er_stored *it = e->variants, *next; it != NULL; it = next) {
		next = it->next_in_key;
		if (er_index_purged(ix, it))
			take_off(s, e, it);
	}
	er_fill *fill = e->fill;
	if (fill == NULL || !er_purges_outdated(ix->purges, &fill->scopes, fill->number))
		return NULL;
	e->fill = NULL;
	return fill;
}

er_index_found er_index_find(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, er_arena *a, uint64_t now_us)
{
	er_index_found found = {0};
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	er_index_key *e = *er_index_place_of(s, key, hash);
	er_fill *outdated = NULL;
	if (e != NULL) {
		outdated = take_off_purged(ix, s, e);
		er_stored *it = select_variant(e, request, a);
		found.stored = it != NULL ? er_stored_ref(it) : NULL;
		found.fill = e->fill != NULL ? er_fill_ref(e->fill) : NULL;
		found.others = found.stored == NULL && e->variants != NULL;
		found.alone = e->alone_until_us > now_us;
		settle(s, e);
	}
	unlock(s);
	er_fill_unref(outdated);
	if (found.stored != NULL)
		use(found.stored);
	return found;
}

bool er_index_has(er_index *ix, er_slice key, uint64_t hash)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	const er_index_key *e = *er_index_place_of(s, key, hash);
	bool has = e != NULL && e->variants != NULL;
	pthread_mutex_unlock(&s->lock);
	return has;
}

bool er_index_begin(er_index *ix, er_slice key, uint64_t hash, er_fill *fill, uint64_t now_us)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	er_index_key *e = entry_of(s, key, hash);
	bool begins = e->fill == NULL && e->alone_until_us <= now_us;
	if (begins)
		e->fill = er_fill_ref(fill);
	settle(s, e);
	pthread_mutex_unlock(&s->lock);
	return begins;
}

static void remember_alone(er_index_shard *s, er_index_key *e, er_cache_refusal why, uint64_t now_us)
{
	forget_alone(s, e);
	while (s->alone_bytes + alone_cost(e) > ALONE_BYTES && !er_list_empty(&s->alone)) {
		er_index_key *oldest = ER_CONTAINER(s->alone.next, er_index_key, alone);
		forget_alone(s, oldest);
		settle(s, oldest);
	}
	e->alone_until_us = now_us + ALONE_US;
	e->why_alone = why;
	er_list_push(&s->alone, &e->alone);
	s->alone_bytes += alone_cost(e);
}

void er_index_over(er_index *ix, er_slice key, uint64_t hash, er_fill *fill, er_cache_refusal alone, uint64_t now_us)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	er_index_key *e = *er_index_place_of(s, key, hash);
	bool ours = e != NULL && e->fill == fill;
	if (ours) {
		e->fill = NULL;
		if (alone != ER_CACHE_OK)
			remember_alone(s, e, alone, now_us);
		settle(s, e);
	}
	pthread_mutex_unlock(&s->lock);
	if (ours)
		er_fill_unref(fill);
}

/* What the new one takes the place of: the same variant, and with too many the oldest. */
static er_stored *superseded(const er_index_key *e, const er_stored *by)
{
	unsigned n = 0;
	for (er_stored *it = e->variants; it != NULL; it = it->next_in_key) {
		if (er_variant_same(&it->variant, &by->variant))
			return it;
		if (++n >= ER_INDEX_VARIANTS)
			return it;
	}
	return NULL;
}

static bool take_ghost(er_index_shard *s, const er_stored *it)
{
	return er_ghosts_take(&s->ghosts, it->hash, ghosts_most(s));
}

/* Under the lock. `known`: it was asked for lately. What it takes the place of goes with unlock. */
static void put(er_index_shard *s, er_index_key *e, er_stored *it, size_t cost, bool known)
{
	er_stored *old = superseded(e, it);
	ER_ASSERT(!it->listed);
	forget_alone(s, e);
	it->listed = true;
	it->evicted = false;
	it->replaced_by = NULL;
	it->cost = cost;
	it->next_in_key = e->variants;
	e->variants = er_stored_ref(it);
	join_queue(s, it, known || (old != NULL && old->in_main));
	s->stored++;
	er_owner *owner = er_owners_of(s->index->owners, it->key);
	if (owner != NULL)
		er_owner_add(owner, it, cost);
	if (old != NULL) {
		take_out(s, old);
		old->replaced_by = it;
	}
	make_room(s);
}

/* A routine has no more than its quota: what is over it goes. */
static void keep_to_quota(er_index *ix, er_owner *owner)
{
	for (er_stored *old; owner != NULL && (old = er_owner_surplus(owner)) != NULL;) {
		er_index_drop(ix, old);
		er_stored_unref(old);
	}
}

bool er_index_put(er_index *ix, er_stored *it, const er_fill *fill)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	size_t cost = er_stored_cost(it);
	pthread_mutex_lock(&s->lock);
	if (cost > s->max_bytes || er_index_purged(ix, it)) {
		unlock(s);
		return false;
	}
	er_index_key *e = entry_of(s, it->key, it->hash);
	/* A purge has taken the fill off its entry. */
	bool in = fill == NULL || e->fill == fill;
	if (in)
		put(s, e, it, cost, take_ghost(s, it));
	else
		settle(s, e);
	er_owner *owner = it->owner;
	unlock(s);
	keep_to_quota(ix, owner);
	return in;
}

bool er_index_put_late(er_index *ix, er_stored *it, uint64_t purges)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	size_t cost = er_stored_cost(it);
	pthread_mutex_lock(&s->lock);
	bool in = s->purges == purges && cost <= s->max_bytes && !er_index_purged(ix, it);
	if (in)
		put(s, entry_of(s, it->key, it->hash), it, cost, take_ghost(s, it));
	er_owner *owner = it->owner;
	unlock(s);
	keep_to_quota(ix, owner);
	return in;
}

/* What would have to make room for it, and nothing does yet: it is remembered. Under the lock. */
static bool is_worth_room(er_index_shard *s, const er_stored *it, size_t cost, bool known)
{
	const er_index_key *e = *er_index_place_of(s, it->key, it->hash);
	if (known || s->small_bytes + s->main_bytes + cost <= s->max_bytes || (e != NULL && superseded(e, it) != NULL))
		return true;
	er_ghosts_add(&s->ghosts, it->hash, ghosts_most(s));
	return false;
}

bool er_index_put_found(er_index *ix, er_stored *it, const er_fill *fill, uint64_t purges, bool must)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	size_t cost = er_stored_cost(it);
	pthread_mutex_lock(&s->lock);
	const er_index_key *e = *er_index_place_of(s, it->key, it->hash);
	bool in =
	    (fill != NULL ? e != NULL && e->fill == fill : s->purges == purges) && cost <= s->max_bytes && !er_index_purged(ix, it);
	bool known = in && take_ghost(s, it);
	in = in && (must || is_worth_room(s, it, cost, known));
	if (in)
		put(s, entry_of(s, it->key, it->hash), it, cost, known);
	er_owner *owner = it->owner;
	unlock(s);
	keep_to_quota(ix, owner);
	return in;
}

void er_index_limit(er_index *ix, uint64_t max_bytes)
{
	limit_object(ix, max_bytes);
	er_owners_limit(ix->owners, max_bytes / OWNER_PART);
	for (unsigned i = 0; i < ix->n; i++) {
		er_index_shard *s = &ix->shards[i];
		pthread_mutex_lock(&s->lock);
		s->max_bytes = max_bytes / ix->n;
		make_room(s);
		unlock(s);
	}
}

uint64_t er_index_purges(er_index *ix, uint64_t hash)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	uint64_t purges = s->purges;
	pthread_mutex_unlock(&s->lock);
	return purges;
}

bool er_index_purged_since(er_index *ix, uint64_t hash, uint64_t purges)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	bool purged = s->purges - purges > ER_INDEX_PURGED;
	for (uint64_t i = purges; i < s->purges && !purged; i++)
		purged = s->purged[i % ER_INDEX_PURGED] == hash;
	pthread_mutex_unlock(&s->lock);
	return purged;
}

bool er_index_weigh(er_index *ix, er_stored *it)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	pthread_mutex_lock(&s->lock);
	if (it->listed) {
		bool in_main = it->in_main;
		leave_queue(s, it);
		it->cost = er_stored_cost(it);
		join_queue(s, it, in_main);
		if (it->owner != NULL)
			er_owner_weigh(it->owner, it, it->cost);
		make_room(s);
	}
	bool in = it->listed;
	er_owner *owner = it->owner;
	unlock(s);
	keep_to_quota(ix, owner);
	return in;
}

void er_index_drop(er_index *ix, er_stored *it)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	pthread_mutex_lock(&s->lock);
	if (it->listed)
		take_out(s, it);
	unlock(s);
}

void er_index_put_back(er_index *ix, er_stored *old, er_stored *it)
{
	er_index_shard *s = er_index_shard_of(ix, it->hash);
	size_t cost = er_stored_cost(old);
	pthread_mutex_lock(&s->lock);
	if (it->listed) {
		/* Only what this very one has replaced: nobody else knows `old` any more. */
		if (old->replaced_by == it && !old->listed && cost <= s->max_bytes && !er_index_purged(ix, old)) {
			put(s, entry_of(s, old->key, old->hash), old, cost, take_ghost(s, old));
			s->stored--;
		}
		if (it->listed)
			take_out(s, it);
	}
	unlock(s);
}

void er_index_purge(er_index *ix, er_slice key, uint64_t hash)
{
	er_index_shard *s = er_index_shard_of(ix, hash);
	pthread_mutex_lock(&s->lock);
	er_index_key *e = *er_index_place_of(s, key, hash);
	er_fill *fill = e != NULL ? e->fill : NULL;
	s->purged[s->purges++ % ER_INDEX_PURGED] = hash;
	while (e != NULL && e->variants != NULL) {
		er_stored *it = e->variants;
		bool last = it->next_in_key == NULL && e->fill == NULL && e->alone_until_us == 0;
		__atomic_store_n(&it->purged, true, __ATOMIC_RELEASE);
		take_out(s, it);
		if (last) /* and the entry with it */
			e = NULL;
	}
	if (fill != NULL) {
		e->fill = NULL;
		settle(s, e);
	}
	unlock(s);
	er_fill_unref(fill);
}

/* ---- everything ---- */

static bool walk_some(er_index *ix, er_index_shard *s, size_t *at, er_index_visit *visit, void *ctx)
{
	pthread_mutex_lock(&s->lock);
	for (size_t end = *at + STRETCH; *at < s->buckets && *at < end; ++*at)
		for (er_index_key *e = s->table[*at], *next; e != NULL; e = next) {
			next = e->next;
			visit(ctx, ix, s, e);
		}
	bool over = *at >= s->buckets;
	unlock(s);
	return !over;
}

void er_index_walk(er_index *ix, er_index_visit *visit, void *ctx)
{
	for (unsigned i = 0; i < ix->n; i++)
		for (size_t at = 0; walk_some(ix, &ix->shards[i], &at, visit, ctx);)
			;
}

static void settle_one(void *ctx, er_index *ix, er_index_shard *s, er_index_key *e)
{
	(void)ctx;
	er_fill_unref(take_off_purged(ix, s, e)); /* its thread has one of its own */
	settle(s, e);
}

void er_index_settle(er_index *ix)
{
	uint64_t upto = er_purges_last(ix->purges);
	for (unsigned i = 0; i < ix->n; i++) { /* what is on its way without an entry is not stored */
		er_index_shard *s = &ix->shards[i];
		pthread_mutex_lock(&s->lock);
		s->purges++;
		pthread_mutex_unlock(&s->lock);
	}
	er_index_walk(ix, settle_one, NULL);
	er_purges_forget(ix->purges, upto);
}

er_index_stats er_index_statistics(er_index *ix)
{
	er_index_stats all = {0};
	for (unsigned i = 0; i < ix->n; i++) {
		er_index_shard *s = &ix->shards[i];
		pthread_mutex_lock(&s->lock);
		all.objects += s->objects;
		all.bytes += s->small_bytes + s->main_bytes;
		all.max_bytes += s->max_bytes;
		all.evicted += s->evicted;
		all.stored += s->stored;
		pthread_mutex_unlock(&s->lock);
	}
	return all;
}

void er_index_free(er_index *ix)
{
	if (ix == NULL)
		return;
	for (unsigned i = 0; i < ix->n; i++) {
		er_index_shard *s = &ix->shards[i];
		for (size_t b = 0; b < s->buckets; b++) {
			for (er_index_key *e = s->table[b], *next; e != NULL; e = next) {
				next = e->next;
				ER_ASSERT(e->fill == NULL);
				for (er_stored *it = e->variants, *then; it != NULL; it = then) {
					then = it->next_in_key;
					it->listed = false;
					if (it->owner != NULL)
						er_owner_remove(it);
					er_list_init(&it->queue);
					er_stored_unref(it);
				}
				er_free((void *)(uintptr_t)e->key.p);
				er_free(e);
			}
		}
		er_free(s->table);
		er_ghosts_fini(&s->ghosts);
		pthread_mutex_destroy(&s->lock);
	}
	er_owners_free(ix->owners);
	er_purges_free(ix->purges);
	er_free(ix);
}
