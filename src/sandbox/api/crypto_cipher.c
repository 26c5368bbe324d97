/* AES (Web Crypto 25 to 28). A cipher is fetched once and kept; a context lives for a call. What
 * was decrypted before OpenSSL found that it is not authentic is wiped and not given out. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/modes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BLOCK = 16,
	MODES = ER_AES_KW + 1,
	SIZES = 3, /* of keys: 128, 192, 256 bits */
	/* OpenSSL's GCM takes no longer one; the block functions take any (gcm_long) */
	IV_MOST = 128,
	/* OpenSSL counts in int */
	DATA_MOST = INT_MAX - 2 * BLOCK,
};

typedef struct cipher_call {
	const EVP_CIPHER *cipher;
	er_slice key, iv, extra, bytes;
	uint32_t bits; /* of the tag (GCM) or the counter (CTR) */
	bool encrypt;
} cipher_call;

static const EVP_CIPHER *fetch(unsigned mode, size_t key_bytes)
{
	static EVP_CIPHER *known[MODES + 1][SIZES];
	static const char *const names[MODES + 1] = {"CBC", "CTR", "GCM", "WRAP", "ECB"};
	size_t size = key_bytes / 8 - 2;
	ER_ASSERT(mode <= MODES && size < SIZES && key_bytes % 8 == 0);
	if (known[mode][size] == NULL) {
		char name[24];
		snprintf(name, sizeof name, "AES-%zu-%s", key_bytes * 8, names[mode]);
		known[mode][size] = EVP_CIPHER_fetch(NULL, name, NULL);
	}
	return known[mode][size];
}

static EVP_CIPHER_CTX *begin(const cipher_call *c, const EVP_CIPHER *cipher)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && cipher != NULL && EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, c->encrypt, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

/* The bytes through a context that has its key. Returns how many; -1: not this way. */
static long through(EVP_CIPHER_CTX *ctx, er_slice s, uint8_t *out)
{
	int n = 0, end = 0;
	if (s.n > 0 && EVP_CipherUpdate(ctx, out, &n, s.p, (int)s.n) != 1)
		return -1;
	return EVP_CipherFinal_ex(ctx, out + n, &end) == 1 ? (long)n + end : -1;
}

/* CBC with padding, or AES-KW, whose IV is the one of RFC 3394: it takes two blocks of 64 bits or
 * more, and OpenSSL would not check what is shorter. */
static long plain(const cipher_call *c, bool wrap, uint8_t *out)
{
	long n = -1;
	if (wrap && (c->bytes.n % 8 != 0 || c->bytes.n < (c->encrypt ? 16 : 24)))
		return -1;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && wrap)
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (ctx != NULL && EVP_CipherInit_ex2(ctx, c->cipher, c->key.p, wrap ? NULL : c->iv.p, c->encrypt, NULL) == 1)
		n = through(ctx, c->bytes, out);
	EVP_CIPHER_CTX_free(ctx);
	return n;
}

/* ---- CTR ---- */

static bool ctr_part(const cipher_call *c, const uint8_t counter[static BLOCK], er_slice part, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, c->cipher, c->key.p, counter, NULL) == 1 &&
	          through(ctx, part, out) == (long)part.n;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* Blocks that the counter of so many bits can number from where it stands; UINT64_MAX: more than
 * there can be. */
static uint64_t blocks_left(const uint8_t counter[static BLOCK], uint32_t bits)
{
	uint64_t low = 0, most;
	for (unsigned i = 0; i < 8; i++)
		low = low << 8 | counter[8 + i];
	most = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	bool above = false; /* a bit of the counter beyond the low 64 is zero: it is far from its end */
	for (uint32_t bit = 64; bit < bits; bit++)
		above |= (counter[BLOCK - 1 - bit / 8] >> bit % 8 & 1) == 0;
	uint64_t left = most - (low & most);
	return above || left == UINT64_MAX ? UINT64_MAX : left + 1;
}

