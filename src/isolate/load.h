/* Inside the isolate room: how an instance gets its code (load.c). */
#ifndef ER_ISOLATE_LOAD_H
#define ER_ISOLATE_LOAD_H

#include "isolate/start.h"

/* Gets the instance its code, at once or later. */
void er_load_code(er_instance *in);
/* Writes the code as far as there is room. False: not all of it. */
bool er_load_pump(er_instance *in);
/* LOADED. False: the sandbox broke the rules. */
bool er_load_done(er_instance *in, const er_frame *f, er_slice payload);

#endif
