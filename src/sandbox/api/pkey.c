/* Asymmetric keys from numbers, and new ones. Every way of reading a key ends in one of the
 * three er_pkey_from_..., or, for RSA in DER, in er_pkey_rsa_fits: so what is checked is
 * checked at one place. OpenSSL takes numbers little-endian; the memory in which they are
 * turned round is wiped. */
#include "sandbox/api/pkey.h"

#include "base/mem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

static const struct {
	size_t size;
	int nid;
	const char *name; /* of the curve, or of the algorithm */
} kinds[] = {
    [ER_KEY_RSA] = {0, NID_rsaEncryption, "RSA"},    [ER_KEY_P256] = {32, NID_X9_62_prime256v1, "P-256"},
    [ER_KEY_P384] = {48, NID_secp384r1, "P-384"},    [ER_KEY_P521] = {66, NID_secp521r1, "P-521"},
    [ER_KEY_ED25519] = {32, NID_ED25519, "ED25519"}, [ER_KEY_X25519] = {32, NID_X25519, "X25519"},
    [ER_KEY_ED448] = {57, NID_ED448, "ED448"},       [ER_KEY_X448] = {56, NID_X448, "X448"},
};
enum { KINDS = sizeof kinds / sizeof *kinds, EC_MOST = 66, EXPONENT_MOST = 8 /* bytes, of a new key */ };

size_t er_pkey_size(unsigned kind)
{
	ER_ASSERT(kind > ER_KEY_SECRET && kind < KINDS);
	return kinds[kind].size;
}

const char *er_pkey_curve(unsigned kind)
{
	ER_ASSERT(er_pkey_is_ec(kind));
	return kinds[kind].name;
}

int er_pkey_nid(unsigned kind)
{
	ER_ASSERT(kind > ER_KEY_SECRET && kind < KINDS);
	return kinds[kind].nid;
}

static EVP_PKEY *from_params(const char *type, int selection, OSSL_PARAM params[])
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	bool ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, selection, params) == 1;
	EVP_PKEY_CTX_free(ctx);
	if (!ok) {
		EVP_PKEY_free(key);
		key = NULL;
		ERR_clear_error();
	}
	return key;
}

/* ---- RSA ---- */

static bool is_sane(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);
	return bits >= ER_PKEY_RSA_LEAST && bits <= ER_PKEY_RSA_MOST && BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) &&
	       BN_cmp(e, n) < 0;
}

/* d e = 1 and dp = d, both modulo p - 1. */
static bool exponent_fits(const BIGNUM *prime, const BIGNUM *e, const BIGNUM *d, const BIGNUM *dp, BN_CTX *ctx)
{
	BN_CTX_start(ctx);
	BIGNUM *less = BN_CTX_get(ctx), *r = BN_CTX_get(ctx);
	bool ok = r != NULL && BN_sub(less, prime, BN_value_one()) == 1 && !BN_is_zero(less) && !BN_is_negative(less) &&
	          BN_mod_mul(r, d, e, less, ctx) == 1 && BN_is_one(r) && BN_nnmod(r, d, less, ctx) == 1 && BN_cmp(r, dp) == 0;
	BN_CTX_end(ctx);
	return ok;
}

/* n = p q, and q qi = 1 modulo p. That the factors are primes is not looked at: it takes long, and
 * who gives himself another key harms himself. */
static bool factors_fit(const BIGNUM *n, const BIGNUM *p, const BIGNUM *q, const BIGNUM *qi, BN_CTX *ctx)
{
	BN_CTX_start(ctx);
	BIGNUM *r = BN_CTX_get(ctx);
	bool ok = r != NULL && BN_is_odd(p) && BN_is_odd(q) && !BN_is_one(p) && !BN_is_one(q) && BN_mul(r, p, q, ctx) == 1 &&
	          BN_cmp(r, n) == 0 && BN_mod_mul(r, q, qi, p, ctx) == 1 && BN_is_one(r);
	BN_CTX_end(ctx);
	return ok;
}

enum { N, E, D, P, Q, DP, DQ, QI, NUMBERS };
static const char *const numbers[NUMBERS] = {
    OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,         OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

static bool numbers_fit(BIGNUM *const v[NUMBERS])
{
	BN_CTX *ctx = BN_CTX_secure_new();
	bool ok = ctx != NULL && factors_fit(v[N], v[P], v[Q], v[QI], ctx) && exponent_fits(v[P], v[E], v[D], v[DP], ctx) &&
	          exponent_fits(v[Q], v[E], v[D], v[DQ], ctx);
	BN_CTX_free(ctx);
	return ok;
}

bool er_pkey_rsa_fits(const EVP_PKEY *key, bool is_private)
{
	BIGNUM *v[NUMBERS] = {NULL}, *third = NULL;
	bool ok = true;
	for (int i = 0; ok && i < (is_private ? NUMBERS : D); i++)
		ok = EVP_PKEY_get_bn_param(key, numbers[i], &v[i]) == 1;
	ok = ok && is_sane(v[N], v[E]) && (!is_private || numbers_fit(v));
	/* of more than two primes: nobody needs one, and a JWK of it is not to be had */
	ok = ok && !(is_private && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_FACTOR3, &third) == 1);
	for (int i = 0; i < NUMBERS; i++)
		BN_clear_free(v[i]);
	BN_clear_free(third);
	ERR_clear_error();
	return ok;
}

