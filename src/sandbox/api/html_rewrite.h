/* A rewriter of HTML: bytes go in, in pieces cut anywhere; the same bytes come out, but for what
 * somebody has changed. Pure: who wants to see something is a rule, a number; when there is
 * something for it, the rewriter stands still, and whoever runs it looks and changes through the
 * functions below, and lets it go on.
 *
 *   er_html_run ──► EVENT ──► (er_html_get_*, er_html_edit ...) ──► er_html_run ──► ...
 *               ──► OUTPUT ──► er_html_output, er_html_taken     ──► er_html_run ──► ...
 *               ──► HUNGRY ──► er_html_feed                      ──► er_html_run ──► ...
 *               ──► DONE, or FAILED: er_html_wrong says why
 *
 * Bytes that nobody touches are copied in runs from what came to what goes out. What is kept: the
 * token that is not complete (1 MB at most), the open elements (16384 at most), what goes out (64
 * KB and one token, and what was inserted), and what is to be inserted at the ends of open elements
 * (8 MB at most).
 *
 * All text is UTF-8, or bytes of another encoding in which ASCII is ASCII: whoever runs it knows,
 * and sets `wide` if characters of these have more than a byte. Entities are neither read nor
 * written: what is got is what stands in the page, and an attribute is set to what is given, but
 * that its quotes become entities. */
#ifndef ER_SANDBOX_API_HTML_REWRITE_H
#define ER_SANDBOX_API_HTML_REWRITE_H

#include "channel/contract.h"
#include "sandbox/api/html_tree.h"

enum {
	ER_HTML_OUT_MAX = 64 * 1024, /* bytes at which it stops to have them taken */
	ER_HTML_HELD_MAX = 8 << 20,  /* bytes kept for the ends of open elements */
};

typedef enum er_html_turn { ER_HTML_OUTPUT, ER_HTML_EVENT, ER_HTML_HUNGRY, ER_HTML_DONE, ER_HTML_FAILED } er_html_turn;

/* An attribute of the present start tag once somebody changes one. */
typedef struct er_html_given {
	er_slice name, value;
	bool from_tag; /* it stands in the tag, at the same place in the list */
	bool set;      /* to this value */
	bool removed;
	bool repeated; /* the standard does not see it */
} er_html_given;

/* What is to become of the present token. */
typedef struct er_html_edits {
	er_buf before, after;
	er_buf inside;      /* behind a start tag */
	er_buf replacement; /* of the token, if it is removed; a comment's new text */
	er_buf name;
	bool any;
	bool removed;
	bool gone; /* with its content */
	bool drops;
	bool retexted;
	er_html_given *list; /* attributes */
	size_t list_n, list_room;
	bool listed;
	er_arena arena; /* names and values in it */
} er_html_edits;

typedef struct er_html {
	er_html_tokenizer tok;
	er_html_rules rules;
	er_html_tree tree;
	unsigned rules_n;
	uint8_t sees[ER_HTML_RULES_MAX];
	uint32_t inside[ER_HTML_RULES_MAX]; /* how many open elements match it; the document counts */
	er_html_set texts, comments;        /* who sees these here */
	er_html_set elements, doctypes, ends;
	er_buf in, out;
	size_t kept, at; /* of `in`: from here on nothing is in `out` yet; here is the present token */
	bool begun, last, ended;
	bool wide;    /* not UTF-8, and a character may have several bytes */
	bool ready;   /* the tokenizer's token waits */
	bool in_text; /* somebody has seen the beginning of a text, and not its end */
	const char *wrong;
	size_t dropping; /* open elements whose content is not written */
	/* the event */
	unsigned kind; /* ER_HTML_SEE_*, or 0 */
	er_html_set due;
	unsigned rule;
	size_t n; /* bytes of the token: of a text, those that are seen now */
	bool last_text;
	er_html_element element;
	er_html_ns ns;
	bool content; /* the element has content */
	er_html_edits edits;
	uint32_t serials;
	size_t held;
} er_html;

typedef struct er_html_event {
	unsigned kind;   /* ER_HTML_SEE_* */
	uint32_t number; /* of the rule; of an end tag: what er_html_want_end has given */
} er_html_event;

er_html *er_html_new(void);
void er_html_free(er_html *h);
/* Before the first run. A rule of elements, or with no selector of the document: what it sees is
 * ER_HTML_SEE_* bits. Rules are numbered from 0 on in the order in which they come, which is that
 * in which they see things. What is wrong, or NULL; *at as in er_html_rules_add. */
ER_MUST_CHECK const char *er_html_on(er_html *h, const er_slice *selector, unsigned sees, size_t *at);
er_html_turn er_html_run(er_html *h, er_html_event *event);
/* After HUNGRY. `last`: that is all, and there is no more HUNGRY. */
void er_html_feed(er_html *h, er_slice bytes, bool last);
/* What has come out so far, to be taken, also during an event; valid until the next run. */
er_slice er_html_output(er_html *h);
void er_html_taken(er_html *h);
const char *er_html_wrong(const er_html *h);

/* ---- during an event ---- */
/* False: there is none. Of an attribute: `which` is its name or its number. Bytes are valid until
 * the next edit. */
bool er_html_get(const er_html *h, unsigned what, er_slice which, uint32_t number, er_slice *out);
bool er_html_is(const er_html *h, unsigned what);
/* `html`: the content is markup; otherwise it is text, and escaped. What is wrong, or NULL. */
ER_MUST_CHECK const char *er_html_edit(er_html *h, unsigned what, er_slice content, bool html);
/* NULL as value: removes it. */
ER_MUST_CHECK const char *er_html_set_attr(er_html *h, er_slice name, const er_slice *value);
/* Of an element: its end tag is to be an event; *number is that event's. The same each time. */
ER_MUST_CHECK const char *er_html_want_end(er_html *h, uint32_t *number);

/* Text as markup, at the end of *b. */
void er_html_put_text(er_buf *b, er_slice s);

/* ---- html_edit.c for html_rewrite.c ---- */
/* Of the next token there are no edits. */
void er_html_edits_clear(er_html_edits *e);
void er_html_edits_fini(er_html_edits *e);
/* The present token as it has become. */
void er_html_write_token(er_html *h, er_slice raw);
er_html_tail *er_html_tail_now(er_html *h);

#endif
