/* OpenSSL's start, digests, and the comparison that takes the same time whatever it finds.
 *
 * Everything is fetched from the default provider, which is a part of the library: nothing here or
 * in the other crypto files opens a file, and the one call of the kernel beside memory is
 * getrandom. A hash is fetched once and kept, as is the context of digests, of which there is never
 * more than one at a time. What OpenSSL refuses is "undefined" to the prelude, which knows what to
 * call it; what it says about it goes nowhere (ERR_clear_error). */
#include "sandbox/api/crypto.h"

#include "base/mem.h"
#include "sandbox/turn.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

static const char *const names[ER_HASH_COUNT] = {
    [ER_HASH_SHA1] = "SHA1",     [ER_HASH_SHA256] = "SHA256", [ER_HASH_SHA384] = "SHA384",
    [ER_HASH_SHA512] = "SHA512", [ER_HASH_MD5] = "MD5",
};
static EVP_MD *hashes[ER_HASH_COUNT];
static EVP_MD_CTX *digests;

static_assert(ER_HASH_MOST <= EVP_MAX_MD_SIZE, "a digest's room");

void er_crypto_start(void)
{
	static bool started;
	if (started)
		return;
	er_turn_gift gift = er_turn_gift_begin();
	ER_ASSERT(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) == 1);
	digests = EVP_MD_CTX_new();
	ER_ASSERT(digests != NULL);
	started = true;
	(void)er_crypto_hash_of(ER_HASH_SHA256);
	er_turn_gift_end(gift);
}

const char *er_crypto_hash_name(unsigned number)
{
	ER_ASSERT(number < ER_HASH_COUNT);
	return names[number];
}

const EVP_MD *er_crypto_hash_of(unsigned number)
{
	ER_ASSERT(number < ER_HASH_COUNT);
	er_crypto_start();
	if (hashes[number] == NULL)
		hashes[number] = EVP_MD_fetch(NULL, names[number], NULL);
	/* Built in: there is none only if there is no memory for it. */
	ER_ASSERT(hashes[number] != NULL && EVP_MD_get_size(hashes[number]) <= ER_HASH_MOST);
	return hashes[number];
}

const EVP_MD *er_crypto_hash(er_value number, er_value *exception)
{
	double d = er_js_to_number(number);
	if (!(d >= 0 && d < ER_HASH_COUNT)) {
		er_js_throw(exception, "TypeError", "no such hash");
		return NULL;
	}
	return er_crypto_hash_of((unsigned)d);
}

bool er_crypto_bytes(er_value v, er_slice *out, er_value *exception)
{
	if (er_js_bytes(v, out))
		return true;
	er_js_throw(exception, "TypeError", "bytes are wanted");
	return false;
}

ER_NATIVE(digest)
{
	er_slice s;
	uint8_t *out;
	const EVP_MD *md = er_crypto_hash(a->hash, exception);
	if (md == NULL || !er_crypto_bytes(a->bytes, &s, exception))
		return NULL;
	er_value v = er_js_u8_new((size_t)EVP_MD_get_size(md), &out, exception);
	if (v == NULL)
		return NULL;
	bool ok = EVP_DigestInit_ex(digests, md, NULL) == 1 && EVP_DigestUpdate(digests, s.p, s.n) == 1 &&
	          EVP_DigestFinal_ex(digests, out, NULL) == 1;
	if (!ok)
		ERR_clear_error();
	return ok ? v : er_js_undefined();
}

/* False also if one is longer. */
ER_NATIVE(equal)
{
	er_slice one, other;
	if (!er_crypto_bytes(a->one, &one, exception) || !er_crypto_bytes(a->other, &other, exception))
		return NULL;
	return er_js_bool(one.n == other.n && CRYPTO_memcmp(one.p, other.p, one.n) == 0);
}
