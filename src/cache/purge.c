/* The table: an open hash table of scopes, a list of prefixes, and a floor under everything. Under
 * one lock for reading and writing; `generation` changes with every purge, so that a look at what
 * was looked at since then needs no lock.
 *
 * A scope is a hash of its kind, its site and its value. Two values with one hash are purged
 * together, which costs a fetch and serves nobody anything wrong; the hash is the same on every
 * start, because it may be stored.
 *
 * The table is bounded. Purges that match nothing any more go by er_purges_forget. What is too much
 * even so becomes a purge of everything up to now: nothing purged is ever served, whatever else
 * that costs. Made by the node before its threads, freed after them. */
#include "cache/purge.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "cache/voids.h"
#include "http/authority.h"
#include "http/wishes.h"

#include <pthread.h>

enum {
	MOST = 262144,
	PREFIXES = 256,
	TABLE_FIRST = 64,
	VOIDS = 65536,
	VOIDS_OF_SITE = 4096,
	VOIDS_SITES = 16384,
};

/* Numbers of the last purges of a scope; 0: none. */
typedef struct mark {
	uint64_t hard, soft;
} mark;

typedef struct slot {
	uint64_t scope; /* 0: empty */
	mark mark;
} slot;

typedef struct prefix {
	er_slice text; /* own */
	mark mark;
} prefix;

struct er_purges {
	pthread_rwlock_t lock; /* all below but what is atomic */
	uint64_t last;         /* atomic: number */
	uint64_t began;        /* atomic: the last number of an earlier run */
	uint64_t generation;   /* atomic: of looks; 0 is no generation */
	uint64_t tagged;       /* atomic: number of the last purge by tag */
	mark floor;            /* everything */
	size_t n, slots, most; /* n: atomic for readers without the lock */
	slot *table;
	prefix prefixes[PREFIXES];
	size_t n_prefixes;
	er_voids *voids;
};

/* ---- names ---- */

static const char *const kind_names[] = {
#define X(name, text) text,
    ER_PURGE_KINDS(X)
#undef X
};

const char *er_purge_kind_name(er_purge_kind kind)
{
	ER_ASSERT(kind < ER_PURGE_KINDS_N);
	return kind_names[kind];
}

bool er_purge_kind_parse(er_slice text, er_purge_kind *out)
{
	for (er_purge_kind k = 0; k < ER_PURGE_KINDS_N; k++)
		if (er_slice_eq(text, er_slice_cstr(kind_names[k]))) {
			*out = k;
			return true;
		}
	return false;
}

/* ---- scopes ---- */

static uint64_t hash_of(er_slice text)
{
	static const er_siphash_key fixed = {0x6572207075726765, 0x73636f7065732031};
	return er_siphash(&fixed, text);
}

uint64_t er_scopes_site(er_slice name)
{
	return hash_of(name);
}

/* Never 0, which is an empty slot. */
static uint64_t scope_of(er_purge_kind kind, uint64_t site, uint64_t value)
{
	const uint64_t parts[] = {kind, site, value};
	uint64_t scope = hash_of(er_slice_of(parts, sizeof parts));
	return scope != 0 ? scope : 1;
}

bool er_scopes_field(er_slice name)
{
	return er_slice_ieq(name, ER_LIT("cache-tag")) || er_slice_ieq(name, ER_LIT("surrogate-key"));
}

/* The next tag of a field's value, cut off *rest. False: there is none. */
static bool next_tag(er_slice *rest, char between, er_slice *tag)
{
	while (rest->n > 0) {
		size_t n = er_slice_find(*rest, between);
		*tag = er_slice_trim(er_slice_head(*rest, n));
		*rest = er_slice_from(*rest, n < rest->n ? n + 1 : n);
		if (tag->n > 0)
			return true;
	}
	return false;
}

/* Calls `each` with every tag of the response. */
static void each_tag(const er_fields *response, void (*each)(void *ctx, er_slice tag), void *ctx)
{
	for (uint32_t i = 0; i < response->n; i++) {
		const er_field *f = &response->v[i];
		if (!er_scopes_field(f->name))
			continue;
		bool commas = er_slice_ieq(f->name, ER_LIT("cache-tag"));
		er_slice rest = f->value, tag;
		while (next_tag(&rest, commas ? ',' : ' ', &tag))
			each(ctx, tag);
	}
}

typedef struct tag_count {
	size_t n;
	bool too_long;
} tag_count;

