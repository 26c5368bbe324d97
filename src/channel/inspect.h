/* The socket between a sandbox that is being debugged and its debugger: a pair of stream sockets
 * beside the rings, which only sandboxes of `er dev --inspect` have. The engine's inspector speaks
 * to "a server"; what it says goes out as it is, what is said to it comes in records, so that the
 * sandbox itself can be told something, too.
 *
 * A record is a little-endian u32, its kind in the highest byte and its length in the others, and
 * so many bytes. Both programs know this file; the sandbox is not trusted with it. */
#ifndef ER_CHANNEL_INSPECT_H
#define ER_CHANNEL_INSPECT_H

enum { ER_INSPECT_HEAD = 4, ER_INSPECT_RECORD_MAX = 0xffffff };

/* To the sandbox. */
typedef enum er_inspect_kind {
	ER_INSPECT_DATA,     /* for the engine: its messages, cut anywhere */
	ER_INSPECT_GO,       /* the code may run: until then the sandbox has waited with it */
	ER_INSPECT_ATTACHED, /* a debugger is there: no limits of CPU time */
	ER_INSPECT_DETACHED, /* it has gone */
} er_inspect_kind;

/* aux of a DEBUG frame (channel/frame.h). */
typedef enum er_inspect_state {
	ER_INSPECT_RUNS,    /* no debugger is there */
	ER_INSPECT_WATCHED, /* one is, and the code runs */
	ER_INSPECT_STANDS,  /* the code stands: at a breakpoint, or before its beginning */
} er_inspect_state;

#endif
