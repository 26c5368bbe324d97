/* What Accept-Encoding says of gzip and identity, each with its weight. What comes out is written
 * with the same weights, so that a server chooses as it would have for the author. */
#include "origin/coding.h"

#include "base/buf.h"
#include "http/accept_encoding.h"

static void put_weight(er_buf *to, int w)
{
	ER_ASSERT(w >= ER_WEIGHT_REFUSED && w <= ER_WEIGHT_FULL);
	if (w == ER_WEIGHT_FULL)
		return;
	er_buf_puts(to, ";q=0");
	if (w == ER_WEIGHT_REFUSED)
		return;
	er_buf_putc(to, '.');
	for (int unit = 100; unit > 0; unit /= 10)
		er_buf_putc(to, (uint8_t)('0' + w / unit % 10));
}

er_slice er_coding_offer(const er_fields *fields, er_arena *a)
{
	er_accept_encoding said;
	er_accept_encoding_read(fields, &said);
	if (er_fields_get(fields, ER_LIT("range")) != NULL)
		return ER_LIT("identity");
	int gzip = er_accept_encoding_weight(&said, ER_CODING_GZIP);
	/* "*" speaks for identity only where it refuses it. */
	int identity = er_accept_encoding_refuses_identity(&said) ? ER_WEIGHT_REFUSED : said.identity;
	if (!said.said || (gzip == ER_WEIGHT_FULL && identity == ER_WEIGHT_UNSAID))
		return ER_LIT("gzip");
	if (gzip == ER_WEIGHT_UNSAID || gzip == ER_WEIGHT_REFUSED)
		return ER_LIT("identity");
	er_buf text = {0};
	er_buf_puts(&text, "gzip");
	put_weight(&text, gzip);
	if (identity != ER_WEIGHT_UNSAID) {
		er_buf_puts(&text, ", identity");
		put_weight(&text, identity);
	}
	er_slice all = er_arena_copy(a, er_buf_slice(&text));
	er_buf_fini(&text);
	return all;
}
