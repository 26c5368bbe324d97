/* Source maps: a stack shows the files that the author wrote, and nothing hostile gets further than
 * the parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "isolate/sourcemap.h"

static er_sourcemap *parse(const char *mappings, const char *sources)
{
	er_err err;
	char *json = er_printf("{\"version\":3,\"sources\":[%s],\"names\":[],\"mappings\":\"%s\"}", sources, mappings);
	er_sourcemap *m = er_sourcemap_parse(er_slice_cstr(json), &err);
	er_free(json);
	return m;
}

static void expect(const er_sourcemap *m, uint32_t line, uint32_t column, const char *source, uint32_t at_line,
                   uint32_t at_column)
{
	er_source_pos pos;
	assert_true(er_sourcemap_find(m, line, column, &pos));
	assert_true(er_slice_eq(pos.source, er_slice_cstr(source)));
	assert_int_equal(pos.line, at_line);
	assert_int_equal(pos.column, at_column);
}

static void finds_the_last_mapping_before_a_position(void **state)
{
	(void)state;
	/* line 2: column 0 -> a 0:0, column 4 -> a 1:2, column 8 -> b 1:2; line 3: column 0 -> b 0:3 */
	er_sourcemap *m = parse(";AAAA,IACE,ICAA;ADDC", "\"a.js\",\"b.js\"");
	assert_non_null(m);
	expect(m, 3, 1, "a.js", 1, 4);
	er_sourcemap_free(m);
	m = parse(";AAAA,IACE,ICAA;AADC", "\"a.js\",\"b.js\"");
	assert_non_null(m);
	er_source_pos pos;
	assert_false(er_sourcemap_find(m, 1, 1, &pos));
	assert_false(er_sourcemap_find(m, 4, 1, &pos));
	assert_false(er_sourcemap_find(m, 0, 1, &pos));
	assert_false(er_sourcemap_find(m, UINT32_MAX, UINT32_MAX, &pos));
	expect(m, 2, 1, "a.js", 1, 1);
	expect(m, 2, 4, "a.js", 1, 1);
	expect(m, 2, 5, "a.js", 2, 3);
	expect(m, 2, 9, "b.js", 2, 3);
	expect(m, 2, UINT32_MAX, "b.js", 2, 3);
	expect(m, 3, 1, "b.js", 1, 4);
	er_sourcemap_free(m);
}

static void a_segment_of_one_number_ends_what_is_mapped(void **state)
{
	(void)state;
	er_sourcemap *m = parse("AAAA,I", "\"a.js\"");
	er_source_pos pos;
	expect(m, 1, 4, "a.js", 1, 1);
	assert_false(er_sourcemap_find(m, 1, 5, &pos));
	er_sourcemap_free(m);
}

static void malformed_maps_are_refused_with_a_reason(void **state)
{
	(void)state;
	static const char *const bad_mappings[] = {"A",    "AA",   "AAA",  "AAAAAA", "!",         "AAAAg",
	                                           "ACAA", "DAAA", "AADA", "AAAD",   "IAAA,DAAA", "gggggggggggA"};
	for (size_t i = 1; i < sizeof bad_mappings / sizeof *bad_mappings; i++)
		assert_null(parse(bad_mappings[i], "\"a.js\""));
	static const char *const bad_json[] = {"",
	                                       "{",
	                                       "[]",
	                                       "null",
	                                       "{\"version\":2,\"sources\":[],\"mappings\":\"\"}",
	                                       "{\"version\":3,\"sources\":{},\"mappings\":\"\"}",
	                                       "{\"version\":3,\"sources\":[]}",
	                                       "{\"version\":3,\"sections\":[],\"sources\":[],\"mappings\":\"\"}"};
	for (size_t i = 0; i < sizeof bad_json / sizeof *bad_json; i++) {
		er_err err = {0};
		assert_null(er_sourcemap_parse(er_slice_cstr(bad_json[i]), &err));
		assert_true(err.text[0] != 0);
	}
}

static void stack_is(const er_sourcemap *m, const char *stack, const char *expected)
{
	er_buf out = {0};
	er_sourcemap_stack(m, ER_LIT("routine.js"), er_slice_cstr(stack), &out);
	er_buf_putc(&out, 0);
	assert_string_equal((const char *)er_buf_slice(&out).p, expected);
	er_buf_fini(&out);
}

