/* How an event is shown to a person (event.h): one line, with colours if the terminal has them, and
 * texts of routines made harmless. The same function for er dev, er tail and er logs, so that an
 * event looks the same wherever it is seen. */
#include "cli/event.h"

#include "base/mem.h"

#include <stdio.h>

static const char *const levels[] = {"debug", "log", "info", "warn", "error"};

_Static_assert(sizeof levels / sizeof *levels == 5, "debug to error, 0 to 4");

const char *er_event_level(unsigned level)
{
	return levels[level < 5 ? level : 4];
}

static void put_ms(er_buf *b, uint64_t us)
{
	er_buf_printf(b, us < 10000 ? "%.1f ms" : "%.0f ms", (double)us / 1000);
}

/* In what people count it in: the limit's unit is the program's. */
static void put_amount(er_buf *b, er_slice why, uint64_t v)
{
	if (er_slice_eq(why, ER_LIT("cpu")))
		er_buf_printf(b, "%.0f ms", (double)v / 1000);
	else if (er_slice_eq(why, ER_LIT("memory")))
		er_buf_printf(b, "%.0f MB", (double)v / 1024);
	else
		er_buf_printf(b, "%llu%s", (unsigned long long)v, er_slice_eq(why, ER_LIT("timeout")) ? " ms" : "");
}

static void put_styled(er_buf *b, bool colour, er_style style, er_slice s)
{
	er_buf safe = {0};
	er_term_put_safe(&safe, s, false, false);
	er_term_put(b, colour, style, er_buf_slice(&safe));
	er_buf_fini(&safe);
}

/* One line a request: status, where, what it took. What comes from strangers is made harmless. */
static void put_request(er_buf *b, bool colour, const er_event *e)
{
	ER_ASSERT(e->kind == ER_EVENT_REQUEST);
	char status[16] = "---";
	if (e->status)
		(void)snprintf(status, sizeof status, "%d", e->status);
	er_style style = e->status >= 500 || e->status == 0 ? ER_RED : e->status >= 400 ? ER_YELLOW : ER_GREEN;
	er_term_put(b, colour, style, er_slice_cstr(status));
	er_buf_putc(b, ' ');
	er_term_put_safe(b, e->where, false, false);
	er_buf facts = {0};
	er_buf_puts(&facts, "  ");
	put_ms(&facts, e->wall_us);
	er_buf_puts(&facts, ", cpu ");
	put_ms(&facts, e->cpu_us);
	er_buf_printf(&facts, ", %llu B", (unsigned long long)e->bytes);
	if (e->cold)
		er_buf_puts(&facts, ", cold start");
	er_term_put(b, colour, ER_DIM, er_buf_slice(&facts));
	er_buf_fini(&facts);
	if (e->cut)
		er_term_put(b, colour, ER_RED, ER_LIT("  body cut"));
	if (e->status == 0)
		er_term_put(b, colour, ER_RED, ER_LIT("  the client left"));
	if (e->error.n) {
		er_buf_puts(b, "  ");
		put_styled(b, colour, ER_RED, e->error);
		if (e->text.n)
			er_buf_puts(b, ": ");
		er_term_put_safe(b, e->text, false, false);
	}
	er_buf_putc(b, '\n');
}

/* Which limit ended the sandbox, and how much of it was used. */
static void put_killed(er_buf *b, bool colour, const er_event *e)
{
	ER_ASSERT(e->kind == ER_EVENT_KILLED);
	er_term_put(b, colour, ER_RED, ER_LIT("sandbox killed: "));
	er_term_put_safe(b, e->error, false, false);
	if (e->asked) {
		er_buf_puts(b, ", asked for ");
		put_amount(b, e->error, e->asked);
		er_buf_puts(b, " more at once, limit ");
		put_amount(b, e->error, e->limit);
	} else if (e->limit) {
		er_buf_puts(b, ", used ");
		put_amount(b, e->error, e->used);
		er_buf_puts(b, " of ");
		put_amount(b, e->error, e->limit);
	}
	if (e->budget.n) {
		er_buf_puts(b, ", budget ");
		er_term_put_safe(b, e->budget, false, false);
	}
	er_buf_puts(b, "; a fresh one takes over\n");
}

static void put_where(er_buf *b, bool colour, const er_event *e)
{
	put_styled(b, colour, ER_DIM, e->where.n ? e->where : ER_LIT("(no request)"));
	er_buf_putc(b, ' ');
}

void er_event_put(er_buf *b, bool colour, const er_event *e)
{
	static const er_style level_style[] = {ER_DIM, ER_BLUE, ER_BLUE, ER_YELLOW, ER_RED};
	_Static_assert(sizeof level_style / sizeof *level_style == sizeof levels / sizeof *levels, "every level has its colour");
	unsigned level = e->level < 5 ? e->level : 4;
	if (e->when.n) {
		put_styled(b, colour, ER_DIM, e->when);
		er_buf_putc(b, ' ');
	}
	if (e->source.n) {
		put_styled(b, colour, ER_BLUE, e->source);
		er_buf_putc(b, ' ');
	}
	switch (e->kind) {
	case ER_EVENT_CONSOLE:
		put_where(b, colour, e);
		er_term_put(b, colour, level_style[level], er_slice_cstr(levels[level]));
		er_buf_puts(b, ": ");
		er_term_put_safe(b, e->text, true, colour);
		er_buf_putc(b, '\n');
		break;
	case ER_EVENT_EXCEPTION:
		put_where(b, colour, e);
		er_term_put(b, colour, ER_RED, e->fatal ? ER_LIT("exception: ") : ER_LIT("unhandled: "));
		er_term_put_safe(b, e->text, true, false);
		er_buf_putc(b, '\n');
		er_term_put_safe(b, e->stack, true, false);
		if (e->stack.n && e->stack.p[e->stack.n - 1] != '\n')
			er_buf_putc(b, '\n');
		break;
	case ER_EVENT_KILLED:
		put_where(b, colour, e);
		put_killed(b, colour, e);
		break;
	case ER_EVENT_REQUEST:
		put_request(b, colour, e);
		break;
	case ER_EVENT_NOTE:
		er_term_put_safe(b, e->text, true, false);
		er_buf_putc(b, '\n');
		break;
	default:
		ER_ASSERT(false && "an event of no kind");
	}
}
