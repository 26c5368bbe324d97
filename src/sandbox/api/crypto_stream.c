/* Ciphers that are fed piece by piece, for node:crypto. A cipher is a record of C that JavaScript
 * knows by an object; it lives until the collector takes the object, and its key schedule is wiped
 * then. It is fed (cipherRun), ended once (cipherFinal), and spent from then on. */
#include "sandbox/api/crypto.h"

#include "base/mem.h"

#include <openssl/err.h>

typedef struct cipher {
	er_held held; /* by its object alone */
	EVP_CIPHER_CTX *ctx;
	bool spent;
} cipher;

/* Names of Node, which OpenSSL knows. */
static const char *const names[] = {
    "aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-ctr", "aes-192-ctr", "aes-256-ctr", "aes-128-ecb",       "aes-192-ecb",
    "aes-256-ecb", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm", "aes-128-cfb", "aes-192-cfb", "aes-256-cfb",       "aes-128-ofb",
    "aes-192-ofb", "aes-256-ofb", "aes-128-ocb", "aes-192-ocb", "aes-256-ocb", "chacha20",    "chacha20-poly1305", "des-ede3-cbc",
};
enum { CONTEXT_COST = 1024, PIECE_MOST = 1 << 30, TAG_MOST = 16 };

static void cipher_end(er_held *h)
{
	cipher *c = ER_CONTAINER(h, cipher, held);
	er_held_fini(h);
	EVP_CIPHER_CTX_free(c->ctx);
	er_free(c);
}

const er_held_ops er_held_ops_cipher = {.end = cipher_end};

static EVP_CIPHER *find(er_slice name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (er_slice_eq(name, er_slice_cstr(names[i])))
			return EVP_CIPHER_fetch(NULL, names[i], NULL);
	return NULL;
}

static bool authenticates(const EVP_CIPHER *c)
{
	return EVP_CIPHER_get_flags(c) & EVP_CIPH_FLAG_AEAD_CIPHER;
}

/* An AEAD takes IVs of other lengths than its own; what OCB writes for a tag is set before the
 * key. */
static bool begin(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *c, bool encrypt, er_slice key, er_slice iv, uint32_t tag)
{
	if (EVP_CipherInit_ex2(ctx, c, NULL, NULL, encrypt, NULL) != 1)
		return false;
	if (authenticates(c) && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.n, NULL) != 1)
		return false;
	if (EVP_CIPHER_get_mode(c) == EVP_CIPH_OCB_MODE && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag, NULL) != 1)
		return false;
	return EVP_CipherInit_ex2(ctx, NULL, key.p, iv.n > 0 ? iv.p : NULL, encrypt, NULL) == 1;
}

static er_value throw_for(er_value *exception, const char *what)
{
	ERR_clear_error();
	return er_js_throw(exception, "RangeError", what);
}

/* The lengths are checked before OpenSSL reads that many bytes. */
static const char *unfit(const EVP_CIPHER *c, er_slice key, er_slice iv, uint32_t tag)
{
	if ((size_t)EVP_CIPHER_get_key_length(c) != key.n)
		return "key";
	if (authenticates(c) ? iv.n == 0 || iv.n > 128 : (size_t)EVP_CIPHER_get_iv_length(c) != iv.n)
		return "iv";
	return tag > TAG_MOST ? "tag" : NULL;
}

/* Undefined: there is no such cipher. */
static er_value make(EVP_CIPHER *c, bool encrypt, er_slice key, er_slice iv, uint32_t tag, er_value *exception)
{
	const char *wrong = unfit(c, key, iv, tag);
	if (wrong != NULL)
		return throw_for(exception, wrong);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL || !begin(ctx, c, encrypt, key, iv, tag)) {
		EVP_CIPHER_CTX_free(ctx);
		return throw_for(exception, "iv");
	}
	cipher *made = ER_NEW(cipher);
	*made = (cipher){.ctx = ctx};
	er_held_init(&made->held, ER_HELD_cipher, NULL);
	return er_js_handle(&made->held, sizeof *made + CONTEXT_COST);
}

