/* Inside the isolate room: who runs an exchange (dispatch.c). */
#ifndef ER_ISOLATE_DISPATCH_H
#define ER_ISOLATE_DISPATCH_H

#include "isolate/service.h"

/* Gives the exchange to an instance, or answers it. `retries`: instances that died under it
 * before. */
void er_dispatch(er_service *s, er_exchange *x, uint8_t retries);

#endif
