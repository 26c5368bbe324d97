/* Blocks of fields between the node and a sandbox: what goes over comes back the same, and nothing
 * that a sandbox says breaks a message. */
#include "base/buf.h"
#include "isolate/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *why;

static bool none_dropped(er_slice name)
{
	(void)name;
	return false;
}

static void names_go_over_in_lower_case_and_all_else_as_it_is(void **state)
{
	(void)state;
	er_arena a;
	er_arena_init(&a);
	er_fields f, back;
	er_fields_init(&f);
	er_fields_init(&back);
	assert_int_equal(er_block_n(&f), 0);
	er_fields_add(&f, &a, ER_LIT("X-Odd~Name"), ER_LIT("Value, With Capitals"));
	er_fields_add(&f, &a, ER_LIT("a"), (er_slice){0});
	er_fields_add(&f, &a, ER_LIT("A"), ER_LIT("caf\xe9"));
	uint8_t room[128];
	er_writer w = {room};
	er_block_put(&w, &f);
	er_slice block = er_slice_of(room, (size_t)(w.p - room));
	assert_int_equal(block.n, er_block_n(&f));
	assert_true(er_slice_eq(block, ER_LIT("x-odd~name\nValue, With Capitals\na\n\na\ncaf\xe9\n")));
	assert_true(er_block_read(block, &a, &back, none_dropped, &why));
	assert_int_equal(back.n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(er_slice_ieq(back.v[i].name, f.v[i].name));
		assert_true(er_slice_eq(back.v[i].value, f.v[i].value));
	}
	er_arena_fini(&a);
}

static bool reads(er_slice block, uint32_t *n)
{
	er_arena a;
	er_arena_init(&a);
	er_fields f;
	er_fields_init(&f);
	bool ok = er_block_read(block, &a, &f, er_field_hop_by_hop, &why);
	*n = f.n;
	er_arena_fini(&a);
	return ok;
}

static void what_http_cannot_carry_is_not_called_too_large(void **state)
{
	(void)state;
	er_slice name = {0};
	const char *const bad[][2] = {{"a\n1\nx-bad\nb\x1b[0m\n", "x-bad"},
	                              {"x\n\r\n", "x"},
	                              {"del\n\x7f\n", "del"},
	                              {"b d\n1\n", "b d"},
	                              {"\n1\n", ""},
	                              {"x\ny\rz\n", "x"}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(er_block_malformed(er_slice_cstr(bad[i][0]), &name));
		assert_true(er_slice_eq(name, er_slice_cstr(bad[i][1])));
	}
	assert_true(er_block_malformed(er_slice_of("n\na\0b\n", 6), &name));
	assert_false(er_block_malformed(ER_LIT("a\nb\tc \xe9\nd\n\n"), &name));
}

static void what_a_sandbox_says_is_checked(void **state)
{
	(void)state;
	uint32_t n;
	static const struct {
		const char *block;
		bool ok;
		uint32_t n;
	} tries[] = {
	    {"", true, 0},
	    {"a\n1\nb\n2\n", true, 2},
	    {"a\n \t1 \n", true, 1},
	    {"Connection\nclose\ntransfer-encoding\nchunked\na\n1\n", true, 1},
	    {"a\n1", true, 1}, /* cut short: the value is what is there */
	    {"a", true, 1},
	    {"\n1\n", false, 0},
	    {"a b\n1\n", false, 0},
	    {"a:\n1\n", false, 0},
	    {"a\r\n1\n", false, 0},
	    {"a\n1\rb: 2\n", false, 0},
	    {"a\n1\x7f\n", false, 0},
	    {"a\xff\n1\n", false, 0},
	};
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		bool ok = reads(er_slice_cstr(tries[i].block), &n);
		if (ok != tries[i].ok || (ok && n != tries[i].n))
			fail_msg("block %zu: %d, %u fields", i, ok, n);
	}
	assert_false(reads(ER_LIT("a\n1\0002\n"), &n));
}

static void a_block_has_bounds(void **state)
{
	(void)state;
	uint32_t n;
	er_buf b;
	er_buf_init(&b);
	for (int i = 0; i < ER_BLOCK_FIELDS; i++)
		er_buf_puts(&b, "a\n1\n");
	assert_true(reads(er_buf_slice(&b), &n));
	assert_int_equal(n, ER_BLOCK_FIELDS);
	er_buf_puts(&b, "a\n1\n");
	assert_false(reads(er_buf_slice(&b), &n));
	assert_string_equal(why, "its header has more than 256 fields");
	er_buf_clear(&b);
	er_buf_puts(&b, "a\n");
	while (er_buf_len(&b) < ER_BLOCK_MAX - 1)
		er_buf_putc(&b, 'x');
	er_buf_putc(&b, '\n');
	assert_true(reads(er_buf_slice(&b), &n));
	er_buf_putc(&b, 'b');
	assert_false(reads(er_buf_slice(&b), &n));
	assert_string_equal(why, "its header has more than 64 KB");
	assert_false(reads(ER_LIT("a b\n1\n"), &n));
	assert_string_equal(why, "its header has a malformed field");
	er_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_go_over_in_lower_case_and_all_else_as_it_is),
	    cmocka_unit_test(what_http_cannot_carry_is_not_called_too_large),
	    cmocka_unit_test(what_a_sandbox_says_is_checked),
	    cmocka_unit_test(a_block_has_bounds),
	};
	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
