/* Inside the isolate room: starts that no request waits for (start.c). */
#ifndef ER_ISOLATE_START_H
#define ER_ISOLATE_START_H

#include "isolate/instance.h"

enum { TRY_MS = 10000 /* they may take so long */ };

/* Somebody waits for an instance to have loaded: a warm-up, or a trial. */
struct er_start {
	bool trial; /* the instance never gets a request, and ends when it has loaded */
	uint64_t since_us;
	er_isolate_started *done;
	void *ctx;
	er_isolate_start result; /* its slices: of the buffers */
	er_buf console, error, stack;
};

void er_start_begin(er_instance *in, bool trial, er_isolate_started *done, void *ctx);
/* Keeps what a trial prints for its result. False: the instance is no trial. */
bool er_start_printed(er_instance *in, er_slice text);
/* Tells whoever waits the result, once. The instance has nobody waiting any more when the
 * callback runs. */
void er_start_finish(er_instance *in);
/* Tells whoever waits that the instance will not load. Nothing if nobody waits. */
void er_start_failed(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit);

#endif
