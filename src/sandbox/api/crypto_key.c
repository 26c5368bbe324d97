/* Keys as JavaScript has them: making, reading, writing and ending them. What is in an asymmetric
 * one is pkey.h's business. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"
#include "sandbox/api/base64url.h"
#include "sandbox/api/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { SECRET_MOST_BITS = 1U << 20 };

/* What OpenSSL has for one that was used, about: told to the collector. */
static size_t cost_of(const EVP_PKEY *pkey)
{
	return 2048 + 16 * (size_t)EVP_PKEY_get_size(pkey);
}

static void key_end(er_held *h)
{
	er_crypto_key *k = ER_CONTAINER(h, er_crypto_key, held);
	er_held_fini(h);
	EVP_MAC_CTX_free(k->mac);
	EVP_PKEY_free(k->pkey);
	if (k->secret.p != NULL) {
		void *secret = (void *)(uintptr_t)k->secret.p;
		OPENSSL_cleanse(secret, k->secret.n);
		free(secret);
	}
	er_free(k);
}

const er_held_ops er_held_ops_key = {.end = key_end};

er_crypto_key *er_crypto_key_arg(er_value v, er_crypto_want want, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_key);
	er_crypto_key *k = h != NULL ? ER_CONTAINER(h, er_crypto_key, held) : NULL;
	bool ok = k != NULL && (want == ER_WANT_ANY || (k->kind == ER_KEY_SECRET) == (want == ER_WANT_SECRET));
	if (ok && (want == ER_WANT_PRIVATE || want == ER_WANT_PUBLIC))
		ok = k->is_private == (want == ER_WANT_PRIVATE);
	if (!ok) {
		er_js_throw(exception, "TypeError", "no key, or not as it is wanted");
		return NULL;
	}
	ER_ASSERT((k->pkey == NULL) == (k->kind == ER_KEY_SECRET));
	return k;
}

static er_value take(er_crypto_key key, size_t cost)
{
	er_crypto_key *k = ER_NEW(er_crypto_key);
	*k = key;
	er_held_init(&k->held, ER_HELD_key, NULL);
	return er_js_handle(&k->held, sizeof *k + cost);
}

/* Undefined: it is NULL. */
static er_value take_pkey(unsigned kind, bool is_private, EVP_PKEY *pkey)
{
	if (pkey == NULL)
		return er_js_undefined();
	ER_ASSERT(kind != ER_KEY_SECRET);
	return take((er_crypto_key){.kind = kind, .is_private = is_private, .pkey = pkey}, cost_of(pkey));
}

/* `bytes` has been allocated with malloc, and is ours from now on. */
static er_value take_secret(uint8_t *bytes, size_t n)
{
	return take((er_crypto_key){.kind = ER_KEY_SECRET, .is_private = true, .secret = er_slice_of(bytes, n)}, n);
}

/* n bytes, of which there is always one, so that no secret is without memory. */
static uint8_t *secret_memory(size_t n, er_value *exception)
{
	uint8_t *p = malloc(n + 1);
	if (p == NULL)
		er_js_throw(exception, "RangeError", "Out of memory");
	return p;
}

static er_value copy_secret(er_slice bytes, er_value *exception)
{
	uint8_t *p = secret_memory(bytes.n, exception);
	if (p == NULL)
		return NULL;
	er_copy(p, bytes.p, bytes.n);
	return take_secret(p, bytes.n);
}

/* Bits beyond the last whole byte are its first ones. */
static er_value generate_secret(uint32_t bits, er_value *exception)
{
	if (bits == 0 || bits > SECRET_MOST_BITS)
		return er_js_undefined();
	size_t n = (bits + 7) / 8;
	uint8_t *p = secret_memory(n, exception);
	if (p == NULL)
		return NULL;
	if (RAND_priv_bytes(p, (int)n) != 1) {
		ERR_clear_error();
		free(p);
		return er_js_undefined();
	}
	if (bits % 8 != 0)
		p[n - 1] &= (uint8_t)(0xff00U >> bits % 8);
	return take_secret(p, n);
}

static bool kind_of(er_value v, unsigned *kind, er_value *exception)
{
	double d = er_js_to_number(v);
	if (d >= ER_KEY_SECRET && d <= ER_KEY_X448) {
		*kind = (unsigned)d;
		return true;
	}
	er_js_throw(exception, "TypeError", "no such kind of key");
	return false;
}

/* The private half, or the secret. Undefined: there is none with such bits. */
ER_NATIVE(keyGenerate)
{
	unsigned kind;
	er_slice exponent = {0};
	er_crypto_start();
	if (!kind_of(a->kind, &kind, exception))
		return NULL;
	if (kind == ER_KEY_SECRET)
		return generate_secret(er_js_to_u32(a->bits), exception);
	if (kind == ER_KEY_RSA && !er_crypto_bytes(a->exponent, &exponent, exception))
		return NULL;
	return take_pkey(kind, true, er_pkey_generate(kind, er_js_to_u32(a->bits), exponent));
}

