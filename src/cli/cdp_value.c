/* One function for each thing that both dialects know (cdp_value.h). WebKit's protocol counts lines
 * of the Debugger domain from 0, as Chrome's does, and those of the Console domain from 1. What a
 * client must have by Chrome's protocol and the engine did not say gets the least that is true. */
#include "cli/cdp_value.h"

#include <stdio.h>

enum { REF_MAX = 4096 };

er_slice er_cdp_raw(const er_cdp_said *s, const er_json *v)
{
	if (v == NULL || v->end > s->text.n || v->at > v->end)
		return (er_slice){NULL, 0};
	return er_slice_of(s->text.p + v->at, v->end - v->at);
}

void er_cdp_put_ref(er_out *o, const char *key, unsigned generation, er_slice name)
{
	er_buf b = {0};
	er_buf_printf(&b, "%u:", generation);
	er_buf_put(&b, er_slice_head(name, REF_MAX));
	er_out_str(o, key, er_buf_slice(&b));
	er_buf_fini(&b);
}

bool er_cdp_ref(er_slice said, unsigned generation, er_slice *name)
{
	size_t colon = er_slice_find(said, ':');
	uint64_t of;
	if (colon == said.n || !er_slice_u64(er_slice_head(said, colon), &of) || of != generation)
		return false;
	*name = er_slice_from(said, colon + 1);
	return true;
}

/* ---- values ---- */

static bool is(const er_json *v, const char *name, const char *text)
{
	return er_slice_eq(er_json_str(v, name), er_slice_cstr(text));
}

/* Chrome's protocol has no such kinds. */
static bool known_subtype(er_slice subtype)
{
	return subtype.n > 0 && !er_slice_eq(subtype, ER_LIT("class")) && !er_slice_eq(subtype, ER_LIT("weakref"));
}

static bool counted(er_slice subtype)
{
	static const char *const kinds[] = {"array", "map", "set", "weakmap", "weakset"};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (er_slice_eq(subtype, er_slice_cstr(kinds[i])))
			return true;
	return false;
}

/* "Array(3)". */
static void put_description(er_out *o, const er_json *v)
{
	er_slice description = er_json_str(v, "description");
	const er_json *size = er_json_member(v, "size");
	if (size == NULL || !counted(er_json_str(v, "subtype"))) {
		er_out_opt(o, "description", description);
		return;
	}
	er_buf b = {0};
	er_buf_put(&b, description);
	er_buf_printf(&b, "(%llu)", (unsigned long long)er_json_as_u64(size, 0));
	er_out_str(o, "description", er_buf_slice(&b));
	er_buf_fini(&b);
}

/* What JSON has no value for: NaN, infinities, -0 and BigInts. */
static bool unserializable(const er_json *v, er_slice *out)
{
	static const char *const numbers[] = {"NaN", "Infinity", "-Infinity", "-0"};
	*out = er_json_str(v, "description");
	if (is(v, "type", "bigint"))
		return out->n > 0;
	if (!is(v, "type", "number"))
		return false;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (er_slice_eq(*out, er_slice_cstr(numbers[i])))
			return true;
	return false;
}

static void put_preview(er_out *o, const char *key, const er_cdp_said *s, const er_json *v, unsigned depth);

static void put_preview_property(er_out *o, const er_cdp_said *s, const er_json *p, unsigned depth)
{
	const er_json *inner = er_json_member(p, "valuePreview");
	er_slice subtype = er_json_str(p, "subtype");
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", er_json_str(p, "name"));
	er_out_str(o, "type", er_json_str(p, "type"));
	if (known_subtype(subtype))
		er_out_str(o, "subtype", subtype);
	er_out_str(o, "value", inner != NULL ? er_json_str(inner, "description") : er_json_str(p, "value"));
	if (inner != NULL)
		put_preview(o, "valuePreview", s, inner, depth + 1);
	er_out_close(o, '}');
}

static void put_preview_entry(er_out *o, const er_cdp_said *s, const er_json *e, unsigned depth)
{
	er_out_open(o, NULL, '{');
	if (er_json_member(e, "key") != NULL)
		put_preview(o, "key", s, er_json_member(e, "key"), depth + 1);
	put_preview(o, "value", s, er_json_member(e, "value"), depth + 1);
	er_out_close(o, '}');
}

