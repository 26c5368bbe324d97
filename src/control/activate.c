/* Putting the store's picture into force. One activation at a time: what changed while one runs shares the next. If one fails, everything that
 * it was for is taken back, newest first, and the node gets the picture once more: it is then the one that it has, so nobody is worse off. */
#include "base/log.h"
#include "base/mem.h"
#include "control/internal.h"

static void start(er_control *c);

static void tell(er_control *c, const er_err *err)
{
	er_list done;
	er_list_init(&done);
	for (er_list *l; (l = er_list_pop(&c->running)) != NULL;)
		er_list_push(&done, l);
	c->activating = c->repairing = false;
	for (er_list *l; (l = er_list_pop(&done)) != NULL;) {
		er_activation *a = ER_CONTAINER(l, er_activation, link);
		a->done(a->ctx, err);
	}
	start(c);
}

static void on_done(void *ctx, const er_err *err)
{
	er_control *c = ctx;
	ER_CHECK(c, ER_CONTROL_MAGIC);
	if (c->closing)
		return;
	if (c->repairing) {
		if (err != NULL)
			er_log(ER_LOG_ERROR, "control", "what failed was taken back, but the node could not be told: %s", err->text);
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
	for (er_list *l = c->running.prev; l != &c->running; l = l->prev) {
		er_activation *a = ER_CONTAINER(l, er_activation, link);
		if (a->undo != NULL)
			a->undo(a->ctx);
	}
	c->o.ops->activate(c->o.ops_ctx, on_done, c);
}

static void start(er_control *c)
{
	if (c->activating || c->closing || er_list_empty(&c->waiting))
		return;
	c->activating = true;
	for (er_list *l; (l = er_list_pop(&c->waiting)) != NULL;)
		er_list_push(&c->running, l);
	c->o.ops->activate(c->o.ops_ctx, on_done, c);
}

void er_activate(er_control *c, er_activation *a)
{
	er_list_init(&a->link);
	er_list_push(&c->waiting, &a->link);
	start(c);
}