/* The counter's bits become 0 when they have all been 1; the rest of the block stays. */
static long ctr(const cipher_call *c, uint8_t *out)
{
	uint8_t counter[BLOCK];
	er_copy(counter, c->iv.p, BLOCK);
	uint64_t blocks = (c->bytes.n + BLOCK - 1) / BLOCK, left = blocks_left(counter, c->bits);
	if (c->bits < 32 && blocks > UINT64_C(1) << c->bits)
		return -1; /* the counter would come to the same again */
	size_t first = left >= blocks ? c->bytes.n : (size_t)left * BLOCK;
	if (!ctr_part(c, counter, er_slice_head(c->bytes, first), out))
		return -1;
	if (first < c->bytes.n) {
		for (uint32_t bit = 0; bit < c->bits; bit++)
			counter[BLOCK - 1 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
		if (!ctr_part(c, counter, er_slice_from(c->bytes, first), out + first))
			return -1;
	}
	return (long)c->bytes.n;
}

/* ---- GCM ---- */

static void one_block(const uint8_t in[BLOCK], uint8_t out[BLOCK], const void *key)
{
	EVP_CIPHER_CTX *ctx = (EVP_CIPHER_CTX *)(uintptr_t)key;
	int n = 0;
	ER_ASSERT(EVP_EncryptUpdate(ctx, out, &n, in, BLOCK) == 1 && n == BLOCK);
}

/* With a longer IV than OpenSSL's cipher takes: its GCM mode over single blocks. Slow, and nobody's
 * but test vectors'. */
static bool gcm_long(const cipher_call *c, er_slice text, uint8_t *out, uint8_t tag[static BLOCK])
{
	EVP_CIPHER_CTX *block = EVP_CIPHER_CTX_new();
	GCM128_CONTEXT *g = NULL;
	bool ok = block != NULL && EVP_EncryptInit_ex2(block, fetch(MODES, c->key.n), c->key.p, NULL, NULL) == 1 &&
	          EVP_CIPHER_CTX_set_padding(block, 0) == 1 && (g = CRYPTO_gcm128_new(block, one_block)) != NULL;
	if (ok) {
		CRYPTO_gcm128_setiv(g, c->iv.p, c->iv.n);
		ok = CRYPTO_gcm128_aad(g, c->extra.p, c->extra.n) == 0 &&
		     (c->encrypt ? CRYPTO_gcm128_encrypt(g, text.p, out, text.n) : CRYPTO_gcm128_decrypt(g, text.p, out, text.n)) == 0;
		CRYPTO_gcm128_tag(g, tag, BLOCK);
	}
	CRYPTO_gcm128_release(g);
	EVP_CIPHER_CTX_free(block);
	return ok;
}

/* `tag`: what was computed (encrypting), or what it has to be. */
static bool gcm_usual(const cipher_call *c, er_slice text, uint8_t *out, uint8_t tag[static BLOCK], size_t tag_n)
{
	int n;
	EVP_CIPHER_CTX *ctx = begin(c, c->cipher);
	bool ok = ctx != NULL && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)c->iv.n, NULL) == 1 &&
	          EVP_CipherInit_ex2(ctx, NULL, c->key.p, c->iv.p, c->encrypt, NULL) == 1 &&
	          (c->encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag_n, tag) == 1) &&
	          (c->extra.n == 0 || EVP_CipherUpdate(ctx, NULL, &n, c->extra.p, (int)c->extra.n) == 1) &&
	          through(ctx, text, out) == (long)text.n &&
	          (!c->encrypt || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, BLOCK, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static long gcm(const cipher_call *c, uint8_t *out)
{
	uint8_t tag[BLOCK];
	size_t tag_n = c->bits / 8;
	er_slice text = c->bytes;
	if (tag_n == 0 || tag_n > BLOCK || c->iv.n == 0 || c->extra.n > DATA_MOST)
		return -1;
	if (!c->encrypt) {
		if (text.n < tag_n)
			return -1;
		text.n -= tag_n;
		er_copy(tag, text.p + text.n, tag_n);
	}
	bool ok;
	if (c->iv.n <= IV_MOST) {
		ok = gcm_usual(c, text, out, tag, tag_n);
	} else {
		uint8_t made[BLOCK];
		ok = gcm_long(c, text, out, made) && (c->encrypt || CRYPTO_memcmp(made, tag, tag_n) == 0);
		er_copy(tag, made, c->encrypt ? BLOCK : 0);
	}
	if (ok && c->encrypt)
		er_copy(out + text.n, tag, tag_n);
	return !ok ? -1 : (long)(c->encrypt ? text.n + tag_n : text.n);
}

/* ---- the natives ---- */

static bool read_call(const er_args_encrypt *a, bool encrypt, unsigned *mode, cipher_call *c, er_value *exception)
{
	er_crypto_key *k = er_crypto_key_arg(a->key, ER_WANT_SECRET, exception);
	*c = (cipher_call){.encrypt = encrypt, .bits = er_js_to_u32(a->bits)};
	*mode = er_js_to_u32(a->mode);
	if (k == NULL || !er_crypto_bytes(a->iv, &c->iv, exception) || !er_crypto_bytes(a->extra, &c->extra, exception) ||
	    !er_crypto_bytes(a->bytes, &c->bytes, exception))
		return false;
	bool block = *mode == ER_AES_CBC || *mode == ER_AES_CTR;
	if (*mode >= MODES || (k->secret.n != 16 && k->secret.n != 24 && k->secret.n != 32) || (block && c->iv.n != BLOCK) ||
	    (*mode == ER_AES_CTR && (c->bits == 0 || c->bits > BLOCK * 8))) {
		er_js_throw(exception, "TypeError", "not what AES takes");
		return false;
	}
	c->key = k->secret;
	c->cipher = fetch(*mode, c->key.n);
	return true;
}

static long run(const cipher_call *c, unsigned mode, uint8_t *out)
{
	switch (mode) {
	case ER_AES_CTR:
		return ctr(c, out);
	case ER_AES_GCM:
		return gcm(c, out);
	default:
		return plain(c, mode == ER_AES_KW, out);
	}
}

/* How long the result is; SIZE_MAX: what is in it decides, or there is none. */
static size_t length_of(const cipher_call *c, unsigned mode)
{
	size_t n = c->bytes.n, more = mode == ER_AES_GCM ? c->bits / 8 : mode == ER_AES_KW ? 8 : 0;
	if (mode == ER_AES_CBC)
		return c->encrypt ? (n / BLOCK + 1) * BLOCK : SIZE_MAX;
	if (c->encrypt)
		return n + more;
	return n >= more ? n - more : SIZE_MAX;
}

/* Into memory of its own, for a length that is not known before. */
static er_value apart(const cipher_call *c, unsigned mode, er_value *exception)
{
	size_t room = c->bytes.n + 2 * (size_t)BLOCK;
	uint8_t *out = malloc(room);
	if (out == NULL)
		return er_js_throw(exception, "RangeError", "Out of memory");
	long n = run(c, mode, out);
	ER_ASSERT(n <= (long)room);
	er_value v = n >= 0 ? er_js_u8_copy(er_slice_of(out, (size_t)n), exception) : er_js_undefined();
	OPENSSL_cleanse(out, room);
	free(out);
	return v;
}

/* Undefined: OpenSSL does not, or what was to be decrypted is not authentic. */
static er_value cipher(const er_args_encrypt *a, bool encrypt, er_value *exception)
{
	cipher_call c;
	unsigned mode;
	uint8_t *out;
	if (!read_call(a, encrypt, &mode, &c, exception))
		return NULL;
	if (c.cipher == NULL || c.bytes.n > DATA_MOST || (mode == ER_AES_GCM && c.bits > BLOCK * 8))
		return er_js_undefined();
	size_t length = length_of(&c, mode);
	er_value v;
	if (length == SIZE_MAX) {
		v = apart(&c, mode, exception);
	} else if ((v = er_js_u8_new(length, &out, exception)) != NULL) {
		long n = run(&c, mode, out);
		ER_ASSERT(n < 0 || (size_t)n == length);
		if (n < 0) {
			OPENSSL_cleanse(out, length);
			v = er_js_undefined();
		}
	}
	ERR_clear_error();
	return v;
}

static_assert(sizeof(er_args_encrypt) == sizeof(er_args_decrypt), "the same arguments");

ER_NATIVE(encrypt)
{
	return cipher(a, true, exception);
}

ER_NATIVE(decrypt)
{
	return cipher((const er_args_encrypt *)(const void *)a, false, exception);
}
