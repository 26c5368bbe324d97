/* What the natives of Web Crypto share: OpenSSL's start, its hashes, and keys.
 *
 * A key is a record of C that JavaScript knows by an object (er_js_handle). It lives until the
 * collector finds that nobody has the object any more; then its secrets are wiped and its memory is
 * freed. A key belongs to no request. JavaScript's CryptoKey decides what may be done with a key;
 * these files only see to it that a key is used as what it is. */
#ifndef ER_SANDBOX_API_CRYPTO_H
#define ER_SANDBOX_API_CRYPTO_H

#include "sandbox/api/api.h"

#include <openssl/evp.h>

enum { ER_HASH_COUNT = ER_HASH_MD5 + 1, ER_HASH_MOST = 64 /* bytes of a digest */ };

/* Before anything else of OpenSSL: it reads no configuration and takes what is built into its
 * library alone, so it needs no file. What it makes of the algorithms is made at their first use,
 * and costs a sandbox that uses none nothing. The time of the first start is not the owner's
 * (er_turn_gift). */
void er_crypto_start(void);
/* Of ER_HASH_*; NULL with *exception: there is no such hash. Starts OpenSSL. */
const EVP_MD *er_crypto_hash(er_value number, er_value *exception);
/* The same by its number, which is known to be one. */
const EVP_MD *er_crypto_hash_of(unsigned number);
const char *er_crypto_hash_name(unsigned number);

typedef struct er_crypto_key {
	er_held held;     /* by its object alone */
	unsigned kind;    /* ER_KEY_* */
	bool is_private;  /* has the private half; a secret has */
	er_slice secret;  /* SECRET: the bytes, ours */
	EVP_PKEY *pkey;   /* every other kind */
	EVP_MAC_CTX *mac; /* of HMAC with this secret, and with this hash; NULL: not used for it yet */
	unsigned mac_hash;
} er_crypto_key;

/* The argument as a key. NULL with *exception: it is none, or not as it is wanted. */
typedef enum er_crypto_want { ER_WANT_ANY, ER_WANT_SECRET, ER_WANT_PRIVATE, ER_WANT_PUBLIC } er_crypto_want;
er_crypto_key *er_crypto_key_arg(er_value v, er_crypto_want want, er_value *exception);
/* The bytes of an argument, or *exception. */
bool er_crypto_bytes(er_value v, er_slice *out, er_value *exception);

#endif
