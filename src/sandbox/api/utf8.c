/* The conversions as loops over their input. Output is bounded by what the header says, which the
 * caller has made room for. Decoding keeps its state in er_utf8_state, so that a sequence may be
 * cut anywhere; a byte that does not belong is looked at again as the beginning of the next. */
#include "sandbox/api/utf8.h"

#include "base/mem.h"

enum { REPLACEMENT = 0xFFFD };

bool er_ascii_without_nul(er_slice s)
{
	size_t i = 0;
	const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + i, 8);
		if ((w | (w - ones)) & highs) /* a high bit, or a zero byte (or one after it) */
			return false;
	}
	for (; i < s.n; i++)
		if (s.p[i] == 0 || s.p[i] >= 0x80)
			return false;
	return true;
}

/* In plain loops, which the compiler makes ones over many bytes at a time; what is not ASCII is
 * often seen early. */
__attribute__((optimize("O3"))) bool er_is_ascii(er_slice s)
{
	enum { CHUNK = 1024 };
	while (s.n > 0) {
		er_slice chunk = er_slice_head(s, CHUNK);
		uint8_t all = 0;
		for (size_t i = 0; i < chunk.n; i++)
			all |= chunk.p[i];
		if (all >= 0x80)
			return false;
		s = er_slice_from(s, chunk.n);
	}
	return true;
}

__attribute__((optimize("O3"))) size_t er_latin1_utf8_length(er_slice s)
{
	enum { CHUNK = 128 }; /* as many as a byte can count */
	size_t n = s.n;
	while (s.n > 0) {
		er_slice chunk = er_slice_head(s, CHUNK);
		uint8_t more = 0;
		for (size_t i = 0; i < chunk.n; i++)
			more += chunk.p[i] >> 7;
		n += more;
		s = er_slice_from(s, chunk.n);
	}
	return n;
}

/* Eight at once as long as they are ASCII: each takes a byte or more, so there is room for them. */
static void latin1_to_utf8(er_slice s, uint8_t *out)
{
	size_t i = 0;
	while (i < s.n) {
		if (s.n - i >= 8) {
			uint64_t w;
			memcpy(&w, s.p + i, 8);
			memcpy(out, &w, 8);
			w &= 0x8080808080808080U;
			size_t ascii = w ? (size_t)__builtin_ctzll(w) / 8 : 8;
			i += ascii;
			out += ascii;
			if (ascii == 8)
				continue;
		}
		uint8_t c = s.p[i++];
		if (c < 0x80) {
			*out++ = c;
			continue;
		}
		*out++ = (uint8_t)(0xC0 | c >> 6);
		*out++ = (uint8_t)(0x80 | (c & 0x3F));
	}
}

void er_latin1_to_utf8(er_slice s, size_t n, uint8_t *out)
{
	ER_ASSERT(n >= s.n && n <= 2 * s.n);
	if (n == s.n)
		er_copy(out, s.p, s.n);
	else
		latin1_to_utf8(s, out);
}

/* The character at p[*i], which moves on. */
static uint32_t next_point(const uint16_t *p, size_t n, size_t *i)
{
	uint32_t c = p[(*i)++];
	if ((c & 0xF800) != 0xD800)
		return c;
	if (c < 0xDC00 && *i < n && (p[*i] & 0xFC00) == 0xDC00)
		return 0x10000 + ((c & 0x3FF) << 10) + (p[(*i)++] & 0x3FFU);
	return REPLACEMENT;
}

