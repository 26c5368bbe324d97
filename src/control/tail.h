/* What happens on the node, as it happens and shortly after: one event a finished request, console
 * line, exception, kill, deployment. The gateway hands events to er_control_event (control.h);
 * whoever tails gets those that pass its filter, and a bounded history per routine answers
 * /v1/logs. */
#ifndef ER_CONTROL_TAIL_H
#define ER_CONTROL_TAIL_H

#include "base/err.h"
#include "store/store.h"

/* name, how it is spelled */
#define ER_TAIL_KINDS(X) \
	X(REQUEST, "request") \
	X(CONSOLE, "console") \
	X(EXCEPTION, "exception") \
	X(KILL, "kill") \
	X(DEPLOYMENT, "deployment")

typedef enum er_tail_kind {
#define X(name, text) ER_TAIL_##name,
	ER_TAIL_KINDS(X)
#undef X
	    ER_TAIL_KIND_COUNT_
} er_tail_kind;

/* All slices are borrowed for the call. What a kind does not have stays zero. */
typedef struct er_tail_event {
	er_tail_kind kind;
	int64_t at_ms; /* since 1970 */
	er_slice routine;
	er_env env;
	er_slice version;    /* as logs show it: the number */
	uint64_t request_id; /* the exchange's; 0: top-level code */
	/* the request that it is about, also of console lines and exceptions; empty for top-level
	 * code */
	er_slice method, host, path; /* path: with its query */
	er_slice client;             /* address */
	int status;                  /* REQUEST: 0 if the client left before one was sent */
	uint64_t bytes, cpu_us, wall_us;
	uint32_t subrequests;
	bool cold_start;
	er_err_kind error; /* REQUEST: of the node's own answer; KILL: the limit */
	/* CONSOLE: text; EXCEPTION: name, text (the message), stack (mapped to the sources); KILL,
	 * DEPLOYMENT: a sentence */
	unsigned level; /* CONSOLE: 0 debug, 1 log, 2 info, 3 warn, 4 error */
	er_slice name, text, stack;
	bool fatal;           /* EXCEPTION: the request failed with it */
	uint64_t used, limit; /* KILL: in the limit's unit (us, KB, ms) */
	uint64_t asked;       /* likewise; 0: not said */
	/* KILL: whose limit of CPU it was (ER_BUDGET_TABLE); NULL: another limit. Lives for ever */
	const char *budget;
} er_tail_event;

#endif
