/* Which codings a request accepts, and in which order. */
#include "base/mem.h"
#include "http/accept_encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static er_arena arena;

static int empty_arena(void **state)
{
	(void)state;
	er_arena_fini(&arena);
	return 0;
}

/* `value` NULL: there is no such field; '|' parts lines. */
static er_accept_encoding read(const char *value)
{
	er_fields fields = {0};
	er_slice rest = er_slice_cstr(value != NULL ? value : ""), line;
	er_fields_add(&fields, &arena, ER_LIT("Accept"), ER_LIT("gzip, br"));
	if (value != NULL && rest.n == 0)
		er_fields_add(&fields, &arena, ER_LIT("accept-encoding"), ER_LIT(""));
	while (er_slice_split(&rest, '|', &line))
		er_fields_add(&fields, &arena, ER_LIT("Accept-Encoding"), line);
	er_accept_encoding said;
	er_accept_encoding_read(&fields, &said);
	return said;
}

static void a_client_gets_what_it_wants_most_and_nothing_that_it_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *value, *order, *text;
		bool refuses_identity;
	} cases[] = {
	    {NULL, "", NULL, false},
	    {"", "", "identity", false},
	    {"identity", "", "identity", false},
	    {"deflate, compress", "", "identity", false},
	    {"gzip", "gzip", "gzip", false},
	    {"GZip", "gzip", "gzip", false},
	    {"x-gzip", "gzip", "gzip", false},
	    {"gzip, deflate, br, zstd", "br zstd gzip", "br, zstd, gzip", false},
	    {"zstd|gzip", "zstd gzip", "zstd, gzip", false},
	    {"gzip;q=1.0, br;q=0.5", "gzip br", "br, gzip", false},
	    {"gzip;q=0.5, br;q=0.5, zstd;q=0.50", "br zstd gzip", "br, zstd, gzip", false},
	    {" gzip ; q = 0.2 ,\tbr;Q=0.1", "gzip br", "br, gzip", false},
	    {"gzip;q=0", "", "identity", false},
	    {"gzip;q=0.000, br", "br", "br", false},
	    {"*", "br zstd gzip", "br, zstd, gzip", false},
	    {"*;q=0", "", "identity;q=0", true},
	    {"*;q=0, gzip", "gzip", "gzip, identity;q=0", true},
	    {"*;q=0, identity", "", "identity", false},
	    {"*;q=0.1, gzip;q=0", "br zstd", "br, zstd", false},
	    {"identity;q=0, gzip", "gzip", "gzip, identity;q=0", true},
	    {"identity;q=0.5, gzip;q=0.5, br;q=0.4", "gzip", "gzip", false},
	    {"identity, gzip;q=0.9", "", "identity", false},
	    /* malformed: as if it were not there */
	    {"gzip;q=2, br", "br", "br", false},
	    {"gzip;q=0.1234", "", "identity", false},
	    {"gzip;q=-1", "", "identity", false},
	    {"gzip;q=", "", "identity", false},
	    {"gzip;q", "", "identity", false},
	    {"gzip;level=9", "", "identity", false},
	    {"gzip br", "", "identity", false},
	    {";q=1,,;", "", "identity", false},
	    {"gzip, gzip;q=0", "", "identity", false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		er_accept_encoding said = read(cases[i].value);
		er_coding order[ER_CODINGS];
		char text[64] = "";
		size_t n = er_accept_encoding_order(&said, order);
		for (size_t k = 0; k < n; k++)
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", k > 0 ? " " : "",
			         ER_FMT(er_coding_name(order[k])));
		if (strcmp(text, cases[i].order) != 0 || er_accept_encoding_refuses_identity(&said) != cases[i].refuses_identity)
			fail_msg("%s: %s", cases[i].value, text);
		assert_int_equal(said.said, cases[i].value != NULL);
		if (!said.said)
			continue;
		er_slice one = er_accept_encoding_text(&said, &arena);
		if (!er_slice_eq(one, er_slice_cstr(cases[i].text)))
			fail_msg("%s: %.*s", cases[i].value, ER_FMT(one));
		er_accept_encoding again = read(er_arena_cstr(&arena, one));
		assert_true(er_slice_eq(er_accept_encoding_text(&again, &arena), one));
	}
}

static void names_of_codings_are_read_as_they_are_written(void **state)
{
	(void)state;
	for (er_coding c = 0; c < ER_CODINGS; c++)
		assert_int_equal(er_coding_of(er_coding_name(c)), c);
	assert_int_equal(er_coding_of(ER_LIT("BR")), ER_CODING_BR);
	assert_int_equal(er_coding_of(ER_LIT("identity")), ER_CODINGS);
	assert_int_equal(er_coding_of(ER_LIT("")), ER_CODINGS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_client_gets_what_it_wants_most_and_nothing_that_it_refuses, empty_arena),
	    cmocka_unit_test(names_of_codings_are_read_as_they_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
