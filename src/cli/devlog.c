/* What er dev shows of a running node (devlog.h). Gateway threads call the on_ functions: each
 * copies what it is given into a report, puts it into the queue under the lock and wakes the loop.
 * The loop's thread takes the whole queue and writes it, so that a slow terminal holds up no
 * gateway thread; if the queue is full, reports are dropped and counted.
 *
 * What the loop's thread says itself (a build, a note) goes out after what is queued, so that lines
 * keep their order (write_now). A report belongs to the queue until it is written; the log is freed
 * when its handle has closed, which is after the node and its threads are gone. */
#include "cli/devlog.h"

#include "base/list.h"
#include "cli/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { MAGIC = 0x4445564c, QUEUE_MAX = 16 * 1024 * 1024 };

typedef enum report_kind { CONSOLE, EXCEPTION, KILLED, REQUEST } report_kind;

/* One record on its way from a gateway thread to the terminal. Texts are copies. */
typedef struct report {
	er_list link;
	report_kind kind;
	unsigned level; /* CONSOLE */
	bool fatal, cut, cold;
	int status;
	er_err_kind error;
	const char *budget;              /* KILLED for CPU: whose limit it was */
	uint64_t id;                     /* of the request */
	uint64_t used, limit, asked;     /* KILLED: in the limit's unit (er_err_unit) */
	uint64_t wall_us, cpu_us, bytes; /* REQUEST */
	er_buf where;                    /* "GET /path", or empty: top-level code */
	er_buf text, stack;
} report;

/* Threads add records under the lock; the loop writes them. */
struct er_devlog {
	uint32_t magic;
	bool json, colour;
	er_inspector *inspector; /* NULL: nobody debugs */
	uv_async_t wake;
	uv_mutex_t lock;
	er_list queue; /* under the lock */
	size_t queued; /* bytes, under the lock */
	uint64_t dropped;
};

/* ---- gateway threads ---- */

/* What it costs the queue. */
static size_t weight(const report *r)
{
	return sizeof *r + er_buf_len(&r->where) + er_buf_len(&r->text) + er_buf_len(&r->stack);
}

static void report_free(report *r)
{
	er_buf_fini(&r->where);
	er_buf_fini(&r->text);
	er_buf_fini(&r->stack);
	er_free(r);
}

/* With what it is about, if it is about a request: the exchange is gone when the report is
 * written. */
static report *report_new(report_kind kind, const er_exchange *x)
{
	report *r = ER_NEW(report);
	r->kind = kind;
	er_list_init(&r->link);
	if (x != NULL) {
		r->id = x->id;
		er_buf_put(&r->where, er_slice_head(x->req.method, 32));
		er_buf_putc(&r->where, ' ');
		er_buf_put(&r->where, er_slice_head(x->req.target, 256));
		if (x->req.target.n > 256)
			er_buf_puts(&r->where, "...");
	}
	return r;
}

/* Takes r. Any thread. */
static void submit(er_devlog *log, report *r)
{
	ER_CHECK(log, MAGIC);
	ER_ASSERT(er_list_empty(&r->link));
	size_t n = weight(r);
	uv_mutex_lock(&log->lock);
	ER_ASSERT(log->queued <= QUEUE_MAX);
	bool room = log->queued + n <= QUEUE_MAX;
	if (room) {
		er_list_push(&log->queue, &r->link);
		log->queued += n;
	} else {
		log->dropped++;
	}
	uv_mutex_unlock(&log->lock);
	if (!room)
		report_free(r);
	(void)uv_async_send(&log->wake);
}

static void on_console(void *ctx, const er_routine *routine, er_exchange *x, unsigned level, er_slice text)
{
	(void)routine;
	report *r = report_new(CONSOLE, x);
	r->level = level < 5 ? level : 4;
	er_buf_put(&r->text, text);
	submit(ctx, r);
}

