/* Hashes that are fed piece by piece, and what else node:crypto wants of OpenSSL beyond Web Crypto:
 * scrypt. A hash is a record of C that JavaScript knows by an object; it lives until the collector
 * takes the object. Its state is a few hundred bytes, whatever it was fed. After hashFinal it is
 * spent: OpenSSL refuses to go on with it, and so do these natives. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

typedef struct hash {
	er_held held; /* by its object alone */
	EVP_MD_CTX *ctx;
	bool spent;
} hash;

/* OpenSSL's names of what its default provider has, by the names of Node. Kept once fetched. */
static struct known {
	const char *name, *library;
	EVP_MD *md;
} known[] = {
    {"md5", "MD5", NULL},
    {"sha1", "SHA1", NULL},
    {"sha224", "SHA2-224", NULL},
    {"sha256", "SHA2-256", NULL},
    {"sha384", "SHA2-384", NULL},
    {"sha512", "SHA2-512", NULL},
    {"sha512-224", "SHA2-512/224", NULL},
    {"sha512-256", "SHA2-512/256", NULL},
    {"sha3-224", "SHA3-224", NULL},
    {"sha3-256", "SHA3-256", NULL},
    {"sha3-384", "SHA3-384", NULL},
    {"sha3-512", "SHA3-512", NULL},
    {"ripemd160", "RIPEMD-160", NULL},
    {"blake2b512", "BLAKE2B-512", NULL},
    {"blake2s256", "BLAKE2S-256", NULL},
    {"sm3", "SM3", NULL},
};
enum { STATE_COST = 512 }; /* what OpenSSL has for one, about: told to the collector */

static void hash_end(er_held *h)
{
	hash *s = ER_CONTAINER(h, hash, held);
	er_held_fini(h);
	EVP_MD_CTX_free(s->ctx);
	er_free(s);
}

const er_held_ops er_held_ops_hash = {.end = hash_end};

static const EVP_MD *find(er_slice name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!er_slice_eq(name, er_slice_cstr(known[i].name)))
			continue;
		if (known[i].md == NULL)
			known[i].md = EVP_MD_fetch(NULL, known[i].library, NULL);
		return known[i].md;
	}
	return NULL;
}

/* Takes the context; NULL: there was no memory for it, or OpenSSL has no such hash. */
static er_value take(EVP_MD_CTX *ctx, bool ok)
{
	if (!ok) {
		ERR_clear_error();
		EVP_MD_CTX_free(ctx);
		return er_js_undefined();
	}
	hash *s = ER_NEW(hash);
	*s = (hash){.ctx = ctx};
	er_held_init(&s->held, ER_HELD_hash, NULL);
	return er_js_handle(&s->held, sizeof *s + STATE_COST);
}

static hash *hash_arg(er_value v, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_hash);
	hash *s = h != NULL ? ER_CONTAINER(h, hash, held) : NULL;
	if (s == NULL || s->spent) {
		er_js_throw(exception, "TypeError", "no hash, or one that is spent");
		return NULL;
	}
	return s;
}

ER_NATIVE(hashNew)
{
	er_text t;
	if (!er_js_utf8(a->name, &t, exception))
		return NULL;
	er_crypto_start();
	const EVP_MD *md = find(er_text_slice(&t));
	er_text_fini(&t);
	if (md == NULL)
		return er_js_undefined();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	return take(ctx, ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1);
}

ER_NATIVE(hashUpdate)
{
	er_slice bytes;
	hash *s = hash_arg(a->handle, exception);
	if (s == NULL || !er_crypto_bytes(a->bytes, &bytes, exception))
		return NULL;
	bool ok = EVP_DigestUpdate(s->ctx, bytes.p, bytes.n) == 1;
	ERR_clear_error();
	return er_js_bool(ok);
}

ER_NATIVE(hashFinal)
{
	uint8_t *out;
	hash *s = hash_arg(a->handle, exception);
	er_value v = s != NULL ? er_js_u8_new((size_t)EVP_MD_CTX_get_size(s->ctx), &out, exception) : NULL;
	if (v == NULL)
		return NULL;
	s->spent = true;
	bool ok = EVP_DigestFinal_ex(s->ctx, out, NULL) == 1;
	ERR_clear_error();
	return ok ? v : er_js_undefined();
}

ER_NATIVE(hashCopy)
{
	hash *s = hash_arg(a->handle, exception);
	if (s == NULL)
		return NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	return take(ctx, ctx != NULL && EVP_MD_CTX_copy_ex(ctx, s->ctx) == 1);
}

/* ---- scrypt (RFC 7914) ---- */

static bool scrypt(er_slice password, er_slice salt, uint64_t n, uint64_t r, uint64_t p, uint64_t most, uint8_t *out,
                   size_t length)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_SCRYPT, NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)password.p, password.n),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &r),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &p),
	    OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most),
	    OSSL_PARAM_construct_end(),
	};
	bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, length, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return ok;
}

ER_NATIVE(scrypt)
{
	er_slice password, salt;
	uint8_t *out;
	if (!er_crypto_bytes(a->password, &password, exception) || !er_crypto_bytes(a->salt, &salt, exception))
		return NULL;
	er_crypto_start();
	size_t length = er_js_to_u32(a->length);
	er_value v = length > 0 ? er_js_u8_new(length, &out, exception) : er_js_undefined();
	if (v == NULL || length == 0)
		return v;
	bool ok = scrypt(password, salt, er_js_to_u32(a->cost), er_js_to_u32(a->block), er_js_to_u32(a->parallel),
	                 er_js_to_u32(a->memory), out, length);
	return ok ? v : er_js_undefined();
}
