/* The table: an open hash table of scopes, a list of prefixes, and a floor under everything.
 * `generation` changes with every purge, so that a look at what was looked at since then needs no
 * lock.
 *
 * A scope is a hash of its kind, its site and its value. Two values with one hash are purged
 * together, which costs a fetch and serves nobody anything wrong; the hash is the same on every
 * start, because it may be stored.
 *
 * The table is bounded. Purges that match nothing any more go by er_purges_forget. If nobody knows
 * which these are, the purges of the hosts and sites that have the most of them become one purge
 * of that host, of every tag of that site, or of that site (er_purges_coarser says which); and if
 * they are too many because of very many hosts, the older half of all becomes a purge of everything
 * up to then. What routines purge is of one site alone, on however many hosts, so it never comes to
 * that by them; and a site has a bound of its own beside the table's. Whoever owns the store of
 * purges does that in time, in the store first. A table that is full all the same does it by
 * itself: nothing purged is ever served, whatever else that costs.
 *
 * Two locks: `writing` for those who change the table, and `lock`, which readers take too. A table
 * of another size is made under the first alone, so that no reader waits for it. Made by the node
 * before its threads, freed after them. */
#include "cache/purge.h"

#include "base/log.h"
#include "base/mem.h"
#include "cache/purge_table.h"
#include "cache/voids.h"
#include "http/authority.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	MOST = 262144,
	PREFIXES = 1280,        /* a request may bring 1000 */
	PREFIXES_CROWDED = 256, /* each costs a comparison a look */
	COARSER = 256,          /* purges that stand for many, in one go */
	GROUPS_OF_MOST = 4096,  /* a group has a share of this size, or it is spared */
	SITES_OF_MOST = 8,      /* what is of one site alone has this share of the table */
	PREFIXES_OF_SITE = 64,
	VOIDS = 65536,
	VOIDS_OF_SITE = 4096,
	VOIDS_SITES = 16384,
};

typedef struct prefix {
	er_slice text;   /* own */
	er_slice site;   /* own; empty: of all */
	uint64_t of;     /* er_scopes_site of that; 0: of all */
	uint64_t coarse; /* scope of what could stand for it: its site, or its host */
	er_purge_mark mark;
} prefix;

struct er_purges {
	pthread_mutex_t writing; /* groups; and who changes table and prefixes has it */
	pthread_rwlock_t lock;   /* all below but what is atomic */
	uint64_t last;           /* atomic: number */
	uint64_t began;          /* atomic: the last number of an earlier run */
	uint64_t generation;     /* atomic: of looks; 0 is no generation */
	uint64_t tagged;         /* atomic: number of the last purge by tag */
	er_purge_mark floor;     /* everything */
	size_t most;
	size_t n, n_prefixes; /* atomic for readers without the lock */
	bool site_full;       /* atomic: a site has more than its share */
	er_purge_table *table;
	er_map *groups;
	prefix prefixes[PREFIXES];
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

/* ---- changes of the table; who changes it has `writing`, and the lock where it says so ---- */

static void raise_mark(er_purge_mark *m, bool soft, uint64_t number)
{
	uint64_t *to = soft ? &m->soft : &m->hard;
	if (*to < number)
		*to = number;
}

/* SITE is known by its value, everything else by the site that it is of, too. */
static uint64_t scope_of(const er_purge *what)
{
	bool of_site = what->kind != ER_PURGE_SITE && what->site.n > 0;
	return er_purge_scope(what->kind, of_site ? er_scopes_site(what->site) : 0, er_purge_hash(what->value));
}

static er_slice host_of(er_slice where)
{
	return er_host_of(er_slice_head(where, er_slice_find(where, '/')));
}

/* What could stand for it and others. False: nothing but everything. */
static bool coarser_than(const er_purge *what, er_purge *out)
{
	bool place = what->kind == ER_PURGE_URL || what->kind == ER_PURGE_PREFIX;
	if (what->kind == ER_PURGE_TAG && what->value.n > 0)
		*out = (er_purge){.kind = ER_PURGE_TAG, .site = what->site};
	else if ((place || what->kind == ER_PURGE_HOST) && what->site.n > 0)
		*out = (er_purge){.kind = ER_PURGE_SITE, .value = what->site};
	else if (place)
		*out = (er_purge){.kind = ER_PURGE_HOST, .value = host_of(what->value)};
	else
		return false;
	return true;
}

/* Looks from now on see what has changed. */
static void unlock_both(er_purges *p)
{
	__atomic_add_fetch(&p->generation, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->writing);
}

/* Under both. */
static void raise_scope(er_purges *p, uint64_t scope, er_purge_group *group, er_purge_mark mark)
{
	er_purge_slot *s = er_purge_table_slot(p->table, scope);
	if (s->scope == 0) {
		*s = (er_purge_slot){.scope = scope, .group = group};
		__atomic_store_n(&p->n, ++p->table->n, __ATOMIC_RELAXED);
	}
	er_purge_mark_take(&s->mark, mark);
}

static void free_prefix(prefix *f)
{
	er_free((void *)(uintptr_t)f->text.p);
	er_free((void *)(uintptr_t)f->site.p);
}

/* Under both: takes those out that *by covers, which is of that scope; 0: of everything. */
static void drop_prefixes(er_purges *p, er_purge_mark by, uint64_t coarse)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->n_prefixes; i++) {
		prefix *f = &p->prefixes[i];
		if ((coarse == 0 || f->coarse == coarse) && er_purge_mark_covers(by, f->mark))
			free_prefix(f);
		else
			p->prefixes[kept++] = *f;
	}
	__atomic_store_n(&p->n_prefixes, kept, __ATOMIC_RELAXED);
}

