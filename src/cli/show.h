/* What the commands to a node print: tables, progress, pieces of time and size. Colours only on a
 * terminal, progress only on a terminal, and the text of strangers made harmless (cli/term.h). */
#ifndef ER_CLI_SHOW_H
#define ER_CLI_SHOW_H

#include "base/arena.h"
#include "base/json_out.h"
#include "base/json_tree.h"
#include "cli/term.h"

#include <stdarg.h>

enum { ER_TABLE_COLUMNS = 8 };

/* Columns as wide as their widest cell. A head that begins with '>' makes its column right-aligned.
 * Cells are copied. */
typedef struct er_table {
	er_arena *arena;
	size_t columns, n, cap; /* n: cells, row after row, heads first */
	bool right[ER_TABLE_COLUMNS];
	struct er_cell {
		er_slice text;
		size_t width; /* in code points */
		er_style style;
	} * cells;
} er_table;

void er_table_init(er_table *t, er_arena *a, const char *const *heads, size_t columns);
void er_table_add(er_table *t, er_slice text);
void er_table_add_styled(er_table *t, er_style style, er_slice text);
/* Writes it to standard output; `none` instead if there is no row. */
void er_table_print(const er_table *t, const char *none);

/* "2026-11-25T17:20:03.123Z" -> "2026-11-25 17:20:03". */
er_slice er_show_time(er_arena *a, er_slice rfc3339);
/* 45 B, 1.3 KB, 20.0 MB. */
er_slice er_show_size(er_arena *a, uint64_t bytes);
/* 4 ms, 0.4 ms, 1.2 s. */
er_slice er_show_us(er_arena *a, uint64_t us);
/* To standard output, as it is. */
void er_show_print(er_slice s);
void er_show_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void er_show_vprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
/* Why a command failed: on standard error as "error: ..."; with `json` on standard output as
 * {"error": {"code", "message"}}. `usage`: how it is called, if that was the mistake, or NULL. */
void er_show_error(bool json, const char *code, er_slice text, const char *usage);
/* Closes the object, and prints it as a line on standard output; nothing is left of it. */
void er_show_json(er_out *o);
/* A tree as a line on standard output. */
void er_show_tree(const er_json *v);
/* To standard error: "error: ", "warning: " or "note: " in colour, then the text made harmless. */
void er_show_note(er_style style, const char *what, er_slice text);

/* A line on standard error that is written anew at most ten times a second, and only on a
 * terminal. */
typedef struct er_progress {
	const char *what;
	uint64_t total; /* 0: not known */
	uint64_t last_us;
	bool on, shown;
} er_progress;

void er_progress_init(er_progress *p, const char *what, uint64_t total);
void er_progress_to(er_progress *p, uint64_t bytes, uint64_t items);
/* The same with a text of one's own. */
void er_progress_say(er_progress *p, er_slice text);
/* Takes the line away. */
void er_progress_end(er_progress *p);

#endif
