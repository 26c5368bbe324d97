/* The rewriter of HTML (src/sandbox/api/html_*.h): tokens as the HTML Standard cuts them,
 * selectors, edits. Each page goes through whole, in pieces of one byte and in pieces of some sizes
 * between, and must come out the same. */
#include "html_harness.h"
#include "sandbox/api/html_charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	ALL = ER_HTML_SEE_ELEMENT | ER_HTML_SEE_COMMENT | ER_HTML_SEE_TEXT,
	DOC = ER_HTML_SEE_COMMENT | ER_HTML_SEE_TEXT | ER_HTML_SEE_DOCTYPE | ER_HTML_SEE_END
};

static const size_t CUTS[] = {0, 1, 2, 3, 5, 7, 16};
enum { CUTS_N = sizeof CUTS / sizeof *CUTS };

static void is(const er_buf *b, const char *wanted)
{
	er_slice s = er_buf_slice(b);
	char *text = er_strdup_slice(s);
	assert_string_equal(text, wanted);
	er_free(text);
}

/* ---- tokens ---- */

/* Text that is seen in pieces is one line of the log. */
static void log_tokens(html_page *p, er_html_event e)
{
	er_buf *l = &p->log;
	er_slice s = html_got(p, ER_HTML_TEXT_OF);
	switch (e.kind) {
	case ER_HTML_SEE_ELEMENT:
		er_buf_puts(l, "<");
		er_buf_put(l, html_got(p, ER_HTML_NAME));
		for (uint32_t i = 0; er_html_get(p->html, ER_HTML_ATTR_NAME, s, i, &s); i++) {
			er_buf_puts(l, "|");
			er_buf_put(l, s);
			assert_true(er_html_get(p->html, ER_HTML_ATTR_VALUE, s, i, &s));
			er_buf_puts(l, "=");
			er_buf_put(l, s);
		}
		er_buf_puts(l, "> ");
		break;
	case ER_HTML_SEE_TEXT:
		er_buf_put(l, s);
		if (er_html_is(p->html, ER_HTML_IS_LAST))
			er_buf_puts(l, "; ");
		break;
	case ER_HTML_SEE_COMMENT:
		er_buf_puts(l, "!");
		er_buf_put(l, s);
		er_buf_puts(l, "! ");
		break;
	case ER_HTML_SEE_DOCTYPE:
		er_buf_puts(l, "DOCTYPE ");
		er_buf_put(l, html_got(p, ER_HTML_NAME));
		er_buf_puts(l, ",");
		er_buf_put(l, html_got(p, ER_HTML_PUBLIC_ID));
		er_buf_puts(l, ",");
		er_buf_put(l, html_got(p, ER_HTML_SYSTEM_ID));
		er_buf_puts(l, "; ");
		break;
	default:
		er_buf_puts(l, "END");
	}
}

/* The page as a list of what is seen; and untouched it is what it was. */
static void sees(const char *page, const char *wanted)
{
	for (size_t i = 0; i < CUTS_N; i++) {
		html_page p;
		html_page_init(&p);
		p.cut = CUTS[i];
		p.act = log_tokens;
		p.heavy = i % 2 == 1;
		assert_null(html_on(&p, "*", ER_HTML_SEE_ELEMENT));
		assert_null(html_on(&p, NULL, DOC));
		html_run(&p, er_slice_cstr(page));
		assert_int_equal(p.ended, ER_HTML_DONE);
		is(&p.out, page);
		is(&p.log, wanted);
		html_page_fini(&p);
	}
}

static void tags_and_text_are_told_apart(void **state)
{
	(void)state;
	sees("", "END");
	sees("text", "text; END");
	sees("a<b>c</b>d", "a; <b> c; d; END");
	sees("1 < 2 <3 a<", "1 < 2 <3 a<; END");
	sees("a</", "a</; END");
	sees("a</>b", "a; b; END");
	sees("<A HREF=x Class='y z' checked data-a=\"&amp;\">", "<A|HREF=x|Class=y z|checked=|data-a=&amp;> END");
	sees("<a b = c d= 'e' f =g h= >", "<a|b=c|d=e|f=g|h=> END");
	sees("<a b='1'c=\"2\"d>", "<a|b=1|c=2|d=> END");
	sees("<a b=1 B=2 b>", "<a|b=1> END");
	sees("<a =b==c>", "<a|=b==c> END");
	sees("<a href=x/><br/>", "<a|href=x/> <br> END");
	sees("<a/b/c>", "<a|b=|c=> END");
	sees("<a b='<c>' d=\">\">", "<a|b=<c>|d=>> END");
	sees("<a b", "END");
	sees("<a b='>", "END");
	sees("x</a b='>' c>y", "x; y; END");
	sees("</ x><p>", "! x! <p> END");
	sees("<p\n\f\tid\r=\rx>", "<p|id=x> END");
	sees("&amp; &am &#x20 &", "&amp; &am &#x20 &; END");
	sees("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80; END");
	sees("\xC3<p>\xE2\x82</p>\xF0", "\xC3; <p> \xE2\x82; \xF0; END");
}