ER_NATIVE(cipherNew)
{
	er_text t;
	er_slice key, iv;
	if (!er_crypto_bytes(a->key, &key, exception) || !er_crypto_bytes(a->iv, &iv, exception) ||
	    !er_js_utf8(a->name, &t, exception))
		return NULL;
	er_crypto_start();
	EVP_CIPHER *c = find(er_text_slice(&t));
	er_text_fini(&t);
	if (c == NULL)
		return er_js_undefined();
	er_value v = make(c, er_js_to_bool(a->encrypt), key, iv, er_js_to_u32(a->tag), exception);
	EVP_CIPHER_free(c);
	return v;
}

static cipher *cipher_arg(er_value v, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_cipher);
	cipher *c = h != NULL ? ER_CONTAINER(h, cipher, held) : NULL;
	if (c == NULL)
		er_js_throw(exception, "TypeError", "no cipher");
	return c;
}

/* Undefined: OpenSSL refuses, or it is spent. */
ER_NATIVE(cipherRun)
{
	er_slice in;
	uint8_t *out = NULL;
	cipher *c = cipher_arg(a->handle, exception);
	if (c == NULL || !er_crypto_bytes(a->bytes, &in, exception))
		return NULL;
	bool extra = er_js_to_bool(a->extra);
	if (c->spent || in.n > PIECE_MOST)
		return er_js_undefined();
	size_t room = in.n + EVP_MAX_BLOCK_LENGTH;
	er_value v = extra ? er_js_undefined() : er_js_u8_new(room, &out, exception);
	int n = 0;
	if (v == NULL)
		return NULL;
	bool ok = EVP_CipherUpdate(c->ctx, out, &n, in.p, (int)in.n) == 1;
	ERR_clear_error();
	ER_ASSERT(extra || (n >= 0 && (size_t)n <= room));
	if (!ok || extra)
		return ok ? er_js_bool(true) : er_js_undefined();
	return er_js_u8_copy(er_slice_of(out, (size_t)n), exception);
}

/* Undefined: the padding or the tag is wrong, or the last block is not whole. */
ER_NATIVE(cipherFinal)
{
	uint8_t out[EVP_MAX_BLOCK_LENGTH];
	int n = 0;
	cipher *c = cipher_arg(a->handle, exception);
	if (c == NULL)
		return NULL;
	bool ok = !c->spent && EVP_CipherFinal_ex(c->ctx, out, &n) == 1;
	c->spent = true;
	ERR_clear_error();
	return ok ? er_js_u8_copy(er_slice_of(out, (size_t)n), exception) : er_js_undefined();
}

/* `tag` bytes: the one to be found; a number: so many bytes of the one that was made. */
ER_NATIVE(cipherTag)
{
	er_slice tag;
	uint8_t *out;
	cipher *c = cipher_arg(a->handle, exception);
	if (c == NULL)
		return NULL;
	/* others take the question for granted */
	if (!authenticates(EVP_CIPHER_CTX_get0_cipher(c->ctx)))
		return er_js_undefined();
	if (er_js_bytes(a->tag, &tag)) {
		bool ok =
		    tag.n <= TAG_MOST && EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.n, (void *)(uintptr_t)tag.p) == 1;
		ERR_clear_error();
		return er_js_bool(ok);
	}
	uint32_t n = er_js_to_u32(a->tag);
	if (n == 0 || n > TAG_MOST)
		return er_js_undefined();
	er_value v = er_js_u8_new(n, &out, exception);
	if (v == NULL)
		return NULL;
	bool ok = EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, (int)n, out) == 1;
	ERR_clear_error();
	return ok ? v : er_js_undefined();
}

ER_NATIVE(cipherPadding)
{
	cipher *c = cipher_arg(a->handle, exception);
	if (c == NULL)
		return NULL;
	return er_js_bool(!c->spent && EVP_CIPHER_CTX_set_padding(c->ctx, er_js_to_bool(a->on)) == 1);
}
