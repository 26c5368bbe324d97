/* Strings, into the engine and out of it. The C API copies a string of bytes two or three times
 * each way, through UTF-16; the shorter ways used here are exported or look into the engine's own
 * objects, and each is used only if a try at the start shows that this engine has it and that it
 * does what it did. */
#include "sandbox/engine.h"

#include "base/mem.h"
#include "sandbox/api/utf8.h"
#include "sandbox/jsc.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 1024, LONG_STRING = 256, DIRECT_MAX = 256 * 1024 };

#define CTX er_engine_js

static_assert(sizeof((er_text *)0)->room <= SMALL && (int)LONG_STRING <= (int)DIRECT_MAX,
              "short strings take no memory of the heap");

static bool direct_strings; /* the engine has the functions, and they do what they did */
static bool in_place;       /* likewise for strings whose characters stay where they are */
static bool filled;         /* likewise for strings that are written by us */

static JSStringRef from_bytes(er_slice s);
static JSStringRef from_bytes_in_place(er_slice s);

/* Does a string have its characters where they were, once it is a value? */
static bool try_in_place(void)
{
	er_slice text = ER_LIT("characters that stay"), s;
	JSStringRef made = from_bytes_in_place(text);
	if (made == NULL)
		return false;
	er_value v = JSValueMakeString(CTX, made);
	JSStringRelease(made);
	return er_js_peek(v, &s) && s.p == text.p && s.n == text.n;
}

static void *room_of_bytes(size_t n, uint8_t **room);
static void *room_of_units(size_t n, uint16_t **room);
static er_value value_of(void *string);

/* The first thing in a string is the count of its references, by twos. */
enum { REFERENCE = 2 };
static uint32_t *references(void *string)
{
	return string;
}

static bool try_filled(void)
{
	er_slice text;
	const uint16_t *seen;
	size_t n;
	uint8_t *bytes;
	uint16_t *units;
	if (!direct_strings || er_jsc_bytes_new == NULL || er_jsc_units_new == NULL || er_jsc_string_value == NULL ||
	    er_jsc_string_end == NULL || er_jsc_lock == NULL || er_jsc_unlock == NULL)
		return false;
	void *string = room_of_bytes(3, &bytes);
	if (*references(string) != REFERENCE)
		return false;
	bytes[0] = 'a';
	bytes[1] = 0xe9;
	bytes[2] = 'z';
	er_value v = value_of(string);
	if (*references(string) != REFERENCE || !er_js_peek(v, &text) || text.p != bytes || !er_slice_eq(text, ER_LIT("a\xe9z")))
		return false;
	string = room_of_units(2, &units);
	units[0] = 'b';
	units[1] = 0x100;
	v = value_of(string);
	return er_js_peek_wide(v, &seen, &n) && n == 2 && seen == units && seen[1] == 0x100;
}

void er_js_string_start(void)
{
	direct_strings = !er_engine_public_only && er_jsc_bytes_create != NULL && er_jsc_string_create != NULL;
	JSStringRef got = direct_strings ? from_bytes(ER_LIT("a\xe9z")) : NULL;
	if (got == NULL)
		return;
	const JSChar *units = JSStringGetLength(got) == 3 ? JSStringGetCharactersPtr(got) : NULL;
	direct_strings = units != NULL && units[0] == 'a' && units[1] == 0xe9 && units[2] == 'z';
	JSStringRelease(got);
	in_place = direct_strings && er_jsc_bytes_in_place != NULL;
	in_place = in_place && try_in_place();
	filled = try_filled();
}

/* ---- strings out ---- */
/* Room for n bytes; large ones may fail, since JavaScript chooses n. */
static bool text_room(er_text *t, size_t n, er_value *exception)
{
	t->n = 0;
	t->borrowed = false;
	t->p = n <= sizeof t->room ? t->room : malloc(n);
	if (t->p != NULL)
		return true;
	er_js_throw(exception, "RangeError", "Out of memory");
	return false;
}

void er_text_fini(er_text *t)
{
	if (t->p != t->room && !t->borrowed)
		free(t->p);
	t->p = NULL;
}

static bool copied(er_slice s, er_text *out, er_value *exception)
{
	if (!text_room(out, s.n, exception))
		return false;
	er_copy(out->p, s.p, s.n);
	out->n = s.n;
	return true;
}

static bool borrowed(er_slice s, er_text *out)
{
	out->p = (uint8_t *)(uintptr_t)s.p; // NOLINT(performance-no-int-to-ptr)
	out->n = s.n;
	out->borrowed = true;
	return true;
}

