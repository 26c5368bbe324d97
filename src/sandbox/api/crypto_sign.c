/* Signatures, and RSA-OAEP. A context lives for a call. ECDSA's signatures are r and s, each as
 * long as the curve's order (IEEE P1363), where OpenSSL has DER. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"
#include "sandbox/api/pkey.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { SIGNATURE_MOST = ER_PKEY_RSA_MOST / 8, ECDSA_DER_MOST = 160, SALT_MOST = ER_PKEY_RSA_MOST / 8 };
static_assert(ECDSA_DER_MOST >= 2 * (2 + 67) + 3, "two numbers of P-521");

typedef struct signing {
	unsigned scheme;
	er_crypto_key *key;
	const EVP_MD *md; /* NULL: EdDSA has its own */
	uint32_t salt;
	er_slice bytes;
} signing;

static bool fits(unsigned scheme, unsigned kind)
{
	switch (scheme) {
	case ER_SIGN_PKCS1:
	case ER_SIGN_PSS:
		return kind == ER_KEY_RSA;
	case ER_SIGN_ECDSA:
		return er_pkey_is_ec(kind);
	case ER_SIGN_EDDSA:
		return kind == ER_KEY_ED25519 || kind == ER_KEY_ED448;
	default:
		return false;
	}
}

static bool read_signing(signing *s, const er_args_sign *a, er_crypto_want want, er_value *exception)
{
	*s = (signing){.scheme = er_js_to_u32(a->scheme), .salt = er_js_to_u32(a->salt)};
	s->key = er_crypto_key_arg(a->key, want, exception);
	if (s->key == NULL || !er_crypto_bytes(a->bytes, &s->bytes, exception))
		return false;
	if (!fits(s->scheme, s->key->kind)) {
		er_js_throw(exception, "TypeError", "the key does not sign so");
		return false;
	}
	s->md = s->scheme != ER_SIGN_EDDSA ? er_crypto_hash(a->hash, exception) : NULL;
	return s->md != NULL || s->scheme == ER_SIGN_EDDSA;
}

/* What RSA is told. OpenSSL takes numbers below 0 for lengths of its own choice. */
static bool set_padding(const signing *s, EVP_PKEY_CTX *ctx)
{
	if (s->scheme == ER_SIGN_PKCS1)
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
	if (s->scheme != ER_SIGN_PSS)
		return true;
	return s->salt <= SALT_MOST && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)s->salt) == 1;
}

/* ---- ECDSA's two forms ---- */

/* DER to r and s. */
static bool to_pair(er_slice der, size_t size, uint8_t *out)
{
	const uint8_t *p = der.p;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
	bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)size) == (int)size &&
	          BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + size, (int)size) == (int)size;
	ECDSA_SIG_free(sig);
	return ok;
}

