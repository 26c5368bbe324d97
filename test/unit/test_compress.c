/* Coded forms: what an encoder writes is what was stored, a form is made once, counted, and never
 * outlives its response. */
#include "base/mem.h"
#include "cache/compress.h"
#include "cache/compressor.h"
#include "cache/fill.h"

#include <brotli/decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "until.h"

#include <zlib.h>
#include <zstd.h>

/* ---- bodies ---- */

/* Text of n bytes, or noise. */
static uint8_t *bytes_of(size_t n, bool noise)
{
	uint8_t *p = er_alloc(n + 1);
	uint64_t random = n;
	for (size_t i = 0; i < n; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		p[i] = noise ? (uint8_t)(random >> 56) : (uint8_t)("the same words "[i % 15] + (i % 997 == 0 ? 1 : 0));
	}
	return p;
}

/* In pieces, as it may have come. */
static er_content *content(const uint8_t *p, size_t n, size_t piece)
{
	er_content *c = er_content_new();
	for (size_t at = 0; at < n; at += piece)
		er_content_write(c, er_piece_copy(er_slice_of(p + at, n - at < piece ? n - at : piece)));
	er_content_end(c, ER_ERR_OK);
	return c;
}

static bool decoded(er_coding coding, er_slice in, uint8_t *out, size_t n)
{
	size_t got = n;
	if (coding == ER_CODING_BR)
		return BrotliDecoderDecompress(in.n, in.p, &got, out) == BROTLI_DECODER_RESULT_SUCCESS && got == n;
	if (coding == ER_CODING_ZSTD)
		return ZSTD_decompress(out, n, in.p, in.n) == n;
	z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n, .next_out = out, .avail_out = (uInt)n};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	bool ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == n && z.avail_in == 0;
	inflateEnd(&z);
	return ok;
}

/* ---- encoders ---- */

static void what_is_compressed_is_what_was_stored(void **state)
{
	(void)state;
	static const struct {
		size_t n, piece;
	} cases[] = {
	    {0, 1}, {1, 1}, {1024, 100}, {64 * 1024, 64 * 1024}, {64 * 1024 + 1, 5000}, {700 * 1000, 128 * 1024}, {5 << 20, 1 << 20}};
	const bool stop = false;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int noise = 0; noise < 2; noise++)
			for (er_coding coding = 0; coding < ER_CODINGS; coding++) {
				size_t n = cases[i].n;
				uint8_t *p = bytes_of(n, noise), *back = er_alloc(n + 1);
				er_content *c = content(p, n, cases[i].piece);
				er_buf out = {0};
				assert_int_equal(er_compress(coding, c, n + n / 10 + 100, &stop, &out), ER_FORM_MADE);
				assert_true(decoded(coding, er_buf_slice(&out), back, n));
				assert_memory_equal(p, back, n);
				assert_true(noise || n < 1000 || er_buf_len(&out) < n / 4);
				er_buf_fini(&out);
				er_content_unref(c);
				er_free(p);
				er_free(back);
			}
}

static void what_grows_too_long_is_given_up(void **state)
{
	(void)state;
	enum { N = 4 << 20, MOST = 1 << 20 };
	const bool go_on = false, stop = true;
	uint8_t *noise = bytes_of(N, true);
	er_content *c = content(noise, N, 1 << 18);
	for (er_coding coding = 0; coding < ER_CODINGS; coding++) {
		er_buf out = {0};
		assert_int_equal(er_compress(coding, c, MOST, &go_on, &out), ER_FORM_WORTHLESS);
		assert_true(er_buf_len(&out) < 3 * MOST); /* an encoder has a block in hand */
		er_buf_clear(&out);
		assert_int_equal(er_compress(coding, c, 2 * N, &stop, &out), ER_FORM_NOT_NOW);
		er_buf_fini(&out);
	}
	er_content_unref(c);
	er_free(noise);
}

/* ---- forms ---- */

