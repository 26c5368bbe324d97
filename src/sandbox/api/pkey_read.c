/* Reading asymmetric keys. OpenSSL reads DER; here it is asked first whether that says it is what
 * the routine wants, then what OpenSSL has read is taken apart and made anew from its numbers, so
 * that a key does not remember how it was written. */
#include "sandbox/api/pkey.h"

#include "base/mem.h"
#include "sandbox/api/base64url.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

enum {
	DER_MOST = 64 * 1024, /* an RSA key of the most bits takes 10 KB */
	POINT_MOST = 1 + 2 * 66,
	MEMBERS = 8
};

EVP_PKEY *er_pkey_read_raw(unsigned kind, er_slice bytes)
{
	if (kind == ER_KEY_RSA)
		return NULL;
	return er_pkey_is_ec(kind) ? er_pkey_from_point(kind, bytes, (er_slice){0}) : er_pkey_from_bytes(kind, false, bytes);
}

/* The algorithm is the one of this kind: RSA's, EC's with this curve by its name, or the one of
 * RFC 8410, which has no parameters. */
static bool says(unsigned kind, const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *what;
	const void *value;
	int type;
	X509_ALGOR_get0(&what, &type, &value, algorithm);
	if (er_pkey_is_ec(kind))
		return OBJ_obj2nid(what) == NID_X9_62_id_ecPublicKey && type == V_ASN1_OBJECT && value != NULL &&
		       OBJ_obj2nid((const ASN1_OBJECT *)value) == er_pkey_nid(kind);
	if (OBJ_obj2nid(what) != er_pkey_nid(kind))
		return false;
	return kind == ER_KEY_RSA ? type == V_ASN1_NULL || type == V_ASN1_UNDEF : type == V_ASN1_UNDEF;
}

/* The public bits of an EC key are a point as they stand. Those of the others are OpenSSL's to
 * read. */
EVP_PKEY *er_pkey_read_spki(unsigned kind, er_slice der)
{
	const uint8_t *p = der.p, *bits;
	int n;
	X509_ALGOR *algorithm;
	EVP_PKEY *key = NULL;
	if (der.n > DER_MOST)
		return NULL;
	X509_PUBKEY *spki = d2i_X509_PUBKEY(NULL, &p, (long)der.n);
	if (spki != NULL && p == der.p + der.n && X509_PUBKEY_get0_param(NULL, &bits, &n, &algorithm, spki) == 1 &&
	    says(kind, algorithm)) {
		if (kind != ER_KEY_RSA)
			key = er_pkey_read_raw(kind, er_slice_of(bits, (size_t)n));
		else if ((key = X509_PUBKEY_get(spki)) != NULL && !er_pkey_rsa_fits(key, false)) {
			EVP_PKEY_free(key);
			key = NULL;
		}
	}
	X509_PUBKEY_free(spki);
	ERR_clear_error();
	return key;
}

/* Of what OpenSSL has read: the halves, as bytes of their full length. */
static EVP_PKEY *ec_anew(unsigned kind, const EVP_PKEY *from)
{
	size_t size = er_pkey_size(kind);
	uint8_t point[POINT_MOST], d[POINT_MOST];
	BIGNUM *v[3] = {NULL};
	EVP_PKEY *key = NULL;
	ER_ASSERT(1 + 2 * size <= sizeof point);
	point[0] = 4;
	if (EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_EC_PUB_X, &v[0]) == 1 &&
	    EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_EC_PUB_Y, &v[1]) == 1 &&
	    EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_PRIV_KEY, &v[2]) == 1 &&
	    BN_bn2binpad(v[0], point + 1, (int)size) == (int)size && BN_bn2binpad(v[1], point + 1 + size, (int)size) == (int)size &&
	    BN_bn2binpad(v[2], d, (int)size) == (int)size)
		key = er_pkey_from_point(kind, er_slice_of(point, 1 + 2 * size), er_slice_of(d, size));
	for (int i = 0; i < 3; i++)
		BN_clear_free(v[i]);
	OPENSSL_cleanse(d, sizeof d);
	return key;
}

EVP_PKEY *er_pkey_read_pkcs8(unsigned kind, er_slice der)
{
	const uint8_t *p = der.p;
	const X509_ALGOR *algorithm = NULL;
	EVP_PKEY *key = NULL;
	if (der.n > DER_MOST)
		return NULL;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.n);
	if (info != NULL && p == der.p + der.n && PKCS8_pkey_get0(NULL, NULL, NULL, &algorithm, info) == 1 && says(kind, algorithm))
		key = EVP_PKCS82PKEY_ex(info, NULL, NULL);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (key != NULL && er_pkey_is_ec(kind)) {
		EVP_PKEY *read = key;
		key = EVP_PKEY_is_a(read, "EC") ? ec_anew(kind, read) : NULL;
		EVP_PKEY_free(read);
	} else if (key != NULL &&
	           (EVP_PKEY_get_base_id(key) != er_pkey_nid(kind) || (kind == ER_KEY_RSA && !er_pkey_rsa_fits(key, true)))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

/* ---- JWK ---- */

/* All members into `memory`; false: they are not `count` times base64url. */
static bool decode(er_slice text, unsigned count, uint8_t *memory, er_slice out[])
{
	for (unsigned i = 0; i < count; i++) {
		er_slice line;
		size_t n;
		if (!er_slice_split(&text, '\n', &line) || !er_base64url_decode(line, memory, &n))
			return false;
		out[i] = er_slice_of(memory, n);
		memory += n;
	}
	return text.n == 0;
}

static EVP_PKEY *from_members(unsigned kind, bool is_private, const er_slice v[])
{
	size_t size = er_pkey_size(kind);
	if (kind == ER_KEY_RSA) {
		er_pkey_rsa rsa = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
		return er_pkey_from_rsa(&rsa, is_private);
	}
	if (er_pkey_is_ec(kind)) {
		uint8_t point[POINT_MOST] = {4};
		if (v[0].n != size || v[1].n != size || (is_private && v[2].n != size))
			return NULL;
		er_copy(point + 1, v[0].p, size);
		er_copy(point + 1 + size, v[1].p, size);
		return er_pkey_from_point(kind, er_slice_of(point, 1 + 2 * size), is_private ? v[2] : (er_slice){0});
	}
	EVP_PKEY *key = er_pkey_from_bytes(kind, is_private, v[is_private ? 1 : 0]);
	uint8_t made[POINT_MOST];
	size_t n = sizeof made;
	if (key != NULL && is_private &&
	    (EVP_PKEY_get_raw_public_key(key, made, &n) != 1 || !er_slice_eq(er_slice_of(made, n), v[0]))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

EVP_PKEY *er_pkey_read_jwk(unsigned kind, bool is_private, er_slice members)
{
	er_slice v[MEMBERS] = {{0}};
	unsigned count = kind == ER_KEY_RSA ? (is_private ? 8 : 2) : (er_pkey_is_ec(kind) ? 2U : 1U) + is_private;
	if (members.n > DER_MOST)
		return NULL;
	size_t room = er_base64url_room(members.n) + (size_t)MEMBERS * 3;
	uint8_t *memory = OPENSSL_malloc(room);
	EVP_PKEY *key = NULL;
	if (memory != NULL && decode(members, count, memory, v))
		key = from_members(kind, is_private, v);
	OPENSSL_clear_free(memory, room);
	ERR_clear_error();
	return key;
}
