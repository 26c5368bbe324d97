/* The pure parts: settings of a version, patterns of routes, base64, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "channel/frame.h"
#include "base/base64.h"
#include "base/base64_wide.h"
#include "base/json_out.h"
#include "http/pattern.h"
#include "control/settings.h"

static void settings_are_read(void **state)
{
	(void)state;
	er_arena a;
	er_settings s;
	er_problem p = {0};
	er_arena_init(&a);
	assert_true(er_settings_parse(&a, ER_LIT("{}"), &s, &p));
	assert_int_equal(s.limits.cpu_us, 50000);
	assert_true(er_slice_eq(s.vars, ER_LIT("{}")));
	assert_true(
	    er_settings_parse(&a,
	                      ER_LIT("{\"name\":\"a\",\"main\":\"src/x.ts\",\"compat\":{\"envLast\":true,\"redirect\":\"manual\"},"
	                             "\"limits\":{\"cpuMs\":7,\"memoryMb\":64,\"codeBytes\":2048},\"vars\":{\"A\":[1, 2]},"
	                             "\"profile\":\"hardened\",\"fallback\":true,\"routes\":[\"*.a.example/x*\"],\"kv\":[\"k\"],"
	                             "\"services\":{\"AUTH\":\"auth\",\"_b\":\"b-1\"}}"),
	                      &s, &p));
	assert_int_equal(s.compat, ER_COMPAT_ENV_LAST | ER_COMPAT_REDIRECT_MANUAL);
	assert_int_equal(s.limits.cpu_us, 7000);
	assert_int_equal(s.limits.memory_kb, 65536);
	assert_int_equal(s.limits.code_n, 2048);
	assert_int_equal(s.limits.subrequests, 32);
	assert_int_equal(s.profile, ER_PROFILE_HARDENED);
	assert_true(s.fallback);
	assert_int_equal(s.n_routes, 1);
	assert_int_equal(s.n_kv, 1);
	assert_int_equal(s.n_services, 2);
	assert_true(er_slice_eq(s.services[0].name, ER_LIT("AUTH")) && er_slice_eq(s.services[0].target, ER_LIT("auth")));
	assert_true(er_slice_eq(s.services[1].name, ER_LIT("_b")) && er_slice_eq(s.services[1].target, ER_LIT("b-1")));
	assert_true(er_slice_eq(s.vars, ER_LIT("{\"A\":[1,2]}")));
	er_limits most = ER_LIMITS_DEFAULT;
	assert_true(er_settings_within(&s, &most, ER_LIT("settings"), &p));
	most.cpu_us = 6000;
	assert_false(er_settings_within(&s, &most, ER_LIT("settings"), &p));
	assert_string_equal(p.field, "settings.limits.cpuMs");
	assert_string_equal(p.expected, "at most 6");
	er_arena_fini(&a);
}

static uint32_t compat_of(const char *json)
{
	er_arena a;
	er_settings s;
	er_problem p = {0};
	er_arena_init(&a);
	assert_true(er_settings_parse(&a, er_slice_cstr(json), &s, &p));
	er_arena_fini(&a);
	return s.compat;
}

static void the_first_generation_gives_redirects_to_the_code(void **state)
{
	(void)state;
	assert_int_equal(compat_of("{\"compat\":{\"classic\":false}}"), 0);
	assert_int_equal(compat_of("{\"compat\":{\"classic\":true}}"), ER_COMPAT_CLASSIC | ER_COMPAT_REDIRECT_MANUAL);
	assert_int_equal(compat_of("{\"compat\":{\"classic\":true,\"redirect\":\"follow\"}}"), ER_COMPAT_CLASSIC);
	assert_int_equal(compat_of("{\"compat\":{\"redirect\":\"manual\"}}"), ER_COMPAT_REDIRECT_MANUAL);
	er_arena a;
	er_settings s;
	er_problem p = {0};
	er_arena_init(&a);
	assert_false(er_settings_parse(&a, ER_LIT("{\"compat\":{\"classic\":1}}"), &s, &p));
	assert_string_equal(p.field, "compat.classic");
	er_arena_fini(&a);
}

static void one_spelling(void **state)
{
	(void)state;
	er_arena a;
	er_err err;
	size_t at;
	er_buf b = {0};
	er_arena_init(&a);
	const er_json *v =
	    er_json_parse(&a,
	                  ER_LIT("{\"fallback\":true,\"limits\":{\"timers\":1,\"cpuMs\":2},\"name\":\"x\",\"$schema\":1,"
	                         "\"compat\":{\"redirect\":\"manual\",\"classic\":true,\"envLast\":false},\"main\":\"a\"}"),
	                  100, &at, &err);
	er_settings_write(&b, v);
	assert_true(er_slice_eq(er_buf_slice(&b),
	                        ER_LIT("{\"main\":\"a\",\"compat\":{\"envLast\":false,\"classic\":true,\"redirect\":\"manual\"},"
	                               "\"limits\":{\"cpuMs\":2,\"timers\":1},\"fallback\":true}")));
	er_buf_fini(&b);
	er_arena_fini(&a);
}

static void merges(const char *vars, const char *stored, const char *env)
{
	er_piece p = er_settings_env(er_slice_cstr(vars), er_slice_cstr(stored));
	assert_true(er_slice_eq(er_piece_slice(p), er_slice_cstr(env)));
	er_piece_drop(&p);
}

static void environments_are_merged(void **state)
{
	(void)state;
	merges("{}", "{}", "{}");
	merges("{\"A\":1}", "{}", "{\"A\":1}");
	merges("{}", "{\"B\":2}", "{\"B\":2}");
	merges("{\"A\":1}", "{\"A\":{\"x\":3}}", "{\"A\":1,\"A\":{\"x\":3}}");
	merges("", "", "{}");
}

static er_arena arena;

static void pattern_is(const char *text, bool good)
{
	er_pattern p;
	er_err err = {0};
	if (er_pattern_parse(&arena, er_slice_cstr(text), &p, &err) != good)
		fail_msg("%s: %s", text, err.text);
}

static bool covers(const char *a, const char *b)
{
	er_pattern x, y;
	assert_true(er_pattern_parse(&arena, er_slice_cstr(a), &x, NULL));
	assert_true(er_pattern_parse(&arena, er_slice_cstr(b), &y, NULL));
	return er_pattern_covers(&x, &y);
}

static void patterns(void **state)
{
	(void)state;
	const char *good[] = {"a.example", "*", "*/x*", "*.a.example", "a.example/", "[::1]/x", "A_b.example/%2F*"};
	const char *bad[] = {"", "/x", "a.*", "*a.example", "a.example:80", "http://a", "a/x*y", "a/x?y", "a/x y", "*.", "a b"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		pattern_is(good[i], true);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		pattern_is(bad[i], false);
	assert_true(covers("*", "a.example/x"));
	assert_true(covers("a.example", "A.example/x"));
	assert_true(covers("a.example/x*", "a.example/xy"));
	assert_true(covers("*.example", "b.a.example/x*"));
	assert_true(covers("*.example", "*.a.example"));
	assert_true(covers("*.example", "*.example/x"));
	assert_false(covers("*.example", "example"));
	assert_false(covers("a.example/x", "a.example/x*"));
	assert_false(covers("a.example/x*", "a.example"));
	assert_false(covers("a.example", "*.a.example"));
	assert_false(covers("a.example", "*"));
	assert_false(covers("*.ample", "x.example"));
	er_arena_fini(&arena);
}

