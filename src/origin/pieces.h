/* Pieces of a body that wait in order: a ring that grows. It owns the pieces in it. */
#ifndef ER_ORIGIN_PIECES_H
#define ER_ORIGIN_PIECES_H

#include "base/chunk.h"

/* Zeroed: empty. */
typedef struct er_pieces {
	er_piece *v;
	uint32_t first, n, cap;
	size_t bytes; /* of all of them */
} er_pieces;

/* Takes the piece. */
void er_pieces_push(er_pieces *q, er_piece piece);
/* The caller owns it now. There must be one. */
er_piece er_pieces_pop(er_pieces *q);
/* The piece that is next, or that came last; NULL: there is none. Whoever changes its `n`
 * changes `bytes` with it. */
er_piece *er_pieces_first(er_pieces *q);
er_piece *er_pieces_last(er_pieces *q);
/* Drops the pieces and keeps the ring. */
void er_pieces_clear(er_pieces *q);
/* Drops everything. */
void er_pieces_fini(er_pieces *q);

#endif
