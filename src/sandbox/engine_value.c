/* Values: making and reading undefined, null, booleans, numbers, bytes and objects, and throwing.
 * Two ways for most: the C API's, which takes the engine's lock each time, and the bits of the
 * value itself, which is used only after a try at the start has shown that this engine has them so
 * (er_js_value_start). Everything that is read here comes from a routine: whatever it is, the
 * answer is a value or "none". */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/jsc.h"

#include <math.h>
#include <stdlib.h>

#define CTX er_engine_js

/* Each function of the C API takes the engine's lock, even for what needs none; a relayed request
 * makes some 40 such calls. On 64-bit machines the engine puts undefined, null, booleans and int32
 * into the value itself, under tags that have not changed since 2020, and says in a cell's sixth
 * byte what the cell is. Both are used only if this engine turns out at the start to do the same
 * (er_js_value_start). */
#define INT32_TAG 0xfffe000000000000U
#define NOT_CELL (INT32_TAG | 2U)
enum { CELL_TYPE_AT = 5 };

static struct {
	bool tagged; /* constants and int32 are in the value */
	er_value undefined, null, yes, no;
	bool types;                     /* cells say what they are */
	uint8_t plain, string, promise; /* promise 0: not known */
	uint8_t bytes;                  /* a Uint8Array; 0: nobody looks into one */
	uint8_t modes[3];               /* its kinds whose place and length do not change */
} seen;

static_assert(CELL_TYPE_AT < 8, "in the head of a cell");

/* A view of an ArrayBuffer. */
typedef struct view {
	uint64_t head, butterfly;
	uint8_t *bytes; /* from its own beginning on; NULL: none, or its buffer is detached */
	size_t n, at;
	uint8_t mode;
} view;
static_assert(offsetof(view, bytes) == 16 && offsetof(view, n) == 24 && offsetof(view, mode) == 40,
              "where the engine has them on 64-bit machines");

static uint8_t cell_type(er_value v)
{
	return ((const uint8_t *)(const void *)v)[CELL_TYPE_AT];
}

static bool is_cell(er_value v)
{
	return v != NULL && ((uintptr_t)v & NOT_CELL) == 0;
}

er_value er_js_undefined(void)
{
	return seen.tagged ? seen.undefined : JSValueMakeUndefined(CTX);
}

er_value er_js_null(void)
{
	return seen.tagged ? seen.null : JSValueMakeNull(CTX);
}

er_value er_js_bool(bool b)
{
	return !seen.tagged ? JSValueMakeBoolean(CTX, b) : b ? seen.yes : seen.no;
}

static er_value int32_value(int32_t n)
{
	return (er_value)(INT32_TAG | (uint32_t)n); // NOLINT(performance-no-int-to-ptr)
}

er_value er_js_number(double d)
{
	if (seen.tagged && d >= INT32_MIN && d <= INT32_MAX && d == (int32_t)d && !(d == 0 && signbit(d)))
		return int32_value((int32_t)d);
	return JSValueMakeNumber(CTX, d);
}

bool er_js_is_undefined(er_value v)
{
	return v == NULL || (seen.tagged ? v == seen.undefined : JSValueIsUndefined(CTX, v));
}

bool er_js_is_string(er_value v)
{
	return seen.types ? is_cell(v) && cell_type(v) == seen.string : v != NULL && JSValueIsString(CTX, v);
}

bool er_js_is_plain(er_value v)
{
	ER_ASSERT(!seen.types || (seen.tagged && seen.plain != seen.string));
	return seen.types && is_cell(v) && cell_type(v) == seen.plain;
}

bool er_js_is_promise(er_value v)
{
	return seen.types && seen.promise != 0 && is_cell(v) && cell_type(v) == seen.promise;
}

/* What an array has at i. */
static er_value element(er_value array, unsigned i)
{
	return JSObjectGetPropertyAtIndex(CTX, (JSObjectRef)array, i, NULL);
}

