/* Which request a stored response was an answer to, beside its URL (RFC 9111 4.1). The request's
 * fields that Vary names are brought to one form, so that requests that mean the same match:
 *
 *   lines of one name are joined by a comma; white space around commas goes, but not in Cookie,
 *   Authorization, and where there are quotes
 *   X-Forwarded-Proto and X-Forwarded-Host, which the node writes, select nothing beside the URL
 *   Accept-Language: without case, members in order of the alphabet
 *   Accept-Encoding: the codings of http/accept_encoding.h that are accepted, as a fill sends them;
 *   there are no more variants than sets of these, however many ways clients have to spell them */
#ifndef ER_CACHE_VARY_H
#define ER_CACHE_VARY_H

#include "http/fields.h"

/* names in all Vary fields of a response; with more it is as good as Vary: * */
enum { ER_VARY_FIELDS = 16 };

/* The selecting fields of a request: names in lower case with values in their one form, sorted by
 * name. In the arena. */
typedef struct er_variant {
	er_field v[ER_VARY_FIELDS];
	uint32_t n;
} er_variant;

/* Values of the one form: a field that is missing is not one that is empty. */
static inline bool er_variant_value_eq(er_slice a, er_slice b)
{
	return a.p == NULL || b.p == NULL ? a.p == b.p : er_slice_eq(a, b);
}
/* What `response` varies on, as `request` has it. False: too many names, or "*". */
bool er_variant_of(er_arena *a, const er_fields *response, const er_fields *request, er_variant *out);
/* As if the response varied on this field, too (its name in lower case). False: too many names. */
bool er_variant_add(er_arena *a, er_slice name, const er_fields *request, er_variant *out);
/* What `request` has for the names of `like`. In the arena. */
void er_variant_like(er_arena *a, const er_variant *like, const er_fields *request, er_variant *out);
bool er_variant_same_names(const er_variant *a, const er_variant *b);
bool er_variant_same(const er_variant *a, const er_variant *b);
/* Would `request` have selected the variant, too? `a` is scratch. */
bool er_variant_matches(const er_variant *variant, const er_fields *request, er_arena *a);

#endif
