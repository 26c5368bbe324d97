/* A stack of open elements (html_tree.h). An entry is as long as its sets of steps. */
#include "sandbox/api/html_tree.h"

#include "base/mem.h"

static er_html_open *entry(const er_html_tree *t, size_t i)
{
	return (er_html_open *)(void *)(t->entries + i * t->stride);
}

static size_t words(const er_html_tree *t)
{
	return er_html_rules_words(t->rules);
}

static uint64_t *matched(const er_html_tree *t, er_html_open *o)
{
	(void)t;
	return o->sets;
}

static uint64_t *around(const er_html_tree *t, er_html_open *o)
{
	return o->sets + words(t);
}

static uint32_t *count_of(er_html_tree *t, er_html_name name)
{
	return &t->names[(name * UINT64_C(0x9e3779b97f4a7c15)) >> 56];
}

void er_html_tree_init(er_html_tree *t, const er_html_rules *rules)
{
	enum { FIRST_ROOM = 32 };
	*t = (er_html_tree){.rules = rules, .room = FIRST_ROOM};
	t->stride = sizeof(er_html_open) + 2 * words(t) * sizeof(uint64_t);
	t->entries = er_alloc(t->room * t->stride);
	memset(t->entries, 0, t->stride);
	t->n = 1;
}

static void tail_free(er_html_tail *tail)
{
	if (tail == NULL)
		return;
	er_buf_fini(&tail->append);
	er_buf_fini(&tail->after);
	er_buf_fini(&tail->name);
	er_free(tail);
}

void er_html_tree_fini(er_html_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		tail_free(entry(t, i)->tail);
	er_free(t->entries);
	er_free(t->types);
	*t = (er_html_tree){0};
}

er_html_open *er_html_tree_top(const er_html_tree *t)
{
	return entry(t, t->n - 1);
}

/* ---- namespaces ---- */

/* Is a start tag in the innermost element read by the rules of HTML? (13.2.6) */
static bool by_html(const er_html_open *top, unsigned traits)
{
	if (top->ns == ER_HTML_NS_HTML || top->html_inside)
		return true;
	return (top->text_inside && (traits & ER_HTML_IS_GLYPH) == 0) || (top->svg_inside && (traits & ER_HTML_IS_SVG) != 0);
}

static const er_html_attr *attr(const er_html_element *e, er_slice name)
{
	return er_html_attr_find(e->bytes, e->attrs, e->attrs_n, name);
}

bool er_html_tree_breaks_out(const er_html_tree *t, const er_html_element *e, unsigned traits)
{
	const er_html_open *top = er_html_tree_top(t);
	if (top->ns == ER_HTML_NS_HTML || by_html(top, traits))
		return false;
	return (traits & ER_HTML_BREAKOUT) != 0 ||
	       ((traits & ER_HTML_IS_FONT) != 0 &&
	        (attr(e, ER_LIT("color")) != NULL || attr(e, ER_LIT("face")) != NULL || attr(e, ER_LIT("size")) != NULL));
}

static er_html_ns ns_of(const er_html_open *top, unsigned traits)
{
	if (!by_html(top, traits))
		return (er_html_ns)top->ns;
	return traits & ER_HTML_IS_SVG ? ER_HTML_NS_SVG : traits & ER_HTML_IS_MATH ? ER_HTML_NS_MATHML : ER_HTML_NS_HTML;
}

static void integrate(er_html_open *o, const er_html_element *e, unsigned traits)
{
	o->html_inside = o->ns == ER_HTML_NS_SVG && (traits & ER_HTML_SVG_HTML) != 0;
	o->text_inside = o->ns == ER_HTML_NS_MATHML && (traits & ER_HTML_MATHML_TEXT) != 0;
	o->svg_inside = o->ns == ER_HTML_NS_MATHML && (traits & ER_HTML_IS_ANNOTATION) != 0;
	const er_html_attr *encoding = o->svg_inside ? attr(e, ER_LIT("encoding")) : NULL;
	if (encoding == NULL)
		return;
	er_slice value = er_slice_of(e->bytes + encoding->value.at, encoding->value.n);
	o->html_inside = er_slice_ieq(value, ER_LIT("text/html")) || er_slice_ieq(value, ER_LIT("application/xhtml+xml"));
}

/* ---- places among siblings ---- */

/* NULL: there are too many names. The children of the innermost element stand last. */
static er_html_type *type_of(er_html_tree *t, er_html_name name)
{
	uint32_t depth = (uint32_t)t->n;
	size_t i = t->types_n;
	while (i > 0 && t->types[i - 1].depth == depth) {
		i--;
		if (t->types[i].name == name)
			return &t->types[i];
	}
	if (t->types_n - i == ER_HTML_TYPES_MAX)
		return NULL;
	if (t->types_n == t->types_room) {
		t->types_room = t->types_room > 0 ? 2 * t->types_room : 32;
		t->types = er_realloc(t->types, t->types_room * sizeof *t->types);
	}
	t->types[t->types_n] = (er_html_type){.name = name, .depth = depth};
	return &t->types[t->types_n++];
}

/* The document's own entry moves with the others: pointers to entries die here. */
static void make_room(er_html_tree *t)
{
	if (t->n < t->room)
		return;
	t->room *= 2;
	t->entries = er_realloc(t->entries, t->room * t->stride);
}

