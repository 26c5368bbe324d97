/* Two grammars for one struct. Cache-Control is the loose one: tokens with an argument that is a
 * token or a quoted string, over as many lines as there are; what is not understood is skipped.
 * CDN-Cache-Control is a structured field: one mistake, and the whole field is ignored.
 *
 * Both find a directive's name in one table, and write through it. */
#include "http/directives.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stddef.h>

typedef struct directive {
	er_slice name;
	bool seconds; /* has an argument in seconds; else it is a flag */
	size_t at;    /* in er_cache_directives */
} directive;

#define FLAG(text, member) \
	{ \
		ER_LIT_INIT(text), false, offsetof(er_cache_directives, member) \
	}
#define SECONDS(text, member) \
	{ \
		ER_LIT_INIT(text), true, offsetof(er_cache_directives, member) \
	}
#define ER_LIT_INIT(text) \
	{ \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
static const directive known[] = {
    SECONDS("max-age", max_age),
    SECONDS("s-maxage", s_maxage),
    SECONDS("stale-while-revalidate", stale_while_revalidate),
    SECONDS("stale-if-error", stale_if_error),
    FLAG("no-store", no_store),
    FLAG("no-cache", no_cache),
    FLAG("private", private_),
    FLAG("public", public_),
    FLAG("must-revalidate", must_revalidate),
    FLAG("proxy-revalidate", proxy_revalidate),
    FLAG("must-understand", must_understand),
    FLAG("only-if-cached", only_if_cached),
    FLAG("no-transform", no_transform),
};

static const er_cache_directives none = {.max_age = ER_CACHE_ABSENT,
                                         .s_maxage = ER_CACHE_ABSENT,
                                         .stale_while_revalidate = ER_CACHE_ABSENT,
                                         .stale_if_error = ER_CACHE_ABSENT};

static const directive *find(er_slice name)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (er_slice_ieq(known[i].name, name))
			return &known[i];
	return NULL;
}

static int64_t *seconds_of(er_cache_directives *d, const directive *which)
{
	ER_ASSERT(which->seconds);
	return (int64_t *)(void *)((char *)d + which->at);
}

static bool *flag_of(er_cache_directives *d, const directive *which)
{
	ER_ASSERT(!which->seconds);
	return (bool *)((char *)d + which->at);
}

/* Digits alone (RFC 9111 1.2.2). Anything else is as good as stale. */
static int64_t seconds_from(er_slice text)
{
	uint64_t n = 0;
	if (text.n == 0)
		return 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		if (n <= ER_CACHE_SECONDS_MAX)
			n = n * 10 + (uint64_t)(text.p[i] - '0');
	}
	return n > ER_CACHE_SECONDS_MAX ? ER_CACHE_SECONDS_MAX : (int64_t)n;
}

/* ---- Cache-Control ---- */

/* Behind the quotes that begin at `i`; where they do not end, behind the first of them alone: they
 * must not hide what follows. */
static size_t behind_quotes(er_slice s, size_t i)
{
	for (size_t k = i + 1; k < s.n; k++) {
		if (s.p[k] == '"')
			return k + 1;
		if (s.p[k] == '\\')
			k++;
	}
	return i + 1;
}

/* Takes the next element of a list, up to a comma outside of quotes. */
static bool next_element(er_slice *rest, er_slice *element)
{
	if (rest->n == 0)
		return false;
	size_t i = 0;
	while (i < rest->n && rest->p[i] != ',')
		i = rest->p[i] == '"' ? behind_quotes(*rest, i) : i + 1;
	*element = er_slice_trim(er_slice_head(*rest, i));
	*rest = er_slice_from(*rest, i + 1);
	return true;
}

