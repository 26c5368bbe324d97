/* A borrowed view of bytes: pointer and length, never NUL-terminated, never owned.
 * Everything that parses takes slices; nothing in this tree measures strings with strlen
 * except er_slice_cstr below. A slice is valid as long as what it points into. */
#ifndef ER_BASE_SLICE_H
#define ER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct er_slice {
	const uint8_t *p;
	size_t n;
} er_slice;

/* For printf("%.*s", ER_FMT(slice)). */
#define ER_FMT(s) (int)(s).n, (const char *)(s).p
/* A slice of a string literal, without its NUL. */
#define ER_LIT(lit) ((er_slice){(const uint8_t *)("" lit), sizeof(lit) - 1})

static inline er_slice er_slice_of(const void *p, size_t n)
{
	return (er_slice){(const uint8_t *)p, n};
}

/* Without the NUL; NULL is the empty slice. The one place that looks for a NUL. */
static inline er_slice er_slice_cstr(const char *s)
{
	return er_slice_of(s, s ? strlen(s) : 0);
}

/* The same bytes; two empty slices are equal wherever they point. With a literal as `b` the
 * compiler knows the length and calls nobody. */
static inline bool er_slice_eq(er_slice a, er_slice b)
{
	return a.n == b.n && (b.n == 0 || memcmp(a.p, b.p, b.n) == 0);
}

/* In the order of their bytes, the shorter one first: below, at or above 0. */
static inline int er_slice_compare(er_slice a, er_slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* Of ASCII letters only, whatever the locale: protocols compare so. */
static inline uint8_t er_lower(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') ? (uint8_t)(c | 0x20) : c;
}

/* The same of eight bytes at once. The two sums carry into the high bit of each byte that is at
 * least 'A', or above 'Z'. */
static inline uint64_t er_lower_eight(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
	uint64_t low = w & ~highs;
	uint64_t upper = ((low + (0x80 - 'A') * ones) ^ (low + (0x7f - 'Z') * ones)) & ~w & highs;
	return w | upper >> 2;
}

/* Of a hexadecimal digit of either case; -1: it is none. */
static inline int er_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = er_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline uint64_t er_load_eight(const uint8_t *p)
{
	uint64_t w;
	memcpy(&w, p, sizeof w);
	return w;
}

/* The first four of n bytes and the last four of them, which may overlap: n is at least 4. */
static inline uint64_t er_load_ends(const uint8_t *p, size_t n)
{
	uint32_t first, last;
	memcpy(&first, p, sizeof first);
	memcpy(&last, p + n - sizeof last, sizeof last);
	return first | (uint64_t)last << 32;
}

/* `to` gets s in lower case and has room for s.n. Returns where to go on writing. */
static inline uint8_t *er_append_lower(uint8_t *to, er_slice s)
{
	size_t i = 0;
	for (; i + 8 <= s.n; i += 8) {
		uint64_t w = er_lower_eight(er_load_eight(s.p + i));
		memcpy(to + i, &w, sizeof w);
	}
	for (; i < s.n; i++)
		to[i] = er_lower(s.p[i]);
	return to + s.n;
}

/* Equal but for the case of ASCII letters. The last step overlaps the one before. */
static inline bool er_slice_ieq(er_slice a, er_slice b)
{
	if (a.n != b.n)
		return false;
	if (b.n < 4) {
		for (size_t i = 0; i < b.n; i++)
			if (er_lower(a.p[i]) != er_lower(b.p[i]))
				return false;
		return true;
	}
	if (b.n < 8)
		return er_lower_eight(er_load_ends(a.p, b.n)) == er_lower_eight(er_load_ends(b.p, b.n));
	for (size_t i = 0; i < b.n - 8; i += 8)
		if (er_lower_eight(er_load_eight(a.p + i)) != er_lower_eight(er_load_eight(b.p + i)))
			return false;
	return er_lower_eight(er_load_eight(a.p + b.n - 8)) == er_lower_eight(er_load_eight(b.p + b.n - 8));
}

static inline bool er_slice_starts(er_slice s, er_slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool er_slice_ends(er_slice s, er_slice suffix)
{
	return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The part from `from` (clamped) to the end. */
static inline er_slice er_slice_from(er_slice s, size_t from)
{
	if (from > s.n)
		from = s.n;
	return er_slice_of(from > 0 ? s.p + from : s.p, s.n - from);
}

/* The first `n` bytes (clamped). */
static inline er_slice er_slice_head(er_slice s, size_t n)
{
	return er_slice_of(s.p, n < s.n ? n : s.n);
}

static inline bool er_slice_ascii(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}
/* Index of the first `c`, or s.n if there is none. */
static inline size_t er_slice_find(er_slice s, uint8_t c)
{
	const uint8_t *hit = s.n ? memchr(s.p, c, s.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

/* Without leading and trailing SP and HTAB (RFC 9110 5.6.3 OWS). */
static inline er_slice er_slice_trim(er_slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = er_slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Cuts the next part off `*rest` at `sep`. False when nothing is left. "a,b" gives "a", "b"; ""
 * gives nothing. */
static inline bool er_slice_split(er_slice *rest, uint8_t sep, er_slice *part)
{
	if (rest->p == NULL || rest->n == 0)
		return false;
	size_t at = er_slice_find(*rest, sep);
	*part = er_slice_head(*rest, at);
	*rest = at < rest->n ? er_slice_from(*rest, at + 1) : (er_slice){NULL, 0};
	return true;
}

/* Decimal digits only, at least one, no sign, no overflow. */
static inline bool er_slice_u64(er_slice s, uint64_t *out)
{
	uint64_t v = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

/* v in decimal, at the end of `digits`. */
static inline er_slice er_u64_text(uint64_t v, uint8_t digits[20])
{
	size_t at = 20;
	do {
		digits[--at] = (uint8_t)('0' + v % 10);
		v /= 10;
	} while (v);
	return er_slice_of(digits + at, 20 - at);
}

#endif
