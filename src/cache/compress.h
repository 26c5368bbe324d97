/* Compresses stored bytes. On a thread that may compute for long.
 *
 * What an encoder takes is bounded: gzip 0.3 MB, Brotli and Zstandard a window of 4 MiB and their
 * tables, some 20 MB together; and they see one body at a time. */
#ifndef ER_CACHE_COMPRESS_H
#define ER_CACHE_COMPRESS_H

#include "base/buf.h"
#include "cache/content.h"

/* Appends all bytes of the content, which is kept (er_content_kept), in that coding. WORTHLESS:
 * they are more than `most`. NOT_NOW: `stop` (atomic) was set meanwhile, its bytes are not there
 * any more, or there is no memory. What is in `to` is of no use then. Waits for the disk if the
 * bytes lie there. */
ER_MUST_CHECK er_form_end er_compress(er_coding coding, er_content *from, size_t most, const bool *stop, er_buf *to);

#endif
