/* Values lie one behind the other, each with a head that says type and size. A map's pairs and an
 * array's values come behind its head. To pass over a value is therefore to count: so many values
 * are still to be read, and a map or an array adds its own to that number. A pointer is passed over
 * as the number that it is; it is followed only where the value is wanted, and a pointer never
 * leads to another one. */
#include "geo/record.h"

#include "base/buf.h"
#include "base/mem.h"

#include <math.h>

/* Bytes of the head's own and of a number behind it. */
static bool take(er_slice section, size_t *at, size_t n, uint64_t *out)
{
	ER_ASSERT(n <= 8);
	if (*at > section.n || section.n - *at < n)
		return false;
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | section.p[*at + i];
	*at += n;
	*out = v;
	return true;
}

/* A pointer's payload: where it leads. */
static bool pointer(er_slice section, size_t *at, uint64_t control, uint64_t *target)
{
	static const uint32_t base[] = {0, 2048, 526336, 0};
	unsigned size = (control >> 3) & 3;
	uint64_t rest;
	if (!take(section, at, size + 1, &rest))
		return false;
	uint64_t high = size < 3 ? (control & 7) << (8 * (size + 1)) : 0;
	*target = (high | rest) + base[size];
	return true;
}

static bool size_of(er_slice section, size_t *at, uint64_t control, uint64_t *size)
{
	static const uint32_t base[] = {29, 285, 65821};
	uint64_t more;
	*size = control & 31;
	if (*size < 29)
		return true;
	unsigned form = (unsigned)*size - 29;
	if (!take(section, at, form + 1, &more))
		return false;
	*size = base[form] + more;
	return true;
}

/* The value as it stands there, and where the next one begins, which of maps and arrays is the
 * first of their own. A pointer has the offset that it leads to in `at`. */
static bool value_at(er_slice section, size_t offset, er_record_value *out, size_t *next)
{
	uint64_t control, type, size, target;
	size_t at = offset;
	if (!take(section, &at, 1, &control))
		return false;
	type = control >> 5;
	if (type == ER_RECORD_POINTER) {
		if (!pointer(section, &at, control, &target))
			return false;
		*out = (er_record_value){.type = ER_RECORD_POINTER, .at = target};
		*next = at;
		return true;
	}
	if (type == 0) {
		if (!take(section, &at, 1, &type))
			return false;
		type += 7;
	}
	if (type < ER_RECORD_STRING || type > ER_RECORD_FLOAT || !size_of(section, &at, control, &size))
		return false;
	*out = (er_record_value){.type = (er_record_type)type, .count = (uint32_t)size, .at = at};
	*next = at;
	if (type == ER_RECORD_MAP || type == ER_RECORD_ARRAY || type == ER_RECORD_BOOL || type == ER_RECORD_CONTAINER ||
	    type == ER_RECORD_END)
		return true;
	if (section.n - at < size)
		return false;
	out->bytes = er_slice_of(section.p + at, size);
	*next = at + size;
	return true;
}

/* A pointer is followed, once. */
static bool followed(er_slice section, size_t offset, er_record_value *out, size_t *next)
{
	size_t unused;
	if (!value_at(section, offset, out, next))
		return false;
	return out->type != ER_RECORD_POINTER || (value_at(section, out->at, out, &unused) && out->type != ER_RECORD_POINTER);
}

bool er_record_at(er_slice section, size_t offset, er_record_value *out)
{
	size_t next;
	return followed(section, offset, out, &next);
}

/* Where what comes behind the value begins. */
static bool pass_over(er_slice section, size_t offset, unsigned *steps, size_t *behind)
{
	uint64_t left = 1;
	while (left > 0) {
		er_record_value v;
		if (*steps == 0 || !value_at(section, offset, &v, &offset))
			return false;
		(*steps)--;
		left--;
		if (v.type == ER_RECORD_MAP)
			left += 2 * (uint64_t)v.count;
		else if (v.type == ER_RECORD_ARRAY)
			left += v.count;
	}
	*behind = offset;
	return true;
}

