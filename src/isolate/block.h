/* Blocks of header fields as they go through the channel (channel/frame.h): "name\nvalue\n" for each. */
#ifndef ER_ISOLATE_BLOCK_H
#define ER_ISOLATE_BLOCK_H

#include "channel/frame.h"
#include "http/fields.h"

/* Bytes of the block that er_block_put writes. */
size_t er_block_n(const er_fields *fields);
/* Names in lower case, which a sandbox relies on. */
void er_block_put(er_writer *w, const er_fields *fields);
/* A block that came from a sandbox (a private copy: what is added points into it), appended to `out`. `dropped`: names that it may not say; they go
 * without a word. False: too large, too many fields, a name or value that is none. */
ER_MUST_CHECK bool er_block_read(er_slice block, er_arena *a, er_fields *out, bool (*dropped)(er_slice name));

#endif
