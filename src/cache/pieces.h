/* Pieces: parts of responses (206) that are stored by themselves, for whoever asks for a part again
 * of what is not stored as a whole (RFC 9111 3.3). The pieces of a key lie under a key of their own
 * (er_key_of_pieces) as variants by Range, so that whatever voids that key voids all of them. None
 * is stored without a strong validator, so those of one validator may be put together (3.4): a
 * request that no piece covers is answered from those that touch or overlap, which are one piece
 * from then on. */
#ifndef ER_CACHE_PIECES_H
#define ER_CACHE_PIECES_H

#include "cache/index.h"

/* May this 206, whose body has `length` bytes, be a piece? It has a strong validator, and is just
 * the one range that the request asks for. */
ER_MUST_CHECK bool er_piece_fits(const er_fields *request, const er_fields *response, int64_t length);
/* All that the request asks for is in the piece. *out: what that is. */
ER_MUST_CHECK bool er_piece_covers(er_stored *piece, const er_fields *request, er_ranges *out);
/* A fresh piece in memory that covers what the request asks for, perhaps one that is put together
 * now: one reference; or NULL. `key`: of
 * pieces. */
er_stored *er_piece_find(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, uint64_t now_us);
/* Takes pieces out of memory that the request selects, and that have another validator than this
 * response to it. True: there were some. `key`: likewise. */
bool er_pieces_outdated(er_index *ix, er_slice key, uint64_t hash, const er_fields *request, const er_fields *response);

#endif
