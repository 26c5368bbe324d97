/* What the commands to a node print (show.h): tables, errors, notes, progress. Tables are collected
 * whole, since a column is as wide as its widest cell, and written in one go. Texts of cells come
 * from a node and are made harmless when they are added. Progress is written to standard error, at
 * a terminal alone. */
#include "cli/show.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { REDRAW_US = 100000 };

/* ---- tables ---- */

void er_table_add_styled(er_table *t, er_style style, er_slice text)
{
	ER_ASSERT(t->columns > 0 && t->n <= t->cap && (unsigned)style < ER_STYLE_COUNT_);
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct er_cell *cells = er_arena_alloc(t->arena, cap * sizeof *cells);
		er_copy(cells, t->cells, t->n * sizeof *cells);
		t->cells = cells;
		t->cap = cap;
	}
	er_buf safe = {0};
	er_term_put_safe(&safe, text, false, false);
	er_slice s = er_arena_copy(t->arena, er_buf_slice(&safe));
	er_buf_fini(&safe);
	size_t width = 0;
	for (size_t i = 0; i < s.n; i++)
		width += (s.p[i] & 0xc0) != 0x80;
	t->cells[t->n++] = (struct er_cell){.text = s, .width = width, .style = style};
}

void er_table_init(er_table *t, er_arena *a, const char *const *heads, size_t columns)
{
	ER_ASSERT(a != NULL && columns > 0 && columns <= ER_TABLE_COLUMNS);
	*t = (er_table){.arena = a, .columns = columns};
	for (size_t i = 0; i < columns; i++) {
		er_slice head = er_slice_cstr(heads[i]);
		t->right[i] = er_slice_starts(head, ER_LIT(">"));
		er_table_add_styled(t, ER_DIM, er_slice_from(head, t->right[i]));
	}
}

void er_table_add(er_table *t, er_slice text)
{
	er_table_add_styled(t, ER_PLAIN, text);
}

static void pad(er_buf *b, size_t n)
{
	while (n-- > 0)
		er_buf_putc(b, ' ');
}

