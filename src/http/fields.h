/* Header fields of a message, in order, as slices (RFC 9110 5). Names are kept as they came and
 * compared without case. A message has at most some hundred fields, so looking one up is a scan; no
 * field has an allocation of its own. Names and values belong to the message's arena or outlive
 * it. */
#ifndef ER_HTTP_FIELDS_H
#define ER_HTTP_FIELDS_H

#include "base/arena.h"
#include "base/slice.h"

typedef struct er_field {
	er_slice name;
	er_slice value;
} er_field;

typedef struct er_fields {
	er_field *v;
	uint32_t n;
	uint32_t cap;
} er_fields;

static inline void er_fields_init(er_fields *f)
{
	*f = (er_fields){0};
}
/* Adds one at the end. The slices are kept, not copied: they must live as long as the arena. */
void er_fields_add(er_fields *f, er_arena *a, er_slice name, er_slice value);
/* The first value of that name, or NULL. */
const er_slice *er_fields_get(const er_fields *f, er_slice name);
/* Replaces all of that name by one. */
void er_fields_set(er_fields *f, er_arena *a, er_slice name, er_slice value);
/* Returns how many were removed. */
uint32_t er_fields_del(er_fields *f, er_slice name);

/* How many bytes of s may stand in a name, from its beginning on (RFC 9110 5.6.2 tchar). */
size_t er_field_name_n(er_slice s);
/* RFC 9110 5.6.2: at least one tchar. */
bool er_field_name_ok(er_slice name);
/* How many bytes of s may stand in a value, from its beginning on (see er_field_value_ok). The end
 * of a line is none of them. */
size_t er_field_value_n(er_slice s);
/* RFC 9110 5.5: no CR, LF, NUL or other control but HTAB; obs-text is allowed. Leading and trailing
 * white space is not checked. */
bool er_field_value_ok(er_slice value);
/* Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade,
 * Proxy-Authenticate, Proxy-Authorization (RFC 9110 7.6.1). */
bool er_field_hop_by_hop(er_slice name);
/* A field of this name may follow a body (RFC 9110 6.5.1). False for fields of framing, routing,
 * authentication, conditions, caching and of the content itself, which a recipient needs before the
 * body. */
bool er_field_trailer_ok(er_slice name);
/* Removes hop-by-hop fields and what Connection lists, but never lets it list Host, Cookie,
 * Authorization, CDN-Loop, Via, Forwarded, X-Forwarded-*. */
void er_fields_strip_hop_by_hop(er_fields *f);
/* True if the comma-separated list value holds the token (without case). */
bool er_field_has_token(er_slice value, er_slice token);

#endif
