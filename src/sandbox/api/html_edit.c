/* What handlers see of the present token, and what they make of it (html_rewrite.h). Edits wait in
 * `edits` until all handlers of the token have run; what concerns an element's end waits with the
 * open element (er_html_tail). */
#include "sandbox/api/html_rewrite.h"

#include "base/mem.h"

static const char NOT_HERE[] = "this cannot be done here";
static const char TOO_MUCH[] = "more than 8 MB are to be inserted at the ends of open elements";

void er_html_edits_clear(er_html_edits *e)
{
	enum { KEEP = 16 * 1024 };
	er_buf *bufs[] = {&e->before, &e->after, &e->inside, &e->replacement, &e->name};
	if (!e->any && !e->listed)
		return;
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
		er_buf_clear(bufs[i]);
		if (bufs[i]->cap > KEEP)
			er_buf_fini(bufs[i]);
	}
	er_arena_reset(&e->arena);
	e->list_n = 0;
	e->any = e->removed = e->gone = e->drops = e->retexted = e->listed = false;
}

void er_html_edits_fini(er_html_edits *e)
{
	er_buf_fini(&e->before);
	er_buf_fini(&e->after);
	er_buf_fini(&e->inside);
	er_buf_fini(&e->replacement);
	er_buf_fini(&e->name);
	er_free(e->list);
	er_arena_fini(&e->arena);
	*e = (er_html_edits){0};
}

/* ---- content ---- */

void er_html_put_text(er_buf *b, er_slice s)
{
	size_t from = 0;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c != '&' && c != '<' && c != '>')
			continue;
		er_buf_put(b, er_slice_of(s.p + from, i - from));
		er_buf_put(b, c == '&' ? ER_LIT("&amp;") : c == '<' ? ER_LIT("&lt;") : ER_LIT("&gt;"));
		from = i + 1;
	}
	er_buf_put(b, er_slice_from(s, from));
}

static void put_content(er_buf *b, er_slice s, bool html)
{
	if (html)
		er_buf_put(b, s);
	else
		er_html_put_text(b, s);
}

/* In front of what is there. */
static void put_first(er_buf *b, er_slice s, bool html)
{
	er_buf all = {0};
	put_content(&all, s, html);
	er_buf_put(&all, er_buf_slice(b));
	er_buf_fini(b);
	*b = all;
}

static void set_content(er_buf *b, er_slice s, bool html)
{
	er_buf_clear(b);
	put_content(b, s, html);
}

er_html_tail *er_html_tail_now(er_html *h)
{
	er_html_open *top = er_html_tree_top(&h->tree);
	ER_ASSERT(h->content && er_html_tree_depth(&h->tree) > 0);
	if (top->tail == NULL)
		top->tail = ER_NEW(er_html_tail);
	return top->tail;
}

/* May so much more wait for the end of the element? Escapes make five bytes of one at most. */
static bool hold(er_html *h, er_slice s)
{
	if (s.n > ER_HTML_HELD_MAX || h->held + s.n > ER_HTML_HELD_MAX)
		return false;
	h->held += s.n;
	er_html_tail_now(h)->held += s.n;
	return true;
}

/* ---- edits ---- */

static const char *edit_element(er_html *h, unsigned what, er_slice s, bool html)
{
	er_html_edits *e = &h->edits;
	if (what == ER_HTML_REMOVE || what == ER_HTML_REPLACE || what == ER_HTML_UNWRAP) {
		e->removed = true;
		if (what == ER_HTML_REPLACE)
			set_content(&e->replacement, s, html);
		if (h->content)
			er_html_tail_now(h)->drops_tag = true;
		if (what == ER_HTML_UNWRAP)
			return NULL;
		e->gone = true;
		e->drops = h->content;
		er_buf_clear(&e->inside);
		if (h->content)
			er_buf_clear(&er_html_tail_now(h)->append);
		return NULL;
	}
	if (!h->content || e->gone)
		return NULL; /* there is nothing inside */
	if (what == ER_HTML_PREPEND) {
		put_first(&e->inside, s, html);
	} else if (what == ER_HTML_SET_INNER) {
		set_content(&e->inside, s, html);
		e->drops = true;
		er_buf_clear(&er_html_tail_now(h)->append);
	} else {
		if (!hold(h, s))
			return TOO_MUCH;
		put_content(&er_html_tail_now(h)->append, s, html);
	}
	return NULL;
}

static const char *after(er_html *h, er_slice s, bool html)
{
	if (h->kind != ER_HTML_SEE_ELEMENT || !h->content) {
		put_first(&h->edits.after, s, html);
		return NULL;
	}
	if (!hold(h, s))
		return TOO_MUCH;
	put_first(&er_html_tail_now(h)->after, s, html);
	return NULL;
}