static void comments_end_where_the_standard_ends_them(void **state)
{
	(void)state;
	sees("<!--a-->b", "!a! b; END");
	sees("<!-->a", "!! a; END");
	sees("<!--->a", "!! a; END");
	sees("<!---->a", "!! a; END");
	sees("<!----!>a", "!! a; END");
	sees("<!--a--!>b", "!a! b; END");
	sees("<!---!>-->", "!-!>! END");
	sees("<!--a-- >b-->", "!a-- >b! END");
	sees("<!-- <!--> x", "! <!!  x; END");
	sees("<!--a", "!a! END");
	sees("<!x>a<?php y?>b<!>c", "!x! a; !?php y?! b; !! c; END");
	sees("<![CDATA[x]]>", "![CDATA[x]]! END");
	sees("<!", "!! END");
	sees("<!-", "!-! END");
	sees("<!doctype html>a", "DOCTYPE html,,; a; END");
	sees("<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">",
	     "DOCTYPE HTML,-//W3C//DTD HTML 4.01//EN,http://www.w3.org/TR/html4/strict.dtd; END");
	sees("<!doctype html system 'about:legacy-compat'>", "DOCTYPE html,,about:legacy-compat; END");
	sees("<!doctype>", "DOCTYPE ,,; END");
	sees("<!doctype html public 'a>b'>", "DOCTYPE html,a,; b'>; END");
	sees("<!docty>", "!docty! END");
}

static void the_text_of_some_elements_has_no_tags(void **state)
{
	(void)state;
	sees("<title>a<b>&lt;</title>c", "<title> a<b>&lt;; c; END");
	sees("<textarea></TEXTAREA ><p>", "<textarea> <p> END");
	sees("<style>a</styles></style/><p>", "<style> a</styles>; <p> END");
	sees("<xmp><b></xmp><iframe><b></iframe><noembed><b></noembed><noframes><b></noframes><noscript><b></noscript>",
	     "<xmp> <b>; <iframe> <b>; <noembed> <b>; <noframes> <b>; <noscript> <b>; END");
	sees("<plaintext><b></plaintext>", "<plaintext> <b></plaintext>; END");
	sees("<title>a</titl", "<title> a</titl; END");
	sees("<title>a</title", "<title> a</title; END");
	sees("<script>if (a<b) '</p>'</script>c", "<script> if (a<b) '</p>'; c; END");
	sees("<script><!--<script></script>--></script>c", "<script> <!--<script></script>-->; c; END");
	sees("<script><!--<script></script></script>c", "<script> <!--<script></script>; c; END");
	sees("<script><!--<script>--></script>c", "<script> <!--<script>-->; c; END");
	sees("<script><!--<scripts></script>c", "<script> <!--<scripts>; c; END");
	sees("<script><!--></script>c", "<script> <!-->; c; END");
	sees("<script><!--<script ></script ></SCRIPT\n>c", "<script> <!--<script ></script >; c; END");
	sees("<script>a<!-</script>c", "<script> a<!-; c; END");
}

static void foreign_elements_are_read_as_such(void **state)
{
	(void)state;
	sees("<svg><title><b>x</b></title><style><b></style></svg>", "<svg> <title> <b> x; <style> <b> END");
	sees("<svg><![CDATA[a<b>]]]>c</svg><![CDATA[x]]>", "<svg> a<b>]; c; ![CDATA[x]]! END");
	sees("<svg><![cdata[x]]></svg>", "<svg> ![cdata[x]]! END");
	sees("<svg><![CDATA[a", "<svg> a; END");
	sees("<svg><script/><p>", "<svg> <script> <p> END");
	sees("<svg><foreignObject><title><b></title>", "<svg> <foreignObject> <title> <b>; END");
	sees("<math><mtext><style><b></style></mtext><style><b></style>", "<math> <mtext> <style> <b>; <style> <b> END");
	sees("<math><annotation-xml><title><b></title>", "<math> <annotation-xml> <title> <b> END");
	sees("<math><annotation-xml encoding=Text/HTML><title><b></title>",
	     "<math> <annotation-xml|encoding=Text/HTML> <title> <b>; END");
	sees("<svg><p><title><b></title>", "<svg> <p> <title> <b>; END");
	sees("<svg><font><title><i></title>", "<svg> <font> <title> <i> END");
	sees("<svg><font size=1><title><b></title>", "<svg> <font|size=1> <title> <b>; END");
}

/* ---- selectors ---- */

static void mark(html_page *p, er_html_event e)
{
	(void)e;
	er_slice id = html_attr(p, "id");
	if (er_buf_len(&p->log) > 0)
		er_buf_putc(&p->log, ' ');
	er_buf_put(&p->log, id);
}

static void matches(const char *selector, const char *page, const char *ids)
{
	for (size_t i = 0; i < CUTS_N; i += 3) {
		html_page p;
		html_page_init(&p);
		p.cut = CUTS[i];
		p.act = mark;
		const char *wrong = html_on(&p, selector, ER_HTML_SEE_ELEMENT);
		if (wrong != NULL)
			fail_msg("%s: %s", selector, wrong);
		html_run(&p, er_slice_cstr(page));
		is(&p.log, ids);
		is(&p.out, page);
		html_page_fini(&p);
	}
}

static const char PAGE[] = "<html id=0><body id=1 class='a  b\tc'><p id=2 lang=en-US title=\"x y\">t</p><DIV id=3 class=A><p "
                           "id=4 TYPE=Text><b id=5></b></p>"
                           "<my-tag id=6><p id=7></p></my-tag><br id=8><p id=9 data-x=aXb></p></DIV></body></html>";

