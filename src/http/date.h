/* HTTP dates (RFC 9110 5.6.7), in seconds since 1970. Pure: the time is an argument. */
#ifndef ER_HTTP_DATE_H
#define ER_HTTP_DATE_H

#include "base/slice.h"

enum { ER_DATE_N = 29 };

/* "Sun, 06 Nov 1994 08:49:37 GMT", without a NUL. Years 0 to 9999; times outside are moved to the
 * nearest end. */
void er_date_write(int64_t at, uint8_t out[ER_DATE_N]);
/* IMF-fixdate, and the obsolete forms of RFC 850 and asctime. The day's name is not compared with
 * the date. `now` decides the century of RFC 850's two digits: what would be more than 50 years
 * ahead is past. */
bool er_date_parse(er_slice text, int64_t now, int64_t *at);

#endif
