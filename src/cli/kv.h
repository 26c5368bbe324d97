/* Between kv.c and kv_bulk.c. */
#ifndef ER_CLI_KV_H
#define ER_CLI_KV_H

#include "base/buf.h"

/* RFC 4648 4, with padding. */
void er_kv_put_base64(er_buf *b, er_slice bytes);

#endif
