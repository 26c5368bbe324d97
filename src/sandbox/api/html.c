/* What HTMLRewriter and HTMLStream run on: a rewriter (html_rewrite.h) with a handle that
 * JavaScript holds. The prelude gives it bytes when it has none left, takes what comes out, and
 * calls a routine's handlers when the rewriter stands still for one:
 *
 *    htmlRun ──► a number: somebody's event; htmlGet, htmlEdit, ... act on it until the next htmlRun
 *            ──► bytes: they have come out
 *            ──► undefined: it needs more, or all is done
 *
 * One call takes a whole piece of a page through, unless a handler wants to see something of it.
 *
 * Of a page whose encoding nobody knows the first 1024 bytes wait until they are there or the page
 * has ended: then it is known whether they name one. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include "sandbox/api/html_charset.h"
#include "sandbox/api/page_coding.h"
#include "sandbox/api/html_rewrite.h"

enum { COST = 192 * 1024 }; /* bytes that one has while it works, about */

typedef struct rewriter {
	er_held held; /* by the stream alone: it has no request */
	er_html *html;
	bool sniffs; /* the page's encoding is not known yet, and these are its first bytes: */
	er_buf head;
	er_page_coding *coding; /* NULL: UTF-8 */
} rewriter;

static void rewriter_end(er_held *h)
{
	rewriter *r = ER_CONTAINER(h, rewriter, held);
	er_held_fini(h);
	er_html_free(r->html);
	er_buf_fini(&r->head);
	er_page_coding_free(r->coding);
	er_free(r);
}

const er_held_ops er_held_ops_html = {.end = rewriter_end};

ER_NATIVE(htmlNew)
{
	rewriter *r = ER_NEW(rewriter);
	r->html = er_html_new();
	r->sniffs = er_js_to_bool(a->sniffs);
	er_held_init(&r->held, ER_HELD_html, NULL);
	return er_js_handle(&r->held, sizeof *r + sizeof *r->html + COST);
}

static rewriter *rewriter_arg(er_value v, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_html);
	if (h != NULL)
		return ER_CONTAINER(h, rewriter, held);
	(void)er_js_throw(exception, "TypeError", "The HTML is not being rewritten any more");
	return NULL;
}

static er_html *html_arg(er_value v, er_value *exception)
{
	const rewriter *r = rewriter_arg(v, exception);
	return r != NULL ? r->html : NULL;
}

/* A string for the page, in its encoding. *room is for what had to be converted. */
static er_slice coded(const rewriter *r, er_slice utf8, er_buf *room)
{
	if (r->coding == NULL)
		return utf8;
	return er_page_coding_write(r->coding, utf8, room) ? er_buf_slice(room) : utf8;
}

/* At once, not only when it is collected. */
ER_NATIVE(htmlFree)
{
	er_held *h = er_js_handle_of(a->handle, ER_HELD_html);
	if (h != NULL)
		er_held_end(h);
	return er_js_undefined();
}

/* undefined, or what is wrong with the selector. */
ER_NATIVE(htmlOn)
{
	er_html *h = html_arg(a->handle, exception);
	er_text t;
	size_t at = 0;
	if (h == NULL)
		return NULL;
	if (h->begun)
		return er_js_throw(exception, "TypeError", "htmlOn: it has begun");
	unsigned sees = er_js_to_u32(a->sees);
	const char *wrong;
	if (er_js_is_undefined(a->selector)) {
		wrong = er_html_on(h, NULL, sees, &at);
	} else {
		if (!er_js_utf8(a->selector, &t, exception))
			return NULL;
		er_slice selector = er_text_slice(&t);
		wrong = er_html_on(h, &selector, sees, &at);
		er_text_fini(&t);
	}
	return wrong != NULL ? er_js_ascii(wrong) : er_js_undefined();
}

static er_value taken(er_html *h, er_value *exception)
{
	er_slice out = er_html_output(h);
	if (out.n == 0)
		return er_js_undefined();
	er_value v = er_js_u8_copy(out, exception);
	er_html_taken(h);
	return v;
}

/* False: what the page is has yet to come. */
static bool sniffed(rewriter *r, er_slice bytes, bool last)
{
	er_buf_put(&r->head, bytes);
	if (er_buf_len(&r->head) < ER_HTML_HEAD && !last)
		return false;
	r->sniffs = false;
	r->coding = er_page_coding_new(er_html_charset(er_buf_slice(&r->head)));
	r->html->wide = r->coding != NULL && er_page_coding_is_wide(r->coding);
	er_html_feed(r->html, er_buf_slice(&r->head), last);
	er_buf_fini(&r->head);
	return true;
}

