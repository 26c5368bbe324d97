/* What HTMLRewriter and HTMLStream run on: a rewriter (html_rewrite.h) with a handle that
 * JavaScript holds. The prelude gives it bytes when it has none left, takes what comes out, and
 * calls a routine's handlers when the rewriter stands still for one:
 *
 *    htmlRun ──► a number: somebody's event; htmlGet, htmlEdit, ... act on it until the next htmlRun
 *            ──► bytes: they have come out
 *            ──► undefined: it needs more, or all is done
 *
 * One call takes a whole piece of a page through, unless a handler wants to see something of it. */
#include "sandbox/api/api.h"

#include "base/mem.h"
#include "sandbox/api/html_rewrite.h"

enum { COST = 192 * 1024 }; /* bytes that one has while it works, about */

typedef struct rewriter {
	er_held held; /* by the stream alone: it has no request */
	er_html *html;
} rewriter;

static void rewriter_end(er_held *h)
{
	rewriter *r = ER_CONTAINER(h, rewriter, held);
	er_held_fini(h);
	er_html_free(r->html);
	er_free(r);
}

const er_held_ops er_held_ops_html = {.end = rewriter_end};

ER_NATIVE(htmlNew)
{
	rewriter *r = ER_NEW(rewriter);
	r->html = er_html_new();
	er_held_init(&r->held, ER_HELD_html, NULL);
	return er_js_handle(&r->held, sizeof *r + sizeof *r->html + COST);
}

static er_html *html_arg(er_value v, er_value *exception)
{
	er_held *h = er_js_handle_of(v, ER_HELD_html);
	if (h != NULL)
		return ER_CONTAINER(h, rewriter, held)->html;
	(void)er_js_throw(exception, "TypeError", "The HTML is not being rewritten any more");
	return NULL;
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

ER_NATIVE(htmlRun)
{
	er_html *h = html_arg(a->handle, exception);
	er_slice bytes = {(const uint8_t *)"", 0};
	er_html_event event;
	if (h == NULL)
		return NULL;
	bool given = er_js_bytes(a->bytes, &bytes), last = er_js_to_bool(a->last);
	if (given || last) {
		if (h->last || h->kind != 0)
			return er_js_throw(exception, "TypeError", "htmlRun: it has not asked for more");
		er_html_feed(h, bytes, last);
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

static er_value lowered(er_slice s)
{
	er_buf b = {0};
	(void)er_append_lower(er_buf_reserve(&b, s.n), s);
	er_value v = er_js_from_utf8(er_slice_of(b.p, s.n));
	er_buf_fini(&b);
	return v;
}

/* null: there is none. */
ER_NATIVE(htmlGet)
{
	er_html *h = html_arg(a->handle, exception);
	unsigned what = er_js_to_u32(a->what);
	er_slice out;
	er_text t = {0};
	if (h == NULL)
		return NULL;
	if (what == ER_HTML_IS_LAST || what == ER_HTML_IS_REMOVED)
		return er_js_bool(er_html_is(h, what));
	bool by_name = what == ER_HTML_ATTR;
	if (by_name && !er_js_utf8_arg(a->which, &t, exception))
		return NULL;
	bool has = er_html_get(h, what, by_name ? er_text_slice(&t) : er_slice_of("", 0), by_name ? 0 : er_js_to_u32(a->which), &out);
	if (by_name)
		er_text_fini(&t);
	if (!has)
		return er_js_null();
	return what == ER_HTML_NAME || what == ER_HTML_ATTR_NAME ? lowered(out) : er_js_from_utf8(out);
}

static er_value done(const char *wrong, er_value *exception)
{
	return wrong != NULL ? er_js_throw(exception, "TypeError", wrong) : er_js_undefined();
}

ER_NATIVE(htmlEdit)
{
	er_html *h = html_arg(a->handle, exception);
	er_text t;
	if (h == NULL || !er_js_utf8_arg(a->content, &t, exception))
		return NULL;
	const char *wrong = er_html_edit(h, er_js_to_u32(a->what), er_text_slice(&t), er_js_to_bool(a->html));
	er_text_fini(&t);
	return done(wrong, exception);
}

/* undefined as value: removes it. */
ER_NATIVE(htmlAttr)
{
	er_html *h = html_arg(a->handle, exception);
	er_text name, value;
	if (h == NULL || !er_js_utf8_arg(a->name, &name, exception))
		return NULL;
	const char *wrong = NULL;
	if (er_js_is_undefined(a->value)) {
		wrong = er_html_set_attr(h, er_text_slice(&name), NULL);
	} else if (er_js_utf8_arg(a->value, &value, exception)) {
		er_slice v = er_text_slice(&value);
		wrong = er_html_set_attr(h, er_text_slice(&name), &v);
		er_text_fini(&value);
	}
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
