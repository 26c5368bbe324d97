/* The host that a request is for: Host, :authority, or that part of an absolute target. */
#ifndef ER_HTTP_AUTHORITY_H
#define ER_HTTP_AUTHORITY_H

#include "base/slice.h"

/* Checks host[:port] and makes it comparable: lower case, written in place (`text` must be the caller's own bytes), without the scheme's
 * own port (`scheme` empty: http). False: not a host, or no port. */
bool er_authority_read(er_slice text, er_slice scheme, er_slice *out);

#endif
