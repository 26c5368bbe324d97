#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/api/utf8.h"
#include "sandbox/jsc.h"

#include <math.h>
#include <stdlib.h>

enum { SMALL = 1024, LONG_STRING = 256, DIRECT_MAX = 256 * 1024 };

#define CTX er_engine_js

er_value er_js_undefined(void)
{
	return JSValueMakeUndefined(CTX);
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
static bool direct_strings; /* the engine has the functions, and they do what they did */

static JSStringRef from_bytes(er_slice s);

static void try_direct_strings(void)
{
	direct_strings = er_jsc_bytes_create != NULL && er_jsc_string_create != NULL;
	JSStringRef got = direct_strings ? from_bytes(ER_LIT("a\xe9z")) : NULL;
	if (got == NULL)
		return;
	const JSChar *units = JSStringGetLength(got) == 3 ? JSStringGetCharactersPtr(got) : NULL;
	direct_strings = units != NULL && units[0] == 'a' && units[1] == 0xe9 && units[2] == 'z';
	JSStringRelease(got);
}

void er_js_value_start(void)
{
	try_direct_strings();
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

/* ---- strings out ---- */
/* Room for n bytes; large ones may fail, since JavaScript chooses n. */
static bool text_room(er_text *t, size_t n, er_value *exception)
{
	t->n = 0;
	t->p = n <= sizeof t->room ? t->room : malloc(n);
	if (t->p != NULL)
		return true;
	er_js_throw(exception, "RangeError", "Out of memory");
	return false;
}

void er_text_fini(er_text *t)
{
	if (t->p != t->room)
		free(t->p);
	t->p = NULL;
}

static JSStringRef to_string(er_value v, er_value *exception)
{
	if (v == NULL)
		v = er_js_undefined();
	return JSValueToStringCopy(CTX, v, exception);
}

/* Through the string's UTF-16 form, exactly sized: for long strings and for those with lone surrogates. */
static bool utf8_slow(JSStringRef s, er_text *out, er_value *exception)
{
	const JSChar *units = JSStringGetCharactersPtr(s);
	size_t n = JSStringGetLength(s);
	if (units == NULL && n)
		return er_js_throw(exception, "RangeError", "Out of memory") != NULL;
	if (!text_room(out, er_utf8_length(units, n), exception))
		return false;
	out->n = er_utf8_encode(units, n, out->p);
	return true;
}

/* Long and all ASCII, as most are: widened by the engine and narrowed here, both many characters at a time, which its own conversion is not. */
__attribute__((optimize("O3"))) static bool narrow(const JSChar *restrict units, size_t n, uint8_t *restrict to)
{
	JSChar all = 0;
	for (size_t i = 0; i < n; i++)
		all |= units[i];
	if (all >= 0x80)
		return false;
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)units[i];
	return true;
}

static bool long_ascii(JSStringRef s, er_text *out, er_value *exception)
{
	size_t n = JSStringGetLength(s);
	if (n < LONG_STRING)
		return false;
	const JSChar *units = JSStringGetCharactersPtr(s);
	if (units == NULL || !text_room(out, n, exception))
		return false;
	out->n = n;
	if (narrow(units, n, out->p))
		return true;
	er_text_fini(out);
	return false;
}

/* At a lone surrogate the engine stops and gives what it has so far, without a word. Is this all of a string of n UTF-16 units? */
static bool is_whole(er_slice utf8, size_t n)
{
	if (utf8.n == n && er_ascii_without_nul(utf8))
		return true;
	size_t units = 0;
	for (size_t i = 0; i < utf8.n; i++)
		units += ((utf8.p[i] & 0xC0) != 0x80) + (utf8.p[i] >= 0xF0);
	return units == n;
}

bool er_js_utf8(er_value v, er_text *out, er_value *exception)
{
	JSStringRef s = to_string(v, exception);
	if (s == NULL)
		return false;
	size_t max = JSStringGetMaximumUTF8CStringSize(s);
	bool ok;
	if (long_ascii(s, out, exception)) {
		ok = true;
	} else if (max > DIRECT_MAX) {
		ok = utf8_slow(s, out, exception);
	} else {
		ok = text_room(out, max, exception);
		if (ok) {
			size_t n = JSStringGetUTF8CString(s, (char *)out->p, max);
			out->n = n ? n - 1 : 0;
			if (!is_whole(er_text_slice(out), JSStringGetLength(s))) {
				er_text_fini(out);
				ok = utf8_slow(s, out, exception);
			}
		}
	}
	JSStringRelease(s);
	return ok;
}

bool er_js_bytestring(er_value v, er_text *out, er_value *exception)
{
	JSStringRef s = to_string(v, exception);
	if (s == NULL)
		return false;
	size_t n = JSStringGetLength(s), max = JSStringGetMaximumUTF8CStringSize(s);
	bool ok = text_room(out, max, exception);
	if (ok) {
		/* All ASCII: UTF-8 is the same, and the engine does not widen the string for it. */
		size_t got = JSStringGetUTF8CString(s, (char *)out->p, max);
		out->n = n;
		if (got != n + 1 || !is_whole(er_text_slice(out), n)) {
			const JSChar *units = JSStringGetCharactersPtr(s);
			for (size_t i = 0; ok && i < n; i++) {
				ok = units[i] < 256;
				out->p[i] = (uint8_t)units[i];
			}
			if (!ok) {
				er_text_fini(out);
				er_js_throw(exception, "TypeError", "a header holds a character over 255");
			}
		}
	}
	JSStringRelease(s);
	return ok;
}

bool er_js_utf16(er_value v, er_text *out, er_value *exception)
{
	JSStringRef s = to_string(v, exception);
	if (s == NULL)
		return false;
	size_t n = JSStringGetLength(s);
	bool ok = text_room(out, 2 * n, exception);
	if (ok && n) {
		const JSChar *units = JSStringGetCharactersPtr(s);
		if (units != NULL)
			er_copy(out->p, units, 2 * n);
		else
			ok = false;
	}
	if (ok)
		out->n = 2 * n;
	JSStringRelease(s);
	return ok;
}

size_t er_js_length(er_value v)
{
	er_value exc = NULL;
	JSStringRef s = to_string(v, &exc);
	size_t n = s != NULL ? JSStringGetLength(s) : 0;
	if (s != NULL)
		JSStringRelease(s);
	return n;
}

/* ---- strings in ---- */
/* Each byte a character. NULL: this engine has no such way, or no memory. */
static JSStringRef from_bytes(er_slice s)
{
	if (!direct_strings)
		return NULL;
	void *string = NULL;
	JSStringRef made = NULL;
	er_jsc_bytes_create(&string, s.p, s.n);
	er_jsc_string_create(&made, &string);
	return made;
}

static er_value make_string(JSStringRef s)
{
	er_value v = JSValueMakeString(CTX, s);
	JSStringRelease(s);
	return v;
}

er_value er_js_ascii(const char *s)
{
	return make_string(JSStringCreateWithUTF8CString(s));
}

er_value er_js_from_utf16(const uint16_t *p, size_t n)
{
	return make_string(JSStringCreateWithCharacters(p, n));
}

/* NULL: not plain ASCII, or NUL in it, which the C API's only narrow constructor cannot take. */
static er_value ascii_string(er_slice s)
{
	char small[SMALL];
	if (!er_ascii_without_nul(s))
		return NULL;
	JSStringRef made = from_bytes(s);
	if (made != NULL)
		return make_string(made);
	char *p = s.n < sizeof small ? small : malloc(s.n + 1);
	if (p == NULL)
		return NULL;
	er_copy(p, s.p, s.n);
	p[s.n] = '\0';
	er_value v = er_js_ascii(p);
	if (p != small)
		free(p);
	return v;
}

er_value er_js_latin1(er_slice s)
{
	JSStringRef made = from_bytes(s);
	er_value v = made != NULL ? make_string(made) : ascii_string(s);
	if (v != NULL)
		return v;
	uint16_t *wide = er_alloc(2 * s.n);
	for (size_t i = 0; i < s.n; i++)
		wide[i] = s.p[i];
	v = er_js_from_utf16(wide, s.n);
	er_free(wide);
	return v;
}

er_value er_js_from_utf8(er_slice s)
{
	er_value v = ascii_string(s);
	if (v != NULL)
		return v;
	uint16_t *wide = er_alloc(2 * (s.n + 1));
	size_t n;
	er_utf8_state state = {0};
	er_utf8_decode(&state, s, true, false, wide, &n);
	v = er_js_from_utf16(wide, n);
	er_free(wide);
	return v;
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
