/* How tokens go through a rewriter (html_rewrite.h). Each token is dealt with in two steps:
 * `begin_*` finds out who wants to see it, `commit_*` writes it. Between them stand the events, one
 * for each who does; a token that nobody wants goes through both at once, and is only counted: `at`
 * moves on, and `kept` stays where the bytes begin that are to be copied as they are.
 *
 *      in:  ......|kept .... untouched .... |at  present token  | ...
 *
 * Elements close at their end tag (end_tag), at that of one around them, at a start tag that ends
 * them, or with the document (close_one in these cases). */
#include "sandbox/api/html_rewrite.h"

#include "base/mem.h"

er_html *er_html_new(void)
{
	return ER_NEW(er_html);
}

void er_html_free(er_html *h)
{
	if (h == NULL)
		return;
	if (h->begun)
		er_html_tree_fini(&h->tree);
	er_html_tokenizer_fini(&h->tok);
	er_html_rules_fini(&h->rules);
	er_html_edits_fini(&h->edits);
	er_buf_fini(&h->in);
	er_buf_fini(&h->out);
	er_free(h);
}

/* ---- rules ---- */

/* One more open element, or the document, matches the rule. */
static void activate(er_html *h, unsigned rule)
{
	if (h->inside[rule]++ > 0)
		return;
	if (h->sees[rule] & ER_HTML_SEE_TEXT)
		er_html_set_add(&h->texts, rule);
	if (h->sees[rule] & ER_HTML_SEE_COMMENT)
		er_html_set_add(&h->comments, rule);
}

static void deactivate(er_html *h, unsigned rule)
{
	ER_ASSERT(h->inside[rule] > 0);
	if (--h->inside[rule] > 0)
		return;
	uint64_t bit = UINT64_C(1) << (rule % 64);
	h->texts.words[rule / 64] &= ~bit;
	h->comments.words[rule / 64] &= ~bit;
}

const char *er_html_on(er_html *h, const er_slice *selector, unsigned sees, size_t *at)
{
	ER_ASSERT(!h->begun);
	*at = 0;
	if (h->rules_n == ER_HTML_RULES_MAX)
		return "there are more than 256 of them";
	unsigned rule = h->rules_n++;
	h->sees[rule] = (uint8_t)sees;
	if (selector != NULL) {
		if (sees & ER_HTML_SEE_ELEMENT)
			er_html_set_add(&h->elements, rule);
		return er_html_rules_add(&h->rules, *selector, rule, at);
	}
	activate(h, rule);
	if (sees & ER_HTML_SEE_DOCTYPE)
		er_html_set_add(&h->doctypes, rule);
	if (sees & ER_HTML_SEE_END)
		er_html_set_add(&h->ends, rule);
	return NULL;
}

/* ---- what goes out ---- */

static er_slice ahead(const er_html *h)
{
	return er_slice_from(er_buf_slice(&h->in), h->at);
}

/* What was not touched, up to the present token. */
static void flush(er_html *h)
{
	if (h->dropping == 0 && h->at > h->kept)
		er_buf_put(&h->out, er_slice_of(er_buf_slice(&h->in).p + h->kept, h->at - h->kept));
	h->kept = h->at;
}

static void put(er_html *h, const er_buf *b)
{
	if (h->dropping == 0)
		er_buf_put(&h->out, er_buf_slice(b));
}

/* Of the token there is nothing left to do. */
static void passed(er_html *h)
{
	h->at += h->n;
	h->n = 0;
}

/* The same, and it goes out otherwise than it stands there. */
static void replaced(er_html *h)
{
	passed(h);
	h->kept = h->at;
}

/* ---- elements ---- */

static void leave(er_html *h)
{
	const er_html_tail *tail = er_html_tree_top(&h->tree)->tail;
	er_html_set had = {0};
	if (tail != NULL)
		h->held -= tail->held;
	er_html_tree_leave(&h->tree, &had);
	while (!er_html_set_empty(&had))
		deactivate(h, er_html_set_take(&had));
}

