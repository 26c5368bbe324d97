/* Reading a JSON object against a table of its members (members.h). Members are taken in the order
 * of the text, so that the first mistake in the text is the one that is told; what must be there
 * and is not comes after that. Each mistake has the path of its field, what was expected, and its
 * place in the text. Pure: nothing is kept, and what is read points into the JSON. */
#include "control/members.h"

#include "base/json_tree.h"
#include "base/mem.h"
#include "base/nearest.h"

#include <stdio.h>

enum { MEMBERS_MAX = 32 };

er_path er_path_member(er_slice at, er_slice name)
{
	er_path p;
	snprintf(p.text, sizeof p.text, "%.*s%s%.*s", ER_FMT(er_slice_head(at, 80)), at.n > 0 ? "." : "",
	         ER_FMT(er_slice_head(name, 70)));
	return p;
}

er_path er_path_element(er_slice at, size_t i)
{
	er_path p;
	snprintf(p.text, sizeof p.text, "%.*s[%zu]", ER_FMT(er_slice_head(at, 120)), i);
	return p;
}

static bool wrong(er_problem *problem, const er_path *path, const er_json *v, const char *expected)
{
	return er_refuse_field(problem, er_slice_cstr(path->text), expected, "\"%s\": %s is expected, not %s", path->text, expected,
	                       er_json_type_name(v->type));
}

bool er_members_refuse(er_problem *problem, const er_path *path, const er_json *v, const char *expected)
{
	er_refuse_field(problem, er_slice_cstr(path->text), expected, "\"%s\": %s is expected", path->text, expected);
	return er_refuse_at(problem, v);
}

/* Its length is in bytes. *out points into the tree. */
static bool read_string(er_problem *problem, const er_path *path, const er_json *v, const er_member *m, er_slice *out)
{
	char expected[80];
	ER_ASSERT(m->least <= m->most);
	if (m->least > 0)
		snprintf(expected, sizeof expected, "a string of %llu to %llu bytes", (unsigned long long)m->least,
		         (unsigned long long)m->most);
	else
		snprintf(expected, sizeof expected, "a string of at most %llu bytes", (unsigned long long)m->most);
	if (v->type != ER_JSON_STRING)
		return wrong(problem, path, v, expected);
	if (v->text.n < m->least || v->text.n > m->most)
		return er_refuse_field(problem, er_slice_cstr(path->text), expected, "\"%s\" has %zu bytes: %s is expected", path->text,
		                       v->text.n, expected);
	*out = v->text;
	return true;
}

/* A whole number with bounds; a fraction is refused and not rounded. */
static bool read_number(er_problem *problem, const er_path *path, const er_json *v, const er_member *m, void *out)
{
	char expected[80];
	uint64_t n = 0;
	ER_ASSERT(m->type == ER_MEMBER_WIDE || m->most <= UINT32_MAX);
	snprintf(expected, sizeof expected, "a whole number from %llu to %llu", (unsigned long long)m->least,
	         (unsigned long long)m->most);
	if (v->type != ER_JSON_NUMBER)
		return wrong(problem, path, v, expected);
	if (!er_json_whole(v, &n) || n < m->least || n > m->most)
		return er_refuse_field(problem, er_slice_cstr(path->text), expected, "\"%s\" is %.*s: %s is expected", path->text,
		                       ER_FMT(er_slice_head(v->text, 30)), expected);
	/* Between the bounds, so it fits. */
	if (m->type == ER_MEMBER_WIDE)
		*(uint64_t *)out = n;
	else
		*(uint32_t *)out = (uint32_t)n;
	return true;
}

/* How many elements it has, and no more than that: its reader looks at the elements. */
static bool read_array(er_problem *problem, const er_path *path, const er_json *v, const er_member *m, const er_json **out)
{
	char expected[80];
	size_t n = 0;
	snprintf(expected, sizeof expected, "an array of %llu to %llu elements", (unsigned long long)m->least,
	         (unsigned long long)m->most);
	if (v->type != ER_JSON_ARRAY)
		return wrong(problem, path, v, expected);
	for (const er_json *e = v->first; e != NULL; e = e->next)
		n++;
	if (n < m->least || n > m->most)
		return er_refuse_field(problem, er_slice_cstr(path->text), expected, "\"%s\" has %zu elements: %s is expected",
		                       path->text, n, expected);
	*out = v;
	return true;
}

/* `to` is the member of the caller's struct that the table names: its type must be the one of
 * m->type (members.h). */
