/* Inside this room: what the operator reads of an origin that fails. A failure that stale answers
 * hide from clients is in no client's answer; it is here. A server that fails is named at once,
 * and then once in ER_COMPLAIN_MS, with how often it failed meanwhile. Of the node's own fetches
 * alone: a routine hears itself of its subrequests. */
#ifndef ER_ORIGIN_COMPLAIN_H
#define ER_ORIGIN_COMPLAIN_H

#include "base/err.h"
#include "base/slice.h"

enum { ER_COMPLAIN_MS = 10000, ER_COMPLAIN_SERVERS = 32 };

/* Servers that failed lately, of one thread. Zeroed at first. Lines are bounded whatever the
 * servers are called, and however many there are. */
typedef struct er_complaints {
	struct {
		bool used;
		uint64_t server; /* a hash of its name */
		uint64_t said_ms;
		uint32_t since; /* failures that were not said */
	} places[ER_COMPLAIN_SERVERS];
} er_complaints;

/* `server` failed for the request of this id (0: of nobody): `text` says how. `now_ms` never goes
 * back. False: no line was written. */
bool er_complain(er_complaints *c, er_slice server, uint64_t id, er_err_kind kind, er_slice text, uint64_t now_ms);

#endif
