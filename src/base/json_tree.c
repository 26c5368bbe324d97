/* Trees of JSON (json_tree.h). Nothing here changes a tree: a changed object is a new one whose
 * members are copies of the values' heads (a head knows its name and its next, so it belongs to one
 * parent), and what hangs below them is shared. Everything that is made lies in the caller's
 * arena. Depth is the parser's (jsonc.h), plus the few levels that a caller puts around. */
#include "base/json_tree.h"

#include "base/mem.h"

enum { ANSWER_VALUES = 1 << 23 };

/* 2 to the 64th: the first double that no uint64_t has room for. */
#define U64_END 18446744073709551616.0

const er_json *er_json_answer(er_arena *a, er_slice text)
{
	static const er_json_bounds bounds = {.values = ANSWER_VALUES, .depth = ER_JSON_DEPTH_MOST};
	er_err err;
	size_t at;
	return er_json_read(a, text, &bounds, &at, &err);
}

bool er_json_whole(const er_json *v, uint64_t *out)
{
	if (!er_json_is(v, ER_JSON_NUMBER))
		return false;
	/* As digits it is exact; a double has 53 bits. */
	if (er_slice_u64(v->text, out))
		return true;
	if (!(v->number >= 0 && v->number < U64_END))
		return false;
	*out = (uint64_t)v->number;
	return (double)*out == v->number;
}

uint64_t er_json_as_u64(const er_json *v, uint64_t otherwise)
{
	uint64_t n;
	if (er_json_whole(v, &n))
		return n;
	double d = er_json_as_double(v, -1);
	return d >= 0 && d < U64_END ? (uint64_t)d : otherwise;
}

double er_json_as_double(const er_json *v, double otherwise)
{
	return er_json_is(v, ER_JSON_NUMBER) ? v->number : otherwise;
}

const er_json *er_json_member(const er_json *object, const char *name)
{
	return er_json_get(object, er_slice_cstr(name));
}

er_slice er_json_str(const er_json *object, const char *name)
{
	return er_json_as_str(er_json_member(object, name));
}

uint64_t er_json_u64(const er_json *object, const char *name)
{
	return er_json_as_u64(er_json_member(object, name), 0);
}

bool er_json_true(const er_json *object, const char *name)
{
	return er_json_is_true(er_json_member(object, name));
}

size_t er_json_count(const er_json *v)
{
	size_t n = 0;
	for (const er_json *one = v != NULL ? v->first : NULL; one != NULL; one = one->next)
		n++;
	return n;
}

/* A copy of the value's head at *end; returns where the next one goes. */
static er_json **hang(er_arena *a, er_json **end, er_slice name, const er_json *v)
{
	er_json *own = er_arena_alloc(a, sizeof *own);
	*own = *v;
	own->key = name;
	own->next = NULL;
	*end = own;
	return &own->next;
}

const er_json *er_json_with(er_arena *a, const er_json *object, er_slice name, const er_json *value)
{
	er_json *changed = er_arena_zalloc(a, sizeof *changed), **end = &changed->first;
	if (er_json_is(object, ER_JSON_OBJECT))
		*changed = *object;
	changed->type = ER_JSON_OBJECT;
	changed->first = NULL;
	bool found = false;
	ER_JSON_MEMBERS(m, object)
	{
		bool is_it = er_slice_eq(m->key, name);
		found |= is_it;
		if (!is_it || value != NULL)
			end = hang(a, end, m->key, is_it ? value : m);
	}
	if (!found && value != NULL)
		(void)hang(a, end, er_arena_copy(a, name), value);
	return changed;
}

const er_json *er_json_made(er_arena *a, er_slice text)
{
	static const er_json_bounds none = {.values = SIZE_MAX, .depth = ER_JSON_DEPTH_MOST};
	er_err err;
	size_t at;
	const er_json *v = er_json_read(a, text, &none, &at, &err);
	ER_ASSERT(v != NULL);
	return v;
}

const er_json *er_json_list_value(er_arena *a, er_json_list *list)
{
	if (list->array == NULL) {
		list->array = er_arena_zalloc(a, sizeof *list->array);
		list->array->type = ER_JSON_ARRAY;
		list->end = &list->array->first;
	}
	ER_ASSERT(list->end != NULL && *list->end == NULL);
	return list->array;
}

void er_json_add(er_arena *a, er_json_list *list, const er_json *v)
{
	(void)er_json_list_value(a, list);
	list->end = hang(a, list->end, (er_slice){0}, v);
	list->n++;
}

static void new_line(er_buf *b, unsigned depth)
{
	er_buf_putc(b, '\n');
	for (unsigned i = 0; i < depth; i++)
		er_buf_puts(b, "  ");
}

static void write_lines(er_buf *b, const er_json *v, unsigned depth)
{
	if (v->first == NULL) {
		er_json_write(b, v);
		return;
	}
	ER_ASSERT(v->type == ER_JSON_OBJECT || v->type == ER_JSON_ARRAY);
	er_buf_putc(b, v->type == ER_JSON_OBJECT ? '{' : '[');
	for (const er_json *m = v->first; m != NULL; m = m->next) {
		new_line(b, depth + 1);
		if (v->type == ER_JSON_OBJECT) {
			er_buf_put_json(b, m->key);
			er_buf_puts(b, ": ");
		}
		write_lines(b, m, depth + 1);
		if (m->next != NULL)
			er_buf_putc(b, ',');
	}
	new_line(b, depth);
	er_buf_putc(b, v->type == ER_JSON_OBJECT ? '}' : ']');
}

void er_json_write_lines(er_buf *b, const er_json *v)
{
	write_lines(b, v, 0);
}
