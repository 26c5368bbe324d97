/* Inside the isolate room: what the node does not leave to the sandbox. While a call is under
 * way, each tick looks at every busy instance: time, CPU, memory. While none is, the sweep does. */
#ifndef ER_ISOLATE_SUPERVISE_H
#define ER_ISOLATE_SUPERVISE_H

#include "isolate/instance.h"

/* May kill the instance, which lives on until its process is gone. */
void er_supervise_tick(er_instance *in, uint64_t now_us);
/* The same for an idle instance. Ends one that was idle for too long; frees one that never had a
 * box. */
void er_supervise_sweep(er_instance *in, uint64_t now_us);

#endif
