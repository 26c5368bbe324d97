/* Which bytes of a stored body a request asks for (Range and If-Range, RFC 9110 14.2 and 13.1.5).
 * Pure. */
#ifndef ER_CACHE_RANGE_H
#define ER_CACHE_RANGE_H

#include "http/fields.h"

enum {
	ER_RANGES_MOST = 16,   /* parts that one answer has; whoever asks for more gets the whole */
	ER_RANGES_ASKED = 128, /* ranges that one request may name; likewise (RFC 9110 17.15) */
};

typedef struct er_range {
	uint64_t from, n; /* n > 0 */
} er_range;

/* No two of them overlap or touch. In the order in which they were asked for. */
typedef struct er_ranges {
	er_range v[ER_RANGES_MOST];
	uint32_t n;
} er_ranges;

typedef enum er_range_kind {
	ER_RANGE_WHOLE,  /* no range is asked for, or what asks for it is to be ignored */
	ER_RANGE_PART,   /* there are some */
	ER_RANGE_BEYOND, /* 416: none of them is in the body */
} er_range_kind;

/* What Range alone asks for of a body of `length` bytes. *out is written for PART. */
er_range_kind er_ranges_asked(const er_fields *request, uint64_t length, er_ranges *out);
/* The same of a response with the fields `stored`: only if If-Range holds. */
er_range_kind er_ranges_of(const er_fields *request, const er_fields *stored, uint64_t length, er_ranges *out);

/* Which part a 206 is by its one Content-Range, of a body of *whole bytes. False: it does not say,
 * or not of how many. */
bool er_range_said(const er_fields *response, er_range *part, uint64_t *whole);

#endif
