/* What CompressionStream and DecompressionStream run on: zlib, brotli and zstd as streams.
 *
 * A coder is an object of C with a handle that JavaScript holds (er_js_handle). It lives until
 * JavaScript frees it (coderFree) or the collector takes the handle. JavaScript gives it one chunk
 * at a time and calls `code` until that says undefined:
 *
 *    code(chunk) ──► up to OUT_MAX bytes ──► code(chunk) ──► ... ──► undefined: the chunk is used up
 *
 * A call makes OUT_MAX bytes at most, so that a few bytes that stand for gigabytes wait until a
 * reader wants more. What the libraries have for a coder is told to the collector as the handle's
 * cost, and what they take later (brotli, zstd: windows as large as the data wishes) after the call
 * that took it. It is memory of the process like any other; if there is none, the routine gets an
 * exception. A coder that has failed stays failed. */
#include "sandbox/api/api.h"

#include "base/mem.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
	OUT_MAX = 64 * 1024, /* bytes of one call */
	GZIP_WINDOW = 15 + 16,
	ZLIB_WINDOW = 15,
	RAW_WINDOW = -15,
	ZLIB_MEMORY = 8,
	BROTLI_LEVEL = 5,
	BROTLI_WINDOW = 20,
	ZSTD_LEVEL = 3,
	ZSTD_WINDOW_MAX = 23, /* 8 MB: RFC 9659 */
};

typedef struct coder coder;
/* One format in one direction. */
typedef struct coder_kind {
	const char *name;
	int window;  /* zlib's */
	size_t cost; /* bytes that the library holds for a new one, about */
	bool frames; /* behind the end another may begin (RFC 8878 3) */
	bool (*open)(coder *c);
	void (*close)(coder *c);
	/* Reads from c->in, writes to c->out, as far as either goes. False: the data is bad. */
	bool (*step)(coder *c, bool finish);
	size_t (*size)(const coder *c); /* bytes that the library holds now; NULL: always `cost` */
} coder_kind;

struct coder {
	er_held held; /* by the stream alone: it has no request */
	const coder_kind *kind;
	union {
		z_stream z;
		BrotliEncoderState *brotli_enc;
		BrotliDecoderState *brotli_dec;
		ZSTD_CStream *zstd_enc;
		ZSTD_DStream *zstd_dec;
	} u;
	size_t size;     /* of brotli: bytes that the library holds */
	size_t told;     /* the collector knows of so many */
	size_t at;       /* of the present chunk: so much is used up */
	er_slice in;     /* the rest of it, during a call */
	uint8_t *out;    /* where the next byte goes, during a call */
	size_t room;     /* bytes behind it */
	bool ended, bad; /* the format's end was reached; it has failed */
	bool full;       /* the last call filled its room: there may be more without input */
};

static void took(coder *c, size_t read, size_t written)
{
	ER_ASSERT(read <= c->in.n && written <= c->room);
	c->in = er_slice_from(c->in, read);
	c->out += written;
	c->room -= written;
}

/* brotli does not say how much it holds: each block has its size in front. */
enum { BLOCK_HEAD = alignof(max_align_t) };

static void *block_new(void *ctx, size_t n)
{
	coder *c = ctx;
	uint8_t *block = n <= SIZE_MAX - BLOCK_HEAD ? malloc(BLOCK_HEAD + n) : NULL;
	if (block == NULL)
		return NULL;
	er_copy(block, (const uint8_t *)&n, sizeof n);
	c->size += n;
	return block + BLOCK_HEAD;
}

static void block_free(void *ctx, void *p)
{
	coder *c = ctx;
	if (p == NULL)
		return;
	uint8_t *block = (uint8_t *)p - BLOCK_HEAD;
	size_t n;
	er_copy((uint8_t *)&n, block, sizeof n);
	ER_ASSERT(n <= c->size);
	c->size -= n;
	free(block);
}

static size_t brotli_size(const coder *c)
{
	return c->size;
}

