/* Inside the isolate room: what the request of a fetch says beside what the code says, by the Fetch
 * standard ("fetch", "HTTP-network-or-cache fetch"): that it accepts everything, and who asks. */
#ifndef ER_ISOLATE_INTRODUCE_H
#define ER_ISOLATE_INTRODUCE_H

#include "http/exchange.h"

/* `aux`: of the FETCH. Fields of one name become one. A request that is the client's, or was made
 * from it, stays as it is: it says what the client said. */
void er_introduce(er_exchange *x, uint16_t aux);

#endif
