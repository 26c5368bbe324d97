/* Inside the isolate room: a call is one exchange inside one instance. The service makes it, and
 * adds it to the instance; the call waits in the instance's queue until REQUEST is written; then
 * the sandbox works on it until DONE.
 *
 *   queued ── REQUEST written ──► sent ── RESPONSE, PASS or a failure ──► answered ── DONE ──► freed
 *
 * Any of these may be left out: an instance that dies ends its calls, a client may leave at any
 * time, and a call whose instance died before anything of it was touched is made again in
 * another instance. Work that a routine leaves to waitUntil goes on between `answered` and DONE;
 * the call keeps the exchange's account open as long. er_call_free ends a call and all that it
 * has under way, and nothing else does. */
#ifndef ER_ISOLATE_CALL_H
#define ER_ISOLATE_CALL_H

#include "base/list.h"
#include "channel/frame.h"
#include "http/exchange.h"
#include "isolate/flow.h"

typedef struct er_call er_call;

struct er_call {
	uint32_t magic;
	uint32_t id; /* in instance->by_id; 0: not added yet */
	er_instance *instance;
	/* own reference until the exchange is answered, passed on or cancelled; then NULL */
	er_exchange *x;
	/* the reference of er_exchange_keep, from that moment to the call's end */
	er_exchange *account;
	er_list link;  /* instance->calls, oldest first; host->spare_calls when it is freed */
	er_list queue; /* instance->queue until REQUEST is written */
	er_list timed; /* instance->timed */
	uint64_t started_us;
	/* when it began; from its answer's head on, when something of the answer last came */
	uint64_t moved_us;
	uint32_t cpu_us; /* as the sandbox said last */
	uint32_t logs;   /* LOG frames so far */
	uint8_t retries; /* instances that died under this exchange before */
	bool sent;       /* REQUEST is in the ring */
	/* the sandbox used some of the body, or asked a question: it cannot be tried again */
	bool touched;
	bool answered; /* by the routine, or for it */
	bool expired;  /* its time was up, and the sandbox was told */
	/* answered with 101 by the sandbox itself: `upload` and `response` are the two directions, and
	 * their silence is no fault of the routine */
	bool switched;
	er_outflow upload;
	er_inflow response;
	er_list subs; /* its subrequests */
};

er_call *er_call_new(er_instance *in, er_exchange *x);
/* Writes REQUEST. False: the ring has no room now. True: written, or the call was failed and
 * freed. */
bool er_call_send(er_call *c);
/* Frees the call and ends what it holds. Its exchange must have been answered, passed on or let
 * go. */
void er_call_free(er_call *c);
/* Answers with a failure of the node's making (or lets the rest of the chain answer, if the
 * routine is set so). When the head of an answer is out already, its body breaks off. What the
 * exchange says of it is the first line of `text`; a client sees all of them. */
void er_call_fail(er_call *c, int status, er_err_kind kind, uint64_t used, uint64_t limit, const char *text);
/* The instance died under the call, which is freed. `blamed`: this call is the reason. NULL: it
 * has failed. Else another instance may try its exchange, which is returned with one reference:
 * the caller dispatches it, with *retries. */
er_exchange *er_call_orphaned(er_call *c, bool blamed, er_err_kind why, uint64_t used, uint64_t limit, uint8_t *retries);
/* RESPONSE. False: the sandbox broke the rules. The call may be freed. */
bool er_call_on_response(er_call *c, const er_frame *f, er_slice payload);
/* er_sub.answers: answers a call that has no answer yet with what one of its subrequests got. */
void er_call_answer_with(er_call *c, er_exchange *with);
/* PASS: the handler behind the routine answers. */
void er_call_on_pass(er_call *c);
/* EXCEPTION; `c` is NULL for top-level code. A fatal one fails the call and frees it. */
void er_call_on_exception(er_instance *in, er_call *c, const er_frame *f, er_slice payload);
/* The exchange of the call, also after its answer. Never NULL while a call that was sent lives. */
static inline er_exchange *er_call_exchange(const er_call *c)
{
	ER_ASSERT(c->x == NULL || c->account == NULL || c->x == c->account);
	return c->x != NULL ? c->x : c->account;
}
/* What the sandbox says that the call has used so far. A smaller figure than before changes
 * nothing. */
void er_call_cpu(er_call *c, uint32_t cpu_us);
/* Something of the call's answer has come: the time that limits.responseMs gives begins anew. */
void er_call_moved(er_call *c);
/* The time of the call is up: it fails, and the sandbox is told. May free it. */
void er_call_expire(er_call *c);

#endif
