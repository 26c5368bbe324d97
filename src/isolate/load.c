/* How an instance's code reaches its sandbox: er_load_pump writes LOAD and CODE over the ring as
 * far as there is room, the sandbox evaluates the code and says LOADED (er_load_done). supply.c
 * calls the one, frames.c the other. */
#include "isolate/internal.h"

#include "base/mem.h"

#include <stdio.h>

enum { CODE_FRAME = 32 * 1024, ERROR_MAX = 4096 };

/* ---- writing it ---- */

/* What env has beside variables, as LOAD says it. */
static void put_bindings(const er_routine *r, er_buf *b)
{
	for (size_t i = 0; i < r->n_kv; i++)
		er_buf_printf(b, "kv\n%.*s\n%.*s\n", ER_FMT(r->kv[i].name), ER_FMT(r->kv[i].target));
	for (size_t i = 0; i < r->n_services; i++)
		er_buf_printf(b, "service\n%.*s\n%.*s\n", ER_FMT(r->services[i].name), ER_FMT(r->services[i].target));
	if (r->files)
		er_buf_puts(b, "assets\nASSETS\n\n");
}

/* Writes LOAD. False: no room in the ring yet, or the instance was ended. */
static bool begin_load(er_instance *in)
{
	ER_ASSERT(in->state.now == INSTANCE_SENDING && in->load_at == 0);
	const er_routine *r = in->routine;
	const er_slice strings[] = {r->name, r->version, r->source_url, er_piece_slice(in->code->env)};
	size_t n = sizeof(er_load_limits), code_n = in->code->script.n;
	for (size_t i = 0; i < 4; i++)
		n += 4 + strings[i].n;
	er_buf bindings = {0};
	put_bindings(r, &bindings);
	if (er_buf_len(&bindings) > 0)
		n += 4 + er_buf_len(&bindings);
	/* the configuration refuses both; this is the second lock */
	if (n > ER_FRAME_MAX || code_n >= r->limits.code_n) {
		er_buf_fini(&bindings);
		er_instance_kill(in, ER_ERR_CODE_SIZE, code_n, r->limits.code_n);
		return false;
	}
	er_frame f = {.n = (uint32_t)n, .type = ER_FRAME_LOAD};
	uint8_t *p = er_instance_frame_out(in, &f);
	if (p == NULL) {
		er_buf_fini(&bindings);
		return false;
	}
	er_writer w = {p};
	for (size_t i = 0; i < 4; i++)
		er_put_string(&w, strings[i]);
	const er_limits *l = &r->limits;
	const er_load_limits limits = {.cpu_us = l->cpu_us,
	                               .load_cpu_us = l->load_cpu_us,
	                               .memory_kb = l->memory_kb,
	                               .subrequests = l->subrequests,
	                               .timers = l->timers,
	                               .code_n = (uint32_t)code_n,
	                               .compat = r->compat,
	                               .live_subs = in->sub_credit,
	                               .message_n = l->message_n};
	er_put_bytes(&w, er_slice_of(&limits, sizeof limits));
	if (er_buf_len(&bindings) > 0)
		er_put_string(&w, er_buf_slice(&bindings));
	er_buf_fini(&bindings);
	ER_ASSERT(w.p == p + n);
	in->load_begun = true;
	int inspect = in->box->inspect;
	in->box->inspect = -1;
	if (inspect >= 0)
		in->host->config.events.inspect(in->host->config.events.ctx, r, inspect);
	return true;
}

bool er_load_pump(er_instance *in)
{
	ER_ASSERT(in->state.now == INSTANCE_SENDING && in->code != NULL);
	er_slice code = er_piece_slice(in->code->script);
	ER_ASSERT(in->load_at <= code.n);
	if (!in->load_begun && !begin_load(in))
		return false;
	do {
		er_slice part = er_slice_head(er_slice_from(code, in->load_at), CODE_FRAME);
		bool last = in->load_at + part.n == code.n;
		er_frame f = {.n = (uint32_t)part.n, .type = ER_FRAME_CODE, .flags = last ? ER_FF_FIN : 0};
		uint8_t *p = er_instance_frame_out(in, &f);
		if (p == NULL)
			return false;
		er_copy(p, part.p, part.n);
		in->load_at += part.n;
	} while (in->load_at < code.n);
	er_instance_move(in, INSTANCE_ON_SENT);
	return true;
}

