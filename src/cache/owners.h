/* Whose a stored response is: a routine's, if its key begins so (key.h), else everybody's. What is
 * a routine's own takes room that others could use, and nobody but its code decides what comes: so
 * each routine has a quota of the memory. What is over it goes, what came first before the rest;
 * what was used since it came is spared once.
 *
 * Any thread. One lock, which is taken inside of a shard's. */
#ifndef ER_CACHE_OWNERS_H
#define ER_CACHE_OWNERS_H

#include "base/slice.h"
#include "cache/stored.h"

typedef struct er_owners er_owners;
/* One routine in one environment; lives as long as the table. All routines that have had a name
 * share it: who makes a routine anew gets no second quota. */
typedef struct er_owner er_owner;

er_owners *er_owners_new(uint64_t quota);
/* All responses have left. */
void er_owners_free(er_owners *o);
/* From now on; what is too much goes with the next response of each. */
void er_owners_limit(er_owners *o, uint64_t quota);
uint64_t er_owners_quota(const er_owners *o);
/* By a key; NULL: it is everybody's. */
er_owner *er_owners_of(er_owners *o, er_slice key);

/* ---- of the index, under the shard's lock ---- */
void er_owner_add(er_owner *w, er_stored *s, size_t cost);
/* Its cost has changed. */
void er_owner_weigh(er_owner *w, er_stored *s, size_t cost);
void er_owner_remove(er_stored *s);

/* ---- without a lock ---- */
/* What is to go next, since the owner has too much: one reference. NULL: it has not. */
er_stored *er_owner_surplus(er_owner *w);
/* Bytes that are on their way, and in nobody's list yet. False: there is no room for so many. */
ER_MUST_CHECK bool er_owner_hold(er_owner *w, uint64_t n);
void er_owner_let_go(er_owner *w, uint64_t n);
/* Bytes that are stored, and on their way. */
uint64_t er_owner_bytes(er_owner *w);
/* Those whose keys begin with `prefix`, the one that came first first: one reference each. No more
 * than `most`, and no more than ER_OWNER_LOOKS are looked at. */
enum { ER_OWNER_LOOKS = 5000 };
size_t er_owner_list(er_owner *w, er_slice prefix, er_stored **out, size_t most);

#endif