/* r and s to DER. Returns how long it is; 0: no memory. */
static size_t to_der(er_slice pair, uint8_t out[static ECDSA_DER_MOST])
{
	size_t half = pair.n / 2;
	int n = -1;
	BIGNUM *r = BN_bin2bn(pair.p, (int)half, NULL), *s = BN_bin2bn(pair.p + half, (int)half, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(sig, NULL);
		ER_ASSERT(n <= ECDSA_DER_MOST);
		n = i2d_ECDSA_SIG(sig, &out);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

/* ---- signing ---- */

static bool make(const signing *s, uint8_t out[static SIGNATURE_MOST], size_t *n)
{
	EVP_PKEY_CTX *pctx;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	*n = SIGNATURE_MOST;
	bool ok = ctx != NULL && EVP_DigestSignInit(ctx, &pctx, s->md, NULL, s->key->pkey) == 1 && set_padding(s, pctx) &&
	          EVP_DigestSign(ctx, out, n, s->bytes.p, s->bytes.n) == 1;
	EVP_MD_CTX_free(ctx);
	if (ok && s->scheme == ER_SIGN_ECDSA) {
		uint8_t der[ECDSA_DER_MOST];
		size_t size = er_pkey_size(s->key->kind);
		ER_ASSERT(*n <= sizeof der);
		er_copy(der, out, *n);
		ok = to_pair(er_slice_of(der, *n), size, out);
		*n = 2 * size;
	}
	return ok;
}

ER_NATIVE(sign)
{
	signing s;
	size_t n;
	uint8_t out[SIGNATURE_MOST];
	if (!read_signing(&s, a, ER_WANT_PRIVATE, exception))
		return NULL;
	if (make(&s, out, &n))
		return er_js_u8_copy(er_slice_of(out, n), exception);
	ERR_clear_error();
	return er_js_undefined();
}

/* ---- verifying ---- */

/* Points of small order, of Ed25519 and Ed448, in each way to write them (the sign, which is the
 * highest bit, aside): who has such a key, or may choose R so, has signatures that fit anything. */
static bool is_small(er_slice point)
{
	static const uint8_t ed25519[][32] = {
	    {0},
	    {1},
	    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
	     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
	     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	};
	/* y = 0, 1 and -1 (p - 1 = 2^448 - 2^224 - 2); a y of p or above OpenSSL refuses */
	static const uint8_t ed448[][57] = {
	    {0},
	    {1},
	    {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
	};
	bool shorter = point.n == sizeof *ed25519;
	size_t count = shorter ? sizeof ed25519 / sizeof *ed25519 : sizeof ed448 / sizeof *ed448;
	ER_ASSERT(shorter || point.n == sizeof *ed448);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = shorter ? ed25519[i] : ed448[i];
		if (er_slice_eq(er_slice_of(p, point.n - 1), er_slice_head(point, point.n - 1)) &&
		    (point.p[point.n - 1] & 0x7f) == p[point.n - 1])
			return true;
	}
	return false;
}

static bool is_degenerate(const signing *s, er_slice signature)
{
	uint8_t key[57] = {0};
	size_t n = sizeof key, size = er_pkey_size(s->key->kind);
	if (signature.n != 2 * size || EVP_PKEY_get_raw_public_key(s->key->pkey, key, &n) != 1)
		return true;
	ER_ASSERT(n == size);
	return is_small(er_slice_of(key, n)) || is_small(er_slice_head(signature, size));
}

static bool check(const signing *s, er_slice signature)
{
	uint8_t der[ECDSA_DER_MOST];
	EVP_PKEY_CTX *pctx;
	if (s->scheme == ER_SIGN_ECDSA) {
		if (signature.n != 2 * er_pkey_size(s->key->kind))
			return false;
		signature = er_slice_of(der, to_der(signature, der));
	}
	if (s->scheme == ER_SIGN_EDDSA && is_degenerate(s, signature))
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, &pctx, s->md, NULL, s->key->pkey) == 1 && set_padding(s, pctx) &&
	          EVP_DigestVerify(ctx, signature.p, signature.n, s->bytes.p, s->bytes.n) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

ER_NATIVE(verify)
{
	signing s;
	er_slice signature;
	const er_args_sign args = {a->scheme, a->key, a->hash, a->salt, a->bytes};
	if (!read_signing(&s, &args, ER_WANT_PUBLIC, exception) || !er_crypto_bytes(a->signature, &signature, exception))
		return NULL;
	bool ok = check(&s, signature);
	ERR_clear_error();
	return er_js_bool(ok);
}

/* ---- RSA-OAEP ---- */

static bool set_oaep(EVP_PKEY_CTX *ctx, const EVP_MD *md, er_slice label)
{
	if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 || EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 ||
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) != 1)
		return false;
	if (label.n == 0)
		return true;
	uint8_t *copy = label.n <= INT32_MAX ? OPENSSL_memdup(label.p, label.n) : NULL;
	if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.n) == 1)
		return true; /* now the context's */
	OPENSSL_free(copy);
	return false;
}

/* Undefined: OpenSSL does not: too long, or no such text. */
static er_value oaep(const er_args_rsaEncrypt *a, bool encrypt, er_value *exception)
{
	er_slice label, bytes;
	uint8_t out[SIGNATURE_MOST];
	size_t n = sizeof out;
	er_crypto_key *k = er_crypto_key_arg(a->key, encrypt ? ER_WANT_PUBLIC : ER_WANT_PRIVATE, exception);
	const EVP_MD *md = er_crypto_hash(a->hash, exception);
	if (k == NULL || md == NULL || !er_crypto_bytes(a->label, &label, exception) || !er_crypto_bytes(a->bytes, &bytes, exception))
		return NULL;
	if (k->kind != ER_KEY_RSA)
		return er_js_throw(exception, "TypeError", "not an RSA key");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	bool ok =
	    ctx != NULL && (encrypt ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 && set_oaep(ctx, md, label) &&
	    (encrypt ? EVP_PKEY_encrypt(ctx, out, &n, bytes.p, bytes.n) : EVP_PKEY_decrypt(ctx, out, &n, bytes.p, bytes.n)) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	er_value v = ok ? er_js_u8_copy(er_slice_of(out, n), exception) : er_js_undefined();
	OPENSSL_cleanse(out, sizeof out);
	return v;
}

static_assert(sizeof(er_args_rsaEncrypt) == sizeof(er_args_rsaDecrypt), "the same arguments");

ER_NATIVE(rsaEncrypt)
{
	return oaep(a, true, exception);
}

ER_NATIVE(rsaDecrypt)
{
	return oaep((const er_args_rsaEncrypt *)(const void *)a, false, exception);
}