static void take(er_cache_directives *d, er_slice element)
{
	size_t eq = er_slice_find(element, '=');
	const directive *which = find(er_slice_head(element, eq));
	if (which == NULL) {
		/* White space around "=" is a mistake, and a mistake about freshness is stale. */
		which = eq < element.n ? find(er_slice_trim(er_slice_head(element, eq))) : NULL;
		if (which == NULL || !which->seconds)
			return;
		eq = element.n;
	}
	if (!which->seconds) {
		*flag_of(d, which) = true;
		return;
	}
	er_slice argument = er_slice_from(element, eq + 1);
	if (argument.n >= 2 && argument.p[0] == '"' && argument.p[argument.n - 1] == '"')
		argument = er_slice_of(argument.p + 1, argument.n - 2);
	int64_t *to = seconds_of(d, which);
	if (*to == ER_CACHE_ABSENT)
		*to = seconds_from(argument);
}

er_cache_directives er_cache_control(const er_fields *fields)
{
	er_cache_directives d = none;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!er_slice_ieq(fields->v[i].name, ER_LIT("cache-control")))
			continue;
		er_slice rest = fields->v[i].value, element;
		while (next_element(&rest, &element))
			take(&d, element);
	}
	return d;
}

/* ---- CDN-Cache-Control ---- */

typedef enum item_kind { ITEM_BAD, ITEM_INTEGER, ITEM_TRUE, ITEM_FALSE, ITEM_OTHER } item_kind;

