/* Undoing gzip while it streams (RFC 1952, several members as well). Bytes go in, pieces come
 * out, one bounded piece at a time. The caller stops asking when its reader is full, so a bomb
 * never takes more memory than a window. */
#ifndef ER_ORIGIN_INFLATE_H
#define ER_ORIGIN_INFLATE_H

#include "base/chunk.h"

typedef struct er_inflate er_inflate;

er_inflate *er_inflate_new(void);
void er_inflate_free(er_inflate *z);
/* Consumes from the front of *in. True with out->n > 0: call again, even when *in is empty. True
 * with out->n == 0: *in is used up. False: the bytes are not gzip; what came before them is in
 * *out, and the caller's, all the same. */
bool er_inflate_step(er_inflate *z, er_slice *in, er_piece *out);
/* At the end of the input: does no member lack its end? No input at all is whole as well. */
bool er_inflate_whole(const er_inflate *z);

#endif
