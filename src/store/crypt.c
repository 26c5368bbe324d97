#include "store/crypt.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

void er_sha256(er_slice a, er_slice b, er_hash *out)
{
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
	OPENSSL_cleanse(p, n);
}

void er_hex(er_slice bytes, char *to)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < bytes.n; i++) {
		*to++ = digits[bytes.p[i] >> 4];
		*to++ = digits[bytes.p[i] & 15];
	}
	*to = '\0';
}

bool er_unhex(er_slice hex, uint8_t *to)
{
	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		int high = er_hex_digit(hex.p[i]), low = er_hex_digit(hex.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		*to++ = (uint8_t)(high << 4 | low);
	}
	return hex.n % 2 == 0;
}

void er_seal(const uint8_t key[ER_SEAL_KEY], er_slice about, er_slice plain, uint8_t *to)
{
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
	if (!good)
		er_wipe(to, length);
	return good;
}
