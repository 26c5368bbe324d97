/* Times that come again, as crontabs say them: five fields with spaces between, "minute hour
 * day-of-month month day-of-week", in UTC.
 *
 *     field     values             what it may have
 *     minute    0-59               *  a  a-b  * / n  a-b / n  a / n (to the field's end), with commas between
 *     hour      0-23
 *     day       1-31
 *     month     1-12, JAN-DEC
 *     weekday   0-7, SUN-SAT       0 and 7 are Sunday
 *
 * (A step stands behind the slash without a space.) If both day and weekday are restricted,
 * that is, neither begins with a star, a day that fits one of them is meant (crontab(5)). Pure,
 * any thread. */
#ifndef ER_MODEL_CRON_H
#define ER_MODEL_CRON_H

#include "base/err.h"
#include "base/slice.h"

enum { ER_CRON_TEXT = 128 /* bytes of an expression */ };

/* Bit i: the value i is meant. */
typedef struct er_cron {
	uint64_t minutes;
	uint32_t hours, days; /* of the month: bits 1 to 31 */
	uint16_t months;      /* bits 1 to 12 */
	uint8_t weekdays;     /* bits 0 to 6, Sunday first */
	bool either;          /* a day that fits one of days and weekdays is meant; else both */
} er_cron;

/* False: *err says what is wrong, and *at is the byte of the text where. An expression that never
 * comes (30 February) is a mistake, too. */
ER_MUST_CHECK bool er_cron_parse(er_slice text, er_cron *out, size_t *at, er_err *err);
/* The first minute at or after this one that is meant. Minutes since 1970, UTC. */
int64_t er_cron_next(const er_cron *c, int64_t minute);
/* The last one at or before it; below 0: there is none within the past eight years and some. */
int64_t er_cron_last(const er_cron *c, int64_t minute);
/* This minute is meant. */
bool er_cron_is(const er_cron *c, int64_t minute);

#endif
