/* Sitemaps of strangers: what is in them is found, and nothing in them takes more than its
 * bound. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/sitemap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define NS "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\""

typedef struct found {
	er_buf text; /* "page URL\n" ... */
	unsigned n, most;
} found;

static bool take(void *ctx, er_sitemap_kind kind, er_slice url)
{
	found *f = ctx;
	er_buf_printf(&f->text, "%s %.*s\n", kind == ER_SITEMAP_MAP ? "map" : "page", ER_FMT(url));
	return ++f->n != f->most;
}

static bool read_all(er_slice bytes, found *f, er_err *err)
{
	*f = (found){.most = f->most};
	return er_sitemap_read(bytes, &(er_sitemap_reader){take, f}, err);
}

static void reads(er_slice bytes, const char *expected)
{
	found f = {0};
	er_err err = {0};
	if (!read_all(bytes, &f, &err))
		fail_msg("%s", err.text);
	er_slice got = er_buf_slice(&f.text);
	if (!er_slice_eq(got, er_slice_cstr(expected)))
		fail_msg("%.*s instead of %s", ER_FMT(got), expected);
	er_buf_fini(&f.text);
}

static void refuses(er_slice bytes, const char *why)
{
	found f = {0};
	er_err err = {0};
	assert_false(read_all(bytes, &f, &err));
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: \"%s\" is not in it", err.text, why);
	er_buf_fini(&f.text);
}

static er_buf gzip(er_slice text)
{
	er_buf out = {0};
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t most = deflateBound(&z, text.n);
	z.next_in = (Bytef *)(uintptr_t)text.p;
	z.avail_in = (uInt)text.n;
	z.next_out = er_buf_reserve(&out, most);
	z.avail_out = (uInt)most;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	er_buf_wrote(&out, most - z.avail_out);
	deflateEnd(&z);
	return out;
}

static void pages_are_found(void **state)
{
	(void)state;
	reads(ER_LIT("\n<?xml version=\"1.0\"?><urlset " NS "><url><loc>\n https://a.example/?a=1&amp;b=2 "
	             "</loc><lastmod>2026</lastmod></url><url><loc><![CDATA[https://a.example/b]]></loc></url></urlset>"),
	      "page https://a.example/?a=1&b=2\npage https://a.example/b\n");
	reads(ER_LIT("<urlset><url><loc>/a</loc></url></urlset>"), "page /a\n");
	reads(ER_LIT("<x:urlset xmlns:x='u'><x:url><x:loc>/a</x:loc></x:url><url><loc>/b</loc></url></x:urlset>"), "page /a\n");
	reads(ER_LIT("\xef\xbb\xbfhttps://a.example/\r\n\n  https://a.example/b"),
	      "page https://a.example/\npage https://a.example/b\n");
	reads(ER_LIT(""), "");
}

static void sitemaps_of_an_index_are_found(void **state)
{
	(void)state;
	reads(ER_LIT("<sitemapindex " NS
	             "><sitemap><loc>https://a.example/1.xml</loc></sitemap><url><loc>/no</loc></url></sitemapindex>"),
	      "map https://a.example/1.xml\n");
}

static void images_and_other_things_are_no_pages(void **state)
{
	(void)state;
	reads(ER_LIT("<urlset " NS " xmlns:i='http://www.google.com/schemas/sitemap-image/1.1'><url><loc>/a</loc>"
	             "<i:image><i:loc>/i.png</i:loc></i:image><i:loc>/j.png</i:loc></url><loc>/no</loc>"
	             "<other><loc>/no</loc></other><url><loc>/b<b>c</b></loc><loc></loc></url></urlset>"),
	      "page /a\npage /b\n");
}

static void other_encodings_are_read(void **state)
{
	(void)state;
	static const char latin[] = "<?xml version='1.0' encoding='ISO-8859-1'?><urlset><url><loc>/\xe4</loc></url></urlset>";
	reads(er_slice_cstr(latin), "page /\xc3\xa4\n");
	static const char text[] = "<urlset><url><loc>/a</loc></url></urlset>";
	uint8_t wide[2 * sizeof text] = {0xff, 0xfe};
	for (size_t i = 0; i + 1 < sizeof text; i++)
		wide[2 + 2 * i] = (uint8_t)text[i];
	reads(er_slice_of(wide, sizeof wide), "page /a\n");
}

