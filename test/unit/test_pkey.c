/* Keys of Web Crypto (pkey.h) and base64url: what is written is read, in each form and of each
 * kind; what is no valid key, or says that it is another, is none. */
#include "base/mem.h"
#include "sandbox/api/base64url.h"
#include "sandbox/api/pkey.h"

#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LAST = ER_KEY_X448, BITS = 1024 };
static const uint8_t F4[] = {1, 0, 1};

static EVP_PKEY *keys[LAST + 1];

static int make_keys(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++)
		if ((keys[kind] = er_pkey_generate(kind, BITS, er_slice_of(F4, sizeof F4))) == NULL)
			return -1;
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++)
		EVP_PKEY_free(keys[kind]);
	return 0;
}

typedef struct bytes {
	uint8_t *p;
	size_t n;
} bytes;

static bytes written(const EVP_PKEY *key, unsigned kind, unsigned form)
{
	bytes b;
	assert_true(er_pkey_write(key, kind, form, &b.p, &b.n));
	return b;
}

static er_slice slice(bytes b)
{
	return er_slice_of(b.p, b.n);
}

static bytes jwk(const EVP_PKEY *key, unsigned kind, bool is_private)
{
	bytes b;
	assert_true(er_pkey_write_jwk(key, kind, is_private, (char **)&b.p, &b.n));
	return b;
}

/* Takes the key. */
static void is_same(EVP_PKEY *key, const EVP_PKEY *wanted)
{
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_eq(key, wanted), 1);
	EVP_PKEY_free(key);
}

static void test_what_is_written_is_read_as_the_same_key(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++) {
		EVP_PKEY *half = er_pkey_public(keys[kind]);
		bytes spki = written(half, kind, ER_AS_SPKI), pkcs8 = written(keys[kind], kind, ER_AS_PKCS8);
		bytes both = jwk(keys[kind], kind, true), open = jwk(half, kind, false);
		is_same(er_pkey_read_spki(kind, slice(spki)), half);
		is_same(er_pkey_read_pkcs8(kind, slice(pkcs8)), keys[kind]);
		is_same(er_pkey_read_jwk(kind, true, slice(both)), keys[kind]);
		is_same(er_pkey_read_jwk(kind, false, slice(open)), half);
		if (kind != ER_KEY_RSA) {
			bytes raw = written(half, kind, ER_AS_RAW);
			is_same(er_pkey_read_raw(kind, slice(raw)), half);
			OPENSSL_free(raw.p);
		}
		OPENSSL_free(spki.p);
		OPENSSL_free(pkcs8.p);
		OPENSSL_free(both.p);
		OPENSSL_free(open.p);
		EVP_PKEY_free(half);
	}
}

static void test_a_key_is_read_as_its_own_kind_only(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++) {
		bytes spki = written(keys[kind], kind, ER_AS_SPKI), pkcs8 = written(keys[kind], kind, ER_AS_PKCS8);
		for (unsigned other = ER_KEY_RSA; other <= LAST; other++) {
			if (other == kind)
				continue;
			assert_null(er_pkey_read_spki(other, slice(spki)));
			assert_null(er_pkey_read_pkcs8(other, slice(pkcs8)));
		}
		assert_null(er_pkey_read_spki(kind, slice(pkcs8)));
		assert_null(er_pkey_read_pkcs8(kind, slice(spki)));
		OPENSSL_free(spki.p);
		OPENSSL_free(pkcs8.p);
	}
}

static void test_bytes_behind_a_key_or_too_few_are_no_key(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++) {
		bytes spki = written(keys[kind], kind, ER_AS_SPKI), pkcs8 = written(keys[kind], kind, ER_AS_PKCS8);
		uint8_t *longer = er_zalloc(spki.n + pkcs8.n + 1);
		er_copy(longer, spki.p, spki.n);
		assert_null(er_pkey_read_spki(kind, er_slice_of(longer, spki.n + 1)));
		er_copy(longer, pkcs8.p, pkcs8.n);
		longer[pkcs8.n] = 0;
		assert_null(er_pkey_read_pkcs8(kind, er_slice_of(longer, pkcs8.n + 1)));
		for (size_t n = 0; n < spki.n; n++)
			assert_null(er_pkey_read_spki(kind, er_slice_of(spki.p, n)));
		for (size_t n = 0; n < pkcs8.n; n += 7)
			assert_null(er_pkey_read_pkcs8(kind, er_slice_of(pkcs8.p, n)));
		er_free(longer);
		OPENSSL_free(spki.p);
		OPENSSL_free(pkcs8.p);
	}
}

/* Each bit of a private key that can be changed without breaking the DER or the text makes another
 * private half, which does not belong to the public one. */
