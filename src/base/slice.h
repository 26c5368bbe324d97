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

/* The same bytes; two empty slices are equal wherever they point. */
static inline bool er_slice_eq(er_slice a, er_slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Of ASCII letters only, whatever the locale: protocols compare so. */
/* In the order of their bytes, the shorter one first: below, at or above 0. */
static inline int er_slice_compare(er_slice a, er_slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static inline uint8_t er_lower(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') ? (uint8_t)(c | 0x20) : c;
}

/* Of a hexadecimal digit of either case; -1: it is none. */
static inline int er_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = er_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Equal but for the case of ASCII letters. */
static inline bool er_slice_ieq(er_slice a, er_slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (er_lower(a.p[i]) != er_lower(b.p[i]))
			return false;
	return true;
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