static void selectors_find_what_they_say(void **state)
{
	(void)state;
	matches("*", PAGE, "0 1 2 3 4 5 6 7 8 9");
	matches("p", PAGE, "2 4 7 9");
	matches("P", PAGE, "2 4 7 9");
	matches("my-tag", PAGE, "6");
	matches("#\\33 , #x, .a", PAGE, "1 3");
	matches("body.b.c", PAGE, "1");
	matches(".A", PAGE, "3");
	matches("*.a", PAGE, "1");
	matches("[lang]", PAGE, "2");
	matches("[ LANG |= en ]", PAGE, "2");
	matches("[title~=y]", PAGE, "2");
	matches("[title~='x y']", PAGE, "");
	matches("[title='x y']", PAGE, "2");
	matches("[title='X y' i]", PAGE, "2");
	matches("[title=\"X y\" s],[title='X y']", PAGE, "");
	matches("[type=text]", PAGE, "4");
	matches("[type=text s]", PAGE, "");
	matches("[data-x^=aX][data-x$=Xb][data-x*='X']", PAGE, "9");
	matches("[data-x^=''],[data-x*=''],[data-x$='']", PAGE, "");
	matches("body p", PAGE, "2 4 7 9");
	matches("body > p", PAGE, "2");
	matches("body>div>p", PAGE, "4 9");
	matches("div p b, my-tag > p", PAGE, "5 7");
	matches("html > p", PAGE, "");
	matches("br p", PAGE, "");
	matches("p:not([lang])", PAGE, "4 7 9");
	matches("p:not([lang], :first-child)", PAGE, "9");
	matches("body *:not(p):not( b )", PAGE, "3 6 8");
	matches("div > :not(:not(p))", PAGE, "4 9");
}

static void places_among_siblings_are_counted(void **state)
{
	static const char LIST[] = "<ul><li id=1></li><x id=2></x><li id=3><b><li id=31></li></b></li><li id=4></li><li "
	                           "id=5></li></ul><ul><li id=6></li></ul>";
	(void)state;
	matches("ul > :first-child", LIST, "1 6");
	matches("li:nth-child(2)", LIST, "");
	matches("li:nth-child(3)", LIST, "3");
	matches("ul > li:nth-of-type(2)", LIST, "3");
	matches("li:first-of-type", LIST, "1 31 6");
	matches("x:first-of-type", LIST, "2");
	matches("ul > :nth-of-type(1)", LIST, "1 2 6");
	matches("ul > :nth-child(odd)", LIST, "1 3 5 6");
	matches("ul > :nth-child( EVEN )", LIST, "2 4");
	matches("ul > :nth-child(2n + 1)", LIST, "1 3 5 6");
	matches("ul > :nth-child(n+4)", LIST, "4 5");
	matches("ul > :nth-child(-n+2)", LIST, "1 2 6");
	matches("ul > :nth-child(3n-1)", LIST, "2 5");
	matches("ul > :nth-child(+1)", LIST, "1 6");
	matches("ul > :nth-child(-1)", LIST, "");
	matches("ul > :nth-child(0n+0)", LIST, "");
	matches("ul > :nth-child(99999999999)", LIST, "");
}

/* An element whose end tag is left out ends where a browser ends it, and not later. */
static void end_tags_that_are_left_out_are_implied(void **state)
{
	(void)state;
	matches("p > p", "<p id=1>a<p id=2>b", "");
	matches("body > *", "<body><p id=1>a<p id=2>b<div id=3><p id=4>c</div><p id=5><table id=6><hr id=7></table>", "1 2 3 5 6");
	matches("ul > li", "<ul><li id=1><p>a<li id=2><ul><li id=3>b<li id=4></ul>c<li id=5></ul>", "1 2 3 4 5");
	matches("li li", "<ul><li id=1><p>a<li id=2><ul><li id=3>b</ul>c<li id=4></ul>", "3");
	matches("dl > *", "<dl><dt id=1>a<dd id=2><p>b<dt id=3>c<dd id=4><ul><li>d</ul></dl>", "1 2 3 4");
	matches("select > *", "<select><option id=1>a<option id=2>b<optgroup id=3><option id=4>c<optgroup id=5></select>", "1 2 3 5");
	matches("tr > *", "<table><tr><td id=1><p>a<th id=2>b<tr><td id=3><table><tr><td id=4></table>c<td id=5></table>",
	        "1 2 3 4 5");
	matches("table > *", "<table><caption id=1>a<colgroup id=2><col><thead id=3><tr><td>b<tbody id=4><tr><td>c</table>",
	        "1 2 3 4");
	matches("td td", "<table><tr><td id=1>a<td id=2><table><tr><td id=3></table><td id=4></table>", "3");
	matches("html > *", "<html><head id=1><title>a</title><body id=2>", "1 2");
	matches("ruby > *", "<ruby>a<rp id=1>(<rt id=2>b<rp id=3>)</ruby>", "1 2 3");
	/* in something that is open and needs an end tag it goes on */
	matches("p a div", "<p><a><div id=1></div></a></p><div id=2>", "1");
	matches("p div", "<p><button><div id=1></div></button><svg><div id=2>", "1");
	/* not of foreign elements, and not out of a cell, a list, a button */
	matches("svg > *", "<svg><p id=1></p></svg><svg><g id=2 /><li id=3>", "2");
	matches("p td b", "<p><object><table><tr><td></p><b id=1>", "1");
	matches("li b", "<ul><li><ul></li><b id=1></b></ul></ul><b id=2>", "1");
	matches("p b", "<p><button></p><b id=1></b></button></p><b id=2>", "1");
	matches("div > b", "<div><table><tr><td></div><b id=1></b></table><b id=2></b></div><b id=3>", "2");
	matches("span b", "<span><div></span><b id=1></b></div><b id=2></b></span><b id=3>", "1 2");
	matches("td > b", "<table><tr><td><table></td><b></b></table><b id=1></table><b id=2>", "1");
}

