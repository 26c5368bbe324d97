/* Is an answer what docs/openapi.json says? So much of JSON Schema as the description uses; what it
 * uses beyond that fails the check, so that nothing is believed to be checked that is not. */
#ifndef ER_TEST_OPENAPI_CHECK_H
#define ER_TEST_OPENAPI_CHECK_H

#include "base/jsonc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct openapi {
	er_arena arena;
	const er_json *root;
} openapi;

static inline bool is(er_slice s, const char *text)
{
	return er_slice_eq(s, er_slice_cstr(text));
}

static inline void openapi_open(openapi *o)
{
	FILE *f = fopen(ER_SOURCE_DIR "/docs/openapi.json", "rb");
	er_buf text = {0};
	er_err err = {0};
	size_t at, n;
	assert_non_null(f);
	while ((n = fread(er_buf_reserve(&text, 65536), 1, 65536, f)) > 0)
		er_buf_wrote(&text, n);
	fclose(f);
	er_arena_init(&o->arena);
	o->root = er_json_parse(&o->arena, er_arena_copy(&o->arena, er_buf_slice(&text)), 1000000, &at, &err);
	er_buf_fini(&text);
	if (o->root == NULL)
		fail_msg("docs/openapi.json at byte %zu: %s", at, err.text);
}

static inline void openapi_close(openapi *o)
{
	er_arena_fini(&o->arena);
}

/* "#/components/schemas/Error" */
static inline const er_json *resolve(const openapi *o, const er_json *v)
{
	const er_json *ref = er_json_get(v, ER_LIT("$ref"));
	if (ref == NULL)
		return v;
	er_slice rest = er_slice_from(ref->text, 2), part;
	const er_json *at = o->root;
	while (er_slice_split(&rest, '/', &part))
		at = er_json_get(at, part);
	if (at == NULL)
		fail_msg("%.*s leads nowhere", ER_FMT(ref->text));
	return at;
}

static inline bool has_type(const er_json *v, er_slice type)
{
	switch (v->type) {
	case ER_JSON_NULL:
		return is(type, "null");
	case ER_JSON_BOOL:
		return is(type, "boolean");
	case ER_JSON_NUMBER:
		return is(type, "number") || (is(type, "integer") && er_slice_find(v->text, '.') == v->text.n);
	case ER_JSON_STRING:
		return is(type, "string");
	case ER_JSON_ARRAY:
		return is(type, "array");
	default:
		return is(type, "object");
	}
}

/* NULL: it fits; else what does not. */
static inline const char *misfit(const openapi *o, const er_json *schema, const er_json *v, char *why, size_t cap);

static inline const char *misfit_object(const openapi *o, const er_json *schema, const er_json *v, char *why, size_t cap)
{
	const er_json *properties = er_json_get(schema, ER_LIT("properties")), *required = er_json_get(schema, ER_LIT("required"));
	const er_json *more = er_json_get(schema, ER_LIT("additionalProperties"));
	for (const er_json *m = required != NULL ? required->first : NULL; m != NULL; m = m->next)
		if (er_json_get(v, m->text) == NULL) {
			snprintf(why, cap, "%.*s is missing", ER_FMT(m->text));
			return why;
		}
	for (const er_json *m = v->first; m != NULL; m = m->next) {
		const er_json *p = er_json_get(properties, m->key);
		if (p == NULL && more != NULL && more->type == ER_JSON_OBJECT)
			p = more;
		if (p == NULL && more != NULL && more->type == ER_JSON_BOOL && !more->boolean) {
			snprintf(why, cap, "%.*s is not described", ER_FMT(m->key));
			return why;
		}
		if (p != NULL && misfit(o, p, m, why, cap) != NULL) {
			char inner[400];
			snprintf(inner, sizeof inner, "%s", why);
			snprintf(why, cap, "%.*s: %s", ER_FMT(m->key), inner);
			return why;
		}
	}
	return NULL;
}

static inline const char *misfit_any(const openapi *o, const er_json *any, const er_json *v, char *why, size_t cap)
{
	for (const er_json *s = any->first; s != NULL; s = s->next)
		if (misfit(o, s, v, why, cap) == NULL)
			return NULL;
	return why;
}

static inline const char *misfit_scalar(const er_json *schema, const er_json *v, char *why, size_t cap)
{
	const er_json *bound;
	bool ok = true;
	if ((bound = er_json_get(schema, ER_LIT("enum"))) != NULL) {
		const er_json *e = bound->first;
		while (e != NULL && !er_slice_eq(e->text, v->text))
			e = e->next;
		ok = e != NULL;
	}
	if ((bound = er_json_get(schema, ER_LIT("minimum"))) != NULL && v->type == ER_JSON_NUMBER)
		ok = ok && v->number >= bound->number;
	if ((bound = er_json_get(schema, ER_LIT("maximum"))) != NULL && v->type == ER_JSON_NUMBER)
		ok = ok && v->number <= bound->number;
	if ((bound = er_json_get(schema, ER_LIT("minLength"))) != NULL)
		ok = ok && (double)v->text.n >= bound->number;
	if ((bound = er_json_get(schema, ER_LIT("maxLength"))) != NULL)
		ok = ok && (double)v->text.n <= bound->number;
	if (!ok)
		snprintf(why, cap, "%.*s is out of bounds", ER_FMT(er_slice_head(v->text, 100)));
	return ok ? NULL : why;
}

