/* The way to the node: frames written into the ring, or, when the ring is full, into a queue in
 * memory that keeps their order. As long as the queue is not empty everything new goes behind it.
 *
 * Three marks: written (ch.out.mine), safe (`safe`: may be shown even if the process dies now),
 * shown (the ring's tail). An answer of a turn becomes safe at the beginning of the next turn, so
 * that a death in the middle of a turn does not publish the answer of the request that it kills.
 * er_out_flush_safe runs in signal handlers; `busy` keeps it out while the ring's index is in
 * motion. One thread. */
#include "sandbox/sandbox.h"

#include "base/mem.h"

#include <unistd.h>

static size_t padded(uint32_t n)
{
	return ((size_t)n + 7) & ~(size_t)7;
}

/* Moves queued frames into the ring as far as there is room. */
static void drain_overflow(er_out *o)
{
	while (er_buf_len(&o->overflow)) {
		er_frame f;
		er_slice payload;
		size_t whole;
		ER_ASSERT(er_frame_read(er_buf_slice(&o->overflow), &f, &payload, &whole) == ER_FRAME_OK);
		uint8_t *p = er_frame_write(&er_sb.ch.out, &f);
		if (p == NULL)
			return;
		er_copy(p, payload.p, payload.n);
		ER_ASSERT(whole == ER_FRAME_HEAD + padded(f.n));
		er_buf_consume(&o->overflow, whole);
	}
	er_buf_fini(&o->overflow);
	er_buf_init(&o->overflow);
}

uint8_t *er_out_begin(const er_frame *f, uint8_t **head)
{
	er_out *o = &er_sb.out;
	if (f->type == ER_FRAME_RESPONSE)
		o->hold = true;
	if (__builtin_expect(er_buf_len(&o->overflow) == 0, 1)) {
		uint8_t *p = er_frame_write(&er_sb.ch.out, f);
		if (__builtin_expect(p != NULL, 1)) {
			if (head != NULL)
				*head = p - ER_FRAME_HEAD;
			return p;
		}
		er_out_flush(); /* the node may be asleep while the ring is full of what it has not seen */
	}
	/* Patching the head later is not possible here: the buffer moves when it grows. */
	ER_ASSERT(f->n <= ER_FRAME_MAX);
	size_t whole = ER_FRAME_HEAD + padded(f->n);
	uint8_t *p = er_buf_reserve(&o->overflow, whole);
	memcpy(p, f, ER_FRAME_HEAD);
	memset(p + ER_FRAME_HEAD, 0, whole - ER_FRAME_HEAD);
	er_buf_wrote(&o->overflow, whole);
	if (head != NULL)
		*head = NULL;
	return p + ER_FRAME_HEAD;
}

void er_out_end(void)
{
	if (!er_sb.out.hold)
		er_sb.out.safe = er_sb.ch.out.mine;
}

void er_out_frame(const er_frame *f, er_slice payload)
{
	ER_ASSERT(f->n == payload.n);
	uint8_t *p = er_out_begin(f, NULL);
	er_copy(p, payload.p, payload.n);
	er_out_end();
}

uint64_t er_out_mark(void)
{
	return er_sb.ch.out.mine;
}

bool er_out_seen(uint64_t mark)
{
	return atomic_load_explicit(&er_sb.ch.out.shared->tail, memory_order_relaxed) >= mark;
}

size_t er_out_pending(void)
{
	return (size_t)(er_sb.ch.out.mine - atomic_load_explicit(&er_sb.ch.out.shared->tail, memory_order_relaxed));
}

void er_out_wake(void)
{
	uint64_t one = 1;
	(void)!write(er_sb.wake_node, &one, sizeof one);
}

void er_out_publish(void)
{
	er_out *o = &er_sb.out;
	ER_ASSERT(!o->busy);
	o->busy = true;
	o->wake_due |= er_ring_publish(&er_sb.ch.out);
	if (er_buf_len(&o->overflow)) {
		drain_overflow(o);
		o->wake_due |= er_ring_publish(&er_sb.ch.out);
	}
	o->busy = false;
}

void er_out_flush(void)
{
	er_out_publish();
	if (er_sb.out.wake_due) {
		er_sb.out.wake_due = false;
		er_out_wake();
		if (er_sb.out.woke != NULL)
			er_sb.out.woke();
	}
}

void er_out_safe(void)
{
	ER_ASSERT(er_sb.out.safe <= er_sb.ch.out.mine);
	er_sb.out.hold = false;
	er_sb.out.safe = er_sb.ch.out.mine;
}

void er_out_flush_safe(void)
{
	er_ring *r = &er_sb.ch.out;
	if (er_sb.out.busy || r->shared == NULL)
		return;
	uint64_t all = r->mine;
	if (er_sb.out.safe <= atomic_load_explicit(&r->shared->tail, memory_order_relaxed))
		return;
	r->mine = er_sb.out.safe;
	if (er_ring_publish(r) || er_sb.out.wake_due)
		er_out_wake();
	r->mine = all;
}
