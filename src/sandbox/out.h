/* Frames to the node. They are written straight into the ring and become visible together at
 * er_out_flush, so that many answers cost one wake-up. When the ring is full they queue in memory,
 * in order, until the node has read; what can queue is bounded by credit and by the memory limit,
 * and console text is dropped first.
 *
 * A frame is begun (room, head), its payload filled, then ended. Nothing may be begun in
 * between. */
#ifndef ER_SANDBOX_OUT_H
#define ER_SANDBOX_OUT_H

#include "base/buf.h"
#include "channel/frame.h"

typedef struct er_out {
	er_buf overflow; /* whole frames that found no room */
	size_t open_n;   /* overflow: payload with padding of the frame that is being written */
	uint64_t safe;   /* ring index up to which a dying sandbox may publish */
	bool hold;       /* an answer was written in this turn: a death must not publish it */
	bool wake_due;   /* published, but the node was not woken yet */
	/* told that the node was woken, and may have been given our core: the turn's */
	void (*woke)(void);
	volatile bool busy;
} er_out;

/* Where the payload of exactly f->n bytes goes. `*head`, if asked for, is where the head lies (to
 * patch arg before the flush), or NULL when it lies in the overflow, which moves. */
uint8_t *er_out_begin(const er_frame *f, uint8_t **head);
void er_out_end(void);
/* A frame whose payload is one piece of bytes. */
void er_out_frame(const er_frame *f, er_slice payload);
/* How much was written so far, and whether the node can see as much: then nothing of it may be
 * changed any more. */
uint64_t er_out_mark(void);
bool er_out_seen(uint64_t mark);
/* Bytes that are not yet visible to the node. */
size_t er_out_pending(void);
/* Bytes that found no room. */
static inline size_t er_out_overflow(const er_out *o)
{
	return er_buf_len(&o->overflow);
}
/* Shows everything to the node, but does not wake it yet if it sleeps: on a busy core waking it
 * early only costs switches. */
void er_out_publish(void);
/* Shows everything to the node and wakes it if it sleeps. */
void er_out_flush(void);
/* Marks that everything so far may be published even if the process dies now. */
void er_out_safe(void);
/* Async-signal-safe: publishes what is safe. */
void er_out_flush_safe(void);
/* Wakes the node. */
void er_out_wake(void);

#endif
