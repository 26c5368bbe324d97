/* Inside the isolate room: a subrequest is one question of a call, from FETCH until nothing of
 * the answer is left to say. Its exchange is a child of the call's exchange (http/exchange.h).
 *
 *   asked ── answer ──► answered: the body goes to the sandbox, or is relayed ── both bodies over ──► freed
 *
 * FETCH_CANCEL, a failure and the end of the call free it at any time.
 *
 * A copy of a body (clone.c) is a subrequest that begins as answered: it has a response's body and
 * nothing else, no exchange, no lease and no upload. */
#ifndef ER_ISOLATE_SUB_H
#define ER_ISOLATE_SUB_H

#include "isolate/call.h"
#include "isolate/lease.h"

typedef struct er_sub er_sub;
/* Gives a call the answer of one of its subrequests. */
typedef void er_sub_answers(er_call *c, er_exchange *with);

struct er_sub {
	uint32_t magic;
	uint32_t id; /* in instance->subs; chosen by the sandbox, not 0 */
	er_asker asker;
	er_call *call;
	er_list link;    /* call->subs */
	er_exchange *x;  /* own reference until the answer; then NULL */
	er_lease *lease; /* own reference; NULL while it is being made, and of a copy */
	/* own reference of the answered exchange, without a body, while its head may still be handed on
	 * together with the body; else NULL */
	er_exchange *kept;
	er_sub_answers *answers; /* FETCH_ANSWER. NULL: the answer goes to the sandbox */
	bool pull;               /* FETCH_PULL */
	bool over;               /* being freed */
	bool switched;           /* its answer is 101: `upload` is the other direction */
	er_outflow response;
	er_inflow upload;
};

/* A record of the call, under a number that is free. */
er_sub *er_sub_new(er_call *c, uint32_t id);
/* FETCH. `answers` is called if the answer is to be its request's. False: the sandbox broke the
 * rules. */
bool er_sub_start(er_instance *in, const er_frame *f, er_slice payload, er_sub_answers *answers);
void er_sub_free(er_sub *s, er_err_kind reason);
/* The body of its answer goes to the sandbox, when that asks for it. */
void er_sub_respond(er_sub *s, er_body *body);
/* Takes the body of its answer, to hand it on; one reference. NULL: there is none (any more). *up:
 * of a 101 the body of the other direction, likewise; else NULL. May free the subrequest. */
er_body *er_sub_relay(er_sub *s, er_body **up);
/* What of a head can be kept: bytes of its fields. */
enum { ER_SUB_KEPT = 4096 };
/* Copies reason and fields of an answer to `out`, which lives in `a`, without what no answer may
 * say of itself. */
void er_sub_copy_head(const er_response *from, er_response *out, er_arena *a);
/* Frees the subrequest if it is answered and neither body has anything left to say. */
void er_sub_settle(er_sub *s);

/* CLONE (clone.c). False: the sandbox broke the rules. */
bool er_clone_start(er_instance *in, const er_frame *f, er_slice payload);

#endif
