/* Trees of JSON (jsonc.h) read comfortably: answers and files of others, of which this process
 * wants some members and does not judge the rest (what must be refused with a sentence is read by
 * control/members.h). A value that is not there, or is of another type, reads as nothing: every
 * function takes NULL. And trees made of other trees, for answers that are passed on changed.
 *
 * Trees are never changed: what is made shares the values of what it was made of, so both live in
 * arenas that the caller keeps as long as either. */
#ifndef ER_BASE_JSON_TREE_H
#define ER_BASE_JSON_TREE_H

#include "base/jsonc.h"

/* What another program says: strict JSON. NULL: it is none, or has more than some eight million
 * values. It may be deeper than what is read by er_json_parse, since answers have such values
 * inside. */
const er_json *er_json_answer(er_arena *a, er_slice text);

/* ---- a value ---- */

static inline bool er_json_is(const er_json *v, er_json_type type)
{
	return v != NULL && v->type == type;
}
/* Of `true` alone. */
static inline bool er_json_is_true(const er_json *v)
{
	return er_json_is(v, ER_JSON_BOOL) && v->boolean;
}
/* Of a string; else empty. */
static inline er_slice er_json_as_str(const er_json *v)
{
	return er_json_is(v, ER_JSON_STRING) ? v->text : ER_LIT("");
}
/* A whole number from 0, to the last of its 64 bits. False: it is no number, or not such a one. */
bool er_json_whole(const er_json *v, uint64_t *out);
/* A number from 0 without its fraction; else `otherwise`. */
uint64_t er_json_as_u64(const er_json *v, uint64_t otherwise);
double er_json_as_double(const er_json *v, double otherwise);

/* ---- members and elements ---- */

/* NULL: there is none. */
const er_json *er_json_member(const er_json *object, const char *name);
/* "", 0 and false if there is none. */
er_slice er_json_str(const er_json *object, const char *name);
uint64_t er_json_u64(const er_json *object, const char *name);
bool er_json_true(const er_json *object, const char *name);

/* The first child of an array or an object, if v is of that type; the others follow by `next`. */
static inline const er_json *er_json_first(const er_json *v, er_json_type type)
{
	return er_json_is(v, type) ? v->first : NULL;
}
#define ER_JSON_EACH(it, array) for (const er_json *it = er_json_first(array, ER_JSON_ARRAY); it != NULL; it = it->next)
#define ER_JSON_MEMBERS(it, object) for (const er_json *it = er_json_first(object, ER_JSON_OBJECT); it != NULL; it = it->next)
/* Elements or members. */
size_t er_json_count(const er_json *v);

/* ---- trees from trees ---- */

/* The object with another value of that name, in its place or at the end; NULL: without it. What is
 * no object counts as an empty one. */
const er_json *er_json_with(er_arena *a, const er_json *object, er_slice name, const er_json *value);
/* Of JSON text that this process wrote, at most ER_JSON_DEPTH_MOST deep. */
const er_json *er_json_made(er_arena *a, er_slice text);

/* An array that grows. {0} is an empty one. */
typedef struct er_json_list {
	er_json *array; /* NULL: nothing was added yet */
	er_json **end;
	size_t n;
} er_json_list;
void er_json_add(er_arena *a, er_json_list *list, const er_json *v);
/* Never NULL. */
const er_json *er_json_list_value(er_arena *a, er_json_list *list);

/* ---- for people ---- */

/* Appends v with a line for each value, indented by two. */
void er_json_write_lines(er_buf *b, const er_json *v);

#endif