static void selectors_that_are_not_supported_say_so(void **state)
{
	static const struct {
		const char *selector, *says;
	} CASES[] = {
	    {"a + b", "\"+\""},
	    {"a ~ b", "\"+\" and \"~\""},
	    {"a:hover", "pseudo-class"},
	    {"a::before", "pseudo-elements"},
	    {"svg|a", "namespaces"},
	    {"[svg|a]", "namespaces"},
	    {"*|*", "namespaces"},
	    {"a:last-child", "pseudo-class"},
	    {":not(a b)", "combinators"},
	    {":nth-child(2 of a)", "of S"},
	    {"a:has(b)", "pseudo-class"},
	    {"", "missing"},
	    {"a,", "missing"},
	    {"> a", "begin"},
	    {"a >", "missing"},
	    {"#", "missing"},
	    {"#1", "digit"},
	    {".", "missing"},
	    {"[a", "operator"},
	    {"[a=", "missing"},
	    {"[a='b", "no end"},
	    {"[a=b", "\"]\""},
	    {":nth-child()", "an+b"},
	    {":nth-child(2n+)", "number"},
	    {":not(", "missing"},
	    {"a)", "understood"},
	    {":not(:not(:not(:not(:not(a)))))", "deeply"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		html_page p;
		html_page_init(&p);
		const char *wrong = html_on(&p, CASES[i].selector, ER_HTML_SEE_ELEMENT);
		if (wrong == NULL || strstr(wrong, CASES[i].says) == NULL)
			fail_msg("%s: %s", CASES[i].selector, wrong != NULL ? wrong : "is taken");
		html_page_fini(&p);
	}
}

/* ---- edits ---- */

static void edit(html_page *p, unsigned what, const char *content)
{
	assert_null(er_html_edit(p->html, what, er_slice_cstr(content), true));
}

static void around(html_page *p, er_html_event e)
{
	if (e.kind == ER_HTML_SEE_END) {
		edit(p, ER_HTML_APPEND, "[end]");
		return;
	}
	edit(p, ER_HTML_BEFORE, "[b1]");
	edit(p, ER_HTML_BEFORE, "[b2]");
	edit(p, ER_HTML_AFTER, "[a1]");
	edit(p, ER_HTML_AFTER, "[a2]");
	if (e.kind == ER_HTML_SEE_ELEMENT) {
		edit(p, ER_HTML_PREPEND, "[p1]");
		edit(p, ER_HTML_PREPEND, "[p2]");
		edit(p, ER_HTML_APPEND, "[e1]");
		edit(p, ER_HTML_APPEND, "[e2]");
	}
}

/* With one rule, over all cuts. */
static void becomes(const char *selector, unsigned what, void (*act)(html_page *, er_html_event), const char *page,
                    const char *wanted)
{
	for (size_t i = 0; i < CUTS_N; i++) {
		html_page p;
		html_page_init(&p);
		p.cut = CUTS[i];
		p.act = act;
		p.heavy = i % 2 == 0;
		assert_null(html_on(&p, selector, what));
		html_run(&p, er_slice_cstr(page));
		assert_int_equal(p.ended, ER_HTML_DONE);
		is(&p.out, wanted);
		assert_int_equal(p.html->held, 0);
		assert_int_equal(p.html->dropping, 0);
		html_page_fini(&p);
	}
}

static void content_is_inserted_where_it_belongs(void **state)
{
	(void)state;
	becomes("p", ER_HTML_SEE_ELEMENT, around, "<i><p>x</p></i>", "<i>[b1][b2]<p>[p2][p1]x[e1][e2]</p>[a2][a1]</i>");
	becomes("br", ER_HTML_SEE_ELEMENT, around, "<i><br>x</i>", "<i>[b1][b2]<br>[a2][a1]x</i>");
	becomes("svg > a", ER_HTML_SEE_ELEMENT, around, "<svg><a/>x", "<svg>[b1][b2]<a/>[a2][a1]x");
	/* without an end tag of its own: where the one around it ends, or the page */
	becomes("p", ER_HTML_SEE_ELEMENT, around, "<i><p>x</i>y", "<i>[b1][b2]<p>[p2][p1]x[e1][e2][a2][a1]</i>y");
	becomes("p", ER_HTML_SEE_ELEMENT, around, "<i><p>x", "<i>[b1][b2]<p>[p2][p1]x[e1][e2][a2][a1]");
	/* at the start tag that ends it */
	becomes("li", ER_HTML_SEE_ELEMENT, around, "<ul><li>x<li>y</ul>",
	        "<ul>[b1][b2]<li>[p2][p1]x[e1][e2][a2][a1][b1][b2]<li>[p2][p1]y[e1][e2][a2][a1]</ul>");
	becomes("p", ER_HTML_SEE_ELEMENT, around, "<p>x<div>y</div>", "[b1][b2]<p>[p2][p1]x[e1][e2][a2][a1]<div>y</div>");
	becomes("p", ER_HTML_SEE_COMMENT, around, "<!--x--><p><!--y--></p>", "<!--x--><p>[b1][b2]<!--y-->[a2][a1]</p>");
	becomes(NULL, ER_HTML_SEE_END, around, "<p>x", "<p>x[end]");
	becomes(NULL, ER_HTML_SEE_END, around, "", "[end]");
}

static void remove_it(html_page *p, er_html_event e)
{
	(void)e;
	edit(p, ER_HTML_BEFORE, "[b]");
	edit(p, ER_HTML_APPEND, "lost");
	edit(p, ER_HTML_REMOVE, "");
	edit(p, ER_HTML_PREPEND, "lost");
	edit(p, ER_HTML_SET_INNER, "lost");
	edit(p, ER_HTML_AFTER, "[a]");
	assert_true(er_html_is(p->html, ER_HTML_IS_REMOVED));
}

static void unwrap_it(html_page *p, er_html_event e)
{
	(void)e;
	edit(p, ER_HTML_APPEND, "[e]");
	edit(p, ER_HTML_UNWRAP, "");
	edit(p, ER_HTML_PREPEND, "[p]");
}

static void replace_it(html_page *p, er_html_event e)
{
	(void)e;
	edit(p, ER_HTML_REPLACE, "lost");
	edit(p, ER_HTML_REPLACE, "[r]");
	edit(p, ER_HTML_BEFORE, "[b]");
	edit(p, ER_HTML_AFTER, "[a]");
}

static void fill_it(html_page *p, er_html_event e)
{
	(void)e;
	edit(p, ER_HTML_PREPEND, "lost");
	edit(p, ER_HTML_APPEND, "lost");
	edit(p, ER_HTML_SET_INNER, "[i]");
	edit(p, ER_HTML_PREPEND, "[p]");
	edit(p, ER_HTML_APPEND, "[e]");
}

static void elements_are_removed_and_filled(void **state)
{
	(void)state;
	becomes("q", ER_HTML_SEE_ELEMENT, remove_it, "a<q>x<q>y</q></q>b", "a[b][a]b");
	becomes("p", ER_HTML_SEE_ELEMENT, remove_it, "a<i><p>x</i>b", "a<i>[b][a]</i>b");
	becomes("p", ER_HTML_SEE_ELEMENT, remove_it, "a<i><p>x", "a<i>[b][a]");
	becomes("br", ER_HTML_SEE_ELEMENT, remove_it, "a<br>b", "a[b][a]b");
	becomes("script", ER_HTML_SEE_ELEMENT, remove_it, "a<script>if (a<b) x('</p>')</script>b", "a[b][a]b");
	becomes("q", ER_HTML_SEE_ELEMENT, unwrap_it, "a<q id=1>x<q>y</q></q >b", "a[p]x[p]y[e][e]b");
	becomes("p", ER_HTML_SEE_ELEMENT, replace_it, "a<p>x<b>y</b></p>b", "a[b][r][a]b");
	becomes("br", ER_HTML_SEE_ELEMENT, replace_it, "a<br>b", "a[b][r][a]b");
	becomes("p", ER_HTML_SEE_ELEMENT, fill_it, "a<p>x<b>y</b></p>b", "a<p>[p][i][e]</p>b");
	becomes("br", ER_HTML_SEE_ELEMENT, fill_it, "a<br>b", "a<br>b");
	becomes("i", ER_HTML_SEE_COMMENT, replace_it, "<i><!--x--></i>", "<i>[b][r][a]</i>");
}

static void set(html_page *p, const char *name, const char *value)
{
	er_slice v = er_slice_cstr(value);
	assert_null(er_html_set_attr(p->html, er_slice_cstr(name), value != NULL ? &v : NULL));
}

static void attributes(html_page *p, er_html_event e)
{
	(void)e;
	set(p, "CLASS", "a \"b\" <&amp;>");
	set(p, "data-New", "1");
	set(p, "gone", NULL);
	set(p, "data-new", "2");
	set(p, "again", "x");
	set(p, "again", NULL);
	set(p, "again", "3");
	assert_true(er_slice_eq(html_attr(p, "class"), ER_LIT("a \"b\" <&amp;>")));
	assert_null(html_attr(p, "gone").p);
	assert_true(er_slice_eq(html_attr(p, "Data-NEW"), ER_LIT("2")));
}

#define NEW " data-new=\"2\" again=\"3\""
#define CLASS "CLASS=\"a &quot;b&quot; <&amp;>\""

static void attributes_are_changed_where_they_stand(void **state)
{
	(void)state;
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a>x</a>", "<a class=\"a &quot;b&quot; <&amp;>\"" NEW ">x</a>");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<A  x = 'y'   CLASS=z  w >", "<A  x = 'y'   " CLASS "  w" NEW " >");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS gone x>", "<a CLASS=\"a &quot;b&quot; <&amp;>\" x" NEW ">");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a gone='x'y=1 CLASS=1>", "<a y=1 " CLASS NEW ">");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS=1 gone=2/>", "<a " CLASS NEW ">");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS=1 x=2 gone/>", "<a " CLASS " x=2 " NEW "/>");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS=1 gone GONE=2 Gone>", "<a " CLASS NEW ">");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS=1 y= >", "<a " CLASS " y=\"\"" NEW " >");
	becomes("a", ER_HTML_SEE_ELEMENT, attributes, "<a CLASS=1 class=2>", "<a " CLASS " class=2" NEW ">");
	becomes("br", ER_HTML_SEE_ELEMENT, attributes, "<br CLASS/>", "<br " CLASS NEW "/>");
}