static void on_exception(void *ctx, const er_routine *routine, er_exchange *x, er_slice name, er_slice message, er_slice stack,
                         bool fatal)
{
	(void)routine;
	report *r = report_new(EXCEPTION, x);
	r->fatal = fatal;
	er_buf_put(&r->text, name.n ? name : ER_LIT("Error"));
	if (message.n)
		er_buf_puts(&r->text, ": ");
	er_buf_put(&r->text, message);
	er_buf_put(&r->stack, stack);
	submit(ctx, r);
}

static void on_killed(void *ctx, const er_routine *routine, er_exchange *x, er_err_kind why, uint64_t used, uint64_t limit,
                      uint64_t asked, const char *budget)
{
	(void)routine;
	report *r = report_new(KILLED, x);
	r->error = why;
	r->used = used;
	r->limit = limit;
	r->asked = asked;
	r->budget = budget;
	submit(ctx, r);
}

static void on_inspect(void *ctx, const er_routine *routine, int fd)
{
	const er_devlog *log = ctx;
	/* Of the routines that the project calls nobody debugs: they go on when the socket ends. */
	if (er_slice_starts(routine->source_url, ER_LIT("file:")))
		er_inspector_take(log->inspector, fd);
	else
		close(fd);
}

/* One request that is over: copied, since the exchange ends with this call. */
static void on_access(void *ctx, const er_access_record *rec)
{
	report *r = report_new(REQUEST, rec->x);
	r->status = rec->status;
	r->wall_us = rec->wall_us;
	r->cpu_us = rec->x->facts.cpu_us;
	r->bytes = rec->sent;
	r->cut = rec->cut;
	r->cold = rec->x->facts.cold_start;
	r->error = rec->x->res.error;
	er_buf_put(&r->text, er_slice_head(rec->x->res.error_text, 512));
	submit(ctx, r);
}

/* ---- the loop's thread ---- */

/* A record as a person reads it; with --json it is written elsewhere. */
static void text_of(const er_devlog *log, er_buf *b, const report *r)
{
	static const er_event_kind kinds[] = {
	    [CONSOLE] = ER_EVENT_CONSOLE, [EXCEPTION] = ER_EVENT_EXCEPTION, [KILLED] = ER_EVENT_KILLED, [REQUEST] = ER_EVENT_REQUEST};
	ER_ASSERT((unsigned)r->kind < sizeof kinds / sizeof *kinds && !log->json);
	er_event_put(b, log->colour,
	             &(er_event){.kind = kinds[r->kind],
	                         .where = er_buf_slice(&r->where),
	                         .level = r->level,
	                         .fatal = r->fatal,
	                         .cut = r->cut,
	                         .cold = r->cold,
	                         .status = r->status,
	                         .error = r->error != ER_ERR_OK ? er_slice_cstr(er_err_name(r->error)) : (er_slice){NULL, 0},
	                         .text = er_buf_slice(&r->text),
	                         .stack = er_buf_slice(&r->stack),
	                         .wall_us = r->wall_us,
	                         .cpu_us = r->cpu_us,
	                         .bytes = r->bytes,
	                         .used = r->used,
	                         .asked = r->asked,
	                         .limit = r->limit,
	                         .budget = er_slice_cstr(r->budget ? r->budget : "")});
}

/* "used_us", "limit_kb", ... */
static void amount(er_out *o, const char *what, er_err_kind of, uint64_t v)
{
	char key[32];
	snprintf(key, sizeof key, "%s%s", what, er_err_unit(of));
	er_out_u64(o, key, v);
}

static void json_request(er_out *o, const report *r)
{
	er_out_u64(o, "status", (uint64_t)r->status);
	er_out_ms(o, "wall_ms", r->wall_us);
	er_out_u64(o, "cpu_us", r->cpu_us);
	er_out_u64(o, "bytes", r->bytes);
	er_out_bool(o, "cold_start", r->cold);
	er_out_bool(o, "cut", r->cut);
	if (r->error == ER_ERR_OK)
		return;
	er_out_cstr(o, "error", er_err_name(r->error));
	er_out_str(o, "text", er_buf_slice(&r->text));
}

