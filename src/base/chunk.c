#include "base/chunk.h"

#include "base/mem.h"

er_chunk *er_chunk_new(size_t cap)
{
	er_chunk *c = er_alloc(sizeof *c + cap);
	c->refs = 1;
	c->wipe = false;
	c->cap = cap;
	return c;
}

er_chunk *er_chunk_ref(er_chunk *c)
{
	if (c != NULL)
		__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void er_chunk_unref(er_chunk *c)
{
	if (c == NULL || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (c->wipe)
		explicit_bzero(c->bytes, c->cap);
	er_free(c);
}

er_piece er_piece_copy(er_slice s)
{
	er_chunk *c = er_chunk_new(s.n);
	er_copy(c->bytes, s.p, s.n);
	return er_piece_take(c, s.n);
}

er_piece er_piece_sub(er_piece piece, size_t from, size_t n)
{
	ER_ASSERT(from <= piece.n && n <= piece.n - from);
	er_chunk_ref(piece.chunk);
	return (er_piece){piece.chunk, piece.p + from, n};
}

void er_piece_drop(er_piece *piece)
{
	er_chunk_unref(piece->chunk);
	*piece = (er_piece){0};
}
