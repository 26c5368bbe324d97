/* The API's family of what runs by the clock: when it comes next, how it went, and a run now. What
 * there is and what is due, the gateway knows (er_control_ops); runs that were, the store. */
#include "base/mem.h"
#include "control/internal.h"
#include "model/cron.h"
#include "store/cron.h"

enum { PAGE = 20 };

static void answer_list(er_call *call, er_slice routine)
{
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	call->control->o.ops->crons(call->control->o.ops_ctx, routine, o);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

/* Of a confined token: those of its routines. */
void er_api_crons_all(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	if (call->actor.n_routines == 0) {
		answer_list(call, (er_slice){0});
		return;
	}
	er_out *o = &call->out;
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < call->actor.n_routines; i++)
		call->control->o.ops->crons(call->control->o.ops_ctx, call->actor.routines[i], o);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

void er_api_crons(er_call *call)
{
	ER_CHECK(call, ER_CALL_MAGIC);
	answer_list(call, call->routine);
}

static void put_run(er_out *o, const er_cron_run *r)
{
	er_out_str(o, "cron", r->cron);
	er_out_time(o, "scheduled", r->minute * 60000);
	if (r->at_ms > 0)
		er_out_time(o, "at", r->at_ms);
	er_out_cstr(o, "outcome", er_cron_outcome_name(r->outcome));
	er_out_bool(o, "manual", r->manual);
	er_out_u64(o, "status", (uint64_t)r->status);
	er_out_str(o, "error", r->error);
	er_out_u64(o, "cpu_us", r->cpu_us);
	er_out_u64(o, "wall_us", r->wall_us);
}

/* call: it waits for this, and is answered by nobody else unless control closes. */
static void on_ran(void *ctx, const er_cron_run *run, er_slice console)
{
	er_call *call = ctx;
	ER_CHECK(call, ER_CALL_MAGIC);
	er_out *o = &call->out;
	er_slice line;
	er_out_open(o, NULL, '{');
	er_out_str(o, "routine", run->routine);
	put_run(o, run);
	er_out_open(o, "console", '[');
	while (er_slice_split(&console, '\n', &line))
		if (line.n > 0)
			er_out_str(o, NULL, line);
	er_out_close(o, ']');
	er_out_close(o, '}');
	er_call_answer(call, 200);
}

typedef struct run_body {
	er_slice cron;
} run_body;

void er_api_cron_run(er_call *call)
{
	static const er_member members[] = {ER_MEMBER(run_body, "cron", cron, ER_MEMBER_STRING, false, 1, ER_CRON_TEXT)};
	run_body body = {0};
	er_err err = {0};
	ER_CHECK(call, ER_CALL_MAGIC);
	const er_control *c = call->control;
	bool ok = er_call_members(call, members, &body) && er_control_may_change(c, &call->problem);
	if (ok && !c->o.ops->cron_run(c->o.ops_ctx, call->routine, body.cron, on_ran, call, &err))
		ok = er_refuse_err(&call->problem, &err);
	if (!ok)
		er_call_refuse(call);
}

void er_api_cron_history(er_call *call)
{
	uint64_t limit = PAGE, before = 0;
	er_cron_run *rows = NULL;
	size_t n = 0;
	er_err err = {0};
	er_out *o = &call->out;
	ER_CHECK(call, ER_CALL_MAGIC);
	bool ok = er_call_query_number(call, ER_LIT("limit"), 1, ER_CRON_RUNS, &limit) &&
	          er_call_query_number(call, ER_LIT("cursor"), 1, INT64_MAX, &before);
	if (ok && !er_store_cron_runs(call->control->o.store, call->arena, call->routine, (int64_t)before, (unsigned)limit, &rows, &n,
	                              &err))
		ok = er_refuse_err(&call->problem, &err);
	if (!ok) {
		er_call_refuse(call);
		return;
	}
	er_out_open(o, NULL, '{');
	er_out_open(o, "items", '[');
	for (size_t i = 0; i < n; i++) {
		er_out_open(o, NULL, '{');
		put_run(o, &rows[i]);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	if (n == limit)
		er_out_u64(o, "next", (uint64_t)rows[n - 1].id);
	er_out_close(o, '}');
	er_call_answer(call, 200);
}
