/* Columns of a list as data, and the cells that they are made of. A cell's function takes the value
 * of the column's key (NULL: the item has none), or the whole item where the column has no key.
 * What it returns is in the arena, or borrowed from the value. */
#ifndef ER_CLI_CELL_H
#define ER_CLI_CELL_H

#include "cli/show.h"

typedef struct er_column {
	const char *head; /* '>' in front: right-aligned */
	/* of the item; NULL: the cell is made of the whole item */
	const char *key;
	er_slice (*cell)(er_arena *a, const er_json *v); /* NULL: the text of a string, else nothing */
	er_style style;
} er_column;

/* Prints the items as a table, or `empty` if there is none. ER_TABLE_COLUMNS columns; the first
 * without a head ends them. */
void er_column_print(const er_column *columns, er_arena *a, const er_json *items, const char *empty);

er_slice er_cell_time(er_arena *a, const er_json *v);
/* Of a server's "lastFailure"; NULL: nothing. */
er_slice er_cell_failure(er_arena *a, const er_json *v);
er_slice er_cell_number(er_arena *a, const er_json *v);
er_slice er_cell_size(er_arena *a, const er_json *v);
/* ["a", "b"]: "a, b". */
er_slice er_cell_names(er_arena *a, const er_json *v);
/* "-" for nothing. */
er_slice er_cell_json(er_arena *a, const er_json *v);
/* The same, but a string is its text. */
er_slice er_cell_value(er_arena *a, const er_json *v);

#endif
