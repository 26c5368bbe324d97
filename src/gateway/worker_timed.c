/* Runs of routines because it is time (timed.h). A run is an exchange that names its routine and
 * says which time it is; worker_named.c gives it to the routine, whose answer says how it went.
 * Limits, log, tail and metrics are those of a call of the routine by another one. */
#include "gateway/worker_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/timed.h"
#include "http/authority.h"
#include "model/cron.h"

#include <stdio.h>

static void give_back(er_timed *t)
{
	ER_ASSERT(t->x == NULL);
	t->back(t->node, t);
}

static void note(er_timed *t, const er_exchange *x)
{
	t->status = x->res.status;
	t->error = x->res.error;
	t->cpu_us = x->facts.cpu_us;
	t->wall_us = er_clock_mono_us() - x->facts.started_us;
	snprintf(t->text, sizeof t->text, "%.*s", ER_FMT(er_slice_head(x->res.error_text, sizeof t->text - 1)));
}

static void on_answered(er_asker *asker, er_exchange *x)
{
	er_timed *t = ER_CONTAINER(asker, er_timed, asker);
	ER_ASSERT(t->x == x);
	note(t, x);
	t->x = NULL;
	if (x->res.body != NULL)
		er_body_cancel(x->res.body, ER_ERR_CANCELLED);
	er_exchange_unref(x);
	give_back(t);
}

static void on_broken(er_asker *asker, er_exchange *x)
{
	er_timed *t = ER_CONTAINER(asker, er_timed, asker);
	note(t, x);
	t->x = NULL;
	er_exchange_unref(x);
	give_back(t);
}

void er_worker_begin_timed(er_worker *w, er_timed *t)
{
	if (w->stopping) {
		t->error = ER_ERR_UNAVAILABLE;
		snprintf(t->text, sizeof t->text, "the node is ending");
		give_back(t);
		return;
	}
	er_exchange *x = t->x = er_exchange_new();
	t->asker = (er_asker){.answered = on_answered, .broken = on_broken};
	x->asker = &t->asker;
	x->id = t->number;
	x->facts.started_us = er_clock_mono_us();
	x->req.method = ER_LIT("SCHEDULED");
	x->req.scheme = ER_LIT("http");
	x->req.authority = er_arena_copy(&x->arena, t->routine);
	x->req.target = ER_LIT("/");
	x->req.routine = x->req.authority;
	x->req.environment = (uint8_t)t->env;
	x->timed = (er_timed_event){.on = true, .cron = er_arena_copy(&x->arena, t->cron), .at_ms = t->at_ms};
	er_exchange_enter(x, &w->doors[t->env].chain, ER_AT_ROUTINE);
}

/* ---- er dev ---- */

static unsigned digit(uint8_t c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(er_lower(c) - 'a' + 10);
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (er_lower(c) >= 'a' && er_lower(c) <= 'f');
}

/* The value of "cron=" in a query, with "+" and "%20" as spaces; empty: there is none. */
static er_slice cron_of(er_arena *a, er_slice query)
{
	er_slice one;
	while (er_slice_split(&query, '&', &one))
		if (er_slice_starts(one, ER_LIT("cron="))) {
			one = er_slice_head(er_slice_from(one, 5), ER_CRON_TEXT * 3);
			uint8_t *to = er_arena_alloc(a, one.n + 1);
			size_t n = 0;
			for (size_t i = 0; i < one.n; i++) {
				bool coded = one.p[i] == '%' && i + 2 < one.n && is_hex(one.p[i + 1]) && is_hex(one.p[i + 2]);
				uint8_t c = coded ? (uint8_t)(digit(one.p[i + 1]) << 4 | digit(one.p[i + 2])) : one.p[i] == '+' ? ' ' : one.p[i];
				to[n++] = c < ' ' ? ' ' : c;
				i += coded ? 2 : 0;
			}
			return er_slice_of(to, n);
		}
	return (er_slice){0};
}

bool er_worker_is_time(const er_config *config, er_exchange *x)
{
	er_slice path = er_slice_head(x->req.target, er_slice_find(x->req.target, '?'));
	if (!config->dev || config->n_deployments == 0 || !er_slice_eq(path, ER_LIT("/__scheduled")))
		return false;
	er_slice cron = cron_of(&x->arena, er_slice_from(x->req.target, path.n < x->req.target.n ? path.n + 1 : path.n));
	er_slice host = er_host_of(x->req.authority), local = ER_LIT(".localhost"), first = config->deployments[0]->version[0]->crons;
	er_found found;
	bool named =
	    er_slice_ends(host, local) && er_config_named(config, ER_ENV_PRODUCTION, er_slice_head(host, host.n - local.n), &found);
	if (cron.n == 0)
		(void)er_slice_split(&first, '\n', &cron);
	x->timed = (er_timed_event){.on = true, .cron = cron, .at_ms = (int64_t)(er_clock_wall_us() / 1000U)};
	x->req.routine = named ? found.deployment->name : config->deployments[0]->name;
	x->req.environment = ER_ENV_PRODUCTION;
	return true;
}
