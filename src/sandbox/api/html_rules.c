/* Selectors Level 4 as far as bytes that pass by can answer it: type, universal, class, id,
 * attributes with their operators and flags, :not(), :nth-child(), :nth-of-type() and their :first-
 * forms, descendants and children, lists. What needs an element's later siblings or content is
 * refused by its name. A parser by descent; what is wrong is said once, and every function returns
 * false from then on. */
#include "sandbox/api/html_rules.h"

#include "base/mem.h"

#include <limits.h>

typedef struct parser {
	er_html_rules *rules;
	er_slice text;
	size_t at;
	unsigned depth; /* of :not() */
	const char *wrong;
	uint8_t scratch[2 * ER_HTML_SELECTOR_MAX]; /* a word: "\\0" is two bytes and stands for three */
} parser;

void er_html_rules_fini(er_html_rules *r)
{
	er_free(r->steps);
	er_arena_fini(&r->arena);
	*r = (er_html_rules){0};
}

unsigned er_html_set_take(er_html_set *s)
{
	for (unsigned i = 0; i < ER_HTML_RULE_WORDS; i++)
		if (s->words[i] != 0) {
			unsigned bit = (unsigned)__builtin_ctzll(s->words[i]);
			s->words[i] &= s->words[i] - 1;
			return i * 64 + bit;
		}
	ER_ASSERT(!"an empty set");
	return 0;
}

/* ---- characters and words (CSS Syntax 4) ---- */

static bool fail(parser *p, const char *wrong)
{
	if (p->wrong == NULL)
		p->wrong = wrong;
	return false;
}

static bool more(const parser *p)
{
	return p->at < p->text.n;
}

/* 0 at the end: no selector has it in it. */
static uint8_t peek(const parser *p, size_t ahead)
{
	return p->at + ahead < p->text.n ? p->text.p[p->at + ahead] : 0;
}

static bool take(parser *p, uint8_t c)
{
	if (peek(p, 0) != c)
		return false;
	p->at++;
	return true;
}

