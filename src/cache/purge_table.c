/* An open hash table of scopes with linear probing, whose slots never go singly: what is not needed
 * any more stays behind when the table is copied (er_purge_table_copy), which also makes it larger.
 * A slot that can become one purge with others knows its group; a group counts its slots, and goes
 * with the last. purge.c owns the table and the groups, and locks them. Pure but for memory. */
#include "cache/purge_table.h"

#include "base/mem.h"
#include "base/siphash.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 64, SAMPLE = 4096 };

uint64_t er_purge_hash(er_slice text)
{
	static const er_siphash_key fixed = {0x6572207075726765, 0x73636f7065732031};
	return er_siphash(&fixed, text);
}

uint64_t er_purge_scope(er_purge_kind kind, uint64_t site, uint64_t value)
{
	const uint64_t parts[] = {kind, site, value};
	uint64_t scope = er_purge_hash(er_slice_of(parts, sizeof parts));
	return scope != 0 ? scope : 1;
}

void er_purge_mark_take(er_purge_mark *most, er_purge_mark m)
{
	most->hard = m.hard > most->hard ? m.hard : most->hard;
	most->soft = m.soft > most->soft ? m.soft : most->soft;
}

/* ---- groups ---- */

static er_slice key_of(const uint64_t *scope)
{
	return er_slice_of(scope, sizeof *scope);
}

er_purge_group *er_purge_group_find(const er_map *groups, uint64_t scope)
{
	return er_map_get(groups, key_of(&scope));
}

er_purge_group *er_purge_group_join(er_map *groups, uint64_t scope, const er_purge *what)
{
	er_purge_group *g = er_purge_group_find(groups, scope);
	if (g == NULL) {
		g = ER_NEW(er_purge_group);
		*g = (er_purge_group){.scope = scope, .what.kind = what->kind};
		g->what.value = er_slice_of(er_strdup_slice(what->value), what->value.n);
		g->what.site = er_slice_of(er_strdup_slice(what->site), what->site.n);
		(void)er_map_set(groups, key_of(&g->scope), g);
	}
	g->n++;
	return g;
}

static void group_free(er_purge_group *g)
{
	er_free((void *)(uintptr_t)g->what.value.p);
	er_free((void *)(uintptr_t)g->what.site.p);
	er_free(g);
}

static void group_leave(er_map *groups, er_purge_group *g)
{
	if (g == NULL || --g->n > 0)
		return;
	(void)er_map_del(groups, key_of(&g->scope));
	group_free(g);
}

void er_purge_groups_free(er_map *groups)
{
	void *g;
	er_slice scope;
	for (size_t at = 0; er_map_next(groups, &at, &scope, &g);)
		group_free(g);
	er_map_free(groups);
}

static int more_scopes_first(const void *a, const void *b)
{
	const er_purge_group *x = *(er_purge_group *const *)a, *y = *(er_purge_group *const *)b;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->scope < y->scope ? -1 : x->scope > y->scope;
}

size_t er_purge_groups_crowded(er_arena *a, const er_map *groups, size_t least, er_purge_group ***out)
{
	void *g;
	er_slice scope;
	size_t n = 0;
	er_purge_group **v = er_arena_alloc(a, (er_map_len(groups) + 1) * sizeof *v);
	for (size_t at = 0; er_map_next(groups, &at, &scope, &g);)
		if (((er_purge_group *)g)->n >= least)
			v[n++] = g;
	qsort(v, n, sizeof *v, more_scopes_first);
	*out = v;
	return n;
}

/* ---- the table ---- */

er_purge_table *er_purge_table_new(size_t scopes)
{
	size_t slots = SLOTS_FIRST;
	while (slots <= scopes * 2)
		slots *= 2;
	er_purge_table *t = er_zalloc(sizeof *t + slots * sizeof *t->v);
	t->slots = slots;
	return t;
}

er_purge_slot *er_purge_table_slot(er_purge_table *t, uint64_t scope)
{
	ER_ASSERT(scope != 0 && t->n < t->slots);
	for (size_t i = scope & (t->slots - 1);; i = (i + 1) & (t->slots - 1))
		if (t->v[i].scope == scope || t->v[i].scope == 0)
			return &t->v[i];
}

bool er_purge_mark_covers(er_purge_mark by, er_purge_mark m)
{
	return m.hard <= by.hard && m.soft <= (by.soft > by.hard ? by.soft : by.hard);
}

static bool is_going(const er_purge_slot *s)
{
	return s->group != NULL && s->group->going;
}

er_purge_table *er_purge_table_copy(const er_purge_table *t, er_map *groups, size_t more, er_purge_mark covered)
{
	size_t n = 0;
	for (size_t i = 0; i < t->slots; i++)
		n += t->v[i].scope != 0 && !is_going(&t->v[i]) && !er_purge_mark_covers(covered, t->v[i].mark);
	er_purge_table *to = er_purge_table_new(n + more);
	for (size_t i = 0; i < t->slots; i++) {
		const er_purge_slot *from = &t->v[i];
		if (from->scope == 0)
			continue;
		if (is_going(from) || er_purge_mark_covers(covered, from->mark)) {
			group_leave(groups, from->group);
			continue;
		}
		*er_purge_table_slot(to, from->scope) = *from;
		to->n++;
	}
	ER_ASSERT(to->n == n);
	return to;
}

static int lower_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t number_of(const er_purge_slot *s)
{
	return s->mark.hard > s->mark.soft ? s->mark.hard : s->mark.soft;
}

/* Where a scope lies in the table is chance, so the first ones are a fair sample. */
er_purge_mark er_purge_table_older_half(const er_purge_table *t)
{
	uint64_t *sample = er_zalloc(SAMPLE * sizeof *sample);
	size_t n = 0;
	for (size_t i = 0; i < t->slots && n < SAMPLE; i++)
		if (t->v[i].scope != 0 && !is_going(&t->v[i]))
			sample[n++] = number_of(&t->v[i]);
	qsort(sample, n, sizeof *sample, lower_first);
	uint64_t upto = n > 0 ? sample[n / 2] : 0;
	er_free(sample);
	er_purge_mark most = {0};
	for (size_t i = 0; i < t->slots; i++)
		if (t->v[i].scope != 0 && !is_going(&t->v[i]) && number_of(&t->v[i]) <= upto)
			er_purge_mark_take(&most, t->v[i].mark);
	return most;
}
