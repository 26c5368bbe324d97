/* What this room uses of OpenSSL. No state: each function makes its context and ends it, so all of
 * them are for any thread.
 *
 * A sealed text is nonce (12 bytes, random), ciphertext, tag (16 bytes), one behind the other.
 * `about` is authenticated and not stored: the caller says it when sealing and again when opening,
 * and a text that was moved to another place does not open. Nonces are random and not counted: with
 * 2^32 texts under one key two of them would meet with a chance of 2^-33, and a node has some
 * thousand.
 *
 * A failure of the library itself (no memory, no random bytes) ends the process; a text that does
 * not open is an answer. */
#include "store/crypt.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

_Static_assert(ER_SEAL_KEY == 32 && ER_SEAL_NONCE == 12 && ER_SEAL_TAG == 16, "AES-256-GCM has these");
_Static_assert(ER_SEAL_MORE == ER_SEAL_NONCE + ER_SEAL_TAG, "a sealed text is so much longer");

void er_sha256(er_slice a, er_slice b, er_hash *out)
{
	ER_ASSERT(out != NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ER_ASSERT(md != NULL);
	int good = EVP_DigestInit_ex(md, EVP_sha256(), NULL) && EVP_DigestUpdate(md, a.p, a.n) && EVP_DigestUpdate(md, b.p, b.n) &&
	           EVP_DigestFinal_ex(md, out->b, NULL);
	ER_ASSERT(good);
	EVP_MD_CTX_free(md);
}

bool er_hash_eq_secret(const er_hash *a, const er_hash *b)
{
	return CRYPTO_memcmp(a->b, b->b, ER_SHA256) == 0;
}

/* Without random bytes there is nothing safe to go on with. */
void er_random(uint8_t *to, size_t n)
{
	ER_ASSERT(n <= INT_MAX && RAND_bytes(to, (int)n) == 1);
}

void er_wipe(void *p, size_t n)
{
	ER_ASSERT(p != NULL || n == 0);
	OPENSSL_cleanse(p, n);
}

void er_seal(const uint8_t key[ER_SEAL_KEY], er_slice about, er_slice plain, uint8_t *to)
{
	ER_ASSERT(key != NULL && to != NULL);
	ER_ASSERT(plain.n <= INT_MAX && about.n <= INT_MAX);
	uint8_t *nonce = to, *text = to + ER_SEAL_NONCE, *tag = text + plain.n;
	int n = 0;
	er_random(nonce, ER_SEAL_NONCE);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	ER_ASSERT(c != NULL);
	int good = EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) &&
	           EVP_EncryptUpdate(c, NULL, &n, about.p, (int)about.n) &&
	           (plain.n == 0 || EVP_EncryptUpdate(c, text, &n, plain.p, (int)plain.n)) && EVP_EncryptFinal_ex(c, text + n, &n) &&
	           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, ER_SEAL_TAG, tag);
	ER_ASSERT(good);
	EVP_CIPHER_CTX_free(c);
}

bool er_unseal(const uint8_t key[ER_SEAL_KEY], er_slice about, er_slice sealed, uint8_t *to)
{
	ER_ASSERT(key != NULL && to != NULL);
	/* What is sealed comes from the disk, so its length is asked and not believed. */
	if (sealed.n < ER_SEAL_MORE || sealed.n > INT_MAX || about.n > INT_MAX)
		return false;
	size_t length = sealed.n - ER_SEAL_MORE;
	const uint8_t *text = sealed.p + ER_SEAL_NONCE;
	uint8_t tag[ER_SEAL_TAG];
	er_copy(tag, text + length, ER_SEAL_TAG);
	int n = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	ER_ASSERT(c != NULL);
	bool good = EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, sealed.p) &&
	            EVP_DecryptUpdate(c, NULL, &n, about.p, (int)about.n) &&
	            (length == 0 || EVP_DecryptUpdate(c, to, &n, text, (int)length)) &&
	            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, ER_SEAL_TAG, tag) && EVP_DecryptFinal_ex(c, to + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	/* The text was decrypted before the tag was compared: what is not authentic does not leave this
	 * function. */
	if (!good)
		er_wipe(to, length);
	return good;
}
