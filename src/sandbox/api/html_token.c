/* The tokenizer's states. Text is looked through for what ends it, and needs no state but how it is
 * read: what is undecided at the end of the bytes is left for the next time. All other tokens are
 * looked at byte by byte, once:
 *
 *   TEXT ──► "<a" TAG_* ──► ">"          TEXT ──► "<!--" COMMENT ──► "-->"
 *        ──► "</a" TAG_* ──► ">"              ──► "<!doctype" DOCTYPE ──► ">"
 *        ──► "<!" DECLARATION ──► one of      ──► "<?", "<!x", "</1" BOGUS ──► ">"
 *
 * Names and values end where the standard's states of the same names end them. */
#include "sandbox/api/html_token.h"

#include "base/mem.h"

enum state {
	TEXT, /* also between two tokens */
	DECLARATION,
	COMMENT,
	BOGUS,
	DOCTYPE,
	TAG_NAME,
	BEFORE_ATTR,
	ATTR_NAME,
	AFTER_ATTR_NAME,
	BEFORE_VALUE,
	VALUE_DOUBLE,
	VALUE_SINGLE,
	VALUE_BARE,
	SELF_CLOSING,
};
enum script { PLAIN, ESCAPED, DOUBLE }; /* 13.2.5.15 to 31 */

static const uint8_t COMMENT_OPEN[] = "<!--", CDATA_OPEN[] = "<![CDATA[";
#define CDATA_CLOSE ER_LIT("]]>")

/* What stands at the edge of a text. */
typedef enum edge {
	OPEN,   /* the end of the bytes */
	MARKUP, /* something else than text */
	UNSURE, /* what only more bytes can decide */
} edge;
typedef enum answer { NO, YES, MAYBE } answer;

void er_html_tokenizer_fini(er_html_tokenizer *t)
{
	er_free(t->attrs);
	*t = (er_html_tokenizer){0};
}

void er_html_text_is(er_html_tokenizer *t, er_html_text text, er_slice name)
{
	ER_ASSERT(t->state == TEXT && (text == ER_HTML_DATA || text == ER_HTML_PLAINTEXT || name.n > 0));
	t->text = text;
	t->raw_name = name;
	t->script = PLAIN;
}

/* ---- text ---- */

static bool ends_name(uint8_t c)
{
	return er_html_is_space(c) || c == '/' || c == '>';
}

/* Does s begin with `mark`, of any case? */
static answer begins(er_slice s, er_slice mark, bool last)
{
	size_t n = s.n < mark.n ? s.n : mark.n;
	if (!er_slice_ieq(er_slice_head(s, n), er_slice_head(mark, n)))
		return NO;
	return n == mark.n ? YES : last ? NO : MAYBE;
}

/* Does s begin with `mark` and a name that is `name`? */
static answer begins_tag(er_slice s, er_slice mark, er_slice name, bool last)
{
	answer a = begins(s, mark, last);
	if (a != YES)
		return a;
	s = er_slice_from(s, mark.n);
	a = begins(s, name, last);
	if (a != YES)
		return a;
	if (s.n == name.n)
		return last ? NO : MAYBE;
	return ends_name(s.p[name.n]) ? YES : NO;
}

/* Does markup begin at s, which begins with "<", amidst ordinary text? */
static answer begins_markup(er_slice s, bool last)
{
	if (s.n == 1)
		return last ? NO : MAYBE;
	uint8_t c = s.p[1];
	if (er_html_is_letter(c) || c == '!' || c == '?')
		return YES;
	if (c != '/')
		return NO;
	return s.n > 2 ? YES : last ? NO : MAYBE;
}

static size_t data_end(er_slice s, bool last, edge *e)
{
	for (size_t i = 0; (i += er_slice_find(er_slice_from(s, i), '<')) < s.n; i++) {
		answer a = begins_markup(er_slice_from(s, i), last);
		if (a != NO) {
			*e = a == YES ? MARKUP : UNSURE;
			return i;
		}
	}
	*e = OPEN;
	return s.n;
}