static bool latin1_to_utf8(er_slice s, er_text *out, er_value *exception)
{
	size_t n = er_latin1_utf8_length(s);
	if (!text_room(out, n, exception))
		return false;
	er_latin1_to_utf8(s, n, out->p);
	out->n = n;
	return true;
}

static JSStringRef to_string(er_value v, er_value *exception)
{
	if (v == NULL)
		v = er_js_undefined();
	return JSValueToStringCopy(CTX, v, exception);
}

static bool utf16_to_utf8(const uint16_t *units, size_t n, er_text *out, er_value *exception)
{
	size_t bytes = er_utf8_length(units, n);
	if (!text_room(out, bytes, exception))
		return false;
	out->n = er_utf8_encode(units, n, out->p);
	ER_ASSERT(out->n == bytes);
	return true;
}

/* Through the string's UTF-16 form, exactly sized: for long strings and for those with lone
 * surrogates. */
static bool utf8_slow(JSStringRef s, er_text *out, er_value *exception)
{
	const JSChar *units = JSStringGetCharactersPtr(s);
	size_t n = JSStringGetLength(s);
	if (units == NULL && n)
		return er_js_throw(exception, "RangeError", "Out of memory") != NULL;
	return utf16_to_utf8(units, n, out, exception);
}

/* Long and all ASCII, as most are: widened by the engine and narrowed here, both many characters at
 * a time, which its own conversion is not. */
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

/* At a lone surrogate the engine stops and gives what it has so far, without a word. Is this all of
 * a string of n UTF-16 units? */
static bool is_whole(er_slice utf8, size_t n)
{
	if (utf8.n == n && er_ascii_without_nul(utf8))
		return true;
	size_t units = 0;
	for (size_t i = 0; i < utf8.n; i++)
		units += ((utf8.p[i] & 0xC0) != 0x80) + (utf8.p[i] >= 0xF0);
	return units == n;
}

/* By the shortest way that gives the right bytes: the engine's own conversion stops at a lone
 * surrogate, which is_whole notices. */
