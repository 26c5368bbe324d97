/* TextDecoder, but for UTF-8 in one piece, which text.c does: UTF-8 and UTF-16 as streams by hand,
 * ISO-2022-JP by iso2022jp.c, the other legacy encodings by ICU. Where ICU's tables are not the
 * Encoding Standard's, what they make is put right: on_error for what ICU refuses, and mend for
 * what it takes.
 *
 * A decoder is an object of C with a handle that JavaScript holds (er_js_handle). It lives until
 * JavaScript frees it (decoderFree) or the collector takes the handle, and remembers between two
 * calls what a chunk has cut in two. What ICU has for a converter is told to the collector as the
 * handle's cost, so that many of them make it run. Memory that the size of a chunk decides is taken
 * with malloc: if there is none, the routine gets an exception and the process goes on. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include "sandbox/api/iso2022jp.h"
#include "sandbox/api/labels.h"
#include "sandbox/api/utf8.h"

#include <stdlib.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>

enum { CONVERTER_COST = 1024 }; /* bytes: what ICU has for one */

typedef struct decoder {
	er_held held; /* by the TextDecoder alone: it has no request */
	const er_encoding *encoding;
	bool fatal, ignore_bom, begun;
	bool holey;      /* ICU has something for bytes that mean nothing */
	bool no_private; /* ICU has private characters for pairs that mean nothing */
	er_utf8_state utf8;
	uint8_t half[1]; /* UTF-16: an odd byte */
	bool has_half;
	uint16_t lead; /* UTF-16: a high surrogate that waits for its partner */
	er_iso2022jp jp;
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

static bool is_gb(const er_encoding *e)
{
	return e->icu != NULL && er_slice_eq(er_slice_cstr(e->icu), ER_LIT("gb18030"));
}

/* ICU has read what it cannot decode. The second byte of a pair that means nothing, if it is ASCII,
 * stands for itself. ICU's own way would write U+001A for some. */
static void on_error(const void *context, UConverterToUnicodeArgs *args, const char *bytes, int32_t n,
                     UConverterCallbackReason reason, UErrorCode *status)
{
	const decoder *d = context;
	if (reason > UCNV_IRREGULAR)
		return; /* not about bytes */
	uint16_t mended = n == 1 ? er_encoding_mended(d->encoding, (uint8_t)bytes[0]) : 0;
	UChar out[2] = {mended != 0 ? mended : 0xFFFD, 0};
	int32_t units = 1;
	if (out[0] == 0xFFFD && d->fatal)
		return; /* the status stands */
	if (n == 2 && (uint8_t)bytes[1] < 0x80 && *status != U_TRUNCATED_CHAR_FOUND)
		out[units++] = (UChar)bytes[1];
	*status = U_ZERO_ERROR;
	ucnv_cbToUWriteUChars(args, out, units, 0, status);
}

static UConverter *open_converter(const decoder *d)
{
	UErrorCode status = U_ZERO_ERROR;
	ER_ASSERT(d->encoding->icu != NULL);
	UConverter *c = ucnv_open(d->encoding->icu, &status);
	if (U_FAILURE(status))
		return NULL;
	ucnv_setToUCallBack(c, on_error, d, NULL, NULL, &status);
	return c;
}

ER_NATIVE(decoderNew)
{
	const er_encoding *e = label_arg(a->label, exception);
	if (*exception != NULL)
		return NULL;
	if (e == NULL || e->kind == ER_ENC_REPLACEMENT)
		return er_js_number(0);
	decoder *d = ER_NEW(decoder);
	*d = (decoder){.encoding = e, .fatal = er_js_to_bool(a->fatal), .ignore_bom = er_js_to_bool(a->ignoreBOM)};
	d->holey = er_encoding_mended(e, 0xFF) == 0xFFFD || er_encoding_mended(e, 0xAA) == 0xFFFD;
	d->no_private = er_slice_eq(er_slice_cstr(e->name), ER_LIT("big5")) || er_slice_eq(er_slice_cstr(e->name), ER_LIT("euc-kr"));
	d->converter = e->icu != NULL ? open_converter(d) : NULL;
	if (e->icu != NULL && d->converter == NULL) {
		er_free(d);
		return er_js_throw(exception, "RangeError", "Out of memory");
	}
	er_held_init(&d->held, ER_HELD_decoder, NULL);
	return er_js_handle(&d->held, sizeof *d + (d->converter != NULL ? CONVERTER_COST : 0));
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

/* GB 18030-2022 has other characters for 18 pairs of bytes than ICU's table of 2005, and gives the
 * four bytes of these to what the pairs were. */
static uint16_t gb_swap(uint16_t u)
{
	static const uint16_t pairs[][2] = {
	    {0xE78D, 0xFE10}, {0xE78E, 0xFE12}, {0xE78F, 0xFE11}, {0xE790, 0xFE13}, {0xE791, 0xFE14}, {0xE792, 0xFE15},
	    {0xE793, 0xFE16}, {0xE794, 0xFE17}, {0xE795, 0xFE18}, {0xE796, 0xFE19}, {0xE81E, 0x9FB4}, {0xE826, 0x9FB5},
	    {0xE82B, 0x9FB6}, {0xE82C, 0x9FB7}, {0xE832, 0x9FB8}, {0xE843, 0x9FB9}, {0xE854, 0x9FBA}, {0xE864, 0x9FBB},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (pairs[i][0] == u || pairs[i][1] == u)
			return pairs[i][pairs[i][0] == u];
	return u;
}

/* What ICU's table has and the standard's has not, or otherwise. False: fatal. ICU has written the
 * n units, which the analyzer cannot see. */
// NOLINTBEGIN(clang-analyzer-core.UndefinedBinaryOperatorResult)
static bool mend(const decoder *d, er_slice s, uint16_t *out, size_t n)
{
	if (is_gb(d->encoding)) {
		for (size_t i = 0; i < n; i++)
			if ((out[i] >= 0xE78D && out[i] <= 0xE864) || (out[i] >= 0x9FB4 && out[i] <= 0x9FBB) ||
			    (out[i] >= 0xFE10 && out[i] <= 0xFE19))
				out[i] = gb_swap(out[i]);
		return true;
	}
	if (d->no_private) {
		for (size_t i = 0; i < n; i++) {
			if (out[i] < 0xE000 || out[i] > 0xF8FF)
				continue;
			if (d->fatal)
				return false;
			out[i] = 0xFFFD;
		}
	}
	if (!d->holey)
		return true;
	/* of one byte, and a character for each byte */
	for (size_t i = 0; i < n && i < s.n; i++) {
		if (s.p[i] < 0x80 || er_encoding_mended(d->encoding, s.p[i]) != 0xFFFD)
			continue;
		if (d->fatal)
			return false;
		out[i] = 0xFFFD;
	}
	return true;
}
// NOLINTEND(clang-analyzer-core.UndefinedBinaryOperatorResult)

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
	return !U_FAILURE(status) && mend(d, s, out, *n);
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
	case ER_ENC_ISO2022JP:
		return er_iso2022jp_decode(&d->jp, d->converter, s, flush, d->fatal, out, n);
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
