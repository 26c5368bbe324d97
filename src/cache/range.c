/* A list of ranges is read from its front to its end, and each range is put among those before it.
 * A range that overlaps or touches some of them becomes one with them, at the place of the first
 * (RFC 9110 15.3.7.2). So the work is ER_RANGES_ASKED times ER_RANGES_MOST steps at most, whatever
 * the field says. A field that is wrong somewhere is ignored as a whole. */
#include "cache/range.h"

#include "cache/condition.h"

/* Decimal digits, at least one. A number that does not fit is UINT64_MAX: larger than any body, as
 * it is itself (RFC 9110 14.1.2). */
static bool read_number(er_slice text, uint64_t *out)
{
	uint64_t v = 0;
	bool fits = true;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		fits =
		    fits && !__builtin_mul_overflow(v, (uint64_t)10, &v) && !__builtin_add_overflow(v, (uint64_t)(text.p[i] - '0'), &v);
	}
	*out = fits ? v : UINT64_MAX;
	return text.n > 0;
}

/* One range. WHOLE: it is none; BEYOND: none of its bytes is in the body. */
static er_range_kind read_range(er_slice spec, uint64_t length, er_range *out)
{
	size_t dash = er_slice_find(spec, '-');
	if (dash == spec.n)
		return ER_RANGE_WHOLE;
	er_slice first = er_slice_head(spec, dash), last = er_slice_from(spec, dash + 1);
	uint64_t a, b = UINT64_MAX;
	if ((last.n > 0 || first.n == 0) && !read_number(last, &b))
		return ER_RANGE_WHOLE;
	if (first.n == 0) { /* the last b bytes */
		if (b == 0 || length == 0)
			return ER_RANGE_BEYOND;
		uint64_t n = b < length ? b : length;
		*out = (er_range){.from = length - n, .n = n};
		return ER_RANGE_PART;
	}
	if (!read_number(first, &a) || b < a)
		return ER_RANGE_WHOLE;
	if (a >= length)
		return ER_RANGE_BEYOND;
	*out = (er_range){.from = a, .n = b < length ? b - a + 1 : length - a};
	return ER_RANGE_PART;
}

static bool touch(er_range a, er_range b)
{
	return a.from <= b.from + b.n && b.from <= a.from + a.n;
}

static er_range join(er_range a, er_range b)
{
	uint64_t from = a.from < b.from ? a.from : b.from;
	uint64_t end_a = a.from + a.n, end_b = b.from + b.n;
	return (er_range){.from = from, .n = (end_a > end_b ? end_a : end_b) - from};
}

/* False: there are too many. */
static bool add(er_ranges *r, er_range range)
{
	er_range all = range;
	uint32_t kept = 0, at = UINT32_MAX;
	for (uint32_t i = 0; i < r->n; i++) {
		er_range old = r->v[i];
		if (!touch(old, range)) {
			r->v[kept++] = old;
			continue;
		}
		/* What touches both were one before: those that touch `all` touch `range`. */
		all = join(all, old);
		if (at == UINT32_MAX)
			at = kept++;
	}
	r->n = kept;
	if (at == UINT32_MAX && kept == ER_RANGES_MOST)
		return false;
	if (at == UINT32_MAX)
		at = r->n++;
	r->v[at] = all;
	return true;
}

/* The ranges of a list, which may have empty members (RFC 9110 5.6.1.2). */
static er_range_kind read_list(er_slice list, uint64_t length, er_ranges *out)
{
	unsigned asked = 0;
	er_slice member;
	out->n = 0;
	while (er_slice_split(&list, ',', &member)) {
		er_slice spec = er_slice_trim(member);
		er_range range;
		if (spec.n == 0)
			continue;
		er_range_kind kind = ++asked <= ER_RANGES_ASKED ? read_range(spec, length, &range) : ER_RANGE_WHOLE;
		if (kind == ER_RANGE_WHOLE || (kind == ER_RANGE_PART && !add(out, range)))
			return ER_RANGE_WHOLE;
	}
	if (asked == 0)
		return ER_RANGE_WHOLE;
	return out->n > 0 ? ER_RANGE_PART : ER_RANGE_BEYOND;
}

/* The one field of the name. False: there is none, or there are several, which nobody may send. */
static bool only_one(const er_fields *fields, er_slice name, er_slice *value)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < fields->n; i++)
		if (er_slice_ieq(fields->v[i].name, name)) {
			*value = fields->v[i].value;
			n++;
		}
	return n == 1;
}

er_range_kind er_ranges_asked(const er_fields *request, uint64_t length, er_ranges *out)
{
	static const char unit[] = "bytes=";
	er_slice range;
	if (!only_one(request, ER_LIT("range"), &range) || !er_slice_ieq(er_slice_head(range, sizeof unit - 1), ER_LIT("bytes=")))
		return ER_RANGE_WHOLE;
	return read_list(er_slice_from(range, sizeof unit - 1), length, out);
}

er_range_kind er_ranges_of(const er_fields *request, const er_fields *stored, uint64_t length, er_ranges *out)
{
	return er_condition_of_range(request, stored) ? er_ranges_asked(request, length, out) : ER_RANGE_WHOLE;
}

bool er_range_said(const er_fields *response, er_range *part, uint64_t *whole)
{
	static const char unit[] = "bytes ";
	er_slice said;
	uint64_t first, last;
	if (!only_one(response, ER_LIT("content-range"), &said) ||
	    !er_slice_ieq(er_slice_head(said, sizeof unit - 1), ER_LIT("bytes ")))
		return false;
	said = er_slice_from(said, sizeof unit - 1);
	size_t slash = er_slice_find(said, '/');
	er_slice range = er_slice_head(said, slash);
	size_t dash = er_slice_find(range, '-');
	if (!er_slice_u64(er_slice_head(range, dash), &first) || !er_slice_u64(er_slice_from(range, dash + 1), &last) ||
	    !er_slice_u64(er_slice_from(said, slash + 1), whole) || last < first || last >= *whole)
		return false;
	*part = (er_range){.from = first, .n = last - first + 1};
	return true;
}
