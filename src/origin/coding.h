/* The content codings that a request offers (RFC 9110 12.5.3): of those that its author accepts,
 * only the ones that the node can undo. Pure. */
#ifndef ER_ORIGIN_CODING_H
#define ER_ORIGIN_CODING_H

#include "base/arena.h"
#include "http/fields.h"

/* The value of Accept-Encoding for a server: gzip and identity with the weights that `fields`
 * give them. "gzip" if they say nothing. "identity" if they accept nothing that can be undone,
 * or ask for a range: a part of a coded body cannot be decoded. A malformed member is ignored. */
er_slice er_coding_offer(const er_fields *fields, er_arena *a);

#endif
