/* What secrets are derived from: another's public key (ECDH, X25519, X448), a secret (HKDF), a
 * password (PBKDF2). However long PBKDF2 takes, it is in a turn of its request, whose CPU limit
 * ends it (turn.h). */
#include "sandbox/api/crypto.h"

#include "base/mem.h"
#include "sandbox/api/pkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

enum { SHARED_MOST = 66 };

/* Undefined: there is no secret (a point of small order). */
ER_NATIVE(agree)
{
	uint8_t out[SHARED_MOST];
	size_t n = sizeof out;
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_PRIVATE, exception);
	er_crypto_key *other = k != NULL ? er_crypto_key_arg(a->other, ER_WANT_PUBLIC, exception) : NULL;
	if (other == NULL)
		return NULL;
	if (k->kind != other->kind || !(er_pkey_is_ec(k->kind) || k->kind == ER_KEY_X25519 || k->kind == ER_KEY_X448))
		return er_js_throw(exception, "TypeError", "keys that agree on nothing");
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other->pkey) == 1 &&
	          EVP_PKEY_derive(ctx, out, &n) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	er_value v = ok ? er_js_u8_copy(er_slice_of(out, n), exception) : er_js_undefined();
	OPENSSL_cleanse(out, sizeof out);
	return v;
}

/* ---- HKDF (RFC 5869), over the library's HMAC: its own HKDF bounds `info` ---- */

typedef struct hkdf_call {
	EVP_MAC_CTX *mac;
	OSSL_PARAM *params;
	size_t size; /* of the hash */
} hkdf_call;

/* An HMAC of three parts. */
static bool hmac(const hkdf_call *c, er_slice key, const er_slice parts[static 3], uint8_t out[static ER_HASH_MOST])
{
	size_t n;
	bool ok = EVP_MAC_init(c->mac, key.p, key.n, c->params) == 1;
	for (int i = 0; ok && i < 3; i++)
		ok = parts[i].n == 0 || EVP_MAC_update(c->mac, parts[i].p, parts[i].n) == 1;
	return ok && EVP_MAC_final(c->mac, out, &n, ER_HASH_MOST) == 1 && n == c->size;
}

static bool expand(const hkdf_call *c, er_slice prk, er_slice info, uint8_t *out, size_t length)
{
	uint8_t t[ER_HASH_MOST];
	bool ok = true;
	ER_ASSERT(length <= 255 * c->size);
	for (size_t at = 0, i = 1; ok && at < length; i++) {
		uint8_t number = (uint8_t)i;
		const er_slice parts[3] = {er_slice_of(t, i > 1 ? c->size : 0), info, er_slice_of(&number, 1)};
		ok = hmac(c, prk, parts, t);
		size_t n = length - at < c->size ? length - at : c->size;
		er_copy(out + at, t, n);
		at += n;
	}
	OPENSSL_cleanse(t, sizeof t);
	return ok;
}

static bool hkdf(unsigned hash, er_slice secret, er_slice salt, er_slice info, uint8_t *out, size_t length)
{
	static const uint8_t zeros[ER_HASH_MOST];
	static EVP_MAC *mac;
	uint8_t prk[ER_HASH_MOST];
	if (mac == NULL)
		mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	char *name = (char *)(uintptr_t)er_crypto_hash_name(hash);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
	hkdf_call c = {mac != NULL ? EVP_MAC_CTX_new(mac) : NULL, params, (size_t)EVP_MD_get_size(er_crypto_hash_of(hash))};
	const er_slice parts[3] = {secret, {0}, {0}};
	bool ok = c.mac != NULL && hmac(&c, salt.n != 0 ? salt : er_slice_of(zeros, c.size), parts, prk) &&
	          expand(&c, er_slice_of(prk, c.size), info, out, length);
	EVP_MAC_CTX_free(c.mac);
	OPENSSL_cleanse(prk, sizeof prk);
	return ok;
}

/* ---- what both take: a secret, and a length in bytes ---- */

static er_value result(bool ok, er_value v, uint8_t *out, size_t length)
{
	if (ok)
		return v;
	OPENSSL_cleanse(out, length);
	ERR_clear_error();
	return er_js_undefined();
}

ER_NATIVE(hkdf)
{
	er_slice salt, info;
	uint8_t *out;
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_SECRET, exception);
	const EVP_MD *md = er_crypto_hash(a->hash, exception);
	if (k == NULL || md == NULL || !er_crypto_bytes(a->salt, &salt, exception) || !er_crypto_bytes(a->info, &info, exception))
		return NULL;
	size_t length = er_js_to_u32(a->length);
	if (length > 255 * (size_t)EVP_MD_get_size(md))
		return er_js_undefined();
	er_value v = er_js_u8_new(length, &out, exception);
	return v != NULL ? result(hkdf(er_js_to_u32(a->hash), k->secret, salt, info, out, length), v, out, length) : NULL;
}

static bool pbkdf2(unsigned hash, er_slice password, er_slice salt, uint64_t iterations, uint8_t *out, size_t length)
{
	static EVP_KDF *kdf;
	int unchecked = 1; /* otherwise OpenSSL refuses what is weak */
	(void)er_crypto_hash_of(hash);
	if (kdf == NULL)
		kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_PBKDF2, NULL);
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)er_crypto_hash_name(hash), 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)password.p, password.n),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations),
	    OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &unchecked),
	    OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, length, params) == 1;
	EVP_KDF_CTX_free(ctx);
	return ok;
}

ER_NATIVE(pbkdf2)
{
	er_slice salt;
	uint8_t *out;
	uint32_t iterations = er_js_to_u32(a->iterations);
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_SECRET, exception);
	if (k == NULL || er_crypto_hash(a->hash, exception) == NULL || !er_crypto_bytes(a->salt, &salt, exception))
		return NULL;
	size_t length = er_js_to_u32(a->length);
	if (iterations == 0)
		return er_js_undefined();
	er_value v = er_js_u8_new(length, &out, exception);
	if (v == NULL || length == 0)
		return v;
	return result(pbkdf2(er_js_to_u32(a->hash), k->secret, salt, iterations, out, length), v, out, length);
}
