/* The open elements, as far as a rewriter without a tree knows them: which namespace a tag belongs
 * to (HTML 13.2.6, the dispatcher, and 13.2.6.5), what selectors it matches, which elements an end
 * tag closes. Pure.
 *
 * An element is open until its end tag, or that of one around it. One whose end tag may be left out
 * (p, li, td and so on) also ends at the start tag that ends it in the standard, unless an element
 * inside of it is open that needs an end tag: the standard ends that, too, and puts another one of
 * its kind behind. An end tag means nothing outside of the scope that it has in the standard: </p>
 * in a cell of a table does not end a p around the table. */
#ifndef ER_SANDBOX_API_HTML_TREE_H
#define ER_SANDBOX_API_HTML_TREE_H

#include "base/buf.h"
#include "sandbox/api/html_rules.h"

enum {
	ER_HTML_DEPTH_MAX = 16 * 1024, /* open elements */
	ER_HTML_TYPES_MAX = 512,       /* names of the children of one, while selectors count them */
	ER_HTML_LOOK_MAX = 64,         /* elements looked through for what a tag ends, or for a scope */
};

typedef enum er_html_ns { ER_HTML_NS_HTML, ER_HTML_NS_SVG, ER_HTML_NS_MATHML } er_html_ns;

/* What is to be done where an element ends. */
typedef struct er_html_tail {
	er_buf append, after; /* before its end tag, and behind it */
	er_buf name;          /* the end tag's new one, or empty */
	bool drops_tag;       /* the end tag is not written */
	bool wants_end;       /* somebody wants to see the end tag, */
	uint32_t serial;      /* by this number */
	size_t held;          /* what was given for append and after: bytes */
} er_html_tail;

typedef struct er_html_open {
	er_html_name name;
	er_html_tail *tail; /* owned; NULL: nothing */
	uint32_t children;  /* so far */
	unsigned traits;    /* ER_HTML_* */
	uint8_t ns;
	bool html_inside; /* a foreign element whose content is HTML: an integration point */
	bool text_inside; /* likewise, of MathML: but for mglyph and malignmark */
	bool svg_inside;  /* annotation-xml: <svg> in it is SVG */
	bool drops;       /* its content is not written */
	uint64_t sets[];  /* steps it has matched; steps it or those around it have */
} er_html_open;

typedef struct er_html_type {
	er_html_name name;
	uint32_t depth, n;
} er_html_type;

typedef struct er_html_tree {
	const er_html_rules *rules;
	uint8_t *entries; /* er_html_open, each `stride` bytes; the first is the document */
	size_t stride, n, room;
	er_html_type *types; /* of the children of open elements, those of the innermost last */
	size_t types_n, types_room;
	uint32_t names[256]; /* how many open elements have a name with this hash */
} er_html_tree;

/* The rules are complete, and outlive the tree. */
void er_html_tree_init(er_html_tree *t, const er_html_rules *rules);
void er_html_tree_fini(er_html_tree *t);
/* The innermost open element, or the document, which is no element. */
er_html_open *er_html_tree_top(const er_html_tree *t);
static inline size_t er_html_tree_depth(const er_html_tree *t)
{
	return t->n - 1;
}
/* Does this start tag end the innermost element, which is foreign and this is not? Then the caller
 * leaves it and asks again. */
bool er_html_tree_breaks_out(const er_html_tree *t, const er_html_element *e, unsigned traits);
/* The start tag's element: its namespace into *ns, its place among its siblings into *e, what it
 * matches into *hit. *content: it has content, and is the innermost open element now. What is wrong
 * if it cannot be, or NULL. */
const char *er_html_tree_enter(er_html_tree *t, er_html_element *e, unsigned traits, bool self_closing, er_html_ns *ns,
                               bool *content, er_html_set *hit);
/* How many elements a start tag ends that could have had end tags. */
size_t er_html_tree_implies(const er_html_tree *t, unsigned traits);
/* How many elements an end tag closes; 0: it closes none. */
size_t er_html_tree_closes(const er_html_tree *t, er_html_name name, unsigned traits);
/* The innermost element is open no more; which rules it had matched is put into *had. */
void er_html_tree_leave(er_html_tree *t, er_html_set *had);

#endif
