/* A sitemap, as whoever wrote it sends it: XML, lines, or gzip. What comes out has bounds, and what
 * is read twice says the same twice. */
#include "base/mem.h"
#include "cli/sitemap.h"

typedef struct seen {
	uint64_t n, bytes;
	uint64_t most;
} seen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool take(void *ctx, er_sitemap_kind kind, er_slice url)
{
	seen *s = ctx;
	ER_ASSERT(kind == ER_SITEMAP_PAGE || kind == ER_SITEMAP_MAP);
	ER_ASSERT(url.n > 0 && url.n <= ER_SITEMAP_URL && er_slice_trim(url).n == url.n && s->n < s->most);
	s->bytes += url.n;
	return ++s->n < s->most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = er_alloc(n);
	er_copy(copy, data, n);
	seen all = {.most = UINT64_MAX}, again = all, one = {.most = 1};
	er_err err = {0};
	(void)er_sitemap_looks(er_slice_of(copy, n));
	bool ok = er_sitemap_read(er_slice_of(copy, n), &(er_sitemap_reader){take, &all}, &err);
	ER_ASSERT(ok || err.text[0] != '\0');
	ER_ASSERT(er_sitemap_read(er_slice_of(copy, n), &(er_sitemap_reader){take, &again}, &err) == ok);
	ER_ASSERT(all.n == again.n && all.bytes == again.bytes);
	(void)!er_sitemap_read(er_slice_of(copy, n), &(er_sitemap_reader){take, &one}, &err);
	ER_ASSERT(one.n == (all.n > 0));
	er_free(copy);
	return 0;
}