static void gzip_is_undone(void **state)
{
	(void)state;
	er_buf z = gzip(ER_LIT("<urlset><url><loc>/a</loc></url></urlset>"));
	er_slice all = er_buf_slice(&z);
	assert_true(er_sitemap_looks(all));
	reads(all, "page /a\n");
	refuses(er_slice_head(all, all.n - 9), "breaks off");
	z.p[z.start + 15] ^= 0xff;
	found f = {0};
	er_err err = {0};
	assert_false(read_all(all, &f, &err));
	er_buf_fini(&f.text);
	er_buf_fini(&z);
}

/* Ten lines that say a billion words. */
static void entities_are_never_expanded(void **state)
{
	(void)state;
	er_buf b = {0};
	er_buf_puts(&b, "<?xml version='1.0'?><!DOCTYPE urlset [<!ENTITY l0 'lol'>");
	for (int i = 1; i < 10; i++) {
		er_buf_printf(&b, "<!ENTITY l%d '", i);
		for (int k = 0; k < 10; k++)
			er_buf_printf(&b, "&l%d;", i - 1);
		er_buf_puts(&b, "'>");
	}
	er_buf_puts(&b, "]><urlset><url><loc>&l9;</loc></url></urlset>");
	refuses(er_buf_slice(&b), "document type");
	er_buf_fini(&b);
	refuses(ER_LIT("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><urlset/>"), "document type");
	refuses(ER_LIT("<urlset><url><loc>&x;</loc></url></urlset>"), "no XML");
}

static void depth_and_length_have_bounds(void **state)
{
	(void)state;
	er_buf b = {0};
	er_buf_puts(&b, "<urlset>");
	for (int i = 0; i < 100000; i++)
		er_buf_puts(&b, "<a>");
	refuses(er_buf_slice(&b), "deeper");
	er_buf_clear(&b);
	er_buf_puts(&b, "<urlset><url><loc>/");
	for (int i = 0; i < 100000; i++)
		er_buf_puts(&b, "xxxxxxxxxx");
	er_buf_puts(&b, "</loc></url><url><loc>/b</loc></url></urlset>");
	reads(er_buf_slice(&b), "page /b\n");
	er_buf_fini(&b);
}

static void more_than_fifty_megabytes_are_refused(void **state)
{
	(void)state;
	er_buf b = {0};
	size_t n = ER_SITEMAP_BYTES + 1;
	memset(er_buf_reserve(&b, n), '\n', n);
	er_buf_wrote(&b, n);
	refuses(er_buf_slice(&b), "more than 50 MB");
	er_buf z = gzip(er_buf_slice(&b)); /* some 50 KB */
	refuses(er_buf_slice(&z), "more than 50 MB");
	er_buf_fini(&z);
	er_buf_fini(&b);
}

static void what_is_no_sitemap_is_refused(void **state)
{
	(void)state;
	refuses(ER_LIT("<rss version='2.0'><channel/></rss>"), "not <rss>");
	refuses(ER_LIT("<html><body>404</body></html>"), "<urlset> or <sitemapindex>");
	refuses(ER_LIT("<urlset><url>"), "line 1");
	refuses(ER_LIT("\x1f\x8bzzzzzzzzzzzzzzzzzz"), "gzip");
}

static void whoever_has_enough_can_end_it(void **state)
{
	(void)state;
	found f = {.most = 2};
	er_err err = {0};
	assert_true(
	    read_all(ER_LIT("<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url><url><loc>/c</loc></url></urlset>"), &f, &err));
	assert_int_equal(f.n, 2);
	er_buf_fini(&f.text);
	assert_true(read_all(ER_LIT("/a\n/b\n/c\n"), &f, &err));
	assert_int_equal(f.n, 2);
	er_buf_fini(&f.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pages_are_found),
	    cmocka_unit_test(sitemaps_of_an_index_are_found),
	    cmocka_unit_test(images_and_other_things_are_no_pages),
	    cmocka_unit_test(other_encodings_are_read),
	    cmocka_unit_test(gzip_is_undone),
	    cmocka_unit_test(entities_are_never_expanded),
	    cmocka_unit_test(depth_and_length_have_bounds),
	    cmocka_unit_test(more_than_fifty_megabytes_are_refused),
	    cmocka_unit_test(what_is_no_sitemap_is_refused),
	    cmocka_unit_test(whoever_has_enough_can_end_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
