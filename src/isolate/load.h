/* Inside the isolate room: how an instance's code goes over the ring (load.c). */
#ifndef ER_ISOLATE_LOAD_H
#define ER_ISOLATE_LOAD_H

#include "isolate/start.h"

/* Writes the code as far as there is room. False: not all of it. */
bool er_load_pump(er_instance *in);
/* LOADED. False: the sandbox broke the rules. */
bool er_load_done(er_instance *in, const er_frame *f, er_slice payload);

#endif