/* ---- zlib ---- */

static bool deflate_open(coder *c)
{
	return deflateInit2(&c->u.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, c->kind->window, ZLIB_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
}

static void deflate_close(coder *c)
{
	(void)deflateEnd(&c->u.z);
}

static bool inflate_open(coder *c)
{
	return inflateInit2(&c->u.z, c->kind->window) == Z_OK;
}

static void inflate_close(coder *c)
{
	(void)inflateEnd(&c->u.z);
}

/* zlib counts in unsigned int: more than that at once waits for the next step. */
static void zlib_give(coder *c)
{
	c->u.z.next_in = (Bytef *)(uintptr_t)c->in.p;
	c->u.z.avail_in = (uInt)(c->in.n < UINT32_MAX / 2 ? c->in.n : UINT32_MAX / 2);
	c->u.z.next_out = c->out;
	c->u.z.avail_out = (uInt)c->room;
}

static void zlib_took(coder *c)
{
	took(c, (size_t)(c->u.z.next_in - c->in.p), (size_t)(c->u.z.next_out - c->out));
}

static bool deflate_step(coder *c, bool finish)
{
	zlib_give(c);
	bool last = finish && c->u.z.avail_in == c->in.n;
	int rc = deflate(&c->u.z, last ? Z_FINISH : Z_NO_FLUSH);
	zlib_took(c);
	c->ended = rc == Z_STREAM_END;
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static bool inflate_step(coder *c, bool finish)
{
	(void)finish;
	zlib_give(c);
	int rc = inflate(&c->u.z, Z_NO_FLUSH);
	zlib_took(c);
	c->ended = rc == Z_STREAM_END;
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

/* ---- brotli ---- */

static bool brotli_enc_open(coder *c)
{
	BrotliEncoderState *b = BrotliEncoderCreateInstance(block_new, block_free, c);
	c->u.brotli_enc = b;
	return b != NULL && BrotliEncoderSetParameter(b, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) == BROTLI_TRUE &&
	       BrotliEncoderSetParameter(b, BROTLI_PARAM_LGWIN, BROTLI_WINDOW) == BROTLI_TRUE;
}

static void brotli_enc_close(coder *c)
{
	BrotliEncoderDestroyInstance(c->u.brotli_enc);
}

static bool brotli_enc_step(coder *c, bool finish)
{
	size_t in_n = c->in.n, room = c->room;
	const uint8_t *in = c->in.p;
	uint8_t *out = c->out;
	BrotliEncoderOperation op = finish ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
	bool ok = BrotliEncoderCompressStream(c->u.brotli_enc, op, &in_n, &in, &room, &out, NULL) == BROTLI_TRUE;
	took(c, c->in.n - in_n, c->room - room);
	c->ended = BrotliEncoderIsFinished(c->u.brotli_enc) == BROTLI_TRUE;
	return ok;
}

static bool brotli_dec_open(coder *c)
{
	c->u.brotli_dec = BrotliDecoderCreateInstance(block_new, block_free, c);
	return c->u.brotli_dec != NULL;
}

static void brotli_dec_close(coder *c)
{
	BrotliDecoderDestroyInstance(c->u.brotli_dec);
}

static bool brotli_dec_step(coder *c, bool finish)
{
	(void)finish;
	size_t in_n = c->in.n, room = c->room;
	const uint8_t *in = c->in.p;
	uint8_t *out = c->out;
	BrotliDecoderResult rc = BrotliDecoderDecompressStream(c->u.brotli_dec, &in_n, &in, &room, &out, NULL);
	took(c, c->in.n - in_n, c->room - room);
	c->ended = rc == BROTLI_DECODER_RESULT_SUCCESS;
	return rc != BROTLI_DECODER_RESULT_ERROR;
}

/* ---- zstd ---- */

static bool zstd_enc_open(coder *c)
{
	c->u.zstd_enc = ZSTD_createCStream();
	return c->u.zstd_enc != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(c->u.zstd_enc, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(c->u.zstd_enc, ZSTD_c_checksumFlag, 1));
}

static void zstd_enc_close(coder *c)
{
	(void)ZSTD_freeCStream(c->u.zstd_enc);
}

static bool zstd_enc_step(coder *c, bool finish)
{
	ZSTD_inBuffer in = {.src = c->in.p, .size = c->in.n};
	ZSTD_outBuffer out = {.dst = c->out, .size = c->room};
	size_t left = ZSTD_compressStream2(c->u.zstd_enc, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);
	took(c, in.pos, out.pos);
	c->ended = finish && left == 0;
	return !ZSTD_isError(left);
}

static bool zstd_dec_open(coder *c)
{
	c->u.zstd_dec = ZSTD_createDStream();
	return c->u.zstd_dec != NULL && !ZSTD_isError(ZSTD_DCtx_setParameter(c->u.zstd_dec, ZSTD_d_windowLogMax, ZSTD_WINDOW_MAX));
}

static void zstd_dec_close(coder *c)
{
	(void)ZSTD_freeDStream(c->u.zstd_dec);
}

static bool zstd_dec_step(coder *c, bool finish)
{
	(void)finish;
	ZSTD_inBuffer in = {.src = c->in.p, .size = c->in.n};
	ZSTD_outBuffer out = {.dst = c->out, .size = c->room};
	size_t left = ZSTD_decompressStream(c->u.zstd_dec, &out, &in);
	took(c, in.pos, out.pos);
	c->ended = left == 0;
	return !ZSTD_isError(left);
}

static size_t zstd_enc_size(const coder *c)
{
	return ZSTD_sizeof_CStream(c->u.zstd_enc);
}

static size_t zstd_dec_size(const coder *c)
{
	return ZSTD_sizeof_DStream(c->u.zstd_dec);
}

/* ---- all of them ---- */

static const coder_kind encoders[] = {
    {"gzip", GZIP_WINDOW, 268 * 1024, false, deflate_open, deflate_close, deflate_step, NULL},
    {"deflate", ZLIB_WINDOW, 268 * 1024, false, deflate_open, deflate_close, deflate_step, NULL},
    {"deflate-raw", RAW_WINDOW, 268 * 1024, false, deflate_open, deflate_close, deflate_step, NULL},
    {"brotli", 0, 3 << 20, false, brotli_enc_open, brotli_enc_close, brotli_enc_step, brotli_size},
    {"zstd", 0, 3 << 20, false, zstd_enc_open, zstd_enc_close, zstd_enc_step, zstd_enc_size},
};
static const coder_kind decoders[] = {
    {"gzip", GZIP_WINDOW, 44 * 1024, false, inflate_open, inflate_close, inflate_step, NULL},
    {"deflate", ZLIB_WINDOW, 44 * 1024, false, inflate_open, inflate_close, inflate_step, NULL},
    {"deflate-raw", RAW_WINDOW, 44 * 1024, false, inflate_open, inflate_close, inflate_step, NULL},
    {"brotli", 0, 256 * 1024, false, brotli_dec_open, brotli_dec_close, brotli_dec_step, brotli_size},
    {"zstd", 0, 256 * 1024, true, zstd_dec_open, zstd_dec_close, zstd_dec_step, zstd_dec_size},
};
static_assert(sizeof encoders == sizeof decoders, "each format goes both ways");

static bool decodes(const coder *c)
{
	return c->kind >= decoders && c->kind < decoders + sizeof decoders / sizeof *decoders;
}

static void coder_end(er_held *h)
{
	coder *c = ER_CONTAINER(h, coder, held);
	er_held_fini(h);
	c->kind->close(c);
	er_free(c);
}

const er_held_ops er_held_ops_coder = {.end = coder_end};

static const coder_kind *kind_of(er_slice format, bool decode)
{
	const coder_kind *kinds = decode ? decoders : encoders;
	for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++)
		if (er_slice_eq(format, er_slice_cstr(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

ER_NATIVE(coderNew)
{
	er_text t;
	if (!er_js_utf8(a->format, &t, exception))
		return NULL;
	const coder_kind *k = kind_of(er_text_slice(&t), er_js_to_bool(a->decode));
	er_text_fini(&t);
	if (k == NULL)
		return er_js_number(0);
	coder *c = ER_NEW(coder);
	*c = (coder){.kind = k};
	if (!k->open(c)) {
		k->close(c);
		er_free(c);
		return er_js_throw(exception, "RangeError", "Out of memory");
	}
	er_held_init(&c->held, ER_HELD_coder, NULL);
	c->told = k->cost;
	return er_js_handle(&c->held, sizeof *c + k->cost);
}

static coder *coder_arg(er_value v)
{
	er_held *h = er_js_handle_of(v, ER_HELD_coder);
	return h != NULL ? ER_CONTAINER(h, coder, held) : NULL;
}

/* At once, not only when it is collected. */
ER_NATIVE(coderFree)
{
	coder *c = coder_arg(a->handle);
	if (c != NULL)
		er_held_end(&c->held);
	return er_js_undefined();
}

static const char JUNK[] = "There is something behind the end of the compressed data";

/* What is there has been read behind, and may not be. */
static bool junk(const coder *c)
{
	return c->ended && c->in.n > 0 && !c->kind->frames;
}

/* Fills the room as far as there is input or, at the end, as far as the format's end. */
static bool fill(coder *c, bool finish)
{
	bool on = true;
	while (on) {
		size_t in = c->in.n, room = c->room;
		if (!c->kind->step(c, finish))
			return false;
		on = c->room > 0 && !junk(c) && !(c->ended && c->in.n == 0) && (c->in.n < in || c->room < room);
	}
	return true;
}

/* Says what is wrong, or NULL. *out: what it made of the chunk, OUT_MAX bytes at most. */
static const char *code(coder *c, er_slice chunk, bool finish, uint8_t *buffer, er_slice *out)
{
	*out = er_slice_of(buffer, 0);
	c->in = er_slice_from(chunk, c->at < chunk.n ? c->at : chunk.n);
	c->out = buffer;
	c->room = OUT_MAX;
	if (junk(c))
		return JUNK;
	if (c->in.n > 0 || (!c->ended && (c->full || (finish && !decodes(c))))) {
		if (!fill(c, finish))
			return "The compressed data is not valid";
	}
	c->full = c->room == 0;
	*out = er_slice_of(buffer, OUT_MAX - c->room);
	c->at = out->n > 0 ? chunk.n - c->in.n : 0;
	if (out->n > 0)
		return NULL;
	if (junk(c))
		return JUNK;
	return finish && decodes(c) && !c->ended ? "The compressed data is cut" : NULL;
}

/* What the library has taken since the collector was told of it. */
static void tell(coder *c)
{
	size_t now = c->kind->size != NULL ? c->kind->size(c) : 0;
	if (now <= c->told)
		return;
	er_js_cost(&c->held, now - c->told);
	c->told = now;
}

ER_NATIVE(code)
{
	static uint8_t buffer[OUT_MAX]; /* no page of it is there before the first coder runs */
	coder *c = coder_arg(a->handle);
	er_slice chunk, out;
	if (c == NULL || c->bad)
		return er_js_throw(exception, "TypeError", "code: no such coder");
	if (!er_js_bytes(a->bytes, &chunk))
		chunk = (er_slice){(const uint8_t *)"", 0};
	const char *wrong = code(c, chunk, er_js_to_bool(a->finish), buffer, &out);
	c->in = (er_slice){NULL, 0}; /* the chunk is JavaScript's again */
	tell(c);
	c->out = NULL;
	if (wrong != NULL) {
		c->bad = true;
		return er_js_throw(exception, "TypeError", wrong);
	}
	return out.n > 0 ? er_js_u8_copy(out, exception) : er_js_undefined();
}