static void a_stack_shows_the_sources_without_prelude_and_wrapping(void **state)
{
	(void)state;
	er_sourcemap *m = parse(";AAAA,IACE", "\"src/index.ts\"");
	stack_is(m,
	         "boom@routine.js:2:6\n@routine.js:2:1\nglobal code@routine.js:9:9\nrun@er:prelude:3:4\ner:dispatch@routine.js:2:1\n"
	         "map@[native code]\n[native code]\nasync later@routine.js:2:5\n",
	         "    at boom (src/index.ts:2:3)\n    at src/index.ts:1:1\n    at map (native)\n    at later (src/index.ts:2:3)\n");
	/* Without a map the script's own places are shown. */
	stack_is(NULL, "boom@routine.js:2:6\nglobal code@routine.js:9:9", "    at boom (routine.js:2:6)\n    at routine.js:9:9\n");
	/* The only frame is shown even if it is global code. */
	stack_is(m, "global code@routine.js:2:6", "    at src/index.ts:2:3\n");
	stack_is(m, "", "");
	er_sourcemap_free(m);
}

static void a_hostile_stack_stays_small_and_harmless(void **state)
{
	(void)state;
	stack_is(NULL, "a\x1b[2J\x07@u\x7f:1:99999999999999999999", "    at a?[2J? (u?:1:99999999999999999999)\n");
	er_buf stack = {0}, out = {0};
	for (int i = 0; i < 10000; i++)
		er_buf_puts(&stack, "f@x:1:1\n");
	er_sourcemap_stack(NULL, ER_LIT("routine.js"), er_buf_slice(&stack), &out);
	assert_true(er_buf_len(&out) < 50 * 30);
	er_buf_clear(&stack);
	er_buf_clear(&out);
	for (int i = 0; i < 1000000; i++)
		er_buf_putc(&stack, i % 3 ? 0xbf : 0xe4);
	er_sourcemap_stack(NULL, ER_LIT("routine.js"), er_buf_slice(&stack), &out);
	assert_true(er_buf_len(&out) < 600);
	er_buf_fini(&stack);
	er_buf_fini(&out);
}

static void check_text(const er_sourcemap *m, const char *text, const char *want)
{
	er_buf out = {0};
	er_sourcemap_text(m, ER_LIT("routine.js"), er_slice_cstr(text), &out);
	er_buf_putc(&out, '\0');
	assert_string_equal((const char *)er_buf_slice(&out).p, want);
	er_buf_fini(&out);
}

static void console_text_shows_the_sources_wherever_a_frame_stands(void **state)
{
	(void)state;
	er_sourcemap *m = parse(";AAAA,IACE,ICAA", "\"a.js\",\"b.js\"");
	check_text(m, "f@routine.js:2:5\n@routine.js:1:1\ng@[native code]\nh@er:prelude:1:2",
	           "    at f (a.js:2:3)\n    at g (native)");
	check_text(m, "Error: x\n    at f@routine.js:2:5 {\n  code: 1\n}", "Error: x\n    at f (a.js:2:3) {\n  code: 1\n}");
	check_text(m, "Error: x\n    at f@routine.js:2:5\n    at h@er:prelude:1:2 {\n  code: 1\n}",
	           "Error: x\n    at f (a.js:2:3) {\n  code: 1\n}");
	check_text(m, "see f@routine.js:2:9, and routine.js:2:5!", "see f (b.js:2:3), and a.js:2:3!");
	check_text(m, "{\"s\":\"f@routine.js:2:5\\ng@routine.js:2:9\"}", "{\"s\":\"f (a.js:2:3)\\ng (b.js:2:3)\"}");
	check_text(m, "\n\nroutine.js:2:5\n", "\n\na.js:2:3");
	/* No frames: not a byte is changed. */
	const char *const same[] = {"myroutine.js:2:5",
	                            "routine.js:2",
	                            "routine.js:2:",
	                            "routine.js:x:1",
	                            "a@b.example",
	                            "at noon {",
	                            "g@[native code]",
	                            "",
	                            "routine.js:99999999999:1"};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		check_text(m, same[i], same[i]);
	check_text(NULL, "f@routine.js:2:5", "    at f (routine.js:2:5)");
	assert_true(er_sourcemap_text_wants(ER_LIT("routine.js"), ER_LIT("rrroutine.js:1")));
	assert_false(er_sourcemap_text_wants(ER_LIT("routine.js"), ER_LIT("routine.js is its name, routine.j")));
	assert_false(er_sourcemap_text_wants(ER_LIT("routine.js"), (er_slice){NULL, 0}));
	er_sourcemap_free(m);
}

