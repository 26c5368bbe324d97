/* Hosts of URLs (URL Standard 3): domains by IDNA, IPv4 in all its old spellings, IPv6, opaque
 * hosts of schemes that are not special. */
#ifndef ER_HTTP_URL_HOST_H
#define ER_HTTP_URL_HOST_H

#include "base/arena.h"

/* *out is the host as it is serialized, in the arena or in `in`. False: not a host. */
bool er_url_host_parse(er_arena *a, er_slice in, bool opaque, er_slice *out);
/* True: the parser would leave it as it is. `host` has lower-case letters, digits, ".", "-" and "_"
 * only. False says nothing. */
bool er_url_host_plain(er_slice host);
/* "Domain to ASCII" without beStrict. False: not a domain. */
bool er_url_domain_ascii(er_arena *a, er_slice domain, er_slice *out);

#endif
