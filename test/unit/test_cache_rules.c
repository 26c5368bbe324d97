/* What the cache decides without a state: directives, freshness, age, what may be stored,
 * variants, conditions and ranges, as tables of field values. A message is written as its lines,
 * "name: value\n". */
#include "cache/coded.h"
#include "cache/condition.h"
#include "http/directives.h"
#include "http/freshness.h"
#include "cache/range.h"
#include "cache/vary.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Sun, 06 Nov 1994 08:49:37 GMT */
enum { T = 784111777 };
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define DAY_BEFORE "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\n"

static er_arena arena;

static er_fields fields_of(const char *lines)
{
	er_fields f = {0};
	er_slice rest = er_slice_cstr(lines), line;
	while (er_slice_split(&rest, '\n', &line)) {
		size_t colon = er_slice_find(line, ':');
		er_fields_add(&f, &arena, er_slice_head(line, colon), er_slice_trim(er_slice_from(line, colon + 1)));
	}
	return f;
}

static int empty_arena(void **state)
{
	(void)state;
	er_arena_fini(&arena);
	return 0;
}

/* ---- directives ---- */

/* All of it as one text: flags by a letter, seconds by name. */
static const char *text_of(const er_cache_directives *d)
{
	static char text[256];
	int n = 0;
	const struct {
		bool on;
		const char *name;
	} flags[] = {
	    {d->no_store, "no-store "},
	    {d->no_cache, "no-cache "},
	    {d->private_, "private "},
	    {d->public_, "public "},
	    {d->must_revalidate, "must-revalidate "},
	    {d->proxy_revalidate, "proxy-revalidate "},
	    {d->must_understand, "must-understand "},
	    {d->only_if_cached, "only-if-cached "},
	};
	text[0] = '\0';
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (flags[i].on)
			n += snprintf(text + n, sizeof text - (size_t)n, "%s", flags[i].name);
	const struct {
		int64_t value;
		const char *name;
	} seconds[] = {
	    {d->max_age, "max-age"}, {d->s_maxage, "s-maxage"}, {d->stale_while_revalidate, "swr"}, {d->stale_if_error, "sie"}};
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
		if (seconds[i].value != ER_CACHE_ABSENT)
			n += snprintf(text + n, sizeof text - (size_t)n, "%s=%lld ", seconds[i].name, (long long)seconds[i].value);
	if (n > 0)
		text[n - 1] = '\0';
	return text;
}

