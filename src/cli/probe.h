/* Starts a routine in a real sandbox, by the same way as a node tries a version, and ends it: no
 * request ever comes. Blocks for a few ms, for ten seconds at the most. The process must have one
 * thread. */
#ifndef ER_CLI_PROBE_H
#define ER_CLI_PROBE_H

#include "base/arena.h"
#include "base/err.h"
#include "channel/frame.h"
#include "cli/cpuprofile.h"
#include "isolate/routine.h"

typedef struct er_probe {
	bool loaded;      /* its top-level code ran to the end, and there is a handler */
	er_level level;   /* of the sandbox */
	uint64_t cpu_us;  /* of the top-level code */
	er_err_kind why;  /* not loaded: EXCEPTION, CPU, MEMORY, CRASH, ... */
	er_slice error;   /* "TypeError: ..." or a sentence */
	er_slice stack;   /* mapped to the sources, a frame a line */
	er_slice console; /* what it printed, a line each */
} er_probe;

/* Must be called while the process has one thread. Strings live in the arena. False: no sandbox
 * could be had; *err says why. */
ER_MUST_CHECK bool er_probe_run(er_arena *a, er_routine *r, er_probe *out, er_err *err);
/* Starts it once more, and samples its top-level code into `out`, which has no limit of CPU time
 * meanwhile. False: it could not be had. */
ER_MUST_CHECK bool er_probe_sample(er_arena *a, er_routine *r, er_cpuprofile *out);

#endif
