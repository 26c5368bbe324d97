/* One pass over the content, a stretch at a time: `run` copies a stretch and hands it to the
 * encoder of the coding, until the encoder has written its end.
 *
 * Levels are those from which on a body costs several times the work for a few per cent. Windows:
 * 4 MiB at most, of which every decoder of a browser has more (RFC 7932 9.1; RFC 9659 3). */
#include "cache/compress.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

enum {
	STRETCH = 128 * 1024, /* a part of a body on disk is read once */
	GZIP_LEVEL = 6,
	GZIP_WINDOW = 15 + 16, /* with gzip's header */
	GZIP_MEMORY = 8,
	BROTLI_LEVEL = 5,
	ZSTD_LEVEL = 6,
	WINDOW_LOG_LEAST = 16,
	WINDOW_LOG_MOST = 22,
};

typedef struct input {
	const uint8_t *p;
	size_t n;
	bool last; /* nothing follows */
} input;

/* An encoder: `open` gives its state or NULL, `step` takes from the input and writes, until all is
 * taken (and, of the last input, all is written: *ended); false: it fails. */
typedef struct encoder {
	void *(*open)(uint64_t length);
	bool (*step)(void *state, input *in, er_buf *to, bool *ended);
	void (*close)(void *state);
} encoder;

/* No window is larger than what there is to look back at. */
static int window_log(uint64_t length)
{
	int log = WINDOW_LOG_LEAST;
	while (log < WINDOW_LOG_MOST && (1ULL << log) < length)
		log++;
	return log;
}

/* ---- gzip ---- */

static void *gzip_open(uint64_t length)
{
	(void)length;
	z_stream *z = er_zalloc(sizeof *z);
	if (deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
		return z;
	er_free(z);
	return NULL;
}

static bool gzip_step(void *state, input *in, er_buf *to, bool *ended)
{
	z_stream *z = state;
	z->next_in = (Bytef *)(uintptr_t)in->p;
	z->avail_in = (uInt)in->n;
	z->next_out = er_buf_reserve(to, STRETCH);
	z->avail_out = STRETCH;
	int rc = deflate(z, in->last ? Z_FINISH : Z_NO_FLUSH);
	er_buf_wrote(to, STRETCH - z->avail_out);
	in->p = z->next_in;
	in->n = z->avail_in;
	*ended = rc == Z_STREAM_END;
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static void gzip_close(void *state)
{
	deflateEnd(state);
	er_free(state);
}

/* ---- Brotli ---- */

static void *brotli_open(uint64_t length)
{
	BrotliEncoderState *b = BrotliEncoderCreateInstance(NULL, NULL, NULL);
	bool ok = b != NULL && BrotliEncoderSetParameter(b, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) == BROTLI_TRUE &&
	          BrotliEncoderSetParameter(b, BROTLI_PARAM_LGWIN, (uint32_t)window_log(length)) == BROTLI_TRUE &&
	          BrotliEncoderSetParameter(b, BROTLI_PARAM_SIZE_HINT, (uint32_t)length) == BROTLI_TRUE;
	if (ok)
		return b;
	BrotliEncoderDestroyInstance(b);
	return NULL;
}

static bool brotli_step(void *state, input *in, er_buf *to, bool *ended)
{
	BrotliEncoderState *b = state;
	size_t room = STRETCH;
	uint8_t *out = er_buf_reserve(to, STRETCH);
	BrotliEncoderOperation what = in->last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
	bool ok = BrotliEncoderCompressStream(b, what, &in->n, &in->p, &room, &out, NULL) == BROTLI_TRUE;
	er_buf_wrote(to, STRETCH - room);
	*ended = ok && BrotliEncoderIsFinished(b) == BROTLI_TRUE;
	return ok;
}

static void brotli_close(void *state)
{
	BrotliEncoderDestroyInstance(state);
}

/* ---- Zstandard ---- */

static void *zstd_open(uint64_t length)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	bool ok = z != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
	          !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log(length))) &&
	          !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(z, length));
	if (ok)
		return z;
	ZSTD_freeCCtx(z);
	return NULL;
}

static bool zstd_step(void *state, input *in, er_buf *to, bool *ended)
{
	ZSTD_inBuffer from = {in->p, in->n, 0};
	ZSTD_outBuffer out = {er_buf_reserve(to, STRETCH), STRETCH, 0};
	size_t left = ZSTD_compressStream2(state, &out, &from, in->last ? ZSTD_e_end : ZSTD_e_continue);
	er_buf_wrote(to, out.pos);
	in->p += from.pos;
	in->n -= from.pos;
	*ended = in->last && left == 0;
	return !ZSTD_isError(left);
}

static void zstd_close(void *state)
{
	ZSTD_freeCCtx(state);
}

/* ---- all ---- */

static const encoder encoders[ER_CODINGS] = {
    [ER_CODING_BR] = {brotli_open, brotli_step, brotli_close},
    [ER_CODING_ZSTD] = {zstd_open, zstd_step, zstd_close},
    [ER_CODING_GZIP] = {gzip_open, gzip_step, gzip_close},
};

/* Hands one stretch to the encoder. */
static er_form_end put(const encoder *e, void *state, input in, size_t most, er_buf *to, bool *ended)
{
	do {
		if (!e->step(state, &in, to, ended))
			return ER_FORM_NOT_NOW;
		if (er_buf_len(to) > most)
			return ER_FORM_WORTHLESS;
	} while (in.n > 0 || (in.last && !*ended));
	return ER_FORM_MADE;
}

static er_form_end run(const encoder *e, void *state, er_content *from, size_t most, const bool *stop, er_buf *to)
{
	uint8_t *stretch = er_alloc(STRETCH);
	uint64_t length = er_content_length(from), at = 0;
	er_form_end how = ER_FORM_MADE;
	for (bool ended = false; how == ER_FORM_MADE && !ended;) {
		size_t n = length - at < STRETCH ? (size_t)(length - at) : STRETCH;
		if (__atomic_load_n(stop, __ATOMIC_RELAXED) || !er_content_fetch(from, at, stretch, n))
			how = ER_FORM_NOT_NOW;
		at += n;
		if (how == ER_FORM_MADE)
			how = put(e, state, (input){stretch, n, at == length}, most, to, &ended);
	}
	er_free(stretch);
	return how;
}

er_form_end er_compress(er_coding coding, er_content *from, size_t most, const bool *stop, er_buf *to)
{
	ER_ASSERT(coding < ER_CODINGS && er_content_whole(from));
	const encoder *e = &encoders[coding];
	void *state = e->open(er_content_length(from));
	if (state == NULL)
		return ER_FORM_NOT_NOW;
	er_form_end how = run(e, state, from, most, stop, to);
	e->close(state);
	return how;
}
