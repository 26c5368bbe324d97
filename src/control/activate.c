/* Putting the store's picture into force. One activation at a time: what changed while one runs
 * shares the next (base/rounds.h).
 *
 * A change that is written to the store joins the rounds with an er_activation of its own
 * (er_activate). When nothing runs, the gateway is asked once for all that wait together
 * (ops.activate), and calls on_done exactly once, now or later. Then each one's `done` is called.
 *
 * If it fails, everything that it was for is taken back in the store, newest first, so that each
 * `undo` finds what it left. The gateway then gets the picture once more (`repairing`): it is the
 * one that it has, so nobody is worse off; and the callers hear the first failure.
 *
 * `done` may begin a new change, and with it er_activate. That is why the round is over before the
 * first `done`, and why start comes last. An er_activation belongs to whoever waits for it (a call,
 * a job); the rounds only link it. */
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"

static void start(er_control *c);

/* The end of what runs: every one of it hears `err` (NULL: it is in force). */
static void tell(er_control *c, const er_err *err)
{
	ER_ASSERT(!er_list_empty(&c->activations.served));
	er_list done;
	er_rounds_end(&c->activations, &done);
	c->repairing = false;
	for (er_list *l; (l = er_list_pop(&done)) != NULL;) {
		er_activation *a = ER_CONTAINER(l, er_activation, link);
		ER_ASSERT(a->done != NULL && er_list_empty(&a->link)); /* it may be freed by this */
		a->done(a->ctx, err);
	}
	start(c);
}

/* The gateway's answer: to the activation, or to the repair that follows a failed one. */
static void on_done(void *ctx, const er_err *err)
{
	er_control *c = ctx;
	ER_CHECK(c, ER_CONTROL_MAGIC);
	if (c->closing)
		return; /* er_jobs_drop has emptied the lists */
	ER_ASSERT(c->activations.running);
	if (c->repairing) {
		if (err != NULL)
			er_log(ER_LOG_ERROR, "control", "what failed was taken back, but the node could not be told: %s", err->text);
		/* a copy: `done` may begin the next activation, which may fail at once */
		er_err failure = c->failure;
		tell(c, &failure);
		return;
	}
	if (err == NULL) {
		tell(c, NULL);
		return;
	}
	er_log(ER_LOG_ERROR, "control", "a change could not be put into force: %s", err->text);
	c->failure = *err;
	c->repairing = true;
	for (er_list *l = c->activations.served.prev; l != &c->activations.served; l = l->prev) {
		er_activation *a = ER_CONTAINER(l, er_activation, link);
		if (a->undo != NULL)
			a->undo(a->ctx);
	}
	c->o.ops->activate(c->o.ops_ctx, on_done, c);
}

static void start(er_control *c)
{
	if (c->closing || !er_rounds_begin(&c->activations))
		return;
	ER_ASSERT(!c->repairing);
	c->o.ops->activate(c->o.ops_ctx, on_done, c);
}

void er_activate(er_control *c, er_activation *a)
{
	ER_CHECK(c, ER_CONTROL_MAGIC);
	ER_ASSERT(a->done != NULL && !c->closing);
	er_list_init(&a->link);
	er_rounds_join(&c->activations, &a->link);
	start(c);
}
