/* The file _headers: fields of answers, by path. The syntax is that of Cloudflare Pages and
 * Netlify:
 *
 *     /static/:file
 *       Cache-Control: public, max-age=31536000, immutable
 *       ! X-Robots-Tag
 *
 * All rules that match are applied, in their order. A field that several of them name has all of
 * their values, with a comma between; "!" takes away what there is so far. What the node itself
 * says of an answer (framing, ranges, validators) cannot be said here. Pure. */
#ifndef ER_ASSETS_HEADERS_H
#define ER_ASSETS_HEADERS_H

#include "assets/rule.h"
#include "http/fields.h"

enum {
	ER_HEADERS_RULES = 100,
	ER_HEADERS_FIELDS = 50,   /* of a rule */
	ER_HEADERS_LINE = 2000,   /* bytes */
	ER_HEADERS_FILE = 256000, /* bytes */
	/* Bytes, and fields, that one answer gets; what comes then is left out. */
	ER_HEADERS_ANSWER = 32768,
	ER_HEADERS_ADDED = 128
};

typedef struct er_headers_field {
	er_slice name, value;
	bool away;
} er_headers_field;

typedef struct er_headers_rule {
	er_rule_pattern pattern;
	er_headers_field *fields;
	size_t n;
} er_headers_rule;

typedef struct er_headers {
	er_headers_rule *rules;
	size_t n;
} er_headers;

/* The text must outlive *out, which lies in the arena. False: *err says which line, and why. */
ER_MUST_CHECK bool er_headers_read(er_arena *a, er_slice text, er_headers *out, er_err *err);
/* Changes the fields of an answer for a decoded path. What it adds lies in `a`. */
void er_headers_apply(const er_headers *h, er_slice scheme, er_slice host, er_slice path, er_fields *fields, er_arena *a);

#endif
