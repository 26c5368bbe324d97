/* Finished requests and what routines say, into metrics, access log and tail. */
#include "gateway/worker_internal.h"

#include "base/mem.h"
#include "control/control.h"
#include "http/identity.h"

#include <stdio.h>

enum { LOG_BYTES = 64 * 1024, LOG_MS = 200 };

void er_worker_submit_log(er_worker *w)
{
	er_access_log_submit(w->o.log, &w->log, w->log_lines);
	w->log_lines = 0;
}

static void on_log_timer(uv_timer_t *timer)
{
	er_worker_submit_log(timer->data);
}

static void log_access(er_worker *w, const er_finished *f)
{
	if (er_buf_len(&w->log) == 0 && !w->closing) {
		uv_timer_start(&w->log_timer, on_log_timer, LOG_MS, 0);
		uv_unref((uv_handle_t *)&w->log_timer);
	}
	er_access_log_record(&w->log, f);
	w->log_lines++;
	if (er_buf_len(&w->log) >= LOG_BYTES)
		er_worker_submit_log(w);
}

static er_routine_metrics *metrics_of(er_worker *w, er_worker_snapshot *s, const er_served *served)
{
	const er_deployment *d = served->deployment;
	if (d == NULL)
		return &w->metrics.nothing[ER_ENV_PRODUCTION];
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
	er_metrics_finished(metrics_of(w, s, f->served), f);
	if ((s != NULL ? s : w->current)->config->access_log != NULL)
		log_access(w, f);
	tell_tail(w, f);
	if (w->o.events.access != NULL) {
		er_access_record rec = {
		    .x = f->x, .routine = r, .status = f->status, .sent = f->sent, .wall_us = f->wall_us, .cut = f->cut};
		w->o.events.access(w->o.events.ctx, &rec);
	}
	if (s != NULL) {
		s->uses--;
		er_worker_release(w, s);
	}
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
static void tell_killed(er_worker *w, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	if (er_tail_wants(w->o.tail) == ER_TAIL_OFF)
		return;
	er_tail_event e;
	char address[ER_ADDRESS_TEXT], text[120];
	const char *unit = why == ER_ERR_CPU ? " us" : why == ER_ERR_MEMORY ? " KB" : why == ER_ERR_TIMEOUT ? " ms" : "";
	snprintf(text, sizeof text, "an instance was ended (%s): used %llu%s, limit %llu%s", er_err_name(why),
	         (unsigned long long)used, unit, (unsigned long long)limit, unit);
	er_tail_of_routine(&e, ER_TAIL_KILL, r, x, address);
	e.error = why;
	e.text = er_slice_cstr(text);
	e.used = used;
	e.limit = limit;
	er_tail_put(w->o.tail, &e);
}

static void on_killed(void *ctx, const er_routine *r, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit)
{
	er_worker *w = ctx;
	const er_isolate_events *ev = &w->o.events.isolate;
	if (why < ER_ERR_COUNT_)
		er_metrics_count(&metrics_by_name(w, r)->kills[why]);
	if (ev->killed != NULL)
		ev->killed(ev->ctx, r, x, why, used, limit);
	tell_killed(w, r, x, why, used, limit);
}

er_isolate_events er_worker_isolate_events(er_worker *w)
{
	return (er_isolate_events){.console = on_console, .exception = on_exception, .killed = on_killed, .ctx = w};
}