static void put_preview(er_out *o, const char *key, const er_cdp_said *s, const er_json *v, unsigned depth)
{
	er_slice subtype = er_json_str(v, "subtype");
	er_out_open(o, key, '{');
	er_out_str(o, "type", v != NULL ? er_json_str(v, "type") : ER_LIT("undefined"));
	if (known_subtype(subtype))
		er_out_str(o, "subtype", subtype);
	put_description(o, v);
	er_out_bool(o, "overflow", er_json_true(v, "overflow"));
	er_out_open(o, "properties", '[');
	ER_JSON_EACH(p, er_json_member(v, "properties"))
	if (depth < 4)
		put_preview_property(o, s, p, depth);
	er_out_close(o, ']');
	const er_json *entries = er_json_member(v, "entries");
	if (entries != NULL && depth < 4) {
		er_out_open(o, "entries", '[');
		ER_JSON_EACH(e, entries)
		put_preview_entry(o, s, e, depth);
		er_out_close(o, ']');
	}
	er_out_close(o, '}');
}

void er_cdp_put_object(er_out *o, const char *key, const er_cdp_said *s, const er_json *v)
{
	if (!er_json_is(v, ER_JSON_OBJECT))
		return;
	er_slice special, subtype = er_json_str(v, "subtype"), id = er_json_str(v, "objectId");
	er_out_open(o, key, '{');
	er_out_str(o, "type", er_json_str(v, "type"));
	if (known_subtype(subtype))
		er_out_str(o, "subtype", subtype);
	er_out_opt(o, "className", er_json_str(v, "className"));
	if (unserializable(v, &special))
		er_out_str(o, "unserializableValue", special);
	else if (er_json_member(v, "value") != NULL)
		er_out_json(o, "value", er_cdp_raw(s, er_json_member(v, "value")));
	else if (er_slice_eq(subtype, ER_LIT("null")))
		er_out_json(o, "value", ER_LIT("null"));
	put_description(o, v);
	if (id.n > 0)
		er_cdp_put_ref(o, "objectId", s->generation, id);
	if (er_json_member(v, "preview") != NULL)
		put_preview(o, "preview", s, er_json_member(v, "preview"), 0);
	er_out_close(o, '}');
}

void er_cdp_put_thrown(er_out *o, const er_cdp_said *s, const er_json *object)
{
	er_out_open(o, "exceptionDetails", '{');
	er_out_u64(o, "exceptionId", 1);
	er_out_cstr(o, "text", "Uncaught");
	er_out_u64(o, "lineNumber", 0);
	er_out_u64(o, "columnNumber", 0);
	er_cdp_put_object(o, "exception", s, object);
	er_out_close(o, '}');
}

void er_cdp_put_evaluated(er_out *o, const er_cdp_said *s, const er_json *v)
{
	const er_json *result = er_json_member(v, "result");
	er_cdp_put_object(o, "result", s, result);
	if (er_json_true(v, "wasThrown"))
		er_cdp_put_thrown(o, s, result);
}

static void put_property(er_out *o, const er_cdp_said *s, const er_json *p)
{
	static const char *const objects[] = {"value", "get", "set", "symbol"}, *const flags[] = {"writable", "wasThrown", "isOwn"};
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", er_json_str(p, "name"));
	for (size_t i = 0; i < sizeof objects / sizeof *objects; i++)
		er_cdp_put_object(o, objects[i], s, er_json_member(p, objects[i]));
	er_out_bool(o, "configurable", er_json_true(p, "configurable"));
	er_out_bool(o, "enumerable", er_json_true(p, "enumerable"));
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (er_json_member(p, flags[i]) != NULL)
			er_out_bool(o, flags[i], er_json_true(p, flags[i]));
	er_out_close(o, '}');
}

static void put_internal(er_out *o, const er_cdp_said *s, const char *name, er_slice said, const er_json *value)
{
	er_out_open(o, NULL, '{');
	er_out_str(o, "name", name != NULL ? er_slice_cstr(name) : said);
	er_cdp_put_object(o, "value", s, value);
	er_out_close(o, '}');
}

/* The engine shows an object's prototype as a property, Chrome's protocol as an internal one. */
static bool is_prototype(const er_json *p)
{
	return is(p, "name", "__proto__") && er_json_member(p, "value") != NULL;
}

void er_cdp_put_properties(er_out *o, const er_cdp_said *s, const er_json *v, bool accessors)
{
	const er_json *all = er_json_member(v, "properties");
	er_out_open(o, "result", '[');
	ER_JSON_EACH(p, all)
	{
		bool accessor = er_json_member(p, "get") != NULL || er_json_member(p, "set") != NULL;
		if (!is_prototype(p) && (accessor || !accessors))
			put_property(o, s, p);
	}
	er_out_close(o, ']');
	if (accessors)
		return;
	er_out_open(o, "internalProperties", '[');
	ER_JSON_EACH(p, all)
	if (is_prototype(p))
		put_internal(o, s, "[[Prototype]]", (er_slice){0}, er_json_member(p, "value"));
	ER_JSON_EACH(p, er_json_member(v, "internalProperties"))
	put_internal(o, s, NULL, er_json_str(p, "name"), er_json_member(p, "value"));
	er_out_close(o, ']');
}

