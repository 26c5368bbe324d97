/* Timers: a binary heap of what is due, and slots by which a number finds its timer.
 *
 * A timer is in four places at once: the heap (t->heap is its place there), its slot, its owner's
 * list, and, if it counts, the owner's count. er_timer_set puts it into all of them and timer_free
 * takes it out of all of them: when it was cleared, when it has fired (unless it repeats), when its
 * owner is over. Its number is slot and generation, so one that JavaScript has kept too long finds
 * nothing. Numbers and milliseconds come from JavaScript and may be anything; what they become is
 * in range before it is used. The background's timers wait while the background has had its share
 * of CPU. */
#include "sandbox/sandbox.h"

#include "base/mem.h"

enum { SLOT_BITS = 20 };
static_assert(SLOT_BITS + 32 < 53, "a number of a timer, generation and slot, is a whole number in JavaScript as well");
#define MS_MAX 2147483647.0 /* what a browser can wait */

static bool before(const er_timer *a, const er_timer *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->seq < b->seq;
}

static void place(er_timers *ts, er_timer *t, uint32_t at)
{
	ER_ASSERT(at < ts->n && ts->n <= ts->cap);
	ts->heap[at] = t;
	t->heap = at;
}

/* Moves a timer to its place in the heap, up or down, after its time has changed. */
static void sift(er_timers *ts, er_timer *t)
{
	uint32_t at = t->heap;
	while (at > 0 && before(t, ts->heap[(at - 1) / 2])) {
		place(ts, ts->heap[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= ts->n)
			break;
		if (child + 1 < ts->n && before(ts->heap[child + 1], ts->heap[child]))
			child++;
		if (!before(ts->heap[child], t))
			break;
		place(ts, ts->heap[child], at);
		at = child;
	}
	place(ts, t, at);
}

/* A free number for a timer; `gens` tells a number that is used again from the one before. */
static uint32_t take_slot(er_timers *ts)
{
	if (ts->free_slot_n == 0) {
		uint32_t n = ts->slots_n ? 2 * ts->slots_n : 16;
		ts->slots = er_realloc(ts->slots, n * sizeof *ts->slots);
		ts->gens = er_realloc(ts->gens, n * sizeof *ts->gens);
		ts->free_slots = er_realloc(ts->free_slots, n * sizeof *ts->free_slots);
		for (uint32_t i = n; i-- > ts->slots_n;) {
			ts->slots[i] = NULL;
			ts->gens[i] = 0;
			ts->free_slots[ts->free_slot_n++] = i;
		}
		ts->slots_n = n;
	}
	ER_ASSERT(ts->free_slot_n > 0 && ts->free_slot_n <= ts->slots_n);
	return ts->free_slots[--ts->free_slot_n];
}

uint64_t er_timer_set(er_request *owner, double ms, bool repeat)
{
	er_timers *ts = &er_sb.timers;
	bool own = ms < 0;
	if ((!own && owner->timers_n >= er_sb.limits.timers) || ts->n >= (1U << SLOT_BITS) - 2)
		return 0;
	if (!(ms >= 1))
		ms = own ? 0 : 1;
	if (ms > MS_MAX)
		ms = 1; /* as in browsers, where it does not fit 32 bits */
	er_timer *t = ER_NEW(er_timer);
	er_held_init(&t->held, ER_HELD_timer, owner);
	t->every_ns = repeat ? (uint64_t)(ms * 1e6) : 0;
	t->due_ns = er_turn_now_ns() + (uint64_t)(ms * 1e6);
	t->seq = ts->seq++;
	t->slot = take_slot(ts);
	ER_ASSERT(t->slot < ts->slots_n && t->slot < 1U << SLOT_BITS && ts->slots[t->slot] == NULL);
	ts->slots[t->slot] = t;
	t->tid = ((uint64_t)ts->gens[t->slot] << SLOT_BITS) + t->slot + 1;
	t->counted = !own;
	owner->timers_n += t->counted;
	if (ts->n == ts->cap) {
		ts->cap = ts->cap ? 2 * ts->cap : 16;
		ts->heap = er_realloc(ts->heap, ts->cap * sizeof *ts->heap);
	}
	place(ts, t, ts->n++);
	sift(ts, t);
	return t->tid;
}

/* The last of the heap takes its place. */
static void timer_free(er_timer *t)
{
	er_timers *ts = &er_sb.timers;
	er_request *owner = t->held.owner;
	ER_ASSERT(ts->n > 0 && t->heap < ts->n && ts->heap[t->heap] == t && ts->slots[t->slot] == t);
	ER_ASSERT(owner != NULL && owner->timers_n >= t->counted);
	er_timer *last = ts->heap[--ts->n];
	if (last != t) {
		place(ts, last, t->heap);
		sift(ts, last);
	}
	ts->slots[t->slot] = NULL;
	ts->gens[t->slot]++;
	ts->free_slots[ts->free_slot_n++] = t->slot;
	er_held_fini(&t->held);
	owner->timers_n -= t->counted;
	er_free(t);
}

static void timer_end(er_held *h)
{
	timer_free(ER_CONTAINER(h, er_timer, held));
}

const er_held_ops er_held_ops_timer = {.end = timer_end};

void er_timer_clear(uint64_t tid)
{
	er_timers *ts = &er_sb.timers;
	if (tid == 0)
		return;
	uint64_t slot = (tid - 1) & ((1U << SLOT_BITS) - 1);
	if (slot < ts->slots_n && ts->slots[slot] != NULL && ts->slots[slot]->tid == tid)
		timer_free(ts->slots[slot]);
}

uint64_t er_timers_next_ns(void)
{
	return er_sb.timers.n ? er_sb.timers.heap[0]->due_ns : UINT64_MAX;
}

static er_timer *first(uint64_t now_ns, uint64_t limit_seq)
{
	er_timers *ts = &er_sb.timers;
	for (;;) {
		er_timer *t = ts->n ? ts->heap[0] : NULL;
		if (t == NULL || t->due_ns > now_ns || t->seq >= limit_seq)
			return NULL;
		uint64_t rest_ns = t->held.owner->id == 0 ? er_turn_background_rest_ns() : 0;
		if (rest_ns == 0)
			return t;
		t->due_ns = now_ns + rest_ns; /* the background has had its share for now */
		sift(ts, t);
	}
}

bool er_timers_take(uint64_t now_ns, uint64_t limit_seq, uint64_t *tid, er_request **owner)
{
	er_timers *ts = &er_sb.timers;
	er_timer *t = first(now_ns, limit_seq);
	if (t == NULL)
		return false;
	ER_ASSERT(t->held.owner != NULL && t->due_ns <= now_ns && t->seq < limit_seq && ts->slots[t->slot] == t);
	*tid = t->tid;
	*owner = t->held.owner;
	if (t->every_ns == 0) {
		timer_free(t);
		return true;
	}
	t->due_ns += t->every_ns;
	if (t->due_ns <= now_ns)
		t->due_ns = now_ns + t->every_ns; /* late: no catching up */
	t->seq = ts->seq++;
	sift(ts, t);
	return true;
}