ER_NATIVE(htmlRun)
{
	rewriter *r = rewriter_arg(a->handle, exception);
	er_slice bytes = {(const uint8_t *)"", 0};
	er_html_event event;
	if (r == NULL)
		return NULL;
	er_html *h = r->html;
	bool given = er_js_bytes(a->bytes, &bytes), last = er_js_to_bool(a->last);
	if (given || last) {
		if (h->last || h->kind != 0)
			return er_js_throw(exception, "TypeError", "htmlRun: it has not asked for more");
		if (!r->sniffs)
			er_html_feed(h, bytes, last);
		else if (!sniffed(r, bytes, last))
			return er_js_undefined();
	}
	switch (er_html_run(h, &event)) {
	case ER_HTML_EVENT:
		return er_js_number(event.kind + (double)event.number * ER_HTML_SEE_NEXT);
	case ER_HTML_OUTPUT:
		return taken(h, exception);
	case ER_HTML_FAILED: {
		char *text = er_printf("The HTML cannot be rewritten: %s", er_html_wrong(h));
		(void)er_js_throw(exception, "RangeError", text);
		er_free(text);
		return NULL;
	}
	default:
		return er_js_undefined();
	}
}

ER_NATIVE(htmlTake)
{
	er_html *h = html_arg(a->handle, exception);
	return h != NULL ? taken(h, exception) : NULL;
}

static er_value text_of(const rewriter *r, er_slice s, er_value *exception)
{
	return r->coding != NULL ? er_page_coding_read(r->coding, s, exception) : er_js_from_utf8(s);
}

static er_value lowered(const rewriter *r, er_slice s, er_value *exception)
{
	er_buf b = {0};
	(void)er_append_lower(er_buf_reserve(&b, s.n), s);
	er_value v = text_of(r, er_slice_of(b.p, s.n), exception);
	er_buf_fini(&b);
	return v;
}

/* null: there is none. */
ER_NATIVE(htmlGet)
{
	const rewriter *r = rewriter_arg(a->handle, exception);
	unsigned what = er_js_to_u32(a->what);
	er_slice out;
	er_text t = {0};
	er_buf room = {0};
	if (r == NULL)
		return NULL;
	er_html *h = r->html;
	if (what == ER_HTML_IS_LAST || what == ER_HTML_IS_REMOVED)
		return er_js_bool(er_html_is(h, what));
	bool by_name = what == ER_HTML_ATTR;
	if (by_name && !er_js_utf8_arg(a->which, &t, exception))
		return NULL;
	er_slice name = by_name ? coded(r, er_text_slice(&t), &room) : er_slice_of("", 0);
	bool has = er_html_get(h, what, name, by_name ? 0 : er_js_to_u32(a->which), &out);
	er_buf_fini(&room);
	if (by_name)
		er_text_fini(&t);
	if (!has)
		return er_js_null();
	return what == ER_HTML_NAME || what == ER_HTML_ATTR_NAME ? lowered(r, out, exception) : text_of(r, out, exception);
}

static er_value done(const char *wrong, er_value *exception)
{
	return wrong != NULL ? er_js_throw(exception, "TypeError", wrong) : er_js_undefined();
}

/* Text is escaped before it is converted: what it becomes then is markup. */
static const char *edit(const rewriter *r, unsigned what, er_slice content, bool html)
{
	er_buf escaped = {0}, room = {0};
	if (r->coding != NULL && !html) {
		er_html_put_text(&escaped, content);
		content = er_buf_slice(&escaped);
		html = true;
	}
	const char *wrong = er_html_edit(r->html, what, coded(r, content, &room), html);
	er_buf_fini(&room);
	er_buf_fini(&escaped);
	return wrong;
}

ER_NATIVE(htmlEdit)
{
	const rewriter *r = rewriter_arg(a->handle, exception);
	er_text t;
	if (r == NULL || !er_js_utf8_arg(a->content, &t, exception))
		return NULL;
	const char *wrong = edit(r, er_js_to_u32(a->what), er_text_slice(&t), er_js_to_bool(a->html));
	er_text_fini(&t);
	return done(wrong, exception);
}

/* undefined as value: removes it. */
ER_NATIVE(htmlAttr)
{
	const rewriter *r = rewriter_arg(a->handle, exception);
	er_text name, value;
	er_buf rooms[2] = {0};
	if (r == NULL || !er_js_utf8_arg(a->name, &name, exception))
		return NULL;
	const char *wrong = NULL;
	er_slice n = coded(r, er_text_slice(&name), &rooms[0]);
	if (er_js_is_undefined(a->value)) {
		wrong = er_html_set_attr(r->html, n, NULL);
	} else if (er_js_utf8_arg(a->value, &value, exception)) {
		er_slice v = coded(r, er_text_slice(&value), &rooms[1]);
		wrong = er_html_set_attr(r->html, n, &v);
		er_text_fini(&value);
	}
	er_buf_fini(&rooms[0]);
	er_buf_fini(&rooms[1]);
	er_text_fini(&name);
	return *exception != NULL ? NULL : done(wrong, exception);
}

ER_NATIVE(htmlEndTag)
{
	er_html *h = html_arg(a->handle, exception);
	uint32_t number;
	if (h == NULL)
		return NULL;
	const char *wrong = er_html_want_end(h, &number);
	return wrong != NULL ? er_js_throw(exception, "TypeError", wrong) : er_js_number(number);
}
