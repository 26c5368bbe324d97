/* Whether an element is what a compound says (html_rules.h). Names of attributes are of any case;
 * values are compared as they were written, entities and all. */
#include "base/mem.h"
#include "sandbox/api/html_rules.h"

static er_slice part(const uint8_t *bytes, er_html_part p)
{
	return er_slice_of(bytes + p.at, p.n);
}

const er_html_attr *er_html_attr_find(const uint8_t *bytes, const er_html_attr *attrs, size_t n, er_slice name)
{
	for (size_t i = 0; i < n; i++)
		if (attrs[i].name.n == name.n && er_slice_ieq(part(bytes, attrs[i].name), name))
			return &attrs[i];
	return NULL;
}

static bool same(er_slice a, er_slice b, bool fold)
{
	return fold ? er_slice_ieq(a, b) : er_slice_eq(a, b);
}

static bool has_word(er_slice list, er_slice word, bool fold)
{
	for (size_t i = 0; i < list.n;) {
		while (i < list.n && er_html_is_space(list.p[i]))
			i++;
		size_t from = i;
		while (i < list.n && !er_html_is_space(list.p[i]))
			i++;
		if (i > from && same(er_slice_of(list.p + from, i - from), word, fold))
			return true;
	}
	return false;
}

static bool contains(er_slice s, er_slice value, bool fold)
{
	for (size_t i = 0; i + value.n <= s.n; i++)
		if (same(er_slice_of(s.p + i, value.n), value, fold))
			return true;
	return false;
}

static bool compares(const er_html_condition *c, er_slice s, bool fold)
{
	er_slice value = c->value;
	switch (c->test) {
	case ER_HTML_HAS:
		return true;
	case ER_HTML_IS:
		return same(s, value, fold);
	case ER_HTML_WORD:
		return value.n > 0 && has_word(s, value, fold);
	case ER_HTML_DASH:
		return same(er_slice_head(s, value.n), value, fold) && (s.n == value.n || s.p[value.n] == '-');
	case ER_HTML_BEGINS:
		return value.n > 0 && same(er_slice_head(s, value.n), value, fold);
	case ER_HTML_ENDS:
		return value.n > 0 && s.n >= value.n && same(er_slice_from(s, s.n - value.n), value, fold);
	default:
		ER_ASSERT(c->test == ER_HTML_CONTAINS);
		return value.n > 0 && contains(s, value, fold);
	}
}

/* Is there an n of 0 or more, of which an+b is the index? */
static bool is_nth(const er_html_condition *c, uint32_t index)
{
	int64_t left = (int64_t)index - c->b;
	if (c->a == 0)
		return left == 0;
	return left % c->a == 0 && left / c->a >= 0;
}

static bool matches(const er_html_compound *c, const er_html_element *e);

static bool holds(const er_html_condition *c, const er_html_element *e)
{
	switch (c->test) {
	case ER_HTML_NTH:
		return is_nth(c, e->index);
	case ER_HTML_NTH_OF_TYPE:
		return is_nth(c, e->of_type);
	case ER_HTML_NOT:
		for (uint32_t i = 0; i < c->not_n; i++)
			if (matches(&c->not [i], e))
				return false;
		return true;
	default:
		break;
	}
	const er_html_attr *a = er_html_attr_find(e->bytes, e->attrs, e->attrs_n, c->name);
	bool fold = c->folding == ER_HTML_CASE_FOLDED || (c->folding == ER_HTML_CASE_IN_HTML && e->html);
	return a != NULL && compares(c, part(e->bytes, a->value), fold);
}

static bool matches(const er_html_compound *c, const er_html_element *e)
{
	if (c->type != 0 && c->type != e->name)
		return false;
	for (uint32_t i = 0; i < c->n; i++)
		if (!holds(&c->conditions[i], e))
			return false;
	return true;
}

static bool has(const uint64_t *set, size_t i)
{
	return (set[i / 64] >> (i % 64) & 1) != 0;
}

void er_html_rules_match(const er_html_rules *r, const er_html_element *e, const uint64_t *parent, const uint64_t *around,
                         uint64_t *matched, er_html_set *out)
{
	for (size_t i = 0; i < er_html_rules_words(r); i++)
		matched[i] = 0;
	for (size_t i = 0; i < r->n; i++) {
		const er_html_step *s = &r->steps[i];
		if (s->compound.type != 0 && s->compound.type != e->name)
			continue;
		if (s->from != ER_HTML_FROM_ANY && !has(s->from == ER_HTML_FROM_CHILD ? parent : around, i - 1))
			continue;
		if (!matches(&s->compound, e))
			continue;
		matched[i / 64] |= UINT64_C(1) << (i % 64);
		if (s->final)
			er_html_set_add(out, s->rule);
	}
}

void er_html_rules_of(const er_html_rules *r, const uint64_t *matched, er_html_set *out)
{
	for (size_t w = 0; w < er_html_rules_words(r); w++)
		for (uint64_t left = matched[w]; left != 0; left &= left - 1) {
			const er_html_step *s = &r->steps[w * 64 + (size_t)__builtin_ctzll(left)];
			if (s->final)
				er_html_set_add(out, s->rule);
		}
}
