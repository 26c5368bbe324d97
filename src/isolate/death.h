/* Inside the isolate room: how boxes end (death.c). */
#ifndef ER_ISOLATE_DEATH_H
#define ER_ISOLATE_DEATH_H

#include "isolate/instance.h"

/* The box's process is gone, and so is the box. `said`: its own words, if it ended before it was
 * locked down. */
void er_death_box(er_box *box, int wait_status, const char *said);

#endif