static bool utf8_copy(er_value v, er_text *out, er_value *exception)
{
	JSStringRef s = to_string(v, exception);
	if (s == NULL)
		return false;
	size_t max = JSStringGetMaximumUTF8CStringSize(s);
	bool ok;
	if (long_ascii(s, out, exception)) {
		ok = true;
	} else if (JSStringGetLength(s) >= LONG_STRING) {
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

bool er_js_utf8(er_value v, er_text *out, er_value *exception)
{
	er_slice s;
	const uint16_t *units;
	size_t n;
	if (er_js_peek(v, &s))
		return er_is_ascii(s) ? copied(s, out, exception) : latin1_to_utf8(s, out, exception);
	if (er_js_peek_wide(v, &units, &n))
		return utf16_to_utf8(units, n, out, exception);
	return utf8_copy(v, out, exception);
}

bool er_js_utf8_arg(er_value v, er_text *out, er_value *exception)
{
	er_slice s;
	return er_js_peek(v, &s) && er_is_ascii(s) ? borrowed(s, out) : er_js_utf8(v, out, exception);
}

/* A byte a character, or a TypeError. */
static bool bytestring_copy(er_value v, er_text *out, er_value *exception)
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

bool er_js_bytestring(er_value v, er_text *out, er_value *exception)
{
	er_slice s;
	return er_js_peek(v, &s) ? copied(s, out, exception) : bytestring_copy(v, out, exception);
}

bool er_js_bytestring_arg(er_value v, er_text *out, er_value *exception)
{
	er_slice s;
	return er_js_peek(v, &s) ? borrowed(s, out) : bytestring_copy(v, out, exception);
}

bool er_js_utf16_arg(er_value v, er_text *out, er_value *exception)
{
	const uint16_t *own;
	size_t length;
	if (er_js_peek_wide(v, &own, &length))
		return borrowed(er_slice_of((const uint8_t *)(const void *)own, 2 * length), out);
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

/* The bytes must stay for ever. NULL as above, or nothing to point at. */
static JSStringRef from_bytes_in_place(er_slice s)
{
	if (!in_place || s.n == 0)
		return NULL;
	void *string = NULL;
	JSStringRef made = NULL;
	er_jsc_bytes_in_place(&string, s.p, s.n);
	er_jsc_string_create(&made, &string);
	return made;
}

JSStringRef er_js_script(er_slice code, bool built_in)
{
	JSStringRef made = NULL;
	if (er_ascii_without_nul(code))
		made = built_in && in_place ? from_bytes_in_place(code) : from_bytes(code);
	if (made != NULL)
		return made;
	char *text = er_strdup_slice(code);
	made = JSStringCreateWithUTF8CString(text);
	er_free(text);
	return made;
}

static er_value make_string(JSStringRef s)
{
	er_value v = JSValueMakeString(CTX, s);
	JSStringRelease(s);
	return v;
}

/* ---- strings that are written where they stay ---- */
static void *room_of_bytes(size_t n, uint8_t **room)
{
	void *string;
	er_jsc_span span;
	er_jsc_bytes_new(&string, n, &span);
	*room = span.p;
	return string;
}

static void *room_of_units(size_t n, uint16_t **room)
{
	void *string;
	er_jsc_span span;
	er_jsc_units_new(&string, n, &span);
	*room = span.p;
	return string;
}

static void drop(void *string)
{
	if (__atomic_sub_fetch(references(string), REFERENCE, __ATOMIC_ACQ_REL) == 0)
		er_jsc_string_end(string);
}

/* Takes the string. */
static er_value value_of(void *string)
{
	void *lock;
	er_jsc_lock(&lock, JSContextGetGroup(CTX));
	er_value v = er_jsc_string_value(JSContextGetGroup(CTX), string);
	er_jsc_unlock(&lock);
	drop(string);
	return v;
}

/* The engine has one string for each that is shorter than two characters. */
static bool fillable(size_t n)
{
	return filled && n >= 2 && n <= INT32_MAX;
}

bool er_js_fill(er_filling *f, size_t n)
{
	*f = (er_filling){.n = n};
	if (fillable(n))
		f->string = room_of_bytes(n, &f->room);
	else
		f->room = malloc(n + 1);
	return f->room != NULL;
}

er_value er_js_filled(er_filling *f)
{
	if (f->string != NULL)
		return value_of(f->string);
	er_value v = er_js_latin1(er_slice_of(f->room, f->n));
	free(f->room);
	return v;
}

void er_js_fill_drop(er_filling *f)
{
	if (f->string != NULL)
		drop(f->string);
	else
		free(f->room);
}

er_value er_js_ascii(const char *s)
{
	return make_string(JSStringCreateWithUTF8CString(s));
}

er_value er_js_from_utf16(const uint16_t *p, size_t n)
{
	if (fillable(n)) {
		uint16_t *units;
		void *string = room_of_units(n, &units);
		er_copy(units, p, 2 * n);
		return value_of(string);
	}
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
	if (fillable(s.n)) {
		uint8_t *bytes;
		void *string = room_of_bytes(s.n, &bytes);
		er_copy(bytes, s.p, s.n);
		return value_of(string);
	}
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
	er_value v = fillable(s.n) && er_is_ascii(s) ? er_js_latin1(s) : ascii_string(s);
	if (v != NULL)
		return v;
	uint16_t *wide = er_alloc(2 * (s.n + 1));
	size_t n;
	er_utf8_state state = {0};
	er_utf8_decode(&state, s, true, false, wide, &n);
	ER_ASSERT(n <= s.n + 1);
	v = er_js_from_utf16(wide, n);
	er_free(wide);
	return v;
}

/* ---- JSON ---- */

static bool direct_json;

static er_value parse_bytes(er_slice s)
{
	ER_ASSERT(s.n <= UINT32_MAX);
	return er_jsc_json(CTX, (er_jsc_view){s.p, (uint32_t)s.n, true});
}

void er_js_json_start(void)
{
	if (er_jsc_json == NULL || !er_native_direct())
		return;
	er_value v = parse_bytes(ER_LIT("{\"a\":[41]}")), bad = parse_bytes(ER_LIT("x"));
	direct_json = v != NULL && JSValueIsObject(CTX, v) && JSValueIsArray(CTX, er_js_get(v, "a")) && bad == NULL;
}

er_value er_js_parse_json(er_slice s)
{
	if (!direct_json)
		return NULL;
	if (er_slice_starts(s, ER_LIT("\xEF\xBB\xBF")))
		s = er_slice_from(s, 3);
	if (er_is_ascii(s))
		return parse_bytes(s);
	uint16_t *wide = malloc(2 * (s.n + 1));
	if (wide == NULL)
		return NULL;
	size_t n;
	er_utf8_state state = {0};
	er_utf8_decode(&state, s, true, false, wide, &n);
	ER_ASSERT(n <= s.n + 1);
	er_value v = er_jsc_json(CTX, (er_jsc_view){wide, (uint32_t)n, false});
	free(wide);
	return v;
}
