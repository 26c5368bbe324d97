/* The three uses of OpenSSL here: hashes, random bytes, AES-256-GCM. */
#ifndef ER_STORE_CRYPT_H
#define ER_STORE_CRYPT_H

#include "base/err.h"
#include "base/hex.h"
#include "base/slice.h"
#include "store/store.h"

enum { ER_SEAL_KEY = 32, ER_SEAL_NONCE = 12, ER_SEAL_TAG = 16, ER_SEAL_MORE = ER_SEAL_NONCE + ER_SEAL_TAG };

/* Of a and b, one after the other. */
void er_sha256(er_slice a, er_slice b, er_hash *out);
bool er_hash_eq_secret(const er_hash *a, const er_hash *b); /* constant time */
void er_random(uint8_t *to, size_t n);
void er_wipe(void *p, size_t n);

/* nonce, text, tag into `to` (plain.n + ER_SEAL_MORE bytes). `about` is authenticated and not
 * stored: whoever opens it must know the same. */
void er_seal(const uint8_t key[ER_SEAL_KEY], er_slice about, er_slice plain, uint8_t *to);
/* sealed.n - ER_SEAL_MORE bytes into `to`; false: another key, another `about`, or changed
 * bytes. */
ER_MUST_CHECK bool er_unseal(const uint8_t key[ER_SEAL_KEY], er_slice about, er_slice sealed, uint8_t *to);

#endif