static inline const char *misfit(const openapi *o, const er_json *schema, const er_json *v, char *why, size_t cap)
{
	static const char *const known[] = {"$ref",       "type",      "properties", "required", "additionalProperties",
	                                    "items",      "enum",      "anyOf",      "minimum",  "maximum",
	                                    "minLength",  "maxLength", "minItems",   "maxItems", "format",
	                                    "description"};
	schema = resolve(o, schema);
	for (const er_json *m = schema->first; m != NULL; m = m->next) {
		size_t i = 0;
		while (i < sizeof known / sizeof *known && !is(m->key, known[i]))
			i++;
		if (i == sizeof known / sizeof *known)
			fail_msg("the check does not know %.*s", ER_FMT(m->key));
	}
	const er_json *any = er_json_get(schema, ER_LIT("anyOf")), *type = er_json_get(schema, ER_LIT("type"));
	if (any != NULL)
		return misfit_any(o, any, v, why, cap);
	if (type != NULL && !has_type(v, type->text)) {
		snprintf(why, cap, "%.*s expected, not %s", ER_FMT(type->text), er_json_type_name(v->type));
		return why;
	}
	const er_json *items = er_json_get(schema, ER_LIT("items"));
	for (const er_json *e = v->type == ER_JSON_ARRAY && items != NULL ? v->first : NULL; e != NULL; e = e->next)
		if (misfit(o, items, e, why, cap) != NULL)
			return why;
	return v->type == ER_JSON_OBJECT ? misfit_object(o, schema, v, why, cap) : misfit_scalar(schema, v, why, cap);
}

/* The operation for a request, by its path's segments; NULL: none. */
static inline const er_json *openapi_operation(const openapi *o, er_slice method, er_slice target)
{
	er_slice path = er_slice_head(target, er_slice_find(target, '?'));
	char lower[16];
	snprintf(lower, sizeof lower, "%.*s", ER_FMT(er_slice_head(method, 15)));
	for (char *c = lower; *c != '\0'; c++)
		*c = (char)er_lower((uint8_t)*c);
	const er_json *paths = er_json_get(o->root, ER_LIT("paths"));
	for (const er_json *p = paths->first; p != NULL; p = p->next) {
		er_slice a = p->key, b = path, x = {0}, y = {0};
		bool same = true;
		while (same) {
			bool more_a = er_slice_split(&a, '/', &x), more_b = er_slice_split(&b, '/', &y);
			same = more_a == more_b && (!more_a || er_slice_eq(x, y) || (x.n > 0 && x.p[0] == '{'));
			if (!more_a)
				break;
		}
		if (same && er_json_get(p, er_slice_cstr(lower)) != NULL)
			return er_json_get(p, er_slice_cstr(lower));
	}
	return NULL;
}

/* An answer: its status is described, its type is the one that is said, and its JSON fits. */
static inline void openapi_check(const openapi *o, er_slice method, er_slice target, int status, er_slice type, er_slice text)
{
	const er_json *op = openapi_operation(o, method, target);
	char number[8], why[500];
	er_arena a;
	er_err err = {0};
	size_t at;
	if (op == NULL) {
		assert_true(status >= 400);
		return;
	}
	snprintf(number, sizeof number, "%d", status);
	const er_json *responses = er_json_get(op, ER_LIT("responses")), *r = er_json_get(responses, er_slice_cstr(number));
	if (r == NULL && status < 400)
		fail_msg("%.*s %.*s answers %d, which is not described", ER_FMT(method), ER_FMT(target), status);
	const er_json *content =
	    er_json_get(resolve(o, r != NULL ? r : er_json_get(responses, ER_LIT("default"))), ER_LIT("content"));
	const er_json *media = er_json_get(content, type), *schema = er_json_get(media, ER_LIT("schema"));
	if (media == NULL)
		fail_msg("%.*s %.*s answers %.*s, which is not described", ER_FMT(method), ER_FMT(target), ER_FMT(type));
	if (schema == NULL)
		return;
	er_arena_init(&a);
	bool lines = is(type, "application/x-ndjson");
	for (er_slice line; lines ? er_slice_split(&text, '\n', &line) : text.n > 0;) {
		if (!lines) {
			line = text;
			text.n = 0;
		}
		const er_json *v = er_json_parse(&a, line, 1000000, &at, &err);
		if (v == NULL || misfit(o, schema, v, why, sizeof why) != NULL)
			fail_msg("%.*s %.*s: %s: %.*s", ER_FMT(method), ER_FMT(target), v != NULL ? why : "no JSON", ER_FMT(line));
	}
	er_arena_fini(&a);
}

#endif
