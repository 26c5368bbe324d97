/* Text: UTF-8, Latin-1, base64. A call is given all of its input and keeps nothing; what comes in
 * pieces or in another encoding is decode.c's. Sizes are the routine's, so memory that is not there
 * is an exception. */
#include "sandbox/api/api.h"

#include "base/base64.h"
#include "sandbox/api/utf8.h"

#include <stdlib.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static_assert(sizeof ALPHABET == 64 + 1, "six bits a character");

ER_NATIVE(utf8Encode)
{
	er_text t;
	if (!er_js_utf8(a->string, &t, exception))
		return NULL;
	er_value v = er_js_u8_copy(er_text_slice(&t), exception);
	er_text_fini(&t);
	return v;
}

ER_NATIVE(utf8Length)
{
	er_text t;
	if (!er_js_utf8(a->string, &t, exception))
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
	if (!er_js_utf16(a->string, &t, exception))
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
	if (er_ascii_without_nul(s))
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
	er_value ignored = NULL;
	if (!er_js_bytestring(a->string, &t, &ignored))
		return er_js_undefined();
	char *out = malloc((t.n + 2) / 3 * 4 + 1), *at = out;
	if (out == NULL) {
		er_text_fini(&t);
		return er_js_throw(exception, "RangeError", "Out of memory");
	}
	for (size_t i = 0; i < t.n; i += 3) {
		size_t left = t.n - i;
		uint32_t v = (uint32_t)t.p[i] << 16 | (left > 1 ? (uint32_t)t.p[i + 1] << 8 : 0) | (left > 2 ? t.p[i + 2] : 0);
		*at++ = ALPHABET[v >> 18];
		*at++ = ALPHABET[v >> 12 & 63];
		*at++ = left > 1 ? ALPHABET[v >> 6 & 63] : '=';
		*at++ = left > 2 ? ALPHABET[v & 63] : '=';
	}
	ER_ASSERT((size_t)(at - out) == (t.n + 2) / 3 * 4);
	er_value v = er_js_latin1(er_slice_of(out, (size_t)(at - out)));
	free(out);
	er_text_fini(&t);
	return v;
}

/* -1: not of the alphabet. */
/* Infra's forgiving-base64 decode, in place. */
static bool base64_decode(er_text *t)
{
	size_t n = 0, out = 0;
	for (size_t i = 0; i < t->n; i++) {
		uint8_t c = t->p[i];
		if (c != ' ' && c != '\t' && c != '\n' && c != '\f' && c != '\r')
			t->p[n++] = c;
	}
	if (n % 4 == 0 && n && t->p[n - 1] == '=')
		n -= t->p[n - 2] == '=' ? 2 : 1;
	if (n % 4 == 1)
		return false;
	uint32_t bits = 0;
	for (size_t i = 0; i < n; i++) {
		int d = er_base64_digit(t->p[i]);
		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 == 3) {
			t->p[out++] = (uint8_t)(bits >> 16);
			t->p[out++] = (uint8_t)(bits >> 8);
			t->p[out++] = (uint8_t)bits;
		}
	}
	if (n % 4 == 2)
		t->p[out++] = (uint8_t)(bits >> 4);
	if (n % 4 == 3) {
		t->p[out++] = (uint8_t)(bits >> 10);
		t->p[out++] = (uint8_t)(bits >> 2);
	}
	ER_ASSERT(out <= n && n <= t->n);
	t->n = out;
	return true;
}

ER_NATIVE(atob)
{
	er_text t;
	er_value ignored = NULL;
	if (!er_js_bytestring(a->string, &t, &ignored))
		return er_js_undefined();
	er_value v = base64_decode(&t) ? er_js_latin1(er_text_slice(&t)) : er_js_undefined();
	er_text_fini(&t);
	return v;
}
