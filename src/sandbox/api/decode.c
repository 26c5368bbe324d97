/* TextDecoder, but for UTF-8 in one piece, which text.c does: UTF-8 and UTF-16 as streams by hand,
 * the legacy encodings by ICU.
 *
 * A decoder is an object of C with a handle that JavaScript holds (er_js_handle). It lives until
 * JavaScript frees it (decoderFree) or the collector takes the handle, and remembers between two
 * calls what a chunk has cut in two. What ICU has for a converter is told to the collector as the
 * handle's cost, so that many of them make it run. Memory that the size of a chunk decides is taken
 * with malloc: if there is none, the routine gets an exception and the process goes on. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include "sandbox/api/labels.h"
#include "sandbox/api/utf8.h"

#include <stdlib.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>

enum { CONVERTER_COST = 1024 }; /* bytes: what ICU has for one */

typedef struct decoder {
	er_held held; /* by the TextDecoder alone: it has no request */
	const er_encoding *encoding;
	bool fatal, ignore_bom, begun, failed;
	er_utf8_state utf8;
	uint8_t half[1]; /* UTF-16: an odd byte */
	bool has_half;
	uint16_t lead;         /* UTF-16: a high surrogate that waits for its partner */
	UConverter *converter; /* legacy */
} decoder;
static void decoder_end(er_held *h)
{
	decoder *d = ER_CONTAINER(h, decoder, held);
	er_held_fini(h);
	if (d->converter != NULL)
		ucnv_close(d->converter);
	er_free(d);
}

const er_held_ops er_held_ops_decoder = {.end = decoder_end};

static const er_encoding *label_arg(er_value v, er_value *exception)
{
	er_text t;
	if (!er_js_utf8(v, &t, exception))
		return NULL;
	const er_encoding *e = er_encoding_find(er_text_slice(&t));
	er_text_fini(&t);
	return e;
}

ER_NATIVE(decoderName)
{
	const er_encoding *e = label_arg(a->label, exception);
	if (*exception != NULL)
		return NULL;
	return e != NULL ? er_js_ascii(e->name) : er_js_undefined();
}