static void text_is_seen_where_it_is_asked_for(void **state)
{
	(void)state;
	becomes("b", ER_HTML_SEE_TEXT, replace_it, "a<b></b>c", "a<b></b>c");
	for (size_t i = 0; i < CUTS_N; i++) {
		html_page p;
		html_page_init(&p);
		p.cut = CUTS[i];
		p.act = log_tokens;
		assert_null(html_on(&p, "b", ER_HTML_SEE_TEXT));
		html_run(&p, ER_LIT("x<b>a<i>b</i>c<b>d</b><br>e</b>f<b>g"));
		is(&p.log, "a; b; c; d; e; g; ");
		html_page_fini(&p);
	}
}

/* A text that is replaced as a whole, as handlers do it: all but the last piece goes. */
static void replace_text(html_page *p, er_html_event e)
{
	(void)e;
	if (er_html_is(p->html, ER_HTML_IS_LAST))
		edit(p, ER_HTML_REPLACE, "[t]");
	else
		edit(p, ER_HTML_REMOVE, "");
}

static void text_is_replaced_however_it_comes(void **state)
{
	(void)state;
	becomes("b", ER_HTML_SEE_TEXT, replace_text, "x<b>a &amp; b\xE2\x82\xAC</b>y<b>z", "x<b>[t]</b>y<b>[t]");
	becomes(NULL, ER_HTML_SEE_TEXT, replace_text, "x<b>a</b><!--y-->z", "[t]<b>[t]</b><!--y-->[t]");
	becomes("script", ER_HTML_SEE_TEXT, replace_text, "<script>a<b</script>", "<script>[t]</script>");
}

