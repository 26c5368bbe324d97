/* Text: UTF-8, Latin-1, base64. A call is given all of its input and keeps nothing; what comes in
 * pieces or in another encoding is decode.c's. Sizes are the routine's, so memory that is not there
 * is an exception. */
#include "sandbox/api/api.h"

#include "base/base64.h"
#include "sandbox/api/utf8.h"

#include <stdlib.h>

/* Written where it stays, if the string can be seen where it lies. */
ER_NATIVE(utf8Encode)
{
	er_slice s;
	const uint16_t *units;
	size_t n;
	uint8_t *to;
	if (er_js_peek(a->string, &s)) {
		n = er_latin1_utf8_length(s);
		er_value v = er_js_u8_new(n, &to, exception);
		if (v != NULL)
			er_latin1_to_utf8(s, n, to);
		return v;
	}
	if (er_js_peek_wide(a->string, &units, &n)) {
		er_value v = er_js_u8_new(er_utf8_length(units, n), &to, exception);
		if (v != NULL)
			(void)er_utf8_encode(units, n, to);
		return v;
	}
	er_text t;
	if (!er_js_utf8_arg(a->string, &t, exception))
		return NULL;
	er_value v = er_js_u8_copy(er_text_slice(&t), exception);
	er_text_fini(&t);
	return v;
}

ER_NATIVE(utf8Length)
{
	er_text t;
	if (!er_js_utf8_arg(a->string, &t, exception))
		return NULL;
	er_value v = er_js_number((double)t.n);
	er_text_fini(&t);
	return v;
}

/* Two numbers in one: units read times 2^32, and bytes written. An object would cost more than the
 * work. */
ER_NATIVE(utf8EncodeInto)
{
	er_slice to;
	er_text t;
	if (!er_js_bytes(a->u8, &to))
		return er_js_throw(exception, "TypeError", "encodeInto: a Uint8Array");
	if (!er_js_utf16_arg(a->string, &t, exception))
		return NULL;
	size_t read;
	size_t written = er_utf8_encode_into((const uint16_t *)(const void *)t.p, t.n / 2, (uint8_t *)(uintptr_t)to.p, to.n, &read);
	er_text_fini(&t);
	return er_js_number((double)read * 4294967296.0 + (double)written);
}

ER_NATIVE(utf8Decode)
{
	er_slice s;
	if (!er_js_bytes(a->bytes, &s))
		return er_js_throw(exception, "TypeError", "utf8Decode: bytes");
	if (!er_js_to_bool(a->ignoreBOM) && er_slice_starts(s, ER_LIT("\xEF\xBB\xBF")))
		s = er_slice_from(s, 3);
	if (er_is_ascii(s))
		return er_js_latin1(s);
	uint16_t *wide = malloc(2 * (s.n + 1));
	if (wide == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	er_utf8_state st = {0};
	size_t n;
	bool ok = er_utf8_decode(&st, s, true, er_js_to_bool(a->fatal), wide, &n);
	er_value v = ok ? er_js_from_utf16(wide, n) : er_js_undefined();
	free(wide);
	return v;
}

ER_NATIVE(latin1)
{
	er_slice s;
	if (!er_js_bytes(a->bytes, &s))
		return er_js_throw(exception, "TypeError", "latin1: bytes");
	return er_js_latin1(s);
}

/* undefined: a character is above U+00FF. */
ER_NATIVE(btoa)
{
	er_text t;
	er_filling out;
	er_value ignored = NULL;
	if (!er_js_bytestring_arg(a->string, &t, &ignored))
		return er_js_undefined();
	er_value v = NULL;
	if (er_js_fill(&out, er_base64_length(t.n))) {
		er_base64_write(er_text_slice(&t), out.room);
		v = er_js_filled(&out);
	}
	er_text_fini(&t);
	return v != NULL ? v : er_js_throw(exception, "RangeError", "Out of memory");
}

/* Without a padding that completes it: two characters at most. */
static er_slice unpadded(er_slice s)
{
	if (s.n == 0 || s.n % 4 != 0 || s.p[s.n - 1] != '=')
		return s;
	return er_slice_of(s.p, s.n - (s.p[s.n - 2] == '=' ? 2 : 1));
}

static er_slice without_space(er_slice s, uint8_t *to)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r')
			to[n++] = c;
	}
	return er_slice_of(to, n);
}

/* With white space in it, or wrong. `to` has room for all of `s`. */
static bool base64_decode(er_slice s, uint8_t *to, size_t *n)
{
	er_slice digits = unpadded(without_space(s, to));
	*n = digits.n * 3 / 4;
	return er_base64_read(digits, to);
}

static er_value base64_spaced(er_slice s, er_value *exception)
{
	uint8_t *out = malloc(s.n + 1);
	size_t n;
	if (out == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	er_value v = base64_decode(s, out, &n) ? er_js_latin1(er_slice_of(out, n)) : er_js_undefined();
	free(out);
	return v;
}

/* Infra's forgiving-base64 decode. White space is rare: it is looked for when there is something
 * else than digits. */
static er_value base64_decoded(er_slice s, er_value *exception)
{
	er_filling out;
	er_slice digits = unpadded(s);
	if (!er_js_fill(&out, digits.n * 3 / 4))
		return er_js_throw(exception, "RangeError", "Out of memory");
	if (er_base64_read(digits, out.room))
		return er_js_filled(&out);
	er_js_fill_drop(&out);
	return base64_spaced(s, exception);
}

ER_NATIVE(atob)
{
	er_text t;
	er_value ignored = NULL;
	if (!er_js_bytestring_arg(a->string, &t, &ignored))
		return er_js_undefined();
	er_value v = base64_decoded(er_text_slice(&t), exception);
	er_text_fini(&t);
	return v;
}
