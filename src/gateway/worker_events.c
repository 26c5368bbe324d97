/* Finished requests and what routines say, into metrics, access log and tail.
 *
 * er_worker_finished is called once for each request that a handler was given: when its answer is
 * out, when the session refuses it, or when the client has gone. The functions at the end are the
 * callbacks of the isolates (er_isolate_events): console, exceptions, instances that were ended.
 * All run on the gateway thread; only the log's writer and the ring of the tail are shared with
 * others.
 *
 * A request whose routine works on (its account is open) is counted at once, but its line of the
 * access log says what it has cost in all, so the line waits in an `unsettled`: until the account
 * is closed (on_settled, which frees it), or OPEN_MS or OPEN_MAX are exceeded, and then the line
 * goes out as it is and says that it still runs. The object itself stays until the account is
 * closed. */
#include "gateway/worker_internal.h"

#include "base/mem.h"
#include "control/control.h"
#include "http/identity.h"

#include <stdio.h>

enum {
	LOG_BYTES = 64 * 1024,
	LOG_MS = 200,
	OPEN_MS = 10000, /* a request's line waits so long for the end of its work */
	OPEN_MAX = 4096, /* so many lines wait */
};

/* A request that was answered while its routine works on. The exchange lives until that is
 * settled. */
typedef struct unsettled {
	er_auditor auditor; /* of the exchange, until it is settled */
	er_list link;       /* w->unsettled, oldest first, while its line waits */
	er_worker *w;
	er_routine_metrics *metrics;
	uint64_t told_us; /* CPU that the metrics have */
	uint64_t since_ms;
	er_buf line; /* empty: written, or there is no access log */
	size_t cpu_at;
} unsettled;

void er_worker_submit_log(er_worker *w)
{
	er_access_log_submit(w->o.log, &w->log, w->log_lines);
	w->log_lines = 0;
}

static void write_line(unsettled *u, uint64_t cpu_us, bool running)
{
	er_worker *w = u->w;
	ER_ASSERT(w->n_unsettled > 0 && er_buf_len(&u->line) > 0 && !er_list_empty(&u->link));
	er_list_remove(&u->link);
	w->n_unsettled--;
	er_access_log_settle(&w->log, er_buf_slice(&u->line), u->cpu_at, cpu_us, running);
	er_buf_fini(&u->line);
	w->log_lines++;
}

static void on_log_timer(uv_timer_t *timer)
{
	er_worker *w = timer->data;
	uint64_t now = uv_now(&w->loop);
	while (!er_list_empty(&w->unsettled)) {
		unsettled *u = ER_CONTAINER(w->unsettled.next, unsettled, link);
		if (now - u->since_ms < OPEN_MS)
			break;
		write_line(u, u->told_us, true);
	}
	er_worker_submit_log(w);
	if (!er_list_empty(&w->unsettled))
		uv_timer_start(timer, on_log_timer, LOG_MS, 0);
}

/* Lines are handed on after LOG_MS at the latest. The timer alone keeps no loop alive. */
static void need_log_timer(er_worker *w)
{
	if (w->closing || uv_is_active((uv_handle_t *)&w->log_timer))
		return;
	uv_timer_start(&w->log_timer, on_log_timer, LOG_MS, 0);
	uv_unref((uv_handle_t *)&w->log_timer);
}

static void log_access(er_worker *w, const er_finished *f)
{
	need_log_timer(w);
	er_access_log_record(&w->log, f);
	w->log_lines++;
	if (er_buf_len(&w->log) >= LOG_BYTES)
		er_worker_submit_log(w);
}

static void on_settled(er_auditor *self, er_exchange *x)
{
	unsettled *u = ER_CONTAINER(self, unsettled, auditor);
	if (x->facts.cpu_us > u->told_us)
		er_metrics_late_cpu(u->metrics, x->facts.cpu_us - u->told_us);
	if (er_buf_len(&u->line) > 0) {
		need_log_timer(u->w);
		write_line(u, x->facts.cpu_us, false);
	}
	er_free(u);
}