static bool read_typed(er_problem *problem, const er_path *path, const er_json *v, const er_member *m, void *to)
{
	switch (m->type) {
	case ER_MEMBER_STRING:
		return read_string(problem, path, v, m, to);
	case ER_MEMBER_NUMBER:
	case ER_MEMBER_WIDE:
		return read_number(problem, path, v, m, to);
	case ER_MEMBER_BOOL:
		if (v->type != ER_JSON_BOOL)
			return wrong(problem, path, v, "true or false");
		*(bool *)to = v->boolean;
		return true;
	case ER_MEMBER_OBJECT:
		if (v->type != ER_JSON_OBJECT)
			return wrong(problem, path, v, "an object");
		break;
	case ER_MEMBER_ARRAY:
		return read_array(problem, path, v, m, to);
	case ER_MEMBER_ANY:
		break;
	}
	*(const er_json **)to = v;
	return true;
}

static bool read_member(er_problem *problem, const er_path *path, const er_json *v, const er_member *m, void *to)
{
	return read_typed(problem, path, v, m, to) || er_refuse_at(problem, v);
}

/* With the nearest name if there is one, else with all of them. */
static bool unknown(er_problem *problem, er_slice at, const er_json *v, const er_member *members, size_t n)
{
	er_slice names[MEMBERS_MAX];
	char known[ER_PROBLEM_TEXT] = "";
	size_t len = 0;
	ER_ASSERT(n <= MEMBERS_MAX);
	for (size_t i = 0; i < n; i++) {
		names[i] = members[i].name;
		if (len < sizeof known)
			len += (size_t)snprintf(known + len, sizeof known - len, "%s%.*s", i > 0 ? ", " : "", ER_FMT(names[i]));
	}
	er_path path = er_path_member(at, v->key);
	er_slice hint = er_nearest(v->key, names, n);
	if (hint.n > 0)
		er_refuse_field(problem, er_slice_cstr(path.text), known, "\"%s\" is not known here; did you mean \"%.*s\"?", path.text,
		                ER_FMT(hint));
	else
		er_refuse_field(problem, er_slice_cstr(path.text), known, "\"%s\" is not known here; known: %s", path.text,
		                n > 0 ? known : "nothing");
	problem->at = v->key_at;
	problem->end = v->key_at + v->key.n + 2; /* with its quotes */
	return false;
}

static const char *type_text(er_member_type type)
{
	static const char *const texts[] = {"a string", "a number", "a number", "true or false", "an object", "an array", "a value"};
	_Static_assert(sizeof texts / sizeof *texts == ER_MEMBER_ANY + 1, "every type of a member has its words");
	ER_ASSERT((unsigned)type < sizeof texts / sizeof *texts);
	return texts[type];
}

bool er_members_read(const er_json *v, er_slice at, const er_member *members, size_t n, void *into, er_problem *problem)
{
	ER_ASSERT(v != NULL && n <= MEMBERS_MAX && (n == 0 || (members != NULL && into != NULL)));
	if (v->type != ER_JSON_OBJECT) {
		er_refuse_field(problem, at, "an object", "%.*s%s an object is expected, not %s", ER_FMT(at),
		                at.n > 0 ? ":" : "the body:", er_json_type_name(v->type));
		return er_refuse_at(problem, v);
	}
	for (const er_json *m = v->first; m != NULL; m = m->next) {
		size_t i = 0;
		while (i < n && !er_slice_eq(m->key, members[i].name))
			i++;
		if (i == n)
			return unknown(problem, at, m, members, n);
		er_path path = er_path_member(at, m->key);
		if (!read_member(problem, &path, m, &members[i], (char *)into + members[i].offset))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (members[i].required && er_json_get(v, members[i].name) == NULL) {
			er_path path = er_path_member(at, members[i].name);
			er_refuse_field(problem, er_slice_cstr(path.text), type_text(members[i].type), "\"%s\" is missing: %s is expected",
			                path.text, type_text(members[i].type));
			return er_refuse_at(problem, v);
		}
	return true;
}

bool er_members_strings(const er_json *array, er_slice at, uint64_t least, uint64_t most, er_problem *problem)
{
	ER_ASSERT(array->type == ER_JSON_ARRAY);
	const er_member m = {.type = ER_MEMBER_STRING, .least = least, .most = most};
	size_t i = 0;
	for (const er_json *e = array->first; e != NULL; e = e->next, i++) {
		er_path path = er_path_element(at, i);
		er_slice ignored;
		if (!read_string(problem, &path, e, &m, &ignored))
			return er_refuse_at(problem, e);
	}
	return true;
}
