/* A mistake at its place (caret.h): path, line and column, the line itself, and a caret below. A
 * line that is longer than a terminal is cut to a window around the column. The caret stands below
 * what the terminal shows, so wide characters count for two and combining marks for none; tabs are
 * shown as four blanks. Texts come from sources and other programs, and are made harmless. */
#include "cli/caret.h"

#include "base/mem.h"
#include "cli/term.h"

enum { WINDOW = 100 }; /* columns shown of a long line */

/* One code point off the front of *s; malformed bytes count as one each. */
static er_slice next_char(er_slice *s)
{
	ER_ASSERT(s->n > 0);
	size_t n = 1;
	while (n < s->n && n < 4 && (s->p[n] & 0xc0) == 0x80)
		n++;
	er_slice c = er_slice_head(*s, n);
	*s = er_slice_from(*s, n);
	return c;
}

/* Columns that a terminal gives it: two for East Asian wide characters and pictographs, none for
 * combining marks. */
static unsigned width(er_slice c)
{
	ER_ASSERT(c.n >= 1 && c.n <= 4);
	if (c.n < 2)
		return 1;
	uint32_t v = c.n == 2   ? (uint32_t)(c.p[0] & 0x1f) << 6 | (c.p[1] & 0x3f)
	             : c.n == 3 ? (uint32_t)(c.p[0] & 0x0f) << 12 | (uint32_t)(c.p[1] & 0x3f) << 6 | (c.p[2] & 0x3f)
	                        : 0x1f300;
	if ((v >= 0x300 && v < 0x370) || v == 0x200d || (v >= 0xfe00 && v < 0xfe10))
		return 0;
	bool wide = (v >= 0x1100 && v < 0x1160) || (v >= 0x2e80 && v < 0xa4d0) || (v >= 0xac00 && v < 0xd7a4) ||
	            (v >= 0xf900 && v < 0xfb00) || (v >= 0xfe30 && v < 0xfe70) || (v >= 0xff00 && v < 0xff61) || v >= 0x1f300;
	return wide ? 2 : 1;
}

/* The line, cut to a window around the column if it is long, and the caret below it. */
static void put_line(er_buf *b, bool colour, const er_diag *d)
{
	ER_ASSERT(d->line > 0);
	er_slice rest = d->line_text;
	unsigned column = 1, first = d->column > WINDOW * 3 / 4 ? d->column - WINDOW / 2 : 1;
	unsigned caret_at = 0, caret_n = 0, at = 0;
	er_buf_puts(b, "  ");
	if (first > 1)
		er_buf_puts(b, "… "), at = 2;
	for (; rest.n && column < first + WINDOW; column++) {
		er_slice c = next_char(&rest);
		if (column < first)
			continue;
		if (column == d->column)
			caret_at = at;
		unsigned w = c.p[0] == '\t' ? 4 : width(c);
		if (column >= d->column && column < d->column + (d->length ? d->length : 1))
			caret_n += w;
		at += w;
		if (c.p[0] == '\t')
			er_buf_puts(b, "    ");
		else
			er_term_put_safe(b, c, false, false);
	}
	if (rest.n)
		er_buf_puts(b, " …");
	if (column <= d->column)
		caret_at = at; /* behind the end of the line */
	er_buf_puts(b, "\n  ");
	for (unsigned i = 0; i < caret_at; i++)
		er_buf_putc(b, ' ');
	er_buf carets = {0};
	for (unsigned i = 0; i < (caret_n ? caret_n : 1); i++)
		er_buf_putc(&carets, '^');
	er_term_put(b, colour, d->warning ? ER_YELLOW : ER_RED, er_buf_slice(&carets));
	er_buf_fini(&carets);
	er_buf_putc(b, '\n');
}

/* Notes are shown like mistakes, indented by nothing, and have no notes that are deep: they are
 * few. */
static void put(er_buf *b, bool colour, const er_diag *d, bool note)
{
	ER_ASSERT(d->n_notes == 0 || d->notes != NULL);
	if (d->path.n) {
		er_buf place = {0};
		er_term_put_safe(&place, d->path, false, false);
		if (d->line)
			er_buf_printf(&place, ":%u:%u", d->line, d->column);
		er_buf_puts(&place, ": ");
		er_term_put(b, colour, ER_BOLD, er_buf_slice(&place));
		er_buf_fini(&place);
	}
	if (note)
		er_buf_puts(b, "note: ");
	else if (d->warning)
		er_term_put(b, colour, ER_YELLOW, ER_LIT("warning: "));
	else
		er_term_put(b, colour, ER_RED, ER_LIT("error: "));
	er_term_put_safe(b, d->text, true, false);
	er_buf_putc(b, '\n');
	if (d->line && d->line_text.n)
		put_line(b, colour && !note, d);
	for (size_t i = 0; i < d->n_notes; i++)
		put(b, colour, &d->notes[i], true);
}

void er_caret_put(er_buf *b, bool colour, const er_diag *d)
{
	put(b, colour, d, false);
}

/* The members that errors and notes share. */
static void place(er_out *o, const er_diag *d)
{
	er_out_str(o, "text", d->text);
	er_out_opt(o, "path", d->path);
	if (d->line == 0)
		return;
	er_out_u64(o, "line", d->line);
	er_out_u64(o, "column", d->column);
	er_out_u64(o, "length", d->length);
	er_out_str(o, "line_text", d->line_text);
}

void er_caret_json(er_out *o, const char *key, const er_diag *d)
{
	er_out_open(o, key, '{');
	er_out_cstr(o, "severity", d->warning ? "warning" : "error");
	place(o, d);
	er_out_open(o, "notes", '[');
	for (size_t i = 0; i < d->n_notes; i++) {
		er_out_open(o, NULL, '{');
		place(o, &d->notes[i]);
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
}

void er_caret_json_list(er_out *o, const char *key, const er_diag *d, size_t n, bool warnings)
{
	ER_ASSERT(n == 0 || d != NULL);
	er_out_open(o, key, '[');
	for (size_t i = 0; i < n; i++)
		if (d[i].warning == warnings)
			er_caret_json(o, NULL, &d[i]);
	er_out_close(o, ']');
}
