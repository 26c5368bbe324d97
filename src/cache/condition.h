/* Conditional requests against a stored response (RFC 9110 13). Pure. */
#ifndef ER_CACHE_CONDITION_H
#define ER_CACHE_CONDITION_H

#include "http/fields.h"

/* Does the client have what is stored (If-None-Match, If-Modified-Since)? `came`: when the response
 * came, in seconds since 1970; it stands for a missing Last-Modified and Date. */
bool er_condition_met(const er_fields *request, const er_fields *stored, int64_t came);

/* Is a 304 with the fields `answer`, to a validation of what has the fields `stored`, of the same
 * response (RFC 9111 4.3.4)? By ETag, compared weakly, as the origin has compared it; without one
 * by Last-Modified; with neither it can only mean what was asked. */
bool er_condition_renews(const er_fields *stored, const er_fields *answer);

/* The response has a validator that nothing else has (RFC 9110 8.8): a strong ETag, or the date of
 * a second that was over when it was sent. */
bool er_condition_strong(const er_fields *response);

/* May a range be sent of what is stored (If-Range)? Strong tags, or the very date (RFC 9110
 * 13.1.5). True also if the request does not ask. */
bool er_condition_of_range(const er_fields *request, const er_fields *stored);
/* If-Range has a date, which all representations of a response share. */
bool er_condition_by_date(const er_fields *request);

#endif