static void spelled(const char *text, const char *normal)
{
	er_slice out = {0};
	er_err err = {0};
	if (!er_pattern_normal(&arena, er_slice_cstr(text), &out, &err))
		fail_msg("%s: %s", text, err.text);
	if (!er_slice_eq(out, er_slice_cstr(normal)))
		fail_msg("%s became %.*s instead of %s", text, ER_FMT(out), normal);
	er_slice again = {0};
	assert_true(er_pattern_normal(&arena, out, &again, NULL));
	assert_true(er_slice_eq(out, again));
}

static void a_rule_means_the_same_in_every_spelling(void **state)
{
	(void)state;
	const char *const same[] = {
	    "*",        "*/x*",         "a.example",       "a.example/",    "a.example/*",      "*.a.example/x", "[::1]/x",
	    "10.0.0.1", "a.example/.*", "a.example/a/..*", "a.example//x*", "a.example/a%2Fb*", "a.example/%25*"};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		spelled(same[i], same[i]);
	spelled("A.Example./x*", "a.example/x*");
	spelled("*.A.Example.", "*.a.example");
	spelled("b\xc3\xbc"
	        "cher.example/*",
	        "xn--bcher-kva.example/*");
	spelled("*.B\xc3\x9c"
	        "CHER.example",
	        "*.xn--bcher-kva.example");
	spelled("a\xe3\x80\x82"
	        "example/*",
	        "a.example/*");
	spelled("[0:0:0:0:0:0:0:1]/*", "[::1]/*");
	spelled("[::ffff:127.0.0.1]", "[::ffff:7f00:1]");
	spelled("0x7f.1/*", "127.0.0.1/*");
	spelled("a.example/%61dmin*", "a.example/admin*");
	spelled("a.example/x/../admin", "a.example/admin");
	spelled("a.example/x/%2e%2E/admin*", "a.example/admin*");
	spelled("a.example/./admin*", "a.example/admin*");
	spelled("a.example/x\\admin*", "a.example/x/admin*");
	spelled("a.example/%c3%bc", "a.example/%C3%BC");
	spelled("a.example/\xc3\xbc*", "a.example/%C3%BC*");
	spelled("a.example/%40x*", "a.example/@x*");
	spelled("a.example/%2a*", "a.example/%2A*");
	spelled("a.example/100%*", "a.example/100%25*");
	spelled("a.example/%%361*", "a.example/%2561*");
	const char *const bad[] = {"a..example", ".a.example", "*.1.2.3",      "*.[::1]",     "1.2.3.256",   "a b.example",
	                           "[::g]",      "a[b",        "a%62.example", "u@a.example", "\xff.example"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		pattern_is(bad[i], false);
	assert_true(er_pattern_same(&arena, ER_LIT("A.example/%78*"), ER_LIT("a.example/x*")));
	assert_false(er_pattern_same(&arena, ER_LIT("a.example/X*"), ER_LIT("a.example/x*")));
	er_arena_fini(&arena);
}

static void base64_is_strict(void **state)
{
	(void)state;
	er_arena a;
	er_slice out;
	er_arena_init(&a);
	const char *good[][2] = {{"", ""}, {"YQ==", "a"}, {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJjZA==", "abcd"}};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		er_buf b = {0};
		assert_true(er_base64_decode(&a, er_slice_cstr(good[i][0]), &out));
		assert_true(er_slice_eq(out, er_slice_cstr(good[i][1])));
		er_base64_encode(&b, out);
		assert_true(er_slice_eq(er_buf_slice(&b), er_slice_cstr(good[i][0])));
		er_buf_fini(&b);
	}
	const char *bad[] = {"YQ", "YQ=", "YR==", "YWJ=", "Y===", "====", "YQ==YQ==", "Y Q=", "YW-_"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_base64_decode(&a, er_slice_cstr(bad[i]), &out))
			fail_msg("%s", bad[i]);
	er_arena_fini(&a);
}

/* Every length around the blocks in which it is done, with every byte; and a character that is no
 * digit at every place. */
static void base64_of_every_length(void **state)
{
	(void)state;
	uint8_t bytes[200], text[300], back[300];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof bytes; n++) {
		size_t length = er_base64_length(n), digits = (n * 4 + 2) / 3;
		memset(text, 0xEE, sizeof text);
		er_base64_write_narrow(er_slice_of(bytes, n), back);
		er_base64_write(er_slice_of(bytes, n), text);
		assert_int_equal(text[length], 0xEE);
		assert_memory_equal(back, text, length);
		for (size_t i = 0; i < length; i++)
			assert_true(i < digits ? er_base64_digit(text[i]) >= 0 : text[i] == '=');
		for (size_t i = 0; i < digits; i++) { /* bit by bit */
			unsigned want = 0;
			for (size_t bit = i * 6; bit < i * 6 + 6; bit++)
				want = want << 1 | (bit / 8 < n ? bytes[bit / 8] >> (7 - bit % 8) & 1U : 0);
			assert_int_equal(er_base64_digit(text[i]), want);
		}
		assert_true(er_base64_read(er_slice_of(text, digits), back));
		assert_memory_equal(back, bytes, n);
		for (size_t i = 0; i < digits; i++) {
			static const uint8_t others[] = {0, ' ', '=', '-', '_', '@', '[', '`', '{', ':', '.', 0x80, 0xC1, 0xFF};
			uint8_t was = text[i];
			text[i] = others[(i + n) % sizeof others];
			assert_false(er_base64_read(er_slice_of(text, digits), back));
			assert_false(er_base64_read_narrow(er_slice_of(text, digits), back));
			text[i] = was;
		}
		memcpy(back, text, digits);
		assert_true(er_base64_read(er_slice_of(back, digits), back)); /* where it lies */
		assert_memory_equal(back, bytes, n);
		memset(back, 0, sizeof back);
		assert_true(er_base64_read_narrow(er_slice_of(text, digits), back));
		assert_memory_equal(back, bytes, n);
	}
	assert_false(er_base64_read(ER_LIT("AAAAA"), back));
}

static void times(void **state)
{
	(void)state;
	int64_t ms;
	er_out o = {0};
	assert_true(er_time_parse(ER_LIT("2026-01-31T12:34:56.789Z"), &ms));
	er_out_time(&o, NULL, ms);
	assert_true(er_slice_eq(er_buf_slice(&o.b), ER_LIT("\"2026-01-31T12:34:56.789Z\"")));
	er_out_fini(&o);
	assert_true(er_time_parse(ER_LIT("1970-01-01T00:00:00"), &ms));
	assert_int_equal(ms, 0);
	const char *bad[] = {"",
	                     "2026",
	                     "2026-01-31",
	                     "2026-01-31 12:34:56Z",
	                     "2026-00-31T12:34:56Z",
	                     "2026-01-31T12:34:56+01:00",
	                     "2026-01-31T12:34:56.Z",
	                     "2026-01-31T25:34:56Z"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (er_time_parse(er_slice_cstr(bad[i]), &ms))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_are_read),
	    cmocka_unit_test(the_first_generation_gives_redirects_to_the_code),
	    cmocka_unit_test(one_spelling),
	    cmocka_unit_test(environments_are_merged),
	    cmocka_unit_test(patterns),
	    cmocka_unit_test(a_rule_means_the_same_in_every_spelling),
	    cmocka_unit_test(base64_is_strict),
	    cmocka_unit_test(base64_of_every_length),
	    cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
