/* What the files _headers and _redirects have in common: lines, patterns of paths with
 * placeholders, and texts that what a pattern has found is put into. The syntax is that of
 * Cloudflare Pages and Netlify. Pure.
 *
 * A pattern is matched with a decoded path from its first byte to its last. ":name" stands for one
 * whole segment, "*" for whatever is there, once in a pattern. Matching walks the path once, so a
 * pattern cannot be made to take long. */
#ifndef ER_ASSETS_RULE_H
#define ER_ASSETS_RULE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { ER_RULE_PLACEHOLDERS = 8, ER_RULE_FILLED = 8192 };

typedef struct er_rule_pattern {
	er_slice scheme, host; /* empty: every one; a host may have a leading "*." or a label ":name" */
	er_slice path;         /* begins with "/" */
	bool plain;            /* nothing but letters: it is the path */
	size_t literal;        /* bytes at its beginning that are plain */
} er_rule_pattern;

/* What stands for a placeholder: borrowed from pattern and path. */
typedef struct er_rule_found {
	struct {
		er_slice name, value;
	} v[ER_RULE_PLACEHOLDERS + 1];
	size_t n;
} er_rule_found;

/* "/path", or with `hosts` "https://host/path". The text must outlive it. False: *why. */
ER_MUST_CHECK bool er_rule_read(er_slice text, bool hosts, er_rule_pattern *out, const char **why);
bool er_rule_match(const er_rule_pattern *p, er_slice scheme, er_slice host, er_slice path, er_rule_found *out);
/* Every placeholder of the text is one of the pattern. False: *missing is the first that is not. */
ER_MUST_CHECK bool er_rule_knows(const er_rule_pattern *p, er_slice text, er_slice *missing);
/* Appends the text with what was found, percent-encoded as a path (RFC 3986 3.3). False: that is
 * more than ER_RULE_FILLED bytes, since a text may name a long part of a path many times. */
ER_MUST_CHECK bool er_rule_fill(er_buf *to, er_slice text, const er_rule_found *found);

/* Appends a decoded path as it is written in a URL. */
void er_rule_encode(er_buf *to, er_slice path);

/* The next line of a file of rules that says something, without its end, white space around it and
 * comments ("#" at its beginning); counts lines in *number. False: no more. */
bool er_rule_line(er_slice *rest, unsigned *number, er_slice *line);

#endif
