/* How long it holds that a name has no address, from answers as they come and as they
 * should not. */
#include "base/mem.h"
#include "origin/dns_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD(questions, answers, authorities) "\x12\x34\x81\x83\0" questions "\0" answers "\0" authorities "\0\0"
#define QUESTION "\2nx\7example\0\0\1\0\1"
#define ALIAS "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0f"
#define SOA(ttl, minimum) "\xc0\x0f\0\6\0\1" ttl "\0\x18\xc0\x0f\xc0\x0f\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4" minimum
#define NS_RECORD "\xc0\x0f\0\2\0\1\0\0\0\x3c\0\2\xc0\x0f"

static uint32_t ttl_of(er_slice message)
{
	uint32_t ttl_s = 0;
	return er_dns_negative_ttl(message, &ttl_s) ? ttl_s : UINT32_MAX;
}

static void the_lesser_of_both_times_counts(void **state)
{
	(void)state;
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") QUESTION SOA("\0\0\1\0", "\0\0\0\x3c"))), 60);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") QUESTION SOA("\0\0\0\x1e", "\0\0\1\0"))), 30);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\1", "\2") QUESTION ALIAS NS_RECORD SOA("\0\0\0\x1e", "\0\0\1\0"))), 30);
	/* RFC 2181 8 */
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") QUESTION SOA("\x80\0\0\1", "\xff\0\1\0"))), 0);
}

static void without_the_record_nothing_is_said(void **state)
{
	(void)state;
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\0") QUESTION)), UINT32_MAX);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") QUESTION NS_RECORD)), UINT32_MAX);
	assert_int_equal(ttl_of(ER_LIT("")), UINT32_MAX);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1"))), UINT32_MAX);
	/* a label longer than one may be, a name that never ends, more records than there are */
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") "\x40x\0\0\1\0\1" SOA("\0\0\1\0", "\0\0\0\x3c"))), UINT32_MAX);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\0", "\1") "\1x\1x\1x")), UINT32_MAX);
	assert_int_equal(ttl_of(ER_LIT(HEAD("\1", "\x7f", "\1") QUESTION ALIAS SOA("\0\0\1\0", "\0\0\0\x3c"))), UINT32_MAX);
}

static void a_message_cut_anywhere_is_harmless(void **state)
{
	(void)state;
	er_slice whole = ER_LIT(HEAD("\1", "\1", "\2") QUESTION ALIAS NS_RECORD SOA("\0\0\0\x1e", "\0\0\1\0"));
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t *copy = er_alloc(n); /* a sanitizer sees what is read behind it */
		er_copy(copy, whole.p, n);
		assert_int_equal(ttl_of(er_slice_of(copy, n)), UINT32_MAX);
		er_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_lesser_of_both_times_counts),
	    cmocka_unit_test(without_the_record_nothing_is_said),
	    cmocka_unit_test(a_message_cut_anywhere_is_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
