/* What c-ares does not tell of a name server's answer: how long it holds that a name has no
 * address. Pure: bytes go in, a number comes out. */
#ifndef ER_ORIGIN_DNS_MESSAGE_H
#define ER_ORIGIN_DNS_MESSAGE_H

#include "base/slice.h"

/* `message` is a whole answer (RFC 1035 4), hostile. True: its authority section has a record
 * SOA, and *ttl_s is the lesser of that record's own time and its field MINIMUM, in seconds (RFC
 * 2308 5). */
bool er_dns_negative_ttl(er_slice message, uint32_t *ttl_s);

#endif
