/* The characters of a string where they lie. The C API has only copies; this looks into the
 * engine's own objects: a string's cell holds a pointer to WTF::StringImpl, or, marked by its
 * lowest bit, to what it has yet to be joined from. Nothing is believed unseen: at the start
 * strings of known contents are looked at, and if one does not look as expected nobody peeks.
 *
 * A promise's cell has its state and who waits for it. Whether anybody does cannot be asked
 * otherwise; the same precaution holds. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/jsc.h"

typedef struct cell {
	uint64_t head;
	uintptr_t fiber;
} cell;

typedef struct string_impl {
	uint32_t references, length;
	const void *characters;
	uint32_t flags;
} string_impl;

enum { ROPE = 1, EIGHT_BIT = 4 };
static_assert(offsetof(cell, fiber) == 8 && offsetof(string_impl, length) == 4 && offsetof(string_impl, characters) == 8 &&
                  offsetof(string_impl, flags) == 16,
              "where the engine has them on 64-bit machines");

static_assert(sizeof(string_impl) == 24 && sizeof(cell) == 16, "what is looked at, and no more");

static bool known;

static uintptr_t fiber(er_value v)
{
	return ((const cell *)(const void *)v)->fiber;
}

static const string_impl *impl(er_value v)
{
	return (const string_impl *)fiber(v); // NOLINT(performance-no-int-to-ptr)
}

/* What is yet to be joined is joined by whoever asks for a copy. */
static bool flat(er_value v)
{
	if (fiber(v) & ROPE) {
		JSStringRef s = JSValueToStringCopy(er_engine_js, v, NULL);
		if (s != NULL)
			JSStringRelease(s);
	}
	return !(fiber(v) & ROPE);
}

bool er_js_peek(er_value v, er_slice *latin1)
{
	if (!known || !er_js_is_string(v) || !flat(v))
		return false;
	const string_impl *s = impl(v);
	if (!(s->flags & EIGHT_BIT))
		return false;
	*latin1 = er_slice_of(s->characters, s->length);
	return true;
}

bool er_js_peek_wide(er_value v, const uint16_t **units, size_t *n)
{
	if (!known || !er_js_is_string(v) || !flat(v))
		return false;
	const string_impl *s = impl(v);
	if (s->flags & EIGHT_BIT)
		return false;
	*units = s->characters;
	*n = s->length;
	return true;
}

/* ---- promises ---- */

typedef struct promise {
	uint64_t head, butterfly;
	uint64_t flags, reactions; /* values of the engine: a number, and undefined or an object */
} promise;

enum { UNDEFINED = 10, HANDLED = 4 };
#define NUMBER_0 UINT64_C(0xfffe000000000000)

static_assert(sizeof(promise) == 32 && offsetof(promise, flags) == 16, "where the engine has them on 64-bit machines");

static bool known_promise, known_handled;

static const promise *promise_of(er_value v)
{
	return (const promise *)(const void *)v;
}

static bool looks_bare(er_value v)
{
	return promise_of(v)->flags == NUMBER_0 && promise_of(v)->reactions == UNDEFINED;
}

bool er_js_is_bare(er_value v)
{
	return known_promise && er_js_is_promise(v) && looks_bare(v);
}

/* A small whole number lies in the lowest 32 bits. */
static bool looks_handled(er_value v)
{
	return (promise_of(v)->flags & ~UINT64_C(0xffffffff)) == NUMBER_0 && (promise_of(v)->flags & HANDLED) != 0;
}

bool er_js_is_handled(er_value v)
{
	return known_handled && er_js_is_promise(v) && looks_handled(v);
}