static UConverter *open_converter(const er_encoding *e, bool fatal)
{
	UErrorCode status = U_ZERO_ERROR;
	ER_ASSERT(e->kind == ER_ENC_ICU && e->icu != NULL);
	UConverter *c = ucnv_open(e->icu, &status);
	if (U_FAILURE(status))
		return NULL;
	if (fatal)
		ucnv_setToUCallBack(c, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
	return c;
}

ER_NATIVE(decoderNew)
{
	const er_encoding *e = label_arg(a->label, exception);
	if (*exception != NULL)
		return NULL;
	if (e == NULL || e->kind == ER_ENC_REPLACEMENT)
		return er_js_number(0);
	UConverter *converter = e->kind == ER_ENC_ICU ? open_converter(e, er_js_to_bool(a->fatal)) : NULL;
	if (e->kind == ER_ENC_ICU && converter == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	decoder *d = ER_NEW(decoder);
	*d = (decoder){
	    .encoding = e, .fatal = er_js_to_bool(a->fatal), .ignore_bom = er_js_to_bool(a->ignoreBOM), .converter = converter};
	er_held_init(&d->held, ER_HELD_decoder, NULL);
	return er_js_handle(&d->held, sizeof *d + (converter != NULL ? CONVERTER_COST : 0));
}

static decoder *decoder_arg(er_value v)
{
	er_held *h = er_js_handle_of(v, ER_HELD_decoder);
	return h != NULL ? ER_CONTAINER(h, decoder, held) : NULL;
}

/* At once, not only when it is collected. */
ER_NATIVE(decoderFree)
{
	decoder *d = decoder_arg(a->handle);
	if (d != NULL)
		er_held_end(&d->held);
	return er_js_undefined();
}

/* One unit of UTF-16. False: fatal. */
static bool put_unit(decoder *d, uint16_t u, uint16_t **at)
{
	bool ok = true;
	if (d->lead) {
		uint16_t lead = d->lead;
		d->lead = 0;
		if ((u & 0xFC00) == 0xDC00) {
			*(*at)++ = lead;
			*(*at)++ = u;
			return true;
		}
		*(*at)++ = 0xFFFD;
		ok = !d->fatal;
	}
	if ((u & 0xFC00) == 0xD800) {
		d->lead = u;
	} else if ((u & 0xFC00) == 0xDC00) {
		*(*at)++ = 0xFFFD;
		ok = !d->fatal;
	} else {
		*(*at)++ = u;
	}
	return ok;
}

/* `out` has room for a unit for every two bytes, and two more. False: fatal and malformed. */
static bool decode_utf16(decoder *d, er_slice s, bool flush, uint16_t *out, size_t *n)
{
	bool big = d->encoding->kind == ER_ENC_UTF16BE, ok = true;
	uint16_t *at = out;
	for (size_t i = 0; ok && i < s.n; i++) {
		if (!d->has_half) {
			d->half[0] = s.p[i];
			d->has_half = true;
			continue;
		}
		d->has_half = false;
		ok = put_unit(d, (uint16_t)(big ? d->half[0] << 8 | s.p[i] : s.p[i] << 8 | d->half[0]), &at);
	}
	if (ok && flush && (d->lead || d->has_half)) {
		d->lead = 0;
		d->has_half = false;
		*at++ = 0xFFFD;
		ok = !d->fatal;
	}
	*n = (size_t)(at - out);
	return ok;
}

/* ICU keeps the rest of a cut character itself. After an end or a failure it begins anew. */
static bool decode_icu(decoder *d, er_slice s, bool flush, uint16_t *out, size_t cap, size_t *n)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar *to = (UChar *)out;
	const char *from = (const char *)s.p;
	ucnv_toUnicode(d->converter, &to, (UChar *)out + cap, &from, from + s.n, NULL, flush, &status);
	*n = (size_t)((uint16_t *)to - out);
	if (flush || U_FAILURE(status))
		ucnv_resetToUnicode(d->converter);
	return !U_FAILURE(status);
}

static void decode_bytes(const er_encoding *e, er_slice s, uint16_t *out)
{
	ER_ASSERT(e->kind == ER_ENC_USER || e->kind == ER_ENC_LATIN10);
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] < 0x80 ? s.p[i] : er_encoding_high(e, s.p[i]);
}

static bool decode(decoder *d, er_slice s, bool flush, uint16_t *out, size_t cap, size_t *n)
{
	switch (d->encoding->kind) {
	case ER_ENC_UTF8:
		return er_utf8_decode(&d->utf8, s, flush, d->fatal, out, n);
	case ER_ENC_UTF16LE:
	case ER_ENC_UTF16BE:
		return decode_utf16(d, s, flush, out, n);
	case ER_ENC_ICU:
		return decode_icu(d, s, flush, out, cap, n);
	default:
		decode_bytes(d->encoding, s, out);
		*n = s.n;
		return true;
	}
}

static bool is_unicode(const decoder *d)
{
	return d->encoding->kind == ER_ENC_UTF8 || d->encoding->kind == ER_ENC_UTF16LE || d->encoding->kind == ER_ENC_UTF16BE;
}

ER_NATIVE(decode)
{
	decoder *d = decoder_arg(a->handle);
	er_slice s;
	if (d == NULL)
		return er_js_throw(exception, "TypeError", "decode: no such decoder");
	if (!er_js_bytes(a->bytes, &s))
		s = (er_slice){(const uint8_t *)"", 0};
	bool flush = er_js_to_bool(a->flush);
	size_t cap = 2 * s.n + 16, n = 0;
	uint16_t *out = malloc(2 * cap);
	if (out == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	bool ok = decode(d, s, flush, out, cap, &n);
	ER_ASSERT(!ok || n <= cap);
	size_t skip = 0;
	if (!d->begun && n) {
		d->begun = true;
		if (is_unicode(d) && !d->ignore_bom && out[0] == 0xFEFF)
			skip = 1;
	}
	if (flush || !ok)
		d->begun = false;
	er_value v = ok ? er_js_from_utf16(out + skip, n - skip) : er_js_undefined();
	free(out);
	return v;
}
