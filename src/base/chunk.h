/* Reference-counted bytes and pieces of them: what bodies are made of. A chunk is immutable once
 * shared. Counts are atomic, since cache objects are read by every gateway thread. */
#ifndef ER_BASE_CHUNK_H
#define ER_BASE_CHUNK_H

#include "base/mem.h"

typedef struct er_chunk {
	uint32_t refs;
	/* holds a secret: overwritten when the last reference goes; set by who made it, before
	 * sharing */
	bool wipe;
	/* how many bytes follow */
	size_t cap;
	uint8_t bytes[];
} er_chunk;

/* Part of a chunk; owns one reference (or none: chunk == NULL means static bytes that outlive
 * everything). */
typedef struct er_piece {
	er_chunk *chunk;
	const uint8_t *p;
	size_t n;
} er_piece;

/* The bytes of a chunk whose memory a thread keeps for the next one (er_mem_keep_here). */
enum { ER_CHUNK_KEPT = ER_MEM_LARGE - sizeof(er_chunk) };
static_assert(ER_CHUNK_KEPT >= 16 * 1024, "a full frame's or a socket's worth of a body fits");

/* One reference, `cap` writable bytes. */
er_chunk *er_chunk_new(size_t cap);
/* Any thread may, for the count is atomic. */
er_chunk *er_chunk_ref(er_chunk *c);
/* The last one frees (and overwrites, with `wipe`). NULL is fine. */
void er_chunk_unref(er_chunk *c);

/* Copies s into a new chunk. */
er_piece er_piece_copy(er_slice s);
/* The first n bytes of c. Takes the caller's reference. */
static inline er_piece er_piece_take(er_chunk *c, size_t n)
{
	ER_ASSERT(c != NULL && n <= c->cap);
	return (er_piece){c, c->bytes, n};
}
/* A second piece of the same bytes: takes a reference of its own. */
er_piece er_piece_sub(er_piece piece, size_t from, size_t n);
/* Gives the piece's reference back and empties the piece. */
void er_piece_drop(er_piece *piece);
static inline er_slice er_piece_slice(er_piece piece)
{
	return er_slice_of(piece.p, piece.n);
}

#endif