static size_t point_length(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* Eight units. A comparison gives -1 where it holds, and 0 elsewhere. */
typedef int16_t eight __attribute__((vector_size(16)));
typedef uint8_t eight_bytes __attribute__((vector_size(8)));
typedef uint16_t eight_units __attribute__((vector_size(16)));

static eight load(const uint16_t *p)
{
	eight v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* A unit takes one to three bytes; two that are one character take four together, and not six. */
size_t er_utf8_length(const uint16_t *p, size_t n)
{
	enum { STEPS = 1024 }; /* three a step and lane fit into 16 bits */
	size_t bytes = 0, i = 0;
	while (n - i > 8) {
		eight sum = {0};
		for (unsigned step = 0; step < STEPS && n - i > 8; step++, i += 8) {
			eight c = load(p + i), next = load(p + i + 1);
			sum -= (eight)((c & ~0x7F) != 0) + (eight)((c & ~0x7FF) != 0);
			sum += 2 * ((eight)((c & ~0x3FF) == (int16_t)0xD800) & (eight)((next & ~0x3FF) == (int16_t)0xDC00));
			bytes += 8;
		}
		for (unsigned k = 0; k < 8; k++)
			bytes += (size_t)(ptrdiff_t)sum[k];
	}
	/* The second half of a character whose first half was counted comes to three as any other. */
	while (i < n)
		bytes += point_length(next_point(p, n, &i));
	return bytes;
}

/* One to four bytes of UTF-8; the caller has made room. */
static uint8_t *put_point(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (uint8_t)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (uint8_t)(0xC0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (uint8_t)(0xE0 | c >> 12);
		} else {
			*out++ = (uint8_t)(0xF0 | c >> 18);
			*out++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
		}
		*out++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
	}
	*out++ = (uint8_t)(0x80 | (c & 0x3F));
	return out;
}

/* Of four units at p those before the first that is not ASCII; what is written to the four bytes
 * after them does not count. */
static unsigned four_ascii(const uint16_t *p, uint8_t *to)
{
	uint64_t w;
	memcpy(&w, p, 8);
	uint64_t others = w & 0xFF80FF80FF80FF80U;
	w |= w >> 8;
	uint32_t four = (uint32_t)((w & 0xFFFF) | (w >> 16 & 0xFFFF0000U));
	memcpy(to, &four, 4);
	return others ? (unsigned)__builtin_ctzll(others) / 16 : 4;
}

size_t er_utf8_encode(const uint16_t *p, size_t n, uint8_t *out)
{
	uint8_t *at = out;
	for (size_t i = 0; i < n;) {
		if (n - i >= 4) { /* of which each takes a byte or more: there is room for four */
			unsigned ascii = four_ascii(p + i, at);
			at += ascii;
			i += ascii;
			if (ascii == 4)
				continue;
		}
		/* After one that is not ASCII there is often another. */
		uint32_t c;
		do {
			c = next_point(p, n, &i);
			at = put_point(at, c);
		} while (c >= 0x80 && i < n);
	}
	return (size_t)(at - out);
}

size_t er_utf8_encode_into(const uint16_t *p, size_t n, uint8_t *out, size_t cap, size_t *read)
{
	uint8_t *at = out, *end = out + cap;
	size_t i = 0;
	while (i < n) {
		size_t next = i;
		uint32_t c = next_point(p, n, &next);
		if (point_length(c) > (size_t)(end - at))
			break;
		at = put_point(at, c);
		i = next;
	}
	ER_ASSERT(i <= n && at <= end);
	*read = i;
	return (size_t)(at - out);
}

/* The first byte of a sequence. False: it cannot be one. */
static bool lead(er_utf8_state *st, uint8_t b)
{
	*st = (er_utf8_state){.lower = 0x80, .upper = 0xBF};
	if (b >= 0xC2 && b <= 0xDF) {
		st->need = 1;
		st->point = b & 0x1F;
	} else if (b >= 0xE0 && b <= 0xEF) {
		st->need = 2;
		st->point = b & 0xF;
		if (b == 0xE0)
			st->lower = 0xA0;
		if (b == 0xED)
			st->upper = 0x9F;
	} else if (b >= 0xF0 && b <= 0xF4) {
		st->need = 3;
		st->point = b & 7;
		if (b == 0xF0)
			st->lower = 0x90;
		if (b == 0xF4)
			st->upper = 0x8F;
	} else {
		return false;
	}
	return true;
}

/* One or two units of UTF-16. */
static uint16_t *put_units(uint16_t *at, uint32_t c)
{
	if (c < 0x10000) {
		*at++ = (uint16_t)c;
	} else {
		*at++ = (uint16_t)(0xD7C0 + (c >> 10));
		*at++ = (uint16_t)(0xDC00 + (c & 0x3FF));
	}
	return at;
}

/* Of eight bytes at p those before the first that is not ASCII; what is written to the eight units
 * after them does not count. */
static unsigned eight_ascii(const uint8_t *p, uint16_t *to)
{
	uint64_t w;
	eight_bytes v;
	memcpy(&w, p, 8);
	memcpy(&v, p, 8);
	eight_units units = __builtin_convertvector(v, eight_units);
	memcpy(to, &units, sizeof units);
	w &= 0x8080808080808080U;
	return w ? (unsigned)__builtin_ctzll(w) / 8 : 8;
}

/* Is this the whole of a character of two or three bytes? How many; 0: no, or it is not easily
 * said. */
static size_t short_point(const uint8_t *p, size_t n, uint16_t *unit)
{
	if (n >= 2 && p[0] >= 0xC2 && p[0] < 0xE0 && (p[1] & 0xC0) == 0x80) {
		*unit = (uint16_t)((p[0] & 0x1F) << 6 | (p[1] & 0x3F));
		return 2;
	}
	if (n >= 3 && (p[0] & 0xF0) == 0xE0 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
		uint16_t u = (uint16_t)((p[0] & 0xF) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F));
		*unit = u;
		return u >= 0x800 && (u & 0xF800) != 0xD800 ? 3 : 0;
	}
	return 0;
}

