/* Cells are short-lived text: made in the arena of the call, or lent by the JSON that they show,
 * and printed before either goes. A value of another type than expected shows as nothing, or as 0:
 * what a node answers is its own affair, and the rest of the table is still worth reading. */
#include "cli/cell.h"

#include "base/mem.h"

er_slice er_cell_time(er_arena *a, const er_json *v)
{
	return er_show_time(a, er_json_as_str(v));
}

er_slice er_cell_number(er_arena *a, const er_json *v)
{
	return er_arena_u64(a, er_json_as_u64(v, 0));
}

er_slice er_cell_size(er_arena *a, const er_json *v)
{
	return er_show_size(a, er_json_as_u64(v, 0));
}

er_slice er_cell_names(er_arena *a, const er_json *v)
{
	er_buf b = {0};
	ER_JSON_EACH(one, v)
	{
		if (er_buf_len(&b) > 0)
			er_buf_puts(&b, ", ");
		er_buf_put(&b, er_json_as_str(one));
	}
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

er_slice er_cell_json(er_arena *a, const er_json *v)
{
	if (v == NULL)
		return ER_LIT("-");
	er_buf b = {0};
	er_json_write(&b, v);
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

er_slice er_cell_value(er_arena *a, const er_json *v)
{
	return er_json_is(v, ER_JSON_STRING) ? v->text : er_cell_json(a, v);
}

void er_column_print(const er_column *columns, er_arena *a, const er_json *items, const char *empty)
{
	const char *heads[ER_TABLE_COLUMNS];
	ER_ASSERT(columns[0].head != NULL);
	er_table t;
	size_t n = 0;
	for (; n < ER_TABLE_COLUMNS && columns[n].head; n++)
		heads[n] = columns[n].head;
	er_table_init(&t, a, heads, n);
	ER_JSON_EACH(one, items)
	{
		for (const er_column *c = columns; c < columns + n; c++) {
			ER_ASSERT(c->key != NULL || c->cell != NULL);
			const er_json *v = c->key ? er_json_member(one, c->key) : one;
			er_table_add_styled(&t, c->style, c->cell ? c->cell(a, v) : er_json_as_str(v));
		}
	}
	er_table_print(&t, empty);
}

er_slice er_cell_failure(er_arena *a, const er_json *v)
{
	if (v == NULL)
		return (er_slice){0};
	return er_arena_printf(a, "%.*s (%.*s, %.*s)", ER_FMT(er_json_str(v, "text")), ER_FMT(er_json_str(v, "kind")),
	                       ER_FMT(er_show_time(a, er_json_str(v, "at"))));
}