static void test_halves_that_do_not_belong_together_are_no_key(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_RSA; kind <= LAST; kind++) {
		bytes one = jwk(keys[kind], kind, true);
		EVP_PKEY *stranger = er_pkey_generate(kind, BITS, er_slice_of(F4, sizeof F4));
		bytes other = jwk(stranger, kind, true);
		er_slice public = er_slice_of(one.p, 0), rest = slice(one), line, theirs = slice(other);
		unsigned count = kind == ER_KEY_RSA || er_pkey_is_ec(kind) ? 2 : 1;
		for (unsigned i = 0; i < count; i++) {
			assert_true(er_slice_split(&rest, '\n', &line));
			assert_true(er_slice_split(&theirs, '\n', &line));
		}
		public.n = one.n - rest.n;
		uint8_t *mixed = er_alloc(public.n + theirs.n);
		er_copy(mixed, public.p, public.n);
		er_copy(mixed + public.n, theirs.p, theirs.n);
		assert_null(er_pkey_read_jwk(kind, true, er_slice_of(mixed, public.n + theirs.n)));
		er_free(mixed);
		EVP_PKEY_free(stranger);
		OPENSSL_free(one.p);
		OPENSSL_free(other.p);
	}
}

static void test_points_that_are_none_are_no_key(void **state)
{
	(void)state;
	for (unsigned kind = ER_KEY_P256; kind <= ER_KEY_P521; kind++) {
		size_t size = er_pkey_size(kind);
		bytes raw = written(keys[kind], kind, ER_AS_RAW);
		uint8_t hybrid = raw.p[0];
		assert_int_equal(raw.n, 1 + 2 * size);
		raw.p[0] = (uint8_t)(6 | (raw.p[raw.n - 1] & 1));
		assert_null(er_pkey_read_raw(kind, slice(raw)));
		raw.p[0] = (uint8_t)(2 | (raw.p[raw.n - 1] & 1));
		is_same(er_pkey_read_raw(kind, er_slice_of(raw.p, 1 + size)), keys[kind]);
		raw.p[0] = hybrid;
		raw.p[raw.n - 1] ^= 1;
		assert_null(er_pkey_read_raw(kind, slice(raw)));
		assert_null(er_pkey_read_raw(kind, er_slice_of((const uint8_t[1]){0}, 1)));
		OPENSSL_free(raw.p);
	}
}

static void test_rsa_keys_that_are_nonsense_are_no_key(void **state)
{
	(void)state;
	assert_null(er_pkey_generate(ER_KEY_RSA, ER_PKEY_RSA_LEAST - 1, er_slice_of(F4, 3)));
	assert_null(er_pkey_generate(ER_KEY_RSA, ER_PKEY_RSA_MOST + 1, er_slice_of(F4, 3)));
	assert_null(er_pkey_generate(ER_KEY_RSA, BITS, er_slice_of((const uint8_t[1]){2}, 1)));
	assert_null(er_pkey_generate(ER_KEY_RSA, BITS, er_slice_of((const uint8_t[1]){1}, 1)));
	assert_null(er_pkey_generate(ER_KEY_RSA, BITS, (er_slice){0}));
	static const char *const members[] = {
	    "AQAB\nAQAB\n", "\n\n", "AQAB\n", "AQAB\nAQAB\nAQAB\n", "AQ=\nAQAB\n", "AQ\nAR\n",
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		assert_null(er_pkey_read_jwk(ER_KEY_RSA, false, er_slice_cstr(members[i])));
	/* an even modulus; an exponent that is not below it */
	uint8_t n[128], e[129] = {1};
	for (size_t i = 0; i < sizeof n; i++)
		n[i] = 0xfe;
	e[128] = 1;
	er_pkey_rsa even = {.n = er_slice_of(n, sizeof n), .e = er_slice_of(F4, 3)};
	assert_null(er_pkey_from_rsa(&even, false));
	n[127] = 0xff;
	EVP_PKEY *odd = er_pkey_from_rsa(&even, false);
	assert_non_null(odd);
	EVP_PKEY_free(odd);
	even.e = er_slice_of(e, sizeof e);
	assert_null(er_pkey_from_rsa(&even, false));
}

static void test_base64url_is_strict_and_says_what_it_was_given(void **state)
{
	(void)state;
	uint8_t out[64], all[48];
	char text[65];
	size_t n;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)(i * 89 + 3);
	for (size_t len = 0; len <= sizeof all; len++) {
		size_t m = er_base64url_encode(er_slice_of(all, len), text);
		assert_int_equal(m, er_base64url_length(len));
		assert_true(er_base64url_decode(er_slice_of(text, m), out, &n));
		assert_true(er_slice_eq(er_slice_of(out, n), er_slice_of(all, len)));
	}
	static const char *const bad[] = {"A", "AAAAA", "AA==", "A A", "AA\n", "A+AA", "A/AA", "AB", "AAB"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(er_base64url_decode(er_slice_cstr(bad[i]), out, &n));
	assert_true(er_base64url_decode(er_slice_cstr("-_8"), out, &n));
	assert_int_equal(n, 2);
	assert_int_equal(out[0], 0xfb);
	assert_int_equal(out[1], 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_written_is_read_as_the_same_key),
	    cmocka_unit_test(test_a_key_is_read_as_its_own_kind_only),
	    cmocka_unit_test(test_bytes_behind_a_key_or_too_few_are_no_key),
	    cmocka_unit_test(test_halves_that_do_not_belong_together_are_no_key),
	    cmocka_unit_test(test_points_that_are_none_are_no_key),
	    cmocka_unit_test(test_rsa_keys_that_are_nonsense_are_no_key),
	    cmocka_unit_test(test_base64url_is_strict_and_says_what_it_was_given),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