/* ---- places ---- */

void er_cdp_put_location(er_out *o, const char *key, const er_cdp_said *s, const er_json *v)
{
	er_out_open(o, key, '{');
	er_cdp_put_ref(o, "scriptId", s->generation, er_json_str(v, "scriptId"));
	er_out_u64(o, "lineNumber", er_json_u64(v, "lineNumber"));
	er_out_u64(o, "columnNumber", er_json_u64(v, "columnNumber"));
	er_out_close(o, '}');
}

/* The engine has several closures where Chrome has blocks, and one function: the last of those that
 * have the function's name is its own, those before it are blocks in it. */
static const char *scope_type(const er_json *scope, er_slice function)
{
	er_slice type = er_json_str(scope, "type");
	bool own = er_slice_eq(er_json_str(scope, "name"), function);
	if (er_slice_eq(type, ER_LIT("nestedLexical")))
		return "block";
	if (er_slice_eq(type, ER_LIT("global")) || er_slice_eq(type, ER_LIT("with")) || er_slice_eq(type, ER_LIT("catch")))
		return er_slice_eq(type, ER_LIT("global")) ? "global" : er_slice_eq(type, ER_LIT("with")) ? "with" : "catch";
	if (er_slice_eq(type, ER_LIT("globalLexicalEnvironment")))
		return "script";
	if (!own || !er_slice_eq(type, ER_LIT("closure")))
		return "closure";
	const er_json *next = scope->next;
	bool inner = next != NULL && is(next, "type", "closure") && er_slice_eq(er_json_str(next, "name"), function);
	return inner ? "block" : "local";
}

static void put_scopes(er_out *o, const er_cdp_said *s, const er_json *frame)
{
	er_slice function = er_json_str(frame, "functionName");
	bool inside = true; /* of the function itself */
	er_out_open(o, "scopeChain", '[');
	ER_JSON_EACH(scope, er_json_member(frame, "scopeChain"))
	{
		const char *type = inside ? scope_type(scope, function) : scope_type(scope, ER_LIT("\1"));
		if (type[0] == 'l')
			inside = false;
		er_out_open(o, NULL, '{');
		er_out_cstr(o, "type", type);
		er_cdp_put_object(o, "object", s, er_json_member(scope, "object"));
		er_out_opt(o, "name", er_json_str(scope, "name"));
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
}

void er_cdp_put_frame(er_out *o, const er_cdp_said *s, const er_json *v, er_slice url)
{
	const er_json *self = er_json_member(v, "this");
	er_out_open(o, NULL, '{');
	er_cdp_put_ref(o, "callFrameId", s->generation, er_json_str(v, "callFrameId"));
	er_out_str(o, "functionName", er_json_str(v, "functionName"));
	er_cdp_put_location(o, "location", s, er_json_member(v, "location"));
	er_out_str(o, "url", url);
	put_scopes(o, s, v);
	if (er_json_is(self, ER_JSON_OBJECT))
		er_cdp_put_object(o, "this", s, self);
	else
		er_out_json(o, "this", ER_LIT("{\"type\":\"undefined\"}"));
	er_out_bool(o, "canBeRestarted", false);
	er_out_close(o, '}');
}

static uint64_t from_zero(const er_json *v, const char *name)
{
	uint64_t n = er_json_u64(v, name);
	return n > 0 ? n - 1 : 0;
}

void er_cdp_put_stack(er_out *o, const char *key, const er_cdp_said *s, const er_json *v)
{
	er_out_open(o, key, '{');
	er_out_open(o, "callFrames", '[');
	ER_JSON_EACH(f, er_json_member(v, "callFrames"))
	{
		if (er_cdp_hidden(er_json_str(f, "url")) || is(f, "url", "[native code]"))
			continue;
		er_out_open(o, NULL, '{');
		er_out_str(o, "functionName", er_json_str(f, "functionName"));
		er_cdp_put_ref(o, "scriptId", s->generation, er_json_str(f, "scriptId"));
		er_out_str(o, "url", er_json_str(f, "url"));
		er_out_u64(o, "lineNumber", from_zero(f, "lineNumber"));
		er_out_u64(o, "columnNumber", from_zero(f, "columnNumber"));
		er_out_close(o, '}');
	}
	er_out_close(o, ']');
	er_out_close(o, '}');
}