static size_t raw_end(const er_html_tokenizer *t, er_slice s, bool last, edge *e)
{
	for (size_t i = 0; (i += er_slice_find(er_slice_from(s, i), '<')) < s.n; i++) {
		answer a = begins_tag(er_slice_from(s, i), ER_LIT("</"), t->raw_name, last);
		if (a != NO) {
			*e = a == YES ? MARKUP : UNSURE;
			return i;
		}
	}
	*e = OPEN;
	return s.n;
}

static size_t cdata_end(er_slice s, bool last, edge *e)
{
	for (size_t i = 0; (i += er_slice_find(er_slice_from(s, i), ']')) < s.n; i++) {
		answer a = begins(er_slice_from(s, i), CDATA_CLOSE, last);
		if (a != NO) {
			*e = a == YES ? MARKUP : UNSURE;
			return i;
		}
	}
	*e = OPEN;
	return s.n;
}

/* What s, which begins with "<" or "-", does to the state of a script. YES: its end tag. */
static answer in_script(er_html_tokenizer *t, er_slice s, bool last)
{
	answer a = NO;
	if (s.p[0] == '-') {
		a = t->script == PLAIN ? NO : begins(s, ER_LIT("-->"), last);
		if (a == YES)
			t->script = PLAIN;
		return a == MAYBE ? MAYBE : NO;
	}
	if (t->script != DOUBLE && (a = begins_tag(s, ER_LIT("</"), t->raw_name, last)) != NO)
		return a;
	if (t->script == PLAIN) {
		if ((a = begins(s, er_slice_of(COMMENT_OPEN, 4), last)) == YES)
			t->script = ESCAPED;
	} else if (t->script == ESCAPED) {
		if ((a = begins_tag(s, ER_LIT("<"), ER_LIT("script"), last)) == YES)
			t->script = DOUBLE;
	} else if ((a = begins_tag(s, ER_LIT("</"), ER_LIT("script"), last)) == YES) {
		t->script = ESCAPED;
	}
	return a == MAYBE ? MAYBE : NO;
}

static size_t script_end(er_html_tokenizer *t, er_slice s, bool last, edge *e)
{
	for (size_t i = 0; i < s.n; i++) {
		if (t->script == PLAIN && (i += er_slice_find(er_slice_from(s, i), '<')) == s.n)
			break;
		if (s.p[i] != '<' && s.p[i] != '-')
			continue;
		answer a = in_script(t, er_slice_from(s, i), last);
		if (a != NO) {
			*e = a == YES ? MARKUP : UNSURE;
			return i;
		}
	}
	*e = OPEN;
	return s.n;
}

/* How many bytes of s are text, and what stands behind them. */
static size_t text_end(er_html_tokenizer *t, er_slice s, bool last, edge *e)
{
	switch (t->text) {
	case ER_HTML_DATA:
		return data_end(s, last, e);
	case ER_HTML_RCDATA:
	case ER_HTML_RAWTEXT:
		return raw_end(t, s, last, e);
	case ER_HTML_SCRIPT:
		return script_end(t, s, last, e);
	case ER_HTML_CDATA:
		return cdata_end(s, last, e);
	case ER_HTML_PLAINTEXT:
	default:
		*e = OPEN;
		return s.n;
	}
}

/* ---- tokens ---- */

static er_html_got done(er_html_tokenizer *t, er_html_kind kind, size_t n)
{
	t->token.kind = kind;
	t->token.n = n;
	t->state = TEXT;
	t->at = 0;
	return ER_HTML_TOKEN;
}

static er_html_got more(const er_slice data)
{
	return data.n >= ER_HTML_TOKEN_MAX ? ER_HTML_TOO_LARGE : ER_HTML_MORE;
}

