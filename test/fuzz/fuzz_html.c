/* Pages through the rewriter of HTML. The first line is a selector, the rest a page. The page comes
 * out as it was if nobody changes it, however it was cut; and who changes it makes the same of it,
 * however it was cut. The bytes of the page also say where it is cut and what is changed. */
#include "html_harness.h"

enum {
	SEES = ER_HTML_SEE_ELEMENT | ER_HTML_SEE_COMMENT | ER_HTML_SEE_TEXT,
	OF_DOCUMENT = ER_HTML_SEE_COMMENT | ER_HTML_SEE_DOCTYPE | ER_HTML_SEE_END
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What is done to a thing depends on what it is alone, and not on when it comes. */
static unsigned choice(const html_page *p)
{
	er_slice s = html_got(p, ER_HTML_NAME);
	if (s.p == NULL)
		s = html_got(p, ER_HTML_TEXT_OF);
	unsigned h = (unsigned)s.n;
	for (size_t i = 0; i < s.n; i++)
		h = h * 31 + er_lower(s.p[i]);
	return h;
}

static void try_edit(html_page *p, unsigned what, bool html)
{
	const char *wrong = er_html_edit(p->html, what, ER_LIT("<i>&amp;\"x"), html);
	(void)wrong;
}

static void change_attrs(html_page *p)
{
	er_slice v = ER_LIT("a\"b"), name;
	bool has = er_html_get(p->html, ER_HTML_ATTR_NAME, v, 0, &name);
	char *first = has ? er_strdup_slice(name) : NULL;
	const char *wrong = has ? er_html_set_attr(p->html, er_slice_of(first, name.n), NULL) : NULL;
	ER_ASSERT(wrong == NULL && (!has || html_attr(p, first).p == NULL || memchr(first, 0, name.n) != NULL));
	wrong = er_html_set_attr(p->html, ER_LIT("data-x"), &v);
	ER_ASSERT(wrong == NULL && er_slice_eq(html_attr(p, "DATA-X"), v));
	er_free(first);
}

static void act(html_page *p, er_html_event e)
{
	uint32_t number;
	if (e.kind == ER_HTML_SEE_TEXT) {
		/* whole texts only: pieces are as the page was cut */
		try_edit(p, er_html_is(p->html, ER_HTML_IS_LAST) ? ER_HTML_REPLACE : ER_HTML_REMOVE, false);
		return;
	}
	unsigned c = choice(p);
	if (e.kind == ER_HTML_SEE_ELEMENT && c % 3 == 0)
		change_attrs(p);
	if (e.kind == ER_HTML_SEE_ELEMENT && c % 5 == 0 && er_html_want_end(p->html, &number) == NULL)
		try_edit(p, ER_HTML_APPEND, true);
	if (c % 7 < 5)
		try_edit(p, c % 10, c % 2 == 0);
	if (c % 11 < 4)
		try_edit(p, c % 8, true);
}

/* How it ends, with what comes out in *out. */
static er_html_turn through(er_slice selector, er_slice page, unsigned cut, bool change, er_buf *out)
{
	html_page p;
	size_t at;
	html_page_init(&p);
	p.act = change ? act : NULL;
	p.cut = cut;
	p.heavy = cut % 2 == 1;
	const char *wrong = er_html_on(p.html, &selector, SEES, &at);
	er_html_turn ended = ER_HTML_FAILED;
	if (wrong == NULL) {
		wrong = er_html_on(p.html, NULL, OF_DOCUMENT, &at);
		ER_ASSERT(wrong == NULL);
		html_run(&p, page);
		ended = p.ended;
		ER_ASSERT(ended != ER_HTML_DONE || p.html->held == 0);
		ER_ASSERT(ended != ER_HTML_DONE || p.html->dropping == 0);
	} else {
		ER_ASSERT(at <= selector.n);
	}
	*out = p.out;
	p.out = (er_buf){0};
	html_page_fini(&p);
	return ended;
}

static void same(er_slice selector, er_slice page, unsigned cut, bool change)
{
	er_buf whole, pieces;
	er_html_turn one = through(selector, page, 0, change, &whole), other = through(selector, page, cut, change, &pieces);
	ER_ASSERT(one == other);
	if (one == ER_HTML_DONE) {
		ER_ASSERT(er_slice_eq(er_buf_slice(&whole), er_buf_slice(&pieces)));
		ER_ASSERT(change || er_slice_eq(er_buf_slice(&whole), page));
	}
	er_buf_fini(&whole);
	er_buf_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	er_slice all = er_slice_of(data, n);
	size_t line = er_slice_find(all, '\n');
	er_slice selector = er_slice_head(all, line), page = er_slice_from(all, line + 1);
	unsigned cut = n > 0 ? 1 + data[n - 1] % 9 : 1;
	for (unsigned i = 0; i < 2; i++) {
		same(selector, page, 1, i == 1);
		same(selector, page, cut, i == 1);
	}
	return 0;
}
