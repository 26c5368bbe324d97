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

size_t er_utf8_length(const uint16_t *p, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n;)
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

size_t er_utf8_encode(const uint16_t *p, size_t n, uint8_t *out)
{
	uint8_t *at = out;
	for (size_t i = 0; i < n;)
		at = put_point(at, next_point(p, n, &i));
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

bool er_utf8_decode(er_utf8_state *st, er_slice s, bool flush, bool fatal, uint16_t *out, size_t *n)
{
	uint16_t *at = out;
	for (size_t i = 0; i < s.n;) {
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