EVP_PKEY *er_pkey_from_rsa(const er_pkey_rsa *rsa, bool is_private)
{
	const er_slice *parts[NUMBERS] = {&rsa->n, &rsa->e, &rsa->d, &rsa->p, &rsa->q, &rsa->dp, &rsa->dq, &rsa->qi};
	int count = is_private ? NUMBERS : D;
	OSSL_PARAM params[NUMBERS + 1];
	size_t total = 0, at = 0;
	for (int i = 0; i < count; i++) {
		if (parts[i]->n == 0 || parts[i]->n > ER_PKEY_RSA_MOST / 8 + 1)
			return NULL;
		total += parts[i]->n;
	}
	uint8_t *memory = OPENSSL_malloc(total);
	if (memory == NULL)
		return NULL;
	for (int i = 0; i < count; i++) {
		size_t n = parts[i]->n;
		for (size_t k = 0; k < n; k++)
			memory[at + k] = parts[i]->p[n - 1 - k];
		params[i] = OSSL_PARAM_construct_BN(numbers[i], memory + at, n);
		at += n;
	}
	ER_ASSERT(at == total);
	params[count] = OSSL_PARAM_construct_end();
	EVP_PKEY *key = from_params("RSA", is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
	OPENSSL_clear_free(memory, total);
	if (key != NULL && !er_pkey_rsa_fits(key, is_private)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

/* ---- NIST's curves ---- */

static bool is_point(unsigned kind, er_slice point)
{
	size_t n = er_pkey_size(kind);
	return (point.n == 1 + 2 * n && point.p[0] == 4) || (point.n == 1 + n && (point.p[0] == 2 || point.p[0] == 3));
}

/* 0 < d < order, and d G is the point. */
static bool halves_fit(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool ok = ctx != NULL && EVP_PKEY_private_check(ctx) == 1 && EVP_PKEY_pairwise_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

EVP_PKEY *er_pkey_from_point(unsigned kind, er_slice point, er_slice d)
{
	size_t size = er_pkey_size(kind);
	uint8_t turned[EC_MOST];
	ER_ASSERT(er_pkey_is_ec(kind) && size <= sizeof turned);
	if (!is_point(kind, point) || (d.n != 0 && d.n != size))
		return NULL;
	for (size_t i = 0; i < d.n; i++)
		turned[i] = d.p[d.n - 1 - i];
	char *name = (char *)(uintptr_t)er_pkey_curve(kind);
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point.p, point.n),
	    d.n != 0 ? OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, turned, size) : OSSL_PARAM_construct_end(),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = from_params("EC", d.n != 0 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params);
	OPENSSL_cleanse(turned, sizeof turned);
	/* A compressed point is written uncompressed, too. */
	if (key != NULL && (EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") != 1 ||
	                    (d.n != 0 && !halves_fit(key)))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

/* ---- the curves of RFC 7748 and RFC 8032 ---- */

EVP_PKEY *er_pkey_from_bytes(unsigned kind, bool is_private, er_slice bytes)
{
	ER_ASSERT(kind >= ER_KEY_ED25519 && kind < KINDS);
	if (bytes.n != kinds[kind].size)
		return NULL;
	EVP_PKEY *key = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL, kinds[kind].name, NULL, bytes.p, bytes.n)
	                           : EVP_PKEY_new_raw_public_key_ex(NULL, kinds[kind].name, NULL, bytes.p, bytes.n);
	ERR_clear_error();
	return key;
}

/* ---- any ---- */

static EVP_PKEY *generate_rsa(uint32_t bits, er_slice exponent)
{
	BIGNUM *e = BN_bin2bn(exponent.p, (int)exponent.n, NULL);
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	bool ok = e != NULL && ctx != NULL && BN_num_bits(e) <= EXPONENT_MOST * 8 && BN_is_odd(e) && !BN_is_one(e) &&
	          EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
	          EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 && EVP_PKEY_generate(ctx, &key) == 1;
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
	ERR_clear_error();
	return ok ? key : NULL;
}

EVP_PKEY *er_pkey_generate(unsigned kind, uint32_t bits, er_slice exponent)
{
	if (kind == ER_KEY_RSA)
		return bits >= ER_PKEY_RSA_LEAST && bits <= ER_PKEY_RSA_MOST && exponent.n <= ER_PKEY_RSA_MOST / 8
		           ? generate_rsa(bits, exponent)
		           : NULL;
	ER_ASSERT(kind < KINDS);
	EVP_PKEY *key = er_pkey_is_ec(kind) ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", kinds[kind].name)
	                                    : EVP_PKEY_Q_keygen(NULL, NULL, kinds[kind].name);
	ERR_clear_error();
	return key;
}

EVP_PKEY *er_pkey_public(const EVP_PKEY *key)
{
	OSSL_PARAM *params = NULL;
	EVP_PKEY *half = NULL;
	if (EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params) == 1)
		half = from_params(EVP_PKEY_get0_type_name(key), EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	ERR_clear_error();
	return half;
}