static bool is_lower(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void skip_spaces(er_slice *s, bool tabs)
{
	while (s->n > 0 && (s->p[0] == ' ' || (tabs && s->p[0] == '\t')))
		*s = er_slice_from(*s, 1);
}

/* RFC 8941 3.1.2: lower case, and starts with a letter or "*". */
static bool read_key(er_slice *s, er_slice *key)
{
	size_t n = 0;
	while (n < s->n && (is_lower(s->p[n]) || s->p[n] == '*' ||
	                    (n > 0 && (is_digit(s->p[n]) || s->p[n] == '_' || s->p[n] == '-' || s->p[n] == '.'))))
		n++;
	*key = er_slice_head(*s, n);
	*s = er_slice_from(*s, n);
	return n > 0;
}

/* 3.3.1 and 3.3.2: at most 15 digits; a decimal has up to three behind the point. */
static item_kind read_number(er_slice *s, int64_t *value)
{
	bool negative = s->p[0] == '-';
	er_slice digits = er_slice_from(*s, negative);
	size_t n = 0;
	int64_t v = 0;
	for (; n < digits.n && is_digit(digits.p[n]); n++) {
		if (n == 15)
			return ITEM_BAD;
		v = v * 10 + (digits.p[n] - '0');
	}
	if (n == 0)
		return ITEM_BAD;
	if (n < digits.n && digits.p[n] == '.') {
		size_t from = ++n;
		while (n < digits.n && is_digit(digits.p[n]))
			n++;
		*s = er_slice_from(digits, n);
		return n > from && n - from <= 3 && from <= 13 ? ITEM_OTHER : ITEM_BAD;
	}
	*value = negative ? -v : v;
	*s = er_slice_from(digits, n);
	return ITEM_INTEGER;
}

static item_kind read_string(er_slice *s)
{
	for (size_t i = 1; i < s->n; i++) {
		uint8_t c = s->p[i];
		if (c == '"') {
			*s = er_slice_from(*s, i + 1);
			return ITEM_OTHER;
		}
		if (c == '\\' && (++i == s->n || (s->p[i] != '"' && s->p[i] != '\\')))
			return ITEM_BAD;
		if (c < 0x20 || c > 0x7e)
			return ITEM_BAD;
	}
	return ITEM_BAD;
}

/* RFC 8941 3.3.5: base64 between colons. */
static item_kind read_bytes(er_slice *s)
{
	size_t n = 1;
	while (n < s->n && s->p[n] != ':') {
		uint8_t c = er_lower(s->p[n++]);
		if (!is_lower(c) && !is_digit(c) && c != '+' && c != '/' && c != '=')
			return ITEM_BAD;
	}
	if (n == s->n)
		return ITEM_BAD;
	*s = er_slice_from(*s, n + 1);
	return ITEM_OTHER;
}

/* An item without its parameters. */
static item_kind read_bare(er_slice *s, int64_t *value)
{
	if (s->n == 0)
		return ITEM_BAD;
	uint8_t c = s->p[0];
	if (c == '-' || is_digit(c))
		return read_number(s, value);
	if (c == '"')
		return read_string(s);
	if (c == ':')
		return read_bytes(s);
	if (c == '?' && s->n >= 2 && (s->p[1] == '0' || s->p[1] == '1')) {
		item_kind kind = s->p[1] == '1' ? ITEM_TRUE : ITEM_FALSE;
		*s = er_slice_from(*s, 2);
		return kind;
	}
	if (!is_lower(c) && !(c >= 'A' && c <= 'Z') && c != '*')
		return ITEM_BAD;
	size_t n = 1;
	while (n < s->n && (s->p[n] == ':' || s->p[n] == '/' || er_field_name_ok(er_slice_of(s->p + n, 1))))
		n++;
	*s = er_slice_from(*s, n);
	return ITEM_OTHER;
}

static bool skip_parameters(er_slice *s)
{
	while (s->n > 0 && s->p[0] == ';') {
		*s = er_slice_from(*s, 1);
		skip_spaces(s, false);
		er_slice key;
		int64_t ignored;
		if (!read_key(s, &key))
			return false;
		if (s->n == 0 || s->p[0] != '=')
			continue;
		*s = er_slice_from(*s, 1);
		if (read_bare(s, &ignored) == ITEM_BAD)
			return false;
	}
	return true;
}

/* RFC 8941 3.1.1. No directive has such a value, but one that this cache does not know may. */
static item_kind read_inner_list(er_slice *s)
{
	int64_t ignored;
	*s = er_slice_from(*s, 1);
	for (;;) {
		skip_spaces(s, false);
		if (s->n > 0 && s->p[0] == ')') {
			*s = er_slice_from(*s, 1);
			return ITEM_OTHER;
		}
		if (read_bare(s, &ignored) == ITEM_BAD || !skip_parameters(s) || s->n == 0 || (s->p[0] != ' ' && s->p[0] != ')'))
			return ITEM_BAD;
	}
}

/* One member of the dictionary. False: it is malformed, or a directive's value is of a
 * wrong type. */
static bool take_member(er_slice *s, er_cache_directives *d)
{
	er_slice key;
	int64_t value = 0;
	item_kind kind = ITEM_TRUE;
	if (!read_key(s, &key))
		return false;
	if (s->n > 0 && s->p[0] == '=') {
		*s = er_slice_from(*s, 1);
		kind = s->n > 0 && s->p[0] == '(' ? read_inner_list(s) : read_bare(s, &value);
	}
	if (kind == ITEM_BAD || !skip_parameters(s))
		return false;
	const directive *which = find(key);
	if (which == NULL)
		return true;
	if (which->seconds) {
		*seconds_of(d, which) = value < 0 ? 0 : value > ER_CACHE_SECONDS_MAX ? ER_CACHE_SECONDS_MAX : value;
		return kind == ITEM_INTEGER;
	}
	/* no-cache and private may have a list of fields, as a string: the stricter reading again. */
	*flag_of(d, which) = kind != ITEM_FALSE;
	return kind != ITEM_INTEGER;
}

bool er_cache_control_targeted(const er_fields *fields, er_cache_directives *out)
{
	er_cache_directives d = none;
	bool any = false;
	for (uint32_t i = 0; i < fields->n; i++) {
		if (!er_slice_ieq(fields->v[i].name, ER_LIT("cdn-cache-control")))
			continue;
		er_slice s = fields->v[i].value;
		skip_spaces(&s, false);
		while (s.n > 0) {
			if (!take_member(&s, &d))
				return false;
			any = true;
			skip_spaces(&s, true);
			if (s.n == 0)
				break;
			if (s.p[0] != ',')
				return false;
			s = er_slice_from(s, 1);
			skip_spaces(&s, true);
			if (s.n == 0) /* a comma at the end */
				return false;
		}
	}
	if (any)
		*out = d;
	return any;
}