/* The account of a request is open: its line waits, and so does what the metrics have not
 * counted. */
static void wait_for_end(er_worker *w, const er_finished *f, er_routine_metrics *m, bool log)
{
	ER_ASSERT(w->n_unsettled <= OPEN_MAX);
	unsettled *u = ER_NEW(unsettled);
	*u = (unsettled){.auditor = {on_settled}, .w = w, .metrics = m, .told_us = f->x->facts.cpu_us, .since_ms = uv_now(&w->loop)};
	er_list_init(&u->link);
	ER_ASSERT(f->x->auditor == NULL);
	f->x->auditor = &u->auditor;
	if (!log)
		return;
	if (w->n_unsettled >= OPEN_MAX) {
		unsettled *oldest = ER_CONTAINER(w->unsettled.next, unsettled, link);
		write_line(oldest, oldest->told_us, true);
	}
	u->cpu_at = er_access_log_record(&u->line, f);
	er_list_push(&w->unsettled, &u->link);
	w->n_unsettled++;
	need_log_timer(w);
}

void er_worker_write_unsettled(er_worker *w)
{
	while (!er_list_empty(&w->unsettled)) {
		unsettled *u = ER_CONTAINER(w->unsettled.next, unsettled, link);
		write_line(u, u->told_us, true);
	}
}

/* The counters of a deployment, found once and kept with the configuration that serves it. */
static er_routine_metrics *metrics_of(er_worker *w, er_worker_snapshot *s, const er_served *served)
{
	const er_deployment *d = served->deployment;
	if (d == NULL)
		return &w->metrics.nothing[ER_ENV_PRODUCTION];
	ER_ASSERT(s != NULL && served->index < s->config->n_deployments && s->config->deployments[served->index] == d);
	er_routine_metrics **m = &s->metrics[served->index];
	if (*m == NULL)
		*m = er_metrics_of(&w->metrics, d->env, d->name);
	return *m;
}

/* For the history failures are told always, ordinary requests at a bounded rate. */
static bool tail_takes(er_worker *w, er_tail_level level, const er_finished *f)
{
	if (level == ER_TAIL_ALL || f->status >= 500 || f->x->res.error != ER_ERR_OK || f->x->facts.failed != ER_ERR_OK)
		return true;
	uint64_t second = uv_now(&w->loop) / 1000;
	if (second != w->tail_second) {
		w->tail_second = second;
		ER_ASSERT(w->o.of > 0);
		w->tail_left = (ER_TAIL_IDLE_RATE + w->o.of - 1) / w->o.of;
	}
	if (w->tail_left == 0)
		return false;
	w->tail_left--;
	return true;
}

static void tell_tail(er_worker *w, const er_finished *f)
{
	er_tail_level level = er_tail_wants(w->o.tail);
	if (level == ER_TAIL_OFF || f->served->routine == NULL || !tail_takes(w, level, f))
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_request(&e, f, address);
	er_tail_put(w->o.tail, &e);
}

void er_worker_finished(void *ctx, const er_finished *f)
{
	er_worker *w = ctx;
	er_worker_snapshot *s = f->served->hold;
	const er_routine *r = f->served->routine;
	er_routine_metrics *m = metrics_of(w, s, f->served);
	bool log = (s != NULL ? s : w->current)->config->access_log != NULL;
	er_metrics_finished(m, f);
	if (f->x->facts.open && f->x->auditor == NULL) /* else its visit hears of it (worker_named.c) */
		wait_for_end(w, f, m, log);
	else if (log)
		log_access(w, f);
	tell_tail(w, f);
	if (w->o.events.access != NULL) {
		er_access_record rec = {
		    .x = f->x, .routine = r, .status = f->status, .sent = f->sent, .wall_us = f->wall_us, .cut = f->cut};
		w->o.events.access(w->o.events.ctx, &rec);
	}
	if (f->served->counted)
		er_gate_end(w->o.gate, &f->x->peer.address);
	if (s != NULL) {
		ER_ASSERT(s->uses > 0);
		s->uses--;
		er_worker_release(w, s);
	}
}