/* 13.1.2: what the tokenizer would read as the same name. */
static const char *rename_to(er_html *h, er_slice name)
{
	if (name.n == 0 || !er_html_is_letter(name.p[0]))
		return "the name of a tag begins with a letter";
	for (size_t i = 0; i < name.n; i++)
		if (er_html_is_space(name.p[i]) || name.p[i] == '/' || name.p[i] == '>' || name.p[i] == 0)
			return "the name of a tag has no white space, \"/\" or \">\"";
	set_content(&h->edits.name, name, true);
	if (h->kind == ER_HTML_SEE_ELEMENT && h->content)
		set_content(&er_html_tail_now(h)->name, name, true);
	return NULL;
}

/* 13.1.6: nothing in it may end it. */
static const char *retext(er_html *h, er_slice s)
{
	bool ends = er_slice_starts(s, ER_LIT(">")) || er_slice_starts(s, ER_LIT("->")) || er_slice_ends(s, ER_LIT("<!-")) ||
	            er_slice_ends(s, ER_LIT("-")) || er_slice_ends(s, ER_LIT("--!"));
	for (size_t i = 0; !ends && i < s.n; i++) {
		er_slice rest = er_slice_from(s, i);
		ends = er_slice_starts(rest, ER_LIT("-->")) || er_slice_starts(rest, ER_LIT("--!>"));
	}
	if (ends)
		return "the text of a comment has nothing that ends the comment";
	if (h->edits.removed)
		return NULL;
	set_content(&h->edits.replacement, s, true);
	h->edits.retexted = true;
	return NULL;
}

/* Which kinds of event have it. */
static unsigned kinds_of(unsigned what)
{
	enum { TAGS = ER_HTML_SEE_ELEMENT | ER_HTML_SEE_END_TAG, ANY = TAGS | ER_HTML_SEE_TEXT | ER_HTML_SEE_COMMENT };
	switch (what) {
	case ER_HTML_BEFORE:
	case ER_HTML_AFTER:
	case ER_HTML_REPLACE:
	case ER_HTML_REMOVE:
		return ANY;
	case ER_HTML_PREPEND:
	case ER_HTML_SET_INNER:
	case ER_HTML_UNWRAP:
		return ER_HTML_SEE_ELEMENT;
	case ER_HTML_APPEND:
		return ER_HTML_SEE_ELEMENT | ER_HTML_SEE_END;
	case ER_HTML_RENAME:
		return TAGS;
	case ER_HTML_SET_TEXT:
		return ER_HTML_SEE_COMMENT;
	default:
		return 0;
	}
}

const char *er_html_edit(er_html *h, unsigned what, er_slice s, bool html)
{
	er_html_edits *e = &h->edits;
	if ((kinds_of(what) & h->kind) == 0)
		return NOT_HERE;
	e->any = true;
	switch (what) {
	case ER_HTML_BEFORE:
		put_content(&e->before, s, html);
		return NULL;
	case ER_HTML_AFTER:
		return after(h, s, html);
	case ER_HTML_RENAME:
		return rename_to(h, s);
	case ER_HTML_SET_TEXT:
		return retext(h, s);
	default:
		break;
	}
	if (h->kind == ER_HTML_SEE_ELEMENT)
		return edit_element(h, what, s, html);
	if (what == ER_HTML_APPEND) {
		put_content(&e->before, s, html);
		return NULL;
	}
	e->removed = true;
	e->retexted = false;
	er_buf_clear(&e->replacement);
	if (what == ER_HTML_REPLACE)
		put_content(&e->replacement, s, html);
	return NULL;
}

const char *er_html_want_end(er_html *h, uint32_t *number)
{
	if (h->kind != ER_HTML_SEE_ELEMENT || !h->content)
		return "this element has no end tag";
	er_html_tail *tail = er_html_tail_now(h);
	h->edits.any = true;
	if (!tail->wants_end) {
		tail->wants_end = true;
		tail->serial = ++h->serials;
	}
	*number = tail->serial;
	return NULL;
}

/* ---- attributes ---- */

static er_slice part(const er_html *h, er_html_part p)
{
	return er_slice_of(h->element.bytes + p.at, p.n);
}

/* Marks those whose name has stood before: by a table of those seen, for there may be many. */
static void mark_repeated(er_html_edits *e)
{
	enum { PLACES = 4 * ER_HTML_ATTRS_MAX };
	uint16_t seen[PLACES] = {0};
	for (size_t i = 0; i < e->list_n; i++) {
		size_t at = er_html_name_of(e->list[i].name) * UINT64_C(0x9e3779b97f4a7c15) >> 52;
		static_assert(PLACES == 1 << (64 - 52), "the upper bits say the place");
		while (seen[at] != 0 && !er_slice_ieq(e->list[seen[at] - 1].name, e->list[i].name))
			at = (at + 1) % PLACES;
		e->list[i].repeated = seen[at] != 0;
		if (seen[at] == 0)
			seen[at] = (uint16_t)(i + 1);
	}
}

