/* Inside the isolate room: blocks of header fields as they go through the channel
 * (channel/frame.h), which are "name\nvalue\n" for each field. */
#ifndef ER_ISOLATE_BLOCK_H
#define ER_ISOLATE_BLOCK_H

#include "channel/frame.h"
#include "http/fields.h"

/* Bytes of the block that er_block_put writes. */
size_t er_block_n(const er_fields *fields);
/* Names in lower case, which a sandbox relies on. */
void er_block_put(er_writer *w, const er_fields *fields);
/* Appends to `out` the fields of a block that came from a sandbox. The block is a private copy:
 * the fields point into it. Fields whose name `dropped` refuses are left out. False: the block
 * is too large, has too many fields, or has a malformed one; *why says which, as the end of a
 * sentence. */
ER_MUST_CHECK bool er_block_read(er_slice block, er_arena *a, er_fields *out, bool (*dropped)(er_slice name), const char **why);
/* Of a block that er_block_read refused: *name is the first field that HTTP cannot carry, for a
 * control character in its value or a name that is no token. False: every field is well formed. */
bool er_block_malformed(er_slice block, er_slice *name);

#endif