static void end_tags(html_page *p, er_html_event e)
{
	uint32_t number;
	if (e.kind == ER_HTML_SEE_ELEMENT) {
		assert_null(er_html_want_end(p->html, &number));
		er_buf_printf(&p->log, "%u ", number);
		edit(p, ER_HTML_RENAME, "x-p");
		edit(p, ER_HTML_AFTER, "[A]");
		edit(p, ER_HTML_APPEND, "[E]");
		return;
	}
	assert_int_equal(e.kind, ER_HTML_SEE_END_TAG);
	er_buf_printf(&p->log, "/%u ", e.number);
	edit(p, ER_HTML_BEFORE, "[b]");
	edit(p, ER_HTML_AFTER, "[a]");
	if (e.number == 2)
		edit(p, ER_HTML_REMOVE, "");
	if (e.number == 3)
		edit(p, ER_HTML_RENAME, "y");
}

static void end_tags_are_events(void **state)
{
	(void)state;
	becomes("p", ER_HTML_SEE_ELEMENT, end_tags, "<P a=1>x</P  >|<p>y</p>|<p>z</p>|<i><p>w</i>",
	        "<x-p a=1>x[E][b]</x-p  >[a][A]|<x-p>y[E][b][a][A]|<x-p>z[E][b]</y>[a][A]|<i><x-p>w[E][A]</i>");
}

static void escape(html_page *p, er_html_event e)
{
	(void)e;
	assert_null(er_html_edit(p->html, ER_HTML_BEFORE, ER_LIT("<a href=\"?a&b\">"), false));
}

static void new_text(html_page *p, er_html_event e)
{
	(void)e;
	static const char *const BAD[] = {">", "->", "a-->b", "a--!>b", "a-", "a--!", "<!-", "-->"};
	for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
		assert_non_null(er_html_edit(p->html, ER_HTML_SET_TEXT, er_slice_cstr(BAD[i]), true));
	edit(p, ER_HTML_SET_TEXT, " new > ");
	assert_true(er_slice_eq(html_got(p, ER_HTML_TEXT_OF), ER_LIT(" new > ")));
}

static void text_is_escaped_and_comments_stay_comments(void **state)
{
	(void)state;
	becomes("p", ER_HTML_SEE_ELEMENT, escape, "<p>x", "&lt;a href=\"?a&amp;b\"&gt;<p>x");
	becomes(NULL, ER_HTML_SEE_COMMENT, new_text, "<!--a--><!b><?c?>", "<!-- new > --><!-- new > --><!-- new > -->");
}

