/* What encoding a page says it has (HTML 13.2.3.2 and 13.2.3.3): of its first bytes, when nobody
 * else has said it. Pure. */
#ifndef ER_SANDBOX_API_HTML_CHARSET_H
#define ER_SANDBOX_API_HTML_CHARSET_H

#include "sandbox/api/labels.h"

enum { ER_HTML_HEAD = 1024 }; /* so many bytes are looked at */

/* NULL: it says nothing, or a byte order mark says more. One that says UTF-16 is UTF-8, as the
 * standard has it. */
const er_encoding *er_html_charset(er_slice head);

#endif
