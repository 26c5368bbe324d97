/* Static files as a handler (http/chain.h): it answers from the files of one version. Whoever has
 * an exchange for a version that has files asks er_assets_look first, which says whether the files
 * or the routine answer it; for what enters at the files themselves (env.ASSETS, a version without
 * code) they always answer.
 *
 * One er_assets_memory a node, one er_assets_host a thread. A loop never waits for a disk: what is
 * not in memory is read on threads of the pool, once for all that wait for it on a thread. */
#ifndef ER_ASSETS_ASSETS_H
#define ER_ASSETS_ASSETS_H

#include "assets/files.h"
#include "assets/memory.h"
#include "cache/compressor.h"
#include "http/exchange.h"

typedef struct er_assets_host er_assets_host;

/* Memory and compressor outlive it; there may be no compressor. */
er_assets_host *er_assets_host_new(uv_loop_t *loop, er_assets_memory *memory, er_compressor *compressor);
/* All exchanges have ended before. `closed`: it is gone; the loop may have a handle to let go of
 * yet. */
void er_assets_host_close(er_assets_host *h, void (*closed)(void *ctx), void *ctx);

/* What becomes of an exchange that may be answered by the files or by the routine. */
typedef enum er_assets_turn {
	ER_ASSETS_TAKE,    /* the files answer: er_assets_answer */
	ER_ASSETS_ROUTINE, /* the routine does */
	ER_ASSETS_WAIT,    /* nobody knows yet: er_assets_wait */
} er_assets_turn;

/* How the files answer. Lives as long as the exchange and the version. */
typedef struct er_assets_plan {
	int status;                 /* 200, 404, 405, or that of a redirect */
	const er_assets_file *file; /* of 200 and 404; NULL: none, with 404 */
	er_slice path;              /* decoded, as it was asked for */
	er_slice location;          /* of a redirect */
} er_assets_plan;

/* `alone`: the files answer in any case, and there is no routine to go to. *plan is written for
 * TAKE. */
er_assets_turn er_assets_look(const er_assets *s, er_exchange *x, bool alone, er_assets_plan *plan);
/* Reads what is missing, and then passes the exchange to `again`, which outlives it. The exchange
 * is the handler's until then. */
void er_assets_wait(er_assets_host *h, er_assets *s, er_exchange *x, const er_handler *again);
/* Answers as er_assets_look says. The exchange is the handler's from here on. */
void er_assets_answer(er_assets_host *h, er_assets *s, er_exchange *x, const er_assets_plan *plan);

#endif
