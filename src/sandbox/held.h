/* What C holds for JavaScript: a timer, a subrequest, an upload that is being read, a complete body
 * on its way out, a decoder. ER_HELD_TABLE (channel/contract.h) names the kinds.
 *
 * Each is the member of a record, and there is one way for all of them to end: er_held_end, which
 * calls the kind's `end`. Who calls it:
 *    its owner, a request, when that is over (er_held_end_all);
 *    its module, when there is nothing left to do;
 *    the collector, if JavaScript knows it by an object (er_js_handle) and nobody holds that any
 *    more. Then the node may have to hear of it, which cannot be said in the midst of a collection:
 *    a kind with `lost` is put into a line, and er_frames_lost acts on it between two turns.
 * So nothing waits for JavaScript to remember that it has something to give back. */
#ifndef ER_SANDBOX_HELD_H
#define ER_SANDBOX_HELD_H

#include "base/list.h"
#include "channel/contract.h"

#include <stdbool.h>
#include <stdint.h>

struct er_request;
struct er_handle; /* the object's part (engine_handle.c) */

typedef enum er_held_kind {
#define X(name) ER_HELD_##name,
	ER_HELD_TABLE(X)
#undef X
	    ER_HELD_COUNT_
} er_held_kind;

typedef struct er_held {
	struct er_request *owner; /* NULL: it has none, only the object */
	struct er_handle *handle; /* NULL: JavaScript knows it by a number, or the object is gone */
	er_list link;             /* the owner's */
	er_list seen;             /* er_helds.watched while its object lives, then er_helds.lost */
	size_t cost;              /* bytes that the collector was told of */
	er_held_kind kind;
} er_held;

typedef struct er_held_ops {
	/* Takes it apart (er_held_fini) and frees it. Says nothing to the node and touches nothing of
	 * JavaScript: it may be called in a collection. */
	void (*end)(er_held *h);
	/* Its object is gone and its owner goes on: tells the node, and ends what the object stood for.
	 * Returns the key of the body, for the prelude. NULL: `end` does, at once. */
	uint64_t (*lost)(er_held *h);
	/* Nothing more will come of it before JavaScript asks. */
	bool (*stalled)(const er_held *h);
	/* Nothing of it calls JavaScript before JavaScript asks for more. NULL: something may. */
	bool (*quiet)(const er_held *h);
} er_held_ops;
#define X(name) extern const er_held_ops er_held_ops_##name;
ER_HELD_TABLE(X)
#undef X

typedef struct er_helds {
	er_list watched, lost;
	size_t bytes; /* what all have cost that live */
} er_helds;

void er_helds_init(er_helds *hs);
void er_held_init(er_held *h, er_held_kind kind, struct er_request *owner);
/* Takes it off all lists, and from its object: the last that `end` does before it frees it. */
void er_held_fini(er_held *h);
void er_held_end(er_held *h);
/* All that hang on a request. */
void er_held_end_all(er_list *owned);
/* One of them may still call JavaScript by itself. */
bool er_held_any_awake(const er_list *owned);
/* Those of one kind. */
void er_held_end_kind(er_list *owned, er_held_kind kind);

/* For engine_handle.c. It has an object now. */
void er_held_known_by(er_held *h, struct er_handle *handle);
/* It holds that many bytes more. */
void er_held_cost(er_held *h, size_t more);
/* In a collection: nobody holds the object any more. */
void er_held_lose(er_held *h);
/* The first in the line, taken out of it, with what it is to be told by; NULL: none. */
er_held *er_held_next_lost(void);
/* What its kind does about that. */
uint64_t er_held_tell_lost(er_held *h);
/* Is there one whose object may be garbage, and that somebody outside waits for? */
bool er_held_stalled(void);

#endif