static er_html_part part(size_t from, size_t to)
{
	ER_ASSERT(from <= to && to <= UINT32_MAX);
	return (er_html_part){(uint32_t)from, (uint32_t)(to - from)};
}

/* 13.2.5.43 to 52: of all that begins with "<!--" the first of "-->", "--!>" ends it, and "<!-->"
 * and "<!--->" are empty. */
static er_html_got comment(er_html_tokenizer *t, er_slice s, bool last)
{
	enum { BEGIN = 4 };
	const uint8_t *p = s.p;
	for (size_t i = t->at; (i += er_slice_find(er_slice_from(s, i), '>')) < s.n; i++) {
		size_t end = 0;
		if (i == BEGIN || (i == BEGIN + 1 && p[BEGIN] == '-'))
			end = BEGIN;
		else if (i >= BEGIN + 2 && p[i - 1] == '-' && p[i - 2] == '-')
			end = i - 2;
		else if (i >= BEGIN + 3 && p[i - 1] == '!' && p[i - 2] == '-' && p[i - 3] == '-')
			end = i - 3;
		if (end != 0) {
			t->token.text = part(BEGIN, end);
			return done(t, ER_HTML_COMMENT, i + 1);
		}
	}
	t->at = s.n;
	if (!last)
		return more(s);
	t->token.text = part(BEGIN, s.n);
	return done(t, ER_HTML_COMMENT, s.n);
}

static er_html_got bogus(er_html_tokenizer *t, er_slice s, bool last)
{
	size_t end = t->at + er_slice_find(er_slice_from(s, t->at), '>'), begin = s.p[1] == '?' ? 1 : 2;
	t->at = end;
	if (end == s.n && !last)
		return more(s);
	t->token.text = part(begin < end ? begin : end, end);
	return done(t, ER_HTML_COMMENT, end < s.n ? end + 1 : end);
}

static size_t skip_space(er_slice s, size_t i)
{
	while (i < s.n && er_html_is_space(s.p[i]))
		i++;
	return i;
}

/* A string in quotes, or nothing. */
static size_t quoted(er_slice s, size_t i, er_html_part *out, bool *has)
{
	i = skip_space(s, i);
	if (i == s.n || (s.p[i] != '"' && s.p[i] != '\''))
		return i;
	size_t end = i + 1 + er_slice_find(er_slice_from(s, i + 1), s.p[i]);
	*out = part(i + 1, end);
	*has = true;
	return end < s.n ? end + 1 : end;
}

/* 13.2.5.53 to 68. Quotes do not hide the ">". */
static er_html_got doctype(er_html_tokenizer *t, er_slice s, bool last)
{
	enum { BEGIN = 9 };
	size_t end = t->at + er_slice_find(er_slice_from(s, t->at), '>');
	t->at = end;
	if (end == s.n && !last)
		return more(s);
	er_html_token *k = &t->token;
	er_slice d = er_slice_head(s, end);
	size_t i = skip_space(d, BEGIN), from = i;
	while (i < d.n && !er_html_is_space(d.p[i]))
		i++;
	k->name = part(from, i);
	k->has_name = i > from;
	i = skip_space(d, i);
	bool is_public = er_slice_ieq(er_slice_head(er_slice_from(d, i), 6), ER_LIT("public"));
	if (is_public)
		i = quoted(d, i + 6, &k->public_id, &k->has_public);
	if (k->has_public || er_slice_ieq(er_slice_head(er_slice_from(d, i), 6), ER_LIT("system")))
		(void)quoted(d, is_public ? i : i + 6, &k->system_id, &k->has_system);
	return done(t, ER_HTML_DOCTYPE, end < s.n ? end + 1 : end);
}

/* ---- tags ---- */

static er_html_got tag_done(er_html_tokenizer *t, size_t n)
{
	bool end = t->token.kind == ER_HTML_END_TAG;
	if (t->text != ER_HTML_DATA) /* an end tag that has ended its text */
		t->text = ER_HTML_DATA;
	return done(t, end ? ER_HTML_END_TAG : ER_HTML_START_TAG, n);
}