/* What begins with a whole sequence and has no mistake, as most text does. Returns how many bytes
 * it was; the rest is for the states. */
static size_t decode_well_formed(er_slice s, uint16_t **out)
{
	uint16_t *at = *out;
	size_t i = 0;
	while (i < s.n) {
		if (s.n - i >= 8) { /* and room for as many units */
			unsigned ascii = eight_ascii(s.p + i, at);
			i += ascii;
			at += ascii;
			if (ascii == 8)
				continue;
		} else if (s.p[i] < 0x80) {
			*at++ = s.p[i++];
			continue;
		}
		size_t took;
		while (i < s.n && (took = short_point(s.p + i, s.n - i, at)) != 0) {
			at++;
			i += took;
		}
		if (i < s.n && s.p[i] >= 0x80)
			break;
	}
	*out = at;
	return i;
}

bool er_utf8_decode(er_utf8_state *st, er_slice s, bool flush, bool fatal, uint16_t *out, size_t *n)
{
	uint16_t *at = out;
	for (size_t i = 0; i < s.n;) {
		if (st->need == 0) {
			i += decode_well_formed(er_slice_from(s, i), &at);
			if (i == s.n)
				break;
		}
		uint8_t b = s.p[i];
		if (st->need == 0) {
			i++;
			if (b < 0x80) {
				*at++ = b;
			} else if (!lead(st, b)) {
				if (fatal)
					return false;
				*at++ = REPLACEMENT;
			}
			continue;
		}
		if (b < st->lower || b > st->upper) {
			/* The byte is not part of it; look at it again. */
			st->need = 0;
			if (fatal)
				return false;
			*at++ = REPLACEMENT;
			continue;
		}
		i++;
		st->lower = 0x80;
		st->upper = 0xBF;
		st->point = st->point << 6 | (b & 0x3F);
		if (--st->need == 0)
			at = put_units(at, st->point);
	}
	if (flush && st->need) {
		st->need = 0;
		if (fatal)
			return false;
		*at++ = REPLACEMENT;
	}
	*n = (size_t)(at - out);
	ER_ASSERT(*n <= s.n + 1);
	return true;
}
