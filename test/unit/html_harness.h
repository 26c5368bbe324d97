/* A page through a rewriter, with handlers that are C: for the tests of html_*.c. */
#ifndef ER_TEST_HTML_HARNESS_H
#define ER_TEST_HTML_HARNESS_H

#include "sandbox/api/html_rewrite.h"

#include <string.h>

/* What a rule does with what it sees. `log` gets a line for each event. */
typedef struct html_page {
	er_html *html;
	er_buf out, log;
	void (*act)(struct html_page *p, er_html_event e);
	size_t cut; /* bytes of a piece; 0: all at once */
	er_html_turn ended;
	bool heavy; /* takes what comes out in the midst of events, too */
} html_page;

static inline void html_page_init(html_page *p)
{
	*p = (html_page){.html = er_html_new()};
}

static inline void html_page_fini(html_page *p)
{
	er_html_free(p->html);
	er_buf_fini(&p->out);
	er_buf_fini(&p->log);
}

static inline const char *html_on(html_page *p, const char *selector, unsigned sees)
{
	size_t at;
	er_slice s = er_slice_cstr(selector);
	return er_html_on(p->html, selector != NULL ? &s : NULL, sees, &at);
}

static inline void html_take(html_page *p)
{
	er_buf_put(&p->out, er_html_output(p->html));
	er_html_taken(p->html);
}

/* Pieces are copies of their own, so that a sanitizer sees who reads behind one. */
static inline void html_feed(html_page *p, er_slice s, bool last)
{
	uint8_t *copy = er_alloc(s.n);
	er_copy(copy, s.p, s.n);
	er_html_feed(p->html, er_slice_of(copy, s.n), last);
	er_free(copy);
}

static inline void html_run(html_page *p, er_slice page)
{
	size_t at = 0;
	for (;;) {
		er_html_event e;
		er_html_turn turn = er_html_run(p->html, &e);
		if (turn == ER_HTML_EVENT) {
			if (p->act != NULL)
				p->act(p, e);
			if (p->heavy)
				html_take(p);
		} else if (turn == ER_HTML_OUTPUT) {
			html_take(p);
		} else if (turn == ER_HTML_HUNGRY) {
			size_t n = page.n - at;
			if (p->cut > 0 && n > p->cut)
				n = p->cut;
			html_feed(p, er_slice_of(page.p + at, n), at + n == page.n);
			at += n;
		} else {
			p->ended = turn;
			return;
		}
	}
}

static inline er_slice html_got(const html_page *p, unsigned what)
{
	er_slice s;
	return er_html_get(p->html, what, er_slice_of("", 0), 0, &s) ? s : (er_slice){NULL, 0};
}

static inline er_slice html_attr(const html_page *p, const char *name)
{
	er_slice s;
	return er_html_get(p->html, ER_HTML_ATTR, er_slice_cstr(name), 0, &s) ? s : (er_slice){NULL, 0};
}

#endif
