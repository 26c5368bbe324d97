/* Hash table from byte strings or numbers to pointers. Keys are copied; values are the caller's.
 * SipHash-1-3 with a random seed per process: keys come from strangers. */
#ifndef ER_BASE_MAP_H
#define ER_BASE_MAP_H

#include "base/slice.h"

typedef struct er_map er_map;

/* The caller's, to be freed by er_map_free; grows as it is filled. */
er_map *er_map_new(void);
/* Frees table and keys, and leaves the values to the caller. NULL is fine. */
void er_map_free(er_map *m);
/* NULL when absent. */
void *er_map_get(const er_map *m, er_slice key);
/* Returns the value that was replaced, or NULL. `value` must not be NULL. */
void *er_map_set(er_map *m, er_slice key, void *value);
/* Returns the value that was removed, or NULL. */
void *er_map_del(er_map *m, er_slice key);
size_t er_map_len(const er_map *m);
/* Visits every entry: start with *at = 0; false at the end. The map must not grow meanwhile;
 * removing the visited key is fine. */
bool er_map_next(const er_map *m, size_t *at, er_slice *key, void **value);

/* A number as a key: its bytes, borrowed from *id for the call. */
static inline er_slice er_map_u32(const uint32_t *id)
{
	return er_slice_of(id, sizeof *id);
}

#endif