/* base64url, as `k` of a JWK has it. */
static er_value read_secret(er_slice text, er_value *exception)
{
	size_t n;
	uint8_t *p = secret_memory(er_base64url_room(text.n), exception);
	if (p == NULL)
		return NULL;
	if (er_base64url_decode(text, p, &n))
		return take_secret(p, n);
	free(p);
	return er_js_undefined();
}

static er_value read_jwk(unsigned kind, bool is_private, er_value string, er_value *exception)
{
	er_text t;
	if (!er_js_utf8(string, &t, exception))
		return NULL;
	er_slice s = er_text_slice(&t);
	er_value v =
	    kind == ER_KEY_SECRET ? read_secret(s, exception) : take_pkey(kind, is_private, er_pkey_read_jwk(kind, is_private, s));
	OPENSSL_cleanse(t.p, t.n);
	er_text_fini(&t);
	return v;
}

static er_value read_bytes(unsigned kind, unsigned form, er_slice s)
{
	if (form == ER_AS_PKCS8)
		return take_pkey(kind, true, er_pkey_read_pkcs8(kind, s));
	return take_pkey(kind, false, form == ER_AS_SPKI ? er_pkey_read_spki(kind, s) : er_pkey_read_raw(kind, s));
}

/* Undefined: that is no such key. */
ER_NATIVE(keyRead)
{
	unsigned kind, form = er_js_to_u32(a->form);
	er_slice s;
	er_crypto_start();
	if (!kind_of(a->kind, &kind, exception))
		return NULL;
	if (form == ER_AS_JWK)
		return read_jwk(kind, er_js_to_bool(a->isPrivate), a->source, exception);
	if (!er_crypto_bytes(a->source, &s, exception))
		return NULL;
	return kind == ER_KEY_SECRET ? copy_secret(s, exception) : read_bytes(kind, form, s);
}

static er_value write_secret(er_slice bytes, unsigned form, er_value *exception)
{
	if (form != ER_AS_JWK)
		return er_js_u8_copy(bytes, exception);
	char *text = malloc(er_base64url_length(bytes.n) + 1);
	if (text == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	size_t n = er_base64url_encode(bytes, text);
	er_value v = er_js_latin1(er_slice_of(text, n));
	OPENSSL_cleanse(text, n);
	free(text);
	return v;
}

static er_value write_jwk(const er_crypto_key *k, er_value *exception)
{
	char *text;
	size_t n;
	if (!er_pkey_write_jwk(k->pkey, k->kind, k->is_private, &text, &n))
		return er_js_throw(exception, "RangeError", "Out of memory");
	er_value v = er_js_latin1(er_slice_of(text, n));
	OPENSSL_clear_free(text, n);
	return v;
}

/* The prelude asks for what a key of this kind has: spki and raw of a public one, pkcs8 of a
 * private one. */
ER_NATIVE(keyWrite)
{
	unsigned form = er_js_to_u32(a->form);
	er_crypto_want want = form == ER_AS_JWK ? ER_WANT_ANY : form == ER_AS_PKCS8 ? ER_WANT_PRIVATE : ER_WANT_PUBLIC;
	const er_held *h = er_js_handle_of(a->key, ER_HELD_key);
	if (h != NULL && ER_CONTAINER((er_held *)(uintptr_t)h, er_crypto_key, held)->kind == ER_KEY_SECRET)
		want = ER_WANT_SECRET;
	er_crypto_key *k = er_crypto_key_arg(a->key, want, exception);
	uint8_t *der;
	size_t n;
	if (k == NULL)
		return NULL;
	if (k->kind == ER_KEY_SECRET)
		return write_secret(k->secret, form, exception);
	if (form == ER_AS_JWK)
		return write_jwk(k, exception);
	if (form > ER_AS_JWK || !er_pkey_write(k->pkey, k->kind, form, &der, &n))
		return er_js_undefined();
	er_value v = er_js_u8_copy(er_slice_of(der, n), exception);
	OPENSSL_clear_free(der, n);
	return v;
}

ER_NATIVE(keyPublic)
{
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_PRIVATE, exception);
	return k != NULL ? take_pkey(k->kind, false, er_pkey_public(k->pkey)) : NULL;
}

/* Of a secret, or of a modulus. */
ER_NATIVE(keyBits)
{
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_ANY, exception);
	if (k == NULL)
		return NULL;
	return er_js_number(k->kind == ER_KEY_SECRET ? (double)k->secret.n * 8 : (double)EVP_PKEY_get_bits(k->pkey));
}

/* Of RSA, big-endian. */
ER_NATIVE(keyExponent)
{
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_ANY, exception);
	BIGNUM *e = NULL;
	uint8_t *p;
	if (k == NULL)
		return NULL;
	if (k->kind != ER_KEY_RSA || EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return er_js_undefined();
	er_value v = er_js_u8_new((size_t)BN_num_bytes(e), &p, exception);
	if (v != NULL)
		BN_bn2bin(e, p);
	BN_free(e);
	return v;
}
