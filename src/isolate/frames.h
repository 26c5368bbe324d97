/* Inside the isolate room: what the sandboxes say (frames.c). */
#ifndef ER_ISOLATE_FRAMES_H
#define ER_ISOLATE_FRAMES_H

#include "isolate/box.h"

/* Reads frames from the ring, up to a bound, and does what they say. Whoever breaks the rules is
 * killed. */
void er_frames_read(er_box *box);
/* The same without a bound: the process is gone, and writes no more. */
void er_frames_read_all(er_box *box);
/* The sandbox has written after a silence, or has read and made room. */
void er_frames_woken(er_box *box);

#endif
