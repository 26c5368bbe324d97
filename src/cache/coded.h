/* Which stored responses may have coded forms (content.h), and which form a request gets. Pure.
 *
 * A form is another representation of the same response (RFC 9110 8.4): it has the coding's name
 * in Content-Encoding and a weak entity tag, since its bytes are not those that the origin's strong
 * tag speaks of (8.8.3.3). So a client's If-None-Match matches whichever form it has, its If-Range
 * never makes one body out of two, and the origin is asked with its own tag. */
#ifndef ER_CACHE_CODED_H
#define ER_CACHE_CODED_H

#include "http/accept_encoding.h"
#include "http/exchange.h"

enum {
	ER_CODED_LEAST = 1024,                /* bytes: a shorter body fits into a packet as it is */
	ER_CODED_MOST = 8 * 1024 * 1024,      /* a longer one is not compressed */
	ER_CODED_ALL = (1 << ER_CODINGS) - 1, /* bits by er_coding */
};

typedef enum er_codable {
	ER_CODABLE_NOT,
	ER_CODABLE,        /* and its Vary does not name Accept-Encoding */
	ER_CODABLE_VARIES, /* and it does */
} er_codable;

/* May a stored response with these fields have coded forms? Its type is one that compresses; the
 * origin has not coded it, not said "no-transform", and not signed or digested its bytes. */
er_codable er_codable_of(int status, const er_fields *response);
/* A body of so many bytes may. */
static inline bool er_coded_length_ok(uint64_t n)
{
	return n >= ER_CODED_LEAST && n <= ER_CODED_MOST;
}
/* The codings, of those in `allowed`, that the exchange's asker would have the answer in, the most
 * wished for first. None for a routine that has not said that it takes the body as it is: it reads
 * text. Returns how many. */
size_t er_coded_order(const er_exchange *x, unsigned allowed, er_coding out[static ER_CODINGS]);
/* A weak tag of the same opaque part. In the arena, or the tag itself. */
er_slice er_coded_tag(er_arena *a, er_slice tag);

#endif