/* Under `writing`, returns under both, with another table. */
static void change_table(er_purges *p, size_t more, er_purge_mark covered)
{
	er_purge_table *was = p->table, *now = er_purge_table_copy(was, p->groups, more, covered);
	pthread_rwlock_wrlock(&p->lock);
	p->table = now;
	__atomic_store_n(&p->n, now->n, __ATOMIC_RELAXED);
	er_free(was); /* nobody reads under the lock */
}

/* ---- too many ---- */

/* Prefixes that one purge could stand for. */
typedef struct crowd {
	uint64_t coarse;
	size_t n, first;
	bool of_site;
	er_purge_mark mark;
} crowd;

static int more_prefixes_first(const void *a, const void *b)
{
	const crowd *x = a, *y = b;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

static size_t crowds_of(const er_purges *p, er_arena *a, crowd **out)
{
	crowd *v = er_arena_alloc(a, (p->n_prefixes + 1) * sizeof *v);
	size_t n = 0;
	for (size_t i = 0; i < p->n_prefixes; i++) {
		const prefix *f = &p->prefixes[i];
		size_t at = 0;
		while (at < n && v[at].coarse != f->coarse)
			at++;
		if (at == n)
			v[n++] = (crowd){.coarse = f->coarse, .first = i, .of_site = f->of != 0};
		v[at].n++;
		er_purge_mark_take(&v[at].mark, f->mark);
	}
	qsort(v, n, sizeof *v, more_prefixes_first);
	*out = v;
	return n;
}

typedef struct coarse_list {
	er_purge_coarse *v;
	size_t n;
} coarse_list;

static void list_coarse(er_arena *a, coarse_list *list, const er_purge *what, er_purge_mark m)
{
	er_purge copy = {.kind = what->kind, .value = er_arena_copy(a, what->value), .site = er_arena_copy(a, what->site)};
	list->v[list->n++] = (er_purge_coarse){.what = copy, .hard = m.hard, .soft = m.soft};
}

static bool too_many_scopes(const er_purges *p)
{
	return er_purges_count(p) > p->most / 2;
}

static bool too_many_prefixes(const er_purges *p)
{
	return __atomic_load_n(&p->n_prefixes, __ATOMIC_RELAXED) > PREFIXES_CROWDED;
}

/* Hosts and sites instead of their prefixes: those that have more than a site's share, and until
 * there are half as many as are a crowd those with the most. Who has one alone is spared as long as
 * that is enough. */
static void coarser_prefixes(const er_purges *p, er_arena *a, coarse_list *list)
{
	crowd *v;
	bool crowded = too_many_prefixes(p);
	size_t left = p->n_prefixes, n = crowds_of(p, a, &v);
	for (size_t i = 0; i < n && list->n < COARSER; i++) {
		bool full = v[i].of_site && v[i].n > PREFIXES_OF_SITE;
		bool enough = left <= (v[i].n > 1 ? PREFIXES_CROWDED / 2 : PREFIXES_CROWDED);
		if (!full && (!crowded || enough))
			continue;
		const prefix *f = &p->prefixes[v[i].first];
		er_purge what;
		bool can = coarser_than(&(er_purge){.kind = ER_PURGE_PREFIX, .value = f->text, .site = f->site}, &what);
		ER_ASSERT(can && scope_of(&what) == v[i].coarse);
		er_purge_group *others = er_purge_group_find(p->groups, v[i].coarse);
		if (others != NULL) {
			er_purge_mark_take(&v[i].mark, others->mark);
			others->going = true;
		}
		list_coarse(a, list, &what, v[i].mark);
		left -= v[i].n;
	}
}

static bool is_full(const er_purges *p, const er_purge_group *g)
{
	bool of_site = g->what.kind == ER_PURGE_SITE || g->what.site.n > 0;
	return of_site && g->n > p->most / SITES_OF_MOST;
}

/* Groups instead of their scopes: the sites that are full, and until there are half as many as are
 * a crowd those with the most; and if all of them are not enough, everything instead of the older
 * half. */
static void coarser_scopes(const er_purges *p, er_arena *a, coarse_list *list)
{
	bool crowded = too_many_scopes(p);
	size_t share = p->most / GROUPS_OF_MOST, left = p->n;
	er_purge_group **v;
	size_t n = er_purge_groups_crowded(a, p->groups, share > 2 ? share : 2, &v);
	for (size_t i = 0; i < n && list->n < COARSER; i++) {
		bool enough = !crowded || left <= p->most / 4;
		if (v[i]->going || (enough && !is_full(p, v[i])))
			continue;
		v[i]->going = true;
		list_coarse(a, list, &v[i]->what, v[i]->mark);
		left -= v[i]->n - 1;
	}
	if (crowded && left > p->most / 2 && list->n < COARSER)
		list_coarse(a, list, &(er_purge){.kind = ER_PURGE_ALL}, er_purge_table_older_half(p->table));
}

/* Under `writing`. */
static coarse_list coarser(er_purges *p, er_arena *a)
{
	coarse_list list = {.v = er_arena_alloc(a, COARSER * sizeof *list.v)};
	coarser_prefixes(p, a, &list);
	coarser_scopes(p, a, &list);
	if (list.n < COARSER) /* all that are full are there */
		__atomic_store_n(&p->site_full, false, __ATOMIC_RELAXED);
	for (size_t i = 0; i < list.n; i++) {
		er_purge_group *g = er_purge_group_find(p->groups, scope_of(&list.v[i].what));
		if (g != NULL)
			g->going = false;
	}
	return list;
}

/* Under `writing`, returns under both. What was purged one by one since the list was made goes with
 * its group, so the group's own mark counts, which is never lower than the list's. */
static void coarsen(er_purges *p, const er_purge_coarse *v, size_t n)
{
	er_purge_mark all = {0}, *marks = er_zalloc((n + 1) * sizeof *marks);
	for (size_t i = 0; i < n; i++) {
		er_purge_group *g = er_purge_group_find(p->groups, scope_of(&v[i].what));
		marks[i] = (er_purge_mark){v[i].hard, v[i].soft};
		if (g != NULL) {
			g->going = true;
			er_purge_mark_take(&marks[i], g->mark);
		}
		if (v[i].what.kind == ER_PURGE_ALL)
			er_purge_mark_take(&all, (er_purge_mark){v[i].hard, v[i].soft});
	}
	change_table(p, n, all);
	er_purge_mark_take(&p->floor, all);
	drop_prefixes(p, all, 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t scope = scope_of(&v[i].what);
		if (v[i].what.kind == ER_PURGE_ALL)
			continue;
		raise_scope(p, scope, NULL, marks[i]);
		if (v[i].what.kind != ER_PURGE_TAG)
			drop_prefixes(p, marks[i], scope);
	}
	er_free(marks);
}

/* Under `writing`: there is room for one more. */
static void make_room(er_purges *p)
{
	while (p->n >= p->most || p->n_prefixes >= PREFIXES) {
		er_arena a = {0};
		coarse_list list = coarser(p, &a);
		er_log(ER_LOG_WARN, "cache", "more than %zu scopes were purged one by one: %zu hosts and sites are taken as purged",
		       p->most, list.n);
		coarsen(p, list.v, list.n);
		unlock_both(p);
		er_arena_fini(&a);
		pthread_mutex_lock(&p->writing);
	}
	if (er_purge_table_is_full(p->table)) {
		change_table(p, p->table->n, (er_purge_mark){0});
		pthread_rwlock_unlock(&p->lock);
	}
}

size_t er_purges_coarser(er_purges *p, er_arena *a, er_purge_coarse **out)
{
	pthread_mutex_lock(&p->writing);
	coarse_list list = coarser(p, a);
	pthread_mutex_unlock(&p->writing);
	*out = list.v;
	return list.n;
}

void er_purges_coarsen(er_purges *p, const er_purge_coarse *v, size_t n)
{
	pthread_mutex_lock(&p->writing);
	coarsen(p, v, n);
	unlock_both(p);
}

/* ---- one more ---- */

static er_slice own_text(er_slice text)
{
	return er_slice_of(er_strdup_slice(text), text.n);
}

static void site_is_full(er_purges *p)
{
	__atomic_store_n(&p->site_full, true, __ATOMIC_RELAXED);
}

static void add_prefix(er_purges *p, const er_purge *what, er_purge_mark mark)
{
	prefix *f = NULL;
	size_t of_site = 1;
	uint64_t of = what->site.n > 0 ? er_scopes_site(what->site) : 0;
	for (size_t i = 0; i < p->n_prefixes; i++) {
		of_site += p->prefixes[i].of == of;
		if (p->prefixes[i].of == of && er_slice_eq(p->prefixes[i].text, what->value))
			f = &p->prefixes[i];
	}
	if (f == NULL) {
		ER_ASSERT(p->n_prefixes < PREFIXES);
		er_purge coarse;
		bool can = coarser_than(what, &coarse);
		ER_ASSERT(can);
		f = &p->prefixes[p->n_prefixes];
		*f = (prefix){.text = own_text(what->value), .site = own_text(what->site), .of = of, .coarse = scope_of(&coarse)};
		__atomic_store_n(&p->n_prefixes, p->n_prefixes + 1, __ATOMIC_RELAXED);
		if (of != 0 && of_site > PREFIXES_OF_SITE)
			site_is_full(p);
	}
	er_purge_mark_take(&f->mark, mark);
}

static er_purge_group *join_group(er_purges *p, const er_purge *what, uint64_t scope, er_purge_mark mark)
{
	er_purge coarse;
	if (!coarser_than(what, &coarse))
		return NULL;
	er_purge_group *g = er_purge_group_find(p->groups, scope_of(&coarse));
	if (er_purge_table_slot(p->table, scope)->scope == 0) {
		g = er_purge_group_join(p->groups, scope_of(&coarse), &coarse);
		if (is_full(p, g))
			site_is_full(p);
	}
	if (g != NULL)
		er_purge_mark_take(&g->mark, mark);
	return g;
}

void er_purges_add(er_purges *p, const er_purge *what, uint64_t number)
{
	ER_ASSERT(what->kind < ER_PURGE_KINDS_N && number > 0 && number <= er_purges_last(p));
	er_purge_mark mark = {0};
	raise_mark(&mark, what->soft, number);
	pthread_mutex_lock(&p->writing);
	if (what->kind != ER_PURGE_ALL)
		make_room(p);
	pthread_rwlock_wrlock(&p->lock);
	if (what->kind == ER_PURGE_ALL) {
		er_purge_mark_take(&p->floor, mark);
	} else if (what->kind == ER_PURGE_PREFIX) {
		add_prefix(p, what, mark);
	} else {
		uint64_t scope = scope_of(what);
		raise_scope(p, scope, join_group(p, what, scope, mark), mark);
	}
	if (what->kind == ER_PURGE_TAG && number > p->tagged)
		__atomic_store_n(&p->tagged, number, __ATOMIC_RELEASE);
	unlock_both(p);
}

void er_purges_forget(er_purges *p, uint64_t upto)
{
	const er_purge_mark covered = {upto, upto};
	pthread_mutex_lock(&p->writing);
	change_table(p, 0, covered);
	drop_prefixes(p, covered, 0);
	pthread_rwlock_unlock(&p->lock);
	pthread_mutex_unlock(&p->writing);
}

/* ---- looks ---- */

static void take_scope(const er_purges *p, er_purge_kind kind, uint64_t site, uint64_t value, er_purge_mark *most)
{
	uint64_t scope = er_purge_scope(kind, site, value);
	const er_purge_slot *s = er_purge_table_slot(p->table, scope);
	if (s->scope == scope)
		er_purge_mark_take(most, s->mark);
}

/* The same for all, and for what is of that site. */
static void take_place(const er_purges *p, er_purge_kind kind, uint64_t site, uint64_t value, er_purge_mark *most)
{
	take_scope(p, kind, 0, value, most);
	if (site != 0)
		take_scope(p, kind, site, value, most);
}

/* The highest numbers of all purges that match; under the lock. */
static er_purge_mark marks_of(const er_purges *p, const er_scopes *s)
{
	er_purge_mark most = p->floor;
	if (p->table->n > 0) {
		take_scope(p, ER_PURGE_SITE, 0, s->site, &most);
		take_place(p, ER_PURGE_HOST, s->site, s->host, &most);
		take_place(p, ER_PURGE_URL, s->site, s->url, &most);
		if (s->n_tags > 0)
			/* every tag */
			take_place(p, ER_PURGE_TAG, s->site, er_purge_hash((er_slice){0}), &most);
		for (uint32_t i = 0; i < s->n_tags; i++)
			take_place(p, ER_PURGE_TAG, s->site, s->tags[i], &most);
	}
	for (size_t i = 0; i < p->n_prefixes; i++) {
		const prefix *f = &p->prefixes[i];
		if ((f->of == 0 || f->of == s->site) && er_slice_starts(s->where, f->text))
			er_purge_mark_take(&most, f->mark);
	}
	er_purge_mark_take(&most, (er_purge_mark){.hard = er_voids_number(p->voids, s->site, s->url)});
	return most;
}

/* ---- what is asked ---- */

er_purges *er_purges_new(uint64_t last, size_t most)
{
	er_purges *p = ER_NEW(er_purges);
	*p = (er_purges){.last = last, .began = last, .generation = 1, .most = most > 0 ? most : MOST};
	p->table = er_purge_table_new(0);
	p->groups = er_map_new();
	p->voids = er_voids_new(VOIDS, VOIDS_OF_SITE, VOIDS_SITES);
	pthread_mutex_init(&p->writing, NULL);
	pthread_rwlock_init(&p->lock, NULL);
	return p;
}

void er_purges_free(er_purges *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_prefixes; i++)
		free_prefix(&p->prefixes[i]);
	er_free(p->table);
	er_purge_groups_free(p->groups);
	er_voids_free(p->voids);
	pthread_rwlock_destroy(&p->lock);
	pthread_mutex_destroy(&p->writing);
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
	return too_many_scopes(p) || too_many_prefixes(p) || __atomic_load_n(&p->site_full, __ATOMIC_RELAXED);
}

void er_purges_void(er_purges *p, uint64_t site, er_slice where, uint64_t number)
{
	ER_ASSERT(number > 0 && number <= er_purges_last(p));
	pthread_rwlock_wrlock(&p->lock);
	er_voids_add(p->voids, site, er_purge_hash(where), number);
	__atomic_add_fetch(&p->generation, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&p->lock);
}

bool er_purges_forgotten(const er_purges *p, uint64_t number)
{
	return number <= __atomic_load_n(&p->began, __ATOMIC_RELAXED);
}

er_purged er_purges_look(er_purges *p, const er_scopes *scopes, uint64_t number, er_purge_look *look)
{
	uint64_t generation = __atomic_load_n(&p->generation, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&look->at, __ATOMIC_ACQUIRE) != generation) {
		pthread_rwlock_rdlock(&p->lock);
		er_purge_mark m = marks_of(p, scopes);
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
	er_purge_mark m = marks_of(p, scopes);
	pthread_rwlock_unlock(&p->lock);
	return m.hard > number || m.soft > number;
}