void er_worker_count_named(er_worker *w, const er_finished *f)
{
	er_routine_metrics *m = metrics_of(w, f->served->hold, f->served);
	er_metrics_finished(m, f);
	if (f->x->facts.open)
		wait_for_end(w, f, m, false);
	tell_tail(w, f);
}

static void on_console(void *ctx, const er_routine *r, er_exchange *x, unsigned level, er_slice text)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	if (ev->console != NULL)
		ev->console(ev->ctx, r, x, level, text);
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_routine(&e, ER_TAIL_CONSOLE, r, x, address);
	e.level = level;
	e.text = text;
	er_tail_put(w->o.tail, &e);
}

static er_routine_metrics *metrics_by_name(er_worker *w, const er_routine *r)
{
	return er_metrics_of(&w->metrics, (er_env)r->environment, r->name);
}

static void on_exception(void *ctx, const er_routine *r, er_exchange *x, er_slice name, er_slice text, er_slice stack, bool fatal)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	er_metrics_count(&metrics_by_name(w, r)->exceptions);
	if (ev->exception != NULL)
		ev->exception(ev->ctx, r, x, name, text, stack, fatal);
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT];
	er_tail_of_routine(&e, ER_TAIL_EXCEPTION, r, x, address);
	e.name = name;
	e.text = text;
	e.stack = stack;
	e.fatal = fatal;
	er_tail_put(w->o.tail, &e);
}

/* The same sentence as in the node's log. */
static void tell_killed(er_worker *w, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit,
                        uint64_t asked, const char *budget)
{
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT], text[256];
	const char *unit = why == ER_ERR_CPU ? " us" : why == ER_ERR_MEMORY ? " KB" : why == ER_ERR_TIMEOUT ? " ms" : "";
	char more[64] = "";
	if (asked > 0)
		snprintf(more, sizeof more, "; it asked for %llu KB more at once", (unsigned long long)asked);
	else if (why == ER_ERR_MEMORY && used < limit)
		snprintf(more, sizeof more, "; it asked for more at once than was left");
	snprintf(text, sizeof text, "an instance was ended (%s): used %llu%s, limit %llu%s%s%s%s", er_err_name(why),
	         (unsigned long long)used, unit, (unsigned long long)limit, unit, budget ? ", budget " : "", budget ? budget : "",
	         more);
	er_tail_of_routine(&e, ER_TAIL_KILL, r, x, address);
	e.error = why;
	e.text = er_slice_cstr(text);
	e.used = used;
	e.limit = limit;
	e.asked = asked;
	e.budget = budget;
	er_tail_put(w->o.tail, &e);
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit,
                      uint64_t asked, const char *budget)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	if (why < ER_ERR_COUNT_)
		er_metrics_count(&metrics_by_name(w, r)->kills[why]);
	if (ev->killed != NULL)
		ev->killed(ev->ctx, r, x, why, used, limit, asked, budget);
	tell_killed(w, r, x, why, used, limit, asked, budget);
}

static void on_spawner_gone(void *ctx)
{
	const er_worker *w = ctx;
	w->o.spawner_gone(w->o.ctx);
}

static void on_inspect(void *ctx, const er_routine *r, int fd)
{
	const er_worker *w = ctx;
	w->o.events.isolate.inspect(w->o.events.isolate.ctx, r, fd);
}

er_isolate_events er_worker_isolate_events(er_worker *w)
{
	return (er_isolate_events){.console = on_console,
	                           .exception = on_exception,
	                           .killed = on_killed,
	                           .inspect = w->o.events.isolate.inspect != NULL ? on_inspect : NULL,
	                           .spawner_gone = on_spawner_gone,
	                           .ctx = w};
}
