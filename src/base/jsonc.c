/* JSON, read and written: by recursive descent over one text, into a tree in the caller's arena.
 *
 * Each parse_* function stands at the first byte of what it reads, fills the value that it is
 * given, leaves the cursor (`at`) behind it, and returns false after wrong(), which notes the place
 * and the sentence once; the callers only return. A value is hung into the tree when it is whole,
 * so a parse that fails leaves its pieces in the arena, where they go with it. Depth is bounded
 * (recursion uses the C stack), so is the number of values for text from a wire (a value takes some
 * 90 bytes for what may be two in the text), and names of one object are compared in a table when
 * they are many (or a text of n members would cost n squared).
 *
 * What the caller has no use for (er_json_bounds.only) is read by the same functions, but into a
 * value on the stack, and strings of it are looked at and not copied: so it costs time, and no
 * memory.
 *
 * Strict (er_json_parse, er_json_read) is RFC 8259 and for machines; the other (er_jsonc_parse)
 * adds comments and trailing commas and is for files that people write. Everything in the text is a
 * stranger's: it is refused with a sentence, never asserted. Callers: configuration, er.jsonc, the
 * control API, the store, source maps, and the tool, which reads a node's answers. */
#include "base/jsonc.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	MAX_TEXT = 1 << 20,
	MAX_NUMBER = 64,
	/* From here on an object's names are looked up in a table: comparing each with each would take
	 * a hostile text's square. */
	MANY_MEMBERS = 32,
};

/* One parse, on the stack of er_json_parse. `at` is the cursor; the first mistake is kept. */
typedef struct parser {
	er_arena *arena;
	er_slice text;
	size_t at;
	unsigned depth, most_depth;
	bool strict;
	bool skip;     /* what is read now is not kept */
	size_t values; /* that may still come */
	const er_slice *only;
	size_t n_only; /* 0: every member is kept */
	size_t err_at;
	er_err *err;
} parser;

static bool wrong(parser *p, size_t at, const char *what)
{
	ER_ASSERT(at <= p->text.n);
	p->err_at = at;
	return er_fail(p->err, ER_ERR_INVALID, "%s", what);
}

static int peek(const parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : -1;
}

/* False: a block comment that never ends. */
static bool skip_blank(parser *p)
{
	for (;;) {
		int c = peek(p);
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			p->at++;
			continue;
		}
		er_slice rest = er_slice_from(p->text, p->at);
		if (c != '/' || p->strict) {
			return true;
		} else if (er_slice_starts(rest, ER_LIT("//"))) {
			p->at += er_slice_find(rest, '\n');
		} else if (er_slice_starts(rest, ER_LIT("/*"))) {
			const uint8_t *end = rest.n < 4 ? NULL : memmem(rest.p + 2, rest.n - 2, "*/", 2);
			if (end == NULL)
				return wrong(p, p->at, "this comment has no end: */ is missing");
			p->at = (size_t)(end - p->text.p) + 2;
		} else {
			return true;
		}
	}
}

