/* Header fields. */
#include "http/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

static er_slice lit(const char *s)
{
	return er_slice_cstr(s);
}

static void add(er_fields *f, er_arena *a, const char *name, const char *value)
{
	er_fields_add(f, a, lit(name), lit(value));
}

static void fields_keep_their_order_and_every_value(void **state)
{
	(void)state;
	er_arena a;
	er_fields f;
	er_arena_init(&a);
	er_fields_init(&f);
	for (int i = 0; i < 200; i++)
		er_fields_add(&f, &a, er_arena_printf(&a, "N%d", i % 50), er_arena_printf(&a, "%d", i));
	assert_int_equal(f.n, 200);
	for (uint32_t i = 0; i < 200; i++) {
		uint64_t v;
		assert_true(er_slice_u64(f.v[i].value, &v));
		assert_int_equal(v, i);
	}
	assert_true(er_slice_eq(*er_fields_get(&f, lit("n7")), lit("7")));
	assert_null(er_fields_get(&f, lit("n50")));
	assert_int_equal(er_fields_del(&f, lit("n7")), 4);
	assert_null(er_fields_get(&f, lit("N7")));
	er_fields_set(&f, &a, lit("n8"), lit("only"));
	assert_int_equal(f.n, 200 - 4 - 4 + 1);
	assert_true(er_slice_eq(*er_fields_get(&f, lit("N8")), lit("only")));
	er_arena_fini(&a);
}

static void names_and_values_that_could_split_a_message_are_refused(void **state)
{
	(void)state;
	static const char tokens[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (int c = 0; c < 256; c++) {
		uint8_t byte = (uint8_t)c;
		bool token = c != 0 && strchr(tokens, c) != NULL;
		assert_int_equal(er_field_name_ok(er_slice_of(&byte, 1)), token);
		bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
		assert_int_equal(er_field_value_ok(er_slice_of(&byte, 1)), text);
		/* anywhere in a longer value */
		for (size_t at = 0; at < 40; at++) {
			uint8_t value[40];
			memset(value, 'x', sizeof value);
			value[at] = byte;
			assert_int_equal(er_field_value_ok(er_slice_of(value, sizeof value)), text);
			assert_int_equal(er_field_name_ok(er_slice_of(value, sizeof value)), token);
		}
	}
	assert_false(er_field_name_ok(lit("")));
	assert_true(er_field_value_ok(lit("")));
}

static void expect_after_strip(er_fields *f, const char *want)
{
	er_buf b;
	er_buf_init(&b);
	er_fields_strip_hop_by_hop(f);
	for (uint32_t i = 0; i < f->n; i++)
		er_buf_printf(&b, "%.*s=%.*s ", ER_FMT(f->v[i].name), ER_FMT(f->v[i].value));
	er_buf_putc(&b, '\0');
	assert_string_equal((const char *)b.p, want);
	er_buf_fini(&b);
}

static void a_line_is_cut_where_its_first_wrong_byte_stands(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 20; n++) {
		for (size_t at = 0; at < n; at++) {
			for (unsigned x = 0; x < 256; x++) {
				uint8_t bytes[20], byte = (uint8_t)x;
				memset(bytes, 'v', sizeof bytes);
				bytes[at] = byte;
				bool value = er_field_value_ok(er_slice_of(&byte, 1)), name = er_field_name_ok(er_slice_of(&byte, 1));
				assert_int_equal(er_field_value_n(er_slice_of(bytes, n)), value ? n : at);
				assert_int_equal(er_field_name_n(er_slice_of(bytes, n)), name ? n : at);
				assert_int_equal(er_field_value_ok(er_slice_of(bytes, n)), value);
				assert_int_equal(er_field_name_ok(er_slice_of(bytes, n)), name);
			}
		}
	}
	assert_int_equal(er_field_value_n(lit("")), 0);
	assert_int_equal(er_field_name_n(lit("")), 0);
}

static void all_fields_of_a_name_go_and_the_others_keep_their_order(void **state)
{
	(void)state;
	/* each bit says whether the field at this place has the name */
	for (unsigned mask = 0; mask < 64; mask++) {
		er_arena a;
		er_arena_init(&a);
		er_fields f = {0};
		static const char *const values[] = {"0", "1", "2", "3", "4", "5"};
		char left[7] = "";
		uint32_t n = 0;
		for (unsigned i = 0; i < 6; i++) {
			add(&f, &a, mask >> i & 1 ? "Gone" : "Kept", values[i]);
			if (!(mask >> i & 1))
				left[n++] = (char)('0' + i);
		}
		assert_int_equal(er_fields_del(&f, lit("gone")), 6 - n);
		assert_int_equal(f.n, n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(f.v[i].value.p[0], left[i]);
		er_arena_fini(&a);
	}
}

static void what_concerns_one_connection_stays_on_it(void **state)
{
	(void)state;
	er_arena a;
	er_fields f;
	er_arena_init(&a);
	er_fields_init(&f);
	add(&f, &a, "A", "1");
	add(&f, &a, "Connection", "close, B , ,c,Connection");
	add(&f, &a, "b", "2");
	add(&f, &a, "C", "3");
	add(&f, &a, "c", "4");
	add(&f, &a, "D", "5");
	/* more Connection fields than anybody would count */
	for (int i = 0; i < 20; i++)
		er_fields_add(&f, &a, lit("connection"), er_arena_printf(&a, "x%d", i));
	for (int i = 0; i < 20; i++)
		er_fields_add(&f, &a, er_arena_printf(&a, "X%d", i), lit("6"));
	add(&f, &a, "TE", "trailers");
	add(&f, &a, "Upgrade", "h2c");
	add(&f, &a, "Keep-Alive", "5");
	add(&f, &a, "Proxy-Authorization", "z");
	expect_after_strip(&f, "A=1 D=5 ");
	er_fields_init(&f);
	add(&f, &a, "Connection", "host, cookie, authorization, cdn-loop, via, x-forwarded-for, X-Forwarded-Proto");
	add(&f, &a, "Cookie", "1");
	add(&f, &a, "Authorization", "2");
	add(&f, &a, "CDN-Loop", "3");
	add(&f, &a, "Via", "4");
	add(&f, &a, "X-Forwarded-For", "5");
	add(&f, &a, "X-Forwarded-Proto", "6");
	expect_after_strip(&f, "Cookie=1 Authorization=2 CDN-Loop=3 Via=4 X-Forwarded-For=5 X-Forwarded-Proto=6 ");
	er_arena_fini(&a);
}

static void token_is_found_in_a_list(void **state)
{
	(void)state;
	assert_true(er_field_has_token(lit("gzip, BR ,x"), lit("br")));
	assert_false(er_field_has_token(lit("gzip, brx"), lit("br")));
	assert_false(er_field_has_token(lit(""), lit("br")));
	assert_false(er_field_has_token(lit("b r"), lit("br")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_keep_their_order_and_every_value),
	    cmocka_unit_test(names_and_values_that_could_split_a_message_are_refused),
	    cmocka_unit_test(a_line_is_cut_where_its_first_wrong_byte_stands),
	    cmocka_unit_test(all_fields_of_a_name_go_and_the_others_keep_their_order),
	    cmocka_unit_test(what_concerns_one_connection_stays_on_it),
	    cmocka_unit_test(token_is_found_in_a_list),
	};
	return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
