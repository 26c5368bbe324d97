/* The scopes that were purged one by one, as purge.c has them: an open hash table, and groups of
 * scopes that one purge could stand for. Not locked: readers of a table and its one writer are kept
 * apart by purge.c, and so are groups, which only writers look at. */
#ifndef ER_CACHE_PURGE_TABLE_H
#define ER_CACHE_PURGE_TABLE_H

#include "base/map.h"
#include "cache/purge.h"

/* Numbers of the last purges of a scope; 0: none. */
typedef struct er_purge_mark {
	uint64_t hard, soft;
} er_purge_mark;

void er_purge_mark_take(er_purge_mark *most, er_purge_mark m);
/* What m purges, the other purges as hard or harder. */
bool er_purge_mark_covers(er_purge_mark by, er_purge_mark m);

/* What the URLs of a host, the tags of a site, or all else of one site alone become together if
 * there are too many scopes. */
typedef struct er_purge_group {
	uint64_t scope; /* of what they become */
	er_purge what;  /* HOST; TAG of a site without a value: every tag; or SITE. Own texts */
	er_purge_mark mark;
	size_t n; /* scopes in the table */
	bool going;
} er_purge_group;

/* A scope's hash, never 0; `value`: of its text. */
uint64_t er_purge_scope(er_purge_kind kind, uint64_t site, uint64_t value);
/* Of all that is hashed here: the same at every start, because it may be stored. */
uint64_t er_purge_hash(er_slice text);

/* The group of that purge, made if there is none, with one more scope in it. */
er_purge_group *er_purge_group_join(er_map *groups, uint64_t scope, const er_purge *what);
er_purge_group *er_purge_group_find(const er_map *groups, uint64_t scope);
void er_purge_groups_free(er_map *groups);

typedef struct er_purge_slot {
	uint64_t scope; /* 0: empty */
	er_purge_mark mark;
	er_purge_group *group; /* NULL: one purge could not stand for it and others */
} er_purge_slot;

typedef struct er_purge_table {
	size_t n, slots;
	er_purge_slot v[];
} er_purge_table;

/* With room for so many scopes; freed by er_free. */
er_purge_table *er_purge_table_new(size_t scopes);
/* The scope's slot, or the empty one that it would get. */
er_purge_slot *er_purge_table_slot(er_purge_table *t, uint64_t scope);
static inline bool er_purge_table_is_full(const er_purge_table *t)
{
	return t->n * 2 >= t->slots;
}
/* A table of the same scopes with room for `more`, without those that *covered covers and those of
 * groups that are going; groups that are empty then are freed. */
er_purge_table *er_purge_table_copy(const er_purge_table *t, er_map *groups, size_t more, er_purge_mark covered);

/* The groups with `least` scopes or more, those with the most scopes first; in the arena. */
size_t er_purge_groups_crowded(er_arena *a, const er_map *groups, size_t least, er_purge_group ***out);
/* What the older half of all scopes but those of groups that are going have been purged by. */
er_purge_mark er_purge_table_older_half(const er_purge_table *t);

#endif