static er_html_attr *attr_now(er_html_tokenizer *t)
{
	return &t->attrs[t->attrs_n - 1];
}

static bool attr_begins(er_html_tokenizer *t, size_t at)
{
	if (t->attrs_n == ER_HTML_ATTRS_MAX)
		return false;
	if (t->attrs_n == t->attrs_room) {
		t->attrs_room = t->attrs_room > 0 ? 2 * t->attrs_room : 16;
		t->attrs = er_realloc(t->attrs, t->attrs_room * sizeof *t->attrs);
	}
	t->attrs[t->attrs_n++] = (er_html_attr){.name = part(at, at), .value = part(at, at)};
	t->state = ATTR_NAME;
	return true;
}

static void value_ends(er_html_tokenizer *t, size_t at, size_t end)
{
	er_html_attr *a = attr_now(t);
	a->value.n = (uint32_t)at - a->value.at;
	a->end = (uint32_t)end;
	t->state = BEFORE_ATTR;
}

static void value_begins(er_html_tokenizer *t, size_t at, enum state state)
{
	attr_now(t)->value = part(at, at);
	t->state = state;
}

/* A name ends at i, or goes on behind the bytes. */
static size_t name_of_attr(er_html_tokenizer *t, er_slice s, size_t i)
{
	er_html_attr *a = attr_now(t);
	if (i == a->name.at) /* "=" may be the first of it (13.2.5.32) */
		i++;
	while (i < s.n && s.p[i] != '=' && !ends_name(s.p[i]))
		i++;
	if (i < s.n) {
		a->name.n = (uint32_t)i - a->name.at;
		a->value = part(i, i);
		a->end = (uint32_t)i;
		t->state = AFTER_ATTR_NAME;
	}
	return i;
}

/* Behind the name, before the value: one byte. */
static size_t around_equals(er_html_tokenizer *t, er_slice s, size_t i)
{
	uint8_t c = s.p[i];
	if (er_html_is_space(c))
		return i + 1;
	if (t->state == AFTER_ATTR_NAME) {
		if (c != '=') {
			t->state = BEFORE_ATTR;
			return i;
		}
		attr_now(t)->end = (uint32_t)i + 1;
		t->state = BEFORE_VALUE;
		return i + 1;
	}
	if (c == '"' || c == '\'') {
		value_begins(t, i + 1, c == '"' ? VALUE_DOUBLE : VALUE_SINGLE);
		return i + 1;
	}
	if (c == '>')
		t->state = BEFORE_ATTR; /* it has none */
	else
		value_begins(t, i, VALUE_BARE);
	return i;
}

/* To the end of a value, or of the bytes. */
static size_t value_of(er_html_tokenizer *t, er_slice s, size_t i)
{
	if (t->state == VALUE_BARE) {
		while (i < s.n && s.p[i] != '>' && !er_html_is_space(s.p[i]))
			i++;
		if (i < s.n)
			value_ends(t, i, i);
		return i;
	}
	i += er_slice_find(er_slice_from(s, i), t->state == VALUE_DOUBLE ? '"' : '\'');
	if (i == s.n)
		return i;
	value_ends(t, i, i + 1);
	return i + 1;
}

