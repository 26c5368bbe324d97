/* The channel between the node and a sandbox, and one direction of it: a byte ring in shared memory
 * with a single producer and a single consumer.
 *
 * The memory is a sealed memfd mapped twice in a row, so that what wraps is still contiguous to the
 * reader. The other side is hostile: each side keeps its own index to itself, reads only the
 * other's, and checks it (a bad one is ER_RING_BROKEN, for ever). Bytes are copied out of the ring
 * before they are looked at twice.
 *
 * Waking: a consumer that finds nothing says so in the ring (er_ring_sleep) and waits on its
 * eventfd; the producer's publish tells whether a wake-up is due. Likewise a producer that found no
 * room is woken by the consumer's release. Many frames, one wake-up. */
#ifndef ER_CHANNEL_RING_H
#define ER_CHANNEL_RING_H

#include "base/err.h"
#include "base/mem.h"
#include "base/slice.h"

#include <stdatomic.h>

enum {
	/* bytes a direction; a power of two and a multiple of the page */
	ER_RING_SIZE = 256 * 1024,
	ER_CHANNEL_CONTROL = 4096,                              /* the control page before the rings */
	ER_CHANNEL_MEM = ER_CHANNEL_CONTROL + 2 * ER_RING_SIZE, /* the memfd's size */
};

/* Shared words of one direction, each side's on a cache line of its own. */
typedef struct er_ring_shared {
	_Alignas(64) _Atomic uint64_t tail; /* producer: bytes ever written */
	_Atomic uint32_t starved;           /* producer: waits for room */
	_Alignas(64) _Atomic uint64_t head; /* consumer: bytes ever read */
	_Atomic uint32_t asleep;            /* consumer: waits for bytes */
} er_ring_shared;

/* What a dying sandbox says about itself: a hint for the log and the blame, never a proof. */
typedef struct er_obituary {
	_Atomic uint32_t reason;   /* er_err_kind: CPU, MEMORY, CRASH */
	_Atomic uint32_t request;  /* id of the request whose turn it was; 0: nobody's */
	_Atomic uint32_t cpu_us;   /* used by that request */
	_Atomic uint32_t detail;   /* CPU: er_budget; else signal number, or 0 */
	_Atomic uint32_t asked_kb; /* memory that it was refused last; said at once; 0: none */
} er_obituary;

/* The control page: what the two sides say to each other beside the bytes. */
typedef struct er_channel_control {
	er_ring_shared to_sandbox;
	er_ring_shared to_node;
	_Alignas(64) er_obituary obituary;
} er_channel_control;

/* One side's view of one direction. */
typedef struct er_ring {
	er_ring_shared *shared;
	uint8_t *data;   /* 2 * ER_RING_SIZE of address space */
	uint64_t mine;   /* own index, including what is not published yet */
	uint64_t theirs; /* the other's, as last read and checked */
	bool broken;
} er_ring;

/* The whole channel as one process sees it. */
typedef struct er_channel {
	er_channel_control *control;
	er_ring in;  /* what this process reads */
	er_ring out; /* what this process writes */
	void *mem;
	size_t mem_n;
} er_channel;

/* Creates the memfd, sized and sealed against resizing. Returns the descriptor or -1. */
int er_channel_memfd(er_err *err);
/* Maps it. `node`: true in the node, false in the sandbox. The descriptor may be closed
 * afterwards. */
ER_MUST_CHECK bool er_channel_map(er_channel *ch, int memfd, bool node, er_err *err);
/* Harmless for one that was never mapped, if it is all zero. */
void er_channel_unmap(er_channel *ch);

/* ---- producer ---- */
/* Contiguous room for n bytes (n <= ER_RING_SIZE), or NULL: full (then `starved` is set: a wake-up
 * will come) or broken. */
uint8_t *er_ring_reserve(er_ring *r, size_t n);
/* n of the bytes that were reserved are written. The other side sees them after the next
 * publish. */
static inline void er_ring_commit(er_ring *r, size_t n)
{
	ER_ASSERT(n <= ER_RING_SIZE - (r->mine - r->theirs));
	r->mine += n;
}
/* Shows all that is committed. True: the consumer sleeps and must be woken (the caller signals its
 * eventfd, once). */
ER_MUST_CHECK bool er_ring_publish(er_ring *r);

/* ---- consumer ---- */
/* Everything readable now; empty when nothing is there or the ring is broken. */
er_slice er_ring_peek(er_ring *r);
/* n bytes are done with. True: the producer waits for room and must be woken. */
ER_MUST_CHECK bool er_ring_release(er_ring *r, size_t n);
/* Announces sleep. False: something arrived meanwhile; do not sleep. */
ER_MUST_CHECK bool er_ring_sleep(er_ring *r);
/* Takes the announcement back after waking for another reason. */
void er_ring_awake(er_ring *r);

#endif
