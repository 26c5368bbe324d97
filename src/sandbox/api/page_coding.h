/* A page's own encoding, where that is not UTF-8: the page stays in it, and what goes between it
 * and JavaScript is converted. For encodings in which ASCII is what it is and no tag's bytes are
 * parts of other characters: all but UTF-16 and ISO-2022-JP. */
#ifndef ER_SANDBOX_API_PAGE_CODING_H
#define ER_SANDBOX_API_PAGE_CODING_H

#include "sandbox/api/api.h"
#include "sandbox/api/labels.h"

typedef struct er_page_coding er_page_coding;

/* NULL: it is UTF-8, or one that pages cannot stay in. Freed by er_page_coding_free. */
er_page_coding *er_page_coding_new(const er_encoding *e);
void er_page_coding_free(er_page_coding *c);
/* A character may have more than a byte. */
bool er_page_coding_is_wide(const er_page_coding *c);
/* The string of the page's bytes. */
er_value er_page_coding_read(er_page_coding *c, er_slice s, er_value *exception);
/* UTF-8 in the page's bytes, at the end of *to; what these have no character for is a numeric
 * reference (&#8364;). False: there is no memory. */
ER_MUST_CHECK bool er_page_coding_write(er_page_coding *c, er_slice utf8, er_buf *to);

#endif
