/* Writing asymmetric keys. */
#include "sandbox/api/pkey.h"

#include "base/mem.h"
#include "sandbox/api/base64url.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>

enum { RAW_MOST = 1 + 2 * 66, MEMBERS = 8 };

/* A point uncompressed, or the bytes of RFC 8032 and RFC 7748. */
static bool raw(const EVP_PKEY *key, unsigned kind, uint8_t *out, size_t *n)
{
	*n = RAW_MOST;
	if (!er_pkey_is_ec(kind))
		return EVP_PKEY_get_raw_public_key(key, out, n) == 1;
	return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, RAW_MOST, n) == 1 &&
	       *n == 1 + 2 * er_pkey_size(kind);
}

static bool write_raw(const EVP_PKEY *key, unsigned kind, uint8_t **out, size_t *n)
{
	*out = kind != ER_KEY_RSA ? OPENSSL_malloc(RAW_MOST) : NULL;
	if (*out != NULL && raw(key, kind, *out, n))
		return true;
	OPENSSL_free(*out);
	return false;
}

static bool write_pkcs8(const EVP_PKEY *key, uint8_t **out, size_t *n)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	*out = NULL;
	int got = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, out) : -1;
	PKCS8_PRIV_KEY_INFO_free(info);
	*n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

bool er_pkey_write(const EVP_PKEY *key, unsigned kind, unsigned form, uint8_t **out, size_t *n)
{
	bool ok;
	*out = NULL;
	if (form == ER_AS_RAW) {
		ok = write_raw(key, kind, out, n);
	} else if (form == ER_AS_SPKI) {
		int got = i2d_PUBKEY(key, out);
		*n = got > 0 ? (size_t)got : 0;
		ok = got > 0;
	} else {
		ER_ASSERT(form == ER_AS_PKCS8);
		ok = write_pkcs8(key, out, n);
	}
	ERR_clear_error();
	return ok;
}

/* ---- JWK ---- */

/* The members as bytes, one after the other in `memory`. */
typedef struct members {
	uint8_t *memory;
	size_t room, used;
	er_slice v[MEMBERS];
	unsigned count;
} members;

/* `size` 0: as short as the number is. */
static bool put_number(members *m, const EVP_PKEY *key, const char *name, size_t size)
{
	BIGNUM *v = NULL;
	bool ok = EVP_PKEY_get_bn_param(key, name, &v) == 1;
	size_t n = ok ? (size == 0 ? (size_t)BN_num_bytes(v) : size) : 0;
	ok = ok && m->count < MEMBERS && n <= m->room - m->used && BN_bn2binpad(v, m->memory + m->used, (int)n) == (int)n;
	BN_clear_free(v);
	if (!ok)
		return false;
	m->v[m->count++] = er_slice_of(m->memory + m->used, n);
	m->used += n;
	return true;
}

static bool put_rsa(members *m, const EVP_PKEY *key, bool is_private)
{
	static const char *const names[] = {
	    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
	    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
	    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
	    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	};
	static_assert(sizeof names / sizeof *names == MEMBERS, "n e d p q dp dq qi");
	for (unsigned i = 0; i < (is_private ? MEMBERS : 2U); i++)
		if (!put_number(m, key, names[i], 0))
			return false;
	return true;
}

static bool put_bytes(members *m, const EVP_PKEY *key, bool is_private)
{
	size_t n = m->room - m->used;
	bool ok = is_private ? EVP_PKEY_get_raw_private_key(key, m->memory + m->used, &n) == 1
	                     : EVP_PKEY_get_raw_public_key(key, m->memory + m->used, &n) == 1;
	if (!ok || m->count == MEMBERS)
		return false;
	m->v[m->count++] = er_slice_of(m->memory + m->used, n);
	m->used += n;
	return true;
}

static bool put_all(members *m, const EVP_PKEY *key, unsigned kind, bool is_private)
{
	size_t size = er_pkey_size(kind);
	if (kind == ER_KEY_RSA)
		return put_rsa(m, key, is_private);
	if (er_pkey_is_ec(kind))
		return put_number(m, key, OSSL_PKEY_PARAM_EC_PUB_X, size) && put_number(m, key, OSSL_PKEY_PARAM_EC_PUB_Y, size) &&
		       (!is_private || put_number(m, key, OSSL_PKEY_PARAM_PRIV_KEY, size));
	return put_bytes(m, key, false) && (!is_private || put_bytes(m, key, true));
}

static bool encode(const members *m, char **out, size_t *n)
{
	size_t at = 0, room = er_base64url_length(m->used) + (size_t)MEMBERS * 4;
	*out = OPENSSL_malloc(room);
	if (*out == NULL)
		return false;
	for (unsigned i = 0; i < m->count; i++) {
		at += er_base64url_encode(m->v[i], *out + at);
		(*out)[at++] = '\n';
	}
	ER_ASSERT(at <= room);
	*n = at;
	return true;
}

bool er_pkey_write_jwk(const EVP_PKEY *key, unsigned kind, bool is_private, char **out, size_t *n)
{
	/* all numbers of a private RSA key take less than five times its modulus */
	members m = {.room = 5 * (size_t)EVP_PKEY_get_size(key) + 4 * (size_t)RAW_MOST};
	m.memory = OPENSSL_malloc(m.room);
	bool ok = m.memory != NULL && put_all(&m, key, kind, is_private) && encode(&m, out, n);
	OPENSSL_clear_free(m.memory, m.room);
	ERR_clear_error();
	return ok;
}