static void refused(html_page *p, er_html_event e)
{
	er_slice v = ER_LIT("x");
	uint32_t number;
	if (e.kind == ER_HTML_SEE_ELEMENT) {
		static const char *const NAMES[] = {"", "a b", "a/", "a>", "a=", "\"", "'", "a<"}, *const TAGS[] = {"", "1", "a b", "a>",
		                                                                                                    "a/"};
		for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
			assert_non_null(er_html_set_attr(p->html, er_slice_cstr(NAMES[i]), &v));
		for (size_t i = 0; i < sizeof TAGS / sizeof *TAGS; i++)
			assert_non_null(er_html_edit(p->html, ER_HTML_RENAME, er_slice_cstr(TAGS[i]), true));
		assert_non_null(er_html_want_end(p->html, &number)); /* of <br> */
		assert_non_null(er_html_edit(p->html, ER_HTML_SET_TEXT, v, true));
		return;
	}
	assert_non_null(er_html_set_attr(p->html, v, &v));
	assert_non_null(er_html_want_end(p->html, &number));
	assert_non_null(er_html_edit(p->html, ER_HTML_PREPEND, v, true));
	assert_non_null(er_html_edit(p->html, 77, v, true));
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	becomes("br", ALL, refused, "a<br>b", "a<br>b");
	becomes(NULL, DOC, refused, "<!doctype html>a<!--b-->", "<!doctype html>a<!--b-->");
}

/* ---- bounds ---- */

static er_html_turn ends(const char *selector, unsigned what, void (*act)(html_page *, er_html_event), const er_buf *page,
                         size_t cut)
{
	html_page p;
	html_page_init(&p);
	p.cut = cut;
	p.act = act;
	assert_null(html_on(&p, selector, what));
	html_run(&p, er_buf_slice(page));
	er_html_turn ended = p.ended;
	assert_int_equal(ended == ER_HTML_FAILED, er_html_wrong(p.html) != NULL);
	html_page_fini(&p);
	return ended;
}

static void names(const char *head, const char *encoding)
{
	const er_encoding *e = er_html_charset(er_slice_cstr(head));
	assert_string_equal(e != NULL ? e->name : "", encoding);
}

static void a_page_names_its_encoding(void **state)
{
	(void)state;
	names("<!doctype html><title>x</title><meta charset=Shift_JIS>", "shift_jis");
	names("<META/CHARSET = ' latin1 '>", "windows-1252");
	names("<meta name=a charset=\"gbk\"/>", "gbk");
	names("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'>", "koi8-r");
	names("<meta content='text/html;charset = \"big5\"; a' http-equiv='content-type'>", "big5");
	names("<meta content='text/html;charset=big5'>", "");
	names("<meta http-equiv=refresh content='0;charset=big5'>", "");
	names("<meta charset=none><meta charset=euc-kr>", "euc-kr");
	names("<meta charset=none http-equiv=content-type content='charset=big5'>", "");
	names("<meta charset=utf-16><meta charset=big5>", "utf-8");
	names("<meta charset=x-user-defined>", "windows-1252");
	names("<!-- <meta charset=big5> --><!--><meta charset=gbk>", "gbk");
	names("<a title='<meta charset=big5>'></a <meta charset=big5><meta charset=gbk>", "gbk");
	names("<?x <meta charset=big5><!y <meta charset=big5></1 <meta charset=big5><meta charset=gbk>", "gbk");
	names("<metal charset=big5><1<meta\tcharset=gbk>", "gbk");
	names("<meta charset=big5 charset=gbk>", "big5");
	names("\xEF\xBB\xBF<meta charset=big5>", "");
	static const char *const cut[] = {"",     "<",  "<meta", "<meta ", "<meta charset", "<meta charset=", "<meta charset=\"big5",
	                                  "<!--", "</", "<!",    "<a b='"};
	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
		(void)er_html_charset(er_slice_cstr(cut[i]));
	char late[ER_HTML_HEAD + 64];
	memset(late, ' ', sizeof late);
	strcpy(late + ER_HTML_HEAD - 10, "<meta charset=big5>");
	names(late, "");
}

static void repeat(er_buf *b, const char *text, size_t n)
{
	while (n-- > 0)
		er_buf_put_cstr(b, text);
}

/* So much that bytes looked at again each time would take for ever. */
static void a_large_token_that_comes_byte_by_byte_is_looked_at_once(void **state)
{
	static const char *const OPEN[] = {"<a b='", "<!--", "<?", "<!doctype ", "<a "};
	(void)state;
	for (size_t i = 0; i < sizeof OPEN / sizeof *OPEN; i++) {
		er_buf page = {0};
		er_buf_put_cstr(&page, OPEN[i]);
		repeat(&page, "xxxxxxxxxxxxxxxx", (ER_HTML_TOKEN_MAX - 64) / 16);
		assert_int_equal(ends("*", ER_HTML_SEE_ELEMENT, NULL, &page, 1), ER_HTML_DONE);
		repeat(&page, "x", 200);
		assert_int_equal(ends("*", ER_HTML_SEE_ELEMENT, NULL, &page, 1), ER_HTML_FAILED);
		er_buf_fini(&page);
	}
}

static void hold_more(html_page *p, er_html_event e)
{
	static char some[1 << 20];
	(void)e;
	memset(some, 'x', sizeof some);
	bool fits = p->html->held + sizeof some <= ER_HTML_HELD_MAX;
	const char *wrong = er_html_edit(p->html, ER_HTML_APPEND, er_slice_of(some, sizeof some), true);
	assert_int_equal(wrong == NULL, fits);
}

