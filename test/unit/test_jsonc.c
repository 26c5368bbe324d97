/* JSON that people write: what is taken, and that a mistake is shown where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/jsonc.h"

static void becomes(const char *text, const char *json)
{
	er_arena a;
	er_err err;
	size_t at;
	er_buf out = {0};
	er_arena_init(&a);
	const er_json *v = er_jsonc_parse(&a, er_slice_cstr(text), &at, &err);
	assert_non_null(v);
	er_json_write(&out, v);
	er_buf_putc(&out, 0);
	assert_string_equal((const char *)er_buf_slice(&out).p, json);
	er_buf_fini(&out);
	er_arena_fini(&a);
}

static void comments_and_trailing_commas_are_taken(void **state)
{
	(void)state;
	becomes("\xef\xbb\xbf// first\n{ /* a */ \"a\" : [1, -0.5e+3, true, null, ], // b\n \"b\": {}, }\n/* end */",
	        "{\"a\":[1,-0.5e+3,true,null],\"b\":{}}");
	becomes("\"\\u00e9\\n\\ud83d\\ude00\\ud83d \\/\"", "\"\xc3\xa9\\n\xf0\x9f\x98\x80\xef\xbf\xbd /\"");
	becomes("{\"//\": \"/* no comment */\"}", "{\"//\":\"/* no comment */\"}");
}

static void fails_at(const char *text, unsigned line, unsigned column)
{
	er_arena a;
	er_err err;
	size_t at;
	er_arena_init(&a);
	assert_null(er_jsonc_parse(&a, er_slice_cstr(text), &at, &err));
	er_text_pos pos = er_text_where(er_slice_cstr(text), at);
	assert_int_equal(pos.line, line);
	assert_int_equal(pos.column, column);
	er_arena_fini(&a);
}

static void a_mistake_is_shown_where_it_is(void **state)
{
	(void)state;
	fails_at("", 1, 1);
	fails_at("{\n\t\"a\" 1 }", 2, 6);
	fails_at("{\"a\": 1, \"a\": 2}", 1, 10);
	fails_at("[1 2]", 1, 4);
	fails_at("{a: 1}", 1, 2);
	fails_at("{\"a\": \"b\n\"}", 1, 7);
	fails_at("\"\\x\"", 1, 2);
	fails_at("{} x", 1, 4);
	fails_at("/* never", 1, 1);
	fails_at("[01]", 1, 2);
	fails_at("[1., 2]", 1, 2);
	fails_at("\"\xe4\xb8\xad\" x", 1, 5);
	fails_at("[,]", 1, 2);
	fails_at("truely", 1, 5);
}

static void strictly(const char *text, size_t values, bool good, size_t where)
{
	er_arena a;
	er_err err = {0};
	size_t at = 0;
	er_arena_init(&a);
	assert_int_equal(er_json_parse(&a, er_slice_cstr(text), values, &at, &err) != NULL, good);
	if (!good) {
		assert_int_equal(err.kind, ER_ERR_INVALID);
		assert_int_equal(at, where);
	}
	er_arena_fini(&a);
}

static void the_wire_is_strict(void **state)
{
	(void)state;
	strictly(" {\"a\": [1, {}, []], \"b\": null} ", 10, true, 0);
	strictly("{\"a\": 1,}", 10, false, 8);
	strictly("[1,]", 10, false, 3);
	strictly("[1] // x", 10, false, 4);
	strictly("/* x */ 1", 10, false, 0);
	strictly("\xef\xbb\xbf{}", 10, false, 0);
	strictly("\"a\xff\"", 10, false, 2);
	strictly("\"\xed\xa0\x80\"", 10, false, 1);
	strictly("[1,2,3]", 4, true, 0);
	strictly("[1,2,3]", 3, false, 5);
}

static void large_texts_are_the_callers_to_bound(void **state)
{
	(void)state;
	er_arena a;
	er_err err = {0};
	size_t at = 0;
	er_buf text = {0};
	er_arena_init(&a);
	er_buf_puts(&text, "{\"code\":\"");
	for (int i = 0; i < 400000; i++)
		er_buf_puts(&text, "abcdefgh");
	er_buf_puts(&text, "\"}");
	assert_null(er_jsonc_parse(&a, er_buf_slice(&text), &at, &err));
	const er_json *v = er_json_parse(&a, er_buf_slice(&text), 10, &at, &err);
	assert_int_equal(er_json_get(v, ER_LIT("code"))->text.n, 3200000);
	er_buf_fini(&text);
	er_arena_fini(&a);
}

