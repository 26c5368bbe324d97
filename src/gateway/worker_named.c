/* Routines that are asked by name (er_request.routine) on a gateway thread: another routine has
 * called, or the node itself, because it was time (worker_timed.c). Such an exchange comes from no
 * session, so what a stream notes and counts of a client's exchange is noted and counted here.
 *
 *   er_worker_ask_named ─► visit: holds the configuration ─► the routine's handler ─► over: counted
 *
 * The visit lies in the exchange's arena, and is its witness until it is over. Its work may go on
 * (waitUntil): then what that costs is counted when the account is settled.
 *
 * Who calls has chosen the host of the request. Nothing of the node may depend on that: what the
 * routine fetches of "its own" host, and what it leaves to the chain behind it, is admitted as any
 * question to a site is (gateway/admit.h), in the name of the client's request. */
#include "gateway/worker_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/target.h"

typedef struct visit {
	er_witness witness;
	er_served served; /* hold: the snapshot */
	er_worker *worker;
} visit;

static void let_go(visit *v)
{
	er_worker_snapshot *s = v->served.hold;
	ER_ASSERT(s->uses > 0);
	v->served.hold = NULL;
	s->uses--;
	er_worker_release(v->worker, s);
}

static void on_over(er_witness *self, er_exchange *x)
{
	visit *v = ER_CONTAINER(self, visit, witness);
	er_finished f = {.x = x,
	                 .served = &v->served,
	                 .status = x->cancelled ? 0 : x->res.status,
	                 .wall_us = er_clock_mono_us() - x->facts.started_us,
	                 .cut = x->cancelled};
	er_worker_count_named(v->worker, &f);
	let_go(v);
}

/* It may come here again, when files were waited for. */
static void begin_visit(er_worker *w, er_exchange *x, const er_found *found, er_routine *r)
{
	visit *v = x->witness != NULL ? ER_CONTAINER(x->witness, visit, witness) : er_arena_zalloc(&x->arena, sizeof *v);
	ER_ASSERT(x->witness == NULL || x->witness->over == on_over);
	if (v->served.hold != NULL)
		let_go(v);
	w->current->uses++;
	*v = (visit){.witness = {on_over},
	             .served = {.routine = r, .deployment = found->deployment, .index = found->index, .hold = w->current},
	             .worker = w};
	if (x->facts.started_us == 0)
		x->facts.started_us = er_clock_mono_us();
	x->witness = &v->witness;
}

/* In whose name it asks further. */
static er_cache_wishes *wishes_of(er_exchange *x, const er_routine *r)
{
	er_cache_wishes *wishes = er_arena_zalloc(&x->arena, sizeof *wishes);
	wishes->owner = er_arena_copy(&x->arena, r->name);
	wishes->born = r->born;
	if (x->parent != NULL)
		wishes->home = er_arena_copy(&x->arena, er_exchange_home(x->parent));
	return wishes;
}

static void refuse(er_exchange *x, int status, const char *detail, const char *sentence)
{
	er_exchange_fail(x, status, ER_ERR_NO_ROUTE, detail, "%s", sentence);
	er_exchange_answer(x);
}

void er_worker_ask_named(er_worker_door *d, er_exchange *x)
{
	er_worker *w = d->worker;
	const er_config *config = w->current->config;
	er_found found = {.env = (er_env)x->req.environment};
	const char *why;
	if (!er_config_named(config, found.env, x->req.routine, &found)) {
		er_slice text = er_arena_printf(&x->arena, "there is no routine %.*s in %s: deploy it (er deploy%s)",
		                                ER_FMT(er_slice_head(x->req.routine, 64)), er_env_name(found.env),
		                                found.env == ER_ENV_STAGING ? " --env staging" : "");
		refuse(x, 404, "routine",
		       config->dev ? "there is no such routine at this desk: er dev --with FOLDER takes its project"
		                   : er_arena_cstr(&x->arena, text));
		return;
	}
	if (!er_target_normal(&x->arena, x->req.target, &x->req.target, &why)) {
		er_slice text = er_arena_printf(&x->arena, "the URL's path is refused: %s, which is read in different ways", why);
		refuse(x, 400, "path", er_arena_cstr(&x->arena, text));
		return;
	}
	/* Nobody's share of the clients decides when it is time: what runs has the greater
	 * part, or had. */
	er_routine *r = x->timed.on ? found.deployment->version[0] : er_deployment_choose(found.deployment, &x->peer.address);
	ER_ASSERT(r != NULL);
	x->wishes.cache = wishes_of(x, r);
	begin_visit(w, x, &found, r);
	er_worker_run_routine(d, x, &found, r);
}
