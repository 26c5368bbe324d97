/* The part of the contract (contract.h) that the rewriter of HTML has: numbers that go between
 * api/html.c and the prelude. Written and read as the rest is. */
#ifndef ER_CHANNEL_CONTRACT_HTML_H
#define ER_CHANNEL_CONTRACT_HTML_H

/* What a handler wants to see, and what er.htmlRun has for one. */
#define ER_HTML_SEE_TABLE(X) \
	X(HTML_SEE_ELEMENT, 1) \
	X(HTML_SEE_COMMENT, 2) \
	X(HTML_SEE_TEXT, 4) \
	X(HTML_SEE_DOCTYPE, 8) \
	X(HTML_SEE_END, 16) \
	X(HTML_SEE_END_TAG, 32) \
	X(HTML_SEE_NEXT, 64) /* that, times the handler's number, is added */

/* What er.htmlEdit does. */
#define ER_HTML_DO_TABLE(X) \
	X(HTML_BEFORE, 0) \
	X(HTML_AFTER, 1) \
	X(HTML_PREPEND, 2) \
	X(HTML_APPEND, 3) \
	X(HTML_REPLACE, 4) \
	X(HTML_SET_INNER, 5) \
	X(HTML_REMOVE, 6) \
	X(HTML_UNWRAP, 7) \
	X(HTML_RENAME, 8) \
	X(HTML_SET_TEXT, 9)

/* What er.htmlGet gives. */
#define ER_HTML_GET_TABLE(X) \
	X(HTML_NAME, 0) \
	X(HTML_NAMESPACE, 1) \
	X(HTML_TEXT_OF, 2) \
	X(HTML_IS_LAST, 3) \
	X(HTML_IS_REMOVED, 4) \
	X(HTML_PUBLIC_ID, 5) \
	X(HTML_SYSTEM_ID, 6) \
	X(HTML_ATTR, 7)       /* by its name */ \
	X(HTML_ATTR_NAME, 8)  /* by its number */ \
	X(HTML_ATTR_VALUE, 9) /* likewise */

#endif