/* One object a line; their members are in docs/tool.md. */
static void json_of(er_buf *b, const report *r)
{
	static const char *const kinds[] = {"console", "exception", "killed", "request"};
	ER_ASSERT((unsigned)r->kind < sizeof kinds / sizeof *kinds);
	_Static_assert(sizeof kinds / sizeof *kinds == REQUEST + 1, "every kind has a name");
	er_out o = er_out_into(b);
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "event", kinds[r->kind]);
	if (er_buf_len(&r->where)) {
		er_slice where = er_buf_slice(&r->where);
		size_t space = er_slice_find(where, ' ');
		er_out_id(&o, "id", r->id);
		er_out_str(&o, "method", er_slice_head(where, space));
		er_out_str(&o, "path", er_slice_from(where, space + 1));
	}
	switch (r->kind) {
	case CONSOLE:
		er_out_cstr(&o, "level", er_event_level(r->level));
		er_out_str(&o, "text", er_buf_slice(&r->text));
		break;
	case EXCEPTION:
		er_out_bool(&o, "fatal", r->fatal);
		er_out_str(&o, "text", er_buf_slice(&r->text));
		er_out_str(&o, "stack", er_buf_slice(&r->stack));
		break;
	case KILLED:
		er_out_cstr(&o, "error", er_err_name(r->error));
		amount(&o, "used", r->error, r->used);
		if (r->asked > 0)
			amount(&o, "asked", r->error, r->asked);
		amount(&o, "limit", r->error, r->limit);
		if (r->budget != NULL)
			er_out_cstr(&o, "budget", r->budget);
		break;
	default:
		json_request(&o, r);
	}
	er_out_close(&o, '}');
	er_out_line(&o);
	er_out_back(&o, b);
}

/* The lock is held for moving the list, and not while it is written. */
static void write_queued(er_devlog *log)
{
	er_list taken;
	er_list_init(&taken);
	uv_mutex_lock(&log->lock);
	er_list_take(&taken, &log->queue);
	log->queued = 0;
	uint64_t dropped = log->dropped;
	log->dropped = 0;
	uv_mutex_unlock(&log->lock);
	er_buf b = {0};
	for (er_list *it; (it = er_list_pop(&taken)) != NULL;) {
		report *r = ER_CONTAINER(it, report, link);
		if (log->json)
			json_of(&b, r);
		else
			text_of(log, &b, r);
		if (r->kind == EXCEPTION && log->inspector != NULL)
			er_inspector_exception(log->inspector, er_buf_slice(&r->text), er_buf_slice(&r->stack));
		report_free(r);
		if (er_buf_len(&b) > 64 * 1024)
			er_term_flush(STDOUT_FILENO, &b);
	}
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
	if (dropped)
		er_devlog_note(log, true, "%llu lines were dropped: they came faster than they could be shown",
		               (unsigned long long)dropped);
}

static void on_wake(uv_async_t *wake)
{
	er_devlog *log = wake->data;
	ER_CHECK(log, MAGIC);
	write_queued(log);
}

er_devlog *er_devlog_new(uv_loop_t *loop, bool json)
{
	ER_ASSERT(loop != NULL);
	er_devlog *log = ER_NEW(er_devlog);
	log->magic = MAGIC;
	log->json = json;
	log->colour = !json && er_term_colour(STDOUT_FILENO);
	er_list_init(&log->queue);
	int rc = uv_mutex_init(&log->lock);
	ER_ASSERT(rc == 0);
	rc = uv_async_init(loop, &log->wake, on_wake);
	ER_ASSERT(rc == 0);
	log->wake.data = log;
	return log;
}

void er_devlog_debug(er_devlog *log, er_inspector *inspector)
{
	log->inspector = inspector;
}

er_node_events er_devlog_events(er_devlog *log)
{
	return (er_node_events){.isolate = {.console = on_console,
	                                    .exception = on_exception,
	                                    .killed = on_killed,
	                                    .inspect = log->inspector != NULL ? on_inspect : NULL,
	                                    .ctx = log},
	                        .access = on_access,
	                        .ctx = log};
}

/* No thread reports any more. */
static void on_closed(uv_handle_t *h)
{
	er_devlog *log = h->data;
	ER_CHECK(log, MAGIC);
	ER_ASSERT(er_list_empty(&log->queue));
	uv_mutex_destroy(&log->lock);
	log->magic = 0;
	er_free(log);
}