static void a_form_is_made_once_and_counts_as_memory(void **state)
{
	(void)state;
	er_content *c = content((const uint8_t *)"0123456789", 10, 3), *form = content((const uint8_t *)"short", 5, 5);
	assert_null(er_content_form(c, ER_CODING_BR));
	assert_true(er_content_form_begin(c, ER_CODING_BR));
	assert_false(er_content_form_begin(c, ER_CODING_BR)); /* somebody makes one */
	assert_true(er_content_form_begin(c, ER_CODING_GZIP));
	er_content_form_end(c, ER_CODING_GZIP, ER_FORM_WORTHLESS, NULL);
	assert_false(er_content_form_begin(c, ER_CODING_GZIP)); /* for good */
	assert_true(er_content_form_begin(c, ER_CODING_ZSTD));
	er_content_form_end(c, ER_CODING_ZSTD, ER_FORM_NOT_NOW, NULL);
	assert_true(er_content_form_begin(c, ER_CODING_ZSTD)); /* another time */
	er_content_form_end(c, ER_CODING_ZSTD, ER_FORM_NOT_NOW, NULL);
	assert_int_equal(er_content_memory(c), 10);
	er_content_form_end(c, ER_CODING_BR, ER_FORM_MADE, form);
	assert_int_equal(er_content_memory(c), 15);
	assert_int_equal(er_content_forms(c), 1u << ER_CODING_BR);
	er_content *found = er_content_form(c, ER_CODING_BR);
	assert_ptr_equal(found, form);
	er_content_form_lost(c, ER_CODING_BR, c); /* another one: says nothing of this */
	assert_int_equal(er_content_forms(c), 1u << ER_CODING_BR);
	er_content_form_lost(c, ER_CODING_BR, found);
	assert_int_equal(er_content_forms(c), 0);
	assert_int_equal(er_content_memory(c), 10);
	assert_true(er_content_form_begin(c, ER_CODING_BR));
	er_content_form_end(c, ER_CODING_BR, ER_FORM_MADE, form);
	er_content_unref(found);
	er_content_unref(form);
	er_content_unref(c);
}

/* ---- the compressor ---- */

static er_stored *page(const char *key, uint64_t hash, er_content *c)
{
	er_arena a = {0};
	er_fields request = {0}, response = {0};
	er_fields_add(&response, &a, ER_LIT("Content-Type"), ER_LIT("text/html"));
	er_freshness fresh = {.lifetime = 100};
	er_stored *s = er_stored_new(er_slice_cstr(key), hash, &request, 200, ER_LIT("OK"), &response, &response, &fresh, c,
	                             (int64_t)er_content_length(c), NULL);
	er_arena_fini(&a);
	return s;
}

static void turn(er_compressor *c)
{
	(void)c;
	turn_pause();
}

static void many_that_want_a_form_have_it_made_once(void **state)
{
	(void)state;
	enum { N = 300 * 1000 };
	er_index *ix = er_index_new(64 << 20);
	er_compressor *z = er_compressor_new(ix, NULL, 4);
	uint8_t *text = bytes_of(N, false), *noise = bytes_of(N, true);
	er_content *c = content(text, N, 50000), *n = content(noise, N, 50000), *tiny = content(text, 1000, 1000);
	er_stored *s = page("text", 1, c), *t = page("noise", 2, n), *u = page("tiny", 3, tiny);
	assert_true(er_index_put(ix, s, NULL));
	uint64_t before = er_index_statistics(ix).bytes;
	for (int i = 0; i < 100; i++) {
		er_compressor_want(z, s, ER_CODING_BR);
		er_compressor_want(z, t, ER_CODING_ZSTD);
		er_compressor_want(z, u, ER_CODING_GZIP);
	}
	UNTIL(z, er_compressor_idle(z));
	for (int i = 0; i < 100; i++)
		er_compressor_want(z, t, ER_CODING_ZSTD);
	UNTIL(z, er_compressor_idle(z));
	er_compressor_stats all = er_compressor_statistics(z);
	assert_int_equal(all.made[ER_CODING_BR], 1);
	assert_int_equal(all.made[ER_CODING_ZSTD] + all.made[ER_CODING_GZIP], 0);
	assert_int_equal(all.worthless, 1);
	assert_int_equal(all.bytes_in, N);
	er_content *form = er_content_form(c, ER_CODING_BR);
	assert_int_equal(er_content_length(form), all.bytes_out);
	assert_int_equal(er_index_statistics(ix).bytes, before + all.bytes_out);
	er_content_unref(form);
	er_compressor_free(z);
	er_stored_unref(s), er_stored_unref(t), er_stored_unref(u);
	er_content_unref(c), er_content_unref(n), er_content_unref(tiny);
	er_free(text), er_free(noise);
	er_index_free(ix);
}

