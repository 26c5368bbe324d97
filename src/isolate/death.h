/* Inside the isolate room: how boxes and instances end (death.c). */
#ifndef ER_ISOLATE_DEATH_H
#define ER_ISOLATE_DEATH_H

#include "isolate/instance.h"

/* The instance's process is gone, or it never had one: ends its calls, and frees it. */
void er_death_instance(er_instance *in, int wait_status);
/* A box ended before it held code; `why` is for the log. When that repeats, those who wait for one
 * are told. */
void er_death_lost(er_box *box, const char *why);
/* The box's process is gone, and so is the box. `said`: its own words, if it ended before it was
 * locked down. */
void er_death_box(er_box *box, int wait_status, const char *said);

#endif
