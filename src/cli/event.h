/* How something that happened in a routine is shown to a person: one way for `er dev`
 * (cli/devlog.h), `er tail` and `er logs`.
 *
 *     17:20:03 shop@13 200 GET /cart  4.1 ms, cpu 0.8 ms, 512 B
 *     17:20:03 shop@13 GET /cart warn: stock is low
 *
 * Slices are borrowed. */
#ifndef ER_CLI_EVENT_H
#define ER_CLI_EVENT_H

#include "cli/term.h"

typedef enum er_event_kind {
	ER_EVENT_CONSOLE,
	ER_EVENT_EXCEPTION,
	ER_EVENT_KILLED,
	ER_EVENT_REQUEST,
	ER_EVENT_NOTE
} er_event_kind;

typedef struct er_event {
	er_event_kind kind;
	er_slice when;   /* "17:20:03"; empty: not shown */
	er_slice source; /* "shop@13"; empty: there is only one */
	er_slice where;  /* "GET /path"; empty: top-level code */
	unsigned level;  /* CONSOLE: 0 debug, 1 log, 2 info, 3 warn, 4 error */
	bool fatal, cut, cold;
	int status;     /* REQUEST; 0: the client left */
	er_slice error; /* the limit or failure: "cpu", "memory", "exception" ...; empty: none */
	er_slice text, stack;
	uint64_t wall_us, cpu_us, bytes;
	uint64_t used, limit; /* KILLED: us, KB or ms, as the limit is; limit 0: not said */
	uint64_t asked;       /* likewise: how much more it was refused at once; 0: not said */
	er_slice budget;      /* KILLED for CPU: whose limit it was; empty: another limit */
} er_event;

/* "debug", "log", "info", "warn", "error" */
const char *er_event_level(unsigned level);
/* One line, or several with a stack; ends with a newline. */
void er_event_put(er_buf *b, bool colour, const er_event *e);

#endif
