#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/jsc.h"

#include <math.h>
#include <stdlib.h>

#define CTX er_engine_js

er_value er_js_undefined(void)
{
	return JSValueMakeUndefined(CTX);
}

er_value er_js_null(void)
{
	return JSValueMakeNull(CTX);
}

er_value er_js_bool(bool b)
{
	return JSValueMakeBoolean(CTX, b);
}

er_value er_js_number(double d)
{
	return JSValueMakeNumber(CTX, d);
}

bool er_js_is_undefined(er_value v)
{
	return v == NULL || JSValueIsUndefined(CTX, v);
}

bool er_js_is_string(er_value v)
{
	return v != NULL && JSValueIsString(CTX, v);
}

/* Small integers are the most frequent arguments, and JSValueToNumber takes the engine's lock to read one. On 64-bit machines the engine
 * puts an int32 into the value itself, under a tag that has not changed since 2020; it is used only if this engine turns out to do the same. */
#define INT32_TAG 0xfffe000000000000U
static bool tagged_int32;
/* A cell's sixth byte is its type, and each kind of object with ways of its own has one. */
enum { CELL_TYPE_AT = 5 };
static bool known_types;
static uint8_t plain_type;

static uint8_t cell_type(er_value v)
{
	return ((const uint8_t *)(const void *)v)[CELL_TYPE_AT];
}

static er_value evaluate(const char *expression)
{
	JSStringRef script = JSStringCreateWithUTF8CString(expression);
	er_value v = JSEvaluateScript(CTX, script, NULL, NULL, 1, NULL);
	JSStringRelease(script);
	return v;
}

static void learn_types(void)
{
	static const char *const plain[] = {"({})", "({a: 1, get b() { return 2 }})", "Object.create(null)", "new class { x = 1 }"};
	static const char *const others[] = {"new Proxy({}, {})",
	                                     "[]",
	                                     "(() => 1)",
	                                     "new Map",
	                                     "new Uint8Array(1)",
	                                     "'text'",
	                                     "Symbol()",
	                                     "new Error",
	                                     "/x/",
	                                     "new String('x')",
	                                     "(function () { return arguments })()"};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		er_value v = evaluate(plain[i]);
		if (v == NULL || !JSValueIsObject(CTX, v) || (i > 0 && cell_type(v) != plain_type))
			return;
		plain_type = cell_type(v);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		er_value v = evaluate(others[i]);
		if (v == NULL || cell_type(v) == plain_type)
			return;
	}
	known_types = sizeof(er_value) == 8;
}

bool er_js_is_plain(er_value v)
{
	return known_types && v != NULL && JSValueIsObject(CTX, v) && cell_type(v) == plain_type;
}

void er_js_value_start(void)
{
	er_js_string_start();
	if (!er_engine_public_only)
		learn_types();
	static const int32_t samples[] = {0, 1, 200, 65536, INT32_MAX};
	tagged_int32 = sizeof(er_value) == 8;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
		tagged_int32 &= (uintptr_t)JSValueMakeNumber(CTX, samples[i]) == (INT32_TAG | (uint32_t)samples[i]);
}

double er_js_to_number(er_value v)
{
	if (tagged_int32 && ((uintptr_t)v & INT32_TAG) == INT32_TAG)
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
	return v != NULL && JSValueToBoolean(CTX, v);
}

/* ---- bytes ---- */
bool er_js_bytes(er_value v, er_slice *out)
{
	*out = (er_slice){(const uint8_t *)"", 0};
	if (v == NULL)
		return false;
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

er_value er_js_u8_new(size_t n, uint8_t **mem, er_value *exception)
{
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
	return JSObjectMakeTypedArrayWithBytesNoCopy(CTX, kJSTypedArrayTypeUint32Array, p, n * sizeof *p, NULL, NULL, NULL);
}

er_value er_js_u8_static(uint8_t *p, size_t n)
{
	return JSObjectMakeTypedArrayWithBytesNoCopy(CTX, kJSTypedArrayTypeUint8Array, p, n, NULL, NULL, NULL);
}

/* ---- objects ---- */
er_value er_js_object(void)
{
	return JSObjectMake(CTX, NULL, NULL);
}

void er_js_set(er_value object, const char *name, er_value v)
{
	JSStringRef s = JSStringCreateWithUTF8CString(name);
	JSObjectSetProperty(CTX, (JSObjectRef)object, s, v, kJSPropertyAttributeNone, NULL);
	JSStringRelease(s);
}

er_value er_js_get(er_value object, const char *name)
{
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
	er_value ctor = er_js_get(JSContextGetGlobalObject(CTX), type);
	er_value arg = er_js_ascii(message);
	er_value exc = NULL;
	if (JSValueIsObject(CTX, ctor))
		*exception = JSObjectCallAsConstructor(CTX, (JSObjectRef)ctor, 1, &arg, &exc);
	else
		*exception = JSObjectMakeError(CTX, 1, &arg, NULL);
	if (*exception == NULL)
		*exception = arg;
	return NULL;
}
