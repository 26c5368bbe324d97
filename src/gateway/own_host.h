/* Which hosts er dev answers. A page of a stranger can let its own name lead to this machine (DNS
 * rebinding), and would then read what the routine at the desk answers; the request says the
 * stranger's name, so names that are not ours are refused. */
#ifndef ER_GATEWAY_OWN_HOST_H
#define ER_GATEWAY_OWN_HOST_H

#include "base/slice.h"

/* `host`: of a request, in lower case, without its port. Ours are localhost and everything below
 * it, 127.0.0.0/8, [::1], no host at all (no browser leaves it out), and those of `list`: names and
 * addresses between commas, "*.example.com" (what is below it), "*" (every host). If 0.0.0.0 or
 * [::] is among them every address is ours, as far as it is written as one. */
bool er_own_host(er_slice host, er_slice list);

#endif
