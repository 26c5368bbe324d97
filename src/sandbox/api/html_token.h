/* The tokens of HTML (HTML Standard, 13.2.5) out of bytes that come in pieces, cut anywhere. Pure:
 * the caller has the bytes, the tokenizer remembers how far it has looked.
 *
 * The caller gives all bytes from the beginning of the present token on, and the same with more
 * behind it after ER_HTML_MORE. A token says how many of them it is. Between two tokens the caller
 * may switch how text is read (er_html_text_is), as the tree construction of the standard does.
 * Nothing is decoded: places in the bytes say where a name or a value stands, and entities stay as
 * they were written. A piece that a token has looked at is not looked at again, so bytes that come
 * one by one cost no more than all at once. */
#ifndef ER_SANDBOX_API_HTML_TOKEN_H
#define ER_SANDBOX_API_HTML_TOKEN_H

#include "sandbox/api/html_names.h"

enum {
	ER_HTML_TOKEN_MAX = 1 << 20, /* bytes of one tag, comment or doctype */
	ER_HTML_ATTRS_MAX = 1024,    /* of one tag */
};

typedef enum er_html_kind {
	ER_HTML_TEXT,
	ER_HTML_START_TAG,
	ER_HTML_END_TAG,
	ER_HTML_COMMENT, /* also a bogus one: <!x>, <?x>, </ x> */
	ER_HTML_DOCTYPE,
	ER_HTML_MARK, /* of no meaning: </>, the marks of a CDATA section, a tag that the end has cut */
} er_html_kind;

/* Bytes of the token from `at` on. */
typedef struct er_html_part {
	uint32_t at, n;
} er_html_part;

typedef struct er_html_attr {
	er_html_part name, value; /* no value: empty */
	uint32_t end;             /* behind all of it, its closing quote too */
} er_html_attr;

typedef struct er_html_token {
	er_html_kind kind;
	size_t n;          /* bytes */
	bool last;         /* text: its node ends behind it */
	bool self_closing; /* a tag with "/>" */
	er_html_part name; /* of a tag or doctype */
	er_html_part text; /* of a comment, without its marks */
	er_html_part public_id, system_id;
	bool has_public, has_system, has_name;
} er_html_token;

typedef enum er_html_got { ER_HTML_MORE, ER_HTML_TOKEN, ER_HTML_TOO_LARGE } er_html_got;

typedef struct er_html_tokenizer {
	unsigned state;
	size_t at;           /* so far the token has been looked at */
	er_html_text text;   /* how text is read */
	er_slice raw_name;   /* whose end tag ends it; static memory */
	unsigned script;     /* how far a script is escaped */
	bool cdata;          /* the caller's: <![CDATA[ is one here */
	er_html_token token; /* the present one, after ER_HTML_TOKEN */
	er_html_attr *attrs; /* of a start tag */
	size_t attrs_n, attrs_room;
} er_html_tokenizer;

/* All zero is a tokenizer at the beginning. */
void er_html_tokenizer_fini(er_html_tokenizer *t);
/* The element that has begun has text of this kind. `name`: its own, static memory. */
void er_html_text_is(er_html_tokenizer *t, er_html_text text, er_slice name);
/* The next token of data, which begins where the last one ended. `last`: nothing follows. MORE with
 * `last`: that was all. */
er_html_got er_html_next(er_html_tokenizer *t, er_slice data, bool last);

#endif
