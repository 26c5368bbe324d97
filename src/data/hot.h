/* Values of the KV that were read lately, in memory, by namespace and key; also that a key has
 * none. Shared by all threads. What is written is taken out before the writer is told
 * (er_hot_changed), so a reader never gets what an answered write has replaced.
 *
 * Whoever reads the store for what is not here takes a mark before it reads, and gives the mark
 * back with what it found: if anything near that key was written meanwhile, it may have read what
 * was before, and nothing is kept. */
#ifndef ER_DATA_HOT_H
#define ER_DATA_HOT_H

#include "base/chunk.h"

#include <stdbool.h>

typedef struct er_hot er_hot;

/* Owns its pieces. */
typedef struct er_hot_value {
	bool found;
	er_piece value;
	er_piece metadata; /* JSON in ASCII, or empty */
	int64_t expires_s; /* Unix time, 0: never */
} er_hot_value;
void er_hot_value_drop(er_hot_value *v);

/* `bytes`: of keys, values and what they cost beside; 0: nothing is kept. */
er_hot *er_hot_new(uint64_t bytes);
void er_hot_free(er_hot *h);

/* True: *out has references of its own. Expired ones are the caller's to see. */
bool er_hot_get(er_hot *h, int64_t ns, er_slice key, er_hot_value *out);
uint64_t er_hot_mark(er_hot *h, int64_t ns, er_slice key);
void er_hot_put(er_hot *h, int64_t ns, er_slice key, uint64_t mark, const er_hot_value *v);
/* The key was written; empty: any key was. */
void er_hot_changed(er_hot *h, int64_t ns, er_slice key);
/* Nothing is in it. */
bool er_hot_empty(const er_hot *h);

#endif
