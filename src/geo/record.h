/* The data section of a MaxMind DB file ("MaxMind DB File Format Specification", version 2.0):
 * reads what one record says under a path of names. Pure.
 *
 * The bytes may be anything. Nothing here recurses, and one look takes ER_RECORD_STEPS steps at
 * most, however deep or long the maps of a record are. */
#ifndef ER_GEO_RECORD_H
#define ER_GEO_RECORD_H

#include "base/slice.h"

/* A record has some hundred values; a look that meets more finds nothing. */
enum { ER_RECORD_STEPS = 4096 };

typedef enum er_record_type {
	ER_RECORD_POINTER = 1,
	ER_RECORD_STRING = 2,
	ER_RECORD_DOUBLE = 3,
	ER_RECORD_BYTES = 4,
	ER_RECORD_U16 = 5,
	ER_RECORD_U32 = 6,
	ER_RECORD_MAP = 7,
	ER_RECORD_I32 = 8,
	ER_RECORD_U64 = 9,
	ER_RECORD_U128 = 10,
	ER_RECORD_ARRAY = 11,
	ER_RECORD_CONTAINER = 12,
	ER_RECORD_END = 13,
	ER_RECORD_BOOL = 14,
	ER_RECORD_FLOAT = 15,
} er_record_type;

/* One value. Of a map `count` says how many pairs, of an array how many values; of all others
 * `bytes` are the payload, where they lie. */
typedef struct er_record_value {
	er_record_type type;
	uint32_t count;
	size_t at; /* behind its head: the payload, or the first key or value */
	er_slice bytes;
} er_record_value;

/* The value at the offset, whatever it is but a pointer, which is followed. False:
 * there is none. */
bool er_record_at(er_slice section, size_t offset, er_record_value *out);
/* Does nothing in the value lie more than ER_RECORD_DEPTH maps and arrays deep, and is it whole? */
enum { ER_RECORD_DEPTH = 8 };
bool er_record_shallow(er_slice section, size_t offset);
/* What stands under the names, one after the other; "0" of an array is its first value, and so on
 * to "9". `path` ends with NULL. False: nothing does, or the record is broken. */
bool er_record_find(er_slice section, size_t offset, const char *const *path, er_record_value *out);
/* The same as a text of valid UTF-8 without control characters, of at most `most` bytes; else
 * empty. */
er_slice er_record_text(er_slice section, size_t offset, const char *const *path, size_t most);
/* The same as a number without a sign; false: it is none. */
bool er_record_u64(er_slice section, size_t offset, const char *const *path, uint64_t *out);
/* The same as a double or float that is finite. */
bool er_record_double(er_slice section, size_t offset, const char *const *path, double *out);
/* Is it a boolean that is true? */
bool er_record_true(er_slice section, size_t offset, const char *const *path);

#endif