/* Four hexadecimal digits at `at`. */
static bool hex4(const parser *p, size_t at, uint32_t *out)
{
	uint32_t v = 0;
	ER_ASSERT(at <= p->text.n);
	if (p->text.n - at < 4)
		return false;
	for (size_t i = at; i < at + 4; i++) {
		uint8_t c = er_lower(p->text.p[i]);
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static size_t put_utf8(uint8_t *to, uint32_t c)
{
	ER_ASSERT(c <= 0x10ffff && (c < 0xd800 || c > 0xdfff));
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* p->at is behind "\u". A lone surrogate becomes U+FFFD. */
static bool unicode_escape(parser *p, uint8_t *to, size_t *n)
{
	uint32_t c, low;
	if (!hex4(p, p->at, &c))
		return false;
	p->at += 4;
	if (c >= 0xd800 && c < 0xdc00 && er_slice_starts(er_slice_from(p->text, p->at), ER_LIT("\\u")) && hex4(p, p->at + 2, &low) &&
	    low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
		p->at += 6;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	*n += put_utf8(to + *n, c);
	return true;
}

static bool escape(parser *p, uint8_t *to, size_t *n)
{
	static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	static_assert(sizeof from == sizeof means, "each escape means one character");
	int c = peek(p);
	p->at++;
	if (c == 'u')
		return unicode_escape(p, to, n);
	const char *hit = c > 0 ? memchr(from, c, sizeof from - 1) : NULL;
	if (hit == NULL)
		return false;
	to[(*n)++] = (uint8_t)means[hit - from];
	return true;
}

/* How many of the next bytes of a string stand for themselves. */
static size_t plain_bytes(const parser *p)
{
	const uint8_t *from = p->text.p + p->at, *at = from, *end = p->text.p + p->text.n;
	while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - from);
}

/* Room for a string of which the first `plain` bytes are known. Decoding never makes it longer: the
 * shortest escape, two bytes, stands for one. NULL: it is not kept. */
static uint8_t *string_room(parser *p, size_t plain, size_t *room)
{
	size_t end = p->at + plain;
	while (end < p->text.n && p->text.p[end] != '"' && p->text.p[end] != '\n')
		end += p->text.p[end] == '\\' ? 2 : 1;
	*room = end - p->at + 1;
	return p->skip ? NULL : er_arena_alloc(p->arena, *room);
}

/* p->at is at the quote. What is skipped gives an empty slice. */
static bool parse_string(parser *p, er_slice *out)
{
	size_t start = p->at++, n = 0, room, plain = plain_bytes(p);
	uint8_t *to = string_room(p, plain, &room);
	for (;; plain = plain_bytes(p)) {
		if (to != NULL)
			er_copy(to + n, p->text.p + p->at, plain);
		n += plain;
		p->at += plain;
		int c = peek(p);
		if (c < 0 || c == '\n' || c == '\r')
			return wrong(p, start, "this string has no end: a \" is missing on its line");
		if (c == '"')
			break;
		if (c != '\\')
			return wrong(p, p->at, "a control character in a string: write it as \\u00XX");
		uint8_t meant[4];
		size_t at = p->at++, n_meant = 0;
		if (!escape(p, meant, &n_meant))
			return wrong(p, at, "unknown escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX are known");
		ER_ASSERT(n_meant <= sizeof meant && n + n_meant < room);
		if (to != NULL)
			er_copy(to + n, meant, n_meant);
		n += n_meant;
	}
	p->at++;
	ER_ASSERT(n < room);
	*out = to != NULL ? er_slice_of(to, n) : (er_slice){0};
	return true;
}

static bool parse_value(parser *p, er_json *v);

static bool digits(parser *p)
{
	size_t from = p->at;
	while (peek(p) >= '0' && peek(p) <= '9')
		p->at++;
	return p->at > from;
}

/* By JSON's grammar, which is narrower than strtod's; the text stays as it was written. */
static bool parse_number(parser *p, er_json *v)
{
	char copy[MAX_NUMBER];
	if (peek(p) == '-')
		p->at++;
	bool ok = digits(p);
	er_slice whole = er_slice_of(p->text.p + v->at, p->at - v->at);
	if (whole.n && whole.p[0] == '-')
		whole = er_slice_from(whole, 1);
	ok = ok && !(whole.n > 1 && whole.p[0] == '0');
	if (peek(p) == '.') {
		p->at++;
		ok = digits(p) && ok;
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		p->at++;
		if (peek(p) == '+' || peek(p) == '-')
			p->at++;
		ok = digits(p) && ok;
	}
	v->text = er_slice_of(p->text.p + v->at, p->at - v->at);
	if (!ok || v->text.n >= sizeof copy)
		return wrong(p, v->at, "this is no number as JSON writes them");
	er_copy(copy, v->text.p, v->text.n);
	copy[v->text.n] = 0;
	v->type = ER_JSON_NUMBER;
	v->number = strtod(copy, NULL);
	if (!p->skip)
		v->text = er_arena_copy(p->arena, v->text);
	return true;
}

/* The names of one object. */
typedef struct name_set {
	size_t n;
	er_map *seen; /* from MANY_MEMBERS on */
} name_set;

static bool is_new_name(name_set *known, const er_json *object, er_slice key)
{
	static char present;
	if (known->n++ < MANY_MEMBERS)
		return er_json_get(object, key) == NULL;
	if (known->seen == NULL) {
		known->seen = er_map_new();
		for (const er_json *m = object->first; m; m = m->next)
			er_map_set(known->seen, m->key, &present);
	}
	return er_map_set(known->seen, key, &present) == NULL;
}

/* Of the outermost object only some members may be wanted. */
static bool wanted(const parser *p, er_slice name)
{
	for (size_t i = 0; i < p->n_only; i++)
		if (er_slice_eq(name, p->only[i]))
			return true;
	return false;
}

/* The name itself. From here on a member is skipped that nobody wants. */
static bool parse_key(parser *p, er_slice *key)
{
	size_t at = p->at;
	bool choose = p->n_only > 0 && p->depth == 1 && !p->skip;
	p->skip |= choose;
	if (!parse_string(p, key))
		return false;
	if (choose) {
		er_slice name = er_slice_of(p->text.p + at + 1, p->at - at - 2);
		p->skip = !wanted(p, name);
		*key = p->skip ? (er_slice){0} : er_arena_copy(p->arena, name);
	}
	return true;
}

/* Name and colon of a member of `parent`. */
static bool parse_name(parser *p, const er_json *parent, name_set *known, er_slice *key)
{
	size_t at = p->at;
	if (peek(p) != '"')
		return wrong(p, at, "a member's name in double quotes is expected here");
	if (!parse_key(p, key))
		return false;
	if (!p->skip && !is_new_name(known, parent, *key))
		return wrong(p, at, "this name occurs twice in the same object");
	if (!skip_blank(p))
		return false;
	if (peek(p) != ':')
		return wrong(p, p->at, "a colon is expected between name and value");
	p->at++;
	return true;
}

/* One member or element. **link is where it is hung in, and then where the next one is. */
static bool parse_child(parser *p, er_json *parent, name_set *known, er_json ***link)
{
	er_slice key = {NULL, 0};
	size_t key_at = p->at;
	bool outer = p->skip;
	if (parent->type == ER_JSON_OBJECT && !parse_name(p, parent, known, &key))
		return false;
	er_json unread, *v = p->skip ? &unread : er_arena_alloc(p->arena, sizeof *v);
	if (!parse_value(p, v))
		return false;
	if (!p->skip) {
		v->key = key;
		v->key_at = key_at;
		**link = v;
		*link = &v->next;
	}
	p->skip = outer;
	return true;
}

/* Behind the opening bracket, to behind the closing one. */
static bool parse_children(parser *p, er_json *v, int close, name_set *known)
{
	er_json **link = &v->first;
	for (bool first = true;; first = false) {
		if (!skip_blank(p))
			return false;
		if (peek(p) == close && (!p->strict || first))
			break;
		if (!parse_child(p, v, known, &link) || !skip_blank(p))
			return false;
		if (peek(p) == close)
			break;
		if (peek(p) != ',')
			return wrong(p, p->at,
			             peek(p) < 0    ? "the file ends too early: a closing bracket is missing"
			             : close == '}' ? "a comma or } is expected here"
			                            : "a comma or ] is expected here");
		p->at++;
	}
	p->at++;
	return true;
}

static bool parse_container(parser *p, er_json *v)
{
	int close = peek(p) == '{' ? '}' : ']';
	name_set known = {0};
	v->type = close == '}' ? ER_JSON_OBJECT : ER_JSON_ARRAY;
	ER_ASSERT(p->depth <= p->most_depth);
	if (++p->depth > p->most_depth) {
		p->err_at = p->at;
		return er_fail(p->err, ER_ERR_INVALID, "nested deeper than %u levels", p->most_depth);
	}
	p->at++;
	bool ok = parse_children(p, v, close, &known);
	if (known.seen != NULL)
		er_map_free(known.seen);
	p->depth--;
	return ok;
}

static bool parse_word(parser *p, er_json *v)
{
	static const struct {
		er_slice word;
		er_json_type type;
		bool value;
	} words[] = {
	    {ER_LIT("true"), ER_JSON_BOOL, true}, {ER_LIT("false"), ER_JSON_BOOL, false}, {ER_LIT("null"), ER_JSON_NULL, false}};
	er_slice rest = er_slice_from(p->text, p->at);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (er_slice_starts(rest, words[i].word)) {
			p->at += words[i].word.n;
			v->type = words[i].type;
			v->boolean = words[i].value;
			return true;
		}
	return wrong(p, p->at, rest.n ? "a value is expected here" : "the file ends where a value is expected");
}

/* Any value, with the white space before it, into *v, which says where in the text it lies. */
static bool parse_value(parser *p, er_json *v)
{
	if (!skip_blank(p))
		return false;
	if (!p->skip && p->values-- == 0)
		return wrong(p, p->at, "too many values");
	*v = (er_json){.at = p->at};
	int c = peek(p);
	bool ok;
	if (c == '{' || c == '[') {
		ok = parse_container(p, v);
	} else if (c == '"') {
		v->type = ER_JSON_STRING;
		ok = parse_string(p, &v->text);
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		ok = parse_number(p, v);
	} else {
		ok = parse_word(p, v);
	}
	v->end = p->at;
	ER_ASSERT(!ok || (v->at < v->end && v->end <= p->text.n));
	return ok;
}

/* The whole text; *err_at says where it is wrong. */
static er_json *parse_text(parser *p, size_t *err_at)
{
	er_json *v = er_arena_alloc(p->arena, sizeof *v);
	bool ok =
	    parse_value(p, v) && skip_blank(p) && (p->at == p->text.n || wrong(p, p->at, "nothing more is expected after the value"));
	ER_ASSERT(!ok || (p->depth == 0 && !p->skip));
	*err_at = p->err_at;
	return ok ? v : NULL;
}

static er_json *refuse_text(er_err *err, size_t at, size_t *err_at, const char *what)
{
	*err_at = at;
	(void)er_fail(err, ER_ERR_INVALID, "%s", what);
	return NULL;
}

er_json *er_jsonc_parse(er_arena *a, er_slice text, size_t *err_at, er_err *err)
{
	parser p = {.arena = a, .text = text, .values = SIZE_MAX, .most_depth = ER_JSON_DEPTH, .err = err};
	if (text.n > MAX_TEXT)
		return refuse_text(err, 0, err_at, "larger than 1 MB");
	if (er_slice_starts(text, ER_LIT("\xef\xbb\xbf")))
		p.at = 3;
	return parse_text(&p, err_at);
}

er_json *er_json_read(er_arena *a, er_slice text, const er_json_bounds *bounds, size_t *err_at, er_err *err)
{
	unsigned depth = bounds->depth != 0 ? bounds->depth : ER_JSON_DEPTH;
	ER_ASSERT(depth <= ER_JSON_DEPTH_MOST && (bounds->n_only == 0 || bounds->only != NULL));
	parser p = {.arena = a,
	            .text = text,
	            .strict = true,
	            .values = bounds->values,
	            .most_depth = depth,
	            .only = bounds->only,
	            .n_only = bounds->n_only,
	            .err = err};
	size_t valid = er_utf8_prefix(text);
	return valid == text.n ? parse_text(&p, err_at) : refuse_text(err, valid, err_at, "a byte that is not UTF-8");
}

er_json *er_json_parse(er_arena *a, er_slice text, size_t values, size_t *err_at, er_err *err)
{
	return er_json_read(a, text, &(er_json_bounds){.values = values}, err_at, err);
}

const er_json *er_json_get(const er_json *v, er_slice key)
{
	if (v == NULL || v->type != ER_JSON_OBJECT)
		return NULL;
	for (const er_json *m = v->first; m; m = m->next)
		if (er_slice_eq(m->key, key))
			return m;
	return NULL;
}

const char *er_json_type_name(er_json_type type)
{
	static const char *const names[] = {"null", "true or false", "a number", "a string", "an array", "an object"};
	static_assert(sizeof names / sizeof *names == ER_JSON_OBJECT + 1, "a name for each type");
	ER_ASSERT((unsigned)type <= ER_JSON_OBJECT);
	return names[type];
}

void er_json_write(er_buf *b, const er_json *v)
{
	switch (v->type) {
	case ER_JSON_NULL:
		er_buf_puts(b, "null");
		return;
	case ER_JSON_BOOL:
		er_buf_put_cstr(b, v->boolean ? "true" : "false");
		return;
	case ER_JSON_NUMBER:
		er_buf_put(b, v->text);
		return;
	case ER_JSON_STRING:
		er_buf_put_json(b, v->text);
		return;
	default:
		break;
	}
	ER_ASSERT(v->type == ER_JSON_OBJECT || v->type == ER_JSON_ARRAY);
	er_buf_putc(b, v->type == ER_JSON_OBJECT ? '{' : '[');
	for (const er_json *m = v->first; m; m = m->next) {
		if (v->type == ER_JSON_OBJECT) {
			er_buf_put_json(b, m->key);
			er_buf_putc(b, ':');
		}
		er_json_write(b, m);
		if (m->next)
			er_buf_putc(b, ',');
	}
	er_buf_putc(b, v->type == ER_JSON_OBJECT ? '}' : ']');
}

er_text_pos er_text_where(er_slice text, size_t at)
{
	er_text_pos pos = {.line = 1, .column = 1};
	if (at > text.n)
		at = text.n;
	for (size_t i = 0; i < at; i++)
		if (text.p[i] == '\n') {
			pos.line++;
			pos.line_at = i + 1;
		}
	ER_ASSERT(pos.line_at <= at);
	for (size_t i = pos.line_at; i < at; i++)
		pos.column += (text.p[i] & 0xc0) != 0x80;
	er_slice rest = er_slice_from(text, pos.line_at);
	pos.line_text = er_slice_head(rest, er_slice_find(rest, '\n'));
	if (pos.line_text.n && pos.line_text.p[pos.line_text.n - 1] == '\r')
		pos.line_text.n--;
	return pos;
}