const char *er_html_tree_enter(er_html_tree *t, er_html_element *e, unsigned traits, bool self_closing, er_html_ns *ns,
                               bool *content, er_html_set *hit)
{
	make_room(t);
	er_html_open *top = er_html_tree_top(t), *o = entry(t, t->n);
	*ns = ns_of(top, traits);
	e->html = *ns == ER_HTML_NS_HTML;
	e->index = ++top->children;
	if (t->rules->counts_types) {
		er_html_type *type = type_of(t, e->name);
		if (type == NULL)
			return "an element has children of too many names";
		e->of_type = ++type->n;
	}
	*o = (er_html_open){.name = e->name, .ns = (uint8_t)*ns, .traits = e->html ? traits : 0};
	er_html_rules_match(t->rules, e, matched(t, top), around(t, top), matched(t, o), hit);
	*content = e->html ? (traits & ER_HTML_VOID) == 0 : !self_closing;
	if (!*content)
		return NULL;
	if (er_html_tree_depth(t) == ER_HTML_DEPTH_MAX)
		return "elements are nested too deeply";
	for (size_t i = 0; i < words(t); i++)
		around(t, o)[i] = matched(t, o)[i] | around(t, top)[i];
	integrate(o, e, traits);
	++*count_of(t, e->name);
	t->n++;
	return NULL;
}

/* ---- ends ---- */

enum {
	TABLE_PARTS = ER_HTML_IS_CELL | ER_HTML_IS_ROW | ER_HTML_IS_ROWS | ER_HTML_IS_CAPTION,
	OPTIONAL = ER_HTML_IS_P | ER_HTML_IS_LI | ER_HTML_IS_DD | ER_HTML_IS_OPTION | ER_HTML_IS_OPTGROUP | ER_HTML_IS_RUBY |
	           TABLE_PARTS | ER_HTML_IS_HEAD,
};

/* Which kinds end at this start tag. */
static unsigned ended_by(unsigned traits)
{
	unsigned ended = traits & ER_HTML_CLOSES_P ? ER_HTML_IS_P : 0;
	if (traits & (ER_HTML_IS_LI | ER_HTML_IS_DD | ER_HTML_IS_OPTION | ER_HTML_IS_RUBY | ER_HTML_IS_CELL))
		ended |= traits & OPTIONAL;
	if (traits & ER_HTML_IS_OPTGROUP)
		ended |= ER_HTML_IS_OPTION | ER_HTML_IS_OPTGROUP;
	if (traits & ER_HTML_IS_CAPTION)
		ended |= ER_HTML_IS_CAPTION;
	if (traits & ER_HTML_IS_ROW)
		ended |= ER_HTML_IS_CELL | ER_HTML_IS_ROW | ER_HTML_IS_CAPTION;
	if (traits & ER_HTML_IS_ROWS)
		ended |= TABLE_PARTS;
	return traits & ER_HTML_IS_BODY ? ER_HTML_IS_HEAD : ended;
}

/* What of the same sort keeps apart: a list in a description, anything in a cell. */
static unsigned kept_apart(unsigned traits)
{
	if (traits & TABLE_PARTS)
		return 0;
	return TABLE_PARTS | (traits & ER_HTML_IS_LI ? ER_HTML_IS_DD : 0) | (traits & ER_HTML_IS_DD ? ER_HTML_IS_LI : 0);
}

size_t er_html_tree_implies(const er_html_tree *t, unsigned traits)
{
	unsigned ended = ended_by(traits), apart = kept_apart(traits);
	size_t n = 0;
	if (ended == 0 || !by_html(er_html_tree_top(t), traits))
		return 0;
	for (size_t i = t->n - 1; i > 0 && t->n - i <= ER_HTML_LOOK_MAX; i--) {
		unsigned open = entry(t, i)->traits;
		if ((open & OPTIONAL) == 0 || (open & apart) != 0)
			break;
		if (open & ended)
			n = t->n - i;
	}
	return n;
}

/* Has an end tag of these traits no meaning outside of this element? (13.2.4.2 and 13.2.6.4.7) */
static bool bounds(const er_html_open *o, unsigned end)
{
	if (o->ns != ER_HTML_NS_HTML)
		return o->html_inside || o->text_inside;
	if (end & ER_HTML_IS_BODY)
		return false;
	if (end & (TABLE_PARTS | ER_HTML_SCOPE))
		return (o->traits & ER_HTML_SCOPE) != 0 && (o->traits & TABLE_PARTS) == 0;
	if ((o->traits & ER_HTML_SCOPE) != 0 || ((end & ER_HTML_IS_P) && (o->traits & ER_HTML_IS_BUTTON)) ||
	    ((end & ER_HTML_IS_LI) && (o->traits & ER_HTML_IS_LIST)))
		return true;
	return (end & (ER_HTML_SPECIAL | ER_HTML_FORMATS)) == 0 && (o->traits & ER_HTML_SPECIAL) != 0;
}

size_t er_html_tree_closes(const er_html_tree *t, er_html_name name, unsigned traits)
{
	if (*count_of((er_html_tree *)(uintptr_t)t, name) == 0)
		return 0;
	for (size_t i = t->n - 1; i > 0; i--) {
		const er_html_open *o = entry(t, i);
		if (o->name == name)
			return t->n - i;
		if (t->n - i <= ER_HTML_LOOK_MAX && bounds(o, traits))
			return 0;
	}
	return 0;
}

void er_html_tree_leave(er_html_tree *t, er_html_set *had)
{
	ER_ASSERT(t->n > 1);
	er_html_open *o = er_html_tree_top(t);
	while (t->types_n > 0 && t->types[t->types_n - 1].depth >= t->n)
		t->types_n--;
	er_html_rules_of(t->rules, matched(t, o), had);
	tail_free(o->tail);
	--*count_of(t, o->name);
	t->n--;
}
