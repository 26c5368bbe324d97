/* Conditional and range requests against a stored response (RFC 9110 13 and 14). Pure. */
#ifndef ER_CACHE_CONDITION_H
#define ER_CACHE_CONDITION_H

#include "http/fields.h"

/* Does the client have what is stored (If-None-Match, If-Modified-Since)? `came`: when the response
 * came, in seconds since 1970; it stands for a missing Last-Modified and Date. */
bool er_condition_met(const er_fields *request, const er_fields *stored, int64_t came);

typedef enum er_range_kind {
	ER_RANGE_WHOLE, /* no range is asked for, or one that is to be ignored */
	ER_RANGE_PART,
	ER_RANGE_BEYOND, /* 416 */
} er_range_kind;

/* Which part of a body of `length` bytes is asked for (Range, If-Range). Several ranges in one
 * request are ignored, as RFC 9110 14.2 allows. */
er_range_kind er_range_of(const er_fields *request, const er_fields *stored, uint64_t length, uint64_t *from, uint64_t *n);

#endif