/* The cells that an array literal makes. One script for all of them: the engine keeps something of
 * each script that it has run. NULL: they are not n cells. */
static er_value cells(const char *array, unsigned n)
{
	JSStringRef script = JSStringCreateWithUTF8CString(array);
	er_value v = JSEvaluateScript(CTX, script, NULL, NULL, 1, NULL);
	JSStringRelease(script);
	bool all = v != NULL && JSValueIsArray(CTX, v);
	for (unsigned i = 0; all && i < n; i++)
		all = is_cell(element(v, i));
	return all && !is_cell(element(v, n)) ? v : NULL;
}

/* The type that the first n of these have, and none of the m others. 0: there is no such type. */
static uint8_t type_of_all(er_value these, unsigned n, er_value others, unsigned m)
{
	if (these == NULL || others == NULL)
		return 0;
	uint8_t type = cell_type(element(these, 0));
	for (unsigned i = 1; i < n; i++)
		if (cell_type(element(these, i)) != type)
			return 0;
	for (unsigned i = 0; i < m; i++)
		if (cell_type(element(others, i)) == type)
			return 0;
	return type;
}

/* String(12.5) is not among the strings: the engine would make its table of numbers that became
 * strings, 96 KB, for this one. */
static void learn_types(void)
{
	enum { PLAIN = 4, STRINGS = 8, PROMISES = 3, OTHERS = 11 };
	er_value plain = cells("[{}, {a: 1, get b() { return 2 }}, Object.create(null), new class { x = 1 }]", PLAIN);
	er_value strings = cells("['', 'a', 'text', '\\u0100b', 'ab'.repeat(20) + 'cd'.repeat(20), 'a long text'.slice(3), "
	                         "(12.5).toFixed(1), JSON.stringify({})]",
	                         STRINGS);
	er_value others = cells("[new Proxy({}, {}), [], () => 1, new Map, new Uint8Array(1), Symbol(), new Error, /x/, "
	                        "new String('x'), (function () { return arguments })(), 2n ** 200n]",
	                        OTHERS);
	er_value promises = cells("[new Promise(() => {}), Promise.resolve(), (async () => {})()]", PROMISES);
	seen.plain = type_of_all(plain, PLAIN, others, OTHERS);
	seen.string = type_of_all(strings, STRINGS, others, OTHERS);
	seen.promise = type_of_all(promises, PROMISES, others, OTHERS);
	seen.types = seen.tagged && seen.plain != 0 && seen.string != 0 && seen.plain != seen.string;
}

static void learn_tags(void)
{
	static const int32_t samples[] = {0, 1, -1, 200, 65536, INT32_MAX, INT32_MIN};
	seen.undefined = JSValueMakeUndefined(CTX);
	seen.null = JSValueMakeNull(CTX);
	seen.yes = JSValueMakeBoolean(CTX, true);
	seen.no = JSValueMakeBoolean(CTX, false);
	bool all =
	    sizeof(er_value) == 8 && !is_cell(seen.undefined) && !is_cell(seen.null) && !is_cell(seen.yes) && !is_cell(seen.no);
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
		all &= JSValueMakeNumber(CTX, samples[i]) == int32_value(samples[i]);
	seen.tagged = all;
}

static bool is_settled(const view *v)
{
	return v->mode == seen.modes[0] || v->mode == seen.modes[1] || v->mode == seen.modes[2];
}

static const view *view_at(er_value views, unsigned i)
{
	return (const view *)(const void *)element(views, i);
}

/* Uint8Arrays of three kinds: in the collector's memory, in memory of their own, in an ArrayBuffer.
 * One whose buffer can be resized is none of them, and neither are views of other types. */
