/* Records of databases of places, for any bytes, and what becomes of them. Files and their renewal:
 * test/e2e/geo.test.mjs, which can write them. */
#include "geo/place.h"
#include "geo/record.h"

#include "base/mem.h"
#include "geo/geo.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* {"a": {"b": "x"}, "n": 258, "l": ["p", {"q": "r"}]} */
static const er_slice record = ER_LIT("\xe3"
                                      "\x41"
                                      "a"
                                      "\xe1"
                                      "\x41"
                                      "b"
                                      "\x41"
                                      "x"
                                      "\x41"
                                      "n"
                                      "\xc2\x01\x02"
                                      "\x41"
                                      "l"
                                      "\x02\x04"
                                      "\x41"
                                      "p"
                                      "\xe1"
                                      "\x41"
                                      "q"
                                      "\x41"
                                      "r");

static void paths_lead_into_maps_and_arrays(void **state)
{
	(void)state;
	uint64_t n = 0;
	assert_true(er_slice_eq(er_record_text(record, 0, PATH("a", "b"), 10), ER_LIT("x")));
	assert_true(er_slice_eq(er_record_text(record, 0, PATH("l", "1", "q"), 10), ER_LIT("r")));
	assert_true(er_record_u64(record, 0, PATH("n"), &n));
	assert_int_equal(n, 258);
	assert_int_equal(er_record_text(record, 0, PATH("a", "c"), 10).n, 0);
	assert_int_equal(er_record_text(record, 0, PATH("l", "2"), 10).n, 0);
	assert_int_equal(er_record_text(record, 0, PATH("n"), 10).n, 0);
	assert_int_equal(er_record_text(record, 0, PATH("a", "b"), 0).n, 0);
	assert_false(er_record_true(record, 0, PATH("a")));
}

/* Whatever is cut off: what is found lies in what is left. */
static void a_record_that_is_cut_is_not_read_behind_its_end(void **state)
{
	(void)state;
	for (size_t n = 0; n < record.n; n++) {
		uint8_t *cut = er_alloc(n + 1);
		er_copy(cut, record.p, n);
		cut[n] = 0xee; /* with a sanitizer, nobody reads it */
		er_slice found = er_record_text(er_slice_of(cut, n), 0, PATH("l", "1", "q"), 10);
		assert_int_equal(found.n, 0);
		er_free(cut);
	}
}

static void a_pointer_is_followed_once(void **state)
{
	(void)state;
	er_record_value v;
	/* at 0 a text, at 2 a pointer to 0, at 4 a pointer to 2, at 6 one to itself */
	er_slice section = ER_LIT("\x41x\x20\x00\x20\x02\x20\x06");
	assert_true(er_record_at(section, 2, &v));
	assert_true(er_slice_eq(v.bytes, ER_LIT("x")));
	assert_false(er_record_at(section, 4, &v));
	assert_false(er_record_at(section, 6, &v));
	assert_false(er_record_at(section, 8, &v));
}

/* A look ends, however much a map says that it has. */
static void a_look_takes_a_bounded_number_of_steps(void **state)
{
	(void)state;
	enum { PAIRS = 200000 };
	uint8_t *map = er_alloc(4 + 2 * PAIRS + 8);
	uint32_t more = PAIRS - 65821;
	map[0] = 0xff;
	map[1] = (uint8_t)(more >> 16);
	map[2] = (uint8_t)(more >> 8);
	map[3] = (uint8_t)more;
	memset(map + 4, 0x40, 2 * PAIRS); /* empty texts */
	er_record_value v;
	er_slice section = er_slice_of(map, 4 + 2 * PAIRS);
	assert_false(er_record_find(section, 0, PATH("a"), &v));
	assert_false(er_record_shallow(section, 0));
	er_free(map);
}

static void what_is_deep_is_not_shallow(void **state)
{
	(void)state;
	er_buf b = {0};
	for (int depth = 0; depth < 12; depth++) {
		er_buf_clear(&b);
		for (int i = 0; i < depth; i++)
			er_buf_puts(&b, "\x01\x04");
		er_buf_puts(&b, "\x41x");
		assert_int_equal(er_record_shallow(er_buf_slice(&b), 0), depth <= ER_RECORD_DEPTH);
	}
	assert_false(er_record_shallow(ER_LIT("\x42x"), 0));
	er_buf_fini(&b);
}

static void a_value_with_lines_in_it_is_no_value(void **state)
{
	(void)state;
	assert_int_equal(er_record_text(ER_LIT("\xe1\x41"
	                                       "a\x43"
	                                       "b\nc"),
	                                0, PATH("a"), 10)
	                     .n,
	                 0);
	assert_int_equal(er_record_text(ER_LIT("\xe1\x41"
	                                       "a\x42\xff\xfe"),
	                                0, PATH("a"), 10)
	                     .n,
	                 0);
}

static void a_person_may_say_a_place(void **state)
{
	(void)state;
	er_buf b = {0};
	er_err err;
	assert_true(er_geo_place_parse(ER_LIT("city=Berlin, country=DE"), &b, &err));
	assert_true(er_slice_eq(er_buf_slice(&b), ER_LIT("country\nDE\ncity\nBerlin\n")));
	er_buf_clear(&b);
	assert_false(er_geo_place_parse(ER_LIT("country=D\nE"), &b, &err));
	assert_false(er_geo_place_parse(ER_LIT("country"), &b, &err));
	assert_false(er_geo_place_parse(ER_LIT("x=y"), &b, &err));
	assert_int_equal(er_buf_len(&b), 0);
	er_buf_fini(&b);
}

/* Views see what is wanted last; the sets before go when the last view has left them. */
static void views_follow_what_is_wanted(void **state)
{
	(void)state;
	er_geo *g = er_geo_new();
	er_geo_view *one = er_geo_view_new(g), *two = er_geo_view_new(g);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xcb007105)};
	const struct sockaddr *address = (const struct sockaddr *)&sa;
	assert_int_equal(er_geo_look(one, address).n, 0);
	for (int i = 0; i < 5; i++) {
		char colo[8];
		(void)snprintf(colo, sizeof colo, "C%d", i);
		er_geo_spec spec = {.colo = colo};
		er_geo_want(g, &spec);
		er_geo_renew(g);
		char expected[16];
		(void)snprintf(expected, sizeof expected, "colo\n%s\n", colo);
		assert_true(er_slice_eq(er_geo_look(one, address), er_slice_cstr(expected)));
		assert_true(er_slice_eq(er_geo_look(one, address), er_slice_cstr(expected)));
		if (i == 2)
			assert_true(er_slice_eq(er_geo_look(two, address), er_slice_cstr(expected)));
	}
	sa.sin_family = AF_UNIX;
	assert_int_equal(er_geo_look(one, address).n, 0);
	er_geo_view_free(one);
	er_geo_view_free(two);
	er_geo_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_lead_into_maps_and_arrays), cmocka_unit_test(a_record_that_is_cut_is_not_read_behind_its_end),
	    cmocka_unit_test(a_pointer_is_followed_once),      cmocka_unit_test(a_look_takes_a_bounded_number_of_steps),
	    cmocka_unit_test(what_is_deep_is_not_shallow),     cmocka_unit_test(a_value_with_lines_in_it_is_no_value),
	    cmocka_unit_test(a_person_may_say_a_place),        cmocka_unit_test(views_follow_what_is_wanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
