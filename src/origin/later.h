/* Inside this room: fetches that have done enough in this turn of the loop, and go on in the next.
 * What costs little to send can cost much to work off, and a turn is everybody's. */
#ifndef ER_ORIGIN_LATER_H
#define ER_ORIGIN_LATER_H

#include "origin/fetch.h"

/* With the er_origin; its idle handle is one of the room's uv handles. */
void er_later_init(er_origin *o);
void er_later_close(er_origin *o);
/* f is advanced in the loop's next turn, with nothing spent. Idempotent. */
void er_later_go_on(er_fetch *f);
/* f is over. */
void er_later_drop(er_fetch *f);

#endif