static er_html_given *add(er_html_edits *e)
{
	if (e->list_n == e->list_room) {
		e->list_room = e->list_room > 0 ? 2 * e->list_room : 16;
		e->list = er_realloc(e->list, e->list_room * sizeof *e->list);
	}
	return &e->list[e->list_n++];
}

static void list(er_html *h)
{
	er_html_edits *e = &h->edits;
	if (e->listed)
		return;
	e->listed = true;
	for (size_t i = 0; i < h->element.attrs_n; i++) {
		const er_html_attr *a = &h->element.attrs[i];
		*add(e) = (er_html_given){.name = part(h, a->name), .value = part(h, a->value), .from_tag = true};
	}
	mark_repeated(e);
}

static er_html_given *find(const er_html_edits *e, er_slice name)
{
	for (size_t i = 0; i < e->list_n; i++)
		if (!e->list[i].removed && er_slice_ieq(e->list[i].name, name))
			return &e->list[i];
	return NULL;
}

static bool bad_name(er_slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i];
		if (er_html_is_space(c) || c == 0 || c == '/' || c == '>' || c == '=' || c == '"' || c == '\'' || c == '<')
			return true;
	}
	return name.n == 0;
}

const char *er_html_set_attr(er_html *h, er_slice name, const er_slice *value)
{
	er_html_edits *e = &h->edits;
	if (h->kind != ER_HTML_SEE_ELEMENT)
		return NOT_HERE;
	if (value != NULL && bad_name(name))
		return "the name of an attribute has no white space, quotes, \"/\", \">\", \"=\" or \"<\"";
	list(h);
	e->any = true;
	er_html_given *g;
	if (value == NULL) {
		while ((g = find(e, name)) != NULL)
			g->removed = true;
		return NULL;
	}
	g = find(e, name);
	if (g == NULL) {
		if (e->list_n >= (size_t)2 * ER_HTML_ATTRS_MAX)
			return "the tag has too many attributes";
		g = add(e);
		*g = (er_html_given){.name = er_arena_lower(&e->arena, name)};
	}
	g->set = true;
	g->value = er_arena_copy(&e->arena, *value);
	return NULL;
}

/* By its number among those that the standard sees. */
static const er_html_given *numbered(const er_html_edits *e, uint32_t number)
{
	for (size_t i = 0; i < e->list_n; i++)
		if (!e->list[i].removed && !e->list[i].repeated && number-- == 0)
			return &e->list[i];
	return NULL;
}

static bool get_attr(const er_html *h, unsigned what, er_slice name, uint32_t number, er_slice *out)
{
	const er_html_given *g;
	if (h->kind != ER_HTML_SEE_ELEMENT)
		return false;
	if (what != ER_HTML_ATTR) {
		list((er_html *)(uintptr_t)h); /* they are numbered there */
		g = numbered(&h->edits, number);
		if (g != NULL)
			*out = what == ER_HTML_ATTR_NAME ? g->name : g->value;
		return g != NULL;
	}
	if (!h->edits.listed) {
		const er_html_attr *a = er_html_attr_find(h->element.bytes, h->element.attrs, h->element.attrs_n, name);
		if (a != NULL)
			*out = part(h, a->value);
		return a != NULL;
	}
	g = find(&h->edits, name);
	if (g != NULL)
		*out = g->value;
	return g != NULL;
}

/* ---- what there is ---- */

static er_slice token_slice(const er_html *h)
{
	return er_slice_head(er_slice_from(er_buf_slice(&h->in), h->at), h->n);
}

static bool get_text(const er_html *h, er_slice *out)
{
	const er_html_edits *e = &h->edits;
	if (h->kind == ER_HTML_SEE_TEXT) {
		*out = token_slice(h);
		return true;
	}
	if (h->kind != ER_HTML_SEE_COMMENT)
		return false;
	*out =
	    e->retexted ? er_buf_slice(&e->replacement) : er_slice_of(token_slice(h).p + h->tok.token.text.at, h->tok.token.text.n);
	return true;
}

static bool get_part(const er_html *h, er_html_part p, bool has, er_slice *out)
{
	if (has)
		*out = er_slice_of(token_slice(h).p + p.at, p.n);
	return has;
}

