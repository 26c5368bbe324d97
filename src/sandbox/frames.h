/* The node's frames: each becomes a turn, or changes what C keeps. The node is trusted, so a
 * malformed frame is a broken invariant. */
#ifndef ER_SANDBOX_FRAMES_H
#define ER_SANDBOX_FRAMES_H

#include "base/slice.h"
#include "channel/frame.h"

/* The payload still lies in the ring; it is good until this returns. */
void er_frames_handle(const er_frame *f, er_slice payload);
/* Between two turns: what the collector has found that nobody holds any more is told to the node,
 * and to the prelude. Returns how many. */
unsigned er_frames_lost(void);
/* When there is nothing to do: requests that wait for something which can never come hear of it,
 * one at a time. Returns how many. */
unsigned er_frames_hung(void);
/* Sends READY. */
void er_frames_ready(void);

#endif