static void count_tag(void *ctx, er_slice tag)
{
	tag_count *count = ctx;
	count->n++;
	count->too_long = count->too_long || tag.n > ER_PURGE_TAG_MAX;
}

bool er_scopes_all(const er_fields *response)
{
	tag_count count = {0};
	each_tag(response, count_tag, &count);
	return count.n <= ER_PURGE_TAGS && !count.too_long;
}

typedef struct tag_list {
	uint64_t *v;
	size_t n, cap;
} tag_list;

static void keep_tag(void *ctx, er_slice tag)
{
	tag_list *list = ctx;
	if (list->n < list->cap)
		list->v[list->n++] = hash_of(tag);
}

er_scopes er_scopes_of(er_arena *a, er_slice where, uint64_t site, const er_fields *response)
{
	er_slice authority = er_slice_head(where, er_slice_find(where, '/'));
	er_scopes s = {.where = where, .site = site, .host = hash_of(er_host_of(authority)), .url = hash_of(where)};
	tag_count count = {0};
	if (response != NULL)
		each_tag(response, count_tag, &count);
	if (count.n == 0)
		return s;
	tag_list list = {.cap = count.n < ER_PURGE_TAGS ? count.n : ER_PURGE_TAGS};
	list.v = er_arena_alloc(a, list.cap * sizeof *list.v);
	each_tag(response, keep_tag, &list);
	s.tags = list.v;
	s.n_tags = (uint32_t)list.n;
	return s;
}

void er_scopes_copy_tags(er_arena *a, er_scopes *to, const er_scopes *from)
{
	uint64_t *tags = er_arena_alloc(a, from->n_tags * sizeof *tags);
	er_copy(tags, from->tags, from->n_tags * sizeof *tags);
	to->tags = tags;
	to->n_tags = from->n_tags;
}

static bool has_tag(const er_scopes *s, uint64_t tag)
{
	for (uint32_t i = 0; i < s->n_tags; i++)
		if (s->tags[i] == tag)
			return true;
	return false;
}

bool er_scopes_add_tags(er_arena *a, er_scopes *s, er_slice tags)
{
	er_slice rest = tags, tag;
	uint64_t new[ER_WISHED_TAGS];
	size_t n = 0;
	while (next_tag(&rest, ',', &tag)) {
		ER_ASSERT(n < ER_WISHED_TAGS);
		new[n] = hash_of(tag);
		n += !has_tag(s, new[n]);
	}
	if (s->n_tags + n > ER_PURGE_TAGS)
		return false;
	if (n == 0)
		return true;
	uint64_t *all = er_arena_alloc(a, (s->n_tags + n) * sizeof *all);
	er_copy(all, s->tags, s->n_tags * sizeof *all);
	er_copy(all + s->n_tags, new, n * sizeof *all);
	s->tags = all;
	s->n_tags += (uint32_t)n;
	return true;
}

/* ---- the table; under the lock ---- */

static slot *slot_of(slot *table, size_t slots, uint64_t scope)
{
	ER_ASSERT(scope != 0);
	for (size_t i = scope & (slots - 1);; i = (i + 1) & (slots - 1))
		if (table[i].scope == scope || table[i].scope == 0)
			return &table[i];
}

/* The same scopes in a table of so many slots, without those that `upto` covers. */
static void rebuild(er_purges *p, size_t slots, uint64_t upto)
{
	slot *table = er_zalloc(slots * sizeof *table);
	size_t n = 0;
	for (size_t i = 0; i < p->slots; i++) {
		const slot *from = &p->table[i];
		if (from->scope == 0 || (from->mark.hard <= upto && from->mark.soft <= upto))
			continue;
		*slot_of(table, slots, from->scope) = *from;
		n++;
	}
	er_free(p->table);
	p->table = table;
	p->slots = slots;
	__atomic_store_n(&p->n, n, __ATOMIC_RELAXED);
}

static void raise_mark(mark *m, bool soft, uint64_t number)
{
	uint64_t *to = soft ? &m->soft : &m->hard;
	if (*to < number)
		*to = number;
}

/* Everything up to now: instead of scopes that there is no room for. */
static void flatten(er_purges *p)
{
	er_log(ER_LOG_WARN, "cache", "more than %zu scopes were purged one by one: everything that is stored is taken as purged",
	       p->most);
	raise_mark(&p->floor, false, er_purges_last(p));
	rebuild(p, TABLE_FIRST, UINT64_MAX);
}

