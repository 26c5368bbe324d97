/* Lies in the fetch: the transport pushes what has come, and fetch.c pops what the reader has
 * room for. The ring begins with four places, doubles when it is full, and is freed with the
 * fetch. */
#include "origin/pieces.h"

#include "base/mem.h"

enum { FIRST_CAP = 4 };

void er_pieces_push(er_pieces *q, er_piece piece)
{
	ER_ASSERT(q->n <= q->cap && (q->n == 0 || q->v != NULL));
	if (q->n == q->cap) {
		uint32_t cap = q->cap ? q->cap * 2 : FIRST_CAP;
		er_piece *v = er_alloc(cap * sizeof *v);
		for (uint32_t i = 0; i < q->n; i++)
			v[i] = q->v[(q->first + i) % q->cap];
		er_free(q->v);
		q->v = v;
		q->cap = cap;
		q->first = 0;
	}
	ER_ASSERT(q->v != NULL && q->n < q->cap);
	q->v[(q->first + q->n++) % q->cap] = piece;
	q->bytes += piece.n;
}

er_piece er_pieces_pop(er_pieces *q)
{
	ER_ASSERT(q->n > 0 && q->first < q->cap);
	er_piece piece = q->v[q->first];
	q->first = (q->first + 1) % q->cap;
	q->n--;
	ER_ASSERT(q->bytes >= piece.n);
	q->bytes -= piece.n;
	return piece;
}

er_piece *er_pieces_first(er_pieces *q)
{
	return q->n > 0 ? &q->v[q->first] : NULL;
}

er_piece *er_pieces_last(er_pieces *q)
{
	return q->n > 0 ? &q->v[(q->first + q->n - 1) % q->cap] : NULL;
}

void er_pieces_clear(er_pieces *q)
{
	while (q->n > 0) {
		er_piece piece = er_pieces_pop(q);
		er_piece_drop(&piece);
	}
	ER_ASSERT(q->bytes == 0);
}

void er_pieces_fini(er_pieces *q)
{
	er_pieces_clear(q);
	er_free(q->v);
	*q = (er_pieces){0};
}