static void depth_attributes_names_and_what_is_held_have_bounds(void **state)
{
	er_buf page = {0};
	(void)state;
	repeat(&page, "<i>", ER_HTML_DEPTH_MAX);
	assert_int_equal(ends("i i", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_DONE);
	repeat(&page, "<i>", 1);
	assert_int_equal(ends("i i", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_FAILED);
	er_buf_clear(&page);
	repeat(&page, "<i></i>", ER_HTML_DEPTH_MAX * 2);
	assert_int_equal(ends("i i", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_DONE);
	er_buf_clear(&page);
	er_buf_puts(&page, "<i");
	repeat(&page, " a", ER_HTML_ATTRS_MAX);
	er_buf_puts(&page, ">");
	assert_int_equal(ends("i", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_DONE);
	er_buf_clear(&page);
	er_buf_puts(&page, "<i");
	repeat(&page, " a", ER_HTML_ATTRS_MAX + 1);
	er_buf_puts(&page, ">");
	assert_int_equal(ends("i", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_FAILED);
	er_buf_clear(&page);
	for (int i = 0; i < ER_HTML_TYPES_MAX; i++)
		er_buf_printf(&page, "<x%d></x%d>", i, i);
	assert_int_equal(ends(":nth-of-type(2)", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_DONE);
	er_buf_puts(&page, "<y>");
	assert_int_equal(ends(":nth-of-type(2)", ER_HTML_SEE_ELEMENT, NULL, &page, 4096), ER_HTML_FAILED);
	er_buf_clear(&page);
	repeat(&page, "<i>", 10);
	assert_int_equal(ends("i", ER_HTML_SEE_ELEMENT, hold_more, &page, 0), ER_HTML_DONE);
	er_buf_clear(&page);
	repeat(&page, "<i></i>", 10);
	assert_int_equal(ends("i", ER_HTML_SEE_ELEMENT, hold_more, &page, 0), ER_HTML_DONE);
	er_buf_fini(&page);
}

static void selectors_have_bounds(void **state)
{
	html_page p;
	er_buf long_one = {0};
	(void)state;
	html_page_init(&p);
	for (int i = 0; i < ER_HTML_RULES_MAX; i++)
		assert_null(html_on(&p, "a b > c", ER_HTML_SEE_ELEMENT));
	assert_non_null(html_on(&p, "a", ER_HTML_SEE_ELEMENT));
	html_page_fini(&p);
	html_page_init(&p);
	repeat(&long_one, "a ", 1024);
	er_buf_putc(&long_one, 0);
	assert_null(html_on(&p, (const char *)long_one.p, ER_HTML_SEE_ELEMENT));
	assert_non_null(html_on(&p, "a", ER_HTML_SEE_ELEMENT));
	html_page_fini(&p);
	html_page_init(&p);
	er_buf_clear(&long_one);
	repeat(&long_one, ".a", 2049);
	er_buf_putc(&long_one, 0);
	assert_non_null(html_on(&p, (const char *)long_one.p, ER_HTML_SEE_ELEMENT));
	html_page_fini(&p);
	er_buf_fini(&long_one);
}

/* All rules of a token see it, in their order. */
static void in_order(html_page *p, er_html_event e)
{
	er_buf_printf(&p->log, "%u", e.number);
	edit(p, ER_HTML_BEFORE, "[b]");
}

static void rules_see_things_in_their_order(void **state)
{
	html_page p;
	(void)state;
	html_page_init(&p);
	p.act = in_order;
	for (int i = 0; i < 70; i++)
		assert_null(html_on(&p, i % 3 == 0 ? "p" : i % 3 == 1 ? "i p, p" : "b", ER_HTML_SEE_ELEMENT));
	html_run(&p, ER_LIT("<i><p>"));
	er_buf wanted = {0};
	for (int i = 0; i < 70; i++)
		if (i % 3 != 2)
			er_buf_printf(&wanted, "%d", i);
	assert_true(er_slice_eq(er_buf_slice(&p.log), er_buf_slice(&wanted)));
	er_buf_fini(&wanted);
	html_page_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tags_and_text_are_told_apart),
	    cmocka_unit_test(comments_end_where_the_standard_ends_them),
	    cmocka_unit_test(the_text_of_some_elements_has_no_tags),
	    cmocka_unit_test(foreign_elements_are_read_as_such),
	    cmocka_unit_test(selectors_find_what_they_say),
	    cmocka_unit_test(places_among_siblings_are_counted),
	    cmocka_unit_test(end_tags_that_are_left_out_are_implied),
	    cmocka_unit_test(selectors_that_are_not_supported_say_so),
	    cmocka_unit_test(content_is_inserted_where_it_belongs),
	    cmocka_unit_test(elements_are_removed_and_filled),
	    cmocka_unit_test(attributes_are_changed_where_they_stand),
	    cmocka_unit_test(text_is_seen_where_it_is_asked_for),
	    cmocka_unit_test(text_is_replaced_however_it_comes),
	    cmocka_unit_test(end_tags_are_events),
	    cmocka_unit_test(text_is_escaped_and_comments_stay_comments),
	    cmocka_unit_test(what_cannot_be_is_refused),
	    cmocka_unit_test(a_page_names_its_encoding),
	    cmocka_unit_test(a_large_token_that_comes_byte_by_byte_is_looked_at_once),
	    cmocka_unit_test(depth_attributes_names_and_what_is_held_have_bounds),
	    cmocka_unit_test(selectors_have_bounds),
	    cmocka_unit_test(rules_see_things_in_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
