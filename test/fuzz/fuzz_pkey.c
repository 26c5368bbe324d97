/* Asymmetric keys of Web Crypto, as a routine or whoever sent it one writes them: raw, SPKI, PKCS
 * #8 or the members of a JWK. The first byte says the kind, the second the form. What is read is a
 * key that can be written, and what was written is read as the same key. */
#include "base/mem.h"
#include "sandbox/api/base64url.h"
#include "sandbox/api/pkey.h"

#include <openssl/crypto.h>

enum { KINDS = ER_KEY_X448, FORMS = 5 /* raw, spki, pkcs8, a JWK's public members, its private ones */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static EVP_PKEY *read_as(unsigned kind, unsigned form, er_slice s)
{
	switch (form) {
	case ER_AS_RAW:
		return er_pkey_read_raw(kind, s);
	case ER_AS_SPKI:
		return er_pkey_read_spki(kind, s);
	case ER_AS_PKCS8:
		return er_pkey_read_pkcs8(kind, s);
	default:
		return er_pkey_read_jwk(kind, form != ER_AS_JWK, s);
	}
}

static bool write_as(const EVP_PKEY *key, unsigned kind, unsigned form, uint8_t **out, size_t *n)
{
	if (form < ER_AS_JWK)
		return er_pkey_write(key, kind, form, out, n);
	return er_pkey_write_jwk(key, kind, form != ER_AS_JWK, (char **)out, n);
}

/* Written, read and written again, it is the same. */
static void round_trip(const EVP_PKEY *key, unsigned kind, unsigned form)
{
	uint8_t *first, *second;
	size_t n, m;
	if (!write_as(key, kind, form, &first, &n))
		return;
	EVP_PKEY *again = read_as(kind, form, er_slice_of(first, n));
	ER_ASSERT(again != NULL && write_as(again, kind, form, &second, &m));
	ER_ASSERT(er_slice_eq(er_slice_of(first, n), er_slice_of(second, m)));
	EVP_PKEY_free(again);
	OPENSSL_clear_free(first, n);
	OPENSSL_clear_free(second, m);
}

static void all_forms(const EVP_PKEY *key, unsigned kind, bool is_private)
{
	if (is_private) {
		round_trip(key, kind, ER_AS_PKCS8);
		round_trip(key, kind, ER_AS_JWK + 1);
		EVP_PKEY *half = er_pkey_public(key);
		ER_ASSERT(half != NULL);
		all_forms(half, kind, false);
		EVP_PKEY_free(half);
		return;
	}
	if (kind != ER_KEY_RSA)
		round_trip(key, kind, ER_AS_RAW);
	round_trip(key, kind, ER_AS_SPKI);
	round_trip(key, kind, ER_AS_JWK);
}

static void text(er_slice s)
{
	size_t n;
	uint8_t *bytes = er_alloc(er_base64url_room(s.n));
	if (er_base64url_decode(s, bytes, &n)) {
		char *back = er_alloc(er_base64url_length(n) + 1);
		size_t m = er_base64url_encode(er_slice_of(bytes, n), back);
		ER_ASSERT(er_slice_eq(er_slice_of(back, m), s));
		er_free(back);
	}
	er_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	unsigned kind = 1 + data[0] % KINDS, form = data[1] % FORMS;
	uint8_t *copy = er_alloc(n - 2);
	er_copy(copy, data + 2, n - 2);
	er_slice s = er_slice_of(copy, n - 2);
	EVP_PKEY *key = read_as(kind, form, s);
	if (key != NULL)
		all_forms(key, kind, form == ER_AS_PKCS8 || form > ER_AS_JWK);
	EVP_PKEY_free(key);
	text(s);
	er_free(copy);
	return 0;
}