/* The innermost element ends here, without an end tag of its own. */
static void close_one(er_html *h)
{
	er_html_open *o = er_html_tree_top(&h->tree);
	if (o->tail != NULL || o->drops) {
		flush(h);
		h->dropping -= o->drops;
	}
	if (o->tail != NULL) {
		put(h, &o->tail->append);
		put(h, &o->tail->after);
	}
	leave(h);
}

static void text_of(er_html *h, unsigned traits)
{
	er_html_text text = traits & ER_HTML_IS_RCDATA    ? ER_HTML_RCDATA
	                    : traits & ER_HTML_IS_RAWTEXT ? ER_HTML_RAWTEXT
	                    : traits & ER_HTML_IS_SCRIPT  ? ER_HTML_SCRIPT
	                                                  : ER_HTML_PLAINTEXT;
	er_html_text_is(&h->tok, text, text == ER_HTML_PLAINTEXT ? (er_slice){NULL, 0} : er_html_raw_name(h->element.name));
}

static void see(er_html *h, unsigned kind, er_html_set due)
{
	if (!er_html_set_empty(&due)) {
		h->kind = kind;
		h->due = due;
		h->rule = er_html_set_take(&h->due);
	}
}

static er_html_set both(er_html_set a, er_html_set b)
{
	for (unsigned i = 0; i < ER_HTML_RULE_WORDS; i++)
		a.words[i] &= b.words[i];
	return a;
}

static void begin_start_tag(er_html *h)
{
	enum { TEXTS = ER_HTML_IS_RCDATA | ER_HTML_IS_RAWTEXT | ER_HTML_IS_SCRIPT | ER_HTML_IS_PLAINTEXT };
	const er_html_token *k = &h->tok.token;
	const uint8_t *p = ahead(h).p;
	er_html_name name = er_html_name_of(er_slice_of(p + k->name.at, k->name.n));
	unsigned traits = er_html_traits_of(name);
	h->element = (er_html_element){.name = name, .bytes = p, .attrs = h->tok.attrs, .attrs_n = h->tok.attrs_n};
	while (er_html_tree_breaks_out(&h->tree, &h->element, traits))
		close_one(h);
	for (size_t n = er_html_tree_implies(&h->tree, traits); n > 0; n--)
		close_one(h);
	er_html_set hit = {0};
	h->wrong = er_html_tree_enter(&h->tree, &h->element, traits, k->self_closing, &h->ns, &h->content, &hit);
	if (h->wrong != NULL)
		return;
	if ((traits & TEXTS) != 0 && h->content && h->ns == ER_HTML_NS_HTML)
		text_of(h, traits);
	if (er_html_set_empty(&hit))
		return;
	see(h, ER_HTML_SEE_ELEMENT, both(hit, h->elements));
	while (h->content && !er_html_set_empty(&hit))
		activate(h, er_html_set_take(&hit));
}

static void commit_start_tag(er_html *h)
{
	er_html_edits *e = &h->edits;
	flush(h);
	put(h, &e->before);
	if (h->dropping == 0)
		er_html_write_token(h, er_slice_head(ahead(h), h->n));
	put(h, &e->inside);
	if (!h->content)
		put(h, &e->after);
	replaced(h);
	if (e->drops) {
		er_html_tree_top(&h->tree)->drops = true;
		h->dropping++;
	}
}

/* The end tag of the innermost element. */
static void commit_end_tag(er_html *h)
{
	er_html_edits *e = &h->edits;
	er_html_open *o = er_html_tree_top(&h->tree);
	flush(h);
	h->dropping -= o->drops;
	put(h, &o->tail->append);
	put(h, &e->before);
	if (o->tail->drops_tag)
		e->any = e->removed = true;
	if (er_buf_len(&e->name) == 0 && er_buf_len(&o->tail->name) > 0) {
		e->any = true;
		er_buf_put(&e->name, er_buf_slice(&o->tail->name));
	}
	if (h->dropping == 0)
		er_html_write_token(h, er_slice_head(ahead(h), h->n));
	put(h, &e->after);
	put(h, &o->tail->after);
	replaced(h);
	leave(h);
}

