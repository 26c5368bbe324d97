/* Which elements somebody wants: CSS selectors, compiled, and matched on the way down. Pure.
 *
 * A selector is a row of compounds with combinators between them; each compound is a step. What an
 * element has matched is a set of steps, and what it and those around it have matched decides which
 * steps its children can match. So nothing is ever looked for upwards, and an element costs what
 * the selectors are long, however deep it is. */
#ifndef ER_SANDBOX_API_HTML_RULES_H
#define ER_SANDBOX_API_HTML_RULES_H

#include "base/arena.h"
#include "base/err.h"
#include "sandbox/api/html_token.h"

enum {
	ER_HTML_RULES_MAX = 256,       /* selectors with their handlers */
	ER_HTML_STEPS_MAX = 1024,      /* compounds of all of them */
	ER_HTML_SELECTOR_MAX = 4096,   /* bytes of one */
	ER_HTML_NOT_MAX = 4,           /* :not() inside of :not() */
	ER_HTML_CONDITIONS_MAX = 8192, /* of all of them */
	ER_HTML_RULE_WORDS = ER_HTML_RULES_MAX / 64,
};

/* A set of rules, by their numbers. */
typedef struct er_html_set {
	uint64_t words[ER_HTML_RULE_WORDS];
} er_html_set;

static inline void er_html_set_add(er_html_set *s, unsigned rule)
{
	s->words[rule / 64] |= UINT64_C(1) << (rule % 64);
}
static inline bool er_html_set_has(const er_html_set *s, unsigned rule)
{
	return (s->words[rule / 64] >> (rule % 64) & 1) != 0;
}
static inline bool er_html_set_empty(const er_html_set *s)
{
	uint64_t any = 0;
	for (unsigned i = 0; i < ER_HTML_RULE_WORDS; i++)
		any |= s->words[i];
	return any == 0;
}
/* The lowest, taken out; the set is not empty. */
unsigned er_html_set_take(er_html_set *s);

typedef struct er_html_condition er_html_condition;

/* What one element must be. */
typedef struct er_html_compound {
	er_html_name type; /* 0: any */
	er_html_condition *conditions;
	uint32_t n, room;
} er_html_compound;

typedef enum er_html_from { ER_HTML_FROM_ANY, ER_HTML_FROM_DESCENDANT, ER_HTML_FROM_CHILD } er_html_from;

typedef struct er_html_step {
	er_html_compound compound;
	er_html_from from; /* how it hangs on the step before */
	bool final;        /* the selector's last: its rule matches */
	uint16_t rule;
} er_html_step;

/* What the rules know of an element. */
typedef struct er_html_element {
	er_html_name name;
	bool html; /* of HTML's namespace */
	const uint8_t *bytes;
	const er_html_attr *attrs;
	size_t attrs_n;
	uint32_t index, of_type; /* among its siblings, from 1 on */
} er_html_element;

typedef struct er_html_rules {
	er_html_step *steps;
	size_t n, room;
	size_t conditions;
	bool counts_types; /* some step wants er_html_element.of_type */
	er_arena arena;
} er_html_rules;

/* All zero is no rules. */
void er_html_rules_fini(er_html_rules *r);
/* Adds a list of selectors, which `rule` stands for. What is wrong with it, in plain words, or
 * NULL; *at is how many bytes of it were understood. The rules are of no use after that. */
ER_MUST_CHECK const char *er_html_rules_add(er_html_rules *r, er_slice selector, unsigned rule, size_t *at);
/* Words of a set of steps. */
static inline size_t er_html_rules_words(const er_html_rules *r)
{
	return (r->n + 63) / 64;
}
/* Which steps the element matches, under a parent that has matched `parent`, and it or those around
 * it `around`; which rules that means is added to *out. */
void er_html_rules_match(const er_html_rules *r, const er_html_element *e, const uint64_t *parent, const uint64_t *around,
                         uint64_t *matched, er_html_set *out);
/* The rules of a set of steps. */
void er_html_rules_of(const er_html_rules *r, const uint64_t *matched, er_html_set *out);

/* The first attribute of that name (in any case), or NULL: the standard drops the others. */
const er_html_attr *er_html_attr_find(const uint8_t *bytes, const er_html_attr *attrs, size_t n, er_slice name);

/* For html_rules.c and html_match.c. */
typedef enum er_html_test {
	ER_HTML_HAS, /* the attribute, whatever its value */
	ER_HTML_IS,
	ER_HTML_WORD,
	ER_HTML_DASH,
	ER_HTML_BEGINS,
	ER_HTML_ENDS,
	ER_HTML_CONTAINS,
	ER_HTML_NTH,
	ER_HTML_NTH_OF_TYPE,
	ER_HTML_NOT,
} er_html_test;
typedef enum er_html_case {
	ER_HTML_CASE_KEPT,
	ER_HTML_CASE_FOLDED,
	ER_HTML_CASE_IN_HTML /* folded in HTML alone */
} er_html_case;
struct er_html_condition {
	er_html_test test;
	er_html_case folding;
	er_slice name, value;
	int32_t a, b; /* of an+b */
	er_html_compound * not ;
	uint32_t not_n;
};

#endif
