/* UTF-8 in both directions: the ways for many bytes at once give what the ways for one give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sandbox/api/utf8.h"

#include <string.h>

enum { TRIES = 20000, LONGEST = 120 };

static uint32_t random_state;
static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* Whole characters and all kinds of mistakes: halves, surrogates, overlong forms, what is above
 * U+10FFFF, what no sequence has. */
static const char *const pieces[] = {
    "a",
    "0123456789",
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xe2\x82\xac",
    "\xed\x9f\xbf",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "\xc2",
    "\xe2\x82",
    "\xf0\x9f\xa6",
    "\x80",
    "\xc0\x80",
    "\xe0\x9f\xbf",
    "\xed\xa0\x80",
    "\xf0\x8f\xbf\xbf",
    "\xf4\x90\x80\x80",
    "\xf5",
    "\xff",
    "\xe2\x28\xa1",
};
enum { PIECES = sizeof pieces / sizeof *pieces, WHOLE = 11 };

static size_t compose(uint8_t *to, uint32_t kinds)
{
	size_t n = 0, want = random_below(LONGEST);
	while (n < want) {
		const char *piece = random_below(3) ? pieces[random_below(2)] : pieces[random_below(kinds)];
		er_copy(to + n, piece, strlen(piece));
		n += strlen(piece);
	}
	return n;
}

/* One byte a call: no call sees a whole sequence. */
static bool decode_singly(er_slice s, bool fatal, uint16_t *out, size_t *n)
{
	er_utf8_state st = {0};
	*n = 0;
	for (size_t i = 0; i < s.n; i++) {
		size_t more;
		if (!er_utf8_decode(&st, er_slice_of(s.p + i, 1), i + 1 == s.n, fatal, out + *n, &more))
			return false;
		*n += more;
	}
	return true;
}

static void bytes_are_decoded_as_one_by_one(void **state)
{
	(void)state;
	random_state = 1;
	for (unsigned i = 0; i < TRIES; i++) {
		uint8_t bytes[LONGEST + 16];
		uint16_t whole[LONGEST + 32], singly[2 * LONGEST + 32];
		er_slice s = er_slice_of(bytes, compose(bytes, i % 2 ? PIECES : WHOLE));
		for (int fatal = 0; fatal < 2; fatal++) {
			er_utf8_state st = {0};
			size_t n, m;
			memset(whole, 0xEE, sizeof whole);
			bool ok = er_utf8_decode(&st, s, true, fatal, whole, &n);
			assert_int_equal(ok, decode_singly(s, fatal, singly, &m));
			assert_int_equal(whole[s.n + 1], 0xEEEE); /* no further than its room */
			if (!ok)
				continue;
			assert_int_equal(n, m);
			assert_memory_equal(whole, singly, 2 * n);
		}
	}
}

static void units_are_encoded_as_one_by_one(void **state)
{
	(void)state;
	static const uint16_t kinds[] = {'a', 'z', 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000, 0xFFFF};
	random_state = 7;
	for (unsigned i = 0; i < TRIES; i++) {
		uint16_t units[LONGEST];
		uint8_t whole[3 * LONGEST + 8], singly[3 * LONGEST];
		size_t n = random_below(LONGEST), read, m;
		for (size_t k = 0; k < n; k++)
			units[k] = random_below(3) ? 'e' : kinds[random_below(sizeof kinds / sizeof *kinds)];
		m = er_utf8_encode_into(units, n, singly, sizeof singly, &read);
		assert_int_equal(read, n);
		assert_int_equal(er_utf8_length(units, n), m);
		memset(whole, 0xEE, sizeof whole);
		assert_int_equal(er_utf8_encode(units, n, whole), m);
		assert_memory_equal(whole, singly, m);
		assert_int_equal(whole[m], 0xEE);
	}
	/* so many that a sum of 16 bits would not hold them */
	static uint16_t many[100000];
	for (size_t k = 0; k < sizeof many / sizeof *many; k++)
		many[k] = 0xFFFF;
	assert_int_equal(er_utf8_length(many, sizeof many / sizeof *many), 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_are_decoded_as_one_by_one),
	    cmocka_unit_test(units_are_encoded_as_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
