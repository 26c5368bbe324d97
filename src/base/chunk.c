/* Counted bytes. A chunk is born with one reference and is filled by its maker; once a second one
 * is taken, nobody writes to it. It goes with the last reference, on whichever thread that is, and
 * is overwritten before if it holds a secret. A piece is a window on a chunk and owns one
 * reference; pieces of one chunk overlap freely, since nobody writes. */
#include "base/chunk.h"

#include "base/mem.h"

er_chunk *er_chunk_new(size_t cap)
{
	ER_ASSERT(cap <= SIZE_MAX - sizeof(er_chunk));
	er_chunk *c = er_alloc(sizeof *c + cap);
	c->refs = 1;
	c->wipe = false;
	c->cap = cap;
	return c;
}

er_chunk *er_chunk_ref(er_chunk *c)
{
	/* Relaxed: whoever takes a reference holds one already, so the chunk cannot go meanwhile. */
	if (c != NULL)
		ER_ASSERT(__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED) > 1);
	return c;
}

void er_chunk_unref(er_chunk *c)
{
	if (c == NULL)
		return;
	/* Release what this thread did with the bytes, acquire what the others did: the last one
	 * frees. */
	uint32_t left = __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL);
	ER_ASSERT(left != UINT32_MAX);
	if (left > 0)
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
	ER_ASSERT(piece.chunk == NULL || __atomic_load_n(&piece.chunk->refs, __ATOMIC_RELAXED) > 0);
	ER_ASSERT(from <= piece.n && n <= piece.n - from);
	er_chunk_ref(piece.chunk);
	return (er_piece){piece.chunk, piece.p + from, n};
}

void er_piece_drop(er_piece *piece)
{
	er_chunk_unref(piece->chunk);
	*piece = (er_piece){0};
}
