/* Asymmetric keys of Web Crypto as OpenSSL's: made, read and written. Pure: bytes and EVP_PKEYs,
 * nothing of the engine. `kind` is one of ER_KEY_*, but never SECRET.
 *
 * What is read comes from a routine, and so perhaps from whoever sent it something. A key that was
 * read is a valid one of its kind: a point on its curve; a private half that belongs to its public
 * half; a modulus of 512 to 16384 bits that is the product of its primes. NULL: it is none. Who
 * gets a key frees it with EVP_PKEY_free. OpenSSL must have been started. */
#ifndef ER_SANDBOX_API_PKEY_H
#define ER_SANDBOX_API_PKEY_H

#include "base/slice.h"
#include "channel/contract.h"

#include <openssl/evp.h>

enum { ER_PKEY_RSA_LEAST = 512, ER_PKEY_RSA_MOST = 16384 /* bits of a modulus */ };

/* Bytes of a coordinate, or of a key of RFC 8032 and RFC 7748. 0: RSA. */
size_t er_pkey_size(unsigned kind);
static inline bool er_pkey_is_ec(unsigned kind)
{
	return kind >= ER_KEY_P256 && kind <= ER_KEY_P521;
}

/* `bits`, `exponent` (big-endian): of RSA. */
EVP_PKEY *er_pkey_generate(unsigned kind, uint32_t bits, er_slice exponent);
/* The public half of a key. NULL: no memory. */
EVP_PKEY *er_pkey_public(const EVP_PKEY *key);

/* pkey_read.c */
/* public: a point, or RFC 8032's or RFC 7748's bytes */
EVP_PKEY *er_pkey_read_raw(unsigned kind, er_slice bytes);
EVP_PKEY *er_pkey_read_spki(unsigned kind, er_slice der);
EVP_PKEY *er_pkey_read_pkcs8(unsigned kind, er_slice der);
/* The members of a JWK, base64url, each ended by a newline: n e [d p q dp dq qi]; x y
 * [d]; x [d]. */
EVP_PKEY *er_pkey_read_jwk(unsigned kind, bool is_private, er_slice members);

/* pkey_write.c: memory that OPENSSL_clear_free frees. False: no memory. */
bool er_pkey_write(const EVP_PKEY *key, unsigned kind, unsigned form, uint8_t **out, size_t *n);
/* Such members as above. */
bool er_pkey_write_jwk(const EVP_PKEY *key, unsigned kind, bool is_private, char **out, size_t *n);

/* pkey.c: from numbers, big-endian; checked as said above. */
typedef struct er_pkey_rsa {
	er_slice n, e, d, p, q, dp, dq, qi; /* d and so on: of private ones */
} er_pkey_rsa;
EVP_PKEY *er_pkey_from_rsa(const er_pkey_rsa *rsa, bool is_private);
/* The numbers of an RSA key that OpenSSL has read hang together. */
bool er_pkey_rsa_fits(const EVP_PKEY *key, bool is_private);
/* `d` empty: public. The point may be compressed, but is not hybrid and not infinity. */
EVP_PKEY *er_pkey_from_point(unsigned kind, er_slice point, er_slice d);
/* One of RFC 8032 or RFC 7748, of its public or its private bytes. */
EVP_PKEY *er_pkey_from_bytes(unsigned kind, bool is_private, er_slice bytes);
const char *er_pkey_curve(unsigned kind); /* of EC: as OpenSSL calls it */
int er_pkey_nid(unsigned kind);           /* of EC: its curve's; else the algorithm's */

#endif