static void add_scope(er_purges *p, uint64_t scope, bool soft, uint64_t number)
{
	slot *s = slot_of(p->table, p->slots, scope);
	if (s->scope == 0 && p->n >= p->most) {
		flatten(p);
		return;
	}
	if (s->scope == 0 && p->n * 2 >= p->slots) {
		rebuild(p, p->slots * 2, 0);
		s = slot_of(p->table, p->slots, scope);
	}
	if (s->scope == 0)
		__atomic_store_n(&p->n, p->n + 1, __ATOMIC_RELAXED);
	s->scope = scope;
	raise_mark(&s->mark, soft, number);
}

/* A prefix that is covered by a shorter one still has a mark of its own: the two may differ in
 * softness. */
static void add_prefix(er_purges *p, er_slice text, bool soft, uint64_t number)
{
	for (size_t i = 0; i < p->n_prefixes; i++)
		if (er_slice_eq(p->prefixes[i].text, text)) {
			raise_mark(&p->prefixes[i].mark, soft, number);
			return;
		}
	if (p->n_prefixes < PREFIXES) {
		p->prefixes[p->n_prefixes++] = (prefix){.text = er_slice_of(er_strdup_slice(text), text.n)};
		raise_mark(&p->prefixes[p->n_prefixes - 1].mark, soft, number);
		return;
	}
	/* The oldest becomes a purge of its host. */
	prefix *oldest = &p->prefixes[0];
	er_slice authority = er_slice_head(oldest->text, er_slice_find(oldest->text, '/'));
	uint64_t host = scope_of(ER_PURGE_HOST, 0, hash_of(er_host_of(authority)));
	mark m = oldest->mark;
	er_free((void *)(uintptr_t)oldest->text.p);
	for (size_t i = 1; i < PREFIXES; i++)
		p->prefixes[i - 1] = p->prefixes[i];
	p->n_prefixes--;
	if (m.hard > 0)
		add_scope(p, host, false, m.hard);
	if (m.soft > 0)
		add_scope(p, host, true, m.soft);
	add_prefix(p, text, soft, number);
}

static void take(mark *most, mark m)
{
	most->hard = m.hard > most->hard ? m.hard : most->hard;
	most->soft = m.soft > most->soft ? m.soft : most->soft;
}

static void take_scope(const er_purges *p, er_purge_kind kind, uint64_t site, uint64_t value, mark *most)
{
	uint64_t scope = scope_of(kind, site, value);
	const slot *s = slot_of(p->table, p->slots, scope);
	if (s->scope == scope)
		take(most, s->mark);
}

/* The highest numbers of all purges that match. */
static mark marks_of(const er_purges *p, const er_scopes *s)
{
	mark most = p->floor;
	if (p->n > 0) {
		take_scope(p, ER_PURGE_SITE, 0, s->site, &most);
		take_scope(p, ER_PURGE_HOST, 0, s->host, &most);
		take_scope(p, ER_PURGE_URL, 0, s->url, &most);
		for (uint32_t i = 0; i < s->n_tags; i++) {
			take_scope(p, ER_PURGE_TAG, 0, s->tags[i], &most);
			take_scope(p, ER_PURGE_TAG, s->site, s->tags[i], &most);
		}
	}
	for (size_t i = 0; i < p->n_prefixes; i++)
		if (er_slice_starts(s->where, p->prefixes[i].text))
			take(&most, p->prefixes[i].mark);
	take(&most, (mark){.hard = er_voids_number(p->voids, s->site, s->url)});
	return most;
}

/* ---- what is asked ---- */

er_purges *er_purges_new(uint64_t last, size_t most)
{
	er_purges *p = ER_NEW(er_purges);
	*p = (er_purges){.last = last, .began = last, .generation = 1, .most = most > 0 ? most : MOST, .slots = TABLE_FIRST};
	p->table = er_zalloc(p->slots * sizeof *p->table);
	p->voids = er_voids_new(VOIDS, VOIDS_OF_SITE, VOIDS_SITES);
	pthread_rwlock_init(&p->lock, NULL);
	return p;
}

void er_purges_free(er_purges *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_prefixes; i++)
		er_free((void *)(uintptr_t)p->prefixes[i].text.p);
	er_free(p->table);
	er_voids_free(p->voids);
	pthread_rwlock_destroy(&p->lock);
	er_free(p);
}

