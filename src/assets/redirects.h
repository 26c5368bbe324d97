/* The file _redirects: where a path leads instead. The syntax is that of Cloudflare Pages and
 * Netlify, a rule a line:
 *
 *     /old               /new
 *     /blog/:year/:name  https://blog.example/:name?y=:year  301
 *     /app/:page         /app/index.html                     200
 *
 * A "*" stands for whatever is there, and ":splat" for what that was. The first rule that matches
 * counts. Without a status it is 302. 301, 302, 303, 307 and 308 come before the files; 200 answers
 * with another file, where there is none of that path. Pure. */
#ifndef ER_ASSETS_REDIRECTS_H
#define ER_ASSETS_REDIRECTS_H

#include "assets/rule.h"
#include "base/map.h"

enum {
	ER_REDIRECTS_PLAIN = 2000,  /* rules without placeholders */
	ER_REDIRECTS_RULES = 100,   /* rules with some */
	ER_REDIRECTS_LINE = 1000,   /* bytes */
	ER_REDIRECTS_FILE = 2500000 /* bytes */
};

typedef struct er_redirects_rule {
	er_rule_pattern pattern;
	er_slice to;
	int status;
	unsigned order;
} er_redirects_rule;

typedef struct er_redirects {
	er_map *plain; /* by path: the first of each, and of 200 */
	er_redirects_rule *rules;
	size_t n;
} er_redirects;

/* The text must outlive *out, whose rules lie in the arena. False: *err says which line, and why.
 * er_redirects_fini in either case. */
ER_MUST_CHECK bool er_redirects_read(er_arena *a, er_slice text, er_redirects *out, er_err *err);
void er_redirects_fini(er_redirects *r);

/* The first rule for a decoded path, of those with status 200 or of the others; NULL: none. */
const er_redirects_rule *er_redirects_find(const er_redirects *r, er_slice path, bool rewrite, er_rule_found *found);
/* Where it leads, with the query of the request, if the rule says none. In the arena; empty: too
 * far, in bytes (er_rule_fill). A path never begins with two slashes, which would name a host. */
er_slice er_redirects_target(const er_redirects_rule *r, const er_rule_found *found, er_slice query, er_arena *a);

#endif
