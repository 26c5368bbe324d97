/* Reads what Accept-Encoding says of gzip, identity and "*", each with its weight, over all fields
 * of that name. A coding that was not mentioned takes the weight of "*". What comes out is written
 * with the same weights, so that a server chooses as it would have for the author. */
#include "origin/coding.h"

#include "base/buf.h"
#include "base/mem.h"

enum { UNSAID = -1, REFUSED = 0, FULL = 1000 };

/* Weights in thousandths. */
typedef struct accepted {
	int gzip, identity, any;
} accepted;

/* RFC 9110 12.4.2: 0 to 1 with at most three digits behind the point. -1: neither. */
static int weight(er_slice q)
{
	if (q.n == 0 || q.n > 5 || q.p[0] < '0' || q.p[0] > '1' || (q.n > 1 && q.p[1] != '.'))
		return UNSAID;
	int w = (q.p[0] - '0') * FULL, unit = 100;
	for (size_t i = 2; i < q.n; i++, unit /= 10) {
		if (q.p[i] < '0' || q.p[i] > '9')
			return UNSAID;
		w += (q.p[i] - '0') * unit;
	}
	return w <= FULL ? w : UNSAID;
}

/* One "coding;q=weight". A member that is malformed says nothing. */
static void member(accepted *to, er_slice text)
{
	er_slice coding, param;
	int w = FULL;
	if (!er_slice_split(&text, ';', &coding))
		return;
	coding = er_slice_trim(coding);
	if (er_slice_split(&text, ';', &param)) {
		param = er_slice_trim(param);
		size_t eq = er_slice_find(param, '=');
		if (!er_slice_ieq(er_slice_trim(er_slice_head(param, eq)), ER_LIT("q")) || eq >= param.n)
			return;
		w = weight(er_slice_trim(er_slice_from(param, eq + 1)));
	}
	if (w == UNSAID)
		return;
	if (er_slice_ieq(coding, ER_LIT("gzip")) || er_slice_ieq(coding, ER_LIT("x-gzip")))
		to->gzip = w;
	else if (er_slice_ieq(coding, ER_LIT("identity")))
		to->identity = w;
	else if (er_slice_eq(coding, ER_LIT("*")))
		to->any = w;
}

static void put_weight(er_buf *to, int w)
{
	ER_ASSERT(w >= REFUSED && w <= FULL);
	if (w == FULL)
		return;
	er_buf_puts(to, ";q=0");
	if (w == REFUSED)
		return;
	er_buf_putc(to, '.');
	for (int unit = 100; unit > 0; unit /= 10)
		er_buf_putc(to, (uint8_t)('0' + w / unit % 10));
}

er_slice er_coding_offer(const er_fields *fields, er_arena *a)
{
	accepted got = {UNSAID, UNSAID, UNSAID};
	bool said = false;
	for (uint32_t i = 0; i < fields->n; i++) {
		er_slice name = fields->v[i].name;
		if (name.n == 5 && er_slice_ieq(name, ER_LIT("range")))
			return ER_LIT("identity");
		if (name.n != 15 || !er_slice_ieq(name, ER_LIT("accept-encoding")))
			continue;
		said = true;
		er_slice rest = fields->v[i].value, part;
		while (er_slice_split(&rest, ',', &part))
			member(&got, part);
	}
	int gzip = got.gzip != UNSAID ? got.gzip : got.any;
	/* "*" speaks for identity only where it refuses it. */
	int identity = got.identity == UNSAID && got.any == REFUSED ? REFUSED : got.identity;
	if (!said || (gzip == FULL && identity == UNSAID))
		return ER_LIT("gzip");
	if (gzip == UNSAID || gzip == REFUSED)
		return ER_LIT("identity");
	er_buf text = {0};
	er_buf_puts(&text, "gzip");
	put_weight(&text, gzip);
	if (identity != UNSAID) {
		er_buf_puts(&text, ", identity");
		put_weight(&text, identity);
	}
	er_slice all = er_arena_copy(a, er_buf_slice(&text));
	er_buf_fini(&text);
	return all;
}
