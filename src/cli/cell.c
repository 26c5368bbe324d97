/* Cells are short-lived text: made in the arena of the call, or lent by the JSON that they show,
 * and printed before either goes. A value of another type than expected shows as nothing, or as 0:
 * what a node answers is its own affair, and the rest of the table is still worth reading. */
#include "cli/cell.h"

#include "base/mem.h"

#include <stdlib.h>

static const char *text_of(const json_t *v)
{
	const char *s = json_string_value(v);
	return s ? s : "";
}

static uint64_t number_of(const json_t *v)
{
	json_int_t n = json_is_real(v) ? (json_int_t)json_real_value(v) : json_integer_value(v);
	return n > 0 ? (uint64_t)n : 0;
}

uint64_t er_json_u64(const json_t *object, const char *key)
{
	return number_of(json_object_get(object, key));
}

er_slice er_cell_time(er_arena *a, const json_t *v)
{
	return er_show_time(a, text_of(v));
}

er_slice er_cell_number(er_arena *a, const json_t *v)
{
	return er_arena_u64(a, number_of(v));
}

er_slice er_cell_size(er_arena *a, const json_t *v)
{
	return er_show_size(a, number_of(v));
}

er_slice er_cell_names(er_arena *a, const json_t *v)
{
	er_buf b = {0};
	size_t i;
	json_t *one;
	json_array_foreach(v, i, one) er_buf_printf(&b, "%s%s", i ? ", " : "", text_of(one));
	er_slice s = er_arena_copy(a, er_buf_slice(&b));
	er_buf_fini(&b);
	return s;
}

er_slice er_cell_json(er_arena *a, const json_t *v)
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	er_slice s = text ? er_arena_copy(a, er_slice_cstr(text)) : ER_LIT("-");
	free(text);
	return s;
}

er_slice er_cell_value(er_arena *a, const json_t *v)
{
	return json_is_string(v) ? er_slice_of(json_string_value(v), json_string_length(v)) : er_cell_json(a, v);
}

void er_column_print(const er_column *columns, er_arena *a, const json_t *items, const char *empty)
{
	const char *heads[ER_TABLE_COLUMNS];
	ER_ASSERT(columns[0].head != NULL);
	er_table t;
	size_t n = 0, i;
	json_t *one;
	for (; n < ER_TABLE_COLUMNS && columns[n].head; n++)
		heads[n] = columns[n].head;
	er_table_init(&t, a, heads, n);
	json_array_foreach(items, i, one)
	{
		for (const er_column *c = columns; c < columns + n; c++) {
			ER_ASSERT(c->key != NULL || c->cell != NULL);
			const json_t *v = c->key ? json_object_get(one, c->key) : one;
			er_table_add_styled(&t, c->style, c->cell ? c->cell(a, v) : er_slice_cstr(text_of(v)));
		}
	}
	er_table_print(&t, empty);
}
