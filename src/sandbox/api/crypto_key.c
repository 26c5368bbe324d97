/* Keys: making, reading, writing and ending them. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"
#include "sandbox/api/base64url.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* What OpenSSL has for one, about: told to the collector. */
enum { PKEY_COST = 4096, SECRET_MOST_BITS = 1U << 20 };

static void key_end(er_held *h)
{
	er_crypto_key *k = ER_CONTAINER(h, er_crypto_key, held);
	er_held_fini(h);
	EVP_MAC_CTX_free(k->mac);
	EVP_PKEY_free(k->pkey);
	if (k->secret.p != NULL) {
		void *secret = (void *)(uintptr_t)k->secret.p;
		OPENSSL_cleanse(secret, k->secret.n);
		free(secret);
	}
	er_free(k);
}

const er_held_ops er_held_ops_key = {.end = key_end};

er_crypto_key *er_crypto_key_arg(er_value v, int kind, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_key);
	er_crypto_key *k = h != NULL ? ER_CONTAINER(h, er_crypto_key, held) : NULL;
	if (k != NULL && (kind < 0 ? k->kind != ER_KEY_SECRET : k->kind == (unsigned)kind)) {
		ER_ASSERT((k->pkey == NULL) == (k->kind == ER_KEY_SECRET));
		return k;
	}
	er_js_throw(exception, "TypeError", "no key of this kind");
	return NULL;
}

er_value er_crypto_key_take(unsigned kind, EVP_PKEY *pkey)
{
	ER_ASSERT(pkey != NULL && kind != ER_KEY_SECRET);
	er_crypto_key *k = ER_NEW(er_crypto_key);
	k->kind = kind;
	k->pkey = pkey;
	er_held_init(&k->held, ER_HELD_key, NULL);
	return er_js_handle(&k->held, sizeof *k + PKEY_COST);
}

/* `bytes` has been allocated with malloc, and is ours from now on. */
static er_value take_secret(uint8_t *bytes, size_t n)
{
	er_crypto_key *k = ER_NEW(er_crypto_key);
	k->kind = ER_KEY_SECRET;
	k->secret = er_slice_of(bytes, n);
	er_held_init(&k->held, ER_HELD_key, NULL);
	return er_js_handle(&k->held, sizeof *k + n);
}

/* n bytes, of which there is always one, so that no secret is without memory. */
static uint8_t *secret_memory(size_t n, er_value *exception)
{
	uint8_t *p = malloc(n + 1);
	if (p == NULL)
		er_js_throw(exception, "RangeError", "Out of memory");
	return p;
}

er_value er_crypto_secret(er_slice bytes, er_value *exception)
{
	uint8_t *p = secret_memory(bytes.n, exception);
	if (p == NULL)
		return NULL;
	er_copy(p, bytes.p, bytes.n);
	return take_secret(p, bytes.n);
}

/* Bits beyond the last whole byte are its first ones. */
static er_value generate_secret(uint32_t bits, er_value *exception)
{
	if (bits == 0 || bits > SECRET_MOST_BITS)
		return er_js_undefined();
	size_t n = (bits + 7) / 8;
	uint8_t *p = secret_memory(n, exception);
	if (p == NULL)
		return NULL;
	if (RAND_priv_bytes(p, (int)n) != 1) {
		ERR_clear_error();
		free(p);
		return er_js_undefined();
	}
	if (bits % 8 != 0)
		p[n - 1] &= (uint8_t)(0xff00U >> bits % 8);
	return take_secret(p, n);
}

/* The private half, or the secret. Undefined: there is none with such bits. */
ER_NATIVE(keyGenerate)
{
	er_crypto_start();
	if (er_js_to_number(a->kind) != ER_KEY_SECRET)
		return er_js_throw(exception, "TypeError", "no such kind of key");
	return generate_secret(er_js_to_u32(a->bits), exception);
}

/* base64url, as `k` of a JWK has it. */
static er_value read_text(er_value string, er_value *exception)
{
	er_text t;
	if (!er_js_utf8(string, &t, exception))
		return NULL;
	uint8_t *p = secret_memory(er_base64url_room(t.n), exception);
	er_value v = NULL;
	size_t n;
	if (p != NULL && er_base64url_decode(er_text_slice(&t), p, &n)) {
		v = take_secret(p, n);
	} else if (p != NULL) {
		free(p);
		v = er_js_undefined();
	}
	er_text_fini(&t);
	return v;
}

/* Undefined: that is no such key. */
ER_NATIVE(keyRead)
{
	er_slice s;
	er_crypto_start();
	if (er_js_to_number(a->kind) != ER_KEY_SECRET)
		return er_js_throw(exception, "TypeError", "no such kind of key");
	if (er_js_to_number(a->form) == ER_AS_JWK)
		return read_text(a->bytes, exception);
	return er_crypto_bytes(a->bytes, &s, exception) ? er_crypto_secret(s, exception) : NULL;
}

static er_value write_text(er_slice bytes, er_value *exception)
{
	char *text = malloc(er_base64url_length(bytes.n) + 1);
	if (text == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	size_t n = er_base64url_encode(bytes, text);
	er_value v = er_js_latin1(er_slice_of(text, n));
	OPENSSL_cleanse(text, n);
	free(text);
	return v;
}

ER_NATIVE(keyWrite)
{
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_KEY_SECRET, exception);
	if (k == NULL)
		return NULL;
	return er_js_to_number(a->form) == ER_AS_JWK ? write_text(k->secret, exception) : er_js_u8_copy(k->secret, exception);
}