bool er_html_get(const er_html *h, unsigned what, er_slice which, uint32_t number, er_slice *out)
{
	static const char *const NAMESPACES[] = {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg",
	                                         "http://www.w3.org/1998/Math/MathML"};
	const er_html_token *k = &h->tok.token;
	bool doctype = h->kind == ER_HTML_SEE_DOCTYPE, tag = (h->kind & (ER_HTML_SEE_ELEMENT | ER_HTML_SEE_END_TAG)) != 0;
	switch (what) {
	case ER_HTML_NAME:
		if (tag && er_buf_len(&h->edits.name) > 0) {
			*out = er_buf_slice(&h->edits.name);
			return true;
		}
		return get_part(h, k->name, tag || (doctype && k->has_name), out);
	case ER_HTML_NAMESPACE:
		*out = er_slice_cstr(NAMESPACES[h->ns]);
		return h->kind == ER_HTML_SEE_ELEMENT;
	case ER_HTML_TEXT_OF:
		return get_text(h, out);
	case ER_HTML_PUBLIC_ID:
		return get_part(h, k->public_id, doctype && k->has_public, out);
	case ER_HTML_SYSTEM_ID:
		return get_part(h, k->system_id, doctype && k->has_system, out);
	case ER_HTML_ATTR:
	case ER_HTML_ATTR_NAME:
	case ER_HTML_ATTR_VALUE:
		return get_attr(h, what, which, number, out);
	default:
		return false;
	}
}

bool er_html_is(const er_html *h, unsigned what)
{
	return what == ER_HTML_IS_LAST ? h->kind == ER_HTML_SEE_TEXT && h->last_text : h->kind != 0 && h->edits.removed;
}

/* ---- the token as it has become ---- */

static void put_attr(er_buf *b, const er_html_given *g)
{
	er_buf_put(b, g->name);
	er_buf_puts(b, "=\"");
	for (er_slice rest = g->value; rest.n > 0;) {
		size_t n = er_slice_find(rest, '"');
		er_buf_put(b, er_slice_head(rest, n));
		if (n < rest.n)
			er_buf_puts(b, "&quot;");
		rest = er_slice_from(rest, n + 1);
	}
	er_buf_putc(b, '"');
}

/* As it stands in the tag. After "=" without a value another attribute would be the value. */
static void put_kept(er_buf *b, er_slice raw, const er_html_attr *a)
{
	er_buf_put(b, er_slice_of(raw.p + a->name.at, a->end - a->name.at));
	if (a->value.n == 0 && a->end > a->name.at + a->name.n && raw.p[a->end - 1] == '=')
		er_buf_puts(b, "\"\"");
}

/* The bytes of the tag, but for attributes that were set or removed. With one that is removed goes
 * what is in front of it. */
static void put_attrs(er_buf *b, const er_html *h, er_slice raw, size_t from)
{
	const er_html_edits *e = &h->edits;
	size_t end = from; /* of the last one */
	for (size_t i = 0; i < e->list_n && e->list[i].from_tag; i++) {
		const er_html_given *g = &e->list[i];
		const er_html_attr *a = &h->element.attrs[i];
		if (!g->removed) {
			er_buf_put(b, er_slice_of(raw.p + end, a->name.at - end));
			if (g->set)
				put_attr(b, g);
			else
				put_kept(b, raw, a);
		} else if (!er_html_is_space(raw.p[a->end]) && raw.p[a->end] != '>') {
			er_buf_putc(b, ' ');
		}
		end = a->end;
	}
	for (size_t i = 0; i < e->list_n; i++)
		if (!e->list[i].from_tag && !e->list[i].removed) {
			er_buf_putc(b, ' ');
			put_attr(b, &e->list[i]);
		}
	er_buf_put(b, er_slice_from(raw, end));
}

static void put_start_tag(er_buf *b, const er_html *h, er_slice raw)
{
	const er_html_edits *e = &h->edits;
	er_html_part name = h->tok.token.name;
	er_buf_putc(b, '<');
	er_buf_put(b, er_buf_len(&e->name) > 0 ? er_buf_slice(&e->name) : er_slice_of(raw.p + name.at, name.n));
	size_t end = name.at + name.n;
	if (e->listed)
		put_attrs(b, h, raw, end);
	else
		er_buf_put(b, er_slice_from(raw, end));
}

void er_html_write_token(er_html *h, er_slice raw)
{
	const er_html_edits *e = &h->edits;
	er_html_part name = h->tok.token.name;
	er_buf *b = &h->out;
	if (e->removed) {
		er_buf_put(b, er_buf_slice(&e->replacement));
	} else if (h->kind == ER_HTML_SEE_ELEMENT) {
		put_start_tag(b, h, raw);
	} else if (h->kind == ER_HTML_SEE_END_TAG && er_buf_len(&e->name) > 0) {
		er_buf_puts(b, "</");
		er_buf_put(b, er_buf_slice(&e->name));
		er_buf_put(b, er_slice_from(raw, name.at + name.n));
	} else if (e->retexted) {
		er_buf_puts(b, "<!--");
		er_buf_put(b, er_buf_slice(&e->replacement));
		er_buf_puts(b, "-->");
	} else {
		er_buf_put(b, raw);
	}
}