/* ---- text ---- */

/* A byte below the digits is part of no other character, in any encoding: behind one it is safe. */
static size_t whole_wide(er_slice s)
{
	enum { LOOK = 256 };
	for (size_t n = s.n; n > 0 && s.n - n < LOOK; n--)
		if (s.p[n - 1] < '0' && s.p[n - 1] != '&' && s.p[n - 1] != '#')
			return n;
	return s.n < LOOK ? 0 : s.n;
}

/* How much of a text that goes on can be shown: no cut character, no cut entity. */
static size_t whole(er_slice s)
{
	enum { ENTITY_MAX = 34 }; /* the longest of the standard has 33 characters with its "&" */
	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		uint8_t c = s.p[s.n - back];
		if (c < 0x80)
			break;
		if (c >= 0xC0) {
			size_t wants = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
			if (wants > back)
				return s.n - back;
			break;
		}
	}
	for (size_t back = 1; back <= ENTITY_MAX && back <= s.n; back++) {
		uint8_t c = s.p[s.n - back];
		if (c == '&')
			return s.n - back;
		if (!er_html_is_letter(c) && !(c >= '0' && c <= '9') && c != '#')
			break;
	}
	return s.n;
}

/* False: there is nothing to show yet. */
static bool begin_text(er_html *h)
{
	h->last_text = h->tok.token.last;
	if (er_html_set_empty(&h->texts))
		return true;
	if (!h->last_text && !h->last)
		h->n = (h->wide ? whole_wide : whole)(er_slice_head(ahead(h), h->n));
	if (h->n == 0)
		return false;
	h->in_text = !h->last_text;
	see(h, ER_HTML_SEE_TEXT, h->texts);
	return true;
}

/* A text that somebody has seen the beginning of has ended without more of it. */
static void end_text(er_html *h)
{
	h->in_text = false;
	h->last_text = true;
	h->n = 0;
	see(h, ER_HTML_SEE_TEXT, h->texts);
}

/* A text, a comment, the end of the document. */
static void commit_other(er_html *h)
{
	flush(h);
	put(h, &h->edits.before);
	if (h->dropping == 0)
		er_html_write_token(h, er_slice_head(ahead(h), h->n));
	put(h, &h->edits.after);
	replaced(h);
}

/* ---- the way of a token ---- */

static void commit(er_html *h)
{
	if (h->kind == ER_HTML_SEE_END_TAG)
		commit_end_tag(h);
	else if (!h->edits.any)
		passed(h);
	else if (h->kind == ER_HTML_SEE_ELEMENT)
		commit_start_tag(h);
	else
		commit_other(h);
	er_html_edits_clear(&h->edits);
	h->kind = 0;
}

static void begin_end_tag(er_html *h)
{
	er_html_part name = h->tok.token.name;
	er_html_name number = er_html_name_of(er_slice_of(ahead(h).p + name.at, name.n));
	size_t closes = er_html_tree_closes(&h->tree, number, er_html_traits_of(number));
	for (; closes > 1; closes--)
		close_one(h);
	if (closes == 0)
		return;
	er_html_open *o = er_html_tree_top(&h->tree);
	if (o->tail != NULL && o->tail->wants_end) {
		h->kind = ER_HTML_SEE_END_TAG;
		h->due = (er_html_set){0};
		h->rule = o->tail->serial;
	} else if (o->tail == NULL) {
		ER_ASSERT(!o->drops);
		leave(h);
	} else {
		h->kind = ER_HTML_SEE_END_TAG;
		commit(h);
	}
}

