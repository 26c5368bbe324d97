/* Trees of JSON: what others say is read as far as it is what was expected, and what is passed on
 * is what came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json_tree.h"

static er_arena arena;

static int no_trees(void **state)
{
	(void)state;
	er_arena_fini(&arena);
	return 0;
}

static const er_json *tree(const char *text)
{
	const er_json *v = er_json_answer(&arena, er_slice_cstr(text));
	assert_non_null(v);
	return v;
}

static void is_written(const er_json *v, const char *text)
{
	er_buf out = {0};
	er_json_write(&out, v);
	er_buf_putc(&out, 0);
	assert_string_equal((const char *)er_buf_slice(&out).p, text);
	er_buf_fini(&out);
}

static void members_are_read_by_name(void **state)
{
	(void)state;
	const er_json *v = tree("{\"s\":\"a\\u0000b\",\"n\":7,\"t\":true,\"f\":false,\"a\":[1,2,3],\"o\":{\"x\":1,\"y\":2}}");
	assert_int_equal(er_json_str(v, "s").n, 3);
	assert_int_equal(er_json_u64(v, "n"), 7);
	assert_true(er_json_true(v, "t"));
	assert_false(er_json_true(v, "f"));
	uint64_t sum = 0;
	ER_JSON_EACH(one, er_json_member(v, "a"))
	{
		sum = sum * 10 + er_json_as_u64(one, 9);
	}
	assert_int_equal(sum, 123);
	sum = 0;
	ER_JSON_MEMBERS(one, er_json_member(v, "o"))
	{
		sum = sum * 10 + er_json_as_u64(one, 9) + (uint64_t)(one->key.p[0] - 'x');
	}
	assert_int_equal(sum, 13);
	assert_int_equal(er_json_count(er_json_member(v, "a")), 3);
	assert_int_equal(er_json_count(er_json_member(v, "o")), 2);
}

static void what_is_of_another_type_reads_as_nothing(void **state)
{
	(void)state;
	static const char *const others[] = {"null", "5", "\"x\"", "[1]", "{\"a\":1}", "false"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		const er_json *v = tree(others[i]);
		unsigned is = 0;
		is += er_json_as_str(v).n > 0;
		is += er_json_as_u64(v, 0) > 0;
		is += er_json_is_true(v);
		is += er_json_first(v, ER_JSON_ARRAY) != NULL;
		is += er_json_first(v, ER_JSON_OBJECT) != NULL;
		assert_true(is <= 1);
		assert_null(er_json_member(v, "b"));
		assert_int_equal(er_json_u64(v, "b"), 0);
	}
	assert_int_equal(er_json_as_str(NULL).n, 0);
	assert_int_equal(er_json_as_u64(NULL, 3), 3);
	assert_false(er_json_is_true(NULL));
	assert_null(er_json_member(NULL, "a"));
	assert_null(er_json_first(NULL, ER_JSON_ARRAY));
	assert_int_equal(er_json_count(NULL), 0);
}

static void numbers_keep_their_64_bits(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t n;
		bool whole;
	} numbers[] = {{"18446744073709551615", UINT64_MAX, true},
	               {"9007199254740993", 9007199254740993, true},
	               {"0", 0, true},
	               {"-0", 0, true},
	               {"1e3", 1000, true},
	               {"2.50", 2, false},
	               {"18446744073709551616", 77, false},
	               {"1e300", 77, false},
	               {"1e999", 77, false},
	               {"-1", 77, false},
	               {"-0.5", 77, false}};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		const er_json *v = tree(numbers[i].text);
		uint64_t n = 0;
		assert_int_equal(er_json_whole(v, &n), numbers[i].whole);
		assert_true(er_json_as_u64(v, 77) == numbers[i].n);
		is_written(v, numbers[i].text);
	}
	assert_true(er_json_as_double(tree("-12.25"), 0) == -12.25);
	assert_true(er_json_as_double(tree("\"1\""), 0.5) == 0.5);
}

static void a_member_is_changed_in_its_place(void **state)
{
	(void)state;
	const er_json *v = tree("{\"a\":1,\"b\":[2],\"c\":{\"d\":3.10}}"), *x = tree("\"x\"");
	is_written(er_json_with(&arena, v, ER_LIT("b"), x), "{\"a\":1,\"b\":\"x\",\"c\":{\"d\":3.10}}");
	is_written(er_json_with(&arena, v, ER_LIT("e"), er_json_member(v, "c")),
	           "{\"a\":1,\"b\":[2],\"c\":{\"d\":3.10},\"e\":{\"d\":3.10}}");
	is_written(er_json_with(&arena, v, ER_LIT("a"), NULL), "{\"b\":[2],\"c\":{\"d\":3.10}}");
	is_written(er_json_with(&arena, v, ER_LIT("z"), NULL), "{\"a\":1,\"b\":[2],\"c\":{\"d\":3.10}}");
	is_written(er_json_with(&arena, x, ER_LIT("a"), x), "{\"a\":\"x\"}");
	is_written(er_json_with(&arena, NULL, ER_LIT("a"), NULL), "{}");
	is_written(v, "{\"a\":1,\"b\":[2],\"c\":{\"d\":3.10}}");
}

static void lists_grow_by_values_of_other_trees(void **state)
{
	(void)state;
	er_json_list list = {0};
	is_written(er_json_list_value(&arena, &list), "[]");
	const er_json *pages[] = {tree("{\"items\":[1,{\"a\":2}]}"), tree("{\"items\":[]}"), tree("{\"items\":[[3]]}")};
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		ER_JSON_EACH(one, er_json_member(pages[i], "items"))
	er_json_add(&arena, &list, one);
	assert_int_equal(list.n, 3);
	is_written(er_json_list_value(&arena, &list), "[1,{\"a\":2},[3]]");
	is_written(pages[0], "{\"items\":[1,{\"a\":2}]}");
}

static void people_get_a_line_for_each_value(void **state)
{
	(void)state;
	er_buf out = {0};
	er_json_write_lines(&out, tree("{\"a\":[1,[],{}],\"b\":{\"c\":\"d\\n\"},\"e\":null}"));
	er_buf_putc(&out, 0);
	assert_string_equal((const char *)er_buf_slice(&out).p,
	                    "{\n  \"a\": [\n    1,\n    [],\n    {}\n  ],\n  \"b\": {\n    \"c\": \"d\\n\"\n  },\n  \"e\": null\n}");
	er_buf_fini(&out);
}

/* A node takes values of 64 levels, and gives them back inside of an answer. */
static void an_answer_is_strict_and_may_be_deeper_than_what_is_in_it(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "{", "{} x", "[1,]", "// a\n1", "\xef\xbb\xbf{}", "\"\xff\"", "{\"a\":1,\"a\":2}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(er_json_answer(&arena, er_slice_cstr(bad[i])));
	char text[300];
	for (size_t depth = 60; depth <= ER_JSON_DEPTH_MOST + 1; depth++) {
		for (size_t i = 0; i < depth; i++) {
			text[i] = '[';
			text[2 * depth - 1 - i] = ']';
		}
		er_err err;
		size_t at;
		er_slice all = er_slice_of(text, 2 * depth);
		assert_int_equal(er_json_answer(&arena, all) != NULL, depth <= ER_JSON_DEPTH_MOST);
		assert_int_equal(er_json_parse(&arena, all, 1000, &at, &err) != NULL, depth <= ER_JSON_DEPTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(members_are_read_by_name),
	    cmocka_unit_test(what_is_of_another_type_reads_as_nothing),
	    cmocka_unit_test(numbers_keep_their_64_bits),
	    cmocka_unit_test(a_member_is_changed_in_its_place),
	    cmocka_unit_test(lists_grow_by_values_of_other_trees),
	    cmocka_unit_test(people_get_a_line_for_each_value),
	    cmocka_unit_test(an_answer_is_strict_and_may_be_deeper_than_what_is_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, no_trees);
}
