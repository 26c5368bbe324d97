/* Accept-Encoding (RFC 9110 12.5.3): which content codings the asker takes, and which of those that
 * the node knows it would rather have. Pure. */
#ifndef ER_HTTP_ACCEPT_ENCODING_H
#define ER_HTTP_ACCEPT_ENCODING_H

#include "base/arena.h"
#include "http/fields.h"

/* Content codings, those first that the node prefers when the asker does not care. Brotli is first:
 * its text is the smallest, and what is compressed once and kept costs its compression once.
 * Zstandard (RFC 8878) is next, and gzip last. */
typedef enum er_coding { ER_CODING_BR, ER_CODING_ZSTD, ER_CODING_GZIP, ER_CODINGS } er_coding;

/* "br", "zstd", "gzip". */
er_slice er_coding_name(er_coding c);
/* The coding of that name, in whatever case; ER_CODINGS: none of these. "x-gzip" is gzip (RFC 9110
 * 8.4.1.3). */
er_coding er_coding_of(er_slice name);

/* In thousandths. */
enum { ER_WEIGHT_UNSAID = -1, ER_WEIGHT_REFUSED = 0, ER_WEIGHT_FULL = 1000 };

/* What all lines of the field say. A member that is malformed says nothing; of a coding that stands
 * there twice the last counts. */
typedef struct er_accept_encoding {
	bool said; /* there is such a field */
	int16_t coding[ER_CODINGS], identity, any;
} er_accept_encoding;

void er_accept_encoding_read(const er_fields *fields, er_accept_encoding *out);
/* What is said of the coding: by its name, or by "*". Or UNSAID. */
int er_accept_encoding_weight(const er_accept_encoding *said, er_coding c);
/* A body without a coding is refused: by its name, or by "*;q=0". */
bool er_accept_encoding_refuses_identity(const er_accept_encoding *said);
/* The codings that are accepted, and not less than identity is, the most wished for first. None, if
 * there is no such field: anything might be accepted then, but who sends none mostly decodes
 * none. Returns how many. */
size_t er_accept_encoding_order(const er_accept_encoding *said, er_coding out[static ER_CODINGS]);
/* One text for all requests that accept the same of these codings, to be sent in their stead:
 * "br, gzip". Its own one text is itself. In the arena, or static. Only if `said`. */
er_slice er_accept_encoding_text(const er_accept_encoding *said, er_arena *a);

#endif