/* False: it needs more bytes. */
static bool begin(er_html *h)
{
	const er_html_token *k = &h->tok.token;
	h->n = k->n;
	switch (k->kind) {
	case ER_HTML_START_TAG:
		begin_start_tag(h);
		break;
	case ER_HTML_END_TAG:
		begin_end_tag(h);
		break;
	case ER_HTML_TEXT:
		return begin_text(h);
	case ER_HTML_COMMENT:
		see(h, ER_HTML_SEE_COMMENT, h->comments);
		break;
	case ER_HTML_DOCTYPE:
		see(h, ER_HTML_SEE_DOCTYPE, h->doctypes);
		break;
	default:
		ER_ASSERT(k->kind == ER_HTML_MARK);
	}
	return true;
}

/* The next who wants to see the token; or it is written. */
static void go_on(er_html *h)
{
	if (er_html_set_empty(&h->due))
		commit(h);
	else
		h->rule = er_html_set_take(&h->due);
}

/* There is nothing more to do with the bytes there are: what was not touched goes out. */
static er_html_turn starve(er_html *h)
{
	flush(h);
	er_buf_consume(&h->in, h->at);
	h->kept = h->at = 0;
	return er_buf_len(&h->out) > 0 ? ER_HTML_OUTPUT : h->ended ? ER_HTML_DONE : ER_HTML_HUNGRY;
}

/* All bytes have been dealt with. */
static void finish(er_html *h)
{
	if (h->in_text) {
		end_text(h);
		return;
	}
	while (er_html_tree_depth(&h->tree) > 0)
		close_one(h);
	h->ended = true;
	h->n = 0;
	see(h, ER_HTML_SEE_END, h->ends);
}

/* One token. False: there is none in what there is. */
static bool step(er_html *h)
{
	if (!h->ready) {
		h->tok.cdata = er_html_tree_top(&h->tree)->ns != ER_HTML_NS_HTML;
		er_html_got got = er_html_next(&h->tok, ahead(h), h->last);
		if (got == ER_HTML_TOO_LARGE)
			h->wrong = "a tag, comment or doctype is larger than 1 MB or has more than 1024 attributes";
		if (got == ER_HTML_MORE && h->last)
			finish(h);
		if (got != ER_HTML_TOKEN)
			return h->last && !h->ended;
	}
	h->ready = h->in_text && h->tok.token.kind != ER_HTML_TEXT;
	if (h->ready) {
		end_text(h);
		return true;
	}
	if (!begin(h))
		return false;
	if (h->kind == 0 && h->wrong == NULL)
		passed(h);
	return true;
}

er_html_turn er_html_run(er_html *h, er_html_event *event)
{
	if (!h->begun) {
		h->begun = true;
		er_html_tree_init(&h->tree, &h->rules);
	}
	if (h->kind != 0)
		go_on(h);
	while (h->kind == 0) {
		if (h->wrong != NULL)
			return ER_HTML_FAILED;
		if (er_buf_len(&h->out) >= ER_HTML_OUT_MAX)
			return ER_HTML_OUTPUT;
		if (h->ended || !step(h))
			if (h->kind == 0 && h->wrong == NULL)
				return starve(h);
	}
	*event = (er_html_event){.kind = h->kind, .number = h->rule};
	return ER_HTML_EVENT;
}

void er_html_feed(er_html *h, er_slice bytes, bool last)
{
	ER_ASSERT(!h->last && h->kind == 0);
	er_buf_put(&h->in, bytes);
	h->last = last;
}

er_slice er_html_output(er_html *h)
{
	if (h->kind != 0)
		flush(h);
	return er_buf_slice(&h->out);
}

void er_html_taken(er_html *h)
{
	enum { KEEP = 2 * ER_HTML_OUT_MAX };
	er_buf_clear(&h->out);
	if (h->out.cap > KEEP)
		er_buf_fini(&h->out);
}

const char *er_html_wrong(const er_html *h)
{
	return h->wrong;
}