static void hostile_console_text_stays_small(void **state)
{
	(void)state;
	er_sourcemap *m = parse(";AAAA", "\"a.js\"");
	er_buf text = {0}, out = {0};
	for (int i = 0; i < 1400; i++)
		er_buf_put_cstr(&text, "routine.js:2:1\n");
	er_sourcemap_text(m, ER_LIT("routine.js"), er_buf_slice(&text), &out);
	assert_true(er_buf_len(&out) <= er_buf_len(&text));
	er_buf_fini(&text);
	er_buf_fini(&out);
	er_sourcemap_free(m);
}

static void a_stack_says_between_its_frames_what_it_was_caused_by(void **state)
{
	(void)state;
	er_buf out = {0};
	er_sourcemap_stack(NULL, ER_LIT("routine.js"), ER_LIT("f@routine.js:1:2\n\tcaused by Error: a\033\ng@routine.js:3:4"), &out);
	er_buf_putc(&out, '\0');
	assert_string_equal((const char *)er_buf_slice(&out).p,
	                    "    at f (routine.js:1:2)\n  caused by Error: a?\n    at g (routine.js:3:4)\n");
	er_buf_fini(&out);
}

/* A debugger is told the place in the script of what a person reads in the sources. */
static void a_frame_leads_back_to_the_script(void **state)
{
	(void)state;
	er_err err;
	er_sourcemap *m = er_sourcemap_parse(
	    ER_LIT("{\"version\":3,\"sources\":[\"a.ts\",\"b.ts\"],\"names\":[],\"mappings\":\"AAAA;IACE,MCAF\"}"), &err);
	er_source_pos there, back;
	assert_non_null(m);
	assert_true(er_sourcemap_find(m, 2, 20, &there));
	assert_true(er_slice_eq(there.source, ER_LIT("b.ts")));
	assert_true(er_sourcemap_back(m, there.source, there.line, there.column, &back));
	assert_true(back.line == 2 && back.column == 11);
	assert_false(er_sourcemap_back(m, ER_LIT("c.ts"), there.line, there.column, &back));
	assert_false(er_sourcemap_back(m, there.source, there.line + 1, there.column, &back));
	er_sourcemap_free(m);

	er_slice name, path;
	uint64_t line, column;
	assert_true(er_stack_place(ER_LIT("    at async f (src/a (1).ts:3:11)"), &name, &path, &line, &column));
	assert_true(er_slice_eq(name, ER_LIT("async f")) && er_slice_eq(path, ER_LIT("src/a (1).ts")));
	assert_true(er_stack_place(ER_LIT("at g (src/a.ts:3:11)"), &name, &path, &line, &column));
	assert_true(er_slice_eq(name, ER_LIT("g")) && er_slice_eq(path, ER_LIT("src/a.ts")) && line == 3 && column == 11);
	assert_true(er_stack_place(ER_LIT("    at src/a.ts:1:2"), &name, &path, &line, &column));
	assert_true(name.n == 0 && er_slice_eq(path, ER_LIT("src/a.ts")));
	static const char *const none[] = {"",       "at",      "at ",      "at )",     "at f ()",
	                                   "at a:1", "at :1:1", "at a:0:1", "at a:x:1", "  caused by a:1:1"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(er_stack_place(er_slice_cstr(none[i]), &name, &path, &line, &column));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_the_last_mapping_before_a_position),
	    cmocka_unit_test(a_segment_of_one_number_ends_what_is_mapped),
	    cmocka_unit_test(malformed_maps_are_refused_with_a_reason),
	    cmocka_unit_test(a_stack_shows_the_sources_without_prelude_and_wrapping),
	    cmocka_unit_test(a_hostile_stack_stays_small_and_harmless),
	    cmocka_unit_test(console_text_shows_the_sources_wherever_a_frame_stands),
	    cmocka_unit_test(hostile_console_text_stays_small),
	    cmocka_unit_test(a_frame_leads_back_to_the_script),
	    cmocka_unit_test(a_stack_says_between_its_frames_what_it_was_caused_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