static bool skip_space(parser *p)
{
	size_t from = p->at;
	while (more(p) && er_html_is_space(peek(p, 0)))
		p->at++;
	return p->at > from;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(uint8_t c)
{
	return er_html_is_letter(c) || is_digit(c) || c == '_' || c == '-' || c >= 0x80;
}

/* 4.3.7: at most six hexadecimal digits and one white space, or any other character. */
static size_t escaped(parser *p, uint8_t *out)
{
	uint32_t v = 0;
	unsigned n = 0;
	for (; n < 6 && er_hex_digit(peek(p, 0)) >= 0; n++, p->at++)
		v = v << 4 | (uint32_t)er_hex_digit(peek(p, 0));
	if (n == 0) {
		out[0] = peek(p, 0);
		p->at++;
		return 1;
	}
	if (er_html_is_space(peek(p, 0)))
		p->at++;
	if (v == 0 || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		v = 0xFFFD;
	if (v < 0x80) {
		out[0] = (uint8_t)v;
		return 1;
	}
	unsigned tail = v < 0x800 ? 1 : v < 0x10000 ? 2 : 3;
	static const uint8_t LEAD[] = {0, 0xC0, 0xE0, 0xF0};
	for (unsigned i = tail; i > 0; i--, v >>= 6)
		out[i] = (uint8_t)(0x80 | (v & 0x3F));
	out[0] = (uint8_t)(LEAD[tail] | v);
	return tail + 1;
}

/* An identifier. */
static bool word(parser *p, er_slice *out)
{
	uint8_t *to = p->scratch, first = peek(p, 0) == '-' ? peek(p, 1) : peek(p, 0);
	size_t n = 0;
	if (is_digit(first))
		return fail(p, "a name cannot begin with a digit");
	while (more(p)) {
		uint8_t c = peek(p, 0);
		if (is_word(c)) {
			to[n++] = c;
			p->at++;
		} else if (c == '\\' && p->at + 1 < p->text.n && peek(p, 1) != '\n') {
			p->at++;
			n += escaped(p, to + n);
		} else {
			break;
		}
	}
	*out = er_arena_copy(&p->rules->arena, er_slice_of(to, n));
	return n > 0 && !(n == 1 && to[0] == '-') ? true : fail(p, "a name is missing");
}

static bool string(parser *p, uint8_t quote, er_slice *out)
{
	uint8_t *to = p->scratch;
	size_t n = 0;
	while (more(p) && peek(p, 0) != quote) {
		uint8_t c = peek(p, 0);
		p->at++;
		if (c == '\n')
			return fail(p, "a string cannot have a line break");
		if (c != '\\')
			to[n++] = c;
		else if (!take(p, '\n') && more(p))
			n += escaped(p, to + n);
	}
	*out = er_arena_copy(&p->rules->arena, er_slice_of(to, n));
	return take(p, quote) ? true : fail(p, "a string has no end");
}

/* ---- conditions ---- */

static er_html_condition *add(parser *p, er_html_compound *c, er_html_test test)
{
	if (++p->rules->conditions > ER_HTML_CONDITIONS_MAX) {
		(void)fail(p, "the selectors have too many conditions");
		return NULL;
	}
	if (c->n == c->room) {
		uint32_t room = c->room > 0 ? 2 * c->room : 2;
		er_html_condition *larger = er_arena_zalloc(&p->rules->arena, room * sizeof *larger);
		er_copy(larger, c->conditions, c->n * sizeof *larger);
		c->conditions = larger;
		c->room = room;
	}
	er_html_condition *it = &c->conditions[c->n++];
	*it = (er_html_condition){.test = test};
	return it;
}

static bool named(parser *p, er_html_compound *c, er_html_test test, er_slice name)
{
	er_slice value;
	if (!word(p, &value))
		return false;
	er_html_condition *it = add(p, c, test);
	if (it == NULL)
		return false;
	it->name = name;
	it->value = value;
	return true;
}

/* HTML 15.2.1 and Selectors 6.3: attributes whose values are of any case in HTML. */
static er_html_case folding_of(er_slice name)
{
	static const char FOLDED[] =
	    "accept accept-charset align alink axis bgcolor charset checked clear codetype color compact declare defer dir direction "
	    "disabled enctype face frame hreflang http-equiv lang language link media method multiple nohref noresize noshade nowrap "
	    "readonly rel rev rules scope scrolling selected shape target text type valign valuetype vlink";
	er_slice rest = er_slice_cstr(FOLDED), one;
	while (er_slice_split(&rest, ' ', &one))
		if (er_slice_ieq(name, one))
			return ER_HTML_CASE_IN_HTML;
	return ER_HTML_CASE_KEPT;
}

static bool operator_of(parser *p, er_html_test *test)
{
	static const struct {
		uint8_t sign;
		er_html_test test;
	} OPERATORS[] = {
	    {'~', ER_HTML_WORD}, {'|', ER_HTML_DASH}, {'^', ER_HTML_BEGINS}, {'$', ER_HTML_ENDS}, {'*', ER_HTML_CONTAINS}};
	*test = ER_HTML_IS;
	for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
		if (peek(p, 0) == OPERATORS[i].sign && peek(p, 1) == '=') {
			*test = OPERATORS[i].test;
			p->at++;
		}
	if (!take(p, '='))
		return fail(p, peek(p, 0) == '|' ? "namespaces are not supported"
		                                 : "an attribute selector has an operator and a value, or \"]\"");
	return true;
}

/* Behind "[". */
static bool attribute(parser *p, er_html_compound *c)
{
	er_slice name, value;
	er_html_test test;
	skip_space(p);
	if (!word(p, &name))
		return false;
	skip_space(p);
	er_html_condition *it = add(p, c, ER_HTML_HAS);
	if (it == NULL)
		return false;
	it->name = name;
	if (take(p, ']'))
		return true;
	if (!operator_of(p, &test))
		return false;
	skip_space(p);
	uint8_t quote = peek(p, 0);
	bool in_quotes = take(p, '"') || take(p, '\'');
	if (!(in_quotes ? string(p, quote, &value) : word(p, &value)))
		return false;
	it->test = test;
	it->value = value;
	it->folding = folding_of(name);
	skip_space(p);
	if (take(p, 'i') || take(p, 'I'))
		it->folding = ER_HTML_CASE_FOLDED;
	else if (take(p, 's') || take(p, 'S'))
		it->folding = ER_HTML_CASE_KEPT;
	skip_space(p);
	return take(p, ']') ? true : fail(p, "an attribute selector ends with \"]\"");
}

/* ---- an+b (CSS Syntax 6) ---- */

/* Digits behind a sign that has been read. */
static bool digits(parser *p, int32_t *out)
{
	int64_t v = 0;
	size_t from = p->at;
	for (; is_digit(peek(p, 0)); p->at++)
		v = v < INT32_MAX ? v * 10 + (peek(p, 0) - '0') : v;
	*out = v < INT32_MAX ? (int32_t)v : INT32_MAX;
	return p->at > from;
}

static bool keyword(parser *p, er_slice name)
{
	er_slice rest = er_slice_from(p->text, p->at);
	if (!er_slice_ieq(er_slice_head(rest, name.n), name) || is_word(peek(p, name.n)))
		return false;
	p->at += name.n;
	return true;
}

static bool nth(parser *p, er_html_condition *it)
{
	skip_space(p);
	if (keyword(p, ER_LIT("odd")) || keyword(p, ER_LIT("even"))) {
		it->a = 2;
		it->b = er_lower(p->text.p[p->at - 1]) == 'd';
		return true;
	}
	int32_t sign = take(p, '-') ? -1 : 1;
	if (sign == 1)
		(void)take(p, '+');
	int32_t v;
	bool has = digits(p, &v);
	if (!take(p, 'n') && !take(p, 'N')) {
		it->b = sign * (has ? v : 0);
		return has ? true : fail(p, "an+b, odd or even is missing");
	}
	it->a = sign * (has ? v : 1);
	skip_space(p);
	if (peek(p, 0) != '+' && peek(p, 0) != '-')
		return true;
	sign = take(p, '-') ? -1 : 1;
	if (sign == 1)
		(void)take(p, '+');
	skip_space(p);
	if (!digits(p, &v))
		return fail(p, "a number is missing behind the sign");
	it->b = sign * v;
	return true;
}

/* ---- compounds ---- */

static bool compound(parser *p, er_html_compound *c);

/* Behind ":not(". */
static bool negation(parser *p, er_html_condition *it)
{
	uint32_t room = 0;
	if (++p->depth > ER_HTML_NOT_MAX)
		return fail(p, ":not() is nested too deeply");
	do {
		if (it->not_n == room) {
			room = room > 0 ? 2 * room : 2;
			er_html_compound *larger = er_arena_zalloc(&p->rules->arena, room * sizeof *larger);
			er_copy(larger, it->not, it->not_n * sizeof *larger);
			it->not = larger;
		}
		skip_space(p);
		it->not [it->not_n] = (er_html_compound){0};
		if (!compound(p, &it->not [it->not_n++]))
			return false;
		skip_space(p);
	} while (take(p, ','));
	p->depth--;
	return peek(p, 0) == ')' ? true : fail(p, "combinators inside of :not() are not supported");
}

/* Behind the name of a pseudo-class. `first`: it has no argument. */
static bool tested(parser *p, er_html_compound *c, er_html_test test, bool first)
{
	er_html_condition made = {.test = test, .b = first ? 1 : 0}, *it;
	if (test == ER_HTML_NTH_OF_TYPE)
		p->rules->counts_types = true;
	if (!first) {
		if (!take(p, '('))
			return fail(p, "\"(\" is missing");
		if (!(test == ER_HTML_NOT ? negation(p, &made) : nth(p, &made)))
			return false;
		skip_space(p);
		if (!take(p, ')'))
			return fail(p, "\")\" is missing; \"of S\" is not supported");
	}
	it = add(p, c, test);
	if (it != NULL)
		*it = made;
	return it != NULL;
}

static bool pseudo_class(parser *p, er_html_compound *c)
{
	static const struct {
		const char *name;
		er_html_test test;
		bool first;
	} KNOWN[] = {
	    {"first-child", ER_HTML_NTH, true}, {"first-of-type", ER_HTML_NTH_OF_TYPE, true},
	    {"nth-child", ER_HTML_NTH, false},  {"nth-of-type", ER_HTML_NTH_OF_TYPE, false},
	    {"not", ER_HTML_NOT, false},
	};
	if (peek(p, 0) == ':')
		return fail(p, "pseudo-elements are not supported");
	for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
		if (keyword(p, er_slice_cstr(KNOWN[i].name)))
			return tested(p, c, KNOWN[i].test, KNOWN[i].first);
	return fail(p, "this pseudo-class is not supported");
}

static bool type(parser *p, er_html_compound *c, bool *any)
{
	er_slice name = {NULL, 0};
	if (take(p, '*')) {
		*any = true;
	} else if (is_word(peek(p, 0)) || peek(p, 0) == '\\') {
		if (!word(p, &name))
			return false;
		c->type = er_html_name_of(name);
		*any = true;
	}
	return peek(p, 0) == '|' ? fail(p, "namespaces are not supported") : true;
}

static bool compound(parser *p, er_html_compound *c)
{
	bool any = false;
	if (!type(p, c, &any))
		return false;
	for (;;) {
		bool ok;
		if (take(p, '#'))
			ok = named(p, c, ER_HTML_IS, ER_LIT("id"));
		else if (take(p, '.'))
			ok = named(p, c, ER_HTML_WORD, ER_LIT("class"));
		else if (take(p, '['))
			ok = attribute(p, c);
		else if (take(p, ':'))
			ok = pseudo_class(p, c);
		else
			return any ? true : fail(p, more(p) ? "a selector cannot begin so" : "a selector is missing");
		if (!ok)
			return false;
		any = true;
	}
}

/* ---- selectors ---- */

static er_html_step *step(parser *p, er_html_from from, unsigned rule)
{
	er_html_rules *r = p->rules;
	if (r->n == ER_HTML_STEPS_MAX) {
		(void)fail(p, "there are too many selectors");
		return NULL;
	}
	if (r->n == r->room) {
		r->room = r->room > 0 ? 2 * r->room : 8;
		r->steps = er_realloc(r->steps, r->room * sizeof *r->steps);
	}
	r->steps[r->n] = (er_html_step){.from = from, .rule = (uint16_t)rule};
	return &r->steps[r->n++];
}

/* Is there a combinator? */
static bool combinator(parser *p, er_html_from *from)
{
	bool space = skip_space(p);
	uint8_t c = peek(p, 0);
	if (c == '+' || c == '~')
		return fail(p, "the combinators \"+\" and \"~\" are not supported");
	if (take(p, '>')) {
		*from = ER_HTML_FROM_CHILD;
		skip_space(p);
		return true;
	}
	*from = ER_HTML_FROM_DESCENDANT;
	return space && more(p) && c != ',';
}

static bool complex(parser *p, unsigned rule)
{
	er_html_from from = ER_HTML_FROM_ANY;
	er_html_compound c;
	do {
		c = (er_html_compound){0};
		er_html_step *s = compound(p, &c) ? step(p, from, rule) : NULL;
		if (s == NULL)
			return false;
		s->compound = c;
	} while (combinator(p, &from));
	p->rules->steps[p->rules->n - 1].final = true;
	return p->wrong == NULL;
}

const char *er_html_rules_add(er_html_rules *r, er_slice selector, unsigned rule, size_t *at)
{
	ER_ASSERT(rule < ER_HTML_RULES_MAX);
	parser p = {.rules = r, .text = selector};
	if (selector.n > ER_HTML_SELECTOR_MAX)
		return "it is longer than 4096 bytes";
	bool on = true;
	while (on) {
		skip_space(&p);
		on = complex(&p, rule) && take(&p, ',');
	}
	if (p.wrong == NULL && more(&p))
		(void)fail(&p, "this is not understood");
	*at = p.at;
	return p.wrong;
}