void er_devlog_close(er_devlog *log)
{
	ER_CHECK(log, MAGIC);
	write_queued(log);
	uv_close((uv_handle_t *)&log->wake, on_closed);
}

/* Takes the buffer. */
static void write_now(er_devlog *log, er_buf *b)
{
	ER_CHECK(log, MAGIC);
	write_queued(log);
	er_term_flush(STDOUT_FILENO, b);
	er_buf_fini(b);
}

static er_out event(const char *name)
{
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_cstr(&o, "event", name);
	return o;
}

static void end_event(er_out *o, er_buf *line)
{
	er_out_close(o, '}');
	er_out_line(o);
	er_out_back(o, line);
}

void er_devlog_ready(er_devlog *log, const er_project *p, const char *url, const char *level, const char *engine)
{
	er_buf b = {0};
	if (log->json) {
		er_out o = event("ready");
		er_out_str(&o, "name", p->name);
		er_out_cstr(&o, "url", url);
		er_out_u64(&o, "pid", (uint64_t)getpid());
		er_out_cstr(&o, "level", level);
		er_out_cstr(&o, "engine", engine);
		end_event(&o, &b);
	} else {
		er_term_put(&b, log->colour, ER_GREEN, ER_LIT("ready "));
		er_term_put(&b, log->colour, ER_BOLD, er_slice_cstr(url));
		er_buf_printf(&b, "  runs %.*s (%.*s%s), sandbox level %s. Ctrl-C ends it.\n", ER_FMT(p->name), ER_FMT(p->prefix),
		              p->main != NULL ? p->main : "static files", level);
	}
	write_now(log, &b);
}

void er_devlog_built(er_devlog *log, const er_bundle *bundle, bool again)
{
	er_buf b = {0};
	if (log->json) {
		er_out o = event("build");
		er_out_bool(&o, "ok", true);
		er_out_u64(&o, "bytes", bundle->bytes);
		er_out_u64(&o, "build_ms", bundle->ms);
		er_caret_json_list(&o, "errors", NULL, 0, false);
		er_caret_json_list(&o, "warnings", bundle->diags, bundle->n_diags, true);
		end_event(&o, &b);
	} else {
		for (size_t i = 0; i < bundle->n_diags; i++)
			er_caret_put(&b, log->colour, &bundle->diags[i]);
		er_term_put(&b, log->colour, ER_GREEN, again ? ER_LIT("rebuilt ") : ER_LIT("built "));
		er_term_put_size(&b, bundle->bytes);
		er_buf_printf(&b, " in %llu ms\n", (unsigned long long)bundle->ms);
	}
	write_now(log, &b);
}

void er_devlog_failed(er_devlog *log, const er_diag *diags, size_t n, bool running)
{
	er_buf b = {0};
	if (log->json) {
		er_out o = event("build");
		er_out_bool(&o, "ok", false);
		er_out_bool(&o, "running", running);
		er_caret_json_list(&o, "errors", diags, n, false);
		er_caret_json_list(&o, "warnings", diags, n, true);
		end_event(&o, &b);
	} else {
		for (size_t i = 0; i < n; i++)
			er_caret_put(&b, log->colour, &diags[i]);
		er_term_put(&b, log->colour, ER_YELLOW,
		            running ? ER_LIT("not rebuilt: the last good version goes on; save the fix")
		                    : ER_LIT("nothing to run yet; save the fix"));
		er_buf_putc(&b, '\n');
	}
	write_now(log, &b);
}

void er_devlog_note(er_devlog *log, bool warning, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	er_slice s = er_slice_of(text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	er_buf b = {0};
	if (log->json) {
		er_out o = event(warning ? "warning" : "note");
		er_out_str(&o, "text", s);
		end_event(&o, &b);
	} else {
		if (warning)
			er_term_put(&b, log->colour, ER_YELLOW, ER_LIT("warning: "));
		er_term_put_safe(&b, s, true, false);
		er_buf_putc(&b, '\n');
	}
	write_now(log, &b);
}
