/* Writing JSON into a buffer (json_out.h). One flag, `comma`, says whether something stands before
 * the next member or element: opening a bracket clears it, everything else sets it. Keys are ours
 * and need no escaping; texts go through er_buf_put_json. */
#include "base/json_out.h"

#include "base/hex.h"

#include <stdio.h>
#include <time.h>

/* The comma and the key. */
static void begin(er_out *o, const char *key)
{
	if (o->comma)
		er_buf_putc(&o->b, ',');
	o->comma = true;
	if (key == NULL)
		return;
	er_buf_putc(&o->b, '"');
	er_buf_put_cstr(&o->b, key);
	er_buf_puts(&o->b, "\":");
}

er_slice er_out_take(er_out *o, er_arena *a)
{
	er_slice text = er_arena_copy(a, er_buf_slice(&o->b));
	er_buf_fini(&o->b);
	*o = (er_out){0};
	return text;
}

void er_out_open(er_out *o, const char *key, char bracket)
{
	ER_ASSERT(bracket == '{' || bracket == '[');
	begin(o, key);
	er_buf_putc(&o->b, (uint8_t)bracket);
	o->comma = false;
}

void er_out_close(er_out *o, char bracket)
{
	ER_ASSERT((bracket == '}' || bracket == ']') && er_buf_len(&o->b) > 0);
	er_buf_putc(&o->b, (uint8_t)bracket);
	o->comma = true;
}

void er_out_str(er_out *o, const char *key, er_slice s)
{
	begin(o, key);
	er_buf_put_json(&o->b, s);
}

void er_out_cstr(er_out *o, const char *key, const char *s)
{
	if (s != NULL)
		er_out_str(o, key, er_slice_cstr(s));
	else
		er_out_json(o, key, (er_slice){0});
}

void er_out_opt(er_out *o, const char *key, er_slice s)
{
	if (s.n > 0)
		er_out_str(o, key, s);
}

void er_out_u64(er_out *o, const char *key, uint64_t v)
{
	begin(o, key);
	er_buf_put_u64(&o->b, v);
}

void er_out_bool(er_out *o, const char *key, bool v)
{
	begin(o, key);
	er_buf_put_cstr(&o->b, v ? "true" : "false");
}

void er_out_fixed(er_out *o, const char *key, double v, int digits)
{
	begin(o, key);
	er_buf_printf(&o->b, "%.*f", digits, v);
}

void er_out_id(er_out *o, const char *key, uint64_t v)
{
	begin(o, key);
	er_buf_printf(&o->b, "\"%016llx\"", (unsigned long long)v);
}

void er_out_ms(er_out *o, const char *key, uint64_t us)
{
	begin(o, key);
	er_buf_printf(&o->b, "%llu.%03u", (unsigned long long)(us / 1000), (unsigned)(us % 1000));
}

void er_out_time(er_out *o, const char *key, int64_t ms)
{
	struct tm tm = {0};
	int64_t part = ms % 1000;
	time_t s = (time_t)(ms / 1000);
	if (part < 0) {
		part += 1000;
		s--;
	}
	ER_ASSERT(part >= 0 && part < 1000);
	gmtime_r(&s, &tm);
	begin(o, key);
	er_buf_printf(&o->b, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	              tm.tm_min, tm.tm_sec, (int)part);
}

void er_out_hex(er_out *o, const char *key, er_slice bytes)
{
	uint8_t text[128];
	ER_ASSERT(2 * bytes.n <= sizeof text);
	er_out_str(o, key, er_hex_text(bytes, text));
}

void er_out_json(er_out *o, const char *key, er_slice json)
{
	begin(o, key);
	er_buf_put(&o->b, json.n > 0 ? json : ER_LIT("null"));
}

void er_out_line(er_out *o)
{
	er_buf_putc(&o->b, '\n');
	o->comma = false;
}

/* Exactly n digits at the front of *rest, and `after` behind them (0: nothing). */
static bool take(er_slice *rest, size_t n, uint8_t after, int *out)
{
	uint64_t v;
	if (rest->n < n + (after != 0) || !er_slice_u64(er_slice_head(*rest, n), &v) || (after != 0 && rest->p[n] != after))
		return false;
	*out = (int)v;
	*rest = er_slice_from(*rest, n + (after != 0));
	return true;
}

bool er_time_parse(er_slice text, int64_t *ms)
{
	struct tm tm = {0};
	int fraction = 0;
	er_slice rest = text;
	bool ok = take(&rest, 4, '-', &tm.tm_year) && take(&rest, 2, '-', &tm.tm_mon) && take(&rest, 2, 'T', &tm.tm_mday) &&
	          take(&rest, 2, ':', &tm.tm_hour) && take(&rest, 2, ':', &tm.tm_min) && take(&rest, 2, 0, &tm.tm_sec);
	if (!ok || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	if (rest.n > 0 && rest.p[0] == '.') {
		rest = er_slice_from(rest, 1);
		int unit = 100, digits = 0;
		for (; rest.n > 0 && rest.p[0] >= '0' && rest.p[0] <= '9'; rest = er_slice_from(rest, 1), unit /= 10, digits++)
			fraction += (rest.p[0] - '0') * unit;
		if (digits == 0)
			return false;
	}
	if (rest.n > 0 && !er_slice_eq(rest, ER_LIT("Z")))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms = (int64_t)timegm(&tm) * 1000 + fraction;
	return true;
}
