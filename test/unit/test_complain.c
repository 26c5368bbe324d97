/* Lines about servers that fail: enough to act on, and bounded whatever servers are called. */
#include "origin/complain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static bool complain(er_complaints *c, const char *server, er_err_kind kind, uint64_t now_ms)
{
	return er_complain(c, er_slice_cstr(server), 7, kind, ER_LIT(" broke off its answer"), now_ms);
}

static void a_server_is_named_at_once_and_then_from_time_to_time(void **state)
{
	(void)state;
	er_complaints c = {0};
	assert_true(complain(&c, "a:80", ER_ERR_TIMEOUT, 5));
	for (uint64_t ms = 6; ms < ER_COMPLAIN_MS; ms += 100)
		assert_false(complain(&c, "a:80", ER_ERR_CONNECT, ms));
	assert_true(complain(&c, "b:80", ER_ERR_DNS, 7));
	assert_true(complain(&c, "a:80", ER_ERR_RESPONSE, ER_COMPLAIN_MS + 5));
	assert_false(complain(&c, "a:80", ER_ERR_RESPONSE, ER_COMPLAIN_MS + 6));
}

static void what_is_not_the_servers_fault_is_not_said(void **state)
{
	(void)state;
	er_complaints c = {0};
	assert_false(complain(&c, "a:80", ER_ERR_CANCELLED, 1));
	assert_false(complain(&c, "a:80", ER_ERR_UNAVAILABLE, 1));
	assert_false(complain(&c, "a:80", ER_ERR_INVALID, 1));
	assert_true(complain(&c, "a:80", ER_ERR_TLS, 1));
}

static void ten_thousand_servers_are_a_few_lines(void **state)
{
	(void)state;
	er_complaints c = {0};
	unsigned lines = 0;
	for (int i = 0; i < 10000; i++) {
		char name[32];
		snprintf(name, sizeof name, "s%d.example:80", i);
		lines += complain(&c, name, ER_ERR_CONNECT, 1);
	}
	assert_int_equal(lines, ER_COMPLAIN_SERVERS);
	/* and each of the first has a place of its own */
	assert_false(complain(&c, "s0.example:80", ER_ERR_CONNECT, 2));
	assert_true(complain(&c, "s1.example:80", ER_ERR_CONNECT, ER_COMPLAIN_MS + 1));
	assert_true(complain(&c, "late.example:80", ER_ERR_CONNECT, ER_COMPLAIN_MS + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_server_is_named_at_once_and_then_from_time_to_time),
	    cmocka_unit_test(what_is_not_the_servers_fault_is_not_said),
	    cmocka_unit_test(ten_thousand_servers_are_a_few_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
