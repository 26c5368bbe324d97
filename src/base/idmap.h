/* Small hash table from nonzero 32-bit ids to pointers: for the ids of a channel, where a string
 * map would cost more than the request. The caller owns the struct. Values must not be NULL. */
#ifndef ER_BASE_IDMAP_H
#define ER_BASE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct er_idmap {
	struct er_idmap_slot {
		uint32_t id; /* 0: free */
		void *value;
	} * slots;
	uint32_t cap; /* power of two, or 0 */
	uint32_t n;
	uint64_t factor; /* of the hash; odd */
} er_idmap;

static inline void er_idmap_init(er_idmap *m)
{
	*m = (er_idmap){0};
}
void er_idmap_fini(er_idmap *m);
/* NULL when absent (and for id 0). */
void *er_idmap_get(const er_idmap *m, uint32_t id);
/* The id must not be present. */
void er_idmap_add(er_idmap *m, uint32_t id, void *value);
/* Returns the value, or NULL. */
void *er_idmap_del(er_idmap *m, uint32_t id);
/* Some value, or NULL when empty: for emptying it. */
void *er_idmap_any(const er_idmap *m);

#endif
