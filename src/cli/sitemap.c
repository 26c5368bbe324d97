/* gzip is undone as a whole first, within the bound. XML is handed to expat as a whole as well: one
 * that is fed in pieces looks at a long name or value again with every piece. The elements that
 * count are <url><loc> of a <urlset> and <sitemap><loc> of a <sitemapindex>, in the namespace of
 * the root, whichever it is; images and videos have a <loc> in another one. */
#include "cli/sitemap.h"

#include "base/buf.h"
#include "base/mem.h"
#include "origin/inflate.h"

#include <expat.h>
#include <stdarg.h>
#include <stdio.h>

enum { SEPARATOR = '\n', NAMESPACE_MAX = 200 };

typedef struct reading {
	const er_sitemap_reader *reader;
	er_err *err;
	XML_Parser xml;
	er_sitemap_kind kind;
	unsigned depth;
	char space[NAMESPACE_MAX]; /* of the root, with its separator; or empty */
	bool in_entry, in_loc, too_long, failed, ended;
	er_buf loc;
} reading;

static bool is_white(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static er_slice skip_white(er_slice s)
{
	while (s.n > 0 && is_white(s.p[0]))
		s = er_slice_from(s, 1);
	return s;
}

static bool give(reading *r, er_slice url)
{
	url = skip_white(url);
	while (url.n > 0 && is_white(url.p[url.n - 1]))
		url.n--;
	if (url.n == 0 || url.n > ER_SITEMAP_URL || r->ended)
		return !r->ended;
	r->ended = !r->reader->entry(r->reader->ctx, r->kind, url);
	return !r->ended;
}

/* ---- XML ---- */

static __attribute__((format(printf, 2, 3))) void refuse(reading *r, const char *fmt, ...)
{
	char why[200];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	if (!r->failed)
		er_fail(r->err, ER_ERR_INVALID, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(r->xml), why);
	r->failed = true;
	(void)XML_StopParser(r->xml, XML_FALSE);
}

/* The element of that name, in the namespace of the root. */
static bool is(const reading *r, const char *name, const char *wanted)
{
	er_slice space = er_slice_cstr(r->space), all = er_slice_cstr(name);
	return er_slice_starts(all, space) && er_slice_eq(er_slice_from(all, space.n), er_slice_cstr(wanted));
}

static void begin_root(reading *r, const char *name)
{
	er_slice all = er_slice_cstr(name);
	size_t n = er_slice_find(all, SEPARATOR);
	n = n < all.n ? n + 1 : 0;
	if (n < sizeof r->space)
		er_copy(r->space, name, n);
	r->kind = is(r, name, "sitemapindex") ? ER_SITEMAP_MAP : ER_SITEMAP_PAGE;
	if (r->kind == ER_SITEMAP_PAGE && !is(r, name, "urlset"))
		refuse(r, "this is no sitemap: <urlset> or <sitemapindex> is expected, not <%.60s>", name + (n < all.n ? n : 0));
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	reading *r = ctx;
	(void)attributes;
	if (++r->depth > ER_SITEMAP_DEPTH) {
		refuse(r, "elements lie deeper than %d in each other", ER_SITEMAP_DEPTH);
		return;
	}
	if (r->depth == 1)
		begin_root(r, name);
	else if (r->depth == 2)
		r->in_entry = is(r, name, r->kind == ER_SITEMAP_MAP ? "sitemap" : "url");
	else if (r->depth == 3 && r->in_entry && is(r, name, "loc")) {
		r->in_loc = true;
		r->too_long = false;
		er_buf_clear(&r->loc);
	}
}

static void on_text(void *ctx, const XML_Char *text, int n)
{
	reading *r = ctx;
	if (!r->in_loc || r->depth != 3 || r->too_long)
		return;
	/* with some white space around it */
	r->too_long = er_buf_len(&r->loc) + (size_t)n > 2 * ER_SITEMAP_URL;
	if (!r->too_long)
		er_buf_put(&r->loc, er_slice_of(text, (size_t)n));
}

static void on_end(void *ctx, const XML_Char *name)
{
	reading *r = ctx;
	(void)name;
	ER_ASSERT(r->depth > 0);
	if (r->depth-- != 3 || !r->in_loc)
		return;
	r->in_loc = false;
	if (!r->too_long && !give(r, er_buf_slice(&r->loc)))
		(void)XML_StopParser(r->xml, XML_FALSE);
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	refuse(ctx, "a document type (<!DOCTYPE>) has no place in a sitemap, and is not read");
}

static bool read_xml(reading *r, er_slice text)
{
	r->xml = XML_ParserCreateNS(NULL, SEPARATOR);
	if (r->xml == NULL)
		return er_fail(r->err, ER_ERR_MEMORY, "there is no memory for it");
	XML_SetUserData(r->xml, r);
	XML_SetElementHandler(r->xml, on_start, on_end);
	XML_SetCharacterDataHandler(r->xml, on_text);
	XML_SetStartDoctypeDeclHandler(r->xml, on_doctype);
	ER_ASSERT(text.n <= ER_SITEMAP_BYTES);
	text = skip_white(text); /* some begin with an empty line, which XML does not allow */
	bool ok = XML_Parse(r->xml, (const char *)text.p, (int)text.n, XML_TRUE) == XML_STATUS_OK || r->ended;
	if (!ok && !r->failed)
		er_fail(r->err, ER_ERR_INVALID, "line %lu: it is no XML: %s", (unsigned long)XML_GetCurrentLineNumber(r->xml),
		        XML_ErrorString(XML_GetErrorCode(r->xml)));
	XML_ParserFree(r->xml);
	er_buf_fini(&r->loc);
	return ok;
}

/* ---- text, gzip ---- */

static er_slice without_mark(er_slice text)
{
	return er_slice_starts(text, ER_LIT("\xef\xbb\xbf")) ? er_slice_from(text, 3) : text;
}

static bool is_gzip(er_slice bytes)
{
	return er_slice_starts(bytes, ER_LIT("\x1f\x8b"));
}

/* UTF-16 has a mark of its own. */
static bool is_xml(er_slice text)
{
	return er_slice_starts(text, ER_LIT("\xff\xfe")) || er_slice_starts(text, ER_LIT("\xfe\xff")) ||
	       er_slice_starts(skip_white(er_slice_head(without_mark(text), 1024)), ER_LIT("<"));
}

bool er_sitemap_looks(er_slice bytes)
{
	return is_gzip(bytes) || is_xml(bytes);
}

static bool read_lines(reading *r, er_slice text)
{
	er_slice rest = without_mark(text), line;
	while (er_slice_split(&rest, '\n', &line))
		if (!give(r, line))
			break;
	return true;
}

static bool read_plain(reading *r, er_slice text)
{
	if (text.n > ER_SITEMAP_BYTES)
		return er_fail(r->err, ER_ERR_TOO_LARGE, "it has more than %d MB, which is the most for a sitemap",
		               ER_SITEMAP_BYTES >> 20);
	return is_xml(text) ? read_xml(r, text) : read_lines(r, text);
}

/* False: no gzip, or too much comes out of it. */
static bool undo(er_inflate *z, er_slice in, er_buf *out, er_err *err)
{
	er_piece piece;
	do {
		bool ok = er_inflate_step(z, &in, &piece); /* also a broken one gives what it had */
		size_t n = piece.n;
		er_buf_put(out, er_piece_slice(piece));
		er_piece_drop(&piece);
		if (!ok)
			return er_fail(err, ER_ERR_INVALID, "its gzip is broken");
		if (n == 0 && in.n == 0)
			return er_inflate_whole(z) || er_fail(err, ER_ERR_INVALID, "its gzip breaks off");
	} while (er_buf_len(out) <= ER_SITEMAP_BYTES);
	return er_fail(err, ER_ERR_TOO_LARGE, "without gzip it has more than %d MB, which is the most for a sitemap",
	               ER_SITEMAP_BYTES >> 20);
}

bool er_sitemap_read(er_slice bytes, const er_sitemap_reader *reader, er_err *err)
{
	reading r = {.reader = reader, .err = err};
	ER_ASSERT(reader->entry != NULL && err != NULL);
	if (!is_gzip(bytes))
		return read_plain(&r, bytes);
	er_buf text = {0};
	er_inflate *z = er_inflate_new();
	bool ok = undo(z, bytes, &text, err) && read_plain(&r, er_buf_slice(&text));
	er_inflate_free(z);
	er_buf_fini(&text);
	return ok;
}
