/* A body that nobody wants, read to its end for the sake of its connection: one that is cancelled
 * closes it. */
#ifndef ER_HTTP_BODY_DRAIN_H
#define ER_HTTP_BODY_DRAIN_H

#include "http/body.h"

/* Takes the reference, and reads and drops at most `most` bytes; a longer body is cancelled then,
 * and so is one that comes while the thread drains 64 others.
 * Nobody hears of its end. The source ends a body that stands still, as it does for any reader.
 * NULL is fine. */
void er_body_drain(er_body *b, size_t most);

#endif
