/* Inside the isolate room: what an instance needs to run (supply.c). */
#ifndef ER_ISOLATE_SUPPLY_H
#define ER_ISOLATE_SUPPLY_H

#include "isolate/instance.h"

/* Gets a new instance its code, at once or later, and then a box. */
void er_supply_begin(er_instance *in);
/* A box has become warm: the instance that waits longest gets it, if one waits. */
void er_supply_waiting(er_isolate_host *h, enum er_profile p);
/* Writes what waits: code, requests, bodies. */
void er_supply_pump(er_instance *in);

#endif
