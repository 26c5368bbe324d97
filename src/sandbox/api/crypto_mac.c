/* HMAC. A key keeps the context that was made of it: the next message begins where the key has been
 * taken in already, which halves the time of a short one. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

/* What OpenSSL has for one, about: told to the collector. */
enum { CONTEXT_COST = 1536 };

static EVP_MAC_CTX *context(er_crypto_key *k, unsigned hash)
{
	static EVP_MAC *hmac;
	if (k->mac != NULL && k->mac_hash == hash)
		return EVP_MAC_init(k->mac, NULL, 0, NULL) == 1 ? k->mac : NULL;
	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	if (k->mac == NULL)
		er_js_cost(&k->held, CONTEXT_COST);
	EVP_MAC_CTX_free(k->mac);
	k->mac = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	k->mac_hash = hash;
	/* read, never written */
	char *name = (char *)(uintptr_t)er_crypto_hash_name(hash);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
	if (k->mac != NULL && EVP_MAC_init(k->mac, k->secret.p, k->secret.n, params) == 1)
		return k->mac;
	EVP_MAC_CTX_free(k->mac);
	k->mac = NULL;
	return NULL;
}

/* Bytes of the result; 0: OpenSSL has no memory. */
static size_t compute(er_crypto_key *k, unsigned hash, er_slice s, uint8_t out[static ER_HASH_MOST])
{
	size_t n = 0;
	EVP_MAC_CTX *c = context(k, hash);
	if (c == NULL || EVP_MAC_update(c, s.p, s.n) != 1 || EVP_MAC_final(c, out, &n, ER_HASH_MOST) != 1) {
		ERR_clear_error();
		return 0;
	}
	ER_ASSERT(n == (size_t)EVP_MD_get_size(er_crypto_hash_of(hash)));
	return n;
}

static er_crypto_key *arguments(er_value hash, er_value key, er_value bytes, er_slice *s, er_value *exception)
{
	if (er_crypto_hash(hash, exception) == NULL || !er_crypto_bytes(bytes, s, exception))
		return NULL;
	return er_crypto_key_arg(key, ER_WANT_SECRET, exception);
}

ER_NATIVE(mac)
{
	er_slice s;
	uint8_t out[ER_HASH_MOST];
	er_crypto_key *k = arguments(a->hash, a->key, a->bytes, &s, exception);
	if (k == NULL)
		return NULL;
	size_t n = compute(k, er_js_to_u32(a->hash), s, out);
	return n > 0 ? er_js_u8_copy(er_slice_of(out, n), exception) : er_js_undefined();
}

ER_NATIVE(macVerify)
{
	er_slice s, given;
	uint8_t out[ER_HASH_MOST];
	er_crypto_key *k = arguments(a->hash, a->key, a->bytes, &s, exception);
	if (k == NULL || !er_crypto_bytes(a->mac, &given, exception))
		return NULL;
	size_t n = compute(k, er_js_to_u32(a->hash), s, out);
	bool same = n > 0 && n == given.n && CRYPTO_memcmp(out, given.p, n) == 0;
	OPENSSL_cleanse(out, sizeof out); /* what a caller without the key was to guess */
	return er_js_bool(same);
}