/* Reads only "a" and "b" of text; NULL, or what is left of it. */
static void only_some(const char *text, size_t values, const char *left, size_t where)
{
	static const er_slice wanted[] = {ER_LIT("a"), ER_LIT("b")};
	er_arena a;
	er_err err = {0};
	size_t at = 0;
	er_buf out = {0};
	er_arena_init(&a);
	const er_json *v =
	    er_json_read(&a, er_slice_cstr(text), &(er_json_bounds){.values = values, .only = wanted, .n_only = 2}, &at, &err);
	assert_int_equal(v != NULL, left != NULL);
	if (v != NULL) {
		er_json_write(&out, v);
		er_buf_putc(&out, 0);
		assert_string_equal((const char *)er_buf_slice(&out).p, left);
	} else {
		assert_int_equal(err.kind, ER_ERR_INVALID);
		assert_int_equal(at, where);
	}
	er_buf_fini(&out);
	er_arena_fini(&a);
}

static void what_nobody_wants_is_checked_and_not_kept(void **state)
{
	(void)state;
	only_some("{\"x\":[1,{\"a\":\"\\u00e9\\n\"}],\"a\":{\"x\":1},\"y\":\"z\",\"b\":\"\\t\"}", 4,
	          "{\"a\":{\"x\":1},\"b\":\"\\u0009\"}", 0);
	only_some("{\"x\":[1,2,3,4,5,6,7,8,9]}", 1, "{}", 0);
	only_some("{\"x\":1,\"a\":1,\"b\":1}", 2, NULL, 17);
	/* It is an object's members that are chosen. */
	only_some("[{\"x\":1}]", 3, "[{\"x\":1}]", 0);
	only_some("5", 1, "5", 0);
	/* Form counts everywhere, a name that occurs twice only where it is kept. */
	only_some("{\"x\":[1,]}", 9, NULL, 8);
	only_some("{\"x\":\"\\q\"}", 9, NULL, 6);
	only_some("{\"x\":\"a\nb\"}", 9, NULL, 5);
	only_some("{\"x\":01}", 9, NULL, 5);
	only_some("{\"x\":{\"c\" 1}}", 9, NULL, 10);
	only_some("{\"x\":{\"c\":1,\"c\":2}}", 9, "{}", 0);
	only_some("{\"a\":1,\"a\":2}", 9, NULL, 7);
	only_some("{\"\\u0061\":1,\"ab\":1,\"\":1}", 9, "{}", 0);
	char deep[400] = "{\"x\":";
	for (int i = 5; i < 200; i++)
		deep[i] = '[';
	only_some(deep, 9, NULL, 5 + ER_JSON_DEPTH - 1);
}

static void many_names_are_compared_too(void **state)
{
	(void)state;
	er_arena a;
	er_err err = {0};
	size_t at = 0;
	er_buf text = {0};
	er_arena_init(&a);
	er_buf_puts(&text, "{");
	for (int i = 0; i < 20000; i++)
		er_buf_printf(&text, "\"n%d\":%d,", i, i);
	size_t last = er_buf_len(&text);
	er_buf_puts(&text, "\"n40\":1}");
	assert_null(er_json_parse(&a, er_buf_slice(&text), SIZE_MAX, &at, &err));
	assert_int_equal(at, last);
	er_buf_fini(&text);
	er_arena_fini(&a);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	char text[200];
	for (int i = 0; i < 65; i++)
		text[i] = '[';
	for (int i = 65; i < 130; i++)
		text[i] = ']';
	text[130] = 0;
	fails_at(text, 1, 65);
	text[129] = 0;
	becomes(text + 1, text + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comments_and_trailing_commas_are_taken),
	    cmocka_unit_test(a_mistake_is_shown_where_it_is),
	    cmocka_unit_test(the_wire_is_strict),
	    cmocka_unit_test(large_texts_are_the_callers_to_bound),
	    cmocka_unit_test(what_nobody_wants_is_checked_and_not_kept),
	    cmocka_unit_test(many_names_are_compared_too),
	    cmocka_unit_test(depth_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
