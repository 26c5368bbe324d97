/* Several parts of a stored body in one answer (multipart/byteranges, RFC 9110 14.6). */
#ifndef ER_CACHE_PARTS_H
#define ER_CACHE_PARTS_H

#include "cache/content.h"
#include "cache/range.h"

enum { ER_PARTS_BOUNDARY = 32 };

/* What parts a body from the others: in front of each stands a boundary that nobody can foresee,
 * who may have written what is stored. */
typedef struct er_boundary {
	uint8_t text[ER_PARTS_BOUNDARY];
} er_boundary;

/* A new one. Any thread. */
er_boundary er_boundary_new(void);

/* What parts are made of: a content that is whole, and that begins at this byte of a response of
 * `length` bytes. */
typedef struct er_parts_of {
	er_content *content;
	uint64_t begin, length;
	const er_slice *type; /* Content-Type of the response, or NULL */
} er_parts_of;

/* A body of the parts, in their order, each under its Content-Type and Content-Range; the length is
 * known. `ranges`: of the response, and in the content. The thread is the port's. One reference.
 * NULL: the bytes are not there any more. */
er_body *er_parts_read(const er_parts_of *of, er_port *port, const er_ranges *ranges, const er_boundary *boundary);

#endif
