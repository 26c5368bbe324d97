/* HTTP dates, written and read without the C library's calendar, which knows locales and is slow.
 * Pure.
 *
 * A date that is read goes through a sticky reader: each step takes its part off the front, the
 * first that does not fit makes `bad`, and only the end asks. The three forms of RFC 9110 5.6.7 are
 * told apart by the day's name: a long one is RFC 850's, a short one with a comma IMF-fixdate,
 * without one asctime's. */
#include "http/date.h"

#include "base/mem.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char *const long_days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static_assert(sizeof days == 7 * 3 + 1 && sizeof months == 12 * 3 + 1, "three letters each");
static_assert(sizeof long_days / sizeof *long_days == 7, "a name for each day of the week");

/* Days since 1970 of a date in the proleptic Gregorian calendar, and back: years begin in March, so
 * that the leap day is the last. */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_from_days(int64_t n, int64_t *y, int64_t *m, int64_t *d)
{
	n += 719468;
	int64_t era = (n >= 0 ? n : n - 146096) / 146097, of_era = n - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
	*d = of_year - (153 * shifted + 2) / 5 + 1;
	*m = shifted < 10 ? shifted + 3 : shifted - 9;
	ER_ASSERT(*m >= 1 && *m <= 12 && *d >= 1 && *d <= 31);
	*y = year + era * 400 + (*m <= 2);
}

static uint8_t *put_digits(uint8_t *to, int64_t v, int n)
{
	for (int i = n; i-- > 0; v /= 10)
		to[i] = (uint8_t)('0' + v % 10);
	return to + n;
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t n)
{
	er_copy(to, text, n);
	return to + n;
}

void er_date_write(int64_t at, uint8_t out[ER_DATE_N])
{
	const int64_t first = days_from_civil(0, 1, 1) * 86400, last = days_from_civil(10000, 1, 1) * 86400 - 1;
	at = at < first ? first : at > last ? last : at;
	int64_t day = at / 86400 - (at % 86400 < 0), second = at - day * 86400, y, m, d;
	civil_from_days(day, &y, &m, &d);
	int64_t weekday = ((day + 4) % 7 + 7) % 7;
	ER_ASSERT(second >= 0 && second < 86400 && y >= 0 && y <= 9999);
	uint8_t *to = put_text(out, days + weekday * 3, 3);
	to = put_text(to, ", ", 2);
	to = put_digits(to, d, 2);
	*to++ = ' ';
	to = put_text(to, months + (m - 1) * 3, 3);
	*to++ = ' ';
	to = put_digits(to, y, 4);
	*to++ = ' ';
	to = put_digits(to, second / 3600, 2);
	*to++ = ':';
	to = put_digits(to, second / 60 % 60, 2);
	*to++ = ':';
	to = put_digits(to, second % 60, 2);
	to = put_text(to, " GMT", 4);
	ER_ASSERT(to == out + ER_DATE_N);
}

/* A cursor that fails once and for all. */
typedef struct reader {
	er_slice in;
	bool bad;
} reader;

/* Senders are to keep to the case (RFC 9110 5.6.7). A date in another one is still that date. */
static bool begins(er_slice text, er_slice with)
{
	return text.n >= with.n && er_slice_ieq(er_slice_head(text, with.n), with);
}

static void expect(reader *r, er_slice want)
{
	if (!begins(r->in, want))
		r->bad = true;
	r->in = er_slice_from(r->in, want.n);
}

static int64_t number(reader *r, size_t digits)
{
	uint64_t v = 0;
	if (r->in.n < digits || !er_slice_u64(er_slice_head(r->in, digits), &v))
		r->bad = true;
	r->in = er_slice_from(r->in, digits);
	return (int64_t)v;
}

static int64_t month(reader *r)
{
	for (int i = 0; i < 12; i++) {
		if (begins(r->in, er_slice_of(months + 3 * i, 3))) {
			r->in = er_slice_from(r->in, 3);
			return i + 1;
		}
	}
	r->bad = true;
	return 1;
}

typedef struct civil {
	int64_t y, m, d, hour, minute, second;
} civil;

static void time_of_day(reader *r, civil *c)
{
	c->hour = number(r, 2);
	expect(r, ER_LIT(":"));
	c->minute = number(r, 2);
	expect(r, ER_LIT(":"));
	c->second = number(r, 2);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" after the comma */
static void imf_fixdate(reader *r, civil *c)
{
	c->d = number(r, 2);
	expect(r, ER_LIT(" "));
	c->m = month(r);
	expect(r, ER_LIT(" "));
	c->y = number(r, 4);
	expect(r, ER_LIT(" "));
	time_of_day(r, c);
	expect(r, ER_LIT(" GMT"));
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" after the comma */
static void rfc850(reader *r, civil *c, int64_t now)
{
	int64_t y, m, d;
	civil_from_days(now / 86400, &y, &m, &d);
	c->d = number(r, 2);
	expect(r, ER_LIT("-"));
	c->m = month(r);
	expect(r, ER_LIT("-"));
	c->y = y - y % 100 + number(r, 2);
	if (c->y > y + 50)
		c->y -= 100;
	else if (c->y <= y - 50)
		c->y += 100;
	expect(r, ER_LIT(" "));
	time_of_day(r, c);
	expect(r, ER_LIT(" GMT"));
}

/* "Sun Nov  6 08:49:37 1994" after the day's name */
static void asctime_date(reader *r, civil *c)
{
	expect(r, ER_LIT(" "));
	c->m = month(r);
	expect(r, ER_LIT(" "));
	if (r->in.n > 0 && r->in.p[0] == ' ') {
		expect(r, ER_LIT(" "));
		c->d = number(r, 1);
	} else {
		c->d = number(r, 2);
	}
	expect(r, ER_LIT(" "));
	time_of_day(r, c);
	expect(r, ER_LIT(" "));
	c->y = number(r, 4);
}

static bool civil_ok(const civil *c)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	ER_ASSERT(c->m >= 1 && c->m <= 12); /* of month(), whatever the text was */
	bool leap = (c->y % 4 == 0 && c->y % 100 != 0) || c->y % 400 == 0;
	/* A leap second is allowed anywhere, as :60 (RFC 9110 5.6.7 leaves it to the calendar). */
	return c->d >= 1 && c->d <= lengths[c->m - 1] + (c->m == 2 && leap) && c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

bool er_date_parse(er_slice text, int64_t now, int64_t *at)
{
	reader r = {.in = text};
	civil c = {0};
	/* A short name is followed by a comma or a space: most dates are told by one byte. */
	bool long_name = false;
	for (int i = 0; text.n > 3 && text.p[3] != ',' && text.p[3] != ' ' && i < 7; i++)
		long_name = long_name || begins(text, er_slice_cstr(long_days[i]));
	if (long_name) {
		r.in = er_slice_from(text, er_slice_find(text, ','));
		expect(&r, ER_LIT(", "));
		rfc850(&r, &c, now);
	} else {
		bool known = false;
		for (size_t i = 0; i < 7; i++)
			known = known || begins(text, er_slice_of(days + 3 * i, 3));
		r.bad = !known;
		r.in = er_slice_from(text, 3);
		if (r.in.n > 0 && r.in.p[0] == ',') {
			expect(&r, ER_LIT(", "));
			imf_fixdate(&r, &c);
		} else {
			asctime_date(&r, &c);
		}
	}
	if (r.bad || r.in.n > 0 || !civil_ok(&c))
		return false;
	*at = days_from_civil(c.y, c.m, c.d) * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
	return true;
}
