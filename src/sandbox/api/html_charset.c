/* The standard's prescan: a walk over the bytes that knows comments and tags with their attributes,
 * and nothing else of HTML. A <meta> counts if it has a `charset`, or if it has a `content` that
 * names one and is of http-equiv "content-type". */
#include "sandbox/api/html_charset.h"

#include "sandbox/api/html_names.h"

typedef struct attribute {
	er_slice name, value;
} attribute;

static er_slice without_space(er_slice s)
{
	while (s.n > 0 && er_html_is_space(s.p[0]))
		s = er_slice_from(s, 1);
	return s;
}

/* Up to `c`, which is left too. */
static er_slice behind(er_slice s, uint8_t c)
{
	return er_slice_from(s, er_slice_find(s, c) + 1);
}

static bool ends_word(uint8_t c)
{
	return er_html_is_space(c) || c == '>';
}

static er_slice word(er_slice *s, bool name)
{
	size_t n = 0;
	while (n < s->n && !ends_word(s->p[n]) && !(name && (s->p[n] == '/' || (s->p[n] == '=' && n > 0))))
		n++;
	er_slice w = er_slice_head(*s, n);
	*s = er_slice_from(*s, n);
	return w;
}

static er_slice value_of(er_slice *s)
{
	*s = without_space(*s);
	if (s->n == 0 || (s->p[0] != '"' && s->p[0] != '\''))
		return word(s, false);
	er_slice rest = er_slice_from(*s, 1), value = er_slice_head(rest, er_slice_find(rest, s->p[0]));
	*s = er_slice_from(rest, value.n + 1);
	return value;
}

/* 13.2.3.2, "get an attribute". False: there is none, and *s begins at the tag's end. */
static bool take_attribute(er_slice *s, attribute *a)
{
	while (s->n > 0 && (er_html_is_space(s->p[0]) || s->p[0] == '/'))
		*s = er_slice_from(*s, 1);
	if (s->n == 0 || s->p[0] == '>')
		return false;
	*a = (attribute){.name = word(s, true), .value = er_slice_of("", 0)};
	er_slice rest = without_space(*s);
	if (rest.n > 0 && rest.p[0] == '=') {
		*s = er_slice_from(rest, 1);
		a->value = value_of(s);
	}
	return true;
}

/* "Extracting a character encoding from a meta element": what follows "charset=" in a content. */
static const er_encoding *named_in(er_slice s)
{
	static const size_t CHARSET = 7;
	for (; s.n >= CHARSET; s = er_slice_from(s, 1)) {
		if (!er_slice_ieq(er_slice_head(s, CHARSET), ER_LIT("charset")))
			continue;
		er_slice rest = without_space(er_slice_from(s, CHARSET));
		if (rest.n == 0 || rest.p[0] != '=')
			continue;
		rest = without_space(er_slice_from(rest, 1));
		if (rest.n > 0 && (rest.p[0] == '"' || rest.p[0] == '\'')) {
			er_slice quoted = er_slice_from(rest, 1);
			size_t n = er_slice_find(quoted, rest.p[0]);
			return n < quoted.n ? er_encoding_find(er_slice_head(quoted, n)) : NULL;
		}
		size_t n = 0;
		while (n < rest.n && !er_html_is_space(rest.p[n]) && rest.p[n] != ';')
			n++;
		return er_encoding_find(er_slice_head(rest, n));
	}
	return NULL;
}

/* The first of each name counts. */
static const er_encoding *of_meta(er_slice *s)
{
	enum { CHARSET = 1, CONTENT = 2, HTTP_EQUIV = 4 };
	const er_encoding *by_charset = NULL, *by_content = NULL;
	unsigned seen = 0;
	bool pragma = false;
	attribute a;
	while (take_attribute(s, &a)) {
		unsigned which = er_slice_ieq(a.name, ER_LIT("charset"))      ? CHARSET
		                 : er_slice_ieq(a.name, ER_LIT("content"))    ? CONTENT
		                 : er_slice_ieq(a.name, ER_LIT("http-equiv")) ? HTTP_EQUIV
		                                                              : 0;
		if (which == 0 || (seen & which) != 0)
			continue;
		seen |= which;
		if (which == CHARSET)
			by_charset = er_encoding_find(a.value);
		else if (which == CONTENT)
			by_content = named_in(a.value);
		else
			pragma = er_slice_ieq(a.value, ER_LIT("content-type"));
	}
	return (seen & CHARSET) != 0 ? by_charset : pragma ? by_content : NULL;
}

static er_slice behind_comment(er_slice s)
{
	enum { OPEN = 2 }; /* "<!-->" is a whole one */
	for (s = er_slice_from(s, OPEN); s.n > 0; s = er_slice_from(s, 1))
		if (er_slice_starts(s, ER_LIT("-->")))
			return er_slice_from(s, 3);
	return s;
}

static const er_encoding *meant(const er_encoding *e)
{
	if (e->kind == ER_ENC_UTF16LE || e->kind == ER_ENC_UTF16BE)
		return er_encoding_find(ER_LIT("utf-8"));
	return e->kind == ER_ENC_USER ? er_encoding_find(ER_LIT("windows-1252")) : e;
}

static bool has_mark(er_slice s)
{
	return er_slice_starts(s, ER_LIT("\xEF\xBB\xBF")) || er_slice_starts(s, ER_LIT("\xFF\xFE")) ||
	       er_slice_starts(s, ER_LIT("\xFE\xFF"));
}

const er_encoding *er_html_charset(er_slice head)
{
	enum { META = 5 };
	er_slice s = er_slice_head(head, ER_HTML_HEAD);
	attribute a;
	if (has_mark(s))
		return NULL;
	while ((s = er_slice_from(s, er_slice_find(s, '<'))).n > 1) {
		uint8_t c = s.p[1];
		if (er_slice_starts(s, ER_LIT("<!--"))) {
			s = behind_comment(s);
		} else if (s.n > META && er_slice_ieq(er_slice_head(s, META), ER_LIT("<meta")) &&
		           (er_html_is_space(s.p[META]) || s.p[META] == '/')) {
			s = er_slice_from(s, META);
			const er_encoding *e = of_meta(&s);
			if (e != NULL)
				return meant(e);
		} else if (er_html_is_letter(c) || (c == '/' && s.n > 2 && er_html_is_letter(s.p[2]))) {
			(void)word(&s, false);
			while (take_attribute(&s, &a)) {
			}
		} else {
			s = c == '!' || c == '/' || c == '?' ? behind(s, '>') : er_slice_from(s, 1);
		}
	}
	return NULL;
}