/* A renewal has the content of what it renews, and a form that comes later counts for it, too. */
static void a_form_counts_for_a_renewed_response(void **state)
{
	(void)state;
	enum { N = 100 * 1000 };
	er_index *ix = er_index_new(64 << 20);
	uint8_t *text = bytes_of(N, false);
	er_content *c = content(text, N, N), *form = content(text, 5000, 5000);
	er_stored *s = page("text", 1, c);
	er_fields request = {0}, update = {0};
	er_stored *renewed = er_stored_renew(s, &request, &update, 0, 0, NULL);
	assert_true(er_index_put(ix, renewed, NULL));
	uint64_t before = er_index_statistics(ix).bytes;
	assert_true(er_content_form_begin(c, ER_CODING_BR));
	er_content_form_end(c, ER_CODING_BR, ER_FORM_MADE, form);
	er_keep_form(ix, NULL, s, ER_CODING_BR); /* is not in the index */
	assert_int_equal(er_index_statistics(ix).bytes, before);
	for (int i = 0; i < 3; i++) {
		er_keep_form(ix, NULL, renewed, ER_CODING_BR);
		assert_int_equal(er_index_statistics(ix).bytes, before + 5000);
	}
	er_stored_unref(s), er_stored_unref(renewed);
	er_content_unref(c), er_content_unref(form);
	er_free(text);
	er_index_free(ix);
}

/* More pages of one site than it may have compressed at once; and an end before they are. */
static void what_waits_is_bounded_and_an_end_leaves_it_undone(void **state)
{
	(void)state;
	enum { PAGES = 400, N = 200 * 1000 };
	er_index *ix = er_index_new(64 << 20);
	er_compressor *z = er_compressor_new(ix, NULL, 1);
	uint8_t *text = bytes_of(N, false);
	static er_stored *pages[PAGES];
	for (int i = 0; i < PAGES; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		er_content *c = content(text, N, N);
		pages[i] = page(key, (uint64_t)i, c);
		er_content_unref(c);
	}
	/* Asked for in a row, far faster than a thread makes them. */
	for (int i = 0; i < PAGES; i++)
		er_compressor_want(z, pages[i], ER_CODING_GZIP);
	er_compressor_stats all = er_compressor_statistics(z);
	assert_true(all.waiting <= 129);
	assert_true(all.skipped >= 100);
	/* What finds no room leaves no trace on the page: it is wanted again later. */
	unsigned untouched = 0;
	for (int i = 0; i < PAGES; i++)
		untouched += er_content_form_none(pages[i]->content, ER_CODING_GZIP);
	assert_true(untouched >= 100);
	er_stored_asked(pages[PAGES - 1], 7, 1); /* another site has room still */
	er_compressor_want(z, pages[PAGES - 1], ER_CODING_GZIP);
	assert_true(er_compressor_statistics(z).skipped <= all.skipped);
	er_compressor_free(z);
	unsigned undone = 0;
	for (int i = 0; i < PAGES; i++) {
		bool begins = er_content_forms(pages[i]->content) == 0 && er_content_form_begin(pages[i]->content, ER_CODING_GZIP);
		undone += begins;
		assert_true(begins || er_content_forms(pages[i]->content) != 0);
		er_stored_unref(pages[i]);
	}
	assert_true(undone >= 100);
	er_free(text);
	er_index_free(ix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_compressed_is_what_was_stored),
	    cmocka_unit_test(what_grows_too_long_is_given_up),
	    cmocka_unit_test(a_form_is_made_once_and_counts_as_memory),
	    cmocka_unit_test(many_that_want_a_form_have_it_made_once),
	    cmocka_unit_test(a_form_counts_for_a_renewed_response),
	    cmocka_unit_test(what_waits_is_bounded_and_an_end_leaves_it_undone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
