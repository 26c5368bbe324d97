/* Rules without a state. What is not mentioned takes the weight of "*". */
#include "http/accept_encoding.h"

#include "base/mem.h"

static const char *const names[ER_CODINGS] = {[ER_CODING_BR] = "br", [ER_CODING_ZSTD] = "zstd", [ER_CODING_GZIP] = "gzip"};

enum { TEXT = sizeof "br, zstd, gzip, identity;q=0" };

er_slice er_coding_name(er_coding c)
{
	ER_ASSERT(c < ER_CODINGS);
	return er_slice_cstr(names[c]);
}

er_coding er_coding_of(er_slice name)
{
	for (er_coding c = 0; c < ER_CODINGS; c++)
		if (er_slice_ieq(name, er_slice_cstr(names[c])))
			return c;
	return er_slice_ieq(name, ER_LIT("x-gzip")) ? ER_CODING_GZIP : ER_CODINGS;
}

/* RFC 9110 12.4.2: 0 to 1 with at most three digits behind the point. */
static int weight(er_slice q)
{
	if (q.n == 0 || q.n > 5 || q.p[0] < '0' || q.p[0] > '1' || (q.n > 1 && q.p[1] != '.'))
		return ER_WEIGHT_UNSAID;
	int w = (q.p[0] - '0') * ER_WEIGHT_FULL, unit = 100;
	for (size_t i = 2; i < q.n; i++, unit /= 10) {
		if (q.p[i] < '0' || q.p[i] > '9')
			return ER_WEIGHT_UNSAID;
		w += (q.p[i] - '0') * unit;
	}
	return w <= ER_WEIGHT_FULL ? w : ER_WEIGHT_UNSAID;
}

/* One "coding;q=weight". */
static void member(er_accept_encoding *to, er_slice text)
{
	er_slice coding, param;
	int w = ER_WEIGHT_FULL;
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
	if (w == ER_WEIGHT_UNSAID)
		return;
	er_coding c = er_coding_of(coding);
	if (c < ER_CODINGS)
		to->coding[c] = (int16_t)w;
	else if (er_slice_ieq(coding, ER_LIT("identity")))
		to->identity = (int16_t)w;
	else if (er_slice_eq(coding, ER_LIT("*")))
		to->any = (int16_t)w;
}

void er_accept_encoding_read(const er_fields *fields, er_accept_encoding *out)
{
	*out = (er_accept_encoding){.identity = ER_WEIGHT_UNSAID, .any = ER_WEIGHT_UNSAID};
	for (er_coding c = 0; c < ER_CODINGS; c++)
		out->coding[c] = ER_WEIGHT_UNSAID;
	for (uint32_t i = 0; i < fields->n; i++) {
		er_slice name = fields->v[i].name;
		if (name.n != 15 || !er_slice_ieq(name, ER_LIT("accept-encoding")))
			continue;
		out->said = true;
		er_slice rest = fields->v[i].value, part;
		while (er_slice_split(&rest, ',', &part))
			member(out, part);
	}
}

int er_accept_encoding_weight(const er_accept_encoding *said, er_coding c)
{
	ER_ASSERT(c < ER_CODINGS);
	return said->coding[c] != ER_WEIGHT_UNSAID ? said->coding[c] : said->any;
}

bool er_accept_encoding_refuses_identity(const er_accept_encoding *said)
{
	int w = said->identity != ER_WEIGHT_UNSAID ? said->identity : said->any;
	return w == ER_WEIGHT_REFUSED;
}

size_t er_accept_encoding_order(const er_accept_encoding *said, er_coding out[static ER_CODINGS])
{
	size_t n = 0;
	for (er_coding c = 0; c < ER_CODINGS; c++) {
		int w = er_accept_encoding_weight(said, c);
		if (w <= ER_WEIGHT_REFUSED || w < said->identity)
			continue;
		size_t at = n++;
		for (; at > 0 && er_accept_encoding_weight(said, out[at - 1]) < w; at--)
			out[at] = out[at - 1];
		out[at] = c;
	}
	return n;
}

er_slice er_accept_encoding_text(const er_accept_encoding *said, er_arena *a)
{
	ER_ASSERT(said->said);
	er_coding order[ER_CODINGS];
	size_t n = er_accept_encoding_order(said, order);
	bool accepted[ER_CODINGS] = {false};
	for (size_t i = 0; i < n; i++)
		accepted[order[i]] = true;
	uint8_t *text = er_arena_alloc(a, TEXT), *at = text;
	for (er_coding c = 0; c < ER_CODINGS; c++) {
		if (!accepted[c])
			continue;
		at = at > text ? er_append(at, ER_LIT(", ")) : at;
		at = er_append(at, er_coding_name(c));
	}
	if (er_accept_encoding_refuses_identity(said)) {
		at = at > text ? er_append(at, ER_LIT(", ")) : at;
		at = er_append(at, ER_LIT("identity;q=0"));
	} else if (at == text) {
		return ER_LIT("identity");
	}
	ER_ASSERT((size_t)(at - text) < TEXT);
	return er_slice_of(text, (size_t)(at - text));
}