void er_table_print(const er_table *t, const char *none)
{
	ER_ASSERT(t->n >= t->columns && t->n % t->columns == 0); /* whole rows, the heads among them */
	size_t width[ER_TABLE_COLUMNS] = {0};
	er_buf b = {0};
	bool colour = er_term_colour(STDOUT_FILENO);
	for (size_t i = 0; i < t->n; i++)
		if (t->cells[i].width > width[i % t->columns])
			width[i % t->columns] = t->cells[i].width;
	if (t->n == t->columns && none)
		er_buf_printf(&b, "%s\n", none);
	size_t owed = 0; /* blanks that are written only if something comes behind them */
	for (size_t i = 0; i < t->n && (t->n > t->columns || none == NULL); i++) {
		size_t column = i % t->columns;
		const struct er_cell *c = &t->cells[i];
		size_t rest = width[column] - c->width;
		owed += t->right[column] ? rest : 0;
		if (c->text.n) {
			pad(&b, owed);
			owed = 0;
			er_term_put(&b, colour, c->style, c->text);
		}
		owed += (t->right[column] ? 0 : rest) + 2;
		if (column == t->columns - 1) {
			er_buf_putc(&b, '\n');
			owed = 0;
		}
	}
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* ---- pieces ---- */

er_slice er_show_time(er_arena *a, er_slice rfc3339)
{
	if (rfc3339.n < 19 || rfc3339.p[10] != 'T')
		return rfc3339;
	er_slice date = er_slice_head(rfc3339, 10), clock = er_slice_head(er_slice_from(rfc3339, 11), 8);
	return er_arena_printf(a, "%.*s %.*s", ER_FMT(date), ER_FMT(clock));
}

er_slice er_show_size(er_arena *a, uint64_t bytes)
{
	if (bytes < 1024 * 1024) {
		er_buf b = {0};
		er_term_put_size(&b, bytes);
		er_slice s = er_arena_copy(a, er_buf_slice(&b));
		er_buf_fini(&b);
		return s;
	}
	return er_arena_printf(a, "%.1f MB", (double)bytes / (1024 * 1024));
}

er_slice er_show_us(er_arena *a, uint64_t us)
{
	if (us < 10000)
		return er_arena_printf(a, "%.1f ms", (double)us / 1000);
	if (us < 1000000)
		return er_arena_printf(a, "%.0f ms", (double)us / 1000);
	return er_arena_printf(a, "%.2f s", (double)us / 1000000);
}

void er_show_print(er_slice s)
{
	er_buf b = {0};
	er_buf_put(&b, s);
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

void er_show_vprintf(const char *fmt, va_list ap)
{
	char few[512], *text = few;
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(few, sizeof few, fmt, ap);
	if (n >= (int)sizeof few) {
		text = er_alloc((size_t)n + 1);
		n = vsnprintf(text, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	er_show_print(er_slice_of(text, n < 0 ? 0 : (size_t)n));
	if (text != few)
		er_free(text);
}

void er_show_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	er_show_vprintf(fmt, ap);
	va_end(ap);
}

void er_show_note(er_style style, const char *what, er_slice text)
{
	ER_ASSERT((unsigned)style < ER_STYLE_COUNT_ && what != NULL);
	er_buf b = {0}, safe = {0};
	bool colour = er_term_colour(STDERR_FILENO);
	er_term_put_safe(&safe, text, true, false);
	er_term_put(&b, colour && *what, style, er_slice_cstr(what));
	er_term_put(&b, colour && *what == 0, style, er_buf_slice(&safe));
	er_buf_putc(&b, '\n');
	er_buf_fini(&safe);
	er_term_flush(STDERR_FILENO, &b);
	er_buf_fini(&b);
}

void er_show_error(bool json, const char *code, er_slice text, const char *usage)
{
	ER_ASSERT(code != NULL);
	if (!json) {
		er_show_note(ER_RED, "error: ", text);
		if (usage)
			er_show_note(ER_DIM, "usage: ", er_slice_cstr(usage));
		return;
	}
	er_out o = {0};
	er_out_open(&o, NULL, '{');
	er_out_open(&o, "error", '{');
	er_out_cstr(&o, "code", code);
	er_out_str(&o, "message", text);
	if (usage)
		er_out_cstr(&o, "usage", usage);
	er_out_close(&o, '}');
	er_show_json(&o);
}

void er_show_json(er_out *o)
{
	er_out_close(o, '}');
	er_out_line(o);
	er_term_flush(STDOUT_FILENO, &o->b);
	er_out_fini(o);
}

void er_show_tree(const er_json *v)
{
	er_buf b = {0};
	er_json_write(&b, v);
	er_buf_putc(&b, '\n');
	er_term_flush(STDOUT_FILENO, &b);
	er_buf_fini(&b);
}

/* ---- progress ---- */

void er_progress_init(er_progress *p, const char *what, uint64_t total)
{
	ER_ASSERT(p != NULL && what != NULL);
	*p = (er_progress){.what = what, .total = total, .on = isatty(STDERR_FILENO)};
}

/* As er_show_size, without an arena: this is called for every piece of a transfer. */
static void put_amount(er_buf *b, uint64_t bytes)
{
	if (bytes < 1024 * 1024)
		er_term_put_size(b, bytes);
	else
		er_buf_printf(b, "%.1f MB", (double)bytes / (1024 * 1024));
}

/* Is the line to be drawn again, now? */
static bool redraws(er_progress *p)
{
	ER_ASSERT(p->what != NULL);
	uint64_t now = er_clock_mono_us();
	if (!p->on || now - p->last_us < REDRAW_US)
		return false;
	p->last_us = now;
	p->shown = true;
	return true;
}

void er_progress_say(er_progress *p, er_slice text)
{
	if (!redraws(p))
		return;
	er_buf b = {0};
	er_buf_printf(&b, "\r\033[K%s ", p->what);
	er_term_put_safe(&b, text, false, false);
	er_term_flush(STDERR_FILENO, &b);
	er_buf_fini(&b);
}

void er_progress_to(er_progress *p, uint64_t bytes, uint64_t items)
{
	if (!redraws(p))
		return;
	er_buf b = {0};
	er_buf_printf(&b, "\r\033[K%s ", p->what);
	if (items)
		er_buf_printf(&b, "%llu, ", (unsigned long long)items);
	put_amount(&b, bytes);
	if (p->total)
		er_buf_printf(&b, ", %llu %%", (unsigned long long)(bytes < p->total ? bytes * 100 / p->total : 100));
	er_term_flush(STDERR_FILENO, &b);
	er_buf_fini(&b);
}

void er_progress_end(er_progress *p)
{
	if (p->shown)
		(void)!write(STDERR_FILENO, "\r\033[K", 4);
	p->shown = false;
}
