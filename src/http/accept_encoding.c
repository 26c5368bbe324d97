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
	switch (name.n) { /* at each hit of the cache */
	case 2:
		return er_slice_ieq(name, ER_LIT("br")) ? ER_CODING_BR : ER_CODINGS;
	case 4:
		return er_slice_ieq(name, ER_LIT("gzip"))   ? ER_CODING_GZIP
		       : er_slice_ieq(name, ER_LIT("zstd")) ? ER_CODING_ZSTD
		                                            : ER_CODINGS;
	case 6:
		return er_slice_ieq(name, ER_LIT("x-gzip")) ? ER_CODING_GZIP : ER_CODINGS;
	default:
		return ER_CODINGS;
	}
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

/* What stands behind the first ";" of a member. UNSAID: it is malformed. */
static int weight_of(er_slice param)
{
	param = er_slice_trim(er_slice_head(param, er_slice_find(param, ';')));
	size_t eq = er_slice_find(param, '=');
	if (eq >= param.n || !er_slice_ieq(er_slice_trim(er_slice_head(param, eq)), ER_LIT("q")))
		return ER_WEIGHT_UNSAID;
	return weight(er_slice_trim(er_slice_from(param, eq + 1)));
}

static void member(er_accept_encoding *to, er_slice coding, int w)
{
	coding = er_slice_trim(coding);
	er_coding c = er_coding_of(coding);
	if (w == ER_WEIGHT_UNSAID)
		return;
	if (c < ER_CODINGS)
		to->coding[c] = (int16_t)w;
	else if (er_slice_ieq(coding, ER_LIT("identity")))
		to->identity = (int16_t)w;
	else if (er_slice_eq(coding, ER_LIT("*")))
		to->any = (int16_t)w;
}

/* The members "coding" and "coding;q=weight" of one line, each byte looked at once. */
static void line(er_accept_encoding *to, er_slice value)
{
	for (size_t at = 0; at < value.n; at++) {
		size_t begin = at, semicolon = value.n;
		for (; at < value.n && value.p[at] != ','; at++)
			if (value.p[at] == ';' && semicolon == value.n)
				semicolon = at;
		er_slice all = er_slice_of(value.p + begin, at - begin);
		if (semicolon == value.n)
			member(to, all, ER_WEIGHT_FULL);
		else
			member(to, er_slice_head(all, semicolon - begin), weight_of(er_slice_from(all, semicolon - begin + 1)));
	}
}

void er_accept_encoding_read(const er_fields *fields, er_accept_encoding *out)
{
	static const er_accept_encoding nothing = {
	    .coding = {ER_WEIGHT_UNSAID, ER_WEIGHT_UNSAID, ER_WEIGHT_UNSAID}, .identity = ER_WEIGHT_UNSAID, .any = ER_WEIGHT_UNSAID};
	_Static_assert(ER_CODINGS == 3, "one each");
	*out = nothing;
	for (uint32_t i = 0; i < fields->n; i++) {
		er_slice name = fields->v[i].name;
		if (name.n != 15 || !er_slice_ieq(name, ER_LIT("accept-encoding")))
			continue;
		out->said = true;
		line(out, fields->v[i].value);
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
