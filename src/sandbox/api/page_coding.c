/* ICU's converters, as decode.c has them for TextDecoder. The one to the page's encoding escapes as
 * browsers do in forms. */
#include "sandbox/api/page_coding.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>

struct er_page_coding {
	UConverter *page, *utf8;
};

er_page_coding *er_page_coding_new(const er_encoding *e)
{
	UErrorCode status = U_ZERO_ERROR;
	if (e == NULL || e->kind != ER_ENC_ICU)
		return NULL;
	er_page_coding *c = ER_NEW(er_page_coding);
	c->page = ucnv_open(e->icu, &status);
	c->utf8 = ucnv_open("utf-8", &status);
	if (!U_FAILURE(status))
		ucnv_setFromUCallBack(c->page, UCNV_FROM_U_CALLBACK_ESCAPE, UCNV_ESCAPE_XML_DEC, NULL, NULL, &status);
	if (!U_FAILURE(status))
		return c;
	er_page_coding_free(c);
	return NULL;
}

void er_page_coding_free(er_page_coding *c)
{
	if (c == NULL)
		return;
	ucnv_close(c->page);
	ucnv_close(c->utf8);
	er_free(c);
}

bool er_page_coding_is_wide(const er_page_coding *c)
{
	return ucnv_getMaxCharSize(c->page) > 1;
}

er_value er_page_coding_read(er_page_coding *c, er_slice s, er_value *exception)
{
	UErrorCode status = U_ZERO_ERROR;
	size_t cap = 2 * s.n + 2;
	uint16_t *out = s.n < INT32_MAX / 4 ? malloc(2 * cap) : NULL;
	if (out == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	int32_t n = ucnv_toUChars(c->page, (UChar *)out, (int32_t)cap, (const char *)s.p, (int32_t)s.n, &status);
	er_value v = U_FAILURE(status) ? er_js_from_utf8(s) : er_js_from_utf16(out, (size_t)n);
	free(out);
	return v;
}

bool er_page_coding_write(er_page_coding *c, er_slice utf8, er_buf *to)
{
	enum { PIECE = 4096 };
	char piece[PIECE];
	UChar pivot[PIECE], *from = pivot, *until = pivot;
	const char *in = (const char *)utf8.p, *end = in + utf8.n;
	UErrorCode status;
	bool first = true;
	do {
		char *out = piece;
		status = U_ZERO_ERROR;
		ucnv_convertEx(c->page, c->utf8, &out, piece + PIECE, &in, end, pivot, &from, &until, pivot + PIECE, first, true,
		               &status);
		er_buf_put(to, er_slice_of(piece, (size_t)(out - piece)));
		first = false;
	} while (status == U_BUFFER_OVERFLOW_ERROR);
	return !U_FAILURE(status);
}
