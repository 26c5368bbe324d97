/* Starts that no request waits for: an instance that is warmed up, a version that is only tried. A
 * start belongs to its instance, and is freed when its `done` was called, once. load.c and the
 * files above it say how it went. */
#include "isolate/internal.h"

#include "base/mem.h"

enum { CONSOLE_MAX = 64 * 1024 };

void er_start_begin(er_instance *in, bool trial, er_isolate_started *done, void *ctx)
{
	ER_ASSERT(in->start == NULL && !er_instance_ready(in));
	in->start = ER_NEW(er_start);
	*in->start = (er_start){.trial = trial, .since_us = er_clock_mono_us(), .done = done, .ctx = ctx};
	er_host_need_tick(in->host);
}

void er_start_finish(er_instance *in)
{
	er_start *st = in->start;
	ER_ASSERT(st != NULL && st->done != NULL && (st->result.loaded || st->result.why != ER_ERR_OK));
	in->start = NULL;
	st->result.error = er_buf_slice(&st->error);
	st->result.stack = er_buf_slice(&st->stack);
	st->result.console = er_buf_slice(&st->console);
	st->done(st->ctx, &st->result);
	er_buf_fini(&st->error);
	er_buf_fini(&st->stack);
	er_buf_fini(&st->console);
	er_free(st);
}

/* A sentence for what has no exception. */
static void explain(er_buf *out, er_err_kind why, uint64_t used, uint64_t limit, uint64_t asked)
{
	switch (why) {
	case ER_ERR_CPU:
		er_buf_printf(out, "its top-level code used more CPU time than it may: %llu ms (limits.loadCpuMs; budget=top-level)",
		              (unsigned long long)limit / 1000);
		break;
	case ER_ERR_MEMORY:
		er_buf_printf(out, "it used more memory than it may while it started: %llu MB (limits.memoryMb)",
		              (unsigned long long)limit / 1024);
		if (asked > 0)
			er_buf_printf(out, "; it asked for %llu MB more at once", (unsigned long long)(asked + 1023) / 1024);
		break;
	case ER_ERR_CODE_SIZE:
		er_buf_printf(out, "its code (%llu bytes) or its variables are too large (limits.codeBytes is %llu; 32 KB of variables)",
		              (unsigned long long)used, (unsigned long long)limit);
		break;
	case ER_ERR_TIMEOUT:
		er_buf_printf(out, "it had not started after %d s", TRY_MS / 1000);
		break;
	case ER_ERR_UNAVAILABLE:
	case ER_ERR_CANCELLED:
		er_buf_puts(out, "no sandbox could be had for it, or its code could not be read (the node's log says which)");
		break;
	default:
		er_buf_printf(out, "its sandbox ended while it started (%s)", er_err_name(why));
		break;
	}
}

void er_start_failed(er_instance *in, er_err_kind why, uint64_t used, uint64_t limit)
{
	er_start *st = in->start;
	if (st == NULL)
		return;
	st->result.loaded = false;
	if (st->result.why == ER_ERR_OK) {
		st->result.why = why == ER_ERR_OK ? ER_ERR_CRASH : why;
		st->result.cpu_us = why == ER_ERR_CPU ? used : 0;
		explain(&st->error, st->result.why, used, limit, er_instance_asked_kb(in));
	}
	er_start_finish(in);
}

bool er_start_printed(er_instance *in, er_slice text)
{
	er_start *st = in->start;
	if (st == NULL || !st->trial)
		return false;
	if (er_buf_len(&st->console) + text.n < CONSOLE_MAX) {
		er_buf_put(&st->console, text);
		er_buf_putc(&st->console, '\n');
	}
	return true;
}
