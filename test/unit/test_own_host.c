/* Which hosts er dev answers. */
#include "gateway/own_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool own(const char *host, const char *list)
{
	return er_own_host(er_slice_cstr(host), er_slice_cstr(list));
}

static void this_machine_is_ours(void **state)
{
	(void)state;
	const char *const ours[] = {"localhost",       "localhost.", "a.localhost",       "127.0.0.1",
	                            "127.255.255.254", "[::1]",      "[0:0:0:0:0:0:0:1]", ""};
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		assert_true(own(ours[i], ""));
}

static void names_that_look_like_it_are_not(void **state)
{
	(void)state;
	const char *const strangers[] = {"example.com", "localhost.example.com",
	                                 "xlocalhost",  "127.0.0.1.example.com",
	                                 "128.0.0.1",   "[::2]",
	                                 "127.0.0.0/8", "::1",
	                                 ".",           "*",
	                                 ",",           "[]"};
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
		assert_false(own(strangers[i], "192.0.2.7,,shop.example"));
}

static void the_list_adds_names_and_addresses(void **state)
{
	(void)state;
	assert_true(own("shop.example", "192.0.2.7,shop.example,"));
	assert_true(own("192.0.2.7", "192.0.2.7,shop.example,"));
	assert_true(own("a.shop.example", "*.shop.example"));
	assert_false(own("shop.example", "*.shop.example"));
	assert_false(own("ashop.example", "*.shop.example"));
	assert_true(own("[2001:db8::1]", "[2001:0db8::1]"));
	assert_true(own("198.51.100.1", "0.0.0.0"));
	assert_true(own("[2001:db8::1]", "[::]"));
	assert_false(own("name.example", "0.0.0.0,[::]"));
	assert_true(own("name.example", "a,*"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(this_machine_is_ours),
	    cmocka_unit_test(names_that_look_like_it_are_not),
	    cmocka_unit_test(the_list_adds_names_and_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