/* 13.2.5.8, 32 to 40 */
static er_html_got tag(er_html_tokenizer *t, er_slice s, bool last)
{
	size_t i = t->at;
	while (i < s.n) {
		uint8_t c = s.p[i];
		switch (t->state) {
		case TAG_NAME:
			while (i < s.n && !ends_name(s.p[i]))
				i++;
			t->token.name.n = (uint32_t)i - t->token.name.at;
			if (i < s.n)
				t->state = BEFORE_ATTR;
			break;
		case SELF_CLOSING:
			t->token.self_closing = c == '>';
			t->state = BEFORE_ATTR;
			break;
		case BEFORE_ATTR:
			if (c == '>')
				return tag_done(t, i + 1);
			if (c == '/')
				t->state = SELF_CLOSING;
			if (c == '/' || er_html_is_space(c))
				i++;
			else if (!attr_begins(t, i))
				return ER_HTML_TOO_LARGE;
			break;
		case ATTR_NAME:
			i = name_of_attr(t, s, i);
			break;
		case AFTER_ATTR_NAME:
		case BEFORE_VALUE:
			i = around_equals(t, s, i);
			break;
		default:
			i = value_of(t, s, i);
		}
	}
	t->at = i;
	/* What the end cuts is no tag (eof-in-tag). */
	return last ? done(t, ER_HTML_MARK, s.n) : more(s);
}

/* ---- where one begins ---- */

static er_html_got tag_opens(er_html_tokenizer *t, er_slice s, bool last, er_html_kind kind)
{
	size_t at = kind == ER_HTML_END_TAG ? 2 : 1;
	t->token.kind = kind;
	t->token.name = part(at, at);
	t->at = at;
	t->attrs_n = 0;
	t->state = TAG_NAME;
	return tag(t, s, last);
}

/* 13.2.5.42 */
static er_html_got declaration(er_html_tokenizer *t, er_slice s, bool last)
{
	answer is_comment = begins(s, er_slice_of(COMMENT_OPEN, 4), last), is_doctype = begins(s, ER_LIT("<!doctype"), last);
	er_slice cdata = er_slice_of(CDATA_OPEN, 9);
	answer is_cdata = t->cdata && er_slice_eq(er_slice_head(s, 9), er_slice_head(cdata, s.n)) ? begins(s, cdata, last) : NO;
	if (is_comment == MAYBE || is_doctype == MAYBE || is_cdata == MAYBE)
		return ER_HTML_MORE;
	if (is_cdata == YES) {
		t->text = ER_HTML_CDATA;
		return done(t, ER_HTML_MARK, 9);
	}
	if (is_comment == YES) {
		t->state = COMMENT;
		t->at = 4;
		return comment(t, s, last);
	}
	if (is_doctype == YES) {
		t->state = DOCTYPE;
		t->at = 9;
		return doctype(t, s, last);
	}
	t->state = BOGUS;
	t->at = 2;
	return bogus(t, s, last);
}

static er_html_got markup(er_html_tokenizer *t, er_slice s, bool last)
{
	if (t->text == ER_HTML_CDATA) {
		t->text = ER_HTML_DATA;
		return done(t, ER_HTML_MARK, CDATA_CLOSE.n);
	}
	uint8_t c = s.p[1];
	if (er_html_is_letter(c))
		return tag_opens(t, s, last, ER_HTML_START_TAG);
	if (c == '!') {
		t->state = DECLARATION;
		return declaration(t, s, last);
	}
	if (c == '/' && s.p[2] == '>')
		return done(t, ER_HTML_MARK, 3);
	if (c == '/' && er_html_is_letter(s.p[2]))
		return tag_opens(t, s, last, ER_HTML_END_TAG);
	t->state = BOGUS;
	t->at = 2;
	return bogus(t, s, last);
}

er_html_got er_html_next(er_html_tokenizer *t, er_slice data, bool last)
{
	switch (t->state) {
	case TEXT:
		break;
	case DECLARATION:
		return declaration(t, data, last);
	case COMMENT:
		return comment(t, data, last);
	case BOGUS:
		return bogus(t, data, last);
	case DOCTYPE:
		return doctype(t, data, last);
	default:
		return tag(t, data, last);
	}
	edge e;
	size_t n = text_end(t, data, last, &e);
	t->token = (er_html_token){0};
	if (n > 0) {
		t->token.last = e == MARKUP;
		return done(t, ER_HTML_TEXT, n);
	}
	return e == MARKUP ? markup(t, data, last) : ER_HTML_MORE;
}
