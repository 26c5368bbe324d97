/* What goes over the socket to a sandbox that is being debugged: records (channel/inspect.h) with
 * messages of the engine's remote inspector in them, and its messages on the way back. Pure.
 *
 * A message of the engine is a big-endian u32 (the length of what follows the next byte), a byte
 * (1: the rest is little-endian), a name with its NUL, and values as GVariant lays them out: of
 * those that count here a u64, the number of the target, and a string with its NUL. */
#ifndef ER_CLI_INSPECT_WIRE_H
#define ER_CLI_INSPECT_WIRE_H

#include "base/buf.h"
#include "channel/inspect.h"

enum { ER_WIRE_MESSAGE_MAX = 128 * 1024 * 1024 };

/* A record without bytes. */
void er_wire_put_note(er_buf *out, er_inspect_kind kind);
/* "Setup", "FrontendDidClose"; "SendMessageToTarget" with `text`. */
void er_wire_put(er_buf *out, const char *name, uint64_t target, const er_slice *text);

typedef enum er_wire_status { ER_WIRE_OK, ER_WIRE_WAIT, ER_WIRE_BROKEN } er_wire_status;
typedef struct er_wire_message {
	er_slice name;
	uint64_t target; /* 0: none is said */
	er_slice text;   /* of SendMessageToFrontend */
} er_wire_message;
/* The first message of `in`, in place; *whole is its length. */
er_wire_status er_wire_read(er_slice in, er_wire_message *m, size_t *whole);

#endif