static void learn_views(void)
{
	enum { KINDS = sizeof seen.modes, ALL = 7, LARGE = 5000 };
	er_value views =
	    cells("[Uint8Array.of(1, 2, 3), new Uint8Array(5000).fill(9), new Uint8Array(new ArrayBuffer(64), 8, 16).fill(7), "
	          "new Uint8Array(new ArrayBuffer(8, {maxByteLength: 16})), new Int8Array(3), new Uint8ClampedArray(3), "
	          "new DataView(new ArrayBuffer(8))]",
	          ALL);
	if (!seen.types || views == NULL)
		return;
	for (unsigned i = 0; i < KINDS; i++)
		seen.modes[i] = view_at(views, i)->mode;
	const view *small = view_at(views, 0), *large = view_at(views, 1), *part = view_at(views, 2), *other = view_at(views, KINDS);
	bool right = small->n == 3 && small->bytes != NULL && memcmp(small->bytes, "\1\2\3", 3) == 0 && large->n == LARGE &&
	             large->bytes != NULL && large->bytes[LARGE - 1] == 9 && part->n == 16 && part->at == 8 && part->bytes != NULL &&
	             part->bytes == (uint8_t *)JSObjectGetTypedArrayBytesPtr(CTX, (JSObjectRef)element(views, 2), NULL) + 8 &&
	             part->bytes[15] == 7 && !is_settled(other);
	uint8_t type = cell_type(element(views, 0));
	for (unsigned i = 1; i < ALL; i++)
		right = right && (cell_type(element(views, i)) == type) == (i <= KINDS);
	seen.bytes = right ? type : 0;
}

void er_js_value_start(void)
{
	if (!er_engine_public_only) {
		learn_tags();
		learn_types();
		learn_views();
	}
}

double er_js_to_number(er_value v)
{
	if (seen.tagged && ((uintptr_t)v & INT32_TAG) == INT32_TAG)
		return (int32_t)(uint32_t)(uintptr_t)v;
	if (v == NULL)
		return NAN;
	er_value exc = NULL;
	double d = JSValueToNumber(CTX, v, &exc);
	return exc == NULL ? d : NAN;
}

uint32_t er_js_to_u32(er_value v)
{
	double d = er_js_to_number(v);
	return d >= 0 && d <= UINT32_MAX ? (uint32_t)d : 0;
}

uint64_t er_js_to_u64(er_value v)
{
	double d = er_js_to_number(v);
	return d >= 0 && d <= 9007199254740991.0 ? (uint64_t)d : 0;
}

bool er_js_to_bool(er_value v)
{
	if (seen.tagged && (v == seen.yes || v == seen.no))
		return v == seen.yes;
	return v != NULL && JSValueToBoolean(CTX, v);
}

/* ---- bytes ---- */
/* The bytes of a Uint8Array where they lie. The C API would make an ArrayBuffer for one that has
 * none, and pin it for ever. */
static bool look_into(er_value v, uint8_t **p, size_t *n)
{
	if (seen.bytes == 0 || !is_cell(v) || cell_type(v) != seen.bytes)
		return false;
	const view *w = (const view *)(const void *)v;
	if (!is_settled(w))
		return false;
	*p = w->bytes;
	*n = w->bytes != NULL ? w->n : 0;
	return true;
}

bool er_js_bytes(er_value v, er_slice *out)
{
	uint8_t *first;
	size_t length;
	*out = (er_slice){(const uint8_t *)"", 0};
	if (v == NULL)
		return false;
	if (look_into(v, &first, &length)) {
		if (length > 0)
			*out = er_slice_of(first, length);
		return true;
	}
	er_value exc = NULL;
	JSTypedArrayType type = JSValueGetTypedArrayType(CTX, v, &exc);
	if (exc != NULL || type == kJSTypedArrayTypeNone)
		return false;
	JSObjectRef o = (JSObjectRef)v;
	if (type == kJSTypedArrayTypeArrayBuffer) {
		uint8_t *p = JSObjectGetArrayBufferBytesPtr(CTX, o, &exc);
		size_t n = JSObjectGetArrayBufferByteLength(CTX, o, &exc);
		if (exc != NULL)
			return false;
		if (p != NULL)
			*out = er_slice_of(p, n);
		return true;
	}
	uint8_t *p = JSObjectGetTypedArrayBytesPtr(CTX, o, &exc);
	size_t n = JSObjectGetTypedArrayByteLength(CTX, o, &exc);
	size_t at = JSObjectGetTypedArrayByteOffset(CTX, o, &exc);
	if (exc != NULL)
		return false;
	if (p != NULL)
		*out = er_slice_of(p + at, n);
	return true;
}

