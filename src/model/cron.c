/* An expression becomes five sets of bits. The next time is looked for by days: the calendar of a
 * day is worked out once (Howard Hinnant's days from and to a civil date), then hours and minutes
 * are bits. The longest wait is for 29 February on a weekday across a century without a leap day:
 * less than 41 years. */
#include "model/cron.h"

#include "base/mem.h"

enum { DAY = 24 * 60, YEARS_MOST = 41, DAYS_MOST = YEARS_MOST * 366, PAST_MOST = 9 * 366 };

typedef struct field {
	const char *name;
	unsigned least, most;
	const char *words; /* three letters each, from `least` on; or none */
} field;

static const field fields[5] = {{"minute", 0, 59, ""},
                                {"hour", 0, 23, ""},
                                {"day of the month", 1, 31, ""},
                                {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
                                {"day of the week", 0, 7, "SUNMONTUEWEDTHUFRISAT"}};

typedef struct reading {
	er_slice text;
	size_t at;
	er_err *err;
} reading;

static int peek(const reading *r)
{
	return r->at < r->text.n ? r->text.p[r->at] : -1;
}

static bool take(reading *r, char c)
{
	bool is = peek(r) == c;
	r->at += is;
	return is;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "MON", in either case. */
static bool take_word(reading *r, const field *f, unsigned *out)
{
	er_slice words = er_slice_cstr(f->words), rest = er_slice_from(r->text, r->at);
	if (rest.n < 3 || (rest.n > 3 && is_letter(rest.p[3])))
		return false;
	for (size_t i = 0; i + 3 <= words.n; i += 3)
		if (er_slice_ieq(er_slice_head(rest, 3), er_slice_of(words.p + i, 3))) {
			*out = f->least + (unsigned)(i / 3);
			r->at += 3;
			return true;
		}
	return false;
}

static bool take_value(reading *r, const field *f, unsigned *out)
{
	size_t begin = r->at;
	if (is_letter(peek(r)) && take_word(r, f, out))
		return true;
	if (!is_digit(peek(r)))
		return er_fail(r->err, ER_ERR_INVALID, "the %s is a number from %u to %u%s", f->name, f->least, f->most,
		               f->words[0] ? ", or three letters" : "");
	unsigned n = 0;
	while (is_digit(peek(r)) && n <= 99)
		n = n * 10 + (unsigned)(r->text.p[r->at++] - '0');
	*out = n;
	if (n >= f->least && n <= f->most && !is_digit(peek(r)))
		return true;
	r->at = begin;
	return er_fail(r->err, ER_ERR_INVALID, "the %s is a number from %u to %u", f->name, f->least, f->most);
}

static bool take_step(reading *r, const field *f, unsigned *out)
{
	size_t begin = r->at;
	unsigned n = 0;
	while (is_digit(peek(r)) && n <= 99)
		n = n * 10 + (unsigned)(r->text.p[r->at++] - '0');
	*out = n;
	if (n >= 1 && n <= f->most && !is_digit(peek(r)))
		return true;
	r->at = begin;
	return er_fail(r->err, ER_ERR_INVALID, "behind / stands a step from 1 to %u", f->most);
}

/* One part of a list. */
static bool take_part(reading *r, const field *f, uint64_t *bits)
{
	unsigned from = f->least, to = f->most, step = 1;
	size_t begin = r->at;
	bool star = take(r, '*'), range = star;
	if (!star) {
		if (!take_value(r, f, &from))
			return false;
		to = from;
		range = take(r, '-');
		if (range && !take_value(r, f, &to))
			return false;
	}
	if (from > to) {
		r->at = begin;
		return er_fail(r->err, ER_ERR_INVALID, "a range of the %s goes from the lesser to the greater value", f->name);
	}
	if (take(r, '/')) {
		if (!take_step(r, f, &step))
			return false;
		to = range ? to : f->most;
	}
	for (unsigned i = from; i <= to; i += step)
		*bits |= UINT64_C(1) << i;
	return true;
}

static bool take_field(reading *r, const field *f, uint64_t *bits)
{
	*bits = 0;
	do
		if (!take_part(r, f, bits))
			return false;
	while (take(r, ','));
	return peek(r) == ' ' || peek(r) == '\t' || peek(r) < 0 ||
	       er_fail(r->err, ER_ERR_INVALID, "the %s has *, values, ranges (1-5), steps (*/5) and lists (1,3) of these", f->name);
}

static void skip_space(reading *r)
{
	while (peek(r) == ' ' || peek(r) == '\t')
		r->at++;
}

static bool parse(reading *r, er_cron *out)
{
	uint64_t bits[5];
	bool star[5];
	if (r->text.n > ER_CRON_TEXT)
		return er_fail(r->err, ER_ERR_INVALID, "an expression has at most %d bytes", ER_CRON_TEXT);
	for (size_t i = 0; i < 5; i++) {
		skip_space(r);
		if (peek(r) < 0)
			return er_fail(r->err, ER_ERR_INVALID,
			               "five fields are expected, minute hour day month weekday, as \"*/5 * * * *\"; the %s is missing",
			               fields[i].name);
		star[i] = peek(r) == '*';
		if (!take_field(r, &fields[i], &bits[i]))
			return false;
	}
	skip_space(r);
	if (peek(r) >= 0)
		return er_fail(r->err, ER_ERR_INVALID,
		               "five fields are expected, minute hour day month weekday, and nothing behind them");
	if (bits[4] & (1 << 7))
		bits[4] |= 1;
	*out = (er_cron){.minutes = bits[0],
	                 .hours = (uint32_t)bits[1],
	                 .days = (uint32_t)bits[2],
	                 .months = (uint16_t)bits[3],
	                 .weekdays = (uint8_t)(bits[4] & 0x7f),
	                 .either = !star[2] && !star[4]};
	return true;
}

/* ---- the calendar ---- */

typedef struct date {
	unsigned month, day, weekday;
} date;

static date date_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	return (date){
	    .month = mp < 10 ? mp + 3 : mp - 9, .day = doy - (153 * mp + 2) / 5 + 1, .weekday = (unsigned)(((days % 7) + 11) % 7)};
}

static bool is_day(const er_cron *c, int64_t days)
{
	date d = date_of(days);
	bool day = c->days >> d.day & 1, weekday = c->weekdays >> d.weekday & 1;
	return (c->months >> d.month & 1) && (c->either ? day || weekday : day && weekday);
}

bool er_cron_is(const er_cron *c, int64_t minute)
{
	int64_t days = minute / DAY;
	unsigned of_day = (unsigned)(minute - days * DAY);
	return minute >= 0 && (c->minutes >> of_day % 60 & 1) && (c->hours >> of_day / 60 & 1) && is_day(c, days);
}

/* The first minute of a day at or after this one; DAY: none. */
static unsigned next_of_day(const er_cron *c, unsigned from)
{
	for (unsigned m = from; m < DAY; m++) {
		if (!(c->hours >> m / 60 & 1))
			m = m / 60 * 60 + 59;
		else if (c->minutes >> m % 60 & 1)
			return m;
	}
	return DAY;
}

int64_t er_cron_next(const er_cron *c, int64_t minute)
{
	int64_t today = minute / DAY;
	for (int64_t days = today; days <= today + DAYS_MOST; days++) {
		if (!is_day(c, days))
			continue;
		unsigned of_day = next_of_day(c, days == today ? (unsigned)(minute - today * DAY) : 0);
		if (of_day < DAY)
			return days * DAY + of_day;
	}
	return -1;
}

int64_t er_cron_last(const er_cron *c, int64_t minute)
{
	int64_t today = minute / DAY;
	for (int64_t days = today; days >= 0 && days > today - PAST_MOST; days--) {
		if (!is_day(c, days))
			continue;
		int64_t last = -1;
		unsigned most = days == today ? (unsigned)(minute - today * DAY) : DAY - 1;
		for (unsigned m = next_of_day(c, 0); m <= most && m < DAY; m = next_of_day(c, m + 1))
			last = days * DAY + m;
		if (last >= 0)
			return last;
	}
	return -1;
}

bool er_cron_parse(er_slice text, er_cron *out, size_t *at, er_err *err)
{
	reading r = {.text = text, .err = err};
	bool ok = parse(&r, out);
	*at = ok ? 0 : r.at;
	if (ok && er_cron_next(out, 0) < 0)
		ok = er_fail(err, ER_ERR_INVALID, "no month that is meant has such a day: it would never come");
	return ok;
}