static void cache_control_is_read_whatever_way_it_is_written(void **state)
{
	(void)state;
	static const struct {
		const char *value, *is;
	} cases[] = {
	    {"", ""},
	    {"max-age=60", "max-age=60"},
	    {"MAX-AGE=60, Public", "public max-age=60"},
	    {" ,, max-age=60 ,\t, no-store,", "no-store max-age=60"},
	    {"max-age=\"60\"", "max-age=60"},
	    {"max-age=60, max-age=7", "max-age=60"},
	    {"max-age", "max-age=0"},
	    {"max-age=", "max-age=0"},
	    {"max-age=-1", "max-age=0"},
	    {"max-age=+1", "max-age=0"},
	    {"max-age=1.5", "max-age=0"},
	    {"max-age=6x", "max-age=0"},
	    {"max-age = 60", "max-age=0"},
	    {"max-age= 60", "max-age=0"},
	    {"max-age=2147483647", "max-age=2147483647"},
	    {"max-age=2147483648", "max-age=2147483647"},
	    {"max-age=99999999999999999999999999", "max-age=2147483647"},
	    {"s-maxage=5, stale-while-revalidate=6, stale-if-error=7", "s-maxage=5 swr=6 sie=7"},
	    {"private=\"a, no-store, b\", max-age=1", "private max-age=1"},
	    {"no-cache=\"set-cookie\"", "no-cache"},
	    {"x=\"\\\"\", private", "private"},
	    {"ext=\"max-age=60\"", ""},
	    {"max-age=60, ext=\"open, private, no-store", "no-store private max-age=60"},
	    {"ext=\"open\\\", private", "private"},
	    {"xmax-age=60, max-agex=60, no-storey", ""},
	    {"must-revalidate, proxy-revalidate, must-understand, only-if-cached",
	     "must-revalidate proxy-revalidate must-understand only-if-cached"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char line[256];
		snprintf(line, sizeof line, "Cache-Control: %s\n", cases[i].value);
		er_fields f = fields_of(line);
		er_cache_directives d = er_cache_control(&f);
		if (strcmp(text_of(&d), cases[i].is) != 0)
			fail_msg("%s: %s", cases[i].value, text_of(&d));
	}
	er_fields lines = fields_of("cache-control: max-age=1\nVary: private\nCACHE-CONTROL: no-cache\n");
	er_cache_directives d = er_cache_control(&lines);
	assert_string_equal(text_of(&d), "no-cache max-age=1");
}

/* NULL: the field is to be ignored, and Cache-Control is read. */
static void a_field_for_cdns_is_read_strictly_or_not_at_all(void **state)
{
	(void)state;
	static const struct {
		const char *value, *is;
	} cases[] = {
	    {"max-age=60", "max-age=60"},
	    {"  max-age=60 \t,\t  public ", "public max-age=60"},
	    {"max-age=60;a;b=1;c=\"x\\\"y\";d=?0;e=tok/en:x;f=-1.5", "max-age=60"},
	    {"max-age=60, max-age=7", "max-age=7"},
	    {"no-store=?0", ""},
	    {"no-store=?1", "no-store"},
	    {"no-store, no-store=?0", ""},
	    {"private=\"a, b\"", "private"},
	    {"max-age=-5", "max-age=0"},
	    {"max-age=999999999999999", "max-age=2147483647"},
	    {"ext=tok, *x=1, a.b_c-1*=?1, no-cache", "no-cache"},
	    {"", NULL},
	    {"max-age=60,", NULL},
	    {"max-age=60 public", NULL},
	    {",max-age=60", NULL},
	    {"max-age", NULL},
	    {"max-age=\"60\"", NULL},
	    {"max-age=60.0", NULL},
	    {"max-age=1000000000000000", NULL},
	    {"Max-Age=60", NULL},
	    {"max-age = 60", NULL},
	    {"max-age= 60", NULL},
	    {"max-age=", NULL},
	    {"no-store=1", NULL},
	    {"no-store, x=\"open", NULL},
	    {"no-store, x=\"\\n\"", NULL},
	    {"no-store, x=?2", NULL},
	    {"no-store, x=1.", NULL},
	    {"no-store, x=1.1234", NULL},
	    {"no-store, x=-", NULL},
	    {"no-store;", NULL},
	    {"no-store;=1", NULL},
	    {"1a=1", NULL},
	    {"no-store, x=(a \"b\";c=1  2);d, y=()", "no-store"},
	    {"x=( a ), y=:aGVsbG8=:, no-store", "no-store"},
	    {"private=(a b)", "private"},
	    {"max-age=(60)", NULL},
	    {"no-store, x=(a b", NULL},
	    {"no-store, x=(a,b)", NULL},
	    {"no-store, x=(a\"b\")", NULL},
	    {"no-store, x=((a))", NULL},
	    {"no-store, x=(", NULL},
	    {"no-store, x=:aGVsbG8=", NULL},
	    {"no-store, x=:a b:", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char line[256];
		snprintf(line, sizeof line, "CDN-Cache-Control: %s\n", cases[i].value);
		er_fields f = fields_of(line);
		er_cache_directives d;
		bool read = er_cache_control_targeted(&f, &d);
		if (read != (cases[i].is != NULL) || (read && strcmp(text_of(&d), cases[i].is) != 0))
			fail_msg("%s: %s", cases[i].value, read ? text_of(&d) : "ignored");
	}
	er_cache_directives d;
	er_fields lines = fields_of("CDN-Cache-Control: max-age=1\ncdn-cache-control: no-cache\n"),
	          bad = fields_of("CDN-Cache-Control: max-age=1\ncdn-cache-control: ?\n");
	assert_true(er_cache_control_targeted(&lines, &d));
	assert_string_equal(text_of(&d), "no-cache max-age=1");
	assert_false(er_cache_control_targeted(&bad, &d));
}

/* ---- freshness ---- */

typedef struct life {
	int status;
	const char *response;
	int64_t age, lifetime;
	const char *flags; /* h: heuristic, n: no-cache, s: strict */
	int64_t while_revalidate, if_error;
} life;

static void a_response_lives_as_long_as_it_says(void **state)
{
	(void)state;
	static const life cases[] = {
	    {200, DATE, 0, 0, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\n", 0, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60, s-maxage=5\n", 0, 5, "s", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nExpires: Sun, 06 Nov 1994 09:49:37 GMT\n", 0, 60, "", 0, 0},
	    {200, DATE "Expires: Sun, 06 Nov 1994 09:49:37 GMT\n", 0, 3600, "", 0, 0},
	    {200, "Expires: Sun, 06 Nov 1994 09:49:37 GMT\n", 0, 3600, "", 0, 0},
	    {200, DATE "Expires: Sun, 06 Nov 1994 08:49:37 GMT\n", 0, 0, "", 0, 0},
	    {200, DATE "Expires: Sun, 06 Nov 1994 07:49:37 GMT\n", 0, 0, "", 0, 0},
	    {200, DATE DAY_BEFORE "Expires: 0\n", 0, 0, "", 0, 0},
	    {200, DATE "Expires: Sun, 06 Nov 1994 09:49:37 GMT\nExpires: Sun, 06 Nov 1994 09:49:37 GMT\n", 0, 0, "", 0, 0},
	    {200, DATE DAY_BEFORE, 0, 8640, "h", 0, 0},
	    {200, DATE "Last-Modified: Sun, 06 Nov 1904 08:49:37 GMT\n", 0, 24 * 3600, "h", 0, 0},
	    {200, DATE "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n", 0, 0, "", 0, 0},
	    {200, DATE "Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT\n", 0, 0, "", 0, 0},
	    {302, DATE DAY_BEFORE, 0, 0, "", 0, 0},
	    {302, DATE DAY_BEFORE "Cache-Control: public\n", 0, 8640, "h", 0, 0},
	    {404, DATE DAY_BEFORE, 0, 8640, "h", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: 7\n", 7, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: 7, 9\n", 7, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: 7\nAge: 9\n", 7, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: -7\n", 0, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: 7s\n", 0, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60\nAge: 99999999999999999999999\n", ER_CACHE_SECONDS_MAX, 60, "", 0, 0},
	    {200, "Date: Sun, 06 Nov 1994 08:49:27 GMT\nCache-Control: max-age=60\nAge: 7\n", 10, 60, "", 0, 0},
	    {200, "Date: Sun, 06 Nov 1994 08:59:37 GMT\nCache-Control: max-age=60\n", 0, 60, "", 0, 0},
	    {200, DATE "Cache-Control: max-age=60, stale-while-revalidate=5, stale-if-error=6\n", 0, 60, "", 5, 6},
	    {200, DATE "Cache-Control: max-age=60, stale-while-revalidate=5, stale-if-error=6, must-revalidate\n", 0, 60, "s", 0, 0},
	    {200, DATE "Cache-Control: max-age=60, stale-while-revalidate=5, stale-if-error=6, proxy-revalidate\n", 0, 60, "s", 0, 0},
	    {200, DATE "Cache-Control: s-maxage=60, stale-while-revalidate=5, stale-if-error=6\n", 0, 60, "s", 0, 0},
	    {200, DATE "Cache-Control: max-age=60, stale-while-revalidate=5, no-cache\n", 0, 60, "ns", 0, 0},
	    {200, DATE "CDN-Cache-Control: max-age=9\nCache-Control: no-cache, s-maxage=60\nExpires: 0\n", 0, 9, "", 0, 0},
	    {200, DATE "CDN-Cache-Control: no-cache\nCache-Control: max-age=60\nExpires: Sun, 06 Nov 1994 09:49:37 GMT\n", 0, 0, "ns",
	     0, 0},
	    {200, DATE "CDN-Cache-Control: max-age=\nCache-Control: max-age=60\n", 0, 60, "", 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const life *c = &cases[i];
		er_fields response = fields_of(c->response);
		er_freshness f = er_freshness_of(c->status, &response, T, T);
		bool same = f.age == c->age && f.lifetime == c->lifetime && f.while_revalidate == c->while_revalidate &&
		            f.if_error == c->if_error;
		same = same && f.heuristic == (strchr(c->flags, 'h') != NULL) && f.no_cache == (strchr(c->flags, 'n') != NULL) &&
		       f.strict == (strchr(c->flags, 's') != NULL);
		if (!same)
			fail_msg("%zu: %s: age %lld, lifetime %lld, %lld, %lld", i, c->response, (long long)f.age, (long long)f.lifetime,
			         (long long)f.while_revalidate, (long long)f.if_error);
	}
}

static void the_way_counts_as_age(void **state)
{
	(void)state;
	er_fields late = fields_of("Date: Sun, 06 Nov 1994 08:49:32 GMT\nCache-Control: max-age=60\nAge: 7\n");
	/* Age and what the question took */
	assert_int_equal(er_freshness_of(200, &late, T - 3, T).age, 10);
	assert_int_equal(er_freshness_of(200, &late, T - 3, T + 8).age, 18);
	assert_int_equal(er_freshness_of(200, &late, T + 100, T).age, 7); /* a clock that went back */
}

static void a_stale_response_is_used_only_within_its_windows(void **state)
{
	(void)state;
	er_freshness f = {.lifetime = 10, .while_revalidate = 5, .if_error = 7};
	assert_int_equal(er_freshness_use_at(&f, 9), ER_USE_FRESH);
	assert_int_equal(er_freshness_use_at(&f, 10), ER_USE_STALE);
	assert_int_equal(er_freshness_use_at(&f, 14), ER_USE_STALE);
	assert_int_equal(er_freshness_use_at(&f, 15), ER_USE_VALIDATE);
	assert_true(er_freshness_on_error(&f, 16));
	assert_false(er_freshness_on_error(&f, 17));
	f.no_cache = true;
	assert_int_equal(er_freshness_use_at(&f, 0), ER_USE_VALIDATE);
	assert_false(er_freshness_on_error(&f, 0));
	f = (er_freshness){.lifetime = 10};
	assert_int_equal(er_freshness_use_at(&f, 10), ER_USE_VALIDATE);
	assert_false(er_freshness_on_error(&f, 10));
}

/* ---- what may be stored ---- */

static void only_what_all_may_have_is_stored(void **state)
{
	(void)state;
	static const struct {
		const char *method, *request;
		int status;
		const char *response;
		er_cache_refusal why;
	} cases[] = {
	    {"GET", "", 200, "Cache-Control: max-age=60\n", ER_CACHE_OK},
	    {"HEAD", "", 200, "Cache-Control: max-age=60\n", ER_CACHE_METHOD},
	    {"get", "", 200, "Cache-Control: max-age=60\n", ER_CACHE_METHOD},
	    {"POST", "", 200, "Cache-Control: max-age=60\n", ER_CACHE_METHOD},
	    {"GET", "Cache-Control: no-store\n", 200, "Cache-Control: max-age=60\n", ER_CACHE_REQUEST_NO_STORE},
	    {"GET", "", 200, "Cache-Control: max-age=60, no-store\n", ER_CACHE_NO_STORE},
	    {"GET", "", 200, "Cache-Control: max-age=60, private\n", ER_CACHE_PRIVATE},
	    {"GET", "", 200, "Cache-Control: max-age=60, private=\"x\"\n", ER_CACHE_PRIVATE},
	    {"GET", "", 200, "CDN-Cache-Control: max-age=60\nCache-Control: private, no-store\n", ER_CACHE_OK},
	    {"GET", "", 200, "CDN-Cache-Control: private\nCache-Control: max-age=60\n", ER_CACHE_PRIVATE},
	    {"GET", "Authorization: x\n", 200, "Cache-Control: max-age=60\n", ER_CACHE_AUTHORIZATION},
	    {"GET", "Authorization: x\n", 200, "Cache-Control: max-age=60, public\n", ER_CACHE_OK},
	    {"GET", "Authorization: x\n", 200, "Cache-Control: s-maxage=60\n", ER_CACHE_OK},
	    {"GET", "Authorization: x\n", 200, "Cache-Control: max-age=60, must-revalidate\n", ER_CACHE_OK},
	    {"GET", "Authorization: x\n", 200, "Cache-Control: max-age=60, proxy-revalidate\n", ER_CACHE_AUTHORIZATION},
	    {"GET", "Authorization: x\n", 200, "CDN-Cache-Control: max-age=60\n", ER_CACHE_AUTHORIZATION},
	    {"GET", "Authorization: x\n", 200, "CDN-Cache-Control: max-age=60, public\n", ER_CACHE_OK},
	    {"GET", "Authorization: x\n", 200, "CDN-Cache-Control: max-age=60\nCache-Control: public\n", ER_CACHE_AUTHORIZATION},
	    {"GET", "", 200, "Cache-Control: max-age=60\nSet-Cookie: a=b\n", ER_CACHE_SET_COOKIE},
	    {"GET", "", 200, "CDN-Cache-Control: max-age=60\nSet-Cookie: a=b\n", ER_CACHE_OK},
	    {"GET", "", 200, "Cache-Control: max-age=60, public\nSet-Cookie: a=b\n", ER_CACHE_OK},
	    {"GET", "", 200, "Cache-Control: max-age=60\nVary: a, *\n", ER_CACHE_VARY},
	    {"GET", "", 200, "Cache-Control: max-age=60\nVary: a\nVary: *\n", ER_CACHE_VARY},
	    {"GET", "", 206, "Cache-Control: max-age=60\n", ER_CACHE_PARTIAL},
	    {"GET", "", 304, "Cache-Control: max-age=60\n", ER_CACHE_PARTIAL},
	    {"GET", "If-Match: a\n", 412, "Cache-Control: max-age=60\n", ER_CACHE_PARTIAL},
	    {"GET", "Range: bytes=9-\n", 416, "Cache-Control: max-age=60\n", ER_CACHE_PARTIAL},
	    {"GET", "", 599, "Cache-Control: max-age=60\n", ER_CACHE_OK},
	    {"GET", "", 599, "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\n", ER_CACHE_STATUS},
	    {"GET", "", 599, "Cache-Control: max-age=60, must-understand\n", ER_CACHE_UNDERSTAND},
	    {"GET", "", 200, "Cache-Control: max-age=60, must-understand, no-store\n", ER_CACHE_OK},
	    {"GET", "", 599, "Cache-Control: max-age=60, must-understand, no-store\n", ER_CACHE_UNDERSTAND},
	    {"GET", "", 200, "", ER_CACHE_NO_LIFETIME},
	    {"GET", "", 200, "Cache-Control: max-age=0\n", ER_CACHE_NO_LIFETIME},
	    {"GET", "", 200, "Cache-Control: max-age=0\nETag: \"a\"\n", ER_CACHE_OK},
	    {"GET", "", 200, "Cache-Control: no-cache, max-age=60\n", ER_CACHE_NO_LIFETIME},
	    {"GET", "", 200, "Cache-Control: no-cache\nETag: \"a\"\n", ER_CACHE_OK},
	    {"GET", "", 200, "Cache-Control: max-age=60\nAge: 60\n", ER_CACHE_NO_LIFETIME},
	    {"GET", "", 302, "", ER_CACHE_STATUS},
	    {"GET", "", 302, "Cache-Control: max-age=60\n", ER_CACHE_OK},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_fields request = fields_of(cases[i].request), response = fields_of(cases[i].response);
		er_freshness f = er_freshness_of(cases[i].status, &response, T, T);
		er_cache_refusal why = er_freshness_refusal(er_slice_cstr(cases[i].method), &request, cases[i].status, &response, &f);
		if (why != cases[i].why)
			fail_msg("%zu: %s %s: %s", i, cases[i].request, cases[i].response, er_cache_refusal_name(why));
	}
	for (unsigned r = 0; r < ER_CACHE_REFUSALS_N; r++) {
		assert_true(er_field_name_ok(er_slice_cstr(er_cache_refusal_name((er_cache_refusal)r))));
		assert_true(r == 0 || er_cache_refusal_text((er_cache_refusal)r)[0] != '\0');
	}
}

/* ---- variants ---- */

static bool selects(const char *vary, const char *first, const char *second)
{
	er_fields response = fields_of(vary), a = fields_of(first), b = fields_of(second);
	er_variant v;
	assert_true(er_variant_of(&arena, &response, &a, &v));
	bool matches = er_variant_matches(&v, &b, &arena);
	assert_true(er_variant_matches(&v, &a, &arena));
	return matches;
}

static void a_request_gets_only_the_variant_that_it_selects(void **state)
{
	(void)state;
	static const struct {
		const char *vary, *first, *second;
		bool same;
	} cases[] = {
	    {"", "Foo: 1\n", "Foo: 2\n", true},
	    {"Vary: Foo\n", "Foo: 1\n", "foo: 1\n", true},
	    {"Vary: foo\n", "Foo: 1\n", "Foo: 2\n", false},
	    {"Vary: Foo\n", "Foo: a\n", "Foo: A\n", false},
	    {"Vary: Foo\n", "Foo: 1\n", "", false},
	    {"Vary: Foo\n", "", "Foo: 1\n", false},
	    {"Vary: Foo\n", "Foo: \n", "", false},
	    {"Vary: Foo\n", "", "Bar: 1\n", true},
	    {"Vary: Foo, Bar\n", "Foo: 1\nBar: 2\n", "Bar: 2\nFoo: 1\n", true},
	    {"Vary: Foo\nVary: Bar\n", "Foo: 1\nBar: 2\n", "Foo: 1\nBar: 3\n", false},
	    {"Vary: Bar,, Foo , Bar\n", "Foo: 1\nBar: 2\n", "Foo: 2\nBar: 2\n", false},
	    {"Vary: Foo\n", "Foo: 1, 2\n", "Foo: 1\nFoo: 2\n", true},
	    {"Vary: Foo\n", "Foo: 1,2\n", "Foo:  1 ,\t2 \n", true},
	    {"Vary: Foo\n", "Foo: 1, 2\n", "Foo: 2, 1\n", false},
	    {"Vary: Foo\n", "Foo: 12\n", "Foo: 1 2\n", false},
	    {"Vary: Foo\n", "Foo: \"1, 2\"\n", "Foo: \"1,2\"\n", false},
	    {"Vary: Foo\n", "Foo: \"1, 2\"\n", "Foo: \"1, 2\"\n", true},
	    {"Vary: Cookie\n", "Cookie: a=1, 2\n", "Cookie: a=1,2\n", false},
	    {"Vary: Cookie\n", "Cookie: a=,1\n", "Cookie: a=1\n", false},
	    {"Vary: Cookie\n", "Cookie: a=1,\n", "Cookie: a=1\n", false},
	    {"Vary: Authorization\n", "Authorization: a,\n", "Authorization: a\n", false},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: br, GZIP;q=0.5\n", "Accept-Encoding: gzip; q=0.5,br\n", true},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: br, gzip\n", "Accept-Encoding: gzip\n", false},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: gzip, deflate\n", "Accept-Encoding: exi, GZIP;q=0.3\n", true},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: gzip;q=0, deflate\n", "Accept-Encoding: identity\n", true},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: gzip\n", "Accept-Encoding: gzip, identity;q=0\n", false},
	    {"Vary: Accept-Encoding\n", "Accept-Encoding: \n", "Foo: 1\n", false},
	    {"Vary: Accept-Language\n", "Accept-Language: de, en\n", "Accept-Language: EN\nAccept-Language: de\n", true},
	    {"Vary: Accept-Language\n", "Accept-Language: de, en\n", "Accept-Language: de;q=0.1, en\n", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (selects(cases[i].vary, cases[i].first, cases[i].second) != cases[i].same)
			fail_msg("%zu: %s %s %s", i, cases[i].vary, cases[i].first, cases[i].second);
}

/* Of so long a list only the last line was compared. */
static void all_lines_of_a_long_list_select(void **state)
{
	(void)state;
	char first[512] = "Foo: 1, ", second[512] = "Foo: 2, ";
	for (unsigned i = 0; i < 62; i++) {
		strcat(first, "x, ");
		strcat(second, "x, ");
	}
	strcat(first, "x\nFoo: last, y\n");
	strcat(second, "x\nFoo: last, y\n");
	assert_false(selects("Vary: Foo\n", first, second));
}

static void what_varies_on_too_much_is_not_kept(void **state)
{
	(void)state;
	er_variant v;
	er_fields request = fields_of("A: 1\n"), star = fields_of("Vary: *\n"), in_list = fields_of("Vary: a\nVary: b, *\n");
	assert_false(er_variant_of(&arena, &star, &request, &v));
	assert_false(er_variant_of(&arena, &in_list, &request, &v));
	for (unsigned n = ER_VARY_FIELDS; n <= ER_VARY_FIELDS + 1; n++) {
		char line[256] = "Vary: ";
		for (unsigned i = 0; i < n; i++)
			snprintf(line + strlen(line), sizeof line - strlen(line), "h%u,H%u, ", i, i);
		er_fields many = fields_of(line);
		assert_int_equal(er_variant_of(&arena, &many, &request, &v), n == ER_VARY_FIELDS);
	}
}

/* ---- conditions and ranges ---- */

static void a_client_that_has_it_is_told_so(void **state)
{
	(void)state;
	static const struct {
		const char *request, *stored;
		bool met;
	} cases[] = {
	    {"", "ETag: \"a\"\n", false},
	    {"If-None-Match: \"a\"\n", "ETag: \"a\"\n", true},
	    {"If-None-Match: W/\"a\"\n", "ETag: \"a\"\n", true},
	    {"If-None-Match: \"a\"\n", "ETag: W/\"a\"\n", true},
	    {"If-None-Match: \"A\"\n", "ETag: \"a\"\n", false},
	    {"If-None-Match: a\n", "ETag: \"a\"\n", false},
	    {"If-None-Match: \"x\", \"a\"\n", "ETag: \"a\"\n", true},
	    {"If-None-Match: \"x,y\" , ,\"a,b\"\n", "ETag: \"a,b\"\n", true},
	    {"If-None-Match: \"x\"\nIf-None-Match: \"a\"\n", "ETag: \"a\"\n", true},
	    {"If-None-Match: *\n", "", true},
	    {"If-None-Match: \"a\"\n", "", false},
	    {"If-None-Match: \n", "ETag: \"a\"\n", false},
	    {"If-None-Match: \"x\"\nIf-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT\n", "ETag: \"a\"\n" DAY_BEFORE, false},
	    {"If-Modified-Since: Sat, 05 Nov 1994 08:49:37 GMT\n", DAY_BEFORE, true},
	    {"If-Modified-Since: Sat, 05 Nov 1994 08:49:36 GMT\n", DAY_BEFORE, false},
	    {"If-Modified-Since: Sat, 05 Nov 1994 08:49:38 GMT\n", DAY_BEFORE, true},
	    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n", DATE, true},
	    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n", "", true},
	    {"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\n", "", false},
	    {"If-Modified-Since: yesterday\n", DAY_BEFORE, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_fields request = fields_of(cases[i].request), stored = fields_of(cases[i].stored);
		if (er_condition_met(&request, &stored, T) != cases[i].met)
			fail_msg("%zu: %s %s", i, cases[i].request, cases[i].stored);
	}
}

#define WHOLE 0, 0, ER_RANGE_WHOLE
#define BEYOND 0, 0, ER_RANGE_BEYOND
#define PART(from, n) from, n, ER_RANGE_PART

static void a_range_gives_the_bytes_that_were_asked_for(void **state)
{
	(void)state;
	static const struct {
		const char *request, *stored;
		uint64_t length, from, n;
		er_range_kind kind;
	} cases[] = {
	    {"", "", 10, WHOLE},
	    {"Range: bytes=0-0\n", "", 10, PART(0, 1)},
	    {"Range: Bytes=2-4\n", "", 10, PART(2, 3)},
	    {"Range: bytes=2-\n", "", 10, PART(2, 8)},
	    {"Range: bytes=9-99\n", "", 10, PART(9, 1)},
	    {"Range: bytes=0-18446744073709551615\n", "", 10, PART(0, 10)},
	    {"Range: bytes=0-18446744073709551616\n", "", 10, PART(0, 10)},
	    {"Range: bytes=18446744073709551616-\n", "", 10, BEYOND},
	    {"Range: bytes=-99999999999999999999999\n", "", 10, PART(0, 10)},
	    {"Range: bytes=1-\n", "", UINT64_MAX, PART(1, UINT64_MAX - 1)},
	    {"Range: bytes=10-\n", "", 10, BEYOND},
	    {"Range: bytes=0-\n", "", 0, BEYOND},
	    {"Range: bytes=-3\n", "", 10, PART(7, 3)},
	    {"Range: bytes=-30\n", "", 10, PART(0, 10)},
	    {"Range: bytes=-0\n", "", 10, BEYOND},
	    {"Range: bytes=-3\n", "", 0, BEYOND},
	    {"Range: bytes=4-2\n", "", 10, WHOLE},
	    {"Range: bytes=-\n", "", 10, WHOLE},
	    {"Range: bytes=\n", "", 10, WHOLE},
	    {"Range: bytes\n", "", 10, WHOLE},
	    {"Range: lines=0-1\n", "", 10, WHOLE},
	    {"Range: bytes=0-1\nRange: bytes=0-1\n", "", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: \"a\"\nIf-Range: \"a\"\n", "ETag: \"a\"\n", 10, WHOLE},
	    {"Range: bytes=+1-2\n", "", 10, WHOLE},
	    {"Range: bytes=1 - 2\n", "", 10, WHOLE},
	    {"Range: bytes=--1\n", "", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: \"a\"\n", "ETag: \"a\"\n", 10, PART(0, 2)},
	    {"Range: bytes=0-1\nIf-Range: \"b\"\n", "ETag: \"a\"\n", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: W/\"a\"\n", "ETag: W/\"a\"\n", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: \"a\"\n", "ETag: W/\"a\"\n", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: \"a\"\n", "", 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: Sat, 05 Nov 1994 08:49:37 GMT\n", DATE DAY_BEFORE, 10, PART(0, 2)},
	    {"Range: bytes=0-1\nIf-Range: Sat, 05 Nov 1994 08:49:38 GMT\n", DATE DAY_BEFORE, 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\n", DATE "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n", 10,
	     WHOLE},
	    {"Range: bytes=0-1\nIf-Range: Sat, 05 Nov 1994 08:49:37 GMT\n", DAY_BEFORE, 10, WHOLE},
	    {"Range: bytes=0-1\nIf-Range: \n", DATE DAY_BEFORE, 10, WHOLE},
	    {"Range: bytes=10-\nIf-Range: \"b\"\n", "ETag: \"a\"\n", 10, WHOLE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_fields request = fields_of(cases[i].request), stored = fields_of(cases[i].stored);
		er_ranges r = {0};
		er_range_kind kind = er_ranges_of(&request, &stored, cases[i].length, &r);
		er_range got = r.v[0];
		if (kind != cases[i].kind || (kind == ER_RANGE_PART && (r.n != 1 || got.from != cases[i].from || got.n != cases[i].n)))
			fail_msg("%zu: %s of %llu: %d, %llu+%llu", i, cases[i].request, (unsigned long long)cases[i].length, kind,
			         (unsigned long long)got.from, (unsigned long long)got.n);
	}
}

/* "0+2 8+1", or the kind. */
static void write_ranges(er_range_kind kind, const er_ranges *r, char *to, size_t n)
{
	size_t at = 0;
	snprintf(to, n, "%s", kind == ER_RANGE_WHOLE ? "whole" : kind == ER_RANGE_BEYOND ? "beyond" : "");
	for (uint32_t i = 0; kind == ER_RANGE_PART && i < r->n && at < n; i++)
		at += (size_t)snprintf(to + at, n - at, "%s%llu+%llu", i > 0 ? " " : "", (unsigned long long)r->v[i].from,
		                       (unsigned long long)r->v[i].n);
}

static void assert_ranges(const char *list, uint64_t length, const char *want)
{
	er_fields request = {0}, stored = {0};
	er_ranges r = {0};
	char got[512];
	er_fields_add(&request, &arena, ER_LIT("Range"), er_arena_printf(&arena, "bytes=%s", list));
	write_ranges(er_ranges_of(&request, &stored, length, &r), &r, got, sizeof got);
	if (strcmp(got, want) != 0)
		fail_msg("bytes=%s of %llu: \"%s\" instead of \"%s\"", list, (unsigned long long)length, got, want);
}

static void several_ranges_come_in_the_order_in_which_they_were_asked_for(void **state)
{
	(void)state;
	assert_ranges("0-1,3-4", 10, "0+2 3+2");
	assert_ranges("8-9,0-1", 10, "8+2 0+2");
	assert_ranges(" 0-1 ,\t4-5,", 10, "0+2 4+2");
	assert_ranges(",,0-0,,-1,", 10, "0+1 9+1");
	assert_ranges("0-1,7-", 10, "0+2 7+3");
	assert_ranges(",", 10, "whole");
	assert_ranges(" , ", 10, "whole");
	/* what is not in the body is left out; what is no range makes the field void */
	assert_ranges("0-1,10-20,4-5", 10, "0+2 4+2");
	assert_ranges("10-20,-0,4-5", 10, "4+2");
	assert_ranges("10-20,30-", 10, "beyond");
	assert_ranges("0-1,x", 10, "whole");
	assert_ranges("0-1,5-2", 10, "whole");
	assert_ranges("0-1,--5", 10, "whole");
	assert_ranges("0-1,-", 10, "whole");
	assert_ranges("20-30,x", 10, "whole");
	assert_ranges("0-1;4-5", 10, "whole");
}

static void no_byte_is_sent_twice_however_often_it_is_asked_for(void **state)
{
	(void)state;
	assert_ranges("0-1,0-1,0-1", 10, "0+2");
	assert_ranges("0-4,2-6", 10, "0+7");
	assert_ranges("0-1,2-3", 10, "0+4");
	assert_ranges("4-5,0-1,2-3", 10, "0+6");
	assert_ranges("0-1,4-5,8-9,1-8", 10, "0+10");
	assert_ranges("8-9,4-5,0-1,5-8", 10, "4+6 0+2");
	assert_ranges("6-6,0-0,2-2,4-4,1-1,3-3", 10, "6+1 0+5");
	assert_ranges("0-,0-,0-", 10, "0+10");
	assert_ranges("0-0,-18446744073709551615", UINT64_MAX, "0+18446744073709551615");
}

/* CVE-2011-3192 */
static void many_ranges_are_not_worth_many_parts(void **state)
{
	(void)state;
	char list[8 * 1024];
	for (unsigned n = 1; n <= 200; n++) {
		size_t at = 0;
		for (unsigned i = 0; i < n; i++)
			at += (size_t)snprintf(list + at, sizeof list - at, "%s%u-%u", i > 0 ? "," : "", 2 * i, 2 * i);
		er_fields request = {0}, stored = {0};
		er_ranges r;
		er_fields_add(&request, &arena, ER_LIT("Range"), er_arena_printf(&arena, "bytes=%s", list));
		er_range_kind kind = er_ranges_of(&request, &stored, 1000000, &r);
		assert_int_equal(kind, n <= ER_RANGES_MOST ? ER_RANGE_PART : ER_RANGE_WHOLE);
		if (kind == ER_RANGE_PART)
			assert_int_equal(r.n, n);
		at = 0;
		for (unsigned i = 0; i < n; i++)
			at += (size_t)snprintf(list + at, sizeof list - at, "%s%u-", i > 0 ? "," : "", i);
		assert_ranges(list, 1000, n <= ER_RANGES_ASKED ? "0+1000" : "whole");
	}
}

static void only_what_compresses_and_may_be_changed_is_compressed(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *response;
		er_codable codable;
	} cases[] = {
	    {200, "Content-Type: text/html\n", ER_CODABLE},
	    {404, "content-type: TEXT/PLAIN ; charset=utf-8\n", ER_CODABLE},
	    {200, "Content-Type: application/json\nVary: Origin\n", ER_CODABLE},
	    {200, "Content-Type: application/ld+json\nVary: Origin, accept-Encoding\n", ER_CODABLE_VARIES},
	    {200, "Content-Type: image/svg+xml\nVary: Origin\nVary: Accept-Encoding\n", ER_CODABLE_VARIES},
	    {200, "Content-Type: text/html\nVary: X-Accept-Encoding\n", ER_CODABLE},
	    {200, "Content-Type: text/html\nCache-Control: max-age=1, no-transforms\n", ER_CODABLE},
	    {200, "", ER_CODABLE_NOT},
	    {200, "Content-Type: \n", ER_CODABLE_NOT},
	    {200, "Content-Type: text\n", ER_CODABLE_NOT},
	    {200, "Content-Type: image/jpeg\n", ER_CODABLE_NOT},
	    {200, "Content-Type: font/woff2\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/event-stream\n", ER_CODABLE_NOT},
	    {206, "Content-Type: text/html\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/html\nContent-Encoding: gzip\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/html\nContent-Encoding: identity\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/html\nCache-Control: max-age=1\nCache-Control: No-Transform\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/html\nContent-MD5: AAAA\n", ER_CODABLE_NOT},
	    {200, "Content-Type: text/html\nRepr-Digest: a=:AAAA:\n", ER_CODABLE_NOT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_fields response = fields_of(cases[i].response);
		if (er_codable_of(cases[i].status, &response) != cases[i].codable)
			fail_msg("%zu: %s", i, cases[i].response);
	}
	assert_true(er_slice_eq(er_coded_tag(&arena, ER_LIT("\"a\"")), ER_LIT("W/\"a\"")));
	assert_true(er_slice_eq(er_coded_tag(&arena, ER_LIT("W/\"a\"")), ER_LIT("W/\"a\"")));
}

static void a_request_has_the_codings_that_it_and_the_site_allow(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		unsigned allowed, depth;
		er_decompress decompress;
		size_t n;
		er_coding first;
	} cases[] = {
	    {"Accept-Encoding: gzip, br\n", ER_CODED_ALL, 0, ER_DECOMPRESS, 2, ER_CODING_BR},
	    {"Accept-Encoding: gzip, br\n", 1 << ER_CODING_GZIP, 0, ER_DECOMPRESS, 1, ER_CODING_GZIP},
	    {"Accept-Encoding: br\n", 1 << ER_CODING_GZIP, 0, ER_DECOMPRESS, 0, 0},
	    {"Accept-Encoding: br\n", 0, 0, ER_DECOMPRESS, 0, 0},
	    {"Foo: br\n", ER_CODED_ALL, 0, ER_DECOMPRESS, 0, 0},
	    {"Accept-Encoding: br\nCache-Control: no-transform\n", ER_CODED_ALL, 0, ER_DECOMPRESS, 0, 0},
	    {"Accept-Encoding: br\n", ER_CODED_ALL, 1, ER_DECOMPRESS, 0, 0},
	    {"Accept-Encoding: br\n", ER_CODED_ALL, 1, ER_DECOMPRESS_MANUAL, 1, ER_CODING_BR},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_exchange x = {.depth = (uint8_t)cases[i].depth, .wishes = {.decompress = cases[i].decompress}};
		er_coding order[ER_CODINGS];
		x.req.fields = fields_of(cases[i].request);
		size_t n = er_coded_order(&x, cases[i].allowed, order);
		if (n != cases[i].n || (n > 0 && order[0] != cases[i].first))
			fail_msg("%zu: %s", i, cases[i].request);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(only_what_compresses_and_may_be_changed_is_compressed, empty_arena),
	    cmocka_unit_test_teardown(a_request_has_the_codings_that_it_and_the_site_allow, empty_arena),
	    cmocka_unit_test_teardown(cache_control_is_read_whatever_way_it_is_written, empty_arena),
	    cmocka_unit_test_teardown(a_field_for_cdns_is_read_strictly_or_not_at_all, empty_arena),
	    cmocka_unit_test_teardown(a_response_lives_as_long_as_it_says, empty_arena),
	    cmocka_unit_test_teardown(the_way_counts_as_age, empty_arena),
	    cmocka_unit_test_teardown(a_stale_response_is_used_only_within_its_windows, empty_arena),
	    cmocka_unit_test_teardown(only_what_all_may_have_is_stored, empty_arena),
	    cmocka_unit_test_teardown(a_request_gets_only_the_variant_that_it_selects, empty_arena),
	    cmocka_unit_test_teardown(all_lines_of_a_long_list_select, empty_arena),
	    cmocka_unit_test_teardown(what_varies_on_too_much_is_not_kept, empty_arena),
	    cmocka_unit_test_teardown(a_client_that_has_it_is_told_so, empty_arena),
	    cmocka_unit_test_teardown(a_range_gives_the_bytes_that_were_asked_for, empty_arena),
	    cmocka_unit_test_teardown(several_ranges_come_in_the_order_in_which_they_were_asked_for, empty_arena),
	    cmocka_unit_test_teardown(no_byte_is_sent_twice_however_often_it_is_asked_for, empty_arena),
	    cmocka_unit_test_teardown(many_ranges_are_not_worth_many_parts, empty_arena),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
