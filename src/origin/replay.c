/* Lies in the fetch. While an upload is sent for the first time each piece is kept, as a
 * reference to its chunk; after a rewind they are given out in order, and then the body goes on
 * where it was. What is too large is let go at once, with the reason in `lost`, and nothing is
 * kept after that. */
#include "origin/replay.h"

#include "base/mem.h"

enum { PIECE_COST = 128 };

void er_replay_init(er_replay *r, bool whole, size_t *pool)
{
	ER_ASSERT(pool != NULL);
	*r = (er_replay){.pool = pool, .lost = whole ? NULL : "it is a stream"};
}

static void drop(er_replay *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		er_piece_drop(&r->v[i]);
	er_free(r->v);
	r->v = NULL;
	r->n = r->cap = r->at = 0;
	if (r->pool != NULL) {
		ER_ASSERT(*r->pool >= r->cost);
		*r->pool -= r->cost;
	}
	r->cost = 0;
}

void er_replay_fini(er_replay *r)
{
	drop(r);
	r->pool = NULL;
	r->lost = "it is over";
}

static void lose(er_replay *r, const char *why)
{
	drop(r);
	r->lost = why;
}

void er_replay_keep(er_replay *r, er_piece piece)
{
	if (r->lost != NULL)
		return;
	ER_ASSERT(r->at == r->n && r->n <= r->cap && r->pool != NULL);
	size_t cost = piece.n + PIECE_COST;
	if (r->cost + cost > ER_REPLAY_MAX) {
		lose(r, "it is larger than the 1 MB that are kept for that");
		return;
	}
	if (*r->pool + cost > ER_REPLAY_POOL_MAX) {
		lose(r, "other uploads of the routine take the 8 MB that are kept for that");
		return;
	}
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 4;
		er_piece *v = er_alloc(cap * sizeof *v);
		er_copy(v, r->v, r->n * sizeof *v);
		er_free(r->v);
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = er_piece_sub(piece, 0, piece.n);
	r->at = r->n;
	r->cost += cost;
	*r->pool += cost;
}

void er_replay_rewind(er_replay *r)
{
	ER_ASSERT(r->lost == NULL);
	r->at = 0;
}

bool er_replay_next(er_replay *r, er_piece *out)
{
	ER_ASSERT(r->at <= r->n);
	if (r->at == r->n)
		return false;
	er_piece *it = &r->v[r->at++];
	*out = er_piece_sub(*it, 0, it->n);
	return true;
}
