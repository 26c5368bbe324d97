/* The part of an upload that was sent, kept so that a hop with the same method and body (after
 * a redirect, or a 421) can send it again. Only a body that is complete where it comes from is
 * kept, never a stream. What is kept is bounded for each fetch, and for all fetches of one
 * pool together. */
#ifndef ER_ORIGIN_REPLAY_H
#define ER_ORIGIN_REPLAY_H

#include "base/chunk.h"

enum {
	/* bytes of one upload, where each piece counts for some more */
	ER_REPLAY_MAX = 1024 * 1024,
	ER_REPLAY_POOL_MAX = 8 * 1024 * 1024, /* of all uploads of a pool */
};

typedef struct er_replay {
	er_piece *v;
	uint32_t n, cap;
	uint32_t at;  /* the next to be sent again; n: none */
	size_t cost;  /* counted in *pool, too */
	size_t *pool; /* of all fetches of the pool */
	/* why the upload cannot be sent again, as the end of a sentence; NULL: it can */
	const char *lost;
} er_replay;

/* `whole`: the body is complete where it comes from. `pool` must outlive it. */
void er_replay_init(er_replay *r, bool whole, size_t *pool);
/* Lets go of what it keeps. */
void er_replay_fini(er_replay *r);
/* The piece is sent now, for the first time. It stays the caller's. */
void er_replay_keep(er_replay *r, er_piece piece);
/* From the first byte again. */
void er_replay_rewind(er_replay *r);
/* The next piece that is sent again. False: there is none, and what follows was never sent. */
bool er_replay_next(er_replay *r, er_piece *out);

#endif