static bool try_bytes(void)
{
	void *string = NULL;
	er_slice text = ER_LIT("na\xefve");
	er_jsc_bytes_create(&string, text.p, text.n);
	const string_impl *s = string;
	if (s == NULL || s->length != text.n || !(s->flags & EIGHT_BIT) || !er_slice_eq(er_slice_of(s->characters, s->length), text))
		return false;
	JSStringRef made = NULL;
	er_jsc_string_create(&made, &string);
	if (made == NULL)
		return false;
	er_value v = JSValueMakeString(er_engine_js, made);
	JSStringRelease(made);
	/* The cell's may be a copy. */
	return v != NULL && fiber(v) != 0 && fiber(v) % sizeof(void *) == 0 && impl(v)->length == text.n &&
	       (impl(v)->flags & EIGHT_BIT) && er_slice_eq(er_slice_of(impl(v)->characters, impl(v)->length), text);
}

static bool try_wide(void)
{
	static const uint16_t units[] = {0x100, 'b'};
	JSStringRef made = JSStringCreateWithCharacters(units, 2);
	er_value v = JSValueMakeString(er_engine_js, made);
	JSStringRelease(made);
	return v != NULL && fiber(v) != 0 && fiber(v) % sizeof(void *) == 0 && impl(v)->length == 2 &&
	       !(impl(v)->flags & EIGHT_BIT) && memcmp(impl(v)->characters, units, sizeof units) == 0;
}

static bool try_rope(void)
{
	JSStringRef script = JSStringCreateWithUTF8CString("['ab'.repeat(20), 'c'].reduce((x, y) => x + y + x)");
	er_value v = JSEvaluateScript(er_engine_js, script, NULL, NULL, 1, NULL);
	JSStringRelease(script);
	er_slice s;
	return v != NULL && (fiber(v) & ROPE) && er_js_peek(v, &s) && s.n == 81 && s.p[40] == 'c' && s.p[80] == 'b';
}

/* One that nobody has waited for, and one that somebody has. */
static bool try_handled(void)
{
	JSStringRef script =
	    JSStringCreateWithUTF8CString("(p => { p[1].catch(() => {}); return p })([Promise.resolve(), Promise.reject(0)])");
	JSValueRef list = JSEvaluateScript(er_engine_js, script, NULL, NULL, 1, NULL);
	JSStringRelease(script);
	JSObjectRef o = list != NULL ? JSValueToObject(er_engine_js, list, NULL) : NULL;
	for (unsigned i = 0; i < 2; i++) {
		er_value v = o != NULL ? JSObjectGetPropertyAtIndex(er_engine_js, o, i, NULL) : NULL;
		if (v == NULL || !JSValueIsObject(er_engine_js, v) || looks_handled(v) != (i == 1))
			return false;
	}
	return true;
}

/* A bare one, and one for each kind of interest, which must show. */
static const char promises[] =
    "(p => [p(), p(q => q.then(p)), p(q => q.catch(p)), p(q => q.finally(p)), p(async q => { await q }),"
    " p(q => { Promise.race([q]) }), Promise.resolve()])(f => { const q = new Promise(() => {});"
    " if (f) f(q); return q })";
enum { PROMISES = 7 };

static bool try_promise(void)
{
	JSStringRef script = JSStringCreateWithUTF8CString(promises);
	JSValueRef list = JSEvaluateScript(er_engine_js, script, NULL, NULL, 1, NULL);
	JSStringRelease(script);
	JSObjectRef o = list != NULL ? JSValueToObject(er_engine_js, list, NULL) : NULL;
	for (unsigned i = 0; i < PROMISES; i++) {
		er_value v = o != NULL ? JSObjectGetPropertyAtIndex(er_engine_js, o, i, NULL) : NULL;
		if (v == NULL || !JSValueIsObject(er_engine_js, v) || looks_bare(v) != (i == 0))
			return false;
	}
	return true;
}

void er_js_peek_start(void)
{
	if (er_engine_public_only || sizeof(er_value) != 8 || er_jsc_bytes_create == NULL || er_jsc_string_create == NULL ||
	    !try_bytes() || !try_wide())
		return;
	known = true;
	known = try_rope();
	known_promise = try_promise();
	known_handled = known_promise && try_handled();
}