static void free_bytes(void *p, void *ctx)
{
	(void)ctx;
	free(p);
}

/* In the collector's own memory, which costs it much less than an ArrayBuffer. NULL: not so. */
static er_value small_u8(size_t n, uint8_t **mem)
{
	enum { SMALL_MOST = 1000 };
	size_t got;
	if (seen.bytes == 0 || n == 0 || n > SMALL_MOST)
		return NULL;
	er_value v = JSObjectMakeTypedArray(CTX, kJSTypedArrayTypeUint8Array, n, NULL);
	return v != NULL && look_into(v, mem, &got) && got == n ? v : NULL;
}

er_value er_js_u8_new(size_t n, uint8_t **mem, er_value *exception)
{
	ER_ASSERT(mem != NULL);
	er_value v = small_u8(n, mem);
	if (v != NULL)
		return v;
	uint8_t *p = malloc(n ? n : 1);
	if (p == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	*mem = p;
	return JSObjectMakeTypedArrayWithBytesNoCopy(CTX, kJSTypedArrayTypeUint8Array, p, n, free_bytes, NULL, exception);
}

er_value er_js_u8_copy(er_slice s, er_value *exception)
{
	uint8_t *p;
	er_value v = er_js_u8_new(s.n, &p, exception);
	if (v != NULL)
		er_copy(p, s.p, s.n);
	return v;
}

er_value er_js_u32_static(uint32_t *p, size_t n)
{
	ER_ASSERT(p != NULL && n > 0);
	return JSObjectMakeTypedArrayWithBytesNoCopy(CTX, kJSTypedArrayTypeUint32Array, p, n * sizeof *p, NULL, NULL, NULL);
}

/* ---- objects ---- */
er_value er_js_object(void)
{
	return JSObjectMake(CTX, NULL, NULL);
}

void er_js_set(er_value object, const char *name, er_value v)
{
	ER_ASSERT(object != NULL && name != NULL && v != NULL);
	JSStringRef s = JSStringCreateWithUTF8CString(name);
	JSObjectSetProperty(CTX, (JSObjectRef)object, s, v, kJSPropertyAttributeNone, NULL);
	JSStringRelease(s);
}

er_value er_js_get(er_value object, const char *name)
{
	ER_ASSERT(name != NULL);
	if (object == NULL || !JSValueIsObject(CTX, object))
		return er_js_undefined();
	JSStringRef s = JSStringCreateWithUTF8CString(name);
	er_value exc = NULL;
	er_value v = JSObjectGetProperty(CTX, (JSObjectRef)object, s, &exc);
	JSStringRelease(s);
	return exc == NULL && v != NULL ? v : er_js_undefined();
}

er_value er_js_throw(er_value *exception, const char *type, const char *message)
{
	ER_ASSERT(exception != NULL && type != NULL && message != NULL);
	er_value ctor = er_js_get(JSContextGetGlobalObject(CTX), type);
	JSStringRef text = JSStringCreateWithUTF8CString(message);
	er_value arg = JSValueMakeString(CTX, text);
	JSStringRelease(text);
	er_value exc = NULL;
	if (JSValueIsObject(CTX, ctor))
		*exception = JSObjectCallAsConstructor(CTX, (JSObjectRef)ctor, 1, &arg, &exc);
	else
		*exception = JSObjectMakeError(CTX, 1, &arg, NULL);
	if (*exception == NULL)
		*exception = arg;
	return NULL;
}