bool er_record_shallow(er_slice section, size_t offset)
{
	/* values that are still to come, of each map and array that is open */
	uint64_t left[ER_RECORD_DEPTH + 1] = {1};
	unsigned depth = 0;
	for (unsigned steps = ER_RECORD_STEPS; steps > 0; steps--) {
		er_record_value v;
		while (left[depth] == 0) {
			if (depth == 0)
				return true;
			depth--;
		}
		if (!value_at(section, offset, &v, &offset))
			return false;
		left[depth]--;
		if (v.type != ER_RECORD_MAP && v.type != ER_RECORD_ARRAY)
			continue;
		if (depth == ER_RECORD_DEPTH)
			return false;
		left[++depth] = (v.type == ER_RECORD_MAP ? 2 : 1) * (uint64_t)v.count;
	}
	return false;
}

/* Where the value of the map under this name begins. */
static bool find_in_map(er_slice section, const er_record_value *map, er_slice name, unsigned *steps, size_t *at)
{
	size_t offset = map->at;
	for (uint32_t i = 0; i < map->count; i++) {
		er_record_value key;
		if (*steps == 0 || !followed(section, offset, &key, &offset) || key.type != ER_RECORD_STRING)
			return false;
		(*steps)--;
		*at = offset;
		if (er_slice_eq(key.bytes, name))
			return true;
		if (!pass_over(section, offset, steps, &offset))
			return false;
	}
	return false;
}

static bool find_in_array(er_slice section, const er_record_value *array, er_slice name, unsigned *steps, size_t *at)
{
	if (name.n != 1 || name.p[0] < '0' || name.p[0] > '9' || name.p[0] - (uint32_t)'0' >= array->count)
		return false;
	*at = array->at;
	for (unsigned i = name.p[0] - (unsigned)'0'; i > 0; i--)
		if (!pass_over(section, *at, steps, at))
			return false;
	return true;
}

bool er_record_find(er_slice section, size_t offset, const char *const *path, er_record_value *out)
{
	unsigned steps = ER_RECORD_STEPS;
	if (!er_record_at(section, offset, out))
		return false;
	for (; *path != NULL; path++) {
		size_t at;
		er_slice name = er_slice_cstr(*path);
		bool there = out->type == ER_RECORD_MAP     ? find_in_map(section, out, name, &steps, &at)
		             : out->type == ER_RECORD_ARRAY ? find_in_array(section, out, name, &steps, &at)
		                                            : false;
		if (!there || !er_record_at(section, at, out))
			return false;
	}
	return true;
}

static bool printable(er_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return er_utf8_valid(s);
}

er_slice er_record_text(er_slice section, size_t offset, const char *const *path, size_t most)
{
	er_record_value v;
	if (!er_record_find(section, offset, path, &v) || v.type != ER_RECORD_STRING || v.bytes.n > most || !printable(v.bytes))
		return (er_slice){0};
	return v.bytes;
}

bool er_record_u64(er_slice section, size_t offset, const char *const *path, uint64_t *out)
{
	er_record_value v;
	if (!er_record_find(section, offset, path, &v) || v.bytes.n > 8 ||
	    (v.type != ER_RECORD_U16 && v.type != ER_RECORD_U32 && v.type != ER_RECORD_U64))
		return false;
	size_t at = 0;
	return take(v.bytes, &at, v.bytes.n, out);
}

bool er_record_double(er_slice section, size_t offset, const char *const *path, double *out)
{
	er_record_value v;
	uint64_t bits;
	size_t at = 0;
	if (!er_record_find(section, offset, path, &v))
		return false;
	if (v.type == ER_RECORD_DOUBLE && v.bytes.n == 8 && take(v.bytes, &at, 8, &bits)) {
		memcpy(out, &bits, sizeof *out);
	} else if (v.type == ER_RECORD_FLOAT && v.bytes.n == 4 && take(v.bytes, &at, 4, &bits)) {
		uint32_t half = (uint32_t)bits;
		float f;
		memcpy(&f, &half, sizeof f);
		*out = (double)f;
	} else {
		return false;
	}
	return isfinite(*out);
}

bool er_record_true(er_slice section, size_t offset, const char *const *path)
{
	er_record_value v;
	return er_record_find(section, offset, path, &v) && v.type == ER_RECORD_BOOL && v.count == 1;
}
