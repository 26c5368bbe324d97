/* Names of HTML elements as numbers, and what the HTML Standard says of some of them. Pure.
 *
 * A name of up to 12 letters and the digits 1 to 6 (all names of the standard but annotation-xml)
 * is packed, five bits a character, so that two such names are equal exactly if their numbers are.
 * Any other name is a hash with the highest bit set, which no packed name has. */
#ifndef ER_SANDBOX_API_HTML_NAMES_H
#define ER_SANDBOX_API_HTML_NAMES_H

#include "base/slice.h"

typedef uint64_t er_html_name;

/* How the text inside of an element is read (HTML 13.2.5.1 to 5, 13.2.6.2). */
typedef enum er_html_text {
	ER_HTML_DATA,
	ER_HTML_RCDATA,
	ER_HTML_RAWTEXT,
	ER_HTML_SCRIPT,
	ER_HTML_PLAINTEXT,
	ER_HTML_CDATA, /* a CDATA section: of no element */
} er_html_text;

typedef enum er_html_trait {
	ER_HTML_VOID = 1 << 0,        /* 13.1.2, and those that the parser ends at once: 13.2.6.4.7 */
	ER_HTML_BREAKOUT = 1 << 1,    /* ends foreign content: 13.2.6.5 */
	ER_HTML_SVG_HTML = 1 << 2,    /* of SVG, with HTML inside: 13.2.6 */
	ER_HTML_MATHML_TEXT = 1 << 3, /* of MathML, with HTML inside: likewise */
	ER_HTML_IS_RCDATA = 1 << 4,
	ER_HTML_IS_RAWTEXT = 1 << 5,
	ER_HTML_IS_SCRIPT = 1 << 6,
	ER_HTML_IS_PLAINTEXT = 1 << 7,
	ER_HTML_IS_SVG = 1 << 8,
	ER_HTML_IS_MATH = 1 << 9,
	ER_HTML_IS_FONT = 1 << 10,
	ER_HTML_IS_ANNOTATION = 1 << 11, /* annotation-xml */
	ER_HTML_IS_GLYPH = 1 << 12,      /* mglyph, malignmark */
	ER_HTML_CLOSES_P = 1 << 13,      /* its start tag ends a p: 13.2.6.4.7 */
	ER_HTML_SPECIAL = 1 << 14,       /* 13.2.4.2, as the three that follow */
	ER_HTML_FORMATS = 1 << 15,
	ER_HTML_SCOPE = 1 << 16, /* an end tag inside means nothing outside */
	ER_HTML_IS_LIST = 1 << 17,
	ER_HTML_IS_BUTTON = 1 << 18,
	ER_HTML_IS_BODY = 1 << 19, /* also html */
	/* those whose end tags may be left out (13.1.2.4), in kinds */
	ER_HTML_IS_P = 1 << 20,
	ER_HTML_IS_LI = 1 << 21,
	ER_HTML_IS_DD = 1 << 22, /* also dt */
	ER_HTML_IS_OPTION = 1 << 23,
	ER_HTML_IS_OPTGROUP = 1 << 24,
	ER_HTML_IS_RUBY = 1 << 25,    /* rb, rt, rp */
	ER_HTML_IS_CELL = 1 << 26,    /* td, th */
	ER_HTML_IS_ROW = 1 << 27,     /* tr */
	ER_HTML_IS_ROWS = 1 << 28,    /* tbody, thead, tfoot */
	ER_HTML_IS_CAPTION = 1 << 29, /* also colgroup */
	ER_HTML_IS_HEAD = 1 << 30,
} er_html_trait;

/* Of any case. */
er_html_name er_html_name_of(er_slice name);
/* ER_HTML_* traits; 0 for most. */
unsigned er_html_traits_of(er_html_name name);
/* The spelling of a name that has RCDATA, RAWTEXT or SCRIPT. */
er_slice er_html_raw_name(er_html_name name);

/* White space of HTML: tab, line feed, form feed, carriage return, space. */
static inline bool er_html_is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}
static inline bool er_html_is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

#endif
