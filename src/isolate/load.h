/* Inside the isolate room: how an instance gets its code, and starts that no request waits for. */
#ifndef ER_ISOLATE_LOAD_H
#define ER_ISOLATE_LOAD_H

#include "isolate/instance.h"

/* Somebody waits for an instance to have loaded: a warm-up, or a trial. */
struct er_start {
	bool trial; /* the instance never gets a request, and ends when it has loaded */
	uint64_t since_us;
	er_isolate_started *done;
	void *ctx;
	er_isolate_start result; /* its slices: of the buffers */
	er_buf console, error, stack;
};

/* Gets the instance its code, at once or later. */
void er_load_code(er_instance *in);
/* Writes the code as far as there is room. False: not all of it. */
bool er_load_pump(er_instance *in);
/* LOADED. False: the sandbox broke the rules. */
bool er_load_done(er_instance *in, const er_frame *f, er_slice payload);
/* Keeps what a trial prints for its result. False: the instance is no trial. */
bool er_load_printed(er_instance *in, er_slice text);
void er_start_begin(er_instance *in, bool trial, er_isolate_started *done, void *ctx);
/* Tells whoever waits that the instance will not load. Nothing if nobody waits. */
void er_start_failed(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit);

#endif
