/* The key of a stored response: what a request asks for, in one string. */
#ifndef ER_CACHE_KEY_H
#define ER_CACHE_KEY_H

#include "http/exchange.h"

enum { ER_KEY_MAX = 16 * 1024 };

/* scope, origin, scheme, Host if it is another one than the authority, authority and target, as
 * they were matched and go to the origin, and further parts (rules.h) if there are any, parted by a
 * byte that none of them has. In the arena; empty: longer than ER_KEY_MAX. `target` begins
 * with "/". */
er_slice er_key_of(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target, er_slice parts);
/* The same for a question of a routine whose answers are apart (er_cache_wishes): with the name of
 * the routine beside the scheme, and the number that tells it from earlier ones of this name, so
 * that nobody else's key is one of these; with the key that the routine gives in place of
 * authority and target; with the server that it has asked; and with what becomes of a redirect, if
 * it is not followed. */
er_slice er_key_apart(er_arena *a, uint8_t scope, er_slice origin, const er_request *req, er_slice target, er_slice parts,
                      const er_wishes *wishes);
/* A key that is a routine's own: its scope, and the routine's name, which points into the key.
 * False: it is everybody's. */
bool er_key_owner(er_slice key, uint8_t *scope, er_slice *routine);
/* Of a key in one of a routine's own caches (cache/own.h): the scheme of its URL, and how all keys
 * of that cache begin. Both point into the key. */
er_slice er_key_scheme(er_slice key);
er_slice er_key_store(er_slice key);
/* The key under which pieces of the key's response are stored (pieces.h); likewise. */
er_slice er_key_of_pieces(er_arena *a, er_slice key);
/* Its authority and target, which purges are matched with. Points into the key. */
er_slice er_key_where(er_slice key);
/* Its target alone. */
er_slice er_key_target(er_slice key);

#endif