/* ---- LOADED ---- */

/* What top-level code threw, for whoever tries it. */
static void note_exception(er_instance *in, er_slice payload)
{
	er_start *st = in->start;
	er_buf copy = {0};
	er_buf_put(&copy, payload);
	er_reader r = {.rest = er_buf_slice(&copy)};
	er_slice name = er_get_string(&r), message = er_get_string(&r), raw = er_get_string(&r);
	st->result.why = ER_ERR_EXCEPTION;
	er_buf_printf(&st->error, "%.*s%s%.*s", ER_FMT(er_slice_head(name, 100)), name.n && message.n ? ": " : "",
	              ER_FMT(er_slice_head(message, ERROR_MAX)));
	er_sourcemap_stack(er_service_map(in->service, in->code), in->routine->source_url, raw, &st->stack);
	er_buf_fini(&copy);
}

/* A version that was tried goes, however it went. */
static void end_trial(er_instance *in, const er_frame *f, er_slice payload)
{
	er_start *st = in->start;
	ER_ASSERT(st->trial && in->n_calls == 0);
	st->result.loaded = f->aux == ER_ERR_OK;
	st->result.cpu_us = f->arg;
	st->result.memory_kb = er_box_anonymous_kb(in->box);
	if (!st->result.loaded)
		note_exception(in, payload);
	er_start_finish(in);
	if (f->aux == ER_ERR_OK)
		er_instance_close(in);
	else
		er_instance_kill(in, ER_ERR_EXCEPTION, 0, 0);
}

/* What clients see of an exception of top-level code, under er dev. */
static void show_exception(char *text, size_t cap, er_slice payload)
{
	er_buf copy;
	er_buf_init(&copy);
	er_buf_put(&copy, payload);
	er_reader r = {.rest = er_buf_slice(&copy)};
	er_slice name = er_get_string(&r), message = er_get_string(&r);
	snprintf(text, cap, "The routine failed while it started: %.*s: %.*s", ER_FMT(er_slice_head(name, 60)),
	         ER_FMT(er_slice_head(message, 400)));
	er_buf_fini(&copy);
}

bool er_load_done(er_instance *in, const er_frame *f, er_slice payload)
{
	if (in->state.now != INSTANCE_STARTING) /* a second time, or before it has all of the code */
		return false;
	er_instance_move(in, f->aux == ER_ERR_OK ? INSTANCE_ON_LOADED : INSTANCE_ON_THREW);
	if (in->start != NULL && in->start->trial) {
		end_trial(in, f, payload);
		return true;
	}
	if (f->aux == ER_ERR_OK) {
		in->last_used_us = er_clock_mono_us();
		if (in->start != NULL) {
			in->start->result = (er_isolate_start){.loaded = true, .cpu_us = f->arg};
			er_start_finish(in);
		}
		return true;
	}
	er_frame report = *f;
	report.flags = ER_FF_FATAL;
	er_call_on_exception(in, NULL, &report, payload);
	char text[600] = "The routine failed while it started: its top-level code threw an exception.";
	if (in->host->config.show_errors)
		show_exception(text, sizeof text, payload);
	er_service_failed(in->service, ER_ERR_EXCEPTION);
	er_start_failed(in, ER_ERR_EXCEPTION, 0, 0);
	if (!er_list_empty(&in->calls)) /* who came first has made it start */
		er_call_cpu(ER_CONTAINER(in->calls.next, er_call, link), f->arg);
	while (!er_list_empty(&in->calls)) {
		er_call *c = ER_CONTAINER(in->calls.next, er_call, link);
		er_call_fail(c, 599, ER_ERR_EXCEPTION, 0, 0, text);
		er_call_free(c);
	}
	er_instance_kill(in, ER_ERR_EXCEPTION, 0, 0);
	return true;
}