void er_purges_continue(er_purges *p, uint64_t last)
{
	uint64_t now = er_purges_last(p);
	while (now < last && !__atomic_compare_exchange_n(&p->last, &now, last, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
	if (last > __atomic_load_n(&p->began, __ATOMIC_RELAXED))
		__atomic_store_n(&p->began, last, __ATOMIC_RELAXED);
}

uint64_t er_purges_next(er_purges *p)
{
	return __atomic_add_fetch(&p->last, 1, __ATOMIC_ACQ_REL);
}

uint64_t er_purges_last(const er_purges *p)
{
	return __atomic_load_n(&p->last, __ATOMIC_ACQUIRE);
}

size_t er_purges_count(const er_purges *p)
{
	return __atomic_load_n(&p->n, __ATOMIC_RELAXED);
}

bool er_purges_crowded(const er_purges *p)
{
	return er_purges_count(p) > p->most / 2;
}

void er_purges_add(er_purges *p, const er_purge *what, uint64_t number)
{
	ER_ASSERT(what->kind < ER_PURGE_KINDS_N && number > 0 && number <= er_purges_last(p));
	pthread_rwlock_wrlock(&p->lock);
	switch (what->kind) {
	case ER_PURGE_ALL:
		raise_mark(&p->floor, what->soft, number);
		break;
	case ER_PURGE_PREFIX:
		add_prefix(p, what->value, what->soft, number);
		break;
	case ER_PURGE_TAG: {
		uint64_t site = what->site.n > 0 ? er_scopes_site(what->site) : 0;
		add_scope(p, scope_of(ER_PURGE_TAG, site, hash_of(what->value)), what->soft, number);
		__atomic_store_n(&p->tagged, number, __ATOMIC_RELEASE);
		break;
	}
	default:
		add_scope(p, scope_of(what->kind, 0, hash_of(what->value)), what->soft, number);
		break;
	}
	__atomic_add_fetch(&p->generation, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&p->lock);
}

void er_purges_void(er_purges *p, uint64_t site, er_slice where, uint64_t number)
{
	ER_ASSERT(number > 0 && number <= er_purges_last(p));
	pthread_rwlock_wrlock(&p->lock);
	er_voids_add(p->voids, site, hash_of(where), number);
	__atomic_add_fetch(&p->generation, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&p->lock);
}

bool er_purges_forgotten(const er_purges *p, uint64_t number)
{
	return number <= __atomic_load_n(&p->began, __ATOMIC_RELAXED);
}

void er_purges_forget(er_purges *p, uint64_t upto)
{
	pthread_rwlock_wrlock(&p->lock);
	rebuild(p, p->slots, upto);
	size_t kept = 0;
	for (size_t i = 0; i < p->n_prefixes; i++) {
		prefix *f = &p->prefixes[i];
		if (f->mark.hard <= upto && f->mark.soft <= upto)
			er_free((void *)(uintptr_t)f->text.p);
		else
			p->prefixes[kept++] = *f;
	}
	p->n_prefixes = kept;
	pthread_rwlock_unlock(&p->lock);
}

er_purged er_purges_look(er_purges *p, const er_scopes *scopes, uint64_t number, er_purge_look *look)
{
	uint64_t generation = __atomic_load_n(&p->generation, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&look->at, __ATOMIC_ACQUIRE) != generation) {
		pthread_rwlock_rdlock(&p->lock);
		mark m = marks_of(p, scopes);
		pthread_rwlock_unlock(&p->lock);
		if (m.hard > number)
			return ER_PURGED_HARD; /* it is not looked at again */
		if (m.soft > number)
			__atomic_store_n(&look->soft, true, __ATOMIC_RELAXED);
		__atomic_store_n(&look->at, generation, __ATOMIC_RELEASE);
	}
	return __atomic_load_n(&look->soft, __ATOMIC_RELAXED) ? ER_PURGED_SOFT : ER_PURGED_NOT;
}

bool er_purges_outdated(er_purges *p, const er_scopes *scopes, uint64_t number)
{
	if (number == er_purges_last(p))
		return false;
	if (__atomic_load_n(&p->tagged, __ATOMIC_ACQUIRE) > number)
		return true;
	pthread_rwlock_rdlock(&p->lock);
	mark m = marks_of(p, scopes);
	pthread_rwlock_unlock(&p->lock);
	return m.hard > number || m.soft > number;
}
